// SPDX-License-Identifier: BSD-2-Clause
//! Files in many pieces are cut and removed: every block comes back, and the host's checker finds nothing.

use super::rig::{Rig, make, pages_of, pattern};
use crate::world::PAGE;
use ebb_proto::pager::{ALL, Op, Outcome};

/// Pages of the file. A tree of two levels above its leaves needs more than four leaves of 340 pieces.
const PAGES: u64 = 6000;
/// A number without a common factor with [`PAGES`]: its multiples are all pages in another order.
const STRIDE: u64 = 3607;

fn free(rig: &mut Rig) -> u64 {
    rig.pager.mounts().unwrap()[0].blocks.1
}

/// A file with holes between so many written pages, filled in no order.
fn torn(pieces: u64) -> (Rig, u32, u64) {
    let mut rig = Rig::on(make("40M", &[]), true);
    let before = free(&mut rig);
    let inode = rig.create("/f");
    rig.control(Op::Size, [inode as u64, PAGES * PAGE as u64, 0]);
    for n in 0..pieces {
        let at = (n * STRIDE % PAGES) & !1;
        assert_eq!(rig.control(Op::Reserve, [inode as u64, at, 1]).outcome, Outcome::Ok, "{at}");
    }
    (rig, inode, before)
}

#[test]
fn a_torn_file_is_cut_anywhere() {
    let (mut rig, inode, before) = torn(4000);
    let page = pages_of(&pattern(1, PAGE));
    for at in [0, 2, 1498] {
        assert_eq!(rig.put(inode, at, &page), [Outcome::Ok]);
    }
    for (pages, rest) in [(5990, 1), (4500, 0), (3001, 77), (1500, 0), (1499, 5), (2, 9), (0, 1), (0, 0)] {
        let size = pages * PAGE as u64 + rest;
        assert_eq!(rig.control(Op::Resize, [inode as u64, size, 0]).outcome, Outcome::Ok, "{size}");
        assert_eq!(rig.pager.status("/f", true).unwrap().size, size);
        let read = rig.read(inode, size as usize);
        for (at, is) in read.chunks(PAGE).enumerate() {
            let written = [0, 2, 1498].contains(&at);
            let should = if written { &page[0][..is.len()] } else { &[0; PAGE][..is.len()] };
            assert!(is == should, "page {at} at {size}");
        }
        rig.assert_sound();
    }
    assert_eq!(free(&mut rig), before);
}

#[test]
fn a_torn_file_that_is_cut_is_made_longer_again() {
    let (mut rig, inode, _) = torn(3000);
    let page = pages_of(&pattern(2, PAGE));
    assert_eq!(rig.put(inode, 3000, &page), [Outcome::Ok]);
    let half = PAGES / 2 * PAGE as u64;
    assert_eq!(rig.control(Op::Resize, [inode as u64, half, 0]).outcome, Outcome::Ok);
    assert_eq!(rig.control(Op::Resize, [inode as u64, half * 2, 0]).outcome, Outcome::Ok);
    assert!(rig.read(inode, half as usize * 2).iter().all(|b| *b == 0), "nothing comes back");
    assert_eq!(rig.put(inode, 5999, &page), [Outcome::Ok]);
    assert_eq!(rig.get(inode, 5999, 1), [Some(page[0])]);
    rig.assert_sound();
}

#[test]
fn a_torn_file_is_removed() {
    let (mut rig, inode, before) = torn(4000);
    rig.pager.remove("/f").unwrap();
    assert_eq!(rig.release(inode, 1), Outcome::Ok);
    assert_eq!(free(&mut rig), before);
    rig.assert_sound();
}

/// Blocks that were reserved behind the end are in no piece that was written.
#[test]
fn reserved_blocks_come_back() {
    for size in [0, 100, 3 * PAGE as u64] {
        let mut rig = Rig::new();
        let before = free(&mut rig);
        let inode = rig.create("/f");
        rig.control(Op::Size, [inode as u64, size, 0]);
        for at in (4..400).step_by(3) {
            assert_eq!(rig.control(Op::Reserve, [inode as u64, at, 1]).outcome, Outcome::Ok);
        }
        rig.pager.remove("/f").unwrap();
        let disk = rig.m.borrow().content();
        assert_eq!(rig.release(inode, 1), Outcome::Ok);
        assert_eq!(free(&mut rig), before, "given up, {size}");
        rig.assert_sound();
        // The machine dies while somebody has it.
        let mut rig = Rig::on(disk.clone(), true);
        assert_eq!(free(&mut rig), before, "after a cold start, {size}");
        rig.assert_sound();
        // The pager dies, and nobody has it any more.
        let mut rig = Rig::on(disk, false);
        assert_eq!(rig.fsync(ALL), Outcome::Ok);
        assert_eq!(free(&mut rig), before, "after a restart, {size}");
        rig.assert_sound();
    }
}

/// Whatever the machine dies in, the bytes are those of before or of after.
#[test]
fn the_machine_dies_while_a_torn_file_is_cut() {
    let (mut rig, inode, _) = torn(2500);
    let page = pages_of(&pattern(3, PAGE));
    assert_eq!(rig.put(inode, 1000, &page), [Outcome::Ok]);
    assert_eq!(rig.fsync(ALL), Outcome::Ok);
    let disk = rig.m.borrow().content();
    drop(rig);
    // The last piece is the last page but one.
    let (before, after) = ((PAGES - 1) * PAGE as u64, 2000 * PAGE as u64 + 9);
    let mut ends = [false; 2];
    for requests in (0..200).step_by(23) {
        let mut rig = Rig::on(disk.clone(), false);
        assert_eq!(rig.control(Op::Hold, [inode as u64, before, 0]).outcome, Outcome::Ok);
        rig.m.borrow_mut().left = Some(requests);
        let outcome = rig.attempt(Op::Resize, [inode as u64, after, 0]);
        let crashed = rig.m.borrow().crashed(|n| n % 3 != requests % 3);
        drop(rig);
        let mut rig = Rig::on(crashed, true);
        let size = rig.pager.status("/f", true).unwrap().size;
        let whole = after.next_multiple_of(PAGE as u64);
        let sizes = [before, before + PAGE as u64, after, whole + PAGE as u64];
        assert!(sizes.contains(&size), "{requests}: {size}");
        assert!(outcome != Outcome::Ok || size == after, "{requests}: {size}");
        ends[(size < before) as usize] = true;
        let read = rig.read(inode, size as usize);
        assert!(read[1000 * PAGE..][..PAGE] == page[0], "{requests}");
        assert!(read[1001 * PAGE..].iter().all(|b| *b == 0), "{requests}");
        rig.assert_sound();
    }
    assert_eq!(ends, [true; 2], "it died before and after");
}

/// Where there is no folder for what has lost its name, it goes at once.
#[test]
fn reserved_blocks_come_back_without_the_folder() {
    let mut rig = Rig::new();
    let (before, a, b) = (free(&mut rig), rig.create("/a"), rig.create("/b"));
    for inode in [a, b] {
        assert_eq!(rig.control(Op::Reserve, [inode as u64, 7, 30]).outcome, Outcome::Ok);
        assert_eq!(rig.release(inode, 1), Outcome::Ok);
    }
    rig.create("/c");
    rig.pager.unlinked = Default::default();
    rig.pager.remove("/a").unwrap();
    rig.pager.rename("/c", "/b").unwrap();
    assert_eq!(free(&mut rig), before);
    rig.assert_sound();
}

/// More reserved behind the end than leaves under the root have room for.
#[test]
fn many_reserved_blocks_behind_the_end_come_back() {
    let mut rig = Rig::on(make("40M", &[]), true);
    let before = free(&mut rig);
    let inode = rig.create("/f");
    for n in 0..2500 {
        let at = (n * STRIDE % PAGES) | 1;
        assert_eq!(rig.control(Op::Reserve, [inode as u64, at, 1]).outcome, Outcome::Ok);
    }
    assert_eq!(rig.control(Op::Size, [inode as u64, 9, 0]).outcome, Outcome::Ok);
    assert_eq!(rig.put(inode, 0, &pages_of(b"123456789")), [Outcome::Ok]);
    assert_eq!(rig.control(Op::Resize, [inode as u64, 5, 0]).outcome, Outcome::Ok);
    assert_eq!(rig.read(inode, 5), b"12345");
    rig.assert_sound();
    assert!(free(&mut rig) + 8 >= before, "all but one");
    rig.pager.remove("/f").unwrap();
    assert_eq!(rig.release(inode, 1), Outcome::Ok);
    assert_eq!(free(&mut rig), before);
    rig.assert_sound();
}
