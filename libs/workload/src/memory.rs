// SPDX-License-Identifier: BSD-2-Clause
//! Memory that a program works on, word by word, and what it sees of the machine meanwhile.

use crate::{Probe, Progress, Stats, WORDS};
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;

/// Pages that count as touched just now: going back to one of them is no touch. Few beside any machine's memory, so that little is missed if one of them is taken away meanwhile.
const RECENT: usize = 64;

/// Words of memory. An access to a page that is not one of the last `RECENT` (by their numbers' remainders) is a touch, and timed.
pub struct Memory<'m, P> {
    words: &'m [AtomicU64],
    probe: P,
    recent: [usize; RECENT],
    stats: Stats,
}

impl<'m, P: Probe> Memory<'m, P> {
    /// These words, whatever is in them.
    pub fn new(words: &'m [AtomicU64], probe: P) -> Memory<'m, P> {
        let stats = Stats { progress: Progress::new(probe.cycles()), ..Stats::default() };
        Memory { words, probe, recent: [usize::MAX; RECENT], stats }
    }

    /// How many.
    pub fn words(&self) -> usize {
        self.words.len()
    }

    /// Whole pages of them.
    pub fn pages(&self) -> usize {
        self.words.len() / WORDS
    }

    /// What was seen so far.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Reads a word. The number is below [`Memory::words`].
    #[inline(always)]
    pub fn read(&mut self, at: usize) -> u64 {
        if self.recent[at / WORDS % RECENT] != at / WORDS {
            self.touch(at, false);
        }
        self.words[at].load(Relaxed)
    }

    /// Writes a word.
    #[inline(always)]
    pub fn write(&mut self, at: usize, value: u64) {
        if self.recent[at / WORDS % RECENT] != at / WORDS {
            self.touch(at, true);
        }
        self.words[at].store(value, Relaxed);
    }

    /// Copies words; the places do not overlap.
    pub fn copy(&mut self, from: usize, to: usize, count: usize) {
        for n in 0..count {
            let word = self.read(from + n);
            self.write(to + n, word);
        }
    }

    #[inline(never)]
    fn touch(&mut self, at: usize, write: bool) {
        let cell = &self.words[at];
        let (faults, major) = self.probe.faults();
        let start = self.probe.cycles();
        if write {
            // A store, so that it is a write that faults; nobody else writes here, so that it changes nothing.
            cell.fetch_or(0, Relaxed);
        } else {
            core::hint::black_box(cell.load(Relaxed));
        }
        let now = self.probe.cycles();
        let (faults_after, major_after) = self.probe.faults();
        self.stats.writes += write as u64;
        self.stats.touched(now, now.saturating_sub(start), faults_after != faults, major_after != major);
        self.recent[at / WORDS % RECENT] = at / WORDS;
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use alloc::vec::Vec;
    use core::cell::Cell;

    /// A machine on which each touch faults, and every second needs I/O.
    #[derive(Default)]
    pub(crate) struct Fake(Cell<u64>);

    impl Probe for &Fake {
        fn cycles(&self) -> u64 {
            self.0.set(self.0.get() + 1);
            self.0.get()
        }
        fn faults(&self) -> (u64, u64) {
            self.0.set(self.0.get() + 1);
            (self.0.get(), self.0.get() / 8)
        }
    }

    pub(crate) fn pages(count: usize) -> Vec<AtomicU64> {
        (0..count * WORDS).map(|_| AtomicU64::new(0)).collect()
    }

    #[test]
    fn a_touch_is_an_access_to_another_page() {
        let (words, fake) = (pages(200), Fake::default());
        let mut memory = Memory::new(&words, &fake);
        assert_eq!((memory.pages(), memory.words()), (200, 200 * WORDS));
        memory.write(5, 9);
        memory.write(6, 10);
        assert_eq!((memory.read(5), memory.read(6), memory.stats().touches), (9, 10, 1));
        memory.copy(5, 3 * WORDS, 2);
        assert_eq!((memory.read(3 * WORDS + 1), memory.stats().touches, memory.stats().writes), (10, 2, 2));
        // A page whose number has the same remainder takes the place.
        memory.read((RECENT + 3) * WORDS);
        memory.read(3 * WORDS);
        let s = memory.stats();
        assert_eq!((s.touches, s.faults.count(), s.progress.samples().len()), (4, 4, 4));
        assert!(s.major.count() > 0 && s.major.count() < 4);
    }
}
