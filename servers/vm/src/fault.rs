// SPDX-License-Identifier: BSD-2-Clause
//! `vm_fault`: from an address to a mapping.
//!
//! The usual fault (a page that is resident, or zero-filled now) costs no more than the look-up: it is answered together with its mapping and
//! the next receive, in one trap. The rest waits ([`crate::waiting`]) and is tried again.

use crate::machine::Machine;
use crate::map::{Backing, Region};
use crate::object::{Entry, LEAF_ENTRIES, Leaf};
use crate::page::{Flags, Place};
use crate::vm::Vm;
use crate::waiting::{Reason, Work};
use ebb_abi::fault::Access;
use ebb_abi::frame::FrameOp;
use ebb_abi::layout::SEGMENTS;
use ebb_abi::map::{MapFlags, MapOp};
use ebb_abi::meter::Counter;
use ebb_abi::{Frame, PAGE_SIZE};
use ebb_policy::gate::Class;
use ebb_proto::Error;
use ebb_proto::pager::MAX_RUN;
use ebb_proto::vm::{Advice, EventKind, Happening, PagerKind, Protection, Space};

/// Most pages that a sequential fault brings in from swap.
const MAX_READ_AHEAD: u32 = 8;

/// What a look at a page brought.
pub enum Found {
    /// It is there and may be used; for writing only if the flag says so.
    Frame {
        /// Where.
        frame: u32,
        /// Whether it may be written now.
        writable: bool,
        /// It was taken from the free list and must be zeroed when it is entered.
        zero: bool,
    },
    /// It is not there yet.
    Wait(Reason),
    /// It cannot be had.
    Lost,
    /// It lies beyond the end of the file.
    Beyond,
}

impl<M: Machine> Vm<M> {
    /// Tries to resolve a fault. Returns what is to be entered and answered; `None`: it waits, or was refused and answered.
    pub fn fault(
        &mut self,
        id: Space,
        address: u64,
        access: Access,
        reply: M::Reply,
        again: bool,
    ) -> Option<(M::Reply, MapOp)> {
        if !again {
            self.frames.meter.add(Counter::v_vm_faults, 1);
        }
        let Some(space) = self.spaces.get_mut(id) else {
            self.m.refuse(reply);
            return None;
        };
        if !again {
            space.faults.0 += 1;
        }
        let crossed = space.limit.entered();
        let write = access.contains(Access::WRITE);
        let region = match space.map.find(address) {
            Some(region) if allowed(region.protection, access) => *region,
            _ => {
                self.m.refuse(reply);
                return None;
            }
        };
        let traced = space.traced;
        let page = region.page_at(address);
        let address = region.start + page as u64 * PAGE_SIZE as u64;
        if traced && self.trace_is_full(id) {
            self.wait_for(Reason::Traced, Work::Fault { space: id, address, access, reply });
            return None;
        }
        let flags = flags_of(region.protection);
        let op = match region.backing.advanced(page) {
            Backing::Module { frame } => {
                MapOp { address, frame: Frame(frame), flags: flags - MapFlags::WRITE }
            }
            Backing::Segment { id, first } => {
                let frame =
                    self.segments.get(id as usize).and_then(|s| s.as_ref()).and_then(|s| s.frame(first));
                let Some(frame) = frame else {
                    self.m.refuse(reply);
                    return None;
                };
                MapOp { address, frame: Frame(frame), flags }
            }
            Backing::Object { object, offset } => {
                match self.find_any(id, &region, address, object, offset, write) {
                    Found::Frame { frame, writable, zero } => {
                        let mut flags = flags;
                        flags.set(MapFlags::ZERO, zero);
                        if !writable {
                            flags -= MapFlags::WRITE;
                        }
                        MapOp { address, frame: Frame(frame), flags }
                    }
                    Found::Wait(reason) => {
                        let work = Work::Fault { space: id, address, access, reply };
                        self.wait_for(reason, work);
                        return None;
                    }
                    Found::Beyond => {
                        self.no_page(id, address, Error::Invalid, reply);
                        return None;
                    }
                    Found::Lost => {
                        self.happened_to(id, Happening::PageLost { space: id, address });
                        self.m.refuse(reply);
                        return None;
                    }
                }
            }
        };
        if !again {
            self.entering = op.frame.0;
        }
        if crossed {
            self.limit_crossed(id);
        }
        let op = if traced { self.trace_fault(id, op, write) } else { op };
        Some((reply, op))
    }

    /// Enters a mapping and answers the fault that asked for it.
    pub fn finish_fault(&mut self, id: Space, reply: M::Reply, op: MapOp) {
        match self.enter(id, &[op]) {
            Ok(()) => self.m.resume(reply),
            Err(Error::NoMemory) => {
                // No frame for a page table: the page stays, the fault comes again when there is memory.
                if op.flags.contains(MapFlags::ZERO) {
                    self.zero_later(op.frame.0);
                }
                let access = if op.flags.contains(MapFlags::WRITE) { Access::WRITE } else { Access::empty() };
                let work = Work::Fault { space: id, address: op.address, access, reply };
                self.wait_for(Reason::Memory, work);
            }
            Err(error) => {
                if op.flags.contains(MapFlags::ZERO) {
                    self.zero_later(op.frame.0);
                }
                self.m.log(format_args!("space {id}: mapping {:#x}: {error}", op.address));
                self.m.refuse(reply);
            }
        }
    }

    /// Zeroes a frame that was to be zeroed when it was entered.
    fn zero_later(&mut self, frame: u32) {
        if let Err(error) = self.m.zero_tail(Frame(frame), 0) {
            self.m.log(format_args!("zeroing frame {frame}: {error:?}"));
        }
    }

    /// A page of a mapping of a file cannot be had: its program ends.
    pub(crate) fn no_page(&mut self, space: Space, address: u64, why: Error, reply: M::Reply) {
        self.happened_to(space, Happening::NoPage { space, address, why });
        self.m.refuse(reply);
    }

    /// Finds a page of whatever kind of object for its program, at an address of the region, or makes it come.
    pub fn find_any(
        &mut self,
        space: Space,
        region: &Region,
        address: u64,
        object: u32,
        index: u32,
        write: bool,
    ) -> Found {
        if region.tracked {
            return self.find_tracked(space, region, address, object, index, write);
        }
        let Some(o) = self.objects.get(object) else { return Found::Lost };
        if o.file().is_some() {
            return self.find_shared(space, region, object, index, write);
        }
        if region.needs_copy {
            return self.find_uncopied(space, region, address, object, index, write);
        }
        if o.behind().is_none() || o.entry(index).is_known() {
            return self.find_page(space, region, object, index, write, true);
        }
        // What lies behind shows through, until it is written to.
        self.find_behind(space, region, address, object, index, write)
    }

    /// Forgets what the hardware noted of frames' earlier lives: it says nothing of the pages that come into them.
    pub(crate) fn clear_bits(&mut self, frames: &mut [u64]) {
        if let Err(error) = self.m.frame_op(FrameOp::RemoveAll, frames) {
            self.m.log(format_args!("clearing bits of {} frames: {error:?}", frames.len()));
        }
    }

    /// Finds a page of an anonymous object, or makes it come. `demand`: somebody needs it (otherwise nothing is brought in beside it).
    pub fn find_page(
        &mut self,
        space: Space,
        region: &Region,
        object: u32,
        index: u32,
        write: bool,
        demand: bool,
    ) -> Found {
        let Some(o) = self.objects.get(object) else { return Found::Lost };
        let entry = o.entry(index);
        if let Some(frame) = entry.frame() {
            let flags = self.frames.page(frame).flags;
            if flags.intersects(Flags::READING | Flags::DOOMED) || (write && flags.contains(Flags::WRITING)) {
                self.frames.meter.add(Counter::v_intrans, 1);
                return Found::Wait(Reason::Page(frame));
            }
            return Found::Frame { frame, writable: !flags.contains(Flags::WRITING), zero: false };
        }
        if entry.lost() {
            return Found::Lost;
        }
        if !o.has_leaf(index) && self.add_leaf(object, index).is_err() {
            return Found::Wait(Reason::Memory);
        }
        if entry.swapped() {
            let result = self.page_in(region, object, index, demand);
            if demand && matches!(result, Found::Wait(Reason::Page(_))) {
                self.frames.meter.add(Counter::v_io_faults, 1);
                if let Some(space) = self.spaces.get_mut(space) {
                    space.faults.1 += 1;
                }
                self.advance_read_ahead(space, region, index);
            }
            return result;
        }
        let Some(frame) = self.frames.allocate(Class::Normal, Place::Object, object, index) else {
            return Found::Wait(Reason::Memory);
        };
        if let Some(o) = self.objects.get_mut(object) {
            o.set(index, entry.with_frame(Some(frame)));
        }
        self.frames.meter.add(Counter::v_zfod, 1);
        self.frames.set_queue(frame, Flags::ACTIVE);
        self.tell_policy(EventKind::PageIn, frame, 1);
        Found::Frame { frame, writable: true, zero: true }
    }

    /// Asks the pager for a page, with what a sequential reader would want next.
    fn page_in(&mut self, region: &Region, object: u32, index: u32, demand: bool) -> Found {
        if !self.pager.room(1) {
            return Found::Wait(Reason::Pager);
        }
        let Some(frame) = self.frames.allocate(Class::Normal, Place::Object, object, index) else {
            return Found::Wait(Reason::Memory);
        };
        let window = self.window(region, index);
        let end = self.objects.get(object).map_or(0, |o| o.pages);
        let mut run = [(0, 0); MAX_READ_AHEAD as usize];
        run[0] = (index, frame);
        let mut len = 1;
        while len < window as usize {
            let next = index + len as u32;
            let entry = self.objects.get(object).map(|o| o.entry(next)).unwrap_or_default();
            if next >= end || entry.frame().is_some() || !entry.swapped() || !self.frames.plenty() {
                break;
            }
            let Some(frame) = self.frames.allocate(Class::Normal, Place::Object, object, next) else { break };
            run[len] = (next, frame);
            len += 1;
        }
        self.read_run(PagerKind::Swap, object, object, &run[..len], demand);
        Found::Wait(Reason::Page(frame))
    }

    /// Begins to read neighbouring pages of an object, of which the first must come and has room in the ring. `name`: what the pager calls the object. `demand`: somebody needs the first.
    pub(crate) fn read_run(
        &mut self,
        kind: PagerKind,
        name: u32,
        object: u32,
        mut run: &[(u32, u32)],
        demand: bool,
    ) {
        // A ring that has not room for all gets fewer.
        while let Some(((_, frame), fewer)) = run.split_last()
            && !self.pager_room(kind, run.len())
        {
            self.frames.free(*frame);
            run = fewer;
        }
        // They will be as clean as their copies.
        let mut bits = [0; MAX_RUN];
        bits.iter_mut().zip(run).for_each(|(bits, (_, frame))| *bits = *frame as u64);
        self.clear_bits(&mut bits[..run.len().min(MAX_RUN)]);
        for (nth, (index, frame)) in run.iter().enumerate() {
            self.reading(object, *index, *frame, nth == 0 && demand);
        }
        self.submit_get(kind, name, run, 0);
    }

    /// Notes that a page is being read into a frame.
    pub fn reading(&mut self, object: u32, index: u32, frame: u32, demanded: bool) {
        if let Some(o) = self.objects.get_mut(object) {
            let entry = o.entry(index);
            o.set(index, entry.with_frame(Some(frame)));
            o.busy += 1;
        }
        if let Some(page) = self.frames.page_mut(frame) {
            page.flags |= if demanded { Flags::READING | Flags::DEMANDED } else { Flags::READING };
        }
    }

    /// How many pages to bring in at this fault: twice as many as at the last, if the reader came exactly where a sequential one would; otherwise one.
    fn window(&self, region: &Region, index: u32) -> u32 {
        match region.advice {
            Advice::Random => 1,
            Advice::Sequential => MAX_READ_AHEAD,
            _ if region.read_ahead == (0, 0) || index != region.read_ahead.0 => 1,
            _ => (region.read_ahead.1 * 2).clamp(2, MAX_READ_AHEAD),
        }
    }

    fn advance_read_ahead(&mut self, space: Space, region: &Region, index: u32) {
        let window = self.window(region, index);
        if let Some(region) = self.spaces.get_mut(space).and_then(|s| s.map.find_mut(region.start)) {
            region.read_ahead = (index + window, window);
        }
    }

    /// Makes the table for a page of an object.
    pub fn add_leaf(&mut self, object: u32, index: u32) -> Result<(), Error> {
        let frame = self.frames.allocate(Class::System, Place::Leaf, object, index / LEAF_ENTRIES);
        let frame = frame.ok_or(Error::NoMemory)?;
        let leaf = match self.map_own(frame) {
            Ok((slot, cells)) => Leaf { frame, slot, cells },
            Err(error) => {
                self.frames.free(frame);
                return Err(error);
            }
        };
        let left = match self.objects.get_mut(object) {
            Some(o) => o.leaves.put(index / LEAF_ENTRIES, leaf),
            None => Some(leaf),
        };
        match left {
            None => Ok(()),
            Some(leaf) => {
                self.free_leaf(leaf);
                Err(Error::NoMemory)
            }
        }
    }

    /// Takes a table back.
    pub fn free_leaf(&mut self, leaf: Leaf) {
        if self.unmap_own(leaf.slot) {
            self.frames.free(leaf.frame);
        }
    }

    /// Gives back a place in `vm`'s own range. `false`, and the log says why: it cannot be.
    pub(crate) fn unmap_own(&mut self, slot: u32) -> bool {
        let address = own_address(slot);
        let task = self.own_task;
        match self.m.unmap(task, address, 1) {
            Ok(()) => self.own_slots.push(slot),
            Err(error) => {
                self.m.log(format_args!("unmapping own page {address:#x}: {error:?}"));
                return false;
            }
        }
        true
    }

    /// Maps a frame, zeroed, into `vm` itself.
    pub fn map_own(&mut self, frame: u32) -> Result<(u32, &'static [core::sync::atomic::AtomicU64]), Error> {
        self.map_own_with(frame, MapFlags::WRITE | MapFlags::ZERO)
    }

    /// Maps a frame into `vm` itself, with these flags.
    pub(crate) fn map_own_with(
        &mut self,
        frame: u32,
        flags: MapFlags,
    ) -> Result<(u32, &'static [core::sync::atomic::AtomicU64]), Error> {
        let slot = self.own_slots.pop().unwrap_or_else(|| {
            self.own_next += 1;
            self.own_next - 1
        });
        let address = own_address(slot);
        let op = MapOp { address, frame: Frame(frame), flags };
        let result = self.enter_own(op);
        match (result, self.m.own_words(address, 1)) {
            (Ok(()), Some(cells)) => Ok((slot, cells)),
            (Err(error), _) => {
                self.own_slots.push(slot);
                Err(error)
            }
            (Ok(()), None) => Err(Error::Invalid),
        }
    }

    /// Enters a mapping in `vm` itself.
    fn enter_own(&mut self, op: MapOp) -> Result<(), Error> {
        use ebb_sys::object::Donation;
        loop {
            let task = self.own_task;
            match self.m.map(task, &[op]) {
                Ok(()) => return Ok(()),
                Err(partial) if partial.error == ebb_abi::Error::NoTables => {
                    let mut frames = [Frame(0); 4];
                    for n in 0..4 {
                        match self.frames.allocate(Class::System, Place::Kernel, 0, 0) {
                            Some(frame) => frames[n] = Frame(frame),
                            None => {
                                frames[..n].iter().for_each(|f| self.frames.free(f.0));
                                return Err(Error::NoMemory);
                            }
                        }
                    }
                    let taken = self.m.donate(task, Donation::Tables, &frames).unwrap_or(0);
                    frames[taken.min(4)..].iter().for_each(|f| self.frames.free(f.0));
                    if taken == 0 {
                        return Err(Error::NoMemory);
                    }
                }
                Err(partial) => return Err(ebb_rt::client::from_sys(partial.error)),
            }
        }
    }

    /// Sets an entry of an object.
    pub fn set_entry(&mut self, object: u32, index: u32, change: impl FnOnce(Entry) -> Entry) {
        if let Some(o) = self.objects.get_mut(object) {
            let entry = o.entry(index);
            o.set(index, change(entry));
        }
    }
}

/// Address of a place in `vm`'s own range.
pub fn own_address(slot: u32) -> u64 {
    SEGMENTS + slot as u64 * PAGE_SIZE as u64
}

/// Whether a protection allows an access.
fn allowed(protection: Protection, access: Access) -> bool {
    let needed = if access.contains(Access::EXECUTE) {
        Protection::EXECUTE
    } else if access.contains(Access::WRITE) {
        Protection::WRITE
    } else {
        Protection::READ
    };
    protection.contains(needed)
}

/// The flags of a mapping with this protection.
pub fn flags_of(protection: Protection) -> MapFlags {
    let mut flags = MapFlags::empty();
    flags.set(MapFlags::WRITE, protection.contains(Protection::WRITE));
    flags.set(MapFlags::EXECUTE, protection.contains(Protection::EXECUTE));
    flags
}
