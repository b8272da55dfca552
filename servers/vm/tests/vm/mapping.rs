// SPDX-License-Identifier: BSD-2-Clause
//! Mappings of files: one page whoever sees it, private copies, ends that move, and what a program may and may not have.

use crate::model::files::{RW, Reach, pattern};
use crate::model::world::{MS, PAGE, World};
use ebb_abi::fault::Access;
use ebb_proto::Error;
use ebb_proto::fs::OpenFlags;
use ebb_proto::pager::{Op, Outcome};
use ebb_proto::vm::{self as proto, Advice, Happening, Protection, Request, Space};
use ebb_vm::page::{Flags, Place};

const FRAMES: u32 = 320;
const READ: Access = Access::empty();

/// Why a program was refused its last page.
fn why(w: &World, space: Space) -> Option<Error> {
    w.happenings.iter().rev().find_map(|h| match h {
        Happening::NoPage { space: s, why, .. } if *s == space => Some(*why),
        _ => None,
    })
}

fn advise(w: &mut World, space: Space, address: u64, pages: u64, advice: Advice) {
    let request = Request::Advise(proto::Advise { space: 0, address, pages, advice });
    w.ask::<()>(space, request).expect("madvise");
}

#[test]
fn a_shared_mapping_and_reads_and_writes_see_the_same_bytes_at_once() {
    let mut w = World::with_files(FRAMES, 500);
    let (p, inode, f) = w.opened(&pattern(1, 3 * PAGE as usize));
    let q = w.file_program();
    let g = w.open(q, inode, RW);
    let (here, there) = (w.map_shared(p, f, 3), w.map_shared(q, g, 3));
    let buffer = w.mmap(q, 1);
    assert_eq!(w.peek(p, here + 4000, 200), Some(pattern(1, 4200)[4000..].to_vec()));
    assert!(w.poke(q, there + 4090, b"over the border"));
    assert_eq!(w.peek(p, here + 4090, 15), Some(b"over the border".to_vec()));
    assert_eq!(w.read_at(q, g, 4090, buffer, 15), Ok(15));
    assert_eq!(w.peek(q, buffer, 15), Some(b"over the border".to_vec()));
    w.poke(q, buffer, b"written");
    assert_eq!(w.write_at(q, g, 8000, buffer, 7), Ok(7));
    assert_eq!(w.peek(p, here + 8000, 7), Some(b"written".to_vec()));
    let frames: Vec<Reach> = (0..3).map(|n| w.reach(p, here + n * PAGE, READ)).collect();
    assert_eq!(frames, (0..3).map(|n| w.reach(q, there + n * PAGE, READ)).collect::<Vec<_>>(), "one frame");
    w.check();
}

#[test]
fn a_private_mapping_shows_the_file_until_it_is_written_to() {
    let mut w = World::with_files(FRAMES, 500);
    let (p, inode, f) = w.opened(&pattern(1, 3 * PAGE as usize));
    let (private, shared) = (w.map_private(p, f, 3), w.map_shared(p, f, 3));
    assert!(w.poke(p, shared, b"before"));
    assert_eq!(w.peek(p, private, 6), Some(b"before".to_vec()));
    assert!(w.poke(p, private + 100, b"mine"));
    assert!(w.poke(p, shared, b"behind"));
    assert_eq!(w.peek(p, private, 6), Some(b"before".to_vec()), "its own copy");
    assert_eq!(w.peek(p, shared + 100, 4), Some(pattern(1, 104)[100..].to_vec()), "not the file's business");
    assert_eq!(w.peek(p, private + PAGE, 10), Some(pattern(1, 4106)[4096..].to_vec()));
    // Given up: the file shows through again.
    advise(&mut w, p, private, 3, Advice::Free);
    assert_eq!(w.peek(p, private, 6), Some(b"behind".to_vec()));
    assert_eq!(w.fsync(p, f), Ok(()));
    assert!(w.volume.files[&inode].contents()[..] == w.look_at_file(inode)[..]);
    // A file that only a private mapping uses stays.
    w.close(p, f).expect("closing");
    let all = Request::Unmap(proto::Unmap { space: 0, address: shared, pages: 3 });
    w.ask::<()>(p, all).expect("munmap");
    w.vnode.as_mut().expect("a pager").unlink(&mut w.volume, inode);
    w.vnode_completions();
    assert_eq!(w.peek(p, private + 2 * PAGE, 1), Some(vec![pattern(1, 8193)[8192]]));
    w.end(p);
    w.pump();
    assert!(w.volume.files.is_empty() && w.vnode.as_ref().expect("a pager").held.is_empty());
    w.check();
}

#[test]
fn behind_the_end_the_last_page_is_zero_also_after_the_file_grows() {
    let mut w = World::with_files(FRAMES, 500);
    let (p, inode, f) = w.opened(&pattern(1, 5000));
    let map = w.map_shared(p, f, 3);
    let buffer = w.mmap(p, 1);
    assert!(w.peek(p, map + 5000, 3192).expect("the last page").iter().all(|b| *b == 0));
    let scribble = [0x77; 500];
    // By a write behind it; by one that begins in it; by ftruncate; also when it was written out and came back.
    for (how, end) in [(0, 9000), (1, 10_000), (2, 11_000), (3, 12_288 - 50)] {
        let size = w.info(p, f).size;
        assert!(w.poke(p, map + size, &scribble[..50]));
        match how {
            0 | 3 => assert_eq!(w.write_at(p, f, end - 10, buffer, 10), Ok(10)),
            1 => assert_eq!(
                w.write_at(p, f, size + 20, buffer, (end - size - 20) as u32),
                Ok((end - size - 20) as u32)
            ),
            _ => assert_eq!(w.truncate(p, f, end), Ok(())),
        }
        assert_eq!(w.info(p, f).size, end);
        let seen = w.peek(p, map, end as usize).expect("mapped");
        assert!(seen[5000..].iter().all(|b| *b == 0), "{how}");
        w.sync_all().expect("sync");
        let on_disk = w.volume.files[&inode].contents();
        assert!(on_disk[..] == seen[..on_disk.len()], "{how}: on the disk");
        w.evict(inode);
    }
    w.check();
}

#[test]
fn a_touch_beyond_a_new_end_ends_that_program_and_no_other() {
    let mut w = World::with_files(FRAMES, 500);
    let (p, inode, f) = w.opened(&pattern(1, 4 * PAGE as usize));
    let q = w.file_program();
    let g = w.open(q, inode, RW);
    let (here, there) = (w.map_shared(p, f, 4), w.map_shared(q, g, 4));
    assert!(w.poke(p, here + 3 * PAGE, b"x") && w.peek(q, there + 3 * PAGE, 1).is_some());
    assert_eq!(w.truncate(q, g, PAGE + 10), Ok(()));
    assert_eq!(w.volume.files[&inode].size, PAGE + 10);
    let seen = w.peek(q, there + PAGE, PAGE as usize).expect("the last page");
    assert!(seen[10..].iter().all(|b| *b == 0) && seen[..10] == pattern(1, 4106)[4096..]);
    assert_eq!(w.peek(p, here + 2 * PAGE, 1), None);
    assert_eq!((why(&w, p), w.refused(q)), (Some(Error::Invalid), false));
    assert!(w.poke(q, there, b"goes on"));
    // A write fault, one through a private mapping, and one where there never was a file.
    let private = w.map_private(q, g, 9);
    assert_eq!(w.peek(q, private + PAGE, 1).map(|b| b.len()), Some(1));
    assert!(!w.poke(q, private + 8 * PAGE, b"x"));
    assert_eq!(why(&w, q), Some(Error::Invalid));
    w.end(p);
    w.end(q);
    w.check();
}

#[test]
fn a_file_is_cut_on_the_disk_when_the_pages_beyond_are_at_rest() {
    let mut w = World::with_files(FRAMES, 500);
    let contents = pattern(1, 6 * PAGE as usize);
    let (p, inode, f) = w.opened(&contents);
    let q = w.file_program();
    let g = w.open(q, inode, RW);
    let (here, there) = (w.map_shared(p, f, 6), w.map_shared(q, g, 6));
    // Page 5 is being read, page 4 is being written, page 1, where the new end will be, too.
    assert!(w.poke(q, there + 4 * PAGE, b"4") && w.poke(q, there + PAGE, b"1"));
    let (sync, None) = w.call(q, Request::Sync(proto::Sync { file: g })) else { panic!("at once") };
    assert_eq!(w.reach(p, here + 5 * PAGE, READ), Reach::Waits);
    let (cut, None) = w.call(q, Request::Truncate(proto::Truncate { file: g, size: PAGE + 5 })) else {
        panic!("at once")
    };
    let resizes = |w: &World| {
        let seen = &w.vnode.as_ref().expect("a pager").seen;
        seen.iter().filter(|s| s.op == Op::Resize).count()
    };
    while let Some(last) = w.pages_under_way().len().checked_sub(1) {
        assert_eq!(resizes(&w), 0, "asked for while pages are under way");
        w.vnode_finish(last, Outcome::Ok);
    }
    w.vnode_accept();
    assert_eq!(resizes(&w), 1);
    assert_eq!(w.wait(cut, None), Ok(()));
    assert_eq!(w.wait(sync, None), Ok(()));
    assert_eq!(w.reach(p, here + 5 * PAGE, READ), Reach::Refused);
    assert_eq!(w.info(q, g).size, PAGE + 5);
    assert_eq!(w.resident(inode).iter().max(), Some(&1));
    w.sync_all().expect("sync");
    let mut model = contents[..PAGE as usize + 5].to_vec();
    model[PAGE as usize] = b'1';
    assert!(w.volume.files[&inode].contents() == model);
    w.check();
}

#[test]
fn a_block_that_was_set_aside_beyond_a_new_end_does_not_count() {
    let mut w = World::with_files(FRAMES, 500);
    let (p, inode, f) = w.opened(&[]);
    let q = w.file_program();
    let g = w.open(q, inode, RW);
    assert_eq!(w.truncate(p, f, 8 * PAGE), Ok(()));
    let there = w.map_shared(q, g, 8);
    // The program waits for a block for page 5 while the file is cut to nothing.
    assert_eq!(w.reach(q, there + 5 * PAGE, Access::WRITE), Reach::Waits);
    let (cut, None) = w.call(p, Request::Truncate(proto::Truncate { file: f, size: 0 })) else {
        panic!("at once")
    };
    assert_eq!(w.wait(cut, None), Ok(()));
    assert_eq!(w.reach(q, there + 5 * PAGE, Access::WRITE), Reach::Refused);
    assert_eq!(w.truncate(p, f, 8 * PAGE), Ok(()));
    assert!(!w.file_entry(inode, 5).backed(), "a block that is cut off");
    w.check();
}

#[test]
fn an_unlinked_file_lives_until_nobody_uses_it_and_is_never_written() {
    let mut w = World::with_files(FRAMES, 500);
    let (p, inode, f) = w.opened(&pattern(1, 4 * PAGE as usize));
    let q = w.file_program();
    let g = w.open(q, inode, RW);
    let map = w.map_shared(q, g, 4);
    assert!(w.poke(q, map, b"dirty"));
    w.vnode.as_mut().expect("a pager").unlink(&mut w.volume, inode);
    w.vnode_completions();
    assert_eq!(w.close(p, f), Ok(()));
    assert_eq!(w.close(q, g), Ok(()));
    assert_eq!(w.peek(q, map, 5), Some(b"dirty".to_vec()));
    assert!(w.poke(q, map + 3 * PAGE, b"more"));
    let runs = w.vnode.as_ref().expect("a pager").runs.len();
    let all = Request::Unmap(proto::Unmap { space: 0, address: map, pages: 4 });
    w.ask::<()>(q, all).expect("munmap");
    w.vnode_accept();
    let pager = w.vnode.as_ref().expect("a pager");
    assert_eq!(pager.runs.len(), runs, "what nobody will ever see is written");
    assert_eq!(pager.seen.last().map(|s| (s.op, s.words[1])), Some((Op::Release, 2)), "two grants");
    assert!(w.volume.files.is_empty());
    w.check();
}

#[test]
fn a_grant_under_way_keeps_a_file_that_is_let_go() {
    let mut w = World::with_files(FRAMES, 500);
    let inode = w.volume.create(&[]);
    let p = w.file_program();
    let f = w.open(p, inode, RW);
    // Granted, and `vm` has not looked yet.
    let grant = w.vnode.as_mut().expect("a pager").grant(&w.volume, inode, RW, p);
    assert_eq!(w.close(p, f), Ok(()));
    w.vnode_accept();
    let known = w.vnode.as_ref().expect("a pager").held[&inode];
    assert_eq!(known.grants, 1, "one of two was seen");
    let open = Request::FileOpen(proto::FileOpen { grant, append: false });
    let (f, _) = w.ask::<(u32, u64)>(p, open).expect("opening");
    assert_eq!(w.close(p, f), Ok(()));
    w.vnode_accept();
    assert!(w.vnode.as_ref().expect("a pager").held.is_empty());
    w.check();
}

#[test]
fn without_a_block_a_write_to_a_hole_ends_the_program() {
    let mut w = World::with_files(FRAMES, 1);
    let (p, _, f) = w.opened(&[]);
    assert_eq!(w.truncate(p, f, 3 * PAGE), Ok(()));
    let map = w.map_shared(p, f, 3);
    assert_eq!(w.peek(p, map, 3 * PAGE as usize).map(|b| b.iter().all(|b| *b == 0)), Some(true));
    assert!(w.poke(p, map + PAGE, b"the only block"));
    assert!(!w.poke(p, map, b"x"));
    assert_eq!(why(&w, p), Some(Error::NoSpace));
    assert!(w.volume.free == 0);
    w.end(p);
    w.check();
}

#[test]
fn a_page_that_cannot_be_read_ends_who_needs_it_and_is_asked_for_again() {
    let mut w = World::with_files(FRAMES, 500);
    let (p, inode, f) = w.opened(&pattern(1, PAGE as usize));
    let q = w.file_program();
    let g = w.open(q, inode, RW);
    let (here, there) = (w.map_shared(p, f, 1), w.map_private(q, g, 1));
    assert_eq!(w.reach(p, here, READ), Reach::Waits);
    w.vnode_finish_all(Outcome::Error);
    assert_eq!(w.reach(p, here, READ), Reach::Refused);
    assert_eq!(why(&w, p), Some(Error::Io));
    assert_eq!(w.peek(q, there, 5), Some(pattern(1, 5)));
    w.end(p);
    w.check();
}

#[test]
fn faults_in_sequence_bring_aligned_blocks_that_double_and_others_one_page() {
    let mut w = World::with_files(FRAMES, 500);
    let (p, inode, f) = w.opened(&pattern(8, 128 * PAGE as usize));
    let map = w.map_file(p, f, 0, 128, Protection::READ, false).expect("mmap");
    let gets = |w: &mut World| {
        let runs = core::mem::take(&mut w.vnode.as_mut().expect("a pager").runs);
        runs.iter().filter(|r| r.0 == Op::Get).map(|r| (r.2[0], r.2.len())).collect::<Vec<_>>()
    };
    for n in 0..64 {
        w.peek(p, map + n * PAGE, 1);
    }
    let all = gets(&mut w);
    assert_eq!(all, [(0, 1), (1, 1), (2, 2), (4, 4), (8, 8), (16, 16), (32, 16), (48, 16)]);
    w.evict(inode);
    for n in [90, 5, 70, 33, 12] {
        w.peek(p, map + n * PAGE, 1);
    }
    assert!(gets(&mut w).iter().all(|g| g.1 == 1), "at random");
    w.evict(inode);
    advise(&mut w, p, map, 128, Advice::Sequential);
    w.peek(p, map + 40 * PAGE, 1);
    assert_eq!(gets(&mut w), [(40, 8)], "the rest of its block");
    advise(&mut w, p, map, 128, Advice::Random);
    for n in 64..70 {
        w.peek(p, map + n * PAGE, 1);
    }
    assert!(gets(&mut w).iter().all(|g| g.1 == 1), "as advised");
    w.check();
}

#[test]
fn advice_brings_pages_of_a_file_or_sets_them_aside_and_never_loses_them() {
    let mut w = World::with_files(FRAMES, 500);
    let (p, inode, f) = w.opened(&pattern(8, 40 * PAGE as usize));
    let map = w.map_shared(p, f, 40);
    advise(&mut w, p, map, 40, Advice::WillNeed);
    w.pump();
    assert_eq!(w.resident(inode).len(), 40);
    assert!(w.poke(p, map, b"dirty"));
    w.peek(p, map + PAGE, 1);
    let queue = |w: &World, n| w.vm.frames.page(w.file_entry(inode, n).frame().expect("resident")).flags;
    for n in 0..40 {
        w.read_at(p, f, n * PAGE, map + n * PAGE, 0).expect("nothing");
    }
    advise(&mut w, p, map, 40, Advice::DontNeed);
    assert!((0..40).all(|n| queue(&w, n).contains(Flags::INACTIVE)));
    advise(&mut w, p, map, 40, Advice::Free);
    assert_eq!(w.peek(p, map, 5), Some(b"dirty".to_vec()), "a file's bytes are not a program's to give up");
    let private = w.map_private(p, f, 40);
    w.evict(inode);
    advise(&mut w, p, private, 40, Advice::WillNeed);
    w.pump();
    assert_eq!(w.resident(inode).len(), 40, "through a private mapping");
    w.check();
}

#[test]
fn a_wired_page_of_a_file_stays_and_is_written_and_cut_like_any() {
    let mut w = World::with_files(FRAMES, 500);
    let (p, inode, f) = w.opened(&pattern(8, 4 * PAGE as usize));
    let q = w.file_program();
    let g = w.open(q, inode, RW);
    let (here, there) = (w.map_shared(p, f, 4), w.map_shared(q, g, 4));
    let wire = |w: &mut World, space, address, pages| {
        let (id, answer) = w.call(space, Request::Wire(proto::Wire { space: 0, address, pages }));
        w.wait::<()>(id, answer)
    };
    assert_eq!(wire(&mut w, p, here, 4), Ok(()));
    assert_eq!(wire(&mut w, q, there, 2), Ok(()));
    w.check();
    w.evict(inode);
    assert_eq!(w.resident(inode).len(), 4);
    // Written although wired; and when that fails it is on no queue.
    assert!(w.poke(p, here, b"dirty"));
    let (id, None) = w.call(p, Request::Sync(proto::Sync { file: f })) else { panic!("at once") };
    w.vnode_accept();
    w.vnode_finish(0, Outcome::Error);
    w.check();
    assert_eq!(w.wait::<()>(id, None), Err(Error::Io));
    // The other's end leaves this one's.
    w.end(q);
    let wired = |w: &World, n| w.file_entry(inode, n).frame().map(|f| w.vm.frames.page(f).wired);
    assert_eq!((wired(&w, 0), wired(&w, 3)), (Some(1), Some(1)));
    // Cut, one of them while it is being written.
    assert!(w.poke(p, here + 3 * PAGE, b"dirty"));
    let (sync, None) = w.call(p, Request::Sync(proto::Sync { file: f })) else { panic!("at once") };
    let (cut, None) = w.call(p, Request::Truncate(proto::Truncate { file: f, size: PAGE })) else {
        panic!("at once")
    };
    assert_eq!((w.wait::<()>(sync, None), w.wait::<()>(cut, None)), (Ok(()), Ok(())));
    w.check();
    assert_eq!(w.resident(inode), [0]);
    // Beyond the end there is nothing to wire.
    assert_eq!(wire(&mut w, p, here + PAGE, 1), Err(Error::Busy), "its region counts as wired");
    let more = w.map_shared(p, f, 2);
    assert_eq!(wire(&mut w, p, more, 2), Err(Error::NoMemory));
    w.check();
}

#[test]
fn a_wiring_that_is_not_done_at_its_programs_end_leaves_others_pages_wired() {
    let mut w = World::with_files(FRAMES, 500);
    let (p, inode, f) = w.opened(&pattern(8, 4 * PAGE as usize));
    let q = w.file_program();
    let g = w.open(q, inode, RW);
    let (here, there) = (w.map_shared(p, f, 4), w.map_shared(q, g, 4));
    let half = Request::Wire(proto::Wire { space: 0, address: here + 2 * PAGE, pages: 2 });
    let (id, answer) = w.call(p, half);
    assert_eq!(w.wait::<()>(id, answer), Ok(()));
    let all = Request::Wire(proto::Wire { space: 0, address: there, pages: 4 });
    let (_, None) = w.call(q, all) else { panic!("at once") };
    w.end(q);
    w.pump();
    let wired = |n| w.file_entry(inode, n).frame().map_or(0, |f| w.vm.frames.page(f).wired);
    assert_eq!([wired(0), wired(1), wired(2), wired(3)], [0, 0, 1, 1]);
    w.check();
}

#[test]
fn what_a_file_is_not_open_for_its_mapping_cannot_do() {
    let mut w = World::with_files(FRAMES, 500);
    let inode = w.volume.create(&pattern(8, 2 * PAGE as usize));
    let p = w.file_program();
    let read = w.open(p, inode, OpenFlags::READ);
    let write = w.open(p, inode, OpenFlags::WRITE);
    let execute = w.open(p, inode, OpenFlags::READ | OpenFlags::EXECUTE);
    let (r, rw, rx) =
        (Protection::READ, Protection::READ | Protection::WRITE, Protection::READ | Protection::EXECUTE);
    assert_eq!(w.map_file(p, read, 0, 2, rw, false), Err(Error::BadFile));
    assert_eq!(w.map_file(p, write, 0, 2, rw, false), Err(Error::BadFile), "not open for reading");
    assert_eq!(w.map_file(p, read, 0, 2, rx, false), Err(Error::BadFile));
    assert_eq!(w.map_file(p, read, u32::MAX, 2, r, false), Err(Error::Invalid));
    assert_eq!(w.map_file(p, read, 0, u64::MAX, r, false), Err(Error::Invalid));
    let map = w.map_file(p, read, 0, 2, r, false).expect("mmap");
    let protect = |w: &mut World, address, protection: Protection| {
        let protection = protection.bits();
        w.ask::<()>(p, Request::Protect(proto::Protect { space: 0, address, pages: 2, protection }))
    };
    assert_eq!(protect(&mut w, map, rw), Err(Error::Access));
    assert_eq!(protect(&mut w, map, rx), Err(Error::Access));
    assert_eq!(protect(&mut w, map, Protection::empty()), Ok(()));
    assert_eq!(protect(&mut w, map, r), Ok(()));
    let private = w.map_file(p, read, 0, 2, r, true).expect("mmap");
    assert_eq!(protect(&mut w, private, rw), Ok(()), "its own copy");
    assert!(w.poke(p, private, b"x"));
    let text = w.map_file(p, execute, 0, 2, rx, true).expect("mmap");
    w.pump();
    assert!(matches!(w.reach(p, text, Access::EXECUTE), Reach::There(_)));
    assert_eq!(w.reach(p, map, Access::EXECUTE), Reach::Refused);
    w.check();
}

#[test]
fn programs_share_the_frames_of_their_text_and_not_those_of_their_data() {
    let mut w = World::with_files(FRAMES, 500);
    let inode = w.volume.create(&pattern(8, 4 * PAGE as usize));
    let rights = OpenFlags::READ | OpenFlags::EXECUTE;
    let (rx, rw) = (Protection::READ | Protection::EXECUTE, Protection::READ | Protection::WRITE);
    let mut frames = Vec::new();
    for _ in 0..3 {
        let p = w.file_program();
        let f = w.open(p, inode, rights);
        let text = w.map_file(p, f, 0, 2, rx, false).expect("mmap");
        let data = w.map_file(p, f, 2, 2, rw, true).expect("mmap");
        w.close(p, f).expect("closing");
        assert!(w.peek(p, text, 2 * PAGE as usize) == Some(pattern(8, 2 * PAGE as usize)));
        assert!(w.poke(p, data, b"own"));
        let Reach::There(t) = w.reach(p, text, Access::EXECUTE) else { panic!("text") };
        let Reach::There(d) = w.reach(p, data, READ) else { panic!("data") };
        frames.push((t, d));
    }
    assert!(frames.iter().all(|f| f.0 == frames[0].0));
    assert!(frames[0].1 != frames[1].1 && frames[1].1 != frames[2].1);
    w.check();
}

#[test]
fn a_page_that_a_fault_is_about_to_enter_is_not_cut_before_it_is_entered() {
    let mut w = World::with_files(FRAMES, 500);
    let (p, inode, f) = w.opened(&pattern(8, 4 * PAGE as usize));
    let map = w.map_shared(p, f, 4);
    w.peek(p, map + 2 * PAGE, 1);
    let frame = w.file_entry(inode, 2).frame().expect("resident");
    // As it is between a fault's look-up and its mapping.
    w.vm.entering = frame;
    let (cut, None) = w.call(p, Request::Truncate(proto::Truncate { file: f, size: PAGE })) else {
        panic!("at once")
    };
    assert_eq!(w.vm.frames.page(frame).place, Place::Object);
    assert_eq!(w.due, w.vm.m.clock + 1, "it goes on at once");
    w.pass(1);
    assert_eq!(w.vm.frames.page(frame).place, Place::Free);
    assert_eq!(w.wait(cut, None), Ok(()));
    // And not written either: it could be modified meanwhile.
    assert!(w.poke(p, map, b"x"));
    w.vm.entering = w.file_entry(inode, 0).frame().expect("resident");
    let (sync, None) = w.call(p, Request::Sync(proto::Sync { file: f })) else { panic!("at once") };
    assert!(w.pages_under_way().is_empty());
    w.vm.m.clock += MS;
    w.settle();
    assert_eq!(w.pages_under_way(), [(inode, 0)]);
    assert_eq!(w.wait(sync, None), Ok(()));
    w.check();
}
