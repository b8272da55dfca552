// SPDX-License-Identifier: BSD-2-Clause
//! Sections 12 and 13: adding and removing devices, statistics.

extern crate std;

use super::machine::{Disk, Machine, Pager, pages, segment_of};
use crate::device;
use crate::fullness::Fullness;
use ebb_proto::pager::{MAX_DEVICES, Op, Outcome};
use std::vec;

const OK: Outcome = Outcome::Ok;

/// SWP-186, SWP-188, SWP-W05, SWP-W06, SWP-W08: whole pages, two of them the label's and never counted; too small is refused, nothing is too large.
#[test]
fn swp_186_swp_188_sizes() {
    assert_eq!(device::slots(8007), 1000 - 2);
    assert_eq!([0, 8, 16, 23, 24].map(device::slots), [0, 0, 0, 0, 1]);
    assert_eq!(device::slots(300 << 21), (300 << 18) - 2, "300 GiB");
    assert_eq!(device::slots(u64::MAX), u32::MAX - 1);
    let (mut m, mut p) = Machine::with_pager(&[98]);
    assert_eq!(p.devices.available(), 98);
    for index in 0..98 {
        assert_eq!(m.put(&mut p, 1, &[(index, 0)]), [OK]);
    }
    assert_eq!(m.disks[&1].served.iter().map(|s| s.1).min(), Some(2));
    assert_eq!(m.put(&mut p, 1, &[(98, 0)]), [Outcome::Fail]);
}

/// SWP-W21, SWP-W37: the memory is known before, and it is enough: what the maker takes from the heap stays below what was told.
#[test]
fn swp_w21_memory_is_told_before() {
    let mut m = Machine::new(&[65534]);
    let mut p = Pager::new();
    let (outcome, [durable, heap]) = m.op(&mut p, Op::Prepare, [1, 0, 0]);
    assert_eq!((outcome, durable), (OK, 1 + 256));
    let blist = ebb_blist::bytes_needed(65534).unwrap() as u64;
    assert!(heap * 4096 >= blist + 65534 / 8);
    assert!(heap < 12, "{heap}: little more than two bits a slot");
}

/// SWP-180, SWP-182, SWP-195, SWP-215, SWP-216: no such disk, read-only, in use already, not in use.
#[test]
fn swp_180_who_is_refused() {
    let (mut m, mut p) = Machine::with_pager(&[20, 20]);
    m.disks.insert(7, Disk { pages: 100, read_only: true, ..Disk::default() });
    m.disks.insert(8, Disk { pages: 2, ..Disk::default() });
    for (disk, outcome) in
        [(1, Outcome::Again), (7, Outcome::Bad), (8, Outcome::Bad), (9, Outcome::Bad), (999, Outcome::Bad)]
    {
        assert_eq!(m.op(&mut p, Op::Prepare, [disk, 0, 0]).0, outcome, "{disk}");
    }
    for op in [Op::SwapOffBegin, Op::SwapOffNext, Op::SwapOffEnd, Op::SwapOffAbort] {
        assert_eq!(m.op(&mut p, op, [7, 0, 0]).0, Outcome::Bad);
    }
    assert_eq!(m.op(&mut p, Op::SwapOn, [7, segment_of(7), 0]).0, Outcome::Bad);
    assert_eq!(m.swap_on(&mut p, 1), Ok(20), "it was in use: the same answer again");
}

/// Memory that is not there, or a segment that is not, is an answer.
#[test]
fn swap_on_without_memory() {
    let mut m = Machine::new(&[20]);
    let mut p = Pager::new();
    m.heap = false;
    assert_eq!(m.swap_on(&mut p, 1), Err(Outcome::Again));
    m.heap = true;
    assert_eq!(m.op(&mut p, Op::SwapOn, [1, 0xdead_0000, 0]).0, Outcome::Error);
    assert_eq!(m.swap_on(&mut p, 1), Ok(20));
}

/// No more devices than there are places for.
#[test]
fn at_most_sixteen_devices() {
    let (mut m, mut p) = Machine::with_pager(&[3; MAX_DEVICES]);
    let mut more = Machine::new(&[3; MAX_DEVICES + 1]);
    let number = MAX_DEVICES as u8 + 1;
    m.disks.insert(number, more.disks.remove(&number).unwrap());
    m.segments.insert(segment_of(number), more.segments[&segment_of(number)]);
    assert_eq!(m.swap_on(&mut p, number), Err(Outcome::Again));
}

/// SWP-191, SWP-234, SWP-235, SWP-020: sums and devices in order.
#[test]
fn swp_234_status() {
    let (mut m, mut p) = Machine::with_pager(&[100, 50]);
    m.put(&mut p, 1, &pages(0, 10, 0));
    let s = p.summary();
    let got: vec::Vec<_> = s.devices.iter().map(|d| (d.name.as_str(), d.slots, d.used, d.closing)).collect();
    assert_eq!(got, [("swap1", 100, 10, false), ("swap2", 50, 0, false)]);
    assert_eq!((s.writes, s.pages_out, s.reads, s.errors), (1, 10, 0, 0));
}

/// SWP-076, SWP-084, SWP-198, SWP-199, SWP-206, SWP-W31: nothing new goes to a closing device; every page on it is named; it goes when it is empty.
#[test]
fn swp_198_swapoff() {
    let (mut m, mut p) = Machine::with_pager(&[100, 200]);
    for index in 0..40 {
        m.put(&mut p, 1, &[(index, index)]);
    }
    let (writing, _) = m.run(Op::Put, 1, 0, &[(40, 40)]);
    p.pump(&mut m);
    assert_eq!(m.op(&mut p, Op::SwapOffBegin, [1, 0, 0]), (OK, [21, 0]));
    assert_eq!((p.devices.available(), p.summary().devices[0].closing), (180, true));
    assert_eq!(m.op(&mut p, Op::SwapOffEnd, [1, 0, 0]).0, Outcome::Again);
    let served = m.disks[&1].served.len();
    m.put(&mut p, 2, &pages(0, 16, 0));
    m.collect(writing, 1);
    assert_eq!(m.disks[&1].served.len(), served + 1, "only what was under way");
    let mut named = 0;
    while let (OK, [object, index]) = m.op(&mut p, Op::SwapOffNext, [1, 0, 0]) {
        assert_eq!(m.get(&mut p, object, 0, &[index]), [Ok(index)]);
        assert_eq!(m.op(&mut p, Op::Free, [object, index, 1]), (OK, [1, 0]));
        assert_eq!(p.devices.available(), 164, "freed slots do not come back");
        named += 1;
    }
    assert_eq!(named, 21);
    assert_eq!(m.op(&mut p, Op::SwapOffEnd, [1, 0, 0]).0, OK);
    assert_eq!(p.summary().devices.len(), 1);
    m.put(&mut p, 1, &[(0, 0)]);
    m.audit(&mut p);
    assert_eq!(m.swap_on(&mut p, 1), Ok(100), "and comes back");
}

/// SWP-206: what was being written to the device when it began to close is found in a later pass.
#[test]
fn swp_206_in_flight() {
    let (mut m, mut p) = Machine::with_pager(&[10]);
    let (writing, _) = m.run(Op::Put, 1, 0, &pages(0, 2, 5));
    p.pump(&mut m);
    assert_eq!(m.op(&mut p, Op::SwapOffBegin, [1, 0, 0]), (OK, [2, 0]));
    assert_eq!(m.op(&mut p, Op::SwapOffNext, [1, 0, 0]).0, Outcome::Fail);
    assert_eq!(m.op(&mut p, Op::SwapOffEnd, [1, 0, 0]).0, Outcome::Again);
    m.settle(&mut p);
    assert_eq!(m.collect(writing, 2), [OK, OK]);
    assert_eq!(m.op(&mut p, Op::SwapOffNext, [1, 0, 0]), (OK, [1, 0]));
    assert_eq!(m.op(&mut p, Op::SwapOffNext, [1, 0, 0]), (OK, [1, 1]), "another one each time");
}

/// SWP-W28, SWP-W29: it can be undone, and the device is as before.
#[test]
fn swp_w29_swapoff_can_be_undone() {
    let (mut m, mut p) = Machine::with_pager(&[10]);
    m.put(&mut p, 1, &pages(0, 4, 0));
    m.op(&mut p, Op::SwapOffBegin, [1, 0, 0]);
    assert_eq!(m.put(&mut p, 1, &[(9, 9)]), [Outcome::Fail]);
    m.op(&mut p, Op::Free, [1, 0, 1]);
    assert_eq!(m.op(&mut p, Op::SwapOffAbort, [1, 0, 0]), (OK, [3, 0]));
    assert_eq!(p.devices.available(), 7);
    assert_eq!(m.put(&mut p, 1, &[(9, 9)]), [OK]);
    assert_eq!(m.op(&mut p, Op::SwapOffEnd, [1, 0, 0]).0, Outcome::Again, "not without a beginning");
}

/// SWP-W27: a page that cannot be read does not stop anything: it is named again, and freed in the end.
#[test]
fn swp_w27_read_error_during_swapoff() {
    let (mut m, mut p) = Machine::with_pager(&[10]);
    m.put(&mut p, 1, &pages(0, 2, 0));
    m.disks.get_mut(&1).unwrap().broken.insert(2);
    m.op(&mut p, Op::SwapOffBegin, [1, 0, 0]);
    assert_eq!(m.op(&mut p, Op::SwapOffNext, [1, 0, 0]), (OK, [1, 0]));
    assert_eq!(m.get(&mut p, 1, 0, &[0]), [Err(Outcome::Error)]);
    m.op(&mut p, Op::Free, [1, 0, 2]);
    assert_eq!(m.op(&mut p, Op::SwapOffEnd, [1, 0, 0]).0, OK);
}

/// SWP-200, SWP-201: without a device swap is full; the rotation does not dangle.
#[test]
fn swp_200_last_device() {
    let (mut m, mut p) = Machine::with_pager(&[600]);
    assert_eq!(p.devices.fullness, Fullness { full: false, almost: false });
    m.op(&mut p, Op::SwapOffBegin, [1, 0, 0]);
    assert_eq!(m.op(&mut p, Op::SwapOffEnd, [1, 0, 0]).0, OK);
    assert_eq!(p.devices.fullness, Fullness { full: true, almost: true });
    assert_eq!(m.put(&mut p, 1, &[(0, 0)]), [Outcome::Fail]);
}

/// SWP-012, SWP-W05: what is available is what can be allocated, also after many changes of devices.
#[test]
fn swp_w05_available() {
    let (mut m, mut p) = Machine::with_pager(&[]);
    assert_eq!(p.devices.available(), 0);
    let mut fresh = Machine::new(&[30]);
    m.disks.extend(fresh.disks.drain());
    m.segments.extend(fresh.segments.drain());
    for _ in 0..10 {
        assert_eq!(m.swap_on(&mut p, 1), Ok(30));
        assert_eq!(p.devices.available(), 30);
        assert_eq!(m.put(&mut p, 1, &pages(0, 16, 0)), [OK; 16]);
        assert_eq!(p.devices.available(), 14);
        m.op(&mut p, Op::SwapOffBegin, [1, 0, 0]);
        m.op(&mut p, Op::Free, [1, 0, 16]);
        assert_eq!((m.op(&mut p, Op::SwapOffEnd, [1, 0, 0]).0, p.devices.available()), (OK, 0));
    }
}
