// SPDX-License-Identifier: BSD-2-Clause
//! Runs of set bits within one leaf's bitmap. Bit `b` set: block `b` of the leaf is free (SWP-242).

/// Bits `start .. start + count` of a word; `start < 64`, `1 <= count <= 64 - start`.
#[inline]
pub(crate) const fn mask(start: u32, count: u32) -> u64 {
    (u64::MAX >> (64 - count)) << start
}

/// The bits of `word` from which at least `count` set bits follow within the word; 1 <= count <= 64.
#[inline]
fn starts(word: u64, count: u32) -> u64 {
    let (mut x, mut done) = (word, 1);
    while done < count {
        // Each bit of x stands for `done` set bits from there on: joining two such runs at most doubles it.
        let step = done.min(count - done);
        x &= x >> step;
        done += step;
    }
    x
}

/// Lowest position of a run of `count` (1 to 64) set bits within the word.
#[inline]
pub(crate) fn find_run(word: u64, count: u32) -> Option<u32> {
    let x = starts(word, count);
    (x != 0).then(|| x.trailing_zeros())
}

/// Position where `count` (1 to 64) set bits do least harm to the runs of the word: a run that is no longer in
/// this word; else where a block of the next power of two is aligned; else the lowest. The lowest of each kind.
#[inline]
pub(crate) fn find_best_run(word: u64, count: u32) -> Option<u32> {
    let fits = starts(word, count);
    // No set bit before it, none after: in two steps, since 64 is no shift.
    let exact = fits & !(word << 1) & !(word >> 1 >> (count - 1));
    let aligned = fits & ALIGNED[count.next_power_of_two().trailing_zeros() as usize];
    let best = if exact != 0 {
        exact
    } else if aligned != 0 {
        aligned
    } else {
        fits
    };
    (best != 0).then(|| best.trailing_zeros())
}

/// The multiples of 1, 2, 4, ... 64 as bits.
const ALIGNED: [u64; 7] =
    [u64::MAX, u64::MAX / 3, u64::MAX / 15, u64::MAX / 255, u64::MAX / 0xffff, u64::MAX / 0xffff_ffff, 1];

/// Length of the longest run of set bits, 0 to 64.
#[inline]
pub(crate) fn longest_run(word: u64) -> u32 {
    // None, or a single run, as in a leaf that is used in order: adding at its foot carries it away.
    if word & word.wrapping_add(word & word.wrapping_neg()) == 0 {
        return if word == 0 { 0 } else { 64 - word.leading_zeros() - word.trailing_zeros() };
    }
    // Where runs of two, four, ... begin; then the longest is put together from the largest parts that fit.
    // The same steps whatever the word holds: a branch would be guessed wrong too often.
    let two = word & word >> 1;
    let four = two & two >> 2;
    let eight = four & four >> 4;
    let sixteen = eight & eight >> 8;
    let thirty_two = sixteen & sixteen >> 16;
    let (mut at, mut length) = (u64::MAX, 0);
    for (part, blocks) in [(thirty_two, 32), (sixteen, 16), (eight, 8), (four, 4), (two, 2), (word, 1)] {
        let joined = at & part >> length;
        let fits = joined != 0;
        at = if fits { joined } else { at };
        length += if fits { blocks } else { 0 };
    }
    length
}

/// Set bits from bit 0 on: the part of the leaf that continues a run of the leaf before.
#[inline]
pub(crate) const fn head(word: u64) -> u32 {
    word.trailing_ones()
}

/// Set bits down from bit 63: the part of the leaf that continues in the leaf after.
#[inline]
pub(crate) const fn tail(word: u64) -> u32 {
    word.leading_ones()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(word: u64) {
        // Length of the run from each bit on.
        let mut runs = [0u32; 65];
        for bit in (0..64).rev() {
            runs[bit] = if word >> bit & 1 == 1 { runs[bit + 1] + 1 } else { 0 };
        }
        assert_eq!(longest_run(word), *runs.iter().max().unwrap(), "{word:#x}");
        for count in 1..=64 {
            let lowest = (0..64).find(|&b| runs[b as usize] >= count);
            assert_eq!(find_run(word, count), lowest, "{word:#x} {count}");
            let exact = |&b: &u32| runs[b as usize] == count && (b == 0 || word >> (b - 1) & 1 == 0);
            let aligned = |&b: &u32| runs[b as usize] >= count && b.is_multiple_of(count.next_power_of_two());
            let want = (0..64).find(exact).or((0..64).find(aligned)).or(lowest);
            assert_eq!(find_best_run(word, count), want, "{word:#x} {count}");
        }
    }

    /// SWP-252: a single block is the lowest free bit, bit 63 alone included (the leaf has 64: SWP-242).
    #[test]
    fn swp_252_single_block() {
        assert_eq!(find_run(1 << 63, 1), Some(63));
        assert_eq!(find_run(1 << 31, 1), Some(31));
        assert_eq!(find_run(0, 1), None);
    }

    #[test]
    fn every_single_run_and_mask() {
        for start in 0..64 {
            for count in 1..=64 - start {
                let m = mask(start, count);
                assert_eq!((m.count_ones(), m.trailing_zeros()), (count, start));
                check(m);
                check(!m);
            }
        }
        check(0);
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(if cfg!(miri) { 2 } else { 500 }))]

        #[test]
        fn words_agree_with_a_loop(a: u64, b: u64, c: u64) {
            check(a);
            check(a | b);
            check(a | b | c);
            check(a & b);
        }
    }
}
