// SPDX-License-Identifier: BSD-2-Clause
//! The requests of a loaded kernel: found by their IDs in its image, between its markers when it has them.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::BASE_REVISION;

/// What a kernel can ask for and gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Name and version of the loader.
    BootloaderInfo,
    /// BIOS or UEFI.
    FirmwareType,
    /// A stack of a given size.
    StackSize,
    /// Offset of the higher half direct map.
    Hhdm,
    /// Framebuffers.
    Framebuffer,
    /// Levels of page tables.
    PagingMode,
    /// Memory map.
    MemoryMap,
    /// Another entry point.
    EntryPoint,
    /// The kernel's file.
    ExecutableFile,
    /// The kernel's command line.
    ExecutableCmdline,
    /// Where the kernel lies.
    ExecutableAddress,
    /// Modules.
    Module,
    /// The ACPI root pointer.
    Rsdp,
}

const KINDS: [(Kind, [u64; 2]); 13] = [
    (Kind::BootloaderInfo, [0xf550_38d8_e2a1_202f, 0x2794_26fc_f5f5_9740]),
    (Kind::FirmwareType, [0x8c2f_75d9_0bef_28a8, 0x7045_a468_8eac_00c3]),
    (Kind::StackSize, [0x224e_f046_0a8e_8926, 0xe1cb_0fc2_5f46_ea3d]),
    (Kind::Hhdm, [0x48dc_f1cb_8ad2_b852, 0x6398_4e95_9a98_244b]),
    (Kind::Framebuffer, [0x9d58_27dc_d881_dd75, 0xa314_8604_f6fa_b11b]),
    (Kind::PagingMode, [0x95c1_a0ed_ab09_44cb, 0xa4e5_cb38_42f7_488a]),
    (Kind::MemoryMap, [0x67cf_3d9d_378a_806f, 0xe304_acdf_c50c_3c62]),
    (Kind::EntryPoint, [0x13d8_6c03_5a1c_d3e1, 0x2b0c_aa89_d8f3_026a]),
    (Kind::ExecutableFile, [0xad97_e90e_83f1_ed67, 0x31eb_5d1c_5ff2_3b69]),
    (Kind::ExecutableCmdline, [0x4b16_1536_e598_651e, 0xb390_ad4a_2f1f_303a]),
    (Kind::ExecutableAddress, [0x71ba_7686_3cc5_5f63, 0xb264_4a48_c516_a487]),
    (Kind::Module, [0x3e7e_2797_02be_32af, 0xca1c_4f3b_d128_0cee]),
    (Kind::Rsdp, [0xc5e7_7b6b_397e_7b43, 0x2763_7845_accd_cf3c]),
];
const COMMON: [u64; 2] = [0xc7b1_dd30_df4c_8b88, 0x0a82_e883_a194_f07b];
const BASE_TAG: [u64; 2] = [0xf956_2b2d_5c95_a6c8, 0x6a7b_3849_4453_6bdc];
const START: [u64; 4] =
    [0xf6b8_f4b3_9de7_d1ae, 0xfab9_1a69_40fc_b9cf, 0x785c_6ed0_15d3_e316, 0x181e_920a_7852_b9d9];
const END: [u64; 2] = [0xadc0_e053_1bb1_0d03, 0x9572_709f_3176_4c62];

/// The requests of a kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// Kind and offset in the image of each request.
    pub found: Vec<(Kind, usize)>,
    /// Offset in the image of the base revision tag.
    pub base_tag: usize,
}

impl Requests {
    /// The word `index` of the request of a kind, if the kernel makes it and the image has that word.
    #[must_use]
    pub fn word(&self, image: &[u8], kind: Kind, index: usize) -> Option<u64> {
        let (_, at) = self.found.iter().find(|(k, _)| *k == kind)?;
        word(image, at + 8 * index)
    }
}

/// Finds the requests in a loaded image.
///
/// # Errors
/// One line: no base revision tag or one below the served revision (the kernel would rely on mappings that are not
/// there), or the same request twice.
pub fn find(image: &[u8]) -> Result<Requests, String> {
    let (from, to) = bounds(image);
    let mut requests = Requests::default();
    let mut revision = None;
    for at in (from..to).step_by(8) {
        if is_at(image, at, &BASE_TAG) {
            requests.base_tag = at;
            revision = word(image, at + 16);
        } else if is_at(image, at, &COMMON) {
            let kind = KINDS.iter().find(|(_, id)| is_at(image, at + 16, id)).map(|(kind, _)| *kind);
            // Unknown requests stay unanswered, as the protocol wants. Id, revision and response are 6 words.
            if let Some(kind) = kind.filter(|_| at + 48 <= image.len()) {
                if requests.found.iter().any(|(k, _)| *k == kind) {
                    return Err(format!("makes the request {kind:?} twice"));
                }
                requests.found.push((kind, at));
            }
        }
    }
    match revision {
        None => Err("has no Limine base revision tag".to_string()),
        Some(r) if r < BASE_REVISION => {
            Err(format!("wants Limine base revision {r}; {BASE_REVISION} is served"))
        }
        Some(_) => Ok(requests),
    }
}

/// Marks in the image which base revision is served: word 1 of the tag names it, word 2 becomes 0 if it is the
/// wanted one.
pub fn mark_base_revision(image: &mut [u8], requests: &Requests) {
    let at = requests.base_tag;
    if word(image, at + 16) == Some(BASE_REVISION) {
        put(image, at + 16, 0);
    }
    put(image, at + 8, BASE_REVISION);
}

/// Writes a word into the image; `find` has checked that it is inside.
pub fn put(image: &mut [u8], at: usize, value: u64) {
    if let Some(bytes) = image.get_mut(at..at + 8) {
        bytes.copy_from_slice(&value.to_le_bytes());
    }
}

/// Where requests may lie: after the last start marker, before the first end marker.
fn bounds(image: &[u8]) -> (usize, usize) {
    let whole = image.len() & !7;
    let from = (0..whole).step_by(8).rfind(|&at| is_at(image, at, &START)).map_or(0, |at| at + 32);
    let to = (from..whole).step_by(8).find(|&at| is_at(image, at, &END)).unwrap_or(whole);
    (from, to)
}

fn is_at(image: &[u8], at: usize, words: &[u64]) -> bool {
    words.iter().enumerate().all(|(i, &w)| word(image, at + 8 * i) == Some(w))
}

fn word(image: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(image.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn id(kind: Kind) -> [u64; 4] {
        let (_, id) = KINDS.iter().find(|(k, _)| *k == kind).unwrap();
        [COMMON[0], COMMON[1], id[0], id[1]]
    }

    pub(crate) fn image(words: &[&[u64]]) -> Vec<u8> {
        words.iter().flat_map(|w| w.iter()).flat_map(|w| w.to_le_bytes()).collect()
    }

    pub(crate) const TAG: [u64; 3] = [BASE_TAG[0], BASE_TAG[1], 3];

    #[test]
    fn finds_requests_between_the_markers_only() {
        let hhdm = id(Kind::Hhdm);
        let rsdp = id(Kind::Rsdp);
        let image = image(&[&hhdm, &[0, 0], &START, &TAG, &rsdp, &[0, 0], &END, &hhdm, &[0, 0]]);
        let found = find(&image).unwrap();
        assert_eq!(found.found, [(Kind::Rsdp, 48 + 32 + 24)]);
        assert_eq!(found.base_tag, 48 + 32);
    }

    #[test]
    fn refuses_old_revisions_and_doubles() {
        let hhdm = id(Kind::Hhdm);
        assert!(find(&image(&[&hhdm, &[0, 0]])).unwrap_err().contains("no Limine base revision"));
        assert!(find(&image(&[&[TAG[0], TAG[1], 2]])).unwrap_err().contains("revision 2"));
        assert!(find(&image(&[&TAG, &hhdm, &[0, 0], &hhdm, &[0, 0]])).unwrap_err().contains("twice"));
        // A request cut off by the end of the image has no room for its answer.
        assert_eq!(find(&image(&[&TAG, &hhdm, &[0]])).unwrap().found, []);
    }

    #[test]
    fn marks_the_base_revision() {
        let mut img = image(&[&TAG]);
        let found = find(&img).unwrap();
        mark_base_revision(&mut img, &found);
        assert_eq!(img, image(&[&[TAG[0], 3, 0]]));
        let mut img = image(&[&[TAG[0], TAG[1], 9]]);
        let found = find(&img).unwrap();
        mark_base_revision(&mut img, &found);
        assert_eq!(img, image(&[&[TAG[0], 3, 9]]), "a newer revision stays as asked for: unsupported");
    }
}
