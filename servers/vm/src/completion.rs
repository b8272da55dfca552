// SPDX-License-Identifier: BSD-2-Clause
//! What the pagers answered (`swp_pager_async_iodone`): pages come in, writes end, copies are gone. A completion is believed only if the frame is busy in the way that
//! it claims and its generation is the cookie's.

use crate::channel::Popped;
use crate::machine::Machine;
use crate::object::{Entry, Object};
use crate::page::{Flags, NONE, Place};
use crate::vm::Vm;
use ebb_abi::Frame;
use ebb_abi::meter::Counter;
use ebb_proto::Error;
use ebb_proto::pager::{Completion, HOLE, Op, Outcome, RESERVED, WANTS_MEMORY};
use ebb_proto::vm::{EventKind, PagerKind};

impl<M: Machine> Vm<M> {
    /// Takes all that a pager has sent.
    pub fn take_completions(&mut self, kind: PagerKind) {
        if !self.drain_completions(kind) {
            // Nothing that it says can be understood any more: it is as good as dead, and the next one gets all that was in flight.
            self.m.log(format_args!("the {kind:?} pager broke its ring"));
            self.pager_detach(kind);
        }
    }

    /// Takes all that a pager has sent; `false`: the ring is broken, and closed now.
    pub(crate) fn drain_completions(&mut self, kind: PagerKind) -> bool {
        let mut any = false;
        let whole = loop {
            match self.channel(kind).pop() {
                Popped::Entry(entry) => {
                    any = true;
                    match (kind, Completion::unpack(&entry)) {
                        (PagerKind::Vnode, _) => self.vnode_entry(&entry),
                        (PagerKind::Swap, Some(c)) => self.complete(&c),
                        (PagerKind::Swap, None) => {
                            self.m.log(format_args!("the pager sent nonsense: {entry:x?}"))
                        }
                    }
                }
                Popped::Empty => break true,
                Popped::Broken => break false,
            }
        };
        if kind == PagerKind::Vnode && self.vnode.is_flooded() {
            return false;
        }
        if any {
            let now = self.m.now();
            self.channel(kind).at_work(now);
            match kind {
                PagerKind::Swap => self.flush_requests(),
                PagerKind::Vnode => self.flush_file_ops(),
            }
            self.waiting.pager_ready();
            // Pages that were being cleaned for somebody who waits are clean now: the policy can go on.
            if self.frames.gate.pages_needed() {
                self.policy_go_on();
            }
        }
        whole
    }

    fn complete(&mut self, c: &Completion) {
        match c.op {
            Op::Get => self.get_done(PagerKind::Swap, c),
            Op::Put => self.put_done(c),
            Op::Free | Op::Copy => {
                // Answered in order of submission.
                if let Some(request) = self.pager.frees.pop_front() {
                    for object in [Some(request.object), request.to.map(|(to, _)| to)].into_iter().flatten() {
                        if let Some(o) = self.objects.get_mut(object) {
                            o.freeing = o.freeing.saturating_sub(1);
                        }
                        self.reap(object);
                    }
                }
            }
            Op::AddMemory | Op::Retire | Op::Resume | Op::Seal => {
                self.pager.control.pop_front();
                self.front_answered(c);
            }
            Op::Audit => {
                self.pager.control.pop_front();
                self.audit_done(c);
            }
            _ => {
                self.pager.control.pop_front();
                self.swap_change_done(c);
            }
        }
    }

    /// The page that a completion speaks of, if it speaks the truth.
    pub(crate) fn busy_page(&mut self, c: &Completion, busy: Flags) -> Option<(u32, u32, u32)> {
        let frame = u32::try_from(c.frame).unwrap_or(NONE);
        let page = self.frames.page(frame);
        if page.place != Place::Object || page.generation != c.cookie || !page.flags.contains(busy) {
            self.m.log(format_args!("the pager completed what nobody asked for: {c:?}"));
            return None;
        }
        Some((frame, page.object, page.index))
    }

    pub(crate) fn unbusy(&mut self, frame: u32, object: u32, busy: Flags) -> Flags {
        let mut before = Flags::empty();
        if let Some(page) = self.frames.page_mut(frame) {
            before = page.flags;
            page.flags -= busy | Flags::WANTED | Flags::DOOMED;
            if busy.contains(Flags::READING) {
                page.flags -= Flags::DEMANDED;
            }
        }
        if let Some(o) = self.objects.get_mut(object) {
            o.busy = o.busy.saturating_sub(1);
            if o.is_lone() {
                // Its collapse may have left this page for later.
                self.collapse_soon(object);
            }
        }
        if before.contains(Flags::WANTED) {
            self.waiting.page_done(frame);
        }
        before
    }

    /// `swp_pager_async_iodone` for a read.
    pub(crate) fn get_done(&mut self, kind: PagerKind, c: &Completion) {
        let Some((frame, object, index)) = self.busy_page(c, Flags::READING) else { return };
        let channel = self.channel(kind);
        channel.reading = channel.reading.saturating_sub(1);
        let file = kind == PagerKind::Vnode;
        let failed = file && c.outcome != Outcome::Ok;
        let flags = self.frames.page(frame).flags;
        if failed && flags.contains(Flags::DEMANDED) && !flags.contains(Flags::DOOMED) {
            // Not for ever: who asks again has it tried again. And who waits for a neighbour that was not read asks for it himself.
            self.page_failed(frame, Error::Io);
        }
        let faulted = self.waiting.is_faulted(frame);
        let before = self.unbusy(frame, object, Flags::READING);
        if before.contains(Flags::DOOMED) {
            self.drop_page(object, index, frame);
            return;
        }
        if c.outcome == Outcome::Ok {
            match kind {
                PagerKind::Swap => self.frames.meter.add(Counter::v_swappgsin, 1),
                PagerKind::Vnode => self.file_page_read(object, index, frame, c.results[0]),
            }
            let active = if file { faulted } else { before.contains(Flags::DEMANDED) };
            self.frames.set_queue(frame, if active { Flags::ACTIVE } else { Flags::INACTIVE });
            self.tell_policy(EventKind::PageIn, frame, active as u64);
            return;
        }
        // Not read: a neighbour goes back to where it was; a page that was needed is lost.
        self.set_entry(object, index, |e| e.with_frame(None));
        if failed {
            self.frames.free(frame);
            return self.reap(object);
        }
        if before.contains(Flags::DEMANDED) {
            self.m.log(format_args!("page {index} of object {object} could not be read: {:?}", c.outcome));
            self.set_entry(object, index, Entry::into_lost);
        }
        self.frames.free(frame);
    }

    /// What came of a page of a file: its bytes, or the news that it has none.
    fn file_page_read(&mut self, object: u32, index: u32, frame: u32, what: u64) {
        self.frames.meter.add(Counter::v_vnodepgsin, 1);
        let Some(file) = self.objects.get(object).and_then(Object::file).copied() else { return };
        if what & HOLE != 0 {
            self.zero_now(frame);
            if what & RESERVED != 0 {
                self.set_entry(object, index, Entry::into_backed);
            }
            return;
        }
        self.set_entry(object, index, |e| e.with_swapped(true));
        if file.ends_in(index)
            && let Err(error) = self.m.zero_tail(Frame(frame), file.tail())
        {
            self.m.log(format_args!("zeroing the end of frame {frame}: {error:?}"));
        }
    }

    /// `swp_pager_async_iodone` for a write.
    fn put_done(&mut self, c: &Completion) {
        let Some((frame, object, index)) = self.busy_page(c, Flags::WRITING) else { return };
        if c.results[0] & WANTS_MEMORY != 0 {
            self.front_wanted();
        }
        self.pager.ch.writing = self.pager.ch.writing.saturating_sub(1);
        self.publish_writing();
        let before = self.unbusy(frame, object, Flags::WRITING);
        let ok = c.outcome == Outcome::Ok;
        self.pager.fails = !ok;
        if ok {
            self.frames.meter.add(Counter::v_swappgsout, 1);
            if !self.objects.get(object).is_some_and(|o| o.entry(index).swapped()) {
                self.frames.meter.add(Counter::swap_used, 1);
            }
            self.set_entry(object, index, |e| e.with_swapped(true));
        } else {
            self.frames.meter.add(Counter::v_pageout_errors, 1);
            if let Some(page) = self.frames.page_mut(frame) {
                page.flags |= Flags::DIRTY;
            }
            let swapped = self.objects.get(object).is_some_and(|o| o.entry(index).swapped());
            if self.pager.ch.generation() > 1 && !swapped {
                // An earlier instance may have written it and not lived to tell: then there is a copy that nobody would ever give up.
                self.free_copies(object, index, 1);
            }
        }
        if before.contains(Flags::DOOMED) {
            if ok {
                // The copies that there were are given up already; this one came later.
                self.copies_given_up(1);
                self.set_entry(object, index, |e| e.with_swapped(false));
                self.free_copies(object, index, 1);
            }
            self.drop_page(object, index, frame);
            return;
        }
        if !ok {
            self.frames.set_queue(frame, Flags::ACTIVE);
        }
        self.tell_policy(EventKind::Laundered, frame, ok as u64);
    }

    /// Frees a page of an object, wherever it is on the way out.
    pub fn drop_page(&mut self, object: u32, index: u32, frame: u32) {
        let page = *self.frames.page(frame);
        if page.wired > 0 {
            if let Some(o) = self.objects.get_mut(object) {
                o.wired = o.wired.saturating_sub(1);
                self.frames.unwire(1, o.wiring);
            }
        } else if page.flags.intersects(Flags::QUEUED) {
            self.tell_policy(EventKind::Free, frame, 0);
        }
        self.set_entry(object, index, |e| e.with_frame(None));
        self.frames.free(frame);
        self.reap(object);
    }

    /// Forgets an object when nothing of it is left anywhere.
    pub fn reap(&mut self, object: u32) {
        if self.objects.get(object).is_some_and(|o| o.file().is_some()) {
            return self.reap_file(object);
        }
        let gone = self.objects.get(object).is_some_and(|o| o.dead && o.busy == 0 && o.freeing == 0);
        if !gone {
            return;
        }
        if let Some(o) = self.objects.remove(object) {
            for leaf in o.leaves.iter() {
                self.free_leaf(*leaf);
            }
        }
    }
}
