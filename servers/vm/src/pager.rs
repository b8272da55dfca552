// SPDX-License-Identifier: BSD-2-Clause
//! The swap pager as `vm` sees it: requests into a ring, completions out of one, and what was in flight when it died.
//!
//! What is in flight is written in the pages themselves (`READING`, `WRITING`) and in two short lists (frees, control operations), so an instance that dies
//! loses nothing: [`Vm::pager_attach`] submits all of it again to the next. A completion is believed only if the frame is busy in the way
//! that it claims and its generation is the cookie's.

use crate::channel::Channel;
use crate::machine::Machine;
use crate::page::{Flags, Place};
use crate::vm::Vm;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::sync::atomic::AtomicU64;
use ebb_abi::meter::Counter;
use ebb_abi::{Handle, Rights};
use ebb_proto::Error;
use ebb_proto::pager::{DEVICE_STRIDE, DEVICES, Op, RING_PAGES, RINGS, Submission};
use ebb_proto::vm::{PAGER_BIT, PAGER_SUBMIT_BIT, PagerAttachment, PagerDevice, PagerKind, Space, VNODE_BIT};

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

/// A request to free copies, or to move them, until it is answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FreeRequest {
    pub(crate) object: u32,
    pub(crate) first: u32,
    pub(crate) pages: u32,
    /// They are not freed but become copies of this object's pages, from this one on.
    pub(crate) to: Option<(u32, u32)>,
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
    /// The swap pager has answered: now the vnode pager is asked.
    pub files: bool,
    /// Files released after the vnode pager was asked.
    pub released_after: Vec<u32>,
}

/// The swap pager.
pub struct Pager<R> {
    /// Its rings.
    pub ch: Channel,
    pub(crate) frees: VecDeque<FreeRequest>,
    pub(crate) control: VecDeque<(Submission, bool)>,
    /// Devices.
    pub devices: Vec<Device>,
    /// The last write that ended did not go well.
    pub(crate) fails: bool,
    /// An audit under way.
    pub audit: Option<PagerAudit<R>>,
}

impl<R> Pager<R> {
    /// None yet. `ring_segment` is where its rings will be.
    pub fn new(ring_segment: u32) -> Self {
        Pager {
            ch: Channel::new(ring_segment),
            frees: VecDeque::with_capacity(256),
            control: VecDeque::with_capacity(16),
            devices: Vec::new(),
            fails: false,
            audit: None,
        }
    }

    /// Whether so many pages more can be asked for ([`Channel::room`]). A free that is not submitted yet goes first: after a write of the same page it would
    /// hit the new copy.
    pub fn room(&self, entries: usize) -> bool {
        self.frees.back().is_none_or(|r| r.submitted) && self.ch.room(entries)
    }
}

impl<M: Machine> Vm<M> {
    /// Whether a pager's ring has room for so many requests now.
    pub(crate) fn pager_room(&self, kind: PagerKind, entries: usize) -> bool {
        match kind {
            PagerKind::Swap => self.pager.room(entries),
            PagerKind::Vnode => self.vnode.room(entries),
        }
    }

    /// The rings with a pager.
    pub fn channel(&mut self, kind: PagerKind) -> &mut Channel {
        match kind {
            PagerKind::Swap => &mut self.pager.ch,
            PagerKind::Vnode => &mut self.vnode.ch,
        }
    }

    /// Pages being written, by both pagers.
    pub fn writing(&self) -> u32 {
        self.pager.ch.writing + self.vnode.ch.writing
    }

    /// Writes the number of pages being written to the counters.
    pub fn publish_writing(&mut self) {
        self.frames.meter.set(Counter::v_laundry_count, self.writing() as u64);
    }

    /// Attaches a pager, and submits to it what was in flight.
    pub fn pager_attach(
        &mut self,
        space: Space,
        kind: PagerKind,
        notification: Handle,
    ) -> Result<PagerAttachment, Error> {
        if self.channel(kind).attached() {
            return Err(Error::Busy);
        }
        match kind {
            PagerKind::Swap => self.swap_attach(space, notification),
            PagerKind::Vnode => self.vnode_attach(space, notification),
        }
    }

    /// The words of a segment that `vm` has mapped itself.
    pub fn words_of(&self, segment: u32) -> Result<&'static [AtomicU64], Error> {
        let segment = self.segments.get(segment as usize).and_then(|s| s.as_ref());
        segment.and_then(|s| s.own_words()).ok_or(Error::NotFound)
    }

    fn swap_attach(&mut self, space: Space, notification: Handle) -> Result<PagerAttachment, Error> {
        let doorbell = self.give(space, self.notification, Rights::SEND, 0)?;
        let id = self.pager.ch.segment();
        let words = self.words_of(id)?;
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
        let now = self.m.now();
        self.pager.ch.attach(space, notification, words, now);
        let generation = self.pager.ch.generation();
        self.frames.meter.set(Counter::pager_generation, generation as u64);
        for request in &mut self.pager.frees {
            request.submitted = false;
        }
        self.flush_requests();
        self.waiting.pager_ready();
        self.ring_pager();
        // Says that completions are waited for from now on.
        self.take_completions(PagerKind::Swap);
        Ok(PagerAttachment { doorbell, generation, devices, frames: Vec::new() })
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

    /// A pager is gone. Requests are kept; nothing is submitted until there is one.
    pub fn pager_detach(&mut self, kind: PagerKind) {
        if !self.channel(kind).attached() {
            return;
        }
        if kind == PagerKind::Vnode {
            return self.vnode_detach();
        }
        // What it completed is true; a change of devices goes no further with it.
        let change = self.swap_change.take();
        self.drain_completions(kind);
        self.swap_change = change;
        self.pager.control.clear();
        // While its space is known: what a device that was being added had must be unmapped there before it is used for anything else.
        self.give_up_swap_change();
        let now = self.m.now();
        let notification = self.pager.ch.detach(now);
        self.m.handle_close(notification);
        if let Some(audit) = self.pager.audit.take_if(|a| !a.files) {
            let mut report = audit.report;
            report.problems.push(alloc::string::String::from("the pager died during the audit"));
            self.m.answer::<ebb_proto::vm::Audit>(audit.reply, Ok(report), &[]);
        }
    }

    /// Submits pages again, as far as there is room in the ring.
    pub(crate) fn resubmit_pages(&mut self, kind: PagerKind) {
        let Some(from) = self.channel(kind).resubmit_from.take() else { return };
        let mut again = 0;
        for frame in from..self.frames.nr_frames() {
            let page = *self.frames.page(frame);
            if page.place != Place::Object || !page.flags.intersects(Flags::BUSY) {
                continue;
            }
            let Some(o) = self.objects.get(page.object) else { continue };
            let (theirs, name) = match o.file() {
                Some(file) => (PagerKind::Vnode, file.inode),
                None => (PagerKind::Swap, page.object),
            };
            if theirs != kind {
                continue;
            }
            if kind == PagerKind::Vnode && page.flags.contains(Flags::DOOMED) {
                // It lies behind an end that the new instance knows, or nobody will see it again.
                self.give_up_doomed(frame, page.object, page.index, page.flags);
                continue;
            }
            let slot = self.vnode.slot_of(frame);
            let op = match slot {
                _ if page.flags.contains(Flags::READING) => Op::Get,
                Some(_) => Op::PutBytes,
                None => Op::Put,
            };
            let submission = Submission {
                op,
                run: 1,
                place: 0,
                slot: slot.unwrap_or(0),
                cookie: page.generation,
                words: [name as u64, page.index as u64, frame as u64],
            };
            if !self.channel(kind).push(&submission) {
                self.channel(kind).resubmit_from = Some(frame);
                break;
            }
            again += 1;
        }
        self.frames.meter.add(Counter::v_resubmitted, again);
    }

    /// A page of a file that nobody wants any more was under way when its pager died: it goes.
    fn give_up_doomed(&mut self, frame: u32, object: u32, index: u32, flags: Flags) {
        if flags.contains(Flags::READING) {
            self.vnode.ch.reading = self.vnode.ch.reading.saturating_sub(1);
        } else {
            self.vnode.drop_slot(frame);
            self.vnode.ch.writing = self.vnode.ch.writing.saturating_sub(1);
            self.publish_writing();
        }
        self.unbusy(frame, object, Flags::BUSY);
        self.drop_page(object, index, frame);
    }

    /// Tells the pagers, if they wait. Called once for all that a message brought.
    pub fn ring_pager(&mut self) {
        for kind in [PagerKind::Swap, PagerKind::Vnode] {
            if let Some(notification) = self.channel(kind).doorbell() {
                self.m.signal(notification, PAGER_SUBMIT_BIT);
            }
        }
    }

    /// Submits a run of reads; entry `wanted` is the one that is needed. `name`: the object for the swap pager, its inode for the other.
    pub fn submit_get(&mut self, kind: PagerKind, name: u32, run: &[(u32, u32)], wanted: usize) {
        for (index, frame) in run {
            let submission = Submission {
                op: Op::Get,
                run: run.len() as u8,
                place: wanted as u8,
                slot: 0,
                cookie: self.frames.page(*frame).generation,
                words: [name as u64, *index as u64, *frame as u64],
            };
            let channel = self.channel(kind);
            channel.reading += 1;
            channel.push(&submission);
        }
        let counter = if kind == PagerKind::Swap { Counter::v_swapin } else { Counter::v_vnodein };
        self.frames.meter.add(counter, 1);
    }

    /// Gives up the copies of a range of an object.
    pub fn free_copies(&mut self, object: u32, first: u32, pages: u32) {
        if let Some(o) = self.objects.get_mut(object) {
            o.freeing += 1;
        }
        self.pager.frees.push_back(FreeRequest { object, first, pages, to: None, submitted: false });
        self.flush_requests();
    }

    /// Makes the copies of a range of an object those of another, which has none there.
    pub(crate) fn move_copies(&mut self, object: u32, first: u32, to: u32, there: u32, pages: u32) {
        for object in [object, to] {
            if let Some(o) = self.objects.get_mut(object) {
                o.freeing += 1;
            }
        }
        let to = Some((to, there));
        self.pager.frees.push_back(FreeRequest { object, first, pages, to, submitted: false });
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
        // Frees that were in flight have gone before: each is older than the write of a page that it names.
        if self.pager.frees.back().is_none_or(|r| r.submitted) {
            self.resubmit_pages(PagerKind::Swap);
        }
        self.flush_control();
    }

    fn flush_frees(&mut self) {
        for request in self.pager.frees.iter_mut().filter(|r| !r.submitted) {
            let (op, to, there) = match request.to {
                Some((to, there)) => (Op::Copy, to, there),
                None => (Op::Free, 0, 0),
            };
            let words = [
                request.object as u64 | (to as u64) << 32,
                request.first as u64 | (there as u64) << 32,
                request.pages as u64,
            ];
            let submission = Submission { op, run: 0, place: 0, slot: 0, cookie: 0, words };
            if !self.pager.ch.push(&submission) {
                break;
            }
            request.submitted = true;
        }
    }

    fn flush_control(&mut self) {
        for (submission, submitted) in self.pager.control.iter_mut().filter(|(_, s)| !s) {
            if !self.pager.ch.push(submission) {
                break;
            }
            *submitted = true;
        }
    }
}

/// Pages of the ring segment.
pub const RING_SEGMENT_PAGES: u64 = RING_PAGES;
/// Bits of `vm`'s notification that the pagers signal.
pub const COMPLETION_BITS: [(u64, PagerKind); 2] =
    [(1 << PAGER_BIT, PagerKind::Swap), (1 << VNODE_BIT, PagerKind::Vnode)];
