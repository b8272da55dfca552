// SPDX-License-Identifier: BSD-2-Clause
//! Memory in front of a pager's devices, and the pager's replacement in order.

use crate::memory::swap_out;
use crate::model::World;
use crate::model::world::PAGE;
use ebb_proto::Error;
use ebb_proto::pager::{CHUNK_PAGES, FRONT, Outcome};
use ebb_proto::vm::{self as proto, PagerKind, Request, Retiring, Space};

const CHUNK: u64 = CHUNK_PAGES * PAGE;

/// A program with pages, and a pager that would like memory.
fn setting() -> (World, Space, u64) {
    let mut w = World::with_swap(1000, 400);
    w.store.wants_memory = true;
    let p = w.program();
    let a = w.mmap(p, 32);
    (0..32).for_each(|n| assert!(w.write(p, a + n * PAGE, n + 1)));
    (w, p, a)
}

fn retire(w: &mut World) -> Result<Retiring, Error> {
    let said = w.init(Request::PagerRetire(proto::PagerRetire {}));
    w.pump();
    said
}

fn seal(w: &mut World) -> Result<bool, Error> {
    w.init(Request::PagerSeal(proto::PagerSeal {}))
}

fn mapped(w: &World, address: u64) -> bool {
    let task = w.vm.spaces.get(w.pager_space).expect("the pager").task;
    w.vm.m.pte(task, address).is_some()
}

/// As much as it asks for, up to a fifth of the machine, while there is plenty; the next instance finds it.
#[test]
fn a_pager_that_asks_gets_memory_that_outlives_it() {
    let (mut w, p, a) = setting();
    assert!(w.store.chunks.is_empty(), "nothing is given unasked");
    swap_out(&mut w, p, a, 32);
    let given = w.store.chunks.clone();
    // 200 of 1000 frames: three chunks of 64.
    assert_eq!(given, [FRONT, FRONT + CHUNK, FRONT + 2 * CHUNK]);
    assert!(given.iter().all(|at| mapped(&w, *at) && mapped(&w, *at + CHUNK - PAGE)));
    w.check();
    w.kill_pager(|_| false);
    w.attach_pager();
    w.pump();
    assert!(given.iter().all(|at| mapped(&w, *at)));
    (0..32).for_each(|n| {
        w.read(p, a + n * PAGE);
        w.pump();
    });
    swap_out(&mut w, p, a, 32);
    assert_eq!(w.store.chunks, given, "and it is never more");
    w.check();
}

/// What programs need is not given to a pager.
#[test]
fn a_pager_gets_nothing_while_memory_is_short() {
    let (mut w, p, a) = setting();
    let q = w.program();
    let free = w.vm.frames.gate.free_count() as u64 - w.vm.frames.gate.thresholds().free_min as u64;
    let pages = free - CHUNK_PAGES / 2;
    let b = w.mmap(q, pages);
    (0..pages).for_each(|n| assert!(w.write(q, b + n * PAGE, n)));
    let seat = w.scripted_policy();
    for n in 0..8 {
        w.decide(&seat, proto::Want::Launder, p, a + n * PAGE);
    }
    w.pump();
    assert!(w.store.chunks.is_empty());
    w.check();
}

/// From the moment that it says so nothing lies there any more, and the memory is free when it is gone; before that it is kept.
#[test]
fn a_retired_pagers_memory_is_given_back() {
    let (mut w, p, a) = setting();
    let before = w.vm.frames.gate.free_count();
    swap_out(&mut w, p, a, 32);
    w.store.retiring = Some((Outcome::Again, [7, 0]));
    assert_eq!(retire(&mut w), Ok(Retiring::UnderWay(None)));
    assert_eq!(retire(&mut w), Ok(Retiring::UnderWay(Some(7))));
    w.store.retiring = Some((Outcome::Error, [5, 5]));
    retire(&mut w).unwrap();
    assert_eq!(retire(&mut w), Ok(Retiring::Failed(5)));
    w.init::<()>(Request::PagerResume(proto::PagerResume {})).unwrap();
    w.pump();
    w.kill_pager(|_| false);
    w.attach_pager();
    w.pump();
    assert!(mapped(&w, FRONT), "it was not done");
    w.store.retiring = None;
    retire(&mut w).unwrap();
    assert_eq!(retire(&mut w), Ok(Retiring::Done));
    w.check();
    w.store.wants_memory = false;
    w.kill_pager(|_| false);
    w.attach_pager();
    w.pump();
    assert!(!mapped(&w, FRONT));
    // The 32 pages are in swap.
    assert!(w.vm.frames.gate.free_count() >= before + 16);
    w.check();
}

/// While it retires it gets no more.
#[test]
fn a_retiring_pager_gets_no_memory() {
    let (mut w, p, a) = setting();
    w.store.retiring = Some((Outcome::Again, [7, 0]));
    retire(&mut w).unwrap();
    swap_out(&mut w, p, a, 32);
    assert!(w.store.chunks.is_empty());
    w.kill_pager(|_| false);
    assert_eq!(retire(&mut w), Err(Error::Dead));
    assert_eq!(seal(&mut w), Err(Error::Dead));
}

/// What is under way ends, nothing more is begun, and the next instance gets what waits.
#[test]
fn a_sealed_pager_is_asked_for_nothing_more() {
    let (mut w, p, a) = setting();
    swap_out(&mut w, p, a, 16);
    assert!(!w.read(p, a));
    w.accept();
    assert_eq!(seal(&mut w), Ok(false));
    let q = w.program();
    let b = w.mmap(q, 1);
    assert!(w.write(q, b, 77));
    w.pump();
    assert!(!w.stopped(p), "what was under way has ended");
    assert_eq!(seal(&mut w), Ok(true));
    // The scripted pager complains of anything that is submitted now.
    assert!(!w.read(p, a + 3 * PAGE));
    let op = proto::Advise { space: p, address: a + 5 * PAGE, pages: 1, advice: proto::Advice::Free };
    w.init::<()>(Request::Advise(op)).unwrap();
    w.programs.get_mut(&p).unwrap().memory.remove(&(a + 5 * PAGE));
    w.accept();
    w.pass(3);
    assert!(w.stopped(p));
    let held = || Request::PagerHeld(proto::PagerHeld { kind: PagerKind::Swap });
    assert_eq!(w.init::<u64>(held()), Err(Error::Busy));
    w.kill_pager(|_| false);
    w.pass(2);
    w.attach_pager();
    w.pump();
    assert!(!w.stopped(p));
    assert_eq!(w.init::<u64>(held()), Ok(5 * crate::model::world::MS), "from the seal on");
    w.check();
    for n in 0..16 {
        w.read(p, a + n * PAGE);
        w.pump();
    }
    w.check();
}

/// It is the business of `init` alone.
#[test]
fn only_init_replaces_pagers() {
    let (mut w, p, _) = setting();
    for request in [
        Request::PagerRetire(proto::PagerRetire {}),
        Request::PagerResume(proto::PagerResume {}),
        Request::PagerSeal(proto::PagerSeal {}),
    ] {
        let (_, answer) = w.call(p, request);
        let error = crate::model::world::decode::<bool>(answer.expect("at once")).err();
        assert_eq!(error, Some(Error::NotPermitted));
    }
}
