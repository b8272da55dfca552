// SPDX-License-Identifier: BSD-2-Clause
//! `ftruncate`: a file becomes shorter or longer.
//!
//! Once begun it goes on to its end, even if its program does not live to see it: what `vm` has cut the pager must cut too.

use crate::fault::Found;
use crate::file::MAX_SIZE;
use crate::machine::Machine;
use crate::object::{Entry, Object};
use crate::page::Flags;
use crate::transfer::Claims;
use crate::vm::Vm;
use crate::waiting::{Reason, Work};
use ebb_abi::frame::MODIFIED;
use ebb_abi::meter::Counter;
use ebb_abi::{Frame, PAGE_SIZE};
use ebb_proto::Error;
use ebb_proto::fs::OpenFlags;
use ebb_proto::pager::Op;
use ebb_proto::vm::{self as proto, EventKind, Space};

/// A change of a file's size.
pub struct Resize<R> {
    /// Whose.
    pub space: Space,
    /// The open file, which is kept open for it.
    pub description: u32,
    /// Its object.
    pub object: u32,
    /// Whether nobody else makes it longer or shorter meanwhile.
    pub locked: bool,
    size: u64,
    asked: bool,
    reply: R,
}

/// Whether nothing is left behind the end of a file.
pub(crate) enum Cleared {
    /// Nothing is.
    Done,
    /// Not known yet.
    Wait(Reason),
    /// It cannot be known.
    Failed(Error),
}

impl<M: Machine> Vm<M> {
    /// `ftruncate`.
    pub fn resize_new(&mut self, space: Space, file: u32, size: u64, reply: M::Reply) {
        let held = match size {
            ..=MAX_SIZE => self.description(space, file, OpenFlags::WRITE),
            _ => Err(Error::FileTooLarge),
        };
        match held.and_then(|n| self.descriptions.hold(n).map(|d| (n, d.object))) {
            Ok((description, object)) => {
                self.resize(Resize { space, description, object, locked: false, size, asked: false, reply });
            }
            Err(error) => self.m.answer::<proto::Truncate>(reply, Err(error), &[]),
        }
    }

    /// Goes on with it. Shorter: what lies beyond is taken away from everybody, then the pager cuts the file on the disk. Longer: the pager first.
    pub(crate) fn resize(&mut self, mut r: Resize<M::Reply>) {
        let Some(file) = self.objects.get(r.object).and_then(Object::file).copied() else {
            return self.resize_ended(r, Err(Error::BadFile));
        };
        if !r.locked {
            if file.locked {
                return self.wait_for(Reason::File(r.object), Work::Resize(r));
            }
            if r.size < file.size && self.enters_beyond(r.object, r.size) {
                return self.wait_for(Reason::Entered, Work::Resize(r));
            }
            r.locked = true;
            if let Some(file) = self.objects.get_mut(r.object).and_then(Object::file_mut) {
                file.locked = true;
            }
            if r.size < file.size {
                self.shrink(r.object, r.size);
            }
        }
        if r.asked {
            self.grow(r.object, r.size);
            return self.resize_ended(r, Ok(()));
        }
        // The disk may not be cut while something beyond is being read or written.
        let beyond = self.objects.get(r.object).and_then(|o| {
            let mut at = o.pages;
            while let Some(index) = o.next_used(at, u32::MAX) {
                if let Some(frame) = o.entry(index).frame() {
                    return Some(frame);
                }
                at = index + 1;
            }
            None
        });
        if let Some(frame) = beyond {
            return self.wait_for(Reason::Page(frame), Work::Resize(r));
        }
        // The page with the end in it neither: what is written of it would be written to a block that is cut off.
        if let Some(frame) =
            self.last_page(r.object).filter(|f| self.frames.page(*f).flags.intersects(Flags::BUSY))
        {
            return self.wait_for(Reason::Page(frame), Work::Resize(r));
        }
        // Before it becomes longer what lies behind the old end goes, on the disk too; behind a new end the pager clears the disk.
        if r.size > file.size || self.last_page(r.object).is_some() {
            match self.clear_tail(r.object) {
                Cleared::Done => {}
                Cleared::Wait(reason) => return self.wait_for(reason, Work::Resize(r)),
                Cleared::Failed(error) => return self.resize_ended(r, Err(error)),
            }
        }
        r.asked = true;
        let cookie = self.submit_file_op(Op::Resize, [file.inode as u64, r.size, 0]);
        self.wait_for(Reason::Op(cookie), Work::Resize(r));
    }

    fn last_page(&self, object: u32) -> Option<u32> {
        let o = self.objects.get(object)?;
        o.entry(o.pages.checked_sub(1)?).frame()
    }

    /// Takes away what lies beyond a new end.
    fn shrink(&mut self, object: u32, size: u64) {
        let Some(o) = self.objects.get_mut(object) else { return };
        let Some(file) = o.file_mut() else { return };
        file.size = size;
        let (inode, pages) = (file.inode, file.pages());
        file.written_end = file.written_end.min(pages);
        o.pages = pages;
        self.vnode.cut(inode, pages);
        self.drop_file_pages(object, pages);
    }

    /// Whether the page that a fault is about to enter lies beyond a new end.
    fn enters_beyond(&self, object: u32, size: u64) -> bool {
        let entered = self.page_of(self.entering);
        entered.is_some_and(|(o, index)| o == object && index as u64 * PAGE_SIZE as u64 >= size)
    }

    /// Drops the pages of a file from one on, and what was known of blocks for them. A mapping of them faults from now on; what is being read or written goes
    /// when that has ended.
    pub(crate) fn drop_file_pages(&mut self, object: u32, first: u32) {
        self.drop_pages_of_file(object, first, true);
    }

    /// Drops all pages of a file that are not modified.
    pub(crate) fn drop_clean_pages(&mut self, object: u32) {
        self.drop_pages_of_file(object, 0, false);
    }

    fn drop_pages_of_file(&mut self, object: u32, first: u32, modified_too: bool) {
        let (mut at, mut freed) = (first, 0);
        while let Some(index) = self.objects.get(object).and_then(|o| o.next_used(at, u32::MAX)) {
            at = index + 1;
            let Some(frame) = self.objects.get(object).and_then(|o| o.entry(index).frame()) else {
                if modified_too {
                    self.set_entry(object, index, |_| Entry::default());
                }
                continue;
            };
            let page = *self.frames.page(frame);
            if !modified_too && (page.wired > 0 || page.flags.intersects(Flags::BUSY | Flags::DIRTY)) {
                continue;
            }
            let mut bits = [frame as u64];
            self.clear_bits(&mut bits);
            if !modified_too && bits[0] & MODIFIED != 0 {
                self.modified_here(object, frame);
                continue;
            }
            if page.flags.intersects(Flags::BUSY) {
                if let Some(page) = self.frames.page_mut(frame) {
                    page.flags |= Flags::DOOMED;
                }
                self.set_entry(object, index, |_| Entry::default().with_frame(Some(frame)));
                continue;
            }
            if page.wired > 0 {
                if let Some(o) = self.objects.get_mut(object) {
                    o.wired = o.wired.saturating_sub(1);
                    self.frames.unwire(1, o.wiring);
                }
            } else if page.flags.intersects(Flags::QUEUED) {
                self.tell_policy(EventKind::Free, frame, 0);
            }
            let known = |e: Entry| if modified_too { Entry::default() } else { e.with_frame(None) };
            self.set_entry(object, index, known);
            self.frames.free(frame);
            freed += 1;
        }
        self.frames.meter.add(Counter::v_pfree, freed);
    }

    /// Sees to it, before a file becomes longer, that nothing is left behind its end in its last page, here or on the disk: a mapping may have written there, and
    /// what a file had before it was cut may be there still.
    pub(crate) fn clear_tail(&mut self, object: u32) -> Cleared {
        let Some(o) = self.objects.get(object) else { return Cleared::Failed(Error::BadFile) };
        let Some(file) = o.file().filter(|f| f.tail() != 0).copied() else { return Cleared::Done };
        let last = file.pages() - 1;
        let entry = o.entry(last);
        if entry.frame().is_none() && last >= file.written_end && !entry.swapped() {
            return Cleared::Done;
        }
        match self.find_file_page(object, last, 1, false, false) {
            Found::Frame { frame, .. } if self.frames.page(frame).flags.contains(Flags::WRITING) => {
                Cleared::Wait(Reason::Page(frame))
            }
            Found::Frame { frame, .. } => {
                if let Err(error) = self.m.zero_tail(Frame(frame), file.tail()) {
                    self.m.log(format_args!("zeroing the end of frame {frame}: {error:?}"));
                }
                if self.objects.get(object).is_some_and(|o| o.entry(last).backed()) {
                    self.modified_here(object, frame);
                }
                Cleared::Done
            }
            Found::Wait(reason) => Cleared::Wait(reason),
            Found::Lost | Found::Beyond => Cleared::Failed(Error::Io),
        }
    }

    /// A file has at least so many bytes now.
    pub(crate) fn grow(&mut self, object: u32, size: u64) {
        let Some(o) = self.objects.get_mut(object) else { return };
        let Some(file) = o.file_mut().filter(|f| f.size < size) else { return };
        file.size = size;
        o.pages = file.pages();
    }

    /// The end of it.
    pub(crate) fn resize_ended(&mut self, r: Resize<M::Reply>, result: Result<(), Error>) {
        let Resize { description, object, locked, .. } = r;
        self.give_back(&Claims { description, object, locked, moving: false });
        self.m.answer::<proto::Truncate>(r.reply, result, &[]);
    }
}
