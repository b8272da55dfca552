// SPDX-License-Identifier: BSD-2-Clause
//! What the swapper needs of its surroundings.

use crate::thread::{Process, State, Thread, ThreadId};

/// What happened to a thread, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// There is a new one, in memory.
    New(ThreadId, Thread),
    /// It does something else now. One that is out and becomes runnable is a kick (`uvm_kick_scheduler`).
    State(ThreadId, State),
    /// Its niceness, 0 to 40, 20 for none.
    Nice(ThreadId, u8),
    /// Somebody works on it, so that nothing can be done to it now (its swap lock is taken); or no longer.
    Busy(ThreadId, bool),
    /// It is gone.
    Gone(ThreadId),
}

/// A thread's state could not be brought in: it is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost;

/// The kernel and its neighbours.
pub trait Machine {
    /// The next event. Events that come after this said `None` must end the sleep that follows.
    fn next_event(&mut self) -> Option<Event>;
    /// Free pages.
    fn free_pages(&mut self) -> u64;
    /// Sets so many pages aside for a thread; `false`: there are not so many to spare.
    fn reserve(&mut self, thread: ThreadId, pages: u64) -> bool;
    /// Gives back what was set aside and not used.
    fn unreserve(&mut self, pages: u64);
    /// Wakes who makes pages free.
    fn want_memory(&mut self);
    /// Brings a thread's state in, into pages that were set aside.
    ///
    /// # Errors
    /// It cannot be read.
    fn import(&mut self, thread: ThreadId) -> Result<(), Lost>;
    /// Its state may be in other pages than before.
    fn imported(&mut self, thread: ThreadId);
    /// Puts it on the run queue, not as one that was preempted.
    fn enqueue(&mut self, thread: ThreadId);
    /// Stops all threads of a process, or none; `false`: one of them does something else by now than the swapper knows.
    fn stop(&mut self, process: Process) -> bool;
    /// Takes it off the run queue.
    fn dequeue(&mut self, thread: ThreadId);
    /// Saves what of it is in the processor.
    fn save(&mut self, thread: ThreadId);
    /// Lets its state be paged.
    fn export(&mut self, thread: ThreadId);
    /// Gives back page tables of a process that are not needed, if that needs no waiting.
    fn collect(&mut self, process: Process);
    /// All threads of a process are out, or no longer: its memory is deactivated, or not.
    fn all_out(&mut self, process: Process, out: bool);
    /// Ends a thread whose state is lost.
    fn end(&mut self, thread: ThreadId);
}
