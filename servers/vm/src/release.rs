// SPDX-License-Identifier: BSD-2-Clause
//! What is given back when a region goes: pages, copies, and what lay behind.
//!
//! Memory that one space alone can see goes page by page with its regions. What others see too stays as a whole until they have let go of it: when one space is left its pages that no
//! region of it shows go, when one shadow is left it becomes part of that ([`crate::collapse`]), and when nobody is left all goes.

use crate::machine::Machine;
use crate::map::{Backing, Region};
use crate::object::Object;
use crate::page::Flags;
use crate::vm::Vm;
use alloc::vec::Vec;
use ebb_abi::PAGE_SIZE;
use ebb_abi::frame::{FAILED, FrameOp, MODIFIED};
use ebb_abi::meter::Counter;
use ebb_proto::Error;
use ebb_proto::vm::{EventKind, Protection, Space};

const PAGE: u64 = PAGE_SIZE as u64;

impl<M: Machine> Vm<M> {
    /// Gives back what a region held that is unmapped and no longer in its space's map. `later`: others of the space for which the same will be done, and that are no longer there either.
    pub(crate) fn drop_region(&mut self, id: Space, region: &Region, later: &[Region]) {
        match region.backing {
            Backing::Module { .. } => {}
            Backing::Segment { id, .. } => {
                if let Some(Some(segment)) = self.segments.get_mut(id as usize) {
                    segment.mapped = segment.mapped.saturating_sub(region.pages);
                    if segment.mapped == 0 && segment.maker != 0 {
                        self.segment_drop(id);
                    }
                }
            }
            Backing::Object { object, .. } if self.is_anonymous(region.backing) => {
                self.frames.meter.sub(Counter::v_anon_bytes, region.pages * PAGE);
                self.drop_anonymous(id, object, region, later);
            }
            Backing::Object { object, .. } => self.unmap_file(object, region),
        }
    }

    /// Whether what a region shows is another program's too, which may have wired it, or may change it.
    pub(crate) fn is_shared(&self, region: &Region) -> bool {
        region.shared || self.is_shared_file(region.backing)
    }

    /// Whether other programs have the same anonymous memory now.
    pub(crate) fn has_sharers(&self, region: &Region) -> bool {
        let Backing::Object { object, offset } = region.backing else { return false };
        if !region.shared || self.objects.get(object).is_none_or(Object::is_exclusive) {
            return false;
        }
        let end = offset + region.pages as u32;
        let overlaps = |r: &Region| match r.backing {
            Backing::Object { object: o, offset: first } => {
                o == object && first < end && offset < first + r.pages as u32
            }
            _ => false,
        };
        // Its own space shows each page once.
        self.spaces.iter().flat_map(|s| s.map.iter()).filter(|r| overlaps(r)).count() > 1
    }

    /// A mapping of a file is gone; its pages stay. What was wired by it is wired no more.
    fn unmap_file(&mut self, object: u32, region: &Region) {
        if region.wired {
            self.unwire_region(region, region.end());
        }
        let Some(o) = self.objects.get_mut(object) else { return };
        o.mapped = o.mapped.saturating_sub(region.pages as u32);
        let writable = region.protection.contains(Protection::WRITE);
        if let Some(file) = o.file_mut().filter(|_| writable) {
            file.writable = file.writable.saturating_sub(region.pages as u32);
            // What the mapping has modified is known to the hardware alone.
            file.touched = true;
        }
        self.reap(object);
    }

    fn drop_anonymous(&mut self, id: Space, object: u32, region: &Region, later: &[Region]) {
        let Backing::Object { offset, .. } = region.backing else { return };
        let Some(o) = self.objects.get(object) else { return };
        let alone = o.is_exclusive();
        if region.wired && !alone {
            self.unwire_region(region, region.end());
        }
        self.unhold(id, object, region.pages as u32, later);
        let Some(o) = self.objects.get(object) else { return };
        if o.holders.is_empty() && o.shadows.is_empty() {
            self.end_object(object);
        } else if alone {
            self.drop_pages(object, offset, region.pages as u32);
        } else {
            self.left_alone(object);
        }
    }

    /// Pages of a region no longer show an object.
    pub(crate) fn unhold(&mut self, id: Space, object: u32, pages: u32, later: &[Region]) {
        let Some(o) = self.objects.get_mut(object) else { return };
        o.mapped = o.mapped.saturating_sub(pages);
        // A space is looked through only if there are others: otherwise the count of pages says it.
        let more = match o.holders.count {
            1 => o.mapped > 0,
            _ => {
                later.iter().any(|r| r.shows(object))
                    || self.spaces.get(id).is_some_and(|s| s.map.shows(object))
            }
        };
        if !more {
            o.holders.remove(id);
        }
    }

    /// Somebody has let go of an object that others still see.
    pub(crate) fn left_alone(&mut self, object: u32) {
        let Some(o) = self.objects.get(object) else { return };
        if o.is_lone() {
            return self.collapse_soon(object);
        }
        let Some(holder) = o.holders.sole().filter(|_| o.shadows.is_empty() && o.mapped < o.pages) else {
            return;
        };
        // What that one has unmapped meanwhile nobody can see any more.
        let Some(space) = self.spaces.get(holder) else { return };
        let mut shown: Vec<(u32, u32)> = space
            .map
            .iter()
            .filter_map(|r| match r.backing {
                Backing::Object { object: o, offset } if o == object => Some((offset, r.pages as u32)),
                _ => None,
            })
            .collect();
        shown.sort_unstable();
        let (mut next, end) = (0, o.pages);
        for (offset, pages) in shown.into_iter().chain([(end, 0)]) {
            if offset > next {
                self.drop_pages(object, next, offset - next);
            }
            next = offset + pages;
        }
    }

    /// Ends an anonymous object that nobody sees, and what lies behind it if nobody sees that either.
    pub(crate) fn end_object(&mut self, object: u32) {
        let mut next = Some(object);
        while let Some(object) = next.take() {
            let Some(o) = self.objects.get_mut(object) else { return };
            (o.dead, o.mapped) = (true, 0);
            let (pages, behind) = (o.pages, o.behind());
            o.set_behind(None);
            self.drop_pages(object, 0, pages);
            if let Some((below, _)) = behind {
                next = self.let_go(below, object);
            }
        }
    }

    /// An object is no longer behind another. Returns it if nobody sees it any more.
    pub(crate) fn let_go(&mut self, below: u32, shadow: u32) -> Option<u32> {
        let o = self.objects.get_mut(below)?;
        if o.file().is_some() {
            self.drop_user(below);
            return None;
        }
        o.shadows.remove(shadow);
        if o.holders.is_empty() && o.shadows.is_empty() {
            return Some(below);
        }
        self.left_alone(below);
        None
    }

    /// Puts something else behind an object.
    pub(crate) fn change_behind(&mut self, object: u32, new: Option<(u32, u32)>) {
        let Some(o) = self.objects.get_mut(object) else { return };
        let old = o.behind();
        o.set_behind(new);
        if let Some(o) = new.and_then(|(below, _)| self.objects.get_mut(below)) {
            match o.file_mut() {
                Some(file) => file.users += 1,
                None => o.shadows.add(object),
            }
        }
        if let Some(below) = old.and_then(|(below, _)| self.let_go(below, object)) {
            self.end_object(below);
        }
    }

    /// Drops pages and copies of a range of an anonymous object that is mapped nowhere (any more).
    pub(crate) fn drop_pages(&mut self, object: u32, first: u32, pages: u32) {
        let end = first.saturating_add(pages);
        let (mut at, mut copies) = (first, 0);
        let mut freed = 0;
        while let Some(index) = self.objects.get(object).and_then(|o| o.next_used(at, end)) {
            at = index + 1;
            let Some(o) = self.objects.get_mut(object) else { break };
            let entry = o.entry(index);
            copies += entry.swapped() as u64;
            o.set(index, entry.with_swapped(false));
            let Some(frame) = entry.frame() else {
                o.set(index, Default::default());
                continue;
            };
            let page = *self.frames.page(frame);
            if page.flags.intersects(Flags::BUSY) {
                if let Some(page) = self.frames.page_mut(frame) {
                    page.flags |= Flags::DOOMED;
                }
                continue;
            }
            if page.wired > 0 {
                o.wired = o.wired.saturating_sub(1);
                self.frames.unwire(1, o.wiring);
            } else if page.flags.intersects(Flags::QUEUED) {
                self.tell_policy(EventKind::Free, frame, 0);
            }
            self.set_entry(object, index, |_| Default::default());
            self.frames.free(frame);
            freed += 1;
        }
        self.frames.meter.add(Counter::v_pfree, freed);
        if copies > 0 {
            self.copies_given_up(copies);
            self.free_copies(object, first, pages);
        }
        self.reap(object);
    }

    /// `MADV_FREE` of a region that is unmapped: its pages are zero, or `file`'s from a page on.
    pub(crate) fn forget_contents(
        &mut self,
        id: Space,
        region: &Region,
        object: u32,
        offset: u32,
        file: Option<(u32, u32)>,
    ) -> Result<(), Error> {
        let Some(o) = self.objects.get(object) else { return Ok(()) };
        let over_file = o.behind().is_none_or(|(below, _)| file.is_some_and(|(file, _)| file == below));
        if !region.needs_copy && o.is_exclusive() && over_file {
            self.drop_pages(object, offset, region.pages as u32);
            return Ok(());
        }
        // Others see what is there, or something else would come to light: it gets an object of its own.
        let mut own = Object::new(region.pages as u32).ok_or(Error::NoMemory)?;
        own.holders.add(id);
        let own = self.objects.insert(own);
        self.change_behind(own, file);
        if let Some(there) = self.spaces.get_mut(id).and_then(|s| s.map.find_mut(region.start)) {
            there.backing = Backing::Object { object: own, offset: 0 };
            (there.needs_copy, there.read_ahead) = (false, (0, 0));
        }
        self.frames.meter.add(Counter::v_anon_bytes, region.pages * PAGE);
        self.drop_region(id, region, &[]);
        Ok(())
    }

    /// Ends an object that no region maps yet.
    pub(crate) fn kill_object(&mut self, object: u32) {
        self.end_object(object);
    }

    /// Removes all mappings of frames (at most a vector), and keeps what they knew of modifications.
    pub(crate) fn unmap_everywhere(&mut self, frames: &[u32]) {
        let mut bits = [FAILED; ebb_abi::message::MAX_VECTOR];
        let count = frames.len().min(bits.len());
        bits.iter_mut().zip(frames).for_each(|(bits, frame)| *bits = *frame as u64);
        if let Err(error) = self.m.frame_op(FrameOp::RemoveAll, &mut bits[..count]) {
            return self.m.log(format_args!("unmapping {count} frames: {error:?}"));
        }
        let modified = |bits: u64| bits != FAILED && bits & MODIFIED != 0;
        for (frame, _) in frames.iter().zip(bits).filter(|(_, bits)| modified(*bits)) {
            let object = self.frames.page(*frame).object;
            self.modified_here(object, *frame);
        }
    }
}
