// SPDX-License-Identifier: BSD-2-Clause
//! The format of page-table entries, and the translation cache.

use core::arch::asm;
use ebb_abi::map::MapFlags;

/// The entry is valid.
pub const PRESENT: u64 = 1 << 0;
/// Writes are allowed.
pub const WRITE: u64 = 1 << 1;
/// User mode may use it.
pub const USER: u64 = 1 << 2;
const WRITE_THROUGH: u64 = 1 << 3;
const CACHE_DISABLE: u64 = 1 << 4;
/// Set by the processor on use.
pub const ACCESSED: u64 = 1 << 5;
/// Set by the processor on a write.
pub const DIRTY: u64 = 1 << 6;
/// In a level-2 entry: a page of 2 MiB.
pub const LARGE: u64 = 1 << 7;
const PAT: u64 = 1 << 7;
/// Ours: the frame has no record, it is a device's.
pub const DEVICE: u64 = 1 << 9;
/// Instruction fetches fault.
pub const NO_EXECUTE: u64 = 1 << 63;
/// Bits of the physical address.
pub const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
/// Uncached, for the kernel's own device pages.
pub const UNCACHED: u64 = WRITE_THROUGH | CACHE_DISABLE;
/// What [`encode`] decides; the rest belongs to the processor.
pub const CONTROL: u64 = !(ACCESSED | DIRTY);

/// The entry for a user page.
#[inline(always)]
pub fn encode(frame: u32, flags: MapFlags) -> u64 {
    let mut entry = (frame as u64) << 12 | PRESENT | USER;
    if flags.contains(MapFlags::WRITE) {
        entry |= WRITE;
    }
    if !flags.contains(MapFlags::EXECUTE) {
        entry |= NO_EXECUTE;
    }
    if flags.intersects(MapFlags::UNCACHED.union(MapFlags::WRITE_COMBINING)) {
        entry |= if flags.contains(MapFlags::UNCACHED) { UNCACHED } else { PAT | WRITE_THROUGH };
    }
    entry
}

/// The flags of an entry.
pub fn flags(entry: u64) -> MapFlags {
    let mut flags = MapFlags::empty();
    flags.set(MapFlags::WRITE, entry & WRITE != 0);
    flags.set(MapFlags::EXECUTE, entry & NO_EXECUTE == 0);
    flags.set(MapFlags::UNCACHED, entry & UNCACHED == UNCACHED);
    flags.set(MapFlags::WRITE_COMBINING, entry & (PAT | CACHE_DISABLE) == PAT);
    flags
}

/// The frame of an entry.
#[inline(always)]
pub fn frame(entry: u64) -> u32 {
    ((entry & ADDRESS) >> 12) as u32
}

/// Forgets the translation of one page in the loaded address space.
#[inline(always)]
pub fn flush_page(address: u64) {
    // SAFETY: dropping a cached translation changes nothing but time.
    unsafe { asm!("invlpg [{}]", in(reg) address, options(nostack, preserves_flags)) };
}
