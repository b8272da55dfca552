// SPDX-License-Identifier: BSD-2-Clause
//! A writer of FAT16 images: everything is known beforehand, so files lie in one piece and the same files give the same
//! bytes. (The crate `fatfs` writes folders that `fsck.vfat` calls damaged.)
//!
//! Layout: boot sector, two tables, the root folder, clusters. Names that are not upper-case 8.3 get long entries and a
//! made-up short name.

use anyhow::{Result, bail};

const SECTOR: usize = 512;
/// Entries of the root folder, which FAT16 fixes at formatting.
const ROOT_ENTRIES: usize = 512;
/// Bytes of a folder's entry.
const ENTRY: usize = 32;
/// FAT16 is what has this many clusters; firmware decides by nothing else.
const CLUSTERS: std::ops::RangeInclusive<usize> = 4085..=65524;
/// Clusters that stay free, so that small images are FAT16 as well.
const SPARE_CLUSTERS: usize = 4200;
const END_OF_CHAIN: u16 = 0xffff;
const ATTRIBUTE_FOLDER: u8 = 0x10;
const ATTRIBUTE_FILE: u8 = 0x20;
const ATTRIBUTE_LABEL: u8 = 0x08;
const ATTRIBUTE_LONG: u8 = 0x0f;
/// 1 January 2026: images do not depend on when they are made.
const DATE: u16 = (2026 - 1980) << 9 | 1 << 5 | 1;

/// A folder or a file.
enum Node {
    Folder(Vec<(String, Node)>),
    File(usize),
}

/// Makes an image of these files (path with `/`, bytes).
///
/// # Errors
/// More than FAT16 holds: 2 GiB, or 90 entries in a folder.
pub fn image(label: &str, files: &[(String, Vec<u8>)]) -> Result<Vec<u8>> {
    let mut root = Vec::new();
    for (i, (path, _)) in files.iter().enumerate() {
        insert(&mut root, path, i)?;
    }
    let mut writer = Writer::new(files, folders(&root))?;
    let mut content = short_entry(&pad(label.as_bytes()), ATTRIBUTE_LABEL, 0, 0).to_vec();
    content.extend(writer.entries(&root, 0)?);
    if content.len() > ROOT_ENTRIES * ENTRY {
        bail!("too many names in the root of the boot image");
    }
    let at = writer.root_at;
    writer.image[at..at + content.len()].copy_from_slice(&content);
    Ok(writer.finish(label))
}

fn insert(folder: &mut Vec<(String, Node)>, path: &str, file: usize) -> Result<()> {
    let (name, rest) = path.split_once('/').map_or((path, None), |(name, rest)| (name, Some(rest)));
    if name.is_empty()
        || name.len() > 100
        || !name.bytes().all(|b| b.is_ascii_graphic() && !b"\\:*?\"<>|".contains(&b))
    {
        bail!("'{path}' is no name for the boot image");
    }
    // Two digits tell made-up short names of a folder apart, and the root has entries for no more.
    if folder.len() >= 90 {
        bail!("too many entries beside '{path}'");
    }
    let Some(rest) = rest else {
        folder.push((name.to_string(), Node::File(file)));
        return Ok(());
    };
    let at = folder.iter().position(|(n, _)| n == name).unwrap_or_else(|| {
        folder.push((name.to_string(), Node::Folder(Vec::new())));
        folder.len() - 1
    });
    match &mut folder[at].1 {
        Node::Folder(inner) => insert(inner, rest, file),
        Node::File(_) => bail!("'{name}' is both a file and a folder"),
    }
}

/// Folders below this one.
fn folders(folder: &[(String, Node)]) -> usize {
    folder.iter().map(|(_, node)| if let Node::Folder(inner) = node { 1 + folders(inner) } else { 0 }).sum()
}

struct Writer<'a> {
    files: &'a [(String, Vec<u8>)],
    image: Vec<u8>,
    /// Table of the clusters, the first two entries included.
    table: Vec<u16>,
    /// Next free cluster.
    next: usize,
    cluster: usize,
    clusters: usize,
    table_sectors: usize,
    root_at: usize,
}

impl<'a> Writer<'a> {
    fn new(files: &'a [(String, Vec<u8>)], folders: usize) -> Result<Self> {
        for cluster in (0..7).map(|shift| SECTOR << shift) {
            // A folder has at most 90 entries of at most 9 slots.
            let folder = (92 * 10 * ENTRY).div_ceil(cluster);
            let used: usize =
                files.iter().map(|(_, b)| b.len().div_ceil(cluster)).sum::<usize>() + folders * folder;
            let clusters = used + SPARE_CLUSTERS;
            if !CLUSTERS.contains(&clusters) {
                continue;
            }
            let table_sectors = (2 * (clusters + 2)).div_ceil(SECTOR);
            let root_at = (1 + 2 * table_sectors) * SECTOR;
            let size = root_at + ROOT_ENTRIES * ENTRY + clusters * cluster;
            return Ok(Self {
                files,
                image: vec![0; size],
                table: vec![0xfff8, END_OF_CHAIN],
                next: 2,
                cluster,
                clusters,
                table_sectors,
                root_at,
            });
        }
        bail!("the boot image would be larger than FAT16 can be");
    }

    /// Writes content in one piece; gives its first cluster, 0 for nothing.
    fn put(&mut self, content: &[u8]) -> u16 {
        let count = content.len().div_ceil(self.cluster);
        let first = self.next;
        let at = self.root_at + ROOT_ENTRIES * ENTRY + (first - 2) * self.cluster;
        self.image[at..at + content.len()].copy_from_slice(content);
        self.next += count;
        self.table.extend((1..count).map(|i| (first + i) as u16));
        if count == 0 {
            return 0;
        }
        self.table.push(END_OF_CHAIN);
        first as u16
    }

    /// Writes what is in a folder and gives the folder's entries; `this` is its own first cluster.
    fn entries(&mut self, folder: &[(String, Node)], this: u16) -> Result<Vec<u8>> {
        let mut entries = Vec::new();
        for (i, (name, node)) in folder.iter().enumerate() {
            let (attribute, first, length) = match node {
                Node::File(file) => {
                    let bytes = &self.files[*file].1;
                    (ATTRIBUTE_FILE, self.put(bytes), u32::try_from(bytes.len())?)
                }
                Node::Folder(inner) => (ATTRIBUTE_FOLDER, self.folder(inner, this)?, 0),
            };
            let short = short_name(name).unwrap_or_else(|| {
                entries.extend(long_entries(name, &made_up(name, i)));
                made_up(name, i)
            });
            entries.extend(short_entry(&short, attribute, first, length));
        }
        Ok(entries)
    }

    /// Writes a folder below `parent`; gives its first cluster.
    fn folder(&mut self, inner: &[(String, Node)], parent: u16) -> Result<u16> {
        // Its own cluster must be known before its content is, so it takes its place first.
        let slots = 2 + inner.iter().map(|(name, _)| 1 + name.len().div_ceil(13)).sum::<usize>();
        let first = self.put(&vec![0; slots * ENTRY]);
        let mut content = short_entry(&pad(b"."), ATTRIBUTE_FOLDER, first, 0).to_vec();
        content.extend(short_entry(&pad(b".."), ATTRIBUTE_FOLDER, parent, 0));
        content.extend(self.entries(inner, first)?);
        let at = self.root_at + ROOT_ENTRIES * ENTRY + (usize::from(first) - 2) * self.cluster;
        self.image[at..at + content.len()].copy_from_slice(&content);
        Ok(first)
    }

    fn finish(mut self, label: &str) -> Vec<u8> {
        let sectors = self.image.len() / SECTOR;
        let mut boot = [0u8; SECTOR];
        let mut put = |at: usize, bytes: &[u8]| boot[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &[0xeb, 0x3c, 0x90]);
        put(3, b"EBB     ");
        put(11, &(SECTOR as u16).to_le_bytes());
        put(13, &[(self.cluster / SECTOR) as u8]);
        put(14, &1u16.to_le_bytes());
        put(16, &[2]);
        put(17, &(ROOT_ENTRIES as u16).to_le_bytes());
        if let Ok(small) = u16::try_from(sectors) {
            put(19, &small.to_le_bytes());
        } else {
            put(32, &(sectors as u32).to_le_bytes());
        }
        put(21, &[0xf8]);
        put(22, &(self.table_sectors as u16).to_le_bytes());
        put(24, &63u16.to_le_bytes());
        put(26, &255u16.to_le_bytes());
        put(36, &[0x80, 0, 0x29]);
        put(39, b"EBB1");
        put(43, &pad(label.as_bytes()));
        put(54, b"FAT16   ");
        put(510, &[0x55, 0xaa]);
        self.image[..SECTOR].copy_from_slice(&boot);
        debug_assert!(self.table.len() <= self.clusters + 2);
        let table: Vec<u8> = self.table.iter().flat_map(|e| e.to_le_bytes()).collect();
        for copy in 0..2 {
            let at = (1 + copy * self.table_sectors) * SECTOR;
            self.image[at..at + table.len()].copy_from_slice(&table);
        }
        self.image
    }
}

/// Eleven bytes, filled with blanks.
fn pad(name: &[u8]) -> [u8; 11] {
    let mut padded = [b' '; 11];
    padded.iter_mut().zip(name).for_each(|(to, from)| *to = *from);
    padded
}

/// The name as a short one, if it is one already.
fn short_name(name: &str) -> Option<[u8; 11]> {
    let (base, extension) = name.split_once('.').unwrap_or((name, ""));
    let good = |part: &str| part.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    if base.is_empty() || base.len() > 8 || extension.len() > 3 || !good(base) || !good(extension) {
        return None;
    }
    let mut short = pad(base.as_bytes());
    short[8..8 + extension.len()].copy_from_slice(extension.as_bytes());
    Some(short)
}

/// A short name for entry `index` of a folder, like no other's.
fn made_up(name: &str, index: usize) -> [u8; 11] {
    let letters: String = name.chars().filter(char::is_ascii_alphanumeric).take(5).collect();
    pad(format!("{}~{index:02}", letters.to_ascii_uppercase()).as_bytes())
}

fn short_entry(name: &[u8; 11], attribute: u8, first: u16, length: u32) -> [u8; ENTRY] {
    let mut entry = [0; ENTRY];
    entry[..11].copy_from_slice(name);
    entry[11] = attribute;
    entry[16..18].copy_from_slice(&DATE.to_le_bytes());
    entry[18..20].copy_from_slice(&DATE.to_le_bytes());
    entry[24..26].copy_from_slice(&DATE.to_le_bytes());
    entry[26..28].copy_from_slice(&first.to_le_bytes());
    entry[28..].copy_from_slice(&length.to_le_bytes());
    entry
}

/// The entries before the short one: 13 characters each, the last part first.
fn long_entries(name: &str, short: &[u8; 11]) -> Vec<u8> {
    let check = short.iter().fold(0u8, |sum, &b| sum.rotate_right(1).wrapping_add(b));
    let letters: Vec<u16> = name.encode_utf16().collect();
    let parts: Vec<&[u16]> = letters.chunks(13).collect();
    let mut entries = Vec::new();
    for (i, part) in parts.iter().enumerate().rev() {
        let mut entry = [0; ENTRY];
        entry[0] = (i + 1) as u8 | if i + 1 == parts.len() { 0x40 } else { 0 };
        entry[11] = ATTRIBUTE_LONG;
        entry[13] = check;
        let places = (1..11).step_by(2).chain((14..26).step_by(2)).chain((28..32).step_by(2));
        for (k, at) in places.enumerate() {
            // The name ends with a zero, and after that come ones.
            let letter = part.get(k).copied().unwrap_or(if k == part.len() { 0 } else { 0xffff });
            entry[at..at + 2].copy_from_slice(&letter.to_le_bytes());
        }
        entries.extend(entry);
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(image: &[u8], at: usize) -> usize {
        usize::from(u16::from_le_bytes([image[at], image[at + 1]]))
    }

    /// Reads a file the way firmware does, by its short names.
    fn read(image: &[u8], path: &[[u8; 11]]) -> Vec<u8> {
        let cluster = usize::from(image[13]) * SECTOR;
        let root = (1 + 2 * word(image, 22)) * SECTOR;
        let data = root + word(image, 17) * ENTRY;
        let chain = |first: usize| {
            let mut content = Vec::new();
            let mut at = first;
            while (2..0xfff0).contains(&at) {
                content.extend(&image[data + (at - 2) * cluster..data + (at - 1) * cluster]);
                at = word(image, SECTOR + 2 * at);
            }
            content
        };
        let mut folder = image[root..data].to_vec();
        let mut length = 0;
        for name in path {
            let entry = folder.chunks(ENTRY).find(|e| &e[..11] == name && e[11] != ATTRIBUTE_LONG).unwrap();
            length = u32::from_le_bytes(entry[28..32].try_into().unwrap()) as usize;
            folder = chain(word(entry, 26));
        }
        folder.truncate(length);
        folder
    }

    fn sample() -> Vec<(String, Vec<u8>)> {
        let bytes = |n: u32| (0..n).map(|i| (i * 7) as u8).collect::<Vec<u8>>();
        [("limine.conf", 700), ("boot/swap-pager", 100_000), ("boot/empty", 0), ("EFI/BOOT/BOOTX64.EFI", 512)]
            .map(|(path, n)| (path.to_string(), bytes(n)))
            .to_vec()
    }

    #[test]
    fn files_are_found_again() {
        let files = sample();
        let image = image("EBB", &files).unwrap();
        let boot = made_up("boot", 1);
        assert_eq!(read(&image, &[made_up("limine.conf", 0)]), files[0].1);
        assert_eq!(read(&image, &[boot, made_up("swap-pager", 0)]), files[1].1);
        assert_eq!(read(&image, &[boot, made_up("empty", 1)]), b"");
        assert_eq!(read(&image, &[pad(b"EFI"), pad(b"BOOT"), pad(b"BOOTX64 EFI")]), files[3].1);
        let clusters = (image.len() / SECTOR - 1 - 2 * word(&image, 22) - 32) / usize::from(image[13]);
        assert!(CLUSTERS.contains(&clusters));
    }

    /// The judge is the checker that everybody uses; where it is not installed, the test above has to do.
    #[test]
    fn fsck_finds_nothing() {
        let file = std::env::temp_dir().join(format!("ebb-fat-{}.img", std::process::id()));
        std::fs::write(&file, image("EBB", &sample()).unwrap()).unwrap();
        let fsck = std::process::Command::new("fsck.vfat").arg("-n").arg(&file).output();
        std::fs::remove_file(&file).unwrap();
        if let Ok(output) = fsck {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        }
    }

    #[test]
    fn long_names_are_spread_over_entries() {
        let entries = long_entries("a-name-of-26-letters-abcde", &made_up("a", 0));
        assert_eq!(entries.len(), 2 * ENTRY);
        assert_eq!((entries[0], entries[32]), (0x42, 1));
        assert_eq!(short_name("BOOTX64.EFI"), Some(pad(b"BOOTX64 EFI")));
        assert_eq!((short_name("boot"), short_name("TOOLONGNAME")), (None, None));
    }

    #[test]
    fn refuses_what_it_cannot_hold() {
        assert!(image("X", &[("a/../b?".to_string(), vec![])]).is_err());
        assert!(image("X", &[("a".to_string(), vec![]), ("a/b".to_string(), vec![])]).is_err());
        let many: Vec<_> = (0..91).map(|i| (format!("f{i}"), vec![])).collect();
        assert!(image("X", &many).is_err());
    }
}
