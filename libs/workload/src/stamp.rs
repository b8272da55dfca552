// SPDX-License-Identifier: BSD-2-Clause
//! What is written into a page, and whether it is still there.
//!
//! A page is written and checked in eight words, one in each 512-byte sector: the first of the page, the last, and one at a
//! place in each sector between that depends on page and seed. So an exchanged, stale, zeroed or torn page is noticed down to a single sector. Other words stay as
//! they are. That costs some 60 instructions a page; checking all 512 words would cost ten times as much and find
//! only what damages less than a sector.

use crate::random::{GOLDEN, mix};
use crate::work::WORDS;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;

/// Words of a sector.
const SECTOR_WORDS: usize = 64;
/// Sectors, and words checked, of a page.
const SECTORS: usize = WORDS / SECTOR_WORDS;

/// A word that is not what was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wrong {
    /// The page's number in its workload.
    pub page: u64,
    /// Byte in the page.
    pub offset: u64,
    /// What was written.
    pub expected: u64,
    /// What is there.
    pub found: u64,
}

/// Places and contents of a page's words.
#[derive(Clone, Copy)]
struct Words {
    places: u64,
    contents: u64,
}

impl Words {
    fn new(seed: u64, page: u64, version: u32) -> Words {
        let places = mix(page.wrapping_mul(GOLDEN) ^ seed);
        // Version 0 is a page that was never written: zeroes.
        let contents = if version == 0 { 0 } else { mix(places.wrapping_add(version as u64)) | 1 };
        Words { places, contents }
    }

    #[inline(always)]
    fn each(self) -> impl Iterator<Item = (usize, u64)> {
        (0..SECTORS).map(move |sector| {
            let place = match sector {
                0 => 0,
                s if s == SECTORS - 1 => WORDS - 1,
                s => s * SECTOR_WORDS + (self.places >> (s * 8)) as usize % SECTOR_WORDS,
            };
            (place, self.contents.wrapping_mul(2 * sector as u64 + 1))
        })
    }
}

/// Writes version `version` (from 1 on) of a page.
#[inline]
pub fn write(cells: &[AtomicU64; WORDS], seed: u64, page: u64, version: u32) {
    for (place, word) in Words::new(seed, page, version).each() {
        cells[place].store(word, Relaxed);
    }
}

/// Checks that a page holds version `version`; version 0 is the zeroes of a page that was never written.
#[inline]
pub fn check(cells: &[AtomicU64; WORDS], seed: u64, page: u64, version: u32) -> Result<(), Wrong> {
    for (place, expected) in Words::new(seed, page, version).each() {
        let found = cells[place].load(Relaxed);
        if found != expected {
            return Err(Wrong { page, offset: place as u64 * 8, expected, found });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> [AtomicU64; WORDS] {
        [const { AtomicU64::new(0) }; WORDS]
    }

    #[test]
    fn what_was_written_is_found() {
        let cells = page();
        assert_eq!(check(&cells, 1, 5, 0), Ok(()));
        write(&cells, 1, 5, 1);
        assert_eq!(check(&cells, 1, 5, 1), Ok(()));
        assert!(check(&cells, 1, 5, 0).is_err(), "not zeroes any more");
        assert_ne!(cells[0].load(Relaxed), 0);
        assert_ne!(cells[WORDS - 1].load(Relaxed), 0);
    }

    #[test]
    fn other_page_version_or_seed_is_wrong() {
        let cells = page();
        write(&cells, 1, 5, 3);
        for (seed, number, version) in [(1, 6, 3), (1, 5, 2), (1, 5, 4), (2, 5, 3)] {
            assert_eq!(check(&cells, seed, number, version).unwrap_err().page, number);
        }
    }

    #[test]
    fn one_sector_of_an_older_version_is_wrong() {
        for sector in 0..SECTORS {
            let (new, old) = (page(), page());
            write(&old, 9, 7, 1);
            write(&new, 9, 7, 2);
            for word in sector * SECTOR_WORDS..(sector + 1) * SECTOR_WORDS {
                new[word].store(old[word].load(Relaxed), Relaxed);
            }
            let wrong = check(&new, 9, 7, 2).unwrap_err();
            assert_eq!(wrong.offset as usize / 512, sector);
        }
    }

    #[test]
    fn exchanged_sectors_are_wrong() {
        let cells = page();
        write(&cells, 3, 1, 1);
        for word in 0..SECTOR_WORDS {
            let (a, b) = (&cells[SECTOR_WORDS + word], &cells[2 * SECTOR_WORDS + word]);
            let kept = a.swap(b.load(Relaxed), Relaxed);
            b.store(kept, Relaxed);
        }
        assert!(check(&cells, 3, 1, 1).is_err());
    }
}
