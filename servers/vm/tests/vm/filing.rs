// SPDX-License-Identifier: BSD-2-Clause
//! `read` and `write`, against a file that is a list of bytes.

use crate::model::files::{RW, pattern};
use crate::model::world::{PAGE, World, decode};
use ebb_proto::Error;
use ebb_proto::fs::OpenFlags;
use ebb_proto::pager::{Op, Outcome};
use ebb_proto::vm::{self as proto, INIT, MAX_FILES, MAX_TRANSFER, OWN_OFFSET, Protection, Request};

const FRAMES: u32 = 320;

#[test]
fn a_read_gives_the_files_bytes_at_any_offset_length_and_address() {
    let mut w = World::with_files(FRAMES, 500);
    let contents = pattern(1, 5 * PAGE as usize + 777);
    let (p, _, f) = w.opened(&contents);
    let buffer = w.mmap(p, 8);
    for (offset, into, len) in [
        (0, 0, 100),
        (1, 3, 4096),
        (4095, 1, 2),
        (5000, 4000, 9000),
        (5 * 4096, 17, 777),
        (5 * 4096 + 700, 0, 500),
    ] {
        w.poke(p, buffer, &vec![0x55; 8 * PAGE as usize]);
        let end = contents.len().min(offset + len);
        let n = w.read_at(p, f, offset as u64, buffer + into as u64, len as u32).expect("a read") as usize;
        assert_eq!(n, end - offset);
        let got = w.peek(p, buffer, 8 * PAGE as usize).expect("memory");
        assert_eq!(got[into..into + n], contents[offset..end], "at {offset}");
        assert!(
            got[..into].iter().chain(&got[into + n..]).all(|b| *b == 0x55),
            "something beside was written"
        );
    }
    assert_eq!(w.read_at(p, f, contents.len() as u64, buffer, 10), Ok(0));
    assert_eq!(w.read_at(p, f, u64::MAX - 1, buffer, u32::MAX), Ok(0));
    w.check();
}

#[test]
fn writes_at_any_offset_length_and_address_are_what_the_file_holds_here_and_on_the_disk() {
    let mut w = World::with_files(FRAMES, 500);
    let mut model = pattern(1, 3 * PAGE as usize + 10);
    let (p, inode, f) = w.opened(&model);
    let data = pattern(2, 8 * PAGE as usize);
    let buffer = w.mmap(p, 8);
    w.poke(p, buffer, &data);
    // Inside; across pages; whole pages; the end; behind a hole; far behind one.
    for (offset, from, len) in [
        (10usize, 5usize, 20usize),
        (4000, 100, 5000),
        (4096, 4096, 4096),
        (12290, 1, 9000),
        (40_000, 3, 100),
        (300_000, 4095, 8193),
        (35_000, 9, 6000),
        (100, 0, 1),
    ] {
        let n = w.write_at(p, f, offset as u64, buffer + from as u64, len as u32);
        assert_eq!(n, Ok(len as u32), "at {offset}");
        let end = offset + len;
        model.resize(model.len().max(end), 0);
        model[offset..end].copy_from_slice(&data[from..from + len]);
        assert_eq!(w.info(p, f).size, model.len() as u64);
        assert!(w.look_at_file(inode) == model, "after a write at {offset}");
    }
    assert_eq!(w.fsync(p, f), Ok(()));
    assert!(w.volume.files[&inode].contents()[..] == model[..w.volume.files[&inode].size as usize]);
    w.evict(inode);
    assert!(w.look_at_file(inode) == model, "what comes back from the disk");
    w.check();
}

#[test]
fn what_lies_behind_the_end_on_the_disk_is_never_seen() {
    let mut w = World::with_files(FRAMES, 500);
    for how in 0..4 {
        let (p, inode, f) = w.opened(&pattern(1, 100));
        let buffer = w.mmap(p, 1);
        w.poke(p, buffer, &[7; 10]);
        match how {
            // Not in memory when the file grows; in memory, clean; cut and made longer again; being read.
            0 => assert_eq!(w.write_at(p, f, 9000, buffer, 10), Ok(10)),
            1 => {
                assert_eq!(w.read_at(p, f, 0, buffer + 100, 100), Ok(100));
                assert_eq!(w.write_at(p, f, 9000, buffer, 10), Ok(10));
                w.sync_all().expect("sync");
                w.evict(inode);
            }
            2 => {
                assert_eq!(w.truncate(p, f, 50), Ok(()));
                assert_eq!(w.truncate(p, f, 9010), Ok(()));
            }
            _ => {
                let (read, None) = w.read_begin(p, f, 0, buffer + 100, 100) else { panic!("at once") };
                let q = w.file_program();
                let g = w.open(q, inode, RW);
                let theirs = w.mmap(q, 1);
                w.vnode_accept();
                assert_eq!(w.vnode_pending(), 1, "the page is being read");
                let (write, none) = w.write_begin(q, g, 9000, theirs, 10);
                assert!(none.is_none());
                assert_eq!(w.wait(write, None), Ok(10u32));
                assert_eq!(w.wait(read, None), Ok(100u32));
            }
        }
        let kept = if how == 2 { 50 } else { 100 };
        let there = w.look_at_file(inode);
        assert!(
            there[..kept] == pattern(1, 100)[..kept] && there[kept..9000].iter().all(|b| *b == 0),
            "{how}"
        );
        w.sync_all().expect("sync");
        w.evict(inode);
        let map = w.map_file(p, f, 0, 3, Protection::READ, false).expect("mmap");
        let seen = w.peek(p, map, 9000).expect("mapped");
        assert!(seen[kept..].iter().all(|b| *b == 0), "{how}: from the disk");
        w.end(p);
    }
    w.check();
}

#[test]
fn a_hole_reads_as_zeroes_and_takes_no_block_until_it_is_written() {
    let mut w = World::with_files(FRAMES, 10);
    let (p, inode, f) = w.opened(&[]);
    let buffer = w.mmap(p, 2);
    w.poke(p, buffer, &[9; 4096]);
    assert_eq!(w.truncate(p, f, 100 * PAGE), Ok(()));
    assert_eq!(w.read_at(p, f, 50 * PAGE + 3, buffer, 4096), Ok(4096));
    assert!(w.peek(p, buffer, 4096).expect("memory").iter().all(|b| *b == 0));
    assert_eq!((w.volume.free, w.volume.files[&inode].blocks.len()), (10, 0));
    w.poke(p, buffer, &[9; 4096]);
    assert_eq!(w.write_at(p, f, 50 * PAGE + 3, buffer, 100), Ok(100));
    assert_eq!(w.volume.free, 9);
    w.check();
}

#[test]
fn appends_of_several_programs_lie_one_behind_the_other() {
    let mut w = World::with_files(FRAMES, 500);
    let inode = w.volume.create(&pattern(9, 100));
    let mut calls = Vec::new();
    for n in 0..4u8 {
        let p = w.file_program();
        let (f, _) = w.open_as(p, inode, RW, true);
        let buffer = w.mmap(p, 3);
        w.poke(p, buffer, &[n + 1; 6000]);
        w.write_begin(p, f, OWN_OFFSET, buffer, 6000);
        calls.push((p, f));
    }
    w.pump();
    let all = w.look_at_file(inode);
    assert_eq!(all.len(), 100 + 4 * 6000);
    let mut seen: Vec<u8> = all[100..].chunks(6000).map(|c| c[0]).collect();
    assert!(all[100..].chunks(6000).all(|c| c.iter().all(|b| *b == c[0])), "mixed");
    seen.sort_unstable();
    assert_eq!(seen, [1, 2, 3, 4]);
    // An offset given with an append is of no meaning, and the own offset does not move by it.
    let (p, f) = calls[0];
    let own = w.info(p, f).offset;
    let buffer = w.mmap(p, 1);
    assert_eq!(w.write_at(p, f, 5, buffer, 10), Ok(10));
    assert_eq!((w.info(p, f).size, w.info(p, f).offset), (100 + 24_010, own));
    // Nor by a read at an offset.
    assert_eq!(w.read_at(p, f, 5, buffer, 10), Ok(10));
    assert_eq!(w.info(p, f).offset, own);
    w.check();
}

#[test]
fn those_who_share_an_offset_get_each_byte_once() {
    let mut w = World::with_files(FRAMES, 500);
    let (p, inode, f) = w.opened(&pattern(3, 4 * PAGE as usize));
    let q = w.file_program();
    let g: u32 = w.init(Request::FileShare(proto::FileShare { from: p, file: f, to: q })).expect("sharing");
    let (a, b) = (w.mmap(p, 4), w.mmap(q, 4));
    let (first, None) = w.read_begin(p, f, OWN_OFFSET, a, 5000) else { panic!("at once") };
    let (second, None) = w.read_begin(q, g, OWN_OFFSET, b, 5000) else { panic!("at once") };
    assert_eq!((w.wait(first, None), w.wait(second, None)), (Ok(5000u32), Ok(5000u32)));
    let contents = pattern(3, 4 * PAGE as usize);
    assert!(w.peek(p, a, 5000).expect("memory") == contents[..5000]);
    assert!(w.peek(q, b, 5000).expect("memory") == contents[5000..10_000]);
    assert_eq!(w.info(q, g).offset, 10_000);
    // One that ends in the middle leaves the offset where it was, and to the others.
    w.evict(inode);
    let (_, None) = w.read_begin(p, f, OWN_OFFSET, a, 5000) else { panic!("at once") };
    let (second, None) = w.read_begin(q, g, OWN_OFFSET, b, 5000) else { panic!("at once") };
    w.end(p);
    assert_eq!(w.wait(second, None), Ok(5000u32));
    assert!(w.peek(q, b, 5000).expect("memory") == contents[10_000..15_000]);
    assert_eq!(w.close(q, g), Ok(()));
    assert!(w.vm.descriptions.iter().next().is_none(), "an open file is left behind");
    w.check();
}

#[test]
fn a_growing_write_of_a_program_that_ends_leaves_the_file_to_others() {
    let mut w = World::with_files(FRAMES, 500);
    let (p, inode, f) = w.opened(&[]);
    let q = w.file_program();
    let g = w.open(q, inode, RW);
    let (a, b) = (w.mmap(p, 4), w.mmap(q, 4));
    w.poke(q, b, &[4; 100]);
    let (_, None) = w.write_begin(p, f, 0, a, 9000) else { panic!("at once") };
    let (theirs, None) = w.write_begin(q, g, 20_000, b, 100) else { panic!("at once") };
    w.end(p);
    assert_eq!(w.wait(theirs, None), Ok(100u32));
    assert_eq!(w.info(q, g).size, 20_100);
    assert_eq!(w.vm.descriptions.iter().count(), 1, "the open file of the program that ended");
    w.check();
}

#[test]
fn seeking_goes_anywhere_but_before_the_beginning() {
    let mut w = World::with_files(FRAMES, 500);
    let (p, _, f) = w.opened(&pattern(1, 1000));
    let mut seek = |to, whence| w.ask::<u64>(p, Request::Seek(proto::Seek { file: f, to, whence }));
    assert_eq!(seek(10, 0), Ok(10));
    assert_eq!(seek(5, 1), Ok(15));
    assert_eq!(seek(-15, 1), Ok(0));
    assert_eq!(seek(-1, 1), Err(Error::Invalid));
    assert_eq!(seek(-1, 0), Err(Error::Invalid));
    assert_eq!(seek(-1, 2), Ok(999));
    assert_eq!(seek(i64::MAX, 2), Err(Error::Invalid));
    assert_eq!(seek(i64::MIN, 2), Err(Error::Invalid));
    assert_eq!(seek(0, 3), Err(Error::Invalid));
    assert_eq!(seek(0, 1), Ok(999));
    let buffer = w.mmap(p, 1);
    assert_eq!(w.read_on(p, f, buffer, 100), Ok(1));
    assert_eq!(w.read_on(p, f, buffer, 100), Ok(0));
}

#[test]
fn without_space_a_write_says_so_and_what_fitted_counts() {
    let mut w = World::with_files(FRAMES, 3);
    let (p, inode, f) = w.opened(&[]);
    let buffer = w.mmap(p, 5);
    w.poke(p, buffer, &pattern(5, 5 * PAGE as usize));
    assert_eq!(w.write_at(p, f, 0, buffer, 2 * PAGE as u32), Ok(2 * PAGE as u32));
    // One page more has a block: what lies in it is written.
    assert_eq!(w.write_at(p, f, 2 * PAGE, buffer, 2 * PAGE as u32), Ok(PAGE as u32));
    assert_eq!(w.info(p, f).size, 3 * PAGE);
    assert_eq!(w.write_at(p, f, PAGE, buffer, 4 * PAGE as u32), Ok(2 * PAGE as u32));
    assert_eq!(w.write_at(p, f, 3 * PAGE, buffer, 1), Err(Error::NoSpace));
    assert_eq!(w.fsync(p, f), Ok(()));
    assert_eq!(w.truncate(p, f, PAGE), Ok(()));
    assert_eq!(w.volume.free, 2);
    assert_eq!(w.write_at(p, f, 2 * PAGE, buffer, 100), Ok(100));
    w.sync_all().expect("sync");
    assert!(w.volume.files[&inode].contents() == w.look_at_file(inode));
    w.check();
}

#[test]
fn a_read_error_is_told_and_the_page_is_asked_for_again() {
    let mut w = World::with_files(FRAMES, 500);
    let contents = pattern(8, 6 * PAGE as usize);
    let (p, inode, f) = w.opened(&contents);
    let buffer = w.mmap(p, 6);
    let (id, None) = w.read_begin(p, f, 0, buffer, 100) else { panic!("at once") };
    w.vnode_finish_all(Outcome::Error);
    assert_eq!(w.wait(id, None), Err::<u32, _>(Error::Io));
    assert_eq!(w.read_at(p, f, 0, buffer, 100), Ok(100));
    // What was read before an error counts.
    w.evict(inode);
    let (id, None) = w.read_begin(p, f, 0, buffer, 6 * PAGE as u32) else { panic!("at once") };
    while let Some((_, index)) = w.pages_under_way().first().copied() {
        w.vnode_finish(0, if index == 5 { Outcome::Error } else { Outcome::Ok });
    }
    assert_eq!(w.wait(id, None), Ok(5 * PAGE as u32));
    assert_eq!(w.read_at(p, f, 5 * PAGE, buffer, 100), Ok(100));
    w.check();
}

#[test]
fn who_waits_for_a_neighbour_that_was_not_read_asks_for_it_himself() {
    let mut w = World::with_files(FRAMES, 500);
    let contents = pattern(8, 6 * PAGE as usize);
    let (p, inode, f) = w.opened(&contents);
    let q = w.file_program();
    let g = w.open(q, inode, OpenFlags::READ);
    let (a, b) = (w.mmap(p, 6), w.mmap(q, 1));
    let map = w.map_file(q, g, 0, 6, Protection::READ, false).expect("mmap");
    for outcome in [Outcome::Fail, Outcome::Error] {
        let (id, None) = w.read_begin(p, f, 0, a, 4 * PAGE as u32) else { panic!("at once") };
        assert_eq!(w.pages_under_way(), [(inode, 0), (inode, 1), (inode, 2), (inode, 3)]);
        let (theirs, None) = w.read_begin(q, g, 2 * PAGE, b, 100) else { panic!("at once") };
        w.vnode_finish(2, outcome);
        assert_eq!(w.wait(theirs, None), Ok(100u32));
        assert_eq!(w.wait(id, None), Ok(4 * PAGE as u32));
        w.evict(inode);
        // The same with a fault.
        let (id, None) = w.read_begin(p, f, 0, a, 4 * PAGE as u32) else { panic!("at once") };
        w.vnode_accept();
        assert!(w.reach(q, map + PAGE, ebb_abi::fault::Access::empty()) == crate::model::files::Reach::Waits);
        w.vnode_finish(1, outcome);
        assert_eq!(w.peek(q, map + PAGE, 1), Some(vec![contents[4096]]));
        assert_eq!(w.wait(id, None), Ok(4 * PAGE as u32));
        w.evict(inode);
    }
    w.check();
}

#[test]
fn a_sequential_reader_gets_ever_larger_aligned_blocks_and_a_random_one_gets_what_it_asks_for() {
    let mut w = World::with_files(FRAMES, 500);
    let (p, inode, f) = w.opened(&pattern(8, 128 * PAGE as usize));
    let buffer = w.mmap(p, 17);
    for n in 0..64u64 {
        assert_eq!(w.read_at(p, f, n * PAGE, buffer, PAGE as u32), Ok(PAGE as u32));
    }
    let runs = |w: &mut World| core::mem::take(&mut w.vnode.as_mut().expect("a pager").runs);
    let gets: Vec<(u32, usize)> =
        runs(&mut w).into_iter().filter(|r| r.0 == Op::Get).map(|r| (r.2[0], r.2.len())).collect();
    assert_eq!(gets[0], (0, 4));
    assert!(
        gets.iter().all(|(first, len)| (first + *len as u32).is_multiple_of(4) && *len <= 16),
        "{gets:?}"
    );
    assert!(gets.windows(2).all(|g| g[1].1 >= g[0].1), "{gets:?}");
    assert_eq!(gets.last().map(|g| g.1), Some(16));
    w.evict(inode);
    runs(&mut w);
    for n in [100u64, 3, 77, 9, 50, 120, 31] {
        assert_eq!(w.read_at(p, f, n * PAGE, buffer, PAGE as u32), Ok(PAGE as u32));
    }
    assert!(runs(&mut w).iter().all(|r| r.2.len() == 1), "random reads bring one page");
    assert_eq!(w.resident(inode).len(), 7);
    w.check();
}

#[test]
fn a_page_that_is_read_again_is_worth_more_than_one_that_is_read_once() {
    let mut w = World::with_files(FRAMES, 500);
    let (p, inode, f) = w.opened(&pattern(8, 3 * PAGE as usize));
    let buffer = w.mmap(p, 4);
    let queue = |w: &World, n| w.vm.frames.page(w.file_entry(inode, n).frame().expect("resident")).flags;
    use ebb_vm::page::Flags;
    for piece in 0..4 {
        assert_eq!(w.read_at(p, f, piece * 1024, buffer, 1024), Ok(1024));
    }
    assert!(queue(&w, 0).contains(Flags::INACTIVE), "read once, in pieces");
    assert_eq!(w.read_at(p, f, PAGE, buffer, 10), Ok(10));
    assert_eq!(w.read_at(p, f, 0, buffer, 10), Ok(10));
    assert!(queue(&w, 0).contains(Flags::ACTIVE), "read again");
    let map = w.map_file(p, f, 0, 3, Protection::READ, false).expect("mmap");
    w.evict(inode);
    w.peek(p, map + 2 * PAGE, 1);
    assert!(queue(&w, 2).contains(Flags::ACTIVE), "a mapping needed it");
}

#[test]
fn numbers_that_are_none_are_refused() {
    let mut w = World::with_files(FRAMES, 500);
    let (p, inode, f) = w.opened(&pattern(8, 100));
    let q = w.file_program();
    let buffer = w.mmap(q, 1);
    for file in [f, 1, 255, 256, u32::MAX] {
        assert_eq!(w.read_at(q, file, 0, buffer, 10), Err(Error::BadFile));
        assert_eq!(w.write_at(q, file, 0, buffer, 10), Err(Error::BadFile));
        assert_eq!(w.truncate(q, file, 10), Err(Error::BadFile));
        assert_eq!(w.fsync(q, file), Err(Error::BadFile));
        assert_eq!(w.close(q, file), Err(Error::BadFile));
        assert_eq!(w.map_file(q, file, 0, 1, Protection::READ, false), Err(Error::BadFile));
        assert_eq!(
            w.ask::<u64>(q, Request::Seek(proto::Seek { file, to: 0, whence: 0 })),
            Err(Error::BadFile)
        );
    }
    // Not open for this.
    let reader = w.open(q, inode, OpenFlags::READ);
    let writer = w.open(q, inode, OpenFlags::WRITE);
    assert_eq!(w.write_at(q, reader, 0, buffer, 10), Err(Error::BadFile));
    assert_eq!(w.truncate(q, reader, 10), Err(Error::BadFile));
    assert_eq!(w.read_at(q, writer, 0, buffer, 10), Err(Error::BadFile));
    // Sharing is init's.
    let share = Request::FileShare(proto::FileShare { from: p, file: f, to: q });
    assert_eq!(w.ask::<u32>(q, share), Err(Error::NotPermitted));
    // Closed while open elsewhere.
    assert_eq!(w.close(q, reader), Ok(()));
    assert_eq!(w.read_at(q, reader, 0, buffer, 10), Err(Error::BadFile));
    assert_eq!(w.read_at(p, f, 0, buffer, 0), Ok(0));
    w.check();
}

#[test]
fn a_grant_opens_once_and_for_its_program_alone() {
    let mut w = World::with_files(FRAMES, 500);
    let inode = w.volume.create(&pattern(8, 100));
    let (p, q) = (w.file_program(), w.file_program());
    let grant = w.vnode.as_mut().expect("a pager").grant(&w.volume, inode, RW, p);
    let open = |w: &mut World, space, grant| {
        w.ask::<(u32, u64)>(space, Request::FileOpen(proto::FileOpen { grant, append: false }))
    };
    assert_eq!(open(&mut w, q, grant), Err(Error::NotFound));
    assert_eq!(open(&mut w, p, grant + 1), Err(Error::NotFound));
    assert_eq!(open(&mut w, p, grant), Ok((0, 100)));
    assert_eq!(open(&mut w, p, grant), Err(Error::NotFound));
    // Grants that nobody uses: the program ends, and the file is let go.
    for _ in 0..3 {
        w.vnode.as_mut().expect("a pager").grant(&w.volume, inode, RW, q);
    }
    w.end(q);
    assert_eq!(w.close(p, 0), Ok(()));
    w.vnode_completions();
    w.pump();
    assert!(w.vm.vnode.by_inode.is_empty() && w.vnode.as_ref().expect("a pager").held.is_empty());
    // For a program that is gone already.
    w.vnode.as_mut().expect("a pager").grant(&w.volume, inode, RW, q);
    w.vnode_completions();
    w.pump();
    assert!(w.vm.vnode.by_inode.is_empty() && w.vnode.as_ref().expect("a pager").held.is_empty());
    w.check();
}

#[test]
fn a_program_has_so_many_files_and_no_more() {
    let mut w = World::with_files(FRAMES, 500);
    let inode = w.volume.create(&pattern(8, 100));
    let p = w.file_program();
    for n in 0..MAX_FILES as u32 {
        assert_eq!(w.open(p, inode, RW), n);
    }
    let grant = w.vnode.as_mut().expect("a pager").grant(&w.volume, inode, RW, p);
    let open = Request::FileOpen(proto::FileOpen { grant, append: false });
    assert_eq!(w.ask::<(u32, u64)>(p, open), Err(Error::TooManyFiles));
    assert_eq!(w.close(p, 77), Ok(()));
    let open = Request::FileOpen(proto::FileOpen { grant, append: false });
    assert_eq!(w.ask::<(u32, u64)>(p, open), Ok((77, 100)));
    w.end(p);
    w.pump();
    assert!(w.vnode.as_ref().expect("a pager").held.is_empty());
    w.check();
}

#[test]
fn what_is_no_memory_of_the_program_is_a_fault_and_what_came_before_counts() {
    let mut w = World::with_files(FRAMES, 500);
    let (p, inode, f) = w.opened(&pattern(8, 3 * PAGE as usize));
    let buffer = w.mmap(p, 2);
    for address in
        [0, 1, 0x1000, buffer + 2 * PAGE, u64::MAX, u64::MAX - 10, 1 << 47, ebb_abi::layout::SEGMENTS]
    {
        assert_eq!(w.read_at(p, f, 0, address, 100), Err(Error::Fault), "{address:#x}");
        assert_eq!(w.write_at(p, f, 0, address, 100), Err(Error::Fault), "{address:#x}");
    }
    assert_eq!(w.read_at(p, f, 0, buffer + PAGE, 2 * PAGE as u32), Ok(PAGE as u32));
    let read_only = w.map_file(p, f, 0, 1, Protection::READ, false).expect("mmap");
    assert_eq!(w.read_at(p, f, 0, read_only, 100), Err(Error::Fault));
    assert_eq!(w.write_at(p, f, 3 * PAGE, read_only, 100), Ok(100), "a file into itself");
    assert!(w.look_at_file(inode)[3 * PAGE as usize..] == pattern(8, 100));
    // At most so much at a time.
    let large = w.mmap(p, 20);
    assert_eq!(w.write_at(p, f, 0, large, u32::MAX), Ok(MAX_TRANSFER));
    assert_eq!(w.write_at(p, f, ebb_vm::file::MAX_SIZE - 5, large, 6), Err(Error::FileTooLarge));
    assert_eq!(w.truncate(p, f, ebb_vm::file::MAX_SIZE + 1), Err(Error::FileTooLarge));
    assert_eq!(w.write_at(p, f, u64::MAX - 1, large, 6), Err(Error::FileTooLarge));
    w.check();
}

#[test]
fn reading_and_writing_go_through_mappings_of_files_too() {
    let mut w = World::with_files(FRAMES, 500);
    let (p, source, f) = w.opened(&pattern(8, 3 * PAGE as usize));
    let target = w.volume.create(&pattern(9, 3 * PAGE as usize));
    let g = w.open(p, target, RW);
    let shared = w.map_shared(p, g, 3);
    let private = w.map_private(p, g, 3);
    assert_eq!(w.read_at(p, f, 100, shared + 50, 5000), Ok(5000));
    assert_eq!(w.read_at(p, f, 0, private + 9000, 100), Ok(100));
    let mut model = pattern(9, 3 * PAGE as usize);
    model[50..5050].copy_from_slice(&pattern(8, 3 * PAGE as usize)[100..5100]);
    assert!(w.look_at_file(target) == model);
    model[9000..9100].copy_from_slice(&pattern(8, 100));
    assert!(w.peek(p, private, 3 * PAGE as usize).expect("memory") == model, "the private page has both");
    // And from a private mapping to the file behind it.
    assert_eq!(w.write_at(p, g, 0, private + 9000, 100), Ok(100));
    assert!(w.look_at_file(target)[..100] == pattern(8, 100));
    assert!(w.look_at_file(source) == pattern(8, 3 * PAGE as usize));
    w.fsync(p, g).expect("fsync");
    assert!(w.volume.files[&target].contents() == w.look_at_file(target));
    w.check();
}

#[test]
fn reading_and_writing_survive_the_want_of_memory() {
    let mut w = World::with_files(FRAMES, 2000);
    w.attach_policy("freebsd");
    let contents = pattern(8, 300 * PAGE as usize);
    let (p, inode, f) = w.opened(&contents);
    let target = w.volume.create(&[]);
    let g = w.open(p, target, RW);
    let buffer = w.mmap(p, 16);
    let mut at = 0;
    loop {
        let n = w.read_on(p, f, buffer, MAX_TRANSFER).expect("read");
        if n == 0 {
            break;
        }
        assert_eq!(w.write_on(p, g, buffer, n), Ok(n));
        at += n as usize;
        w.run_policy();
        w.pass(10);
    }
    assert_eq!(at, contents.len());
    w.sync_all().expect("sync");
    assert!(w.volume.files[&target].contents() == contents);
    assert!(w.resident(inode).len() < 250, "the policy has worked");
    assert!(w.look_at_file(inode) == contents);
    w.check();
    assert_eq!(w.sync_all(), Ok(()));
    let init: Result<(), Error> = w.init(Request::FileClose(proto::FileClose { file: 0 }));
    assert_eq!(init, Err(Error::BadFile));
    let (_, answer) = w.call(INIT, Request::SyncStart(proto::SyncStart {}));
    assert_eq!(decode::<()>(answer.expect("at once")), Ok(()));
}
