// SPDX-License-Identifier: BSD-2-Clause
//! Fault and exception messages.
//!
//! Words of `LABEL_FAULT`: 0 the faulting address, 1 [`Access`] bits, 2 the instruction pointer, 3 the handle-less
//! thread number (its frame), the rest 0. The badge is the one of the task's fault endpoint.
//!
//! Words of `LABEL_EXCEPTION`: 0 the vector, 1 the error code, 2 the instruction pointer, 3 the address for vector 14,
//! 4 the thread's frame number, 5 the stack pointer. The badge is the one of the task's supervisor endpoint.

use bitflags::bitflags;

bitflags! {
    /// What the faulting access was: the low bits of the processor's error code.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Access: u64 {
        /// The page was mapped; the access was not allowed.
        const PRESENT = 1 << 0;
        /// It was a write.
        const WRITE = 1 << 1;
        /// It was an instruction fetch.
        const EXECUTE = 1 << 4;
    }
}
