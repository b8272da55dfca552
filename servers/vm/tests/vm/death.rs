// SPDX-License-Identifier: BSD-2-Clause
//! The death of the pager, what it says that is not true, and its replacement.

use crate::memory::swap_out;
use crate::model::World;
use crate::model::world::{PAGE, decode};
use ebb_abi::meter::Counter;
use ebb_proto::Error;
use ebb_proto::pager::{Completion, Op, Outcome};
use ebb_proto::vm::{self as proto, Advice, AuditReport, INIT, Request, Space, Verdict, Want};
use ebb_vm::page::Flags;

/// Two programs; of the first, pages 0..8 are in swap only, 8..16 dirty and in memory.
fn setting() -> (World, Space, u64) {
    let mut w = World::with_swap(500, 400);
    let p = w.program();
    let a = w.mmap(p, 16);
    (0..16).for_each(|n| assert!(w.write(p, a + n * PAGE, n + 1)));
    swap_out(&mut w, p, a, 8);
    (w, p, a)
}

#[test]
fn a_pager_that_dies_with_reads_writes_and_frees_in_flight_loses_no_byte() {
    for landed in [false, true] {
        for accepted in [false, true] {
            let (mut w, p, a) = setting();
            let q = w.program();
            let b = w.mmap(q, 4);
            (0..4).for_each(|n| assert!(w.write(q, b + n * PAGE, n + 100)));
            swap_out(&mut w, q, b, 4);
            let seat = w.scripted_policy();
            if accepted {
                w.accept();
            }
            // A read, a write, a free of copies, a write of a page whose program ends.
            assert!(!w.read(p, a + 3 * PAGE));
            assert_eq!(w.decide(&seat, Want::Launder, p, a + 9 * PAGE), Verdict::Started);
            let op = proto::Advise { space: p, address: a + 5 * PAGE, pages: 2, advice: Advice::Free };
            w.init::<()>(Request::Advise(op)).unwrap();
            (5..7).for_each(|n| {
                w.programs.get_mut(&p).unwrap().memory.remove(&(a + n * PAGE));
            });
            w.read(q, b);
            w.end(q);
            if accepted {
                w.accept();
            }
            w.kill_pager(|_| landed);
            w.pass(50);
            assert!(w.stopped(p), "it waits; nothing is refused");
            let seen = w.audit();
            assert_eq!(seen.problems, ["the pager cannot be asked"]);
            w.attach_pager();
            assert!(w.count(Counter::v_resubmitted) >= 2);
            w.pump();
            assert!(!w.stopped(p));
            w.check();
            for n in 0..16 {
                w.read(p, a + n * PAGE);
                w.pump();
                assert!(w.read(p, a + n * PAGE), "page {n}");
            }
            w.end(p);
            w.pump();
            assert_eq!((w.store.copies.len(), w.count(Counter::swap_used)), (0, 0));
            w.check();
        }
    }
}

#[test]
fn what_is_asked_while_there_is_no_pager_waits_for_the_next() {
    let (mut w, p, a) = setting();
    w.kill_pager(|_| false);
    let seat = w.scripted_policy();
    assert!(!w.read(p, a) && w.stopped(p));
    let (wiring, _) = w.call(INIT, Request::Wire(proto::Wire { space: p, address: a, pages: 2 }));
    assert_eq!(w.decide(&seat, Want::Launder, p, a + 9 * PAGE), Verdict::Again);
    assert_eq!(w.swap_on(0), Err(Error::Busy));
    assert_eq!(w.swap_off(0), Err(Error::Busy));
    w.pass(500);
    assert!(w.stopped(p));
    w.attach_pager();
    w.pump();
    assert!(!w.stopped(p));
    assert_eq!(decode::<()>(w.vm.m.answers.take(wiring).expect("an answer")), Ok(()));
    w.check();
}

/// The ring holds 512 entries: with so many frees in it there is no room for the pages.
#[test]
fn pages_in_flight_are_submitted_again_though_frees_fill_the_ring() {
    let mut w = World::with_swap(900, 700);
    let p = w.program();
    let a = w.mmap(p, 600);
    for n in 0..600 {
        if !w.write(p, a + n * PAGE, n + 1) {
            panic!("there is memory enough");
        }
    }
    swap_out(&mut w, p, a, 560);
    let seat = w.scripted_policy();
    w.decide(&seat, Want::Launder, p, a + 570 * PAGE);
    w.kill_pager(|_| false);
    for n in 0..560 {
        let op = proto::Advise { space: p, address: a + n * PAGE, pages: 1, advice: Advice::Free };
        w.init::<()>(Request::Advise(op)).unwrap();
        w.programs.get_mut(&p).unwrap().memory.remove(&(a + n * PAGE));
    }
    assert!(!w.write(p, a + 570 * PAGE, 5));
    w.attach_pager();
    w.pump();
    assert!(!w.stopped(p), "the page's write was never submitted again");
    assert_eq!(w.store.copies.len(), 1);
    w.check();
}

/// A free that waits for room must not be overtaken by the write of the same page: it would hit the new copy.
#[test]
fn no_write_overtakes_an_earlier_free_of_the_same_page() {
    let mut w = World::with_swap(900, 700);
    let p = w.program();
    let a = w.mmap(p, 560);
    (0..560).for_each(|n| assert!(w.write(p, a + n * PAGE, n + 1)));
    swap_out(&mut w, p, a, 560);
    // More frees than the ring holds; the pager does not look.
    for n in 0..560 {
        let op = proto::Advise { space: p, address: a + n * PAGE, pages: 1, advice: Advice::Free };
        w.init::<()>(Request::Advise(op)).unwrap();
    }
    w.programs.get_mut(&p).unwrap().memory.clear();
    // The pager takes what there is, but vm has not seen it yet.
    w.accept();
    let last = a + 559 * PAGE;
    assert!(w.write(p, last, 7777));
    let seat = w.scripted_policy();
    let first = w.decide(&seat, Want::Launder, p, last);
    w.pump();
    if first == Verdict::Again {
        assert_eq!(w.decide(&seat, Want::Launder, p, last), Verdict::Started);
        w.pump();
    }
    assert_eq!(w.decide(&seat, Want::Reclaim, p, last), Verdict::Done);
    assert!(!w.read(p, last));
    w.pump();
    assert!(w.read(p, last));
    w.check();
}

#[test]
fn nonsense_from_the_pager_changes_nothing() {
    let (mut w, p, a) = setting();
    let seat = w.scripted_policy();
    w.decide(&seat, Want::Launder, p, a + 9 * PAGE);
    w.read(p, a);
    assert!(w.transfers() > 1);
    let (reading, writing) = (w.vm.pager.ch.reading, w.vm.pager.ch.writing);
    let frame = w.frame(p, a + 9 * PAGE).unwrap() as u64;
    let generation = w.vm.frames.page(frame as u32).generation;
    let pager = w.pager.as_mut().unwrap();
    for entry in [[0; 4], [u64::MAX; 4], [77 << 8, 1, 2, 3]] {
        pager.send_raw(&entry);
    }
    let told = |op, cookie, frame| Completion { outcome: Outcome::Ok, op, cookie, frame, results: [0; 2] };
    for c in [
        told(Op::Put, generation + 1, frame),
        told(Op::Get, generation, frame),
        told(Op::Put, generation, u64::MAX),
        told(Op::Put, 1, 0),
        told(Op::SwapOffEnd, 0, 0),
        told(Op::SwapOn, 0, 0),
        told(Op::Audit, 0, 0),
        told(Op::Prepare, 0, 0),
        told(Op::Free, 0, 0),
    ] {
        pager.send(&c);
    }
    w.completions();
    assert_eq!((w.vm.pager.ch.reading, w.vm.pager.ch.writing), (reading, writing));
    assert!(w.flags(p, a + 9 * PAGE).contains(Flags::WRITING) && w.stopped(p));
    w.pump();
    w.check();
}

#[test]
fn a_completion_said_twice_is_believed_once() {
    let (mut w, p, a) = setting();
    let seat = w.scripted_policy();
    w.decide(&seat, Want::Launder, p, a + 9 * PAGE);
    let n = w.transfers();
    let t = w.pager.as_ref().unwrap().transfers[0];
    let c = Completion {
        outcome: Outcome::Ok,
        op: Op::Put,
        cookie: t.submission.cookie,
        frame: t.frame as u64,
        results: [0; 2],
    };
    w.finish(0, Outcome::Ok);
    let used = w.count(Counter::swap_used);
    w.pager.as_mut().unwrap().send(&c);
    w.completions();
    assert_eq!((w.count(Counter::swap_used), w.transfers()), (used, n - 1));
    w.pump();
    w.check();
}

#[test]
fn a_pager_that_breaks_its_ring_is_as_good_as_dead_and_the_next_takes_over() {
    let (mut w, p, a) = setting();
    w.read(p, a);
    w.accept();
    let words = w.ring_words_of_pager();
    words[words.len() / 2].store(u64::MAX, std::sync::atomic::Ordering::Relaxed);
    w.completions();
    assert!(!w.vm.pager.ch.attached());
    w.pager = None;
    w.attach_pager();
    w.pump();
    assert!(!w.stopped(p));
    w.check();
}

#[test]
fn an_audit_that_the_pager_does_not_live_to_answer_says_so() {
    let (mut w, _, _) = setting();
    let (id, answer) = w.call(INIT, Request::Audit(proto::Audit {}));
    assert_eq!(answer, None);
    let second: Result<AuditReport, Error> = w.init(Request::Audit(proto::Audit {}));
    assert_eq!(second, Err(Error::Busy));
    w.kill_pager(|_| false);
    let report: AuditReport = decode(w.vm.m.answers.take(id).expect("an answer")).unwrap();
    assert_eq!(report.problems, ["the pager died during the audit"]);
    w.attach_pager();
    w.check();
}

/// The write reached the disk, but nobody was told; written again it fails.
#[test]
fn a_copy_that_nobody_knows_of_is_given_up() {
    for ends in [false, true] {
        let (mut w, p, a) = setting();
        let seat = w.scripted_policy();
        w.decide(&seat, Want::Launder, p, a + 9 * PAGE);
        assert_eq!(w.transfers(), 1);
        w.kill_pager(|_| true);
        assert_eq!(w.store.copies.len(), 9);
        w.attach_pager();
        assert_eq!(w.transfers(), 1);
        if ends {
            w.end(p);
        }
        w.finish(0, Outcome::Error);
        w.pump();
        assert_eq!(w.store.copies.len(), if ends { 0 } else { 8 });
        w.check();
    }
}

#[test]
fn replacing_the_pager_says_how_long_requests_were_held_and_leaks_nothing() {
    let (mut w, p, a) = setting();
    let op = proto::Advise { space: p, address: a, pages: 16, advice: Advice::Random };
    w.init::<()>(Request::Advise(op)).unwrap();
    let mut free = 0;
    for round in 0..6 {
        if round == 1 {
            free = w.vm.frames.gate.free_count();
        }
        w.kill_pager(|_| false);
        w.pass(7);
        w.attach_pager();
        let ask = || Request::PagerHeld(proto::PagerHeld { kind: proto::PagerKind::Swap });
        assert_eq!(w.init::<u64>(ask()), Err(Error::Busy), "until it is at work");
        w.pump();
        assert_eq!(w.init::<u64>(ask()), Ok(7 * crate::model::world::MS));
        w.read(p, a + round * PAGE);
        w.pump();
        w.check();
    }
    // Five pages came in; otherwise nothing has changed.
    assert_eq!(w.vm.frames.gate.free_count(), free - 5);
    // Each instance's notification is closed.
    assert!(w.vm.m.closed.iter().filter(|h| h.0 > 50).count() >= 5);
}
