// SPDX-License-Identifier: BSD-2-Clause
//! Reclaim, clusters, and what holds while a page is being written or read.

use crate::memory::swap_out;
use crate::model::World;
use crate::model::policy::Seat;
use crate::model::world::PAGE;
use ebb_abi::map::MapFlags;
use ebb_abi::meter::Counter;
use ebb_proto::pager::Outcome;
use ebb_proto::vm::{self as proto, Advice, EventKind, Request, Space, Verdict, Want};
use ebb_vm::page::Flags;

/// A program with so many written pages, all inactive.
fn dirty(pages: u64) -> (World, Seat, Space, u64) {
    let mut w = World::with_swap(500, 400);
    let p = w.program();
    let a = w.mmap(p, pages);
    (0..pages).for_each(|n| assert!(w.write(p, a + n * PAGE, n + 1)));
    let mut seat = w.scripted_policy();
    (0..pages).for_each(|n| {
        assert_eq!(w.decide(&seat, Want::Deactivate, p, a + n * PAGE), Verdict::Done);
    });
    w.events(&mut seat);
    (w, seat, p, a)
}

/// Indexes of the last run that the pager was given.
fn last_run(w: &mut World) -> Vec<u32> {
    w.accept();
    w.pager.as_ref().and_then(|p| p.runs.last()).map(|r| r.1.clone()).unwrap_or_default()
}

/// Launders the page with this index; the run.
fn run_of(center: u64, pages: u64, prepare: impl FnOnce(&mut World, &Seat, Space, u64)) -> Vec<u32> {
    let (mut w, seat, p, a) = dirty(pages);
    prepare(&mut w, &seat, p, a);
    assert_eq!(w.decide(&seat, Want::Launder, p, a + center * PAGE), Verdict::Started);
    let run = last_run(&mut w);
    w.pump();
    w.check();
    run
}

#[test]
fn pgo_102_a_clean_page_is_freed_and_comes_back() {
    let (mut w, seat, p, a) = dirty(1);
    assert_eq!(w.decide(&seat, Want::Reclaim, p, a), Verdict::Dirty);
    assert_eq!(w.decide(&seat, Want::Launder, p, a), Verdict::Started);
    assert_eq!(w.decide(&seat, Want::Reclaim, p, a), Verdict::Busy);
    w.pump();
    let free = w.vm.frames.gate.free_count();
    assert_eq!(w.decide(&seat, Want::Reclaim, p, a), Verdict::Done);
    assert_eq!(w.vm.frames.gate.free_count(), free + 1);
    assert!(!w.read(p, a), "it must be read");
    w.pump();
    assert!(w.read(p, a));
    assert_eq!((w.count(Counter::v_swappgsout), w.count(Counter::v_swappgsin)), (1, 1));
    // It is clean still and has its copy: no second write.
    assert_eq!(w.decide(&seat, Want::Launder, p, a), Verdict::Done);
    w.check();
}

#[test]
fn a_zero_page_that_was_only_read_needs_no_copy() {
    let (mut w, seat, p, _) = dirty(1);
    let b = w.mmap(p, 1);
    assert!(w.read(p, b));
    assert_eq!(w.decide(&seat, Want::Reclaim, p, b), Verdict::Done);
    assert!(w.read(p, b));
    w.check();
}

/// PGO-101.
#[test]
fn pgo_101_a_write_after_the_reference_bits_were_looked_at_is_seen() {
    let (mut w, seat, p, a) = dirty(1);
    w.decide(&seat, Want::Launder, p, a);
    w.pump();
    assert!(w.write(p, a, 99));
    assert_eq!(w.decide(&seat, Want::Reclaim, p, a), Verdict::Dirty);
    assert_eq!(w.decide(&seat, Want::Launder, p, a), Verdict::Started);
    w.pump();
    assert_eq!(w.decide(&seat, Want::Reclaim, p, a), Verdict::Done);
    w.read(p, a);
    w.pump();
    assert!(w.read(p, a));
    w.check();
}

/// PGO-143, PGO-147, PGO-148: this machine's cluster is 8 pages.
#[test]
fn pgo_143_a_cluster_stays_in_its_aligned_block() {
    assert_eq!(run_of(21, 40, |_, _, _, _| ()), (16..24).collect::<Vec<_>>());
    assert_eq!(run_of(23, 40, |_, _, _, _| ()), (16..24).collect::<Vec<_>>());
    assert_eq!(run_of(16, 40, |_, _, _, _| ()), (16..24).collect::<Vec<_>>());
    assert_eq!(run_of(5, 40, |_, _, _, _| ()), (0..8).collect::<Vec<_>>(), "PGO-142");
}

/// PGO-144, PGO-145.
#[test]
fn pgo_145_a_cluster_goes_on_below_the_boundary_when_there_is_nothing_above() {
    assert_eq!(run_of(17, 20, |_, _, _, _| ()), (12..20).collect::<Vec<_>>());
}

/// PGO-139, PGO-140.
#[test]
fn pgo_139_the_first_neighbour_that_does_not_join_ends_its_direction() {
    let active = |w: &mut World, seat: &Seat, p: Space, a: u64| {
        assert_eq!(w.decide(seat, Want::Activate, p, a + 18 * PAGE), Verdict::Done);
    };
    assert_eq!(run_of(20, 40, active), (19..27).collect::<Vec<_>>());
    let wired = |w: &mut World, _: &Seat, p: Space, a: u64| {
        let wire = Request::Wire(proto::Wire { space: p, address: a + 22 * PAGE, pages: 1 });
        w.init::<()>(wire).unwrap();
    };
    assert_eq!(run_of(20, 40, wired), (14..22).collect::<Vec<_>>());
    let clean = |w: &mut World, seat: &Seat, p: Space, a: u64| {
        (16..24).for_each(|n| {
            w.decide(seat, Want::Launder, p, a + n * PAGE);
        });
        w.pump();
        for n in (16..24).filter(|n| *n != 19) {
            assert!(w.write(p, a + n * PAGE, n));
        }
    };
    assert_eq!(run_of(17, 24, clean), (11..19).collect::<Vec<_>>());
    let absent = |w: &mut World, _: &Seat, p: Space, a: u64| {
        let free = Advice::Free;
        let op = proto::Advise { space: p, address: a + 19 * PAGE, pages: 1, advice: free };
        w.init::<()>(Request::Advise(op)).unwrap();
        w.programs.get_mut(&p).unwrap().memory.remove(&(a + 19 * PAGE));
    };
    assert_eq!(run_of(21, 40, absent), (20..28).collect::<Vec<_>>());
    let busy = |w: &mut World, seat: &Seat, p: Space, a: u64| {
        (16..24).for_each(|n| {
            w.decide(seat, Want::Launder, p, a + n * PAGE);
        });
    };
    assert_eq!(run_of(25, 40, busy), (24..32).collect::<Vec<_>>());
}

#[test]
fn pgo_151_pages_are_busy_and_write_protected_before_the_pager_hears_of_them() {
    let (mut w, seat, p, a) = dirty(8);
    let task = w.vm.spaces.get(p).unwrap().task;
    assert!(w.vm.m.pte(task, a).unwrap().flags.contains(MapFlags::WRITE));
    let mut batch = [w.decision(Want::Launder, w.frame(p, a).unwrap())];
    w.decide_raw(&seat, 9, &mut batch).unwrap();
    assert_eq!(batch[0], Verdict::Started as u64 | 8 << 8, "a write of eight pages");
    for n in 0..8 {
        assert!(w.flags(p, a + n * PAGE).contains(Flags::WRITING));
        assert!(!w.vm.m.pte(task, a + n * PAGE).unwrap().flags.contains(MapFlags::WRITE));
    }
    let object = w.key(p, a).0;
    assert_eq!(w.vm.objects.get(object).unwrap().busy, 8, "paging in progress");
    assert_eq!(w.count(Counter::v_laundry_count), 8);
    assert_eq!(w.transfers(), 8);
    // PGO-155: each drops its share when it ends.
    w.finish(3, Outcome::Ok);
    assert_eq!(w.vm.objects.get(object).unwrap().busy, 7);
    w.pump();
    assert_eq!((w.vm.objects.get(object).unwrap().busy, w.count(Counter::v_laundry_count)), (0, 0));
    w.check();
}

#[test]
fn pgo_149_during_a_write_reads_go_on_and_writes_wait() {
    let (mut w, seat, p, a) = dirty(2);
    w.decide(&seat, Want::Launder, p, a);
    assert_eq!(w.transfers(), 2);
    assert!(w.read(p, a), "through the mapping that is there");
    let op = proto::Protect { space: p, address: a, pages: 2, protection: 0 };
    w.init::<()>(Request::Protect(op)).unwrap();
    let op = proto::Protect { space: p, address: a, pages: 2, protection: 3 };
    w.init::<()>(Request::Protect(op)).unwrap();
    assert!(w.read(p, a), "and by a fault");
    let intrans = w.count(Counter::v_intrans);
    assert!(!w.write(p, a, 50) && w.stopped(p));
    assert_eq!(w.count(Counter::v_intrans), intrans + 1);
    w.finish(1, Outcome::Ok);
    w.run_programs();
    assert!(w.stopped(p), "another page's end is not this one's");
    w.finish(0, Outcome::Ok);
    w.run_programs();
    assert!(!w.stopped(p));
    // The page is dirty again, although its write ended well.
    assert_eq!(w.decide(&seat, Want::Reclaim, p, a), Verdict::Dirty);
    w.check();
}

/// PGO-013, PGO-015; PGO-016 as here: no status leaves a page in doubt.
#[test]
fn pgo_013_a_failed_write_leaves_the_page_dirty_and_active() {
    for outcome in [Outcome::Fail, Outcome::Error, Outcome::Again, Outcome::Bad] {
        let (mut w, mut seat, p, a) = dirty(1);
        w.decide(&seat, Want::Launder, p, a);
        assert_eq!(w.transfers(), 1);
        w.finish(0, outcome);
        let flags = w.flags(p, a);
        assert!(flags.contains(Flags::ACTIVE | Flags::DIRTY) && !flags.contains(Flags::WRITING), "{flags:?}");
        assert_eq!((w.count(Counter::v_pageout_errors), w.count(Counter::v_swappgsout)), (1, 0));
        assert_eq!(w.count(Counter::swap_used), 0);
        let frame = w.frame(p, a).unwrap();
        assert!(w.events(&mut seat).contains(&(EventKind::Laundered, frame, 0)));
        assert_eq!(w.decide(&seat, Want::Reclaim, p, a), Verdict::Dirty);
        assert_eq!(w.decide(&seat, Want::Launder, p, a), Verdict::Started, "it is tried again");
        w.pump();
        assert_eq!(w.decide(&seat, Want::Reclaim, p, a), Verdict::Done);
        w.check();
    }
}

/// SWP-W12: until the new copy is durable the old one is kept.
#[test]
fn a_failed_rewrite_keeps_the_old_copy_and_the_page() {
    let (mut w, seat, p, a) = dirty(1);
    w.decide(&seat, Want::Launder, p, a);
    w.pump();
    w.write(p, a, 70);
    w.decide(&seat, Want::Launder, p, a);
    assert_eq!(w.transfers(), 1);
    w.finish(0, Outcome::Error);
    assert_eq!((w.count(Counter::swap_used), w.store.copies.len()), (1, 1));
    assert_eq!(w.decide(&seat, Want::Reclaim, p, a), Verdict::Dirty);
    w.decide(&seat, Want::Launder, p, a);
    w.pump();
    assert_eq!(w.decide(&seat, Want::Reclaim, p, a), Verdict::Done);
    w.read(p, a);
    w.pump();
    w.check();
}

#[test]
fn pgo_013_without_swap_space_the_page_is_activated() {
    let mut w = World::new(500);
    let p = w.program();
    let a = w.mmap(p, 1);
    w.write(p, a, 1);
    let seat = w.scripted_policy();
    w.decide(&seat, Want::Deactivate, p, a);
    assert_eq!(w.decide(&seat, Want::Launder, p, a), Verdict::NoSpace);
    assert!(w.flags(p, a).contains(Flags::ACTIVE));
    assert_eq!(w.decide(&seat, Want::Reclaim, p, a), Verdict::Dirty);
    w.check();
}

#[test]
fn a_page_named_twice_in_a_batch_is_not_lost() {
    let (mut w, seat, p, a) = dirty(1);
    w.decide(&seat, Want::Launder, p, a);
    w.pump();
    // Written between the look at the bits and the removal of the mapping, as another processor could.
    let frame = w.frame(p, a).unwrap();
    w.vm.m.before_removal = Some((frame, 4711));
    w.programs.get_mut(&p).unwrap().memory.insert(a, 4711);
    let d = w.decision(Want::Reclaim, frame);
    let mut batch = [d, d, d];
    w.decide_raw(&seat, 9, &mut batch).unwrap();
    assert_eq!(batch.map(|v| v & 0xff), [Verdict::Dirty as u64; 3]);
    assert!(w.read(p, a));
    w.check();
}

#[test]
fn a_batch_may_be_limited_in_the_writes_it_starts() {
    let (mut w, seat, p, a) = dirty(32);
    let frames: Vec<u32> = [0, 8, 16, 24].iter().map(|n| w.frame(p, a + n * PAGE).unwrap()).collect();
    let mut batch: Vec<u64> = frames.iter().map(|f| w.decision(Want::Launder, *f)).collect();
    w.decide_raw(&seat, 2, &mut batch).unwrap();
    let verdicts: Vec<u64> = batch.iter().map(|v| v & 0xff).collect();
    let (started, dirty) = (Verdict::Started as u64, Verdict::Dirty as u64);
    assert_eq!(verdicts, [started, started, dirty, dirty]);
    w.pump();
    w.check();
}

#[test]
fn reading_ahead_doubles_for_a_sequential_reader() {
    let (mut w, seat, p, a) = dirty(40);
    w.init::<()>(Request::SpaceFree(proto::SpaceFree { space: seat.space })).unwrap();
    swap_out(&mut w, p, a, 40);
    let mut sizes = Vec::new();
    let mut n = 0;
    while n < 40 {
        if w.read(p, a + n * PAGE) {
            n += 1;
            continue;
        }
        sizes.push(w.transfers());
        w.pump();
        n += 1;
    }
    assert_eq!(sizes, [1, 2, 4, 8, 8, 8, 8, 1]);
    w.check();
}

#[test]
fn advice_decides_the_window() {
    for (advice, first) in [(Advice::Random, 1), (Advice::Sequential, 8)] {
        let (mut w, seat, p, a) = dirty(20);
        w.init::<()>(Request::SpaceFree(proto::SpaceFree { space: seat.space })).unwrap();
        swap_out(&mut w, p, a, 20);
        w.init::<()>(Request::Advise(proto::Advise { space: p, address: a, pages: 20, advice })).unwrap();
        assert!(!w.read(p, a + 4 * PAGE));
        assert_eq!(w.transfers(), first);
        // What was needed is active, what came along is not.
        w.pump();
        assert!(w.flags(p, a + 4 * PAGE).contains(Flags::ACTIVE));
        if first > 1 {
            assert!(w.flags(p, a + 5 * PAGE).contains(Flags::INACTIVE));
        }
        w.check();
    }
}

/// SWP-104..SWP-107 as `vm` sees them.
#[test]
fn neighbours_that_are_not_read_go_back_and_are_read_when_needed() {
    let (mut w, seat, p, a) = dirty(8);
    w.init::<()>(Request::SpaceFree(proto::SpaceFree { space: seat.space })).unwrap();
    swap_out(&mut w, p, a, 8);
    let advice = Advice::Sequential;
    w.init::<()>(Request::Advise(proto::Advise { space: p, address: a, pages: 8, advice })).unwrap();
    assert!(!w.read(p, a));
    assert_eq!(w.transfers(), 8);
    let free = w.vm.frames.gate.free_count();
    (0..7).for_each(|_| w.finish(1, Outcome::Fail));
    assert_eq!(w.vm.frames.gate.free_count(), free + 7);
    w.pump();
    assert!(!w.refused(p) && w.frame(p, a + PAGE).is_none());
    (1..8).for_each(|n| {
        w.read(p, a + n * PAGE);
        w.pump();
    });
    w.check();
}

#[test]
fn a_page_that_cannot_be_read_ends_its_program_and_nobody_else() {
    let (mut w, seat, p, a) = dirty(2);
    w.init::<()>(Request::SpaceFree(proto::SpaceFree { space: seat.space })).unwrap();
    swap_out(&mut w, p, a, 2);
    let q = w.program();
    let b = w.mmap(q, 1);
    w.write(q, b, 5);
    w.read(p, a);
    assert_eq!(w.transfers(), 1);
    w.finish(0, Outcome::Error);
    w.run_programs();
    assert!(w.refused(p));
    assert_eq!(w.happenings, [proto::Happening::PageLost { space: p, address: a }]);
    w.check();
    w.end(p);
    assert!(w.read(q, b));
    w.pump();
    assert_eq!(w.store.copies.len(), 0, "its copies are given up");
    w.check();
}

/// Pages with I/O under way come back when it ends (`OBJ_DEAD`).
#[test]
fn a_program_that_ends_in_the_middle_of_transfers_leaves_nothing() {
    let (mut w, seat, p, a) = dirty(16);
    (0..8).for_each(|n| {
        w.decide(&seat, Want::Launder, p, a + n * PAGE);
    });
    w.pump();
    (0..4).for_each(|n| assert_eq!(w.decide(&seat, Want::Reclaim, p, a + n * PAGE), Verdict::Done));
    w.decide(&seat, Want::Launder, p, a + 8 * PAGE);
    w.read(p, a);
    assert_eq!(w.transfers(), 9, "eight are written, one is read");
    w.end(p);
    let doomed = (0..500).filter(|f| w.vm.frames.page(*f).flags.contains(Flags::DOOMED)).count();
    assert_eq!(doomed, 9);
    w.check();
    w.pump();
    assert_eq!((w.store.copies.len(), w.vm.objects.iter().count()), (0, 0));
    assert_eq!(w.count(Counter::swap_used), 0);
    w.check();
}

#[test]
fn a_policy_is_told_of_every_page_that_goes_without_its_doing() {
    let (mut w, mut seat, p, a) = dirty(3);
    w.decide(&seat, Want::Launder, p, a);
    w.accept();
    let frames: Vec<u32> = (0..3).map(|n| w.frame(p, a + n * PAGE).unwrap()).collect();
    w.end(p);
    w.pump();
    let gone: Vec<u32> =
        w.events(&mut seat).into_iter().filter(|e| e.0 == EventKind::Free).map(|e| e.1).collect();
    assert!(frames.iter().all(|f| gone.contains(f)), "{frames:?} {gone:?}");
}
