// SPDX-License-Identifier: BSD-2-Clause
//! Which pages were written to: each is noted once, at the first write, whatever becomes of the page; and writing costs one fault, which asks nobody.

use crate::memory::swap_out;
use crate::model::World;
use crate::model::files::pattern;
use crate::model::world::PAGE;
use ebb_abi::meter::Counter;
use ebb_proto::Error;
use ebb_proto::vm::{self as proto, Advice, INIT, Inheritance, Protection, Request, Source, Space};

fn track(w: &mut World, space: Space, address: u64, pages: u64) -> Result<(), Error> {
    w.init(Request::Track(proto::Track { space, address, pages }))
}

fn untrack(w: &mut World, space: Space, address: u64, pages: u64) -> Result<(), Error> {
    w.init(Request::Untrack(proto::Untrack { space, address, pages }))
}

/// Numbers of the pages of a range that were written.
fn take(w: &mut World, space: Space, address: u64, pages: u64) -> Result<Vec<u64>, Error> {
    let bits: Vec<u8> = w.init(Request::TakeWritten(proto::TakeWritten { space, address, pages }))?;
    assert_eq!(bits.len() as u64, pages.div_ceil(8));
    Ok((0..pages.div_ceil(8) * 8).filter(|n| bits[(n / 8) as usize] & 1 << (n % 8) != 0).collect())
}

/// A program with so many pages, all written.
fn filled(w: &mut World, pages: u64) -> (Space, u64) {
    let p = w.program();
    let a = w.mmap(p, pages);
    (0..pages).for_each(|n| assert!(w.write(p, a + n * PAGE, 1 + n)));
    (p, a)
}

fn faults(w: &World) -> u64 {
    w.count(Counter::v_vm_faults)
}

#[test]
fn the_first_write_to_each_page_is_noted_and_costs_one_fault() {
    let mut w = World::new(400);
    let (p, a) = filled(&mut w, 12);
    assert_eq!(track(&mut w, p, a, 12), Ok(()));
    let before = faults(&w);
    // Reading is free: the pages are mapped as before, but for the right to write.
    (0..12).for_each(|n| assert!(w.read(p, a + n * PAGE)));
    assert_eq!(faults(&w), before);
    for _ in 0..3 {
        [1, 2, 9].into_iter().for_each(|n| assert!(w.write(p, a + n * PAGE, 100 + n)));
    }
    assert_eq!(faults(&w), before + 3);
    assert_eq!(take(&mut w, p, a, 12), Ok(vec![1, 2, 9]));
    assert_eq!(take(&mut w, p, a, 12), Ok(vec![]), "they were taken");
    assert!(w.write(p, a + 2 * PAGE, 7), "and are noted again");
    assert_eq!(faults(&w), before + 4);
    // A part of it.
    assert_eq!(take(&mut w, p, a + 3 * PAGE, 9), Ok(vec![]));
    assert_eq!(take(&mut w, p, a + 2 * PAGE, 1), Ok(vec![0]));
    w.check();
}

#[test]
fn pages_that_are_not_there_yet_are_noted_when_they_are_written() {
    let mut w = World::new(400);
    let p = w.program();
    let a = w.mmap(p, 4);
    assert_eq!(track(&mut w, p, a, 4), Ok(()));
    assert!(w.read(p, a) && w.write(p, a + PAGE, 5));
    assert_eq!(take(&mut w, p, a, 4), Ok(vec![1]));
    // What was only read was mapped read-only.
    assert!(w.write(p, a, 6));
    assert_eq!(take(&mut w, p, a, 4), Ok(vec![0]));
    w.check();
}

#[test]
fn swapping_loses_no_note_and_makes_none() {
    let mut w = World::with_swap(400, 500);
    let (p, a) = filled(&mut w, 6);
    assert_eq!(track(&mut w, p, a, 6), Ok(()));
    assert!(w.write(p, a + PAGE, 50));
    swap_out(&mut w, p, a, 6);
    for n in 0..6 {
        if !w.read(p, a + n * PAGE) {
            w.pump();
        }
    }
    assert_eq!(take(&mut w, p, a, 6), Ok(vec![1]), "what came back is read-only again");
    swap_out(&mut w, p, a, 6);
    if !w.write(p, a + 4 * PAGE, 51) {
        w.pump();
    }
    assert!(
        w.write(p, a + 5 * PAGE, 52) || {
            w.pump();
            true
        }
    );
    assert_eq!(take(&mut w, p, a, 6), Ok(vec![4, 5]));
    w.check();
}

#[test]
fn copies_are_noted_where_they_are_written_and_children_are_not_tracked() {
    let mut w = World::new(400);
    let (p, a) = filled(&mut w, 6);
    assert_eq!(track(&mut w, p, a, 6), Ok(()));
    assert!(w.write(p, a, 60));
    let c = w.fork(p).expect("a child");
    assert!(w.write(c, a + PAGE, 61) && w.write(p, a + 2 * PAGE, 62) && w.write(p, a, 63));
    assert_eq!(take(&mut w, p, a, 6), Ok(vec![0, 2]));
    assert_eq!(take(&mut w, c, a, 6), Err(Error::Fault));
    // Reading takes nothing from the copy of the other; a page that was copied already is still noted.
    assert!(w.read(p, a + PAGE) && w.write(p, a + PAGE, 64) && w.write(p, a + 2 * PAGE, 65));
    assert_eq!(take(&mut w, p, a, 6), Ok(vec![1, 2]));
    w.end(c);
    assert!(w.write(p, a + 5 * PAGE, 66));
    assert_eq!(take(&mut w, p, a, 6), Ok(vec![5]));
    w.check();
}

#[test]
fn what_is_written_for_the_program_counts() {
    let mut w = World::with_files(400, 500);
    let (p, _, f) = w.opened(&pattern(1, 2 * PAGE as usize));
    let a = w.mmap(p, 4);
    assert_eq!(track(&mut w, p, a, 4), Ok(()));
    let read = proto::Read { file: f, offset: 0, address: a + PAGE, bytes: PAGE as u32 + 1 };
    let (id, answer) = w.call(p, Request::Read(read));
    assert_eq!(w.wait::<u32>(id, answer), Ok(PAGE as u32 + 1));
    assert_eq!(take(&mut w, p, a, 4), Ok(vec![1, 2]));
    let patch = Request::WriteMemory(proto::WriteMemory { space: p, address: a + 3 * PAGE, bytes: vec![1] });
    let (id, answer) = w.call(INIT, patch);
    assert_eq!(w.wait::<()>(id, answer), Ok(()));
    assert_eq!(take(&mut w, p, a, 4), Ok(vec![3]));
    // And a private mapping of a file.
    let m = w.map_file(p, f, 0, 2, Protection::READ | Protection::WRITE, true).expect("a private mapping");
    assert_eq!(track(&mut w, p, m, 2), Ok(()));
    assert!(w.peek(p, m, 1).is_some());
    assert_eq!(take(&mut w, p, m, 2), Ok(vec![]));
    assert!(w.poke(p, m + PAGE, b"x"));
    assert_eq!(take(&mut w, p, m, 2), Ok(vec![1]));
    w.check();
}

#[test]
fn only_what_is_the_programs_own_is_tracked() {
    let mut w = World::with_files(400, 500);
    let (p, _, f) = w.opened(&pattern(1, 2 * PAGE as usize));
    let file = w.map_shared(p, f, 2);
    assert_eq!(track(&mut w, p, file, 2), Err(Error::NotPermitted));
    let wired = w.map(p, 0, 2, 3, Source::Wired).expect("wired memory");
    assert_eq!(track(&mut w, p, wired, 2), Err(Error::NotPermitted));
    let a = w.mmap(p, 4);
    let share = proto::Inherit { space: p, address: a, pages: 1, inheritance: Inheritance::Share };
    w.init::<()>(Request::Inherit(share)).expect("minherit");
    let c = w.fork(p).expect("a child");
    w.programs.get_mut(&c).expect("the child").loose = true;
    assert_eq!(track(&mut w, p, a, 4), Err(Error::NotPermitted));
    assert_eq!(track(&mut w, p, a + PAGE, 3), Ok(()));
    assert_eq!(take(&mut w, p, a, 4), Err(Error::Fault), "all or nothing");
    assert_eq!(track(&mut w, p, a + PAGE, 64), Err(Error::Fault));
    assert_eq!(take(&mut w, p, a + PAGE, proto::MAX_TAKEN + 1), Err(Error::TooLong));
    w.check();
}

#[test]
fn what_is_unmapped_or_untracked_keeps_nothing() {
    let mut w = World::new(400);
    let (p, a) = filled(&mut w, 4);
    assert_eq!(track(&mut w, p, a, 4), Ok(()));
    assert!(w.write(p, a, 1) && w.write(p, a + 3 * PAGE, 4));
    assert_eq!(untrack(&mut w, p, a, 2), Ok(()));
    assert_eq!(take(&mut w, p, a, 4), Err(Error::Fault));
    assert_eq!(take(&mut w, p, a + 2 * PAGE, 2), Ok(vec![1]));
    let before = faults(&w);
    assert!(w.write(p, a, 2));
    assert_eq!(faults(&w), before, "it was writable");
    w.init::<()>(Request::Unmap(proto::Unmap { space: p, address: a, pages: 4 })).expect("munmap");
    w.programs.get_mut(&p).expect("the program").memory.clear();
    let b = w.mmap(p, 4);
    assert_eq!(b, a, "the same place");
    assert_eq!(take(&mut w, p, b, 4), Err(Error::Fault));
    assert!(w.write(p, b, 9));
    assert_eq!(track(&mut w, p, b, 4), Ok(()));
    assert_eq!(take(&mut w, p, b, 4), Ok(vec![]));
    w.check();
}

#[test]
fn protection_and_advice_change_no_note() {
    let mut w = World::new(400);
    let (p, a) = filled(&mut w, 4);
    assert_eq!(track(&mut w, p, a, 4), Ok(()));
    assert!(w.write(p, a + PAGE, 5));
    for protection in [Protection::READ, Protection::READ | Protection::WRITE] {
        let protect = proto::Protect { space: p, address: a, pages: 4, protection: protection.bits() };
        w.init::<()>(Request::Protect(protect)).expect("mprotect");
    }
    assert!(w.write(p, a + 2 * PAGE, 6));
    let free = proto::Advise { space: p, address: a + PAGE, pages: 1, advice: Advice::Free };
    w.init::<()>(Request::Advise(free)).expect("madvise");
    w.programs.get_mut(&p).expect("the program").memory.remove(&(a + PAGE));
    assert_eq!(take(&mut w, p, a, 4), Ok(vec![1, 2]));
    w.check();
}

#[test]
fn all_programs_together_track_so_much() {
    let mut w = World::new(400);
    let p = w.program();
    let gib = 1 << 18;
    let a = w.mmap(p, 3 * gib);
    assert_eq!(track(&mut w, p, a, 3 * gib), Err(Error::NoMemory));
    assert!(w.write(p, a, 1) && w.write(p, a + PAGE, 1));
    assert_eq!(track(&mut w, p, a, gib), Ok(()));
    let q = w.program();
    let b = w.mmap(q, 2 * gib);
    assert_eq!(track(&mut w, q, b, 2 * gib), Err(Error::NoMemory));
    w.end(p);
    assert_eq!(track(&mut w, q, b, gib), Ok(()), "what ends gives its room back");
    w.check();
}
