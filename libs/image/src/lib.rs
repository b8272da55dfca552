// SPDX-License-Identifier: BSD-2-Clause
//! Program images: ELF files checked, and what is to be mapped of them.
//!
//! [`parse`] takes the file for hostile: what it lets through has segments within the range that the caller allows, in ascending order, no two in one page, none
//! beyond the end of the file, and an entry in one that can be executed. `init` reads boot modules with it, the loader files.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod segment;
mod symbol;

pub use segment::Segment;
pub use symbol::symbol;

use alloc::vec::Vec;
use core::ops::Range;
use ebb_proto::Error;
use elf::abi::{EM_X86_64, ET_EXEC, PT_INTERP, PT_LOAD};
use elf::endian::LittleEndian;
use elf::file::{Class, ELF64_EHDR_TAILSIZE, FileHeader, parse_ident};
use elf::parse::ParsingTable;
use elf::segment::ProgramHeader;

/// Bytes at the beginning of a file that are enough for [`parse`]: the headers must lie there, as every linker has them.
pub const HEAD: usize = 4096;
/// Bytes of the identification before the header's fields.
const IDENT: usize = 16;
/// Bytes of a program header.
const ENTRY: usize = 56;
/// Segments at most; linkers make four to eight.
const MAX_SEGMENTS: usize = 32;

/// A checked image.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Image {
    /// Its first instruction.
    pub entry: u64,
    /// Its segments, by address.
    pub segments: Vec<Segment>,
}

impl Image {
    /// Whether every segment has pages of the file for itself, so that the file can be mapped where it lies in memory. `BadImage`: it has not.
    pub fn in_own_pages(self) -> Result<Image, Error> {
        if self.segments.iter().all(Segment::in_own_pages) { Ok(self) } else { Err(Error::BadImage) }
    }
}

/// Reads and checks an image. `head`: the file's beginning, [`HEAD`] bytes of it or all. `len`: bytes of the file. `place`: where segments may lie. `BadImage`: for any
/// reason.
pub fn parse(head: &[u8], len: u64, place: &Range<u64>) -> Result<Image, Error> {
    checked(head, len, place).ok_or(Error::BadImage)
}

fn checked(head: &[u8], len: u64, place: &Range<u64>) -> Option<Image> {
    let header = header(head)?;
    let mut segments: Vec<Segment> = Vec::new();
    for p in program_headers(head, &header)? {
        match p.p_type {
            // It would need an interpreter, which is not there.
            PT_INTERP => return None,
            PT_LOAD if p.p_memsz > 0 => {}
            _ => continue,
        }
        let segment = Segment::new(&p, len, place)?;
        let free_from = segments.last().map_or(place.start, Segment::end);
        if segment.first_page() < free_from || segments.len() == MAX_SEGMENTS {
            return None;
        }
        segments.push(segment);
    }
    let entry = header.e_entry;
    segments.iter().any(|s| s.executes(entry)).then_some(Image { entry, segments })
}

fn header(head: &[u8]) -> Option<FileHeader<LittleEndian>> {
    let ident = head.get(..IDENT)?;
    let tail = head.get(IDENT..IDENT + ELF64_EHDR_TAILSIZE)?;
    let ident = parse_ident(ident).ok()?;
    let header = FileHeader::parse_tail(ident, tail).ok()?;
    let ours = header.class == Class::ELF64 && header.e_machine == EM_X86_64 && header.e_type == ET_EXEC;
    (ours && header.e_phentsize as usize == ENTRY).then_some(header)
}

fn program_headers(head: &[u8], header: &FileHeader<LittleEndian>) -> Option<Vec<ProgramHeader>> {
    let first = usize::try_from(header.e_phoff).ok()?;
    let end = first.checked_add(header.e_phnum as usize * ENTRY)?;
    let table: ParsingTable<'_, LittleEndian, ProgramHeader> =
        ParsingTable::new(LittleEndian, Class::ELF64, head.get(first..end)?);
    Some(table.iter().collect())
}
