// SPDX-License-Identifier: BSD-2-Clause
//! The durable slot table of a swap device: a segment of memory that outlives the pager.
//!
//! The first page is the header, twice; the records follow, one word a slot ([`Record`]), and the places of the map from pages to slots, two a slot, in half a word each. The header is written last, so a table whose
//! making was interrupted is blank, and is made again.

use crate::record::{Record, State};
use core::sync::atomic::{AtomicU64, Ordering};

const PAGE_WORDS: usize = 512;
/// Where the header stands, and again.
const COPIES: [usize; 2] = [0, PAGE_WORDS / 2];
/// "EbbSwap" and the format's version.
const MAGIC: u64 = 0x4562_6253_7761_7001;
/// Words of one copy of the header: magic, disk, name, slots, check.
const HEADER: usize = 5;

/// Whose table it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The disk's number.
    pub disk: u8,
    /// Hash of the disk's name ([`hash_name`]).
    pub name: u64,
    /// Slots.
    pub slots: u32,
}

/// FNV-1a of a disk's name.
pub fn hash_name(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ b as u64).wrapping_mul(0x100_0000_01b3))
}

/// Why a segment holds no table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoTable {
    /// It is new, or its making was interrupted.
    Blank,
    /// Both copies of the header are damaged, or it has fewer records than the header says.
    Damaged,
}

/// The table.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    cells: &'a [AtomicU64],
    slots: u32,
}

/// Pages of the segment for so many slots.
pub const fn pages(slots: u32) -> u64 {
    1 + (2 * slots as u64).div_ceil(PAGE_WORDS as u64)
}

impl<'a> Table<'a> {
    /// Makes a table of free slots. `None`: the segment is too small.
    pub fn format(cells: &'a [AtomicU64], id: &Identity) -> Option<Table<'a>> {
        let table = Table { cells: cells.get(..PAGE_WORDS + 2 * id.slots as usize)?, slots: id.slots };
        for slot in 0..id.slots {
            table.set(slot, Record::Free);
        }
        // The first copy, and of each its magic word, last.
        for copy in COPIES.into_iter().rev() {
            let words = words_of(id);
            for place in (0..HEADER).rev() {
                table.store(copy + place, words[place]);
            }
        }
        Some(table)
    }

    /// Opens the table that is there.
    pub fn open(cells: &'a [AtomicU64]) -> Result<(Table<'a>, Identity), NoTable> {
        let read = |at: usize| cells.get(at).map_or(0, |c| c.load(Ordering::Acquire));
        let mut blank = cells.len() >= PAGE_WORDS;
        for copy in COPIES {
            let words: [u64; HEADER] = core::array::from_fn(|i| read(copy + i));
            let id = Identity { disk: words[1] as u8, name: words[2], slots: words[3] as u32 };
            if words == words_of(&id) {
                let cells = cells.get(..PAGE_WORDS + 2 * id.slots as usize).ok_or(NoTable::Damaged)?;
                return Ok((Table { cells, slots: id.slots }, id));
            }
            blank &= words[0] == 0;
        }
        // The first copy is completed only after the second one: if its magic word is missing and the second copy is whole, we are not here.
        Err(if blank { NoTable::Blank } else { NoTable::Damaged })
    }

    /// Slots.
    pub fn slots(&self) -> u32 {
        self.slots
    }

    /// The word of a slot; zero, which no record is, beyond the end.
    pub fn word(&self, slot: u32) -> u64 {
        self.cells.get(PAGE_WORDS + slot as usize).map_or(0, |c| c.load(Ordering::Relaxed))
    }

    /// The record of a slot; `None` if it is damaged.
    pub fn get(&self, slot: u32) -> Option<Record> {
        Record::unpack(self.word(slot), slot)
    }

    /// The cells of the map's places.
    pub fn places(&self) -> &'a [AtomicU64] {
        let cells: &'a [AtomicU64] = self.cells;
        cells.get(PAGE_WORDS + self.slots as usize..).unwrap_or(&[])
    }

    /// Says that nothing is under way and that the map is right, with so many committed and bad slots: the next instance need not make it anew.
    pub fn seal(&self, committed: u64, bad: u64) {
        for (place, word) in seal_of(committed, bad).into_iter().enumerate().rev() {
            self.store(SEAL + place, word);
        }
    }

    /// Breaks the seal: committed and bad slots if there was one. Done before anything is changed.
    pub fn take_seal(&self) -> Option<(u64, u64)> {
        let words: [u64; 4] =
            core::array::from_fn(|n| self.cells.get(SEAL + n).map_or(0, |c| c.load(Ordering::Acquire)));
        self.store(SEAL, 0);
        (words == seal_of(words[1], words[2])).then_some((words[1], words[2]))
    }

    /// What the records say of the slots, in order, unchecked.
    pub fn states(&self) -> impl Iterator<Item = State> + use<'a> {
        let cells: &'a [AtomicU64] = self.cells;
        let records = cells.get(PAGE_WORDS..PAGE_WORDS + self.slots as usize).unwrap_or(&[]);
        records.iter().map(|cell| State::of(cell.load(Ordering::Relaxed)))
    }

    /// Writes the record of a slot.
    pub fn set(&self, slot: u32, record: Record) {
        self.store(PAGE_WORDS + slot as usize, record.pack(slot));
    }

    fn store(&self, at: usize, word: u64) {
        #[cfg(any(test, feature = "fuse"))]
        if !crate::fuse::effect() {
            return;
        }
        if let Some(cell) = self.cells.get(at) {
            cell.store(word, Ordering::Release);
        }
    }
}

/// Where the seal stands.
const SEAL: usize = PAGE_WORDS / 4;

fn seal_of(committed: u64, bad: u64) -> [u64; 4] {
    let id = Identity { disk: 0, name: committed, slots: bad as u32 };
    [MAGIC, committed, bad, words_of(&id)[4]]
}

fn words_of(id: &Identity) -> [u64; HEADER] {
    let words = [MAGIC, id.disk as u64, id.name, id.slots as u64];
    let sum =
        words.iter().fold(0x5eed, |h: u64, w| (h.rotate_left(23) ^ w).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    [words[0], words[1], words[2], words[3], sum]
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    fn segment(slots: u32) -> Vec<AtomicU64> {
        (0..pages(slots) as usize * PAGE_WORDS).map(|_| AtomicU64::new(0)).collect()
    }

    const ID: Identity = Identity { disk: 3, name: 77, slots: 1000 };

    #[test]
    fn a_new_table_is_found_again() {
        let cells = segment(1000);
        assert_eq!(Table::open(&cells).unwrap_err(), NoTable::Blank);
        Table::format(&cells, &ID).unwrap().set(5, Record::Bad);
        let (table, id) = Table::open(&cells).unwrap();
        assert_eq!((id, table.get(5), table.get(6)), (ID, Some(Record::Bad), Some(Record::Free)));
        assert_eq!(table.get(1000), None);
    }

    #[test]
    fn an_interrupted_format_leaves_it_blank_or_whole() {
        for effects in 0..=40 + 2 * HEADER as u64 {
            let id = Identity { slots: 40, ..ID };
            let cells = segment(40);
            crate::fuse::set(Some(effects));
            Table::format(&cells, &id).unwrap();
            crate::fuse::set(None);
            match Table::open(&cells) {
                Err(error) => assert_eq!(error, NoTable::Blank),
                Ok((table, found)) => {
                    assert_eq!(found, id);
                    assert!((0..40).all(|s| table.get(s) == Some(Record::Free)));
                }
            }
        }
    }

    #[test]
    fn either_copy_of_the_header_is_enough() {
        let cells = segment(1000);
        Table::format(&cells, &ID).unwrap();
        for copy in COPIES {
            for place in 0..HEADER {
                let cell = &cells[copy + place];
                let word = cell.load(Ordering::Relaxed);
                cell.store(word ^ 1 << 40, Ordering::Relaxed);
                assert_eq!(Table::open(&cells).unwrap().1, ID);
                cell.store(word, Ordering::Relaxed);
            }
        }
        cells[0].store(1, Ordering::Relaxed);
        cells[PAGE_WORDS / 2 + 4].store(1, Ordering::Relaxed);
        assert_eq!(Table::open(&cells).unwrap_err(), NoTable::Damaged);
    }

    #[test]
    fn a_segment_that_is_too_small_is_refused() {
        let cells = segment(1000);
        Table::format(&cells, &ID).unwrap();
        assert_eq!(Table::open(&cells[..PAGE_WORDS + 1999]).unwrap_err(), NoTable::Damaged);
        assert_eq!(Table::open(&cells[..10]).unwrap_err(), NoTable::Damaged);
        assert!(Table::format(&cells[..PAGE_WORDS + 1999], &ID).is_none());
    }
}
