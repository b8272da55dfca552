// SPDX-License-Identifier: BSD-2-Clause
//! Sections 7 and 8: the inactive scan, page by page.

use ebb_policy::queues::List;
use ebb_policy::sim::SimObject;
use ebb_policy::{Event, Policy, Queue, Verdict, Want};

use crate::Bench;

#[test]
fn pgo_077_pass_0_leaves_the_inactive_queue_alone() {
    let mut b = Bench::inactive(100, 100);
    b.idle();
    assert_eq!(b.freed(), []);
    assert!(b.wants(0).is_empty());
}

#[test]
fn pgo_078_pass_1() {
    let mut b = Bench::inactive(8, 6);
    b.dirty(0..3);
    b.run_at(1, 100);
    assert_eq!(b.freed(), [3, 4, 5]);
    assert_eq!(b.list(List::Inactive), [0, 1, 2]);
    assert!((0..3).all(|f| b.marked(f)));
    assert_eq!(b.written(), []);
}

#[test]
fn pgo_079_pass_2_writes_without_second_chance() {
    let mut b = Bench::inactive(64, 50);
    b.dirty(0..50);
    b.run_at(2, 1000);
    assert_eq!(b.written().len(), 50);
}

#[test]
fn pgo_085_budget_is_in_operations() {
    let mut b = Bench::new(40);
    for frame in 0..16 {
        b.sim.page_in(frame, (0, frame.into()), Queue::Inactive);
    }
    b.add(16..20, Queue::Inactive);
    b.dirty(0..20);
    b.mark_dirty();
    b.sim.tunables.max_launder = 1;
    b.run_at(1, 100);
    assert_eq!(b.sim.writes, [(0, 0..16)], "one write of 16 pages, then no more");
}

/// PGO-026 and, for the pages, W05.
#[test]
fn pgo_026_w05_laundry_budget() {
    for (max_launder, expected) in [(32, 32), (1, 1), (0, 1), (-5, 1), (i32::MIN, 1), (300, 300)] {
        let mut b = Bench::inactive(500, 400);
        b.dirty(0..400);
        b.sim.tunables.max_launder = max_launder;
        b.mark_dirty();
        b.run_at(1, 1000);
        assert_eq!(b.written().len(), expected, "max_launder {max_launder}");
    }
    // From pass 2 on it does not limit.
    let mut b = Bench::inactive(500, 400);
    b.dirty(0..400);
    b.sim.tunables.max_launder = 1;
    b.run_at(2, 1000);
    assert_eq!(b.written().len(), 400);
}

/// W05: from pass 2 on 10,000 pages, not 10,000 operations of 16; and a bound on what is under way.
#[test]
fn w05_pages_and_outstanding_writes_are_bounded() {
    let fill = |count: u32| {
        let mut b = Bench::new(count);
        b.sim.meter.thresholds.free_target = 100_000;
        for frame in 0..count {
            b.sim.page_in(frame, (0, frame.into()), Queue::Inactive);
        }
        b.dirty(0..count);
        b
    };
    let mut b = fill(12_000);
    b.sim.tunables.max_laundering = 1_000_000;
    b.run_at(2, 50_000);
    assert_eq!(b.sim.meter.laundering, 10_000);

    let mut b = fill(2_000);
    b.sim.tunables.max_laundering = 100;
    b.run_at(2, 50_000);
    // The last operation begins below the bound and may pass it by a cluster less one page.
    assert_eq!(b.sim.meter.laundering, 112);
    b.run_at(3, 50_000);
    assert_eq!(b.sim.meter.laundering, 112, "no more while they are under way");
}

#[test]
fn pgo_086_what_is_stuck() {
    let mut b = Bench::inactive(10, 7);
    b.sim.objects.insert(6, SimObject { size: 9, referenced: true, dead: true });
    for held in 0..4 {
        b.sim.pages[held].held = true;
    }
    b.sim.pages[4].busy = true;
    b.sim.pages[5].busy = true;
    b.dirty(6..7);
    b.run_at(1, 10);
    assert_eq!(b.policy.stats().stuck, 7);
}

#[test]
fn pgo_087_each_page_once() {
    let mut b = Bench::inactive(10, 10);
    b.dirty(0..10);
    b.run_at(1, 5);
    assert_eq!(b.policy.stats().v_pdpages, 10);
    assert!((0..10).all(|f| b.marked(f)));
    assert_eq!(b.written(), []);
    // And it stops when the shortage is met.
    let mut b = Bench::inactive(10, 10);
    b.run_at(1, 4);
    assert_eq!((b.policy.stats().v_pdpages, b.freed().len()), (4, 4));
}

#[test]
fn pgo_088_pages_looked_at() {
    let mut b = Bench::inactive(8, 5);
    b.sim.pages[2].held = true;
    b.run_at(1, 100);
    assert_eq!(b.policy.stats().v_pdpages, 5);
}

#[test]
fn pgo_089_activity_count_plays_no_part() {
    let mut b = Bench::inactive(4, 1);
    // Frame 1 has a high count when it becomes inactive.
    b.add(1..2, Queue::Active);
    b.sim.pages[1].refs = 64;
    b.idle();
    b.sim.now_us += 600_000_000;
    b.idle();
    assert_eq!(b.act_count(1), 64);
    b.sim.events.push_back(Event::Deactivate(b.sim.page(1)));
    b.run_at(1, 2);
    assert_eq!(b.freed(), [0, 1]);
}

#[test]
fn pgo_092_held() {
    let mut b = Bench::inactive(4, 2);
    b.sim.pages[0].held = true;
    b.run_at(1, 2);
    assert_eq!(b.list(List::Inactive), [0]);
    assert_eq!(b.policy.stats().stuck, 1);
}

#[test]
fn pgo_094_busy_keeps_its_place() {
    let mut b = Bench::inactive(4, 3);
    b.sim.pages[1].busy = true;
    b.sim.pages[2].held = true;
    b.run_at(1, 3);
    assert_eq!(b.list(List::Inactive), [1, 2]);
    assert_eq!(b.policy.stats().stuck, 2);
}

/// References that were harvested while a page was busy or held are not lost, and not counted twice.
#[test]
fn references_of_stuck_pages_are_kept() {
    let mut b = Bench::inactive(8, 8);
    b.sim.pages[0].held = true;
    b.sim.pages[0].refs = 2;
    b.run_at(1, 1);
    assert_eq!((b.list(List::Inactive)[0], b.policy.stats().stuck), (0, 1));
    b.sim.pages[0].held = false;
    b.idle();
    b.run_at(1, 1);
    assert_eq!(b.list(List::Active), [0]);
    assert_eq!(b.act_count(0), 10);
}

#[test]
fn pgo_095_invalid() {
    let mut b = Bench::inactive(4, 1);
    b.sim.pages[0].invalid = true;
    b.sim.pages[0].flag = true;
    b.dirty(0..1);
    b.run_at(1, 1);
    assert_eq!(b.freed(), [0]);
}

#[test]
fn pgo_096_reference_collection() {
    let mut b = Bench::new(4);
    b.sim.page_in(0, (0, 0), Queue::Inactive);
    b.sim.pages[0].flag = true;
    b.sim.pages[0].refs = 2;
    assert_eq!(b.sim.look(0), 3);
    assert_eq!(b.sim.look(0), 0, "cleared by the look");
    b.sim.objects.insert(0, SimObject { size: 1, referenced: false, dead: false });
    b.sim.pages[0].flag = true;
    b.sim.pages[0].refs = 2;
    assert_eq!(b.sim.look(0), 1);
}

#[test]
fn pgo_098_reactivation() {
    let mut b = Bench::inactive(8, 6);
    b.sim.pages[0].refs = 2;
    b.run_at(1, 1);
    assert_eq!(b.list(List::Active), [0]);
    assert_eq!(b.act_count(0), 10, "5 + 3 + 2");
    assert_eq!(b.freed(), [1], "no progress: the next is freed");
    assert_eq!((b.policy.stats().stuck, b.policy.stats().reactivated), (0, 1));
    assert_eq!(b.wants(0), [Want::Activate], "and the machine is told");
}

#[test]
fn pgo_099_unreferenced_object() {
    let mut b = Bench::inactive(8, 3);
    b.sim.objects.insert(0, SimObject { size: 1, referenced: false, dead: false });
    b.sim.pages[0].flag = true;
    b.run_at(1, 1);
    assert_eq!(b.list(List::Inactive), [2, 0]);
    assert_eq!(b.freed(), [1]);
}

#[test]
fn pgo_100_dead_object_referenced() {
    let mut b = Bench::inactive(8, 1);
    b.sim.objects.insert(0, SimObject { size: 1, referenced: false, dead: true });
    b.sim.pages[0].flag = true;
    b.run_at(1, 1);
    assert_eq!(b.freed(), [0]);
}

#[test]
fn pgo_101_modified_at_the_last_moment() {
    let mut b = Bench::inactive(8, 1);
    b.sim.pages[0].dirty_in_mapping = true;
    b.run_at(1, 1);
    assert_eq!(b.freed(), []);
    assert!(b.sim.pages[0].dirty && b.marked(0));
}

#[test]
fn pgo_102_clean() {
    let mut b = Bench::inactive(8, 3);
    b.run_at(1, 2);
    assert_eq!(b.freed(), [0, 1]);
    assert_eq!(b.policy.stats().v_dfree, 2);
}

#[test]
fn pgo_103_dirty_in_dead_object() {
    let mut b = Bench::inactive(8, 2);
    b.sim.objects.insert(0, SimObject { size: 1, referenced: false, dead: true });
    b.dirty(0..1);
    b.run_at(2, 2);
    assert_eq!(b.list(List::Inactive), [0]);
    assert_eq!(b.policy.stats().stuck, 1);
    assert_eq!(b.written(), []);
}

#[test]
fn pgo_104_second_chance_for_dirty() {
    let mut b = Bench::inactive(8, 3);
    b.dirty(0..1);
    b.run_at(1, 1);
    assert_eq!(b.list(List::Inactive), [2, 0]);
    assert!(b.marked(0));
    assert_eq!(b.written(), []);
    b.idle();
    b.run_at(1, 2);
    assert_eq!(b.written(), [(0, 0)]);
}

#[test]
fn pgo_105_pass_2_gives_no_second_chance() {
    let mut b = Bench::inactive(8, 1);
    b.dirty(0..1);
    b.run_at(2, 1);
    assert_eq!(b.written(), [(0, 0)]);
}

/// Whether a marked dirty page is written, and where it is then, by tunables and free pages.
fn gated(defer: bool, disable: bool, below_minimum: bool) -> (bool, List) {
    let mut b = Bench::inactive(8, 2);
    b.dirty(0..2);
    b.sim.pages[1].held = true;
    b.mark_dirty();
    b.sim.tunables.defer_swapspace_pageouts = defer;
    b.sim.tunables.disable_swapspace_pageouts = disable;
    // Target 5627, minimum 1700.
    b.run_at(1, if below_minimum { 3928 } else { 3927 });
    let list = if b.list(List::Parked).is_empty() { List::Inactive } else { List::Parked };
    (!b.written().is_empty(), list)
}

#[test]
fn pgo_032_pgo_033_pgo_106_launder_gate() {
    for below in [false, true] {
        assert_eq!(gated(false, false, below), (true, List::Inactive));
        assert_eq!(gated(true, false, below), (below, List::Inactive));
        // Disabled goes before deferred.
        assert_eq!(gated(false, true, below), (false, List::Parked));
        assert_eq!(gated(true, true, below), (false, List::Parked));
    }
    // Not written means to the tail.
    let mut b = Bench::inactive(8, 2);
    b.dirty(0..2);
    b.mark_dirty();
    b.sim.pages[1].dirty = false;
    b.sim.tunables.defer_swapspace_pageouts = true;
    b.run_at(1, 10);
    assert_eq!((b.list(List::Inactive), b.freed()), (vec![0], vec![1]));
}

/// PGO-032 in a batch: the gate closes in the middle when freeing reaches the minimum.
#[test]
fn pgo_032_gate_closes_in_mid_scan() {
    let mut b = Bench::inactive(64, 20);
    // Ten clean pages, then ten dirty and marked ones, with 5 missing to the minimum.
    b.dirty(10..20);
    b.run_at(2, 5627 - 1695);
    assert_eq!(b.written().len(), 10, "not deferred: all are written");

    let mut b = Bench::inactive(64, 20);
    b.dirty(10..20);
    b.sim.tunables.defer_swapspace_pageouts = true;
    b.run_at(2, 5627 - 1695);
    assert_eq!(b.freed().len(), 10);
    assert_eq!(b.written(), [], "the minimum was reached before the first dirty page");
}

/// W31: with writing disabled, dirty pages do not go round and round; they are set aside, counted, and come back.
#[test]
fn w31_disabled_pageouts_set_pages_aside() {
    let mut b = Bench::inactive(8, 4);
    b.dirty(0..4);
    b.sim.tunables.disable_swapspace_pageouts = true;
    b.run_at(1, 100);
    b.run(100);
    assert_eq!(b.policy.stats().unreclaimable_count, 4);
    let before = b.policy.stats().v_pdpages;
    b.run(100);
    assert_eq!(b.policy.stats().v_pdpages, before, "nobody looks at them again");
    assert_eq!(b.policy.stats().stuck, 0);
    // Somebody uses one: it is an ordinary page again.
    b.sim.events.push_back(Event::Activate(b.sim.page(2)));
    b.idle();
    assert_eq!(b.list(List::Active), [2]);
    b.sim.tunables.disable_swapspace_pageouts = false;
    b.run_at(1, 100);
    assert_eq!(b.policy.stats().unreclaimable_count, 0);
    assert_eq!(b.written(), [(0, 0), (1, 0), (3, 0)]);
}

#[test]
fn pgo_107_launder_success() {
    let mut b = Bench::new(40);
    for frame in 0..16 {
        b.sim.page_in(frame, (0, frame.into()), Queue::Inactive);
    }
    b.add(16..24, Queue::Inactive);
    b.dirty(0..16);
    b.run_at(2, 3);
    assert_eq!(b.sim.writes, [(0, 0..16)]);
    assert_eq!(b.freed(), [16, 17], "16 pages written reduced the shortage by 1");
    assert_eq!((b.policy.stats().launders, b.policy.stats().launder_pages), (1, 16));
}

#[test]
fn pgo_034_pgo_108_file_locked() {
    let mut b = Bench::inactive(8, 3);
    b.dirty(0..3);
    b.sim.launder_script.extend((0..3).map(|f| (f, Verdict::Locked)));
    b.run_at(2, 10);
    assert_eq!(b.policy.stats().lock_miss, 3);
    assert_eq!(b.list(List::Inactive), [0, 1, 2]);
    assert_eq!(b.policy.stats().stuck, 0);
}

#[test]
fn pgo_109_busy_meanwhile() {
    let mut b = Bench::inactive(8, 1);
    b.dirty(0..1);
    b.sim.launder_script.insert(0, Verdict::Busy);
    b.run_at(2, 10);
    assert_eq!(b.policy.stats().stuck, 1);
}

#[test]
fn pgo_110_other_errors() {
    for verdict in [Verdict::Changed, Verdict::Again] {
        let mut b = Bench::inactive(8, 2);
        b.dirty(0..2);
        b.sim.launder_script.insert(0, verdict);
        b.sim.tunables.max_launder = 1;
        b.mark_dirty();
        b.run_at(1, 10);
        assert_eq!(b.policy.stats().stuck, 0);
        assert_eq!(b.list(List::Inactive), [0, 1]);
        assert_eq!(b.written(), [(1, 0)], "the budget of one was still there");
    }
}

/// PGO-013 and PGO-015 as the policy sees them: activated at once, in its order as in the machine's record.
#[test]
fn failed_writes_activate() {
    for verdict in [Verdict::NoSpace, Verdict::Failed] {
        let mut b = Bench::inactive(8, 8);
        b.dirty(0..1);
        b.sim.launder_script.insert(0, verdict);
        b.run_at(2, 1);
        assert_eq!(b.list(List::Active), [0]);
        assert_eq!(b.sim.pages[0].queue, Some(Queue::Active));
        assert_eq!(b.policy.stats().inactive_count, 6);
    }
    // The same for a write that fails later.
    let mut b = Bench::inactive(8, 8);
    b.dirty(0..1);
    b.run_at(2, 1);
    assert!(b.sim.complete(false));
    b.idle();
    assert_eq!(b.list(List::Active), [0]);
    assert_eq!(b.policy.stats().laundered_failed, 1);
}

#[test]
fn pgo_111_budget_exhausted() {
    let mut b = Bench::inactive(8, 3);
    b.dirty(0..3);
    b.mark_dirty();
    b.sim.tunables.max_launder = 1;
    b.run_at(1, 10);
    assert_eq!(b.written(), [(0, 0)]);
    assert_eq!(b.list(List::Inactive), [0, 1, 2], "neither requeued");
    assert_eq!(b.policy.stats().stuck, 0, "nor stuck");
}

/// A page whose write is under way is passed over without asking, counted as stuck, and freed when the write is over.
#[test]
fn pages_being_written_are_not_asked_about() {
    let mut b = Bench::inactive(8, 1);
    b.dirty(0..1);
    b.run_at(2, 5);
    b.run(5);
    assert_eq!(b.wants(0), [Want::Launder]);
    assert_eq!(b.policy.stats().stuck, 1);
    assert!(b.sim.complete(true));
    b.run(5);
    assert_eq!(b.freed(), [0]);
}

#[test]
fn pgo_241_what_counts_as_freed() {
    let mut b = Bench::inactive(8, 3);
    b.dirty(2..3);
    b.run_at(2, 10);
    let stats = b.policy.stats();
    assert_eq!((stats.v_dfree, stats.launders), (2, 1));
}

/// A policy that is refused everything goes on, and says so.
#[test]
fn refusals_are_counted() {
    let mut b = Bench::inactive(8, 2);
    b.dirty(0..1);
    b.sim.launder_script.insert(0, Verdict::Refused);
    b.run_at(2, 10);
    assert_eq!(b.policy.stats().refused, 1);
    assert_eq!(b.list(List::Inactive), [0]);
}
