// SPDX-License-Identifier: BSD-2-Clause
//! A segment, in bytes and in pages.

use core::ops::Range;
use ebb_abi::PAGE_SIZE;
use ebb_proto::vm::Protection;
use elf::abi::{PF_W, PF_X};
use elf::segment::ProgramHeader;

const PAGE: u64 = PAGE_SIZE as u64;

/// A segment to map. Its first byte lies as far into its page of memory as into its page of the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    /// Where.
    pub address: u64,
    /// Bytes in memory; what is not in the file is zero.
    pub bytes: u64,
    /// First byte in the file.
    pub offset: u64,
    /// Bytes in the file.
    pub file_bytes: u64,
    /// Protection.
    pub protection: Protection,
}

impl Segment {
    /// What a program header means; `None`: nothing that can be mapped.
    pub(crate) fn new(p: &ProgramHeader, len: u64, place: &Range<u64>) -> Option<Segment> {
        let end = p.p_vaddr.checked_add(p.p_memsz)?;
        let file_end = p.p_offset.checked_add(p.p_filesz)?;
        let mut protection = Protection::READ;
        protection.set(Protection::WRITE, p.p_flags & PF_W != 0);
        protection.set(Protection::EXECUTE, p.p_flags & PF_X != 0);
        let good = p.p_vaddr >= place.start
            && end <= place.end
            && file_end <= len
            && p.p_filesz <= p.p_memsz
            && p.p_vaddr % PAGE == p.p_offset % PAGE
            // Nobody could write the zeroes.
            && (p.p_filesz == p.p_memsz || protection.contains(Protection::WRITE));
        good.then_some(Segment {
            address: p.p_vaddr,
            bytes: p.p_memsz,
            offset: p.p_offset,
            file_bytes: p.p_filesz,
            protection,
        })
    }

    /// First address of its first page.
    pub fn first_page(&self) -> u64 {
        self.address - self.address % PAGE
    }

    /// First address behind its last page.
    pub fn end(&self) -> u64 {
        (self.address + self.bytes).next_multiple_of(PAGE)
    }

    /// Its pages.
    pub fn pages(&self) -> u64 {
        (self.end() - self.first_page()) / PAGE
    }

    /// Those of them, the first ones, that have bytes of the file.
    pub fn file_pages(&self) -> u64 {
        match self.file_bytes {
            0 => 0,
            bytes => (self.address % PAGE + bytes).div_ceil(PAGE),
        }
    }

    /// The page of the file that the first of them is.
    pub fn first_file_page(&self) -> u64 {
        self.offset / PAGE
    }

    /// Addresses behind its bytes of the file in the last page that has some. What the file has there is something else: where the segment can be written it
    /// must be set to zero.
    pub fn tail(&self) -> Range<u64> {
        let end = self.address + self.file_bytes;
        end..self.first_page() + self.file_pages() * PAGE
    }

    pub(crate) fn in_own_pages(&self) -> bool {
        self.address.is_multiple_of(PAGE)
    }

    pub(crate) fn executes(&self, address: u64) -> bool {
        self.protection.contains(Protection::EXECUTE)
            && (self.address..self.address + self.bytes).contains(&address)
    }
}
