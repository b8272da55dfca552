// SPDX-License-Identifier: BSD-2-Clause
//! Memory for bytes, set aside at the start in blocks of one size: it is there when it is needed, and never in pieces that nobody can use.

use crate::limits::{BLOCK, BLOCKS};
use alloc::vec;
use alloc::vec::Vec;

/// A block of a [`Store`].
pub type Block = u16;

/// All blocks.
#[derive(Debug)]
pub struct Store {
    blocks: Vec<[u8; BLOCK]>,
    free: Vec<Block>,
}

impl Store {
    /// [`BLOCKS`] blocks.
    pub fn new() -> Store {
        Store { blocks: vec![[0; BLOCK]; BLOCKS], free: (0..BLOCKS as Block).rev().collect() }
    }

    /// Blocks that nobody has.
    pub fn free(&self) -> usize {
        self.free.len()
    }

    /// Takes one; `None`: there is none left, which the limits rule out.
    pub fn take(&mut self) -> Option<Block> {
        self.free.pop()
    }

    /// Gives one back.
    pub fn give(&mut self, block: Block) {
        self.free.push(block);
    }

    /// The bytes of a block from a place on.
    pub fn bytes(&self, block: Block, from: usize) -> &[u8] {
        self.blocks.get(block as usize).and_then(|b| b.get(from..)).unwrap_or_default()
    }

    /// As [`Store::bytes`], to write.
    pub fn bytes_mut(&mut self, block: Block, from: usize) -> &mut [u8] {
        self.blocks.get_mut(block as usize).and_then(|b| b.get_mut(from..)).unwrap_or_default()
    }
}
