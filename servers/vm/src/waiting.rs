// SPDX-License-Identifier: BSD-2-Clause
//! What waits: faults and wirings, and what for. Each is tried again from the start when it is woken.

use crate::machine::Machine;
use crate::map::Range;
use crate::page::Flags;
use crate::resize::Resize;
use crate::sync::Sync;
use crate::transfer::{Claims, Transfer};
use crate::vm::Vm;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use ebb_abi::PAGE_SIZE;
use ebb_abi::fault::Access;
use ebb_abi::meter::Counter;
use ebb_policy::gate::Wiring;
use ebb_proto::Error;
use ebb_proto::vm::{self as proto, Space};

/// Something that can be tried again.
pub enum Work<R> {
    /// A page fault.
    Fault {
        /// The task's space.
        space: Space,
        /// Where.
        address: u64,
        /// How.
        access: Access,
        /// The thread.
        reply: R,
    },
    /// Wiring of a range, done up to `next`.
    Wire {
        /// The space.
        space: Space,
        /// The range.
        range: Range,
        /// First address not wired yet.
        next: u64,
        /// Who wanted it.
        reply: Wirer<R>,
    },
    /// Making the threads anew of a program that comes in.
    Unpark {
        /// The program.
        space: Space,
    },
    /// Writing into a program's memory from outside.
    Patch {
        /// The space.
        space: Space,
        /// Where.
        address: u64,
        /// What.
        bytes: Vec<u8>,
        /// Who asked.
        reply: R,
    },
    /// The next step of removing a swap device.
    SwapOff,
    /// Reading or writing a file.
    Transfer(Transfer<R>),
    /// Making a file shorter or longer.
    Resize(Resize<R>),
    /// Writing modified pages of files.
    Sync(Sync<R>),
}

/// Who wanted pages wired.
pub enum Wirer<R> {
    /// The program, which waits for the answer.
    Program(R),
    /// A program comes in ([`crate::parking`]): what its threads need is read.
    Incoming(Space),
}

impl<R> Work<R> {
    /// What it has to itself of a file.
    fn claims(&self) -> Option<Claims> {
        match self {
            Work::Transfer(t) => Some(t.claims()),
            Work::Resize(Resize { description, object, locked, .. }) => {
                Some(Claims { description: *description, object: *object, locked: *locked, moving: false })
            }
            _ => None,
        }
    }

    /// Whether it ends with its program.
    fn ends_with(&self, space: Space) -> bool {
        let begun = matches!(self, Work::Resize(r) if r.locked);
        self.space() == Some(space) && !begun
    }

    fn space(&self) -> Option<Space> {
        match self {
            Work::Fault { space, .. }
            | Work::Wire { space, .. }
            | Work::Patch { space, .. }
            | Work::Unpark { space } => Some(*space),
            Work::Transfer(t) => Some(t.space),
            Work::Resize(r) => Some(r.space),
            Work::Sync(s) => s.space(),
            Work::SwapOff => None,
        }
    }
}

/// What something waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// The end of a page's I/O.
    Page(u32),
    /// A free page.
    Memory,
    /// Room in a pager's ring, or a pager.
    Pager,
    /// The answer of the vnode pager with this cookie.
    Op(u32),
    /// That nobody else makes this file longer or shorter, or moves the offset of an open file of it.
    File(u32),
    /// That the page that a fault has found is entered.
    Entered,
    /// That notes of references were taken.
    Traced,
}

/// Everything that waits.
pub struct Waiting<R> {
    pages: Vec<(u32, Work<R>)>,
    memory: VecDeque<(u64, Work<R>)>,
    pager: VecDeque<Work<R>>,
    ops: Vec<(u32, Work<R>)>,
    files: VecDeque<(u32, Work<R>)>,
    entered: VecDeque<Work<R>>,
    traced: VecDeque<Work<R>>,
    ready: VecDeque<Work<R>>,
}

impl<R> Waiting<R> {
    /// With room for so many, so that waiting allocates nothing as long as there are fewer.
    pub fn with_capacity(n: usize) -> Self {
        Waiting {
            pages: Vec::with_capacity(n),
            memory: VecDeque::with_capacity(n),
            pager: VecDeque::with_capacity(n),
            ops: Vec::with_capacity(16),
            files: VecDeque::with_capacity(16),
            entered: VecDeque::new(),
            traced: VecDeque::new(),
            ready: VecDeque::with_capacity(n),
        }
    }

    /// When the one that has waited longest for memory began to.
    pub fn oldest_memory_wait(&self) -> Option<u64> {
        self.memory.front().map(|(since, _)| *since)
    }

    /// How many wait for memory.
    pub fn for_memory(&self) -> usize {
        self.memory.len()
    }

    /// The I/O of a page has ended: what waited for it is tried again.
    pub fn page_done(&mut self, frame: u32) {
        while let Some(work) = take(&mut self.pages, frame) {
            self.ready.push_back(work);
        }
    }

    /// One that waits for a page's I/O.
    pub fn take_for_page(&mut self, frame: u32) -> Option<Work<R>> {
        take(&mut self.pages, frame)
    }

    /// A pager has room again.
    pub fn pager_ready(&mut self) {
        self.ready.append(&mut self.pager);
    }

    /// The vnode pager has answered.
    pub fn op_done(&mut self, cookie: u32) {
        while let Some(work) = take(&mut self.ops, cookie) {
            self.ready.push_back(work);
        }
    }

    /// One that waits for an answer of the vnode pager.
    pub fn take_for_op(&mut self, cookie: u32) -> Option<Work<R>> {
        take(&mut self.ops, cookie)
    }

    /// Nobody makes a file longer or shorter any more: who waited for that, in the order in which they came.
    pub fn file_ready(&mut self, object: u32) {
        let mut at = 0;
        while at < self.files.len() {
            if self.files[at].0 != object {
                at += 1;
            } else if let Some((_, work)) = self.files.remove(at) {
                self.ready.push_back(work);
            }
        }
    }

    /// What waits for the entering of a page may go on; `false`: nothing does.
    pub fn entered_ready(&mut self) -> bool {
        // Nearly always there is nobody, and this is asked after every message.
        if self.entered.is_empty() {
            return false;
        }
        self.ready.append(&mut self.entered);
        true
    }

    /// Notes of references were taken: who waits for that.
    pub fn traced_ready(&mut self) {
        self.ready.append(&mut self.traced);
    }

    /// Whether somebody's fault or wiring waits for a page.
    pub fn is_faulted(&self, frame: u32) -> bool {
        let needs = |work: &Work<R>| matches!(work, Work::Fault { .. } | Work::Wire { .. });
        self.pages.iter().any(|(f, work)| *f == frame && needs(work))
    }

    /// Whether a wiring of pages in this range is under way.
    pub fn wires(&self, space: Space, range: Range) -> bool {
        let lists = self.pages.iter().chain(&self.ops).chain(&self.files).map(|(_, work)| work);
        let queues = self.pager.iter().chain(&self.entered).chain(&self.traced).chain(&self.ready);
        lists.chain(queues).chain(self.memory.iter().map(|(_, work)| work)).any(|work| match work {
            Work::Wire { space: s, range: r, .. } => {
                *s == space && r.start < range.end && range.start < r.end
            }
            _ => false,
        })
    }

    /// Everything of a kind of reason that is waiting: pages, memory, pager, ready. For the audit.
    pub fn counts(&self) -> [usize; 4] {
        let others = self.ops.len() + self.files.len() + self.entered.len() + self.traced.len();
        [self.pages.len(), self.memory.len(), self.pager.len() + others, self.ready.len()]
    }

    /// The frames that are waited for.
    pub fn frames(&self) -> impl Iterator<Item = u32> {
        self.pages.iter().map(|(frame, _)| *frame)
    }
}

/// Takes the first of a list with this key.
fn take<R>(list: &mut Vec<(u32, Work<R>)>, key: u32) -> Option<Work<R>> {
    let at = list.iter().position(|(k, _)| *k == key)?;
    Some(list.swap_remove(at).1)
}

impl<M: Machine> Vm<M> {
    /// Lets something wait.
    pub fn wait_for(&mut self, reason: Reason, work: Work<M::Reply>) {
        match reason {
            Reason::Page(frame) => {
                if let Some(page) = self.frames.page_mut(frame) {
                    page.flags |= Flags::WANTED;
                }
                self.waiting.pages.push((frame, work));
            }
            Reason::Memory => {
                self.frames.wait();
                let now = self.m.now();
                // Faults go after others that wait for memory (PGO-236).
                let at = match work {
                    Work::Fault { .. } => self.waiting.memory.len(),
                    _ => self
                        .waiting
                        .memory
                        .iter()
                        .position(|(_, w)| matches!(w, Work::Fault { .. }))
                        .unwrap_or(0),
                };
                self.waiting.memory.insert(at, (now, work));
                self.publish_oldest();
                if self.waiting.memory.len() == 1 {
                    // "Pages needed" may have been set long before, and the policy asleep since: now somebody really waits.
                    self.policy_shortage();
                }
            }
            Reason::Pager => self.waiting.pager.push_back(work),
            Reason::Op(cookie) => self.waiting.ops.push((cookie, work)),
            Reason::File(object) => self.waiting.files.push_back((object, work)),
            Reason::Entered => self.waiting.entered.push_back(work),
            Reason::Traced => self.waiting.traced.push_back(work),
        }
    }

    /// Publishes since when the oldest waits (W07).
    fn publish_oldest(&mut self) {
        let since = self.waiting.oldest_memory_wait().unwrap_or(0);
        self.frames.meter.set(Counter::oldest_wait_since, since);
    }

    /// Tries again so many of those that wait for memory.
    pub fn wake_for_memory(&mut self, count: u32) -> bool {
        let mut any = false;
        for _ in 0..count {
            let Some((_, work)) = self.waiting.memory.pop_front() else { break };
            self.attempt(work);
            any = true;
        }
        if any {
            self.publish_oldest();
        }
        any
    }

    /// Tries again what became ready.
    pub fn retry(&mut self) -> bool {
        let mut any = false;
        while let Some(work) = self.waiting.ready.pop_front() {
            self.attempt(work);
            any = true;
        }
        any
    }

    fn attempt(&mut self, work: Work<M::Reply>) {
        match work {
            Work::Fault { space, address, access, reply } => {
                if let Some((reply, op)) = self.fault(space, address, access, reply, true) {
                    self.finish_fault(space, reply, op);
                }
            }
            Work::Wire { space, range, next, reply } => self.wire_on(space, range, next, reply),
            Work::Patch { space, address, bytes, reply } => self.write_memory(space, address, bytes, reply),
            Work::Unpark { space } => self.unpark(space),
            Work::SwapOff => self.swap_off_on(),
            Work::Transfer(transfer) => self.transfer(transfer),
            Work::Resize(resize) => self.resize(resize),
            Work::Sync(sync) => self.sync(sync),
        }
    }

    /// What something waits for cannot be had.
    fn fail(&mut self, work: Work<M::Reply>, error: Error) {
        match work {
            Work::Fault { space, address, reply, .. } => self.no_page(space, address, error, reply),
            Work::Wire { space, range, next, reply } => self.wire_failed(space, range, next, reply, error),
            Work::Patch { reply, .. } => self.patch_answer(reply, Err(error)),
            Work::Unpark { space } => self.state_lost(space),
            Work::SwapOff => self.swap_off_on(),
            Work::Transfer(transfer) => self.transfer_ended(transfer, Err(error)),
            Work::Resize(resize) => self.resize_ended(resize, Err(error)),
            Work::Sync(sync) => self.sync_failed(sync, error),
        }
    }

    /// A page could not be read: all who need it. Others only wait for the end of its I/O.
    pub(crate) fn page_failed(&mut self, frame: u32, error: Error) {
        while let Some(work) = self.waiting.take_for_page(frame) {
            match work {
                Work::Resize(_) | Work::Sync(_) | Work::SwapOff => self.waiting.ready.push_back(work),
                work => self.fail(work, error),
            }
        }
    }

    /// The vnode pager could not do what it was asked for: all who wait for it.
    pub(crate) fn op_failed(&mut self, cookie: u32, error: Error) {
        while let Some(work) = self.waiting.take_for_op(cookie) {
            self.fail(work, error);
        }
    }

    /// Drops everything that a space waits for: its threads are gone or going. Returns the wirings that were under way: range, and first address not wired.
    pub fn forget_waiting(&mut self, space: Space) -> Vec<(Range, u64)> {
        let mut wirings = Vec::new();
        let mut claims = Vec::new();
        self.forget(|work| {
            let theirs = work.ends_with(space);
            if let (true, Work::Wire { range, next, .. }) = (theirs, work) {
                wirings.push((*range, *next));
            }
            if theirs {
                claims.extend(work.claims());
            }
            theirs
        });
        claims.iter().for_each(|held| self.give_back(held));
        // Pages that were counted and not reached.
        let unreached: u64 = wirings.iter().map(|(range, next)| (range.end - next) / PAGE_SIZE as u64).sum();
        self.frames.unwire(unreached as u32, Wiring::Program);
        wirings
    }

    /// Drops what a removal of a swap device that was given up waits for.
    pub fn forget_swap_off(&mut self) {
        self.forget(|work| matches!(work, Work::SwapOff));
    }

    fn forget(&mut self, mut which: impl FnMut(&Work<M::Reply>) -> bool) {
        self.waiting.pages.retain(|(_, w)| !which(w));
        self.waiting.pager.retain(|w| !which(w));
        self.waiting.ready.retain(|w| !which(w));
        self.waiting.entered.retain(|w| !which(w));
        self.waiting.traced.retain(|w| !which(w));
        self.waiting.ops.retain(|(_, w)| !which(w));
        self.waiting.files.retain(|(_, w)| !which(w));
        let before = self.waiting.memory.len();
        self.waiting.memory.retain(|(_, w)| !which(w));
        for _ in self.waiting.memory.len()..before {
            self.frames.cancel_wait();
        }
        self.publish_oldest();
    }

    /// What a space waits for, as `ps` shows it.
    pub fn waits_for(&self, space: Space) -> &'static str {
        match self.spaces.get(space).and_then(|s| s.parked.as_ref()) {
            Some(parked) if parked.coming => return "coming in",
            Some(_) => return "out",
            None => {}
        }
        let theirs = |work: &Work<M::Reply>| work.space() == Some(space);
        if self.waiting.memory.iter().any(|(_, w)| theirs(w)) {
            "memory"
        } else if self.waiting.pages.iter().any(|(_, w)| theirs(w)) || self.waiting.pager.iter().any(theirs) {
            "page"
        } else if self.waiting.ops.iter().any(|(_, w)| theirs(w))
            || self.waiting.files.iter().any(|(_, w)| theirs(w))
        {
            "file"
        } else if self.waiting.traced.iter().any(theirs) {
            "trace"
        } else {
            ""
        }
    }

    /// Answers a wiring.
    pub fn wire_answer(&mut self, reply: Wirer<M::Reply>, result: Result<(), Error>) {
        match reply {
            Wirer::Program(reply) => self.m.answer::<proto::Wire>(reply, result, &[]),
            Wirer::Incoming(space) => self.state_wired(space, result),
        }
    }
}
