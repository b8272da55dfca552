// SPDX-License-Identifier: BSD-2-Clause
//! Chains of objects become shorter (`vm_object_collapse`): what is seen through one shadow alone becomes part of that.
//!
//! Page after page is moved, or freed where the shadow has its own; at every moment the shadow shows the same. So it is done in pieces, between other work, and what is in the way (I/O
//! under way, no memory for a table) is only left for later. Copies in swap are moved by the pager ([`Op::Copy`](ebb_proto::pager::Op::Copy)).

use crate::machine::Machine;
use crate::object::LEAF_ENTRIES;
use crate::page::{Flags, NONE};
use crate::vm::Vm;
use alloc::collections::VecDeque;
use ebb_abi::meter::Counter;
use ebb_proto::vm::EventKind;

/// Pages that are looked at between two messages: guessed; some ten thousand instructions.
const PAGES_AT_ONCE: u32 = 256;
/// Requests to the pager that may be unanswered before it is left in peace.
const MAX_REQUESTS: usize = 64;
/// Milliseconds until what could not go on is tried again.
const PAUSE_MS: u64 = 5;
/// Frames that are freed together.
const BATCH: usize = 32;

/// Objects that wait to be moved into their only shadow, and from which page on.
#[derive(Default)]
pub struct Collapses {
    queue: VecDeque<(u32, u32)>,
    /// Nothing can be done before.
    due: u64,
}

/// How far a collapse came.
enum Progress {
    /// To its end, or it cannot go on before I/O has ended, which will call for it.
    Done,
    /// To this page; it goes on with the next message.
    More(u32),
    /// To this page, and it can go on later.
    Stuck(u32),
}

/// Copies in swap of consecutive pages with which the same is to be done.
#[derive(Clone, Copy)]
struct Copies {
    first: u32,
    pages: u32,
    moved: bool,
}

impl<M: Machine> Vm<M> {
    /// An object is seen through one shadow alone.
    pub(crate) fn collapse_soon(&mut self, object: u32) {
        let Some(o) = self.objects.get_mut(object).filter(|o| o.is_lone() && !o.collapsing) else { return };
        o.collapsing = true;
        self.collapses.queue.push_back((object, 0));
        self.collapses.due = 0;
    }

    /// Whether chains are about to become shorter.
    pub fn collapsing(&self) -> bool {
        !self.collapses.queue.is_empty()
    }

    /// Goes on with what can be collapsed. Returns when to call again, 0: there is nothing.
    pub(crate) fn collapse_some(&mut self) -> u64 {
        if self.collapses.queue.is_empty() {
            return 0;
        }
        let now = self.m.now();
        if self.entering != NONE || now < self.collapses.due {
            // A program waits for its page to be entered: it goes first.
            return self.collapses.due.max(now + 1);
        }
        let (mut budget, mut stuck) = (PAGES_AT_ONCE, true);
        for _ in 0..self.collapses.queue.len() {
            let Some((object, from)) = self.collapses.queue.pop_front() else { break };
            match self.collapse(object, from, &mut budget) {
                Progress::Done => stuck = false,
                Progress::More(at) => {
                    self.collapses.queue.push_front((object, at));
                    stuck = false;
                    break;
                }
                Progress::Stuck(at) => self.collapses.queue.push_back((object, at)),
            }
        }
        if self.collapses.queue.is_empty() {
            return 0;
        }
        self.collapses.due = now + if stuck { PAUSE_MS * self.cycles_per_ms } else { 1 };
        self.collapses.due
    }

    /// The only shadow of an object, and its page there that is the first one here.
    fn lone_shadow(&self, object: u32) -> Option<(u32, u32)> {
        let o = self.objects.get(object).filter(|o| o.is_lone())?;
        let shadow = o.shadows.sole()?;
        let (below, first) = self.objects.get(shadow)?.behind()?;
        (below == object).then_some((shadow, first))
    }

    fn collapse(&mut self, object: u32, from: u32, budget: &mut u32) -> Progress {
        let Some((shadow, first)) = self.lone_shadow(object) else {
            self.collapse_over(object);
            return Progress::Done;
        };
        let window = self.objects.get(shadow).map_or(0, |s| s.pages);
        let mut hidden = [NONE; BATCH];
        let mut nr_hidden = 0;
        let mut copies: Option<Copies> = None;
        let mut next = from;
        let progress = loop {
            let Some(index) = self.objects.get(object).and_then(|o| o.next_used(next, o.pages)) else {
                break Progress::Done;
            };
            if *budget == 0 {
                break Progress::More(index);
            }
            let entry = self.objects.get(object).map(|o| o.entry(index)).unwrap_or_default();
            if entry.swapped() && self.pager.frees.len() >= MAX_REQUESTS {
                break Progress::Stuck(index);
            }
            *budget -= 1;
            next = index + 1;
            if entry.frame().is_some_and(|f| self.frames.page(f).flags.intersects(Flags::BUSY)) {
                continue;
            }
            let there = index.checked_sub(first).filter(|there| *there < window);
            let there =
                there.filter(|there| !self.objects.get(shadow).is_some_and(|s| s.entry(*there).is_known()));
            if let Some(there) = there {
                let missing = self.objects.get(shadow).is_some_and(|s| !s.has_leaf(there));
                if missing && self.add_leaf(shadow, there).is_err() {
                    break Progress::Stuck(index);
                }
                self.set_entry(shadow, there, |_| entry);
                if let Some(frame) = entry.frame() {
                    self.rename(frame, object, shadow, there);
                }
            } else if let Some(frame) = entry.frame() {
                hidden[nr_hidden] = frame;
                nr_hidden += 1;
            }
            self.set_entry(object, index, |_| Default::default());
            if entry.swapped() {
                copies = self.with_copy(object, shadow, first, copies, index, there.is_some());
            }
            if nr_hidden == BATCH {
                self.free_hidden(&hidden);
                nr_hidden = 0;
            }
        };
        self.free_hidden(&hidden[..nr_hidden]);
        self.submit_copies(object, shadow, first, copies);
        // What its space has unmapped meanwhile nobody will see there either.
        self.left_alone(shadow);
        if matches!(progress, Progress::Done) {
            self.collapse_over(object);
            if self.objects.get(object).is_some_and(|o| o.own == 0) {
                self.leave_out(object, shadow, first);
            }
        }
        progress
    }

    fn collapse_over(&mut self, object: u32) {
        if let Some(o) = self.objects.get_mut(object) {
            o.collapsing = false;
        }
    }

    /// A page is another object's now.
    fn rename(&mut self, frame: u32, object: u32, shadow: u32, index: u32) {
        let Some(page) = self.frames.page_mut(frame) else { return };
        (page.object, page.index) = (shadow, index);
        if page.wired > 0 {
            if let Some(o) = self.objects.get_mut(object) {
                o.wired = o.wired.saturating_sub(1);
            }
            if let Some(s) = self.objects.get_mut(shadow) {
                s.wired += 1;
            }
        }
    }

    /// Frees pages that nobody can see, and that are no object's any more.
    fn free_hidden(&mut self, frames: &[u32]) {
        if frames.is_empty() {
            return;
        }
        self.unmap_everywhere(frames);
        for frame in frames {
            if self.frames.page(*frame).flags.intersects(Flags::QUEUED) {
                self.tell_policy(EventKind::Free, *frame, 0);
            }
            self.frames.free(*frame);
        }
        self.frames.meter.add(Counter::v_pfree, frames.len() as u64);
    }

    /// One more copy in swap that is moved, or given up.
    fn with_copy(
        &mut self,
        object: u32,
        shadow: u32,
        first: u32,
        copies: Option<Copies>,
        index: u32,
        moved: bool,
    ) -> Option<Copies> {
        if !moved {
            self.copies_given_up(1);
        }
        match copies {
            Some(c) if c.moved == moved && c.first + c.pages == index => {
                Some(Copies { pages: c.pages + 1, ..c })
            }
            copies => {
                self.submit_copies(object, shadow, first, copies);
                Some(Copies { first: index, pages: 1, moved })
            }
        }
    }

    fn submit_copies(&mut self, object: u32, shadow: u32, first: u32, copies: Option<Copies>) {
        match copies {
            None => {}
            Some(c) if c.moved => self.move_copies(object, c.first, shadow, c.first - first, c.pages),
            Some(c) => self.free_copies(object, c.first, c.pages),
        }
    }

    /// Nothing is left of an object: its shadow has what is behind it behind itself.
    fn leave_out(&mut self, object: u32, shadow: u32, first: u32) {
        let Some(o) = self.objects.get_mut(object) else { return };
        let behind = o.behind();
        o.set_behind(None);
        o.shadows.remove(shadow);
        o.dead = true;
        if let Some(s) = self.objects.get_mut(shadow) {
            s.set_behind(behind.map(|(below, at)| (below, at + first)));
        }
        if let Some((below, _)) = behind
            && let Some(b) = self.objects.get_mut(below)
            && b.file().is_none()
        {
            b.shadows.remove(object);
            b.shadows.add(shadow);
            self.collapse_soon(below);
        }
        self.reap(object);
        if self.objects.get(shadow).is_some_and(|s| s.own == s.pages) {
            self.bypass(shadow);
        }
    }
}

const _: () = assert!(LEAF_ENTRIES > PAGES_AT_ONCE && BATCH <= ebb_abi::message::MAX_VECTOR);
