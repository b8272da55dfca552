// SPDX-License-Identifier: BSD-2-Clause
//! The vnode pager's end in the middle of everything, and vnode pagers that say what is not so.

use crate::model::files::{RW, Reach, pattern};
use crate::model::world::{PAGE, World};
use ebb_abi::fault::Access;
use ebb_proto::Error;
use ebb_proto::pager::{Completion, Notice, Op, Outcome};
use ebb_proto::vm::{self as proto, INIT, PagerKind, Request};

const FRAMES: u32 = 320;

#[test]
fn a_new_instance_hears_of_files_first_and_then_of_what_was_under_way() {
    let mut w = World::with_files(FRAMES, 500);
    let contents = pattern(1, 8 * PAGE as usize);
    let (p, inode, f) = w.opened(&contents);
    let (q, r, s) = (w.file_program(), w.file_program(), w.file_program());
    let (g, h, i) = (w.open(q, inode, RW), w.open(r, inode, RW), w.open(s, inode, RW));
    let map = w.map_shared(r, h, 20);
    let (a, b) = (w.mmap(p, 2), w.mmap(q, 2));
    w.poke(q, b, b"at the end");
    assert_eq!(w.write_at(q, g, 8 * PAGE + 100, b, 10), Ok(10));
    // A read, a write that needs a block, a fault, an fsync.
    let (read, None) = w.read_begin(p, f, 2 * PAGE, a, 100) else { panic!("at once") };
    let (write, None) = w.write_begin(q, g, 10 * PAGE, b, 10) else { panic!("at once") };
    assert_eq!(w.reach(r, map + 5 * PAGE, Access::empty()), Reach::Waits);
    let (sync, None) = w.call(s, Request::Sync(proto::Sync { file: i })) else { panic!("at once") };
    for round in 0..3 {
        w.kill_vnode(|t| t.index % 2 == round % 2);
        assert!(w.vm.waiting.counts().iter().sum::<usize>() >= 4);
        w.attach_vnode();
        let pager = w.vnode.as_ref().expect("a pager");
        assert_eq!((pager.seen[0].op, pager.seen[0].words[1]), (Op::Hold, 8 * PAGE + 110));
        assert!(pager.pages.iter().all(|t| t.submission.run == 1));
    }
    assert_eq!(w.wait(read, None), Ok(100u32));
    assert_eq!(w.wait(write, None), Ok(10u32));
    assert_eq!(w.wait::<()>(sync, None), Ok(()));
    assert_eq!(w.peek(r, map + 5 * PAGE, 8), Some(contents[5 * 4096..5 * 4096 + 8].to_vec()));
    w.sync_all().expect("sync");
    assert!(w.volume.files[&inode].contents() == w.look_at_file(inode));
    w.check();
}

#[test]
fn a_truncation_survives_the_pager_and_its_own_program() {
    let mut w = World::with_files(FRAMES, 500);
    let (p, inode, f) = w.opened(&pattern(1, 8 * PAGE as usize));
    let q = w.file_program();
    let g = w.open(q, inode, RW);
    let map = w.map_shared(q, g, 8);
    assert_eq!(w.reach(q, map + 6 * PAGE, Access::empty()), Reach::Waits);
    // It waits for a page beyond; then for the pager.
    let (_, None) = w.call(p, Request::Truncate(proto::Truncate { file: f, size: 100 })) else {
        panic!("at once")
    };
    w.end(p);
    assert!(w.file(inode).expect("a file").locked, "it goes on");
    w.kill_vnode(|_| true);
    w.attach_vnode();
    w.pump();
    assert!(!w.file(inode).expect("a file").locked);
    assert_eq!(w.volume.files[&inode].size, 100);
    assert_eq!(w.vm.descriptions.iter().count(), 1);
    assert_eq!(w.reach(q, map + 6 * PAGE, Access::empty()), Reach::Refused);
    // One that has not begun ends with its program.
    let r = w.file_program();
    let h = w.open(r, inode, RW);
    let buffer = w.mmap(r, 1);
    let (write, None) = w.write_begin(r, h, 50_000, buffer, 10) else { panic!("at once") };
    let s = w.file_program();
    let i = w.open(s, inode, RW);
    let (_, None) = w.call(s, Request::Truncate(proto::Truncate { file: i, size: 7 })) else {
        panic!("at once")
    };
    w.end(s);
    assert_eq!(w.wait(write, None), Ok(10u32));
    assert_eq!(w.info(r, h).size, 50_010);
    w.check();
}

#[test]
fn a_failed_truncation_is_told_and_the_file_is_free_again() {
    let mut w = World::with_files(FRAMES, 500);
    let (p, inode, f) = w.opened(&pattern(1, 8 * PAGE as usize));
    for (size, outcome, error) in [(90_000, Outcome::Fail, Error::NoSpace), (100, Outcome::Error, Error::Io)]
    {
        let (id, None) = w.call(p, Request::Truncate(proto::Truncate { file: f, size })) else {
            panic!("at once")
        };
        w.vnode_accept();
        w.vnode_finish(0, outcome);
        assert_eq!(w.wait::<()>(id, None), Err(error));
        assert!(!w.file(inode).expect("a file").locked);
    }
    assert_eq!(w.truncate(p, f, 50), Ok(()));
    w.check();
}

#[test]
fn a_grant_of_an_instance_that_is_gone_still_opens() {
    let mut w = World::with_files(FRAMES, 500);
    let inode = w.volume.create(&pattern(1, 100));
    let p = w.file_program();
    let grant = w.vnode.as_mut().expect("a pager").grant(&w.volume, inode, RW, p);
    w.kill_vnode(|_| true);
    let open = Request::FileOpen(proto::FileOpen { grant, append: false });
    let (f, size) = w.ask::<(u32, u64)>(p, open).expect("opening");
    assert_eq!(size, 100);
    w.attach_vnode();
    assert_eq!(w.close(p, f), Ok(()));
    w.vnode_accept();
    assert!(w.vnode.as_ref().expect("a pager").held.is_empty(), "grants count from 0 for each instance");
    w.check();
}

#[test]
fn a_file_without_a_name_is_held_across_the_pagers_end_and_removed_after() {
    let mut w = World::with_files(FRAMES, 500);
    let (p, inode, f) = w.opened(&pattern(1, 100));
    w.vnode.as_mut().expect("a pager").unlink(&mut w.volume, inode);
    w.kill_vnode(|_| true);
    w.attach_vnode();
    let buffer = w.mmap(p, 1);
    assert_eq!(w.read_at(p, f, 0, buffer, 100), Ok(100));
    // Let go while there is no pager: the next one hears nothing of it.
    w.kill_vnode(|_| true);
    assert_eq!(w.close(p, f), Ok(()));
    w.attach_vnode();
    w.pump();
    assert!(w.volume.files.is_empty() && w.vm.vnode.by_inode.is_empty());
    w.check();
}

#[test]
fn completions_that_nobody_asked_for_change_nothing() {
    let mut w = World::with_files(FRAMES, 500);
    let (p, inode, f) = w.opened(&pattern(1, 4 * PAGE as usize));
    let map = w.map_shared(p, f, 4);
    assert!(w.poke(p, map, b"dirty"));
    let (id, None) = w.call(p, Request::Sync(proto::Sync { file: f })) else { panic!("at once") };
    let q = w.file_program();
    let g = w.open(q, inode, RW);
    let theirs = w.map_shared(q, g, 4);
    assert_eq!(w.reach(q, theirs + 3 * PAGE, Access::empty()), Reach::Waits);
    w.vnode_accept();
    let (log, before) = (w.vm.m.log.len(), w.look_at_file(inode));
    let all = [
        Op::Get,
        Op::Put,
        Op::Free,
        Op::Prepare,
        Op::SwapOn,
        Op::SwapOffEnd,
        Op::Audit,
        Op::PutBytes,
        Op::Reserve,
        Op::Resize,
        Op::Size,
        Op::Fsync,
        Op::Hold,
        Op::Release,
    ];
    let mut sent = 0;
    for op in all {
        for frame in (0..FRAMES as u64 + 8).step_by(7).chain([u64::MAX, 1 << 32]) {
            let generation = w.vm.frames.page(frame as u32).generation;
            for cookie in [generation ^ 0x4000_0000, u32::MAX] {
                let pager = w.vnode.as_mut().expect("a pager");
                pager.send(&Completion { outcome: Outcome::Ok, op, cookie, frame, results: [u64::MAX; 2] });
                sent += 1;
            }
            // A write as the answer to a read, and the other way round.
            let wrong = if op == Op::Get { Op::Put } else { Op::Get };
            if matches!(op, Op::Get | Op::Put) && w.vm.frames.page(frame as u32).flags.is_empty() {
                let pager = w.vnode.as_mut().expect("a pager");
                pager.send(&Completion {
                    outcome: Outcome::Ok,
                    op: wrong,
                    cookie: generation,
                    frame,
                    results: [0; 2],
                });
                sent += 1;
            }
            w.vnode_completions();
        }
    }
    assert_eq!(w.vm.m.log.len() - log, sent, "each is in the log");
    assert!(w.look_at_file(inode) == before);
    assert_eq!(w.wait::<()>(id, None), Ok(()));
    assert!(w.peek(q, theirs + 3 * PAGE, 1).is_some());
    w.check();
}

#[test]
fn notices_about_nobody_change_nothing() {
    let mut w = World::with_files(FRAMES, 500);
    let (p, inode, f) = w.opened(&pattern(1, 100));
    let pager = w.vnode.as_mut().expect("a pager");
    pager.send_raw(&Notice::Unlinked { inode: 99 }.pack());
    pager.send_raw(&[u64::MAX; 4]);
    w.vnode_completions();
    // A size beyond all bounds.
    let pager = w.vnode.as_mut().expect("a pager");
    let grant = Notice::Granted { grant: 5, rights: u8::MAX, inode: 77, space: p, size: u64::MAX };
    pager.send_raw(&grant.pack());
    let open = Request::FileOpen(proto::FileOpen { grant: 5, append: true });
    let (g, size) = w.ask::<(u32, u64)>(p, open).expect("opening");
    assert_eq!(size, ebb_vm::file::MAX_SIZE);
    let buffer = w.mmap(p, 1);
    assert!(w.write_begin(p, g, 0, buffer, 10).1.is_some(), "too large already");
    let seek = Request::Seek(proto::Seek { file: g, to: -1, whence: 2 });
    assert_eq!(w.ask::<u64>(p, seek), Ok(size - 1));
    // A size for a file that `vm` has is not news.
    let pager = w.vnode.as_mut().expect("a pager");
    pager.send_raw(&Notice::Granted { grant: 6, rights: 1, inode, space: p, size: 1 << 30 }.pack());
    w.vnode_completions();
    assert_eq!(w.info(p, f).size, 100);
}

#[test]
fn a_pager_that_floods_is_cut_off_and_the_next_one_finds_everything() {
    let mut w = World::with_files(FRAMES, 500);
    let (p, inode, f) = w.opened(&pattern(1, 3 * PAGE as usize));
    let buffer = w.mmap(p, 3);
    assert_eq!(w.read_at(p, f, 0, buffer, 3 * PAGE as u32), Ok(3 * PAGE as u32));
    // Files for programs that are not there, and never an answer to what is said of them.
    let mut n = 0;
    while w.vm.vnode.ch.attached() {
        let pager = w.vnode.as_mut().expect("a pager");
        for _ in 0..400 {
            n += 1;
            pager.send_raw(
                &Notice::Granted { grant: n, rights: 3, inode: 1000 + n, space: 60_000, size: 9 }.pack(),
            );
        }
        w.vnode_completions();
        assert!(n < 20_000, "nobody minds");
    }
    assert!(w.vm.vnode.under_way().0 <= 1, "what the next one need not hear of is forgotten");
    let space = core::mem::take(&mut w.vnode_space);
    w.vnode = None;
    w.init::<()>(Request::SpaceFree(proto::SpaceFree { space })).expect("ending the pager");
    w.attach_vnode();
    w.evict(inode);
    assert_eq!(w.read_at(p, f, 0, buffer, 3 * PAGE as u32), Ok(3 * PAGE as u32));
    w.check();
}

#[test]
fn grants_that_nobody_takes_are_bounded() {
    let mut w = World::with_files(FRAMES, 500);
    let inode = w.volume.create(&pattern(1, 100));
    let p = w.file_program();
    let mut last = 0;
    for _ in 0..3000 {
        last = w.vnode.as_mut().expect("a pager").grant(&w.volume, inode, RW, p);
        w.vnode_completions();
    }
    assert!(w.vm.vnode.grants.len() <= 1024);
    let open = Request::FileOpen(proto::FileOpen { grant: last, append: false });
    assert!(w.ask::<(u32, u64)>(p, open).is_ok());
    w.end(p);
    w.pump();
    assert!(w.vnode.as_ref().expect("a pager").held.is_empty());
    w.check();
}

#[test]
fn an_audit_goes_on_with_the_next_instance_and_counts_what_was_released_meanwhile() {
    let mut w = World::with_files(FRAMES, 500);
    let (p, _, f) = w.opened(&[]);
    let (q, _, g) = w.opened(&[]);
    let (id, answer) = w.call(INIT, Request::Audit(proto::Audit {}));
    assert_eq!(answer, None);
    w.accept();
    w.completions();
    w.vnode_accept();
    assert_eq!(w.close(p, f), Ok(()));
    let pager = w.vnode.as_mut().expect("a pager");
    assert!(pager.ops.iter().any(|o| o.op == Op::Audit));
    // It looked before it heard of the release.
    let at = pager.ops.iter().position(|o| o.op == Op::Audit).expect("an audit");
    pager.finish_op(at, Outcome::Ok, &mut w.volume);
    let report: proto::AuditReport = w.wait(id, None).expect("a report");
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    let (id, _) = w.call(INIT, Request::Audit(proto::Audit {}));
    w.accept();
    w.completions();
    assert_eq!(w.close(q, g), Ok(()));
    w.kill_vnode(|_| true);
    w.attach_vnode();
    let report: proto::AuditReport = w.wait(id, None).expect("a report");
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    w.vm.take_completions(PagerKind::Vnode);
    w.check();
}
