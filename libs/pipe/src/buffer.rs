// SPDX-License-Identifier: BSD-2-Clause
//! The bytes of one pipe, or of one waiting write, in blocks.

use crate::limits::BLOCK;
use crate::store::{Block, Store};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use ebb_proto::pipe::CAPACITY;

/// Bytes, first in first out. Dropping it does not give its blocks back: [`Buffer::clear`].
#[derive(Debug, Default)]
pub struct Buffer {
    blocks: VecDeque<Block>,
    /// Where the first byte is in the first block.
    head: usize,
    len: usize,
}

impl Buffer {
    /// Bytes in it.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Its blocks.
    pub fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// Blocks that it has beyond the one of its own.
    pub fn shared(&self) -> usize {
        self.blocks.len().saturating_sub(1)
    }

    /// Bytes that it can take when `free` shared blocks are there.
    pub fn room(&self, free: usize) -> usize {
        let own = usize::from(self.blocks.is_empty());
        let tail = self.blocks.len() * BLOCK - self.head - self.len;
        (tail + (own + free) * BLOCK).min(CAPACITY - self.len)
    }

    /// Puts bytes in; the caller has asked for the room.
    pub fn put(&mut self, store: &mut Store, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let end = self.head + self.len;
            if end == self.blocks.len() * BLOCK {
                let Some(block) = store.take() else { return };
                self.blocks.push_back(block);
            }
            let Some(block) = self.blocks.back() else { return };
            let free = store.bytes_mut(*block, end % BLOCK);
            let (now, later) = bytes.split_at(bytes.len().min(free.len()));
            for (to, from) in free.iter_mut().zip(now) {
                *to = *from;
            }
            self.len += now.len();
            bytes = later;
        }
    }

    /// Takes at most `max` bytes out.
    pub fn take(&mut self, store: &mut Store, max: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(max.min(self.len));
        while out.len() < max && self.len > 0 {
            let Some(block) = self.blocks.front().copied() else { break };
            let there = store.bytes(block, self.head);
            let count = there.len().min(self.len).min(max - out.len());
            out.extend(there.iter().take(count));
            self.head += count;
            self.len -= count;
            if self.head == BLOCK || self.len == 0 {
                self.blocks.pop_front();
                store.give(block);
                self.head = 0;
            }
        }
        out
    }

    /// Forgets everything.
    pub fn clear(&mut self, store: &mut Store) {
        self.blocks.drain(..).for_each(|block| store.give(block));
        (self.head, self.len) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::BLOCKS;

    #[test]
    fn bytes_come_out_as_they_went_in_across_blocks() {
        let (mut store, mut buffer) = (Store::new(), Buffer::default());
        let all: Vec<u8> = (0..40_000u32).map(|n| (n * 7 % 251) as u8).collect();
        let (mut put, mut got) = (0, Vec::new());
        let mut step = 1;
        while got.len() < all.len() {
            step = step * 5 % 3907 + 1;
            let count = step.min(buffer.room(32)).min(all.len() - put);
            buffer.put(&mut store, &all[put..put + count]);
            put += count;
            got.extend(buffer.take(&mut store, step / 2 + 1));
        }
        assert_eq!(got, all);
        assert_eq!((buffer.len(), buffer.blocks(), store.free()), (0, 0, BLOCKS));
    }

    #[test]
    fn room_is_what_can_be_put() {
        let (mut store, mut buffer) = (Store::new(), Buffer::default());
        assert_eq!(buffer.room(0), BLOCK);
        buffer.put(&mut store, &[1; 500]);
        assert_eq!(buffer.room(0), 12);
        assert_eq!(buffer.room(2), 12 + 2 * BLOCK);
        assert_eq!(buffer.room(1000), CAPACITY - 500);
        assert_eq!(buffer.take(&mut store, 499).len(), 499);
        // The bytes before the first one are not used again: there is one block, and one byte in it.
        assert_eq!(buffer.room(0), 12);
        assert_eq!(buffer.take(&mut store, 9), [1]);
        assert_eq!(buffer.room(0), BLOCK);
    }

    #[test]
    fn what_is_forgotten_is_given_back() {
        let (mut store, mut buffer) = (Store::new(), Buffer::default());
        buffer.put(&mut store, &[1; 3 * BLOCK + 1]);
        assert_eq!((buffer.shared(), store.free()), (3, BLOCKS - 4));
        buffer.clear(&mut store);
        assert_eq!((buffer.len(), store.free()), (0, BLOCKS));
    }
}
