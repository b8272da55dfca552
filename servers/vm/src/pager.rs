// SPDX-License-Identifier: BSD-2-Clause
//! The swap pager as `vm` sees it: requests into a ring, completions out of one, and what was in flight when it died.
//!
//! What is in flight is written in the pages themselves (`READING`, `WRITING`) and in two short lists (frees, control operations), so an instance that dies
//! loses nothing: [`Vm::pager_attach`] submits all of it again to the next. A completion is believed only if the frame is busy in the way
//! that it claims and its generation is the cookie's.

use crate::machine::Machine;
use crate::page::{Flags, Place};
use crate::vm::Vm;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use ebb_abi::meter::Counter;
use ebb_abi::{Handle, Rights};
use ebb_proto::Error;
use ebb_proto::pager::{DEVICE_STRIDE, DEVICES, Op, RING_PAGES, RINGS, Submission};
use ebb_proto::vm::{PAGER_BIT, PAGER_SUBMIT_BIT, PagerAttachment, PagerDevice, Space};
use ebb_ring::{Consumer, Producer};

/// Entries of the submission ring kept for frees and control.
const KEPT: usize = 16;

/// A swap device.
#[derive(Clone, Debug)]
pub struct Device {
    /// Its disk.
    pub disk: u8,
    /// Place of its segment: `DEVICES + place * DEVICE_STRIDE`.
    pub place: u8,
    /// Its durable segment.
    pub segment: u32,
    /// The segment for these; each instance of the pager builds its tables there anew.
    pub heap_segment: u32,
    /// Slots that can be allocated.
    pub slots: u64,
    /// In use: it was added, and its removal has not ended.
    pub active: bool,
}

/// A request to free copies, until it is answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FreeRequest {
    pub(crate) object: u32,
    pub(crate) first: u32,
    pub(crate) pages: u32,
    pub(crate) submitted: bool,
}

/// An audit of the pager under way: what changed since it was submitted.
pub struct PagerAudit<R> {
    /// Whom to answer.
    pub reply: R,
    /// What was found so far.
    pub report: ebb_proto::vm::AuditReport,
    /// Pages whose write was submitted after it: the pager had not seen them, and cannot have completed them before it.
    pub puts_after: u64,
    /// Copies given up in requests submitted after it.
    pub frees_after: u64,
}

/// The pager.
pub struct Pager<R> {
    space: Space,
    notification: Handle,
    attached: bool,
    pub(crate) generation: u32,
    submissions: Option<Producer<'static>>,
    pub(crate) completions: Option<Consumer<'static>>,
    ring_segment: u32,
    /// Entries that the submission ring holds.
    capacity: usize,
    pub(crate) frees: VecDeque<FreeRequest>,
    pub(crate) control: VecDeque<(Submission, bool)>,
    pub(crate) reading: u32,
    pub(crate) writing: u32,
    /// After a new instance came: the frame from which on what was in flight has not been submitted again yet.
    resubmit_from: Option<u32>,
    /// Devices.
    pub devices: Vec<Device>,
    /// An audit under way.
    pub audit: Option<PagerAudit<R>>,
    detached_at: u64,
    /// Cycles that requests were held at the last replacement.
    pub held: u64,
    rang: bool,
}

impl<R> Pager<R> {
    /// None yet. `ring_segment` is where its rings will be.
    pub fn new(ring_segment: u32) -> Self {
        Pager {
            space: 0,
            notification: Handle::NONE,
            attached: false,
            generation: 0,
            submissions: None,
            completions: None,
            ring_segment,
            capacity: 0,
            frees: VecDeque::with_capacity(256),
            control: VecDeque::with_capacity(16),
            reading: 0,
            writing: 0,
            resubmit_from: None,
            devices: Vec::new(),
            audit: None,
            detached_at: 0,
            held: 0,
            rang: true,
        }
    }

    /// The segment of its rings.
    pub fn ring_segment(&self) -> u32 {
        self.ring_segment
    }

    /// The pager's space, 0 if there is none.
    pub fn space(&self) -> Space {
        self.space
    }

    /// Whether a pager is attached.
    pub fn attached(&self) -> bool {
        self.attached
    }

    /// Whether so many pages more can be asked for. All that are in flight must fit the ring at once, because after the death of the pager they
    /// are submitted again; a few entries are kept for frees and control. A free that is not submitted yet goes first: after a write of the same page it would
    /// hit the new copy.
    pub fn room(&self, entries: usize) -> bool {
        let in_flight = (self.reading + self.writing) as usize;
        self.attached
            && self.resubmit_from.is_none()
            && self.frees.back().is_none_or(|r| r.submitted)
            && in_flight + entries + KEPT <= self.capacity
            && self
                .submissions
                .as_ref()
                .and_then(|s| s.room().ok())
                .is_some_and(|room| room >= entries + KEPT)
    }

    /// When the last one went, 0 if there was none.
    pub fn gone_since(&self) -> u64 {
        self.detached_at
    }

    /// Pages being written.
    pub fn writing(&self) -> u32 {
        self.writing
    }

    /// Pages being read.
    pub fn reading(&self) -> u32 {
        self.reading
    }
}

impl<M: Machine> Vm<M> {
    /// Attaches a pager, and submits to it what was in flight.
    pub fn pager_attach(&mut self, space: Space, notification: Handle) -> Result<PagerAttachment, Error> {
        if self.pager.attached {
            return Err(Error::Busy);
        }
        let doorbell = self.give(space, self.notification, Rights::SEND, 0)?;
        let id = self.pager.ring_segment;
        let words = self.segments.get(id as usize).and_then(|s| s.as_ref()).and_then(|s| s.own_words());
        let words = words.ok_or(Error::NotFound)?;
        words.iter().for_each(|w| w.store(0, core::sync::atomic::Ordering::Relaxed));
        let (first, second) = words.split_at(words.len() / 2);
        self.map_segment_at(space, id, RINGS)?;
        let mut devices = Vec::with_capacity(self.pager.devices.len());
        for at in 0..self.pager.devices.len() {
            let (durable, heap) = self.map_device(space, at)?;
            let d = &self.pager.devices[at];
            // One that was being added had no slot in use: it is added again by the request that is submitted again.
            if d.slots > 0 {
                let pages = |id: u32| {
                    self.segments
                        .get(id as usize)
                        .and_then(|s| s.as_ref())
                        .map_or(0, |s| s.frames.len() as u64)
                };
                devices.push(PagerDevice {
                    disk: d.disk,
                    segment: (durable, pages(d.segment)),
                    heap: (heap, pages(d.heap_segment)),
                });
            }
        }
        self.pager.capacity = ebb_ring::capacity(first.len());
        self.pager.submissions = Producer::new(first);
        self.pager.completions = Consumer::new(second);
        self.pager.space = space;
        self.pager.notification = notification;
        self.pager.generation += 1;
        self.pager.attached = true;
        self.pager.rang = true;
        if self.pager.detached_at != 0 {
            self.pager.held = self.m.now().saturating_sub(self.pager.detached_at);
        }
        self.frames.meter.set(Counter::pager_generation, self.pager.generation as u64);
        self.resubmit();
        // Says that completions are waited for from now on.
        self.take_completions();
        Ok(PagerAttachment { doorbell, generation: self.pager.generation, devices })
    }

    /// Maps a device's segments, durable and heap, into a pager's space.
    pub fn map_device(&mut self, space: Space, at: usize) -> Result<(u64, u64), Error> {
        let Some(device) = self.pager.devices.get(at).cloned() else { return Err(Error::NotFound) };
        let durable = DEVICES + device.place as u64 * DEVICE_STRIDE;
        let heap = ebb_abi::layout::HEAP + (device.place as u64 + 1) * (1 << 32);
        self.map_segment_at(space, device.segment, durable)?;
        self.map_segment_at(space, device.heap_segment, heap)?;
        Ok((durable, heap))
    }

    /// The pager is gone. Requests are kept; nothing is submitted until there is one.
    pub fn pager_detach(&mut self) {
        if !self.pager.attached {
            return;
        }
        // What it completed is true; a change of devices goes no further with it.
        let change = self.swap_change.take();
        self.drain_completions();
        self.swap_change = change;
        self.pager.attached = false;
        self.pager.submissions = None;
        self.pager.completions = None;
        self.pager.detached_at = self.m.now();
        self.pager.control.clear();
        // While its space is known: what a device that was being added had must be unmapped there before it is used for anything else.
        self.give_up_swap_change();
        self.pager.space = 0;
        let notification = core::mem::replace(&mut self.pager.notification, Handle::NONE);
        self.m.handle_close(notification);
        if let Some(audit) = self.pager.audit.take() {
            let mut report = audit.report;
            report.problems.push(alloc::string::String::from("the pager died during the audit"));
            self.m.answer::<ebb_proto::vm::Audit>(audit.reply, Ok(report), &[]);
        }
    }

    /// Submits again everything that was in flight.
    fn resubmit(&mut self) {
        for request in &mut self.pager.frees {
            request.submitted = false;
        }
        self.pager.resubmit_from = Some(0);
        self.flush_requests();
        self.waiting.pager_ready();
        self.ring_pager();
    }

    /// Submits pages again, as far as there is room in the ring. Frees that were in flight have gone before: each is older than the write of a page that it names.
    fn resubmit_pages(&mut self) {
        let Some(from) = self.pager.resubmit_from else { return };
        if self.pager.frees.back().is_some_and(|r| !r.submitted) {
            return;
        }
        let mut again = 0;
        self.pager.resubmit_from = None;
        for frame in from..self.frames.nr_frames() {
            let page = *self.frames.page(frame);
            if page.place != Place::Object || !page.flags.intersects(Flags::BUSY) {
                continue;
            }
            let op = if page.flags.contains(Flags::READING) { Op::Get } else { Op::Put };
            let submission = Submission {
                op,
                run: 1,
                place: 0,
                slot: 0,
                cookie: page.generation,
                words: [page.object as u64, page.index as u64, frame as u64],
            };
            if !self.push(&submission) {
                self.pager.resubmit_from = Some(frame);
                break;
            }
            again += 1;
        }
        self.frames.meter.add(Counter::v_resubmitted, again);
    }

    /// Appends to the ring; `false`: no pager, no room, or a broken ring.
    pub(crate) fn push(&mut self, submission: &Submission) -> bool {
        let Some(ring) = self.pager.submissions.as_mut() else { return false };
        self.pager.rang = false;
        matches!(ring.push(&submission.pack()), Ok(true))
    }

    /// Tells the pager, if it waits. Called once for all that a message brought.
    pub fn ring_pager(&mut self) {
        if core::mem::replace(&mut self.pager.rang, true) {
            return;
        }
        if self.pager.submissions.as_ref().is_some_and(|s| s.must_ring()) {
            let notification = self.pager.notification;
            self.m.signal(notification, PAGER_SUBMIT_BIT);
        }
    }

    /// Submits a run of reads; entry `wanted` is the one that is needed.
    pub fn submit_get(&mut self, object: u32, run: &[(u32, u32)], wanted: usize) {
        for (index, frame) in run {
            let submission = Submission {
                op: Op::Get,
                run: run.len() as u8,
                place: wanted as u8,
                slot: 0,
                cookie: self.frames.page(*frame).generation,
                words: [object as u64, *index as u64, *frame as u64],
            };
            self.pager.reading += 1;
            self.push(&submission);
        }
        self.frames.meter.add(Counter::v_swapin, 1);
    }

    /// Gives up the copies of a range of an object.
    pub fn free_copies(&mut self, object: u32, first: u32, pages: u32) {
        if let Some(o) = self.objects.get_mut(object) {
            o.freeing += 1;
        }
        self.pager.frees.push_back(FreeRequest { object, first, pages, submitted: false });
        self.flush_requests();
    }

    /// Counts copies given up.
    pub fn copies_given_up(&mut self, count: u64) {
        self.frames.meter.sub(Counter::swap_used, count);
        if let Some(audit) = &mut self.pager.audit {
            audit.frees_after += count;
        }
    }

    /// Submits a control operation.
    pub fn submit_control(&mut self, op: Op, words: [u64; 3]) {
        self.pager.control.push_back((Submission { op, run: 0, place: 0, slot: 0, cookie: 0, words }, false));
        self.flush_requests();
    }

    /// Submits what is queued, as far as there is room.
    pub(crate) fn flush_requests(&mut self) {
        self.flush_frees();
        self.resubmit_pages();
        self.flush_control();
    }

    fn flush_frees(&mut self) {
        let Some(ring) = self.pager.submissions.as_mut() else { return };
        for request in self.pager.frees.iter_mut().filter(|r| !r.submitted) {
            let submission = Submission {
                op: Op::Free,
                run: 0,
                place: 0,
                slot: 0,
                cookie: 0,
                words: [request.object as u64, request.first as u64, request.pages as u64],
            };
            if !matches!(ring.push(&submission.pack()), Ok(true)) {
                break;
            }
            request.submitted = true;
            self.pager.rang = false;
        }
    }

    fn flush_control(&mut self) {
        let Some(ring) = self.pager.submissions.as_mut() else { return };
        for (submission, submitted) in self.pager.control.iter_mut().filter(|(_, s)| !s) {
            if !matches!(ring.push(&submission.pack()), Ok(true)) {
                break;
            }
            *submitted = true;
            self.pager.rang = false;
        }
    }
}

/// Pages of the ring segment.
pub const RING_SEGMENT_PAGES: u64 = RING_PAGES;
/// Bit of `vm`'s notification that the pager signals.
pub const COMPLETION_BITS: u64 = 1 << PAGER_BIT;
