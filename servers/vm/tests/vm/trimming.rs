// SPDX-License-Identifier: BSD-2-Clause
//! Limits: who crosses one is told of once; trimming takes what is not used, only from whom it is meant for, and no more than needed.

use crate::memory::swap_out;
use crate::model::World;
use crate::model::files::RW;
use crate::model::policy::Seat;
use crate::model::world::PAGE;
use ebb_abi::Handle;
use ebb_abi::map::MapFlags;
use ebb_abi::meter::Counter;
use ebb_proto::Error;
use ebb_proto::vm::{
    self as proto, Bounds, EventKind, Happening, INIT, Limited, LimitedGroup, NO_LIMIT, OVER_BIT, Request,
    Source, Space, Trimmed, Want,
};
use ebb_vm::page::Flags;

/// The daemon's notification.
const BELL: Handle = Handle(77);

/// A space that is the daemon.
fn daemon(w: &mut World) -> Space {
    let space = w.space("vm-daemon", true);
    w.init::<()>(Request::DaemonAllow(proto::DaemonAllow { space })).unwrap();
    let (_, answer) = w.call_with(space, Request::DaemonAttach(proto::DaemonAttach {}), BELL);
    crate::model::world::decode::<()>(answer.unwrap()).unwrap();
    space
}

fn bounds(resident: u64) -> Bounds {
    Bounds { resident, ..Bounds::NONE }
}

fn set_limit(w: &mut World, space: Space, pages: u64) -> Result<(), Error> {
    w.init(Request::SetLimits(proto::SetLimits { space, bounds: bounds(pages) }))
}

fn piece(w: &mut World, d: Space, space: Space, target: u64, hard: bool, anew: bool) -> Trimmed {
    w.ask(d, Request::Trim(proto::Trim { space, target, hard, anew })).expect("trimming")
}

/// A whole lap; how many are mapped then.
fn trim(w: &mut World, d: Space, space: Space, target: u64, hard: bool) -> u64 {
    let mut anew = true;
    for _ in 0..1000 {
        let t = piece(w, d, space, target, hard, anew);
        if t.lap || (target > 0 && t.resident <= target) {
            return t.resident;
        }
        anew = false;
    }
    panic!("a lap without end");
}

fn over(w: &mut World, d: Space) -> (Vec<Limited>, bool) {
    w.ask(d, Request::Over(proto::Over {})).unwrap()
}

/// How often the daemon was told since the last look.
fn told(w: &mut World) -> usize {
    let count = w.vm.m.signals.iter().filter(|s| **s == (BELL, OVER_BIT)).count();
    w.vm.m.signals.clear();
    count
}

fn mapped(w: &World, space: Space) -> u64 {
    let task = w.vm.spaces.get(space).unwrap().task;
    w.vm.m.tasks[&task.0].ptes.len() as u64
}

fn is_mapped(w: &World, space: Space, address: u64) -> bool {
    let task = w.vm.spaces.get(space).unwrap().task;
    w.vm.m.pte(task, address).is_some()
}

/// A program with so many pages written, of which the hardware has forgotten that they were.
fn idle(w: &mut World, pages: u64) -> (Space, u64) {
    let p = w.program();
    let a = w.mmap(p, pages);
    (0..pages).for_each(|n| assert!(w.write(p, a + n * PAGE, n + 1)));
    forget(w, p, a, pages);
    (p, a)
}

fn forget(w: &mut World, p: Space, a: u64, pages: u64) {
    for n in 0..pages {
        let frame = w.frame(p, a + n * PAGE).unwrap();
        w.forget_use(frame);
    }
}

/// Of each program one page is the counters'.
const OWN: u64 = 1;

#[test]
fn pgo_183_pgo_207_trimming_stops_at_the_target() {
    let mut w = World::new(500);
    let d = daemon(&mut w);
    let (p, a) = idle(&mut w, 10);
    assert_eq!(trim(&mut w, d, p, 7 + OWN, false), 7 + OWN);
    assert_eq!((0..10).filter(|n| is_mapped(&w, p, a + n * PAGE)).count(), 7);
    // At the limit it does nothing.
    assert_eq!(trim(&mut w, d, p, 7 + OWN, true), 7 + OWN);
    (0..10).for_each(|n| assert!(w.read(p, a + n * PAGE)));
    w.check();
}

#[test]
fn pgo_181_segments_and_modules_are_no_part_of_it() {
    let mut w = World::new(500);
    let d = daemon(&mut w);
    let p = w.program();
    let id: u32 = w.init(Request::SegmentNew(proto::SegmentNew { pages: 8 })).unwrap();
    let s = w.map(p, 0, 8, 3, Source::Segment { id, first: 0 }).unwrap();
    (0..8).for_each(|n| assert!(w.read(p, s + n * PAGE)));
    let before = mapped(&w, p);
    assert_eq!(trim(&mut w, d, p, 1, true), before);
    w.programs.get_mut(&p).unwrap().loose = true;
    w.check();
}

#[test]
fn pgo_184_pgo_186_wired_and_busy_pages_are_left() {
    let mut w = World::with_swap(500, 100);
    let d = daemon(&mut w);
    let (p, a) = idle(&mut w, 8);
    let (id, answer) = w.call(p, Request::Wire(proto::Wire { space: 0, address: a, pages: 2 }));
    w.wait::<()>(id, answer).unwrap();
    let seat = w.scripted_policy();
    assert_eq!(w.decide(&seat, Want::Deactivate, p, a + 4 * PAGE), proto::Verdict::Done);
    assert_eq!(w.decide(&seat, Want::Launder, p, a + 4 * PAGE), proto::Verdict::Started);
    w.accept();
    let busy: Vec<u64> = (0..8).filter(|n| w.flags(p, a + n * PAGE).intersects(Flags::BUSY)).collect();
    assert!(busy.contains(&4));
    // One that this space has not mapped is not looked at either.
    let before = w.count(Counter::v_pdpages);
    trim(&mut w, d, p, 1, true);
    for n in 0..8 {
        let kept = n < 2 || busy.contains(&n);
        // A write takes only the right to write.
        assert_eq!(is_mapped(&w, p, a + n * PAGE), kept, "page {n}");
    }
    assert_eq!(w.count(Counter::v_pdpages) - before, 8 - 2 - busy.len() as u64);
    w.pump();
    w.check();
}

fn event(events: &[(EventKind, u32, u64)], kind: EventKind, frame: u32) -> bool {
    events.iter().any(|(k, f, _)| *k == kind && *f == frame)
}

fn with_seat() -> (World, Space, Seat) {
    let mut w = World::new(500);
    let d = daemon(&mut w);
    let seat = w.scripted_policy();
    (w, d, seat)
}

#[test]
fn pgo_187_pgo_190_a_used_active_page_stays_and_the_policy_hears_of_its_use() {
    let (mut w, d, mut seat) = with_seat();
    let (p, a) = idle(&mut w, 4);
    assert!(w.read(p, a + 2 * PAGE));
    let used = w.frame(p, a + 2 * PAGE).unwrap();
    w.events(&mut seat);
    assert_eq!(trim(&mut w, d, p, OWN, false), 1 + OWN);
    assert!(is_mapped(&w, p, a + 2 * PAGE));
    assert!(event(&w.events(&mut seat), EventKind::Activate, used));
    w.check();
}

#[test]
fn pgo_189_an_idle_active_page_is_unmapped_and_deactivated() {
    let (mut w, d, mut seat) = with_seat();
    let (p, a) = idle(&mut w, 2);
    w.events(&mut seat);
    assert_eq!(trim(&mut w, d, p, OWN, false), OWN);
    let events = w.events(&mut seat);
    for n in 0..2 {
        assert!(w.flags(p, a + n * PAGE).contains(Flags::INACTIVE));
        assert!(event(&events, EventKind::Deactivate, w.frame(p, a + n * PAGE).unwrap()));
    }
    w.check();
}

#[test]
fn pgo_188_pgo_191_inactive_pages_are_activated_or_unmapped_where_they_are() {
    let (mut w, d, mut seat) = with_seat();
    let (p, a) = idle(&mut w, 2);
    for n in 0..2 {
        assert_eq!(w.decide(&seat, Want::Deactivate, p, a + n * PAGE), proto::Verdict::Done);
    }
    assert!(w.read(p, a));
    w.events(&mut seat);
    trim(&mut w, d, p, OWN, false);
    assert!(is_mapped(&w, p, a) && w.flags(p, a).contains(Flags::ACTIVE), "used: activated");
    assert!(!is_mapped(&w, p, a + PAGE) && w.flags(p, a + PAGE).contains(Flags::INACTIVE));
    let events = w.events(&mut seat);
    let idle = w.frame(p, a + PAGE).unwrap();
    assert!(events.iter().all(|(_, frame, _)| *frame != idle), "it stays where it was: {events:?}");
    w.check();
}

/// W22: no use protects from a limit for ever.
#[test]
fn pgo_185_w22_after_a_lap_used_pages_go_too() {
    let (mut w, d, _) = with_seat();
    let (p, a) = idle(&mut w, 10);
    (0..10).for_each(|n| assert!(w.read(p, a + n * PAGE)));
    assert_eq!(trim(&mut w, d, p, 4 + OWN, false), 10 + OWN);
    (0..10).for_each(|n| assert!(w.read(p, a + n * PAGE)));
    assert_eq!(trim(&mut w, d, p, 4 + OWN, true), 4 + OWN);
    w.check();
}

/// W21: only the mapping of the one who is trimmed goes; a page that others use stays where it is.
#[test]
fn pgo_182_w21_who_shares_a_page_keeps_it() {
    let mut w = World::with_files(500, 500);
    let d = daemon(&mut w);
    let (p, inode, f) = w.opened(&[7; 4 * PAGE as usize]);
    let q = w.file_program();
    let g = w.open(q, inode, RW);
    let (private, shared) = (w.map_private(p, f, 4), w.map_shared(q, g, 4));
    for n in 0..4 {
        assert_eq!(w.peek(p, private + n * PAGE, 1), Some(vec![7]));
        assert_eq!(w.peek(q, shared + n * PAGE, 1), Some(vec![7]));
    }
    let mut seat = w.scripted_policy();
    for n in 0..4 {
        assert_eq!(w.decide(&seat, Want::Activate, q, shared + n * PAGE), proto::Verdict::Done);
    }
    w.events(&mut seat);
    let kept = mapped(&w, q);
    assert_eq!(trim(&mut w, d, p, OWN, true), OWN);
    assert_eq!(mapped(&w, q), kept);
    assert!(w.events(&mut seat).iter().all(|(kind, ..)| *kind != EventKind::Deactivate));
    for n in 0..4 {
        assert!(w.flags(q, shared + n * PAGE).contains(Flags::ACTIVE), "nobody deactivates it");
    }
    // Without the other it is deactivated.
    assert_eq!(trim(&mut w, d, q, OWN, true), OWN);
    assert!(w.flags(q, shared).contains(Flags::INACTIVE));
    w.check();
}

#[test]
fn pgo_193_pgo_194_a_big_cut_begins_at_the_biggest_and_goes_on_ascending() {
    let mut w = World::new(900);
    let d = daemon(&mut w);
    let p = w.program();
    let sizes = [10, 50, 50, 30];
    let places: Vec<u64> = sizes
        .iter()
        .map(|pages| {
            let a = w.mmap(p, *pages);
            (0..*pages).for_each(|n| assert!(w.write(p, a + n * PAGE, n + 1)));
            forget(&mut w, p, a, *pages);
            a
        })
        .collect();
    let left = |w: &World| -> Vec<u64> {
        let there = |n: usize| (0..sizes[n]).filter(|i| is_mapped(w, p, places[n] + i * PAGE)).count();
        (0..4).map(|n| there(n) as u64).collect()
    };
    assert_eq!(trim(&mut w, d, p, 100 + OWN, false), 100 + OWN);
    assert_eq!(left(&w), [10, 10, 50, 30], "the first of the biggest");
    // A small cut goes on where the last one stopped, whatever is biggest.
    assert_eq!(trim(&mut w, d, p, 85 + OWN, false), 85 + OWN);
    assert_eq!(left(&w), [10, 0, 45, 30]);
    assert_eq!(trim(&mut w, d, p, 2 + OWN, false), 2 + OWN);
    assert_eq!(left(&w).iter().sum::<u64>(), 2);
    w.check();
}

#[test]
fn pgo_195_pgo_196_nothing_is_left_of_a_program_that_is_out_unless_something_is_wired() {
    let mut w = World::new(500);
    let d = daemon(&mut w);
    let (p, a) = idle(&mut w, 20);
    (0..20).for_each(|n| assert!(w.read(p, a + n * PAGE)));
    let tables = w.vm.spaces.get(p).unwrap().kernel_frames;
    assert_eq!(trim(&mut w, d, p, 0, true), OWN, "the counters are everybody's");
    assert!(w.vm.spaces.get(p).unwrap().kernel_frames < tables, "page tables came back");
    (0..20).for_each(|n| assert!(w.read(p, a + n * PAGE), "and it comes back"));
    w.check();
    let (id, answer) = w.call(p, Request::Wire(proto::Wire { space: 0, address: a, pages: 1 }));
    w.wait::<()>(id, answer).unwrap();
    let frames = w.vm.spaces.get(p).unwrap().kernel_frames;
    assert_eq!(trim(&mut w, d, p, 0, true), 1 + OWN);
    assert_eq!(w.vm.spaces.get(p).unwrap().kernel_frames, frames, "with wired pages nothing more goes");
    w.check();
}

/// PGO-192: nothing is locked, and a piece is bounded however big the space.
#[test]
fn pgo_192_a_piece_looks_at_a_bounded_number_of_pages() {
    let mut w = World::new(1500);
    let d = daemon(&mut w);
    let (p, a) = idle(&mut w, 700);
    (0..700).for_each(|n| assert!(w.read(p, a + n * PAGE)));
    let (mut pieces, mut looked, mut anew) = (0, 0, true);
    loop {
        let t = piece(&mut w, d, p, 600, false, anew);
        assert!(t.looked <= 128, "{t:?}");
        (pieces, looked, anew) = (pieces + 1, looked + t.looked, false);
        if t.lap {
            break;
        }
    }
    assert_eq!(looked, 700, "each page once a lap");
    assert!(pieces <= 7, "{pieces}");
    // The next lap finds them idle, and stops as soon as enough are gone.
    let t = piece(&mut w, d, p, 690, false, true);
    assert_eq!((t.resident, t.lap), (690, false));
    assert!(t.looked <= 12, "{t:?}");
    w.check();
}

/// What trimming does not come to is as used as it was, for it and for the policy.
#[test]
fn the_use_of_pages_that_are_not_looked_at_is_not_forgotten() {
    let mut w = World::new(500);
    let d = daemon(&mut w);
    let (p, a) = idle(&mut w, 20);
    (10..20).for_each(|n| assert!(w.read(p, a + n * PAGE)));
    assert_eq!(trim(&mut w, d, p, 15 + OWN, false), 15 + OWN);
    let task = w.vm.spaces.get(p).unwrap().task;
    for n in 0..20 {
        let used = w.vm.m.pte(task, a + n * PAGE).map(|pte| pte.accessed);
        assert_eq!(used, if n < 5 { None } else { Some(n >= 10) }, "page {n}");
    }
    w.check();
}

#[test]
fn a_lap_that_begins_within_a_mapping_ends_there() {
    let mut w = World::new(1500);
    let d = daemon(&mut w);
    let (p, a) = idle(&mut w, 300);
    let use_all = |w: &mut World| (0..300).for_each(|n| assert!(w.read(p, a + n * PAGE)));
    // The hand stops in the middle.
    assert_eq!(trim(&mut w, d, p, 290 + OWN, false), 290 + OWN);
    use_all(&mut w);
    let (mut looked, mut anew) = (0, true);
    for _ in 0..10 {
        let t = piece(&mut w, d, p, 280 + OWN, false, anew);
        (looked, anew) = (looked + t.looked, false);
        if t.lap {
            assert_eq!(looked, 300, "each page once");
            return w.check();
        }
    }
    panic!("a lap without end");
}

#[test]
fn w23_crossing_a_limit_is_told_once_at_the_fault_that_crosses_it() {
    let mut w = World::new(500);
    let d = daemon(&mut w);
    let p = w.program();
    let a = w.mmap(p, 100);
    set_limit(&mut w, p, 20 + OWN).unwrap();
    (0..20).for_each(|n| assert!(w.write(p, a + n * PAGE, 1)));
    assert_eq!((told(&mut w), over(&mut w, d).0.len()), (0, 0));
    assert!(w.write(p, a + 20 * PAGE, 1));
    assert_eq!(told(&mut w), 1);
    (21..40).for_each(|n| assert!(w.write(p, a + n * PAGE, 1)));
    assert_eq!(told(&mut w), 0, "once");
    let (list, groups) = over(&mut w, d);
    assert_eq!((list.len(), list[0].space, list[0].resident, groups), (1, p, 40 + OWN, false));
    assert_eq!(over(&mut w, d).0, []);
    assert!(trim(&mut w, d, p, 20 + OWN, true) <= 20 + OWN);
    assert!(w.write(p, a + 50 * PAGE, 1));
    assert_eq!(told(&mut w), 1, "watched again");
    w.check();
}

/// Pages that come back by themselves are no reason to ask, and a limit that cannot be kept is not told of at each fault.
#[test]
fn a_limit_that_cannot_be_kept_is_told_of_when_it_gets_worse() {
    let mut w = World::new(500);
    let d = daemon(&mut w);
    let (p, a) = idle(&mut w, 64);
    let (id, answer) = w.call(p, Request::Wire(proto::Wire { space: 0, address: a, pages: 64 }));
    w.wait::<()>(id, answer).unwrap();
    set_limit(&mut w, p, 32).unwrap();
    assert_eq!(told(&mut w), 1, "a limit that is crossed when it is set");
    assert_eq!(over(&mut w, d).0.len(), 1);
    assert_eq!(trim(&mut w, d, p, 32, true), 64 + OWN);
    let b = w.mmap(p, 20);
    (0..2).for_each(|n| assert!(w.write(p, b + n * PAGE, 1)));
    assert_eq!(told(&mut w), 0);
    (2..20).for_each(|n| assert!(w.write(p, b + n * PAGE, 1)));
    assert_eq!(told(&mut w), 1);
    w.check();
}

#[test]
fn limits_stay_when_the_daemon_dies_and_only_managers_set_them() {
    let mut w = World::new(500);
    let d = daemon(&mut w);
    let (p, _) = idle(&mut w, 10);
    let limit = |space| Request::SetLimits(proto::SetLimits { space, bounds: bounds(5) });
    assert_eq!(w.ask::<()>(p, limit(p)), Err(Error::NotPermitted));
    assert_eq!(w.ask::<()>(d, limit(p)), Err(Error::NotPermitted));
    assert_eq!(w.ask::<()>(INIT, limit(p)), Ok(()));
    assert_eq!(w.ask::<()>(INIT, limit(d)), Err(Error::NotPermitted), "a server");
    assert_eq!(w.ask::<()>(INIT, limit(9999)), Err(Error::NotFound));
    let trim = |hard| Request::Trim(proto::Trim { space: p, target: 0, hard, anew: true });
    assert_eq!(w.ask::<Trimmed>(p, trim(true)), Err(Error::NotPermitted));
    assert_eq!(w.ask::<Trimmed>(INIT, trim(true)), Err(Error::NotPermitted));
    let (_, answer) = w.call_with(p, Request::DaemonAttach(proto::DaemonAttach {}), Handle(9));
    assert_eq!(crate::model::world::decode::<()>(answer.unwrap()), Err(Error::NotPermitted));
    w.end(d);
    assert!(w.vm.m.closed.contains(&BELL));
    assert_eq!(w.ask::<Trimmed>(d, trim(true)), Err(Error::NotPermitted));
    // Nobody to tell, and nothing breaks; the next one finds the limit.
    let b = w.mmap(p, 10);
    (0..10).for_each(|n| assert!(w.write(p, b + n * PAGE, 1)));
    let d = daemon(&mut w);
    let list: Vec<Limited> = w.ask(d, Request::Limits(proto::Limits { from: 0 })).unwrap();
    assert_eq!((list[0].space, list[0].limit, list[0].resident), (p, 5, 20 + OWN));
    set_limit(&mut w, p, NO_LIMIT).unwrap();
    w.check();
}

#[test]
fn a_group_has_one_limit_and_is_told_of_when_its_members_cross_it_together() {
    let mut w = World::new(500);
    let d = daemon(&mut w);
    let (p, q) = (w.program(), w.program());
    let (a, b) = (w.mmap(p, 50), w.mmap(q, 50));
    let group = |pages| Request::SetGroupLimit(proto::SetGroupLimit { group: 4, pages });
    let join = |space, group| Request::JoinGroup(proto::JoinGroup { space, group });
    assert_eq!(w.ask::<()>(d, join(p, 4)), Err(Error::NotFound));
    w.ask::<()>(d, group(20)).unwrap();
    w.ask::<()>(d, join(p, 4)).unwrap();
    w.ask::<()>(d, join(q, 4)).unwrap();
    (0..9).for_each(|n| assert!(w.write(p, a + n * PAGE, 1) && w.write(q, b + n * PAGE, 1)));
    assert_eq!((told(&mut w), over(&mut w, d)), (0, (vec![], false)));
    assert!(w.write(p, a + 9 * PAGE, 1));
    assert_eq!(told(&mut w), 1);
    assert_eq!(over(&mut w, d), (vec![], true));
    let list: Vec<LimitedGroup> = w.ask(d, Request::Groups(proto::Groups { from: 0 })).unwrap();
    assert_eq!(list, [LimitedGroup { group: 4, resident: 21, limit: 20, members: 2 }]);
    w.end(q);
    w.ask::<()>(d, group(NO_LIMIT)).unwrap();
    let list: Vec<Limited> = w.ask(d, Request::Limits(proto::Limits { from: 0 })).unwrap();
    assert_eq!((list.len(), list[0].group), (1, 0));
    w.check();
}

/// Pages that a child has together with its parent go from one and stay with the other; the child's limit is the parent's.
#[test]
fn a_child_is_trimmed_by_itself_through_all_of_its_chain() {
    let mut w = World::new(500);
    let d = daemon(&mut w);
    let (p, a) = idle(&mut w, 12);
    set_limit(&mut w, p, 40).unwrap();
    w.ask::<()>(d, Request::SetGroupLimit(proto::SetGroupLimit { group: 2, pages: 100 })).unwrap();
    w.ask::<()>(d, Request::JoinGroup(proto::JoinGroup { space: p, group: 2 })).unwrap();
    let c = w.fork(p).expect("a child");
    let list: Vec<Limited> = w.ask(d, Request::Limits(proto::Limits { from: c })).unwrap();
    assert_eq!((list[0].limit, list[0].group, list[0].spared), (40, 2, false));
    // Some its own, some the parent's, and some written by the parent since.
    (0..4).for_each(|n| assert!(w.write(c, a + n * PAGE, 100 + n)));
    (4..12).for_each(|n| assert!(w.read(c, a + n * PAGE)));
    (0..12).for_each(|n| assert!(w.read(p, a + n * PAGE)));
    assert!(w.write(p, a + 11 * PAGE, 7));
    let kept = mapped(&w, p);
    assert_eq!(mapped(&w, c), 12 + OWN);
    assert_eq!(trim(&mut w, d, c, 3 + OWN, true), 3 + OWN);
    assert_eq!(trim(&mut w, d, c, OWN, true), OWN, "whatever object has them");
    assert_eq!(mapped(&w, p), kept);
    (0..12).for_each(|n| assert!(w.read(p, a + n * PAGE) && w.read(c, a + n * PAGE)));
    w.check();
}

/// A program that waits for memory.
fn short(w: &mut World) -> (Space, u64) {
    let p = w.program();
    let a = w.mmap(p, 600);
    let n = (0..600).find(|n| !w.write(p, a + n * PAGE, n + 1)).expect("an end");
    (p, n)
}

/// Where the last region of a program begins.
fn region_of(w: &World, p: Space) -> u64 {
    w.vm.spaces.get(p).unwrap().map.iter().map(|r| r.start).max().unwrap()
}

fn ask_oom(w: &mut World, seat: &Seat, reason: u8) {
    let (generation, request) = (seat.generation, proto::PolicyRequest::OutOfMemory(reason));
    w.ask::<()>(seat.space, Request::PolicyAsk(proto::PolicyAsk { generation, request })).unwrap();
    w.run_programs();
}

#[test]
fn pgo_219_w14_who_is_spared_is_not_ended() {
    let mut w = World::new(500);
    let d = daemon(&mut w);
    let (small, _) = idle(&mut w, 10);
    let seat = w.scripted_policy();
    let (big, _) = short(&mut w);
    let spare = |space| Request::Spare(proto::Spare { space, spare: true });
    assert_eq!(w.ask::<()>(d, spare(big)), Ok(()));
    assert_eq!(w.ask::<()>(d, spare(d)), Err(Error::NotPermitted));
    ask_oom(&mut w, &seat, 1);
    assert!(matches!(w.happenings[..], [Happening::OutOfMemory { space, reason: 1, .. }] if space == small));
    assert!(w.programs.contains_key(&big));
}

#[test]
fn pgo_224_pgo_231_without_swap_records_only_what_is_in_swap_counts() {
    let mut w = World::with_swap(500, 300);
    let (p, a) = idle(&mut w, 10);
    swap_out(&mut w, p, a, 10);
    let seat = w.scripted_policy();
    let (big, _) = short(&mut w);
    let region = region_of(&w, big);
    w.write_refused(&seat, big, region);
    ask_oom(&mut w, &seat, 2);
    assert!(matches!(w.happenings[..], [Happening::OutOfMemory { space, reason: 2, .. }] if space == p));
    assert!(w.programs.contains_key(&big));
}

#[test]
fn pgo_230_with_panic_on_oom_the_machine_stops_and_nobody_is_ended() {
    let mut w = World::new(500);
    let seat = w.scripted_policy();
    let name = String::from("vm.panic_on_oom");
    w.init::<()>(Request::SetTunable(proto::SetTunable { name, value: 1 })).unwrap();
    short(&mut w);
    ask_oom(&mut w, &seat, 1);
    assert!(w.vm.m.stopped && w.happenings.is_empty());
    assert!(w.vm.m.log.iter().any(|l| l.contains("vm.panic_on_oom")));
}

#[test]
fn pgo_228_with_nobody_to_end_nothing_happens_but_lines_in_the_log() {
    let mut w = World::new(500);
    let d = daemon(&mut w);
    let seat = w.scripted_policy();
    let (p, _) = short(&mut w);
    w.ask::<()>(d, Request::Spare(proto::Spare { space: p, spare: true })).unwrap();
    ask_oom(&mut w, &seat, 1);
    assert!(w.happenings.is_empty() && w.stopped(p));
    assert!(w.vm.m.log.iter().any(|l| l.contains("no program to end")));
    w.check();
}

/// W15: the reason is the true one, and each is told with what it held.
#[test]
fn pgo_229_w15_the_report_says_who_held_what_and_why() {
    let mut w = World::new(500);
    let (small, _) = idle(&mut w, 10);
    let seat = w.scripted_policy();
    let (big, n) = short(&mut w);
    w.vm.m.log.clear();
    ask_oom(&mut w, &seat, 1);
    let log = w.vm.m.log.join("\n");
    for text in [
        format!("program ({small}): 10 resident, 0 swapped"),
        format!("ending program ({big}), which holds {n} resident and 0 swapped pages"),
        String::from("pageout"),
        String::from("a server"),
        String::from("free_reserved"),
        String::from("out of memory: "),
    ] {
        assert!(log.contains(&text), "{text}: {log}");
    }
    w.check();
}

#[test]
fn w15_the_next_victim_is_chosen_when_the_last_ones_memory_is_back() {
    let mut w = World::with_swap(500, 400);
    let seat = w.scripted_policy();
    let name = String::from("vm.policy_deadline");
    w.init::<()>(Request::SetTunable(proto::SetTunable { name, value: 60_000 })).unwrap();
    let (first, _) = short(&mut w);
    let region = region_of(&w, first);
    w.write_refused(&seat, first, region + 20 * PAGE);
    // A page of it is being written when it is ended.
    for n in 0..8 {
        assert_eq!(w.decide(&seat, Want::Deactivate, first, region + n * PAGE), proto::Verdict::Done);
    }
    assert_eq!(w.decide(&seat, Want::Launder, first, region), proto::Verdict::Started);
    w.accept();
    ask_oom(&mut w, &seat, 1);
    assert_eq!(w.happenings.len(), 1);
    let (second, _) = short(&mut w);
    ask_oom(&mut w, &seat, 1);
    assert_eq!(w.happenings.len(), 1, "pages of the first are still to come");
    w.pass(6000);
    ask_oom(&mut w, &seat, 1);
    assert_eq!(w.happenings.len(), 2, "not for ever");
    assert!(!w.programs.contains_key(&second));
    w.pump();
    w.check();
}

/// Random faults, limits, trims and endings: memory keeps what was written, and no piece takes more than was asked for.
#[test]
fn random_trims_lose_nothing_and_take_no_more_than_needed() {
    for seed in 1..=20u64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut draw = move |n: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % n
        };
        let mut w = World::with_swap(600, 600);
        w.attach_policy("freebsd");
        let d = daemon(&mut w);
        let programs: Vec<(Space, u64)> = (0..3)
            .map(|_| {
                let p = w.program();
                (p, w.mmap(p, 200))
            })
            .collect();
        for step in 0..600 {
            let (p, a) = programs[draw(3) as usize];
            match draw(20) {
                0 => set_limit(&mut w, p, 1 + draw(150)).unwrap(),
                1 => set_limit(&mut w, p, NO_LIMIT).unwrap(),
                2..=4 => {
                    let (target, hard) = (1 + draw(150), draw(2) == 0);
                    let before = mapped(&w, p);
                    let t = piece(&mut w, d, p, target, hard, draw(3) == 0);
                    assert_eq!(t.resident, mapped(&w, p), "seed {seed}, step {step}");
                    assert!(t.resident >= target.min(before), "seed {seed}, step {step}: {t:?}");
                }
                5 => {
                    for l in over(&mut w, d).0 {
                        assert!(trim(&mut w, d, l.space, l.limit, true) <= l.limit);
                    }
                }
                6 => w.run_policy(),
                7 => w.pump(),
                n => {
                    let page = a + draw(200) * PAGE;
                    if !w.stopped(p) {
                        w.touch(p, page, (n % 2 == 0).then_some(step + 1));
                    }
                }
            }
            if programs.iter().any(|(p, _)| w.stopped(*p)) {
                w.pump();
                w.run_policy();
                w.pass(5);
            }
        }
        w.pump();
        w.check();
    }
}

#[test]
fn a_mapping_that_only_reads_is_trimmed_like_any() {
    let mut w = World::new(500);
    let d = daemon(&mut w);
    let p = w.program();
    let a = w.map(p, 0, 6, 1, Source::Anonymous).unwrap();
    (0..6).for_each(|n| assert!(w.read(p, a + n * PAGE)));
    let task = w.vm.spaces.get(p).unwrap().task;
    assert!(!w.vm.m.pte(task, a).unwrap().flags.contains(MapFlags::WRITE));
    assert_eq!(trim(&mut w, d, p, 2 + OWN, true), 2 + OWN);
    w.check();
}

#[test]
fn prs_083_who_is_beyond_its_limit_is_trimmed_before_anybody_else() {
    let mut w = World::with_swap(400, 400);
    let d = daemon(&mut w);
    let (p, q) = (w.program(), w.program());
    // As a machine begins: what is free is the limit, and nobody is beyond it while there is room.
    let limit = u64::from(w.vm.frames.gate.free_count()) / 2;
    let (a, b) = (w.mmap(p, 2 * limit), w.mmap(q, limit / 4));
    for space in [p, q] {
        set_limit(&mut w, space, limit).unwrap();
    }
    (0..limit / 4).for_each(|n| assert!(w.write(q, b + n * PAGE, 1)));
    (0..limit / 2).for_each(|n| assert!(w.write(p, a + n * PAGE, 1)));
    assert!(over(&mut w, d).0.is_empty());
    let before = w.vm.mapped(q);
    (limit / 2..limit + 20).for_each(|n| assert!(w.write(p, a + n * PAGE, 1)));
    let who: Vec<Space> = over(&mut w, d).0.iter().map(|l| l.space).collect();
    assert_eq!(who, [p]);
    assert!(trim(&mut w, d, p, limit, true) <= limit);
    assert_eq!(w.vm.mapped(q), before);
    w.check();
}
