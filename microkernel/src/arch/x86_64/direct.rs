// SPDX-License-Identifier: BSD-2-Clause
//! The kernel's windows on memory: the direct map and the array of frame records. Where they are, and raw access.

use core::arch::asm;
use ebb_kernel_pure::ranges::Ranges;

/// Where physical address 0 is mapped. The window is 16 TiB wide: any 32-bit frame number falls into it.
pub const BASE: u64 = 0xffff_8000_0000_0000;
/// Where the frame records are. The window is 64 GiB wide: any 32-bit frame number falls into it.
pub const RECORDS: u64 = 0xffff_a000_0000_0000;

/// The first byte of a frame.
#[inline(always)]
pub fn pointer(frame: u32) -> *mut u8 {
    (BASE + ((frame as u64) << 12)) as *mut u8
}

/// The frame of an address in the direct map.
#[inline(always)]
pub fn frame_of(address: u64) -> u32 {
    ((address - BASE) >> 12) as u32
}

/// Fills a frame with zeroes from a byte on.
///
/// # Safety
/// Nobody else uses the frame; `from` is at most 4096.
#[inline(always)]
pub unsafe fn zero(frame: u32, from: usize) {
    // SAFETY: inside the frame: first the bytes up to a multiple of 8, then words.
    unsafe {
        let words = (4096 - from) / 8;
        let bytes = (4096 - from) % 8;
        let at = pointer(frame).add(from);
        core::ptr::write_bytes(at, 0, bytes);
        asm!("rep stosq", inout("rdi") at.add(bytes) => _, inout("rcx") words => _, in("rax") 0u64,
            options(nostack, preserves_flags));
    }
}

/// Copies `len` bytes, a multiple of 8.
///
/// # Safety
/// Both are valid for `len` bytes and do not overlap.
#[inline(always)]
pub unsafe fn copy(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        asm!("rep movsq", inout("rsi") from => _, inout("rdi") to => _, inout("rcx") len / 8 => _,
            options(nostack, preserves_flags));
    }
}

/// What of physical memory is in the direct map; for reading the firmware's tables.
pub struct Mapped<'a> {
    /// The frames.
    pub frames: &'a Ranges<64>,
}

impl Mapped<'_> {
    /// Bytes at a physical address, if they are mapped.
    pub fn read<const N: usize>(&self, address: u64) -> Option<[u8; N]> {
        let first = u32::try_from(address >> 12).ok()?;
        let last = u32::try_from(address.checked_add(N as u64 - 1)? >> 12).ok()?;
        if !(self.frames.contains(first) && self.frames.contains(last)) {
            return None;
        }
        // SAFETY: mapped as just checked; firmware tables, which nothing writes.
        Some(unsafe { ((BASE + address) as *const [u8; N]).read_unaligned() })
    }
}
