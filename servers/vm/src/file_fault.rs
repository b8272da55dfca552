// SPDX-License-Identifier: BSD-2-Clause
//! Pages of files, for mappings and for those who read and write: where they are, or how they come. A page that is to be modified has a block on the disk first.

use crate::fault::Found;
use crate::machine::Machine;
use crate::map::Region;
use crate::page::{Flags, Place};
use crate::vm::Vm;
use crate::waiting::Reason;
use ebb_abi::meter::Counter;
use ebb_policy::gate::Class;
use ebb_proto::pager::MAX_RUN;
use ebb_proto::vm::{Advice, EventKind, PagerKind, Space};

/// Most pages that a sequential fault brings in from a file.
const MAX_FILE_READ_AHEAD: u32 = MAX_RUN as u32;

impl<M: Machine> Vm<M> {
    /// Finds a page of a file for a mapping of it, and learns how the program goes through it.
    pub(crate) fn find_shared(
        &mut self,
        space: Space,
        region: &Region,
        file: u32,
        index: u32,
        write: bool,
    ) -> Found {
        let window = self.file_window(region, index);
        let found = self.find_file_page(file, index, window, write, true);
        if let Found::Wait(Reason::Page(_)) = found {
            self.frames.meter.add(Counter::v_io_faults, 1);
            if let Some(space) = self.spaces.get_mut(space) {
                space.faults.1 += 1;
                if let Some(region) = space.map.find_mut(region.start) {
                    // The block that the page is in was asked for.
                    region.read_ahead = ((index / window + 1).saturating_mul(window), window);
                }
            }
        }
        found
    }

    /// How many pages to bring in at a fault on a file: aligned blocks, twice as large as at the last, as long as the program comes where a sequential one would.
    fn file_window(&self, region: &Region, index: u32) -> u32 {
        match region.advice {
            Advice::Random => 1,
            Advice::Sequential => MAX_FILE_READ_AHEAD,
            _ if region.read_ahead == (0, 0) || index != region.read_ahead.0 => 1,
            _ => (region.read_ahead.1 * 2).clamp(2, MAX_FILE_READ_AHEAD),
        }
    }

    /// Finds a page of a file, or makes it come, with the rest of its aligned block of `window` pages behind it. To be written there must be a block for it on the disk. `fault`: a
    /// mapping needs it, which the policy takes for more than a read.
    pub fn find_file_page(
        &mut self,
        object: u32,
        index: u32,
        window: u32,
        write: bool,
        fault: bool,
    ) -> Found {
        let Some(o) = self.objects.get(object) else { return Found::Lost };
        let Some(file) = o.file() else { return Found::Lost };
        if index >= o.pages {
            return Found::Beyond;
        }
        let entry = o.entry(index);
        if let Some(frame) = entry.frame() {
            let flags = self.frames.page(frame).flags;
            if flags.intersects(Flags::READING | Flags::DOOMED) || (write && flags.contains(Flags::WRITING)) {
                self.frames.meter.add(Counter::v_intrans, 1);
                return Found::Wait(Reason::Page(frame));
            }
            if write && !entry.backed() {
                return Found::Wait(self.reserve_block(object, index));
            }
            let writable = entry.backed() && !flags.contains(Flags::WRITING);
            if write
                && let Some(file) = self.objects.get_mut(object).and_then(crate::object::Object::file_mut)
            {
                file.touched = true;
            }
            return Found::Frame { frame, writable: writable && write, zero: false };
        }
        let nowhere = index >= file.written_end && !entry.swapped();
        if !o.has_leaf(index) && self.add_leaf(object, index).is_err() {
            return Found::Wait(Reason::Memory);
        }
        if !nowhere {
            return self.page_in_file(object, index, window);
        }
        let Some(frame) = self.frames.allocate(Class::Normal, Place::Object, object, index) else {
            return Found::Wait(Reason::Memory);
        };
        self.zero_now(frame);
        self.clear_bits(&mut [frame as u64]);
        self.set_entry(object, index, |e| e.with_frame(Some(frame)));
        self.frames.set_queue(frame, if fault { Flags::ACTIVE } else { Flags::INACTIVE });
        self.tell_policy(EventKind::PageIn, frame, fault as u64);
        if write {
            return self.find_file_page(object, index, window, write, fault);
        }
        Found::Frame { frame, writable: false, zero: false }
    }

    /// Asks for blocks for a page in a hole of a file and for its neighbours, within an aligned block of pages: single ones would tear the file to pieces.
    fn reserve_block(&mut self, object: u32, index: u32) -> Reason {
        let Some(o) = self.objects.get(object) else { return Reason::Memory };
        let first = index - index % MAX_FILE_READ_AHEAD;
        let last = first.saturating_add(MAX_FILE_READ_AHEAD).min(o.pages);
        let below = (first..index).rev().take_while(|i| !o.entry(*i).backed()).count() as u32;
        let above = (index + 1..last).take_while(|i| !o.entry(*i).backed()).count() as u32;
        match o.file().is_some_and(|f| f.tight) {
            true => self.reserve_pages(object, index, index + 1),
            false => self.reserve_pages(object, index - below, index + 1 + above),
        }
    }

    /// Asks the vnode pager for a page and the rest of its block.
    fn page_in_file(&mut self, object: u32, index: u32, window: u32) -> Found {
        let Some((file, pages)) = self.objects.get(object).and_then(|o| o.file().map(|f| (*f, o.pages)))
        else {
            return Found::Lost;
        };
        if !self.vnode.room(1) {
            return Found::Wait(Reason::Pager);
        }
        let Some(frame) = self.frames.allocate(Class::Normal, Place::Object, object, index) else {
            return Found::Wait(Reason::Memory);
        };
        let window = window.clamp(1, MAX_FILE_READ_AHEAD);
        let end = (index / window + 1).saturating_mul(window).min(pages).min(file.written_end.max(index + 1));
        let mut run = [(0, 0); MAX_FILE_READ_AHEAD as usize];
        run[0] = (index, frame);
        let mut len = 1;
        for next in index + 1..end {
            let resident = self.objects.get(object).is_some_and(|o| o.entry(next).frame().is_some());
            let leaf = self.objects.get(object).is_some_and(|o| o.has_leaf(next));
            if resident || !leaf || !self.frames.plenty() {
                break;
            }
            let Some(frame) = self.frames.allocate(Class::Normal, Place::Object, object, next) else { break };
            run[len] = (next, frame);
            len += 1;
        }
        self.read_run(PagerKind::Vnode, file.inode, object, &run[..len], true);
        Found::Wait(Reason::Page(frame))
    }
}
