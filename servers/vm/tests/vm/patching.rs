// SPDX-License-Identifier: BSD-2-Clause
//! A debugger's writes: through protection, into the program's own pages alone, all or nothing.

use crate::memory::swap_out;
use crate::model::World;
use crate::model::files::pattern;
use crate::model::world::{PAGE, decode};
use ebb_proto::Error;
use ebb_proto::vm::{self as proto, INIT, Protection, Request, Source, Space};

fn patch(w: &mut World, space: Space, address: u64, bytes: &[u8]) -> Result<(), Error> {
    let request = Request::WriteMemory(proto::WriteMemory { space, address, bytes: bytes.to_vec() });
    let (id, answer) = w.call(INIT, request);
    w.wait(id, answer)
}

fn protect(w: &mut World, space: Space, address: u64, pages: u64, protection: Protection) {
    let protection = protection.bits();
    w.init::<()>(Request::Protect(proto::Protect { space, address, pages, protection })).expect("mprotect");
}

#[test]
fn prs_025_prs_026_a_patch_goes_through_protection_on_every_page_that_it_touches() {
    let mut w = World::with_files(400, 500);
    let (p, inode, f) = w.opened(&pattern(1, 2 * PAGE as usize));
    let at = w.map_file(p, f, 0, 2, Protection::READ, true).expect("a private mapping");
    let q = w.file_program();
    let g = w.open(q, inode, crate::model::files::RW);
    let other = w.map_shared(q, g, 2);
    let regions = w.vm.spaces.get(p).expect("the program").map.iter().count();
    assert_eq!(patch(&mut w, p, at + PAGE - 1, b"xy"), Ok(()));
    assert_eq!(w.peek(p, at + PAGE - 1, 2), Some(b"xy".to_vec()));
    assert_eq!(
        w.peek(q, other + PAGE - 1, 2),
        Some(pattern(1, 5000)[4095..4097].to_vec()),
        "the file is as it was"
    );
    // PRS-027: the map is as it was, and the program may not write there.
    assert_eq!(w.vm.spaces.get(p).expect("the program").map.iter().count(), regions);
    assert!(!w.poke(p, at, b"z"));
    w.check();
}

#[test]
fn prs_w02_a_patch_is_all_or_nothing() {
    let mut w = World::new(400);
    let p = w.program();
    let a = w.mmap(p, 1);
    assert!(w.write(p, a, 7));
    for (address, bytes, error) in [
        (a + PAGE - 1, 2, Error::Fault),
        (a - 1, 2, Error::Fault),
        (u64::MAX - 1, 9, Error::Fault),
        (a, 2049, Error::TooLong),
    ] {
        assert_eq!(patch(&mut w, p, address, &vec![9; bytes]), Err(error), "{address:#x}");
    }
    assert!(w.read(p, a), "nothing was written");
    let m = w
        .map(p, 0, 1, 1, Source::Module { index: 0, offset: 0, bytes: PAGE, wired: false })
        .expect("a module");
    assert_eq!(patch(&mut w, p, m, &[1]), Err(Error::NotPermitted), "others have it too");
    let q = w.program();
    let foreign = Request::WriteMemory(proto::WriteMemory { space: p, address: a, bytes: vec![1] });
    assert_eq!(w.ask::<()>(q, foreign), Err(Error::NotPermitted));
    assert_eq!(patch(&mut w, 99, a, &[1]), Err(Error::NotFound));
    w.check();
}

#[test]
fn a_patch_in_a_child_is_not_seen_by_the_parent_and_waits_for_what_is_in_swap() {
    let mut w = World::with_swap(400, 100);
    let p = w.program();
    let a = w.mmap(p, 2);
    assert!(w.write(p, a, 1) && w.write(p, a + PAGE, 2));
    swap_out(&mut w, p, a, 2);
    let c = w.fork(p).expect("a child");
    protect(&mut w, c, a, 2, Protection::READ);
    assert_eq!(patch(&mut w, c, a, &77u64.to_le_bytes()), Ok(()));
    w.programs.get_mut(&c).expect("the child").memory.insert(a, 77);
    for space in [p, c] {
        for n in 0..2 {
            if !w.read(space, a + n * PAGE) {
                w.pump();
            }
            assert!(!w.stopped(space) && !w.refused(space));
        }
    }
    // What cannot be read ends it with an error, and who asks for a program that ends is told nothing.
    swap_out(&mut w, p, a, 2);
    let request = Request::WriteMemory(proto::WriteMemory { space: p, address: a + PAGE, bytes: vec![1] });
    let (id, answer) = w.call(INIT, request);
    if answer.is_none() {
        w.pump();
        assert_eq!(decode::<()>(w.vm.m.answers.take(id).expect("an answer")), Ok(()));
    }
    w.check();
}
