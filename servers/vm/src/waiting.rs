// SPDX-License-Identifier: BSD-2-Clause
//! What waits: faults and wirings, and what for. Each is tried again from the start when it is woken.

use crate::machine::Machine;
use crate::page::Flags;
use crate::vm::Vm;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use ebb_abi::fault::Access;
use ebb_abi::meter::Counter;
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
        range: crate::map::Range,
        /// First address not wired yet.
        next: u64,
        /// The caller.
        reply: R,
    },
    /// The next step of removing a swap device.
    SwapOff,
}

impl<R> Work<R> {
    fn space(&self) -> Option<Space> {
        match self {
            Work::Fault { space, .. } | Work::Wire { space, .. } => Some(*space),
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
    /// Room in the pager's ring, or a pager.
    Pager,
}

/// Everything that waits.
pub struct Waiting<R> {
    pages: Vec<(u32, Work<R>)>,
    memory: VecDeque<(u64, Work<R>)>,
    pager: VecDeque<Work<R>>,
    ready: VecDeque<Work<R>>,
}

impl<R> Waiting<R> {
    /// With room for so many, so that waiting allocates nothing as long as there are fewer.
    pub fn with_capacity(n: usize) -> Self {
        Waiting {
            pages: Vec::with_capacity(n),
            memory: VecDeque::with_capacity(n),
            pager: VecDeque::with_capacity(n),
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
        let mut at = 0;
        while at < self.pages.len() {
            if self.pages[at].0 == frame {
                let (_, work) = self.pages.swap_remove(at);
                self.ready.push_back(work);
            } else {
                at += 1;
            }
        }
    }

    /// The pager has room again.
    pub fn pager_ready(&mut self) {
        self.ready.append(&mut self.pager);
    }

    /// Everything of a kind of reason that is waiting: pages, memory, pager, ready. For the audit.
    pub fn counts(&self) -> [usize; 4] {
        [self.pages.len(), self.memory.len(), self.pager.len(), self.ready.len()]
    }

    /// The frames that are waited for.
    pub fn frames(&self) -> impl Iterator<Item = u32> {
        self.pages.iter().map(|(frame, _)| *frame)
    }
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
            Work::SwapOff => self.swap_off_on(),
        }
    }

    /// Drops everything that a space waits for: its threads are gone or going.
    pub fn forget_waiting(&mut self, space: Space) {
        let mut unwire = 0;
        self.forget(|work| {
            let theirs = work.space() == Some(space);
            if let (true, Work::Wire { range, next, .. }) = (theirs, work) {
                unwire += (range.end - next) / ebb_abi::PAGE_SIZE as u64;
            }
            theirs
        });
        // Pages of a wiring under way that were counted and not reached.
        self.frames.unwire(unwire as u32);
    }

    /// Drops what a removal of a swap device that was given up waits for.
    pub fn forget_swap_off(&mut self) {
        self.forget(|work| matches!(work, Work::SwapOff));
    }

    fn forget(&mut self, mut which: impl FnMut(&Work<M::Reply>) -> bool) {
        self.waiting.pages.retain(|(_, w)| !which(w));
        self.waiting.pager.retain(|w| !which(w));
        self.waiting.ready.retain(|w| !which(w));
        let before = self.waiting.memory.len();
        self.waiting.memory.retain(|(_, w)| !which(w));
        for _ in self.waiting.memory.len()..before {
            self.frames.cancel_wait();
        }
        self.publish_oldest();
    }

    /// What a space waits for, as `ps` shows it.
    pub fn waits_for(&self, space: Space) -> &'static str {
        let theirs = |work: &Work<M::Reply>| work.space() == Some(space);
        if self.waiting.memory.iter().any(|(_, w)| theirs(w)) {
            "memory"
        } else if self.waiting.pages.iter().any(|(_, w)| theirs(w)) || self.waiting.pager.iter().any(theirs) {
            "swap"
        } else {
            ""
        }
    }

    /// Answers a wiring.
    pub fn wire_answer(&mut self, reply: M::Reply, result: Result<(), Error>) {
        self.m.answer::<proto::Wire>(reply, result, &[]);
    }
}
