// SPDX-License-Identifier: BSD-2-Clause
//! Copy-on-write (`vm_object_shadow`): pages that come from what lies behind an object.
//!
//! After a `fork` both spaces map the same object, each by a region that "needs copy". Before the first write the region gets a shadow: an object of its own with the other behind it. A
//! page that is only read is mapped, read-only, from wherever in the chain it is; what is written is copied to the top first. So an object that others see through never changes, and
//! whoever is left alone with one takes it over.

use crate::fault::Found;
use crate::machine::Machine;
use crate::map::{Backing, Region};
use crate::object::Object;
use crate::page::{Flags, Place};
use crate::vm::Vm;
use crate::waiting::Reason;
use ebb_abi::Frame;
use ebb_abi::meter::Counter;
use ebb_policy::gate::Class;
use ebb_proto::Error;
use ebb_proto::vm::{EventKind, Space};

impl<M: Machine> Vm<M> {
    /// The file, and its page, that shows through a page of an object where nothing before has it.
    pub(crate) fn file_under(&self, object: u32, index: u32) -> Option<(u32, u32)> {
        let (mut below, first) = self.objects.get(object)?.behind()?;
        let mut at = first + index;
        loop {
            let o = self.objects.get(below)?;
            match o.behind() {
                Some((next, first)) => (below, at) = (next, first + at),
                None => return o.file().map(|_| (below, at)),
            }
        }
    }

    /// Finds a page of a region that needs a copy.
    pub(crate) fn find_uncopied(
        &mut self,
        space: Space,
        region: &Region,
        address: u64,
        object: u32,
        index: u32,
        write: bool,
    ) -> Found {
        if !write {
            let looked = Region { needs_copy: false, ..*region };
            return match self.find_any(space, &looked, address, object, index, false) {
                Found::Frame { frame, zero, .. } => Found::Frame { frame, writable: false, zero },
                other => other,
            };
        }
        if self.own_object(space, address).is_err() {
            return Found::Wait(Reason::Memory);
        }
        let region = self.spaces.get(space).and_then(|s| s.map.find(address)).copied();
        let Some(region) = region.filter(|r| !r.needs_copy) else { return Found::Lost };
        match region.backing.advanced(region.page_at(address)) {
            Backing::Object { object, offset } => {
                self.find_any(space, &region, address, object, offset, true)
            }
            _ => Found::Lost,
        }
    }

    /// Gives the region at an address, which needs a copy, an object that nobody else sees: a shadow, or the one that it has if others have let go of it.
    pub(crate) fn own_object(&mut self, space: Space, address: u64) -> Result<(), Error> {
        let region = self.spaces.get(space).and_then(|s| s.map.find(address)).copied();
        let region = region.ok_or(Error::NotFound)?;
        let Backing::Object { object, offset } = region.backing else { return Ok(()) };
        let o = self.objects.get(object).ok_or(Error::NotFound)?;
        let mut backing = region.backing;
        if !o.is_exclusive() {
            let pages = region.pages as u32;
            // One that has nothing itself is left out.
            let behind = match o.behind() {
                behind if o.own == 0 => behind.map(|(below, first)| (below, first + offset)),
                _ => Some((object, offset)),
            };
            let mut shadow = Object::new(pages).ok_or(Error::NoMemory)?;
            shadow.holders.add(space);
            let shadow = self.objects.insert(shadow);
            self.change_behind(shadow, behind);
            backing = Backing::Object { object: shadow, offset: 0 };
        }
        let changed = backing != region.backing;
        if let Some(there) = self.spaces.get_mut(space).and_then(|s| s.map.find_mut(address)) {
            there.backing = backing;
            there.needs_copy = false;
            there.read_ahead = if changed { (0, 0) } else { there.read_ahead };
        }
        if changed {
            self.unhold(space, object, region.pages as u32, &[]);
            self.left_alone(object);
        }
        Ok(())
    }

    /// Finds a page that an object has not itself: in what lies behind, or nowhere. For writing it becomes its own.
    pub(crate) fn find_behind(
        &mut self,
        space: Space,
        region: &Region,
        address: u64,
        object: u32,
        index: u32,
        write: bool,
    ) -> Found {
        let behind = self.objects.get(object).and_then(Object::behind);
        let Some((mut below, first)) = behind else { return Found::Lost };
        let mut at = first + index;
        let found = loop {
            let Some(o) = self.objects.get(below) else { return Found::Lost };
            if o.file().is_some() {
                break self.find_shared(space, region, below, at, false);
            }
            if o.entry(at).is_known() {
                break self.find_page(space, region, below, at, false, true);
            }
            match o.behind() {
                Some((next, first)) => (below, at) = (next, first + at),
                // A page that nobody ever wrote to.
                None => return self.find_page(space, region, object, index, write, true),
            }
        };
        let Found::Frame { frame, .. } = found else { return found };
        if !write {
            return Found::Frame { frame, writable: false, zero: false };
        }
        let missing = self.objects.get(object).is_some_and(|o| !o.has_leaf(index));
        if missing && self.add_leaf(object, index).is_err() {
            return Found::Wait(Reason::Memory);
        }
        let lone = self.objects.get(below).is_some_and(|o| o.is_lone() && o.shadows.sole() == Some(object));
        let page = self.frames.page(frame);
        let found = if lone && page.wired == 0 && !page.flags.intersects(Flags::BUSY) {
            self.take_page(below, at, object, index, frame)
        } else {
            self.copy_on_write(space, region, address, object, index, frame)
        };
        if self.objects.get(object).is_some_and(|o| o.own == o.pages) {
            self.bypass(object);
        }
        found
    }

    /// Gives an object a page of its own, a copy of one behind it.
    fn copy_on_write(
        &mut self,
        space: Space,
        region: &Region,
        address: u64,
        object: u32,
        index: u32,
        from: u32,
    ) -> Found {
        let Some(frame) = self.frames.allocate(Class::Normal, Place::Object, object, index) else {
            return Found::Wait(Reason::Memory);
        };
        let task = self.spaces.get(space).map_or(ebb_abi::Handle::NONE, |s| s.task);
        // The page behind may be mapped there, to be read; and where the object is shared with others, there too.
        if region.shared {
            self.unmap_everywhere(&[from]);
        }
        let copied = self.m.unmap(task, address, 1).and_then(|()| self.m.copy(Frame(from), Frame(frame)));
        if let Err(error) = copied {
            self.m.log(format_args!("copying frame {from}: {error:?}"));
            self.frames.free(frame);
            return Found::Lost;
        }
        self.set_entry(object, index, |e| e.with_frame(Some(frame)));
        if let Some(page) = self.frames.page_mut(frame) {
            page.flags |= Flags::DIRTY;
        }
        self.frames.meter.add(Counter::v_cow_faults, 1);
        self.frames.set_queue(frame, Flags::ACTIVE);
        self.tell_policy(EventKind::PageIn, frame, 1);
        Found::Frame { frame, writable: true, zero: false }
    }

    /// Gives an object a page of one that it alone sees: nobody would miss it there.
    fn take_page(&mut self, below: u32, at: u32, object: u32, index: u32, frame: u32) -> Found {
        let swapped = self.objects.get(below).is_some_and(|o| o.entry(at).swapped());
        self.set_entry(below, at, |_| Default::default());
        self.set_entry(object, index, |e| e.with_frame(Some(frame)));
        if let Some(page) = self.frames.page_mut(frame) {
            (page.object, page.index) = (object, index);
            page.flags |= Flags::DIRTY;
        }
        if swapped {
            // It will be written to.
            self.copies_given_up(1);
            self.free_copies(below, at, 1);
        }
        self.frames.meter.add(Counter::v_cow_faults, 1);
        Found::Frame { frame, writable: true, zero: false }
    }

    /// An object that has every page itself lets go of what is behind (but for a file, which shows again when its pages are given up).
    pub(crate) fn bypass(&mut self, object: u32) {
        let behind = self.objects.get(object).and_then(Object::behind);
        let Some((below, _)) = behind else { return };
        if self.objects.get(below).is_some_and(|o| o.file().is_none()) {
            let file = self.file_under(object, 0);
            self.change_behind(object, file);
        }
    }
}
