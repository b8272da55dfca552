// SPDX-License-Identifier: BSD-2-Clause
//! Log-linear histogram: each power of two is divided into 16, so a value is kept to 1/16 of itself.

use alloc::boxed::Box;

/// Divisions of a power of two, as a power of two.
const BITS: u32 = 4;
const BUCKETS: usize = (64 - BITS as usize + 1) << BITS;

/// Counts of values by size.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Box<[u64]>,
    total: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { counts: alloc::vec![0; BUCKETS].into_boxed_slice(), total: 0, max: 0 }
    }
}

impl Histogram {
    /// Counts a value.
    #[inline]
    pub fn add(&mut self, value: u64) {
        self.counts[bucket(value)] += 1;
        self.total += 1;
        self.max = self.max.max(value);
    }

    /// Counts what another has counted too.
    pub fn merge(&mut self, other: &Histogram) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(mine, theirs)| *mine += theirs);
        self.total += other.total;
        self.max = self.max.max(other.max);
    }

    /// What [`Histogram::from_words`] makes one of.
    pub fn words(&self) -> impl Iterator<Item = u64> {
        self.counts.iter().copied().chain([self.max])
    }

    /// One of [`Histogram::WORDS`] words; `None`: they are too few.
    pub fn from_words(words: &[u64]) -> Option<Histogram> {
        let (counts, rest) = words.split_at_checked(BUCKETS)?;
        Some(Histogram { counts: counts.into(), total: counts.iter().sum(), max: *rest.first()? })
    }

    /// Words that it makes.
    pub const WORDS: usize = BUCKETS + 1;

    /// Values counted.
    pub fn count(&self) -> u64 {
        self.total
    }

    /// Largest value, 0 if there is none.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// The value that `per_mille` thousandths of all values do not exceed: the upper end of its bucket, so off by at most 1/16. 0 if there is none.
    pub fn percentile(&self, per_mille: u64) -> u64 {
        let rank = (self.total as u128 * per_mille.min(1000) as u128).div_ceil(1000).max(1) as u64;
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return last_of(index).min(self.max);
            }
        }
        self.max
    }
}

/// Values below 2^BITS have a bucket each.
fn bucket(value: u64) -> usize {
    if value < 1 << BITS {
        return value as usize;
    }
    let power = 63 - value.leading_zeros();
    (((power - BITS + 1) << BITS) as u64 + ((value >> (power - BITS)) & ((1 << BITS) - 1))) as usize
}

/// Largest value of a bucket.
fn last_of(index: usize) -> u64 {
    let (row, column) = (index as u32 >> BITS, index as u64 & ((1 << BITS) - 1));
    if row == 0 {
        return column;
    }
    let shift = row - 1;
    (((1 << BITS) + column) << shift) + ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_contiguous() {
        for index in 0..BUCKETS {
            assert_eq!(bucket(last_of(index)), index);
            if index + 1 < BUCKETS {
                assert_eq!(bucket(last_of(index) + 1), index + 1);
            }
        }
        assert_eq!(last_of(BUCKETS - 1), u64::MAX);
    }

    #[test]
    fn words_make_it_again_and_two_make_one() {
        let (mut a, mut b) = (Histogram::default(), Histogram::default());
        (1..500).for_each(|v| a.add(v));
        (500..=1000).for_each(|v| b.add(v));
        let words: alloc::vec::Vec<u64> = b.words().collect();
        assert_eq!(words.len(), Histogram::WORDS);
        assert!(Histogram::from_words(&words[1..]).is_none());
        a.merge(&Histogram::from_words(&words).unwrap());
        assert_eq!((a.count(), a.max()), (1000, 1000));
        assert!((500..540).contains(&a.percentile(500)));
    }

    #[test]
    fn percentiles_are_within_a_sixteenth() {
        let mut h = Histogram::default();
        assert_eq!(h.percentile(500), 0);
        for v in 1..=10_000u64 {
            h.add(v);
        }
        for (per_mille, exact) in [(500, 5000), (900, 9000), (990, 9900), (999, 9990), (1000, 10_000)] {
            let got = h.percentile(per_mille);
            assert!(got >= exact && got <= exact + exact / 16, "{per_mille}: {got}");
        }
        assert_eq!((h.count(), h.max()), (10_000, 10_000));
    }
}
