// SPDX-License-Identifier: BSD-2-Clause
//! The list itself: creation, storage, and what can be read from it.

use alloc::vec::Vec;

use crate::lanes::{self, UNIFORM};
use crate::shape::{LEAF_BLOCKS, NODE_WORDS, RADIX, Shape};
use crate::{Error, word};

/// Largest number of blocks that one allocation takes (SWP-243; the original: 32).
pub const MAX_ALLOC: u32 = 64;

/// Which of the runs that are long enough an allocation takes (SWP-W47).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Placement {
    /// Always the lowest (SWP-250).
    FirstFit,
    /// The first at or above the cursor, which stands behind the last allocation, and past the end the lowest:
    /// streams of page-outs lie together on the device.
    NextFit,
    /// Downwards from the root always the lowest child whose longest run is exactly long enough, else the lowest
    /// whose longest run is longer; in the leaf so found a run of exactly that length, else one at a multiple
    /// of the length (rounded up to a power of two), else the lowest. And
    /// [`alloc_range`](Blist::alloc_range) takes as much as there is together anywhere, up to the maximum: one
    /// long transfer costs less than two. So long runs last longest; `BENCH.md` has the figures.
    #[default]
    BestFit,
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
    /// The node of level 0 that was settled last, if nothing above it has become uniform since; or
    /// `usize::MAX`. What is near is used together.
    pub(crate) settled: usize,
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
            settled: usize::MAX,
            #[cfg(test)]
            visits: Default::default(),
        }
    }

    /// Blocks of the list, free or not; at least one.
    #[expect(clippy::len_without_is_empty, reason = "no list is empty")]
    pub fn len(&self) -> u64 {
        self.shape.blocks
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
    #[inline(always)]
    pub(crate) fn entry(&self, level: usize, x: usize) -> u8 {
        if level == self.shape.levels {
            return self.top;
        }
        let at = self.shape.node(level, x / RADIX) + 1 + x / 8 % 2;
        (self.words()[at] >> (x % 8 * 8)) as u8
    }

    #[inline(always)]
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
        if next.is_multiple_of(RADIX) || next >= self.shape.leaves {
            self.peek(next)
        } else {
            self.words()[next]
        }
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
    #[inline(always)]
    pub(crate) fn run_around(&self, leaf: usize, bits: u64, start: u32) -> (u32, u32) {
        // In two steps, since 64 is no shift.
        let before = word::tail(bits << 1 << (63 - start));
        let mut from = word::head(bits >> start);
        if start + from == 64 {
            from += word::head(self.peek_next(leaf));
        }
        (before, from)
    }

    /// Writes out what a uniform entry stood for, one level down.
    #[cold]
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
    #[inline(always)]
    pub(crate) fn settle(&mut self, leaf: usize) {
        if leaf / RADIX == self.settled {
            return;
        }
        let words = self.store.as_ref();
        let mut entries = self.top;
        let mut x = leaf;
        // All levels are looked at without a branch: mostly none is uniform.
        for &base in &self.shape.levels()[1..] {
            x /= RADIX;
            entries |= (words[base + x / RADIX * NODE_WORDS + 1 + x / 8 % 2] >> (x % 8 * 8)) as u8;
        }
        if entries & UNIFORM != 0 {
            self.settle_uniform(leaf);
        }
        self.settled = leaf / RADIX;
    }

    #[cold]
    fn settle_uniform(&mut self, leaf: usize) {
        for level in (1..=self.shape.levels).rev() {
            self.expand(level, leaf >> (4 * level));
        }
    }

    /// Adds `delta` (two's complement) to the number of free blocks of every node above `leaf` and of the list.
    #[inline(always)]
    pub(crate) fn count(&mut self, leaf: usize, delta: u64) {
        self.free = self.free.wrapping_add(delta);
        let words = self.store.as_mut();
        let mut node = leaf;
        for &base in self.shape.levels() {
            #[cfg(test)]
            self.visits.set(self.visits.get() + 1);
            node /= RADIX;
            let free = &mut words[base + node * NODE_WORDS];
            *free = free.wrapping_add(delta);
        }
    }

    /// Raises the hint of a settled leaf, and those above it, to at least `hint`.
    #[inline(always)]
    pub(crate) fn raise_hint(&mut self, leaf: usize, hint: u8) {
        let mut x = leaf;
        for level in 0..=self.shape.levels {
            if hint <= self.entry(level, x) {
                return;
            }
            self.set_entry(level, x, hint);
            x /= RADIX;
        }
    }

    /// Gives a settled leaf its new hint, and corrects those above it as far up as they change.
    #[inline(always)]
    pub(crate) fn set_hint(&mut self, leaf: usize, hint: u8) {
        let old = self.entry(0, leaf);
        self.set_entry(0, leaf, hint);
        let above = self.entry(1, leaf / RADIX);
        // Mostly a sibling is at least as large and nothing above changes, the less if old == hint.
        if hint != above && (hint > above || old == above) {
            self.rise(leaf / RADIX, hint);
        }
    }

    /// Entry `x` of level 1 must change: a child of its node grew beyond it to `hint`, or its largest child
    /// shrank to that.
    #[inline(never)]
    fn rise(&mut self, x: usize, hint: u8) {
        let (mut x, mut hint) = (x, hint);
        for level in 1..=self.shape.levels {
            let old = self.entry(level, x);
            if hint < old {
                hint = lanes::max(self.lanes(level - 1, x));
            }
            if hint == old {
                return;
            }
            self.set_entry(level, x, hint);
            if level == self.shape.levels {
                return;
            }
            x /= RADIX;
            let above = self.entry(level + 1, x);
            if hint < above && old < above {
                return;
            }
        }
    }

    /// Corrects the hint of the leaf before settled leaf `leaf`, whose head has just changed.
    #[inline(always)]
    pub(crate) fn refresh_before(&mut self, leaf: usize) {
        let Some(before) = leaf.checked_sub(1) else { return };
        // A sibling shares the settled path. In a uniform subtree hints are 0 or 64 whatever follows it.
        if leaf.is_multiple_of(RADIX) && self.uniform_above(before).is_some() {
            return;
        }
        let bits = self.words()[before];
        if bits >> 63 == 1 && bits != u64::MAX {
            self.set_hint(before, self.leaf_hint(before, bits));
        }
    }
}
