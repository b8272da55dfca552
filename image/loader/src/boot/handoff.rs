// SPDX-License-Identifier: BSD-2-Clause
//! From the firmware to the kernel: exits boot services, answers the requests, builds the page tables, and jumps.
//!
//! Nothing here allocates once boot services are exited. The jump goes through one page of code that is mapped
//! three ways: as the firmware maps it, at the same address in the new tables for one instruction, and in the direct
//! map, from where the middle mapping is taken away again: the protocol wants no identity map.

use alloc::format;
use alloc::string::{String, ToString};
use core::arch::{asm, global_asm, x86_64::__cpuid};
use core::convert::Infallible;

use ebb_loader::answer::{self, Arena, Facts};
use ebb_loader::kernel::Kernel;
use ebb_loader::memory::{self, Kind, Map};
use ebb_loader::paging::{self, Flags, Tables};
use ebb_loader::request::Requests;
use ebb_loader::{HHDM, PAGE};
use uefi::boot;
use uefi::mem::memory_map::MemoryMap;

use super::firmware::{self, LOADER_TYPE, Pages, Use};
use super::{acpi, ports};

/// Ranges that the map may gain between being counted and being final: each late allocation cuts one in three.
const LATE_RANGES: usize = 32;
/// `IA32_PAT`: write-back, write-through, uncached-, uncached, write-protected, write-combining.
const PAT: u64 = 0x0000_0105_0007_0406;
const IA32_PAT: u32 = 0x277;
const IA32_EFER: u32 = 0xc000_0080;
const EFER_NXE: u64 = 1 << 11;
const CR4_LA57: u64 = 1 << 12;

/// Null; 16, 32 and 64-bit code and data, in the order that the protocol fixes, already marked accessed.
const GDT: [u64; 7] = [
    0,
    0x0000_9b00_0000_ffff,
    0x0000_9300_0000_ffff,
    0x00cf_9b00_0000_ffff,
    0x00cf_9300_0000_ffff,
    0x00af_9b00_0000_ffff,
    0x00af_9300_0000_ffff,
];

/// Where things lie in the page of the jump.
const ARGUMENTS: usize = 0x400;
const GDT_AT: usize = 0x800;

global_asm!(
    // In: rdi = the arguments: root, direct map, stack, entry, then limit and base of the GDT, and at 48 the offset in
    // the root of the mapping that is taken away again.
    ".globl ebb_jump_start",
    ".globl ebb_jump_end",
    "ebb_jump_start:",
    "cli",
    "mov rax, [rdi]",
    "mov rbx, [rdi + 8]",
    // Global translations of the firmware must not outlive its tables.
    "mov rcx, cr4",
    "and rcx, ~0x80",
    "mov cr4, rcx",
    "mov cr3, rax",
    "lea rcx, [rip + 2f]",
    "add rcx, rbx",
    "add rdi, rbx",
    "jmp rcx",
    "2:",
    "mov rdx, [rdi + 48]",
    "add rdx, rbx",
    "mov qword ptr [rax + rdx], 0",
    "mov cr3, rax",
    "mov rcx, cr0",
    "or rcx, 0x10000",
    "mov cr0, rcx",
    "lgdt [rdi + 32]",
    "mov rsp, [rdi + 16]",
    "mov eax, 0x30",
    "mov ds, eax",
    "mov es, eax",
    "mov fs, eax",
    "mov gs, eax",
    "mov ss, eax",
    "push 2",
    "popfq",
    "push 0",
    "push 0x28",
    "push qword ptr [rdi + 24]",
    "xor eax, eax",
    "lldt ax",
    "xor ebx, ebx",
    "xor ecx, ecx",
    "xor edx, edx",
    "xor esi, esi",
    "xor edi, edi",
    "xor ebp, ebp",
    "xor r8d, r8d",
    "xor r9d, r9d",
    "xor r10d, r10d",
    "xor r11d, r11d",
    "xor r12d, r12d",
    "xor r13d, r13d",
    "xor r14d, r14d",
    "xor r15d, r15d",
    "retfq",
    "ebb_jump_end:",
);

unsafe extern "C" {
    static ebb_jump_start: u8;
    static ebb_jump_end: u8;
}

/// Everything that the jump needs.
pub struct Plan<'a> {
    /// The kernel.
    pub kernel: &'a Kernel,
    /// The kernel as it lies in memory.
    pub image: &'a mut Pages,
    /// Its requests.
    pub requests: &'a Requests,
    /// The answers, but for the memory map.
    pub facts: Facts<'a>,
    /// Its first stack.
    pub stack: &'a Pages,
    /// Whether the serial ports get the mark that says that the machine's own output begins.
    pub mark: bool,
}

/// Whether this processor and its mode are what the kernel expects.
///
/// # Errors
/// One line that says what is missing.
pub fn check_processor() -> Result<(), String> {
    let cr4: u64;
    // SAFETY: reading a control register in ring 0 has no effect.
    unsafe { asm!("mov {}, cr4", out(reg) cr4, options(nomem, nostack, preserves_flags)) };
    if cr4 & CR4_LA57 != 0 {
        return Err("the firmware runs with page tables of five levels, which are not served".to_string());
    }
    if __cpuid(0x8000_0001).edx & 1 << 20 == 0 {
        return Err("the processor has no NX bit".to_string());
    }
    if __cpuid(1).edx & 1 << 16 == 0 {
        return Err("the processor has no PAT".to_string());
    }
    Ok(())
}

/// Enters the kernel.
///
/// # Errors
/// One line, as long as the firmware is there to show it: no memory for the tables. After that a failure is said on
/// the first serial port and ends the machine.
pub fn enter(plan: Plan<'_>) -> Result<Infallible, String> {
    let memory_now = boot::memory_map(LOADER_TYPE).map_err(|e| format!("no memory map: {}", e.status()))?;
    let ranges = memory_now.len() + LATE_RANGES;
    let end = memory_now.entries().map(|d| d.phys_start + d.page_count * PAGE).max().unwrap_or(0);
    let screen = plan.facts.framebuffer.map(|f| (f.base, f.pitch * f.height));
    let end = screen.map_or(end, |(base, length)| end.max(base + length));
    // The kernel in small pages, the page of the jump twice, the root.
    let kernel_tables = (plan.kernel.size >> 21) as usize + 6;
    let frames = Tables::needed(counted(&memory_now, ranges)? + LATE_RANGES, end) + kernel_tables + 8;
    let mut pool = Pages::allocate(frames * PAGE as usize, Use::Loader)?;
    let mut arena = Pages::allocate(plan.facts.room(ranges), Use::Loader)?;
    let mut jump = Pages::allocate(PAGE as usize, Use::Code)?;
    let mut map = Map::with_capacity(ranges);

    // SAFETY: no protocol of the firmware is open any more, and nothing below uses the firmware or allocates.
    let memory_final = unsafe { boot::exit_boot_services(Some(LOADER_TYPE)) };
    if firmware::add_all(&mut map, &memory_final).is_err() {
        fail("the memory map grew too much");
    }
    // Its destructor would call the firmware.
    core::mem::forget(memory_final);
    let Ok(map) = map.finish(screen) else { fail("the memory map grew too much") };

    let facts = Facts { map: &map, ..plan.facts };
    let arena_base = arena.base();
    let mut arena = Arena::new(arena.bytes_mut(), arena_base);
    let Ok(entry) = answer::answer(plan.image.bytes_mut(), plan.requests, &facts, &mut arena) else {
        fail("the responses do not fit");
    };
    let pool_base = pool.base();
    let Ok(root) = tables(pool.tables_mut(), pool_base, &plan, &map, jump.base()) else {
        fail("the page tables do not fit");
    };
    let stack_top = HHDM + plan.stack.base() + plan.stack.len() as u64;
    write_jump(&mut jump, root, stack_top, entry.unwrap_or(plan.kernel.entry));

    ports::mask_pics();
    if let Some(rsdp) = facts.rsdp {
        acpi::mask_io_apics(rsdp);
    }
    if plan.mark {
        ports::mark();
    }
    // SAFETY: the tables have NX bits, so the processor must know them first; `check_processor` has seen both
    // features. The page of the jump is code that was copied whole, its arguments stand where it looks for them, and
    // the tables map everything that it touches. It never comes back, so nothing of ours is in use after it.
    unsafe {
        write_msr(IA32_EFER, read_msr(IA32_EFER) | EFER_NXE);
        write_msr(IA32_PAT, PAT);
        let start: extern "sysv64" fn(u64) -> ! = core::mem::transmute(jump.base() as *const u8);
        start(jump.base() + ARGUMENTS as u64)
    }
}

/// Ranges of the direct map, as the memory map stands.
fn counted(now: &impl MemoryMap, ranges: usize) -> Result<usize, String> {
    let mut map = Map::with_capacity(ranges);
    let full = "the memory map does not fit";
    firmware::add_all(&mut map, now).map_err(|_| full)?;
    Ok(map.finish(None).map_err(|_| full)?.iter().filter(|e| e.kind.is_mapped()).count())
}

/// The new page tables; returns their root.
fn tables(
    pool: &mut [paging::Table],
    pool_base: u64,
    plan: &Plan<'_>,
    map: &[memory::Entry],
    jump: u64,
) -> Result<u64, paging::Full> {
    let data = Flags { write: true, execute: false, write_combining: false };
    let jump_flags = Flags { execute: true, ..data };
    let mut tables = Tables::new(pool, pool_base)?;
    for e in map.iter().filter(|e| e.kind.is_mapped()) {
        let flags = Flags { write_combining: e.kind == Kind::Framebuffer, ..data };
        let end = e.base + e.length;
        if (e.base..end).contains(&jump) {
            tables.map(HHDM + e.base, e.base, jump - e.base, flags)?;
            tables.map(HHDM + jump, jump, PAGE, jump_flags)?;
            tables.map(HHDM + jump + PAGE, jump + PAGE, end - jump - PAGE, flags)?;
        } else {
            tables.map(HHDM + e.base, e.base, e.length, flags)?;
        }
    }
    tables.map(jump, jump, PAGE, jump_flags)?;
    let physical = plan.image.base();
    for s in &plan.kernel.segments {
        let flags = Flags { write: s.access.write, execute: s.access.execute, write_combining: false };
        let (first, end) = (s.first_page(), s.end_page());
        tables.map(first, physical + (first - plan.kernel.base), end - first, flags)?;
    }
    Ok(tables.root())
}

fn write_jump(jump: &mut Pages, root: u64, stack_top: u64, entry: u64) {
    let base = jump.base();
    let gdt = HHDM + base + GDT_AT as u64;
    // SAFETY: both symbols are of the assembly above; the bytes between them are its code.
    let code = unsafe {
        let (start, end) = (&raw const ebb_jump_start, &raw const ebb_jump_end);
        core::slice::from_raw_parts(start, end.offset_from(start) as usize)
    };
    let page = jump.bytes_mut();
    page[..code.len()].copy_from_slice(code);
    let mut put = |at: usize, word: u64| page[at..at + 8].copy_from_slice(&word.to_le_bytes());
    for (i, word) in [root, HHDM, stack_top, entry].into_iter().enumerate() {
        put(ARGUMENTS + 8 * i, word);
    }
    put(ARGUMENTS + 32, size_of_val(&GDT) as u64 - 1);
    put(ARGUMENTS + 34, gdt);
    put(ARGUMENTS + 48, ((base >> 39) & 511) * 8);
    for (i, word) in GDT.into_iter().enumerate() {
        put(GDT_AT + 8 * i, word);
    }
}

/// The firmware is gone: one line on the first serial port, and the end.
fn fail(what: &str) -> ! {
    ports::say(format_args!("\r\nebb-loader: {what}\r\n"));
    ports::exit(ports::EXIT_FAILURE)
}

/// # Safety
/// The register exists.
unsafe fn read_msr(register: u32) -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: the caller's promise; reading has no effect.
    unsafe { asm!("rdmsr", in("ecx") register, out("eax") low, out("edx") high, options(nomem, nostack)) };
    u64::from(high) << 32 | u64::from(low)
}

/// # Safety
/// The register exists and the value keeps what the running code relies on.
unsafe fn write_msr(register: u32, value: u64) {
    let (low, high) = (value as u32, (value >> 32) as u32);
    // SAFETY: the caller's promise.
    unsafe { asm!("wrmsr", in("ecx") register, in("eax") low, in("edx") high, options(nomem, nostack)) };
}
