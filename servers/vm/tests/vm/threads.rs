// SPDX-License-Identifier: BSD-2-Clause
//! Threads beside a program's first: their numbers, what they cost and give back, and what two of them do to the same page.

use crate::model::World;
use crate::model::files::{RW, pattern};
use crate::model::world::{PAGE, decode};
use ebb_abi::fault::Access;
use ebb_abi::thread::ThreadOp;
use ebb_policy::gate::Class;
use ebb_proto::Error;
use ebb_proto::vm::{self as proto, INIT, MAX_THREADS, Protection, Request, Source, Space};
use ebb_vm::page::Place;

const ENTRY: u64 = 0x20_1000;

fn thread_at(w: &mut World, space: Space, number: u32, entry: u64) -> Result<u32, Error> {
    let stack = ebb_abi::layout::stack_top(number as u64 % 16) - 8;
    w.ask(space, Request::ThreadNew(proto::ThreadNew { number, entry, stack, argument: 7 }))
}

fn thread(w: &mut World, space: Space, number: u32) -> Result<u32, Error> {
    thread_at(w, space, number, ENTRY)
}

/// A thread ends: it is never answered.
fn exit(w: &mut World, space: Space, number: u32) {
    let (id, answer) = w.call(space, Request::ThreadExit(proto::ThreadExit { number }));
    let answer = answer.or_else(|| w.vm.m.answers.take(id));
    assert_eq!(answer, Some(crate::model::reply::Answer::Dead));
}

fn join(w: &mut World, space: Space, number: u32) -> Result<(), Error> {
    w.ask(space, Request::ThreadJoin(proto::ThreadJoin { number }))
}

fn free(w: &World) -> u32 {
    w.vm.frames.gate.free_count()
}

/// A program whose first thread runs.
fn program(w: &mut World) -> Space {
    let space = w.program();
    let start = proto::Start { space, entry: ENTRY, stack: 0x7fff_0000, argument: 0, priority: 3 };
    w.init::<()>(Request::Start(start)).expect("a first thread");
    space
}

#[test]
fn threads_are_made_and_waited_for_and_give_everything_back() {
    let mut w = World::new(300);
    let p = program(&mut w);
    // Tables for the buffers are there after the first.
    thread(&mut w, p, 1).expect("a thread");
    exit(&mut w, p, 1);
    assert_eq!(join(&mut w, p, 1), Ok(()));
    let (before, kernel) = (free(&w), w.vm.spaces.get(p).unwrap().kernel_frames);
    let mut made = 0;
    for _ in 0..3 {
        for number in 1..MAX_THREADS as u32 {
            let controlled = w.vm.m.controlled.len();
            thread(&mut w, p, number).expect("a thread");
            made += 1;
            let ops: Vec<_> = w.vm.m.controlled[controlled..].iter().map(|(_, op, a)| (*op, *a)).collect();
            assert_eq!(ops[0], (ThreadOp::Priority, 3), "that of the first");
            assert_eq!((ops[1].0, ops[2].0), (ThreadOp::Bind, ThreadOp::Start));
            assert_eq!(thread(&mut w, p, number), Err(Error::Exists));
        }
        let others = MAX_THREADS as u32 - 1;
        // The program does not close its handles of what is gone; the model has six of them in a frame.
        let handles = made / 6 + 1;
        let now = w.vm.spaces.get(p).unwrap().kernel_frames - kernel;
        assert!((2 * others..=2 * others + handles).contains(&(now as u32)), "{now}");
        w.check();
        for number in 1..=others {
            exit(&mut w, p, number);
            // Its number is taken until it was waited for.
            assert_eq!(thread(&mut w, p, number), Err(Error::Exists));
            assert_eq!(join(&mut w, p, number), Ok(()));
            assert_eq!(join(&mut w, p, number), Err(Error::NotFound));
        }
        w.check();
        assert!(before - free(&w) <= handles, "only room for handles is kept");
    }
    w.end(p);
    w.check();
}

#[test]
fn who_waits_is_told_when_the_thread_ends() {
    let mut w = World::new(300);
    let p = program(&mut w);
    thread(&mut w, p, 5).expect("a thread");
    let (id, answer) = w.call(p, Request::ThreadJoin(proto::ThreadJoin { number: 5 }));
    assert_eq!(answer, None);
    assert_eq!(join(&mut w, p, 5), Err(Error::Busy));
    exit(&mut w, p, 5);
    assert_eq!(decode::<()>(w.vm.m.answers.take(id).expect("an answer")), Ok(()));
    assert_eq!(join(&mut w, p, 5), Err(Error::NotFound));
    thread(&mut w, p, 5).expect("the number is free");
    w.end(p);
    w.check();
}

#[test]
fn what_cannot_be_is_refused_and_costs_nothing() {
    let mut w = World::new(300);
    let p = program(&mut w);
    thread(&mut w, p, 1).expect("a thread");
    let before = free(&w);
    for number in [0, MAX_THREADS as u32, u32::MAX] {
        assert_eq!(thread(&mut w, p, number), Err(Error::Invalid));
    }
    for entry in [0, 0xffff_8000_0000_0000, u64::MAX] {
        assert_eq!(thread_at(&mut w, p, 2, entry), Err(Error::Fault));
    }
    let exit = |number| Request::ThreadExit(proto::ThreadExit { number });
    assert_eq!(w.ask::<()>(p, exit(0)), Err(Error::Invalid));
    assert_eq!(w.ask::<()>(p, exit(2)), Err(Error::NotFound));
    assert_eq!(join(&mut w, p, 0), Err(Error::NotFound));
    assert_eq!(join(&mut w, p, 2), Err(Error::NotFound));
    assert_eq!(join(&mut w, p, u32::MAX), Err(Error::NotFound));
    // Another program's threads are its own.
    let q = program(&mut w);
    assert_eq!(w.ask::<()>(q, exit(1)), Err(Error::NotFound));
    assert_eq!(join(&mut w, q, 1), Err(Error::NotFound));
    w.end(q);
    assert_eq!(free(&w), before);
    let server = w.space("pipe", true);
    assert_eq!(thread(&mut w, server, 1), Err(Error::NotPermitted));
    w.end(server);
    w.check();
}

#[test]
fn a_program_that_ends_takes_its_threads_and_their_waits_with_it() {
    let mut w = World::new(400);
    w.check();
    let before = free(&w);
    for running in [0u32, 1, 7, MAX_THREADS as u32 - 1] {
        let p = program(&mut w);
        let a = w.mmap(p, 2);
        assert!(w.write(p, a, 1));
        (1..=running).for_each(|n| {
            thread(&mut w, p, n).expect("a thread");
        });
        // One that has ended, one that is waited for.
        if running > 2 {
            exit(&mut w, p, 2);
            let (id, _) = w.call(p, Request::ThreadJoin(proto::ThreadJoin { number: 3 }));
            w.end(p);
            assert_eq!(w.vm.m.answers.take(id), Some(crate::model::reply::Answer::Dead));
        } else {
            w.end(p);
        }
        assert_eq!(free(&w), before, "with {running}");
        w.check();
    }
}

#[test]
fn all_programs_together_have_so_many_threads_and_no_more() {
    let mut w = World::new(3000);
    let mut programs = Vec::new();
    let mut made = 0;
    let refused = 'all: loop {
        let p = program(&mut w);
        programs.push(p);
        for number in 1..MAX_THREADS as u32 {
            match thread(&mut w, p, number) {
                Ok(_) => made += 1,
                Err(error) => break 'all error,
            }
        }
    };
    assert_eq!((refused, made), (Error::NoMemory, 240));
    // What one gives back another may have.
    w.end(programs[0]);
    let last = *programs.last().expect("a program");
    (1..MAX_THREADS as u32).for_each(|n| {
        thread(&mut w, last, n).expect("there is room again");
    });
    assert_eq!(thread(&mut w, programs[1], 1), Err(Error::Exists));
    w.check();
}

/// Takes frames until so many are left.
fn drain(w: &mut World, left: u32) -> Vec<u32> {
    let mut taken = Vec::new();
    while free(w) > left {
        match w.vm.frames.allocate(Class::Interrupt, Place::Own, 0, 0) {
            Some(frame) => taken.push(frame),
            None => break,
        }
    }
    taken
}

#[test]
fn without_memory_there_is_no_thread_and_nothing_is_lost() {
    let mut w = World::new(300);
    let p = program(&mut w);
    let full = free(&w);
    let mut refused = 0;
    for left in 0..16 {
        let taken = drain(&mut w, left);
        let made = thread(&mut w, p, 1);
        taken.into_iter().for_each(|frame| w.vm.frames.free(frame));
        w.settle();
        match made {
            Ok(_) => {
                exit(&mut w, p, 1);
                assert_eq!(join(&mut w, p, 1), Ok(()));
            }
            Err(error) => {
                assert_eq!(error, Error::NoMemory);
                refused += 1;
            }
        }
        w.check();
        // What was given for tables stays with the program.
        let kernel = w.vm.spaces.get(p).unwrap().kernel_frames;
        assert!(full - free(&w) <= 8 && kernel < 24, "{kernel}");
    }
    assert!(refused > 0);
    w.end(p);
    w.check();
}

/// A page that a fault of one thread has found holds another program's bytes until it is entered, and is zeroed then.
#[test]
fn a_read_of_one_thread_into_a_page_that_another_just_touches_is_not_lost() {
    for write in [false, true] {
        let mut w = World::with_files(500, 500);
        let contents = pattern(9, PAGE as usize);
        let (p, inode, f) = w.opened(&contents);
        let buffer = w.mmap(p, 8);
        // The file's page and the table of the memory's pages are there.
        w.poke(p, buffer, &[1; 16]);
        w.read_at(p, f, 0, buffer, PAGE as u32).expect("a read");
        let taken = drain(&mut w, 0);
        let target = buffer + 3 * PAGE;
        let call = match write {
            true => Request::Write(proto::Write { file: f, offset: 0, address: target + 8, bytes: 100 }),
            false => Request::Read(proto::Read { file: f, offset: 0, address: target + 8, bytes: 100 }),
        };
        let (id, answer) = w.call(p, call);
        assert_eq!(answer, None, "it waits for memory");
        taken.into_iter().for_each(|frame| {
            w.vm.m.frames[frame as usize].fill(0x5ec2_e75e_c2e7_5ec2);
            w.vm.frames.free(frame);
        });
        // Before it is woken another thread touches the page.
        let (fault, reply) = w.vm.m.answers.ask();
        let (reply, op) = w.vm.fault(p, target, Access::WRITE, reply, false).expect("a free page");
        w.settle();
        w.enter(p, op, reply);
        assert!(w.vm.m.answers.take(fault).is_some());
        w.pass(10);
        w.pump();
        assert_eq!(decode::<u32>(w.vm.m.answers.take(id).expect("an answer")), Ok(100));
        let mut expected = vec![0; PAGE as usize];
        if !write {
            expected[8..108].copy_from_slice(&contents[..100]);
        }
        assert!(w.peek(p, target, PAGE as usize).expect("memory") == expected, "what was read");
        if write {
            assert!(w.look_at_file(inode)[..100] == [0; 100], "what was written");
        }
        w.check();
    }
}

#[test]
fn pages_of_a_file_that_are_just_being_wired_stay_where_they_are() {
    let mut w = World::with_files(500, 500);
    let contents = pattern(3, 4 * PAGE as usize);
    let (p, inode, f) = w.opened(&contents);
    let q = w.file_program();
    let g = w.open(q, inode, RW);
    let source = |file| Source::File { file, first: 0, private: false };
    let a = w.ask::<u64>(p, mapping(4, source(f))).expect("mmap");
    let b = w.ask::<u64>(q, mapping(4, source(g))).expect("mmap");
    let before = w.count(ebb_abi::meter::Counter::v_wire_count);
    // The other program has the last page wired.
    let (id, answer) = w.call(INIT, Request::Wire(proto::Wire { space: q, address: b + 3 * PAGE, pages: 1 }));
    assert_eq!(w.wait::<()>(id, answer), Ok(()));
    let (id, answer) = w.call(p, Request::Wire(proto::Wire { space: 0, address: a, pages: 4 }));
    assert_eq!(answer, None, "pages come from the disk");
    for (address, pages) in [(a, 4), (a + 3 * PAGE, 1), (a - PAGE, 2)] {
        let unmap = Request::Unmap(proto::Unmap { space: 0, address, pages });
        assert_eq!(w.ask::<()>(p, unmap), Err(Error::Busy));
    }
    let unwire = Request::Unwire(proto::Unwire { space: 0, address: a + 3 * PAGE, pages: 1 });
    assert_eq!(w.ask::<()>(p, unwire.clone()), Err(Error::Busy));
    assert_eq!(w.wait::<()>(id, None), Ok(()));
    assert_eq!(w.count(ebb_abi::meter::Counter::v_wire_count), before + 4);
    let unmap = Request::Unmap(proto::Unmap { space: 0, address: a, pages: 4 });
    assert_eq!(w.ask::<()>(p, unmap), Ok(()));
    assert_eq!(w.count(ebb_abi::meter::Counter::v_wire_count), before + 1, "the other program's");
    w.end(q);
    assert_eq!(w.count(ebb_abi::meter::Counter::v_wire_count), before);
    w.check();
}

fn mapping(pages: u64, source: Source) -> Request {
    Request::Map(proto::Map { space: 0, address: 0, pages, protection: Protection::READ.bits(), source })
}

#[test]
fn a_first_thread_has_the_buffer_that_belongs_to_its_stack() {
    let mut w = World::new(300);
    for number in [0, 3, MAX_THREADS as u32 - 1] {
        let p = w.program();
        let stack = ebb_abi::layout::stack_top(number as u64) - 0x2008;
        w.init::<()>(Request::Start(proto::Start {
            space: p,
            entry: ENTRY,
            stack,
            argument: 0,
            priority: 3,
        }))
        .expect("a first thread");
        // Nobody else gets its place.
        for other in 1..MAX_THREADS as u32 {
            assert_eq!(thread(&mut w, p, other).err(), (other == number).then_some(Error::Exists), "{other}");
        }
        w.end(p);
    }
    // A stack that is none of a thread's.
    for stack in [0x7fff_0000, 0x20_0000, ebb_abi::layout::STACK_TOP + 8] {
        let p = w.program();
        w.init::<()>(Request::Start(proto::Start {
            space: p,
            entry: ENTRY,
            stack,
            argument: 0,
            priority: 3,
        }))
        .expect("a first thread");
        assert!(thread(&mut w, p, 1).is_ok());
        w.end(p);
    }
    w.check();
}

fn share(w: &mut World, space: Space, number: u32) -> Result<u32, Error> {
    let stack = ebb_abi::layout::stack_top(number as u64 % 16) - 8;
    w.init(Request::ShareNew(proto::ShareNew { space, number, entry: ENTRY, stack, argument: 7 }))
}

fn share_end(w: &mut World, space: Space, number: u32) -> Result<(), Error> {
    w.init(Request::ShareEnd(proto::ShareEnd { space, number }))
}

#[test]
fn processes_that_share_a_space_end_one_by_one_and_give_back_what_is_theirs() {
    let mut w = World::new(300);
    let p = program(&mut w);
    let a = w.mmap(p, 2);
    assert!(w.write(p, a, 5));
    // Tables for the buffers are there after the first.
    share(&mut w, p, 1).expect("a thread");
    assert_eq!(share_end(&mut w, p, 1), Ok(()));
    let before = free(&w);
    share(&mut w, p, 1).expect("a thread");
    thread(&mut w, p, 2).expect("a thread");
    share(&mut w, p, 3).expect("a thread");
    assert_eq!(share(&mut w, p, 2), Err(Error::Exists));
    assert_eq!(share(&mut w, p, 0), Err(Error::Invalid));
    // They are not the program's to end or to wait for, nor its own ones somebody else's.
    assert_eq!(join(&mut w, p, 1), Err(Error::NotFound));
    let (id, answer) = w.call(p, Request::ThreadExit(proto::ThreadExit { number: 1 }));
    assert_eq!(answer.or_else(|| w.vm.m.answers.take(id)).map(decode::<()>), Some(Err(Error::NotFound)));
    assert_eq!(share_end(&mut w, p, 2), Err(Error::NotFound));
    let asked = w.ask::<()>(p, Request::ShareEnd(proto::ShareEnd { space: p, number: 1 }));
    assert_eq!(asked, Err(Error::NotPermitted));
    assert_eq!(share_end(&mut w, p, 1), Ok(()));
    assert_eq!(share_end(&mut w, p, 1), Err(Error::NotFound));
    w.check();
    // The first goes with those that it made; the space stays, with what is in it.
    assert_eq!(share_end(&mut w, p, 0), Ok(()));
    assert_eq!(share_end(&mut w, p, 0), Err(Error::NotFound));
    assert!(w.read(p, a));
    assert_eq!(share_end(&mut w, p, 3), Ok(()));
    assert!(free(&w) > before, "the first thread's frames");
    w.check();
    w.end(p);
    w.check();
}

#[test]
fn one_of_those_that_share_a_space_is_held_and_the_others_are_not() {
    let mut w = World::new(300);
    let p = program(&mut w);
    thread(&mut w, p, 2).expect("a thread");
    share(&mut w, p, 3).expect("a thread");
    let held = |w: &mut World, number, halted| {
        w.vm.m.controlled.clear();
        let done: Result<(), Error> =
            w.init(Request::ShareHalt(proto::ShareHalt { space: p, number, halted }));
        done.map(|()| w.vm.m.controlled.iter().filter(|c| c.1 == ThreadOp::Hold).count())
    };
    assert_eq!(held(&mut w, 0, true), Ok(2));
    assert_eq!(held(&mut w, 3, true), Ok(1));
    assert_eq!(held(&mut w, 3, false), Ok(1));
    assert_eq!(held(&mut w, 2, true), Err(Error::NotFound));
}

#[test]
fn a_number_is_nobodys_space_now_or_later() {
    let mut w = World::new(300);
    let mut seen = std::collections::BTreeSet::new();
    for n in 0..3000u32 {
        let number: Space = match n % 2 {
            0 => w.init(Request::NumberNew(proto::NumberNew {})).expect("a number"),
            _ => {
                let space = w.space("p", false);
                w.end(space);
                space
            }
        };
        assert!(seen.insert(number), "{number} twice");
    }
    assert_eq!(w.init::<()>(Request::SpaceFree(proto::SpaceFree { space: 1 })), Err(Error::NotPermitted));
}
