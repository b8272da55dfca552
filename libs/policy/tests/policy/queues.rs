// SPDX-License-Identifier: BSD-2-Clause
//! Sections 1, 14 and 18: pages on queues.

use ebb_policy::queues::{ACT_INIT, ACT_MAX, List, Node};
use ebb_policy::{Event, Page, Policy, Queue};

use crate::Bench;

impl Bench {
    /// Delivers an event at once.
    fn tell(&mut self, event: Event) {
        while let Some(earlier) = self.sim.events.pop_front() {
            self.policy.event(earlier);
        }
        self.policy.event(event);
        self.policy.check().unwrap();
    }

    fn lists(&mut self) -> (Vec<u32>, Vec<u32>) {
        self.tell(Event::Shortage);
        (self.list(List::Inactive), self.list(List::Active))
    }
}

#[test]
fn pgo_001_one_queue_or_none() {
    let mut b = Bench::inactive(8, 3);
    b.add(3..5, Queue::Active);
    assert_eq!(b.lists(), (vec![0, 1, 2], vec![3, 4]));
    b.tell(Event::Wire(b.sim.page(1)));
    assert_eq!(b.lists(), (vec![0, 2], vec![3, 4]));
    assert_eq!(b.policy.stats().inactive_count, 2);
    // A wired page stays off, whatever is asked.
    b.tell(Event::Activate(b.sim.page(1)));
    b.tell(Event::Deactivate(b.sim.page(1)));
    b.tell(Event::Laundered { page: b.sim.page(1), ok: false });
    assert_eq!(b.lists(), (vec![0, 2], vec![3, 4]));
    b.tell(Event::Unwire { page: b.sim.page(1), queue: Queue::Inactive });
    assert_eq!(b.lists(), (vec![0, 2, 1], vec![3, 4]));
    // A second unwiring finds nothing to do.
    b.tell(Event::Unwire { page: b.sim.page(1), queue: Queue::Active });
    assert_eq!(b.lists(), (vec![0, 2, 1], vec![3, 4]));
}

#[test]
fn pgo_004_activation_raises_the_count() {
    let mut b = Bench::inactive(4, 1);
    b.tell(Event::Activate(b.sim.page(0)));
    assert_eq!((b.act_count(0), ACT_INIT), (5, 5));
    // At 9 it stays 9.
    b.sim.pages[0].refs = 1;
    b.policy.run(&mut b.sim);
    b.sim.now_us += 600_000_000;
    b.idle();
    assert_eq!(b.act_count(0), 9);
    b.tell(Event::Deactivate(b.sim.page(0)));
    b.tell(Event::Activate(b.sim.page(0)));
    assert_eq!(b.act_count(0), 9);
}

/// PGO-006 with W30: the count neither wraps nor passes its ceiling at any update.
#[test]
fn pgo_006_w30_count_never_wraps() {
    let mut b = Bench::inactive(4, 3);
    for _ in 0..100 {
        b.sim.pages[0].refs = 255;
        b.sim.pages[0].flag = true;
        b.run_at(1, 1);
        assert_eq!(b.act_count(0), ACT_MAX);
        b.tell(Event::Deactivate(b.sim.page(0)));
        // Room for the page to be visited first again.
        b.idle();
        for frame in [1, 2] {
            b.sim.page_out(frame);
            b.add(frame..frame + 1, Queue::Inactive);
        }
    }
}

#[test]
fn pgo_007_mark_is_cleared_on_return() {
    for leave in 0..2 {
        let mut b = Bench::inactive(4, 1);
        b.dirty(0..1);
        b.mark_dirty();
        assert!(b.marked(0));
        let page = b.sim.page(0);
        if leave == 0 {
            b.tell(Event::Activate(page));
            b.tell(Event::Deactivate(page));
        } else {
            b.tell(Event::Wire(page));
            b.tell(Event::Unwire { page, queue: Queue::Inactive });
        }
        assert!(!b.marked(0), "a fresh second chance");
    }
}

/// PGO-008, PGO-062, PGO-064, PGO-090: a queue holds pages and nothing else, so no marker can be counted, freed or written.
#[test]
fn pgo_008_pgo_062_pgo_064_pgo_090_no_markers() {
    let mut b = Bench::inactive(8, 2);
    assert_eq!(b.lists().0, [0, 1]);
    b.run_at(1, 5);
    assert_eq!(b.freed(), [0, 1]);
    assert_eq!(b.policy.stats().v_pdpages, 2);
}

#[test]
fn pgo_237_deactivate() {
    let mut b = Bench::inactive(8, 2);
    b.add(2..4, Queue::Active);
    b.tell(Event::Deactivate(b.sim.page(0)));
    assert_eq!(b.lists().0, [0, 1], "already inactive: keeps its place");
    b.tell(Event::Deactivate(b.sim.page(3)));
    b.tell(Event::Deactivate(b.sim.page(2)));
    assert_eq!(b.lists().0, [0, 1, 3, 2]);
}

/// PGO-176…180, PGO-091, PGO-093, PGO-120, PGO-122: what happens to pages between two steps of a scan. Each case says what to do to frame
/// 128 of 300, the first page of the second batch, and to 127, the last of the first, while the first is being decided.
#[test]
fn pgo_112_pgo_176_to_180_position_survives() {
    type Case = (&'static str, fn(Page) -> Event);
    let cases: [Case; 4] = [
        ("freed", Event::Free),
        ("activated", Event::Activate),
        ("wired", Event::Wire),
        ("requeued", |page| Event::PageIn { page, queue: Queue::Inactive, tag: 0 }),
    ];
    for (what, event) in cases {
        let mut b = Bench::inactive(301, 300);
        let moved = b.sim.page(128);
        b.sim.during_decide = vec![(1, event(moved))];
        // A newcomer at the tail does not disturb either.
        b.sim
            .during_decide
            .push((1, Event::PageIn { page: b.sim.page(300), queue: Queue::Inactive, tag: 0 }));
        b.run_at(1, 1000);
        let mut expected: Vec<u32> = (0..300).filter(|f| *f != 128).collect();
        if what == "requeued" {
            expected.push(128);
        }
        assert_eq!(b.freed(), expected, "{what}: nobody twice, nobody left out");
        assert_eq!(b.policy.stats().stuck, 0, "{what}");
    }
}

#[test]
fn pgo_091_pgo_093_moved_pages_are_not_stuck() {
    // The machine knows of the move already, the policy does not: a stale pair.
    let mut b = Bench::inactive(4, 3);
    b.idle();
    b.sim.pages[1].generation += 1;
    b.run_at(1, 10);
    assert_eq!(b.freed(), [0, 2]);
    let stats = b.policy.stats();
    assert_eq!((stats.stuck, stats.stale, stats.inactive_count), (0, 1, 0));
    // The news, when it comes, finds nothing and does nothing.
    b.tell(Event::Free(Page { frame: 1, generation: 1 }));
    assert_eq!(b.policy.stats().events_refused, 1);
}

#[test]
fn hostile_events_change_nothing() {
    let mut b = Bench::inactive(4, 2);
    b.idle();
    let strangers = [
        Page { frame: 4, generation: 0 },
        Page { frame: u32::MAX, generation: 0 },
        Page { frame: 3, generation: 0 },
        Page { frame: 0, generation: 77 },
    ];
    let before = b.lists();
    for page in strangers {
        for event in [
            Event::Activate(page),
            Event::Deactivate(page),
            Event::Free(page),
            Event::Wire(page),
            Event::Unwire { page, queue: Queue::Active },
            Event::Laundered { page, ok: true },
            Event::Laundered { page, ok: false },
        ] {
            b.tell(event);
        }
    }
    b.tell(Event::PageIn { page: Page { frame: 4, generation: 1 }, queue: Queue::Active, tag: 0 });
    assert_eq!(b.lists(), before);
    assert_eq!(b.policy.stats().events_refused, 4 * 7 + 1);
    // A page taken up twice is taken up anew.
    b.tell(Event::PageIn { page: Page { frame: 0, generation: 9 }, queue: Queue::Active, tag: 0 });
    assert_eq!(b.lists(), (vec![1], vec![0]));
}

/// targets.md: metadata at most 16 bytes a page.
#[test]
fn metadata_is_16_bytes_a_page() {
    assert_eq!(size_of::<Node>(), 16);
}
