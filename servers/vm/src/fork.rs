// SPDX-License-Identifier: BSD-2-Clause
//! `fork` and `minherit`: a space that has what another one has.
//!
//! Nothing is copied but what is wired: both map the same objects from then on, write-protected, and whoever writes first gets a shadow ([`crate::shadow`]). So the cost is that of the regions
//! and of the writable pages that are mapped. Either all of it is done or nothing.

use crate::fault::flags_of;
use crate::machine::Machine;
use crate::map::{Backing, Range, Region};
use crate::object::Object;
use crate::vm::Vm;
use alloc::string::String;
use alloc::vec::Vec;
use ebb_abi::PAGE_SIZE;
use ebb_abi::layout::{USER_END, USER_MIN};
use ebb_abi::map::MapFlags;
use ebb_abi::meter::Counter;
use ebb_policy::gate::{Class, Wiring};
use ebb_proto::Error;
use ebb_proto::vm::{Inheritance, Protection, Space};
use ebb_rt::client::from_sys;

const PAGE: u64 = PAGE_SIZE as u64;

impl<M: Machine> Vm<M> {
    /// `fork`: a space for `manager` with what `parent` has, but no thread.
    pub fn fork(&mut self, manager: Space, parent: Space, name: String) -> Result<Space, Error> {
        if self.spaces.get(parent).ok_or(Error::NotFound)?.protected {
            return Err(Error::NotPermitted);
        }
        if self.spaces.get(parent).is_some_and(|s| s.parked.is_some()) {
            return Err(Error::Busy);
        }
        if self.waiting.wires(parent, Range { start: USER_MIN, end: USER_END }) {
            return Err(Error::Busy);
        }
        let child = self.space_new(name, false, manager)?;
        match self.inherit_regions(parent, child) {
            Ok(()) => {
                self.files_inherit(parent, child);
                self.limit_inherit(parent, child);
                Ok(child)
            }
            Err(error) => {
                // The parent's regions may need copies that nobody will see: the next write finds that out.
                self.space_free(child)?;
                Err(error)
            }
        }
    }

    fn inherit_regions(&mut self, parent: Space, child: Space) -> Result<(), Error> {
        let regions: Vec<Region> =
            self.spaces.get(parent).ok_or(Error::NotFound)?.map.iter().copied().collect();
        for region in &regions {
            if region.inheritance == Inheritance::None {
                continue;
            }
            match region.backing {
                Backing::Module { .. } => self.add_region(child, *region)?,
                Backing::Segment { id, .. } => {
                    if let Some(Some(segment)) = self.segments.get_mut(id as usize) {
                        segment.mapped += region.pages;
                    }
                    self.add_region(child, *region)?;
                    self.enter_all(child, region)?;
                }
                Backing::Object { object, .. } if self.is_anonymous(region.backing) => {
                    self.inherit_memory(parent, child, region, object)?;
                }
                Backing::Object { object, .. } => self.inherit_file(child, region, object)?,
            }
        }
        Ok(())
    }

    /// Adds a region whose backing is counted already, so that what comes after it undoes it with the space.
    fn add_region(&mut self, child: Space, region: Region) -> Result<(), Error> {
        let region = Region { wired: false, tracked: false, ..region };
        let inserted = match self.spaces.get_mut(child) {
            Some(space) => space.map.insert(region),
            None => Err(Error::NotFound),
        };
        if inserted.is_err() {
            self.drop_region(child, &region, &[]);
        }
        inserted
    }

    fn inherit_file(&mut self, child: Space, region: &Region, object: u32) -> Result<(), Error> {
        let o = self.objects.get_mut(object).ok_or(Error::NotFound)?;
        o.mapped = o.mapped.checked_add(region.pages as u32).ok_or(Error::NoMemory)?;
        if region.protection.contains(Protection::WRITE)
            && let Some(file) = o.file_mut()
        {
            file.writable += region.pages as u32;
        }
        self.add_region(child, *region)
    }

    fn inherit_memory(
        &mut self,
        parent: Space,
        child: Space,
        region: &Region,
        object: u32,
    ) -> Result<(), Error> {
        let share = region.shared || region.inheritance == Inheritance::Share;
        let wired = self.objects.get(object).is_some_and(|o| o.wired > 0) && self.held_by(region).wired > 0;
        if !share && (region.wired || wired) {
            return self.copy_wired(child, region);
        }
        if share && region.needs_copy {
            self.own_object(parent, region.start)?;
        }
        let space = self.spaces.get_mut(parent).ok_or(Error::NotFound)?;
        let task = space.task;
        let there = space.map.find_mut(region.start).ok_or(Error::NotFound)?;
        let writable = there.protection.contains(Protection::WRITE) && !there.needs_copy;
        (there.shared, there.needs_copy) = (share, !share);
        let inherited = Region { read_ahead: (0, 0), ..*there };
        self.hold(child, &inherited)?;
        self.add_region(child, inherited)?;
        if !share && writable {
            let flags = flags_of(region.protection) - MapFlags::WRITE;
            self.m.protect(task, region.start, region.pages, flags).map_err(from_sys)?;
        }
        Ok(())
    }

    /// A space will have one more region of an anonymous object.
    fn hold(&mut self, id: Space, region: &Region) -> Result<(), Error> {
        let Backing::Object { object, .. } = region.backing else { return Ok(()) };
        let known = self.spaces.get(id).is_some_and(|s| s.map.shows(object));
        let o = self.objects.get_mut(object).ok_or(Error::NotFound)?;
        o.mapped = o.mapped.checked_add(region.pages as u32).ok_or(Error::NoMemory)?;
        if !known {
            o.holders.add(id);
        }
        self.frames.meter.add(Counter::v_anon_bytes, region.pages * PAGE);
        Ok(())
    }

    /// What must not fault in the parent is copied now. What was locked there is ordinary memory here; what is wired by its nature is so here too.
    fn copy_wired(&mut self, child: Space, region: &Region) -> Result<(), Error> {
        let pages = region.pages as u32;
        let backing =
            if region.wired { self.new_object(pages)? } else { self.new_wired(pages, Wiring::Program)? };
        let Backing::Object { object: to, .. } = backing else { return Err(Error::Invalid) };
        if let Some(o) = self.objects.get_mut(to) {
            o.holders.add(child);
        }
        self.frames.meter.add(Counter::v_anon_bytes, region.pages * PAGE);
        let copy = Region { backing, needs_copy: false, read_ahead: (0, 0), ..*region };
        self.add_region(child, copy)?;
        let class = if region.wired { Class::Normal } else { self.system_class(child) };
        for n in 0..pages {
            let Backing::Object { object, offset } = region.backing.advanced(n) else { break };
            let frame = self.objects.get(object).and_then(|o: &Object| o.entry(offset).frame());
            // Not there: unmapped and mapped again around it, or beyond what was wired; it reads as zeroes.
            if let Some(frame) = frame {
                self.copied_page(class, to, n, frame, PAGE)?;
            }
        }
        if region.wired { Ok(()) } else { self.enter_all(child, &copy) }
    }

    /// `minherit`.
    pub fn inherit(&mut self, id: Space, range: Range, inheritance: Inheritance) -> Result<(), Error> {
        let space = self.spaces.get_mut(id).ok_or(Error::NotFound)?;
        if !space.map.covers(range) {
            return Err(Error::Fault);
        }
        if !space.map.may_split(range) {
            return Err(Error::NoMemory);
        }
        let space = self.spaces.get(id).ok_or(Error::NotFound)?;
        let copy = inheritance == Inheritance::Copy;
        if copy && space.map.touching(range).any(|r| self.has_sharers(r)) {
            return Err(Error::NotPermitted);
        }
        let space = self.spaces.get_mut(id).ok_or(Error::NotFound)?;
        for region in space.map.range_mut(range) {
            region.inheritance = inheritance;
            region.shared &= !copy;
        }
        Ok(())
    }
}
