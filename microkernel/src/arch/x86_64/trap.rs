// SPDX-License-Identifier: BSD-2-Clause
//! Ways into the kernel and out of it.
//!
//! From user mode every way in stores the registers straight into the current thread's save area, which is the beginning
//! of its frame: the stack pointer that the processor loads is the end of that area. Then a safe function runs on the
//! processor's kernel stack and names the thread whose save area is loaded on the way out.

use super::cpu::{IST_DOUBLE_FAULT, IST_MACHINE_CHECK, IST_NMI, KERNEL_CODE, Pointer, Tss};
use super::{apic, cpu};
use crate::epitaph;
use crate::kernel::KERNEL;
use crate::object::Ref;
use crate::thread::{Regs, Thread};
use core::arch::{asm, global_asm};
use core::cell::Cell;
use core::mem::offset_of;

/// In place of a vector: the thread came by `syscall`.
pub const SYSCALL: u64 = 0x100;

const PAGE_FAULT: u64 = 14;
const FIRST_INTERRUPT: u64 = 32;

global_asm!(
    r#"
    .section .text.entry, "ax"

    .balign 16
    .global syscall_stub
syscall_stub:
    swapgs
    mov gs:[{scratch}], rsp
    mov rsp, gs:[{rsp0}]
    mov [rsp - {size} + {rip}], rcx
    mov [rsp - {size} + {rflags}], r11
    mov rcx, gs:[{scratch}]
    mov [rsp - {size} + {rsp}], rcx
    mov qword ptr [rsp - {size} + {vector}], {syscall}
    mov [rsp - {size} + {rax}], rax
    mov [rsp - {size} + {rbx}], rbx
    mov [rsp - {size} + {rdx}], rdx
    mov [rsp - {size} + {rsi}], rsi
    mov [rsp - {size} + {rdi}], rdi
    mov [rsp - {size} + {rbp}], rbp
    mov [rsp - {size} + {r8}], r8
    mov [rsp - {size} + {r9}], r9
    mov [rsp - {size} + {r10}], r10
    mov [rsp - {size} + {r12}], r12
    mov [rsp - {size} + {r13}], r13
    mov [rsp - {size} + {r14}], r14
    mov [rsp - {size} + {r15}], r15
    lea rdi, [rsp - {size}]
    mov rsp, gs:[{stack}]
    mov rsi, rax
    xor ebp, ebp
    jmp {syscall_entry}

    .global trap_exit
trap_exit:
    cmp qword ptr [rax + {vector}], {syscall}
    jne 2f
    mov rcx, [rax + {rip}]
    bt rcx, 47
    jc 2f
    mov r11, [rax + {rflags}]
    mov rbx, [rax + {rbx}]
    mov rdx, [rax + {rdx}]
    mov rsi, [rax + {rsi}]
    mov rdi, [rax + {rdi}]
    mov rbp, [rax + {rbp}]
    mov r8, [rax + {r8}]
    mov r9, [rax + {r9}]
    mov r10, [rax + {r10}]
    mov r12, [rax + {r12}]
    mov r13, [rax + {r13}]
    mov r14, [rax + {r14}]
    mov r15, [rax + {r15}]
    mov rsp, [rax + {rsp}]
    mov rax, [rax + {rax}]
    swapgs
    sysretq
2:
    mov rsp, rax
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    pop r11
    pop r10
    pop r9
    pop r8
    pop rax
    pop rcx
    pop rdx
    pop rsi
    pop rdi
    add rsp, 16
    swapgs
    iretq

    .macro push_all
    push rdi
    push rsi
    push rdx
    push rcx
    push rax
    push r8
    push r9
    push r10
    push r11
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    .endm

    .balign 16
trap_common:
    cld
    // Becomes `clac` where the processor has SMAP.
    .global clac_site
clac_site:
    nop dword ptr [rax]
    test byte ptr [rsp + 24], 3
    jz 3f
    swapgs
    push_all
    mov rdi, rsp
    mov rsp, gs:[{stack}]
    xor ebp, ebp
    jmp {trap_entry}
3:
    push_all
    mov rdi, rsp
    mov rbp, rsp
    call {kernel_trap_entry}
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    pop r11
    pop r10
    pop r9
    pop r8
    pop rax
    pop rcx
    pop rdx
    pop rsi
    pop rdi
    add rsp, 16
    iretq

    .balign 16
fatal_common:
    cld
    push_all
    mov rdi, rsp
    call {fatal_entry}
    ud2

    .balign 16
    .global trap_stubs
trap_stubs:
    .set number, 0
    .rept 256
    .balign 16
    .if (number == 8) || (number == 10) || (number == 11) || (number == 12) || (number == 13) || (number == 14) || (number == 17) || (number == 21) || (number == 29) || (number == 30)
    .else
    push 0
    .endif
    push number
    .if (number == 2) || (number == 8) || (number == 18)
    jmp fatal_common
    .else
    jmp trap_common
    .endif
    .set number, number + 1
    .endr
"#,
    scratch = const offset_of!(cpu::Cpu, scratch),
    stack = const offset_of!(cpu::Cpu, stack),
    rsp0 = const offset_of!(cpu::Cpu, tss) + offset_of!(Tss, rsp0),
    size = const size_of::<Regs>(),
    syscall = const SYSCALL,
    vector = const offset_of!(Regs, vector),
    rip = const offset_of!(Regs, rip),
    rflags = const offset_of!(Regs, rflags),
    rsp = const offset_of!(Regs, rsp),
    rax = const offset_of!(Regs, rax),
    rbx = const offset_of!(Regs, rbx),
    rdx = const offset_of!(Regs, rdx),
    rsi = const offset_of!(Regs, rsi),
    rdi = const offset_of!(Regs, rdi),
    rbp = const offset_of!(Regs, rbp),
    r8 = const offset_of!(Regs, r8),
    r9 = const offset_of!(Regs, r9),
    r10 = const offset_of!(Regs, r10),
    r12 = const offset_of!(Regs, r12),
    r13 = const offset_of!(Regs, r13),
    r14 = const offset_of!(Regs, r14),
    r15 = const offset_of!(Regs, r15),
    syscall_entry = sym syscall_entry,
    trap_entry = sym trap_entry,
    kernel_trap_entry = sym kernel_trap_entry,
    fatal_entry = sym fatal_entry,
);

unsafe extern "C" {
    fn syscall_stub();
    fn trap_exit();
    static trap_stubs: u8;
    static clac_site: u8;
}

/// Where `syscall` goes.
pub fn syscall_stub_address() -> u64 {
    syscall_stub as *const () as u64
}

/// Where the instruction is that becomes `clac`.
pub fn clac_site_address() -> u64 {
    &raw const clac_site as u64
}

/// Does not return to the stub but goes on to the way out: so it has no registers to restore, which all come from a save area.
extern "sysv64" fn syscall_entry(current: Ref<Thread>, number: u64) -> ! {
    leave(crate::syscall::enter(KERNEL.enter(), current, number))
}

/// As [`syscall_entry`].
extern "sysv64" fn trap_entry(current: Ref<Thread>) -> ! {
    let k = KERNEL.enter();
    k.stats.entries.add(1);
    let next = match current.regs.vector.get() {
        PAGE_FAULT => crate::fault::page_fault(k, current, cpu::fault_address(), current.regs.error.get()),
        vector if vector < FIRST_INTERRUPT => crate::fault::exception(k, current),
        vector => {
            interrupt(vector as u8);
            crate::sched::next(k, current)
        }
    };
    leave(next)
}

/// A trap while the kernel ran: an interrupt of the idle loop, or the kernel is wrong.
extern "sysv64" fn kernel_trap_entry(regs: &Regs) {
    let vector = regs.vector.get();
    if vector < FIRST_INTERRUPT {
        epitaph::trap(regs, vector, cpu::fault_address());
    }
    if vector == apic::TIMER as u64 {
        apic::heard();
    }
    interrupt(vector as u8);
}

/// Traps that end the machine wherever they strike.
extern "sysv64" fn fatal_entry(regs: &Regs) -> ! {
    epitaph::trap(regs, regs.vector.get(), cpu::fault_address())
}

fn interrupt(vector: u8) {
    let k = KERNEL.enter();
    k.stats.interrupts.add(1);
    match vector {
        apic::SPURIOUS => {}
        apic::TIMER => {
            apic::end_of_interrupt();
            crate::timer::tick(k);
        }
        _ => crate::irq::fired(k, vector),
    }
}

/// Leaves the kernel.
#[inline(always)]
pub fn leave(thread: Ref<Thread>) -> ! {
    // SAFETY: the thread has been loaded (`Cpu::load`), its save area describes user mode; the stub reads nothing else.
    unsafe { asm!("jmp {exit}", exit = sym trap_exit, in("rax") thread.address(), options(noreturn)) }
}

/// Interrupt descriptors.
#[repr(C, align(16))]
pub struct Idt(Cell<[[u64; 2]; 256]>);

// SAFETY: written once by the boot code, before anything else runs; then read by the processor only.
unsafe impl Sync for Idt {}

static IDT: Idt = Idt(Cell::new([[0; 2]; 256]));

/// Fills and loads the interrupt descriptor table.
pub fn set_up() {
    let base = &raw const trap_stubs as u64;
    let mut gates = [[0u64; 2]; 256];
    for (vector, gate) in gates.iter_mut().enumerate() {
        let target = base + 16 * vector as u64;
        let ist = match vector {
            2 => IST_NMI,
            8 => IST_DOUBLE_FAULT,
            18 => IST_MACHINE_CHECK,
            _ => 0,
        };
        // Breakpoint and overflow may be raised by user code.
        let dpl: u64 = if vector == 3 || vector == 4 { 3 } else { 0 };
        gate[0] = (target & 0xffff)
            | (KERNEL_CODE as u64) << 16
            | (ist as u64) << 32
            | (0x8e | dpl << 5) << 40
            | (target >> 16 & 0xffff) << 48;
        gate[1] = target >> 32;
    }
    IDT.0.set(gates);
    let pointer = Pointer { limit: 256 * 16 - 1, base: IDT.0.as_ptr() as u64 };
    // SAFETY: the table is complete, its stubs are kernel text, and it lives forever.
    unsafe { asm!("lidt [{}]", in(reg) &pointer, options(nostack, readonly)) };
}
