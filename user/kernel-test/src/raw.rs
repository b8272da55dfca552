// SPDX-License-Identifier: BSD-2-Clause
//! Instructions: system calls with any number and any arguments, and what raises exceptions.

use core::arch::asm;

/// A system call with these in `rax rdi rsi rdx r10 r8 r9 r12 r13 r14 r15`. Returns `rax` and `rdi`.
///
/// # Safety
/// The call must not change this program's own mappings or use memory that the program uses.
pub unsafe fn syscall(r: [u64; 11]) -> (u64, u64) {
    let (rax, rdi);
    // SAFETY: the caller's promise; all results are declared.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") r[0] => rax,
            inlateout("rdi") r[1] => rdi,
            inlateout("rsi") r[2] => _,
            inlateout("rdx") r[3] => _,
            inlateout("r10") r[4] => _,
            inlateout("r8") r[5] => _,
            inlateout("r9") r[6] => _,
            inlateout("r12") r[7] => _,
            inlateout("r13") r[8] => _,
            inlateout("r14") r[9] => _,
            in("r15") r[10],
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    (rax, rdi)
}

/// A system call with every register set to a value of its own before; whether all that it must keep are kept.
pub fn keeps_registers(number: u64) -> bool {
    let (kept, lost): (u64, u64);
    // SAFETY: `Null` and `Yield` change nothing; registers are restored or declared.
    unsafe {
        asm!(
            "push rbx",
            "push rbp",
            "mov rbx, 0x1111",
            "mov rbp, 0x2222",
            "mov rdi, 0x3333",
            "mov rsi, 0x4444",
            "mov rdx, 0x5555",
            "mov r8, 0x6666",
            "mov r9, 0x7777",
            "mov r10, 0x8888",
            "mov r12, 0x9999",
            "mov r13, 0xaaaa",
            "mov r14, 0xbbbb",
            "mov r15, 0xcccc",
            "syscall",
            "add rbx, rbp",
            "add rbx, rdi",
            "add rbx, rsi",
            "add rbx, rdx",
            "add rbx, r8",
            "add rbx, r9",
            "add rbx, r10",
            "add rbx, r12",
            "add rbx, r13",
            "add rbx, r14",
            "add rbx, r15",
            "mov rcx, rbx",
            "pop rbp",
            "pop rbx",
            inlateout("rax") number => lost,
            out("rcx") kept,
            out("rdi") _, out("rsi") _, out("rdx") _, out("r8") _, out("r9") _, out("r10") _,
            out("r11") _, out("r12") _, out("r13") _, out("r14") _, out("r15") _,
        );
    }
    lost == 0 && kept == 0x1111 * 78
}

/// Raises an invalid-opcode exception. An answer to it that says "go on" raises it again.
pub fn undefined() -> ! {
    loop {
        // SAFETY: raises an exception and does nothing else.
        unsafe { asm!("ud2", options(nomem, nostack)) }
    }
}

/// Raises the exception with this number, one of those that a program can raise at will; 256: an FPU instruction.
pub fn raise(vector: u64) {
    // SAFETY: each raises an exception before it does anything; if it does not, it changes declared registers only. The
    // supervisor that resumes the program has to skip nothing but traps, which are behind their instruction already.
    unsafe {
        match vector {
            0 => {
                asm!("xor edx, edx", "mov eax, 1", "xor ecx, ecx", "div ecx", out("rax") _, out("rdx") _, out("rcx") _)
            }
            3 => asm!("int3"),
            6 => asm!("ud2"),
            13 => asm!("hlt"),
            256 => asm!("fninit"),
            _ => asm!("mov rax, 0x8000000000000000", "mov rax, [rax]", out("rax") _),
        }
    }
}
