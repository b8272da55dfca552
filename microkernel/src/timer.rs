// SPDX-License-Identifier: BSD-2-Clause
//! Timers: one a notification, in a sorted list through their frames; and the quantum of threads of equal priority. The
//! hardware's one-shot timer is armed for the earlier of the two, or rings early and is armed again.

use crate::arch::x86_64::{apic, cpu};
use crate::kernel::Kernel;
use crate::notification::{Notification, signal};
use crate::object::Ref;
use crate::sched;
use crate::thread::State;
use core::cell::Cell;

/// A thread runs so long while others of its priority are ready: 10 ms. Guessed; BSD's `sched_slice` is of this order.
const QUANTUM_MS: u64 = 10;

/// The timers.
pub struct Timers {
    /// The earliest.
    first: Cell<Option<Ref<Notification>>>,
    /// End of the current quantum, 0: nobody is waiting for it.
    quantum: Cell<u64>,
    /// What the hardware is armed for, 0: nothing.
    armed: Cell<u64>,
}

impl Timers {
    /// None.
    pub const fn new() -> Timers {
        Timers { first: Cell::new(None), quantum: Cell::new(0), armed: Cell::new(0) }
    }
}

/// Arms the timer of a notification, in place of what it was armed for; 0 disarms. A moment that has passed rings at once.
pub fn arm(k: &'static Kernel, n: Ref<Notification>, deadline: u64, bits: u64) {
    disarm(k, n);
    if deadline == 0 {
        return;
    }
    if deadline <= cpu::tsc() {
        signal(k, n, bits);
        return;
    }
    n.deadline.set(deadline);
    n.timer_bits.set(bits);
    let mut before = None;
    let mut after = k.timers.first.get();
    while let Some(a) = after
        && a.deadline.get() <= deadline
    {
        before = after;
        after = a.next.get();
    }
    n.prev.set(before);
    n.next.set(after);
    match before {
        Some(b) => b.next.set(Some(n)),
        None => k.timers.first.set(Some(n)),
    }
    if let Some(a) = after {
        a.prev.set(Some(n));
    }
    program(k);
}

/// Disarms the timer of a notification.
pub fn disarm(k: &Kernel, n: Ref<Notification>) {
    if n.deadline.replace(0) == 0 {
        return;
    }
    let (prev, next) = (n.prev.get(), n.next.get());
    match prev {
        Some(p) => p.next.set(next),
        None => k.timers.first.set(next),
    }
    if let Some(a) = next {
        a.prev.set(prev);
    }
}

/// The hardware's timer rang.
pub fn tick(k: &'static Kernel) {
    k.timers.armed.set(0);
    let now = cpu::tsc();
    while let Some(n) = k.timers.first.get()
        && n.deadline.get() <= now
    {
        disarm(k, n);
        signal(k, n, n.timer_bits.get());
    }
    let quantum = k.timers.quantum.get();
    if quantum != 0 && quantum <= now {
        k.timers.quantum.set(0);
        if let Some(current) = k.cpu.current()
            && current.state.get() == State::Running
            && k.sched.rivals(current.priority.get()) == 1
        {
            sched::rotate(k, current);
        }
    }
    program(k);
}

/// Somebody of the current thread's priority is ready: its time is limited from now on.
pub fn ensure_quantum(k: &Kernel) {
    if k.timers.quantum.get() == 0 {
        new_quantum(k);
    }
}

/// A thread begins to run while others of its priority are ready.
pub fn new_quantum(k: &Kernel) {
    k.timers.quantum.set(cpu::tsc() + k.machine.tsc_hz.get() / 1000 * QUANTUM_MS);
    program(k);
}

fn program(k: &Kernel) {
    let timer = k.timers.first.get().map_or(u64::MAX, |n| n.deadline.get());
    let quantum = k.timers.quantum.get().wrapping_sub(1); // none: the end of time
    let deadline = timer.min(quantum);
    let armed = k.timers.armed.get();
    if deadline != u64::MAX && (armed == 0 || deadline < armed) {
        k.timers.armed.set(deadline);
        apic::arm(deadline);
    }
}
