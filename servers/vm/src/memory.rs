// SPDX-License-Identifier: BSD-2-Clause
//! `mmap` and its kin: what programs ask of their address space.

use crate::charge::{Charge, Charges};
use crate::fault::flags_of;
use crate::file::File;
use crate::machine::Machine;
use crate::map::{Backing, Range, Region};
use crate::object::{Kind, MAX_PAGES, Object};
use crate::page::{Flags, Place};
use crate::vm::Vm;
use alloc::string::String;
use alloc::vec::Vec;
use ebb_abi::frame::{FrameOp, MODIFIED};
use ebb_abi::map::MapOp;
use ebb_abi::meter::Counter;
use ebb_abi::{Frame, PAGE_SIZE};
use ebb_policy::gate::{Class, Wiring};
use ebb_proto::Error;
use ebb_proto::fs::OpenFlags;
use ebb_proto::pager::MAX_RUN;
use ebb_proto::vm::{self as proto, Advice, EventKind, Inheritance, Protection, Source, Space};
use ebb_rt::client::from_sys;

const PAGE: u64 = PAGE_SIZE as u64;
/// Regions in one answer.
const REGIONS_AT_ONCE: usize = 32;
/// Pages in one answer of `mincore`.
const MINCORE_PAGES: u64 = 3900;

/// Whether a region may have a protection.
fn may_protect(region: &Region, protection: Protection) -> Result<(), Error> {
    if protection.contains(Protection::WRITE) && matches!(region.backing, Backing::Module { .. }) {
        return Err(Error::NotPermitted);
    }
    if region.most.contains(protection) { Ok(()) } else { Err(Error::Access) }
}

/// What a region holds.
#[derive(Clone, Copy, Default)]
pub struct Held {
    /// Resident pages.
    pub resident: u64,
    /// Pages with a copy in swap.
    pub swapped: u64,
    /// Wired pages.
    pub wired: u64,
}

/// What a new mapping counts as.
fn charge_of(op: &proto::Map, protection: Protection) -> Charge {
    match op.source {
        Source::Segment { .. } | Source::File { private: false, .. } => Charge::Address,
        // The module's own frames.
        Source::Module { .. } if !protection.contains(Protection::WRITE) => Charge::Address,
        _ if protection.contains(Protection::WRITE) => Charge::Swap,
        _ => Charge::Own,
    }
}

impl<M: Machine> Vm<M> {
    /// `mmap`.
    pub fn map(&mut self, id: Space, op: &proto::Map) -> Result<u64, Error> {
        let protection = Protection::from_bits(op.protection).ok_or(Error::Invalid)?;
        self.map_as(id, op, charge_of(op, protection))
    }

    /// The same, of a mapping that counts as this.
    pub(crate) fn map_as(&mut self, id: Space, op: &proto::Map, charge: Charge) -> Result<u64, Error> {
        let space = self.spaces.get(id).ok_or(Error::NotFound)?;
        let protection = Protection::from_bits(op.protection).ok_or(Error::Invalid)?;
        if op.pages == 0 || op.pages > MAX_PAGES {
            return Err(Error::Invalid);
        }
        let address = if op.address == 0 { space.map.place(op.pages)? } else { op.address };
        let range = Range::new(address, op.pages)?;
        if !space.map.is_free(range) {
            return Err(Error::Exists);
        }
        if !space.map.has_room() {
            return Err(Error::NoMemory);
        }
        let pages = op.pages as u32;
        let wiring = if space.protected { Wiring::System } else { Wiring::Program };
        // Before anything is made: most of what comes then cannot be undone at no cost.
        self.may_charge(id, Charges::of(charge, range.start, op.pages))?;
        let backing = match op.source {
            Source::Anonymous => self.new_object(pages)?,
            Source::Wired => self.new_wired(pages, wiring)?,
            Source::Segment { id: segment, first } => self.use_segment(segment, first, pages)?,
            Source::Module { index, offset, bytes, wired } => {
                self.use_module(index, offset, bytes, pages, protection, wired.then_some(wiring))?
            }
            Source::File { file, first, private } => {
                self.use_file(id, file, first, pages, protection, private)?
            }
        };
        if self.is_anonymous(backing)
            && let Backing::Object { object, .. } = backing
            && let Some(o) = self.objects.get_mut(object)
        {
            o.holders.add(id);
        }
        let most = self.most_protection(id, op);
        let region = Region {
            start: range.start,
            pages: op.pages,
            protection,
            most,
            backing,
            charge,
            advice: Advice::Normal,
            wired: false,
            inheritance: Inheritance::Copy,
            needs_copy: false,
            shared: false,
            tracked: false,
            read_ahead: (0, 0),
        };
        let inserted = match self.spaces.get_mut(id) {
            Some(space) => space.map.insert(region),
            None => Err(Error::NotFound),
        };
        if let Err(error) = inserted {
            self.drop_region(id, &region, &[]);
            return Err(error);
        }
        if self.is_anonymous(backing) {
            self.frames.meter.add(Counter::v_anon_bytes, op.pages * PAGE);
        }
        // What is wired is entered at once: its users must never fault.
        let wired =
            matches!(op.source, Source::Wired | Source::Segment { .. } | Source::Module { wired: true, .. });
        if wired && let Err(error) = self.enter_all(id, &region) {
            self.unmap(id, range)?;
            return Err(error);
        }
        Ok(range.start)
    }

    pub(crate) fn new_object(&mut self, pages: u32) -> Result<Backing, Error> {
        let object = Object::new(pages).ok_or(Error::NoMemory)?;
        Ok(Backing::Object { object: self.objects.insert(object), offset: 0 })
    }

    /// An object all of whose pages are there and wired.
    pub(crate) fn new_wired(&mut self, pages: u32, wiring: Wiring) -> Result<Backing, Error> {
        let object = Object { wiring, ..Object::new(pages).ok_or(Error::NoMemory)? };
        if !self.frames.wire(pages, wiring) {
            return Err(Error::NoMemory);
        }
        let object = self.objects.insert(object);
        for index in 0..pages {
            if let Err(error) = self.wired_page(object, index) {
                // Those made so far are unwired with their page, the rest here.
                self.frames.unwire(pages - index, wiring);
                self.kill_object(object);
                return Err(error);
            }
        }
        Ok(Backing::Object { object, offset: 0 })
    }

    fn wired_page(&mut self, object: u32, index: u32) -> Result<u32, Error> {
        if self.objects.get(object).is_some_and(|o| !o.has_leaf(index)) {
            self.add_leaf(object, index)?;
        }
        let frame =
            self.frames.allocate(Class::System, Place::Object, object, index).ok_or(Error::NoMemory)?;
        if let Err(error) = self.m.zero_tail(Frame(frame), 0) {
            self.frames.free(frame);
            return Err(from_sys(error));
        }
        if let Some(page) = self.frames.page_mut(frame) {
            page.wired = 1;
            page.flags |= Flags::DIRTY;
        }
        self.set_entry(object, index, |e| e.with_frame(Some(frame)));
        if let Some(o) = self.objects.get_mut(object) {
            o.wired += 1;
        }
        Ok(frame)
    }

    fn use_segment(&mut self, id: u32, first: u32, pages: u32) -> Result<Backing, Error> {
        let segment = self.segments.get_mut(id as usize).and_then(|s| s.as_mut()).ok_or(Error::NotFound)?;
        if first as u64 + pages as u64 > segment.frames.len() as u64 {
            return Err(Error::Invalid);
        }
        segment.mapped += pages as u64;
        Ok(Backing::Segment { id, first })
    }

    /// What a mapping may be changed to: what its file is open for.
    fn most_protection(&self, id: Space, op: &proto::Map) -> Protection {
        let Source::File { file, private, .. } = op.source else { return Protection::all() };
        let rights =
            self.description(id, file, OpenFlags::empty()).ok().and_then(|n| self.descriptions.get(n));
        let rights = rights.map_or(OpenFlags::empty(), |d| d.rights);
        let mut most = Protection::READ;
        most.set(Protection::WRITE, private || rights.contains(OpenFlags::WRITE));
        most.set(Protection::EXECUTE, rights.contains(OpenFlags::EXECUTE));
        most
    }

    fn use_file(
        &mut self,
        id: Space,
        file: u32,
        first: u32,
        pages: u32,
        protection: Protection,
        private: bool,
    ) -> Result<Backing, Error> {
        let mut rights = OpenFlags::READ;
        rights.set(OpenFlags::WRITE, protection.contains(Protection::WRITE) && !private);
        rights.set(OpenFlags::EXECUTE, protection.contains(Protection::EXECUTE));
        let object = self.object_of(id, file, rights)?;
        first.checked_add(pages).ok_or(Error::Invalid)?;
        if private {
            let mut own = Object::new(pages).ok_or(Error::NoMemory)?;
            own.kind = Kind::Anonymous { behind: Some((object, first)) };
            if let Some(file) = self.objects.get_mut(object).and_then(Object::file_mut) {
                file.users += 1;
            }
            return Ok(Backing::Object { object: self.objects.insert(own), offset: 0 });
        }
        let o = self.objects.get_mut(object).ok_or(Error::BadFile)?;
        o.mapped = o.mapped.checked_add(pages).ok_or(Error::NoMemory)?;
        if protection.contains(Protection::WRITE)
            && let Some(file) = o.file_mut()
        {
            file.writable += pages;
        }
        Ok(Backing::Object { object, offset: first })
    }

    /// Whether it is memory that belongs to the mapping alone.
    pub(crate) fn is_anonymous(&self, backing: Backing) -> bool {
        let Backing::Object { object, .. } = backing else { return false };
        self.objects.get(object).is_some_and(|o| o.file().is_none())
    }

    /// Whether it is a file, which others may map too.
    pub(crate) fn is_shared_file(&self, backing: Backing) -> bool {
        matches!(backing, Backing::Object { .. }) && !self.is_anonymous(backing)
    }

    /// The file of a shared mapping.
    fn file_behind(&mut self, backing: Backing) -> Option<&mut File> {
        let Backing::Object { object, .. } = backing else { return None };
        self.objects.get_mut(object).and_then(Object::file_mut)
    }

    fn use_module(
        &mut self,
        index: u32,
        offset: u64,
        bytes: u64,
        pages: u32,
        protection: Protection,
        wired: Option<Wiring>,
    ) -> Result<Backing, Error> {
        let module = *self.modules.get(index as usize).ok_or(Error::NotFound)?;
        let end = offset.checked_add(bytes).ok_or(Error::Invalid)?;
        if !offset.is_multiple_of(PAGE) || end > module.len || bytes > pages as u64 * PAGE {
            return Err(Error::Invalid);
        }
        let first = module.frame + (offset / PAGE) as u32;
        let file_pages = bytes.div_ceil(PAGE) as u32;
        if !protection.contains(Protection::WRITE) {
            return if file_pages < pages {
                Err(Error::Invalid)
            } else {
                Ok(Backing::Module { frame: first })
            };
        }
        // A private copy, made now: what the file has, then zeroes.
        let backing = match wired {
            Some(wiring) => self.new_wired(pages, wiring)?,
            None => self.new_object(pages)?,
        };
        let Backing::Object { object, .. } = backing else { return Err(Error::Invalid) };
        for page in 0..file_pages {
            let tail = (bytes - page as u64 * PAGE).min(PAGE);
            if let Err(error) = self.copied_page(Class::System, object, page, first + page, tail) {
                self.kill_object(object);
                return Err(error);
            }
        }
        Ok(backing)
    }

    /// Makes a page of an object a copy of a frame's first bytes.
    pub(crate) fn copied_page(
        &mut self,
        class: Class,
        object: u32,
        index: u32,
        from: u32,
        bytes: u64,
    ) -> Result<(), Error> {
        let there = self.objects.get(object).and_then(|o| o.entry(index).frame());
        let frame = match there {
            Some(frame) => frame,
            None => {
                if self.objects.get(object).is_some_and(|o| !o.has_leaf(index)) {
                    self.add_leaf(object, index)?;
                }
                let frame =
                    self.frames.allocate(class, Place::Object, object, index).ok_or(Error::NoMemory)?;
                self.set_entry(object, index, |e| e.with_frame(Some(frame)));
                frame
            }
        };
        self.m.copy(Frame(from), Frame(frame)).map_err(from_sys)?;
        if bytes < PAGE {
            self.m.zero_tail(Frame(frame), bytes).map_err(from_sys)?;
        }
        if let Some(page) = self.frames.page_mut(frame) {
            page.flags |= Flags::DIRTY;
        }
        if there.is_none() {
            self.frames.set_queue(frame, Flags::ACTIVE);
            self.tell_policy(EventKind::PageIn, frame, 1);
        }
        Ok(())
    }

    /// Enters all pages of a region that are there.
    pub(crate) fn enter_all(&mut self, id: Space, region: &Region) -> Result<(), Error> {
        let mut ops = Vec::with_capacity(ebb_sys::memory::MAX_MAPS);
        let mut flags = flags_of(region.protection);
        for n in 0..region.pages as u32 {
            let frame = match region.backing.advanced(n) {
                Backing::Module { frame } => {
                    flags -= ebb_abi::map::MapFlags::WRITE;
                    Some(frame)
                }
                Backing::Segment { id, first } => {
                    self.segments.get(id as usize).and_then(|s| s.as_ref()).and_then(|s| s.frame(first))
                }
                Backing::Object { object, offset } => {
                    self.objects.get(object).and_then(|o| o.entry(offset).frame())
                }
            };
            if let Some(frame) = frame {
                ops.push(MapOp { address: region.start + n as u64 * PAGE, frame: Frame(frame), flags });
            }
            if ops.len() == ops.capacity() || n as u64 + 1 == region.pages {
                self.enter(id, &ops)?;
                ops.clear();
            }
        }
        Ok(())
    }

    /// `munmap`.
    pub fn unmap(&mut self, id: Space, range: Range) -> Result<(), Error> {
        if self.wires_shared(id, range) {
            return Err(Error::Busy);
        }
        let space = self.spaces.get_mut(id).ok_or(Error::NotFound)?;
        let task = space.task;
        if !space.map.may_split(range) {
            return Err(Error::NoMemory);
        }
        let regions = space.map.remove(range);
        // All before the first: pages of a later one may go with it.
        for region in &regions {
            self.m.unmap(task, region.start, region.pages).map_err(from_sys)?;
        }
        for (n, region) in regions.iter().enumerate() {
            self.drop_region(id, region, regions.get(n + 1..).unwrap_or_default());
        }
        self.forget_written(id, range);
        Ok(())
    }

    /// `mprotect`.
    pub fn protect(&mut self, id: Space, range: Range, protection: u8) -> Result<(), Error> {
        let protection = Protection::from_bits(protection).ok_or(Error::Invalid)?;
        let space = self.spaces.get_mut(id).ok_or(Error::NotFound)?;
        let task = space.task;
        let write = protection.contains(Protection::WRITE);
        let region = space.map.exactly_mut(range);
        if let Some(region) = region.filter(|r| !write || r.charge != Charge::Own) {
            may_protect(region, protection)?;
            let before = core::mem::replace(&mut region.protection, protection);
            let region = *region;
            self.protected(&region, before);
        } else {
            if !space.map.covers(range) {
                return Err(Error::Fault);
            }
            if !space.map.may_split(range) {
                return Err(Error::NoMemory);
            }
            space.map.touching(range).try_for_each(|r| may_protect(r, protection))?;
            if write {
                let more = space.map.charges_of_writing(range);
                self.may_charge(id, more)?;
            }
            let space = self.spaces.get_mut(id).ok_or(Error::NotFound)?;
            for (before, region) in space.map.protect(range, protection) {
                self.protected(&region, before);
            }
        }
        if protection.is_empty() {
            return self.m.unmap(task, range.start, range.pages()).map_err(from_sys);
        }
        // Taking rights away is done now; giving some is left to the next fault, which knows whether the page is being written.
        let flags = flags_of(protection) - ebb_abi::map::MapFlags::WRITE;
        self.m.protect(task, range.start, range.pages(), flags).map_err(from_sys)
    }

    /// The protection of a region has changed: files count what may be written through mappings.
    fn protected(&mut self, region: &Region, before: Protection) {
        let (now, pages) = (region.protection.contains(Protection::WRITE), region.pages as u32);
        if before.contains(Protection::WRITE) != now
            && let Some(file) = self.file_behind(region.backing)
        {
            file.touched = true;
            file.writable = if now { file.writable + pages } else { file.writable.saturating_sub(pages) };
        }
    }

    /// `madvise`.
    pub fn advise(&mut self, id: Space, range: Range, advice: Advice) -> Result<(), Error> {
        let space = self.spaces.get_mut(id).ok_or(Error::NotFound)?;
        if !space.map.covers(range) {
            return Err(Error::Fault);
        }
        if !space.map.may_split(range) {
            return Err(Error::NoMemory);
        }
        let task = space.task;
        if matches!(advice, Advice::Normal | Advice::Sequential | Advice::Random) {
            for region in space.map.range_mut(range) {
                region.advice = advice;
            }
            return Ok(());
        }
        let regions: Vec<Region> = space.map.range_mut(range).to_vec();
        for region in regions.iter().filter(|r| !r.wired) {
            let Backing::Object { object, offset } = region.backing else { continue };
            let anonymous = self.is_anonymous(region.backing);
            // A file's pages, seen directly or through a private mapping.
            let file = if anonymous { self.file_under(object, offset) } else { Some((object, offset)) };
            match advice {
                // The contents of a file are not the program's alone to give up.
                Advice::Free if !anonymous => {}
                // What is wired without the program's doing must stay as it is.
                Advice::Free if self.has_sharers(region) || self.held_by(region).wired > 0 => {}
                Advice::Free => {
                    self.m.unmap(task, region.start, region.pages).map_err(from_sys)?;
                    self.forget_contents(id, region, object, offset, file)?;
                }
                Advice::DontNeed => self.deactivate(object, offset, region.pages as u32),
                _ if anonymous => self.will_need(id, region, object, offset),
                _ => {}
            }
            if let Some((file, first)) = file {
                match advice {
                    Advice::WillNeed => self.file_will_need(file, first, region.pages as u32),
                    Advice::DontNeed => self.deactivate(file, first, region.pages as u32),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Brings pages of a file in, a block at a time, as long as there is plenty of memory.
    fn file_will_need(&mut self, file: u32, first: u32, pages: u32) {
        let end = self.objects.get(file).map_or(0, |o| o.pages).min(first.saturating_add(pages));
        let mut index = first;
        while index < end && self.frames.plenty() && self.vnode.room(MAX_RUN) {
            let there = self.objects.get(file).is_some_and(|o| o.entry(index).frame().is_some());
            if !there {
                // It comes or not: advice, not an order.
                let _ = self.find_file_page(file, index, MAX_RUN as u32, false, false);
            }
            index += 1;
        }
    }

    pub(crate) fn deactivate(&mut self, object: u32, first: u32, pages: u32) {
        let mut at = first;
        while let Some(index) = self.objects.get(object).and_then(|o| o.next_used(at, first + pages)) {
            at = index + 1;
            let frame = self.objects.get(object).and_then(|o| o.entry(index).frame());
            if let Some(frame) = frame.filter(|f| self.frames.page(*f).flags.contains(Flags::ACTIVE)) {
                self.frames.set_queue(frame, Flags::INACTIVE);
                self.tell_policy(EventKind::Deactivate, frame, 0);
            }
        }
    }

    /// Brings in what is in swap, as long as there is plenty of memory: advice, not an order.
    fn will_need(&mut self, id: Space, region: &Region, object: u32, first: u32) {
        let mut at = first;
        let end = first + region.pages as u32;
        while let Some(index) = self.objects.get(object).and_then(|o| o.next_used(at, end)) {
            at = index + 1;
            let entry = self.objects.get(object).map(|o| o.entry(index)).unwrap_or_default();
            if !self.frames.plenty() || !self.pager.room(1) {
                return;
            }
            if entry.frame().is_none() && entry.swapped() {
                self.find_page(id, region, object, index, false, false);
            }
        }
    }

    /// `mincore`.
    pub fn mincore(&mut self, id: Space, range: Range) -> Result<Vec<u8>, Error> {
        if range.pages() > MINCORE_PAGES {
            return Err(Error::TooLong);
        }
        let space = self.spaces.get(id).ok_or(Error::NotFound)?;
        if !space.map.covers(range) {
            return Err(Error::Fault);
        }
        let mut bytes = Vec::with_capacity(range.pages() as usize);
        for n in 0..range.pages() {
            let address = range.start + n * PAGE;
            let Some(region) = self.spaces.get(id).and_then(|s| s.map.find(address)) else { break };
            let Backing::Object { object, offset } = region.backing.advanced(region.page_at(address)) else {
                bytes.push(1);
                continue;
            };
            let o = self.objects.get(object);
            let in_swap = o.is_some_and(|o| o.file().is_none() && o.entry(offset).swapped());
            let mut entry = o.map(|o| o.entry(offset)).unwrap_or_default();
            let mut byte = (in_swap as u8) << 2;
            let mut below = o.and_then(Object::behind).map(|(below, first)| (below, first + offset));
            while let Some((object, index)) = below.filter(|_| !entry.is_known()) {
                let o = self.objects.get(object);
                entry = o.map(|o| o.entry(index)).unwrap_or_default();
                byte |= (o.is_some_and(|o| o.file().is_none()) && entry.swapped()) as u8 * 4;
                below = o.and_then(Object::behind).map(|(below, first)| (below, first + index));
            }
            if let Some(frame) = entry.frame() {
                let mut bits = [frame as u64];
                let modified = self.m.frame_op(FrameOp::TestModified, &mut bits).is_ok()
                    && bits[0] & MODIFIED != 0
                    || self.frames.page(frame).flags.contains(Flags::DIRTY);
                byte |= 1 | (modified as u8) << 1;
            }
            bytes.push(byte);
        }
        Ok(bytes)
    }

    /// What a region holds. Counted from the object where the region is all of it, page by page otherwise.
    pub fn held_by(&self, region: &Region) -> Held {
        let Backing::Object { object, offset } = region.backing else {
            return Held { resident: region.pages, ..Held::default() };
        };
        let Some(o) = self.objects.get(object) else { return Held::default() };
        if o.file().is_none() && o.pages as u64 == region.pages {
            return Held { resident: o.resident as u64, swapped: o.swapped as u64, wired: o.wired as u64 };
        }
        let mut held = Held::default();
        let (mut at, end) = (offset, offset + region.pages as u32);
        while let Some(index) = o.next_used(at, end) {
            at = index + 1;
            let entry = o.entry(index);
            held.swapped += (o.file().is_none() && entry.swapped()) as u64;
            if let Some(frame) = entry.frame() {
                held.resident += 1;
                held.wired += (self.frames.page(frame).wired > 0) as u64;
            }
        }
        held
    }

    /// The regions of a space from an address on.
    pub fn regions(&self, id: Space, from: u64) -> Result<Vec<proto::Region>, Error> {
        let space = self.spaces.get(id).ok_or(Error::NotFound)?;
        Ok(space
            .map
            .iter()
            .filter(|r| r.start >= from)
            .take(REGIONS_AT_ONCE)
            .map(|r| {
                let held = self.held_by(r);
                let object = match r.backing {
                    Backing::Object { object, .. } => self.objects.get(object),
                    _ => None,
                };
                let private = matches!(r.backing, Backing::Object { object, offset } if self.file_under(object, offset).is_some());
                let kind = match r.backing {
                    _ if object.is_some_and(|o| o.file().is_some()) => "file",
                    _ if private => "private",
                    Backing::Object { .. } if r.wired || held.wired == r.pages => "wired",
                    Backing::Object { .. } => "anonymous",
                    Backing::Segment { .. } => "segment",
                    Backing::Module { .. } => "module",
                };
                proto::Region {
                    address: r.start,
                    pages: r.pages,
                    protection: r.protection.bits(),
                    kind: String::from(kind),
                    resident: held.resident,
                    swapped: held.swapped,
                    wired: held.wired,
                }
            })
            .collect())
    }
}
