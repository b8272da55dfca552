// SPDX-License-Identifier: BSD-2-Clause
//! From a slot to its entry, and the order in which entries came. The links lie in two words of each entry that nobody adopts; the heads of the hash table are in the heap.
//!
//! Entries are named by number plus one; 0 is none.

use crate::chunk::{Chunk, ENTRIES};
use alloc::vec::Vec;
use ebb_swap::Spot;

/// Word of an entry: the one before (low half) and the one after it in the order.
const ORDER: usize = 2;
/// Word of an entry: the next of the same hash (low half), and flags.
const CHAIN: usize = 3;

/// It is being written out.
pub const GOING: u32 = 1;
/// Its slot was given up while it was being written out.
pub const GONE: u32 = 2;
/// Its device did not take it.
pub const REFUSED: u32 = 4;
/// It is in the order.
const ORDERED: u32 = 8;

/// The links.
pub struct Index<'a> {
    pub chunks: Vec<Chunk<'a>>,
    heads: Vec<u32>,
    first: u32,
    last: u32,
    free: u32,
    nr_free: u32,
}

/// Bytes of heap for so many chunks.
pub fn heap_bytes(chunks: u32) -> u64 {
    chunks as u64 * size_of::<Chunk<'static>>() as u64 + 4 * heads(chunks) as u64
}

fn heads(chunks: u32) -> usize {
    (chunks as usize * ENTRIES as usize).next_power_of_two()
}

impl<'a> Index<'a> {
    /// For so many chunks at most; `None`: no memory.
    pub fn new(most: u32) -> Option<Index<'a>> {
        let (mut chunks, mut table) = (Vec::new(), Vec::new());
        chunks.try_reserve_exact(most as usize).ok()?;
        table.try_reserve_exact(heads(most)).ok()?;
        table.resize(heads(most), 0);
        Some(Index { chunks, heads: table, first: 0, last: 0, free: 0, nr_free: 0 })
    }

    /// All entries that there are.
    pub fn len(&self) -> u32 {
        self.chunks.len() as u32 * ENTRIES
    }

    /// Entries that hold nothing.
    pub fn nr_free(&self) -> u32 {
        self.nr_free
    }

    /// The durable words of an entry.
    pub fn words(&self, number: u32) -> [u64; 2] {
        [self.word(number, 0), self.word(number, 1)]
    }

    /// Writes a word of an entry.
    pub fn set(&self, number: u32, word: usize, value: u64) {
        if let Some(chunk) = self.chunks.get((number / ENTRIES) as usize) {
            chunk.set_entry(number % ENTRIES, word, value);
        }
    }

    fn word(&self, number: u32, word: usize) -> u64 {
        self.chunks.get((number / ENTRIES) as usize).map_or(0, |c| c.entry(number % ENTRIES, word))
    }

    /// An entry that holds nothing; it is nobody's from now on.
    pub fn take_free(&mut self) -> Option<u32> {
        let number = self.free.checked_sub(1)?;
        self.free = self.word(number, CHAIN) as u32;
        self.nr_free -= 1;
        Some(number)
    }

    /// An entry holds nothing any more.
    pub fn add_free(&mut self, number: u32) {
        self.set(number, CHAIN, self.free as u64);
        self.free = number + 1;
        self.nr_free += 1;
    }

    /// The entry of a slot.
    pub fn find(&self, at: Spot) -> Option<u32> {
        let mut next = self.heads.get(self.home(at)).copied().unwrap_or(0);
        // A chain is no longer than there are entries, even if somebody damaged the links.
        for _ in 0..self.len() {
            let number = next.checked_sub(1)?;
            if self.spot(number) == at {
                return Some(number);
            }
            next = self.word(number, CHAIN) as u32;
        }
        None
    }

    /// The slot that an entry names; also of one whose first word is kept only for that, without being valid.
    pub fn spot(&self, number: u32) -> Spot {
        let word = self.word(number, 0);
        Spot { disk: (word >> 32) as u8, slot: word as u32 }
    }

    /// Enters an entry whose words are written.
    pub fn insert(&mut self, number: u32, at: Spot) {
        let home = self.home(at);
        if let Some(head) = self.heads.get_mut(home) {
            let next = core::mem::replace(head, number + 1);
            self.set(number, CHAIN, next as u64);
        }
        self.append(number);
    }

    /// Takes an entry out.
    pub fn remove(&mut self, number: u32, at: Spot) {
        self.unorder(number);
        let after = self.word(number, CHAIN) as u32;
        let home = self.home(at);
        let Some(head) = self.heads.get_mut(home) else { return };
        if *head == number + 1 {
            *head = after;
            return;
        }
        let mut next = *head;
        for _ in 0..self.len() {
            let Some(other) = next.checked_sub(1) else { return };
            let chain = self.word(other, CHAIN);
            next = chain as u32;
            if next == number + 1 {
                return self.set(other, CHAIN, chain >> 32 << 32 | after as u64);
            }
        }
    }

    /// Flags of an entry.
    pub fn flags(&self, number: u32) -> u32 {
        (self.word(number, CHAIN) >> 32) as u32
    }

    /// Sets the flags of an entry that are not kept here.
    pub fn set_flags(&self, number: u32, flags: u32) {
        let word = self.word(number, CHAIN);
        let own = (word >> 32) as u32 & ORDERED;
        self.set(number, CHAIN, word as u32 as u64 | ((flags & !ORDERED | own) as u64) << 32);
    }

    /// The oldest entry in the order.
    pub fn oldest(&self) -> Option<u32> {
        self.first.checked_sub(1)
    }

    /// Puts an entry behind all others.
    pub fn append(&mut self, number: u32) {
        if self.flags(number) & ORDERED != 0 {
            return;
        }
        self.set(number, ORDER, self.last as u64);
        match self.last.checked_sub(1) {
            Some(last) => {
                self.set(last, ORDER, self.word(last, ORDER) as u32 as u64 | (number as u64 + 1) << 32)
            }
            None => self.first = number + 1,
        }
        self.last = number + 1;
        self.set(number, CHAIN, self.word(number, CHAIN) | (ORDERED as u64) << 32);
    }

    /// Takes an entry out of the order.
    pub fn unorder(&mut self, number: u32) {
        if self.flags(number) & ORDERED == 0 {
            return;
        }
        let order = self.word(number, ORDER);
        let (before, after) = (order as u32, (order >> 32) as u32);
        match before.checked_sub(1) {
            Some(b) => self.set(b, ORDER, self.word(b, ORDER) as u32 as u64 | (after as u64) << 32),
            None => self.first = after,
        }
        match after.checked_sub(1) {
            Some(a) => self.set(a, ORDER, self.word(a, ORDER) >> 32 << 32 | before as u64),
            None => self.last = before,
        }
        self.set(number, CHAIN, self.word(number, CHAIN) & !((ORDERED as u64) << 32));
    }

    fn home(&self, at: Spot) -> usize {
        let h = ((at.disk as u64) << 32 | at.slot as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (h >> 32) as usize & (self.heads.len().wrapping_sub(1))
    }
}
