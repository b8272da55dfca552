// SPDX-License-Identifier: BSD-2-Clause
//! What can be proven only from inside: steps taken, records kept. The other requirements: `tests/`.

use crate::lanes::UNIFORM;
use crate::{Blist, MAX_ALLOC, Placement};

fn all_free(blocks: u64) -> Blist {
    let mut list = Blist::new(blocks).unwrap();
    list.free(0, blocks).unwrap();
    list.set_placement(Placement::FirstFit);
    list
}

/// Blocks of one parity free, the rest allocated.
fn checkerboard(blocks: u64, parity: u64) -> Blist {
    let mut list = all_free(blocks);
    list.fill(0, blocks).unwrap();
    for block in (parity..blocks).step_by(2) {
        list.free(block, 1).unwrap();
    }
    list
}

fn visits<T>(list: &mut Blist, op: impl FnOnce(&mut Blist) -> T) -> u64 {
    list.visits.set(0);
    op(list);
    list.visits.get()
}

/// SWP-255, SWP-263: freeing a node's worth of blocks is one entry, and its children are written by the
/// first allocation.
#[test]
fn swp_255_whole_nodes_are_one_entry() {
    let mut list = Blist::new(65536).unwrap();
    // The root, its child, and the entry of 1024 blocks.
    assert_eq!(visits(&mut list, |l| l.free(1024, 1024).unwrap()), 3);
    assert_eq!(list.entry(1, 1), MAX_ALLOC as u8 | UNIFORM);
    assert_eq!(list.free_under(1, 1), 1024);
    assert_eq!(list.words()[16..32], [0; 16]);
    assert_eq!(list.alloc(1), Some(1024));
    assert_eq!(list.entry(1, 1), MAX_ALLOC as u8);
    assert_eq!(list.words()[16], u64::MAX << 1);
    assert_eq!(list.words()[17..32], [u64::MAX; 15]);
    for (level, free) in [(1, 1023), (2, 1023), (3, 1023)] {
        assert_eq!(list.free_under(level, if level == 1 { 1 } else { 0 }), free);
    }
}

/// SWP-257, SWP-258, SWP-259: hints after successes and failures; here they are right before anybody fails.
#[test]
fn swp_257_hints_are_exact() {
    let mut list = checkerboard(128, 0);
    assert_eq!([list.entry(0, 0), list.entry(0, 1), list.entry(1, 0)], [1; 3]);
    assert_eq!(list.alloc(2), None);
    list.fill(0, 128).unwrap();
    assert_eq!(list.entry(1, 0), UNIFORM);
    // A run of 20 begins in leaf 0, 10 of it are leaf 1's own.
    list.free(54, 20).unwrap();
    assert_eq!([list.entry(0, 0), list.entry(0, 1), list.entry(1, 0)], [20, 10, 20]);
    assert_eq!(list.alloc(20), Some(54));
    assert_eq!(list.entry(1, 0), 0);
}

/// SWP-262: a free raises the leaf and what is above to the run it made, no further.
#[test]
fn swp_262_free_raises_hints() {
    let mut list = checkerboard(1 << 17, 1);
    list.free(1000, 1).unwrap();
    assert_eq!(list.largest_hint(), 3);
    assert_eq!((list.entry(0, 15), list.entry(1, 0), list.entry(1, 1)), (3, 3, 1));
}

/// SWP-260, SWP-274: an allocation visits one node a level, the leaf, and the root's own hint, and again one a
/// level to lower its count.
#[test]
fn swp_274_cost_of_allocation() {
    for (blocks, levels) in [(1024, 1), (16384, 2), (262_144, 3)] {
        let mut list = all_free(blocks);
        let total = visits(&mut list, |l| while l.alloc(1).is_some() {});
        // The last call fails: one visit.
        assert_eq!(total, blocks * (1 + levels + 1 + levels) + 1);
    }
}

/// SWP-275: allocating from a full list looks at one record.
#[test]
fn swp_275_cost_on_a_full_list() {
    let mut list = Blist::new(131_072).unwrap();
    assert_eq!(visits(&mut list, |l| l.alloc(1)), 1);
}

/// SWP-276: a search that must fail visits only the root, the first time too (the original: 4369).
#[test]
fn swp_276_cost_of_failure() {
    for blocks in [8192, 131_072] {
        for parity in [0, 1] {
            let mut list = checkerboard(blocks, parity);
            assert_eq!(visits(&mut list, |l| l.alloc(2)), 1);
            assert_eq!(visits(&mut list, |l| l.alloc(2)), 1);
        }
    }
}

/// SWP-277: freeing a block visits one node a level.
#[test]
fn swp_277_cost_of_free() {
    let mut list = Blist::new(131_072).unwrap();
    assert_eq!(visits(&mut list, |l| l.free(77_777, 1).unwrap()), 3);
}

/// SWP-268, SWP-W44: whole nodes are filled in one step; any length may be filled, at two paths' cost.
#[test]
fn swp_268_cost_of_ranges() {
    let mut list = all_free(1 << 28);
    assert_eq!(visits(&mut list, |l| assert_eq!(l.fill(0, 1 << 28), Ok(1 << 28))), 1);
    // The root's four children: the root itself would cover four times as much.
    assert_eq!(visits(&mut list, |l| l.free(0, 1 << 28).unwrap()), 5);
    let filled = (1 << 28) - 2;
    assert!(visits(&mut list, |l| assert_eq!(l.fill(1, filled), Ok(filled))) <= 2 * 16 * 7);
    assert!(visits(&mut list, |l| l.free(1, filled).unwrap()) <= 2 * 16 * 7);
}

/// The audit finds what it is for.
#[test]
fn audit_finds_damage() {
    // Two full levels, so that there is no lane without a child.
    let mut list = checkerboard(16384, 0);
    assert_eq!(list.audit(), Ok(()));
    for at in 0..list.words().len() {
        for bit in [0, 7, 9, 40] {
            list.words_mut()[at] ^= 1 << bit;
            assert!(list.audit().is_err(), "word {at} bit {bit}");
            list.words_mut()[at] ^= 1 << bit;
        }
    }
    assert_eq!(list.audit(), Ok(()));
    list.free += 1;
    assert!(list.audit().is_err());
}
