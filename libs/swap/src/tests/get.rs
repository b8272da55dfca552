// SPDX-License-Identifier: BSD-2-Clause
//! Section 9: page-in.

extern crate std;

use super::machine::{Machine, pages};
use crate::record::Key;
use ebb_proto::block::Transfer;
use ebb_proto::pager::{Op, Outcome};
use std::vec;

const FAIL: Result<u64, Outcome> = Err(Outcome::Fail);

/// SWP-106, SWP-107, SWP-109, SWP-113: slots such as 7, 8, 9, 20 for pages 0 to 3, the second wanted: one read of pages 0 to 2.
#[test]
fn swp_106_longest_run_around_the_wanted_page() {
    let (mut m, mut p) = Machine::with_pager(&[40]);
    assert_eq!(m.put(&mut p, 9, &pages(0, 7, 0)), [Outcome::Ok; 7]);
    assert_eq!(m.put(&mut p, 1, &pages(0, 3, 100)), [Outcome::Ok; 3]);
    m.put(&mut p, 9, &pages(20, 5, 0));
    m.put(&mut p, 1, &pages(3, 1, 100));
    let slot = p.devices.find(Key { object: 1, index: 0 }).map(|(_, slot, _)| slot as u64).unwrap();
    m.disks.get_mut(&1).unwrap().served.clear();
    assert_eq!(m.get(&mut p, 1, 1, &[0, 1, 2, 3]), [Ok(100), Ok(101), Ok(102), FAIL]);
    assert_eq!(m.disks[&1].served, [(Transfer::Read, 2 + slot, 3)]);
    assert_eq!((p.counters().reads, p.counters().pages_in), (1, 3));
}

/// SWP-106: pages that lie on the device in another order are no run.
#[test]
fn swp_106_same_order_only() {
    let (mut m, mut p) = Machine::with_pager(&[40]);
    for index in [2, 1, 0] {
        m.put(&mut p, 1, &[(index, index)]);
    }
    assert_eq!(m.get(&mut p, 1, 1, &[0, 1, 2]), [FAIL, Ok(1), FAIL]);
}

/// SWP-080, SWP-086, SWP-101: the last slot of one device and the first of the next are not contiguous.
#[test]
fn swp_101_runs_never_cross_devices() {
    let (mut m, mut p) = Machine::with_pager(&[1, 1]);
    m.put(&mut p, 1, &pages(0, 2, 5));
    assert_eq!(m.get(&mut p, 1, 0, &[0, 1]), [Ok(5), FAIL]);
    assert_eq!(m.get(&mut p, 1, 1, &[0, 1]), [FAIL, Ok(6)]);
}

/// SWP-108: no slot: everything fails, nothing is read.
#[test]
fn swp_108_no_slot() {
    let (mut m, mut p) = Machine::with_pager(&[40]);
    m.put(&mut p, 1, &[(0, 1)]);
    assert_eq!(m.get(&mut p, 1, 1, &[0, 1]), [FAIL, FAIL]);
    assert_eq!(m.get(&mut p, 2, 0, &[0]), [FAIL]);
    assert!(m.disks[&1].served.iter().all(|s| s.0 == Transfer::Write));
}

/// SWP-110: reads beyond what can be in flight wait, and come to their end.
#[test]
fn swp_110_read_budget() {
    let (mut m, mut p) = Machine::with_pager(&[300]);
    for index in 0..300 {
        m.put(&mut p, 1, &[(index, index)]);
    }
    let mut first = 0;
    for index in 0..300 {
        let (cookie, _) = m.run(Op::Get, 1, 0, &[(index, 0)]);
        first = if index == 0 { cookie } else { first };
    }
    p.pump(&mut m);
    assert_eq!(m.requests().len(), crate::request::MAX_REQUESTS);
    m.settle(&mut p);
    assert_eq!(m.collect(first, 300), vec![Outcome::Ok; 300]);
    assert!(p.is_idle());
}

/// SWP-115, SWP-W15: a stalled disk stalls nothing but its own requests.
#[test]
fn swp_115_a_slow_disk_holds_up_nobody_else() {
    let (mut m, mut p) = Machine::with_pager(&[20, 20]);
    m.put(&mut p, 1, &[(0, 1)]);
    m.put(&mut p, 1, &[(1, 2)]);
    let (slow, _) = m.run(Op::Get, 1, 0, &[(0, 0)]);
    let (fast, _) = m.run(Op::Get, 1, 0, &[(1, 0)]);
    p.pump(&mut m);
    m.serve_one(1);
    p.pump(&mut m);
    assert_eq!(m.collect(fast, 1), [Outcome::Ok]);
    assert!(m.outbox.is_empty());
    m.settle(&mut p);
    assert_eq!(m.collect(slow, 1), [Outcome::Ok]);
}

/// SWP-116, SWP-142, SWP-143, SWP-W14: an unreadable neighbour costs only itself; an unreadable wanted page is an error, its slot is not used again.
#[test]
fn swp_116_read_errors() {
    let (mut m, mut p) = Machine::with_pager(&[4]);
    m.put(&mut p, 1, &pages(0, 3, 50));
    m.disks.get_mut(&1).unwrap().broken.insert(2 + 2);
    assert_eq!(m.get(&mut p, 1, 0, &[0, 1, 2]), [Ok(50), FAIL, FAIL]);
    assert_eq!(m.get(&mut p, 1, 2, &[0, 1, 2]), [FAIL, FAIL, Err(Outcome::Error)]);
    assert_eq!(m.get(&mut p, 1, 2, &[0, 1, 2]), [FAIL, FAIL, Err(Outcome::Error)], "the slot keeps its page");
    assert_eq!(m.op(&mut p, Op::Free, [1, 0, 3]), (Outcome::Ok, [3, 0]));
    assert_eq!((p.summary().devices[0].bad, p.summary().devices[0].used), (1, 0));
    assert_eq!(m.put(&mut p, 1, &pages(0, 4, 60))[3], Outcome::Fail, "three slots are left");
    m.audit(&mut p);
}

/// SWP-118: a read frees nothing.
#[test]
fn swp_118_slots_stay() {
    let (mut m, mut p) = Machine::with_pager(&[4]);
    m.put(&mut p, 1, &pages(0, 4, 0));
    for _ in 0..3 {
        assert_eq!(m.get(&mut p, 1, 0, &[0, 1]), [Ok(0), Ok(1)]);
    }
    assert_eq!(m.audit(&mut p), 4);
}

/// What is read for a copy that is freed meanwhile is no page.
#[test]
fn a_copy_freed_during_the_read_is_none() {
    let (mut m, mut p) = Machine::with_pager(&[4]);
    m.put(&mut p, 1, &pages(0, 2, 0));
    let (first, _) = m.run(Op::Get, 1, 0, &[(0, 0), (1, 0)]);
    m.submit_op(Op::Free, [1, 1, 1]);
    m.settle(&mut p);
    assert_eq!(m.collect(first, 2), [Outcome::Ok, Outcome::Fail]);
}
