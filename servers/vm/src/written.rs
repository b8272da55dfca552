// SPDX-License-Identifier: BSD-2-Clause
//! Which pages a program has written to: what a garbage collector or a checkpoint wants to know of them, at the price of one fault for each page that is written.
//!
//! A region that is tracked is mapped read-only until a page of it is written: the fault finds the page as ever, notes it and maps it for writing. Nobody else is asked, and
//! nothing waits. Notes are kept by address in the space, not with the object: they outlive swapping, and what becomes of objects by `fork` and collapse does not touch them.

use crate::fault::{Found, flags_of};
use crate::machine::Machine;
use crate::map::{Range, Region};
use crate::vm::Vm;
use alloc::vec::Vec;
use ebb_abi::PAGE_SIZE;
use ebb_abi::map::MapFlags;
use ebb_proto::Error;
use ebb_proto::vm::{MAX_TAKEN, Space};
use ebb_rt::client::from_sys;

const PAGE: u64 = PAGE_SIZE as u64;
/// Pages that a block has notes of.
const BLOCK_PAGES: u64 = 512;
/// The same in bytes.
const BLOCK_BYTES: u64 = BLOCK_PAGES * PAGE;
/// Blocks of all programs together: notes of 2 GiB, some 72 KiB of `vm`'s heap.
const MAX_BLOCKS: usize = 1024;

/// Notes of 512 pages.
#[derive(Clone, Copy, Debug)]
struct Block {
    /// Page number / 512.
    number: u64,
    bits: [u64; BLOCK_PAGES as usize / 64],
}

/// The notes of a space, a bit a page.
#[derive(Default, Debug)]
pub struct Written {
    /// Ascending by number.
    blocks: Vec<Block>,
}

/// The word of a page in its block, and its bit there.
fn place(address: u64) -> (usize, u64) {
    let nth = address / PAGE % BLOCK_PAGES;
    ((nth / 64) as usize, 1 << (nth % 64))
}

impl Written {
    /// Numbers of the blocks of a range.
    fn numbers(range: Range) -> core::ops::RangeInclusive<u64> {
        let of = |address: u64| address / PAGE / BLOCK_PAGES;
        of(range.start)..=of(range.end - PAGE)
    }

    fn at(&self, number: u64) -> Result<usize, usize> {
        self.blocks.binary_search_by_key(&number, |b| b.number)
    }

    /// Makes room for notes of a range, and forgets those that there are. `NoMemory`: that would be more than `room` blocks more; nothing was done.
    fn begin(&mut self, range: Range, room: usize) -> Result<(), Error> {
        let (first, last) = Self::numbers(range).into_inner();
        let there = self.blocks.partition_point(|b| b.number <= last)
            - self.blocks.partition_point(|b| b.number < first);
        let missing = last - first + 1 - there as u64;
        if missing > room as u64 || self.blocks.try_reserve_exact(missing as usize).is_err() {
            return Err(Error::NoMemory);
        }
        for number in first..=last {
            if let Err(at) = self.at(number) {
                self.blocks.insert(at, Block { number, bits: [0; BLOCK_PAGES as usize / 64] });
            }
        }
        while let Some(address) = self.next(range) {
            self.take(address);
        }
        Ok(())
    }

    /// Notes a page, if there is room for it.
    fn note(&mut self, address: u64) {
        let at = self.at(address / PAGE / BLOCK_PAGES);
        let (word, bit) = place(address);
        if let Some(word) = at.ok().and_then(|n| self.blocks.get_mut(n)).and_then(|b| b.bits.get_mut(word)) {
            *word |= bit;
        }
    }

    /// Whether a page is noted; it no longer is.
    fn take(&mut self, address: u64) -> bool {
        let at = self.at(address / PAGE / BLOCK_PAGES);
        let (word, bit) = place(address);
        match at.ok().and_then(|n| self.blocks.get_mut(n)).and_then(|b| b.bits.get_mut(word)) {
            Some(word) => {
                let noted = *word & bit != 0;
                *word &= !bit;
                noted
            }
            None => false,
        }
    }

    /// The first page of a range that is noted.
    fn next(&self, range: Range) -> Option<u64> {
        let from = self.blocks.partition_point(|b| (b.number + 1) * BLOCK_BYTES <= range.start);
        for block in self.blocks.get(from..)? {
            for (n, word) in block.bits.iter().enumerate() {
                let first = block.number * BLOCK_BYTES + n as u64 * 64 * PAGE;
                if first >= range.end {
                    return None;
                }
                // Bits of pages before the range do not count.
                let before = (range.start.saturating_sub(first) / PAGE).min(64) as u32;
                let bits = word & u64::MAX.checked_shl(before).unwrap_or(0);
                if bits != 0 {
                    let address = first + bits.trailing_zeros() as u64 * PAGE;
                    return (address < range.end).then_some(address);
                }
            }
        }
        None
    }

    /// Gives up blocks of a range that nothing needs.
    fn shrink(&mut self, range: Range, needed: impl Fn(Range) -> bool) {
        let numbers = Self::numbers(range);
        self.blocks.retain(|b| {
            let range = Range { start: b.number * BLOCK_BYTES, end: (b.number + 1) * BLOCK_BYTES };
            !numbers.contains(&b.number) || needed(range)
        });
        if self.blocks.is_empty() {
            self.blocks = Vec::new();
        }
    }
}

impl<M: Machine> Vm<M> {
    /// `Track`: from now on the first write to each page of a range is noted.
    pub fn track(&mut self, id: Space, range: Range) -> Result<(), Error> {
        let used: usize = self.spaces.iter().map(|s| s.written.blocks.len()).sum();
        let space = self.spaces.get(id).ok_or(Error::NotFound)?;
        if !space.map.covers(range) {
            return Err(Error::Fault);
        }
        let trackable =
            |r: &Region| !r.shared && self.is_anonymous(r.backing) && (r.wired || self.held_by(r).wired == 0);
        if !space.map.touching(range).all(trackable) {
            return Err(Error::NotPermitted);
        }
        if !space.map.may_split(range) {
            return Err(Error::NoMemory);
        }
        let Some(space) = self.spaces.get_mut(id) else { return Err(Error::NotFound) };
        space.written.begin(range, MAX_BLOCKS.saturating_sub(used))?;
        let task = space.task;
        for region in space.map.range_mut(range) {
            region.tracked = true;
            let flags = flags_of(region.protection) - MapFlags::WRITE;
            self.m.protect(task, region.start, region.pages, flags).map_err(from_sys)?;
        }
        Ok(())
    }

    /// `Untrack`.
    pub fn untrack(&mut self, id: Space, range: Range) -> Result<(), Error> {
        let space = self.spaces.get_mut(id).ok_or(Error::NotFound)?;
        if !space.map.covers(range) {
            return Err(Error::Fault);
        }
        if !space.map.may_split(range) {
            return Err(Error::NoMemory);
        }
        space.map.range_mut(range).iter_mut().for_each(|r| r.tracked = false);
        self.forget_written(id, range);
        Ok(())
    }

    /// Gives up notes of what is not tracked any more.
    pub(crate) fn forget_written(&mut self, id: Space, range: Range) {
        let Some(space) = self.spaces.get_mut(id).filter(|s| !s.written.blocks.is_empty()) else { return };
        let map = &space.map;
        space.written.shrink(range, |block| map.touching(block).any(|r| r.tracked));
    }

    /// `TakeWritten`: the pages of a range that were written since, a bit each; they are written for the first time again.
    pub fn take_written(&mut self, id: Space, range: Range) -> Result<Vec<u8>, Error> {
        if range.pages() > MAX_TAKEN {
            return Err(Error::TooLong);
        }
        let space = self.spaces.get_mut(id).ok_or(Error::NotFound)?;
        if !space.map.covers(range) || !space.map.touching(range).all(|r| r.tracked) {
            return Err(Error::Fault);
        }
        let mut bits = Vec::new();
        bits.try_reserve_exact(range.pages().div_ceil(8) as usize).map_err(|_| Error::NoMemory)?;
        bits.resize(range.pages().div_ceil(8) as usize, 0);
        for region in space.map.touching(range) {
            let flags = flags_of(region.protection) - MapFlags::WRITE;
            let within = Range { start: region.start.max(range.start), end: region.end().min(range.end) };
            while let Some(start) = space.written.next(within) {
                let mut at = start;
                while at < within.end && space.written.take(at) {
                    let nth = (at - range.start) / PAGE;
                    if let Some(byte) = bits.get_mut((nth / 8) as usize) {
                        *byte |= 1 << (nth % 8);
                    }
                    at += PAGE;
                }
                self.m.protect(space.task, start, (at - start) / PAGE, flags).map_err(from_sys)?;
            }
        }
        Ok(bits)
    }

    /// Finds a page of a tracked region as any other, and notes it if it is to be written; otherwise it may not be written yet.
    #[inline(never)]
    pub(crate) fn find_tracked(
        &mut self,
        space: Space,
        region: &Region,
        address: u64,
        object: u32,
        index: u32,
        write: bool,
    ) -> Found {
        let untracked = Region { tracked: false, ..*region };
        let found = self.find_any(space, &untracked, address, object, index, write);
        let Found::Frame { frame, writable, zero } = found else { return found };
        if write && let Some(space) = self.spaces.get_mut(space) {
            space.written.note(address);
        }
        Found::Frame { frame, writable: writable && write, zero }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::{BTreeMap, BTreeSet};
    use proptest::prelude::*;

    const BASE: u64 = 0x4000_0000;

    fn range(first: u64, pages: u64) -> Range {
        Range { start: BASE + first * PAGE, end: BASE + (first + pages) * PAGE }
    }

    #[test]
    fn room_is_bounded_and_a_refusal_changes_nothing() {
        let mut written = Written::default();
        assert_eq!(written.begin(range(0, 3 * BLOCK_PAGES), 2), Err(Error::NoMemory));
        assert!(written.blocks.is_empty());
        assert_eq!(written.begin(range(0, 2 * BLOCK_PAGES), 2), Ok(()));
        written.note(BASE);
        // What is there already needs no room, and is forgotten.
        assert_eq!(written.begin(range(0, 2 * BLOCK_PAGES), 0), Ok(()));
        assert!(!written.take(BASE));
        // A page without room is not noted.
        written.note(BASE - PAGE);
        assert!(!written.take(BASE - PAGE));
    }

    #[test]
    fn blocks_go_when_nothing_needs_them() {
        let mut written = Written::default();
        written.begin(range(BLOCK_PAGES - 1, 2), 8).unwrap();
        assert_eq!(written.blocks.len(), 2);
        let needed = range(BLOCK_PAGES, 1).start;
        written.shrink(range(0, 4 * BLOCK_PAGES), |r| (r.start..r.end).contains(&needed));
        assert_eq!(written.blocks.len(), 1);
        written.note(needed);
        assert!(written.take(needed) && !written.take(needed));
        written.shrink(range(0, 1), |_| false);
        assert_eq!(written.blocks.len(), 1, "another range");
        written.shrink(range(BLOCK_PAGES, 1), |_| false);
        assert!(written.blocks.is_empty());
    }

    proptest! {
        /// Against a set of pages.
        #[test]
        fn notes_are_a_set(steps in proptest::collection::vec((0..4u8, 0..3000u64, 1..700u64), 1..80)) {
            let mut written = Written::default();
            let mut set = BTreeSet::new();
            let mut room: BTreeMap<u64, ()> = BTreeMap::new();
            for (kind, first, pages) in steps {
                let r = range(first, pages);
                match kind {
                    0 => {
                        written.begin(r, usize::MAX).unwrap();
                        set.retain(|a| !(r.start..r.end).contains(a));
                        room.extend(Written::numbers(r).map(|n| (n, ())));
                    }
                    1 => for n in 0..pages {
                        let a = r.start + n * PAGE;
                        written.note(a);
                        if room.contains_key(&(a / PAGE / BLOCK_PAGES)) {
                            set.insert(a);
                        }
                    }
                    2 => for n in 0..pages {
                        let next = set.range(r.start..r.end).next().copied();
                        prop_assert_eq!(written.next(r), next);
                        let a = r.start + n * PAGE;
                        prop_assert_eq!(written.take(a), set.remove(&a));
                    }
                    _ => {
                        written.shrink(r, |_| false);
                        for n in Written::numbers(r) {
                            room.remove(&n);
                            set.retain(|a| a / PAGE / BLOCK_PAGES != n);
                        }
                    }
                }
                prop_assert_eq!(written.blocks.len(), room.len());
            }
        }
    }
}
