// SPDX-License-Identifier: BSD-2-Clause
//! Modified pages on their way to the disk: `fsync`, `msync`, `sync`, the syncer, and a policy's decisions about pages of files.

use crate::model::files::{RW, pattern};
use crate::model::world::{MS, PAGE, World, decode};
use ebb_abi::meter::Counter;
use ebb_proto::Error;
use ebb_proto::pager::{ALL, Op, Outcome};
use ebb_proto::vm::{
    self as proto, EventKind, Happening, INIT, PolicyRequest, Request, Space, Verdict, Want,
};
use ebb_vm::page::Flags;

const FRAMES: u32 = 320;

fn sync_begin(w: &mut World, space: Space, file: u32) -> u64 {
    let (id, answer) = w.call(space, Request::Sync(proto::Sync { file }));
    assert_eq!(answer, None, "at once");
    w.vnode_accept();
    id
}

fn msync(w: &mut World, space: Space, address: u64, pages: u64, wait: bool) -> Result<(), Error> {
    let (id, answer) = w.call(space, Request::SyncRange(proto::SyncRange { space: 0, address, pages, wait }));
    w.wait(id, answer)
}

/// Runs of writes: operation, first page, pages.
fn puts(w: &mut World) -> Vec<(Op, u32, usize)> {
    w.vnode_accept();
    let runs = core::mem::take(&mut w.vnode.as_mut().expect("a pager").runs);
    runs.iter().filter(|r| r.0 != Op::Get).map(|r| (r.0, r.2[0], r.2.len())).collect()
}

fn flags(w: &World, inode: u32, index: u32) -> Flags {
    w.vm.frames.page(w.file_entry(inode, index).frame().expect("resident")).flags
}

/// A decision on a page of a file.
fn decide(w: &mut World, seat: &crate::model::policy::Seat, want: Want, inode: u32, index: u32) -> Verdict {
    let frame = w.file_entry(inode, index).frame().expect("resident");
    let mut batch = [w.decision(want, frame)];
    w.decide_raw(seat, u32::MAX, &mut batch).expect("a decision");
    Verdict::from_raw(batch[0] & 0xff)
}

#[test]
fn fsync_asks_for_durability_when_everything_modified_before_has_been_written() {
    let mut w = World::with_files(FRAMES, 500);
    let (p, inode, f) = w.opened(&pattern(1, 40 * PAGE as usize));
    let map = w.map_shared(p, f, 40);
    let buffer = w.mmap(p, 1);
    w.peek(p, map + 30 * PAGE, 1);
    // By the hardware, by a call, and one that is being written already when it is called.
    for n in [0, 3, 4, 39] {
        assert!(w.poke(p, map + n * PAGE, &[n as u8 + 1; 8]));
    }
    w.poke(p, buffer, b"by a call");
    assert_eq!(w.write_at(p, f, 20 * PAGE, buffer, 9), Ok(9));
    let first = sync_begin(&mut w, p, f);
    assert!(w.poke(p, map + 30 * PAGE, b"later"));
    let second = sync_begin(&mut w, p, f);
    let expected = w.look_at_file(inode);
    assert!(w.vnode.as_ref().expect("a pager").fsyncs.is_empty());
    while let Some(last) = w.pages_under_way().len().checked_sub(1) {
        w.vnode_finish(last, Outcome::Ok);
    }
    assert_eq!((w.wait::<()>(first, None), w.wait::<()>(second, None)), (Ok(()), Ok(())));
    let fsyncs = &w.vnode.as_ref().expect("a pager").fsyncs;
    assert!(!fsyncs.is_empty() && fsyncs.iter().all(|(what, _)| *what == inode as u64));
    assert!(fsyncs.last().expect("one").1.files[&inode].contents() == expected);
    // Nothing is modified: nothing is written.
    puts(&mut w);
    assert_eq!(w.fsync(p, f), Ok(()));
    assert_eq!(puts(&mut w), []);
    w.check();
}

#[test]
fn what_the_disk_has_had_goes_by_frame_and_what_is_new_by_its_bytes() {
    let mut w = World::with_files(FRAMES, 500);
    let (p, inode, f) = w.opened(&pattern(1, 20 * PAGE as usize + 10));
    let map = w.map_shared(p, f, 21);
    w.peek(p, map, 20 * PAGE as usize);
    for n in 0..21 {
        assert!(w.poke(p, map + n * PAGE, b"new"));
    }
    let buffer = w.mmap(p, 8);
    assert_eq!(w.write_at(p, f, 24 * PAGE, buffer, 8 * PAGE as u32), Ok(8 * PAGE as u32));
    puts(&mut w);
    let id = sync_begin(&mut w, p, f);
    let runs = puts(&mut w);
    assert!(runs.contains(&(Op::Put, 8, 8)) && runs.contains(&(Op::Put, 16, 5)), "{runs:?}");
    assert!(runs.contains(&(Op::PutBytes, 24, 8)), "{runs:?}");
    assert_eq!(w.wait::<()>(id, None), Ok(()));
    assert!(w.volume.files[&inode].contents() == w.look_at_file(inode));
    // The page with the end in it goes by its bytes: nothing behind the end reaches the disk.
    assert_eq!(w.truncate(p, f, 32 * PAGE - 100), Ok(()));
    puts(&mut w);
    assert!(w.write_at(p, f, 31 * PAGE, buffer, 1).is_ok());
    assert_eq!(w.fsync(p, f), Ok(()));
    assert_eq!(puts(&mut w), [(Op::PutBytes, 31, 1)]);
    w.check();
}

#[test]
fn a_page_that_the_pager_gives_back_is_sent_again_before_fsync_answers() {
    let mut w = World::with_files(FRAMES, 500);
    let (p, inode, f) = w.opened(&pattern(1, 8 * PAGE as usize));
    let map = w.map_shared(p, f, 8);
    for n in 0..8 {
        assert!(w.poke(p, map + n * PAGE, b"new"));
    }
    let id = sync_begin(&mut w, p, f);
    // By frame: it wants the bytes. By its bytes: once more. Neither is an answer.
    for _ in 0..8 {
        w.vnode_finish(0, Outcome::Again);
    }
    w.vnode_accept();
    assert!(puts(&mut w).iter().any(|r| r.0 == Op::PutBytes));
    for _ in 0..8 {
        w.vnode_finish(0, Outcome::Again);
        w.vnode_accept();
    }
    assert!(w.vnode.as_ref().expect("a pager").fsyncs.is_empty());
    assert_eq!(w.wait::<()>(id, None), Ok(()));
    assert!(w.volume.files[&inode].contents() == w.look_at_file(inode));
    assert_eq!(w.vm.vnode.under_way(), (0, 0), "bounce pages come back");
    w.check();
}

#[test]
fn a_failed_write_keeps_the_page_and_is_told_once_to_each_who_waits() {
    let mut w = World::with_files(FRAMES, 500);
    let (p, inode, f) = w.opened(&pattern(1, 2 * PAGE as usize));
    let q = w.file_program();
    let g = w.open(q, inode, RW);
    let map = w.map_shared(p, f, 2);
    for (outcome, error) in [(Outcome::Error, Error::Io), (Outcome::Fail, Error::NoSpace)] {
        assert!(w.poke(p, map, b"new"));
        let (a, b) = (sync_begin(&mut w, p, f), sync_begin(&mut w, q, g));
        w.vnode_finish(0, outcome);
        assert!(flags(&w, inode, 0).contains(Flags::DIRTY | Flags::ACTIVE));
        assert_eq!((w.wait::<()>(a, None), w.wait::<()>(b, None)), (Err(error), Err(error)));
        assert_eq!(w.fsync(q, g), Ok(()), "told already, and written now");
        assert!(w.volume.files[&inode].contents() == w.look_at_file(inode));
    }
    // By the syncer: the next who asks is told.
    assert!(w.poke(p, map, b"newer"));
    w.pass(31_000);
    w.vnode_accept();
    w.vnode_finish(0, Outcome::Error);
    assert_eq!(w.sync_all(), Err(Error::Io));
    assert_eq!(w.sync_all(), Ok(()));
    // The pager cannot make it durable.
    assert!(w.poke(p, map, b"newest"));
    let id = sync_begin(&mut w, p, f);
    w.vnode_finish(0, Outcome::Ok);
    w.vnode_accept();
    w.vnode_finish(0, Outcome::Error);
    assert_eq!(w.wait::<()>(id, None), Err(Error::Io));
    w.check();
}

#[test]
fn msync_writes_its_range_and_the_syncer_finds_the_rest() {
    let mut w = World::with_files(FRAMES, 500);
    let (p, inode, f) = w.opened(&pattern(1, 64 * PAGE as usize));
    let map = w.map_shared(p, f, 64);
    let buffer = w.mmap(p, 1);
    for n in [0, 40] {
        assert_eq!(w.write_at(p, f, n * PAGE, buffer, 5), Ok(5));
    }
    let unmap = Request::Unmap(proto::Unmap { space: 0, address: map + 32 * PAGE, pages: 32 });
    w.ask::<()>(p, unmap).expect("munmap");
    puts(&mut w);
    assert_eq!(msync(&mut w, p, map, 32, true), Ok(()));
    assert_eq!(puts(&mut w), [(Op::Put, 0, 1)]);
    assert!(flags(&w, inode, 40).contains(Flags::DIRTY));
    assert!(w.file(inode).expect("a file").touched, "page 40 is modified still");
    assert_eq!(msync(&mut w, p, map, 33, true), Err(Error::Fault));
    assert_eq!(msync(&mut w, p, map + 1, 1, true), Err(Error::Invalid));
    w.pass(31_000);
    assert_eq!(puts(&mut w), [(Op::Put, 40, 1)]);
    w.pump();
    // Without waiting: started, and that is that.
    assert!(w.poke(p, map, b"x"));
    assert_eq!(msync(&mut w, p, map, 1, false), Ok(()));
    assert_eq!(w.pages_under_way(), [(inode, 0)]);
    // Private pages are nobody's to write; anonymous ones neither.
    let private = w.map_private(p, f, 1);
    assert!(w.poke(p, private, b"mine"));
    w.pump();
    puts(&mut w);
    assert_eq!(msync(&mut w, p, private, 1, true), Ok(()));
    assert_eq!(msync(&mut w, p, buffer, 1, true), Ok(()));
    assert_eq!(puts(&mut w), []);
    w.check();
}

#[test]
fn sync_waits_for_what_others_have_begun() {
    let mut w = World::with_files(FRAMES, 500);
    let (p, inode, f) = w.opened(&pattern(1, 2 * PAGE as usize));
    let buffer = w.mmap(p, 1);
    assert_eq!(w.write_at(p, f, 0, buffer, 5), Ok(5));
    // The syncer has sent the page, and thinks no more of the file.
    w.pass(31_000);
    assert_eq!(w.pages_under_way(), [(inode, 0)]);
    let (id, answer) = w.call(INIT, Request::SyncAll(proto::SyncAll {}));
    assert_eq!(answer, None);
    w.vnode_accept();
    assert!(w.vnode.as_ref().expect("a pager").fsyncs.is_empty());
    assert_eq!(w.wait::<()>(id, None), Ok(()));
    // The syncer waits for a pager: its file is not forgotten, whoever asks.
    assert_eq!(w.write_at(p, f, PAGE, buffer, 5), Ok(5));
    w.kill_vnode(|_| false);
    w.pass(31_000);
    let (id, answer) = w.call(INIT, Request::SyncAll(proto::SyncAll {}));
    assert_eq!(answer, None);
    // Nor by who ends while it waits.
    w.call(p, Request::Sync(proto::Sync { file: f }));
    w.end(p);
    assert!(w.file(inode).expect("a file").touched);
    w.attach_vnode();
    assert_eq!(w.wait::<()>(id, None), Ok(()));
    let fsyncs = &w.vnode.as_ref().expect("a pager").fsyncs;
    assert!(
        fsyncs
            .iter()
            .any(|(what, disk)| *what == ALL && disk.files[&inode].contents() == w.look_at_file(inode))
    );
    w.check();
}

#[test]
fn the_syncer_has_one_round_at_a_time_and_comes_each_period() {
    let mut w = World::with_files(FRAMES, 500);
    let (p, _, f) = w.opened(&pattern(1, 2 * PAGE as usize));
    let buffer = w.mmap(p, 1);
    let period = Request::SetTunable(proto::SetTunable { name: "vm.sync_period".into(), value: 2000 });
    w.init::<()>(period).expect("a tunable");
    w.pass(31_000);
    puts(&mut w);
    for _ in 0..3 {
        assert_eq!(w.write_at(p, f, 0, buffer, 5), Ok(5));
        w.pass(2001);
        assert_eq!(puts(&mut w).len(), 1);
        w.pump();
    }
    assert_eq!(w.write_at(p, f, 0, buffer, 5), Ok(5));
    w.kill_vnode(|_| false);
    w.pass(100_000);
    let waiting: usize = w.vm.waiting.counts().iter().sum();
    assert_eq!(waiting, 1, "rounds pile up");
    w.attach_vnode();
    w.pump();
    assert_eq!(w.vm.waiting.counts(), [0; 4]);
    w.check();
}

#[test]
fn before_the_machine_ends_init_is_told_when_everything_is_on_the_disk() {
    let mut w = World::with_files(FRAMES, 500);
    let (p, inode, f) = w.opened(&pattern(1, 2 * PAGE as usize));
    let map = w.map_shared(p, f, 2);
    let start = |w: &mut World| {
        let (_, answer) = w.call(INIT, Request::SyncStart(proto::SyncStart {}));
        assert_eq!(decode::<()>(answer.expect("at once")), Ok(()));
    };
    let told = |w: &World| {
        w.happenings
            .iter()
            .filter_map(|h| match h {
                Happening::Synced { errors } => Some(*errors),
                _ => None,
            })
            .collect::<Vec<_>>()
    };
    assert!(w.poke(p, map, b"x"));
    start(&mut w);
    assert_eq!(told(&w), []);
    w.pump();
    assert_eq!(told(&w), [0]);
    assert!(w.volume.files[&inode].contents() == w.look_at_file(inode));
    assert!(w.poke(p, map, b"y"));
    start(&mut w);
    w.vnode_accept();
    w.vnode_finish(0, Outcome::Error);
    w.pump();
    assert_eq!(told(&w), [0, 1]);
    let theirs: Result<(), Error> = w.ask(p, Request::SyncStart(proto::SyncStart {}));
    assert_eq!(theirs, Err(Error::NotPermitted));
    // Without a file system it is done at once.
    let mut w = World::new(200);
    start(&mut w);
    assert_eq!(told(&w), [0]);
}

#[test]
fn pgo_014_pages_of_a_file_stay_busy_until_their_write_ends() {
    let mut w = World::with_files(FRAMES, 500);
    let (p, inode, f) = w.opened(&pattern(1, 2 * PAGE as usize));
    let map = w.map_shared(p, f, 2);
    assert!(w.poke(p, map, b"x") && w.poke(p, map + PAGE, b"x"));
    let seat = w.scripted_policy();
    for n in 0..2 {
        assert_eq!(decide(&mut w, &seat, Want::Deactivate, inode, n), Verdict::Done);
    }
    assert_eq!(decide(&mut w, &seat, Want::Launder, inode, 1), Verdict::Started);
    let busy = |w: &World| w.vm.objects.get(w.vm.vnode.by_inode[&inode]).expect("a file").busy;
    assert_eq!((busy(&w), w.pages_under_way().len()), (2, 2));
    assert_eq!(decide(&mut w, &seat, Want::Reclaim, inode, 0), Verdict::Busy);
    w.vnode_finish(0, Outcome::Ok);
    assert_eq!(busy(&w), 1);
    w.vnode_finish(0, Outcome::Ok);
    assert_eq!(busy(&w), 0);
    assert_eq!(decide(&mut w, &seat, Want::Reclaim, inode, 0), Verdict::Done);
    w.check();
}

#[test]
fn pgo_131_a_file_stays_while_its_pages_are_written() {
    let mut w = World::with_files(FRAMES, 500);
    let (p, inode, f) = w.opened(&pattern(1, PAGE as usize));
    let map = w.map_shared(p, f, 1);
    assert!(w.poke(p, map, b"x"));
    sync_begin(&mut w, p, f);
    w.vnode.as_mut().expect("a pager").unlink(&mut w.volume, inode);
    w.vnode_completions();
    w.end(p);
    assert!(w.file(inode).is_some());
    let held = |w: &World| w.vnode.as_ref().expect("a pager").held.contains_key(&inode);
    assert!(held(&w));
    w.vnode_finish(0, Outcome::Error);
    w.vnode_accept();
    assert!(w.file(inode).is_none() && !held(&w));
    w.check();
}

#[test]
fn pgo_132_pgo_133_a_file_that_somebody_changes_the_length_of_is_cleaned_like_any() {
    let mut w = World::with_files(FRAMES, 500);
    let (p, inode, f) = w.opened(&pattern(1, 4 * PAGE as usize));
    let q = w.file_program();
    let g = w.open(q, inode, RW);
    let map = w.map_shared(p, f, 4);
    assert!(w.poke(p, map, b"x"));
    let (cut, None) = w.call(q, Request::Truncate(proto::Truncate { file: g, size: 2 * PAGE })) else {
        panic!("at once")
    };
    assert!(w.file(inode).expect("a file").locked);
    let seat = w.scripted_policy();
    assert_eq!(decide(&mut w, &seat, Want::Deactivate, inode, 0), Verdict::Done);
    assert_eq!(decide(&mut w, &seat, Want::Launder, inode, 0), Verdict::Started);
    assert_eq!(w.wait::<()>(cut, None), Ok(()));
    w.check();
}

#[test]
fn pgo_134_pgo_135_decisions_about_pages_of_files_are_checked_against_the_truth() {
    let mut w = World::with_files(FRAMES, 500);
    let (p, inode, f) = w.opened(&pattern(1, 4 * PAGE as usize));
    let map = w.map_shared(p, f, 4);
    w.peek(p, map, 4 * PAGE as usize);
    let seat = w.scripted_policy();
    let frame = w.file_entry(inode, 3).frame().expect("resident");
    let old = w.decision(Want::Reclaim, frame);
    assert_eq!(w.truncate(p, f, 2 * PAGE), Ok(()));
    let mut batch = [old];
    w.decide_raw(&seat, 1, &mut batch).expect("a decision");
    assert_eq!(Verdict::from_raw(batch[0] & 0xff), Verdict::Stale, "it is another page now");
    let (id, answer) = w.call(p, Request::Wire(proto::Wire { space: 0, address: map, pages: 1 }));
    assert_eq!(w.wait::<()>(id, answer), Ok(()));
    assert_eq!(decide(&mut w, &seat, Want::Reclaim, inode, 0), Verdict::Held);
    assert_eq!(decide(&mut w, &seat, Want::Launder, inode, 1), Verdict::Done, "clean: freed");
    w.kill_vnode(|_| false);
    let buffer = w.mmap(p, 1);
    let seat = w.scripted_policy();
    // No pager: not now.
    assert!(w.write_begin(p, f, 0, buffer, 1).1.is_some());
    let (id, answer) = w.call(p, Request::Unwire(proto::Unwire { space: 0, address: map, pages: 1 }));
    assert_eq!(decode::<()>(answer.expect("at once")), Ok(()), "{id}");
    assert_eq!(decide(&mut w, &seat, Want::Launder, inode, 0), Verdict::Again);
    w.attach_vnode();
    w.check();
}

#[test]
fn pgo_136_a_cluster_of_a_file_that_fails_stays_dirty_and_one_page_that_succeeds_is_clean() {
    let mut w = World::with_files(FRAMES, 500);
    let (p, inode, f) = w.opened(&pattern(1, 16 * PAGE as usize));
    let map = w.map_shared(p, f, 16);
    for n in 0..16 {
        assert!(w.poke(p, map + n * PAGE, b"x"));
    }
    let mut seat = w.scripted_policy();
    for n in 0..16 {
        assert_eq!(decide(&mut w, &seat, Want::Deactivate, inode, n), Verdict::Done);
    }
    assert_eq!(decide(&mut w, &seat, Want::Launder, inode, 5), Verdict::Started);
    assert_eq!(puts(&mut w), [(Op::Put, 0, 8)]);
    w.events(&mut seat);
    for n in 0..8 {
        w.vnode_finish(0, if n == 3 { Outcome::Ok } else { Outcome::Fail });
    }
    for n in 0..8 {
        let clean = !flags(&w, inode, n).contains(Flags::DIRTY);
        assert_eq!(clean, n == 3);
        assert_eq!(
            flags(&w, inode, n).contains(Flags::ACTIVE),
            !clean,
            "so that it does not block the queue"
        );
    }
    let told: Vec<u64> =
        w.events(&mut seat).iter().filter(|e| e.0 == EventKind::Laundered).map(|e| e.2).collect();
    assert_eq!((told.len(), told.iter().sum::<u64>()), (8, 1));
    assert_eq!(w.fsync(p, f), Err(Error::NoSpace));
    w.check();
}

#[test]
fn pgo_152_a_page_of_a_file_is_written_whole_though_a_byte_of_it_was_modified() {
    let mut w = World::with_files(FRAMES, 500);
    let (p, inode, f) = w.opened(&pattern(1, 3 * PAGE as usize));
    let map = w.map_shared(p, f, 3);
    assert!(w.poke(p, map + PAGE + 77, b"x"));
    puts(&mut w);
    assert_eq!(w.fsync(p, f), Ok(()));
    assert_eq!(puts(&mut w), [(Op::Put, 1, 1)]);
    let mut model = pattern(1, 3 * PAGE as usize);
    model[PAGE as usize + 77] = b'x';
    assert!(w.volume.files[&inode].contents() == model);
    w.check();
}

#[test]
fn pgo_114_a_policy_can_hurry_the_syncer() {
    let mut w = World::with_files(FRAMES, 500);
    let (p, inode, f) = w.opened(&pattern(1, PAGE as usize));
    let buffer = w.mmap(p, 1);
    let seat = w.scripted_policy();
    assert_eq!(w.write_at(p, f, 0, buffer, 5), Ok(5));
    assert!(w.pages_under_way().is_empty());
    let before = w.count(Counter::v_syncs);
    let ask = proto::PolicyAsk { generation: seat.generation, request: PolicyRequest::SpeedupSyncer };
    w.ask::<()>(seat.space, Request::PolicyAsk(ask)).expect("asking");
    w.pass(1);
    assert_eq!((w.count(Counter::v_syncs), w.pages_under_way()), (before + 1, vec![(inode, 0)]));
    w.check();
}

#[test]
fn a_dirty_page_of_an_unlinked_file_that_nobody_uses_is_not_written_for_a_policy() {
    let mut w = World::with_files(FRAMES, 500);
    let (p, inode, f) = w.opened(&pattern(1, PAGE as usize));
    let buffer = w.mmap(p, 1);
    assert_eq!(w.write_at(p, f, 0, buffer, 5), Ok(5));
    assert_eq!(w.close(p, f), Ok(()));
    assert_eq!(w.resident(inode), [0], "kept, for the next who opens it");
    w.vnode.as_mut().expect("a pager").unlink(&mut w.volume, inode);
    w.vnode_completions();
    assert!(w.file(inode).is_none());
    w.check();
}

#[test]
fn a_file_is_let_go_when_its_last_page_is_reclaimed() {
    let mut w = World::with_files(FRAMES, 500);
    let (p, inode, f) = w.opened(&pattern(1, 3 * PAGE as usize));
    let buffer = w.mmap(p, 3);
    assert_eq!(w.read_at(p, f, 0, buffer, 3 * PAGE as u32), Ok(3 * PAGE as u32));
    assert_eq!(w.close(p, f), Ok(()));
    assert!(w.file(inode).is_some());
    w.evict(inode);
    w.vnode_accept();
    assert!(w.file(inode).is_none() && w.vnode.as_ref().expect("a pager").held.is_empty());
    w.vm.m.clock += MS;
    w.check();
}
