// SPDX-License-Identifier: BSD-2-Clause
//! Section 9: requests after the inactive scan, and the active scan.

use ebb_policy::freebsd::{Freebsd, Options};
use ebb_policy::machine::OomReason;
use ebb_policy::queues::{ACT_DECLINE, List};
use ebb_policy::sim::Call;
use ebb_policy::{Policy, Queue, Request, Verdict, Want};

use crate::Bench;

const SWAP_NORMAL: Request = Request::SwapOut(ebb_policy::swapout_request::NORMAL);
const SWAP_IDLE: Request = Request::SwapOut(ebb_policy::swapout_request::IDLE);

/// Active pages in frames `0..count`, aged by one lap whenever [`lap`] is called.
fn active(count: u32) -> Bench {
    let mut b = Bench::new(count + 8);
    b.add(0..count, Queue::Active);
    b.idle();
    b
}

fn lap(b: &mut Bench) {
    b.sim.now_us += 600_000_000;
    b.idle();
}

#[test]
fn pgo_002_decay() {
    let mut b = active(1);
    for left in (0..5).rev() {
        assert_eq!(b.list(List::Active), [0]);
        lap(&mut b);
        assert_eq!(b.act_count(0), left);
    }
    assert_eq!((b.list(List::Inactive), ACT_DECLINE), (vec![0], 1));
}

#[test]
fn pgo_003_pgo_123_advance() {
    let mut b = active(1);
    b.sim.pages[0].refs = 2;
    lap(&mut b);
    assert_eq!(b.act_count(0), 10);
    b.sim.pages[0].refs = 1;
    lap(&mut b);
    assert_eq!(b.act_count(0), 14);
    b.sim.pages[0].refs = 2;
    lap(&mut b);
    assert_eq!(b.act_count(0), 19);
}

#[test]
fn pgo_005_ceiling() {
    let mut b = active(1);
    b.sim.pages[0].refs = 55;
    lap(&mut b);
    assert_eq!(b.act_count(0), 63);
    b.sim.pages[0].refs = 1;
    lap(&mut b);
    assert_eq!(b.act_count(0), 64);
}

#[test]
fn pgo_113_process_swap_request() {
    for (enabled, pages, expected) in [(true, 1, vec![SWAP_NORMAL]), (true, 2, vec![]), (false, 1, vec![])] {
        let mut b = Bench::inactive(8, pages);
        b.sim.tunables.swap_enabled = enabled;
        b.run_at(1, 2);
        assert_eq!(b.sim.requests(), expected, "enabled {enabled}, {pages} clean pages for 2");
    }
}

/// PGO-029 and PGO-030: without process swapping there are no such requests, and all else is the same.
#[test]
fn pgo_029_pgo_030_without_swapping() {
    let run = |tunables: ebb_policy::Tunables| {
        let mut b = Bench::inactive(8, 4);
        b.dirty(0..2);
        b.sim.tunables = tunables;
        b.run_at(1, 100);
        b.run(100);
        (b.sim.requests(), b.freed(), b.written(), b.policy.stats())
    };
    let with = run(ebb_policy::Tunables::default());
    let without = run(ebb_policy::Tunables::without_swapping(0));
    assert_eq!(with.0, [SWAP_NORMAL, SWAP_NORMAL]);
    assert_eq!(without.0, []);
    assert_eq!((with.1, with.2, with.3), (without.1, without.2, without.3));
}

#[test]
fn pgo_114_syncer() {
    // Target 5627, minimum 1700: more than 3927 must be left.
    for (shortage, skipped, expected) in
        [(3928, true, vec![Request::SpeedupSyncer]), (3927, true, vec![]), (5000, false, vec![])]
    {
        let mut b = Bench::inactive(8, 1);
        b.dirty(0..1);
        let verdict = if skipped { Verdict::Locked } else { Verdict::Again };
        b.sim.launder_script.insert(0, verdict);
        b.run_at(2, shortage);
        assert_eq!(b.sim.requests(), expected, "shortage {shortage}, skipped {skipped}");
    }
}

#[test]
fn pgo_115_order_of_steps() {
    let mut b = Bench::inactive(8, 1);
    b.add(1..3, Queue::Active);
    b.dirty(0..1);
    b.sim.launder_script.insert(0, Verdict::Locked);
    b.sim.tunables.swap_enabled = true;
    b.sim.tunables.swap_idle_enabled = true;
    b.sim.tunables.pageout_oom_seq = 2;
    b.reach(1);
    b.sim.log.clear();
    b.sim.now_us += 1_000_000;
    b.run(4000);
    let steps: Vec<&str> = b
        .sim
        .log
        .iter()
        .map(|call| match call {
            Call::Harvest(frames) if frames[0] == 0 => "inactive",
            Call::Harvest(_) => "active",
            Call::Decide(_) => "decide",
            Call::Request(SWAP_NORMAL) => "swap-out",
            Call::Request(Request::SpeedupSyncer) => "syncer",
            Call::Request(Request::OutOfMemory(OomReason::Memory)) => "oom",
            Call::Request(_) => "idle",
        })
        .collect();
    assert_eq!(steps, ["inactive", "decide", "swap-out", "syncer", "oom", "active", "idle"]);
}

#[test]
fn pgo_116_active_shortage() {
    // Target 8440 less 8000 inactive, paging target 100, deficit 11, stuck 7: 558 pages.
    let mut b = Bench::new(12_000);
    b.add(0..8007, Queue::Inactive);
    b.sim.pages.iter_mut().take(7).for_each(|p| p.held = true);
    b.add(8007..12_000, Queue::Active);
    b.sim.meter.thresholds.inactive_target = 8440;
    b.sim.deficit = 11;
    // Counts of 5: five laps bring all down, and then the shortage decides.
    b.idle();
    for _ in 0..4 {
        lap(&mut b);
    }
    assert_eq!(b.policy.stats().active_count, 3993);
    // The scan wants 7 + 11 = 18 pages... of which 18 are freed, so that the paging target is -11 afterwards.
    b.run(7);
    let freed = b.freed().len() as i64;
    assert_eq!(freed, 18);
    let inactive_then = 8007 - freed;
    assert_eq!(b.policy.stats().deactivated as i64, 8440 - inactive_then + (7 - freed) + 11 + 7);
}

#[test]
fn pgo_117_minimum_by_age() {
    let mut b = active(60_000);
    b.sim.now_us += 1_000_000;
    b.idle();
    assert_eq!(b.policy.stats().v_pdpages, 100);
    // Ageing off.
    b.sim.tunables.update_period_s = 0;
    b.sim.now_us += 100_000_000;
    b.idle();
    assert_eq!(b.policy.stats().v_pdpages, 100);
    // A clock that jumps gives one lap, no more, and no overflow.
    b.sim.tunables.update_period_s = 600;
    b.sim.now_us = u64::MAX / 2;
    b.idle();
    assert_eq!(b.policy.stats().v_pdpages, 60_100);
}

#[test]
fn pgo_027_no_ageing_with_period_0() {
    let mut b = active(100);
    b.sim.tunables.update_period_s = 0;
    b.sim.now_us += 3_600_000_000;
    b.idle();
    assert_eq!(b.policy.stats().v_pdpages, 0);
}

#[test]
fn pgo_118_small_queues_accumulate_time() {
    let mut b = active(100);
    for second in 1..=30u64 {
        b.sim.now_us += 1_000_000;
        b.idle();
        assert_eq!(b.policy.stats().v_pdpages, second / 6);
    }
}

#[test]
fn pgo_119_bound_of_the_loop() {
    // No shortage, 100 due.
    let mut b = active(60_000);
    b.sim.now_us += 1_000_000;
    b.idle();
    assert_eq!(b.policy.stats().v_pdpages, 100);
    // Shortage 5, none due, all hot: one lap.
    let mut b = active(300);
    b.sim.pages.iter_mut().for_each(|p| p.refs = 1);
    b.run(5);
    assert_eq!(b.policy.stats().v_pdpages, 300);
    assert_eq!(b.policy.stats().deactivated, 0);
    // Shortage 5, all idle and about to fall: five.
    let mut b = active(300);
    for _ in 0..4 {
        lap(&mut b);
    }
    let before = b.policy.stats().v_pdpages;
    b.run(5);
    assert_eq!((b.policy.stats().v_pdpages - before, b.policy.stats().deactivated), (5, 5));
}

#[test]
fn pgo_121_looks_are_counted() {
    let mut b = active(10);
    lap(&mut b);
    assert_eq!(b.policy.stats().v_pdpages, 10);
}

#[test]
fn pgo_124_pgo_125_deactivation() {
    let mut b = active(3);
    b.add(3..4, Queue::Inactive);
    b.sim.pages[1].refs = 1;
    for _ in 0..5 {
        lap(&mut b);
    }
    assert_eq!(b.list(List::Inactive), [3, 0, 2], "to the inactive tail");
    assert_eq!(b.act_count(0), 0);
    assert_eq!(b.wants(0), [Want::Deactivate], "and the machine is told");
    assert_eq!(b.sim.pages[0].queue, Some(Queue::Inactive));
    assert!(!b.marked(0));
}

#[test]
fn pgo_126_requeue_keeps_order() {
    let mut b = active(600);
    b.sim.now_us += 200_000_000;
    b.idle();
    let order: Vec<u32> = (200..600).chain(0..200).collect();
    assert_eq!(b.list(List::Active), order);
}

#[test]
fn pgo_127_active_scan_neither_frees_nor_writes() {
    let mut b = active(300);
    b.dirty(0..300);
    for _ in 0..6 {
        lap(&mut b);
    }
    assert_eq!((b.freed(), b.written()), (vec![], vec![]));
    for call in &b.sim.log {
        if let Call::Decide(batch) = call {
            assert!(batch.iter().all(|(d, _)| d.want == Want::Deactivate));
        }
    }
}

#[test]
fn pgo_122_active_pages_of_unreferenced_objects() {
    let mut b = active(1);
    b.sim.objects.insert(0, ebb_policy::sim::SimObject { size: 1, referenced: false, dead: false });
    b.sim.pages[0].refs = 1;
    lap(&mut b);
    assert_eq!(b.act_count(0), 4, "mappings are not looked at");
    b.sim.pages[0].flag = true;
    lap(&mut b);
    assert_eq!(b.act_count(0), 8, "the flag is");
}

#[test]
fn pgo_031_pgo_128_idle_swap() {
    let mut b = Bench::new(1);
    b.sim.tunables.swap_idle_enabled = true;
    let mut expected = 0;
    for second in 0..3 {
        expected += 1;
        for part in 0..5 {
            b.sim.now_us = second * 1_000_000 + part * 199_999;
            b.idle();
            assert_eq!(b.sim.requests(), vec![SWAP_IDLE; expected]);
        }
    }
}

/// targets.md, "the reference bit after a fault": by default as the seed, on demand without the faulting instruction's.
#[test]
fn first_reference_can_be_discounted() {
    for (discount, expected) in [(false, [9, 13]), (true, [4, 8])] {
        let mut b = Bench::new(4);
        b.policy = Freebsd::new(4, Options { discount_first_reference: discount });
        b.add(0..1, Queue::Active);
        b.idle();
        for count in expected {
            b.sim.pages[0].refs = 1;
            lap(&mut b);
            assert_eq!(b.act_count(0), count, "discount {discount}");
        }
    }
    assert!(!Options::default().discount_first_reference);
}

/// What the machine refuses stays active; what is stale is forgotten.
#[test]
fn refused_deactivations() {
    let mut b = active(2);
    for _ in 0..4 {
        lap(&mut b);
    }
    b.sim.pages[1].generation += 1;
    lap(&mut b);
    assert_eq!((b.list(List::Inactive), b.list(List::Active)), (vec![0], vec![]));
    assert_eq!(b.policy.stats().stale, 1);
}
