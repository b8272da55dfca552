// SPDX-License-Identifier: BSD-2-Clause
//! What was measured.

use alloc::vec::Vec;
use ebb_rt::sys::time::tsc;

/// Rounds, in units of the time-stamp counter.
#[derive(Default)]
pub struct Samples(Vec<u64>);

/// What they come to.
pub struct Summary {
    pub rounds: u64,
    pub min: u64,
    pub median: u64,
    pub mean: u64,
}

impl Samples {
    /// Measures `rounds` rounds; what reading the counter twice costs is taken off.
    pub fn measure(rounds: usize, mut round: impl FnMut()) -> Samples {
        let pair = pair_cost();
        let mut samples = Samples(Vec::with_capacity(rounds));
        for _ in 0..rounds {
            let start = tsc();
            round();
            samples.0.push((tsc() - start).saturating_sub(pair));
        }
        samples
    }

    /// Adds so many rounds of the same value.
    pub fn add_many(&mut self, value: u64, rounds: u64) {
        self.0.extend(core::iter::repeat_n(value, rounds as usize));
    }

    /// Adds rounds.
    pub fn append(&mut self, mut more: Samples) {
        self.0.append(&mut more.0);
    }

    /// Adds a round.
    pub fn add(&mut self, value: u64) {
        self.0.push(value);
    }

    /// Looks at each.
    pub fn each(&self, look: impl FnMut(u64)) {
        self.0.iter().copied().for_each(look);
    }

    /// Rounds so far.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Sums them up.
    pub fn summary(&mut self) -> Summary {
        self.0.sort_unstable();
        let sum: u128 = self.0.iter().map(|v| *v as u128).sum();
        Summary {
            rounds: self.0.len() as u64,
            min: self.0.first().copied().unwrap_or(0),
            median: self.0.get(self.0.len() / 2).copied().unwrap_or(0),
            mean: (sum / self.0.len().max(1) as u128) as u64,
        }
    }
}

/// What two readings of the counter with nothing between them differ by.
pub fn pair_cost() -> u64 {
    (0..1000)
        .map(|_| {
            let start = tsc();
            tsc() - start
        })
        .min()
        .unwrap_or(0)
}
