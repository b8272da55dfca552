// SPDX-License-Identifier: BSD-2-Clause
//! A kernel as an ELF64 file: checks, and its segments laid out as they lie in memory.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use elf::ElfBytes;
use elf::abi::{EM_X86_64, ET_EXEC, PF_W, PF_X, PT_DYNAMIC, PT_INTERP, PT_LOAD};
use elf::endian::LittleEndian;

use crate::{KERNEL_MIN, PAGE};

/// What a segment's pages allow besides reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Writing.
    pub write: bool,
    /// Executing.
    pub execute: bool,
}

/// A segment to load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Virtual address of the first byte.
    pub address: u64,
    /// Offset in the file.
    pub offset: usize,
    /// Bytes in the file.
    pub file_size: usize,
    /// Bytes in memory, at least `file_size`; the rest is zero.
    pub size: u64,
    /// Rights of its pages.
    pub access: Access,
}

impl Segment {
    /// First byte of its first page.
    #[must_use]
    pub fn first_page(&self) -> u64 {
        self.address & !(PAGE - 1)
    }

    /// First byte after its last page.
    #[must_use]
    pub fn end_page(&self) -> u64 {
        (self.address + self.size).next_multiple_of(PAGE)
    }
}

/// A kernel that can be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// First virtual address, page-aligned.
    pub base: u64,
    /// Bytes from `base` to the end of the last page.
    pub size: u64,
    /// Entry point.
    pub entry: u64,
    /// Segments, ascending, no two on one page.
    pub segments: Vec<Segment>,
}

/// The largest image that is believed, in bytes; a guess far above any kernel, to keep a damaged header from asking
/// for all memory.
const MAX_IMAGE: u64 = 1 << 30;

/// Checks a kernel file.
///
/// # Errors
/// One line: not an ELF64 file for x86_64, position-independent, truncated, outside the top 2 GiB, segments that
/// overlap or share a page, an entry point outside the executable segments.
pub fn parse(file: &[u8]) -> Result<Kernel, String> {
    let elf = ElfBytes::<LittleEndian>::minimal_parse(file)
        .map_err(|e| format!("not an ELF64 file or damaged: {e}"))?;
    if elf.ehdr.class != elf::file::Class::ELF64 || elf.ehdr.e_machine != EM_X86_64 {
        return Err("not an ELF64 file for x86_64".to_string());
    }
    if elf.ehdr.e_type != ET_EXEC {
        return Err("not linked for a fixed address (ET_EXEC)".to_string());
    }
    let headers = elf.segments().ok_or("no program headers")?;
    let mut segments = Vec::new();
    for header in headers.iter() {
        match header.p_type {
            PT_INTERP | PT_DYNAMIC => return Err("dynamically linked".to_string()),
            PT_LOAD if header.p_memsz > 0 => segments.push(segment(&header, file.len())?),
            _ => {}
        }
    }
    segments.sort_unstable_by_key(|s| s.address);
    for pair in segments.windows(2) {
        if pair[0].end_page() > pair[1].first_page() {
            return Err(format!(
                "segments at {:#x} and {:#x} share a page",
                pair[0].address, pair[1].address
            ));
        }
    }
    let (first, last) = segments.first().zip(segments.last()).ok_or("nothing to load in it")?;
    let (base, size) = (first.first_page(), last.end_page() - first.first_page());
    if size > MAX_IMAGE {
        return Err(format!("image of {size} bytes, more than {MAX_IMAGE}"));
    }
    let entry = elf.ehdr.e_entry;
    if !segments.iter().any(|s| s.access.execute && (s.address..s.address + s.size).contains(&entry)) {
        return Err(format!("entry point {entry:#x} lies in no executable segment"));
    }
    Ok(Kernel { base, size, entry, segments })
}

fn segment(header: &elf::segment::ProgramHeader, file_len: usize) -> Result<Segment, String> {
    let (address, offset) = (header.p_vaddr, header.p_offset);
    let end = address.checked_add(header.p_memsz).filter(|&end| end <= u64::MAX - PAGE);
    if address < KERNEL_MIN || end.is_none() {
        return Err(format!("segment at {address:#x} is not within the top 2 GiB"));
    }
    if header.p_filesz > header.p_memsz {
        return Err(format!("segment at {address:#x} is larger in the file than in memory"));
    }
    if offset.checked_add(header.p_filesz).is_none_or(|end| end > file_len as u64) {
        return Err(format!(
            "truncated: segment at {address:#x} needs bytes after the end of the file ({file_len})"
        ));
    }
    let access = Access { write: header.p_flags & PF_W != 0, execute: header.p_flags & PF_X != 0 };
    Ok(Segment {
        address,
        offset: offset as usize,
        file_size: header.p_filesz as usize,
        size: header.p_memsz,
        access,
    })
}

/// Lays the segments out in `image`, which is `kernel.size` bytes long and zero.
pub fn lay_out(kernel: &Kernel, file: &[u8], image: &mut [u8]) {
    for s in &kernel.segments {
        let at = (s.address - kernel.base) as usize;
        image[at..at + s.file_size].copy_from_slice(&file[s.offset..s.offset + s.file_size]);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use alloc::vec;

    /// An ELF64 file with the given `(address, flags, bytes, size in memory)`.
    pub(crate) fn elf(entry: u64, segments: &[(u64, u32, &[u8], u64)]) -> Vec<u8> {
        let mut file = vec![0u8; 64 + 56 * segments.len()];
        file[..8].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1, 1, 0]);
        file[16..18].copy_from_slice(&2u16.to_le_bytes());
        file[18..20].copy_from_slice(&62u16.to_le_bytes());
        file[20..24].copy_from_slice(&1u32.to_le_bytes());
        file[24..32].copy_from_slice(&entry.to_le_bytes());
        file[32..40].copy_from_slice(&64u64.to_le_bytes());
        file[52..54].copy_from_slice(&64u16.to_le_bytes());
        file[54..56].copy_from_slice(&56u16.to_le_bytes());
        file[56..58].copy_from_slice(&(segments.len() as u16).to_le_bytes());
        for (i, (address, flags, bytes, size)) in segments.iter().enumerate() {
            let offset = file.len() as u64;
            let at = 64 + 56 * i;
            file[at..at + 4].copy_from_slice(&1u32.to_le_bytes());
            file[at + 4..at + 8].copy_from_slice(&flags.to_le_bytes());
            for (k, word) in
                [offset, *address, *address, bytes.len() as u64, *size, 4096].into_iter().enumerate()
            {
                file[at + 8 + 8 * k..at + 16 + 8 * k].copy_from_slice(&word.to_le_bytes());
            }
            file.extend_from_slice(bytes);
        }
        file
    }

    #[test]
    fn lays_segments_out_and_zeroes_the_rest() {
        let file =
            elf(KERNEL_MIN + 0x10, &[(KERNEL_MIN, 5, &[7; 32], 32), (KERNEL_MIN + 0x1ff0, 6, &[9; 8], 0x30)]);
        let k = parse(&file).unwrap();
        assert_eq!((k.base, k.size, k.segments.len()), (KERNEL_MIN, 0x3000, 2));
        assert_eq!(k.segments[0].access, Access { write: false, execute: true });
        let mut image = vec![0; 0x3000];
        lay_out(&k, &file, &mut image);
        assert_eq!(image[..32], [7; 32]);
        assert_eq!(image[0x1ff0..0x1ff8], [9; 8]);
        assert!(image[0x1ff8..].iter().all(|&b| b == 0));
    }

    #[test]
    fn refuses_what_it_cannot_load() {
        let good = elf(KERNEL_MIN, &[(KERNEL_MIN, 5, &[0; 64], 64)]);
        assert!(parse(&good).is_ok());
        assert!(parse(&good[..good.len() - 1]).unwrap_err().contains("truncated"));
        assert!(parse(&good[..40]).is_err());
        assert!(parse(b"#!/bin/sh").is_err());
        let cases: [(u64, &[(u64, u32, &[u8], u64)], &str); 5] = [
            (0x40_0000, &[(0x40_0000, 5, &[0; 8], 8)], "top 2 GiB"),
            (KERNEL_MIN, &[(KERNEL_MIN, 6, &[0; 8], 8)], "no executable segment"),
            (KERNEL_MIN, &[(KERNEL_MIN, 5, &[0; 8], 8), (KERNEL_MIN + 64, 6, &[0; 8], 8)], "share a page"),
            (KERNEL_MIN, &[(KERNEL_MIN, 5, &[0; 8], 4)], "larger in the file"),
            (u64::MAX - 64, &[(u64::MAX - 64, 5, &[0; 8], 64)], "top 2 GiB"),
        ];
        for (entry, segments, part) in cases {
            let error = parse(&elf(entry, segments)).unwrap_err();
            assert!(error.contains(part), "wanted {part:?}, got {error:?}");
        }
        let mut pie = good.clone();
        pie[16] = 3;
        assert!(parse(&pie).unwrap_err().contains("fixed address"));
    }
}
