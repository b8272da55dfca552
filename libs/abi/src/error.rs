// SPDX-License-Identifier: BSD-2-Clause
//! Why a system call failed. The value travels in `rax`; 0 is success.

/// A failed system call. Each value says who is to blame and what would help.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum Error {
    /// The handle names nothing, or an object of another kind than the call needs.
    BadHandle = 1,
    /// The handle lacks the right that the call needs.
    NoRight = 2,
    /// An argument is out of its range; nothing was changed.
    BadArgument = 3,
    /// An address is not canonical, not aligned, or outside user space.
    BadAddress = 4,
    /// The task has no donated frame left for a page table: donate with [`TaskDonate`] and go on.
    ///
    /// [`TaskDonate`]: crate::syscall::Number::TaskDonate
    NoTables = 5,
    /// The handle table of the task that would receive a handle is full: donate a frame for it.
    NoSlot = 6,
    /// The object, or the task at the other end, was destroyed before it answered.
    Dead = 7,
    /// Nothing is mapped there.
    NotMapped = 8,
    /// Another frame is mapped there.
    Exists = 9,
    /// The frame is not of the kind that the operation needs (the kernel's own, still mapped, not memory).
    BadFrame = 10,
    /// There is nothing to receive and the caller did not want to wait.
    WouldBlock = 11,
    /// No system call has this number.
    NoSyscall = 12,
    /// A fixed table of the kernel is full (interrupt vectors).
    Full = 13,
}

impl Error {
    /// The error that `rax` holds, `None` for 0 or a number that is no error.
    pub fn from_raw(raw: u64) -> Option<Error> {
        use Error::*;
        Some(match raw {
            1 => BadHandle,
            2 => NoRight,
            3 => BadArgument,
            4 => BadAddress,
            5 => NoTables,
            6 => NoSlot,
            7 => Dead,
            8 => NotMapped,
            9 => Exists,
            10 => BadFrame,
            11 => WouldBlock,
            12 => NoSyscall,
            13 => Full,
            _ => return None,
        })
    }
}
