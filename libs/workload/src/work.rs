// SPDX-License-Identifier: BSD-2-Clause
//! The pages, and touching them.

use crate::stamp::{self, Wrong};
use crate::{Probe, Progress, Random, Stats};
use alloc::vec::Vec;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;

/// Words of a page.
pub const WORDS: usize = 512;
/// Pages of a chunk. Memory is handed in by chunks, so that a workload can grow.
pub const CHUNK_PAGES: u64 = 4096;
/// Pages that a chunk takes: its own, and those of its versions (a `u32` a page). They are ordinary memory: they are paged like the rest.
pub const CHUNK_TOTAL: u64 = CHUNK_PAGES + CHUNK_PAGES / 1024;

struct Chunk<'m> {
    words: &'m [AtomicU64],
    versions: &'m [AtomicU64],
}

/// Pages that are written and checked.
pub struct Workload<'m, P> {
    chunks: Vec<Chunk<'m>>,
    probe: P,
    random: Random,
    seed: u64,
    write_share: u32,
    verify: bool,
    stats: Stats,
}

impl<'m, P: Probe> Workload<'m, P> {
    /// A workload without memory. `write_share`: touches in 65,536 that write; `verify`: every touch checks the page first.
    pub fn new(probe: P, seed: u64, write_share: u32, verify: bool) -> Self {
        let stats = Stats { progress: Progress::new(probe.cycles()), ..Stats::default() };
        Workload {
            chunks: Vec::new(),
            probe,
            random: Random::new(seed ^ 0x5eed),
            seed,
            write_share,
            verify,
            stats,
        }
    }

    /// Adds a chunk: [`CHUNK_TOTAL`] pages of zeroes. One that is too short is refused with `false`.
    pub fn grow(&mut self, memory: &'m [AtomicU64]) -> bool {
        let fits = memory.len() >= CHUNK_TOTAL as usize * WORDS;
        if fits {
            let (words, versions) = memory.split_at(CHUNK_PAGES as usize * WORDS);
            self.chunks.push(Chunk { words, versions });
        }
        fits
    }

    /// Pages that there is memory for.
    pub fn capacity(&self) -> u64 {
        self.chunks.len() as u64 * CHUNK_PAGES
    }

    /// Address of a word that was wrong, for the person who looks for it.
    pub fn address(&self, wrong: &Wrong) -> u64 {
        let base =
            self.chunks.get((wrong.page / CHUNK_PAGES) as usize).map_or(0, |c| c.words.as_ptr() as u64);
        base + wrong.page % CHUNK_PAGES * (WORDS as u64 * 8) + wrong.offset
    }

    /// What was seen so far.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Touches a page; a share of the touches writes. A page beyond the memory is not touched.
    pub fn touch(&mut self, page: u64) -> Result<(), Wrong> {
        let write = self.random.chance(self.write_share);
        self.touch_as(page, write)
    }

    /// Touches a page, writing or not. A page beyond the memory is not touched.
    pub fn touch_as(&mut self, page: u64, write: bool) -> Result<(), Wrong> {
        let Some(chunk) = self.chunks.get((page / CHUNK_PAGES) as usize) else { return Ok(()) };
        let index = (page % CHUNK_PAGES) as usize;
        let Some(cells) = chunk.words.as_chunks::<WORDS>().0.get(index) else { return Ok(()) };
        // The version first: its page may have been swapped out too, and its fault is not this touch's.
        let version = version(chunk.versions, index);

        let (faults, major) = self.probe.faults();
        let start = self.probe.cycles();
        // The first access decides what kind of fault there is: a store where the touch writes and nothing is checked before.
        if write && !self.verify {
            cells[0].store(0, Relaxed);
        } else {
            core::hint::black_box(cells[0].load(Relaxed));
        }
        let now = self.probe.cycles();
        let (faults_after, major_after) = self.probe.faults();
        self.stats.touched(now, now.saturating_sub(start), faults_after != faults, major_after != major);
        if self.verify {
            self.stats.checked += 1;
            stamp::check(cells, self.seed, page, version)?;
        }
        if write {
            self.stats.writes += 1;
            // Versions go round before 0, which means "never written".
            let next = if version == u32::MAX { 1 } else { version + 1 };
            stamp::write(cells, self.seed, page, next);
            set_version(chunk.versions, index, next);
        }
        Ok(())
    }

    /// Writes each of the first `pages` pages once.
    pub fn fill(&mut self, pages: u64) -> Result<(), Wrong> {
        (0..pages).try_for_each(|page| self.touch_as(page, true))
    }

    /// Reads and checks each of the first `pages` pages once, whether or not touches are checked.
    pub fn verify_all(&mut self, pages: u64) -> Result<(), Wrong> {
        let verify = core::mem::replace(&mut self.verify, true);
        let result = (0..pages).try_for_each(|page| self.touch_as(page, false));
        self.verify = verify;
        result
    }
}

/// Versions are halves of words: even pages in the low half.
fn version(versions: &[AtomicU64], index: usize) -> u32 {
    versions.get(index / 2).map_or(0, |cell| (cell.load(Relaxed) >> (index % 2 * 32)) as u32)
}

fn set_version(versions: &[AtomicU64], index: usize, version: u32) {
    if let Some(cell) = versions.get(index / 2) {
        let shift = index % 2 * 32;
        let other = cell.load(Relaxed) & !(0xffff_ffff << shift);
        cell.store(other | (version as u64) << shift, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Pattern, Sequence};
    use core::cell::Cell;
    use std::boxed::Box;

    /// A machine on which every third touch faults and every sixth needs I/O.
    #[derive(Default)]
    struct Fake {
        clock: Cell<u64>,
        faults: Cell<u64>,
    }

    impl Probe for &Fake {
        fn cycles(&self) -> u64 {
            self.clock.set(self.clock.get() + 50);
            self.clock.get()
        }
        fn faults(&self) -> (u64, u64) {
            self.faults.set(self.faults.get() + 1);
            (self.faults.get() / 6, self.faults.get() / 12)
        }
    }

    fn chunk() -> Box<[AtomicU64]> {
        (0..CHUNK_TOTAL as usize * WORDS).map(|_| AtomicU64::new(0)).collect()
    }

    #[test]
    fn every_pattern_runs_clean_and_is_counted() {
        let memory = chunk();
        for (name, pattern) in Pattern::ALL {
            memory.iter().for_each(|c| c.store(0, Relaxed));
            let fake = Fake::default();
            let mut work = Workload::new(&fake, 3, 1 << 15, true);
            assert!(work.grow(&memory));
            let pages = 1000;
            work.fill(pages).unwrap();
            let mut sequence = Sequence::new(pattern, pages, 3);
            for _ in 0..3 * pages {
                work.touch(sequence.next_page()).unwrap();
            }
            work.verify_all(pages).unwrap();
            let s = work.stats();
            assert_eq!((s.touches, s.checked), (5 * pages, 5 * pages), "{name}");
            assert!((pages + 1300..pages + 1700).contains(&s.writes), "{name}: {}", s.writes);
            assert!(s.faults.count() > 1000 && s.major.count() > 400 && s.major.count() < s.faults.count());
            assert_eq!(s.faults.percentile(500), 50);
        }
    }

    #[test]
    fn a_changed_sector_is_found_and_named() {
        let memory = chunk();
        let fake = Fake::default();
        let mut work = Workload::new(&fake, 3, 0, true);
        assert!(work.grow(&memory));
        work.fill(100).unwrap();
        memory[42 * WORDS + WORDS - 1].fetch_xor(1, Relaxed);
        let wrong = work.verify_all(100).unwrap_err();
        assert_eq!((wrong.page, wrong.offset, wrong.expected ^ wrong.found), (42, 4088, 1));
        assert_eq!(work.address(&wrong), &raw const memory[42 * WORDS + WORDS - 1] as u64);
        assert_eq!(work.touch(42), Err(wrong));
        assert_eq!(work.touch(41), Ok(()));
    }

    #[test]
    fn a_lost_write_is_found() {
        let memory = chunk();
        let fake = Fake::default();
        let mut work = Workload::new(&fake, 3, 0, true);
        assert!(work.grow(&memory));
        work.fill(8).unwrap();
        let old: Vec<u64> = memory[..WORDS].iter().map(|c| c.load(Relaxed)).collect();
        work.touch_as(0, true).unwrap();
        memory.iter().zip(&old).for_each(|(c, w)| c.store(*w, Relaxed));
        assert!(work.touch(0).is_err());
    }

    #[test]
    fn memory_that_is_not_zero_at_first_is_found() {
        let memory = chunk();
        memory[5 * WORDS].store(9, Relaxed);
        let fake = Fake::default();
        let mut work = Workload::new(&fake, 3, 0, true);
        assert!(work.grow(&memory));
        assert_eq!(work.fill(100).unwrap_err().page, 5);
    }

    #[test]
    fn memory_grows_by_chunks() {
        let (a, b) = (chunk(), chunk());
        let fake = Fake::default();
        let mut work = Workload::new(&fake, 1, 0, false);
        assert!(!work.grow(&a[1..]));
        assert!(work.grow(&a) && work.grow(&b));
        assert_eq!(work.capacity(), 2 * CHUNK_PAGES);
        work.fill(2 * CHUNK_PAGES).unwrap();
        work.verify_all(2 * CHUNK_PAGES).unwrap();
        work.touch(work.capacity()).unwrap();
        assert_eq!(work.stats().touches, 4 * CHUNK_PAGES, "beyond the memory nothing is touched");
    }
}
