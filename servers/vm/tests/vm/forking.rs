// SPDX-License-Identifier: BSD-2-Clause
//! `fork`: who sees whose writes, what is copied and what is not, chains that stay short, and what is given back.

use crate::memory::swap_out;
use crate::model::World;
use crate::model::files::pattern;
use crate::model::world::PAGE;
use ebb_abi::Handle;
use ebb_abi::meter::Counter;
use ebb_policy::gate::Class;
use ebb_proto::Error;
use ebb_proto::pager::Outcome;
use ebb_proto::vm::{self as proto, Advice, Inheritance, Protection, Request, Source, Space, Want};
use ebb_vm::page::Place;

fn inherit(
    w: &mut World,
    space: Space,
    address: u64,
    pages: u64,
    inheritance: Inheritance,
) -> Result<(), Error> {
    w.init(Request::Inherit(proto::Inherit { space, address, pages, inheritance }))
}

fn wire(w: &mut World, space: Space, address: u64, pages: u64) -> Result<(), Error> {
    let (id, answer) = w.call(proto::INIT, Request::Wire(proto::Wire { space, address, pages }));
    w.wait(id, answer)
}

fn unmap(w: &mut World, space: Space, address: u64, pages: u64) {
    w.init::<()>(Request::Unmap(proto::Unmap { space, address, pages })).expect("munmap");
}

fn fill(w: &mut World, space: Space, address: u64, pages: u64, stamp: u64) {
    for n in 0..pages {
        if !w.write(space, address + n * PAGE, stamp + n) {
            w.pump();
        }
        assert!(!w.stopped(space) && !w.refused(space), "page {n}");
    }
}

/// Reads pages, with a pager that answers; what they must hold the program knows.
fn look(w: &mut World, space: Space, address: u64, pages: u64) {
    for n in 0..pages {
        if !w.read(space, address + n * PAGE) {
            w.pump();
        }
        assert!(!w.stopped(space) && !w.refused(space), "page {n}");
    }
}

/// Lets chains become as short as they can be.
fn rest(w: &mut World) {
    for _ in 0..200 {
        w.pass(10);
        w.pump();
        if !w.vm.collapsing() {
            return;
        }
    }
    panic!("chains do not become shorter");
}

/// Objects in the chain of a page.
fn chain(w: &World, space: Space, address: u64) -> usize {
    let mut next = Some(w.key(space, address).0);
    let mut length = 0;
    while let Some(o) = next.and_then(|id| w.vm.objects.get(id)) {
        length += 1;
        next = o.behind().map(|(below, _)| below);
    }
    length
}

fn free(w: &World) -> u32 {
    w.vm.frames.gate.free_count()
}

#[test]
fn prs_043_each_region_is_inherited_as_it_says() {
    let mut w = World::new(400);
    let p = w.program();
    let [none, share, copy] = [w.mmap(p, 2), w.mmap(p, 2), w.mmap(p, 2)];
    for (n, at) in [none, share, copy].into_iter().enumerate() {
        fill(&mut w, p, at, 2, 10 * n as u64 + 1);
    }
    assert_eq!(inherit(&mut w, p, none, 2, Inheritance::None), Ok(()));
    assert_eq!(inherit(&mut w, p, share, 2, Inheritance::Share), Ok(()));
    let c = w.fork(p).expect("a child");
    w.programs.get_mut(&c).expect("the child").memory.retain(|at, _| !(none..none + 2 * PAGE).contains(at));
    for page in 0..2 {
        for at in [share, copy] {
            w.groups.extend(
                (at == share)
                    .then_some([((p, at + page * PAGE), 1), ((c, at + page * PAGE), 1)])
                    .into_iter()
                    .flatten(),
            );
        }
    }
    look(&mut w, c, share, 2);
    look(&mut w, c, copy, 2);
    // What the program model knows of groups: writes to shared memory are seen, others are not.
    fill(&mut w, c, share, 2, 100);
    fill(&mut w, c, copy, 2, 200);
    look(&mut w, p, share, 2);
    look(&mut w, p, copy, 2);
    look(&mut w, p, none, 2);
    assert!(!w.read(c, none) && w.refused(c), "there is nothing");
    w.end(c);
    rest(&mut w);
    w.check();
}

#[test]
fn prs_044_what_either_writes_later_the_other_does_not_see() {
    let mut w = World::new(400);
    let p = w.program();
    let a = w.mmap(p, 8);
    fill(&mut w, p, a, 6, 1);
    let c = w.fork(p).expect("a child");
    let copied = w.count(Counter::v_cow_faults);
    fill(&mut w, p, a, 2, 100);
    fill(&mut w, c, a + 2 * PAGE, 2, 200);
    // Pages that nobody had written to, and one that both write.
    fill(&mut w, p, a + 6 * PAGE, 1, 300);
    fill(&mut w, c, a + PAGE, 1, 400);
    look(&mut w, p, a, 8);
    look(&mut w, c, a, 8);
    assert_eq!(w.count(Counter::v_cow_faults) - copied, 5, "and what was only read was not copied");
    // The child's child sees what the child has, and the parent's next child what the parent has.
    let (cc, d) = (w.fork(c).expect("a child"), w.fork(p).expect("a child"));
    fill(&mut w, cc, a, 1, 500);
    fill(&mut w, d, a, 1, 600);
    for space in [p, c, cc, d] {
        look(&mut w, space, a, 8);
    }
    w.check();
    for space in [c, p, d, cc] {
        w.end(space);
        rest(&mut w);
        w.check();
    }
    assert_eq!(w.vm.objects.iter().count(), 0);
}

#[test]
fn prs_048_a_child_has_no_thread_until_it_is_started() {
    let mut w = World::new(400);
    let p = w.program();
    w.start(p);
    let c = w.fork(p).expect("a child");
    assert_eq!(w.vm.spaces.get(c).expect("the child").thread, Handle::NONE);
    w.start(c);
    assert_ne!(w.vm.spaces.get(c).expect("the child").thread, Handle::NONE);
    let server = w.space("pipe", true);
    let fork = |space| Request::Fork(proto::Fork { space, name: "child".into() });
    assert_eq!(w.init::<Space>(fork(server)), Err(Error::NotPermitted));
    assert_eq!(w.init::<Space>(fork(999)), Err(Error::NotFound));
    assert_eq!(w.ask::<Space>(p, fork(p)), Err(Error::NotPermitted), "its manager does it");
    w.check();
}

#[test]
fn prs_032_wiring_breaks_copy_on_write() {
    let mut w = World::new(400);
    let p = w.program();
    let a = w.mmap(p, 3);
    fill(&mut w, p, a, 3, 1);
    let c = w.fork(p).expect("a child");
    let before = w.frame(c, a);
    assert_eq!(wire(&mut w, p, a, 3), Ok(()));
    assert_ne!(w.frame(p, a), before, "the parent has its own page");
    let own = w.frame(p, a);
    fill(&mut w, p, a, 1, 100);
    assert_eq!(w.frame(p, a), own, "and it stays where it is");
    look(&mut w, c, a, 3);
    w.check();
    w.end(p);
    look(&mut w, c, a, 3);
    rest(&mut w);
    w.check();
}

#[test]
fn prs_034_a_wiring_that_fails_half_way_is_undone() {
    let mut w = World::with_swap(400, 50);
    let p = w.program();
    let a = w.mmap(p, 3);
    fill(&mut w, p, a, 3, 1);
    let c = w.fork(p).expect("a child");
    swap_out(&mut w, p, a + 2 * PAGE, 1);
    let wired = w.count(Counter::v_wire_count);
    let (id, answer) = w.call(proto::INIT, Request::Wire(proto::Wire { space: c, address: a, pages: 3 }));
    assert_eq!(answer, None);
    assert_eq!(w.transfers(), 1);
    w.finish(0, Outcome::Error);
    assert_eq!(w.wait::<()>(id, None), Err(Error::Io));
    assert_eq!(w.count(Counter::v_wire_count), wired);
    let all = wire(&mut w, c, a, 9);
    assert_eq!((all, w.count(Counter::v_wire_count)), (Err(Error::Fault), wired), "not all of it is mapped");
    look(&mut w, c, a, 2);
    w.check();
}

#[test]
fn what_is_wired_is_copied_at_once_and_locks_are_not_inherited() {
    let mut w = World::new(400);
    let p = w.program();
    let (a, b) = (w.mmap(p, 4), w.map(p, 0, 2, 3, Source::Wired).expect("wired memory"));
    fill(&mut w, p, a, 4, 1);
    assert_eq!(wire(&mut w, p, a, 4), Ok(()));
    fill(&mut w, p, b, 2, 10);
    let frames: Vec<_> = (0..4).map(|n| w.frame(p, a + n * PAGE)).collect();
    let wired = w.count(Counter::v_wire_count);
    let c = w.fork(p).expect("a child");
    assert_eq!(w.count(Counter::v_wire_count), wired + 2, "what is wired by its nature");
    // The parent's never fault, and the child's are there.
    let task = w.vm.spaces.get(p).expect("the parent").task;
    for n in 0..4 {
        assert!(
            w.vm.m.pte(task, a + n * PAGE).is_some_and(|p| p.flags.contains(ebb_abi::map::MapFlags::WRITE))
        );
    }
    fill(&mut w, p, a, 4, 100);
    fill(&mut w, p, b, 2, 110);
    assert_eq!((0..4).map(|n| w.frame(p, a + n * PAGE)).collect::<Vec<_>>(), frames);
    look(&mut w, c, a, 4);
    look(&mut w, c, b, 2);
    let child = w.vm.spaces.get(c).expect("the child").task;
    assert!(w.vm.m.pte(child, b).is_some());
    w.check();
    w.end(c);
    assert_eq!(w.count(Counter::v_wire_count), wired);
    w.check();
}

#[test]
fn prs_w05_a_fork_without_memory_leaves_no_trace() {
    let mut w = World::new(400);
    let p = w.program();
    let a = w.mmap(p, 4);
    fill(&mut w, p, a, 4, 1);
    let b = w.mmap(p, 6);
    fill(&mut w, p, b, 6, 20);
    assert_eq!(wire(&mut w, p, b, 6), Ok(()));
    let shared = w.mmap(p, 2);
    fill(&mut w, p, shared, 2, 40);
    assert_eq!(inherit(&mut w, p, shared, 2, Inheritance::Share), Ok(()));
    w.check();
    let (mut failed, mut made) = (0, 0);
    for left in 0..200 {
        // Memory of which only so many pages are left.
        let mut taken = Vec::new();
        while free(&w) > left {
            match w.vm.frames.allocate(Class::Interrupt, Place::Own, 0, 0) {
                Some(frame) => taken.push(frame),
                None => break,
            }
        }
        let (before, spaces) = (free(&w), w.vm.spaces.iter().count());
        match w.fork(p) {
            Ok(child) => {
                made += 1;
                w.end(child);
            }
            Err(error) => {
                failed += 1;
                assert_eq!((error, w.vm.spaces.iter().count()), (Error::NoMemory, spaces));
            }
        }
        assert_eq!(free(&w), before, "{left}");
        taken.into_iter().for_each(|frame| w.vm.frames.free(frame));
        w.settle();
        if left.is_multiple_of(20) {
            w.check();
        }
        if made > 3 {
            break;
        }
    }
    assert!(failed > 10 && made > 3, "{failed} {made}");
    // Nobody else has anything: what was to be copied need not be.
    let copied = w.count(Counter::v_cow_faults);
    fill(&mut w, p, a, 4, 100);
    assert_eq!(w.count(Counter::v_cow_faults), copied);
    assert_eq!(inherit(&mut w, p, shared, 2, Inheritance::Copy), Ok(()));
    w.check();
}

#[test]
fn ten_thousand_forks_leave_short_chains_and_all_memory_and_swap() {
    let mut w = World::with_swap(400, 200);
    let p = w.program();
    let a = w.mmap(p, 24);
    fill(&mut w, p, a, 24, 1);
    swap_out(&mut w, p, a + 16 * PAGE, 8);
    let other = w.mmap(p, 3);
    let mut before = None;
    for round in 0..10_000u64 {
        let c = w.fork(p).expect("a child");
        // Both write, sometimes the one, sometimes the other first; sometimes nobody.
        fill(&mut w, p, a + (round % 7) * PAGE, 1 + round % 3, round);
        if round.is_multiple_of(3) {
            fill(&mut w, c, a + (round % 5) * PAGE, 2, 2 * round);
            look(&mut w, c, a, 4);
        }
        if round.is_multiple_of(500) {
            look(&mut w, c, a, 24);
            fill(&mut w, c, other, 3, round);
        }
        w.end(c);
        rest(&mut w);
        assert!(chain(&w, p, a) <= 2, "round {round}");
        if round == 1_000 {
            look(&mut w, p, a, 24);
            swap_out(&mut w, p, a, 24);
            rest(&mut w);
            fill(&mut w, p, a, 8, 7);
            look(&mut w, p, a, 24);
            before = Some((free(&w), w.store.copies.len(), w.vm.objects.iter().count()));
            w.check();
        }
    }
    rest(&mut w);
    let now = (free(&w), w.store.copies.len(), w.vm.objects.iter().count());
    let before = before.expect("the first thousand");
    assert!(now.0 >= before.0 && now.1 <= before.1 && now.2 <= before.2, "{before:?} {now:?}");
    look(&mut w, p, a, 24);
    w.check();
    w.end(p);
    rest(&mut w);
    w.check();
    assert_eq!((w.store.copies.len(), w.vm.objects.iter().count()), (0, 0));
}

#[test]
fn generations_that_live_one_after_the_other_leave_short_chains() {
    let mut w = World::new(400);
    let mut p = w.program();
    let a = w.mmap(p, 12);
    fill(&mut w, p, a, 12, 1);
    for round in 0..60 {
        let c = w.fork(p).expect("a child");
        fill(&mut w, c, a + (round % 12) * PAGE, 1, 100 + round);
        w.end(p);
        rest(&mut w);
        look(&mut w, c, a, 12);
        assert!(chain(&w, c, a) <= 2);
        p = c;
    }
    w.check();
    assert_eq!(w.vm.objects.iter().count(), 1);
}

#[test]
fn swp_092_copies_in_swap_move_with_their_pages() {
    let mut w = World::with_swap(400, 100);
    let p = w.program();
    let a = w.mmap(p, 10);
    fill(&mut w, p, a, 10, 1);
    swap_out(&mut w, p, a, 10);
    let c = w.fork(p).expect("a child");
    // The child has pages 0 to 2 of its own, 0 and 1 in swap too.
    look(&mut w, c, a, 3);
    fill(&mut w, c, a, 3, 100);
    swap_out(&mut w, c, a, 2);
    assert_eq!(w.store.copies.len(), 12);
    let (used, read) = (w.count(Counter::swap_used), w.count(Counter::v_swappgsin));
    w.end(p);
    rest(&mut w);
    assert_eq!((chain(&w, c, a), w.vm.objects.iter().count()), (1, 1));
    // The parent's copies of these three are gone, the others are the child's now, and nothing was read for it.
    assert_eq!((w.store.copies.len(), w.count(Counter::swap_used)), (9, used - 3));
    assert_eq!(w.count(Counter::v_swappgsin), read);
    w.check();
    look(&mut w, c, a, 10);
    w.end(c);
    rest(&mut w);
    w.check();
    assert_eq!(w.store.copies.len(), 0);
}

#[test]
fn a_pager_that_dies_while_copies_move_loses_none() {
    for moment in 0..4 {
        let mut w = World::with_swap(400, 100);
        let p = w.program();
        let a = w.mmap(p, 10);
        fill(&mut w, p, a, 10, 1);
        swap_out(&mut w, p, a, 10);
        let c = w.fork(p).expect("a child");
        look(&mut w, c, a, 2);
        fill(&mut w, c, a, 2, 100);
        if moment == 0 {
            w.kill_pager(|_| true);
        }
        w.end(p);
        w.pass(10);
        if moment == 1 {
            // Submitted, and not looked at.
            w.kill_pager(|_| true);
        }
        if moment == 2 {
            // Done, and nobody was told.
            w.accept();
            w.kill_pager(|_| true);
        }
        if moment < 3 {
            w.pass(10);
            w.attach_pager();
        }
        rest(&mut w);
        w.check();
        look(&mut w, c, a, 10);
        assert_eq!((chain(&w, c, a), w.vm.objects.iter().count()), (1, 1), "{moment}");
        w.check();
    }
}

#[test]
fn what_is_being_written_moves_when_that_has_ended() {
    for outcome in [Outcome::Ok, Outcome::Error, Outcome::Fail] {
        let mut w = World::with_swap(400, 100);
        let p = w.program();
        let a = w.mmap(p, 4);
        fill(&mut w, p, a, 4, 1);
        let c = w.fork(p).expect("a child");
        fill(&mut w, c, a, 1, 100);
        let seat = w.scripted_policy();
        for n in 0..4 {
            w.decide(&seat, Want::Deactivate, p, a + n * PAGE);
        }
        w.decide(&seat, Want::Launder, p, a + PAGE);
        assert!(w.transfers() > 0);
        w.end(p);
        w.pass(20);
        assert_eq!(chain(&w, c, a), 2, "there is something in the way");
        while w.transfers() > 0 {
            w.finish(0, outcome);
        }
        rest(&mut w);
        assert_eq!((chain(&w, c, a), w.vm.objects.iter().count()), (1, 1));
        look(&mut w, c, a, 4);
        w.check();
    }
}

#[test]
fn a_large_object_is_taken_over_in_pieces() {
    let mut w = World::new(1400);
    let p = w.program();
    let a = w.mmap(p, 1000);
    fill(&mut w, p, a, 1000, 1);
    let c = w.fork(p).expect("a child");
    fill(&mut w, c, a, 1, 5000);
    w.end(p);
    let left = |w: &World| w.vm.objects.iter().map(|(_, o)| o.resident).min();
    let mut steps = 0;
    while w.vm.collapsing() {
        let before: u32 = left(&w).expect("objects");
        w.pass(1);
        steps += 1;
        assert!(left(&w).is_none_or(|now| now.abs_diff(before) <= 1000), "{steps}");
        assert!(steps < 100);
        // At every moment it reads the same.
        look(&mut w, c, a + 990 * PAGE, 5);
    }
    assert!(w.vm.objects.iter().count() == 1);
    look(&mut w, c, a, 1000);
    w.check();
}

#[test]
fn one_that_has_every_page_itself_lets_go_of_what_is_behind() {
    let mut w = World::new(400);
    let p = w.program();
    let a = w.mmap(p, 5);
    fill(&mut w, p, a, 5, 1);
    let (c, d) = (w.fork(p).expect("a child"), w.fork(p).expect("a child"));
    fill(&mut w, c, a, 4, 100);
    assert_eq!(chain(&w, c, a), 2);
    fill(&mut w, c, a + 4 * PAGE, 1, 104);
    assert_eq!(chain(&w, c, a), 1, "though the others still have it");
    look(&mut w, d, a, 5);
    look(&mut w, p, a, 5);
    w.check();
}

#[test]
fn what_is_unmapped_of_shared_memory_comes_back_when_the_others_are_gone() {
    let mut w = World::with_swap(400, 100);
    let p = w.program();
    let a = w.mmap(p, 20);
    fill(&mut w, p, a, 20, 1);
    swap_out(&mut w, p, a + 10 * PAGE, 10);
    let c = w.fork(p).expect("a child");
    look(&mut w, c, a, 20);
    unmap(&mut w, p, a, 5);
    unmap(&mut w, p, a + 10 * PAGE, 5);
    (0..5).for_each(|n| {
        let memory = &mut w.programs.get_mut(&p).expect("the parent").memory;
        memory.remove(&(a + n * PAGE));
        memory.remove(&(a + (n + 10) * PAGE));
    });
    look(&mut w, c, a, 20);
    w.end(c);
    rest(&mut w);
    let o = w.vm.objects.iter().map(|(_, o)| (o.own, o.swapped)).collect::<Vec<_>>();
    assert_eq!(o, [(10, 5)]);
    look(&mut w, p, a + 5 * PAGE, 5);
    w.check();
}

#[test]
fn contents_that_are_given_up_are_zero_for_one_and_stay_for_the_other() {
    let mut w = World::new(400);
    let p = w.program();
    let a = w.mmap(p, 4);
    fill(&mut w, p, a, 4, 1);
    let c = w.fork(p).expect("a child");
    let advise = Request::Advise(proto::Advise { space: c, address: a, pages: 2, advice: Advice::Free });
    w.init::<()>(advise.clone()).expect("madvise");
    w.programs.get_mut(&c).expect("the child").memory.retain(|at, _| *at >= a + 2 * PAGE);
    look(&mut w, c, a, 4);
    look(&mut w, p, a, 4);
    // And again where it has something of its own before what shows through.
    fill(&mut w, c, a + 2 * PAGE, 2, 9);
    let advise = Request::Advise(proto::Advise { space: c, address: a, pages: 4, advice: Advice::Free });
    w.init::<()>(advise).expect("madvise");
    w.programs.get_mut(&c).expect("the child").memory.clear();
    look(&mut w, c, a, 4);
    look(&mut w, p, a, 4);
    w.check();
}

#[test]
fn minherit_is_checked() {
    let mut w = World::new(400);
    let p = w.program();
    let a = w.mmap(p, 4);
    fill(&mut w, p, a, 4, 1);
    assert_eq!(inherit(&mut w, p, a, 5, Inheritance::None), Err(Error::Fault));
    assert_eq!(inherit(&mut w, p, a + 1, 1, Inheritance::None), Err(Error::Invalid));
    assert_eq!(inherit(&mut w, 77, a, 1, Inheritance::None), Err(Error::NotFound));
    let q = w.program();
    let other =
        Request::Inherit(proto::Inherit { space: q, address: a, pages: 1, inheritance: Inheritance::None });
    assert_eq!(w.ask::<()>(p, other), Err(Error::NotPermitted));
    assert_eq!(inherit(&mut w, p, a, 2, Inheritance::Share), Ok(()));
    let c = w.fork(p).expect("a child");
    assert_eq!(inherit(&mut w, p, a, 4, Inheritance::Copy), Err(Error::NotPermitted), "the child has it too");
    assert_eq!(inherit(&mut w, p, a + 2 * PAGE, 2, Inheritance::Copy), Ok(()));
    w.end(c);
    assert_eq!(inherit(&mut w, p, a, 4, Inheritance::Copy), Ok(()));
    w.check();
}

#[test]
fn open_files_are_shared_with_their_offsets_and_mappings_of_them() {
    let mut w = World::with_files(400, 500);
    let (p, inode, f) = w.opened(&pattern(1, 3 * PAGE as usize));
    let shared = w.map_shared(p, f, 3);
    let private = w.map_private(p, f, 3);
    assert!(w.poke(p, private + 10, b"mine"));
    let buffer = w.mmap(p, 1);
    assert_eq!(w.read_on(p, f, buffer, 100), Ok(100));
    let c = w.fork(p).expect("a child");
    assert_eq!(w.info(c, f).offset, 100);
    assert_eq!(w.read_on(c, f, buffer, 50), Ok(50));
    assert_eq!(w.info(p, f).offset, 150);
    // The parent's buffer was written to in the child alone.
    assert_eq!(w.peek(p, buffer, 50), Some(pattern(1, 100)[..50].to_vec()));
    assert_eq!(w.peek(c, buffer, 50), Some(pattern(1, 150)[100..].to_vec()));
    assert!(w.poke(c, shared + 5000, b"seen by all"));
    assert_eq!(w.peek(p, shared + 5000, 11), Some(b"seen by all".to_vec()));
    assert_eq!(w.peek(c, private + 10, 4), Some(b"mine".to_vec()));
    assert!(w.poke(c, private + 10, b"his!"));
    assert_eq!(w.peek(p, private + 10, 4), Some(b"mine".to_vec()));
    assert_eq!(
        w.peek(c, private + 5000, 11),
        Some(b"seen by all".to_vec()),
        "the file shows through two objects"
    );
    assert_eq!(w.close(p, f), Ok(()));
    assert_eq!(w.info(c, f).offset, 150);
    w.end(p);
    rest(&mut w);
    assert_eq!(w.peek(c, private + 10, 4), Some(b"his!".to_vec()));
    assert!(w.file(inode).is_some());
    w.check();
    w.end(c);
    w.pump();
    w.check();
}

#[test]
fn what_is_shared_before_it_was_read_from_a_file_is_shared_after_it_was_written() {
    let mut w = World::with_files(400, 500);
    let (p, _, f) = w.opened(&pattern(1, 2 * PAGE as usize));
    let at = w.map_private(p, f, 2);
    inherit(&mut w, p, at, 2, Inheritance::Share).expect("minherit");
    let c = w.fork(p).expect("a child");
    // Both have the file's page mapped; then one writes.
    assert_eq!(w.peek(p, at, 3), Some(pattern(1, 3)));
    assert_eq!(w.peek(c, at, 3), Some(pattern(1, 3)));
    assert!(w.poke(c, at, b"new"));
    assert_eq!(w.peek(p, at, 3), Some(b"new".to_vec()));
    assert!(w.poke(p, at + 1, b"EW"));
    assert_eq!(w.peek(c, at, 3), Some(b"nEW".to_vec()));
    w.check();
}

#[test]
fn prs_073_prs_074_an_exit_frees_what_nobody_else_has() {
    let mut w = World::with_swap(400, 100);
    let p = w.program();
    let a = w.mmap(p, 10);
    fill(&mut w, p, a, 10, 1);
    swap_out(&mut w, p, a, 4);
    let c = w.fork(p).expect("a child");
    fill(&mut w, c, a + 5 * PAGE, 2, 50);
    w.end(p);
    rest(&mut w);
    look(&mut w, c, a, 10);
    w.end(c);
    rest(&mut w);
    assert_eq!((w.store.copies.len(), w.vm.objects.iter().count()), (0, 0));
    assert!((0..400).all(|f| !matches!(w.vm.frames.page(f).place, Place::Object | Place::Leaf)));
    w.check();
}

#[test]
fn memory_that_is_short_while_a_chain_becomes_shorter_only_delays_it() {
    let mut w = World::with_swap(400, 100);
    let p = w.program();
    let a = w.mmap(p, 600);
    fill(&mut w, p, a, 2, 1);
    fill(&mut w, p, a + 590 * PAGE, 2, 30);
    let c = w.fork(p).expect("a child");
    fill(&mut w, c, a, 1, 9);
    let mut taken = Vec::new();
    while let Some(frame) = w.vm.frames.allocate(Class::Interrupt, Place::Own, 0, 0) {
        taken.push(frame);
    }
    // No frame for the table of the second half.
    unmap(&mut w, p, a, 600);
    w.pass(50);
    assert_eq!(chain(&w, c, a), 2);
    taken.into_iter().for_each(|frame| w.vm.frames.free(frame));
    rest(&mut w);
    assert_eq!(chain(&w, c, a), 1);
    look(&mut w, c, a, 2);
    look(&mut w, c, a + 590 * PAGE, 2);
    w.check();
}

#[test]
fn protection_and_forks_go_together() {
    let mut w = World::new(400);
    let p = w.program();
    let a = w.mmap(p, 2);
    fill(&mut w, p, a, 2, 1);
    let protect = |w: &mut World, space, protection: Protection| {
        let protection = protection.bits();
        w.init::<()>(Request::Protect(proto::Protect { space, address: a, pages: 2, protection }))
            .expect("mprotect");
    };
    protect(&mut w, p, Protection::READ);
    let c = w.fork(p).expect("a child");
    // Given back after the fork, it must not be the child's page that is written to.
    protect(&mut w, p, Protection::READ | Protection::WRITE);
    fill(&mut w, p, a, 2, 100);
    look(&mut w, c, a, 2);
    assert!(!w.write(c, a, 5) && w.refused(c));
    w.end(c);
    rest(&mut w);
    w.check();
}

#[test]
fn segments_and_modules_are_the_same_in_both() {
    let mut w = World::new(400);
    let p = w.program();
    let id: u32 = w.init(Request::SegmentNew(proto::SegmentNew { pages: 2 })).expect("a segment");
    let s = w.map(p, 0, 2, 3, Source::Segment { id, first: 0 }).expect("mapped");
    let m =
        w.map(p, 0, 1, 1, Source::Module { index: 0, offset: 0, bytes: PAGE, wired: false }).expect("mapped");
    let c = w.fork(p).expect("a child");
    let task = |w: &World, space| w.vm.spaces.get(space).expect("a space").task;
    let frame = |w: &World, space, at| w.vm.m.pte(task(w, space), at).map(|p| p.frame);
    assert_eq!(frame(&w, c, s), frame(&w, p, s));
    assert!(frame(&w, c, s).is_some());
    w.programs.get_mut(&c).expect("the child").memory.insert(m, 0x3000);
    assert!(w.read(c, m));
    assert_eq!(w.init::<()>(Request::SegmentFree(proto::SegmentFree { id })), Err(Error::Busy));
    w.end(p);
    assert_eq!(w.init::<()>(Request::SegmentFree(proto::SegmentFree { id })), Err(Error::Busy));
    w.end(c);
    assert_eq!(w.init::<()>(Request::SegmentFree(proto::SegmentFree { id })), Ok(()));
    w.check();
}
