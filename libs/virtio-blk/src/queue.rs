// SPDX-License-Identifier: BSD-2-Clause
//! A split virtqueue in three pages: descriptors; what the driver offers; what the device has used.
//!
//! The pages are reached as words, because that is what shared memory is here. The used ring begins four bytes into its page, as its
//! alignment permits: so each of its elements is one word.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering, fence};

/// Most descriptors: as many as fit a page.
pub const MAX_SIZE: u16 = 256;
/// Where the used ring begins in its page.
const USED_OFFSET: u64 = 4;
const NEXT: u64 = 1;
const WRITE: u64 = 2;

/// A page that the device can reach.
#[derive(Clone, Copy, Debug)]
pub struct DmaPage<'a> {
    /// Its words, 512 of them.
    pub words: &'a [AtomicU64],
    /// Its frame.
    pub frame: u32,
}

impl DmaPage<'_> {
    /// Physical address of a byte.
    pub fn address(&self, offset: u64) -> u64 {
        ((self.frame as u64) << 12) + offset
    }

    /// A word; zero beyond the page.
    pub fn load(&self, word: usize) -> u64 {
        self.words.get(word).map_or(0, |w| w.load(Ordering::Acquire))
    }

    /// Writes a word; nothing beyond the page.
    pub fn store(&self, word: usize, value: u64) {
        if let Some(cell) = self.words.get(word) {
            cell.store(value, Ordering::Release);
        }
    }
}

/// Memory that the device reads or writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Buffer {
    /// Physical address.
    pub address: u64,
    /// Bytes.
    pub bytes: u32,
    /// Whether the device writes.
    pub written: bool,
}

/// The queue.
#[derive(Debug)]
pub struct Queue<'a> {
    descriptors: DmaPage<'a>,
    offered: DmaPage<'a>,
    used: DmaPage<'a>,
    size: u16,
    free: Vec<u16>,
    /// Own copy of the chains: for each descriptor in use, the next one of its chain.
    next: Vec<Option<u16>>,
    /// For each descriptor, whether a chain that the device has begins there.
    head: Vec<bool>,
    offered_index: u16,
    used_index: u16,
    /// Elements of the used ring that named no chain.
    pub nonsense: u64,
}

impl<'a> Queue<'a> {
    /// A queue of so many descriptors: a power of two, at most [`MAX_SIZE`]. The pages are cleared.
    pub fn new(size: u16, pages: [DmaPage<'a>; 3]) -> Queue<'a> {
        for page in &pages {
            for word in page.words {
                word.store(0, Ordering::Release);
            }
        }
        let [descriptors, offered, used] = pages;
        Queue {
            descriptors,
            offered,
            used,
            size,
            free: (0..size).rev().collect(),
            next: (0..size).map(|_| None).collect(),
            head: (0..size).map(|_| false).collect(),
            offered_index: 0,
            used_index: 0,
            nonsense: 0,
        }
    }

    /// Physical addresses of the three parts, in the order of the pages.
    pub fn addresses(&self) -> [u64; 3] {
        [self.descriptors.address(0), self.offered.address(0), self.used.address(USED_OFFSET)]
    }

    /// Descriptors that are free.
    pub fn room(&self) -> usize {
        self.free.len()
    }

    /// Offers a chain to the device; returns its head, or `None` if there is no room (or nothing to offer).
    pub fn offer(&mut self, chain: impl DoubleEndedIterator<Item = Buffer> + Clone) -> Option<u16> {
        if chain.clone().count() > self.free.len() {
            return None;
        }
        let mut after = None;
        for buffer in chain.rev() {
            let at = self.free.pop()?;
            let link = after.map_or(0, |next: u16| NEXT << 32 | (next as u64) << 48);
            let write = if buffer.written { WRITE << 32 } else { 0 };
            self.descriptors.store(2 * at as usize, buffer.address);
            self.descriptors.store(2 * at as usize + 1, buffer.bytes as u64 | link | write);
            self.next[at as usize] = after;
            after = Some(at);
        }
        let head = after?;
        self.head[head as usize] = true;
        self.set_offered(2 + self.offered_index % self.size, head);
        self.offered_index = self.offered_index.wrapping_add(1);
        // Half-word 1 is the index: the device may look from here on.
        self.set_offered(1, self.offered_index);
        Some(head)
    }

    /// Whether the device wants to be told of what was offered.
    pub fn wants_kick(&self) -> bool {
        fence(Ordering::SeqCst);
        self.used.load(0) >> 32 & 1 == 0
    }

    /// Takes a chain that the device is done with: its head. Its descriptors are free again.
    pub fn take(&mut self) -> Option<u16> {
        loop {
            let index = (self.used.load(0) >> 48) as u16;
            if index == self.used_index {
                return None;
            }
            let element = self.used.load(1 + (self.used_index % self.size) as usize);
            self.used_index = self.used_index.wrapping_add(1);
            let head = element as u32 as usize;
            if self.head.get(head) != Some(&true) {
                self.nonsense += 1;
                continue;
            }
            self.head[head] = false;
            let mut at = Some(head as u16);
            while let Some(n) = at {
                self.free.push(n);
                at = self.next[n as usize].take();
            }
            return Some(head as u16);
        }
    }

    /// Sets a half-word of the driver's page; the driver alone writes there.
    fn set_offered(&self, half: u16, value: u16) {
        let (word, shift) = (half as usize / 4, half as u32 % 4 * 16);
        let others = self.offered.load(word) & !(0xffff << shift);
        self.offered.store(word, others | (value as u64) << shift);
    }
}
