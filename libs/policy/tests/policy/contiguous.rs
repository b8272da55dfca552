// SPDX-License-Identifier: BSD-2-Clause
//! Room in a range of addresses (PGO-159…174).

use ebb_policy::contiguous::Effort;
use ebb_policy::queues::List;
use ebb_policy::sim::SimObject;
use ebb_policy::{Event, Policy, Request};

use crate::Bench;

const PAGE: u64 = 4096;

/// Pages that the policy knows of, all inactive.
fn bench(count: u32) -> Bench {
    let mut b = Bench::inactive(64, count);
    while let Some(event) = b.sim.events.pop_front() {
        b.policy.event(event);
    }
    b
}

#[test]
fn pgo_159_only_pages_wholly_inside_the_range() {
    let mut b = bench(4);
    assert!(!b.policy.launder_range(&mut b.sim, List::Inactive, &(0x1000..0x3000), Effort::Clean));
    let freed: Vec<u32> = b.sim.freed.iter().map(|page| page.frame).collect();
    assert_eq!(freed, [1, 2]);
    // Half a page inside is not inside.
    assert!(!b.policy.launder_range(&mut b.sim, List::Inactive, &(0x800..0x1000), Effort::Clean));
    assert!(!b.policy.launder_range(&mut b.sim, List::Inactive, &(0x3000..0x3fff), Effort::Clean));
    assert_eq!(b.sim.freed.len(), 2);
    b.policy.check().unwrap();
}

#[test]
fn pgo_160_pgo_163_held_busy_and_dying_pages_are_left() {
    let mut b = bench(4);
    b.sim.pages[0].held = true;
    b.sim.pages[1].busy = true;
    b.sim.pages[2].dirty = true;
    let object = b.sim.pages[2].place.unwrap().0;
    b.sim.objects.insert(object, SimObject { size: 1, referenced: false, dead: true });
    assert!(!b.policy.launder_range(&mut b.sim, List::Inactive, &(0..3 * PAGE), Effort::Active));
    assert!(b.sim.freed.is_empty() && b.sim.writes.is_empty());
    assert_eq!(b.policy.stats().inactive_count, 4);
}

#[test]
fn pgo_161_pgo_162_pgo_168_clean_pages_go_and_dirty_ones_stay_at_the_least_effort() {
    let mut b = bench(6);
    b.sim.pages[5].dirty = true;
    assert_eq!(b.policy.grow_cache(&mut b.sim, &(0..64 * PAGE), Effort::Clean), 0);
    assert_eq!(b.sim.freed.len(), 5);
    assert!(b.sim.writes.is_empty() && b.sim.requests().is_empty());
    assert_eq!(b.policy.stats().inactive_count, 1);
    b.policy.check().unwrap();
}

#[test]
fn pgo_165_pgo_167_a_dirty_page_is_written_and_the_walk_begins_again() {
    let mut b = bench(3);
    b.sim.pages[1].dirty = true;
    assert!(b.policy.launder_range(&mut b.sim, List::Inactive, &(0..3 * PAGE), Effort::Inactive));
    assert_eq!((b.sim.writes.len(), b.policy.stats().launders), (1, 1));
    assert!(!b.policy.launder_range(&mut b.sim, List::Inactive, &(0..3 * PAGE), Effort::Inactive));
    // When the write is over the page is clean, and goes.
    assert!(b.sim.complete(true));
    while let Some(event) = b.sim.events.pop_front() {
        b.policy.event(event);
    }
    assert!(!b.policy.launder_range(&mut b.sim, List::Inactive, &(0..3 * PAGE), Effort::Inactive));
    assert_eq!(b.sim.freed.len(), 3);
}

#[test]
fn pgo_169_pgo_171_every_call_drains() {
    let mut b = bench(1);
    for n in 1..=2 {
        b.policy.grow_cache(&mut b.sim, &(0..PAGE), Effort::Inactive);
        let drains = b.sim.requests().iter().filter(|r| **r == Request::LowMemory).count();
        assert_eq!(drains, n, "not rate limited");
    }
}

#[test]
fn pgo_170_active_pages_only_at_the_highest_effort() {
    let mut b = bench(2);
    for frame in 0..2 {
        let page = b.sim.page(frame);
        b.policy.event(Event::Activate(page));
    }
    b.sim.pages[0].dirty = true;
    assert_eq!(b.policy.grow_cache(&mut b.sim, &(0..2 * PAGE), Effort::Inactive), 0);
    assert!(b.sim.writes.is_empty() && b.sim.freed.is_empty());
    assert_eq!(b.policy.grow_cache(&mut b.sim, &(0..2 * PAGE), Effort::Active), 1);
    assert_eq!((b.sim.writes.len(), b.sim.freed.len()), (1, 1));
}

#[test]
fn pgo_174_at_most_as_many_writes_as_there_were_pages() {
    let mut b = bench(3);
    for page in b.sim.pages.iter_mut().take(3) {
        page.dirty = true;
    }
    b.sim.swap_slots = 0;
    // Each try ends with the page active, since there is nowhere to write to; those are not tried again.
    assert_eq!(b.policy.grow_cache(&mut b.sim, &(0..3 * PAGE), Effort::Inactive), 3);
    assert_eq!(b.policy.stats().active_count, 3);
}
