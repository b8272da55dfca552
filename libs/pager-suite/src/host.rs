// SPDX-License-Identifier: BSD-2-Clause
//! What is around a pager.

use crate::contents;
use crate::{Complaint, Verdict, expect};
use core::fmt::Arguments;
use core::sync::atomic::{AtomicU64, Ordering};
use ebb_proto::block::{self, Status, Transfer};
use ebb_proto::pager::{
    ALL, CHUNK_PAGES, Completion, DEVICE_STRIDE, DEVICES, FRONT, Op, Outcome, RING_PAGES, Submission,
    WANTS_MEMORY,
};
use ebb_ring::{Consumer, Producer};
use ebb_swap::device::LABEL_PAGES;
use ebb_swap::{DiskInfo, PageBytes, World, fuse};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

/// Frames of the pager's own.
const OWN: usize = 64;
/// Entries of the ring with the disks.
const DISK_RING: usize = 256;
/// Rounds in which everything under way must end.
const ROUNDS: usize = 10_000;

/// A pager.
pub trait Instance {
    /// Does all that can be done now.
    fn pump(&mut self, host: &mut Host);
}

/// What makes it.
pub trait Maker {
    /// A first instance, or a later one: what the host has, it finds.
    fn make(&self, host: &mut Host) -> Box<dyn Instance>;
}

/// A disk.
#[derive(Default)]
pub struct Disk {
    /// Its pages.
    pub pages: u64,
    /// Whether it refuses writes.
    pub read_only: bool,
    /// What is in its pages.
    pub contents: HashMap<u64, Box<PageBytes>>,
    /// Its pages whose transfers fail.
    pub broken: HashSet<u64>,
    /// Whether all of its writes fail.
    pub dead: bool,
}

/// An answer that is awaited.
struct Awaited {
    op: Op,
    frame: u64,
    answer: Option<Completion>,
}

/// The surroundings.
pub struct Host {
    submissions: Producer<'static>,
    completions: Consumer<'static>,
    theirs: (Consumer<'static>, Producer<'static>),
    awaited: BTreeMap<u32, Awaited>,
    /// The disks, by number.
    pub disks: BTreeMap<u8, Disk>,
    ring: VecDeque<block::Submission>,
    finished: VecDeque<block::Completion>,
    segments: HashMap<u64, &'static [AtomicU64]>,
    /// Devices in use: disks.
    pub on: Vec<u8>,
    /// Chunks in front of the devices.
    pub front: u64,
    /// Chunks that there may be.
    pub front_most: u64,
    frames: HashMap<u32, Box<PageBytes>>,
    own: Vec<u32>,
    next: u32,
    seed: u64,
    /// What the pager has said.
    pub log: Vec<String>,
    /// The last answer said that more memory would be of use.
    pub wants_memory: bool,
}

fn cells(pages: u64) -> &'static [AtomicU64] {
    (0..pages * 512).map(|_| AtomicU64::new(0)).collect::<Vec<_>>().leak()
}

type Rings = (Producer<'static>, Consumer<'static>, Consumer<'static>, Producer<'static>);

fn rings() -> Rings {
    let all = cells(RING_PAGES);
    let (down, up) = all.split_at(all.len() / 2);
    let ring = "a ring has room for its entries";
    (
        Producer::new(down).expect(ring),
        Consumer::new(up).expect(ring),
        Consumer::new(down).expect(ring),
        Producer::new(up).expect(ring),
    )
}

impl Host {
    /// With disks of so many slots, numbered from 1, and as many chunks in front as a pager asks for, at most so many.
    pub fn new(slots: &[u64], front_most: u64) -> Host {
        let (submissions, completions, down, up) = rings();
        let disks =
            (1u8..).zip(slots).map(|(n, slots)| (n, Disk { pages: slots + LABEL_PAGES, ..Disk::default() }));
        Host {
            submissions,
            completions,
            theirs: (down, up),
            awaited: BTreeMap::new(),
            disks: disks.collect(),
            ring: VecDeque::new(),
            finished: VecDeque::new(),
            segments: HashMap::new(),
            on: Vec::new(),
            front: 0,
            front_most,
            frames: HashMap::new(),
            own: (0..OWN as u32).collect(),
            next: OWN as u32,
            seed: 1,
            log: Vec::new(),
            wants_memory: false,
        }
    }

    /// The same, and a pager that uses all disks and has all the memory in front of them.
    pub fn with(maker: &dyn Maker, slots: &[u64], front_most: u64) -> Verdict<(Host, Box<dyn Instance>)> {
        let mut host = Host::new(slots, front_most);
        let mut pager = maker.make(&mut host);
        for disk in (1u8..).take(slots.len()) {
            let slots = host.swap_on(&mut *pager, disk)?;
            expect(slots == Ok(host.disks[&disk].pages - LABEL_PAGES), || {
                format!("disk {disk} has {slots:?} slots")
            })?;
        }
        while host.add_memory(&mut *pager)? {}
        Ok((host, pager))
    }

    /// Where a disk's segment is.
    pub fn segment_of(disk: u8) -> u64 {
        DEVICES + disk as u64 * DEVICE_STRIDE
    }

    fn random(&mut self, below: usize) -> usize {
        self.seed = self.seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.seed >> 33) as usize % below
    }

    /// Submits an entry for which an answer is awaited.
    pub fn submit_entry(&mut self, mut entry: Submission, frame: u64) -> Verdict<u32> {
        self.next += 1;
        entry.cookie = self.next;
        let pushed = self.submissions.push(&entry.pack());
        expect(pushed == Ok(true), || format!("the ring does not take an entry: {pushed:?}"))?;
        self.awaited.insert(entry.cookie, Awaited { op: entry.op, frame, answer: None });
        Ok(entry.cookie)
    }

    /// Submits an entry without pages.
    pub fn submit_op(&mut self, op: Op, words: [u64; 3]) -> Verdict<u32> {
        self.submit_entry(Submission { op, run: 0, place: 0, slot: 0, cookie: 0, words }, 0)
    }

    /// Submits a run; cookies and frames.
    pub fn submit_run(
        &mut self,
        op: Op,
        object: u64,
        wanted: u8,
        pages: &[(u64, u64)],
    ) -> Verdict<Vec<(u32, u32)>> {
        let mut all = Vec::new();
        for (n, (index, number)) in pages.iter().enumerate() {
            self.next += 1;
            let frame = self.next;
            // What a frame holds before it is read into is of no matter, and differs from anything that is expected.
            let bytes = if op == Op::Put { contents::page(*number) } else { Box::new([0xa5; 4096]) };
            self.frames.insert(frame, bytes);
            let place = if op == Op::Put { n as u8 } else { wanted };
            let words = [object, *index, frame as u64];
            let entry = Submission { op, run: pages.len() as u8, place, slot: 0, cookie: 0, words };
            all.push((self.submit_entry(entry, frame as u64)?, frame));
        }
        Ok(all)
    }

    /// Takes the answers that have come.
    pub fn take_answers(&mut self) -> Verdict {
        loop {
            let entry = self.completions.pop().map_err(|_| Complaint("the ring is broken".into()))?;
            let Some(entry) = entry else { return Ok(()) };
            let c = Completion::unpack(&entry).ok_or_else(|| Complaint(format!("no answer: {entry:x?}")))?;
            let Some(awaited) = self.awaited.get_mut(&c.cookie) else {
                return Err(Complaint(format!("an answer that nobody waits for: {c:?}")));
            };
            expect(awaited.answer.is_none(), || format!("answered twice: {c:?}"))?;
            expect((c.op, c.frame) == (awaited.op, awaited.frame), || {
                format!("{c:?} to {:?} of frame {}", awaited.op, awaited.frame)
            })?;
            expect(c.outcome != Outcome::Pend, || format!("never sent: {c:?}"))?;
            if c.op == Op::Put {
                self.wants_memory = c.results[0] & WANTS_MEMORY != 0;
            }
            awaited.answer = Some(c);
        }
    }

    /// The answer to a submission, once.
    pub fn answer(&mut self, cookie: u32) -> Verdict<Completion> {
        self.take_answers()?;
        match self.awaited.remove(&cookie) {
            Some(Awaited { answer: Some(c), .. }) => Ok(c),
            Some(Awaited { op, .. }) => Err(Complaint(format!("{op:?} is not answered"))),
            None => Err(Complaint("asked twice for an answer".into())),
        }
    }

    /// Whether nothing that was submitted is unanswered.
    pub fn is_quiet(&mut self) -> Verdict<bool> {
        self.take_answers()?;
        Ok(self.awaited.values().all(|a| a.answer.is_some()))
    }

    /// Requests in the ring with the disks: where each begins, and its entries.
    fn requests(&self) -> Vec<(usize, usize)> {
        let (mut all, mut from) = (Vec::new(), 0);
        for (n, entry) in self.ring.iter().enumerate() {
            if !entry.more {
                all.push((from, n + 1 - from));
                from = n + 1;
            }
        }
        all
    }

    /// The disks finish one request, any of them. `false`: there is none.
    pub fn serve(&mut self) -> bool {
        let requests = self.requests();
        if requests.is_empty() {
            return false;
        }
        let (from, len) = requests[self.random(requests.len())];
        let entries: Vec<_> = self.ring.drain(from..from + len).collect();
        let mut status = Status::Ok;
        for entry in &entries {
            let page = entry.sector / 8;
            let there =
                |d: &&mut Disk| entry.sector.is_multiple_of(8) && (LABEL_PAGES..d.pages).contains(&page);
            let Some(disk) = self.disks.get_mut(&entry.disk).filter(there) else {
                status = Status::Invalid;
                continue;
            };
            if disk.broken.contains(&page) || (disk.dead && entry.transfer == Transfer::Write) {
                status = Status::Io;
            } else if entry.transfer == Transfer::Write {
                let bytes = self.frames.get(&entry.frame).cloned().unwrap_or_else(|| Box::new([0; 4096]));
                disk.contents.insert(page, bytes);
            } else {
                let bytes = disk.contents.get(&page).cloned().unwrap_or_else(|| Box::new([0x11; 4096]));
                self.frames.insert(entry.frame, bytes);
            }
        }
        if let Some(first) = entries.first() {
            self.finished.push_back(block::Completion { status, cookie: first.cookie });
        }
        true
    }

    /// Everything that is under way comes to its end.
    pub fn settle(&mut self, pager: &mut dyn Instance) -> Verdict {
        for _ in 0..ROUNDS {
            pager.pump(self);
            self.take_answers()?;
            if !self.serve() && self.finished.is_empty() {
                return Ok(());
            }
        }
        Err(Complaint("it never comes to rest".into()))
    }

    /// An operation without pages, and its answer.
    pub fn op(&mut self, pager: &mut dyn Instance, op: Op, words: [u64; 3]) -> Verdict<(Outcome, [u64; 2])> {
        let cookie = self.submit_op(op, words)?;
        pager.pump(self);
        let c = self.answer(cookie)?;
        Ok((c.outcome, c.results))
    }

    /// `swapon`, as `vm` does it: slots.
    pub fn swap_on(&mut self, pager: &mut dyn Instance, disk: u8) -> Verdict<Result<u64, Outcome>> {
        let (outcome, [pages, _]) = self.op(pager, Op::Prepare, [disk as u64, 0, 0])?;
        if outcome != Outcome::Ok {
            return Ok(Err(outcome));
        }
        let segment = Host::segment_of(disk);
        self.segments.insert(segment, cells(pages));
        let (outcome, [slots, _]) = self.op(pager, Op::SwapOn, [disk as u64, segment, 0x5000])?;
        if outcome != Outcome::Ok {
            return Ok(Err(outcome));
        }
        self.on.push(disk);
        Ok(Ok(slots))
    }

    /// Gives more memory, if there may be more. `false`: there may not, or it does not want any.
    pub fn add_memory(&mut self, pager: &mut dyn Instance) -> Verdict<bool> {
        if self.front >= self.front_most {
            return Ok(false);
        }
        let address = FRONT + self.front * CHUNK_PAGES * 4096;
        self.segments.insert(address, cells(CHUNK_PAGES));
        let (outcome, _) = self.op(pager, Op::AddMemory, [address, CHUNK_PAGES, 0])?;
        if outcome != Outcome::Ok {
            self.front_most = self.front;
            return Ok(false);
        }
        self.front += 1;
        Ok(true)
    }

    /// Writes pages, and waits.
    pub fn put(
        &mut self,
        pager: &mut dyn Instance,
        object: u64,
        pages: &[(u64, u64)],
    ) -> Verdict<Vec<Outcome>> {
        let run = self.submit_run(Op::Put, object, 0, pages)?;
        self.settle(pager)?;
        run.into_iter().map(|(cookie, _)| self.answer(cookie).map(|c| c.outcome)).collect()
    }

    /// The same; all of them must be written.
    pub fn put_all(&mut self, pager: &mut dyn Instance, object: u64, pages: &[(u64, u64)]) -> Verdict {
        let outcomes = self.put(pager, object, pages)?;
        expect(outcomes.iter().all(|o| *o == Outcome::Ok), || format!("putting {pages:?}: {outcomes:?}"))
    }

    /// Reads a run of pages, and waits: outcomes, and frames.
    pub fn get(
        &mut self,
        pager: &mut dyn Instance,
        object: u64,
        wanted: u8,
        indexes: &[u64],
    ) -> Verdict<Vec<(Outcome, u32)>> {
        let pages: Vec<_> = indexes.iter().map(|i| (*i, 0)).collect();
        let run = self.submit_run(Op::Get, object, wanted, &pages)?;
        self.settle(pager)?;
        run.into_iter().map(|(cookie, frame)| Ok((self.answer(cookie)?.outcome, frame))).collect()
    }

    /// Whether a frame holds the page with this number.
    pub fn holds(&self, frame: u32, number: u64) -> bool {
        self.frames.get(&frame).is_some_and(|bytes| *bytes == contents::page(number))
    }

    /// A page must be the one with this number, or not be there at all.
    pub fn expect_page(
        &mut self,
        pager: &mut dyn Instance,
        object: u64,
        index: u64,
        number: Option<u64>,
    ) -> Verdict {
        let got = self.get(pager, object, 0, &[index])?;
        let right = match (number, got.first()) {
            (Some(number), Some((Outcome::Ok, frame))) => self.holds(*frame, number),
            (None, Some((Outcome::Fail, _))) => true,
            _ => false,
        };
        expect(right, || format!("page {index} of object {object} should be {number:?}: {got:?}"))
    }

    /// Audits, and expects nothing wrong and so many slots in use.
    pub fn audit(&mut self, pager: &mut dyn Instance, used: u64) -> Verdict {
        let (outcome, results) = self.op(pager, Op::Audit, [ALL, 0, 0])?;
        let log = &self.log[self.log.len().saturating_sub(4)..];
        expect((outcome, results) == (Outcome::Ok, [used, 0]), || {
            format!("the audit says {outcome:?} {results:?} with {used} slots in use; {log:?}")
        })
    }

    /// Asks until everything lies on the devices, or cannot.
    pub fn retire(&mut self, pager: &mut dyn Instance) -> Verdict<Outcome> {
        let mut left = u64::MAX;
        for _ in 0..ROUNDS {
            let (outcome, [now, _]) = self.op(pager, Op::Retire, [0; 3])?;
            if outcome != Outcome::Again {
                return Ok(outcome);
            }
            expect(now > 0 && now <= left, || format!("{now} pages left, and {left} before"))?;
            left = now;
            self.serve();
        }
        Err(Complaint("retiring never ends".into()))
    }

    /// The pager is dead. The disks finish what they were given whole, its answers are lost, and the next instance finds the rest. What was not answered is given up; whoever wants it asks again.
    pub fn bury(&mut self) {
        while self.ring.back().is_some_and(|e| e.more) {
            self.ring.pop_back();
        }
        while self.serve() {}
        self.ring.clear();
        self.finished.clear();
        self.awaited.clear();
        let (submissions, completions, down, up) = rings();
        (self.submissions, self.completions, self.theirs) = (submissions, completions, (down, up));
    }

    /// The pager is to be replaced in order: it ends what is under way, and is buried.
    pub fn seal(&mut self, pager: &mut dyn Instance) -> Verdict {
        let cookie = self.submit_op(Op::Seal, [0; 3])?;
        self.settle(pager)?;
        let outcome = self.answer(cookie)?.outcome;
        expect(outcome == Outcome::Ok, || format!("sealing: {outcome:?}"))?;
        self.bury();
        Ok(())
    }

    /// The words of a segment, to damage them.
    pub fn words(&self, address: u64) -> &'static [AtomicU64] {
        self.segments.get(&address).copied().unwrap_or(&[])
    }

    /// Takes back the memory in front of the devices, which a pager has left empty.
    pub fn drop_front(&mut self) -> Verdict {
        self.front = 0;
        Ok(())
    }

    /// Overwrites the memory in front of the devices: nobody may look there any more.
    pub fn spoil_front(&mut self) {
        for chunk in 0..self.front {
            for cell in self.words(FRONT + chunk * CHUNK_PAGES * 4096) {
                cell.store(0x5b0_11ed, Ordering::Relaxed);
            }
        }
    }
}

impl World<'static> for Host {
    fn next(&mut self) -> Option<[u64; 4]> {
        self.theirs.0.pop().ok().flatten()
    }
    fn room(&mut self) -> usize {
        self.theirs.1.room().unwrap_or(0)
    }
    fn complete(&mut self, completion: Completion) {
        if fuse::effect() && self.theirs.1.push(&completion.pack()) != Ok(true) {
            self.log.push(format!("no room for {completion:?}"));
        }
    }
    fn disk_room(&mut self) -> usize {
        DISK_RING - self.ring.len()
    }
    fn submit(&mut self, entry: block::Submission) {
        if fuse::effect() {
            self.ring.push_back(entry);
        }
    }
    fn finished(&mut self) -> Option<block::Completion> {
        self.finished.pop_front()
    }
    fn disk(&mut self, number: u8) -> Option<DiskInfo> {
        let d = self.disks.get(&number)?;
        Some(DiskInfo { name: format!("swap{number}"), sectors: d.pages * 8 + 7, read_only: d.read_only })
    }
    fn segment(&mut self, address: u64, pages: u64) -> Option<&'static [AtomicU64]> {
        self.segments.get(&address)?.get(..pages as usize * 512)
    }
    fn claim(&mut self, _: u64, _: u64) -> bool {
        true
    }
    fn read_frame(&mut self, frame: u32, bytes: &mut PageBytes) -> bool {
        self.frames.get(&frame).map(|b| bytes.copy_from_slice(&b[..])).is_some()
    }
    fn write_frame(&mut self, frame: u32, bytes: &PageBytes) -> bool {
        if fuse::effect() {
            self.frames.insert(frame, Box::new(*bytes));
        }
        true
    }
    fn own_frames(&self) -> &[u32] {
        &self.own
    }
    fn log(&mut self, line: Arguments<'_>) {
        self.log.push(line.to_string());
    }
}
