// SPDX-License-Identifier: BSD-2-Clause
//! Which page is touched next.

use crate::Random;
use alloc::vec::Vec;

/// An access pattern. A round is as many touches as there are pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pattern {
    /// A round is one ascending pass over all pages.
    Seq,
    /// Every page is as likely as any other.
    Random,
    /// Page popularity by Zipf's law with exponent 0.99 (the `zipfian` of YCSB); which pages are popular is scattered.
    Zipf,
    /// A round is [`LOOPS`] ascending passes over a window of 1/[`LOOPS`] of the pages; the next round takes the next window.
    Loop,
    /// Every second touch goes to a hot set of 1/[`HOT`] of the pages, at random; those between go through all pages in ascending order.
    /// What a table scan does to a cache.
    Scan,
}

/// Passes over a window, and windows, of [`Pattern::Loop`].
pub const LOOPS: u64 = 4;
/// The hot set of [`Pattern::Scan`] is one page in so many.
pub const HOT: u64 = 16;

impl Pattern {
    /// All, with their names.
    pub const ALL: [(&str, Pattern); 5] = [
        ("seq", Pattern::Seq),
        ("random", Pattern::Random),
        ("zipf", Pattern::Zipf),
        ("loop", Pattern::Loop),
        ("scan", Pattern::Scan),
    ];

    /// The pattern with this name.
    pub fn by_name(name: &str) -> Option<Pattern> {
        Pattern::ALL.iter().find(|(n, _)| *n == name).map(|(_, p)| *p)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Pattern::ALL.iter().find(|(_, p)| *p == self).map_or("?", |(n, _)| n)
    }
}

/// An endless sequence of pages.
#[derive(Clone, Debug)]
pub struct Sequence {
    pattern: Pattern,
    pages: u64,
    count: u64,
    random: Random,
    zipf: Zipf,
}

impl Sequence {
    /// The sequence of a pattern over pages `0..pages`; the same seed gives the same.
    pub fn new(pattern: Pattern, pages: u64, seed: u64) -> Sequence {
        let pages = pages.max(1);
        let zipf = if pattern == Pattern::Zipf { Zipf::new(pages, seed) } else { Zipf::default() };
        Sequence { pattern, pages, count: 0, random: Random::new(seed), zipf }
    }

    /// The next page.
    #[inline]
    pub fn next_page(&mut self) -> u64 {
        let i = self.count;
        self.count += 1;
        match self.pattern {
            Pattern::Seq => i % self.pages,
            Pattern::Random => self.random.below(self.pages),
            Pattern::Zipf => self.zipf.next(&mut self.random),
            Pattern::Loop => {
                let window = self.pages.div_ceil(LOOPS);
                let first = (i / (window * LOOPS) % LOOPS * window).min(self.pages - 1);
                first + i % window.min(self.pages - first)
            }
            Pattern::Scan if i.is_multiple_of(2) => self.random.below((self.pages / HOT).max(1)),
            Pattern::Scan => i / 2 % self.pages,
        }
    }
}

/// Sampling by the inverse of the distribution. Ranks below [`EXACT`] have a bucket each; each power of two above is divided into
/// [`EXACT`] / 2 buckets, inside which all ranks count as equally likely: the weights are off by less than 0.5 % there.
#[derive(Clone, Debug, Default)]
struct Zipf {
    /// First rank of each bucket, and the sum of the weights of all before it.
    buckets: Vec<(u64, u64)>,
    /// Sum of all weights.
    total: u64,
    pages: u64,
    multiplier: u64,
    offset: u64,
}

/// See [`Zipf`].
const EXACT: u64 = 256;
/// The exponent: 0.99 in 32.32 fixed point.
const EXPONENT: u64 = 4_252_017_623;

impl Zipf {
    fn new(pages: u64, seed: u64) -> Zipf {
        let mut zipf = Zipf { pages, ..Zipf::default() };
        let mut first = 0;
        while first < pages {
            // The step keeps the number of buckets per power of two at EXACT / 2.
            let step = ((first + 1) / EXACT).next_power_of_two().max(1);
            let len = step.min(pages - first);
            zipf.buckets.push((first, zipf.total));
            zipf.total += len * weight(first + 1 + len / 2);
            first += len;
        }
        // Rank to page by a bijection, so that popular pages are not neighbours: multiply by what has no factor in common with the number of pages.
        let mut random = Random::new(!seed);
        zipf.offset = random.below(pages);
        zipf.multiplier = ((pages as u128 * crate::random::GOLDEN as u128) >> 64) as u64 | 1;
        while gcd(zipf.multiplier, pages) != 1 {
            zipf.multiplier += 2;
        }
        zipf
    }

    #[inline]
    fn next(&self, random: &mut Random) -> u64 {
        let rank = self.rank(random.below(self.total));
        ((rank as u128 * self.multiplier as u128 + self.offset as u128) % self.pages as u128) as u64
    }

    /// The rank (from 0) at a point of the cumulated weights.
    #[inline]
    fn rank(&self, at: u64) -> u64 {
        let index = self.buckets.partition_point(|(_, before)| *before <= at).saturating_sub(1);
        let (first, before) = self.buckets[index];
        let (next, after) = self.buckets.get(index + 1).copied().unwrap_or((self.pages, self.total));
        first + (at - before) * (next - first) / (after - before).max(1)
    }
}

/// `2^36 / rank^0.99`, for a rank from 1 on.
fn weight(rank: u64) -> u64 {
    // rank^-0.99 = 2^(-0.99 log2 rank)
    let log = log2(rank);
    let power = ((log as u128 * EXPONENT as u128) >> 32) as u64;
    let (whole, fraction) = ((power >> 32) as u32, power & 0xffff_ffff);
    // 2^36 * 2^-fraction, then shifted by the whole part.
    (exp2_negative(fraction) >> whole).max(1)
}

/// The binary logarithm in 32.32 fixed point, bit by bit: squaring doubles the logarithm.
fn log2(x: u64) -> u64 {
    let whole = 63 - x.max(1).leading_zeros();
    let mut mantissa = (x.max(1) as u128) << (63 - whole);
    let mut log = (whole as u64) << 32;
    for bit in (0..32).rev() {
        mantissa = (mantissa * mantissa) >> 63;
        if mantissa >> 64 != 0 {
            mantissa >>= 1;
            log |= 1 << bit;
        }
    }
    log
}

/// `2^36 * 2^-f` for a fraction of 32 bits: the product of the factors of its bits.
fn exp2_negative(fraction: u64) -> u64 {
    let mut result = 1u128 << 62;
    for (k, factor) in FACTORS.iter().enumerate() {
        if fraction >> (31 - k) & 1 != 0 {
            result = (result * factor) >> 62;
        }
    }
    (result >> 26) as u64
}

/// `2^-(1/2)`, `2^-(1/4)`, …, with 62 bits after the point: each is the square root of the one before.
const FACTORS: [u128; 32] = {
    let mut factors = [1u128 << 61; 32];
    let mut k = 0;
    while k < 32 {
        let before = if k == 0 { 1 << 61 } else { factors[k - 1] };
        factors[k] = (before << 62).isqrt();
        k += 1;
    }
    factors
};

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn counts(pattern: Pattern, pages: u64, touches: u64) -> Vec<u64> {
        let mut out = vec![0; pages as usize];
        let mut sequence = Sequence::new(pattern, pages, 7);
        for _ in 0..touches {
            out[sequence.next_page() as usize] += 1;
        }
        out
    }

    #[test]
    fn every_pattern_stays_inside_and_repeats_with_its_seed() {
        for (name, pattern) in Pattern::ALL {
            assert_eq!(Pattern::by_name(name), Some(pattern));
            assert_eq!(pattern.name(), name);
            for pages in [1, 2, 3, 5, 17, 255, 257, 4096, 16_411] {
                let mut a = Sequence::new(pattern, pages, 42);
                let mut b = Sequence::new(pattern, pages, 42);
                for _ in 0..5000 {
                    let page = a.next_page();
                    assert!(page < pages, "{name} {pages}");
                    assert_eq!(page, b.next_page());
                }
            }
        }
        assert_eq!(Pattern::by_name("zipfian"), None);
    }

    #[test]
    fn a_round_of_seq_is_one_pass() {
        assert!(counts(Pattern::Seq, 100, 300).iter().all(|c| *c == 3));
    }

    #[test]
    fn loop_stays_in_a_window_for_a_round_and_reaches_all_in_four() {
        let c = counts(Pattern::Loop, 100, 100);
        assert!(c[..25].iter().all(|c| *c == 4) && c[25..].iter().all(|c| *c == 0));
        assert!(counts(Pattern::Loop, 100, 400).iter().all(|c| *c == 4));
        assert!(counts(Pattern::Loop, 103, 4 * 104).iter().all(|c| *c >= 4));
    }

    #[test]
    fn scan_has_a_hot_set_and_passes_over_the_rest() {
        let c = counts(Pattern::Scan, 1600, 3200);
        assert!(c[..100].iter().sum::<u64>() > 1600);
        assert!(c[100..].iter().all(|c| *c == 1));
    }

    #[test]
    fn random_reaches_everything_evenly() {
        let c = counts(Pattern::Random, 100, 100_000);
        assert!(c.iter().all(|c| (800..1200).contains(c)), "{c:?}");
    }

    #[test]
    fn zipf_follows_the_law() {
        // The integer weights against floating point, which the host has.
        for rank in [1u64, 2, 3, 10, 255, 256, 1000, 65_536, 1 << 22] {
            let want = 2f64.powi(36) / (rank as f64).powf(0.99);
            let got = weight(rank) as f64;
            assert!((got / want - 1.0).abs() < 1e-4, "{rank}: {got} {want}");
        }
        let pages = 50_000u64;
        let zipf = Zipf::new(pages, 1);
        let exact: f64 = (1..=pages).map(|r| (r as f64).powf(-0.99)).sum();
        assert!((zipf.total as f64 / 2f64.powi(36) / exact - 1.0).abs() < 5e-3);
        // Shares of the most popular ranks, sampled.
        let mut c = counts(Pattern::Zipf, pages, 1_000_000);
        c.sort_unstable_by(|a, b| b.cmp(a));
        for top in [1usize, 10, 100, 5000] {
            let want: f64 = (1..=top).map(|r| (r as f64).powf(-0.99)).sum::<f64>() / exact;
            let got = c[..top].iter().sum::<u64>() as f64 / 1e6;
            assert!((got / want - 1.0).abs() < 0.05, "{top}: {got} {want}");
        }
    }

    #[test]
    fn zipf_scatters_by_a_bijection() {
        for pages in [1u64, 2, 6, 30, 4096, 30_030] {
            let zipf = Zipf::new(pages, 9);
            let mut seen = vec![false; pages as usize];
            for rank in 0..pages {
                let page =
                    ((rank as u128 * zipf.multiplier as u128 + zipf.offset as u128) % pages as u128) as usize;
                assert!(!core::mem::replace(&mut seen[page], true));
            }
            // Every point of the cumulated weights is a rank that exists.
            assert_eq!(zipf.rank(0), 0);
            assert_eq!(zipf.rank(zipf.total - 1), pages - 1);
        }
    }
}
