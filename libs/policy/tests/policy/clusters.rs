// SPDX-License-Identifier: BSD-2-Clause
//! Section 11: which pages are written together.

use std::collections::HashSet;
use std::ops::Range;

use ebb_policy::cluster::{MAX_CLUSTER, build};
use ebb_policy::sim::{Sim, SimObject};
use ebb_policy::{Decision, Queue, Verdict, Want};
use proptest::prelude::*;

const ALL: u64 = 1 << 40;

/// All dirty, in an object of `size` pages.
fn dirty(center: u64, size: u64, p: u64) -> Range<u64> {
    build(center, size, p, |_| true)
}

/// All dirty but `holes`.
fn holes(center: u64, holes: &[u64]) -> Range<u64> {
    build(center, ALL, 16, |i| !holes.contains(&i))
}

#[test]
fn pgo_009_room_both_ways() {
    assert_eq!(ebb_policy::Thresholds::compute(2000, 1800, 0).cluster, 16);
    assert_eq!(holes(47, &[48]), 32..48, "15 backwards");
    assert_eq!(holes(31, &[30]), 31..47, "15 forwards");
}

#[test]
fn pgo_141_backwards_first() {
    assert_eq!(dirty(33, ALL, 16), 32..48);
    let mut asked = Vec::new();
    build(37, ALL, 16, |i| {
        asked.push(i);
        true
    });
    assert_eq!(asked[..6], [36, 35, 34, 33, 32, 38]);
}

#[test]
fn pgo_142_lower_bound() {
    assert_eq!(dirty(5, ALL, 16), 0..16);
    assert_eq!(dirty(0, ALL, 16), 0..16);
    assert_eq!(dirty(3, 8, 16), 0..8);
}

#[test]
fn pgo_143_alignment() {
    assert_eq!(dirty(37, ALL, 16), 32..48);
    assert_eq!(dirty(47, ALL, 16), 32..48);
    assert_eq!(dirty(31, ALL, 16), 16..32);
    assert_eq!(dirty(21, ALL, 8), 16..24);
}

#[test]
fn pgo_144_upper_bound() {
    assert_eq!(dirty(37, 40, 16), 24..40);
    assert_eq!(dirty(u64::MAX - 1, u64::MAX, 16).end, u64::MAX);
    assert_eq!(dirty(40, 40, 16), 40..40, "a centre outside the object");
}

#[test]
fn pgo_145_second_backward_scan() {
    assert_eq!(holes(37, &[40]), 24..40);
    assert_eq!(holes(37, &[34]), 35..51, "a hole ends backwards for good");
    assert_eq!(holes(37, &[34, 40]), 35..40);
}

/// PGO-146 with W04: a centre on a boundary stays in its block.
#[test]
fn pgo_146_w04_aligned_centre() {
    assert_eq!(dirty(32, ALL, 16), 32..48);
    assert_eq!(dirty(16, ALL, 16), 16..32);
    assert_eq!(dirty(32, 40, 16), 24..40, "past the boundary only where forwards is at its end");
}

#[test]
fn pgo_147_w33_size_cap() {
    assert_eq!(dirty(50, 100, 16).count(), 16);
    // W33: whatever is asked for, it fits an array of MAX_CLUSTER.
    assert_eq!(dirty(50, 100, u64::MAX).count() as u64, MAX_CLUSTER);
    assert_eq!(dirty(50, 100, 0), 50..51);
}

/// Launders the page at index 5 of a machine whose page at index 6 is as `spoil` makes it; returns the run.
fn with_neighbour(spoil: impl Fn(&mut Sim)) -> Range<u64> {
    let mut sim = Sim::new(16, 4096);
    sim.objects.insert(0, SimObject { size: 10, referenced: true, dead: false });
    for frame in 0..10 {
        sim.page_in(frame, (0, frame.into()), Queue::Inactive);
        sim.pages[frame as usize].dirty = true;
    }
    spoil(&mut sim);
    let verdict = sim.carry_out(Decision { page: sim.page(5), want: Want::Launder });
    let (_, run) = sim.writes[0].clone();
    assert_eq!(verdict, Verdict::Started { pages: (run.end - run.start) as u8 });
    run
}

/// The machine of the simulator applies the neighbour test; `vm` proves its own.
#[test]
fn pgo_139_neighbour_test() {
    assert_eq!(with_neighbour(|_| {}), 0..10);
    assert_eq!(with_neighbour(|sim| sim.page_out(6)), 0..6, "not resident");
    assert_eq!(with_neighbour(|sim| sim.pages[6].busy = true), 0..6);
    assert_eq!(with_neighbour(|sim| sim.pages[6].held = true), 0..6);
    assert_eq!(with_neighbour(|sim| sim.pages[6].dirty = false), 0..6);
    assert_eq!(with_neighbour(|sim| sim.pages[6].queue = None), 0..6, "wired");
    let modified = |sim: &mut Sim| {
        sim.pages[6].dirty = false;
        sim.pages[6].dirty_in_mapping = true;
    };
    assert_eq!(with_neighbour(modified), 0..10, "found modified in a mapping");
}

#[test]
fn pgo_140_w03_active_neighbours() {
    assert_eq!(with_neighbour(|sim| sim.pages[6].queue = Some(Queue::Active)), 0..6);
}

proptest! {
    /// PGO-148: one ascending, contiguous run with the centre in it, all of the object, every other page joinable, no page
    /// asked about twice, and maximal.
    #[test]
    fn pgo_148_ascending_run(center in 0u64..64, size in 1u64..64, p in 1u64..17, bits: u64) {
        prop_assume!(center < size);
        let joins = |i: u64| bits >> i & 1 == 1;
        let mut asked = HashSet::new();
        let mut twice = false;
        let run = build(center, size, p, |i| {
            twice |= !asked.insert(i);
            joins(i)
        });
        prop_assert!(!twice);
        prop_assert!(run.contains(&center) && run.end <= size && run.end - run.start <= p);
        prop_assert!(run.clone().all(|i| i == center || joins(i)));
        if run.end - run.start < p {
            prop_assert!(run.end == size || !joins(run.end));
            prop_assert!(run.start == 0 || !joins(run.start - 1));
        }
    }
}
