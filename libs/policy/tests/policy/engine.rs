// SPDX-License-Identifier: BSD-2-Clause
//! The engine: what happens around an order, answer by answer. The order is first in, first out, or says itself what it is asked and told.

use std::cell::RefCell;
use std::rc::Rc;

use ebb_policy::order::{References, Tag, Victims};
use ebb_policy::policy::Inconsistency;
use ebb_policy::sim::{Call, Sim};
use ebb_policy::{
    Arrival, BadRecord, Discount, Engine, Event, Order, Page, Policy, Queue, Record, Verdict, Want,
    order_by_name,
};

const FRAMES: u32 = 32;

/// What an order was told.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Insert(u32, Arrival),
    Remove(u32),
    Promote(u32),
    Demote(u32),
}

/// First in, first out; looks at each page that it names, heeds nothing, names at most so many at a time, and keeps a diary.
struct Scripted {
    held: Vec<u32>,
    most: usize,
    /// Named although not held.
    lie: Option<u32>,
    told: Rc<RefCell<Vec<Told>>>,
    seen: Rc<RefCell<Vec<(u32, bool)>>>,
}

impl Order for Scripted {
    fn name(&self) -> &'static str {
        "fifo"
    }

    fn insert(&mut self, frame: u32, _tag: Tag, arrival: Arrival) {
        self.told.borrow_mut().push(Told::Insert(frame, arrival));
        self.held.push(frame);
    }

    fn remove(&mut self, frame: u32) {
        self.told.borrow_mut().push(Told::Remove(frame));
        self.held.retain(|f| *f != frame);
    }

    fn promote(&mut self, frame: u32) {
        self.told.borrow_mut().push(Told::Promote(frame));
    }

    fn demote(&mut self, frame: u32) {
        self.told.borrow_mut().push(Told::Demote(frame));
        self.held.retain(|f| *f != frame);
        self.held.insert(0, frame);
    }

    fn choose(&mut self, pages: &mut dyn References, victims: &mut Victims<'_>) {
        if let Some(lie) = self.lie.take() {
            victims.push(lie);
        }
        let most = self.most.min(victims.room()).min(self.held.len());
        for frame in self.held.drain(..most) {
            let mut used = [false];
            pages.sample(&[frame], &mut used);
            self.seen.borrow_mut().push((frame, used[0]));
            victims.push(frame);
        }
    }

    fn len(&self) -> u32 {
        self.held.len() as u32
    }

    fn snapshot(&self, tell: &mut dyn FnMut(u32)) {
        self.held.iter().copied().for_each(tell);
    }

    fn save(&self, _tell: &mut dyn FnMut(Record)) {}

    fn restore(&mut self, record: Record) -> Result<(), BadRecord> {
        Err(BadRecord(record))
    }

    fn bytes(&self) -> usize {
        0
    }

    fn check(&self) -> Result<(), Inconsistency> {
        Ok(())
    }
}

/// The engine around such an order, on a machine with pages in frames `0..count`, each in an object of its own.
struct Rig {
    sim: Sim,
    policy: Engine<Scripted>,
    told: Rc<RefCell<Vec<Told>>>,
    seen: Rc<RefCell<Vec<(u32, bool)>>>,
}

impl Rig {
    fn new(count: u32, discount: Discount) -> Self {
        let mut sim = Sim::new(FRAMES, 262_144);
        sim.tunables.swap_enabled = false;
        for frame in 0..count {
            sim.page_in(frame, (frame, 0), Queue::Active);
        }
        let (told, seen) = (Rc::<RefCell<Vec<Told>>>::default(), Rc::<RefCell<Vec<(u32, bool)>>>::default());
        let order =
            Scripted { held: Vec::new(), most: 128, lie: None, told: told.clone(), seen: seen.clone() };
        Self { sim, policy: Engine::new(FRAMES, order, discount), told, seen }
    }

    fn run(&mut self, shortage: u32) {
        self.sim.meter.free_count = self.sim.meter.thresholds.free_target - shortage;
        self.sim.meter.pages_needed = shortage > 0;
        self.policy.run(&mut self.sim);
        assert_eq!(self.policy.check(), Ok(()));
    }

    fn freed(&self) -> Vec<u32> {
        self.sim.freed.iter().map(|p| p.frame).collect()
    }

    fn held(&self) -> Vec<u32> {
        self.policy.order().held.clone()
    }

    /// Verdicts of decisions that let pages go.
    fn verdicts(&self) -> Vec<(u32, Verdict)> {
        let decides =
            self.sim.log.iter().filter_map(|c| if let Call::Decide(d) = c { Some(d) } else { None });
        let reclaims = decides.flatten().filter(|(d, _)| matches!(d.want, Want::Reclaim | Want::Launder));
        reclaims.map(|(d, v)| (d.page.frame, *v)).collect()
    }
}

#[test]
fn it_frees_what_is_short_and_no_more() {
    let mut rig = Rig::new(20, Discount::None);
    rig.run(7);
    assert_eq!(rig.freed(), [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(rig.held().len(), 13);
    // Freed by its own decision: the order is told nothing.
    assert!(!rig.told.borrow().iter().any(|t| matches!(t, Told::Remove(_))));
    assert_eq!(rig.policy.stats().v_dfree, 7);
}

#[test]
fn an_order_that_names_few_is_asked_again() {
    let mut rig = Rig::new(20, Discount::None);
    rig.policy.order_mut().most = 2;
    rig.run(7);
    assert_eq!(rig.freed(), [0, 1, 2, 3, 4, 5, 6]);
}

#[test]
fn an_order_that_names_nobody_ends_the_scan() {
    let mut rig = Rig::new(20, Discount::None);
    rig.policy.order_mut().most = 0;
    rig.run(7);
    assert!(rig.freed().is_empty());
    assert_eq!(rig.held().len(), 20);
}

#[test]
fn more_than_there_is_ends_with_nothing_left() {
    let mut rig = Rig::new(5, Discount::None);
    rig.run(50);
    assert_eq!(rig.freed(), [0, 1, 2, 3, 4]);
    rig.run(50);
    assert_eq!(rig.freed().len(), 5);
}

#[test]
fn a_page_named_that_is_not_held_is_no_decision() {
    for lie in [FRAMES - 1, FRAMES, u32::MAX] {
        let mut rig = Rig::new(5, Discount::None);
        rig.run(0);
        rig.policy.order_mut().lie = Some(lie);
        rig.run(3);
        assert!(rig.verdicts().iter().all(|(frame, _)| *frame != lie), "{lie}");
        assert_eq!(rig.freed().len(), 3);
    }
}

#[test]
fn a_deficit_counts_as_shortage_once() {
    let mut rig = Rig::new(20, Discount::None);
    rig.sim.deficit = 4;
    rig.run(3);
    assert_eq!(rig.freed().len(), 7);
    rig.run(1);
    assert_eq!(rig.freed().len(), 8);
}

#[test]
fn without_need_nothing_goes() {
    let mut rig = Rig::new(20, Discount::None);
    rig.run(0);
    assert!(rig.freed().is_empty() && rig.sim.log.is_empty());
    assert_eq!(rig.policy.stats().pass, 0);
}

#[test]
fn stale_pages_are_forgotten() {
    let mut rig = Rig::new(6, Discount::None);
    rig.run(0);
    // Freed, and the event has not come yet.
    let events = rig.sim.events.len();
    rig.sim.page_out(0);
    let late = rig.sim.events.split_off(events);
    rig.run(2);
    assert_eq!(rig.verdicts()[0], (0, Verdict::Stale));
    assert_eq!(rig.freed(), [1, 2]);
    assert_eq!(rig.policy.stats().stale, 1);
    // Late, it names nobody whom the policy knows.
    rig.sim.events.extend(late);
    rig.run(0);
    assert_eq!(rig.policy.stats().events_refused, 1);
}

#[test]
fn a_frame_that_is_used_anew_is_another_page() {
    let mut rig = Rig::new(3, Discount::None);
    rig.run(0);
    rig.sim.page_out(0);
    rig.sim.page_in(0, (90, 9), Queue::Active);
    rig.run(0);
    assert_eq!(rig.held(), [1, 2, 0]);
    // An event of the page that was there changes nothing.
    rig.policy.event(Event::Free(Page { frame: 0, generation: 1 }));
    assert_eq!(rig.held(), [1, 2, 0]);
}

#[test]
fn busy_and_held_pages_are_named_once_a_scan_and_come_back() {
    let mut rig = Rig::new(6, Discount::None);
    rig.sim.pages[0].busy = true;
    rig.sim.pages[1].held = true;
    rig.run(3);
    assert_eq!(rig.freed(), [2, 3, 4]);
    let tries = |rig: &Rig, frame| rig.verdicts().iter().filter(|(f, _)| *f == frame).count();
    assert_eq!((tries(&rig, 0), tries(&rig, 1)), (1, 1));
    let returned = [Told::Insert(0, Arrival::Returned), Told::Insert(1, Arrival::Returned)];
    assert!(rig.told.borrow().ends_with(&returned));
    (rig.sim.pages[0].busy, rig.sim.pages[1].held) = (false, false);
    rig.run(3);
    assert_eq!(rig.freed(), [2, 3, 4, 5, 0, 1]);
}

#[test]
fn a_dirty_page_is_written_and_goes_first_when_it_is_clean() {
    let mut rig = Rig::new(6, Discount::None);
    rig.sim.pages[0].dirty = true;
    rig.run(2);
    assert_eq!((rig.freed(), rig.sim.writes.len()), (vec![1], 1));
    assert_eq!(rig.held(), [2, 3, 4, 5]);
    assert!(rig.sim.complete(true));
    rig.run(1);
    assert_eq!(rig.freed(), [1, 0]);
}

#[test]
fn a_page_used_during_its_write_comes_back() {
    let mut rig = Rig::new(6, Discount::None);
    rig.sim.pages[0].dirty = true;
    rig.run(1);
    rig.sim.complete(true);
    rig.sim.pages[0].refs = 1;
    rig.run(1);
    assert_eq!(rig.freed(), [1]);
    assert_eq!(rig.told.borrow().last(), Some(&Told::Insert(0, Arrival::Returned)));
}

#[test]
fn a_failed_write_gives_the_page_back() {
    let mut rig = Rig::new(6, Discount::None);
    rig.sim.pages[0].dirty = true;
    rig.run(1);
    rig.sim.complete(false);
    rig.run(0);
    assert_eq!(rig.held(), [1, 2, 3, 4, 5, 0]);
    assert_eq!(rig.policy.stats().laundered_failed, 1);
}

#[test]
fn what_the_pager_refuses_comes_back() {
    for verdict in [Verdict::Again, Verdict::NoSpace, Verdict::Failed, Verdict::Changed, Verdict::Locked] {
        let mut rig = Rig::new(6, Discount::None);
        rig.sim.pages[0].dirty = true;
        rig.sim.launder_script.insert(0, verdict);
        rig.run(1);
        assert_eq!(rig.verdicts()[0], (0, verdict));
        assert_eq!(rig.freed(), [1], "{verdict:?}");
        assert!(rig.held().contains(&0), "{verdict:?}");
        rig.sim.launder_script.clear();
        rig.run(5);
        assert_eq!(rig.sim.writes.len(), 1, "{verdict:?}");
    }
}

/// Without a machine that keeps to a limit, the batches are smaller; either way no more is written than allowed.
#[test]
fn w05_the_engine_writes_no_more_than_a_scan_may() {
    for limits in [true, false] {
        let mut rig = Rig::new(20, Discount::None);
        rig.sim.limits = limits;
        rig.sim.tunables.max_launder = 3;
        rig.sim.pages.iter_mut().for_each(|p| p.dirty = true);
        rig.run(10);
        assert_eq!(rig.sim.writes.len(), 3, "{limits}");
        // The others are with the order, in order, those not written in front.
        assert_eq!(rig.held().len(), 17, "{limits}");
        assert_eq!(rig.policy.stats().launders, 3);
    }
}

/// Whatever is under way already: pages, not writes.
#[test]
fn w05_the_engine_starts_no_more_pages_than_there_is_room_for() {
    for limits in [true, false] {
        let mut rig = Rig::new(20, Discount::None);
        rig.sim.limits = limits;
        rig.sim.tunables.set("vm.max_laundering", 16).unwrap();
        rig.sim.meter.laundering = 11;
        rig.sim.pages.iter_mut().for_each(|p| p.dirty = true);
        rig.run(10);
        assert_eq!(rig.sim.writes.len(), 5, "{limits}");
        assert_eq!(rig.sim.meter.laundering, 16);
    }
}

/// One message says what is to go and that it is not in use any more.
#[test]
fn a_page_that_goes_is_named_once() {
    let mut rig = Rig::new(20, Discount::None);
    rig.sim.pages.iter_mut().step_by(2).for_each(|p| p.dirty = true);
    rig.run(10);
    assert_eq!(rig.policy.stats().batches, 1);
    let named = rig.sim.log.iter().map(|c| if let Call::Decide(d) = c { d.len() } else { 0 });
    assert_eq!(named.sum::<usize>(), 10);
}

#[test]
fn w05_the_engine_has_no_more_under_way_than_the_tunable_says() {
    let mut rig = Rig::new(20, Discount::None);
    rig.sim.tunables.set("vm.max_laundering", 16).unwrap();
    rig.sim.meter.laundering = 16;
    rig.sim.pages.iter_mut().for_each(|p| p.dirty = true);
    rig.run(10);
    assert!(rig.sim.writes.is_empty());
    assert_eq!(rig.held().len(), 20);
}

#[test]
fn while_writing_is_disabled_clean_pages_go() {
    let mut rig = Rig::new(8, Discount::None);
    rig.sim.tunables.set("vm.disable_swapspace_pageouts", 1).unwrap();
    for frame in [0, 2, 4] {
        rig.sim.pages[frame].dirty = true;
    }
    rig.run(3);
    assert_eq!(rig.freed(), [1, 3, 5]);
    assert!(rig.sim.writes.is_empty());
    assert_eq!(rig.held().len(), 5);
}

#[test]
fn wired_pages_are_with_nobody() {
    let mut rig = Rig::new(4, Discount::None);
    rig.run(0);
    rig.sim.pages[1].wired = true;
    let page = rig.sim.page(1);
    rig.sim.events.push_back(Event::Wire(page));
    rig.run(4);
    assert_eq!(rig.freed(), [0, 2, 3]);
    assert!(rig.told.borrow().contains(&Told::Remove(1)));
    rig.sim.pages[1].wired = false;
    rig.sim.events.push_back(Event::Unwire { page, queue: Queue::Active });
    rig.run(1);
    assert_eq!(rig.freed(), [0, 2, 3, 1]);
}

#[test]
fn a_page_wired_while_it_is_written_stays_out() {
    let mut rig = Rig::new(2, Discount::None);
    rig.sim.pages[0].dirty = true;
    rig.run(1);
    rig.sim.pages[0].wired = true;
    let page = rig.sim.page(0);
    rig.sim.events.push_back(Event::Wire(page));
    rig.sim.complete(true);
    rig.run(3);
    assert_eq!(rig.freed(), [1]);
    assert!(rig.held().is_empty());
    rig.sim.pages[0].wired = false;
    rig.sim.events.push_back(Event::Unwire { page, queue: Queue::Inactive });
    rig.run(1);
    assert_eq!(rig.freed(), [1, 0]);
}

#[test]
fn advice_reaches_the_order() {
    let mut rig = Rig::new(4, Discount::None);
    rig.run(0);
    let page = |rig: &Rig, frame| rig.sim.page(frame);
    let (two, three) = (page(&rig, 2), page(&rig, 3));
    rig.sim.events.extend([Event::Activate(two), Event::Deactivate(three)]);
    rig.run(1);
    assert!(rig.told.borrow().ends_with(&[Told::Promote(2), Told::Demote(3)]));
    assert_eq!(rig.freed(), [3]);
}

#[test]
fn events_out_of_range_change_nothing() {
    let mut rig = Rig::new(2, Discount::None);
    rig.run(0);
    for frame in [FRAMES, u32::MAX] {
        let page = Page { frame, generation: 0 };
        for event in [
            Event::PageIn { page, queue: Queue::Active, tag: 0 },
            Event::Free(page),
            Event::Wire(page),
            Event::Unwire { page, queue: Queue::Active },
            Event::Laundered { page, ok: true },
            Event::Activate(page),
            Event::Deactivate(page),
        ] {
            rig.policy.event(event);
        }
    }
    assert_eq!(rig.policy.stats().events_refused, 14);
    assert_eq!(rig.held(), [0, 1]);
}

/// After lost events a newcomer is told of all pages: what was known of them is replaced.
#[test]
fn a_snapshot_replaces_what_was_known() {
    let mut rig = Rig::new(6, Discount::None);
    rig.run(0);
    for frame in [4, 2, 0] {
        let page = rig.sim.page(frame);
        rig.sim.events.push_back(Event::PageIn { page, queue: Queue::Active, tag: frame });
    }
    rig.run(0);
    assert_eq!(rig.held(), [1, 3, 5, 4, 2, 0]);
}

/// The reference of the faulting instruction: counted, ignored once, or cleared before the first look.
#[test]
fn the_reference_of_the_fault_is_discounted_as_asked() {
    let first_look = |discount, used_again: bool, refs| {
        let mut rig = Rig::new(2, discount);
        rig.sim.pages[0].refs = refs;
        rig.run(0);
        if used_again {
            rig.sim.pages[0].refs = 1;
        }
        rig.run(1);
        let seen = rig.seen.borrow()[0];
        assert_eq!(seen.0, 0);
        seen.1
    };
    assert!(first_look(Discount::None, false, 1));
    assert!(!first_look(Discount::FirstLook, false, 1));
    // Two mappings: one more reference than the fault's.
    assert!(first_look(Discount::FirstLook, false, 2));
    assert!(!first_look(Discount::Clear, false, 1));
    assert!(first_look(Discount::Clear, true, 1));
}

#[test]
fn read_ahead_is_told_as_such() {
    let mut rig = Rig::new(0, Discount::None);
    rig.sim.page_in(0, (0, 0), Queue::Inactive);
    rig.sim.page_in(1, (1, 0), Queue::Active);
    rig.run(0);
    let told = [Told::Insert(0, Arrival::Readahead), Told::Insert(1, Arrival::Fault)];
    assert_eq!(*rig.told.borrow(), told);
}

/// Neighbours are written along, though they were active when they came.
#[test]
fn victims_are_inactive_so_that_neighbours_cluster() {
    let mut sim = Sim::new(FRAMES, 262_144);
    for frame in 0..8 {
        sim.page_in(frame, (0, frame.into()), Queue::Active);
        sim.pages[frame as usize].dirty = true;
    }
    let mut policy = Engine::new(FRAMES, order_by_name("fifo", FRAMES).unwrap(), Discount::None);
    sim.meter.free_count = sim.meter.thresholds.free_target - 8;
    sim.meter.pages_needed = true;
    policy.run(&mut sim);
    assert_eq!(sim.writes, [(0, 0..8)]);
    assert_eq!(policy.check(), Ok(()));
}
