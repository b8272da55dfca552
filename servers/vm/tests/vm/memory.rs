// SPDX-License-Identifier: BSD-2-Clause
//! `mmap` and its kin.

use crate::model::World;
use crate::model::world::{PAGE, decode};
use ebb_abi::Handle;
use ebb_abi::meter::Counter;
use ebb_proto::Error;
use ebb_proto::pager::Outcome;
use ebb_proto::vm::{self as proto, Advice, EventKind, INIT, Protection, Request, Source, Space, Want};
use ebb_vm::page::Flags;

const RW: u8 = 3;

fn unmap(w: &mut World, space: Space, address: u64, pages: u64) -> Result<(), Error> {
    w.init(Request::Unmap(proto::Unmap { space, address, pages }))
}

fn protect(
    w: &mut World,
    space: Space,
    address: u64,
    pages: u64,
    protection: Protection,
) -> Result<(), Error> {
    let protection = protection.bits();
    w.init(Request::Protect(proto::Protect { space, address, pages, protection }))
}

fn advise(w: &mut World, space: Space, address: u64, pages: u64, advice: Advice) -> Result<(), Error> {
    w.init(Request::Advise(proto::Advise { space, address, pages, advice }))
}

pub fn wire(w: &mut World, space: Space, address: u64, pages: u64) -> Result<(), Error> {
    w.init(Request::Wire(proto::Wire { space, address, pages }))
}

fn unwire(w: &mut World, space: Space, address: u64, pages: u64) -> Result<(), Error> {
    w.init(Request::Unwire(proto::Unwire { space, address, pages }))
}

fn mincore(w: &mut World, space: Space, address: u64, pages: u64) -> Result<Vec<u8>, Error> {
    w.init(Request::Mincore(proto::Mincore { space, address, pages }))
}

/// Writes pages, lets them be written out, and takes them out of memory.
pub fn swap_out(w: &mut World, space: Space, address: u64, pages: u64) {
    let seat = w.scripted_policy();
    for n in 0..pages {
        let at = address + n * PAGE;
        if w.frame(space, at).is_none() {
            continue;
        }
        w.decide(&seat, Want::Deactivate, space, at);
    }
    for n in 0..pages {
        if w.frame(space, address + n * PAGE).is_some() {
            w.decide(&seat, Want::Launder, space, address + n * PAGE);
        }
        if n % 100 == 99 {
            w.pump();
        }
    }
    w.pump();
    for n in 0..pages {
        if w.frame(space, address + n * PAGE).is_some() {
            w.decide(&seat, Want::Reclaim, space, address + n * PAGE);
        }
        assert!(w.frame(space, address + n * PAGE).is_none(), "page {n} stays");
    }
    w.init::<()>(Request::SpaceFree(proto::SpaceFree { space: seat.space })).expect("ending the policy");
}

#[test]
fn memory_reads_as_zero_and_keeps_what_is_written() {
    let mut w = World::new(400);
    let p = w.program();
    let a = w.mmap(p, 8);
    for n in 0..8 {
        assert!(w.read(p, a + n * PAGE));
        assert!(w.write(p, a + n * PAGE, 100 + n));
        assert!(w.read(p, a + n * PAGE));
    }
    assert_eq!(w.count(Counter::v_zfod), 8);
    assert_eq!(w.count(Counter::v_anon_bytes), 8 * PAGE);
    w.check();
    w.end(p);
    assert_eq!(w.count(Counter::v_anon_bytes), 0);
    w.check();
}

#[test]
fn a_frame_that_had_an_owner_is_zero_for_the_next() {
    let mut w = World::new(400);
    for round in 0..6 {
        let p = w.program();
        let a = w.mmap(p, 80);
        for n in 0..80 {
            assert!(w.read(p, a + n * PAGE), "round {round}");
            assert!(w.write(p, a + n * PAGE, 7));
        }
        w.end(p);
    }
    w.check();
}

#[test]
fn a_hole_splits_a_mapping_and_faults() {
    let mut w = World::new(400);
    let p = w.program();
    let a = w.mmap(p, 10);
    for n in 0..10 {
        w.write(p, a + n * PAGE, n + 1);
    }
    assert_eq!(w.try_mmap(p, a + PAGE, 1), Err(Error::Exists));
    let free = w.vm.frames.gate.free_count();
    unmap(&mut w, p, a + 3 * PAGE, 2).unwrap();
    assert_eq!(w.vm.frames.gate.free_count(), free + 2, "the pages are free");
    let regions: Vec<proto::Region> = w.init(Request::Regions(proto::Regions { space: p, from: 0 })).unwrap();
    let shape: Vec<(u64, u64, u64)> = regions.iter().map(|r| (r.address, r.pages, r.resident)).collect();
    assert_eq!(shape, [(a, 3, 3), (a + 5 * PAGE, 5, 5)]);
    assert_eq!(advise(&mut w, p, a, 10, Advice::Normal), Err(Error::Fault));
    unmap(&mut w, p, a + 3 * PAGE, 2).expect("holes are no error");
    for n in [0, 2, 5, 9] {
        assert!(w.read(p, a + n * PAGE));
    }
    assert!(!w.read(p, a + 4 * PAGE) && w.refused(p));
    w.programs.get_mut(&p).unwrap().refused = false;
    assert_eq!(w.try_mmap(p, a + 3 * PAGE, 2), Ok(a + 3 * PAGE));
    w.programs.get_mut(&p).unwrap().memory.retain(|at, _| *at != a + 3 * PAGE && *at != a + 4 * PAGE);
    assert!(w.read(p, a + 3 * PAGE) && w.read(p, a + 4 * PAGE), "what is mapped anew is zero");
    w.check();
}

#[test]
fn bad_ranges_are_refused_and_change_nothing() {
    let mut w = World::new(400);
    let p = w.program();
    let a = w.mmap(p, 2);
    for (address, pages) in [(a + 1, 1), (0x1000, 1), (a, 0), (u64::MAX - 0xfff, 1), (a, u64::MAX / 4096)] {
        assert_eq!(unmap(&mut w, p, address, pages), Err(Error::Invalid), "{address:#x}");
        assert_eq!(wire(&mut w, p, address, pages), Err(Error::Invalid));
    }
    assert_eq!(w.map(p, 0, 1, 0x80, Source::Anonymous), Err(Error::Invalid));
    assert_eq!(w.map(p, 0, 0, RW, Source::Anonymous), Err(Error::Invalid));
    assert_eq!(w.map(p, 0, u64::MAX, RW, Source::Anonymous), Err(Error::Invalid));
    assert_eq!(w.map(99, 0, 1, RW, Source::Anonymous), Err(Error::NotFound));
    assert_eq!(mincore(&mut w, p, a, 3901), Err(Error::TooLong));
    // Another program's memory is none of a program's business.
    let q = w.program();
    let stolen: Result<(), Error> = w.ask(q, Request::Unmap(proto::Unmap { space: p, address: a, pages: 2 }));
    assert_eq!(stolen, Err(Error::NotPermitted));
    assert!(w.write(p, a, 5));
    w.check();
}

#[test]
fn protection_is_taken_at_once_and_given_at_the_next_fault() {
    let mut w = World::new(400);
    let p = w.program();
    let a = w.mmap(p, 4);
    (0..4).for_each(|n| assert!(w.write(p, a + n * PAGE, n)));
    protect(&mut w, p, a + PAGE, 2, Protection::READ).unwrap();
    assert!(w.read(p, a + PAGE) && w.write(p, a, 9) && w.write(p, a + 3 * PAGE, 9));
    assert!(!w.write(p, a + PAGE, 1) && w.refused(p));
    w.programs.get_mut(&p).unwrap().refused = false;
    protect(&mut w, p, a + PAGE, 2, Protection::READ | Protection::WRITE).unwrap();
    assert!(w.write(p, a + PAGE, 1));
    protect(&mut w, p, a, 4, Protection::empty()).unwrap();
    assert!(!w.read(p, a) && w.refused(p));
    w.programs.get_mut(&p).unwrap().refused = false;
    protect(&mut w, p, a, 4, Protection::READ).unwrap();
    assert!(w.read(p, a + PAGE), "what was written before is still there");
    assert_eq!(protect(&mut w, p, a, 5, Protection::READ), Err(Error::Fault));
    w.check();
}

#[test]
fn madvise_free_gives_up_frames_and_copies() {
    let mut w = World::with_swap(400, 100);
    let p = w.program();
    let a = w.mmap(p, 6);
    (0..6).for_each(|n| assert!(w.write(p, a + n * PAGE, n + 1)));
    swap_out(&mut w, p, a, 3);
    assert_eq!(w.count(Counter::swap_used), 3);
    advise(&mut w, p, a, 6, Advice::Free).unwrap();
    w.programs.get_mut(&p).unwrap().memory.clear();
    w.pump();
    assert_eq!((w.count(Counter::swap_used), w.store.copies.len()), (0, 0));
    (0..6).for_each(|n| assert!(w.read(p, a + n * PAGE)));
    w.check();
}

#[test]
fn madvise_free_while_a_page_is_written_reads_as_zero_afterwards() {
    let mut w = World::with_swap(400, 100);
    let p = w.program();
    let a = w.mmap(p, 1);
    w.write(p, a, 1);
    let seat = w.scripted_policy();
    assert_eq!(w.decide(&seat, Want::Launder, p, a), proto::Verdict::Started);
    assert_eq!(w.transfers(), 1);
    advise(&mut w, p, a, 1, Advice::Free).unwrap();
    w.programs.get_mut(&p).unwrap().memory.clear();
    assert!(!w.read(p, a), "it waits for the end of the write");
    w.finish(0, Outcome::Ok);
    w.run_programs();
    assert!(!w.stopped(p));
    w.pump();
    assert_eq!(w.store.copies.len(), 0);
    w.check();
}

#[test]
fn madvise_free_leaves_what_is_wired() {
    let mut w = World::new(400);
    let p = w.program();
    let a = w.map(p, 0, 2, RW, Source::Wired).unwrap();
    assert!(w.write(p, a, 3));
    let faults = w.count(Counter::v_vm_faults);
    advise(&mut w, p, a, 2, Advice::Free).unwrap();
    assert!(w.read(p, a));
    assert_eq!(w.count(Counter::v_vm_faults), faults, "wired memory never faults");
    let b = w.mmap(p, 2);
    w.write(p, b, 4);
    wire(&mut w, p, b, 2).unwrap();
    advise(&mut w, p, b, 2, Advice::Free).unwrap();
    assert!(w.read(p, b));
    w.check();
}

#[test]
fn madvise_dontneed_deactivates_and_willneed_brings_in() {
    let mut w = World::with_swap(400, 100);
    let p = w.program();
    let a = w.mmap(p, 4);
    (0..4).for_each(|n| assert!(w.write(p, a + n * PAGE, n + 1)));
    advise(&mut w, p, a, 2, Advice::DontNeed).unwrap();
    assert!(w.flags(p, a).contains(Flags::INACTIVE) && w.flags(p, a + 2 * PAGE).contains(Flags::ACTIVE));
    assert!(w.read(p, a), "nothing is lost by it");
    swap_out(&mut w, p, a, 4);
    advise(&mut w, p, a, 4, Advice::WillNeed).unwrap();
    assert_eq!(w.transfers(), 4);
    w.pump();
    assert_eq!(mincore(&mut w, p, a, 4).unwrap(), [5; 4], "resident, clean, with a copy");
    w.check();
}

#[test]
fn a_read_that_fails_on_advice_loses_nothing() {
    let mut w = World::with_swap(400, 100);
    let p = w.program();
    let a = w.mmap(p, 1);
    w.write(p, a, 8);
    swap_out(&mut w, p, a, 1);
    advise(&mut w, p, a, 1, Advice::WillNeed).unwrap();
    assert_eq!(w.transfers(), 1);
    assert!(!w.read(p, a), "it waits for the read that is under way");
    w.finish(0, Outcome::Error);
    w.run_programs();
    assert!(w.stopped(p), "now it is read for the program");
    w.pump();
    assert!(!w.stopped(p) && !w.refused(p));
    w.check();
}

#[test]
fn mincore_tells_resident_modified_and_swapped() {
    let mut w = World::with_swap(400, 100);
    let p = w.program();
    let a = w.mmap(p, 5);
    w.write(p, a, 1);
    w.read(p, a + PAGE);
    w.write(p, a + 2 * PAGE, 1);
    swap_out(&mut w, p, a + 2 * PAGE, 1);
    assert_eq!(mincore(&mut w, p, a, 5).unwrap(), [3, 1, 4, 0, 0]);
    w.read(p, a + 2 * PAGE);
    w.pump();
    assert_eq!(mincore(&mut w, p, a, 5).unwrap()[2], 5);
    w.write(p, a + 2 * PAGE, 2);
    assert_eq!(mincore(&mut w, p, a, 5).unwrap()[2], 7);
    w.check();
}

#[test]
fn a_page_read_into_a_frame_that_was_written_in_an_earlier_life_is_clean() {
    let mut w = World::with_swap(400, 100);
    let p = w.program();
    let a = w.mmap(p, 3);
    (0..3).for_each(|n| assert!(w.write(p, a + n * PAGE, 1)));
    swap_out(&mut w, p, a, 3);
    let q = w.program();
    let b = w.mmap(q, 60);
    (0..60).for_each(|n| assert!(w.write(q, b + n * PAGE, n)));
    w.end(q);
    for n in 0..3 {
        w.read(p, a + n * PAGE);
        w.pump();
    }
    assert_eq!(mincore(&mut w, p, a, 3).unwrap(), [5; 3]);
}

/// PGO-001.
#[test]
fn pgo_001_wired_pages_are_on_no_queue() {
    let mut w = World::new(400);
    let p = w.program();
    let a = w.mmap(p, 4);
    w.write(p, a, 1);
    advise(&mut w, p, a, 1, Advice::DontNeed).unwrap();
    let mut seat = w.scripted_policy();
    w.events(&mut seat);
    let before = (w.count(Counter::v_inactive_count), w.count(Counter::v_wire_count));
    wire(&mut w, p, a, 4).unwrap();
    assert_eq!(w.count(Counter::v_inactive_count), before.0 - 1);
    assert_eq!(w.count(Counter::v_wire_count), before.1 + 4);
    assert!((0..4).all(|n| !w.flags(p, a + n * PAGE).intersects(Flags::QUEUED)));
    assert_eq!(w.decide(&seat, Want::Launder, p, a), proto::Verdict::Held);
    let kinds: Vec<EventKind> = w.events(&mut seat).into_iter().map(|e| e.0).collect();
    assert_eq!(kinds.iter().filter(|k| **k == EventKind::Wire).count(), 4);
    assert_eq!(wire(&mut w, p, a, 1), Err(Error::Busy));
    w.check();
    unwire(&mut w, p, a, 4).unwrap();
    assert!((0..4).all(|n| w.flags(p, a + n * PAGE).contains(Flags::ACTIVE)));
    assert_eq!(w.count(Counter::v_wire_count), before.1);
    assert_eq!(unwire(&mut w, p, a, 4), Err(Error::Fault));
    w.check();
}

#[test]
fn pgo_036_wiring_beyond_the_limit_is_refused_whole() {
    let mut w = World::new(400);
    let max = w.vm.frames.gate.thresholds().max_wired as u64;
    let p = w.program();
    let a = w.mmap(p, max + 1);
    let before = w.count(Counter::v_wire_count);
    assert_eq!(wire(&mut w, p, a, max + 1), Err(Error::NoMemory));
    assert_eq!(w.count(Counter::v_wire_count), before);
    assert_eq!(w.map(p, 0, max + 1, RW, Source::Wired), Err(Error::NoMemory));
    assert_eq!(w.count(Counter::v_wire_count), before);
    w.map(p, 0, max, RW, Source::Wired).unwrap();
    assert_eq!(w.count(Counter::v_wire_count), before + max);
    w.check();
}

/// A machine whose servers need more than the limit starts all the same; what they have, and give back, is counted.
#[test]
fn pgo_036_servers_are_not_limited_in_what_they_wire() {
    let mut w = World::new(400);
    let wired = w.count(Counter::v_wire_count);
    w.vm.frames.gate.set_max_wired(2).unwrap();
    let s = w.space("server", true);
    let at = w.map(s, 0, 5, RW, Source::Wired).unwrap();
    let p = w.program();
    assert_eq!(w.map(p, 0, 3, RW, Source::Wired), Err(Error::NoMemory));
    w.map(p, 0, 1, RW, Source::Wired).unwrap();
    assert_eq!((w.count(Counter::v_wire_count), w.vm.frames.gate.wired_by_programs()), (wired + 6, 1));
    // Wired as wiring is for programs, besides: the page is wired already.
    wire(&mut w, s, at, 1).unwrap();
    unwire(&mut w, s, at, 1).unwrap();
    assert_eq!(w.count(Counter::v_wire_count), wired + 6);
    w.check();
    unmap(&mut w, s, at, 2).unwrap();
    assert_eq!(w.count(Counter::v_wire_count), wired + 4);
    w.check();
    w.end(s);
    assert_eq!((w.count(Counter::v_wire_count), w.vm.frames.gate.wired_by_programs()), (wired + 1, 1));
    w.end(p);
    assert_eq!((w.count(Counter::v_wire_count), w.vm.frames.gate.wired_by_programs()), (wired, 0));
    w.check();
}

/// No limit but memory itself: what was taken of it before it was used up is free again.
#[test]
fn what_the_system_cannot_wire_whole_it_does_not_wire() {
    let mut w = World::new(400);
    let s = w.space("server", true);
    let before = (w.count(Counter::v_wire_count), w.vm.frames.gate.wired_by_programs());
    let free = w.vm.frames.gate.free_count();
    let pages = free as u64 + 1;
    assert_eq!(w.map(s, 0, pages, RW, Source::Wired), Err(Error::NoMemory));
    let segment = w.init::<u32>(Request::SegmentNew(proto::SegmentNew { pages }));
    assert_eq!(segment, Err(Error::NoMemory));
    assert_eq!((w.count(Counter::v_wire_count), w.vm.frames.gate.wired_by_programs()), before);
    assert_eq!(w.vm.frames.gate.free_count(), free);
    w.check();
}

#[test]
fn a_page_wired_twice_is_counted_once() {
    let mut w = World::new(400);
    let p = w.program();
    let before = w.count(Counter::v_wire_count);
    let a = w.map(p, 0, 3, RW, Source::Wired).unwrap();
    wire(&mut w, p, a, 3).unwrap();
    assert_eq!(w.count(Counter::v_wire_count), before + 3);
    w.check();
    unwire(&mut w, p, a, 3).unwrap();
    assert_eq!(w.count(Counter::v_wire_count), before + 3, "it is wired still");
    w.check();
    wire(&mut w, p, a, 3).unwrap();
    unmap(&mut w, p, a, 3).unwrap();
    assert_eq!(w.count(Counter::v_wire_count), before);
    w.check();
}

#[test]
fn a_wiring_that_loses_a_page_half_way_leaves_nothing_wired() {
    let mut w = World::with_swap(400, 100);
    let p = w.program();
    let a = w.mmap(p, 4);
    (0..4).for_each(|n| assert!(w.write(p, a + n * PAGE, n + 1)));
    swap_out(&mut w, p, a + 2 * PAGE, 1);
    let before = w.count(Counter::v_wire_count);
    let (id, answer) = w.call(INIT, Request::Wire(proto::Wire { space: p, address: a, pages: 4 }));
    assert_eq!(answer, None, "it waits for the third page");
    assert_eq!(w.count(Counter::v_wire_count), before + 4);
    assert_eq!(w.transfers(), 1);
    w.finish(0, Outcome::Error);
    let answer = w.vm.m.answers.take(id).expect("an answer");
    assert_eq!(decode::<()>(answer), Err(Error::Io));
    assert_eq!(w.count(Counter::v_wire_count), before);
    assert!(w.flags(p, a).contains(Flags::ACTIVE));
    assert!(!w.vm.spaces.get(p).unwrap().map.iter().any(|r| r.wired));
    w.check();
}

#[test]
fn a_wiring_whose_range_goes_meanwhile_leaves_nothing_wired() {
    let mut w = World::with_swap(400, 100);
    let p = w.program();
    let a = w.mmap(p, 4);
    (0..4).for_each(|n| assert!(w.write(p, a + n * PAGE, n + 1)));
    swap_out(&mut w, p, a + 2 * PAGE, 1);
    let before = w.count(Counter::v_wire_count);
    let (id, _) = w.call(INIT, Request::Wire(proto::Wire { space: p, address: a, pages: 4 }));
    unmap(&mut w, p, a + 2 * PAGE, 1).unwrap();
    w.programs.get_mut(&p).unwrap().memory.remove(&(a + 2 * PAGE));
    w.pump();
    assert_eq!(decode::<()>(w.vm.m.answers.take(id).expect("an answer")), Err(Error::Fault));
    assert_eq!(w.count(Counter::v_wire_count), before);
    w.check();
    // And with the whole program.
    let (id, _) = w.call(INIT, Request::Wire(proto::Wire { space: p, address: a, pages: 2 }));
    assert!(w.vm.m.answers.take(id).is_none() || w.count(Counter::v_wire_count) == before + 2);
    w.end(p);
    assert_eq!(w.count(Counter::v_wire_count), before);
    w.check();
}

#[test]
fn modules_are_shared_read_only_and_copied_to_be_written() {
    let mut w = World::new(400);
    let p = w.program();
    let read = Protection::READ.bits();
    let module = |offset, bytes, wired| Source::Module { index: 0, offset, bytes, wired };
    let a = w.map(p, 0, 4, read, module(0, 3 * PAGE + 100, false)).unwrap();
    let task = w.vm.spaces.get(p).unwrap().task;
    w.programs.get_mut(&p).unwrap().memory.insert(a + PAGE, 0x3001);
    assert!(w.read(p, a + PAGE));
    assert!(!w.vm.m.pte(task, a + PAGE).unwrap().flags.contains(ebb_abi::map::MapFlags::WRITE));
    assert_eq!(protect(&mut w, p, a, 1, Protection::READ | Protection::WRITE), Err(Error::NotPermitted));
    for (n, wired) in [false, true].into_iter().enumerate() {
        let b = w.map(p, 0, 5, RW, module(PAGE, 2 * PAGE + 100, wired)).unwrap();
        for (page, stamp) in [(0, 0x3001), (1, 0x3002), (2, 0x3003), (3, 0)] {
            w.programs.get_mut(&p).unwrap().memory.insert(b + page * PAGE, stamp);
            assert!(w.read(p, b + page * PAGE), "{n} {page}");
        }
        assert!(w.write(p, b, 1));
        w.check();
    }
    assert_eq!(w.map(p, 0, 1, read, module(1, 10, false)), Err(Error::Invalid));
    assert_eq!(w.map(p, 0, 5, read, module(0, 5 * PAGE, false)), Err(Error::Invalid));
    assert_eq!(w.map(p, 0, 4, read, module(u64::MAX - 0xfff, PAGE, false)), Err(Error::Invalid));
    let by_program: Result<u64, Error> = w.ask(
        p,
        Request::Map(proto::Map { space: 0, address: 0, pages: 1, protection: RW, source: Source::Wired }),
    );
    assert_eq!(by_program, Err(Error::NotPermitted));
    // A copy that fails half-way leaves nothing.
    let free = w.vm.frames.gate.free_count();
    w.vm.m.failing_copies = 1;
    assert!(w.map(p, 0, 4, RW, module(0, 3 * PAGE, true)).is_err());
    assert_eq!(w.vm.frames.gate.free_count(), free);
    w.check();
}

#[test]
fn segments_outlive_programs_and_are_shared() {
    let mut w = World::new(400);
    let id: u32 = w.init(Request::SegmentNew(proto::SegmentNew { pages: 3 })).unwrap();
    let (p, q) = (w.program(), w.program());
    let a = w.map(p, 0, 3, RW, Source::Segment { id, first: 0 }).unwrap();
    let b = w.map(q, 0, 2, RW, Source::Segment { id, first: 1 }).unwrap();
    assert!(w.write(p, a + PAGE, 77));
    w.programs.get_mut(&q).unwrap().memory.insert(b, 77);
    assert!(w.read(q, b));
    let free = Request::SegmentFree(proto::SegmentFree { id });
    assert_eq!(w.init::<()>(free.clone()), Err(Error::Busy));
    w.end(p);
    assert!(w.read(q, b));
    unmap(&mut w, q, b, 2).unwrap();
    w.programs.get_mut(&q).unwrap().memory.clear();
    w.check();
    w.init::<()>(free.clone()).unwrap();
    assert_eq!(w.init::<()>(free), Err(Error::NotFound));
    assert_eq!(w.map(q, 0, 1, RW, Source::Segment { id, first: 0 }), Err(Error::NotFound));
    w.check();
}

#[test]
fn spaces_come_and_go_and_their_numbers_do_not_come_back() {
    let mut w = World::new(400);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..60 {
        let p = w.program();
        assert!(seen.insert(p));
        let start = proto::Start { space: p, entry: 0x20_0000, stack: 0x7000, argument: 0, priority: 1 };
        w.init::<()>(Request::Start(start.clone())).unwrap();
        assert_eq!(w.init::<()>(Request::Start(start)), Err(Error::Exists));
        for badge in 0..20 {
            let give = Request::HandleGive(proto::HandleGive { space: p, rights: 1, badge });
            let (_, answer) = w.call_with(INIT, give, Handle(9));
            decode::<u32>(answer.unwrap()).unwrap();
        }
        w.check();
        w.end(p);
    }
    let gone: Result<(), Error> = w.init(Request::SpaceFree(proto::SpaceFree { space: 2 }));
    assert_eq!(gone, Err(Error::NotFound));
    let own: Result<(), Error> = w.init(Request::SpaceFree(proto::SpaceFree { space: INIT }));
    assert_eq!(own, Err(Error::NotPermitted));
    w.check();
}
