// SPDX-License-Identifier: BSD-2-Clause
//! The end of a kernel that found itself wrong: what was violated, registers, a symbolised backtrace. And the orderly end.

use crate::arch::x86_64::{cpu, port};
use crate::log;
use crate::thread::Regs;
use core::cell::Cell;
use core::sync::atomic::{AtomicBool, Ordering};
use ebb_kernel_pure::cmdline::Fail;
use ebb_kernel_pure::name::Name;

/// Exit value of a kernel that failed.
pub const FAILED: u8 = 8;

/// Exit value when a vital task failed.
pub const VITAL_FAILED: u8 = 9;

static EXIT_QEMU: AtomicBool = AtomicBool::new(false);
static DYING: AtomicBool = AtomicBool::new(false);

/// The kernel's symbols: pairs of address and name, in memory that the boot code set aside.
pub struct Symbols(Cell<Option<(&'static [u8], &'static [u8])>>);

// SAFETY: set once by the boot code.
unsafe impl Sync for Symbols {}

/// The one table.
pub static SYMBOLS: Symbols = Symbols(Cell::new(None));

impl Symbols {
    /// Sets the symbol table and its strings, as they are in the ELF file.
    pub fn set(&self, symbols: &'static [u8], strings: &'static [u8]) {
        self.0.set(Some((symbols, strings)));
    }

    /// The function that an address is in, and how far.
    fn find(&self, address: u64) -> Option<(&'static str, u64)> {
        let (symbols, strings) = self.0.get()?;
        let mut best: Option<(u64, u32)> = None;
        for s in symbols.chunks_exact(24) {
            let name = u32::from_le_bytes(s[0..4].try_into().ok()?);
            let value = u64::from_le_bytes(s[8..16].try_into().ok()?);
            let is_code = matches!(s[4] & 15, 0 | 2) && name != 0;
            if is_code && value <= address && best.is_none_or(|(b, _)| b <= value) {
                best = Some((value, name));
            }
        }
        let (value, name) = best?;
        let tail = strings.get(name as usize..)?;
        let len = tail.iter().position(|b| *b == 0)?;
        Some((core::str::from_utf8(&tail[..len]).ok()?, address - value))
    }
}

/// What the command line says about the end.
pub fn set_exit_qemu(on: bool) {
    EXIT_QEMU.store(on, Ordering::Relaxed);
}

/// Ends the machine: with this exit value under QEMU if the command line says so, else it halts.
pub fn end(value: u8) -> ! {
    if EXIT_QEMU.load(Ordering::Relaxed) {
        port::debug_exit(value);
    }
    log!("halted");
    cpu::halt()
}

/// The machine cannot start: a message, and the end.
pub fn cannot(why: core::fmt::Arguments) -> ! {
    log!("cannot start: {why}");
    end(FAILED)
}

/// Something that the kernel relies on does not hold.
#[cold]
pub fn violated(what: &str, value: u64) -> ! {
    panic!("violated: {what} ({value:#x})")
}

/// Fails, so that a test sees how that looks.
pub fn fail_on_purpose(how: Fail) -> ! {
    /// Uses stack until there is none.
    fn dig(depth: u64) -> u64 {
        let room = core::hint::black_box([depth; 64]);
        if depth == u64::MAX { room[0] } else { dig(depth + 1) + room[63] }
    }
    match how {
        Fail::Assertion => assert!(core::hint::black_box(false), "failed on purpose"),
        // SAFETY: the first page is mapped in no address space: the read faults.
        Fail::Fault => unsafe {
            core::hint::black_box((0x48 as *const u64).read_volatile());
        },
        // SAFETY: text is not writable: the write faults.
        Fail::Text => unsafe { (fail_on_purpose as *mut u64).write_volatile(0) },
        Fail::Stack => {
            core::hint::black_box(dig(0));
        }
    }
    violated("a failure on purpose ends the kernel", 0)
}

/// A trap in the kernel.
#[cold]
pub fn trap(regs: &Regs, vector: u64, address: u64) -> ! {
    begin();
    log!(
        "epitaph: {} (vector {vector}, error {:#x}) in the kernel, address {address:#x}",
        vector_name(vector),
        regs.error.get()
    );
    log!(
        "rip {:#x} rsp {:#x} rflags {:#x} cs {:#x}",
        regs.rip.get(),
        regs.rsp.get(),
        regs.rflags.get(),
        regs.cs.get()
    );
    let names = ["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8", "r9", "r10", "r11", "r12"];
    let values = [
        &regs.rax, &regs.rbx, &regs.rcx, &regs.rdx, &regs.rsi, &regs.rdi, &regs.rbp, &regs.r8, &regs.r9,
        &regs.r10, &regs.r11, &regs.r12,
    ];
    for (names, values) in names.chunks(4).zip(values.chunks(4)) {
        log!(
            "{} {:#x} {} {:#x} {} {:#x} {} {:#x}",
            names[0],
            values[0].get(),
            names[1],
            values[1].get(),
            names[2],
            values[2].get(),
            names[3],
            values[3].get()
        );
    }
    show(regs.rip.get());
    backtrace(regs.rbp.get());
    end(FAILED)
}

fn begin() {
    if DYING.swap(true, Ordering::Relaxed) {
        log!("epitaph: failed again while writing the epitaph");
        end(FAILED);
    }
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo) -> ! {
    begin();
    log!("epitaph: {}", info.message());
    if let Some(at) = info.location() {
        log!("at {}:{}", at.file(), at.line());
    }
    let frame: u64;
    // SAFETY: reads the frame pointer.
    unsafe { core::arch::asm!("mov {}, rbp", out(reg) frame, options(nomem, nostack)) };
    backtrace(frame);
    end(FAILED)
}

/// Follows the frame pointers as long as they lead up the kernel's own image.
fn backtrace(mut frame: u64) {
    const IMAGE: core::ops::Range<u64> = 0xffff_ffff_8000_0000..0xffff_ffff_c000_0000;
    for _ in 0..32 {
        if !IMAGE.contains(&frame) || !frame.is_multiple_of(8) {
            break;
        }
        // SAFETY: an aligned address in the kernel's image, where stacks are; should it be a hole, the page fault ends in
        // `begin` above.
        let (next, address) = unsafe { (*(frame as *const u64), *((frame + 8) as *const u64)) };
        if !IMAGE.contains(&address) {
            break;
        }
        show(address);
        if next <= frame {
            break;
        }
        frame = next;
    }
}

fn show(address: u64) {
    match SYMBOLS.find(address) {
        Some((name, offset)) => log!("  {address:#x} {}+{offset:#x}", Name(name)),
        None => log!("  {address:#x}"),
    }
}

/// What the manual calls a vector.
pub fn vector_name(vector: u64) -> &'static str {
    const NAMES: [&str; 22] = [
        "divide error",
        "debug",
        "NMI",
        "breakpoint",
        "overflow",
        "bound range",
        "invalid opcode",
        "FPU not available",
        "double fault",
        "coprocessor overrun",
        "invalid TSS",
        "segment not present",
        "stack fault",
        "general protection",
        "page fault",
        "reserved",
        "FPU error",
        "alignment check",
        "machine check",
        "SIMD error",
        "virtualization",
        "control protection",
    ];
    usize::try_from(vector).ok().and_then(|v| NAMES.get(v)).copied().unwrap_or("unknown trap")
}
