// SPDX-License-Identifier: BSD-2-Clause
//! Files: what is written is what is read, whichever way it went.

use super::machine::Machine;
use super::rig::{Rig, pages_of, pattern};
use crate::world::PAGE;
use ebb_proto::Error;
use ebb_proto::fs::{Kind, OpenFlags};
use ebb_proto::pager::{ALL, HOLE, Notice, Op, Outcome, WRITTEN};
use std::string::String;
use std::vec::Vec;

#[test]
fn what_is_written_is_read() {
    let mut rig = Rig::new();
    for (n, size) in [1, 4095, 4096, 4097, 16 * PAGE, 16 * PAGE + 1, 50 * PAGE + 77].into_iter().enumerate() {
        let path = std::format!("/f{n}");
        let inode = rig.create(&path);
        let bytes = pattern(n as u64, size);
        rig.write(inode, &bytes);
        assert_eq!(rig.read(inode, size), bytes, "{size}");
        assert_eq!(rig.fsync(inode as u64), Outcome::Ok);
        assert_eq!(rig.pager.status(&path, true).unwrap().size, size as u64);
    }
    rig.assert_sound();
    let mut rig = rig.restart(&[]);
    for (n, size) in [1, 4095, 4096, 4097, 16 * PAGE, 16 * PAGE + 1, 50 * PAGE + 77].into_iter().enumerate() {
        let path = std::format!("/f{n}");
        assert_eq!(rig.read_path(&path).unwrap(), pattern(n as u64, size));
    }
}

#[test]
fn pages_that_were_written_before_go_straight_from_their_frames() {
    let mut rig = Rig::new();
    let inode = rig.create("/f");
    rig.write(inode, &pattern(1, 32 * PAGE));
    rig.fsync(ALL);
    let commits = rig.pager.summary().commits;
    let bytes = pattern(2, 32 * PAGE);
    let outcomes = rig.put(inode, 0, &pages_of(&bytes));
    assert!(outcomes.iter().all(|o| *o == Outcome::Ok));
    assert_eq!(rig.pager.summary().commits, commits, "no commit for plain pages");
    rig.m.borrow_mut().reads.clear();
    assert_eq!(rig.read(inode, 32 * PAGE), bytes);
    let reads = rig.m.borrow().reads.clone();
    assert!(reads.len() <= 4, "runs are read in one request each: {reads:?}");
    rig.assert_sound();
}

#[test]
fn a_file_that_grows_by_bytes() {
    let mut rig = Rig::new();
    let inode = rig.create("/f");
    let all = pattern(3, 5 * PAGE);
    for size in (1..all.len()).step_by(1777) {
        rig.control(Op::Size, [inode as u64, size as u64, 0]);
        let first = size.saturating_sub(1777) / PAGE;
        let outcomes = rig.put(inode, first as u32, &pages_of(&all[first * PAGE..size]));
        assert!(outcomes.iter().all(|o| *o == Outcome::Ok));
        assert_eq!(rig.read(inode, size), &all[..size]);
    }
    rig.assert_sound();
}

#[test]
fn holes_and_reserved_pages_are_zero() {
    let mut rig = Rig::new();
    let inode = rig.create("/f");
    rig.control(Op::Size, [inode as u64, 10 * PAGE as u64, 0]);
    let page = pages_of(&pattern(4, PAGE));
    assert_eq!(rig.put(inode, 9, &page), [Outcome::Ok]);
    let got = rig.get(inode, 0, 12);
    assert!(got[..9].iter().all(Option::is_none));
    assert_eq!(got[9], Some(page[0]));
    assert!(got[10..].iter().all(Option::is_none), "beyond the end");
    // Behind the end: blocks, and nothing in them.
    let reserved = rig.control(Op::Reserve, [inode as u64, 12, 3]);
    assert_eq!((reserved.outcome, reserved.results[0]), (Outcome::Ok, 0));
    rig.control(Op::Size, [inode as u64, 20 * PAGE as u64, 0]);
    let answer = rig.control(Op::Get, [inode as u64, 13, 300]);
    assert_eq!(answer.results[0] & HOLE, HOLE, "behind what the disk has of the file");
    assert_eq!(rig.put(inode, 13, &page), [Outcome::Ok]);
    assert_eq!(rig.get(inode, 13, 1), [Some(page[0])]);
    // In a hole: zeroes, which are on the disk.
    let filled = rig.control(Op::Reserve, [inode as u64, 2, 3]);
    assert_eq!((filled.outcome, filled.results[0]), (Outcome::Ok, WRITTEN));
    assert!(rig.get(inode, 2, 3).iter().all(Option::is_some));
    assert!(rig.read(inode, 9 * PAGE).iter().all(|b| *b == 0));
    rig.assert_sound();
}

/// The crate loses its way in a tree in which something comes before what was first: a file in a thousand pieces, from the back to the front and in between.
#[test]
fn a_file_in_many_pieces_is_sound() {
    let mut rig = Rig::new();
    let inode = rig.create("/f");
    let pages = 6000;
    rig.control(Op::Size, [inode as u64, pages * PAGE as u64, 0]);
    let page = pages_of(&pattern(4, PAGE));
    for n in 0..1800 {
        let at = (pages - 2 - n * 2) * 7 % pages;
        assert_eq!(rig.control(Op::Reserve, [inode as u64, at, 1]).outcome, Outcome::Ok, "{at}");
    }
    assert_eq!(rig.put(inode, 3, &page), [Outcome::Ok]);
    assert_eq!(rig.get(inode, 3, 1), [Some(page[0])]);
    rig.assert_sound();
}

/// Who appends gets blocks ahead, and what is left of them comes back: when the file is given up, also after the death of the pager.
#[test]
fn a_file_that_grows_has_blocks_ahead() {
    for dies in [false, true] {
        let mut rig = Rig::on(super::rig::make("64M", &[]), true);
        let free = |rig: &mut Rig| rig.pager.mounts().unwrap()[0].blocks.1;
        let (before, inode) = (free(&mut rig), rig.create("/f"));
        let pages = 60;
        let commits = rig.pager.summary().commits;
        for at in 0..pages {
            assert_eq!(rig.control(Op::Reserve, [inode as u64, at, 1]).outcome, Outcome::Ok);
        }
        assert!(rig.pager.summary().commits - commits < 8, "most of them were there");
        let size = pages * PAGE as u64 - 100;
        let bytes = pattern(1, size as usize);
        rig.write(inode, &bytes);
        assert!(free(&mut rig) + pages < before, "there are some ahead");
        rig.fsync(ALL);
        rig.pager.set_modified("/f", 1_234_567_000_000).unwrap();
        if dies {
            rig = rig.restart(&[(inode, size)]);
        }
        assert_eq!(rig.release(inode, 1), Outcome::Ok);
        assert_eq!(free(&mut rig) + pages, before);
        assert_eq!(rig.read_path("/f").unwrap(), bytes);
        assert_eq!(rig.pager.status("/f", true).unwrap().modified_us, 1_234_567_000_000);
        rig.assert_sound();
    }
}

/// What is ahead of one file is not missing for another.
#[test]
fn the_last_blocks_are_for_those_who_ask() {
    let mut rig = Rig::new();
    let inode = rig.create("/f");
    let free = rig.pager.mounts().unwrap()[0].blocks.1;
    let fits = (0..free)
        .take_while(|at| rig.control(Op::Reserve, [inode as u64, *at, 1]).outcome == Outcome::Ok)
        .count() as u64;
    assert!(fits + 8 > free, "{fits} of {free}");
    rig.assert_sound();
}

#[test]
fn cutting_a_file_clears_what_was_behind() {
    let mut rig = Rig::new();
    let inode = rig.create("/f");
    let bytes = pattern(5, 8 * PAGE);
    rig.write(inode, &bytes);
    assert_eq!(rig.control(Op::Resize, [inode as u64, 5000, 0]).outcome, Outcome::Ok);
    assert_eq!(rig.read(inode, 5000), &bytes[..5000]);
    assert_eq!(rig.control(Op::Resize, [inode as u64, 8 * PAGE as u64, 0]).outcome, Outcome::Ok);
    let read = rig.read(inode, 8 * PAGE);
    assert_eq!(&read[..5000], &bytes[..5000]);
    assert!(read[5000..].iter().all(|b| *b == 0));
    // The page that was cut goes through the file system from now on: its bytes are kept there.
    let again = pattern(6, 8 * PAGE);
    let outcomes = rig.put(inode, 0, &pages_of(&again));
    assert!(outcomes.iter().all(|o| *o == Outcome::Ok));
    rig.control(Op::Resize, [inode as u64, 6000, 0]);
    assert_eq!(rig.read(inode, 6000), &again[..6000]);
    rig.assert_sound();
}

#[test]
fn what_the_crate_keeps_does_not_undo_what_goes_past_it() {
    let mut rig = Rig::new();
    let inode = rig.create("/f");
    rig.write(inode, &pattern(1, 1000));
    rig.write(inode, &pattern(2, 2 * PAGE));
    let last = pattern(3, 2 * PAGE);
    assert_eq!(rig.put(inode, 0, &pages_of(&last)), [Outcome::Ok; 2]);
    rig.control(Op::Resize, [inode as u64, 500, 0]);
    assert_eq!(rig.read(inode, 500), &last[..500]);
}

#[test]
fn an_unlinked_file_lives_until_vm_gives_it_up() {
    let mut rig = Rig::new();
    let inode = rig.create("/f");
    let bytes = pattern(7, 3 * PAGE);
    rig.write(inode, &bytes);
    rig.pager.remove("/f").unwrap();
    rig.run();
    assert_eq!(rig.grants.pop(), Some(Notice::Unlinked { inode }));
    assert_eq!(rig.pager.status("/f", true), Err(Error::NotFound));
    assert_eq!(rig.names("/"), ["lost+found"]);
    assert_eq!(rig.read(inode, bytes.len()), bytes);
    let free = rig.pager.mounts().unwrap()[0].blocks.1;
    let mut rig = rig.restart(&[(inode, bytes.len() as u64)]);
    assert_eq!(rig.read(inode, bytes.len()), bytes, "over the death of the pager");
    assert_eq!(rig.pager.summary().unlinked, 1);
    rig.assert_sound();
    assert_eq!(rig.release(inode, 0), Outcome::Ok);
    assert!(rig.pager.mounts().unwrap()[0].blocks.1 >= free + 3);
    rig.assert_sound();
}

#[test]
fn a_cold_start_removes_unlinked_files() {
    let mut rig = Rig::new();
    let before = rig.pager.mounts().unwrap()[0].inodes.1;
    let inode = rig.create("/f");
    rig.write(inode, &pattern(8, 2 * PAGE));
    rig.pager.remove("/f").unwrap();
    let disk = rig.m.borrow().content();
    let mut rig = Rig::on(disk, true);
    assert_eq!(rig.pager.mounts().unwrap()[0].inodes.1, before);
    rig.assert_sound();
}

#[test]
fn what_a_dead_pager_left_unlinked_goes_at_the_first_sync() {
    let mut rig = Rig::new();
    let before = rig.pager.mounts().unwrap()[0].inodes.1;
    let inode = rig.create("/f");
    rig.pager.remove("/f").unwrap();
    let mut rig = rig.restart(&[]);
    assert!(rig.pager.mounts().unwrap()[0].inodes.1 < before);
    assert_eq!(rig.fsync(ALL), Outcome::Ok);
    assert_eq!(rig.pager.mounts().unwrap()[0].inodes.1, before, "inode {inode}");
    rig.assert_sound();
}

#[test]
fn a_rename_over_a_file_in_use_keeps_it() {
    let mut rig = Rig::new();
    let (a, b) = (rig.create("/a"), rig.create("/b"));
    rig.write(a, &pattern(1, 100));
    rig.write(b, &pattern(2, 5000));
    rig.pager.rename("/a", "/b").unwrap();
    rig.run();
    assert_eq!(rig.grants.pop(), Some(Notice::Unlinked { inode: b }));
    assert_eq!(rig.read(b, 5000), pattern(2, 5000));
    assert_eq!(rig.read_path("/b").unwrap(), pattern(1, 100));
    rig.assert_sound();
    assert_eq!(rig.release(b, 1), Outcome::Ok);
    assert_eq!(rig.names("/"), ["b", "lost+found"]);
    rig.assert_sound();
}

#[test]
fn a_grant_that_vm_has_not_seen_holds_the_file() {
    let mut rig = Rig::new();
    let inode = rig.create("/f");
    rig.open("/f", OpenFlags::READ).unwrap();
    assert_eq!(rig.release(inode, 1), Outcome::Ok);
    assert_eq!(rig.pager.summary().held, 1);
    assert_eq!(rig.release(inode, 1), Outcome::Ok);
    assert_eq!(rig.pager.summary().held, 0);
    assert_eq!(rig.control(Op::Audit, [ALL, 0, 0]).results, [0, 0]);
}

#[test]
fn the_size_is_what_vm_says() {
    let mut rig = Rig::new();
    let inode = rig.create("/f");
    rig.submit(Op::Size, 0, [inode as u64, 12345, 0]);
    assert_eq!(
        rig.pager.status("/f", true).unwrap().size,
        12345,
        "the ring is read before the call is answered"
    );
    assert_eq!(rig.open("/f", OpenFlags::READ).unwrap().stat.size, 12345);
}

#[test]
fn times_follow_writes_and_people() {
    let mut rig = Rig::new();
    let inode = rig.create("/f");
    rig.write(inode, &pattern(1, 2 * PAGE));
    rig.fsync(inode as u64);
    rig.pager.set_modified("/f", 1_000_000_000).unwrap();
    assert_eq!(rig.pager.status("/f", true).unwrap().modified_us, 1_000_000_000);
    rig.put(inode, 0, &pages_of(&pattern(2, 2 * PAGE)));
    rig.fsync(inode as u64);
    assert_eq!(rig.pager.status("/f", true).unwrap().modified_us, 1_000_000_000, "set after it was written");
    rig.open("/f", OpenFlags::WRITE).unwrap();
    rig.put(inode, 0, &pages_of(&pattern(3, 2 * PAGE)));
    rig.fsync(inode as u64);
    assert!(rig.pager.status("/f", true).unwrap().modified_us > 1_000_000_000, "written after it was set");
}

#[test]
fn directories_links_and_permissions() {
    let mut rig = Rig::new();
    rig.pager.make_directory("/d", 0o755).unwrap();
    rig.pager.make_directory("/d/e/", 0o755).unwrap();
    assert_eq!(rig.pager.make_directory("/d", 0o755), Err(Error::Exists));
    assert_eq!(rig.pager.make_directory("/x/y", 0o755), Err(Error::NotFound));
    let inode = rig.create("/d/e/f");
    rig.write(inode, b"hello");
    rig.pager.make_link("../d/./e//f", "/link").unwrap();
    rig.pager.make_link("/loop2", "/loop1").unwrap();
    rig.pager.make_link("loop1", "/loop2").unwrap();
    rig.pager.make_link("/d/e", "/dir").unwrap();
    assert_eq!(rig.read_path("/link").unwrap(), b"hello");
    assert_eq!(rig.read_path("/dir/f").unwrap(), b"hello");
    assert_eq!(rig.read_path("/dir/../e/f").unwrap(), b"hello");
    assert_eq!(rig.pager.read_link("/link").unwrap(), "../d/./e//f");
    assert_eq!(rig.pager.read_link("/d"), Err(Error::Invalid));
    assert_eq!(rig.pager.status("/link", false).unwrap().kind, Kind::Link);
    assert_eq!(rig.pager.status("/link", true).unwrap().kind, Kind::File);
    assert_eq!(rig.pager.status("/link/", false), Err(Error::NotDirectory));
    assert_eq!(rig.pager.status("/loop1", true), Err(Error::Loop));
    assert_eq!(rig.pager.status("/d/e/f/g", true), Err(Error::NotDirectory));
    assert_eq!(rig.pager.status("/../..", true).unwrap().inode, 2);
    assert_eq!(rig.open("/d", OpenFlags::READ).unwrap_err(), Error::IsDirectory);
    assert_eq!(rig.pager.remove("/d"), Err(Error::IsDirectory));
    assert_eq!(rig.pager.remove_directory("/d"), Err(Error::NotEmpty));
    assert_eq!(rig.pager.remove_directory("/"), Err(Error::Busy));
    assert_eq!(rig.pager.remove_directory("/link"), Err(Error::NotDirectory));
    assert_eq!(rig.pager.rename("/d", "/d/e/inside"), Err(Error::Invalid));
    assert_eq!(rig.pager.rename("/d", "/link"), Err(Error::NotDirectory));
    assert_eq!(rig.pager.rename("/link", "/d"), Err(Error::IsDirectory));
    rig.pager.link("/d/e/f", "/hard").unwrap();
    assert_eq!(rig.pager.link("/d", "/hard2"), Err(Error::NotPermitted));
    assert_eq!(rig.pager.status("/hard", true).unwrap().links, 2);
    rig.pager.rename("/hard", "/d/e/f").unwrap();
    assert_eq!(rig.pager.status("/hard", true).unwrap().links, 2, "two names of one file: nothing happens");
    rig.pager.remove("/hard").unwrap();
    rig.pager.rename("/d", "/moved").unwrap();
    assert_eq!(rig.read_path("/moved/e/f").unwrap(), b"hello");
    rig.pager.set_mode("/moved/e/f", 0o444).unwrap();
    assert_eq!(rig.open("/moved/e/f", OpenFlags::WRITE).unwrap_err(), Error::Access);
    assert_eq!(rig.open("/moved/e/f", OpenFlags::EXECUTE).unwrap_err(), Error::Access);
    rig.pager.set_mode("/moved/e", 0o555).unwrap();
    assert_eq!(rig.pager.remove("/moved/e/f"), Err(Error::Access));
    rig.assert_sound();
}

#[test]
fn hostile_names() {
    let mut rig = Rig::new();
    let long = "n".repeat(256);
    let flags = OpenFlags::READ | OpenFlags::CREATE;
    assert_eq!(rig.open(&std::format!("/{long}"), flags).unwrap_err(), Error::NameTooLong);
    assert_eq!(rig.open(&"/a".repeat(2000), flags).unwrap_err(), Error::NameTooLong);
    rig.open(&std::format!("/{}", &long[..255]), flags).unwrap();
    for bad in ["relative", "/nul\0byte"] {
        assert_eq!(rig.open(bad, flags).unwrap_err(), Error::Invalid);
    }
    assert_eq!(rig.open("", flags).unwrap_err(), Error::NotFound);
    for hidden in ["/.ebb-unlinked", "/./.ebb-unlinked/12", "/lost+found/../.ebb-unlinked/"] {
        assert_eq!(rig.pager.status(hidden, true), Err(Error::Access));
        assert_eq!(rig.pager.make_directory(hidden, 0o777), Err(Error::Access));
    }
    assert_eq!(rig.open("/new/", flags).unwrap_err(), Error::IsDirectory);
    assert_eq!(rig.pager.open(7, "/f", 0, 0).unwrap_err(), Error::Invalid, "no rights");
    assert_eq!(rig.pager.open(7, "/f", 0xff, 0).unwrap_err(), Error::Invalid, "unknown flags");
    assert_eq!(rig.pager.list("/", Some([9, 9, 9])), Err(Error::Invalid));
    assert!(rig.pager.list("/", Some([1, u64::MAX, 0])).is_ok());
    rig.assert_sound();
}

#[test]
fn many_names_in_a_directory() {
    let mut rig = Rig::new();
    let mut expected: Vec<String> = (0..700).map(|n| std::format!("some-longer-name-{n:04}")).collect();
    rig.pager.make_directory("/d", 0o755).unwrap();
    for name in &expected {
        rig.pager.make_link("x", &std::format!("/d/{name}")).unwrap();
    }
    expected.sort();
    assert_eq!(rig.names("/d"), expected);
    rig.assert_sound();
    for name in expected.iter().step_by(2) {
        rig.pager.remove(&std::format!("/d/{name}")).unwrap();
    }
    assert_eq!(rig.names("/d").len(), 350);
    rig.assert_sound();
}

#[test]
fn a_full_disk_loses_nothing() {
    let mut rig = Rig::new();
    let a = rig.create("/a");
    rig.write(a, &pattern(1, 4 * PAGE));
    let b = rig.create("/b");
    let free = rig.pager.mounts().unwrap()[0].blocks.1 + 10;
    assert_eq!(rig.control(Op::Reserve, [b as u64, 0, free]).outcome, Outcome::Fail);
    let c = rig.create("/c");
    rig.control(Op::Size, [c as u64, 64 * PAGE as u64, 0]);
    let outcomes = rig.put(c, 0, &pages_of(&pattern(2, 64 * PAGE)));
    assert!(outcomes.contains(&Outcome::Fail), "{outcomes:?}");
    assert_eq!(rig.fsync(ALL), Outcome::Ok);
    assert_eq!(rig.put(a, 0, &pages_of(&pattern(3, 4 * PAGE))), [Outcome::Ok; 4], "blocks that it has");
    assert_eq!(rig.read(a, 4 * PAGE), pattern(3, 4 * PAGE));
    rig.assert_sound();
    rig.pager.remove("/b").unwrap();
    assert_eq!(rig.release(b, 1), Outcome::Ok);
    let outcomes = rig.put(c, 0, &pages_of(&pattern(2, 64 * PAGE)));
    assert!(outcomes.iter().all(|o| *o == Outcome::Ok), "{outcomes:?}");
    assert_eq!(rig.read(c, 64 * PAGE), pattern(2, 64 * PAGE));
    rig.assert_sound();
}

#[test]
fn a_disk_that_refuses_writes_is_read() {
    let mut rig = Rig::new();
    let inode = rig.create("/f");
    rig.write(inode, b"bytes");
    // What the journal still has cannot be brought home on such a disk.
    let machine = Machine::new(super::rig::replayed(&rig.m.borrow().content()));
    let geometry = crate::Geometry { disk: 0, pages: machine.pages(), read_only: true };
    let mut rig = Rig::with(machine, true, geometry);
    assert!(rig.pager.mounts().unwrap()[0].read_only);
    assert_eq!(rig.pager.make_directory("/d", 0o755), Err(Error::ReadOnly));
    assert_eq!(rig.open("/f", OpenFlags::WRITE).unwrap_err(), Error::ReadOnly);
    assert_eq!(rig.names("/"), ["f", "lost+found"]);
}

#[test]
fn where_there_is_no_file_system_everything_is_answered() {
    for disk in [std::vec![0; 1 << 20], pattern(1, 1 << 20), super::rig::make("16M", &["-b", "1024"])] {
        let machine = Machine::new(disk);
        let geometry = crate::Geometry { disk: 0, pages: machine.pages(), read_only: false };
        let mut rig = Rig::with(machine, true, geometry);
        let error = rig.pager.status("/", true).unwrap_err();
        // The crate does not tell a superblock that it cannot read from one that is none.
        assert!([Error::Io, Error::Damaged, Error::Unsupported].contains(&error), "{error:?}");
        assert_eq!(rig.open("/f", OpenFlags::READ).unwrap_err(), error);
        assert_eq!(rig.pager.make_directory("/d", 0o755), Err(error));
        for op in [Op::Get, Op::Put, Op::PutBytes, Op::Reserve, Op::Resize, Op::Size, Op::Hold, Op::Release] {
            let outcome = rig.control(op, [12, 1, 300]).outcome;
            assert!(outcome != Outcome::Ok || op == Op::Release, "{op:?}");
        }
        assert_ne!(rig.fsync(ALL), Outcome::Ok);
        assert_eq!(rig.control(Op::Audit, [ALL, 0, 0]).outcome, Outcome::Ok);
    }
}
