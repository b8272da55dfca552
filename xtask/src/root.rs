// SPDX-License-Identifier: BSD-2-Clause
//! The root disk: an ext4 file system with the programs in `/bin` and a folder of the host in `/data`, made and read by e2fsprogs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::compile::Built;
use crate::fsck::{Verdict, check, command};
use crate::size::Size;

/// Serial of the disk, by which `init` knows it.
pub const SERIAL: &str = "root";
/// Room beside what is on it.
const ROOM: u64 = 256 << 20;
/// The same, where the disk lies in memory: for the journal, and a little.
const ROOM_IN_MEMORY: u64 = 10 << 20;

/// The same, where the disk lies in memory that the machine has beside its own: for what workloads put there.
const ROOM_BESIDE: u64 = 96 << 20;

/// How large a disk is made.
#[derive(Clone, Copy, Debug)]
pub enum Sizing {
    /// So large.
    Given(Size),
    /// With room to work on what is there.
    Roomy,
    /// As it lies in the machine's memory.
    InMemory,
    /// As it lies in memory that is no use to the machine otherwise.
    Beside,
}
/// What the machine's file system has, and what it has not: `dir_index`, because the library that serves it counts the blocks of an indexed directory wrong; the others, because it does
/// not know them. A journal of 4 MiB is the smallest that e2fsprogs makes; what is not checkpointed of it takes memory in the machine. UUID and hash seed are fixed, so
/// that the same files lie in the same places of every image.
const OPTIONS: &[&str] = &[
    "-q",
    "-F",
    "-t",
    "ext4",
    "-b",
    "4096",
    "-m",
    "0",
    "-J",
    "size=4",
    "-O",
    "^orphan_file,^metadata_csum_seed,^resize_inode,^dir_index",
    "-E",
    "lazy_itable_init=0,root_owner=0:0,hash_seed=6562622d-0000-4000-8000-000000000002",
    "-U",
    "6562622d-0000-4000-8000-000000000001",
    "-L",
    "ebb",
];

/// Bytes of the disk for each inode that it has beyond those of its files.
const BYTES_PER_INODE: u64 = 16 << 10;

/// What is on a disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Contents {
    /// Bytes, in whole blocks.
    bytes: u64,
    /// Files, folders and links.
    entries: u64,
}

impl Contents {
    fn add(&mut self, bytes: u64) {
        self.bytes += bytes.next_multiple_of(4096);
        self.entries += 1;
    }
}

/// Makes the image in a folder. `files`: what is put into `/data`.
///
/// # Errors
/// A file that cannot be read, or an image that cannot be made.
pub fn make(folder: &Path, built: &Built, files: Option<&Path>, size: Sizing) -> Result<PathBuf> {
    let staging = folder.join("root");
    for dir in ["bin", "data", "tmp", "etc"] {
        fs::create_dir_all(staging.join(dir))
            .with_context(|| format!("{} cannot be made", staging.display()))?;
    }
    let mut contents = Contents::default();
    for (name, file) in &built.programs {
        contents.add(program(file, &staging.join("bin").join(name))?);
    }
    // What scripts call the shell.
    std::os::unix::fs::symlink("shell", staging.join("bin/sh")).context("/bin/sh cannot be made")?;
    contents.entries += 1;
    if let Some(files) = files {
        copy_tree(files, &staging.join("data"), &mut contents)?;
    }
    let image = folder.join("root.img");
    let size = match size {
        Sizing::Given(size) => size.0,
        Sizing::Roomy => contents.bytes * 3 + ROOM,
        Sizing::Beside => contents.bytes + contents.bytes / 4 + ROOM_BESIDE,
        Sizing::InMemory => contents.bytes + contents.bytes / 4 + ROOM_IN_MEMORY,
    }
    .next_multiple_of(1 << 20);
    fs::File::create(&image)
        .and_then(|f| f.set_len(size))
        .with_context(|| format!("{} cannot be made {size} bytes long", image.display()))?;
    let inodes = contents.entries + (size / BYTES_PER_INODE).max(64);
    let made = command("mke2fs")
        .args(OPTIONS)
        .args(["-N", &inodes.to_string()])
        .arg("-d")
        .arg(&staging)
        .arg(&image)
        .env("SOURCE_DATE_EPOCH", "1767225600")
        .env("E2FSPROGS_FAKE_TIME", "1767225600")
        .output()
        .context("mke2fs does not start: install Debian's package 'e2fsprogs'")?;
    if !made.status.success() {
        bail!(
            "the root disk of {} MiB for {} MiB of files cannot be made: {}",
            size >> 20,
            contents.bytes.div_ceil(1 << 20),
            String::from_utf8_lossy(&made.stderr).trim()
        );
    }
    fs::remove_dir_all(&staging).with_context(|| format!("{} cannot be removed", staging.display()))?;
    Ok(image)
}

/// Puts a program into a folder for the machine, without symbols where the host can strip them. Returns its bytes.
///
/// # Errors
/// It cannot be read or written.
pub fn program(from: &Path, to: &Path) -> Result<u64> {
    let stripped = Command::new("strip").arg("-s").arg("-o").arg(to).arg(from).output();
    if !stripped.is_ok_and(|s| s.status.success()) {
        fs::copy(from, to).with_context(|| format!("{} cannot be copied", from.display()))?;
    }
    fs::set_permissions(to, fs::Permissions::from_mode(0o755))?;
    Ok(fs::metadata(to)?.len())
}

/// Copies what is in a folder: links as links, with permissions and times of the last change.
fn copy_tree(from: &Path, to: &Path, contents: &mut Contents) -> Result<()> {
    for entry in fs::read_dir(from).with_context(|| format!("--files: {}", from.display()))? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let context = || format!("--files: {}", source.display());
        let about = entry.metadata().with_context(context)?;
        if about.is_symlink() {
            let link = fs::read_link(&source).with_context(context)?;
            std::os::unix::fs::symlink(link, &target).with_context(context)?;
            contents.add(0);
            continue;
        }
        if about.is_dir() {
            fs::create_dir(&target).with_context(context)?;
            copy_tree(&source, &target, contents)?;
            contents.add(about.len());
        } else if about.is_file() {
            contents.add(fs::copy(&source, &target).with_context(context)?);
        } else {
            bail!("{}: neither a file, nor a folder, nor a link", context());
        }
        let changed = about.modified().with_context(context)?;
        fs::File::open(&target).and_then(|f| f.set_modified(changed)).with_context(context)?;
        fs::set_permissions(&target, about.permissions()).with_context(context)?;
    }
    Ok(())
}

/// Copies `/data` of an image out to a folder that does not exist or is empty.
///
/// # Errors
/// What cannot be copied, or a file system that had to be repaired.
pub fn save(image: &Path, to: &Path) -> Result<()> {
    let verdict = check(image)?;
    fs::create_dir_all(to).with_context(|| format!("--save {}", to.display()))?;
    let parent = image.parent().unwrap_or(Path::new("."));
    let out = parent.join("saved");
    fs::create_dir_all(&out)?;
    let done = command("debugfs")
        .arg("-R")
        .arg(format!("rdump /data \"{}\"", out.display()))
        .arg(image)
        .output()
        .context("debugfs does not start: install Debian's package 'e2fsprogs'")?;
    let said = String::from_utf8_lossy(&done.stderr);
    let complaints: Vec<&str> =
        said.lines().filter(|l| !l.starts_with("debugfs ") && !l.contains("changing ownership")).collect();
    let data = out.join("data");
    if !done.status.success() || !complaints.is_empty() || !data.is_dir() {
        bail!("--save: /data cannot be read from the disk: {}", complaints.join("; "));
    }
    for entry in fs::read_dir(&data)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if fs::rename(entry.path(), &target).is_err() {
            // Another file system of the host.
            let done = Command::new("cp").arg("-a").arg(entry.path()).arg(&target).status()?;
            if !done.success() {
                bail!("--save: {} cannot be written", target.display());
            }
        }
    }
    match verdict {
        Verdict::Clean => Ok(()),
        Verdict::Damaged(said) => bail!("the machine's file system had to be repaired:\n{}", said.trim_end()),
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::fsck::check;
    use crate::fsck::tests::spoil_bitmap;
    use crate::run::Folder;
    use std::ffi::{OsStr, OsString};
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    use std::time::{Duration, SystemTime};

    pub fn image_of(folder: &Path, files: &Path, size: Option<Size>) -> Result<PathBuf> {
        let built = Built {
            loader: PathBuf::new(),
            kernel: PathBuf::new(),
            modules: Vec::new(),
            programs: vec![("xtask".to_string(), std::env::current_exe()?)],
        };
        make(folder, &built, Some(files), size.map_or(Sizing::Roomy, Sizing::Given))
    }

    /// What a folder holds: for each path its permissions, and its contents or where it points to.
    fn listing(dir: &Path, under: &Path, all: &mut Vec<(OsString, u32, Vec<u8>)>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let about = fs::symlink_metadata(&path).unwrap();
            let holds = if about.is_symlink() {
                fs::read_link(&path).unwrap().into_os_string().into_vec()
            } else if about.is_dir() {
                listing(&path, under, all);
                b"a folder".to_vec()
            } else {
                fs::read(&path).unwrap()
            };
            let name = path.strip_prefix(under).unwrap().as_os_str().to_owned();
            all.push((name, about.permissions().mode(), holds));
        }
    }

    fn all_of(dir: &Path) -> Vec<(OsString, u32, Vec<u8>)> {
        let mut all = Vec::new();
        listing(dir, dir, &mut all);
        all.sort();
        all
    }

    #[test]
    fn a_folder_comes_back_as_it_was() {
        let folder = Folder::new(false).unwrap();
        let (files, out) = (folder.path().join("files"), folder.path().join("a/b/out"));
        fs::create_dir_all(files.join("dir/empty")).unwrap();
        let longest = "n".repeat(255);
        let odd: [&[u8]; 12] = [
            b"two words",
            b"new\nline",
            b"tab\t",
            b"\"quoted\"",
            b"it's",
            b"-R",
            b"$HOME;*",
            b"back\\slash",
            "\u{e4}\u{20ac}\u{1f980}".as_bytes(),
            b"not \xff UTF-8",
            b"<12>",
            longest.as_bytes(),
        ];
        for (n, name) in odd.into_iter().enumerate() {
            fs::write(files.join("dir").join(OsStr::from_bytes(name)), vec![n as u8; n * 3000]).unwrap();
            fs::create_dir(files.join(OsStr::from_bytes(name))).unwrap();
        }
        // Holes, and something behind them.
        let mut sparse = vec![0; 300_000];
        sparse[270_000] = 1;
        fs::write(files.join("sparse"), sparse).unwrap();
        for (name, mode) in [("secret", 0o400), ("program", 0o755), ("nobody", 0o000)] {
            fs::write(files.join(name), name).unwrap();
            fs::set_permissions(files.join(name), fs::Permissions::from_mode(mode)).unwrap();
        }
        let when = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        fs::File::open(files.join("program")).unwrap().set_modified(when).unwrap();
        for (link, to) in [("link", "dir"), ("dangling", "/no/where"), ("long", longest.as_str())] {
            std::os::unix::fs::symlink(to, files.join(link)).unwrap();
        }
        // Only root can read what nobody may.
        let expected = if fs::read(files.join("nobody")).is_ok() {
            all_of(&files)
        } else {
            assert!(image_of(folder.path(), &files, None).unwrap_err().to_string().contains("nobody"));
            fs::remove_dir_all(folder.path().join("root")).unwrap();
            fs::remove_file(files.join("nobody")).unwrap();
            all_of(&files)
        };
        let image = image_of(folder.path(), &files, None).unwrap();
        save(&image, &out).unwrap();
        assert_eq!(all_of(&out), expected);
        assert_eq!(fs::metadata(out.join("program")).unwrap().modified().unwrap(), when);
        assert_eq!(check(&image).unwrap(), Verdict::Clean);
    }

    #[test]
    fn many_small_files_find_room() {
        let folder = Folder::new(false).unwrap();
        let files = folder.path().join("files");
        fs::create_dir(&files).unwrap();
        (0..5000).for_each(|n| fs::write(files.join(n.to_string()), "").unwrap());
        let image = image_of(folder.path(), &files, Some(Size::mib(32))).unwrap();
        let out = folder.path().join("out");
        save(&image, &out).unwrap();
        assert_eq!(fs::read_dir(out).unwrap().count(), 5000);
    }

    #[test]
    fn what_cannot_be_put_on_a_disk_is_said() {
        let folder = Folder::new(false).unwrap();
        let files = folder.path().join("files");
        fs::create_dir(&files).unwrap();
        fs::write(files.join("large"), vec![1; 20 << 20]).unwrap();
        let error = image_of(folder.path(), &files, Some(Size::mib(16))).unwrap_err().to_string();
        assert!(error.contains("16 MiB for"), "{error}");
        fs::remove_dir_all(folder.path().join("root")).unwrap();
        let socket = std::os::unix::net::UnixListener::bind(files.join("s"));
        // A path may be too long for a socket.
        if socket.is_ok() {
            let error = image_of(folder.path(), &files, None).unwrap_err().to_string();
            assert!(error.contains("neither a file"), "{error}");
        }
    }

    #[test]
    fn damage_is_told_and_what_is_there_is_saved() {
        let folder = Folder::new(false).unwrap();
        let files = folder.path().join("files");
        fs::create_dir(&files).unwrap();
        fs::write(files.join("file"), "kept").unwrap();
        let image = image_of(folder.path(), &files, None).unwrap();
        spoil_bitmap(&image);
        let out = folder.path().join("out");
        let error = save(&image, &out).unwrap_err().to_string();
        assert!(error.contains("had to be repaired"), "{error}");
        assert_eq!(fs::read(out.join("file")).unwrap(), b"kept");
        fs::write(&image, vec![7; 1 << 20]).unwrap();
        assert!(matches!(check(&image).unwrap(), Verdict::Damaged(_)));
        assert!(save(&image, &folder.path().join("none")).is_err());
    }
}
