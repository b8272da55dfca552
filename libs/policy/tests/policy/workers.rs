// SPDX-License-Identifier: BSD-2-Clause
//! Sections 5 to 7: the worker loop, its passes, shortage, drains and sleeps.

use ebb_policy::{Event, NAMES, Policy, Queue, Request, Sleep, by_name};

use crate::Bench;

const NO_SLEEP: Sleep = Sleep { max_us: 0, laundered: 0 };
const HALF_A_SECOND: Sleep = Sleep { max_us: 500_000, laundered: 0 };
const A_SECOND: Sleep = Sleep { max_us: 1_000_000, laundered: 0 };

#[test]
fn pgo_063_the_worker_never_ends() {
    for name in NAMES {
        let mut policy = by_name(name, 16).unwrap();
        assert_eq!(policy.name(), *name);
        let mut b = Bench::inactive(16, 8);
        for i in 0..10_000u64 {
            b.sim.now_us += 1_000_000;
            b.sim.meter.pages_needed = i % 3 == 0;
            policy.run(&mut b.sim);
        }
        assert_eq!(policy.stats().scans, 10_000);
    }
    assert!(by_name("lru", 16).is_none());
    assert!(by_name("", 16).is_none());
}

#[test]
fn pgo_067_pgo_068_pgo_069_sleeps() {
    for name in NAMES {
        let mut policy = by_name(name, 4).unwrap();
        let mut b = Bench::new(4);
        assert_eq!(policy.run(&mut b.sim), A_SECOND, "{name}: idle");
        b.need(1);
        assert_eq!(policy.run(&mut b.sim), NO_SLEEP, "{name}: pass 1 ended in need: again at once");
        for _ in 0..3 {
            assert_eq!(policy.run(&mut b.sim), HALF_A_SECOND, "{name}: pass 2 and above");
        }
        b.sim.meter.pages_needed = false;
        assert_eq!(policy.run(&mut b.sim), A_SECOND);
    }
}

/// PGO-068: better than the seed, writes that are over end the sleep.
#[test]
fn sleep_ends_when_writes_are_over() {
    for (dirty, laundered) in [(10, 10), (100, 50), (50, 32), (400, 200)] {
        let mut b = Bench::inactive(500, dirty);
        b.dirty(0..dirty);
        b.reach(1);
        b.need(1000);
        let sleep = b.policy.run(&mut b.sim);
        assert_eq!(sleep, Sleep { max_us: 500_000, laundered });
    }
}

#[test]
fn pgo_070_passes() {
    let mut b = Bench::new(4);
    let mut passes = Vec::new();
    for needed in [true, true, true, true, false, true, false, false] {
        b.sim.meter.pages_needed = needed;
        b.policy.run(&mut b.sim);
        passes.push(b.policy.stats().pass);
    }
    assert_eq!(passes, [1, 2, 3, 4, 0, 1, 0, 0]);
}

#[test]
fn pgo_071_idle_scans() {
    let mut b = Bench::new(4);
    let mut elapsed_us = 0;
    while elapsed_us < 10_000_000 {
        elapsed_us += b.policy.run(&mut b.sim).max_us;
    }
    assert_eq!((b.policy.stats().scans, b.policy.stats().pass), (10, 0));
}

#[test]
fn pgo_072_wakeups() {
    let mut b = Bench::new(4);
    b.need(1);
    for _ in 0..3 {
        b.sim.events.push_back(Event::Shortage);
    }
    b.policy.run(&mut b.sim);
    assert_eq!(b.policy.stats().v_pdwakeups, 1);
    b.idle();
    assert_eq!(b.policy.stats().v_pdwakeups, 1);
}

#[test]
fn pgo_075_one_flag() {
    // Two workers on one machine: when the flag is gone, both go to pass 0.
    let (mut a, mut b) = (by_name("freebsd", 4).unwrap(), by_name("fifo", 4).unwrap());
    let mut bench = Bench::new(4);
    bench.need(1);
    for policy in [&mut a, &mut b] {
        policy.run(&mut bench.sim);
        assert_eq!(policy.stats().pass, 1);
    }
    bench.sim.meter.pages_needed = false;
    for policy in [&mut a, &mut b] {
        policy.run(&mut bench.sim);
        assert_eq!(policy.stats().pass, 0);
    }
}

fn drains(b: &Bench) -> usize {
    b.sim.requests().iter().filter(|r| **r == Request::LowMemory).count()
}

#[test]
fn pgo_028_pgo_080_low_memory_drains() {
    let mut b = Bench::new(4);
    for (second, pass, expected) in [(11, 0, 0), (9, 1, 0), (10, 1, 1), (19, 1, 1), (20, 1, 2)] {
        b.sim.now_us = second * 1_000_000;
        b.sim.meter.pages_needed = pass > 0;
        b.policy.run(&mut b.sim);
        assert_eq!(drains(&b), expected, "second {second}, pass {pass}");
    }
    // The spacing can be set.
    b.sim.tunables.lowmem_period_s = 3;
    for (second, expected) in [(22, 2), (23, 3)] {
        b.sim.now_us = second * 1_000_000;
        b.policy.run(&mut b.sim);
        assert_eq!(drains(&b), expected);
    }
}

#[test]
fn pgo_081_pgo_082_handlers_before_caches() {
    let mut b = Bench::new(4);
    b.sim.now_us = 10_000_000;
    b.run(1);
    assert_eq!(b.sim.requests(), [Request::LowMemory, Request::CacheReclaim]);
    assert_eq!(b.policy.stats().lowmem_scans, 1);
}

#[test]
fn pgo_083_deficit() {
    let mut b = Bench::inactive(1000, 900);
    b.sim.deficit = 11;
    b.idle();
    assert_eq!(b.sim.deficit, 11, "pass 0 leaves it");
    b.sim.meter.free_count = 5000;
    b.sim.meter.pages_needed = true;
    b.policy.run(&mut b.sim);
    assert_eq!((b.freed().len(), b.sim.deficit), (638, 0));
}

/// A page that came in while the policy was not running is known before its scan begins.
#[test]
fn events_come_before_the_scan() {
    let mut b = Bench::new(4);
    b.reach(1);
    b.add(0..1, Queue::Inactive);
    b.run(1);
    assert_eq!(b.freed(), [0]);
}

/// PGO-068, better than the seed: while pages age, nothing is being written and somebody waits, the next scan follows at once, and such scans
/// do not count towards the end of memory; nobody waiting, the half second stands.
#[test]
fn pgo_068_no_sleep_while_pages_age_and_somebody_waits() {
    let mut b = Bench::new(400);
    b.add(0..300, Queue::Active);
    b.need(50);
    // Four scans below do count: one more would be the end of a program.
    b.sim.tunables.pageout_oom_seq = 5;
    assert_eq!(b.policy.run(&mut b.sim), NO_SLEEP, "pass 1");
    assert_eq!(b.policy.run(&mut b.sim), HALF_A_SECOND, "nobody waits");
    b.sim.meter.oldest_wait_us = 1;
    for page in b.sim.pages.iter_mut() {
        page.refs = 1;
    }
    assert_eq!(b.policy.run(&mut b.sim), HALF_A_SECOND, "all in use: nothing ages");
    let mut scans = 0;
    while b.policy.stats().inactive_count == 0 {
        assert_eq!(b.policy.run(&mut b.sim), NO_SLEEP);
        scans += 1;
        assert!(scans < 70, "counts are at most 64");
    }
    assert!(scans > 3);
    assert_eq!(b.policy.stats().oom_requests, 0, "no time has passed in which anything could get better");
}
