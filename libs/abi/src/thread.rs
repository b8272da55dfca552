// SPDX-License-Identifier: BSD-2-Clause
//! Thread control and the register image of a thread.

/// What [`ThreadControl`](crate::syscall::Number::ThreadControl) does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum ThreadOp {
    /// Make a stopped thread ready.
    Start = 0,
    /// Stop a thread wherever it is; a call it was waiting in ends with `Dead` if it is started again.
    Stop = 1,
    /// Set the priority, `0 ..= MAX_PRIORITY`.
    Priority = 2,
    /// Bind a notification (argument: a handle of the caller's with `RECEIVE`): its bits reach the thread's receives.
    Bind = 3,
    /// Read the registers into the message buffer's vector ([`Registers`], in its order).
    Read = 4,
    /// Argument 1: it does not run until it is let go on (argument 0), whatever becomes of what it waits for. Not for the calling thread.
    Hold = 5,
}

impl ThreadOp {
    /// The operation with this number.
    pub fn from_raw(raw: u64) -> Option<ThreadOp> {
        use ThreadOp::*;
        [Start, Stop, Priority, Bind, Read, Hold].get(raw as usize).copied()
    }
}

/// What [`TaskControl`](crate::syscall::Number::TaskControl) does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum TaskOp {
    /// Faults go to this endpoint (argument 1: handle with `SEND`, 2: badge).
    FaultEndpoint = 0,
    /// Exceptions go to this endpoint (argument 1: handle with `SEND`, 2: badge).
    SupervisorEndpoint = 1,
    /// Returns resident pages in `rdi`, frames of page tables (with their reverse maps) in `rsi`, frames in the pool in `rdx`.
    Info = 2,
    /// Frees empty page tables (`pmap_collect`): frees go back to the pool; argument 1: at most so many frames are
    /// then moved from the pool into the message buffer's vector, their number is returned in `rdi`.
    Collect = 3,
    /// The machine cannot do without it: an exception in one of its threads that nobody handles ends the machine.
    Vital = 4,
}

impl TaskOp {
    /// The operation with this number.
    pub fn from_raw(raw: u64) -> Option<TaskOp> {
        use TaskOp::*;
        [FaultEndpoint, SupervisorEndpoint, Info, Collect, Vital].get(raw as usize).copied()
    }
}

/// Highest priority. A ready thread of higher priority runs before, and interrupts, any of a lower one.
pub const MAX_PRIORITY: u64 = 7;

/// The registers of a stopped thread, 18 words in this order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
#[allow(missing_docs)]
pub struct Registers {
    pub rax: u64,
    pub rbx: u64,
    pub rcx: u64,
    pub rdx: u64,
    pub rsi: u64,
    pub rdi: u64,
    pub rbp: u64,
    pub r8: u64,
    pub r9: u64,
    pub r10: u64,
    pub r11: u64,
    pub r12: u64,
    pub r13: u64,
    pub r14: u64,
    pub r15: u64,
    pub rip: u64,
    pub rflags: u64,
    pub rsp: u64,
}
