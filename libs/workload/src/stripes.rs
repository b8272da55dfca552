// SPDX-License-Identifier: BSD-2-Clause
//! Several writers on one file, each with the pages of its own stripe: what each writes, in which order, so that it can be said afterwards what the file must hold.

use crate::random::{Random, mix};
use alloc::vec;
use alloc::vec::Vec;

/// Words in a page.
pub const WORDS: usize = 512;

/// The writes of one writer: pages of its stripe in random order, some again and again.
#[derive(Clone, Debug)]
pub struct Writer {
    random: Random,
    writer: u64,
    writers: u64,
    own: u64,
    left: u64,
    seed: u64,
}

impl Writer {
    /// Writer number `writer` of `writers` on a file of so many pages; it writes `rounds` times as many pages as it has.
    pub fn new(seed: u64, writer: u64, writers: u64, pages: u64, rounds: u64) -> Writer {
        let own = pages.saturating_sub(writer).div_ceil(writers.max(1));
        Writer { random: Random::new(mix(seed ^ writer)), writer, writers, own, left: own * rounds, seed }
    }
}

impl Iterator for Writer {
    type Item = (u64, u64);

    /// The next page of the file, and the number that its contents are made of.
    fn next(&mut self) -> Option<(u64, u64)> {
        self.left = self.left.checked_sub(1)?;
        let page = self.random.below(self.own) * self.writers + self.writer;
        Some((page, mix(self.seed ^ self.left ^ page << 32)))
    }
}

/// A word of a page that was written with this number.
pub fn word(number: u64, at: usize) -> u64 {
    mix(number.wrapping_add(at as u64))
}

/// The number that each page of the file was last written with; `None`: never.
pub fn last(seed: u64, writers: u64, pages: u64, rounds: u64) -> Vec<Option<u64>> {
    let mut last = vec![None; pages as usize];
    for writer in 0..writers {
        for (page, number) in Writer::new(seed, writer, writers, pages, rounds) {
            if let Some(place) = last.get_mut(page as usize) {
                *place = Some(number);
            }
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writers_keep_to_their_stripes() {
        for pages in [1, 7, 64] {
            let mut written = 0;
            for writer in 0..8 {
                for (page, _) in Writer::new(3, writer, 8, pages, 5) {
                    assert!(page < pages && page % 8 == writer, "{page} of {pages} by {writer}");
                    written += 1;
                }
            }
            assert_eq!(written, pages * 5);
        }
        assert!(last(3, 8, 64, 20).iter().all(Option::is_some));
        assert_ne!(word(1, 0), word(2, 0));
    }
}
