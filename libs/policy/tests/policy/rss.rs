// SPDX-License-Identifier: BSD-2-Clause
//! Sections 15 and 16: the pure rules of resident-set trimming, and swap-out requests.

use ebb_policy::rss::{
    Aged, MAX_PASSES, Move, age, allowance, another_pass, biggest, limit, references, trimmed, unmap_all,
};
use ebb_policy::swapout_request::{IDLE, NORMAL, Signal, SwapoutRequests};

#[test]
fn pgo_183_stop() {
    let mut resident = 10;
    let mut unmapped = 0;
    while !trimmed(resident, 7) {
        resident -= 1;
        unmapped += 1;
    }
    assert_eq!(unmapped, 3);
}

#[test]
fn pgo_185_shadowed_objects() {
    assert_eq!(age(true, 1, 0, true), Aged { act_count: 0, unmap: false, to: Move::Requeue });
}

#[test]
fn pgo_187_references() {
    assert_eq!(references(3, true), 3);
    assert_eq!(references(0, true), 1);
    assert_eq!(references(0, false), 0);
}

#[test]
fn pgo_188_inactive_used() {
    assert_eq!(age(false, 0, 2, false), Aged { act_count: 7, unmap: false, to: Move::Activate });
    assert_eq!(age(false, 60, 255, false).act_count, 64, "W30");
}

#[test]
fn pgo_189_active_idle() {
    assert_eq!(age(true, 1, 0, false), Aged { act_count: 0, unmap: true, to: Move::Deactivate });
    assert_eq!(age(true, 0, 0, false), Aged { act_count: 0, unmap: true, to: Move::Deactivate });
    assert_eq!(age(true, 2, 0, false), Aged { act_count: 1, unmap: false, to: Move::Requeue });
}

#[test]
fn pgo_190_active_used() {
    for (before, after) in [(60, 63), (61, 61), (2, 8), (64, 64)] {
        assert_eq!(age(true, before, 1, false), Aged { act_count: after, unmap: false, to: Move::Requeue });
    }
}

#[test]
fn pgo_191_inactive_idle() {
    assert_eq!(age(false, 3, 0, false), Aged { act_count: 3, unmap: true, to: Move::Stay });
}

#[test]
fn pgo_193_biggest_first() {
    assert_eq!(
        biggest([(10, 0, true), (50, 1, true), (50, 0, true), (70, 2, true), (90, 0, false)]),
        Some(1)
    );
    assert_eq!(biggest([(70, 2, true)]), None);
}

#[test]
fn pgo_196_full_unmap() {
    assert!(unmap_all(0, false));
    assert!(!unmap_all(0, true));
    assert!(!unmap_all(1, false));
}

#[test]
fn pgo_204_pgo_205_limit() {
    assert_eq!(limit((10 << 20) + 1, u64::MAX, true), 2560);
    assert_eq!(limit(u64::MAX, 4096, true), 1);
    assert_eq!(limit(u64::MAX, u64::MAX, false), 0);
}

#[test]
fn pgo_207_trim() {
    assert!(!trimmed(3000, 2560));
    assert!(trimmed(2560, 2560), "at the limit there is nothing to do");
}

#[test]
fn pgo_209_no_more_than_a_quarter() {
    for pass in 1..=8 {
        assert_eq!(allowance(1000, 100, pass), Some(750));
    }
    assert_eq!(allowance(1000, 100, 9), Some(100));
    assert_eq!(allowance(1000, 900, 1), Some(900));
    assert_eq!(allowance(1000, 1000, 1), None);
}

#[test]
fn pgo_210_pgo_211_passes() {
    let mut pass = 1;
    while another_pass(pass, true) {
        pass += 1;
    }
    assert_eq!((pass, MAX_PASSES), (11, 11));
}

/// PGO-212 with W20: an offender that is satisfied costs no more passes.
#[test]
fn pgo_212_w20_offenders_are_forgotten() {
    assert!(another_pass(1, true));
    assert!(!another_pass(2, false));
}

const SECOND: u64 = 1_000_000;

#[test]
fn pgo_019_request_bits() {
    assert_eq!((NORMAL, IDLE), (1, 2));
    let mut r = SwapoutRequests::new();
    let _ = r.request(NORMAL, 0);
    let _ = r.request(IDLE, 0);
    assert_eq!(r.take(), 3);
    let _ = r.request(0xff, 0);
    assert_eq!(r.take(), 3, "nothing but the two");
}

#[test]
fn pgo_197_signals_are_a_second_apart() {
    let mut r = SwapoutRequests::new();
    let start = 10 * SECOND;
    assert_eq!(r.request(NORMAL, start), Signal::Now);
    for later in [0, SECOND / 2, SECOND] {
        assert_eq!(r.request(NORMAL, start + later), Signal::At(start + SECOND + 1));
    }
    assert_eq!(r.request(NORMAL, start + SECOND + 1), Signal::Now);
    assert_eq!(r.request(NORMAL, 5), Signal::Now, "the clock went back");
    // The signal before the first counts as given at time 0.
    assert_eq!(SwapoutRequests::new().request(NORMAL, SECOND), Signal::At(SECOND + 1));
}

/// PGO-198 and PGO-200 with W18: bits without a signal are served by the next, and that comes of itself.
#[test]
fn pgo_198_pgo_200_w18_bits_do_not_stay_behind() {
    let mut r = SwapoutRequests::new();
    let start = 10 * SECOND;
    assert_eq!(r.request(NORMAL, start), Signal::Now);
    let Signal::At(timer) = r.request(IDLE, start + SECOND / 2) else { panic!("signalled too early") };
    assert_eq!(r.expired(timer), Some(Signal::Now));
    assert_eq!(r.take(), 3);
    assert_eq!(r.take(), 0);
    // Served meanwhile: the timer finds nothing to do.
    assert_eq!(r.expired(timer + 10 * SECOND), None);
}
