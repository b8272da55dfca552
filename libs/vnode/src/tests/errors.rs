// SPDX-License-Identifier: BSD-2-Clause
//! Disks that fail, and entries that make no sense.

use super::rig::{Rig, pages_of, pattern};
use crate::world::PAGE;
use ebb_proto::Error;
use ebb_proto::fs::OpenFlags;
use ebb_proto::pager::{ALL, Op, Outcome};
use std::vec::Vec;

fn file_of(rig: &mut Rig, path: &str, pages: usize) -> u32 {
    let inode = rig.create(path);
    rig.write(inode, &pattern(1, pages * PAGE));
    assert_eq!(rig.fsync(ALL), Outcome::Ok);
    inode
}

/// The first page of the disk that a file's page is read from.
fn place_of(rig: &mut Rig, inode: u32, index: u32) -> u64 {
    rig.m.borrow_mut().reads.clear();
    rig.get(inode, index, 1);
    rig.m.borrow().reads.last().unwrap().0
}

#[test]
fn a_page_that_cannot_be_read_fails_alone() {
    let mut rig = Rig::new();
    let inode = file_of(&mut rig, "/f", 16);
    let bad = place_of(&mut rig, inode, 5);
    rig.m.borrow_mut().broken.push(bad);
    let cookies: Vec<u32> = (0..16).map(|n| rig.submit(Op::Get, 0, [inode as u64, n, 300 + n])).collect();
    rig.run();
    for (n, cookie) in cookies.into_iter().enumerate() {
        let outcome = rig.answer(cookie).unwrap().outcome;
        assert_eq!(outcome, if n == 5 { Outcome::Error } else { Outcome::Ok }, "page {n}");
    }
    assert!(rig.pager.summary().errors > 0);
}

#[test]
fn a_page_that_cannot_be_written_fails_alone_and_may_be_tried_again() {
    let mut rig = Rig::new();
    let inode = file_of(&mut rig, "/f", 16);
    let bad = place_of(&mut rig, inode, 5);
    rig.m.borrow_mut().broken.push(bad);
    let bytes = pattern(2, 16 * PAGE);
    let outcomes = rig.put(inode, 0, &pages_of(&bytes));
    for (n, outcome) in outcomes.into_iter().enumerate() {
        assert_eq!(outcome, if n == 5 { Outcome::Error } else { Outcome::Ok }, "page {n}");
    }
    rig.m.borrow_mut().broken.clear();
    assert_eq!(rig.put(inode, 5, &pages_of(&bytes[5 * PAGE..6 * PAGE])), [Outcome::Ok]);
    assert_eq!(rig.read(inode, bytes.len()), bytes);
    rig.assert_sound();
}

#[test]
fn new_pages_whose_write_fails_are_written_the_next_time() {
    let mut rig = Rig::new();
    let inode = rig.create("/f");
    let bytes = pattern(3, 20 * PAGE + 9);
    rig.control(Op::Size, [inode as u64, bytes.len() as u64, 0]);
    rig.m.borrow_mut().failing_writes = 1;
    let outcomes = rig.put(inode, 0, &pages_of(&bytes));
    assert!(outcomes.contains(&Outcome::Error) && outcomes.contains(&Outcome::Ok), "{outcomes:?}");
    let outcomes = rig.put(inode, 0, &pages_of(&bytes));
    assert!(outcomes.iter().all(|o| *o == Outcome::Ok), "{outcomes:?}");
    assert_eq!(rig.read(inode, bytes.len()), bytes);
    rig.assert_sound();
}

#[test]
fn a_journal_that_cannot_be_written_ends_changes_and_nothing_else() {
    let mut rig = Rig::new();
    let inode = file_of(&mut rig, "/f", 4);
    rig.m.borrow_mut().failing_writes = 1000;
    assert_eq!(rig.pager.make_directory("/d", 0o755), Err(Error::Io));
    rig.m.borrow_mut().failing_writes = 0;
    assert_eq!(rig.read(inode, 4 * PAGE), pattern(1, 4 * PAGE), "{:?}", rig.m.borrow().log);
    assert_eq!(rig.read_path("/f").unwrap(), pattern(1, 4 * PAGE));
    assert_eq!(rig.pager.make_directory("/e", 0o755), Err(Error::ReadOnly));
    assert_eq!(rig.open("/f", OpenFlags::WRITE).unwrap_err(), Error::ReadOnly);
    assert!(rig.pager.mounts().unwrap()[0].read_only);
    assert_eq!(rig.put(inode, 0, &pages_of(&pattern(2, PAGE))), [Outcome::Error]);
    assert_eq!(rig.fsync(ALL), Outcome::Error, "nothing more gets to the disk");
    // Another instance, or the host, finds what was committed.
    let mut rig = rig.restart(&[]);
    assert_eq!(rig.pager.status("/d", true), Err(Error::NotFound), "it was not made");
    assert_eq!(rig.read_path("/f").unwrap(), pattern(1, 4 * PAGE));
    rig.assert_sound();
}

#[test]
fn entries_that_make_no_sense_are_answered() {
    let mut rig = Rig::new();
    let inode = file_of(&mut rig, "/f", 4) as u64;
    let far = u32::MAX as u64;
    let cases = [
        (Op::Get, 0, [0, 0, 1], Outcome::Bad),
        (Op::Get, 0, [1 << 40, 0, 1], Outcome::Bad),
        (Op::Get, 0, [inode, far, 1], Outcome::Bad),
        (Op::Get, 0, [2, 0, 1], Outcome::Bad),
        (Op::Get, 0, [far, 0, 1], Outcome::Error),
        (Op::Get, 0, [8, 0, 1], Outcome::Bad),
        (Op::Put, 0, [2, 0, 1], Outcome::Bad),
        (Op::Put, 0, [8, 0, 1], Outcome::Bad),
        (Op::Resize, 0, [8, 0, 0], Outcome::Bad),
        (Op::Hold, 0, [8, 0, 0], Outcome::Bad),
        (Op::PutBytes, 32, [inode, 0, 1], Outcome::Bad),
        (Op::PutBytes, 0, [inode + 1, 0, 1], Outcome::Bad),
        (Op::Reserve, 0, [inode, 0, 0], Outcome::Bad),
        (Op::Reserve, 0, [inode, u64::MAX, 2], Outcome::Bad),
        (Op::Reserve, 0, [far, 0, 2], Outcome::Error),
        (Op::Reserve, 0, [2, 0, 2], Outcome::Bad),
        (Op::Resize, 0, [2, 0, 0], Outcome::Bad),
        (Op::Resize, 0, [inode, u64::MAX, 0], Outcome::Bad),
        (Op::Size, 0, [far, 0, 0], Outcome::Bad),
        (Op::Hold, 0, [far, 0, 0], Outcome::Error),
        (Op::Fsync, 0, [1 << 40, 0, 0], Outcome::Bad),
        (Op::Free, 0, [inode, 0, 1], Outcome::Bad),
        (Op::SwapOn, 0, [1, 0, 0], Outcome::Bad),
        (Op::Release, 0, [far, 9, 0], Outcome::Ok),
    ];
    for (op, slot, words, outcome) in cases {
        let cookie = rig.submit(op, slot, words);
        rig.run();
        let answer = rig.answer(cookie).unwrap_or_else(|| panic!("{op:?} {words:?}"));
        assert_eq!((answer.op, answer.outcome), (op, outcome), "{op:?} {words:?} {:?}", rig.m.borrow().log);
    }
    rig.m.borrow_mut().to_pager.push_back([0xff, 1, 2, 3]);
    rig.run();
    assert!(rig.answers.is_empty(), "nobody waits for what is no entry");
    assert_eq!(rig.read(inode as u32, 4 * PAGE), pattern(1, 4 * PAGE));
    rig.assert_sound();
}

#[test]
fn what_ends_while_a_commit_waits_is_answered() {
    let mut rig = Rig::new();
    let inode = file_of(&mut rig, "/f", 16);
    rig.control(Op::Size, [inode as u64, 20 * PAGE as u64, 0]);
    rig.submit(Op::PutBytes, 0, [inode as u64, 17, 100]);
    let gets: Vec<u32> =
        (0..16).map(|n| rig.submit(Op::Get, 0, [inode as u64, n * 7 % 16, 300 + n])).collect();
    // Once: nobody rings again when the disk has nothing left to do.
    rig.pager.pump();
    assert!(rig.m.borrow().is_quiet());
    assert!(rig.pager.is_idle());
    rig.run();
    assert!(gets.into_iter().all(|cookie| rig.answer(cookie).is_some()));
}

#[test]
fn answers_always_have_room() {
    let mut rig = Rig::new();
    let inode = file_of(&mut rig, "/f", 16);
    rig.m.borrow_mut().room = 40;
    let cookies: Vec<u32> =
        (0..300).map(|n| rig.submit(Op::Get, 0, [inode as u64, n * 7 % 16, 300 + n])).collect();
    rig.run();
    assert!(cookies.into_iter().all(|c| rig.answer(c).is_some_and(|a| a.outcome == Outcome::Ok)));
    assert!(rig.pager.is_idle());
}

#[test]
fn a_grant_that_cannot_be_told_is_not_given() {
    let mut rig = Rig::new();
    file_of(&mut rig, "/f", 1);
    let held = rig.pager.summary().held;
    rig.pager.make_directory("/d", 0o755).unwrap();
    rig.m.borrow_mut().room = 0;
    assert_eq!(rig.pager.open(7, "/f", OpenFlags::READ.bits(), 0).unwrap_err(), Error::Busy);
    assert_eq!(rig.pager.summary().held, held);
}
