// SPDX-License-Identifier: BSD-2-Clause
//! Where everything lies in the one array of words, and how many words that takes.
//!
//! First one word a leaf, then the nodes of level 0 (each above sixteen leaves), of level 1 (above sixteen
//! nodes of level 0), and so on to the single root node. Only what covers existing blocks is stored.

use crate::{Blist, Error};

/// Children of a node (SWP-241).
pub const RADIX: usize = 16;
/// Blocks of a leaf, one bit each (SWP-242 allows the later versions' 64 in place of 32).
pub const LEAF_BLOCKS: u64 = 64;
/// Most blocks of one list: 2^46, which is 256 PiB of 4 KiB pages. A bound for the arithmetic only.
pub const MAX_BLOCKS: u64 = 1 << 46;

/// Words of a node: the number of free blocks beneath, then two words of [`lanes`](crate::lanes).
pub(crate) const NODE_WORDS: usize = 3;
/// 2^40 leaves are covered by ten levels of sixteen.
const MAX_LEVELS: usize = 10;

/// The geometry of a list of a certain number of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Blocks of the list.
    pub blocks: u64,
    /// Leaves that hold them.
    pub leaves: usize,
    /// Levels of nodes above the leaves, at least one.
    pub levels: usize,
    /// Words in all.
    pub words: usize,
    /// First word of each level's nodes.
    offset: [usize; MAX_LEVELS],
}

impl Shape {
    pub(crate) const fn new(blocks: u64) -> Result<Shape, Error> {
        if blocks == 0 {
            return Err(Error::NoBlocks);
        }
        let leaves = blocks.div_ceil(LEAF_BLOCKS);
        // 3/2 words a leaf is more than ever follows below.
        if blocks > MAX_BLOCKS || leaves > (usize::MAX / 16) as u64 {
            return Err(Error::TooManyBlocks);
        }
        let leaves = leaves as usize;
        let (mut words, mut nodes, mut levels) = (leaves, leaves, 0);
        let mut offset = [0; MAX_LEVELS];
        while levels == 0 || nodes > 1 {
            nodes = nodes.div_ceil(RADIX);
            offset[levels] = words;
            words += nodes * NODE_WORDS;
            levels += 1;
        }
        Ok(Shape { blocks, leaves, levels, words, offset })
    }

    /// First word of node `node` of `level`.
    #[inline]
    pub(crate) const fn node(&self, level: usize, node: usize) -> usize {
        self.offset[level] + node * NODE_WORDS
    }

    /// First words of the levels' nodes, from the leaves up.
    #[inline]
    pub(crate) fn levels(&self) -> &[usize] {
        &self.offset[..self.levels]
    }

    /// Blocks that an entry of `level` stands for: a leaf at level 0, sixteen times as many each level up.
    #[inline]
    pub(crate) const fn span(&self, level: usize) -> u64 {
        LEAF_BLOCKS << (4 * level)
    }
}

/// Words of 64 bits that a list of `blocks` blocks stores: what [`Blist::over`](crate::Blist::over) must be
/// handed. At most 0.1503 bytes a block from 2^16 blocks on.
///
/// Errors: [`Error::NoBlocks`], [`Error::TooManyBlocks`].
pub const fn words_needed(blocks: u64) -> Result<usize, Error> {
    match Shape::new(blocks) {
        Ok(shape) => Ok(shape.words),
        Err(e) => Err(e),
    }
}

/// Bytes of memory that a list of `blocks` blocks takes, all included: to be asked for before
/// [`Blist::new`](crate::Blist::new) is called.
///
/// Errors: [`Error::NoBlocks`], [`Error::TooManyBlocks`].
pub const fn bytes_needed(blocks: u64) -> Result<usize, Error> {
    match words_needed(blocks) {
        Ok(words) => Ok(words * size_of::<u64>() + size_of::<Blist>()),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SWP-244: levels and records (words here) for the sizes of the table, with 64-block leaves (SWP-242)
    /// and with the leaves' records being bare bitmaps.
    #[test]
    fn swp_244_geometry() {
        for (blocks, leaves, levels, nodes) in [
            (1, 1, 1, 1),
            (64, 1, 1, 1),
            (65, 2, 1, 1),
            (1024, 16, 1, 1),
            (1025, 17, 2, 3),
            (16384, 256, 2, 17),
            (16385, 257, 3, 20),
            (262_144, 4096, 3, 273),
            (2_097_152, 32768, 4, 2185),
        ] {
            let s = Shape::new(blocks).unwrap();
            assert_eq!(
                (s.leaves, s.levels, s.words),
                (leaves, levels, leaves + nodes * NODE_WORDS),
                "{blocks}"
            );
            assert!(s.span(s.levels) >= blocks && (levels == 1 || s.span(s.levels - 1) < blocks));
        }
    }

    /// SWP-245, SWP-W44: absurd sizes are errors.
    #[test]
    fn swp_245_sizes_refused() {
        assert_eq!(Shape::new(0), Err(Error::NoBlocks));
        assert_eq!(Shape::new(MAX_BLOCKS + 1), Err(Error::TooManyBlocks));
        assert_eq!(Shape::new(u64::MAX), Err(Error::TooManyBlocks));
        assert_eq!(Shape::new(MAX_BLOCKS).unwrap().levels, MAX_LEVELS);
    }

    /// SWP-278: memory by table; ours stays under 0.26 bytes a block.
    #[test]
    fn swp_278_memory() {
        for (blocks, words) in
            [(65536, 1024 + 69 * 3), (131_072, 2048 + 137 * 3), (1 << 28, (4 << 20) + 279_621 * 3)]
        {
            let got = words_needed(blocks).unwrap();
            assert_eq!(got, words);
            assert!((got * 8) as f64 / blocks as f64 <= 0.1503);
        }
    }
}
