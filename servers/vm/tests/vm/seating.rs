// SPDX-License-Identifier: BSD-2-Clause
//! One policy takes over from another: who may do what, who hears what, and what happens when one of the two goes.

use crate::model::World;
use crate::model::policy::Seat;
use crate::model::world::PAGE;
use ebb_abi::meter::Counter;
use ebb_proto::Error;
use ebb_proto::ejection::Cause;
use ebb_proto::vm::{EventKind, Space, Verdict, Want};

/// A program with some pages, and the policy that decides.
fn begun() -> (World, Space, u64, Seat) {
    let mut w = World::with_swap(500, 300);
    let seat = w.scripted_policy();
    let p = w.program();
    let a = w.mmap(p, 40);
    (0..20).for_each(|n| assert!(w.write(p, a + n * PAGE, n)));
    (w, p, a, seat)
}

#[test]
fn the_one_before_decides_until_the_next_is_ready() {
    let (mut w, p, a, seat) = begun();
    let generation = w.count(Counter::policy_generation);
    let next = w.take_seat();
    assert_eq!(w.snapshot(&next).unwrap().len(), 20);
    assert_eq!(w.decide(&seat, Want::Deactivate, p, a), Verdict::Done);
    let right = w.decision(Want::Activate, w.frame(p, a).unwrap());
    assert_eq!(w.decide_raw(&next, 9, &mut [right]), Err(Error::NotPermitted), "it is not its turn");
    assert_eq!((w.count(Counter::policy_generation), w.count(Counter::policy_attached)), (generation, 1));
    w.ready(&next).unwrap();
    assert_eq!(w.decide_raw(&seat, 9, &mut [right]), Err(Error::Superseded));
    assert_eq!(w.snapshot(&seat).err(), Some(Error::Superseded));
    assert_eq!(w.decide(&next, Want::Activate, p, a), Verdict::Done);
    assert_eq!(w.ready(&next), Ok(()), "it is");
    assert_eq!((w.count(Counter::policy_generation), w.count(Counter::policy_attached)), (generation + 1, 1));
    assert_eq!(w.vm.policy.held.1, 20);
    w.check();
}

#[test]
fn both_hear_what_happens_while_the_next_learns() {
    let (mut w, p, a, mut seat) = begun();
    w.events(&mut seat);
    let mut next = w.take_seat();
    assert_eq!(w.snapshot(&next).unwrap().len(), 20);
    assert!(w.write(p, a + 30 * PAGE, 7));
    let heard = w.events(&mut seat);
    assert_eq!(heard.len(), 1);
    assert_eq!(heard[0].0, EventKind::PageIn);
    assert_eq!(w.events(&mut next), heard);
    w.ready(&next).unwrap();
    assert!(w.write(p, a + 31 * PAGE, 7));
    assert_eq!(w.events(&mut next).len(), 1);
    w.check();
}

#[test]
fn a_next_one_that_goes_leaves_the_one_before_as_it_was() {
    let (mut w, p, a, seat) = begun();
    let next = w.take_seat();
    w.end(next.space);
    assert_eq!(w.decide(&seat, Want::Deactivate, p, a), Verdict::Done);
    // One that never becomes ready, and one that breaks its ring, are ejected alone.
    let next = w.take_seat();
    w.pass(8_400);
    let broken = w.take_seat();
    w.break_ring(&broken);
    assert!(w.write(p, a + 30 * PAGE, 7));
    assert_eq!(w.ejected(), [(next.space, Cause::NeverReady), (broken.space, Cause::BrokenRing)]);
    assert_eq!(w.ready(&broken), Err(Error::Superseded));
    assert_eq!(w.decide(&seat, Want::Activate, p, a), Verdict::Done);
    assert_eq!(w.count(Counter::policy_attached), 1);
    w.check();
}

#[test]
fn a_second_next_one_takes_the_place_of_the_first() {
    let (mut w, p, a, seat) = begun();
    let (first, second) = (w.take_seat(), w.take_seat());
    assert_eq!(w.ready(&first), Err(Error::Superseded));
    assert_eq!(w.decide(&seat, Want::Deactivate, p, a), Verdict::Done);
    w.ready(&second).unwrap();
    assert_eq!(w.decide(&second, Want::Activate, p, a), Verdict::Done);
    assert!(w.happenings.is_empty());
    w.check();
}

#[test]
fn if_the_one_before_goes_first_time_without_any_is_told() {
    let (mut w, p, a, seat) = begun();
    let next = w.take_seat();
    w.pass(10);
    w.end(seat.space);
    assert_eq!(w.count(Counter::policy_attached), 0);
    w.pass(30);
    let mut batch = [w.decision(Want::Activate, w.frame(p, a).unwrap())];
    assert_eq!(w.decide_raw(&next, 9, &mut batch), Err(Error::NotPermitted));
    w.ready(&next).unwrap();
    let (held, _, took) = w.vm.policy.held;
    let ms = |cycles| cycles / crate::model::world::MS;
    assert_eq!((ms(held), ms(took)), (30, 40));
    assert_eq!(w.decide(&next, Want::Activate, p, a), Verdict::Done);
    w.check();
}

/// Rings are used again: however often policies are replaced, no more memory goes to them.
#[test]
fn many_replacements_take_no_more_memory_than_two() {
    let (mut w, p, a, _) = begun();
    let rings = |w: &World| w.vm.segments.iter().flatten().count();
    let _second = w.scripted_policy();
    let there = rings(&w);
    for n in 0..20 {
        let seat = w.scripted_policy();
        if n % 5 == 0 {
            w.end(seat.space);
        }
        assert!(w.write(p, a, n));
        assert_eq!(rings(&w), there);
        w.check();
    }
}
