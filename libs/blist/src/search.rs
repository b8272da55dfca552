// SPDX-License-Identifier: BSD-2-Clause
//! Allocation: finding a run and taking it.
//!
//! Because every hint is exact, a search never goes down a wrong way: one node a level; and a request that
//! cannot be met is known at the root.

use crate::blist::{Blist, MAX_ALLOC, Placement};
use crate::lanes::{self, UNIFORM};
use crate::shape::{LEAF_BLOCKS, RADIX};
use crate::{Error, word};

impl<S: AsRef<[u64]> + AsMut<[u64]>> Blist<S> {
    /// Allocates `count` contiguous blocks (1 to [`MAX_ALLOC`]) and returns the first; `None` if there is no
    /// such run or the count is out of bounds, and then nothing changed. Source: `blist_alloc` (SWP-249).
    #[inline]
    pub fn alloc(&mut self, count: u32) -> Option<u64> {
        self.try_alloc(count).ok()
    }

    /// [`alloc`](Blist::alloc) that says why not.
    ///
    /// Errors: [`Error::BadCount`] (SWP-W44), [`Error::NoSpace`].
    #[inline]
    pub fn try_alloc(&mut self, count: u32) -> Result<u64, Error> {
        self.try_alloc_range(count, count).map(|(start, _)| start)
    }

    /// Allocates between `min` and `max` contiguous blocks; `min` is 1 to [`MAX_ALLOC`], `max` at least `min`,
    /// and what exceeds [`MAX_ALLOC`] is not used. It takes the run that [`alloc`](Blist::alloc) would take for
    /// `min`, as much of it as `max` permits; under [`Placement::BestFit`] the one for as many blocks as there
    /// are together anywhere, up to `max`. Returns the first block and how many.
    #[inline]
    pub fn alloc_range(&mut self, min: u32, max: u32) -> Option<(u64, u32)> {
        self.try_alloc_range(min, max).ok()
    }

    /// [`alloc_range`](Blist::alloc_range) that says why not.
    ///
    /// Errors: [`Error::BadCount`], [`Error::NoSpace`].
    #[inline]
    pub fn try_alloc_range(&mut self, min: u32, max: u32) -> Result<(u64, u32), Error> {
        if min == 0 || min > MAX_ALLOC || max < min {
            return Err(Error::BadCount);
        }
        self.visit();
        if min > self.largest_hint() {
            return Err(Error::NoSpace);
        }
        let max = max.min(MAX_ALLOC);
        let (found, count) = match self.placement {
            Placement::FirstFit => (self.find_first(min), min),
            Placement::NextFit => (self.find_after(self.cursor, min), min),
            Placement::BestFit => {
                let count = max.min(self.largest_hint());
                (self.find_first(count), count)
            }
        };
        let (leaf, bit) = found.ok_or(Error::NoSpace)?;
        let count =
            if count == max { max } else { self.run_around(leaf, self.words()[leaf], bit).1.min(max) };
        self.take(leaf, bit, count);
        let start = leaf as u64 * LEAF_BLOCKS + u64::from(bit);
        let end = start + u64::from(count);
        self.cursor = if end < self.len() { end } else { 0 };
        Ok((start, count))
    }

    /// The run of `count` blocks to take if it may be anywhere, as (leaf, bit), the path to its leaf settled.
    fn find_first(&mut self, count: u32) -> Option<(usize, u32)> {
        let leaf = self.descend(self.shape.levels, 0, count)?;
        self.find_in_leaf(leaf, u64::MAX, count)
    }

    /// The lowest run of `count` blocks that begins at or above block `from`, else the lowest of all.
    fn find_after(&mut self, from: u64, count: u32) -> Option<(usize, u32)> {
        let leaf = (from / LEAF_BLOCKS) as usize;
        self.settle(leaf);
        if u32::from(self.entry(0, leaf)) >= count {
            let found = self.find_in_leaf(leaf, u64::MAX << (from % LEAF_BLOCKS), count);
            if found.is_some() {
                return found;
            }
        }
        let mut x = leaf;
        for level in 0..self.shape.levels {
            self.visit();
            let node = x / RADIX;
            if let Some(lane) = lanes::first_after(self.lanes(level, node), count, x % RADIX) {
                let leaf = self.descend(level, node * RADIX + lane, count)?;
                return self.find_in_leaf(leaf, u64::MAX, count);
            }
            x = node;
        }
        self.find_first(count)
    }

    /// The leaf to take below entry `x` of `level`, its path settled; the entry promises a run of `count`.
    #[inline]
    fn descend(&mut self, level: usize, x: usize, count: u32) -> Option<usize> {
        let mut x = x;
        for level in (1..=level).rev() {
            self.visit();
            if self.entry(level, x) & UNIFORM != 0 {
                self.expand(level, x);
            }
            let lanes = self.lanes(level - 1, x);
            let exact = match self.placement {
                Placement::BestFit => lanes::first_equal(lanes, count),
                Placement::FirstFit | Placement::NextFit => None,
            };
            x = x * RADIX + exact.or_else(|| lanes::first(lanes, count))?;
        }
        Some(x)
    }

    /// The run of `count` to take in a settled leaf, of those that begin at a bit of `within` (all bits from
    /// one on).
    #[inline(always)]
    fn find_in_leaf(&self, leaf: usize, within: u64, count: u32) -> Option<(usize, u32)> {
        self.visit();
        let bits = self.words()[leaf] & within;
        let bit = match self.placement {
            Placement::BestFit => word::find_best_run(bits, count),
            Placement::FirstFit | Placement::NextFit => word::find_run(bits, count),
        };
        if let Some(bit) = bit {
            return Some((leaf, bit));
        }
        // Only the run that goes on in the next leaf is left, and that lies above all others.
        let tail = word::tail(bits);
        let bit = 64 - tail;
        (tail > 0 && self.run_around(leaf, bits, bit).1 >= count).then_some((leaf, bit))
    }

    /// Takes `count` free blocks from `bit` of settled leaf `leaf` on.
    #[inline]
    fn take(&mut self, leaf: usize, bit: u32, count: u32) {
        let here = count.min(64 - bit);
        // This leaf first: then the next one's head no longer concerns it.
        self.clear(leaf, bit, here);
        if here < count {
            self.settle(leaf + 1);
            self.clear(leaf + 1, 0, count - here);
        }
    }

    /// Marks `count` free blocks from `bit` of a settled leaf on allocated.
    #[inline(always)]
    fn clear(&mut self, leaf: usize, bit: u32, count: u32) {
        let old = self.words()[leaf];
        let new = old & !word::mask(bit, count);
        self.words_mut()[leaf] = new;
        self.count(leaf, u64::from(count).wrapping_neg());
        self.set_hint(leaf, self.leaf_hint(leaf, new));
        if word::head(old) > bit {
            self.refresh_before(leaf);
        }
    }
}
