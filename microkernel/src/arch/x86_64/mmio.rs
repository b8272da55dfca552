// SPDX-License-Identifier: BSD-2-Clause
//! The few device pages that the kernel itself uses, uncached, one page each at fixed places.

/// Where the pages are.
pub const BASE: u64 = 0xffff_c000_0000_0000;
/// Page of the local APIC.
pub const LOCAL_APIC: usize = 0;
/// Page of the first I/O APIC; others follow.
pub const IO_APIC: usize = 1;
/// I/O APICs that the kernel can use.
pub const MAX_IO_APICS: usize = 4;
/// Pages in all.
pub const PAGES: usize = IO_APIC + MAX_IO_APICS;

fn register(page: usize, offset: u32) -> *mut u32 {
    assert!(page < PAGES && offset < 4096 && offset.is_multiple_of(4));
    (BASE + page as u64 * 4096 + offset as u64) as *mut u32
}

/// Reads a register.
pub fn read32(page: usize, offset: u32) -> u32 {
    // SAFETY: the boot code has mapped the page before anything uses it (`acpi` and `apic` only name pages it mapped);
    // in bounds and aligned as checked above.
    unsafe { register(page, offset).read_volatile() }
}

/// Writes a register.
pub fn write32(page: usize, offset: u32, value: u32) {
    // SAFETY: as for `read32`; these registers steer interrupts and reach no memory.
    unsafe { register(page, offset).write_volatile(value) };
}
