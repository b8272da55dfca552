// SPDX-License-Identifier: BSD-2-Clause
//! The system calls, one safe function each: they turn typed values into registers and back, and nothing more.
//!
//! This crate and `ebb-rt` are the only places of user space with `unsafe` code. A system call cannot break the memory
//! safety of the calling program, with two exceptions that are `unsafe` here: entering or removing mappings in one's
//! own task, which the caller must know to be unused.
//!
//! The message buffer belongs to the thread, which finds it from its stack pointer ([`buffer`]).
#![no_std]

mod raw;

pub mod buffer;
pub mod device;
pub mod ipc;
pub mod memory;
pub mod object;
pub mod time;

pub use ebb_abi as abi;
use ebb_abi::Error;

/// Result of a system call.
pub type Result<T> = core::result::Result<T, Error>;

/// Does nothing: what a system call costs.
pub fn null() {
    raw::syscall(abi::syscall::Number::Null, raw::Registers::default());
}

/// Lets other ready threads of the same priority run.
pub fn yield_now() {
    raw::syscall(abi::syscall::Number::Yield, raw::Registers::default());
}

/// Writes text to the kernel's log, in pieces where it is longer than the message buffer. The buffer's bytes are lost.
pub fn log(text: &str) {
    for piece in text.as_bytes().chunks(abi::message::MAX_BYTES) {
        buffer::put(piece);
        raw::syscall(
            abi::syscall::Number::Log,
            raw::Registers { rdi: piece.len() as u64, ..Default::default() },
        );
    }
}

/// The kernel's counters.
#[derive(Clone, Copy, Debug, Default)]
pub struct KernelStats {
    /// Cycles without a ready thread.
    pub idle_cycles: u64,
    /// Context switches.
    pub switches: u64,
    /// Traps and system calls.
    pub entries: u64,
    /// Page faults.
    pub faults: u64,
    /// Interrupts.
    pub interrupts: u64,
    /// The time-stamp counter at the kernel's first instruction.
    pub boot_tsc: u64,
}

/// Reads the kernel's counters.
pub fn kernel_stats() -> KernelStats {
    let out = raw::syscall(abi::syscall::Number::KernelStats, raw::Registers::default());
    KernelStats {
        idle_cycles: out.rdi,
        switches: out.rsi,
        entries: out.rdx,
        faults: out.r10,
        interrupts: out.r8,
        boot_tsc: out.r9,
    }
}
