// SPDX-License-Identifier: BSD-2-Clause
//! The requirements SWP-241 to SWP-279 and the weaknesses SWP-W42 to SWP-W47 by their examples.

use ebb_blist::{Blist, Error, Growth, LEAF_BLOCKS, MAX_ALLOC, Placement, RADIX, words_needed};

fn allocated(blocks: u64) -> Blist {
    let mut list = Blist::new(blocks).unwrap();
    list.set_placement(Placement::FirstFit);
    list
}

fn all_free(blocks: u64) -> Blist {
    let mut list = allocated(blocks);
    list.free(0, blocks).unwrap();
    list
}

/// What a caller can see.
fn state(list: &Blist) -> (u64, u64, Vec<bool>) {
    list.audit().unwrap();
    (list.len(), list.free_count(), (0..list.len()).map(|b| list.is_free(b)).collect())
}

/// SWP-241, SWP-242, SWP-243 (the later versions' 64 blocks a leaf): structure.
#[test]
fn swp_243_largest_allocation() {
    assert_eq!((RADIX, LEAF_BLOCKS, MAX_ALLOC), (16, 64, 64));
    let mut leaf = all_free(64);
    assert_eq!(leaf.alloc(64), Some(0));
    assert_eq!(leaf.alloc(1), None);
    assert_eq!(all_free(128).try_alloc(65), Err(Error::BadCount));
}

/// SWP-245.
#[test]
fn swp_245_no_blocks() {
    assert_eq!(Blist::new(0).err(), Some(Error::NoBlocks));
}

/// SWP-246: everything starts allocated.
#[test]
fn swp_246_starts_allocated() {
    let mut list = Blist::new(1000).unwrap();
    assert_eq!((list.free_count(), list.largest_hint()), (0, 0));
    assert_eq!(list.try_alloc(1), Err(Error::NoSpace));
    assert!((0..1000).all(|b| !list.is_free(b)));
}

/// SWP-247: nothing exists past the end.
#[test]
fn swp_247_end() {
    for blocks in [1, 63, 65, 513, 1023, 1025, 16385, 20000] {
        let mut list = all_free(blocks);
        for block in 0..blocks {
            assert_eq!(list.alloc(1), Some(block));
        }
        assert_eq!(list.alloc(1), None);
        assert!(!list.is_free(blocks) && !list.is_free(u64::MAX));
    }
}

/// SWP-249: a failed allocation changes nothing. SWP-253, SWP-W44: bad counts are errors at any size of list.
#[test]
fn swp_253_bad_counts() {
    for blocks in [32, 512, 70_000] {
        let mut list = all_free(blocks);
        let before = state(&list);
        for count in [0, 65, u32::MAX] {
            assert_eq!(list.try_alloc(count), Err(Error::BadCount));
        }
        assert_eq!(list.try_alloc_range(5, 4), Err(Error::BadCount));
        assert_eq!(list.try_alloc_range(0, 4), Err(Error::BadCount));
        assert_eq!(list.try_alloc_range(65, 100), Err(Error::BadCount));
        assert_eq!(state(&list), before);
    }
    assert_eq!(all_free(32).try_alloc(33), Err(Error::NoSpace));
    assert_eq!(all_free(512).alloc_range(64, u32::MAX), Some((0, 64)));
}

/// SWP-250: first fit. The original's 0, 1, 2, 3, 32, 19, 64 leaves gaps before its leaf boundaries;
/// SWP-W45 overrides that and the runs follow each other.
#[test]
fn swp_250_first_fit() {
    let mut list = all_free(512);
    let got: Vec<_> = [1, 1, 1, 16, 16, 13, 32].map(|count| list.alloc(count).unwrap()).into();
    assert_eq!(got, [0, 1, 2, 3, 19, 35, 48]);
    // A hole that is freed is the lowest fit for what it can hold.
    list.free(3, 16).unwrap();
    assert_eq!([list.alloc(17), list.alloc(16)], [Some(80), Some(3)]);
}

/// SWP-251 as SWP-W45 overrides it: runs cross the edges of leaves, nodes, and nodes of nodes.
#[test]
fn swp_w45_runs_cross_boundaries() {
    for edge in [64, 128, 1024, 2048, 16384, 32768, 262_144] {
        for count in [2, 17, 32, 63, 64] {
            for before in [1, count / 2, count - 1] {
                let mut list = allocated(300_000);
                let start = edge - before;
                list.free(start, count).unwrap();
                assert_eq!(u64::from(list.largest_hint()), count);
                assert_eq!(list.alloc(count as u32 + 1), None);
                assert_eq!(list.alloc(count as u32), Some(start));
                assert_eq!(list.free_count(), 0);
                list.audit().unwrap();
            }
        }
    }
    let mut list = allocated(64);
    list.free(16, 32).unwrap();
    assert_eq!(list.alloc(32), Some(16));
}

/// SWP-252: a single block is the lowest free one.
#[test]
fn swp_252_single_block() {
    let mut list = allocated(64);
    list.free(31, 1).unwrap();
    list.free(63, 1).unwrap();
    assert_eq!([list.alloc(1), list.alloc(1), list.alloc(1)], [Some(31), Some(63), None]);
}

/// SWP-256: the hint decides. Every size up to it succeeds, none beyond.
#[test]
fn swp_256_hint_is_exact() {
    let mut list = allocated(10_000);
    for (i, run) in (1..=64).enumerate() {
        list.free(i as u64 * 130 + 37, run).unwrap();
        assert_eq!(u64::from(list.largest_hint()), run);
        assert_eq!(list.clone().alloc(run as u32 + 1), None);
        assert_eq!(list.clone().alloc(run as u32), Some(i as u64 * 130 + 37));
    }
}

/// SWP-261: any length in one call.
#[test]
fn swp_261_free_any_length() {
    let mut list = Blist::new(1000).unwrap();
    list.free(2, 998).unwrap();
    assert_eq!(list.free_count(), 998);
    assert_eq!((0..).map_while(|_| list.alloc(1)).count(), 998);
    list.free(5, 0).unwrap();
    assert_eq!(list.free_count(), 0);
}

/// SWP-264, SWP-265, SWP-W43: every double free is found, wherever it is and however long the range, and
/// nothing of the range is freed then.
#[test]
fn swp_w43_double_free() {
    let mut leaf = all_free(32);
    assert_eq!(leaf.free(31, 1), Err(Error::DoubleFree { block: 31 }));
    let mut list = all_free(512);
    assert_eq!(list.free(100, 1), Err(Error::DoubleFree { block: 100 }));
    // Exactly one block under the node is allocated, and it is not the one that is freed.
    assert_eq!(list.alloc(1), Some(0));
    assert_eq!(list.free(100, 1), Err(Error::DoubleFree { block: 100 }));
    assert!(!list.is_free(0));

    let mut list = allocated(100_000);
    for twice in [0, 63, 64, 1023, 1024, 50_000, 99_999] {
        list.fill(0, 100_000).unwrap();
        list.free(twice, 1).unwrap();
        let before = state(&list);
        for (start, end) in [(0, 100_000), (twice, twice + 1), (0, twice + 1), (twice, 100_000)] {
            assert_eq!(list.free(start, end - start), Err(Error::DoubleFree { block: twice }));
        }
        assert_eq!(state(&list), before);
    }
}

/// SWP-266, SWP-W44: out of range is an error that changes nothing.
#[test]
fn swp_w44_out_of_range() {
    let mut list = allocated(100);
    let before = state(&list);
    for (start, count) in
        [(100, 1), (99, 2), (0, 101), (u64::MAX, 1), (1, u64::MAX), (u64::MAX, u64::MAX), (101, 0)]
    {
        assert_eq!(list.free(start, count), Err(Error::OutOfRange), "{start} {count}");
    }
    assert_eq!(list.fill(u64::MAX, 2), Err(Error::OutOfRange));
    assert_eq!(list.set_cursor(100), Err(Error::OutOfRange));
    assert_eq!(state(&list), before);
}

/// SWP-267: fills of 32 over blocks of which 2 to 99 are free.
#[test]
fn swp_267_fill() {
    let mut list = Blist::new(100).unwrap();
    list.free(2, 98).unwrap();
    let filled: Vec<_> = (0..128).step_by(32).map(|b| list.fill(b, 32).unwrap()).collect();
    assert_eq!(filled, [30, 32, 32, 4]);
    assert_eq!(list.free_count(), 0);
}

/// SWP-268, SWP-269, SWP-W44: any length may be filled, 600 of 8192 too; the result is how many were free.
#[test]
fn swp_269_fill_any_length() {
    let mut list = all_free(8192);
    assert_eq!(list.fill(0, 600), Ok(600));
    assert_eq!(list.fill(0, 512), Ok(0));
    assert_eq!(list.fill(500, 524), Ok(424));
    assert_eq!(list.fill(0, 8192), Ok(8192 - 1024));
    assert_eq!(list.alloc(1), None);
}

/// SWP-270: past the end all is allocated, as swapoff's loop expects.
#[test]
fn swp_270_fill_past_the_end() {
    let mut list = all_free(100);
    assert_eq!(list.fill(100, 32), Ok(0));
    assert_eq!(list.fill(96, 32), Ok(4));
    assert_eq!(list.fill(1 << 40, 1 << 40), Ok(0));
    assert_eq!(list.free_count(), 96);
}

/// SWP-271: after a fill the next allocation is right.
#[test]
fn swp_271_alloc_after_fill() {
    let mut list = all_free(200);
    assert_eq!(list.fill(10, 180), Ok(180));
    assert_eq!(list.largest_hint(), 10);
    assert_eq!(
        [list.alloc(11), list.alloc(10), list.alloc(10), list.alloc(1)],
        [None, Some(0), Some(190), None]
    );
}

/// SWP-272: growing and shrinking keep what remains.
#[test]
fn swp_272_resize() {
    let mut list = all_free(100);
    assert_eq!(list.alloc(7), Some(0));
    let kept = state(&list).2;
    list.resize(200, Growth::Free).unwrap();
    assert_eq!(list.free_count(), 193);
    assert_eq!(state(&list).2[..100], kept);
    list.resize(300, Growth::Allocated).unwrap();
    assert_eq!((list.len(), list.free_count()), (300, 193));
    list.fill(200, 100).unwrap();
    list.free(200, 100).unwrap();
    list.resize(50, Growth::Free).unwrap();
    assert_eq!(state(&list).2, kept[..50]);
    // Far enough that whole subtrees are copied, and back.
    list.resize(3_000_000, Growth::Free).unwrap();
    list.free(0, 7).unwrap();
    list.resize(2_000_001, Growth::Allocated).unwrap();
    assert_eq!(list.free_count(), 2_000_001);
    list.audit().unwrap();
}

/// SWP-W46: what is in use is not forgotten.
#[test]
fn swp_w46_resize_refuses() {
    let mut list = all_free(2000);
    list.fill(1990, 3).unwrap();
    list.set_cursor(1234).unwrap();
    let before = state(&list);
    assert_eq!(list.resize(1991, Growth::Free), Err(Error::InUse { blocks: 2 }));
    assert_eq!(list.resize(0, Growth::Free), Err(Error::NoBlocks));
    assert_eq!(list.resize(u64::MAX, Growth::Free), Err(Error::TooManyBlocks));
    assert_eq!((state(&list), list.cursor()), (before, 1234));
    assert_eq!(list.resize(1993, Growth::Free), Ok(()));
    assert_eq!((list.cursor(), list.placement()), (1234, Placement::FirstFit));
    list.free(1990, 3).unwrap();
    list.resize(1000, Growth::Free).unwrap();
    assert_eq!(list.cursor(), 0);
}

/// SWP-273: the dump.
#[test]
fn swp_273_dump() {
    let mut list = all_free(3000);
    list.fill(0, 1024).unwrap();
    list.fill(2050, 3).unwrap();
    let mut text = String::new();
    list.dump(&mut text).unwrap();
    let want = "\
blist of 3000 blocks, 1973 free, FirstFit at 0
0..3000: 1973/3000 hint 64
  0..1024: allocated
  1024..2048: free
  2048..3000: 949/952 hint 64
    2048..2112: 61/64 hint 64 bits ffffffffffffffe3
    2112..2176: free
";
    assert!(text.starts_with(want), "{text}");
    assert!(
        text.ends_with("    2944..2990: free\nend 3000\n")
            || text.ends_with("    2944..3000: free\nend 3000\n")
    );
    assert_eq!(
        format!("{list:?}"),
        "Blist { len: 3000, free: 1973, largest_hint: 64, cursor: 0, placement: FirstFit }"
    );
}

/// SWP-W42: a ranged free leaves no hint too low.
#[test]
fn swp_w42_ranged_free_raises_hints() {
    let mut list = all_free(8192);
    for block in 0..511 {
        assert_eq!(list.alloc(1), Some(block));
    }
    list.fill(512, 8192 - 512).unwrap();
    list.free(0, 511).unwrap();
    assert_eq!(list.free_count(), 512);
    assert_eq!(list.alloc(2), Some(0));
    assert_eq!(list.largest_hint(), 64);
}

/// SWP-W47: from the cursor on, around the end, and never twice.
#[test]
fn swp_w47_cursor_wraps() {
    let mut list = all_free(1000);
    list.set_placement(Placement::NextFit);
    assert_eq!(list.alloc(10), Some(0));
    list.free(0, 10).unwrap();
    assert_eq!((list.cursor(), list.alloc(10)), (10, Some(10)));
    list.set_cursor(980).unwrap();
    assert_eq!([list.alloc(16), list.alloc(16), list.alloc(2)], [Some(980), Some(20), Some(36)]);
    // A run before the cursor in its own leaf, and one around it, are found only by the wrap.
    list.fill(0, 1000).unwrap();
    list.free(100, 20).unwrap();
    list.set_cursor(110).unwrap();
    assert_eq!(
        [list.alloc(5), list.alloc(6), list.alloc(5), list.alloc(5)],
        [Some(110), Some(100), Some(115), None]
    );
    // The end of the list is the beginning.
    list.free(998, 2).unwrap();
    assert_eq!((list.alloc(2), list.cursor()), (Some(998), 0));
}

/// The default breaks no long run for what fits elsewhere, and takes the most for a range.
#[test]
fn best_fit() {
    let mut list = Blist::new(3000).unwrap();
    assert_eq!(list.placement(), Placement::BestFit);
    for (start, count) in [(100, 40), (200, 3), (300, 5), (310, 3), (900, 16), (2000, 16), (2070, 50)] {
        list.free(start, count).unwrap();
    }
    // By leaf, by run within the leaf, by node.
    let mut take = |count| list.alloc(count).unwrap();
    assert_eq!([take(3), take(5), take(3), take(16), take(16)], [200, 300, 310, 2000, 900]);
    // Only longer ones are left: the lowest node and leaf, there where 8 are aligned, the rest staying whole.
    assert_eq!(take(7), 104);
    assert_eq!([list.alloc_range(1, 64), list.alloc_range(29, 30)], [Some((2070, 50)), Some((111, 29))]);
    assert_eq!([list.alloc_range(1, 64), list.alloc_range(1, 64)], [Some((100, 4)), None]);
}

/// Between a minimum and a maximum: what the run found has.
#[test]
fn alloc_range_takes_what_there_is() {
    let mut list = allocated(1000);
    list.free(50, 3).unwrap();
    list.free(60, 40).unwrap();
    assert_eq!(list.alloc_range(1, 16), Some((50, 3)));
    assert_eq!(list.alloc_range(4, 16), Some((60, 16)));
    assert_eq!(list.alloc_range(16, 64), Some((76, 24)));
    assert_eq!(list.try_alloc_range(1, 64), Err(Error::NoSpace));
}

/// A list in a caller's words: too few are refused, old contents do not matter.
#[test]
fn storage_of_the_caller() {
    let needed = words_needed(5000).unwrap();
    let mut words = vec![u64::MAX; needed + 3];
    assert_eq!(Blist::over(&mut words[..needed - 1], 5000).err(), Some(Error::StorageTooSmall { needed }));
    let mut list = Blist::over(&mut words[..], 5000).unwrap();
    assert_eq!(list.free_count(), 0);
    list.free(10, 4000).unwrap();
    assert_eq!([list.alloc(64), list.alloc(64)], [Some(10), Some(74)]);
    list.audit().unwrap();
    assert_eq!(words[needed..], [u64::MAX; 3]);
}
