// SPDX-License-Identifier: BSD-2-Clause
//! Sixteen hints of one node, a byte each, in two words: lane `i` is byte `i % 8` of word `i / 8`.
//!
//! The low seven bits of a lane are the hint (0 to 64 blocks), the high bit is [`UNIFORM`]. All sixteen are
//! compared or folded at once within ordinary registers, since servers run without vector units.

use crate::shape::RADIX;

/// Flag of a lane: all blocks beneath are in one state (hint 0: allocated, hint 64: free) and whatever is
/// stored beneath is stale. Never set on the lane of a leaf.
pub(crate) const UNIFORM: u8 = 0x80;

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = LOW << 7;

/// A word of eight lanes that all hold `value`.
pub(crate) const fn splat(value: u8) -> u64 {
    LOW * value as u64
}

/// High bit of each lane whose hint is at least `min` (1 to 64). No lane can carry into the next: a hint
/// is at most 64 and 64 + 127 < 256.
const fn at_least(word: u64, min: u32) -> u64 {
    ((word & !HIGH) + splat(0x80 - min as u8)) & HIGH
}

/// The lowest lane that [`at_least`] marked in one of the two words.
#[inline]
fn lowest(low: u64, high: u64) -> Option<usize> {
    // Selected, not branched: which half it is in is any guess.
    let (word, base) = if low != 0 { (low, 0) } else { (high, 8) };
    (word != 0).then(|| base + word.trailing_zeros() as usize / 8)
}

/// Lowest lane whose hint is at least `min` (1 to 64).
#[inline]
pub(crate) fn first(lanes: [u64; 2], min: u32) -> Option<usize> {
    lowest(at_least(lanes[0], min), at_least(lanes[1], min))
}

/// Lowest lane above lane `after` whose hint is at least `min` (1 to 64).
#[inline]
pub(crate) fn first_after(lanes: [u64; 2], min: u32, after: usize) -> Option<usize> {
    debug_assert!(after < RADIX);
    let above = |n: usize| u64::MAX << 8 << (n % 8 * 8);
    let (low, high) = if after < 8 { (above(after), u64::MAX) } else { (0, above(after)) };
    lowest(at_least(lanes[0], min) & low, at_least(lanes[1], min) & high)
}

/// Lowest lane whose hint is exactly `hint` (1 to 64).
#[inline]
pub(crate) fn first_equal(lanes: [u64; 2], hint: u32) -> Option<usize> {
    // Adding 127 to a lane sets its high bit unless the lane is zero.
    let equal = |word: u64| !(((word & !HIGH) ^ splat(hint as u8)) + splat(0x7f)) & HIGH;
    lowest(equal(lanes[0]), equal(lanes[1]))
}

/// Lane by lane the larger of two words whose flags are clear.
const fn larger(a: u64, b: u64) -> u64 {
    // The high bit survives the subtraction where a >= b; 0x80 - 0x01 then selects the seven bits.
    let ge = ((a | HIGH) - b) & HIGH;
    let pick = ge - (ge >> 7);
    (a & pick) | (b & !pick)
}

/// The largest hint of the sixteen.
#[inline]
pub(crate) fn max(lanes: [u64; 2]) -> u8 {
    let m = larger(lanes[0] & !HIGH, lanes[1] & !HIGH);
    let m = larger(m, m >> 32);
    let m = larger(m, m >> 16);
    larger(m, m >> 8) as u8 & !UNIFORM
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack(lanes: [u8; 16]) -> [u64; 2] {
        let word = |b: &[u8]| b.iter().rev().fold(0, |w, &b| w << 8 | u64::from(b));
        [word(&lanes[..8]), word(&lanes[8..])]
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(if cfg!(miri) { 9 } else { 2000 }))]

        /// SWP-241, SWP-260: the sixteen children of a node, searched and folded at once.
        #[test]
        fn lanes_agree_with_a_loop(hints in proptest::array::uniform16(0u8..=64), flags: u16, min in 1u32..=64, after in 0usize..16) {
            let mut lanes = hints;
            for (i, lane) in lanes.iter_mut().enumerate() {
                if flags >> i & 1 == 1 {
                    *lane |= UNIFORM;
                }
            }
            let packed = pack(lanes);
            let fits = |i: &usize| u32::from(hints[*i]) >= min;
            assert_eq!(first(packed, min), (0..16).find(fits));
            assert_eq!(first_equal(packed, min), hints.iter().position(|&h| u32::from(h) == min));
            assert_eq!(first_after(packed, min, after), (after + 1..16).find(fits));
            assert_eq!(max(packed), *hints.iter().max().unwrap());
        }
    }
}
