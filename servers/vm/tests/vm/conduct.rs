// SPDX-License-Identifier: BSD-2-Clause
//! Policies that misbehave in other ways than by being late: what finds each, what is told of it, and that a right one is never taken for one.

use crate::model::World;
use crate::model::policy::Seat;
use crate::model::world::{MS, PAGE};
use ebb_abi::meter::Counter;
use ebb_proto::Error;
use ebb_proto::ejection::{Cause, Ejection};
use ebb_proto::vm::{self as proto, Happening, Request, Verdict, Want};

fn report(w: &World) -> Ejection {
    match w.happenings.as_slice() {
        [Happening::PolicyEjected { ejection, .. }] => *ejection,
        other => panic!("{other:?}"),
    }
}

/// So many decisions on pages that are not there.
fn wrong(w: &mut World, seat: &Seat, count: usize) -> Result<(), Error> {
    w.decide_raw(seat, 9, &mut vec![u64::MAX; count])
}

fn deficit(w: &mut World, seat: &Seat) -> Result<u32, Error> {
    let generation = seat.generation;
    w.ask(seat.space, Request::TakeDeficit(proto::TakeDeficit { generation }))
}

#[test]
fn a_policy_that_names_wrong_pages_for_a_deadline_is_ejected() {
    let mut w = World::new(500);
    let seat = w.scripted_policy();
    for _ in 0..4 {
        wrong(&mut w, &seat, 256).unwrap();
    }
    w.pass(1_900);
    assert!(w.happenings.is_empty(), "it may have lost events");
    w.pass(400);
    assert_eq!(w.ejected(), [(seat.space, Cause::WrongPages)]);
    let e = report(&w);
    assert_eq!((e.decisions, e.fruitful, e.wrong, e.calls), (1024, 0, (1024, 1024), 5));
    assert_eq!(e.last, Some((u64::MAX, Verdict::Stale as u8)));
    assert!((2_000..2_400).contains(&e.after_ms), "{e}");
    assert_eq!(wrong(&mut w, &seat, 1), Err(Error::Superseded));
    assert_eq!(w.count(Counter::v_ejected), 1);
    w.check();
}

#[test]
fn a_right_decision_makes_wrong_ones_good() {
    let mut w = World::with_swap(500, 100);
    let p = w.program();
    let a = w.mmap(p, 1);
    w.write(p, a, 1);
    let seat = w.scripted_policy();
    for _ in 0..20 {
        for _ in 0..8 {
            wrong(&mut w, &seat, 256).unwrap();
        }
        assert_eq!(w.decide(&seat, Want::Deactivate, p, a), Verdict::Done);
        w.pass(1_000);
    }
    // Fewer than are too many, for ever.
    wrong(&mut w, &seat, 256).unwrap();
    w.pass(100_000);
    assert!(w.happenings.is_empty());
    w.check();
}

#[test]
fn a_policy_that_computes_without_end_is_ejected_though_nobody_needs_it() {
    let mut w = World::new(500);
    let seat = w.scripted_policy();
    w.pass(60_000);
    w.policy_rests(seat.space, false);
    w.pass(1_900);
    w.policy_rests(seat.space, true);
    w.pass(300);
    w.policy_rests(seat.space, false);
    w.pass(1_900);
    assert!(w.happenings.is_empty(), "it rested");
    w.pass(600);
    assert_eq!(w.ejected(), [(seat.space, Cause::Endless)]);
    w.check();
}

#[test]
fn a_policy_that_calls_without_end_is_ejected() {
    let mut w = World::new(500);
    let seat = w.scripted_policy();
    w.policy_rests(seat.space, false);
    let mut ms = 0;
    while w.happenings.is_empty() && ms < 10_000 {
        // It is found between two of its calls.
        let _ = deficit(&mut w, &seat);
        w.pass(1);
        ms += 1;
    }
    assert_eq!(w.ejected(), [(seat.space, Cause::Flood)]);
    assert!((2_000..2_600).contains(&ms), "{ms}");
    assert!(report(&w).calls > 2_000);
    w.check();
}

/// Memory is short for as long as it takes, and the policy helps all the time.
#[test]
fn a_policy_that_works_hard_is_not_restless() {
    let mut w = World::with_swap(500, 600);
    let p = w.program();
    let a = w.mmap(p, 600);
    let seat = w.scripted_policy();
    w.policy_rests(seat.space, false);
    let begun = w.vm.m.clock;
    for n in 0..600u64 {
        let done = w.write(p, a + n * PAGE, n);
        while !done && w.stopped(p) {
            let old = (0..n).find_map(|m| w.frame(p, a + m * PAGE)).expect("a resident page");
            // Written first, freed when it is clean.
            let mut batch = [w.decision(Want::Launder, old)];
            w.decide_raw(&seat, 99, &mut batch).unwrap();
            w.pump();
            w.pass(500);
        }
    }
    assert!(w.vm.m.clock - begun > 60_000 * MS, "for many deadlines");
    assert!(w.happenings.is_empty());
    w.check();
}

#[test]
fn a_policy_that_never_becomes_ready_is_ejected() {
    let mut w = World::new(500);
    let seat = w.take_seat();
    w.pass(7_900);
    assert!(w.happenings.is_empty());
    w.pass(400);
    assert_eq!(w.ejected(), [(seat.space, Cause::NeverReady)]);
    assert_eq!(w.ready(&seat), Err(Error::Superseded));
    let next = w.scripted_policy();
    w.pass(20_000);
    assert!(deficit(&mut w, &next).is_ok());
    w.check();
}
