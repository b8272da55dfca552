// SPDX-License-Identifier: BSD-2-Clause
//! Notifications: a word of bits that outlive the moment, for at most one thread.

use crate::handle::notification_named;
use crate::kernel::Kernel;
use crate::object::{Object, Ref};
use crate::thread::{State, Thread};
use crate::{ipc, sched};
use core::cell::Cell;
use ebb_abi::message::RECEIVED_BITS;

/// A word of bits, and a timer that sets some of them.
#[repr(C)]
#[derive(Default)]
pub struct Notification {
    /// Bits that nobody has received yet.
    pub bits: Cell<u64>,
    /// The thread that receives them.
    pub thread: Cell<Option<Ref<Thread>>>,
    /// When the timer rings; 0: it is not armed.
    pub deadline: Cell<u64>,
    /// Bits that it sets.
    pub timer_bits: Cell<u64>,
    /// Next in the list of armed timers.
    pub next: Cell<Option<Ref<Notification>>>,
    /// The one before.
    pub prev: Cell<Option<Ref<Notification>>>,
    /// Name of the notification that is told of the first bits while the thread is parked; 0: none.
    pub kick: Cell<u64>,
    /// The bits that it is told with.
    pub kick_bits: Cell<u64>,
}

// SAFETY: 64 bytes of cells.
unsafe impl Object for Notification {}

/// Sets bits. A thread that waits for them becomes ready; who runs is for the caller to ask the scheduler.
pub fn signal(k: &'static Kernel, n: Ref<Notification>, bits: u64) {
    if let Some(t) = wake(n, bits) {
        sched::make_ready(k, t);
    }
}

/// Sets bits. Returns a thread that waited for them, or for the kick that they are to another notification: it has its bits now, and is in no queue.
#[inline(always)]
pub fn wake(n: Ref<Notification>, bits: u64) -> Option<Ref<Thread>> {
    let woken = set(n, bits);
    if woken.is_none() && n.kick.get() != 0 && n.bits.get() != 0 {
        return kick(n);
    }
    woken
}

/// The thread is parked: who parked it is told, once.
#[inline(never)]
fn kick(n: Ref<Notification>) -> Option<Ref<Thread>> {
    set(notification_named(n.kick.take())?, n.kick_bits.get())
}

#[inline(always)]
fn set(n: Ref<Notification>, bits: u64) -> Option<Ref<Thread>> {
    let bits = n.bits.get() | bits;
    if bits != 0
        && let Some(t) = n.thread.get()
        && t.state.get() == State::Receiving
    {
        n.bits.set(0);
        ipc::leave_queue(t);
        t.regs.rax.set(RECEIVED_BITS);
        t.regs.rdi.set(bits);
        return Some(t);
    }
    n.bits.set(bits);
    None
}

/// Binds a thread, whose earlier binding ends. The notification is not bound to another thread (the caller checked).
pub fn bind(k: &'static Kernel, n: Ref<Notification>, t: Ref<Thread>) {
    unbind(t);
    n.kick.set(0);
    n.thread.set(Some(t));
    t.bound.set(Some(n));
    signal(k, n, 0);
}

/// Ends the binding of a thread.
pub fn unbind(t: Ref<Thread>) {
    if let Some(n) = t.bound.take() {
        n.thread.set(None);
    }
}
