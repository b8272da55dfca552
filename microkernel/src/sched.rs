// SPDX-License-Identifier: BSD-2-Clause
//! Who runs: the first ready thread of the highest priority.
//!
//! The current thread is in no queue. It is of at least the priority of every ready thread whenever the kernel is left.

use crate::arch::x86_64::cpu;
use crate::endpoint::Queue;
use crate::kernel::{KERNEL, Kernel};
use crate::object::Ref;
use crate::thread::{State, Thread};
use crate::timer;
use core::cell::Cell;
use ebb_abi::thread::MAX_PRIORITY;

const PRIORITIES: usize = MAX_PRIORITY as usize + 1;

/// Ready threads.
pub struct Sched {
    queues: [Queue; PRIORITIES],
    /// Bit `p`: queue `p` is not empty.
    ready: Cell<u32>,
}

impl Sched {
    /// Nobody.
    pub const fn new() -> Sched {
        Sched { queues: [const { Queue::new() }; PRIORITIES], ready: Cell::new(0) }
    }

    /// 0: nobody of this priority or above is ready; 1: somebody of this priority is, nobody above; else somebody above is.
    #[inline(always)]
    pub fn rivals(&self, priority: u8) -> u32 {
        self.ready.get().wrapping_shr(priority as u32)
    }

    fn queue(&self, priority: u8) -> &Queue {
        &self.queues[(priority & 7) as usize]
    }

    fn push_back(&self, t: Ref<Thread>) {
        let p = t.priority.get();
        self.queue(p).push_back(t);
        self.ready.set(self.ready.get() | 1 << (p & 7));
    }

    fn push_front(&self, t: Ref<Thread>) {
        let p = t.priority.get();
        self.queue(p).push_front(t);
        self.ready.set(self.ready.get() | 1 << (p & 7));
    }

    fn settle(&self, p: u8) {
        if self.queue(p).front().is_none() {
            self.ready.set(self.ready.get() & !(1 << (p & 7)));
        }
    }

    fn take_highest(&self) -> Option<Ref<Thread>> {
        let p = self.ready.get().checked_ilog2()? as u8;
        let t = self.queue(p).front()?;
        self.queue(p).pop(t);
        self.settle(p);
        Some(t)
    }
}

/// Makes a thread ready that is in no queue. It runs when the scheduler is next asked, if its turn has come.
#[inline(always)]
pub fn make_ready(k: &'static Kernel, t: Ref<Thread>) {
    t.state.set(State::Ready);
    k.sched.push_back(t);
    if let Some(current) = k.cpu.current()
        && current.priority.get() == t.priority.get()
    {
        timer::ensure_quantum(k);
    }
}

/// Takes a ready thread out of its queue.
pub fn unready(k: &Kernel, t: Ref<Thread>) {
    let p = t.priority.get();
    k.sched.queue(p).remove(t);
    k.sched.settle(p);
}

/// Puts the current thread behind the others of its priority.
pub fn rotate(k: &Kernel, current: Ref<Thread>) {
    current.state.set(State::Ready);
    k.sched.push_back(current);
}

/// Makes a thread, which is in no queue, the current one.
#[inline(always)]
pub fn switch(k: &'static Kernel, to: Ref<Thread>) -> Ref<Thread> {
    k.stats.switches.add(1);
    to.state.set(State::Running);
    to.runs.set(to.runs.get().wrapping_add(1));
    k.cpu.load(to);
    to
}

/// Runs `to`, which is in no queue and waits for nothing, in place of a current thread that does, or whoever has priority.
#[inline(always)]
pub fn run(k: &'static Kernel, to: Ref<Thread>) -> Ref<Thread> {
    match k.sched.rivals(to.priority.get()) {
        0 => switch(k, to),
        1 => {
            timer::ensure_quantum(k);
            switch(k, to)
        }
        _ => {
            make_ready(k, to);
            pick(k)
        }
    }
}

/// The current thread, which goes on, woke one that is in no queue: who runs now.
#[inline(always)]
pub fn woke(k: &'static Kernel, current: Ref<Thread>, woken: Ref<Thread>) -> Ref<Thread> {
    if woken.priority.get() <= current.priority.get() {
        make_ready(k, woken);
        return current;
    }
    // Nobody that is ready is above the current thread, so nobody is above the one it woke, or beside it.
    current.state.set(State::Ready);
    k.sched.push_front(current);
    switch(k, woken)
}

/// Who runs after what the current thread did: itself, if it can and nobody of a higher priority is ready.
#[inline(always)]
pub fn next(k: &'static Kernel, current: Ref<Thread>) -> Ref<Thread> {
    if current.state.get() == State::Running {
        if k.sched.rivals(current.priority.get()) <= 1 {
            return current;
        }
        current.state.set(State::Ready);
        k.sched.push_front(current);
    }
    pick(k)
}

/// The first ready thread of the highest priority; waits until there is one.
fn pick(k: &'static Kernel) -> Ref<Thread> {
    loop {
        if let Some(t) = k.sched.take_highest() {
            if k.sched.rivals(t.priority.get()) == 1 {
                timer::new_quantum(k);
            }
            return switch(k, t);
        }
        idle(k);
    }
}

fn idle(k: &'static Kernel) {
    let begin = cpu::tsc();
    while k.sched.ready.get() == 0 {
        KERNEL.leave();
        cpu::wait_for_interrupt();
        KERNEL.enter();
    }
    k.stats.idle.add(cpu::tsc() - begin);
}
