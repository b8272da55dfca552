// SPDX-License-Identifier: BSD-2-Clause
//! Sections 5, 7, 8, 10 and 10a: slots and page-out.

extern crate std;

use super::machine::{Machine, pages};
use ebb_proto::block::Transfer;
use ebb_proto::pager::{Op, Outcome};
use std::collections::HashSet;
use std::vec;
use std::vec::Vec;

const OK: Outcome = Outcome::Ok;
const FAIL: Outcome = Outcome::Fail;

fn writes(m: &Machine, disk: u8) -> Vec<(u64, usize)> {
    m.disks[&disk].served.iter().filter(|s| s.0 == Transfer::Write).map(|s| (s.1, s.2)).collect()
}

/// SWP-001, SWP-073, SWP-125, SWP-133: a run of 16 is one write of consecutive slots; 40 pages are three of them.
#[test]
fn swp_125_chunks() {
    let (mut m, mut p) = Machine::with_pager(&[100]);
    for (from, count) in [(0, 16), (16, 16), (32, 8)] {
        assert_eq!(m.put(&mut p, 1, &pages(from, count, 7)), vec![OK; count as usize]);
    }
    assert_eq!(writes(&m, 1), [(2, 16), (18, 16), (34, 8)]);
    assert_eq!((p.counters().writes, p.counters().pages_out), (3, 40));
    assert_eq!(m.audit(&mut p), 40);
}

/// SWP-074: three devices, four allocations: devices 1, 2, 3, 1. SWP-081: each transfer goes to its own.
#[test]
fn swp_074_rotation() {
    let (mut m, mut p) = Machine::with_pager(&[10, 10, 10]);
    for index in 0..4 {
        m.put(&mut p, 1, &[(index, index)]);
    }
    assert_eq!([1, 2, 3].map(|d| writes(&m, d).len()), [2, 1, 1]);
}

/// SWP-075: after a failure the rotation begins at the first device.
#[test]
fn swp_075_failure_resets_the_rotation() {
    let (mut m, mut p) = Machine::with_pager(&[1, 1]);
    m.put(&mut p, 1, &[(0, 0)]);
    m.put(&mut p, 1, &[(1, 0)]);
    assert_eq!(m.put(&mut p, 1, &[(2, 0)]), [FAIL]);
    m.op(&mut p, Op::Free, [1, 0, 10]);
    m.put(&mut p, 1, &[(3, 0)]);
    assert_eq!((writes(&m, 1).len(), writes(&m, 2).len()), (2, 1));
}

/// SWP-077, SWP-083: counts are exact, slot by slot.
#[test]
fn swp_077_accounting() {
    let (mut m, mut p) = Machine::with_pager(&[100]);
    m.put(&mut p, 1, &pages(0, 16, 0));
    assert_eq!((p.summary().devices[0].used, p.devices.available()), (16, 84));
    assert_eq!(m.op(&mut p, Op::Free, [1, 4, 4]), (OK, [4, 0]));
    assert_eq!((p.summary().devices[0].used, p.devices.available()), (12, 88));
}

/// SWP-078, SWP-W09, SWP-W10: fragmented to single slots, 16 pages are written one by one, and swap is not called full.
#[test]
fn swp_w10_falls_back_to_one() {
    let (mut m, mut p) = Machine::with_pager(&[64]);
    for from in [0, 16, 32, 48] {
        m.put(&mut p, 1, &pages(from, 16, 0));
    }
    for index in (0..64).step_by(2) {
        m.op(&mut p, Op::Free, [1, index, 1]);
    }
    assert_eq!(m.put(&mut p, 2, &pages(0, 16, 90)), [OK; 16]);
    assert!(!p.summary().full.0);
    assert_eq!(m.audit(&mut p), 48);
}

/// SWP-126: a device without a run of 16 takes 8, 4, and so on: the sizes are halved.
#[test]
fn swp_126_halves() {
    let (mut m, mut p) = Machine::with_pager(&[11]);
    assert_eq!(m.put(&mut p, 1, &pages(0, 16, 0)), [[OK; 11].as_slice(), &[FAIL; 5]].concat());
    assert_eq!(writes(&m, 1).iter().map(|w| w.1).collect::<Vec<_>>(), [8, 2, 1]);
}

/// SWP-127, SWP-128, SWP-078: full: each page fails, its old copy stays readable; one message.
#[test]
fn swp_127_swp_128_full() {
    let (mut m, mut p) = Machine::with_pager(&[4]);
    m.put(&mut p, 1, &pages(0, 4, 10));
    let before = m.disks[&1].served.len();
    assert_eq!(m.put(&mut p, 1, &pages(0, 4, 99)), [FAIL; 4]);
    assert_eq!(m.put(&mut p, 2, &pages(0, 16, 99)), [FAIL; 16]);
    assert_eq!(m.disks[&1].served.len(), before, "no I/O");
    assert!(p.summary().full.0);
    assert_eq!(m.log.iter().filter(|l| l.contains("out of swap space")).count(), 1);
    assert_eq!(m.get(&mut p, 1, 0, &[0, 1, 2, 3]), [Ok(10), Ok(11), Ok(12), Ok(13)]);
}

/// SWP-079, SWP-062: full ends with the next slot that is freed.
#[test]
fn swp_079_full_ends() {
    let (mut m, mut p) = Machine::with_pager(&[4]);
    m.put(&mut p, 1, &pages(0, 5, 10));
    assert!(p.summary().full.0);
    m.op(&mut p, Op::Free, [1, 0, 1]);
    assert!(!p.summary().full.0);
}

/// SWP-129, SWP-W12: the old copy is there until the new one is durable, then its slot is free.
#[test]
fn swp_w12_old_copy_until_the_new_one_is_durable() {
    let (mut m, mut p) = Machine::with_pager(&[2]);
    m.put(&mut p, 1, &[(0, 10)]);
    let (put, _) = m.run(Op::Put, 1, 0, &[(0, 20)]);
    p.pump(&mut m);
    assert_eq!(p.summary().devices[0].used, 2);
    m.disks.get_mut(&1).unwrap().broken.insert(2 + 1);
    m.settle(&mut p);
    assert_eq!(m.collect(put, 1), [Outcome::Error]);
    assert_eq!(m.get(&mut p, 1, 0, &[0]), [Ok(10)]);
    let (mut m, mut p) = Machine::with_pager(&[2]);
    m.put(&mut p, 1, &[(0, 10)]);
    m.put(&mut p, 1, &[(0, 20)]);
    assert_eq!(m.get(&mut p, 1, 0, &[0]), [Ok(20)]);
    assert_eq!(m.audit(&mut p), 1);
}

/// SWP-129 across devices: the rotation writes the new copy elsewhere, and the old one goes.
#[test]
fn swp_129_replaced_on_another_device() {
    let (mut m, mut p) = Machine::with_pager(&[2, 2]);
    for contents in 0..20 {
        assert_eq!(m.put(&mut p, 1, &[(0, contents)]), [OK]);
        assert_eq!(m.get(&mut p, 1, 0, &[0]), [Ok(contents)]);
        assert_eq!(m.audit(&mut p), 1);
    }
}

/// SWP-139, SWP-145, SWP-W13: of a failed cluster only the page on the bad slot fails, that slot is never used again, the failure is in the log.
#[test]
fn swp_w13_bad_slots_are_set_aside() {
    let (mut m, mut p) = Machine::with_pager(&[20]);
    m.disks.get_mut(&1).unwrap().broken.insert(2 + 5);
    let outcomes = m.put(&mut p, 1, &pages(0, 16, 0));
    let failed: Vec<_> = (0..16).filter(|i| outcomes[*i] != OK).collect();
    assert_eq!((failed, outcomes[5]), (vec![5], Outcome::Error));
    assert!(
        m.log.iter().any(|l| l.contains("Write") && l.contains("slot 5 ") && l.contains("Io")),
        "{:?}",
        m.log
    );
    assert_eq!((p.summary().devices[0].bad, p.summary().devices[0].slots), (1, 19));
    assert_eq!(m.put(&mut p, 1, &[(5, 5)]), [OK]);
    m.op(&mut p, Op::Free, [1, 0, 100]);
    assert_eq!(m.put(&mut p, 1, &pages(0, 16, 0)), [OK; 16]);
    assert_eq!(m.put(&mut p, 1, &pages(16, 4, 0)), [OK, OK, OK, FAIL]);
    m.audit(&mut p);
}

/// A disk that refuses every write costs slots, never the pager.
#[test]
fn a_dead_disk_ends_in_fail() {
    let (mut m, mut p) = Machine::with_pager(&[20]);
    m.disks.get_mut(&1).unwrap().broken = (0..22).collect();
    assert_eq!(m.put(&mut p, 1, &pages(0, 16, 0)), [Outcome::Error; 16]);
    assert_eq!(m.put(&mut p, 1, &pages(0, 5, 0)), [[Outcome::Error; 4].as_slice(), &[FAIL]].concat());
    assert_eq!((p.summary().devices[0].bad, m.audit(&mut p)), (20, 0));
}

/// SWP-152: whatever happened, everything in flight comes to its end and all room is there again.
#[test]
fn swp_152_budgets_return() {
    let (mut m, mut p) = Machine::with_pager(&[2000]);
    m.ring_size = 20;
    m.disks.get_mut(&1).unwrap().broken = (100..120).collect();
    let mut cookies = Vec::new();
    for run in 0..31 {
        cookies.push(m.run(Op::Put, 1, 0, &pages(run * 16, 16, 0)).0);
    }
    p.pump(&mut m);
    while !m.ring.is_empty() {
        // The last of what is under way is served first.
        m.serve_one(m.requests().len() - 1);
        p.pump(&mut m);
    }
    let outcomes: Vec<_> = cookies.iter().flat_map(|c| m.collect(*c, 16)).collect();
    assert_eq!(outcomes.iter().filter(|o| **o == Outcome::Error).count(), 20);
    assert!(p.is_idle() && p.requests.is_empty());
    assert_eq!(m.audit(&mut p), 31 * 16 - 20);
}

/// SWP-087, SWP-165, SWP-166: a range is freed exactly, holes are no error.
#[test]
fn swp_087_free_ranges() {
    let (mut m, mut p) = Machine::with_pager(&[40]);
    m.put(&mut p, 1, &[(3, 3), (5, 5)]);
    m.put(&mut p, 1, &[(34, 34)]);
    assert_eq!(m.op(&mut p, Op::Free, [1, 0, 5]), (OK, [1, 0]));
    assert_eq!(m.get(&mut p, 1, 0, &[3]), [Err(FAIL)]);
    assert_eq!(m.get(&mut p, 1, 0, &[5]), [Ok(5)]);
    assert_eq!(m.op(&mut p, Op::Free, [1, 30, 4]), (OK, [0, 0]));
    assert_eq!(m.get(&mut p, 1, 0, &[34]), [Ok(34)]);
}

/// SWP-164, SWP-167, SWP-W24: the whole of an object, however sparse and large, costs no more than the slots there are.
#[test]
fn swp_164_sparse_objects() {
    let (mut m, mut p) = Machine::with_pager(&[40]);
    let indexes = [0, 1 << 20, (1 << 32) - 1];
    for index in indexes {
        m.put(&mut p, 1, &[(index, index)]);
        m.put(&mut p, 2, &[(index, index)]);
    }
    assert_eq!(m.op(&mut p, Op::Audit, [1, 0, 0]), (OK, [3, 0]));
    assert_eq!(m.op(&mut p, Op::Free, [1, 0, u64::MAX]), (OK, [3, 0]));
    assert_eq!(m.op(&mut p, Op::Audit, [1, 0, 0]), (OK, [0, 0]));
    assert_eq!(m.op(&mut p, Op::Audit, [2, 0, 0]), (OK, [3, 0]));
    assert_eq!(m.audit(&mut p), 3);
}

/// A copy that is freed while it is being written never comes to be.
#[test]
fn freed_while_being_written() {
    let (mut m, mut p) = Machine::with_pager(&[10]);
    let (first, _) = m.run(Op::Put, 1, 0, &pages(0, 3, 0));
    m.submit_op(Op::Free, [1, 1, 1]);
    m.settle(&mut p);
    assert_eq!(m.collect(first, 3), [OK, FAIL, OK]);
    assert_eq!((m.audit(&mut p), p.devices.available()), (2, 8));
}

/// SWP-086: property: no request ever leaves its device or touches the label, and no slot is used twice.
#[test]
fn swp_086_slots_are_disjoint() {
    let (mut m, mut p) = Machine::with_pager(&[37, 5, 50]);
    let mut x = 1u64;
    for _ in 0..400 {
        x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let (object, index, count) = (x >> 33 & 1, x >> 40 & 63, (x >> 50 & 15) + 1);
        if x >> 60 < 5 {
            m.op(&mut p, Op::Free, [object, index, count]);
        } else {
            m.put(&mut p, object, &pages(index, count, x));
        }
        let used: Vec<_> = p
            .devices
            .iter()
            .flat_map(|d| (0..d.table().slots()).filter_map(|s| d.table().get(s)).map(move |r| (d.disk, r)))
            .filter_map(|(_, r)| if let crate::record::Record::Committed(k, _) = r { Some(k) } else { None })
            .collect();
        assert_eq!(used.iter().collect::<HashSet<_>>().len(), used.len());
    }
    m.audit(&mut p);
}
