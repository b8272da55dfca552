// SPDX-License-Identifier: BSD-2-Clause
//! Policies: absent, slow, hostile, replaced; who waits for memory and who is woken; what happens when there is none.

use crate::memory::swap_out;
use crate::model::World;
use crate::model::world::{MS, PAGE, decode};
use ebb_abi::meter::Counter;
use ebb_policy::WriteLimit;
use ebb_policy::gate::Class;
use ebb_proto::Error;
use ebb_proto::ejection::Cause;
use ebb_proto::pager::Outcome;
use ebb_proto::vm::{
    self as proto, EventKind, Happening, INIT, PolicyRequest, Request, Source, Space, Verdict, Want,
};
use ebb_vm::page::{Flags, Place};

/// Writes pages one after the other until the program waits; how many it wrote.
fn fill(w: &mut World, p: Space, a: u64, pages: u64) -> u64 {
    (0..pages).find(|n| !w.write(p, a + n * PAGE, n + 1)).unwrap_or(pages)
}

/// A program that waits for memory, and what it has written.
fn short(w: &mut World) -> (Space, u64, u64) {
    let p = w.program();
    let a = w.mmap(p, 600);
    let n = fill(w, p, a, 600);
    assert!(n < 600 && w.stopped(p));
    (p, a, n)
}

fn ask_oom(w: &mut World, seat: &crate::model::policy::Seat) -> Result<(), Error> {
    let (generation, request) = (seat.generation, PolicyRequest::OutOfMemory(1));
    w.ask(seat.space, Request::PolicyAsk(proto::PolicyAsk { generation, request }))
}

fn free_memory(w: &mut World, p: Space, address: u64, pages: u64) {
    let op = proto::Advise { space: p, address, pages, advice: proto::Advice::Free };
    w.init::<()>(Request::Advise(op)).unwrap();
    if let Some(program) = w.programs.get_mut(&p) {
        (0..pages).for_each(|n| {
            program.memory.remove(&(address + n * PAGE));
        });
    }
}

#[test]
fn pgo_233_normal_allocations_stop_at_the_reserve_and_system_ones_go_on() {
    let mut w = World::new(500);
    let seat = w.scripted_policy();
    let (_, _, _) = short(&mut w);
    let t = *w.vm.frames.gate.thresholds();
    assert_eq!(w.vm.frames.gate.free_count(), t.free_reserved);
    // A kernel object is a system allocation.
    assert!(
        w.init::<Space>(Request::SpaceNew(proto::SpaceNew { name: "s".into(), protected: true })).is_ok()
    );
    assert!(w.vm.frames.gate.free_count() < t.free_reserved);
    assert_eq!(w.vm.frames.gate.deficit(), 1, "PGO-234");
    let generation = seat.generation;
    let deficit: u32 = w.ask(seat.space, Request::TakeDeficit(proto::TakeDeficit { generation })).unwrap();
    assert_eq!((deficit, w.count(Counter::vm_pageout_deficit)), (1, 0), "PGO-083");
    w.check();
}

/// Once when it begins, and once more when somebody has to wait for its end: the policy may be asleep since.
#[test]
fn pgo_073_a_shortage_is_told_once() {
    let mut w = World::new(500);
    let mut seat = w.scripted_policy();
    w.events(&mut seat);
    let mut told = |w: &mut World| {
        let events = w.events(&mut seat);
        events.iter().filter(|e| e.0 == EventKind::Shortage).count()
    };
    let p = w.program();
    let a = w.mmap(p, 600);
    let mut n = 0;
    while !w.vm.frames.gate.pages_needed() {
        assert!(w.write(p, a + n * PAGE, n));
        n += 1;
    }
    assert_eq!((told(&mut w), w.count(Counter::vm_pages_needed)), (1, 1));
    while w.vm.frames.gate.free_count() > w.vm.frames.gate.thresholds().free_reserved {
        assert!(w.write(p, a + n * PAGE, n));
        n += 1;
    }
    assert_eq!(told(&mut w), 0);
    assert!(!w.write(p, a + n * PAGE, n));
    assert_eq!(told(&mut w), 1);
    let q = w.program();
    let b = w.mmap(q, 1);
    assert!(!w.write(q, b, 1));
    assert_eq!(told(&mut w), 0);
    w.check();
}

/// PGO-065, PGO-066, PGO-235.
#[test]
fn pgo_065_waiters_are_woken_at_the_minimum_and_need_ends_at_the_threshold() {
    let mut w = World::new(500);
    let _seat = w.scripted_policy();
    let (p, a, _) = short(&mut w);
    let t = *w.vm.frames.gate.thresholds();
    let missing = (t.free_min - t.free_reserved) as u64;
    for n in 0..missing - 1 {
        free_memory(&mut w, p, a + n * PAGE, 1);
        w.run_programs();
        assert!(w.stopped(p), "{} free of {}", w.vm.frames.gate.free_count(), t.free_min);
    }
    free_memory(&mut w, p, a + (missing - 1) * PAGE, 1);
    w.run_programs();
    assert!(!w.stopped(p));
    assert!(w.vm.frames.gate.pages_needed(), "between the minimum and the threshold need goes on");
    free_memory(&mut w, p, a + missing * PAGE, (t.wakeup_thresh - t.free_min + 2) as u64);
    assert!(!w.vm.frames.gate.pages_needed());
    w.check();
}

/// PGO-236.
#[test]
fn pgo_236_other_waiters_get_memory_before_faults() {
    let mut w = World::with_swap(500, 300);
    let q = w.program();
    let b = w.mmap(q, 1);
    w.write(q, b, 9);
    swap_out(&mut w, q, b, 1);
    let _seat = w.scripted_policy();
    let (p, a, _) = short(&mut w);
    let (id, answer) = w.call(INIT, Request::Wire(proto::Wire { space: q, address: b, pages: 1 }));
    assert_eq!(answer, None);
    assert_eq!(w.vm.waiting.for_memory(), 2);
    let t = *w.vm.frames.gate.thresholds();
    // One page above the reserve at a time is what a wake is given.
    let missing = (t.free_min - t.free_reserved) as u64;
    free_memory(&mut w, p, a, missing);
    assert_eq!(w.transfers(), 1, "the wiring reads its page first");
    w.pump();
    assert_eq!(decode::<()>(w.vm.m.answers.take(id).expect("an answer")), Ok(()));
    w.check();
}

#[test]
fn a_fault_is_woken_though_others_end_while_they_wait() {
    let mut w = World::new(500);
    let _seat = w.scripted_policy();
    let (p, a, _) = short(&mut w);
    let others: Vec<Space> = (0..3)
        .map(|_| {
            let q = w.program();
            let b = w.mmap(q, 1);
            assert!(!w.write(q, b, 1));
            q
        })
        .collect();
    assert_eq!(w.vm.frames.gate.waiting(), 4);
    w.end(others[1]);
    assert_eq!(w.vm.frames.gate.waiting() as usize, w.vm.waiting.for_memory());
    free_memory(&mut w, p, a, 40);
    w.run_programs();
    assert!(!w.stopped(p) && !w.stopped(others[0]) && !w.stopped(others[2]));
    w.check();
}

#[test]
fn a_wrong_decision_costs_nothing_but_itself() {
    let mut w = World::with_swap(500, 100);
    let p = w.program();
    let a = w.mmap(p, 2);
    w.write(p, a, 1);
    let seat = w.scripted_policy();
    let frame = w.frame(p, a).unwrap();
    let refused = w.count(Counter::v_refused);
    let right = w.decision(Want::Reclaim, frame);
    let mut batch = [
        right + (1 << 32),
        (1 << 30) - 1,
        w.decision(Want::Reclaim, 0),
        w.decision(Want::Launder, 8),
        w.decision(Want::Reclaim, 9),
        w.decision(Want::Deactivate, 499),
        u64::MAX,
        0,
    ];
    w.decide_raw(&seat, 99, &mut batch).unwrap();
    assert_eq!(batch, [Verdict::Stale as u64; 8]);
    assert_eq!(w.count(Counter::v_refused), refused + 8);
    assert_eq!(w.decide_raw(&seat, 9, &mut [0; 257]), Err(Error::Invalid));
    // Somebody who is not the policy, or no longer.
    let mut batch = [right];
    assert_eq!(w.vm.decide(p, seat.generation, WriteLimit::NONE, &mut batch), Err(Error::Superseded));
    assert_eq!(
        w.vm.decide(seat.space, seat.generation + 1, WriteLimit::NONE, &mut batch),
        Err(Error::Superseded)
    );
    assert_eq!(w.sit_down(p).err(), Some(Error::NotPermitted));
    let next = w.scripted_policy();
    assert_eq!(w.decide_raw(&seat, 9, &mut [right]), Err(Error::Superseded));
    assert_eq!(w.snapshot(&seat).err(), Some(Error::Superseded));
    assert_eq!(ask_oom(&mut w, &seat), Err(Error::Superseded));
    assert_eq!(w.decide(&next, Want::Activate, p, a), Verdict::Done);
    w.check();
}

/// Eight active neighbours: one message makes them inactive and writes them.
#[test]
fn what_goes_in_one_batch_is_written_together() {
    let mut w = World::with_swap(500, 100);
    let p = w.program();
    let a = w.mmap(p, 8);
    (0..8).for_each(|n| assert!(w.write(p, a + n * PAGE, n)));
    let seat = w.scripted_policy();
    let mut batch: Vec<u64> = (0..8)
        .map(|n| {
            let frame = w.frame(p, a + n * PAGE).unwrap();
            w.decision(Want::Launder, frame)
        })
        .collect();
    w.decide_raw(&seat, 1, &mut batch).unwrap();
    assert_eq!(batch[0], Verdict::Started as u64 | 8 << 8);
    assert!(batch[1..].iter().all(|b| *b == Verdict::Busy as u64), "{batch:?}");
    w.check();
}

/// Pages far from each other, so that each is a write of its own.
#[test]
fn no_write_starts_beyond_the_limit() {
    for (operations, pages, expected) in [(0, 9, 0), (9, 0, 0), (2, 9, 2), (9, 3, 3), (9, 9, 5)] {
        let mut w = World::with_swap(500, 300);
        let p = w.program();
        let a = w.mmap(p, 200);
        let places: Vec<u64> = (0..5).map(|n| a + n * 40 * PAGE).collect();
        places.iter().for_each(|at| assert!(w.write(p, *at, 1)));
        let seat = w.scripted_policy();
        let mut batch: Vec<u64> = places
            .iter()
            .map(|at| {
                let frame = w.frame(p, *at).unwrap();
                w.decision(Want::Launder, frame)
            })
            .collect();
        w.decide_limited(&seat, WriteLimit { operations, pages }, &mut batch).unwrap();
        let started = batch.iter().filter(|b| **b & 0xff == Verdict::Started as u64).count();
        assert_eq!(started, expected, "{operations} {pages}");
        let dirty = batch.iter().filter(|b| **b & 0xff == Verdict::Dirty as u64).count();
        assert_eq!(dirty, 5 - expected);
        w.check();
    }
}

#[test]
fn a_snapshot_has_each_pageable_page_with_its_queue() {
    let mut w = World::with_swap(500, 100);
    let p = w.program();
    let a = w.mmap(p, 300);
    (0..300).for_each(|n| assert!(w.write(p, a + n * PAGE, n)));
    let wire = proto::Wire { space: p, address: a + 290 * PAGE, pages: 10 };
    w.init::<()>(Request::Wire(wire)).unwrap();
    let first = w.scripted_policy();
    (0..10).for_each(|n| {
        w.decide(&first, Want::Deactivate, p, a + n * PAGE);
    });
    let seat = w.take_seat();
    let pages = w.snapshot(&seat).unwrap();
    assert_eq!(pages.len(), 290);
    assert!(pages.windows(2).all(|w| w[0].frame < w[1].frame));
    assert_eq!(pages.iter().filter(|r| r.queue == 0).count(), 10);
    assert!(pages.iter().all(|r| w.vm.frames.page(r.frame).generation == r.generation));
    w.ready(&seat).unwrap();
    let (_, handed): (u64, u64) = w.init(Request::PolicyHeld(proto::PolicyHeld {})).unwrap();
    assert_eq!(handed, 290);
    w.check();
}

#[test]
fn lost_events_are_announced_as_soon_as_there_is_room() {
    let mut w = World::new(500);
    let mut seat = w.scripted_policy();
    let p = w.program();
    let a = w.mmap(p, 1);
    for n in 0..1500 {
        w.write(p, a, n);
        free_memory(&mut w, p, a, 1);
    }
    let seen = w.events(&mut seat);
    assert!(seen.len() <= 1024 && seen.iter().all(|e| e.0 != EventKind::Overflow));
    // No page comes or goes; any message will do.
    let generation = seat.generation;
    let _: u32 = w.ask(seat.space, Request::TakeDeficit(proto::TakeDeficit { generation })).unwrap();
    assert_eq!(w.events(&mut seat), [(EventKind::Overflow, 0, 0)]);
    w.write(p, a, 1);
    assert_eq!(w.events(&mut seat).len(), 1, "and then it goes on");
    w.check();
}

#[test]
fn a_policy_that_breaks_its_ring_is_ejected() {
    let mut w = World::new(500);
    let seat = w.scripted_policy();
    w.break_ring(&seat);
    let p = w.program();
    let a = w.mmap(p, 1);
    assert!(w.write(p, a, 1));
    assert_eq!(w.ejected(), [(seat.space, Cause::BrokenRing)]);
    assert_eq!(w.count(Counter::policy_attached), 0);
    w.check();
}

#[test]
fn a_policy_that_is_silent_is_ejected_and_memory_is_reclaimed_without_it() {
    let mut w = World::with_swap(500, 600);
    let seat = w.scripted_policy();
    let (p, a, n) = short(&mut w);
    w.pass(1900);
    assert!(w.happenings.is_empty() && w.stopped(p));
    for _ in 0..40 {
        w.pass(20);
        w.pump();
    }
    assert_eq!(w.ejected(), [(seat.space, Cause::Late)]);
    assert!(!w.stopped(p));
    assert!(w.count(Counter::v_clumsy) > 0 && w.count(Counter::v_ejected) == 1);
    assert_eq!(w.decide_raw(&seat, 9, &mut [0]), Err(Error::Superseded));
    for page in 0..n {
        while !w.read(p, a + page * PAGE) {
            for _ in 0..100 {
                w.pass(5);
                w.pump();
                if !w.stopped(p) {
                    break;
                }
            }
        }
    }
    w.check();
}

#[test]
fn a_policy_that_only_pretends_is_ejected_too() {
    let mut w = World::with_swap(500, 600);
    let seat = w.scripted_policy();
    let (p, a, _) = short(&mut w);
    let mut ms = 0;
    while w.happenings.is_empty() && ms < 60_000 {
        // Busy, punctual, and of no use.
        let _ = w.decide(&seat, if ms % 200 == 0 { Want::Activate } else { Want::Deactivate }, p, a);
        w.pass(100);
        ms += 100;
    }
    assert_eq!(w.ejected(), [(seat.space, Cause::Useless)]);
    assert!(ms >= 16_000, "it had its time: {ms}");
    for _ in 0..40 {
        w.pass(20);
        w.pump();
    }
    assert!(!w.stopped(p));
    w.check();
}

#[test]
fn out_of_memory_ends_the_biggest_program_that_is_no_server() {
    let mut w = World::new(500);
    let server = w.space("server", true);
    w.programs.insert(server, Default::default());
    let s = w.map(server, 0, 200, 3, Source::Anonymous).unwrap();
    assert_eq!(fill(&mut w, server, s, 200), 200);
    let small = w.program();
    let b = w.mmap(small, 10);
    assert_eq!(fill(&mut w, small, b, 10), 10);
    // Many pages, but none that would come back.
    let id: u32 = w.init(Request::SegmentNew(proto::SegmentNew { pages: 40 })).unwrap();
    let shower = w.program();
    for _ in 0..3 {
        w.map(shower, 0, 40, 3, Source::Segment { id, first: 0 }).unwrap();
    }
    let seat = w.scripted_policy();
    assert_eq!(ask_oom(&mut w, &seat), Ok(()));
    assert!(w.happenings.is_empty(), "nobody waits: it cries wolf");
    let big = w.program();
    let a = w.mmap(big, 400);
    let n = fill(&mut w, big, a, 400);
    assert!((20..115).contains(&n), "{n}");
    assert_eq!(ask_oom(&mut w, &seat), Ok(()));
    w.run_programs();
    let Some(Happening::OutOfMemory { space, held, .. }) = w.happenings.first().cloned() else { panic!() };
    assert_eq!((space, held), (big, (n, 0)));
    assert!(w.programs.contains_key(&small) && w.programs.contains_key(&server));
    assert_eq!(w.count(Counter::v_oom_kills), 1);
    w.check();
}

#[test]
fn without_policy_and_swap_the_program_is_ended_and_the_machine_lives() {
    let mut w = World::new(500);
    let (p, _, _) = short(&mut w);
    for _ in 0..100 {
        w.pass(20);
        w.run_programs();
    }
    assert!(matches!(w.happenings[..], [Happening::OutOfMemory { space, .. }] if space == p));
    let q = w.program();
    let b = w.mmap(q, 50);
    assert_eq!(fill(&mut w, q, b, 50), 50);
    w.check();
}

#[test]
fn nobody_is_ended_because_the_pager_is_being_started_again() {
    let mut w = World::with_swap(500, 600);
    let (p, _, _) = short(&mut w);
    w.pump();
    let seat = w.scripted_policy();
    w.kill_pager(|_| false);
    let (q, b) = (w.program(), 0);
    let b = w.try_mmap(q, b, 500).unwrap();
    fill(&mut w, q, b, 500);
    w.pass(1500);
    assert_eq!(ask_oom(&mut w, &seat), Ok(()));
    w.init::<()>(Request::SpaceFree(proto::SpaceFree { space: seat.space })).unwrap();
    w.pass(5000);
    assert!(w.happenings.iter().all(|h| !matches!(h, Happening::OutOfMemory { .. })), "{:?}", w.happenings);
    w.attach_pager();
    for _ in 0..60 {
        w.pass(20);
        w.pump();
    }
    assert!(!w.stopped(p) && !w.stopped(q));
    w.check();
}

/// A policy that cries wolf ends nobody as long as there is a page that could go, and a place for it.
#[test]
fn nobody_is_ended_while_pages_could_go() {
    let mut w = World::with_swap(500, 600);
    let seat = w.scripted_policy();
    let (p, a, n) = short(&mut w);
    let refused = w.count(Counter::v_refused);
    assert_eq!(ask_oom(&mut w, &seat), Ok(()));
    assert!(w.happenings.is_empty() && w.count(Counter::v_refused) == refused + 1);
    // Somebody else has made the writes fail: then it may be right.
    w.write_refused(&seat, p, a);
    assert_eq!(ask_oom(&mut w, &seat), Ok(()));
    w.run_programs();
    assert!(
        matches!(w.happenings[..], [Happening::OutOfMemory { held, .. }] if held.0 == n),
        "{:?}",
        w.happenings
    );
    w.check();
}

/// What the policy has seen while nothing could be written is no reason to end somebody when it can be again.
#[test]
fn nobody_is_ended_because_the_pager_has_just_come_back() {
    let mut w = World::with_swap(500, 600);
    let (p, a, _) = short(&mut w);
    w.pump();
    let seat = w.scripted_policy();
    w.kill_pager(|_| false);
    let q = w.program();
    let b = w.try_mmap(q, 0, 500).unwrap();
    fill(&mut w, q, b, 500);
    w.pass(500);
    w.attach_pager();
    w.write_refused(&seat, p, a);
    w.pass(500);
    assert_eq!(ask_oom(&mut w, &seat), Ok(()));
    assert!(w.happenings.is_empty(), "{:?}", w.happenings);
    assert!(w.vm.spaces.get(p).is_some() && w.vm.spaces.get(q).is_some());
    // It has had its time, and nothing came of it.
    w.pass(600);
    assert_eq!(ask_oom(&mut w, &seat), Ok(()));
    assert!(matches!(w.happenings[..], [Happening::OutOfMemory { .. }]), "{:?}", w.happenings);
}

/// Whatever programs ask the kernel for, there is enough left to start a pager.
#[test]
fn what_is_set_aside_for_servers_is_not_had_by_programs() {
    let mut w = World::with_swap(500, 600);
    let aside = 30;
    w.init::<()>(Request::SetAside(proto::SetAside { pages: aside })).unwrap();
    let p = w.program();
    w.start(p);
    w.mmap(p, 1);
    w.kill_pager(|_| false);
    // What the dead one had is kept for its successor too.
    let aside = w.vm.frames.gate.aside().max(aside);
    let mut taken = Vec::new();
    while w.vm.frames.gate.free_count() > aside + 20 {
        taken.extend(w.vm.frames.allocate(Class::Interrupt, Place::Own, 0, 0));
    }
    let thread = |number: u32| {
        let stack = ebb_abi::layout::stack_top(number as u64) - 8;
        Request::ThreadNew(proto::ThreadNew { number, entry: 0x20_1000, stack, argument: 0 })
    };
    let mut threads = 0;
    let refused = loop {
        match w.ask::<u32>(p, thread(threads + 1)) {
            Ok(_) => threads += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused, Error::NoMemory);
    let mut spaces = Vec::new();
    let space = || Request::SpaceNew(proto::SpaceNew { name: "p".into(), protected: false });
    while let Ok(space) = w.init::<Space>(space()) {
        spaces.push(space);
    }
    assert_eq!(w.fork(p), Err(Error::NoMemory));
    let left = w.vm.frames.gate.free_count();
    assert!(threads > 1 && left >= aside, "{left} left");
    w.attach_pager();
    taken.into_iter().for_each(|frame| w.vm.frames.free(frame));
    spaces.into_iter().for_each(|space| w.end(space));
    w.settle();
    w.check();
}

#[test]
fn if_the_pager_never_comes_back_somebody_is_ended() {
    let mut w = World::with_swap(500, 600);
    w.kill_pager(|_| false);
    short(&mut w);
    w.pass(20_000);
    assert!(w.happenings.iter().any(|h| matches!(h, Happening::OutOfMemory { .. })));
}

/// Between the look at a page and its mapping other things are settled; the page must not be reclaimed by them.
#[test]
fn a_page_that_a_fault_found_is_not_reclaimed_before_it_is_entered() {
    let mut w = World::with_swap(500, 600);
    let p = w.program();
    let a = w.mmap(p, 1);
    w.write(p, a, 5);
    swap_out(&mut w, p, a, 1);
    w.read(p, a);
    w.pump();
    // Clean, not mapped, not used: what the clumsy reclaim takes first.
    let frame = w.frame(p, a).unwrap();
    let op = proto::Protect { space: p, address: a, pages: 1, protection: 0 };
    w.init::<()>(Request::Protect(op)).unwrap();
    let op = proto::Protect { space: p, address: a, pages: 1, protection: 3 };
    w.init::<()>(Request::Protect(op)).unwrap();
    w.forget_use(frame);
    let q = w.program();
    let b = w.mmap(q, 600);
    fill(&mut w, q, b, 600);
    // It is due now, and its hand stands at that frame.
    w.vm.m.clock += 1000 * MS;
    w.vm.clumsy_due = 0;
    w.vm.hand = frame;
    assert!(w.write(p, a, 6));
    assert_eq!(w.frame(p, a), Some(frame));
    w.check();
    // Nor is it written out before: its mapping will be writable.
    let op = proto::Protect { space: p, address: a, pages: 1, protection: 0 };
    w.init::<()>(Request::Protect(op)).unwrap();
    let op = proto::Protect { space: p, address: a, pages: 1, protection: 3 };
    w.init::<()>(Request::Protect(op)).unwrap();
    w.forget_use(frame);
    w.vm.clumsy_due = 0;
    w.vm.m.clock += 1000 * MS;
    w.vm.hand = frame;
    assert!(w.write(p, a, 7));
    assert!(!w.flags(p, a).contains(Flags::WRITING));
    w.pump();
    w.check();
}

#[test]
fn the_real_policies_carry_a_program_twice_the_size_of_memory() {
    for name in ebb_policy::NAMES {
        let mut w = World::with_swap(400, 900);
        w.attach_policy(name);
        let p = w.program();
        let a = w.mmap(p, 600);
        let mut ms = 0;
        for round in 0..3u64 {
            for n in 0..600 {
                let at = a + (n * 7 % 600) * PAGE;
                let write = (n + round) % 3 != 0;
                let done = if write { w.write(p, at, round << 32 | n) } else { w.read(p, at) };
                while !done && w.stopped(p) {
                    w.run_policy();
                    w.pump();
                    w.pass(2);
                    ms += 2;
                    assert!(ms < 200_000, "{name}: {:?}", w.vm.m.log);
                }
                assert!(!w.refused(p));
            }
        }
        assert!(w.count(Counter::v_swappgsout) > 600 && w.count(Counter::v_swappgsin) > 600, "{name}");
        assert_eq!((w.count(Counter::v_clumsy), w.count(Counter::v_ejected)), (0, 0), "{name}");
        assert!(w.policy.is_some());
        w.check();
    }
}

#[test]
fn policies_are_replaced_under_load() {
    let mut w = World::with_swap(400, 900);
    let p = w.program();
    let a = w.mmap(p, 600);
    for n in 0..1200u64 {
        if n % 97 == 0 {
            w.kill_policy();
        }
        if n % 97 == 5 {
            w.attach_policy(ebb_policy::NAMES[n as usize / 97 % 2]);
        }
        let done = w.write(p, a + (n * 11 % 600) * PAGE, n);
        for _ in 0..2000 {
            if done || !w.stopped(p) {
                break;
            }
            w.run_policy();
            w.pump();
            w.pass(2);
        }
        assert!(!w.stopped(p) && !w.refused(p), "{n}");
    }
    assert!(w.happenings.is_empty());
    w.check();
}

#[test]
fn a_failed_read_for_a_program_that_ended_frees_its_frame() {
    let mut w = World::with_swap(500, 100);
    let p = w.program();
    let a = w.mmap(p, 1);
    w.write(p, a, 1);
    swap_out(&mut w, p, a, 1);
    w.read(p, a);
    assert_eq!(w.transfers(), 1);
    w.end(p);
    w.finish(0, Outcome::Error);
    w.pump();
    assert!(w.happenings.is_empty());
    w.check();
}

#[test]
fn with_a_real_policy_and_no_swap_the_program_is_ended() {
    for name in ebb_policy::NAMES {
        for pager in [false, true] {
            let mut w = World::new(500);
            if pager {
                w.attach_pager();
            }
            w.attach_policy(name);
            let (p, _, _) = short(&mut w);
            let mut ms = 0;
            while w.programs.contains_key(&p) && ms < 60_000 {
                w.run_policy();
                w.pass(100);
                w.run_programs();
                ms += 100;
            }
            assert!(!w.programs.contains_key(&p), "{name}");
            let ended: Vec<bool> =
                w.happenings.iter().map(|h| matches!(h, Happening::OutOfMemory { .. })).collect();
            assert_eq!(ended, [true], "{name}: {:?}", w.happenings);
            w.check();
        }
    }
}
