// SPDX-License-Identifier: BSD-2-Clause
//! What a processor needs of its own: its features, segments, the task state segment, control registers.
//!
//! [`Cpu`] is what GS points to while the kernel runs. The entry stubs reach its first fields by their offsets.

use crate::object::Ref;
use crate::task::Task;
use crate::thread::{Regs, Thread};
use core::arch::asm;
use core::arch::x86_64::__cpuid_count;
use core::cell::Cell;
use x86_64::registers::model_specific::Msr;

/// Kernel code selector. The order of the descriptors is what `syscall` and `sysret` demand.
pub const KERNEL_CODE: u16 = 0x08;
/// Kernel data selector.
pub const KERNEL_DATA: u16 = 0x10;
/// User data selector.
pub const USER_DATA: u16 = 0x20 | 3;
/// User code selector.
pub const USER_CODE: u16 = 0x28 | 3;
const TSS_SELECTOR: u16 = 0x30;

/// Stacks of the interrupt stack table: for what may strike when the kernel's own stack is not to be trusted.
pub const IST_NMI: u8 = 1;
/// Double fault.
pub const IST_DOUBLE_FAULT: u8 = 2;
/// Machine check.
pub const IST_MACHINE_CHECK: u8 = 3;

const EFER: u32 = 0xc000_0080;
const STAR: u32 = 0xc000_0081;
const LSTAR: u32 = 0xc000_0082;
const SFMASK: u32 = 0xc000_0084;
const GS_BASE: u32 = 0xc000_0101;
const KERNEL_GS_BASE: u32 = 0xc000_0102;
const PAT: u32 = 0x277;

/// Write-back, write-through, uncached-, uncached; then write-protect in 4 and write-combining in 5, as Limine leaves it.
const PAT_LAYOUT: u64 = 0x0000_0105_0007_0406;

/// The task state segment: only stacks are used.
#[repr(C, packed(4))]
pub struct Tss {
    reserved0: u32,
    /// Where an interrupt of user mode pushes: the end of the current thread's register save area.
    pub rsp0: Cell<u64>,
    rsp12: [u64; 2],
    reserved1: u64,
    ist: [Cell<u64>; 7],
    reserved2: u64,
    reserved3: u16,
    io_map: u16,
}

/// A processor. The stubs know the offsets of `scratch`, `stack` and `tss.rsp0`.
#[repr(C, align(64))]
pub struct Cpu {
    /// Holds the user's stack pointer for a moment.
    pub scratch: Cell<u64>,
    /// Where the kernel's stack begins: 8 below a multiple of 16, as if the functions that the stubs jump to had been called.
    pub stack: Cell<u64>,
    /// The task state segment.
    pub tss: Tss,
    gdt: Cell<[u64; 8]>,
    /// The thread whose registers are loaded on the way out.
    current: Cell<Option<Ref<Thread>>>,
    /// The task whose page tables are loaded.
    space: Cell<Option<Ref<Task>>>,
}

/// What the processor can do beyond the minimum.
#[derive(Clone, Copy, Debug, Default)]
pub struct Features {
    /// Supervisor-mode execution prevention.
    pub smep: bool,
    /// Supervisor-mode access prevention.
    pub smap: bool,
    /// User-mode instruction prevention.
    pub umip: bool,
    /// x2APIC mode.
    pub x2apic: bool,
    /// The local APIC timer takes deadlines of the time-stamp counter.
    pub tsc_deadline: bool,
    /// No-execute pages. The kernel does not run without.
    pub nx: bool,
}

impl Features {
    /// Asks the processor.
    pub fn detect() -> Features {
        let max = __cpuid_count(0, 0).eax;
        let basic = __cpuid_count(1, 0);
        let (mut ebx7, mut ecx7) = (0, 0);
        if max >= 7 {
            let leaf = __cpuid_count(7, 0);
            (ebx7, ecx7) = (leaf.ebx, leaf.ecx);
        }
        let extended = __cpuid_count(0x8000_0001, 0);
        Features {
            smep: ebx7 & (1 << 7) != 0,
            smap: ebx7 & (1 << 20) != 0,
            umip: ecx7 & (1 << 2) != 0,
            x2apic: basic.ecx & (1 << 21) != 0,
            tsc_deadline: basic.ecx & (1 << 24) != 0,
            nx: extended.edx & (1 << 20) != 0,
        }
    }
}

impl Cpu {
    /// A processor that has not been set up.
    pub const fn new() -> Cpu {
        Cpu {
            scratch: Cell::new(0),
            stack: Cell::new(0),
            tss: Tss {
                reserved0: 0,
                rsp0: Cell::new(0),
                rsp12: [0; 2],
                reserved1: 0,
                ist: [const { Cell::new(0) }; 7],
                reserved2: 0,
                reserved3: 0,
                io_map: size_of::<Tss>() as u16,
            },
            gdt: Cell::new([0; 8]),
            current: Cell::new(None),
            space: Cell::new(None),
        }
    }

    /// The current thread.
    #[inline(always)]
    pub fn current(&self) -> Option<Ref<Thread>> {
        self.current.get()
    }

    /// The task whose page tables are loaded.
    #[inline(always)]
    pub fn space(&self) -> Option<Ref<Task>> {
        self.space.get()
    }

    /// Makes a thread the one that runs next, with its address space.
    #[inline(always)]
    pub fn load(&self, thread: Ref<Thread>) {
        self.current.set(Some(thread));
        let save = thread.address() + size_of::<Regs>() as u64;
        let rsp0 = &raw const self.tss.rsp0;
        // SAFETY: the field may lie unaligned in the packed structure and is written as such; the processor and the stubs
        // read it only on an entry from user mode, that is not now.
        unsafe { rsp0.cast_mut().cast::<u64>().write_unaligned(save) };
        let task = thread.task();
        if self.space.get() != Some(task) {
            self.space.set(Some(task));
            load_root(task.root());
        }
    }

    /// Sets up segments, model-specific registers and control registers. Once for each processor.
    ///
    /// # Safety
    /// `self` lives forever, its page and the stacks are mapped in every address space, and interrupts are off.
    pub unsafe fn set_up(&'static self, features: &Features, stack: u64, ist: [u64; 3]) {
        self.stack.set(stack - 8);
        for (index, top) in ist.into_iter().enumerate() {
            let slot = &raw const self.tss.ist;
            // SAFETY: as for `rsp0` above; `index` is below 3 of 7.
            unsafe { slot.cast_mut().cast::<u64>().add(index).write_unaligned(top) };
        }
        let tss = &raw const self.tss as u64;
        let limit = size_of::<Tss>() as u64 - 1;
        let low = limit | (tss & 0xff_ffff) << 16 | 0x89 << 40 | (tss >> 24 & 0xff) << 56;
        self.gdt.set([
            0,
            0x00af_9b00_0000_ffff,
            0x00cf_9300_0000_ffff,
            0,
            0x00cf_f300_0000_ffff,
            0x00af_fb00_0000_ffff,
            low,
            tss >> 32,
        ]);
        let pointer = Pointer { limit: 8 * 8 - 1, base: self.gdt.as_ptr() as u64 };
        // SAFETY: the table is complete and lives forever; CS is reloaded by the far return, the data selectors are null or
        // flat; the TSS descriptor names a TSS that lives forever.
        unsafe {
            asm!(
                "lgdt [{pointer}]",
                "push {code}",
                "lea {t}, [rip + 2f]",
                "push {t}",
                "retfq",
                "2:",
                "mov ss, {data:x}",
                "mov ds, {zero:x}",
                "mov es, {zero:x}",
                "mov fs, {zero:x}",
                "mov gs, {zero:x}",
                "ltr {tr:x}",
                pointer = in(reg) &pointer,
                code = const KERNEL_CODE as u64,
                data = in(reg) KERNEL_DATA as u64,
                zero = in(reg) 0u64,
                tr = in(reg) TSS_SELECTOR as u64,
                t = out(reg) _,
            );
        }
        // SAFETY: values as the manual asks for them: NX and syscall on; kernel selectors 0x08/0x10, user base 0x18; the entry
        // stub; flags that must be off in the kernel (TF, IF, DF, IOPL, NT, AC); GS bases; the page attribute table.
        unsafe {
            let efer = Msr::new(EFER).read();
            Msr::new(EFER).write(efer | 1 | 1 << 11);
            Msr::new(STAR).write((0x18 | 3) << 48 | (KERNEL_CODE as u64) << 32);
            Msr::new(LSTAR).write(super::trap::syscall_stub_address());
            Msr::new(SFMASK).write(0x4_7700);
            Msr::new(GS_BASE).write(&raw const *self as u64);
            Msr::new(KERNEL_GS_BASE).write(0);
            Msr::new(PAT).write(PAT_LAYOUT);
        }
        let mut cr4 = 1 << 5; // PAE; no global pages, no SSE.
        for (have, bit) in [(features.umip, 11), (features.smep, 20), (features.smap, 21)] {
            cr4 |= (have as u64) << bit;
        }
        // Paging, write protection, no alignment traps in the kernel; FPU instructions trap (TS, MP).
        let cr0: u64 = 1 << 31 | 1 << 16 | 1 << 5 | 1 << 3 | 1 << 1 | 1;
        // SAFETY: long mode stays on; the kernel uses no FPU state and no global pages; its own pages obey SMEP and SMAP.
        unsafe {
            asm!("mov cr4, {}", in(reg) cr4, options(nostack));
            asm!("mov cr0, {}", in(reg) cr0, options(nostack));
        }
    }
}

/// Operand of `lgdt` and `lidt`.
#[repr(C, packed)]
pub struct Pointer {
    /// Bytes in the table, less one.
    pub limit: u16,
    /// Address of the table.
    pub base: u64,
}

/// Loads a top page table, which flushes the translations of all others.
#[inline(always)]
pub fn load_root(root: u64) {
    // SAFETY: every top page table holds the kernel's half, so the kernel goes on; which user half is loaded is no matter of
    // memory safety in the kernel, which never follows user addresses.
    unsafe { asm!("mov cr3, {}", in(reg) root, options(nostack, preserves_flags)) };
}

/// The time-stamp counter.
#[inline(always)]
pub fn tsc() -> u64 {
    // SAFETY: reads a counter.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// Room for the last instructions before the moment that [`wait_until`] waits for.
const SLED: u64 = 256;

/// Waits until the time-stamp counter is a multiple of `unit`, as [`wait_until`] does.
pub fn wait_for_multiple(unit: u64) {
    if let Some(target) = (tsc() + 4 * SLED).checked_next_multiple_of(unit) {
        wait_until(target);
    }
}

/// Waits for a moment of the time-stamp counter: to the cycle, where an instruction is a cycle and each read of the counter tells how many were executed. One that has
/// passed is not waited for.
pub fn wait_until(target: u64) {
    while let left @ 1.. = target.saturating_sub(tsc()) {
        if left > 4 * SLED {
            // Two instructions a turn; what the rest of the loop takes is less than what is left out.
            // SAFETY: counts a register down.
            unsafe {
                asm!("2: dec {}", "jnz 2b", inout(reg) (left - 2 * SLED) / 2 => _, options(nomem, nostack));
            }
        } else if left < SLED {
            // As many instructions as cycles are left: the end of a row of them.
            // SAFETY: jumps to one of the instructions between here and the label, all of which do nothing.
            unsafe {
                asm!(
                    "lea {at}, [rip + 2f]",
                    "sub {at}, {left}",
                    "jmp {at}",
                    ".fill {sled}, 1, 0x90",
                    "2:",
                    at = out(reg) _,
                    left = in(reg) left,
                    sled = const SLED,
                    options(nomem, nostack)
                );
            }
            return;
        }
    }
}

/// Lets one interrupt in, or waits for one. Nothing else may be relied on afterwards.
#[inline(always)]
pub fn wait_for_interrupt() {
    // SAFETY: the caller has left the kernel's lock; the handler returns here with all registers kept. `sti` takes effect
    // after the next instruction, so no interrupt slips in between it and `hlt`.
    unsafe { asm!("sti", "hlt", "cli", options(nostack)) };
}

/// Nothing more happens on this processor.
pub fn halt() -> ! {
    loop {
        // SAFETY: interrupts off, wait: only an NMI gets through.
        unsafe { asm!("cli", "hlt", options(nomem, nostack)) };
    }
}

/// Address whose access faulted.
#[inline(always)]
pub fn fault_address() -> u64 {
    let address: u64;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, cr2", out(reg) address, options(nomem, nostack, preserves_flags)) };
    address
}
