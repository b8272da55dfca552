// SPDX-License-Identifier: BSD-2-Clause
//! What the kernel needs of a thread: two frames, its own and that of its message buffer, instead of a u-area. They are there before it starts, no policy has
//! them, they come back at once, and none of it shows in a map.

use crate::model::World;
use crate::model::reply::Answer;
use crate::model::world::PAGE;
use ebb_abi::meter::Counter;
use ebb_abi::thread::ThreadOp;
use ebb_proto::Error;
use ebb_proto::vm::{self as proto, Protection, Request, Source, Space, Verdict, Want};
use ebb_vm::page::{Flags, Place};

fn program(w: &mut World) -> Space {
    let space = w.program();
    w.start(space);
    let first = thread(w, space, 1);
    end(w, space, 1);
    assert!(first.is_ok(), "tables for the buffers are there after it");
    space
}

fn thread(w: &mut World, space: Space, number: u32) -> Result<u32, Error> {
    let stack = ebb_abi::layout::stack_top(number as u64 % 16) - 8;
    w.ask(space, Request::ThreadNew(proto::ThreadNew { number, entry: 0x20_1000, stack, argument: 7 }))
}

/// Frames that the kernel has on behalf of a space.
fn kernels(w: &World, space: Space) -> Vec<u32> {
    let is = |f: &u32| {
        let page = w.vm.frames.page(*f);
        page.place == Place::Kernel && page.object == space
    };
    (0..w.vm.frames.nr_frames()).filter(is).collect()
}

fn end(w: &mut World, space: Space, number: u32) {
    let (id, answer) = w.call(space, Request::ThreadExit(proto::ThreadExit { number }));
    assert_eq!(answer.or_else(|| w.vm.m.answers.take(id)), Some(Answer::Dead));
    w.ask::<()>(space, Request::ThreadJoin(proto::ThreadJoin { number })).expect("it has ended");
}

fn free(w: &World) -> u32 {
    w.vm.frames.gate.free_count()
}

fn regions(w: &World, space: Space) -> usize {
    w.vm.spaces.get(space).expect("a space").map.iter().count()
}

#[test]
fn prs_049_prs_053_prs_058_prs_059_prs_068_its_frames_are_there_before_it_starts_and_stay() {
    let mut w = World::with_swap(300, 100);
    let p = program(&mut w);
    let had = kernels(&w, p);
    let (before, told) = (w.vm.spaces.get(p).unwrap().kernel_frames, w.vm.m.controlled.len());
    thread(&mut w, p, 1).expect("a thread");
    assert_eq!(w.vm.spaces.get(p).unwrap().kernel_frames - before, 2, "its own, and its buffer's");
    let made: Vec<u32> = kernels(&w, p).into_iter().filter(|f| !had.contains(f)).collect();
    assert_eq!(made.len(), 2);
    assert!(made.iter().all(|f| !w.vm.frames.page(*f).flags.intersects(Flags::QUEUED)));
    // The kernel is told of both by the one call that makes the thread, and starts it last.
    let starts = w.vm.m.controlled[told..].iter().filter(|(_, op, _)| *op == ThreadOp::Start).count();
    assert_eq!((starts, w.vm.m.controlled.last().map(|(_, op, _)| *op)), (1, Some(ThreadOp::Start)));
    // Whatever a policy says of it.
    let seat = w.scripted_policy();
    for (frame, want) in made.iter().zip([Want::Reclaim, Want::Launder]) {
        let mut batch = [w.decision(want, *frame)];
        w.decide_raw(&seat, u32::MAX, &mut batch).expect("a batch");
        assert_ne!(Verdict::from_raw(batch[0] & 0xff), Verdict::Done, "{want:?}");
    }
    assert!(made.iter().all(|f| kernels(&w, p).contains(f)));
    w.check();
}

#[test]
fn prs_050_prs_062_prs_066_prs_069_prs_070_prs_076_w24_nothing_is_kept_of_threads_that_have_ended() {
    let mut w = World::new(300);
    let p = program(&mut w);
    let wired = w.count(Counter::v_wire_count);
    for round in 0..4 {
        let before = free(&w);
        for number in 1..=10 {
            thread(&mut w, p, number).expect("a thread");
        }
        // Two each and one for its notification. The first time there are tables for their buffers too; handles in the program's table may take a frame or two.
        let made = before - free(&w);
        assert!(round == 0 || (30..=33).contains(&made), "{made}");
        for number in 1..=10 {
            let before = free(&w);
            end(&mut w, p, number);
            assert_eq!(free(&w), before + 3, "at once");
        }
        let join = Request::ThreadJoin(proto::ThreadJoin { number: 10 });
        assert_eq!(w.ask::<()>(p, join), Err(Error::NotFound), "nothing names it");
        assert_eq!(w.count(Counter::v_wire_count), wired);
        assert!(round == 0 || before - free(&w) <= 3, "only room for handles is kept");
    }
    w.check();
}

#[test]
fn prs_051_a_thousand_threads_leave_the_map_as_it_was() {
    let mut w = World::new(900);
    let p = program(&mut w);
    let before = regions(&w, p);
    for _ in 0..1000 {
        thread(&mut w, p, 1).expect("a thread");
        assert_eq!(regions(&w, p), before);
        end(&mut w, p, 1);
    }
    assert_eq!(regions(&w, p), before);
    w.check();
}

#[test]
fn prs_045_who_shares_a_space_is_one_thread_more_in_it() {
    let mut w = World::new(300);
    let p = program(&mut w);
    let a = w.mmap(p, 2);
    assert!(w.write(p, a, 1));
    let (spaces, map) = (w.vm.spaces.iter().count(), regions(&w, p));
    thread(&mut w, p, 1).expect("a thread");
    assert_eq!((w.vm.spaces.iter().count(), regions(&w, p)), (spaces, map), "no space and no copy is made");
    // It stays while one of them ends, and goes with the first.
    end(&mut w, p, 1);
    assert!(w.read(p, a) && w.vm.spaces.get(p).is_some());
    w.end(p);
    assert!(w.vm.spaces.get(p).is_none());
    w.check();
}

#[test]
fn prs_012_the_number_of_free_pages_is_that_of_pages_nobody_has() {
    let mut w = World::new(300);
    let p = program(&mut w);
    for pages in [1, 20, 7] {
        let a = w.mmap(p, pages);
        (0..pages).for_each(|n| assert!(w.write(p, a + n * PAGE, n)));
        let nobodys = (0..300).filter(|f| w.vm.frames.page(*f).place == Place::Free).count();
        assert_eq!((w.count(Counter::v_free_count), free(&w) as usize), (nobodys as u64, nobodys));
        assert!(nobodys < 300);
    }
}

#[test]
fn prs_w04_the_last_page_of_a_space_can_be_wired() {
    let mut w = World::new(300);
    let p = program(&mut w);
    let last = ebb_abi::layout::MMAP_END - PAGE;
    let protection = (Protection::READ | Protection::WRITE).bits();
    let map = proto::Map { space: 0, address: last, pages: 1, protection, source: Source::Anonymous };
    assert_eq!(w.ask::<u64>(p, Request::Map(map)), Ok(last));
    let wired = w.count(Counter::v_wire_count);
    let (id, answer) = w.call(p, Request::Wire(proto::Wire { space: 0, address: last, pages: 1 }));
    assert_eq!(w.wait::<()>(id, answer), Ok(()));
    assert_eq!(w.count(Counter::v_wire_count), wired + 1);
    // One more would be beyond its end, and wires nothing.
    for (address, pages) in [(last, 2), (last + PAGE, 1), (u64::MAX - PAGE + 1, 1), (last, u64::MAX)] {
        let (id, answer) = w.call(p, Request::Wire(proto::Wire { space: 0, address, pages }));
        assert!(w.wait::<()>(id, answer).is_err(), "{address:#x} {pages}");
    }
    assert_eq!(w.count(Counter::v_wire_count), wired + 1);
    let unwire = Request::Unwire(proto::Unwire { space: 0, address: last, pages: 1 });
    assert_eq!(w.ask::<()>(p, unwire), Ok(()));
    assert_eq!(w.count(Counter::v_wire_count), wired);
    w.check();
}
