// SPDX-License-Identifier: BSD-2-Clause
//! The vnode pager as `vm` sees it: besides pages, operations on files, and what it says without being asked.
//!
//! As with the swap pager everything that is under way is written down here until it is answered, so that an instance that dies loses nothing. A new instance is told
//! first which files `vm` has ([`Op::Hold`]); what it does not hear of it may forget.

use crate::channel::Channel;
use crate::machine::Machine;
use crate::object::Object;
use crate::page::Flags;
use crate::vm::Vm;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::sync::atomic::AtomicU64;
use ebb_abi::frame::Piece;
use ebb_abi::meter::Counter;
use ebb_abi::{Frame, Handle, PAGE_SIZE, Rights};
use ebb_policy::gate::Wiring;
use ebb_proto::Error;
use ebb_proto::fs::OpenFlags;
use ebb_proto::pager::{
    BOUNCE_PAGES, Completion, Notice, Op, Outcome, RING_PAGES, RINGS, Submission, WRITTEN,
};
use ebb_proto::vm::{PagerAttachment, PagerKind, Space};

/// Grants that nobody has used yet, of all programs; the oldest is dropped for a new one.
const MAX_GRANTS: usize = 1024;
/// Operations that are not answered, beyond one for each file, at which a pager counts as broken. Guessed: a program with all its files open leaves 256 at its end.
const MAX_OPS: usize = 4096;
/// No bounce page.
const FREE: u32 = u32::MAX;
/// The same as a number of bounce pages.
pub const SLOTS: usize = BOUNCE_PAGES as usize;

/// A program's right to open a file once.
#[derive(Clone, Copy, Debug)]
pub struct Grant {
    /// Its number.
    pub number: u32,
    /// Whose it is.
    pub space: Space,
    /// The file.
    pub object: u32,
    /// What may be done.
    pub rights: OpenFlags,
}

/// An operation on a file, until it is answered.
#[derive(Clone, Copy, Debug)]
struct FileOp {
    submission: Submission,
    submitted: bool,
    /// [`Op::Reserve`]: pages from here on were cut off since.
    end: u32,
}

impl FileOp {
    fn new(submission: Submission) -> FileOp {
        FileOp { submission, submitted: false, end: u32::MAX }
    }
}

/// The vnode pager.
pub struct Vnode {
    /// Its rings.
    pub ch: Channel,
    ops: VecDeque<FileOp>,
    next_cookie: u32,
    /// Which frame's bytes are in each bounce page.
    slots: [u32; SLOTS],
    /// Frames of the bounce pages.
    bounce: Vec<u32>,
    words: Option<&'static [AtomicU64]>,
    /// Grants not used yet.
    pub grants: VecDeque<Grant>,
    /// Objects of files, by inode.
    pub by_inode: BTreeMap<u32, u32>,
    /// Counts uses of files.
    pub uses: u64,
    /// The syncer has not ended its last round.
    pub syncing: bool,
}

impl Vnode {
    /// None yet.
    pub fn new() -> Vnode {
        Vnode {
            ch: Channel::new(u32::MAX),
            ops: VecDeque::with_capacity(64),
            next_cookie: 0,
            slots: [FREE; SLOTS],
            bounce: Vec::new(),
            words: None,
            grants: VecDeque::new(),
            by_inode: BTreeMap::new(),
            uses: 0,
            syncing: false,
        }
    }

    /// Whether so many pages more can be asked for ([`Channel::room`]). What was asked before of files goes first: a page's place depends on it.
    pub fn room(&self, entries: usize) -> bool {
        self.ops.back().is_none_or(|op| op.submitted) && self.ch.room(entries)
    }

    /// Whether the pager lets files come and go without answering what it is asked about them.
    pub fn is_flooded(&self) -> bool {
        self.ops.len() > self.by_inode.len() + MAX_OPS
    }

    /// A file was cut: blocks that were asked for beyond its end are not there, whatever is answered.
    pub fn cut(&mut self, inode: u32, pages: u32) {
        for op in self.ops.iter_mut().filter(|o| o.submission.op == Op::Reserve) {
            if op.submission.words[0] == inode as u64 {
                op.end = op.end.min(pages);
            }
        }
    }

    /// The bounce page that has a frame's bytes.
    pub fn slot_of(&self, frame: u32) -> Option<u8> {
        self.slots.iter().position(|f| *f == frame).map(|n| n as u8)
    }

    /// The first of so many consecutive bounce pages that are free.
    pub fn free_slots(&self, count: usize) -> Option<usize> {
        self.slots.windows(count.max(1)).position(|w| w.iter().all(|f| *f == FREE))
    }

    /// Takes a bounce page for a frame. Returns its own frame.
    pub fn take_slot(&mut self, slot: usize, frame: u32) -> Option<u32> {
        *self.slots.get_mut(slot)? = frame;
        self.bounce.get(slot).copied()
    }

    /// Gives back the bounce page that a frame has, if it has one.
    pub fn drop_slot(&mut self, frame: u32) {
        if let Some(slot) = self.slots.iter_mut().find(|f| **f == frame) {
            *slot = FREE;
        }
    }

    /// Operations that are not answered, and bounce pages in use: for the audit.
    pub fn under_way(&self) -> (usize, usize) {
        (self.ops.len(), self.slots.iter().filter(|f| **f != FREE).count())
    }
}

impl Default for Vnode {
    fn default() -> Self {
        Vnode::new()
    }
}

impl<M: Machine> Vm<M> {
    /// Attaches the vnode pager.
    pub(crate) fn vnode_attach(
        &mut self,
        space: Space,
        notification: Handle,
    ) -> Result<PagerAttachment, Error> {
        let words = match self.vnode.words {
            Some(words) => words,
            None => {
                let segment = self.segment_new(RING_PAGES + BOUNCE_PAGES, Wiring::System)?;
                let words = self.segment_own(segment).inspect_err(|_| self.segment_drop(segment))?;
                self.vnode.ch = Channel::new(segment);
                self.vnode.words = Some(words);
                let frames = self.segments.get(segment as usize).and_then(|s| s.as_ref());
                self.vnode.bounce = frames
                    .map_or(Vec::new(), |s| s.frames.iter().skip(RING_PAGES as usize).copied().collect());
                words
            }
        };
        let doorbell = self.give(space, self.notification, Rights::SEND, 0)?;
        self.map_segment_at(space, self.vnode.ch.segment(), RINGS)?;
        let now = self.m.now();
        let rings = words.get(..RING_PAGES as usize * PAGE_SIZE / 8).ok_or(Error::Invalid)?;
        self.vnode.ch.attach(space, notification, rings, now);
        self.vnode.ch.at_work(now);
        let generation = self.vnode.ch.generation();
        self.frames.meter.set(Counter::vnode_generation, generation as u64);
        self.hold_again();
        self.flush_file_ops();
        self.waiting.pager_ready();
        self.ring_pager();
        self.take_completions(PagerKind::Vnode);
        let frames = self.vnode.bounce.clone();
        Ok(PagerAttachment { doorbell, generation, devices: Vec::new(), frames, front: (0, 0) })
    }

    /// Says to a new instance which files there are, before everything else.
    fn hold_again(&mut self) {
        let held: Vec<u32> = self.vnode.by_inode.values().copied().collect();
        let mut ops = VecDeque::with_capacity(held.len() + self.vnode.ops.len());
        let mut cookie = self.vnode.next_cookie;
        for object in held {
            let Some(file) = self.objects.get_mut(object).and_then(Object::file_mut) else { continue };
            let words = [file.inode as u64, file.size, file.grants as u64];
            file.grants = 0;
            cookie = cookie.wrapping_add(1);
            let submission = Submission { op: Op::Hold, run: 0, place: 0, slot: 0, cookie, words };
            ops.push_back(FileOp::new(submission));
        }
        self.vnode.next_cookie = cookie;
        // Sizes are in what was just said, and what nothing was said of is released: its inode may be another file's by now.
        let held = &self.vnode.by_inode;
        let kept = |op: &FileOp| match op.submission.op {
            Op::Hold | Op::Size | Op::Release => false,
            Op::Reserve | Op::Resize => held.contains_key(&(op.submission.words[0] as u32)),
            _ => true,
        };
        let rest = core::mem::take(&mut self.vnode.ops);
        ops.extend(rest.into_iter().filter(kept).map(|op| FileOp { submitted: false, ..op }));
        self.vnode.ops = ops;
        if let Some(audit) = &mut self.pager.audit {
            audit.released_after.clear();
        }
    }

    /// The vnode pager is gone.
    pub(crate) fn vnode_detach(&mut self) {
        // What it completed is true, and what it granted was answered perhaps.
        self.drain_completions(PagerKind::Vnode);
        // The next one hears of neither.
        self.vnode.ops.retain(|op| !matches!(op.submission.op, Op::Size | Op::Release));
        let now = self.m.now();
        let notification = self.vnode.ch.detach(now);
        self.m.handle_close(notification);
    }

    /// Asks the pager for something that is no page. Returns the number under which works wait for it.
    pub(crate) fn submit_file_op(&mut self, op: Op, words: [u64; 3]) -> u32 {
        self.vnode.next_cookie = self.vnode.next_cookie.wrapping_add(1);
        let cookie = self.vnode.next_cookie;
        if op == Op::Release
            && let Some(audit) = &mut self.pager.audit
        {
            audit.released_after.push(words[0] as u32);
        }
        if op == Op::Size
            && let Some(last) = self.vnode.ops.iter_mut().rev().find(|o| o.submission.words[0] == words[0])
            && last.submission.op == Op::Size
            && !last.submitted
        {
            last.submission.words = words;
            return last.submission.cookie;
        }
        let submission = Submission { op, run: 0, place: 0, slot: 0, cookie, words };
        self.vnode.ops.push_back(FileOp::new(submission));
        self.flush_file_ops();
        cookie
    }

    /// Submits what is queued, as far as there is room; pages again only after all of it.
    pub(crate) fn flush_file_ops(&mut self) {
        for op in self.vnode.ops.iter_mut().filter(|o| !o.submitted) {
            if !self.vnode.ch.push(&op.submission) {
                return;
            }
            op.submitted = true;
        }
        self.resubmit_pages(PagerKind::Vnode);
    }

    /// Takes an entry of the pager.
    pub(crate) fn vnode_entry(&mut self, entry: &[u64; 4]) {
        match Notice::unpack(entry) {
            Some(Notice::Granted { grant, rights, inode, space, size }) => {
                self.granted(grant, rights, inode, space, size);
            }
            Some(Notice::Unlinked { inode }) => {
                let Some(object) = self.vnode.by_inode.get(&inode).copied() else { return };
                if let Some(file) = self.objects.get_mut(object).and_then(Object::file_mut) {
                    file.unlinked = true;
                }
                self.reap(object);
            }
            None => match Completion::unpack(entry) {
                Some(c) if matches!(c.op, Op::Get) => self.get_done(PagerKind::Vnode, &c),
                Some(c) if matches!(c.op, Op::Put | Op::PutBytes) => self.file_put_done(&c),
                Some(c) => self.file_op_done(&c),
                None => self.m.log(format_args!("the vnode pager sent nonsense: {entry:x?}")),
            },
        }
    }

    fn granted(&mut self, number: u32, rights: u8, inode: u32, space: Space, size: u64) {
        let object = self.file_object(inode, size);
        let known = self.spaces.get(space).is_some();
        if let Some(file) = self.objects.get_mut(object).and_then(Object::file_mut) {
            file.grants += 1;
            file.users += 1;
        }
        if !known {
            // It ended while it asked.
            return self.drop_user(object);
        }
        let rights =
            OpenFlags::from_bits_truncate(rights) & (OpenFlags::READ | OpenFlags::WRITE | OpenFlags::EXECUTE);
        self.vnode.grants.push_back(Grant { number, space, object, rights });
        if self.vnode.grants.len() > MAX_GRANTS
            && let Some(oldest) = self.vnode.grants.pop_front()
        {
            self.drop_user(oldest.object);
        }
    }

    /// Drops the grants of a space that is gone.
    pub(crate) fn forget_grants(&mut self, space: Space) {
        while let Some(at) = self.vnode.grants.iter().position(|g| g.space == space) {
            if let Some(grant) = self.vnode.grants.remove(at) {
                self.drop_user(grant.object);
            }
        }
    }

    fn file_op_done(&mut self, c: &Completion) {
        let theirs = |o: &FileOp| o.submission.cookie == c.cookie && o.submission.op == c.op && o.submitted;
        let Some(at) = self.vnode.ops.iter().position(theirs) else {
            return self.m.log(format_args!("the vnode pager completed what nobody asked for: {c:?}"));
        };
        let Some(op) = self.vnode.ops.remove(at) else { return };
        let [name, first, pages] = op.submission.words;
        let object = self.vnode.by_inode.get(&(name as u32)).copied();
        match (c.op, c.outcome) {
            (Op::Reserve, Outcome::Ok) => {
                let object = object.unwrap_or(0);
                let written = c.results[0] & WRITTEN != 0;
                for index in first as u32..((first + pages) as u32).min(op.end) {
                    self.set_entry(object, index, |e| {
                        let backed = e.into_backed();
                        if written { backed.with_swapped(true) } else { backed }
                    });
                }
            }
            (Op::Audit, _) => return self.files_audited(c),
            (_, Outcome::Ok) | (Op::Reserve, _) => {}
            (op, outcome) => self.m.log(format_args!("{op:?} of inode {name}: {outcome:?}")),
        }
        let several = c.op == Op::Reserve && c.outcome == Outcome::Fail && pages > 1;
        if c.op == Op::Reserve
            && let Some(file) = object.and_then(|o| self.objects.get_mut(o)).and_then(Object::file_mut)
        {
            file.tight = several;
        }
        match c.outcome {
            Outcome::Ok => self.waiting.op_done(c.cookie),
            _ if several => self.waiting.op_done(c.cookie),
            outcome => self.op_failed(c.cookie, error_of(outcome)),
        }
    }

    /// Copies a frame's bytes to a bounce page.
    pub(crate) fn fill_slot(&mut self, slot: usize, frame: u32) -> bool {
        let Some(bounce) = self.vnode.take_slot(slot, frame) else { return false };
        let piece = Piece {
            from: Frame(frame),
            from_offset: 0,
            to: Frame(bounce),
            to_offset: 0,
            bytes: PAGE_SIZE as u16,
        };
        match self.m.copy_bytes(&[piece]) {
            Ok(()) => true,
            Err(error) => {
                self.m.log(format_args!("copying frame {frame}: {error:?}"));
                self.vnode.drop_slot(frame);
                false
            }
        }
    }

    /// A page of a file was written, or could not be.
    fn file_put_done(&mut self, c: &Completion) {
        let Some((frame, object, index)) = self.busy_page(c, Flags::WRITING) else { return };
        if c.outcome == Outcome::Again && self.put_bytes_instead(frame, object, index) {
            return;
        }
        self.vnode.drop_slot(frame);
        self.vnode.ch.writing = self.vnode.ch.writing.saturating_sub(1);
        self.publish_writing();
        let before = self.unbusy(frame, object, Flags::WRITING);
        if before.contains(Flags::DOOMED) {
            return self.drop_page(object, index, frame);
        }
        match c.outcome {
            Outcome::Ok => {
                self.frames.meter.add(Counter::v_vnodepgsout, 1);
                self.set_entry(object, index, |e| e.with_swapped(true));
                if let Some(file) = self.objects.get_mut(object).and_then(Object::file_mut) {
                    file.written_end = file.written_end.max(index + 1);
                }
            }
            Outcome::Again => {
                self.still_dirty(frame, object, index);
                if let Some(file) = self.objects.get_mut(object).and_then(Object::file_mut) {
                    file.given_back = file.given_back.wrapping_add(1);
                }
            }
            outcome => {
                self.frames.meter.add(Counter::v_pageout_errors, 1);
                if let Some(file) = self.objects.get_mut(object).and_then(Object::file_mut) {
                    file.failures = (file.failures.0.wrapping_add(1), error_of(outcome));
                }
                self.still_dirty(frame, object, index);
            }
        }
        self.tell_policy(ebb_proto::vm::EventKind::Laundered, frame, (c.outcome == Outcome::Ok) as u64);
    }

    /// A page that was not written: it is as modified as before, and its bytes go through a bounce page the next time.
    fn still_dirty(&mut self, frame: u32, object: u32, index: u32) {
        self.modified_here(object, frame);
        self.set_entry(object, index, |e| e.with_swapped(false).into_backed());
        if self.frames.page(frame).wired == 0 {
            self.frames.set_queue(frame, Flags::ACTIVE);
        }
    }

    /// The pager wants the bytes of a page that it was given by frame number.
    fn put_bytes_instead(&mut self, frame: u32, object: u32, index: u32) -> bool {
        if self.vnode.slot_of(frame).is_some() || !self.vnode.ch.fits(1) {
            return false;
        }
        let Some(inode) = self.objects.get(object).and_then(Object::file).map(|f| f.inode) else {
            return false;
        };
        let Some(slot) = self.vnode.free_slots(1).filter(|slot| self.fill_slot(*slot, frame)) else {
            return false;
        };
        let submission = Submission {
            op: Op::PutBytes,
            run: 1,
            place: 0,
            slot: slot as u8,
            cookie: self.frames.page(frame).generation,
            words: [inode as u64, index as u64, frame as u64],
        };
        if !self.vnode.ch.push(&submission) {
            self.vnode.drop_slot(frame);
            return false;
        }
        true
    }

    /// The size of a file has grown.
    pub(crate) fn tell_size(&mut self, object: u32) {
        let Some(file) = self.objects.get(object).and_then(Object::file).copied() else { return };
        self.submit_file_op(Op::Size, [file.inode as u64, file.size, 0]);
    }
}

/// What an outcome means to who asked.
pub(crate) fn error_of(outcome: Outcome) -> Error {
    match outcome {
        Outcome::Fail => Error::NoSpace,
        Outcome::Bad => Error::Invalid,
        _ => Error::Io,
    }
}
