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
    /// Set the registers of a stopped thread from the vector, in the same order. Of `rflags` only the bits that a program may set count. `BadAddress`: `rip` or
    /// `rsp` is not in user space.
    Write = 5,
    /// What the thread does and how often it was given the processor: [`State`] in `rdi`, a count modulo 2^32 in `rsi`.
    Look = 6,
    /// Stop a thread that waits for nothing but bits of its notification ([`State::Waiting`]), as if it had not begun to wait: started again it does so anew. The binding ends;
    /// the bits stay. The first ones that come before somebody binds it again set bits `r10` of another notification (argument: a handle with `SEND`). `WouldBlock`: it waits for something
    /// else, or does not wait, and nothing was changed.
    Park = 7,
    /// Argument 1: it does not run until it is let go on (argument 0), whatever becomes of what it waits for. Not for the calling thread.
    Hold = 8,
}

/// What a thread does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum State {
    /// Nothing, until it is started.
    Stopped = 0,
    /// It runs, or could.
    Ready = 1,
    /// It waits for bits of its notification, and for nothing else.
    Waiting = 2,
    /// It waits for a message, or bits.
    Receiving = 3,
    /// It has called somebody.
    Calling = 4,
    /// A fault or an exception of it is being handled.
    Faulting = 5,
}

impl State {
    /// The state with this number.
    pub fn from_raw(raw: u64) -> Option<State> {
        use State::*;
        [Stopped, Ready, Waiting, Receiving, Calling, Faulting].get(raw as usize).copied()
    }
}

impl ThreadOp {
    /// The operation with this number.
    pub fn from_raw(raw: u64) -> Option<ThreadOp> {
        use ThreadOp::*;
        [Start, Stop, Priority, Bind, Read, Write, Look, Park, Hold].get(raw as usize).copied()
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

/// The registers of a thread, 18 words in this order.
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

impl Registers {
    /// How many there are.
    pub const COUNT: usize = 18;

    /// They, in their order.
    pub fn words(&self) -> [u64; Self::COUNT] {
        let r = self;
        [
            r.rax, r.rbx, r.rcx, r.rdx, r.rsi, r.rdi, r.rbp, r.r8, r.r9, r.r10, r.r11, r.r12, r.r13, r.r14,
            r.r15, r.rip, r.rflags, r.rsp,
        ]
    }

    /// The registers whose [`Registers::words`] these are.
    pub fn from_words(words: [u64; Self::COUNT]) -> Registers {
        let [rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15, rip, rflags, rsp] =
            words;
        Registers {
            rax,
            rbx,
            rcx,
            rdx,
            rsi,
            rdi,
            rbp,
            r8,
            r9,
            r10,
            r11,
            r12,
            r13,
            r14,
            r15,
            rip,
            rflags,
            rsp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_go_into_words_and_back() {
        let words = core::array::from_fn(|n| n as u64 + 1);
        let registers = Registers::from_words(words);
        assert_eq!((registers.rax, registers.r8, registers.rip, registers.rsp), (1, 8, 16, 18));
        assert_eq!(registers.words(), words);
    }

    #[test]
    fn numbers_are_those_of_what_they_name() {
        for n in 0..20 {
            assert!(ThreadOp::from_raw(n).is_none_or(|op| op as u64 == n));
            assert!(State::from_raw(n).is_none_or(|state| state as u64 == n));
        }
        assert_eq!((ThreadOp::from_raw(8), ThreadOp::from_raw(9)), (Some(ThreadOp::Hold), None));
    }
}
