// SPDX-License-Identifier: BSD-2-Clause
//! The bytes of one pipe, in blocks.

use crate::limits::BLOCK;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use ebb_proto::pipe::CAPACITY;

/// Bytes, first in first out.
#[derive(Debug, Default)]
pub struct Buffer {
    blocks: VecDeque<Box<[u8; BLOCK]>>,
    /// Where the first byte is in the first block.
    head: usize,
    len: usize,
}

impl Buffer {
    /// Bytes in it.
    pub fn len(&self) -> usize {
        self.len
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
    pub fn put(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let end = self.head + self.len;
            if end == self.blocks.len() * BLOCK {
                self.blocks.push_back(Box::new([0; BLOCK]));
            }
            let Some(block) = self.blocks.back_mut() else { return };
            let free = &mut block[end % BLOCK..];
            let (now, later) = bytes.split_at(bytes.len().min(free.len()));
            free[..now.len()].copy_from_slice(now);
            self.len += now.len();
            bytes = later;
        }
    }

    /// Takes at most `max` bytes out.
    pub fn take(&mut self, max: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(max.min(self.len));
        while out.len() < max && self.len > 0 {
            let Some(block) = self.blocks.front() else { break };
            let count = (BLOCK - self.head).min(self.len).min(max - out.len());
            out.extend_from_slice(&block[self.head..self.head + count]);
            self.head += count;
            self.len -= count;
            if self.head == BLOCK || self.len == 0 {
                self.blocks.pop_front();
                self.head = 0;
            }
        }
        out
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Buffer::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_as_they_went_in_across_blocks() {
        let mut buffer = Buffer::default();
        let all: Vec<u8> = (0..40_000u32).map(|n| (n * 7 % 251) as u8).collect();
        let (mut put, mut got) = (0, Vec::new());
        let mut step = 1;
        while got.len() < all.len() {
            step = step * 5 % 3907 + 1;
            let count = step.min(buffer.room(16)).min(all.len() - put);
            buffer.put(&all[put..put + count]);
            put += count;
            got.extend(buffer.take(step / 2 + 1));
        }
        assert_eq!(got, all);
        assert_eq!((buffer.len(), buffer.shared()), (0, 0));
    }

    #[test]
    fn room_is_what_can_be_put() {
        let mut buffer = Buffer::default();
        assert_eq!(buffer.room(0), BLOCK);
        buffer.put(&[1; 1000]);
        assert_eq!(buffer.room(0), 24);
        assert_eq!(buffer.room(2), 24 + 2 * BLOCK);
        assert_eq!(buffer.room(1000), CAPACITY - 1000);
        assert_eq!(buffer.take(999).len(), 999);
        // The bytes before the first one are not used again: there is one block, and one byte in it.
        assert_eq!(buffer.room(0), 24);
        assert_eq!(buffer.take(9), [1]);
        assert_eq!(buffer.room(0), BLOCK);
    }
}
