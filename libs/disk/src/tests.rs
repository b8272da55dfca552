// SPDX-License-Identifier: BSD-2-Clause
//! The service between a client's rings and a scripted disk.

extern crate std;

use crate::device::{Device, Info, Request};
use crate::service::Service;
use crate::table::MAX_OF_CLIENT;
use core::sync::atomic::{AtomicU64, Ordering};
use ebb_proto::Error;
use ebb_proto::block::{Completion, MORE, SEGMENT_PAGES, Status, Submission, Transfer};
use ebb_ring::{Consumer, Producer};
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::string::{String, ToString};
use std::vec::Vec;

/// What a disk was told, and what it will say.
#[derive(Default)]
struct Script {
    room: usize,
    started: Vec<(u32, Transfer, u64, u32, Vec<u32>)>,
    finished: Vec<(u32, bool)>,
    kicks: usize,
}

struct Fake {
    info: Info,
    script: Rc<RefCell<Script>>,
}

impl Device for Fake {
    fn info(&self) -> &Info {
        &self.info
    }
    fn start(&mut self, r: &Request<'_>) -> bool {
        let mut s = self.script.borrow_mut();
        assert!(r.sector + r.sectors as u64 <= self.info.sectors);
        assert!(r.frames.len() <= self.info.max_pages && r.frames.len() == r.sectors.div_ceil(8) as usize);
        if s.room == 0 {
            return false;
        }
        s.room -= 1;
        s.started.push((r.tag, r.transfer, r.sector, r.sectors, r.frames.to_vec()));
        true
    }
    fn kick(&mut self) {
        self.script.borrow_mut().kicks += 1;
    }
    fn finished(&mut self) -> Option<(u32, bool)> {
        let mut s = self.script.borrow_mut();
        s.finished.pop().inspect(|_| s.room += 1)
    }
}

struct Bench {
    service: Service<'static, Fake>,
    scripts: Vec<Rc<RefCell<Script>>>,
    cells: &'static [AtomicU64],
    submissions: Producer<'static>,
    completions: Consumer<'static>,
    log: Vec<String>,
}

fn segment() -> &'static [AtomicU64] {
    let words = SEGMENT_PAGES as usize * 512;
    (0..words).map(|_| AtomicU64::new(7)).collect::<Vec<_>>().leak()
}

impl Bench {
    /// Disks: sectors, read-only. Client 1 is attached.
    fn new(disks: &[(u64, bool)]) -> Bench {
        let mut scripts = Vec::new();
        let devices = disks.iter().map(|(sectors, read_only)| {
            let script = Rc::new(RefCell::new(Script { room: 1000, ..Script::default() }));
            scripts.push(script.clone());
            let info = Info {
                name: String::new(),
                sectors: *sectors,
                read_only: *read_only,
                driver: "fake",
                max_pages: 32,
            };
            Fake { info, script }
        });
        let devices = devices.collect();
        let mut service = Service::new(devices);
        let cells = segment();
        service.attach(1, cells).unwrap();
        let (s, c) = cells.split_at(cells.len() / 2);
        let (submissions, completions) = (Producer::new(s).unwrap(), Consumer::new(c).unwrap());
        Bench { service, scripts, cells, submissions, completions, log: Vec::new() }
    }

    fn pump(&mut self) -> u32 {
        let log = &mut self.log;
        self.service.pump(&mut |line| log.push(line.to_string()))
    }

    fn submit(&mut self, transfer: Transfer, disk: u8, sector: u64, pages: u64, cookie: u32) {
        for n in 0..pages {
            let more = n + 1 < pages;
            let frame = 100 + n as u32;
            let s =
                Submission { transfer, more, cookie: cookie + n as u32, disk, sector: sector + 8 * n, frame };
            assert!(self.submissions.push(&s.pack()).unwrap());
        }
    }

    fn started(&self, disk: usize) -> Vec<(u32, Transfer, u64, u32, Vec<u32>)> {
        std::mem::take(&mut self.scripts[disk].borrow_mut().started)
    }

    fn finish(&mut self, disk: usize, tag: u32, ok: bool) {
        self.scripts[disk].borrow_mut().finished.push((tag, ok));
    }

    fn answers(&mut self) -> Vec<(u32, Status)> {
        let mut all = Vec::new();
        while let Some(e) = self.completions.pop().unwrap() {
            let c = Completion::unpack(&e);
            all.push((c.cookie, c.status));
        }
        all
    }
}

#[test]
fn a_run_is_one_request_and_one_completion() {
    let mut b = Bench::new(&[(1000, false)]);
    b.submit(Transfer::Write, 0, 16, 3, 50);
    b.pump();
    let started = b.started(0);
    assert_eq!(started.len(), 1);
    let (tag, transfer, sector, sectors, frames) = started[0].clone();
    assert_eq!((transfer, sector, sectors, frames), (Transfer::Write, 16, 24, [100, 101, 102].to_vec()));
    assert!(b.answers().is_empty());
    assert!(b.completions.sleep());
    b.finish(0, tag, true);
    assert_eq!(b.pump(), 1 << 1, "the client waits: it is rung");
    assert_eq!(b.answers(), [(50, Status::Ok)]);
    let disk = &b.service.disks()[0];
    assert_eq!((disk.name.as_str(), disk.requests, disk.moved), ("disk0", [0, 1, 0], [0, 24]));
}

#[test]
fn completions_come_in_any_order_and_errors_are_counted() {
    let mut b = Bench::new(&[(1000, false)]);
    for n in 0..3 {
        b.submit(Transfer::Read, 0, 8 * n, 1, n as u32);
    }
    b.pump();
    let tags: Vec<_> = b.started(0).iter().map(|s| s.0).collect();
    for (n, ok) in [(2, true), (0, false), (1, true)] {
        b.finish(0, tags[n], ok);
        b.pump();
    }
    assert_eq!(b.answers(), [(2, Status::Ok), (0, Status::Io), (1, Status::Ok)]);
    assert_eq!(b.service.disks()[0].requests, [2, 0, 1]);
    assert!(b.log.iter().any(|l| l.contains("Read of 8 sectors at 0 failed")));
}

#[test]
fn malformed_requests_never_reach_the_device() {
    let mut b = Bench::new(&[(1003, false), (1000, true)]);
    b.submit(Transfer::Read, 9, 0, 1, 1);
    b.submit(Transfer::Read, 0, 1000, 1, 2);
    b.submit(Transfer::Read, 0, 984, 3, 10);
    b.submit(Transfer::Read, 0, (1 << 56) - 1, 1, 3);
    b.submit(Transfer::Write, 1, 0, 1, 4);
    b.submissions.push(&[77 | 5 << 32, 0, 0, 0]).unwrap();
    b.submissions.push(&[1 | MORE | 6 << 32, 0, 1, 0]).unwrap();
    b.submissions.push(&[1 | 7 << 32, 0, 1, 0]).unwrap();
    b.submit(Transfer::Read, 0, 0, 33, 100);
    b.submit(Transfer::Read, 0, 995, 1, 8);
    b.pump();
    use Status::*;
    let want = [
        (1, Invalid),
        (2, Invalid),
        (10, Invalid),
        (3, Invalid),
        (4, ReadOnly),
        (5, Invalid),
        (6, Invalid),
        (100, Invalid),
    ];
    assert_eq!(b.answers(), want);
    let started = b.started(0);
    assert_eq!((started.len(), started[0].2, b.started(1).len()), (1, 995, 0));
}

#[test]
fn a_full_device_holds_up_only_its_own() {
    let mut b = Bench::new(&[(1000, false), (1000, false)]);
    b.scripts[0].borrow_mut().room = 1;
    for n in 0..4 {
        b.submit(Transfer::Read, 0, 8 * n, 1, n as u32);
    }
    b.submit(Transfer::Read, 1, 0, 1, 9);
    b.pump();
    let first = b.started(0);
    assert_eq!((first.len(), b.started(1).len()), (1, 1));
    b.finish(0, first[0].0, true);
    b.pump();
    assert_eq!(b.started(0)[0].2, 8, "in order");
    assert_eq!(b.answers(), [(0, Status::Ok)]);
}

#[test]
fn what_does_not_fit_stays_in_the_ring() {
    let mut b = Bench::new(&[(100_000, false)]);
    for n in 0..200u32 {
        b.submit(Transfer::Read, 0, 8 * n as u64, 1, n);
    }
    b.pump();
    assert_eq!(b.started(0).len(), MAX_OF_CLIENT);
    assert_eq!(b.submissions.pending(), Ok(200 - MAX_OF_CLIENT));
}

#[test]
fn a_full_completion_ring_loses_nothing() {
    let mut b = Bench::new(&[(100_000, false)]);
    let (mut submitted, mut answered) = (0u32, Vec::new());
    for round in 0..40 {
        while submitted < 600 && b.submissions.room().unwrap() > 0 {
            b.submit(Transfer::Read, 0, 8 * submitted as u64, 1, submitted);
            submitted += 1;
        }
        b.pump();
        for s in b.started(0) {
            b.finish(0, s.0, true);
        }
        b.pump();
        if round > 20 {
            answered.extend(b.answers().into_iter().map(|a| a.0));
        }
    }
    answered.sort_unstable();
    assert_eq!(answered, (0..600).collect::<Vec<_>>());
    assert!(!b.service.is_held_up() && !b.service.is_busy());
}

#[test]
fn a_small_device_gets_a_run_in_parts() {
    let mut b = Bench::new(&[(1000, false)]);
    let info = Info { max_pages: 5, ..b.service.disks()[0].clone().into_info() };
    b.service = Service::new([Fake { info, script: b.scripts[0].clone() }].into());
    b.service.attach(1, b.cells).unwrap();
    b.submissions = Producer::new(&b.cells[..b.cells.len() / 2]).unwrap();
    b.submit(Transfer::Read, 0, 0, 12, 5);
    b.pump();
    let started = b.started(0);
    assert_eq!(started.iter().map(|s| (s.2, s.3)).collect::<Vec<_>>(), [(0, 40), (40, 40), (80, 16)]);
    for (n, s) in started.iter().enumerate() {
        assert!(b.answers().is_empty());
        b.finish(0, s.0, n != 1);
        b.pump();
    }
    assert_eq!(b.answers(), [(5, Status::Io)]);
}

#[test]
fn a_flush_goes_to_the_device() {
    let mut b = Bench::new(&[(1000, true)]);
    b.submit(Transfer::Flush, 0, 5000, 1, 5);
    b.pump();
    let s = b.started(0);
    assert_eq!((s[0].1, s[0].3), (Transfer::Flush, 0));
    b.finish(0, s[0].0, true);
    b.pump();
    assert_eq!(b.answers(), [(5, Status::Ok)]);
}

#[test]
fn detach_waits_for_the_device_and_a_new_instance_starts_clean() {
    let mut b = Bench::new(&[(1000, false)]);
    b.scripts[0].borrow_mut().room = 1;
    b.submit(Transfer::Write, 0, 0, 2, 1);
    b.submit(Transfer::Write, 0, 16, 2, 2);
    b.pump();
    let s = b.started(0);
    b.submit(Transfer::Write, 0, 32, 1, 3);
    // Half a run: its writer was killed.
    b.submissions.push(&[2 | MORE | 4 << 32, 40, 1, 0]).unwrap();
    assert_eq!(b.service.attach(1, b.cells), Err(Error::Busy));
    assert_eq!(b.service.detach(2), Err(Error::NotFound));
    b.service.detach(1).unwrap();
    b.pump();
    assert!(!b.service.drained(1));
    b.finish(0, s[0].0, true);
    b.pump();
    assert!(b.service.drained(1) && b.service.drained(1));
    assert!(b.started(0).is_empty(), "what no device had begun is dropped");
    b.service.attach(1, b.cells).unwrap();
    let (s, c) = b.cells.split_at(b.cells.len() / 2);
    (b.submissions, b.completions) = (Producer::new(s).unwrap(), Consumer::new(c).unwrap());
    assert!(b.answers().is_empty());
    b.submit(Transfer::Read, 0, 0, 1, 77);
    b.pump();
    assert_eq!(b.started(0).len(), 1);
}

#[test]
fn broken_rings_are_not_used_any_more() {
    let mut b = Bench::new(&[(1000, false)]);
    b.submit(Transfer::Read, 0, 0, 1, 1);
    b.pump();
    let s = b.started(0);
    b.cells[0].store(u64::MAX, Ordering::Relaxed);
    b.pump();
    assert!(b.log.iter().any(|l| l.contains("client 1 broke")));
    b.finish(0, s[0].0, true);
    b.pump();
    assert!(b.service.sleep());
    b.service.detach(1).unwrap();
    assert!(b.service.drained(1));
    b.service.attach(1, b.cells).unwrap();
}

#[test]
fn reads_for_calls() {
    let mut b = Bench::new(&[(100, true)]);
    assert_eq!(b.service.read(3, 0, 1, 5, 1), Err(Error::NotFound));
    for (sector, count) in [(0, 0), (0, 8), (100, 1), (94, 7), (u64::MAX, 2)] {
        assert_eq!(b.service.read(0, sector, count, 5, 1), Err(Error::Invalid));
    }
    b.service.read(0, 93, 7, 5, 11).unwrap();
    b.service.read(0, 0, 1, 6, 12).unwrap();
    b.pump();
    let s = b.started(0);
    assert_eq!(s.iter().map(|s| (s.2, s.3, s.4[0])).collect::<Vec<_>>(), [(93, 7, 5), (0, 1, 6)]);
    b.finish(0, s[1].0, false);
    b.finish(0, s[0].0, true);
    b.pump();
    assert_eq!((b.service.finished_read(), b.service.finished_read()), (Some((11, true)), Some((12, false))));
    assert_eq!(b.service.finished_read(), None);
}

#[test]
fn a_device_that_finishes_what_it_was_not_given_is_noticed() {
    let mut b = Bench::new(&[(100, false)]);
    b.finish(0, 3, true);
    b.finish(0, 9999, true);
    b.pump();
    assert_eq!(b.service.disks()[0].requests[2], 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever a client submits, each request is answered once, and the device only sees what lies within it (its own asserts).
    #[test]
    fn any_entries_are_answered_once(
        entries in proptest::collection::vec((0u64..5, any::<bool>(), 0u64..3, 0u64..140, any::<bool>()), 1..200)
    ) {
        let mut b = Bench::new(&[(1000, false), (500, true)]);
        let mut expected: HashMap<u32, u32> = HashMap::new();
        let mut first = None;
        for (cookie, (op, more, disk, sector, wild)) in (0u32..).zip(entries) {
            let place = if wild { u64::MAX >> 3 } else { (disk << 56) | (sector * 8) };
            let entry = [op | if more { MORE } else { 0 } | (cookie as u64) << 32, place, 9, 0];
            let of = *first.get_or_insert(cookie);
            if !more {
                expected.insert(of, 1);
                first = None;
            }
            prop_assert!(b.submissions.push(&entry).unwrap());
            b.pump();
            for disk in 0..2 {
                for s in b.started(disk) {
                    b.finish(disk, s.0, cookie % 3 != 0);
                }
            }
            b.pump();
            for (cookie, _) in b.answers() {
                prop_assert_eq!(expected.remove(&cookie), Some(1));
            }
        }
        prop_assert!(expected.is_empty());
    }
}

trait IntoInfo {
    fn into_info(self) -> Info;
}

impl IntoInfo for ebb_proto::block::Disk {
    fn into_info(self) -> Info {
        Info {
            name: self.name,
            sectors: self.sectors,
            read_only: self.read_only,
            driver: "fake",
            max_pages: 32,
        }
    }
}
