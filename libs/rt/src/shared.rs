// SPDX-License-Identifier: BSD-2-Clause
//! Memory that others see too: segments and anonymous memory as atomic cells, device registers as volatile ones.
//!
//! The functions are safe because each range of the address space is only ever reached in one way, and an address where nothing is mapped is a fault,
//! which ends the program, not undefined behaviour.

use core::sync::atomic::{AtomicU64, Ordering};
use ebb_abi::PAGE_SIZE;
use ebb_abi::layout::{DEVICES, MESSAGE_BUFFER, METER, MMAP, MMAP_END, SEGMENTS};
use ebb_abi::meter::Counter;
use ebb_proto::Error;

fn within(address: u64, bytes: u64, first: u64, end: u64) -> bool {
    address.is_multiple_of(8) && address >= first && address.checked_add(bytes).is_some_and(|e| e <= end)
}

/// The words of a shared segment; `None` if it is not in the segments' range.
pub fn segment(address: u64, pages: u64) -> Option<&'static [AtomicU64]> {
    let bytes = pages.checked_mul(PAGE_SIZE as u64)?;
    if !within(address, bytes, SEGMENTS, DEVICES) {
        return None;
    }
    // SAFETY: this range is only ever reached as atomic cells, whose values may change under us; alignment was checked.
    Some(unsafe { core::slice::from_raw_parts(address as *const AtomicU64, bytes as usize / 8) })
}

/// Writes bytes to a mapped segment, from its beginning; the rest of the last word is zero. `Invalid`: not in the segments' range; `TooLong`: it does not fit.
pub fn write_segment(bytes: &[u8], address: u64, pages: u64) -> Result<(), Error> {
    let cells = segment(address, pages).ok_or(Error::Invalid)?;
    if bytes.len() > cells.len() * 8 {
        return Err(Error::TooLong);
    }
    for (cell, chunk) in cells.iter().zip(bytes.chunks(8)) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        cell.store(u64::from_le_bytes(word), Ordering::Relaxed);
    }
    Ok(())
}

/// The words of anonymous memory that the program mapped; `None` if it is not in the range for that.
pub fn anonymous(address: u64, bytes: u64) -> Option<&'static [AtomicU64]> {
    if !within(address, bytes, MMAP, MMAP_END) {
        return None;
    }
    // SAFETY: as in `segment`.
    Some(unsafe { core::slice::from_raw_parts(address as *const AtomicU64, bytes as usize / 8) })
}

/// A counter of `vm`.
#[inline]
pub fn meter(counter: Counter) -> u64 {
    // SAFETY: the page is mapped read-only in every task and reached only as atomic cells.
    let cells = unsafe { &*(METER as *const [AtomicU64; PAGE_SIZE / 8]) };
    cells[counter as usize].load(Ordering::Relaxed)
}

/// Device registers that were mapped at `address`.
#[derive(Clone, Copy, Debug)]
pub struct Registers {
    address: u64,
    bytes: u64,
}

impl Registers {
    /// `None` if it is not in the devices' range.
    pub fn new(address: u64, bytes: u64) -> Option<Registers> {
        within(address, bytes, DEVICES, MESSAGE_BUFFER).then_some(Registers { address, bytes })
    }
}

macro_rules! access {
    ($($read:ident $write:ident $type:ty),+) => {
        impl Registers {
            $(
                /// Reads a register; one outside the range reads as all ones, as on a bus.
                pub fn $read(&self, offset: u64) -> $type {
                    match self.at(offset, size_of::<$type>() as u64) {
                        // SAFETY: inside the range, aligned, and this range is only ever reached by volatile accesses.
                        Some(address) => unsafe { (address as *const $type).read_volatile() },
                        None => <$type>::MAX,
                    }
                }
                /// Writes a register; one outside the range takes nothing, as on a bus.
                pub fn $write(&self, offset: u64, value: $type) {
                    if let Some(address) = self.at(offset, size_of::<$type>() as u64) {
                        // SAFETY: as above.
                        unsafe { (address as *mut $type).write_volatile(value) }
                    }
                }
            )+
        }
    };
}

access!(read8 write8 u8, read16 write16 u16, read32 write32 u32, read64 write64 u64);

impl Registers {
    fn at(&self, offset: u64, size: u64) -> Option<u64> {
        let end = offset.checked_add(size)?;
        (end <= self.bytes && (self.address + offset).is_multiple_of(size)).then_some(self.address + offset)
    }
}
