// SPDX-License-Identifier: BSD-2-Clause
//! The pager: takes what `vm` submits, deals with what the disks complete.

use crate::device::Device;
use crate::devices::Devices;
use crate::front::{Direct, Front};
use crate::out::Out;
use crate::record::MAX_OBJECTS;
use crate::request::{Page, Request, Requests};
use crate::run::Run;
use crate::world::World;
use alloc::vec::Vec;
use ebb_proto::block::Status;
use ebb_proto::pager::{Completion, Device as DeviceStatus, Op, Outcome, Submission, Summary, WANTS_MEMORY};

/// What happened since this instance started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Read requests (`v_swapin`).
    pub reads: u64,
    /// Write requests (`v_swapout`).
    pub writes: u64,
    /// Pages read (`v_swappgsin`).
    pub pages_in: u64,
    /// Pages written (`v_swappgsout`).
    pub pages_out: u64,
    /// Failed reads and writes, and entries that made no sense.
    pub errors: u64,
    /// Slots adopted, and unfinished writes dropped.
    pub adopted: (u64, u64),
}

/// The swap pager.
#[derive(Default)]
pub struct SwapPager<'a, F = Direct> {
    pub(crate) devices: Devices<'a, F>,
    pub(crate) requests: Requests,
    pub(crate) counters: Counters,
    /// The run that is being gathered or waits for room: nothing after it is taken meanwhile.
    run: Option<Run>,
    /// Entries taken and not answered: so much room is kept in `vm`'s completion ring, so no completion is ever held up or lost.
    owed: usize,
    /// The cookie of a `Seal` that waits for what is under way; nothing more is taken.
    sealing: Option<u32>,
    /// The devices are sealed: nothing more is done.
    sealed: bool,
    /// What is being written out from in front of the devices.
    pub(crate) out: Out,
}

impl<'a> SwapPager<'a> {
    /// A pager without devices.
    pub fn new() -> SwapPager<'a> {
        SwapPager::default()
    }
}

impl<'a, F: Front<'a>> SwapPager<'a, F> {
    /// A pager without devices, with this in front of those that it will have.
    pub fn behind(front: F) -> Self {
        SwapPager {
            devices: Devices::behind(front),
            requests: Requests::default(),
            counters: Counters::default(),
            run: None,
            owed: 0,
            sealing: None,
            sealed: false,
            out: Out::default(),
        }
    }

    /// Does all that can be done now.
    pub fn pump(&mut self, world: &mut impl World<'a>) {
        while let Some(done) = world.finished() {
            match self.requests.finish(done.cookie) {
                Some(request) => self.settle(world, request, done.status),
                None => {
                    self.counters.errors += 1;
                    world.log(format_args!(
                        "the disks completed a request that was not made: {:#x}",
                        done.cookie
                    ));
                }
            }
        }
        self.submit(world);
        loop {
            if self.run.as_ref().is_some_and(Run::is_whole) && !self.advance(world) {
                break;
            }
            if self.is_closed() || world.room() <= self.owed {
                break;
            }
            let Some(entry) = world.next() else { break };
            self.take(world, &entry);
        }
        if !self.is_closed() {
            self.write_out(world);
        }
        self.seal(world);
    }

    fn is_closed(&self) -> bool {
        self.sealed || self.sealing.is_some()
    }

    /// Seals the devices, if that was asked for and nothing is under way any more.
    fn seal(&mut self, world: &mut impl World<'a>) {
        if !self.requests.is_empty() || self.run.is_some() {
            return;
        }
        if let Some(cookie) = self.sealing.take() {
            self.sealed = true;
            self.devices.iter().for_each(Device::seal);
            self.answer(
                world,
                Completion { outcome: Outcome::Ok, op: Op::Seal, cookie, frame: 0, results: [0; 2] },
            );
        }
    }

    /// Whether nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.requests.is_empty() && self.owed == 0
    }

    /// Whether `vm`'s next entry has to wait, for the disks or (if nothing is under way) for `vm` to take completions.
    pub fn is_stalled(&self, world: &mut impl World<'a>) -> bool {
        self.is_closed() || self.run.as_ref().is_some_and(Run::is_whole) || world.room() <= self.owed
    }

    /// What `swapinfo` shows (SWP-234, SWP-235): sums are exact.
    pub fn summary(&self) -> Summary {
        let c = &self.counters;
        let devices: Vec<DeviceStatus> = self
            .devices
            .iter()
            .map(|d| DeviceStatus {
                name: d.name.clone(),
                slots: d.table().slots() as u64 - d.bad(),
                used: d.used(),
                bad: d.bad(),
                closing: d.closing(),
            })
            .collect();
        Summary {
            devices,
            reads: c.reads,
            writes: c.writes,
            pages_in: c.pages_in,
            pages_out: c.pages_out,
            errors: c.errors,
            adopted: c.adopted,
            full: (self.devices.fullness.full, self.devices.fullness.almost),
            pool: self.devices.front.status(),
        }
    }

    /// The counters.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    fn take(&mut self, world: &mut impl World<'a>, entry: &[u64; 4]) {
        let Some(entry) = Submission::unpack(entry) else {
            // There is no operation that a completion could name: nobody waits for one.
            self.counters.errors += 1;
            return world.log(format_args!("vm submitted an entry that is none: {entry:x?}"));
        };
        self.owed += 1;
        if let Some(run) = &mut self.run {
            if run.push(&entry) {
                return;
            }
            // The run was broken off: its pages are answered, and this entry stands for itself.
            let broken = run.clone();
            self.run = None;
            self.refuse(world, broken.op, broken.gathered());
        }
        match entry.op {
            Op::Get | Op::Put => match Run::begin(&entry) {
                Some(run) => self.run = Some(run),
                None => {
                    let page = Page { frame: entry.words[2] as u32, cookie: entry.cookie, ..Page::default() };
                    self.refuse(world, entry.op, &[page]);
                }
            },
            Op::Seal => self.sealing = Some(entry.cookie),
            _ => {
                let (outcome, results) = self.control(world, entry.op, entry.words);
                self.answer(
                    world,
                    Completion { outcome, op: entry.op, cookie: entry.cookie, frame: 0, results },
                );
            }
        }
    }

    fn refuse(&mut self, world: &mut impl World<'a>, op: Op, pages: &[Page]) {
        self.counters.errors += pages.len() as u64;
        for page in pages {
            self.complete(world, op, page, Outcome::Bad);
        }
    }

    /// Goes on with the run. `false`: it has to wait.
    fn advance(&mut self, world: &mut impl World<'a>) -> bool {
        let Some(mut run) = self.run.take() else { return true };
        let done = if run.op == Op::Get { self.get(world, &run) } else { self.put(world, &mut run) };
        if !done {
            self.run = Some(run);
        }
        done
    }

    /// Whether another request of so many pages can go to the disks now.
    pub(crate) fn has_room(&self, world: &mut impl World<'a>, pages: usize) -> bool {
        !self.requests.is_full() && world.disk_room() >= pages
    }

    /// Keeps a request and submits it as soon as there is room.
    pub(crate) fn start(&mut self, world: &mut impl World<'a>, request: Request) {
        // There is room: callers have asked, or have just taken a request out.
        let _ = self.requests.add(request);
        self.submit(world);
    }

    fn submit(&mut self, world: &mut impl World<'a>) {
        while let Some((at, request)) = self.requests.waiting()
            && world.disk_room() >= request.entries()
            && let Some((cookie, request)) = self.requests.submit(at)
        {
            for entry in request.submissions(cookie) {
                world.submit(entry);
            }
        }
    }

    fn settle(&mut self, world: &mut impl World<'a>, request: Request, status: Status) {
        if status != Status::Ok {
            self.counters.errors += 1;
            // SWP-139: direction, place, size, cause.
            world.log(format_args!(
                "{:?} of {} pages at slot {} of disk {} failed: {status:?}",
                request.transfer,
                request.entries(),
                request.first as usize + request.single.unwrap_or(0),
                request.disk
            ));
        }
        if request.own {
            return self.was_written_out(world, request, status);
        }
        match request.transfer {
            ebb_proto::block::Transfer::Write => self.written(world, request, status),
            _ => self.was_read(world, request, status),
        }
    }

    /// Answers for one page.
    pub(crate) fn complete(&mut self, world: &mut impl World<'a>, op: Op, page: &Page, outcome: Outcome) {
        let (cookie, frame) = (page.cookie, page.frame as u64);
        let wants = if op == Op::Put && self.devices.front.wants_memory() { WANTS_MEMORY } else { 0 };
        self.answer(world, Completion { outcome, op, cookie, frame, results: [wants, 0] });
    }

    fn answer(&mut self, world: &mut impl World<'a>, completion: Completion) {
        self.owed -= 1;
        world.complete(completion);
    }

    /// `swp_sizecheck` after slots were taken or given back (SWP-062).
    pub(crate) fn size_check(&mut self, world: &mut impl World<'a>) {
        if self.devices.check() {
            world.log(format_args!("swap space is nearly used up"));
        }
    }

    /// An object's number, if it is one.
    pub(crate) fn object(word: u64) -> Option<u32> {
        (word < MAX_OBJECTS).then_some(word as u32)
    }
}
