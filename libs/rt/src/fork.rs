// SPDX-License-Identifier: BSD-2-Clause
//! A function that comes back twice: in the process that called it, and in its copy.
//!
//! What a function must keep is pushed on the stack, and the copy, whose memory is that of the moment of the call, begins where it is taken off again.

use core::ffi::c_void;
use ebb_proto::Error;
use ebb_proto::proc::Pid;

/// Who makes the copy: it is told where to begin, and with what stack pointer. The number of the copy.
pub type Copy<'a> = &'a mut dyn FnMut(u64, u64) -> Result<Pid, Error>;

/// What [`copied`] says: an error, above every number of a process.
const FAILED: u64 = 1 << 32;

/// Calls `copy`. Its answer; in the copy 0.
pub fn twice(copy: Copy<'_>) -> Result<Pid, Error> {
    let mut copy = copy;
    let answer = machine::twice(&mut copy);
    if answer & FAILED != 0 { Err(Error::from_code(answer & !FAILED)) } else { Ok(answer as Pid) }
}

/// # Safety
/// `copy` is the address of a `Copy` that nobody else uses.
#[cfg_attr(not(target_os = "none"), allow(dead_code))]
unsafe extern "C" fn copied(entry: u64, stack: u64, copy: *mut c_void) -> u64 {
    // SAFETY: the caller says so.
    let copy = unsafe { &mut *copy.cast::<Copy<'_>>() };
    match copy(entry, stack) {
        Ok(pid) => pid as u64,
        Err(error) => FAILED | error as u64,
    }
}

#[cfg(target_os = "none")]
mod machine {
    use super::Copy;
    use core::ffi::c_void;

    unsafe extern "C" {
        /// Calls `copied` with the place and the stack pointer at which the copy is to begin, and with its argument; returns what that returns, and in the copy 0.
        fn ebb_twice(copy: *mut c_void) -> u64;
    }

    core::arch::global_asm!(
        ".global ebb_twice",
        "ebb_twice:",
        // What a function keeps for its caller. The stack is aligned as at a call after seven words.
        "push rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "mov rdx, rdi",
        "lea rdi, [rip + 2f]",
        "mov rsi, rsp",
        "sub rsp, 8",
        "call {copied}",
        "add rsp, 8",
        "jmp 3f",
        // The copy begins here.
        "2:",
        "xor eax, eax",
        "3:",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
        copied = sym super::copied,
    );

    pub fn twice(copy: &mut Copy<'_>) -> u64 {
        // SAFETY: the function keeps what the calling convention asks for, also where it comes back in the copy: registers and stack are those of the call, and all memory is a copy of this
        // one's. Its argument is valid for the call, and nobody else has it.
        unsafe { ebb_twice(core::ptr::from_mut::<Copy<'_>>(copy).cast()) }
    }
}

#[cfg(not(target_os = "none"))]
mod machine {
    use super::Copy;
    use ebb_proto::Error;

    pub fn twice(_copy: &mut Copy<'_>) -> u64 {
        super::FAILED | Error::Unsupported as u64
    }
}
