// SPDX-License-Identifier: BSD-2-Clause
//! Single-producer single-consumer rings in shared memory.
//!
//! A ring is a slice of `u64` cells that two address spaces share: eight words of header for each side, then entries of
//! [`Entry`] (four words). The producer owns `tail`, the consumer owns `head`; both only grow, and an entry's
//! place is its number modulo the capacity. Neither side believes the other: what the other side's index says is checked
//! against one's own, and an impossible one is [`Broken`], never an access out of bounds. Entries are plain words: whoever reads them
//! checks them.
//!
//! Doorbell: a consumer that is about to wait says so ([`Consumer::sleep`]) and looks once more; a producer that has pushed asks
//! ([`Producer::must_ring`]) whether to signal. Both sides put a full fence between their store and their load, so that at
//! least one of them sees the other: no lost wakeup (checked with loom, `RUSTFLAGS="--cfg loom" cargo test -p ebb-ring`).
//!
//! Nobody ever waits on a ring: a full ring is an answer ([`Producer::push`] returns `false`).
#![no_std]
#![forbid(unsafe_code)]

use core::cell::Cell;

#[cfg(loom)]
extern crate std;
#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering, fence};

#[cfg(not(loom))]
use core::sync::atomic::{AtomicU64, Ordering, fence};

/// Words of one entry.
pub const ENTRY_WORDS: usize = 4;
/// Words before the first entry: a cache line for each side.
pub const HEADER_WORDS: usize = 16;

/// Plain data; the meaning belongs to the protocol.
pub type Entry = [u64; ENTRY_WORDS];

const TAIL: usize = 0;
const HEAD: usize = 8;
const SLEEPING: usize = 9;

/// The other side wrote an index that cannot be: it is broken or hostile. The ring must not be used any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Broken;

/// Entries that a ring in so many words holds: a power of two, or 0 if it is too small for one.
pub const fn capacity(words: usize) -> usize {
    if words < HEADER_WORDS + ENTRY_WORDS {
        return 0;
    }
    let entries = (words - HEADER_WORDS) / ENTRY_WORDS;
    1 << (usize::BITS - 1 - entries.leading_zeros())
}

/// Where entry `number` lies: inside the cells, because `capacity` was computed from their length.
fn place(number: u64, capacity: u64) -> usize {
    HEADER_WORDS + ENTRY_WORDS * (number & (capacity - 1)) as usize
}

/// The side that writes entries.
#[derive(Debug)]
pub struct Producer<'a> {
    cells: &'a [AtomicU64],
    capacity: u64,
    tail: u64,
    /// Something was pushed since it was last asked whether to ring.
    pushed: Cell<bool>,
}

impl<'a> Producer<'a> {
    /// Takes the producer's side of a ring; it goes on where the ring stands (a new ring is all zeroes).
    /// `None`: the memory is too small for one entry.
    pub fn new(cells: &'a [AtomicU64]) -> Option<Self> {
        let capacity = capacity(cells.len()) as u64;
        // Whoever pushed before may not have come to ring.
        let pushed = Cell::new(true);
        (capacity > 0).then(|| Producer {
            cells,
            capacity,
            tail: cells[TAIL].load(Ordering::Relaxed),
            pushed,
        })
    }

    /// Entries that can be pushed now.
    pub fn room(&self) -> Result<usize, Broken> {
        let used = self.tail.wrapping_sub(self.cells[HEAD].load(Ordering::Acquire));
        if used > self.capacity { Err(Broken) } else { Ok((self.capacity - used) as usize) }
    }

    /// Appends an entry; `false` if the ring is full.
    pub fn push(&mut self, entry: &Entry) -> Result<bool, Broken> {
        if self.room()? == 0 {
            return Ok(false);
        }
        let at = place(self.tail, self.capacity);
        for (cell, word) in self.cells[at..].iter().zip(entry) {
            cell.store(*word, Ordering::Relaxed);
        }
        self.tail = self.tail.wrapping_add(1);
        self.cells[TAIL].store(self.tail, Ordering::Release);
        self.pushed.set(true);
        Ok(true)
    }

    /// After pushing: whether the consumer waits for a signal. Says so once for each time it went to sleep, and not while there is nothing new for it.
    pub fn must_ring(&self) -> bool {
        if !self.pushed.replace(false) {
            return false;
        }
        fence(Ordering::SeqCst);
        self.cells[SLEEPING].load(Ordering::Relaxed) != 0
            && self.cells[SLEEPING].swap(0, Ordering::Relaxed) != 0
    }

    /// Entries pushed and not yet taken.
    pub fn pending(&self) -> Result<usize, Broken> {
        Ok(self.capacity as usize - self.room()?)
    }
}

/// The side that reads entries.
#[derive(Debug)]
pub struct Consumer<'a> {
    cells: &'a [AtomicU64],
    capacity: u64,
    head: u64,
}

impl<'a> Consumer<'a> {
    /// Takes the consumer's side of a ring; it goes on where the ring stands (a new ring is all zeroes).
    /// `None`: the memory is too small for one entry.
    pub fn new(cells: &'a [AtomicU64]) -> Option<Self> {
        let capacity = capacity(cells.len()) as u64;
        (capacity > 0).then(|| Consumer { cells, capacity, head: cells[HEAD].load(Ordering::Relaxed) })
    }

    /// Takes the oldest entry, if there is one.
    #[inline]
    pub fn pop(&mut self) -> Result<Option<Entry>, Broken> {
        let ready = self.cells[TAIL].load(Ordering::Acquire).wrapping_sub(self.head);
        if ready > self.capacity {
            return Err(Broken);
        }
        if ready == 0 {
            return Ok(None);
        }
        let cells = self.cells.get(place(self.head, self.capacity)..).and_then(|c| c.first_chunk());
        // There is always such a place: the capacity comes from the cells.
        let [a, b, c, d]: &[AtomicU64; ENTRY_WORDS] = cells.ok_or(Broken)?;
        let entry = [a, b, c, d].map(|cell| cell.load(Ordering::Relaxed));
        self.head = self.head.wrapping_add(1);
        self.cells[HEAD].store(self.head, Ordering::Release);
        Ok(Some(entry))
    }

    /// Asks for a signal at the next push. Returns `false` if there are entries already: then do not wait.
    pub fn sleep(&self) -> bool {
        self.cells[SLEEPING].store(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if self.cells[TAIL].load(Ordering::Relaxed) == self.head {
            return true;
        }
        self.cells[SLEEPING].store(0, Ordering::Relaxed);
        false
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    extern crate std;
    use std::vec::Vec;

    fn cells(words: usize) -> Vec<AtomicU64> {
        (0..words).map(|_| AtomicU64::new(0)).collect()
    }

    #[test]
    fn capacity_is_a_power_of_two_that_fits() {
        assert_eq!(capacity(0), 0);
        assert_eq!(capacity(HEADER_WORDS + 3), 0);
        assert_eq!(capacity(HEADER_WORDS + 4), 1);
        assert_eq!(capacity(512), 64);
        for words in HEADER_WORDS + ENTRY_WORDS..2000 {
            assert!(capacity(words).is_power_of_two());
            assert!(HEADER_WORDS + capacity(words) * ENTRY_WORDS <= words);
        }
    }

    #[test]
    fn entries_come_out_in_order_and_a_full_ring_says_so() {
        let memory = cells(HEADER_WORDS + 4 * ENTRY_WORDS);
        let (mut p, mut c) = (Producer::new(&memory).unwrap(), Consumer::new(&memory).unwrap());
        let (mut pushed, mut popped) = (0u64, 0u64);
        for round in 0..100 {
            while p.push(&[pushed, !pushed, round, 7]).unwrap() {
                pushed += 1;
            }
            assert_eq!(p.pending(), Ok(4));
            for _ in 0..=round % 4 {
                let entry = c.pop().unwrap().unwrap();
                assert_eq!((entry[0], entry[1]), (popped, !popped));
                popped += 1;
            }
        }
        while c.pop().unwrap().is_some() {
            popped += 1;
        }
        assert_eq!(pushed, popped);
    }

    #[test]
    fn a_new_side_goes_on_where_the_ring_stands() {
        let memory = cells(512);
        Producer::new(&memory).unwrap().push(&[1, 0, 0, 0]).unwrap();
        Producer::new(&memory).unwrap().push(&[2, 0, 0, 0]).unwrap();
        assert_eq!(Consumer::new(&memory).unwrap().pop().unwrap().unwrap()[0], 1);
        assert_eq!(Consumer::new(&memory).unwrap().pop().unwrap().unwrap()[0], 2);
        assert_eq!(Consumer::new(&memory).unwrap().pop(), Ok(None));
    }

    #[test]
    fn a_hostile_index_is_an_error_not_an_access() {
        let memory = cells(512);
        let (mut p, mut c) = (Producer::new(&memory).unwrap(), Consumer::new(&memory).unwrap());
        memory[HEAD].store(5, Ordering::Relaxed);
        assert_eq!(p.push(&[0; 4]), Err(Broken));
        memory[TAIL].store(u64::MAX, Ordering::Relaxed);
        assert_eq!(c.pop(), Err(Broken));
        memory[TAIL].store(65, Ordering::Relaxed);
        assert_eq!(c.pop(), Err(Broken));
        memory[TAIL].store(64, Ordering::Relaxed);
        assert!(c.pop().unwrap().is_some());
    }

    #[test]
    fn the_doorbell_rings_once_a_sleep() {
        let memory = cells(512);
        let (mut p, c) = (Producer::new(&memory).unwrap(), Consumer::new(&memory).unwrap());
        assert!(!p.must_ring());
        assert!(c.sleep());
        p.push(&[0; 4]).unwrap();
        assert!(p.must_ring());
        assert!(!p.must_ring());
        assert!(!c.sleep(), "there is an entry: do not wait");
        assert!(!p.must_ring());
    }

    #[test]
    fn the_doorbell_rings_only_for_something_new() {
        let memory = cells(512);
        let (mut p, mut c) = (Producer::new(&memory).unwrap(), Consumer::new(&memory).unwrap());
        p.push(&[0; 4]).unwrap();
        assert!(!p.must_ring(), "nobody sleeps");
        assert!(c.pop().unwrap().is_some());
        assert!(c.sleep());
        assert!(!p.must_ring(), "it has seen everything");
        p.push(&[0; 4]).unwrap();
        assert!(p.must_ring());
        // A producer that follows one which did not come to ring.
        assert!(c.pop().unwrap().is_some() && c.sleep());
        p.push(&[0; 4]).unwrap();
        assert!(Producer::new(&memory).unwrap().must_ring());
    }
}

#[cfg(all(test, loom))]
mod tests {
    use super::*;
    use loom::sync::Arc;
    use loom::thread;

    fn cells() -> Arc<std::vec::Vec<AtomicU64>> {
        Arc::new((0..HEADER_WORDS + 2 * ENTRY_WORDS).map(|_| AtomicU64::new(0)).collect())
    }

    #[test]
    fn entries_are_whole_and_in_order() {
        loom::model(|| {
            let memory = cells();
            let theirs = memory.clone();
            let producer = thread::spawn(move || {
                let mut p = Producer::new(&theirs).unwrap();
                let mut n = 0;
                while n < 3 {
                    if p.push(&[n, n, n, n]).unwrap() {
                        n += 1;
                    } else {
                        thread::yield_now();
                    }
                }
            });
            let mut c = Consumer::new(&memory).unwrap();
            let mut n = 0;
            while n < 3 {
                match c.pop().unwrap() {
                    Some(entry) => {
                        assert_eq!(entry, [n; 4]);
                        n += 1;
                    }
                    None => thread::yield_now(),
                }
            }
            producer.join().unwrap();
        });
    }

    #[test]
    fn no_wakeup_is_lost() {
        loom::model(|| {
            let memory = cells();
            let theirs = memory.clone();
            let producer = thread::spawn(move || {
                let mut p = Producer::new(&theirs).unwrap();
                p.push(&[1; 4]).unwrap();
                p.must_ring()
            });
            let c = Consumer::new(&memory).unwrap();
            let waits = c.sleep();
            let rang = producer.join().unwrap();
            assert!(!waits || rang, "the consumer waits and nobody rings");
        });
    }
}
