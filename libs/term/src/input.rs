// SPDX-License-Identifier: BSD-2-Clause
//! Bytes that came from the keyboard and that nobody has read yet.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// A bounded queue of bytes. When it is full, the newest byte is dropped and counted: what was typed first is what a person expects to work.
#[derive(Clone, Debug)]
pub struct Input {
    bytes: VecDeque<u8>,
    limit: usize,
    dropped: u64,
}

impl Input {
    /// One for so many bytes. All of its memory is taken now.
    pub fn new(limit: usize) -> Input {
        Input { bytes: VecDeque::with_capacity(limit), limit, dropped: 0 }
    }

    /// Takes a byte; `false` if it was dropped.
    pub fn put(&mut self, byte: u8) -> bool {
        let room = self.bytes.len() < self.limit;
        if room {
            self.bytes.push_back(byte);
        } else {
            self.dropped += 1;
        }
        room
    }

    /// Takes out what there is, oldest first, at most so many bytes.
    pub fn take(&mut self, most: usize) -> Vec<u8> {
        let count = self.bytes.len().min(most);
        self.bytes.drain(..count).collect()
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes dropped so far.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_in_first_out_in_pieces() {
        let mut input = Input::new(4);
        assert!(input.is_empty());
        b"abc".iter().for_each(|b| assert!(input.put(*b)));
        assert_eq!(input.take(2), b"ab");
        assert_eq!(input.take(2), b"c");
        assert!(input.is_empty() && input.take(2).is_empty());
    }

    #[test]
    fn the_newest_is_dropped_and_counted() {
        let mut input = Input::new(3);
        let taken: Vec<bool> = b"abcde".iter().map(|b| input.put(*b)).collect();
        assert_eq!(taken, [true, true, true, false, false]);
        assert_eq!(input.dropped(), 2);
        assert_eq!(input.take(10), b"abc");
        assert!(input.put(b'f'));
        assert_eq!(input.take(10), b"f");
    }
}
