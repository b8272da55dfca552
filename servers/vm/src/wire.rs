// SPDX-License-Identifier: BSD-2-Clause
//! `mlock`: pages that stay resident until they are unwired.

use crate::fault::Found;
use crate::machine::Machine;
use crate::map::{Backing, Range, Region};
use crate::page::Flags;
use crate::vm::Vm;
use crate::waiting::{Wirer, Work};
use alloc::vec::Vec;
use ebb_abi::PAGE_SIZE;
use ebb_policy::gate::Wiring;
use ebb_proto::Error;
use ebb_proto::vm::{EventKind, Protection, Space};

const PAGE: u64 = PAGE_SIZE as u64;

impl<M: Machine> Vm<M> {
    /// `mlock`: answers when all pages are there.
    pub fn wire(&mut self, id: Space, range: Range, reply: Wirer<M::Reply>) {
        let pages = range.pages();
        let ready = match self.spaces.get_mut(id) {
            None => Err(Error::NotFound),
            Some(space) if !space.map.covers(range) => Err(Error::Fault),
            Some(space) if space.map.touching(range).any(|r| r.wired) => Err(Error::Busy),
            Some(_) if self.waiting.wires(id, range) => Err(Error::Busy),
            Some(space) if !space.map.may_split(range) => Err(Error::NoMemory),
            Some(space)
                if space.map.touching(range).any(|r| !matches!(r.backing, Backing::Object { .. })) =>
            {
                Err(Error::Unsupported)
            }
            Some(_) if pages > u32::MAX as u64 || !self.frames.wire(pages as u32, Wiring::Program) => {
                Err(Error::NoMemory)
            }
            Some(space) => {
                for region in space.map.range_mut(range) {
                    region.wired = true;
                }
                Ok(())
            }
        };
        match ready {
            Ok(()) => self.wire_on(id, range, range.start, reply),
            Err(error) => self.wire_answer(reply, Err(error)),
        }
    }

    /// Goes on with a wiring: pages before `next` are wired.
    pub fn wire_on(&mut self, id: Space, range: Range, mut next: u64, reply: Wirer<M::Reply>) {
        while next < range.end {
            let region = self.spaces.get(id).and_then(|s| s.map.find(next)).copied();
            let Some(region) = region.filter(|r| r.wired) else {
                // Unmapped meanwhile: what was wired there went with its region, what is left is unwired; the rest is no longer counted.
                self.unwire_until(id, range, next);
                self.frames.unwire(((range.end - next) / PAGE) as u32, Wiring::Program);
                return self.wire_answer(reply, Err(Error::Fault));
            };
            let Backing::Object { object, offset } = region.backing.advanced(region.page_at(next)) else {
                self.unwire_until(id, range, next);
                self.frames.unwire(((range.end - next) / PAGE) as u32, Wiring::Program);
                return self.wire_answer(reply, Err(Error::Unsupported));
            };
            // A private page gets its own frame now: the file's is nothing that this program could keep.
            let shared = self.objects.get(object).is_some_and(|o| o.file().is_some());
            let write = !shared || region.protection.contains(Protection::WRITE);
            match self.find_any(id, &region, next, object, offset, write) {
                Found::Frame { frame, .. } if self.frames.page(frame).wired == u16::MAX => {
                    return self.wire_failed(id, range, next, reply, Error::NoMemory);
                }
                Found::Frame { frame, zero, .. } => {
                    if zero {
                        self.zero_now(frame);
                    }
                    self.wire_page(frame);
                }
                Found::Wait(reason) => {
                    return self.wait_for(reason, Work::Wire { space: id, range, next, reply });
                }
                Found::Lost => return self.wire_failed(id, range, next, reply, Error::Io),
                Found::Beyond => return self.wire_failed(id, range, next, reply, Error::NoMemory),
            }
            next += PAGE;
        }
        self.wire_answer(reply, Ok(()));
    }

    /// A wiring failed at a page: nothing stays wired.
    pub(crate) fn wire_failed(
        &mut self,
        id: Space,
        range: Range,
        next: u64,
        reply: Wirer<M::Reply>,
        error: Error,
    ) {
        self.unwire_until(id, range, next);
        self.frames.unwire(((range.end - next) / PAGE) as u32, Wiring::Program);
        self.wire_answer(reply, Err(error));
    }

    /// Wires a page that was counted before.
    fn wire_page(&mut self, frame: u32) {
        // That of its region may have become another with this page.
        let object = self.frames.page(frame).object;
        let Some(page) = self.frames.page_mut(frame) else { return };
        page.wired += 1;
        if page.wired > 1 {
            // It was wired, and is counted, already.
            return self.frames.unwire(1, Wiring::Program);
        }
        self.tell_policy(EventKind::Wire, frame, 0);
        self.frames.set_queue(frame, Flags::empty());
        if let Some(o) = self.objects.get_mut(object) {
            o.wired += 1;
        }
    }

    /// Whether another thread of the program is wiring memory there that others have too, such as pages of a file. Others may have them wired too: until all are reached nobody knows which are this program's.
    pub(crate) fn wires_shared(&self, id: Space, range: Range) -> bool {
        let Some(space) = self.spaces.get(id) else { return false };
        let wired = space.map.touching(range).any(|r| r.wired && self.is_shared(r));
        wired && self.waiting.wires(id, range)
    }

    /// `munlock`.
    pub fn unwire(&mut self, id: Space, range: Range) -> Result<(), Error> {
        if self.wires_shared(id, range) {
            return Err(Error::Busy);
        }
        let space = self.spaces.get_mut(id).ok_or(Error::NotFound)?;
        if !space.map.covers(range) || !space.map.touching(range).all(|r| r.wired) {
            return Err(Error::Fault);
        }
        if !space.map.may_split(range) {
            return Err(Error::NoMemory);
        }
        self.unwire_until(id, range, range.end);
        Ok(())
    }

    /// Unwires the pages of a range before `end`, and marks the whole range as not wired.
    fn unwire_until(&mut self, id: Space, range: Range, end: u64) {
        let mut regions = Vec::new();
        if let Some(space) = self.spaces.get_mut(id) {
            for region in space.map.range_mut(range).iter_mut().filter(|r| r.wired) {
                region.wired = false;
                regions.push(*region);
            }
        }
        for region in regions {
            self.unwire_region(&region, end);
        }
    }

    /// Unwires the pages of a region before `end`.
    pub(crate) fn unwire_region(&mut self, region: &Region, end: u64) {
        let Backing::Object { object, offset } = region.backing else { return };
        for n in 0..region.pages {
            if region.start + n * PAGE >= end {
                return;
            }
            let index = offset + n as u32;
            let Some(frame) = self.objects.get(object).and_then(|o| o.entry(index).frame()) else { continue };
            let Some(page) = self.frames.page_mut(frame).filter(|p| p.wired > 0) else { continue };
            page.wired -= 1;
            if page.wired > 0 {
                continue;
            }
            if let Some(o) = self.objects.get_mut(object) {
                o.wired = o.wired.saturating_sub(1);
            }
            self.frames.unwire(1, Wiring::Program);
            self.frames.set_queue(frame, Flags::ACTIVE);
            self.tell_policy(EventKind::Unwire, frame, 1);
        }
    }
}
