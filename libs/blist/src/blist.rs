// SPDX-License-Identifier: BSD-2-Clause
//! The list itself: creation, storage, and what can be read from it.

use alloc::vec::Vec;

use crate::lanes::{self, UNIFORM};
use crate::shape::{LEAF_BLOCKS, RADIX, Shape};
use crate::{Error, word};

/// Largest number of blocks that one allocation takes (SWP-243; the original: 32).
pub const MAX_ALLOC: u32 = 64;

/// Where an allocation begins to look (SWP-W47).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Placement {
    /// Always the lowest run that is long enough: least fragmentation (SWP-250).
    FirstFit,
    /// The next run at or above the cursor, which stands behind the last allocation, and after the end the
    /// lowest run: streams of page-outs lie together on the device.
    #[default]
    NextFit,
}

/// Allocator of contiguous runs among `len` numbered blocks; see the [crate's page](crate).
///
/// It owns no lock: every change takes `&mut self`, and whoever shares a list serialises (SWP-279).
/// Dropping it releases its storage (SWP-248).
///
/// `S` is whatever holds the words: a `Vec` by [`new`](Blist::new), a segment of the caller's by
/// [`over`](Blist::over). It must give the same words each time.
#[derive(Clone)]
pub struct Blist<S = Vec<u64>> {
    pub(crate) store: S,
    pub(crate) shape: Shape,
    /// The entry above the root node: hint of the whole list and, perhaps, `UNIFORM`.
    pub(crate) top: u8,
    /// Free blocks.
    pub(crate) free: u64,
    /// Block behind the last allocation; below `len`.
    pub(crate) cursor: u64,
    pub(crate) placement: Placement,
    /// Records looked at, for the tests of SWP-274 to SWP-277.
    #[cfg(test)]
    pub(crate) visits: core::cell::Cell<u64>,
}

impl Blist {
    /// A list of `blocks` blocks, all of them allocated (SWP-246): [`free`](Blist::free) what may be given
    /// out. Takes all the memory that the list will ever use (SWP-244), [`bytes_needed`](crate::bytes_needed).
    ///
    /// Errors: [`Error::NoBlocks`], [`Error::TooManyBlocks`], [`Error::NoMemory`].
    /// Source: `blist_create`.
    pub fn new(blocks: u64) -> Result<Blist, Error> {
        let shape = Shape::new(blocks)?;
        let mut store = Vec::new();
        store.try_reserve_exact(shape.words).map_err(|_| Error::NoMemory)?;
        store.resize(shape.words, 0);
        Ok(Blist::build(store, shape))
    }
}

impl<S: AsRef<[u64]> + AsMut<[u64]>> Blist<S> {
    /// A list of `blocks` blocks, all of them allocated, in storage of the caller's: at least
    /// [`words_needed`](crate::words_needed) words, whose old contents are overwritten.
    ///
    /// Errors: [`Error::NoBlocks`], [`Error::TooManyBlocks`], [`Error::StorageTooSmall`].
    pub fn over(mut store: S, blocks: u64) -> Result<Blist<S>, Error> {
        let shape = Shape::new(blocks)?;
        match store.as_mut().get_mut(..shape.words) {
            Some(words) => words.fill(0),
            None => return Err(Error::StorageTooSmall { needed: shape.words }),
        }
        Ok(Blist::build(store, shape))
    }

    /// `store` holds zeroes only: no block free, every hint 0.
    fn build(store: S, shape: Shape) -> Blist<S> {
        Blist {
            store,
            shape,
            top: 0,
            free: 0,
            cursor: 0,
            placement: Placement::default(),
            #[cfg(test)]
            visits: Default::default(),
        }
    }

    /// Blocks of the list, free or not.
    pub fn len(&self) -> u64 {
        self.shape.blocks
    }

    /// Whether no block is free. (There is no list without blocks.)
    pub fn is_empty(&self) -> bool {
        self.free == 0
    }

    /// Blocks that are free now.
    pub fn free_count(&self) -> u64 {
        self.free
    }

    /// Whether `block` is free; a block outside the list is not.
    pub fn is_free(&self, block: u64) -> bool {
        block < self.len() && self.peek((block / LEAF_BLOCKS) as usize) >> (block % LEAF_BLOCKS) & 1 == 1
    }

    /// Length in blocks of the longest free run, 64 standing for 64 or more. Exact: `alloc(n)` succeeds if and
    /// only if 1 <= n <= `largest_hint()`. Source: the root's `bm_bighint`, there an upper bound (SWP-256).
    pub fn largest_hint(&self) -> u32 {
        u32::from(self.top & !UNIFORM)
    }

    /// Bytes of memory in use, all included. Constant from creation to the next resize.
    pub fn memory_bytes(&self) -> usize {
        size_of_val(self.store.as_ref()) + size_of::<Self>()
    }

    /// Where allocations begin to look.
    pub fn placement(&self) -> Placement {
        self.placement
    }

    /// Changes where allocations begin to look; at any time.
    pub fn set_placement(&mut self, placement: Placement) {
        self.placement = placement;
    }

    /// The block at which the next allocation begins to look under [`Placement::NextFit`].
    pub fn cursor(&self) -> u64 {
        self.cursor
    }

    /// Moves the cursor, say to begin a new stream at a place of one's own.
    ///
    /// Errors: [`Error::OutOfRange`].
    pub fn set_cursor(&mut self, block: u64) -> Result<(), Error> {
        if block >= self.len() {
            return Err(Error::OutOfRange);
        }
        self.cursor = block;
        Ok(())
    }

    #[inline]
    pub(crate) fn words(&self) -> &[u64] {
        self.store.as_ref()
    }

    #[inline]
    pub(crate) fn words_mut(&mut self) -> &mut [u64] {
        self.store.as_mut()
    }

    #[inline]
    pub(crate) fn visit(&self) {
        #[cfg(test)]
        self.visits.set(self.visits.get() + 1);
    }

    /// The sixteen entries of a node.
    #[inline]
    pub(crate) fn lanes(&self, level: usize, node: usize) -> [u64; 2] {
        let at = self.shape.node(level, node);
        let node = &self.words()[at..at + 3];
        [node[1], node[2]]
    }

    /// Entry `x` of `level`, flag and all: of leaf `x` at level 0, above that of node `x` of the level below.
    #[inline]
    pub(crate) fn entry(&self, level: usize, x: usize) -> u8 {
        if level == self.shape.levels {
            return self.top;
        }
        let at = self.shape.node(level, x / RADIX) + 1 + x / 8 % 2;
        (self.words()[at] >> (x % 8 * 8)) as u8
    }

    #[inline]
    pub(crate) fn set_entry(&mut self, level: usize, x: usize, value: u8) {
        if level == self.shape.levels {
            self.top = value;
            return;
        }
        let at = self.shape.node(level, x / RADIX) + 1 + x / 8 % 2;
        let shift = x % 8 * 8;
        let word = &mut self.words_mut()[at];
        *word = *word & !(0xff << shift) | u64::from(value) << shift;
    }

    /// The hint of the lowest entry above `leaf` that is uniform, if any is: what is stored for the leaf
    /// itself is stale then.
    #[inline]
    pub(crate) fn uniform_above(&self, leaf: usize) -> Option<u8> {
        (1..=self.shape.levels)
            .rev()
            .map(|level| self.entry(level, leaf >> (4 * level)))
            .find(|entry| entry & UNIFORM != 0)
            .map(|entry| entry & !UNIFORM)
    }

    /// The bitmap of a leaf, whether or not it is stored; 0 beyond the last one.
    pub(crate) fn peek(&self, leaf: usize) -> u64 {
        if leaf >= self.shape.leaves {
            return 0;
        }
        match self.uniform_above(leaf) {
            Some(0) => 0,
            Some(_) => u64::MAX,
            None => self.words()[leaf],
        }
    }

    /// The bitmap of the leaf after `leaf`, whose own path is settled.
    #[inline]
    fn peek_next(&self, leaf: usize) -> u64 {
        let next = leaf + 1;
        // A sibling shares the settled path.
        if next % RADIX == 0 || next >= self.shape.leaves { self.peek(next) } else { self.words()[next] }
    }

    /// Hint of a settled leaf that holds `bits`: its longest run, and a run that goes on in the next leaf counts
    /// whole (SWP-W45), up to 64. So a run belongs to the leaf in which it begins, and no node ever needs
    /// to look across its own edge.
    #[inline]
    pub(crate) fn leaf_hint(&self, leaf: usize, bits: u64) -> u8 {
        let inner = word::longest_run(bits);
        let across = match word::tail(bits) {
            0 => 0,
            tail => tail + word::head(self.peek_next(leaf)),
        };
        inner.max(across).min(MAX_ALLOC) as u8
    }

    /// Length of the run of settled leaf `leaf` around its set bits `start .. start + count`: (bits before
    /// `start`, bits from there on, those in the next leaf included).
    #[inline]
    pub(crate) fn run_around(&self, leaf: usize, bits: u64, start: u32) -> (u32, u32) {
        let before = if start == 0 { 0 } else { word::tail(bits << (64 - start)) };
        let mut from = word::head(bits >> start);
        if start + from == 64 {
            from += word::head(self.peek_next(leaf));
        }
        (before, from)
    }

    /// Writes out what a uniform entry stood for, one level down.
    pub(crate) fn expand(&mut self, level: usize, x: usize) {
        let entry = self.entry(level, x);
        if level == 0 || entry & UNIFORM == 0 {
            return;
        }
        let hint = entry & !UNIFORM;
        self.set_entry(level, x, hint);
        let (child, free, bits) =
            if hint == 0 { (0, 0, 0) } else { (hint, self.shape.span(level), u64::MAX) };
        let lanes = lanes::splat(if level == 1 { child } else { child | UNIFORM });
        let at = self.shape.node(level - 1, x);
        self.words_mut()[at..at + 3].copy_from_slice(&[free, lanes, lanes]);
        if level == 1 {
            let end = self.shape.leaves.min((x + 1) * RADIX);
            self.words_mut()[x * RADIX..end].fill(bits);
        }
    }

    /// Makes sure that nothing stored on the way from the root to `leaf` is stale.
    #[inline]
    pub(crate) fn settle(&mut self, leaf: usize) {
        for level in (1..=self.shape.levels).rev() {
            self.expand(level, leaf >> (4 * level));
        }
    }

    /// Sets the hint of a settled leaf and corrects those above it, as far up as they change.
    #[inline]
    pub(crate) fn set_hint(&mut self, leaf: usize, hint: u8) {
        let (mut x, mut hint) = (leaf, hint);
        for level in 0..=self.shape.levels {
            let old = self.entry(level, x);
            if old == hint {
                return;
            }
            self.set_entry(level, x, hint);
            if level == self.shape.levels {
                return;
            }
            x /= RADIX;
            let above = self.entry(level + 1, x);
            hint = if hint >= above {
                hint
            } else if old < above {
                return;
            } else {
                // The largest child shrank: only now must its siblings be asked.
                lanes::max(self.lanes(level, x))
            };
        }
    }

    /// Corrects the hint of `leaf` after the head of the next leaf has changed.
    pub(crate) fn refresh(&mut self, leaf: usize) {
        // In a uniform subtree the hints are 0 or 64 whatever follows it.
        if self.uniform_above(leaf).is_none() {
            let bits = self.words()[leaf];
            if bits >> 63 == 1 {
                self.set_hint(leaf, self.leaf_hint(leaf, bits));
            }
        }
    }

    /// Adds `delta` (two's complement) to the number of free blocks of each node above `leaf` and of the list.
    #[inline]
    pub(crate) fn count(&mut self, leaf: usize, delta: u64) {
        self.free = self.free.wrapping_add(delta);
        for level in 0..self.shape.levels {
            self.visit();
            let at = self.shape.node(level, leaf >> (4 * (level + 1)));
            let free = &mut self.words_mut()[at];
            *free = free.wrapping_add(delta);
        }
    }
}
