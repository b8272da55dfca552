// SPDX-License-Identifier: BSD-2-Clause
//! Managers of spaces: what they may do, and what becomes of their spaces when they die.

use crate::model::World;
use ebb_abi::Handle;
use ebb_abi::thread::ThreadOp;
use ebb_proto::Error;
use ebb_proto::vm::{self as proto, HAPPENING_BIT, Happening, INIT, Protection, Request, Source, Space};

const EXCEPTIONS: Handle = Handle(70);
const NOTIFICATION: Handle = Handle(71);

fn start(space: Space) -> Request {
    Request::Start(proto::Start { space, entry: 0x20_0000, stack: 0x7fff_0000, argument: 0, priority: 5 })
}

/// A server that manages spaces, started.
fn manager(w: &mut World) -> Space {
    let space = w.space("proc", true);
    let (_, answer) = w.call_with(INIT, Request::Manage(proto::Manage { space }), EXCEPTIONS);
    assert!(!matches!(answer, Some(crate::model::reply::Answer::Error(_))), "{answer:?}");
    w.call_with(INIT, start(space), NOTIFICATION);
    space
}

fn space_new(w: &mut World, caller: Space, protected: bool) -> Result<Space, Error> {
    w.ask(caller, Request::SpaceNew(proto::SpaceNew { name: "child".into(), protected }))
}

fn happenings(w: &mut World, caller: Space) -> Vec<Happening> {
    w.ask(caller, Request::TakeEvents(proto::TakeEvents {})).expect("events")
}

#[test]
fn a_manager_does_with_its_own_spaces_what_init_does_and_with_no_others() {
    let mut w = World::new(400);
    let m = manager(&mut w);
    let stranger = w.program();
    assert_eq!(space_new(&mut w, stranger, false), Err(Error::NotPermitted));
    assert_eq!(space_new(&mut w, m, true), Err(Error::NotPermitted), "servers are init's");
    let child = space_new(&mut w, m, false).expect("a space");
    let protection = (Protection::READ | Protection::WRITE).bits();
    let map = |space, source| Request::Map(proto::Map { space, address: 0, pages: 1, protection, source });
    let give = |space| Request::HandleGive(proto::HandleGive { space, rights: 1, badge: 0 });
    let read = |space| Request::ReadMemory(proto::ReadMemory { space, address: 0x20_0000, bytes: 8 });
    for source in [Source::Anonymous, Source::Wired] {
        assert!(w.ask::<u64>(m, map(child, source)).is_ok());
        assert_eq!(w.ask::<u64>(m, map(stranger, source)), Err(Error::NotPermitted));
    }
    assert!(w.ask::<u32>(m, give(child)).is_ok());
    assert!(w.ask::<Vec<u8>>(m, read(child)).is_ok());
    assert_eq!(w.ask::<()>(m, start(child)), Ok(()));
    assert_eq!(w.ask::<u32>(m, give(stranger)), Err(Error::NotPermitted));
    assert_eq!(w.ask::<Vec<u8>>(m, read(stranger)), Err(Error::NotPermitted));
    assert_eq!(w.ask::<()>(m, start(stranger)), Err(Error::NotPermitted));
    let free = |space| Request::SpaceFree(proto::SpaceFree { space });
    for other in [stranger, m, INIT] {
        assert!(w.ask::<()>(m, free(other)).is_err(), "{other}");
    }
    assert_eq!(w.ask::<()>(m, free(child + 1)), Err(Error::NotFound));
    assert_eq!(w.ask::<()>(m, free(child)), Ok(()));
    // And nobody makes himself one.
    let manage = Request::Manage(proto::Manage { space: stranger });
    assert_eq!(w.ask::<()>(stranger, manage), Err(Error::NotPermitted));
    w.check();
}

#[test]
fn a_manager_hears_of_its_spaces_and_the_next_one_has_those_of_a_dead_one() {
    let mut w = World::new(400);
    let m = manager(&mut w);
    let child = space_new(&mut w, m, false).expect("a space");
    let stranger = w.program();
    let lost = |space| Happening::PageLost { space, address: 0x1000 };
    w.vm.m.signals.clear();
    w.vm.happened_to(child, lost(child));
    assert!(w.vm.m.signals.contains(&(NOTIFICATION, HAPPENING_BIT)));
    w.vm.happened_to(stranger, lost(stranger));
    assert_eq!(happenings(&mut w, m), [lost(child)]);
    assert_eq!(w.happenings, [lost(stranger)]);
    // It dies. What happens meanwhile is kept for the next one.
    w.end(m);
    assert!(w.vm.m.closed.contains(&EXCEPTIONS) && w.vm.m.closed.contains(&NOTIFICATION));
    w.vm.happened_to(child, lost(child));
    let next = manager(&mut w);
    assert_eq!(happenings(&mut w, next), [lost(child)]);
    assert_eq!(w.ask::<()>(next, Request::SpaceFree(proto::SpaceFree { space: child })), Ok(()));
    w.check();
}

#[test]
fn a_manager_is_made_before_it_is_started_and_once() {
    let mut w = World::new(400);
    let m = manager(&mut w);
    let again = |space| Request::Manage(proto::Manage { space });
    assert_eq!(w.init::<()>(again(m)), Err(Error::Exists));
    assert_eq!(w.init::<()>(again(INIT)), Err(Error::Exists));
    assert_eq!(w.init::<()>(again(999)), Err(Error::NotFound));
    w.check();
}

fn object_of(w: &World) -> usize {
    w.vm.m.nr_objects()
}

#[test]
fn what_is_made_for_a_space_goes_with_it() {
    let mut w = World::new(400);
    let m = manager(&mut w);
    let before = (object_of(&w), w.vm.frames.gate.free_count());
    let child = space_new(&mut w, m, false).expect("a space");
    let signal = Request::Signal(proto::Signal { space: child, bits: 1 });
    assert_eq!(w.ask::<()>(m, signal.clone()), Err(Error::NotFound));
    let notification = Request::NotificationGive(proto::NotificationGive { space: child });
    let there = w.ask::<u32>(m, notification.clone()).expect("a notification");
    assert_ne!(there, 0);
    assert_eq!(w.ask::<u32>(m, notification.clone()), Err(Error::Exists));
    let endpoint = Request::EndpointGive(proto::EndpointGive { space: child });
    assert!(w.ask::<u32>(m, endpoint.clone()).is_ok());
    assert_eq!(w.ask::<u32>(m, endpoint), Err(Error::Exists));
    w.vm.m.signals.clear();
    assert_eq!(w.ask::<()>(m, signal), Ok(()));
    assert_eq!(w.vm.m.signals.len(), 1);
    // The first thread is bound to it.
    assert_eq!(w.ask::<()>(m, start(child)), Ok(()));
    let bound = |(_, op, argument): &(Handle, ThreadOp, u64)| {
        *op == ThreadOp::Bind && w.vm.m.signals[0].0.0 as u64 == *argument
    };
    assert!(w.vm.m.controlled.iter().any(bound));
    let stranger = w.program();
    for op in [
        Request::NotificationGive(proto::NotificationGive { space: stranger }),
        Request::EndpointGive(proto::EndpointGive { space: stranger }),
        Request::Signal(proto::Signal { space: stranger, bits: 1 }),
        Request::Halt(proto::Halt { space: stranger, halted: true }),
        Request::SetPriority(proto::SetPriority { space: stranger, priority: 1 }),
    ] {
        assert_eq!(w.ask::<u32>(m, op), Err(Error::NotPermitted));
    }
    w.end(stranger);
    assert_eq!(w.ask::<()>(m, Request::SpaceFree(proto::SpaceFree { space: child })), Ok(()));
    assert_eq!((object_of(&w), w.vm.frames.gate.free_count()), before);
    w.check();
}

#[test]
fn temporary_segments_go_with_their_last_mapping_or_with_their_maker() {
    let mut w = World::new(400);
    let m = manager(&mut w);
    let stranger = w.program();
    let new = Request::SegmentTemporary(proto::SegmentTemporary { pages: 3 });
    assert_eq!(w.ask::<u32>(stranger, new.clone()), Err(Error::NotPermitted));
    let child = space_new(&mut w, m, false).expect("a space");
    // As a start information: written here, read there.
    let free = w.vm.frames.gate.free_count();
    let id = w.ask::<u32>(m, new.clone()).expect("a segment");
    let map = |space, address| {
        let source = Source::Segment { id, first: 0 };
        Request::Map(proto::Map { space, address, pages: 3, protection: 3, source })
    };
    let (here, there) = (ebb_abi::layout::SEGMENTS, 0x30_0000);
    w.ask::<u64>(m, map(0, here)).expect("mapped");
    w.ask::<u64>(m, map(child, there)).expect("mapped");
    w.ask::<()>(m, Request::Unmap(proto::Unmap { space: 0, address: here, pages: 3 })).expect("unmapped");
    assert!(w.vm.segments[id as usize].is_some());
    w.end(child);
    assert!(w.vm.segments[id as usize].is_none());
    // One that was never mapped goes with who made it; one that a program has stays until that ends.
    let (lost, child) =
        (w.ask::<u32>(m, new.clone()).expect("a segment"), space_new(&mut w, m, false).expect("a space"));
    let kept = w.ask::<u32>(m, new).expect("a segment");
    let source = Source::Segment { id: kept, first: 0 };
    let map = proto::Map { space: child, address: there, pages: 3, protection: 1, source };
    w.ask::<u64>(m, Request::Map(map)).expect("mapped");
    w.end(m);
    assert!(w.vm.segments[lost as usize].is_none() && w.vm.segments[kept as usize].is_some());
    w.end(child);
    assert!(w.vm.segments[kept as usize].is_none());
    assert!(w.vm.frames.gate.free_count() >= free);
    w.check();
}

#[test]
fn all_threads_of_a_space_are_held_and_those_that_come_later() {
    let mut w = World::new(400);
    let m = manager(&mut w);
    let child = space_new(&mut w, m, false).expect("a space");
    assert_eq!(w.ask::<()>(m, start(child)), Ok(()));
    let thread = |number| {
        let stack = ebb_abi::layout::stack_top(number as u64) - 8;
        Request::ThreadNew(proto::ThreadNew { number, entry: 0x20_0000, stack, argument: 0 })
    };
    assert!(w.ask::<u32>(child, thread(1)).is_ok());
    let counted = |w: &World, op, argument| {
        w.vm.m.controlled.iter().filter(|(_, o, a)| (*o, *a) == (op, argument)).count()
    };
    w.vm.m.controlled.clear();
    let halt = |halted| Request::Halt(proto::Halt { space: child, halted });
    assert_eq!(w.ask::<()>(m, halt(true)), Ok(()));
    assert_eq!(counted(&w, ThreadOp::Hold, 1), 2);
    assert!(w.ask::<u32>(child, thread(2)).is_ok());
    assert_eq!(counted(&w, ThreadOp::Hold, 1), 3);
    assert_eq!(w.ask::<()>(m, halt(false)), Ok(()));
    assert_eq!(counted(&w, ThreadOp::Hold, 0), 3);
    let priority = |priority| Request::SetPriority(proto::SetPriority { space: child, priority });
    assert_eq!(w.ask::<()>(m, priority(8)), Err(Error::Invalid));
    assert_eq!(w.ask::<()>(m, priority(1)), Ok(()));
    assert_eq!(counted(&w, ThreadOp::Priority, 1), 3);
    assert!(w.ask::<u32>(child, thread(3)).is_ok());
    assert_eq!(counted(&w, ThreadOp::Priority, 1), 4);
    w.check();
}

#[test]
fn a_manager_gives_each_program_its_kit_in_one_order() {
    let mut w = World::new(400);
    let m = manager(&mut w);
    let (stranger, child) = (w.program(), space_new(&mut w, m, false).expect("a space"));
    let add = || Request::KitAdd(proto::KitAdd {});
    let equip = |space| Request::Equip(proto::Equip { space });
    let decode = |answer: Option<crate::model::reply::Answer>| {
        crate::model::world::decode::<()>(answer.expect("an answer at once"))
    };
    assert_eq!(w.ask::<()>(m, add()), Err(Error::Invalid), "no handle");
    for caller in [stranger, INIT] {
        let answer = w.call_with(caller, add(), Handle(79)).1;
        assert_eq!(decode(answer), Err(Error::NotPermitted));
    }
    for n in 0..proto::MAX_KIT as u32 {
        let answer = w.call_with(m, add(), Handle(80 + n)).1;
        assert_eq!(decode(answer), Ok(()));
    }
    let answer = w.call_with(m, add(), Handle(99)).1;
    assert_eq!(decode(answer), Err(Error::NoMemory));
    assert_eq!(w.ask::<Vec<u32>>(m, equip(stranger)), Err(Error::NotPermitted));
    let numbers: Vec<u32> = w.ask(m, equip(child)).expect("a kit");
    assert_eq!(numbers.len(), proto::MAX_KIT + 1);
    assert!(numbers.windows(2).all(|n| n[0] != n[1]));
    assert_eq!(w.ask::<Vec<u32>>(m, equip(child)), Err(Error::Exists), "it has a notification");
    w.end(m);
    assert_eq!(w.ask::<()>(INIT, Request::SpaceFree(proto::SpaceFree { space: child })), Ok(()));
    w.check();
}
