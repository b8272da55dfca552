// SPDX-License-Identifier: BSD-2-Clause
//! A program in a boot module: an ELF file whose segments each have pages of their own, so that they can be mapped where they are.

use alloc::vec::Vec;
use ebb_abi::PAGE_SIZE;
use ebb_abi::layout::{USER_END, USER_MIN};
use ebb_proto::Error;
use ebb_proto::vm::Protection;
use elf::ElfBytes;
use elf::abi::{EM_X86_64, ET_EXEC, PF_W, PF_X, PT_LOAD};
use elf::endian::LittleEndian;

const PAGE: u64 = PAGE_SIZE as u64;

/// A segment to map.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    /// Where.
    pub address: u64,
    /// Pages.
    pub pages: u64,
    /// First byte in the file, page aligned.
    pub offset: u64,
    /// Bytes in the file.
    pub bytes: u64,
    /// Protection.
    pub protection: Protection,
}

/// A checked image.
pub struct Image {
    /// Its first instruction.
    pub entry: u64,
    /// Its segments.
    pub segments: Vec<Segment>,
}

/// Reads and checks an image.
pub fn parse(file: &[u8]) -> Result<Image, Error> {
    let elf = ElfBytes::<LittleEndian>::minimal_parse(file).map_err(|_| Error::BadImage)?;
    if elf.ehdr.e_machine != EM_X86_64 || elf.ehdr.e_type != ET_EXEC {
        return Err(Error::BadImage);
    }
    let mut segments = Vec::new();
    for p in elf.segments().ok_or(Error::BadImage)?.iter().filter(|p| p.p_type == PT_LOAD && p.p_memsz > 0) {
        let end = p.p_vaddr.checked_add(p.p_memsz).ok_or(Error::BadImage)?;
        let file_end = p.p_offset.checked_add(p.p_filesz).ok_or(Error::BadImage)?;
        let aligned = p.p_vaddr.is_multiple_of(PAGE) && p.p_offset.is_multiple_of(PAGE);
        if !aligned
            || p.p_vaddr < USER_MIN
            || end > USER_END
            || file_end > file.len() as u64
            || p.p_filesz > p.p_memsz
        {
            return Err(Error::BadImage);
        }
        let mut protection = Protection::READ;
        protection.set(Protection::WRITE, p.p_flags & PF_W != 0);
        protection.set(Protection::EXECUTE, p.p_flags & PF_X != 0);
        let pages = p.p_memsz.div_ceil(PAGE);
        if !protection.contains(Protection::WRITE) && p.p_filesz.div_ceil(PAGE) != pages {
            return Err(Error::BadImage);
        }
        segments.push(Segment {
            address: p.p_vaddr,
            pages,
            offset: p.p_offset,
            bytes: p.p_filesz,
            protection,
        });
    }
    if segments.is_empty() {
        return Err(Error::BadImage);
    }
    Ok(Image { entry: elf.ehdr.e_entry, segments })
}

/// The function that an address lies in, and how far: for backtraces.
pub fn symbol(file: &[u8], address: u64) -> Option<(&str, u64)> {
    let elf = ElfBytes::<LittleEndian>::minimal_parse(file).ok()?;
    let (symbols, names) = elf.symbol_table().ok()??;
    let best = symbols
        .iter()
        .filter(|s| s.st_symtype() == elf::abi::STT_FUNC && s.st_value <= address)
        .filter(|s| address < s.st_value + s.st_size.max(1))
        .max_by_key(|s| s.st_value)?;
    Some((names.get(best.st_name as usize).ok()?, address - best.st_value))
}
