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

/// Length of the longest run of set bits, 0 to 64.
#[inline]
pub(crate) fn longest_run(word: u64) -> u32 {
    let x1 = word;
    if x1 == 0 {
        return 0;
    }
    // Runs of two, four, ... then the rest by halves: log2(64) steps each way whatever the word holds.
    let x2 = x1 & x1 >> 1;
    if x2 == 0 {
        return 1;
    }
    let x4 = x2 & x2 >> 2;
    let x8 = x4 & x4 >> 4;
    let x16 = x8 & x8 >> 8;
    let x32 = x16 & x16 >> 16;
    let (mut x, mut n) = (x1, 1);
    if x32 & x32 >> 32 != 0 {
        return 64;
    }
    let mut longer = |part: u64, len: u32| {
        let joined = if n == 1 { part } else { x & part >> n };
        if joined != 0 {
            x = joined;
            n = if n == 1 { len } else { n + len };
        }
    };
    longer(x32, 32);
    longer(x16, 16);
    longer(x8, 8);
    longer(x4, 4);
    longer(x2, 2);
    if x & x1 >> n != 0 { n + 1 } else { n }
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

    fn naive_run_at(word: u64, bit: u32) -> u32 {
        (bit..64).take_while(|b| word >> b & 1 == 1).count() as u32
    }

    fn check(word: u64) {
        let longest = (0..64).map(|b| naive_run_at(word, b)).max().unwrap();
        assert_eq!(longest_run(word), longest, "{word:#x}");
        for count in 1..=64 {
            let want = (0..64).find(|&b| naive_run_at(word, b) >= count);
            assert_eq!(find_run(word, count), want, "{word:#x} {count}");
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
        #[test]
        fn words_agree_with_a_loop(a: u64, b: u64, c: u64) {
            check(a);
            check(a | b);
            check(a | b | c);
            check(a & b);
        }
    }
}
