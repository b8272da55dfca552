// SPDX-License-Identifier: BSD-2-Clause
//! Sections 6 and 18, as far as they are about free pages: who may take, who is woken.

use ebb_policy::gate::{Class, Gate, Shortage, Waiter, Wake, WireLimit, Wiring};

/// 262,144 pages: reserved 391, minimum 1700, wake threshold 1870, target 5627.
fn gate(free: u32) -> Gate {
    let mut gate = Gate::new(262_144, 235_929, 0);
    gate.allocate(Class::Interrupt, 235_929 - free, 0).map(drop).unwrap();
    // Taking them may have set "pages needed"; begin without.
    if gate.pages_needed() {
        let mut fresh = Gate::new(262_144, free, 0);
        fresh.set_max_wired(78_643).unwrap();
        return fresh;
    }
    gate
}

fn waiters(gate: &mut Gate, count: u32) {
    for _ in 0..count {
        let _ = gate.wait(Waiter::Client);
    }
}

#[test]
fn pgo_065_waiters_are_woken_from_the_minimum_up() {
    let mut g = gate(1600);
    waiters(&mut g, 3);
    assert_eq!(g.free(99).clients, 0);
    assert_eq!(g.free(1).clients, 3);
    assert_eq!(g.waiting(), 0);
}

#[test]
fn pgo_066_need_ends_at_the_wake_threshold() {
    let mut g = gate(1600);
    waiters(&mut g, 1);
    assert_eq!(g.free(200), Wake { clients: 1, ..Wake::default() });
    assert!(g.pages_needed(), "between minimum and threshold the flag stays");
    let _ = g.free(70);
    assert!(!g.pages_needed());
}

/// W16: no more are woken than there are pages for; need lasts while somebody waits.
#[test]
fn w16_no_wake_without_a_page() {
    let mut g = gate(1000);
    waiters(&mut g, 2000);
    let wake = g.free(870);
    assert_eq!((g.free_count(), wake.clients), (1870, 1870 - 391));
    assert_eq!(g.waiting(), 2000 - wake.clients);
    assert!(g.pages_needed());
    assert_eq!(g.free(600).clients, 2000 - wake.clients);
    assert!(!g.pages_needed());
}

#[test]
fn pgo_073_daemon_is_signalled_once_and_never_by_itself() {
    let mut g = gate(1871);
    assert!(!g.allocate(Class::Normal, 1, 1).unwrap().daemon);
    assert!(!g.allocate(Class::Daemon, 1, 1).unwrap().daemon, "1869 left, but the daemon asked");
    assert!(!g.pages_needed());
    assert!(g.allocate(Class::Normal, 1, 1).unwrap().daemon);
    assert!(!g.allocate(Class::Normal, 1, 1).unwrap().daemon, "it is set already");
}

/// PGO-074: whatever is freed after the wait began wakes the waiter.
#[test]
fn pgo_074_no_wake_is_lost() {
    for freed_first in [0, 1300, 2000] {
        let mut g = gate(391);
        let failed = g.allocate(Class::Normal, 1, 1).unwrap_err();
        assert!(failed.0.daemon);
        // The daemon frees between the failed call and the wait.
        let early = g.free(freed_first);
        assert_eq!(early.clients, 0);
        let woken = g.wait(Waiter::Client).clients + g.settle().clients + g.free(1500).clients;
        assert_eq!((woken, g.waiting()), (1, 0), "freed first: {freed_first}");
    }
}

#[test]
fn pgo_025_wake_threshold_can_be_set() {
    let mut g = gate(600);
    let _ = g.set_wakeup_thresh(500).unwrap();
    assert!(!g.allocate(Class::System, 100, 1).unwrap().daemon);
    assert!(g.allocate(Class::System, 1, 1).unwrap().daemon);
}

#[test]
fn pgo_076_deficit() {
    let mut g = gate(391);
    for hint in [1, 0, 1, 8] {
        assert!(g.allocate(Class::Normal, 1, hint).is_err());
    }
    assert_eq!(g.deficit(), 11);
    assert_eq!(g.take_deficit(), 11);
    assert_eq!(g.take_deficit(), 0);
}

#[test]
fn pgo_233_allocation_classes() {
    for (free, normal, system, interrupt) in
        [(392, true, true, true), (391, false, true, true), (2, false, false, true), (0, false, false, false)]
    {
        for (class, allowed) in [
            (Class::Normal, normal),
            (Class::System, system),
            (Class::Daemon, system),
            (Class::Interrupt, interrupt),
        ] {
            let mut g = gate(free);
            assert_eq!(g.allocate(class, 1, 1).is_ok(), allowed, "{class:?} with {free} free");
            assert_eq!(g.free_count(), free - u32::from(allowed));
        }
    }
    // What is set aside is for servers: kernel objects of programs stop there.
    let mut g = gate(40);
    let _ = g.set_aside(30);
    assert!(g.allocate(Class::Program, 9, 1).is_err());
    assert!(g.allocate(Class::Program, 8, 1).is_ok());
    assert!(g.allocate(Class::Program, 1, 1).is_err(), "32 left");
    assert!(g.allocate(Class::System, 30, 1).is_ok());
    assert!(g.allocate(Class::System, 1, 1).is_err());
    // Several at once: all or none, and nothing wraps.
    let mut g = gate(400);
    assert!(g.allocate(Class::Normal, 10, 1).is_err());
    assert!(g.allocate(Class::Normal, u32::MAX, 1).is_err());
    assert!(g.allocate(Class::Normal, 9, 1).is_ok());
}

#[test]
fn pgo_234_wake_after_success_and_failure() {
    let mut g = gate(1870);
    assert!(g.allocate(Class::Normal, 1, 1).unwrap().daemon, "1869 left");
    let mut g = gate(391);
    assert_eq!(g.allocate(Class::Normal, 1, 1), Err(Shortage(Wake { daemon: true, ..Wake::default() })));
    assert_eq!(g.deficit(), 1);
}

#[test]
fn pgo_235_daemon_waits_apart() {
    let mut g = gate(30);
    let _ = g.wait(Waiter::Daemon);
    assert!(!g.pages_needed(), "the daemon's wait is no need");
    assert!(g.wait(Waiter::Client).daemon);
    assert_eq!(g.free(3), Wake::default());
    assert_eq!(g.free(1), Wake { daemons: true, ..Wake::default() });
    assert_eq!(g.waiting(), 1, "ordinary waiters sleep on");
}

#[test]
fn pgo_236_fault_waiters_come_last() {
    let wake = Wake { clients: 1, ..Wake::default() };
    assert_eq!(wake.split(1, 1), (1, 0));
    assert_eq!(wake.split(0, 1), (0, 1));
    assert_eq!(Wake { clients: 5, ..Wake::default() }.split(3, 9), (3, 2));
}

#[test]
fn programs_wiring_has_a_limit() {
    let mut g = gate(10_000);
    g.set_max_wired(100).unwrap();
    assert_eq!(g.wire(100, Wiring::Program), Ok(()));
    assert_eq!(g.wire(1, Wiring::Program), Err(WireLimit { wired: 100, max: 100 }));
    assert_eq!(g.wire(u32::MAX, Wiring::Program), Err(WireLimit { wired: 100, max: 100 }));
    g.unwire(1, Wiring::Program);
    assert_eq!(g.wire(1, Wiring::Program), Ok(()));
}

#[test]
fn what_the_system_wires_is_counted_but_not_limited() {
    let mut g = gate(10_000);
    g.set_max_wired(100).unwrap();
    assert_eq!(g.wire(150, Wiring::System), Ok(()));
    assert_eq!(g.wire(100, Wiring::Program), Ok(()));
    assert_eq!((g.wire_count(), g.wired_by_programs()), (250, 100));
    assert_eq!(g.wire(1, Wiring::Program), Err(WireLimit { wired: 100, max: 100 }));
    g.unwire(150, Wiring::System);
    assert_eq!((g.wire_count(), g.wired_by_programs()), (100, 100));
    // More than there are: neither takes from the other.
    g.unwire(1, Wiring::System);
    assert_eq!(g.wire(10, Wiring::System), Ok(()));
    g.unwire(150, Wiring::Program);
    assert_eq!((g.wire_count(), g.wired_by_programs()), (10, 0));
}

#[test]
fn dead_waiters_are_not_counted() {
    let mut g = gate(1600);
    waiters(&mut g, 2);
    g.cancel(Waiter::Client);
    assert_eq!(g.free(100).clients, 1);
}
