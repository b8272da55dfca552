// SPDX-License-Identifier: BSD-2-Clause
//! `read` and `write`: bytes between a file's pages and a program's memory, from frame to frame.
//!
//! There is one copy of a file's page, whoever uses it, so what is written here is seen by every mapping at once. Progress is kept in the record ([`Transfer`]); what
//! has to wait goes on from there.

use crate::fault::Found;
use crate::file::MAX_SIZE;
use crate::machine::Machine;
use crate::map::Backing;
use crate::object::{Entry, Object};
use crate::page::{Flags, Place};
use crate::resize::Cleared;
use crate::vm::Vm;
use crate::waiting::{Reason, Work};
use ebb_abi::frame::Piece;
use ebb_abi::{Frame, PAGE_SIZE};
use ebb_policy::gate::Class;
use ebb_proto::Error;
use ebb_proto::fs::OpenFlags;
use ebb_proto::pager::{MAX_RUN, Op};
use ebb_proto::vm::{self as proto, EventKind, MAX_TRANSFER, OWN_OFFSET, Protection, Space};

const PAGE: u64 = PAGE_SIZE as u64;
/// Pieces that are copied at a time.
const PIECES: usize = 32;
/// Pages that the first read of a file brings in, if it begins at its start.
const FIRST_WINDOW: u32 = 4;

/// A read or a write.
pub struct Transfer<R> {
    /// Whose.
    pub space: Space,
    /// The open file, which is kept open for it.
    pub description: u32,
    /// Its object.
    pub object: u32,
    /// Whether it makes the file longer, and nobody else meanwhile.
    pub locked: bool,
    /// Whether the open file's own offset moves, which nobody else uses meanwhile.
    pub moving: bool,
    write: bool,
    /// Whether it goes on from the open file's own offset.
    own: bool,
    /// Whether it goes to the end, wherever that is when its turn comes.
    append: bool,
    /// Whether it has made the file longer since the pager was last told.
    grown: bool,
    offset: u64,
    address: u64,
    left: u32,
    done: u32,
    reply: R,
}

/// What a read or a write has to itself while it is under way.
pub struct Claims {
    /// The open file.
    pub description: u32,
    /// Its object.
    pub object: u32,
    /// Nobody else makes the file longer or shorter.
    pub locked: bool,
    /// Nobody else moves the open file's own offset.
    pub moving: bool,
}

impl<R> Transfer<R> {
    /// What it has to itself.
    pub fn claims(&self) -> Claims {
        let Transfer { description, object, locked, moving, .. } = *self;
        Claims { description, object, locked, moving }
    }
}

/// What a step came to.
enum Step {
    /// A piece is to be copied.
    Piece(Piece),
    /// There is no more.
    End,
    /// It cannot go on now.
    Wait(Reason),
    /// It cannot go on.
    Failed(Error),
}

impl<M: Machine> Vm<M> {
    /// `read`, `write`; the arguments of both are those of a read.
    pub fn transfer_new(&mut self, space: Space, write: bool, op: proto::Read, reply: M::Reply) {
        let proto::Read { file, offset, address, bytes } = op;
        let rights = if write { OpenFlags::WRITE } else { OpenFlags::READ };
        let found = self.description(space, file, rights);
        let description = match found.and_then(|n| self.descriptions.hold(n).map(|d| (n, d))) {
            Ok((number, d)) => {
                let t = Transfer {
                    space,
                    description: number,
                    object: d.object,
                    locked: false,
                    moving: false,
                    write,
                    own: offset == OWN_OFFSET,
                    append: write && d.append,
                    grown: false,
                    offset,
                    address,
                    left: bytes.min(MAX_TRANSFER),
                    done: 0,
                    reply,
                };
                return self.transfer(t);
            }
            Err(error) => error,
        };
        self.transfer_answer(write, reply, Err(description));
    }

    fn transfer_answer(&mut self, write: bool, reply: M::Reply, result: Result<u32, Error>) {
        if write {
            self.m.answer::<proto::Write>(reply, result, &[]);
        } else {
            self.m.answer::<proto::Read>(reply, result, &[]);
        }
    }

    /// Goes on with a read or a write.
    pub(crate) fn transfer(&mut self, mut t: Transfer<M::Reply>) {
        if t.own && !t.moving && !self.take_offset(&mut t) {
            return self.wait_for(Reason::File(t.object), Work::Transfer(t));
        }
        let mut pieces = [EMPTY; PIECES];
        let mut count = 0;
        let end = loop {
            if t.left == 0 {
                break Step::End;
            }
            let step = if t.write { self.write_step(&mut t) } else { self.read_step(&mut t) };
            let Step::Piece(piece) = step else { break step };
            pieces[count] = piece;
            count += 1;
            t.offset += piece.bytes as u64;
            t.address += piece.bytes as u64;
            t.left -= piece.bytes as u32;
            t.done += piece.bytes as u32;
            if count == PIECES {
                self.copy_pieces(&pieces);
                count = 0;
            }
        };
        self.copy_pieces(&pieces[..count]);
        if core::mem::take(&mut t.grown) {
            self.tell_size(t.object);
        }
        match end {
            Step::Piece(_) | Step::End => self.transfer_ended(t, Ok(())),
            Step::Wait(reason) => self.wait_for(reason, Work::Transfer(t)),
            Step::Failed(error) => self.transfer_ended(t, Err(error)),
        }
    }

    /// Begins at the open file's own offset; `false`: somebody else moves it just now. So those who share it get each byte once.
    fn take_offset(&mut self, t: &mut Transfer<M::Reply>) -> bool {
        let Some(d) = self.descriptions.get_mut(t.description).filter(|d| !d.moving) else { return false };
        d.moving = true;
        t.moving = true;
        t.offset = d.offset;
        true
    }

    /// Gives back what a read or a write had to itself.
    pub(crate) fn give_back(&mut self, held: &Claims) {
        if held.moving
            && let Some(d) = self.descriptions.get_mut(held.description)
        {
            d.moving = false;
        }
        if held.locked {
            self.unlock_file(held.object);
        } else if held.moving {
            self.waiting.file_ready(held.object);
        }
        self.drop_description(held.description);
    }

    fn copy_pieces(&mut self, pieces: &[Piece]) {
        if pieces.is_empty() {
            return;
        }
        // Every frame was found in a table of this server just now: the kernel has no reason to refuse.
        if let Err(error) = self.m.copy_bytes(pieces) {
            self.m.log(format_args!("copying {} pieces: {error:?}", pieces.len()));
        }
    }

    /// The end of a read or a write; what was moved before an error counts.
    pub(crate) fn transfer_ended(&mut self, t: Transfer<M::Reply>, result: Result<(), Error>) {
        if t.moving
            && t.done > 0
            && let Some(d) = self.descriptions.get_mut(t.description)
        {
            d.offset = t.offset;
        }
        self.give_back(&t.claims());
        let result = match result {
            Err(error) if t.done == 0 => Err(error),
            _ => Ok(t.done),
        };
        self.transfer_answer(t.write, t.reply, result);
    }

    /// Nobody makes the file longer or shorter any more.
    pub(crate) fn unlock_file(&mut self, object: u32) {
        if let Some(file) = self.objects.get_mut(object).and_then(Object::file_mut) {
            file.locked = false;
        }
        self.waiting.file_ready(object);
    }

    fn read_step(&mut self, t: &mut Transfer<M::Reply>) -> Step {
        let size = self.file_size(t.object);
        if t.offset >= size {
            return Step::End;
        }
        let (in_file, in_memory) = (t.offset % PAGE, t.address % PAGE);
        let bytes = (t.left as u64).min(PAGE - in_file.max(in_memory)).min(size - t.offset);
        let index = (t.offset / PAGE) as u32;
        let from = match self.page_to_read(t, index) {
            Ok(frame) => frame,
            Err(step) => return step,
        };
        let to = match self.user_page(t.space, t.address, true, bytes == PAGE) {
            Ok(frame) => frame,
            Err(step) => return step,
        };
        self.read_seen(t.description, from, index);
        Step::Piece(Piece {
            from: Frame(from),
            from_offset: in_file as u16,
            to: Frame(to),
            to_offset: in_memory as u16,
            bytes: bytes as u16,
        })
    }

    /// The page of a file that a read needs, with what a sequential reader will want next.
    fn page_to_read(&mut self, t: &Transfer<M::Reply>, index: u32) -> Result<u32, Step> {
        let Some(d) = self.descriptions.get(t.description) else { return Err(Step::Failed(Error::BadFile)) };
        let (next, last) = d.read_ahead;
        let asked = (t.offset % PAGE + t.left as u64).div_ceil(PAGE) as u32;
        let sequential = index == next && (last > 0 || index == 0);
        let window = match last {
            _ if !sequential => asked,
            0 => asked.max(FIRST_WINDOW),
            last => asked.max(last * 2),
        };
        let window = window.clamp(1, MAX_RUN as u32);
        match self.find_file_page(t.object, index, window, false, false) {
            Found::Frame { frame, .. } => Ok(frame),
            Found::Wait(reason) => {
                if matches!(reason, Reason::Page(_))
                    && let Some(d) = self.descriptions.get_mut(t.description)
                    && sequential
                {
                    d.read_ahead.1 = window;
                }
                Err(Step::Wait(reason))
            }
            // It was cut meanwhile.
            Found::Beyond => Err(Step::End),
            Found::Lost => Err(Step::Failed(Error::Io)),
        }
    }

    /// A page was read: for the policy, and for the next read. A page that is read again later is worth more than one that is read once, in however many pieces.
    fn read_seen(&mut self, description: u32, frame: u32, index: u32) {
        let Some(d) = self.descriptions.get_mut(description) else { return };
        if d.last == index {
            return;
        }
        let (object, sequential) = (d.object, index == d.read_ahead.0);
        d.last = index;
        d.read_ahead = (index + 1, if sequential { d.read_ahead.1.max(1) } else { 0 });
        let window = d.read_ahead.1;
        let flags = self.frames.page(frame).flags;
        if flags.contains(Flags::SEEN) && flags.contains(Flags::INACTIVE) {
            self.frames.set_queue(frame, Flags::ACTIVE);
            self.tell_policy(EventKind::Activate, frame, 0);
        } else if let Some(page) = self.frames.page_mut(frame) {
            page.flags |= Flags::SEEN;
        }
        // At the start of a block the next one is asked for, so that the disk works while this one is used.
        if window as usize == MAX_RUN && index.is_multiple_of(window) && self.frames.plenty() {
            let ahead = index + window;
            let known = self.objects.get(object).is_some_and(|o| o.entry(ahead).frame().is_some());
            if !known {
                // Whatever comes of it: it is only a bonus.
                let _ = self.find_file_page(object, ahead, window, false, false);
            }
        }
    }

    /// A page of a program's memory, to be written to or read from. `whole`: all of it will be overwritten.
    fn user_page(&mut self, space: Space, address: u64, write: bool, whole: bool) -> Result<u32, Step> {
        let needed = if write { Protection::WRITE } else { Protection::READ };
        let region = self.spaces.get(space).and_then(|s| s.map.find(address)).copied();
        let region = region.filter(|r| r.protection.contains(needed)).ok_or(Step::Failed(Error::Fault))?;
        let page = region.page_at(address);
        match region.backing.advanced(page) {
            Backing::Object { object, offset } => {
                let start = region.start + page as u64 * PAGE;
                match self.find_any(space, &region, start, object, offset, write) {
                    // A fault of another thread found it just now, and it is zeroed when it is entered.
                    Found::Frame { frame, .. } if frame == self.entering => Err(Step::Wait(Reason::Entered)),
                    Found::Frame { frame, zero, .. } => {
                        if zero && !whole {
                            self.zero_now(frame);
                        }
                        if write {
                            self.modified_here(object, frame);
                        }
                        Ok(frame)
                    }
                    Found::Wait(reason) => Err(Step::Wait(reason)),
                    Found::Beyond => Err(Step::Failed(Error::Fault)),
                    Found::Lost => Err(Step::Failed(Error::Io)),
                }
            }
            Backing::Segment { id, first } if !write => {
                let segment = self.segments.get(id as usize).and_then(|s| s.as_ref());
                segment.and_then(|s| s.frame(first)).ok_or(Step::Failed(Error::Fault))
            }
            Backing::Module { frame } if !write => Ok(frame),
            _ => Err(Step::Failed(Error::Fault)),
        }
    }

    /// A page was modified without a mapping.
    pub(crate) fn modified_here(&mut self, object: u32, frame: u32) {
        if let Some(page) = self.frames.page_mut(frame) {
            page.flags |= Flags::DIRTY;
        }
        if let Some(file) = self.objects.get_mut(object).and_then(Object::file_mut) {
            file.touched = true;
        }
    }

    fn write_step(&mut self, t: &mut Transfer<M::Reply>) -> Step {
        let Some(file) = self.objects.get(t.object).and_then(Object::file).copied() else {
            return Step::Failed(Error::BadFile);
        };
        let grows = t.append || t.offset.saturating_add(t.left as u64) > file.size;
        if grows && !t.locked {
            if file.locked {
                return Step::Wait(Reason::File(t.object));
            }
            self.lock_file(t, &file);
        }
        if t.offset.saturating_add(t.left as u64) > MAX_SIZE {
            return Step::Failed(Error::FileTooLarge);
        }
        let (in_file, in_memory) = (t.offset % PAGE, t.address % PAGE);
        let bytes = (t.left as u64).min(PAGE - in_file.max(in_memory));
        let index = (t.offset / PAGE) as u32;
        let grows_now = t.offset + bytes > file.size;
        if grows_now && !t.grown {
            match self.clear_tail(t.object) {
                Cleared::Done => {}
                Cleared::Wait(reason) => return Step::Wait(reason),
                Cleared::Failed(error) => return Step::Failed(error),
            }
        }
        if let Err(step) = self.reserve(t, index) {
            return step;
        }
        let from = match self.user_page(t.space, t.address, false, false) {
            Ok(frame) => frame,
            Err(step) => return step,
        };
        let to = match self.page_to_write(t, index, in_file, bytes) {
            Ok(frame) => frame,
            Err(step) => return step,
        };
        if grows_now {
            self.grow(t.object, t.offset + bytes);
            t.grown = true;
        }
        self.modified_here(t.object, to);
        Step::Piece(Piece {
            from: Frame(from),
            from_offset: in_memory as u16,
            to: Frame(to),
            to_offset: in_file as u16,
            bytes: bytes as u16,
        })
    }

    fn lock_file(&mut self, t: &mut Transfer<M::Reply>, file: &crate::file::File) {
        t.locked = true;
        if t.append {
            t.offset = file.size;
        }
        if let Some(file) = self.objects.get_mut(t.object).and_then(Object::file_mut) {
            file.locked = true;
        }
    }

    /// Sees to it that there is a block on the disk for what is written from this page on.
    fn reserve(&mut self, t: &Transfer<M::Reply>, index: u32) -> Result<(), Step> {
        let Some(o) = self.objects.get(t.object) else { return Err(Step::Failed(Error::BadFile)) };
        if o.entry(index).backed() {
            return Ok(());
        }
        let last = ((t.offset + t.left as u64 - 1) / PAGE) as u32;
        let mut end = index + 1;
        while end <= last && !o.entry(end).backed() && !o.file().is_some_and(|f| f.tight) {
            end += 1;
        }
        Err(Step::Wait(self.reserve_pages(t.object, index, end)))
    }

    /// Asks for blocks for pages of a file. Returns what is to be waited for.
    pub(crate) fn reserve_pages(&mut self, object: u32, first: u32, end: u32) -> Reason {
        for index in [first, end - 1] {
            let missing = self.objects.get(object).is_some_and(|o| !o.has_leaf(index));
            if missing && self.add_leaf(object, index).is_err() {
                return Reason::Memory;
            }
        }
        let inode = self.objects.get(object).and_then(Object::file).map_or(0, |f| f.inode);
        let words = [inode as u64, first as u64, (end - first) as u64];
        Reason::Op(self.submit_file_op(Op::Reserve, words))
    }

    /// The page of a file that a write goes to. It is read before only if some of what it has is kept.
    fn page_to_write(
        &mut self,
        t: &Transfer<M::Reply>,
        index: u32,
        in_page: u64,
        bytes: u64,
    ) -> Result<u32, Step> {
        let Some(o) = self.objects.get(t.object) else { return Err(Step::Failed(Error::BadFile)) };
        let Some(file) = o.file() else { return Err(Step::Failed(Error::BadFile)) };
        let entry = o.entry(index);
        let nothing_kept = in_page == 0 && (bytes == PAGE || t.offset + bytes >= file.size);
        let never_written = index >= file.written_end && !entry.swapped();
        if entry.frame().is_none() && (nothing_kept || never_written) {
            let frame = self.frames.allocate(Class::Normal, Place::Object, t.object, index);
            let frame = frame.ok_or(Step::Wait(Reason::Memory))?;
            self.set_entry(t.object, index, |e: Entry| e.with_frame(Some(frame)));
            if bytes < PAGE {
                self.zero_now(frame);
            }
            self.clear_bits(&mut [frame as u64]);
            self.frames.set_queue(frame, Flags::INACTIVE);
            self.tell_policy(EventKind::PageIn, frame, 0);
            return Ok(frame);
        }
        match self.find_file_page(t.object, index, 1, true, false) {
            Found::Frame { frame, .. } => Ok(frame),
            Found::Wait(reason) => Err(Step::Wait(reason)),
            Found::Beyond => Err(Step::Failed(Error::Invalid)),
            Found::Lost => Err(Step::Failed(Error::Io)),
        }
    }

    /// Fills a frame with zeroes.
    pub(crate) fn zero_now(&mut self, frame: u32) {
        if let Err(error) = self.m.zero_tail(Frame(frame), 0) {
            self.m.log(format_args!("zeroing frame {frame}: {error:?}"));
        }
    }
}

const EMPTY: Piece = Piece { from: Frame(0), from_offset: 0, to: Frame(0), to_offset: 0, bytes: 0 };
