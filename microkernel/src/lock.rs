// SPDX-License-Identifier: BSD-2-Clause
//! The big lock: all state of the kernel sits behind it.
//!
//! On one processor, with interrupts off in the kernel, being in the kernel *is* holding the lock: it costs nothing. A second
//! processor makes [`BigLock::enter`] spin and every way out of the kernel, and the idle loop, call [`BigLock::leave`];
//! nothing else would change, because nobody reaches the state but through `enter`.

/// All state of the kernel.
pub struct BigLock<T>(T);

// SAFETY: reached only through `enter`, by one processor at a time.
unsafe impl<T> Sync for BigLock<T> {}

impl<T> BigLock<T> {
    /// A lock that nobody holds.
    pub const fn new(value: T) -> BigLock<T> {
        BigLock(value)
    }

    /// Takes the lock. To be called on the way into the kernel, with interrupts off, and nowhere else. The state consists of
    /// cells: that the idle loop keeps its reference while an interrupt handler works with another does no harm.
    #[inline(always)]
    pub fn enter(&'static self) -> &'static T {
        &self.0
    }

    /// Gives the lock up before interrupts are let in or user mode is entered.
    #[inline(always)]
    pub fn leave(&'static self) {}
}
