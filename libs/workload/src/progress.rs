// SPDX-License-Identifier: BSD-2-Clause
//! How far a workload had come at what time: a bounded number of samples, evenly by work, however long it goes on.

use alloc::vec::Vec;

/// Samples at most.
pub const SAMPLES: usize = 200;

/// The samples. Nothing is allocated after the first: when there is no room for more, every second goes, and from then on only half as many are taken.
#[derive(Clone, Debug)]
pub struct Progress {
    start: u64,
    every: u64,
    next: u64,
    samples: Vec<(u64, u64)>,
}

impl Progress {
    /// A beginning at this time.
    pub fn new(start: u64) -> Progress {
        Progress { start, every: 1, next: 1, samples: Vec::with_capacity(SAMPLES) }
    }

    /// When it began.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// So much has been done until now. Both never go back.
    #[inline(always)]
    pub fn note(&mut self, now: u64, done: u64) {
        if done >= self.next {
            self.sample(now, done);
        }
    }

    #[cold]
    fn sample(&mut self, now: u64, done: u64) {
        if self.samples.len() >= SAMPLES {
            let mut number = 0;
            self.samples.retain(|_| {
                number += 1;
                number % 2 == 0
            });
            self.every *= 2;
        }
        self.samples.push((now.saturating_sub(self.start), done));
        self.next = (done / self.every + 1) * self.every;
    }

    /// What several did together since `start`.
    pub fn merged(start: u64, parts: &[&Progress]) -> Progress {
        let steps = |part: &&Progress| {
            let begun = part.start;
            let mut before = 0;
            let step =
                move |(at, done): &(u64, u64)| (begun + at, done - core::mem::replace(&mut before, *done));
            part.samples.iter().map(step).collect::<Vec<_>>()
        };
        let mut all: Vec<(u64, u64)> = parts.iter().flat_map(steps).collect();
        all.sort_unstable();
        let mut merged = Progress::new(start);
        let mut done = 0;
        for (at, step) in all {
            done += step;
            merged.note(at, done);
        }
        merged
    }

    /// Words that [`Progress::from_words`] makes one of.
    pub(crate) fn words(&self) -> impl Iterator<Item = u64> {
        [self.start, self.samples.len() as u64]
            .into_iter()
            .chain(self.samples.iter().flat_map(|s| [s.0, s.1]))
    }

    /// One of its words; `None`: they are none.
    pub(crate) fn from_words(words: &[u64]) -> Option<Progress> {
        let ([start, count], rest) = words.split_first_chunk()?;
        let mut progress = Progress::new(*start);
        let (pairs, []) = rest.as_chunks::<2>() else { return None };
        if *count != pairs.len() as u64 || pairs.len() > SAMPLES {
            return None;
        }
        progress.samples.extend(pairs.iter().map(|[at, done]| (*at, *done)));
        Some(progress)
    }

    /// Time since the start, and what had been done then.
    pub fn samples(&self) -> &[(u64, u64)] {
        &self.samples
    }
}

impl Default for Progress {
    fn default() -> Progress {
        Progress::new(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_several_did_is_in_the_order_of_time() {
        let (mut a, mut b) = (Progress::new(100), Progress::new(110));
        [(120, 5), (140, 9)].iter().for_each(|(at, done)| a.note(*at, *done));
        [(115, 1), (130, 2)].iter().for_each(|(at, done)| b.note(*at, *done));
        let merged = Progress::merged(90, &[&a, &b]);
        assert_eq!(merged.samples(), [(25, 1), (30, 6), (40, 7), (50, 11)]);
        assert_eq!((merged.start(), Progress::merged(3, &[]).samples().len()), (90, 0));
    }

    proptest! {
        #[test]
        fn samples_are_few_even_and_true(steps in prop::collection::vec((0..1000u64, 1..5u64), 1..3000)) {
            let mut progress = Progress::new(77);
            let capacity = progress.samples.capacity();
            let (mut now, mut done, mut all) = (77, 0, Vec::new());
            for (time, work) in steps {
                now += time;
                done += work;
                progress.note(now, done);
                all.push((now - 77, done));
            }
            let samples = progress.samples();
            prop_assert!(!samples.is_empty() && samples.len() <= SAMPLES && progress.samples.capacity() == capacity);
            prop_assert!(samples.iter().all(|s| all.contains(s)), "a sample is something that was");
            prop_assert!(samples.windows(2).all(|w| w[0].1 < w[1].1 && w[0].0 <= w[1].0));
            // Even: no gap is wider than notes of four, halved as often as all others, make it.
            let widest = samples.windows(2).map(|w| w[1].1 - w[0].1).max().unwrap_or(0);
            prop_assert!(widest <= 4 * progress.every + 10, "{} {}", widest, progress.every);
            if all.len() > 2 * SAMPLES {
                prop_assert!(samples.len() >= SAMPLES / 4);
            }
        }
    }
}
