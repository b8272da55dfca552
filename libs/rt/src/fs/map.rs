// SPDX-License-Identifier: BSD-2-Clause
//! Files in memory (`mmap`). Others may change a shared page at any moment, so its words are reached as atomic cells.

use super::{Error, File, handle};
use crate::client::call;
use crate::memory::{Advice, Pages, Protection, Residence};
use crate::shared;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};
use ebb_abi::PAGE_SIZE;
use ebb_proto::vm::{self, Source};

/// Pages of a file, mapped. They are unmapped when this goes; what was written to a shared one stays in the file.
#[derive(Debug)]
pub struct Map {
    pages: Pages,
    writable: bool,
}

/// How a file is mapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sharing {
    /// To be read.
    Read,
    /// To be read and written; everybody sees it.
    Shared,
    /// To be read and written; what is written is seen here alone.
    Private,
}

impl Map {
    /// Maps pages of a file from page `first` on. Touching one that lies wholly behind its end ends the program (a bus error); behind the end in its last page are zeroes.
    pub fn new(file: &File, first: u32, pages: u64, sharing: Sharing) -> Result<Map, Error> {
        let writable = sharing != Sharing::Read;
        let mut protection = Protection::READ;
        protection.set(Protection::WRITE, writable);
        let source = Source::File { file: file.raw(), first, private: sharing == Sharing::Private };
        let map = vm::Map { space: 0, address: 0, pages, protection: protection.bits(), source };
        let address = call(handle("vm")?, &map)?;
        Ok(Map { pages: Pages { address, count: pages }, writable })
    }

    /// The words. Writing to one of a mapping to be read ends the program.
    pub fn words(&self) -> &[AtomicU64] {
        shared::anonymous(self.pages.address, self.pages.count * PAGE_SIZE as u64).unwrap_or(&[])
    }

    /// Pages.
    pub fn pages(&self) -> u64 {
        self.pages.count
    }

    /// Copies bytes out from an offset on. `Invalid`: the mapping has not so many.
    pub fn copy_out(&self, offset: u64, bytes: &mut [u8]) -> Result<(), Error> {
        copy_out(self.words(), offset, bytes).ok_or(Error::Invalid)
    }

    /// Copies bytes in from an offset on. What others write at the same time beside them stays. `Invalid`: the mapping has not so many; `Access`: it is to be read.
    pub fn copy_in(&self, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        if !self.writable {
            return Err(Error::Access);
        }
        copy_in(self.words(), offset, bytes).ok_or(Error::Invalid)
    }

    /// All of it as bytes, for those who must be fast.
    ///
    /// # Safety
    /// As long as the bytes are borrowed nobody changes them: no writer through this or any other mapping, and no `write` or `truncate`, in any program.
    pub unsafe fn bytes(&self) -> &[u8] {
        let words = self.words();
        // SAFETY: the words are mapped and can be read; that nobody changes them is what the caller promises.
        unsafe { core::slice::from_raw_parts(words.as_ptr().cast(), size_of_val(words)) }
    }

    /// What was written to a range of shared pages goes to the disk (`msync`); `wait`: it is durable when this returns. `Invalid`, here and below: not pages of it.
    pub fn sync(&self, first: u64, pages: u64, wait: bool) -> Result<(), Error> {
        self.pages.sync(first, pages, wait)
    }

    /// How pages will be used (`madvise`). Giving up those of a private mapping ([`Advice::Free`]) gives up what was written to them.
    pub fn advise(&self, first: u64, pages: u64, advice: Advice) -> Result<(), Error> {
        self.pages.advise(first, pages, advice)
    }

    /// What may be done with pages (`mprotect`), as far as the file is open for it. `Access`.
    pub fn protect(&self, first: u64, pages: u64, protection: Protection) -> Result<(), Error> {
        self.pages.protect(first, pages, protection)
    }

    /// Pages stay in memory (`mlock`). `NoMemory`: more than may be, or pages behind the end; `Busy`: some of them are locked.
    pub fn lock(&self, first: u64, pages: u64) -> Result<(), Error> {
        self.pages.lock(first, pages)
    }

    /// Pages need not stay in memory any more (`munlock`). `Fault`: not all of them are locked.
    pub fn unlock(&self, first: u64, pages: u64) -> Result<(), Error> {
        self.pages.unlock(first, pages)
    }

    /// Where the pages are (`mincore`).
    pub fn residence(&self) -> Result<Vec<Residence>, Error> {
        self.pages.residence()
    }
}

/// The words that hold a range of bytes: for each of them its place among the bytes and the part of it that counts.
fn parts(len: usize, offset: u64, count: usize) -> Option<impl Iterator<Item = (usize, usize, usize)>> {
    let offset = usize::try_from(offset).ok()?;
    let end = offset.checked_add(count)?;
    if end > len.checked_mul(8)? {
        return None;
    }
    let last = if count == 0 { offset / 8 } else { end.div_ceil(8) };
    Some((offset / 8..last).map(move |word| (word, offset.max(word * 8), end.min(word * 8 + 8))))
}

fn copy_out(words: &[AtomicU64], offset: u64, bytes: &mut [u8]) -> Option<()> {
    let mut to = bytes.iter_mut();
    for (word, from, end) in parts(words.len(), offset, to.len())? {
        let value = words.get(word)?.load(Ordering::Relaxed).to_le_bytes();
        value.get(from % 8..end - word * 8)?.iter().zip(&mut to).for_each(|(from, to)| *to = *from);
    }
    Some(())
}

fn copy_in(words: &[AtomicU64], offset: u64, bytes: &[u8]) -> Option<()> {
    let mut rest = bytes;
    for (word, from, end) in parts(words.len(), offset, bytes.len())? {
        let (now, later) = rest.split_at_checked(end - from)?;
        rest = later;
        let (cell, at) = (words.get(word)?, from % 8);
        match <[u8; 8]>::try_from(now) {
            Ok(all) => cell.store(u64::from_le_bytes(all), Ordering::Relaxed),
            Err(_) => {
                // What is beside may be written by others at this moment.
                let changed = |old: u64| {
                    let mut value = old.to_le_bytes();
                    value.get_mut(at..at + now.len())?.copy_from_slice(now);
                    Some(u64::from_le_bytes(value))
                };
                cell.fetch_update(Ordering::Relaxed, Ordering::Relaxed, changed).ok()?;
            }
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_copied_from_any_offset_to_any_length() {
        let words = [const { AtomicU64::new(0) }; 4];
        let mut model = [0u8; 32];
        for offset in 0..32usize {
            for count in 0..=32 - offset {
                let new: Vec<u8> = (0..count).map(|n| (offset * 7 + n * 3 + count) as u8).collect();
                copy_in(&words, offset as u64, &new).expect("it fits");
                model[offset..offset + count].copy_from_slice(&new);
                let mut all = [0; 32];
                copy_out(&words, 0, &mut all).expect("it fits");
                assert_eq!(all, model);
                let mut some = alloc::vec![0; count];
                copy_out(&words, offset as u64, &mut some).expect("it fits");
                assert_eq!(some, new);
            }
        }
    }

    #[test]
    fn what_does_not_fit_changes_nothing() {
        let words = [const { AtomicU64::new(5) }; 2];
        for (offset, count) in [(0, 17), (16, 1), (9, 8), (u64::MAX, 1), (u64::MAX - 7, 8)] {
            assert_eq!(copy_in(&words, offset, &alloc::vec![9; count]), None);
            assert_eq!(copy_out(&words, offset, &mut alloc::vec![9; count]), None);
        }
        assert!(words.iter().all(|w| w.load(Ordering::Relaxed) == 5));
        assert_eq!(copy_in(&words, 16, &[]), Some(()));
    }
}
