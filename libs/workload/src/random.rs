// SPDX-License-Identifier: BSD-2-Clause
//! Seeded random numbers: SplitMix64 (Steele, Lea, Flood 2014). Good enough for a workload, and the same everywhere.

/// The mixing function of SplitMix64: a bijection in which every bit of the input moves half of the output's.
#[inline(always)]
pub fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Increment of the state: 2^64 by the golden ratio, odd.
pub(crate) const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// A generator.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// One that starts from a seed.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// 64 bits.
    #[inline(always)]
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }

    /// A number below `bound`; 0 if `bound` is 0. Its bias is below `bound` / 2^64.
    #[inline(always)]
    pub fn below(&mut self, bound: u64) -> u64 {
        ((self.bits() as u128 * bound as u128) >> 64) as u64
    }

    /// True with a probability of `share` / 65,536.
    #[inline(always)]
    pub fn chance(&mut self, share: u32) -> bool {
        self.bits() >> 48 < share as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        // The published reference sequence for seed 1234567.
        let mut r = Random::new(1234567);
        assert_eq!(
            [r.bits(), r.bits(), r.bits()],
            [6457827717110365317, 3203168211198807973, 9817491932198370423]
        );
    }

    #[test]
    fn shares_are_kept() {
        let mut r = Random::new(1);
        let hits = (0..100_000).filter(|_| r.chance(1 << 14)).count();
        assert!((24_000..26_000).contains(&hits), "{hits}");
        assert!((0..1000).all(|_| !r.chance(0)) && (0..1000).all(|_| r.chance(1 << 16)));
        assert!((0..1000).all(|_| r.below(7) < 7));
        assert_eq!(r.below(0), 0);
    }
}
