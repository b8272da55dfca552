// SPDX-License-Identifier: BSD-2-Clause
//! Programs swapped out whole: what goes, what comes back, what may come between.

use crate::memory::swap_out as page_out;
use crate::model::World;
use crate::model::world::PAGE;
use ebb_abi::Handle;
use ebb_abi::layout::{MESSAGE_BUFFER, PARKED, stack_top};
use ebb_abi::meter::Counter;
use ebb_abi::thread::{Registers, State, ThreadOp};
use ebb_policy::gate::Class;
use ebb_proto::Error;
use ebb_proto::pager::Outcome;
use ebb_proto::vm::{self as proto, Activity, Doing, Happening, INIT, Place, Request, Space};
use ebb_vm::page::{Flags, Place as FramePlace};
use ebb_vm::parking::KICK_BITS;

const ENTRY: u64 = 0x20_1000;

pub fn out(w: &mut World, space: Space) -> Result<u64, Error> {
    w.init(Request::SwapOut(proto::SwapOut { space }))
}

pub fn come(w: &mut World, space: Space) -> Result<(), Error> {
    w.init(Request::SwapIn(proto::SwapIn { space }))
}

fn activity(w: &mut World, space: Space) -> Activity {
    let all: Vec<Activity> =
        w.init(Request::Activities(proto::Activities { from: space })).expect("activities");
    all.into_iter().find(|a| a.space == space).expect("a program")
}

fn first(w: &World, space: Space) -> Handle {
    w.vm.spaces.get(space).unwrap().thread
}

/// The handles of a program's threads, the first one's first.
pub fn threads(w: &World, space: Space) -> Vec<Handle> {
    let s = w.vm.spaces.get(space).unwrap();
    core::iter::once(s.thread)
        .chain(s.threads.iter().map(|t| t.handle()))
        .filter(|h| *h != Handle::NONE)
        .collect()
}

pub fn set_state(w: &mut World, space: Space, state: State) {
    for thread in threads(w, space) {
        w.vm.m.thread(thread).unwrap().state = state;
    }
}

fn image(seed: u64) -> Registers {
    let mut words: [u64; Registers::COUNT] = core::array::from_fn(|n| seed * 1000 + n as u64);
    (words[15], words[17]) = (ENTRY + seed * 16, 0x7fff_0000 + seed * 8);
    Registers::from_words(words)
}

/// Gives a program threads that all wait, each with registers and a buffer of its own. `false`: there is no memory, even for the first.
pub fn give_threads(w: &mut World, space: Space, nr_threads: u32) -> bool {
    let start = proto::Start { space, entry: ENTRY, stack: 0x7fff_0000, argument: 0, priority: 2 };
    let given = w.init::<u32>(Request::NotificationGive(proto::NotificationGive { space }));
    assert!(matches!(given, Ok(_) | Err(Error::Exists | Error::NoMemory)), "{given:?}");
    if w.vm.spaces.get(space).is_some_and(|s| s.notification == Handle::NONE)
        || w.init::<()>(Request::Start(start)).is_err()
    {
        return false;
    }
    for number in 1..nr_threads {
        let stack = stack_top(number as u64) - 8;
        let new = proto::ThreadNew { number, entry: ENTRY, stack, argument: 0 };
        if w.ask::<u32>(space, Request::ThreadNew(new)).is_err() {
            break;
        }
    }
    for (n, thread) in threads(w, space).into_iter().enumerate() {
        let buffer = w.vm.m.buffer_of(thread);
        w.vm.m.frames[buffer as usize].fill(0xb0f0 + n as u64);
        let t = w.vm.m.thread(thread).unwrap();
        (t.state, t.registers) = (State::Waiting, image(n as u64 + 1));
    }
    true
}

/// A program with so many threads.
fn sleeper(w: &mut World, nr_threads: u32) -> Space {
    let space = w.program();
    assert!(give_threads(w, space, nr_threads));
    assert_eq!(threads(w, space).len(), nr_threads as usize);
    space
}

/// What this server makes for itself when it is first needed is made: the rings of a policy. Pages wired then.
fn used_once(w: &mut World) -> u64 {
    page_out(w, INIT, 0, 0);
    w.count(Counter::v_wire_count)
}

/// The threads that are there again are as they were; as a program that waits does, they wait again.
pub fn are_back(w: &mut World, space: Space) {
    for (n, thread) in threads(w, space).into_iter().enumerate() {
        let buffer = w.vm.m.buffer_of(thread) as usize;
        assert_eq!(w.vm.m.frames[buffer].stamp(), 0xb0f0 + n as u64);
        assert_eq!(w.vm.m.frames[buffer].bytes[4088..], (0xb0f0 + n as u64).to_le_bytes());
        let t = w.vm.m.thread(thread).unwrap();
        assert_eq!((t.state, t.registers), (State::Ready, image(n as u64 + 1)));
        assert_ne!(t.bound, Handle::NONE);
        t.state = State::Waiting;
    }
}

/// It has come in whole.
fn is_back(w: &mut World, space: Space, nr_threads: usize) {
    assert_eq!(threads(w, space).len(), nr_threads);
    are_back(w, space);
    let back = Happening::SwappedIn { space };
    assert_eq!(w.happenings.iter().filter(|h| **h == back).count(), 1, "{:?}", w.happenings);
    w.happenings.clear();
}

#[test]
fn prs_060_a_program_goes_out_whole_and_comes_back_as_it_was() {
    for nr_threads in [1, 2, 16] {
        let mut w = World::with_swap(500, 200);
        let wired = used_once(&mut w);
        let p = sleeper(&mut w, nr_threads);
        let a = w.mmap(p, 20);
        (0..20).for_each(|n| assert!(w.write(p, a + n * PAGE, n + 7)));
        let kernel = w.vm.spaces.get(p).unwrap().kernel_frames;
        for round in 0..3 {
            let (free, held) = (w.vm.frames.gate.free_count(), w.vm.spaces.get(p).unwrap().kernel_frames);
            let gained = out(&mut w, p).expect("it goes out");
            let now = w.vm.spaces.get(p).unwrap().kernel_frames;
            // Two for each thread, and the tables of what was mapped.
            assert!(gained >= 2 * nr_threads as u64 + 4, "{gained}");
            assert_eq!(held - now, gained);
            // A page for the registers, one for each buffer, and their table.
            let freed = w.vm.frames.gate.free_count() - free;
            assert_eq!(freed as u64, gained - nr_threads as u64 - 2, "round {round}");
            assert!(threads(&w, p).is_empty());
            assert_eq!(w.vm.m.tasks[&w.vm.spaces.get(p).unwrap().task.0].ptes.len(), 0);
            let state = activity(&mut w, p);
            assert_eq!(
                (state.doing, state.place, state.pages),
                (Doing::Sleeping, Place::Out, 2 * nr_threads)
            );
            w.check();
            if round > 0 {
                // It is pageable, and comes from the disk.
                page_out(&mut w, p, PARKED, 1 + nr_threads as u64);
            }
            assert_eq!(come(&mut w, p), Ok(()));
            w.pump();
            is_back(&mut w, p, nr_threads as usize);
            assert!(w.vm.spaces.get(p).unwrap().map.find(PARKED).is_none());
            (0..20).for_each(|n| assert!(w.read(p, a + n * PAGE)));
            w.check();
        }
        // The pool of tables may have another one.
        let after = w.vm.spaces.get(p).unwrap().kernel_frames;
        assert!(after <= kernel + 4, "{kernel} {after}");
        assert_eq!((w.count(Counter::swapouts), w.count(Counter::swapins)), (3, 3));
        assert_eq!(w.count(Counter::v_wire_count), wired);
        w.end(p);
        w.check();
        assert_eq!(w.count(Counter::swap_used), 0);
    }
}

#[test]
fn prs_104_prs_107_who_does_something_else_stays_and_goes_on() {
    let mut w = World::with_swap(500, 200);
    let p = sleeper(&mut w, 3);
    let before = (w.vm.frames.gate.free_count(), threads(&w, p));
    let last = before.1[2];
    for state in [State::Calling, State::Faulting, State::Receiving, State::Stopped] {
        w.vm.m.thread(last).unwrap().state = state;
        assert_eq!(out(&mut w, p), Err(Error::Busy), "{state:?}");
        // The two that were stopped already go on.
        for thread in &before.1[..2] {
            let t = w.vm.m.thread(*thread).unwrap();
            assert_eq!(t.state, State::Ready);
            assert_ne!(t.bound, Handle::NONE);
            t.state = State::Waiting;
        }
        assert_eq!((w.vm.frames.gate.free_count(), threads(&w, p)), before);
        assert_eq!(activity(&mut w, p).doing, Doing::Blocked);
        w.check();
    }
    // A kick that was set for them kicks nobody now.
    let n = w.vm.spaces.get(p).unwrap().notification;
    w.vm.m.signals.clear();
    ebb_vm::machine::Machine::signal(&mut w.vm.m, n, 4);
    assert_eq!(w.vm.m.signals.len(), 1);
    // One that could run goes, but not asleep.
    set_state(&mut w, p, State::Waiting);
    w.vm.m.thread(last).unwrap().state = State::Ready;
    assert_eq!(activity(&mut w, p).doing, Doing::Runnable);
    assert!(out(&mut w, p).is_ok());
    assert_eq!(activity(&mut w, p).doing, Doing::Runnable);
    assert_eq!(out(&mut w, p), Err(Error::Exists));
    assert_eq!(come(&mut w, p), Ok(()));
    assert_eq!(come(&mut w, p), Ok(()), "it is in already");
    w.check();
}

#[test]
fn prs_103_servers_and_what_was_not_started_stay() {
    let mut w = World::with_swap(500, 200);
    let pager = w.pager_space;
    assert_eq!(out(&mut w, pager), Err(Error::NotPermitted));
    let p = w.program();
    assert_eq!(out(&mut w, p), Err(Error::Busy));
    assert_eq!(activity(&mut w, p).doing, Doing::Blocked);
    assert_eq!(out(&mut w, 999), Err(Error::NotFound));
    assert_eq!(come(&mut w, 999), Err(Error::NotFound));
    let stranger = sleeper(&mut w, 1);
    assert_eq!(
        w.ask::<u64>(p, Request::SwapOut(proto::SwapOut { space: stranger })),
        Err(Error::NotPermitted)
    );
    assert_eq!(w.ask::<()>(p, Request::SwapIn(proto::SwapIn { space: stranger })), Err(Error::NotPermitted));
    let ask = Request::Activities(proto::Activities { from: 0 });
    assert_eq!(w.ask::<Vec<Activity>>(p, ask), Err(Error::NotPermitted));
    // What lies where it would go keeps it in.
    w.try_mmap(stranger, PARKED, 1).expect("a region");
    assert_eq!(out(&mut w, stranger), Err(Error::Busy));
    w.check();
}

/// A kick is for whom the bits are for.
#[test]
fn prs_091_the_first_bits_kick_their_program_alone() {
    let mut w = World::with_swap(1500, 400);
    let all: Vec<Space> = (0..40).map(|_| sleeper(&mut w, 2)).collect();
    for p in &all {
        out(&mut w, *p).expect("it goes out");
    }
    // Two of the same bit, and the second thread's notification.
    let (a, b) = (all[1], all[33]);
    assert_eq!(a % 32, b % 32);
    let n = w.vm.spaces.get(b).unwrap().notification;
    let second = w.vm.m.notifications.iter().filter(|(_, n)| n.kick.is_some()).map(|(h, _)| *h);
    let second: Vec<u32> = second.collect();
    assert_eq!(second.len(), 80);
    w.vm.m.signals.clear();
    ebb_vm::machine::Machine::signal(&mut w.vm.m, n, 1 << 5);
    let kicks: u64 = w.vm.m.signals.iter().filter(|(h, _)| *h == Handle(4)).map(|(_, bits)| bits).sum();
    assert_eq!(kicks.count_ones(), 1);
    w.vm.kicked(kicks & KICK_BITS);
    w.settle();
    assert_eq!(w.happenings, [Happening::Kicked { space: b }]);
    assert_eq!(activity(&mut w, b).doing, Doing::Runnable);
    assert_eq!(activity(&mut w, a).doing, Doing::Sleeping);
    // Told once.
    w.vm.kicked(KICK_BITS);
    w.settle();
    assert_eq!(w.happenings.len(), 1);
    w.happenings.clear();
    come(&mut w, b).expect("it comes in");
    w.pump();
    is_back(&mut w, b, 2);
    w.check();
}

#[test]
fn prs_101_without_memory_it_comes_in_later_and_before_faults() {
    let mut w = World::with_swap(500, 600);
    let p = sleeper(&mut w, 2);
    out(&mut w, p).expect("it goes out");
    page_out(&mut w, p, PARKED, 3);
    let seat = w.scripted_policy();
    w.ready(&seat).expect("a policy");
    // Somebody has all the rest.
    let q = w.program();
    let b = w.mmap(q, 450);
    let mut n = 0;
    while w.write(q, b + n * PAGE, n) {
        n += 1;
    }
    let mut hoard = Vec::new();
    while let Some(frame) = w.vm.frames.allocate(Class::Interrupt, FramePlace::Own, 0, 0) {
        hoard.push(frame);
    }
    assert_eq!(come(&mut w, p), Ok(()));
    w.pump();
    assert_eq!(activity(&mut w, p).place, Place::ComingIn);
    assert_eq!(out(&mut w, p), Err(Error::Exists));
    // Piece by piece there is memory: first for its pages, then for its threads.
    let mut rounds = 0;
    while activity(&mut w, p).place == Place::ComingIn {
        if let Some(frame) = hoard.pop() {
            w.vm.frames.free(frame);
        } else {
            n = n.checked_sub(1).expect("it is in before all is free");
            w.init::<()>(Request::Unmap(proto::Unmap { space: q, address: b + n * PAGE, pages: 1 })).unwrap();
        }
        w.settle();
        w.pump();
        rounds += 1;
    }
    assert!(rounds > 6, "it waited for each: {rounds}");
    w.happenings.retain(|h| matches!(h, Happening::SwappedIn { .. }));
    is_back(&mut w, p, 2);
    hoard.into_iter().for_each(|frame| w.vm.frames.free(frame));
    w.settle();
    w.pump();
    w.end(q);
    w.check();
}

#[test]
fn prs_085_w07_what_cannot_be_read_is_told_and_ends_that_program_alone() {
    let mut w = World::with_swap(500, 200);
    let (p, q) = (sleeper(&mut w, 2), sleeper(&mut w, 2));
    for space in [p, q] {
        out(&mut w, space).expect("it goes out");
        page_out(&mut w, space, PARKED, 3);
    }
    assert_eq!(come(&mut w, p), Ok(()));
    while w.transfers() > 0 {
        w.finish(0, Outcome::Error);
    }
    assert_eq!(w.happenings, [Happening::StateLost { space: p }]);
    w.happenings.clear();
    assert!(threads(&w, p).is_empty());
    w.check();
    w.end(p);
    assert_eq!(come(&mut w, q), Ok(()));
    w.pump();
    is_back(&mut w, q, 2);
    w.check();
}

#[test]
fn ending_one_that_is_out_or_comes_in_leaves_nothing() {
    for stage in 0..4 {
        let mut w = World::with_swap(500, 200);
        let wired = used_once(&mut w);
        let before = (w.vm.frames.gate.free_count(), w.vm.m.nr_objects());
        let p = sleeper(&mut w, 3);
        out(&mut w, p).expect("it goes out");
        if stage > 0 {
            page_out(&mut w, p, PARKED, 4);
            come(&mut w, p).expect("it begins to");
        }
        match stage {
            2 => w.finish(0, Outcome::Ok),
            3 => w.pump(),
            _ => {}
        }
        w.end(p);
        w.pump();
        w.check();
        // Tables of its own it keeps.
        let after = (w.vm.frames.gate.free_count(), w.vm.m.nr_objects());
        assert!(after.0 + 4 >= before.0, "stage {stage}: {before:?} {after:?}");
        assert_eq!(after.1, before.1, "stage {stage}");
        assert_eq!((w.count(Counter::swap_used), w.count(Counter::v_wire_count)), (0, wired));
    }
}

#[test]
fn w13_what_it_alone_has_is_deactivated_and_what_is_locked_stays_mapped() {
    let mut w = World::with_swap(500, 200);
    let p = sleeper(&mut w, 1);
    let wired = w.count(Counter::v_wire_count);
    let (a, b) = (w.mmap(p, 4), w.mmap(p, 4));
    for n in 0..4 {
        assert!(w.write(p, a + n * PAGE, n) && w.write(p, b + n * PAGE, n));
    }
    let (id, answer) = w.call(INIT, Request::Wire(proto::Wire { space: p, address: b, pages: 4 }));
    assert_eq!(w.wait::<()>(id, answer), Ok(()));
    out(&mut w, p).expect("it goes out");
    let task = w.vm.spaces.get(p).unwrap().task;
    for n in 0..4 {
        assert!(w.flags(p, a + n * PAGE).contains(Flags::INACTIVE));
        assert!(w.vm.m.pte(task, a + n * PAGE).is_none());
        assert!(w.vm.m.pte(task, b + n * PAGE).is_some(), "locked");
    }
    assert_eq!(w.count(Counter::v_wire_count), wired + 4);
    w.check();
    come(&mut w, p).expect("it comes in");
    w.pump();
    is_back(&mut w, p, 1);
    assert_eq!(w.count(Counter::v_wire_count), wired + 4);
    w.check();
}

#[test]
fn what_is_said_while_it_is_out_holds_when_it_is_in() {
    let mut w = World::with_swap(500, 200);
    let p = sleeper(&mut w, 2);
    out(&mut w, p).expect("it goes out");
    let start = proto::Start { space: p, entry: ENTRY, stack: 0x7fff_0000, argument: 0, priority: 2 };
    assert_eq!(w.init::<()>(Request::Start(start)), Err(Error::Exists));
    assert_eq!(w.fork(p), Err(Error::Busy));
    assert_eq!(w.init::<()>(Request::Halt(proto::Halt { space: p, halted: true })), Ok(()));
    assert_eq!(w.init::<()>(Request::SetPriority(proto::SetPriority { space: p, priority: 1 })), Ok(()));
    assert_eq!(w.init::<()>(Request::Signal(proto::Signal { space: p, bits: 1 })), Ok(()));
    let controlled = w.vm.m.controlled.len();
    come(&mut w, p).expect("it comes in");
    w.pump();
    let made = w.vm.m.controlled[controlled..].to_vec();
    for thread in threads(&w, p) {
        let ops: Vec<_> = made.iter().filter(|(t, ..)| *t == thread).map(|(_, op, a)| (*op, *a)).collect();
        assert_eq!(ops[0], (ThreadOp::Hold, 1));
        assert_eq!(ops[1], (ThreadOp::Priority, 1));
        assert_eq!((ops[2].0, ops[3].0), (ThreadOp::Bind, ThreadOp::Start));
    }
    is_back(&mut w, p, 2);
    let infos: Vec<proto::SpaceInfo> = w.init(Request::Spaces(proto::Spaces { from: p })).unwrap();
    assert_eq!(infos[0].waiting, "");
    assert_eq!(first(&w, p), threads(&w, p)[0]);
    assert_ne!(MESSAGE_BUFFER, PARKED);
    w.check();
}
