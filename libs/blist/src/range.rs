// SPDX-License-Identifier: BSD-2-Clause
//! Freeing and filling ranges of any length, and questions about ranges.
//!
//! A range costs at most two partly covered nodes a level and sixteen entries each: an entry that is covered
//! whole is only flagged uniform (SWP-263, SWP-268), and written out when somebody needs a part of it.

use core::ops::Range;

use crate::Error;
use crate::blist::{Blist, MAX_ALLOC};
use crate::lanes::{self, UNIFORM};
use crate::shape::{LEAF_BLOCKS, RADIX};
use crate::word;

/// What a range becomes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Paint {
    Free,
    Allocated,
}

impl<S: AsRef<[u64]> + AsMut<[u64]>> Blist<S> {
    /// Frees `count` blocks from `start` on, all of which must be allocated; any length, none included.
    ///
    /// Errors, and then nothing is freed: [`Error::OutOfRange`] (SWP-W44), [`Error::DoubleFree`] (SWP-W43).
    /// Source: `blist_free` (SWP-261).
    #[inline]
    pub fn free(&mut self, start: u64, count: u64) -> Result<(), Error> {
        let end = start.checked_add(count).filter(|&end| end <= self.len()).ok_or(Error::OutOfRange)?;
        if count == 0 {
            return Ok(());
        }
        let leaf = (start / LEAF_BLOCKS) as usize;
        let bit = (start % LEAF_BLOCKS) as u32;
        if u64::from(bit) + count > LEAF_BLOCKS {
            return self.free_across(start..end);
        }
        self.settle(leaf);
        self.refuse_free(leaf, bit, count as u32)?;
        self.release(leaf, bit, count as u32);
        Ok(())
    }

    /// Marks `count` blocks from `start` on allocated, whatever they were, and returns how many were free.
    /// Any length; blocks past the end count as allocated already (SWP-270).
    ///
    /// Errors: [`Error::OutOfRange`] if `start + count` is no block number at all.
    /// Source: `blist_fill` (SWP-267).
    pub fn fill(&mut self, start: u64, count: u64) -> Result<u64, Error> {
        let end = start.checked_add(count).ok_or(Error::OutOfRange)?.min(self.len());
        if start >= end || self.free == 0 {
            return Ok(0);
        }
        Ok(self.paint(start..end, Paint::Allocated))
    }

    /// How many of `count` blocks from `start` on are free; blocks past the end are not.
    pub fn free_in(&self, start: u64, count: u64) -> u64 {
        let end = start.saturating_add(count).min(self.len());
        if start < end { self.count_free(self.shape.levels, 0, &(start..end)) } else { 0 }
    }

    /// Marks `count` allocated blocks from `bit` of a settled leaf on free.
    #[inline(always)]
    fn release(&mut self, leaf: usize, bit: u32, count: u32) {
        let bits = self.words()[leaf] | word::mask(bit, count);
        self.words_mut()[leaf] = bits;
        let (before, from) = self.run_around(leaf, bits, bit);
        // Freeing makes one run longer and leaves the others alone: nothing has to be searched.
        self.raise_hint(leaf, (before + from).min(MAX_ALLOC) as u8);
        self.count(leaf, u64::from(count));
        if before == bit {
            self.refresh_before(leaf);
        }
    }

    /// Frees a range of more than one leaf.
    #[inline(never)]
    fn free_across(&mut self, range: Range<u64>) -> Result<(), Error> {
        let leaf = (range.start / LEAF_BLOCKS) as usize;
        let bit = (range.start % LEAF_BLOCKS) as u32;
        let next = self.under(0, leaf + 1);
        if range.end <= next.end {
            // Whatever one allocation gave fits two leaves.
            let (here, there) = (LEAF_BLOCKS as u32 - bit, (range.end - next.start) as u32);
            self.settle(leaf);
            self.settle(leaf + 1);
            self.refuse_free(leaf, bit, here)?;
            self.refuse_free(leaf + 1, 0, there)?;
            self.release(leaf, bit, here);
            self.release(leaf + 1, 0, there);
        } else if let Some(block) = self.first_free(self.shape.levels, 0, &range) {
            return Err(Error::DoubleFree { block });
        } else {
            self.paint(range, Paint::Free);
        }
        Ok(())
    }

    /// An error if one of `count` blocks from `bit` of a settled leaf on is free.
    #[inline(always)]
    fn refuse_free(&self, leaf: usize, bit: u32, count: u32) -> Result<(), Error> {
        let twice = self.words()[leaf] & word::mask(bit, count);
        if twice == 0 {
            return Ok(());
        }
        Err(Error::DoubleFree { block: leaf as u64 * LEAF_BLOCKS + u64::from(twice.trailing_zeros()) })
    }

    /// Gives all of a range within the list one state; returns how many blocks changed theirs.
    fn paint(&mut self, range: Range<u64>, paint: Paint) -> u64 {
        let first = (range.start / LEAF_BLOCKS) as usize;
        // Past the end all is allocated for ever, so the last node may be covered whole too.
        let past = if paint == Paint::Allocated && range.end == self.len() { u64::MAX } else { range.end };
        let changed = self.paint_entry(self.shape.levels, 0, &(range.start..past), paint);
        self.settled = usize::MAX;
        self.free = match paint {
            Paint::Free => self.free + changed,
            Paint::Allocated => self.free - changed,
        };
        self.refresh_before(first);
        changed
    }

    /// The part of `range` that lies under entry `x` of `level`, which is not empty.
    fn paint_entry(&mut self, level: usize, x: usize, range: &Range<u64>, paint: Paint) -> u64 {
        self.visit();
        let under = self.under(level, x);
        if level == 0 {
            return self.paint_leaf(x, range, paint);
        }
        if range.start <= under.start && under.end <= range.end {
            let was_free = self.free_under(level, x);
            return match paint {
                Paint::Free => {
                    self.set_entry(level, x, MAX_ALLOC as u8 | UNIFORM);
                    self.shape.span(level) - was_free
                }
                Paint::Allocated => {
                    self.set_entry(level, x, UNIFORM);
                    was_free
                }
            };
        }
        self.expand(level, x);
        let mut changed = 0;
        // From the right, so that each leaf sees its right neighbour as it will be.
        for child in self.children(level, x, range).rev() {
            changed += self.paint_entry(level - 1, child, range, paint);
        }
        let at = self.shape.node(level - 1, x);
        let free = &mut self.words_mut()[at];
        *free = match paint {
            Paint::Free => *free + changed,
            Paint::Allocated => *free - changed,
        };
        let hint = lanes::max(self.lanes(level - 1, x));
        self.set_entry(level, x, hint);
        changed
    }

    fn paint_leaf(&mut self, leaf: usize, range: &Range<u64>, paint: Paint) -> u64 {
        let mask = self.leaf_mask(leaf, range);
        let old = self.words()[leaf];
        let new = match paint {
            Paint::Free => old | mask,
            Paint::Allocated => old & !mask,
        };
        self.words_mut()[leaf] = new;
        let hint = self.leaf_hint(leaf, new);
        self.set_entry(0, leaf, hint);
        u64::from((old ^ new).count_ones())
    }

    /// Lowest free block of the part of `range` under entry `x` of `level`.
    fn first_free(&self, level: usize, x: usize, range: &Range<u64>) -> Option<u64> {
        let entry = self.entry(level, x);
        let under = self.under(level, x);
        if entry & !UNIFORM == 0 {
            None
        } else if entry & UNIFORM != 0 {
            Some(range.start.max(under.start))
        } else if level == 0 {
            let bits = self.words()[x] & self.leaf_mask(x, range);
            (bits != 0).then(|| under.start + u64::from(bits.trailing_zeros()))
        } else {
            self.children(level, x, range).find_map(|child| self.first_free(level - 1, child, range))
        }
    }

    fn count_free(&self, level: usize, x: usize, range: &Range<u64>) -> u64 {
        let entry = self.entry(level, x);
        let under = self.under(level, x);
        if entry & !UNIFORM == 0 {
            0
        } else if entry & UNIFORM != 0 {
            range.end.min(under.end) - range.start.max(under.start)
        } else if level == 0 {
            u64::from((self.words()[x] & self.leaf_mask(x, range)).count_ones())
        } else if range.start <= under.start && under.end <= range.end {
            self.free_under(level, x)
        } else {
            self.children(level, x, range).map(|child| self.count_free(level - 1, child, range)).sum()
        }
    }

    /// Blocks that entry `x` of `level` stands for, existing or not.
    #[inline]
    pub(crate) fn under(&self, level: usize, x: usize) -> Range<u64> {
        let span = self.shape.span(level);
        x as u64 * span..(x as u64 + 1) * span
    }

    /// Free blocks under entry `x` of `level`, at least 1 (SWP-255).
    pub(crate) fn free_under(&self, level: usize, x: usize) -> u64 {
        match self.entry(level, x) {
            UNIFORM => 0,
            entry if entry & UNIFORM != 0 => self.shape.span(level),
            _ => self.words()[self.shape.node(level - 1, x)],
        }
    }

    /// The children of entry `x` of `level` (at least 1) that exist and hold a part of `range`.
    pub(crate) fn children(&self, level: usize, x: usize, range: &Range<u64>) -> Range<usize> {
        let span = self.shape.span(level - 1);
        let first = (range.start / span).max((x * RADIX) as u64) as usize;
        let end = range.end.min(self.len()).div_ceil(span).min(((x + 1) * RADIX) as u64) as usize;
        first..end
    }

    /// The bits of a leaf that stand for blocks of `range`, at least one.
    fn leaf_mask(&self, leaf: usize, range: &Range<u64>) -> u64 {
        let under = self.under(0, leaf);
        let start = range.start.max(under.start) - under.start;
        let end = range.end.min(under.end) - under.start;
        word::mask(start as u32, (end - start) as u32)
    }
}
