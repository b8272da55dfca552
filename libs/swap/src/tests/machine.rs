// SPDX-License-Identifier: BSD-2-Clause
//! A machine for the pager: `vm` that submits and collects, disks that fail where they are told to, memory for the tables. A page's contents
//! is one number.

extern crate std;

use crate::device;
use crate::fuse;
use crate::pager::SwapPager;
use crate::table;
use crate::world::{DiskInfo, World};
use core::fmt::Arguments;
use core::sync::atomic::AtomicU64;
use ebb_proto::block::{self, Status, Transfer};
use ebb_proto::pager::{Completion, Op, Outcome, Submission};
use std::collections::{HashMap, HashSet, VecDeque};
use std::string::{String, ToString};
use std::vec::Vec;

pub type Pager = SwapPager<'static>;

#[derive(Default)]
pub struct Disk {
    pub pages: u64,
    pub read_only: bool,
    pub contents: HashMap<u64, u64>,
    /// Pages whose transfers fail.
    pub broken: HashSet<u64>,
    /// Requests served: transfer, first page, pages.
    pub served: Vec<(Transfer, u64, usize)>,
}

#[derive(Default)]
pub struct Machine {
    pub inbox: VecDeque<[u64; 4]>,
    pub outbox: Vec<Completion>,
    pub outbox_size: usize,
    pub disks: HashMap<u8, Disk>,
    pub ring: VecDeque<block::Submission>,
    pub ring_size: usize,
    pub finished: VecDeque<block::Completion>,
    pub segments: HashMap<u64, &'static [AtomicU64]>,
    pub frames: HashMap<u32, u64>,
    pub heap: bool,
    pub log: Vec<String>,
    cookie: u32,
}

impl World<'static> for Machine {
    fn next(&mut self) -> Option<[u64; 4]> {
        self.inbox.pop_front()
    }
    fn room(&mut self) -> usize {
        self.outbox_size - self.outbox.len()
    }
    fn complete(&mut self, completion: Completion) {
        assert!(self.room() > 0, "completion without room");
        if fuse::effect() {
            self.outbox.push(completion);
        }
    }
    fn disk_room(&mut self) -> usize {
        self.ring_size - self.ring.len()
    }
    fn submit(&mut self, entry: block::Submission) {
        assert!(self.disk_room() > 0, "submission without room");
        if fuse::effect() {
            self.ring.push_back(entry);
        }
    }
    fn finished(&mut self) -> Option<block::Completion> {
        self.finished.pop_front()
    }
    fn disk(&mut self, number: u8) -> Option<DiskInfo> {
        let d = self.disks.get(&number)?;
        let name = std::format!("swap{number}");
        Some(DiskInfo { name, sectors: d.pages * 8 + 7, read_only: d.read_only })
    }
    fn segment(&mut self, address: u64, pages: u64) -> Option<&'static [AtomicU64]> {
        self.segments.get(&address)?.get(..pages as usize * 512)
    }
    fn claim(&mut self, _: u64, _: u64) -> bool {
        self.heap
    }
    fn log(&mut self, line: Arguments<'_>) {
        self.log.push(line.to_string());
    }
}

/// Where a disk's segment is.
pub fn segment_of(disk: u8) -> u64 {
    0x1000_0000 * (1 + disk as u64)
}

impl Machine {
    /// A machine with disks of so many slots, numbered from 1.
    pub fn new(slots: &[u64]) -> Machine {
        let mut m = Machine { outbox_size: 512, ring_size: 256, heap: true, ..Machine::default() };
        for (number, slots) in (1u8..).zip(slots) {
            let pages = slots + device::LABEL_PAGES;
            m.disks.insert(number, Disk { pages, ..Disk::default() });
            let words = (0..table::pages(*slots as u32) * 512).map(|_| AtomicU64::new(0));
            m.segments.insert(segment_of(number), words.collect::<Vec<_>>().leak());
        }
        m
    }

    /// The same, with a pager that uses all of them.
    pub fn with_pager(slots: &[u64]) -> (Machine, Pager) {
        let mut m = Machine::new(slots);
        let mut p = Pager::new();
        for number in (1u8..).take(slots.len()) {
            let slots = m.swap_on(&mut p, number);
            assert_eq!(slots, Ok(m.disks[&number].pages - device::LABEL_PAGES));
        }
        (m, p)
    }

    pub fn submit_op(&mut self, op: Op, words: [u64; 3]) -> u32 {
        self.cookie += 1;
        let entry = Submission { op, run: 0, place: 0, slot: 0, cookie: self.cookie, words };
        self.inbox.push_back(entry.pack());
        self.cookie
    }

    /// One operation that is answered at once.
    pub fn op(&mut self, p: &mut Pager, op: Op, words: [u64; 3]) -> (Outcome, [u64; 2]) {
        let cookie = self.submit_op(op, words);
        p.pump(self);
        let at = self.outbox.iter().position(|c| c.cookie == cookie).expect("answered at once");
        let c = self.outbox.remove(at);
        assert_eq!(c.op, op);
        (c.outcome, c.results)
    }

    pub fn swap_on(&mut self, p: &mut Pager, disk: u8) -> Result<u64, Outcome> {
        match self.op(p, Op::SwapOn, [disk as u64, segment_of(disk), 0x5000]) {
            (Outcome::Ok, [slots, _]) => Ok(slots),
            (outcome, _) => Err(outcome),
        }
    }

    /// Submits a run of pages; frames are made up, and filled for Put. Returns first cookie and frames.
    pub fn run(&mut self, op: Op, object: u64, wanted: u8, pages: &[(u64, u64)]) -> (u32, Vec<u32>) {
        let first = self.cookie + 1;
        let mut frames = Vec::new();
        for (place, (index, contents)) in pages.iter().enumerate() {
            self.cookie += 1;
            let frame = 1000 + self.cookie;
            if op == Op::Put {
                self.frames.insert(frame, *contents);
            }
            frames.push(frame);
            let place = if op == Op::Put { place as u8 } else { wanted };
            let words = [object, *index, frame as u64];
            let entry = Submission { op, run: pages.len() as u8, place, slot: 0, cookie: self.cookie, words };
            self.inbox.push_back(entry.pack());
        }
        (first, frames)
    }

    /// The requests in the ring: first entry and length.
    pub fn requests(&self) -> Vec<(block::Submission, usize)> {
        let mut all = Vec::new();
        let mut begun: Option<(block::Submission, usize)> = None;
        for entry in &self.ring {
            let (first, len) = begun.take().map_or((*entry, 1), |(first, len)| (first, len + 1));
            assert_eq!(entry.sector, first.sector + 8 * (len as u64 - 1));
            assert_eq!(
                (entry.transfer, entry.disk, entry.cookie),
                (first.transfer, first.disk, first.cookie)
            );
            if entry.more { begun = Some((first, len)) } else { all.push((first, len)) }
        }
        all
    }

    /// The disks serve the request at a place in the ring.
    pub fn serve_one(&mut self, nth: usize) {
        let requests = self.requests();
        let (first, len) = requests[nth];
        let skip: usize = requests[..nth].iter().map(|r| r.1).sum();
        let entries: Vec<_> = self.ring.drain(skip..skip + len).collect();
        let disk = self.disks.get_mut(&first.disk).expect("a disk that is there");
        disk.served.push((first.transfer, first.sector / 8, len));
        let mut status = Status::Ok;
        for entry in entries {
            let page = entry.sector / 8;
            assert!(entry.sector % 8 == 0 && page >= device::LABEL_PAGES && page < disk.pages);
            if disk.broken.contains(&page) {
                status = Status::Io;
            } else if entry.transfer == Transfer::Write {
                disk.contents.insert(page, self.frames[&entry.frame]);
            } else {
                self.frames.insert(entry.frame, disk.contents.get(&page).copied().unwrap_or(0));
            }
        }
        self.finished.push_back(block::Completion { status, cookie: first.cookie });
    }

    /// Everything that is under way comes to its end.
    pub fn settle(&mut self, p: &mut Pager) {
        p.pump(self);
        while !self.requests().is_empty() {
            self.serve_one(0);
            p.pump(self);
        }
    }

    pub fn collect(&mut self, first: u32, count: usize) -> Vec<Outcome> {
        (first..first + count as u32)
            .map(|cookie| {
                let at = self.outbox.iter().position(|c| c.cookie == cookie).expect("answered");
                self.outbox.remove(at).outcome
            })
            .collect()
    }

    /// Writes pages of an object, and waits.
    pub fn put(&mut self, p: &mut Pager, object: u64, pages: &[(u64, u64)]) -> Vec<Outcome> {
        let (first, _) = self.run(Op::Put, object, 0, pages);
        self.settle(p);
        self.collect(first, pages.len())
    }

    /// Reads pages of an object, and waits: outcome and, if it is `Ok`, contents.
    pub fn get(
        &mut self,
        p: &mut Pager,
        object: u64,
        wanted: u8,
        indexes: &[u64],
    ) -> Vec<Result<u64, Outcome>> {
        let pages: Vec<_> = indexes.iter().map(|i| (*i, 0)).collect();
        let (first, frames) = self.run(Op::Get, object, wanted, &pages);
        self.settle(p);
        let outcomes = self.collect(first, pages.len());
        outcomes
            .into_iter()
            .zip(frames)
            .map(|(o, f)| if o == Outcome::Ok { Ok(self.frames[&f]) } else { Err(o) })
            .collect()
    }

    /// Audits, and expects nothing wrong; returns the slots in use.
    pub fn audit(&mut self, p: &mut Pager) -> u64 {
        let (outcome, [used, wrong]) = self.op(p, Op::Audit, [ebb_proto::pager::ALL, 0, 0]);
        assert_eq!((outcome, wrong), (Outcome::Ok, 0), "{:?}", self.log);
        used
    }
}

pub fn pages(from: u64, count: u64, contents: u64) -> Vec<(u64, u64)> {
    (from..from + count).map(|i| (i, contents + i)).collect()
}

/// The words of a Copy.
pub fn copy_words(object: u64, first: u64, to: u64, there: u64, count: u64) -> [u64; 3] {
    [object | to << 32, first | there << 32, count]
}
