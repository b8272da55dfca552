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
        let bit = start % LEAF_BLOCKS;
        if count == 0 {
            return Ok(());
        }
        if bit + count > LEAF_BLOCKS {
            return self.free_long(start..end);
        }
        let leaf = (start / LEAF_BLOCKS) as usize;
        let mask = word::mask(bit as u32, count as u32);
        self.settle(leaf);
        let twice = self.words()[leaf] & mask;
        if twice != 0 {
            let block = leaf as u64 * LEAF_BLOCKS + u64::from(twice.trailing_zeros());
            return Err(Error::DoubleFree { block });
        }
        self.release(leaf, mask);
        Ok(())
    }

    /// Marks `count` blocks from `start` on allocated, whatever they were, and returns how many were free.
    /// Any length; blocks past the end count as allocated already (SWP-270).
    ///
    /// Errors: [`Error::OutOfRange`] if `start + count` is no block number at all.
    /// Source: `blist_fill` (SWP-267).
    pub fn fill(&mut self, start: u64, count: u64) -> Result<u64, Error> {
        let end = start.checked_add(count).ok_or(Error::OutOfRange)?.min(self.len());
        if start >= end || self.is_empty() {
            return Ok(0);
        }
        Ok(self.paint(start..end, Paint::Allocated))
    }

    /// How many of `count` blocks from `start` on are free; blocks past the end are not.
    pub fn free_in(&self, start: u64, count: u64) -> u64 {
        let end = start.saturating_add(count).min(self.len());
        if start < end { self.count_free(self.shape.levels, 0, &(start..end)) } else { 0 }
    }

    /// Marks allocated blocks of a settled leaf free; `mask` is one run of bits.
    #[inline]
    fn release(&mut self, leaf: usize, mask: u64) {
        let bits = self.words()[leaf] | mask;
        self.words_mut()[leaf] = bits;
        self.count(leaf, u64::from(mask.count_ones()));
        let start = mask.trailing_zeros();
        let (before, from) = self.run_around(leaf, bits, start);
        // Freeing makes one run longer and leaves the others alone: nothing has to be searched.
        let run = (before + from).min(MAX_ALLOC) as u8;
        if run > self.entry(0, leaf) {
            self.set_hint(leaf, run);
        }
        if before == start && leaf > 0 {
            self.refresh(leaf - 1);
        }
    }

    fn free_long(&mut self, range: Range<u64>) -> Result<(), Error> {
        if let Some(block) = self.first_free(self.shape.levels, 0, &range) {
            return Err(Error::DoubleFree { block });
        }
        self.paint(range, Paint::Free);
        Ok(())
    }

    /// Gives all of a range within the list one state; returns how many blocks changed theirs.
    fn paint(&mut self, range: Range<u64>, paint: Paint) -> u64 {
        let first = (range.start / LEAF_BLOCKS) as usize;
        // Past the end all is allocated for ever, so the last node may be covered whole too.
        let past = if paint == Paint::Allocated && range.end == self.len() { u64::MAX } else { range.end };
        let changed = self.paint_entry(self.shape.levels, 0, &(range.start..past), paint);
        self.free = match paint {
            Paint::Free => self.free + changed,
            Paint::Allocated => self.free - changed,
        };
        if first > 0 {
            self.refresh(first - 1);
        }
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
