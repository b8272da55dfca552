// SPDX-License-Identifier: BSD-2-Clause
//! The instruction itself.

use ebb_abi::Error;
use ebb_abi::syscall::Number;

/// Registers that carry arguments and results.
#[derive(Clone, Copy, Default)]
#[allow(missing_docs)]
pub struct Registers {
    pub rax: u64,
    pub rdi: u64,
    pub rsi: u64,
    pub rdx: u64,
    pub r10: u64,
    pub r8: u64,
    pub r9: u64,
    pub r12: u64,
    pub r13: u64,
    pub r14: u64,
    pub r15: u64,
}

impl Registers {
    /// The result, or the error in `rax`.
    #[inline(always)]
    pub fn ok(self) -> crate::Result<Registers> {
        match Error::from_raw(self.rax) {
            None => Ok(self),
            Some(error) => Err(error),
        }
    }
}

/// Issues a system call.
#[inline(always)]
pub fn syscall(number: Number, r: Registers) -> Registers {
    let mut out = r;
    // SAFETY: the kernel keeps every register but the results (all named here), rcx and r11. It writes no user memory but
    // the thread's message buffer, which is only reached through cells, and asm blocks clobber memory by default.
    // Calls that change the caller's own mappings are behind `unsafe fn`s.
    unsafe {
        core::arch::asm!(
            "syscall",
            inlateout("rax") number as u64 => out.rax,
            inlateout("rdi") r.rdi => out.rdi,
            inlateout("rsi") r.rsi => out.rsi,
            inlateout("rdx") r.rdx => out.rdx,
            inlateout("r10") r.r10 => out.r10,
            inlateout("r8") r.r8 => out.r8,
            inlateout("r9") r.r9 => out.r9,
            inlateout("r12") r.r12 => out.r12,
            inlateout("r13") r.r13 => out.r13,
            inlateout("r14") r.r14 => out.r14,
            in("r15") r.r15,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    out
}

/// Issues a system call with up to four arguments that returns nothing beyond `rdi`, `rsi` and `rdx`: fewer registers are lost.
#[inline(always)]
pub fn syscall4(number: Number, rdi: u64, rsi: u64, rdx: u64, r10: u64) -> crate::Result<(u64, u64, u64)> {
    let (rax, o1, o2, o3): (u64, u64, u64, u64);
    // SAFETY: as in `syscall`; results beyond these three are declared lost.
    unsafe {
        core::arch::asm!(
            "syscall",
            inlateout("rax") number as u64 => rax,
            inlateout("rdi") rdi => o1,
            inlateout("rsi") rsi => o2,
            inlateout("rdx") rdx => o3,
            inlateout("r10") r10 => _,
            lateout("r8") _,
            lateout("r9") _,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    match Error::from_raw(rax) {
        None => Ok((o1, o2, o3)),
        Some(error) => Err(error),
    }
}
