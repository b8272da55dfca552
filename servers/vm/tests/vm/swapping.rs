// SPDX-License-Identifier: BSD-2-Clause
//! `swapon` and `swapoff`.

use crate::memory::{swap_out, wire};
use crate::model::World;
use crate::model::world::{PAGE, decode};
use ebb_abi::meter::Counter;
use ebb_proto::Error;
use ebb_proto::pager::{Op, Outcome};
use ebb_proto::vm::{self as proto, Advice, INIT, Request, Space, Verdict, Want};

/// A program with so many pages in swap.
fn swapped(w: &mut World, pages: u64) -> (Space, u64) {
    let p = w.program();
    let a = w.mmap(p, pages);
    (0..pages).for_each(|n| assert!(w.write(p, a + n * PAGE, n + 1)));
    swap_out(w, p, a, pages);
    (p, a)
}

#[test]
fn swapon_sets_memory_aside_and_swapoff_gives_it_back() {
    let mut w = World::new(500);
    assert_eq!(w.swap_on(0), Err(Error::Busy), "no pager");
    w.add_disk(0, 50);
    w.attach_pager();
    w.check();
    let wired = w.count(Counter::v_wire_count);
    assert_eq!(w.swap_on(7), Err(Error::Invalid), "no such disk");
    assert_eq!(w.swap_off(0), Err(Error::NotFound));
    assert_eq!(w.swap_on(0), Ok(50));
    assert_eq!(w.swap_on(0), Err(Error::Busy));
    assert_eq!((w.count(Counter::swap_total), w.count(Counter::v_wire_count)), (50, wired + 5));
    assert_eq!(w.swap_off(0), Ok(0));
    // The heap pages stay with the pager, for the next device there.
    assert_eq!((w.count(Counter::swap_total), w.count(Counter::v_wire_count)), (0, wired + 3));
    for _ in 0..20 {
        assert_eq!(w.swap_on(0), Ok(50));
        assert_eq!(w.swap_off(0), Ok(0));
        assert_eq!(w.count(Counter::v_wire_count), wired + 3);
    }
    w.check();
    w.kill_pager(|_| false);
    assert_eq!(w.count(Counter::v_wire_count), wired);
    w.attach_pager();
    assert_eq!(w.swap_on(0), Ok(50));
    w.check();
}

/// That programs, or servers, have wired much is no reason to have no swap.
#[test]
fn pgo_036_a_device_does_not_ask_the_limit_on_wiring() {
    let mut w = World::new(500);
    w.add_disk(0, 50);
    w.attach_pager();
    let wired = w.vm.frames.gate.wire_count();
    let q = w.program();
    let a = w.mmap(q, 2);
    w.vm.frames.gate.set_max_wired(1).unwrap();
    wire(&mut w, q, a, 1).unwrap();
    assert_eq!(w.swap_on(0), Ok(50));
    assert_eq!(w.vm.frames.gate.wire_count(), wired + 1 + 5);
    assert_eq!(wire(&mut w, q, a + PAGE, 1), Err(Error::NoMemory));
    w.check();
    assert_eq!(w.swap_off(0), Ok(0));
    w.end(q);
    w.check();
}

#[test]
fn swapoff_brings_everything_in() {
    let mut w = World::with_swap(500, 100);
    let (p, a) = swapped(&mut w, 40);
    assert_eq!(w.swap_off(0), Ok(40));
    assert_eq!((w.store.copies.len(), w.count(Counter::swap_used)), (0, 0));
    (0..40).for_each(|n| assert!(w.read(p, a + n * PAGE), "page {n} is resident"));
    let seat = w.scripted_policy();
    w.decide(&seat, Want::Deactivate, p, a);
    assert_eq!(w.decide(&seat, Want::Reclaim, p, a), Verdict::Dirty, "memory is the only copy");
    assert_eq!(w.decide(&seat, Want::Launder, p, a), Verdict::NoSpace);
    w.check();
}

#[test]
fn swapoff_without_room_changes_nothing() {
    let mut w = World::with_swap(500, 700);
    let (p, a) = swapped(&mut w, 200);
    let q = w.program();
    let room = (w.vm.frames.gate.free_count() - w.vm.frames.gate.thresholds().free_target) as u64;
    let b = w.mmap(q, room - 10);
    (0..room - 10).for_each(|n| assert!(w.write(q, b + n * PAGE, n)));
    assert_eq!(w.swap_off(0), Err(Error::NoMemory));
    assert_eq!((w.count(Counter::swap_total), w.count(Counter::swap_used)), (700, 200));
    w.end(q);
    w.read(p, a);
    w.pump();
    assert_eq!(w.swap_off(0), Ok(200), "now there is room");
    w.check();
}

/// What is left of a full second device is no room.
#[test]
fn swapoff_counts_only_what_is_free_elsewhere() {
    let mut w = World::with_swap(500, 100);
    w.add_disk(1, 100);
    assert_eq!(w.swap_on(1), Ok(100));
    let (_, _) = swapped(&mut w, 190);
    let q = w.program();
    let room = (w.vm.frames.gate.free_count() - w.vm.frames.gate.thresholds().free_target) as u64;
    let b = w.mmap(q, room);
    (0..room - 20).for_each(|n| assert!(w.write(q, b + n * PAGE, n)));
    assert_eq!(w.swap_off(0), Err(Error::NoMemory));
    assert_eq!(w.count(Counter::swap_total), 200);
    w.check();
}

/// The copies on the device that goes do not fill the other one.
#[test]
fn during_swapoff_pages_are_written_to_the_other_device() {
    let mut w = World::with_swap(500, 150);
    w.add_disk(1, 150);
    assert_eq!(w.swap_on(1), Ok(150));
    let (p, a) = swapped(&mut w, 180);
    let q = w.program();
    let b = w.mmap(q, 3);
    w.write(q, b, 1);
    let seat = w.scripted_policy();
    let (id, _) = w.call(INIT, Request::SwapOff(proto::SwapOff { disk: 0 }));
    w.accept();
    w.completions();
    assert_eq!(w.count(Counter::swap_total), 150);
    assert!(w.count(Counter::swap_used) > 150);
    w.decide(&seat, Want::Deactivate, q, b);
    assert_eq!(w.decide(&seat, Want::Launder, q, b), Verdict::Started);
    assert_eq!(w.wait::<u64>(id, None), Ok(150));
    (0..180).for_each(|n| {
        w.read(p, a + n * PAGE);
        w.pump();
    });
    w.check();
}

#[test]
fn a_page_that_cannot_be_read_keeps_its_device_in_service() {
    let mut w = World::with_swap(500, 100);
    let (p, a) = swapped(&mut w, 4);
    let (id, _) = w.call(INIT, Request::SwapOff(proto::SwapOff { disk: 0 }));
    while w.transfers() == 0 {
        w.completions();
    }
    w.finish(0, Outcome::Error);
    assert_eq!(w.wait::<u64>(id, None), Err(Error::Io));
    assert_eq!(w.count(Counter::swap_total), 100);
    // What could be read is still right; the program whose page is lost learns it when it needs it.
    let mut lost = 0;
    for n in 0..4 {
        w.read(p, a + n * PAGE);
        w.pump();
        if w.refused(p) {
            lost += 1;
            w.programs.get_mut(&p).unwrap().refused = false;
        }
    }
    assert_eq!(lost, 1);
    w.check();
}

/// The pager names a page whose copy was given up and which is being written anew: the new copy must survive.
#[test]
fn swapoff_does_not_free_a_copy_that_is_being_written() {
    let mut w = World::with_swap(500, 100);
    w.add_disk(1, 100);
    let (p, a) = swapped(&mut w, 1);
    assert_eq!(w.swap_on(1), Ok(100));
    let seat = w.scripted_policy();
    let (id, _) = w.call(INIT, Request::SwapOff(proto::SwapOff { disk: 0 }));
    w.accept();
    // Now `Next` is in the ring; behind it the free and the write.
    w.completions();
    let op = proto::Advise { space: p, address: a, pages: 1, advice: Advice::Free };
    w.init::<()>(Request::Advise(op)).unwrap();
    assert!(w.write(p, a, 4242));
    assert_eq!(w.decide(&seat, Want::Launder, p, a), Verdict::Started);
    w.accept();
    w.completions();
    w.accept();
    assert_eq!(w.wait::<u64>(id, None), Ok(0));
    assert_eq!(w.decide(&seat, Want::Reclaim, p, a), Verdict::Done);
    assert!(!w.read(p, a));
    w.pump();
    assert!(w.read(p, a));
    w.check();
}

#[test]
fn the_death_of_the_pager_ends_a_change_and_leaves_the_device_as_it_was() {
    // While a device is being added.
    let mut w = World::with_swap(500, 100);
    w.add_disk(1, 60);
    let free = w.vm.frames.gate.free_count();
    for steps in 0..3 {
        let (id, _) = w.call(INIT, Request::SwapOn(proto::SwapOn { disk: 1 }));
        let second: Result<u64, Error> = w.init(Request::SwapOn(proto::SwapOn { disk: 1 }));
        assert_eq!(second, Err(Error::Busy), "one change at a time");
        for _ in 0..steps {
            w.accept();
            if steps < 2 {
                w.completions();
            }
        }
        w.kill_pager(|_| false);
        assert_eq!(decode::<u64>(w.vm.m.answers.take(id).expect("an answer")), Err(Error::Dead), "{steps}");
        w.attach_pager();
        w.check();
        assert_eq!(w.vm.frames.gate.free_count(), free);
        w.store.disks.get_mut(&1).unwrap().on = false;
    }
    assert_eq!(w.swap_on(1), Ok(60));
    assert_eq!(w.swap_off(1), Ok(0));
    // While one is being removed, at every step.
    let (p, a) = swapped(&mut w, 6);
    for steps in 0..12 {
        let (id, _) = w.call(INIT, Request::SwapOff(proto::SwapOff { disk: 0 }));
        for _ in 0..steps {
            w.accept();
            w.completions();
            if steps % 2 == 0 && w.transfers() > 0 {
                w.finish(0, Outcome::Ok);
            }
        }
        if let Some(answer) = w.vm.m.answers.take(id) {
            assert!(decode::<u64>(answer).is_ok_and(|moved| moved <= 6));
            assert_eq!(w.swap_on(0), Ok(100));
            swap_out(&mut w, p, a, 6);
            continue;
        }
        w.kill_pager(|_| steps % 3 == 0);
        assert_eq!(decode::<u64>(w.vm.m.answers.take(id).expect("an answer")), Err(Error::Dead));
        w.attach_pager();
        w.pump();
        assert_eq!(w.count(Counter::swap_total), 100);
        w.check();
        (0..6).for_each(|n| {
            w.read(p, a + n * PAGE);
            w.pump();
        });
        swap_out(&mut w, p, a, 6);
    }
    assert!(w.swap_off(0).is_ok());
    w.check();
}

/// A pager that is detached while it lives must not reach memory that is used for something else.
#[test]
fn a_detached_pager_has_no_memory_that_is_free() {
    let mut w = World::with_swap(500, 100);
    w.add_disk(1, 60);
    let (id, _) = w.call(INIT, Request::SwapOn(proto::SwapOn { disk: 1 }));
    w.accept();
    w.completions();
    w.init::<()>(Request::PagerDetach(proto::PagerDetach { kind: proto::PagerKind::Swap })).unwrap();
    assert_eq!(decode::<u64>(w.vm.m.answers.take(id).expect("an answer")), Err(Error::Dead));
    let p = w.program();
    w.end(p);
    let old = core::mem::take(&mut w.pager_space);
    w.pager = None;
    w.check();
    w.attach_pager();
    w.store.disks.get_mut(&1).unwrap().on = false;
    assert_eq!(w.swap_on(1), Ok(60));
    w.check();
    w.init::<()>(Request::SpaceFree(proto::SpaceFree { space: old })).unwrap();
    w.check();
}

#[test]
fn a_pager_that_answers_steps_that_nobody_asked_for_does_no_harm() {
    let mut w = World::with_swap(500, 100);
    let (p, a) = swapped(&mut w, 3);
    let (id, _) = w.call(INIT, Request::SwapOff(proto::SwapOff { disk: 0 }));
    w.accept();
    w.completions();
    for op in [Op::SwapOffNext, Op::SwapOffNext] {
        w.pager.as_mut().unwrap().send(&ebb_proto::pager::Completion {
            outcome: Outcome::Ok,
            op,
            cookie: 0,
            frame: 0,
            results: [u64::MAX, u64::MAX],
        });
        w.completions();
    }
    assert!(w.wait::<u64>(id, None).is_ok());
    (0..3).for_each(|n| {
        w.read(p, a + n * PAGE);
        w.pump();
        assert!(w.read(p, a + n * PAGE));
    });
    w.check();
}
