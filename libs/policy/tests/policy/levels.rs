// SPDX-License-Identifier: BSD-2-Clause
//! Sections 3 and 4: thresholds and predicates.

use ebb_policy::machine::OomReason;
use ebb_policy::{Queue, Thresholds, TunableError};

/// The worked table of the specification: pages, P, pageout_free_min, free_reserved, free_min, free_severe, free_target,
/// inactive_target, wakeup_thresh, max_wired. The wake threshold is ours (W10), not the seed's.
const WORKED: [[u32; 10]; 9] = [
    [1000, 8, 34, 43, 47, 45, 59, 88, 51, 300],
    [1024, 8, 34, 43, 47, 45, 59, 88, 51, 307],
    [1224, 8, 34, 43, 48, 45, 63, 94, 52, 367],
    [1999, 8, 34, 44, 52, 48, 76, 114, 57, 599],
    [2000, 16, 34, 52, 60, 56, 84, 126, 66, 600],
    [16384, 16, 34, 71, 151, 111, 391, 586, 166, 4915],
    [65536, 16, 34, 135, 461, 298, 1439, 2158, 507, 19660],
    [262_144, 16, 34, 391, 1700, 1045, 5627, 8440, 1870, 78643],
    [1_048_576, 16, 34, 1415, 6656, 4035, 22379, 33568, 7321, 314_572],
];

fn of(pages: u32) -> Thresholds {
    Thresholds::compute(pages, (u64::from(pages) * 9 / 10) as u32, 0)
}

#[test]
fn pgo_037_worked_table() {
    for row in WORKED {
        let t = of(row[0]);
        let got = [
            row[0],
            t.cluster,
            t.pageout_free_min,
            t.free_reserved,
            t.free_min,
            t.free_severe,
            t.free_target,
            t.inactive_target,
            t.wakeup_thresh,
            t.max_wired,
        ];
        assert_eq!(got, row);
    }
}

#[test]
fn pgo_010_pgo_038_cluster_size() {
    assert_eq!(of(1999).cluster, 8);
    assert_eq!(of(2000).cluster, 16);
}

#[test]
fn pgo_039_interrupt_reserve() {
    assert_eq!(of(1000).interrupt_free_min, 2);
    assert_eq!(of(1 << 24).interrupt_free_min, 2);
}

#[test]
fn pgo_040_base_minimum() {
    // The minimum less the reserve that was added to it.
    for (pages, base) in [(1024, 4), (1224, 5), (262_144, 1309)] {
        assert_eq!(of(pages).free_min - of(pages).free_reserved, base);
    }
}

#[test]
fn pgo_041_pageout_free_min() {
    assert_eq!(of(262_144).pageout_free_min, 34);
}

#[test]
fn pgo_042_free_reserved() {
    assert_eq!(of(262_144).free_reserved, 16 + 34 + 341);
}

#[test]
fn pgo_043_free_severe() {
    assert_eq!(of(262_144).free_severe, 654 + 391);
}

#[test]
fn pgo_044_free_target() {
    assert_eq!(of(262_144).free_target, 5236 + 391);
}

#[test]
fn pgo_045_free_min() {
    assert_eq!(of(262_144).free_min, 1700);
}

#[test]
fn pgo_046_inactive_target() {
    assert_eq!(Thresholds::compute(262_144, 12_000, 0).inactive_target, 4000);
    assert_eq!(Thresholds::compute(262_144, 235_929, 0).inactive_target, 8440);
}

/// PGO-047 with W10: never at or below the minimum, else 10 % above it, the division taken last.
#[test]
fn pgo_047_w10_wake_threshold() {
    assert_eq!(of(262_144).wakeup_thresh, 1870);
    assert_eq!((of(1000).free_min, of(1000).wakeup_thresh), (47, 51));
    for pages in (1..20_000).chain([1 << 24, u32::MAX]) {
        let t = of(pages);
        assert!(t.wakeup_thresh > t.free_min, "{pages} pages: {t:?}");
        assert_eq!(t.wakeup_thresh, (t.free_min + 1).max(t.free_min * 11 / 10));
    }
}

#[test]
fn pgo_036_pgo_049_max_wired() {
    assert_eq!(Thresholds::compute(100_000, 90_000, 0).max_wired, 30_000);
    assert_eq!(Thresholds::compute(100_000, 90_000, 5).max_wired, 5);
    assert_eq!(Thresholds::compute(100_000, 90_000, 1234).max_wired, 1234);
}

#[test]
fn pgo_050_order_of_thresholds() {
    let sizes = (1000..40_000).chain((40_000..=16 << 20).step_by(9973)).chain([16 << 20]);
    for pages in sizes {
        let t = of(pages);
        let ordered = t.interrupt_free_min < t.pageout_free_min
            && t.pageout_free_min < t.free_reserved
            && t.free_reserved < t.free_severe
            && t.free_severe <= t.free_min
            && t.free_min < t.free_target;
        assert!(ordered, "{pages} pages: {t:?}");
    }
}

#[test]
fn pgo_051_severe() {
    let t = of(262_144);
    assert_eq!((t.count_severe(1044), t.count_severe(1045)), (true, false));
}

#[test]
fn pgo_052_minimum() {
    let t = of(262_144);
    assert_eq!((t.count_min(1699), t.count_min(1700)), (true, false));
}

#[test]
fn pgo_053_target() {
    let t = of(262_144);
    assert_eq!((t.count_target(5626), t.count_target(5627)), (true, false));
}

#[test]
fn pgo_054_distance_to_target() {
    let t = of(262_144);
    assert_eq!((t.paging_target(6000), t.paging_target(5000)), (-373, 627));
    assert_eq!(t.paging_target(u32::MAX), 5627 - i64::from(u32::MAX));
}

#[test]
fn pgo_055_paging_needed() {
    let t = of(262_144);
    assert_eq!((t.paging_needed(1869), t.paging_needed(1870)), (true, false));
}

#[test]
fn w09_levels_are_validated() {
    let mut t = of(262_144);
    let refused = Err(TunableError::OutOfRange { min: 392, max: 262_144 });
    for bad in [i64::MIN, -1, 0, 391, 262_145, i64::MAX] {
        assert_eq!(t.set_wakeup_thresh(bad, 262_144), refused);
    }
    assert_eq!(t.wakeup_thresh, 1870);
    assert_eq!(t.set_wakeup_thresh(392, 262_144), Ok(()));
    assert_eq!(t.wakeup_thresh, 392);
    assert!(t.set_max_wired(0, 262_144).is_err());
    assert_eq!(t.set_max_wired(262_144, 262_144), Ok(()));
}

/// PGO-001's and PGO-018's numbers.
#[test]
fn pgo_018_reason_codes() {
    assert_eq!((OomReason::Memory as u8, OomReason::SwapMetadata as u8), (1, 2));
    assert_eq!((Queue::Inactive as u8, Queue::Active as u8), (0, 1));
}
