// SPDX-License-Identifier: BSD-2-Clause
//! The kernel's half of every address space, and the frames that the boot code takes for it.

use super::paging::{ADDRESS, LARGE, NO_EXECUTE, PRESENT, UNCACHED, WRITE};
use super::{direct, mmio};
use crate::epitaph::cannot;
use ebb_kernel_pure::ranges::Ranges;

/// A text segment.
pub const TEXT: u64 = PRESENT;
/// Read-only data.
pub const RODATA: u64 = PRESENT | NO_EXECUTE;
/// Data.
pub const DATA: u64 = PRESENT | WRITE | NO_EXECUTE;
/// Device registers.
pub const DEVICE: u64 = DATA | UNCACHED;

/// Memory before there are records: ranges to take frames from, and where it can be reached.
pub struct Early {
    /// Frames that may be taken.
    pub free: Ranges<64>,
    /// Frames that were taken.
    pub taken: Ranges<64>,
    /// What to add to a physical address: the loader's direct map at first, then the kernel's own.
    pub offset: u64,
    /// Frame of the kernel's top page table.
    pub root: u32,
}

impl Early {
    /// Takes frames that lie side by side, filled with zeroes.
    #[inline(never)]
    pub fn take(&mut self, count: u32) -> u32 {
        let Some(first) = self.free.take(count) else {
            cannot(format_args!("no {count} frames side by side are left: give the machine more memory"));
        };
        if self.taken.add(first, first + count).is_err() {
            cannot(format_args!("the memory map has too many holes"));
        }
        for frame in first..first + count {
            // SAFETY: usable memory that was not given out before, mapped at `offset`.
            unsafe { self.pointer::<[u64; 512]>(frame).write([0; 512]) };
        }
        first
    }

    fn pointer<T>(&self, frame: u32) -> *mut T {
        (self.offset + ((frame as u64) << 12)) as *mut T
    }

    fn entry(&mut self, table: u32, index: u64) -> *mut u64 {
        // SAFETY: inside the table.
        unsafe { self.pointer::<u64>(table).add(index as usize & 511) }
    }

    /// The table below an entry, made if it is missing.
    #[inline(never)]
    fn below(&mut self, table: u32, index: u64) -> u32 {
        let entry = self.entry(table, index);
        // SAFETY: an entry of one of the kernel's own tables.
        unsafe {
            if *entry & PRESENT == 0 {
                *entry = (self.take(1) as u64) << 12 | PRESENT | WRITE;
            }
            ((*entry & ADDRESS) >> 12) as u32
        }
    }

    /// Maps one page of the kernel's half.
    #[inline(never)]
    pub fn map(&mut self, address: u64, frame: u32, bits: u64) {
        let mut table = self.root;
        for shift in [39, 30, 21] {
            table = self.below(table, address >> shift);
        }
        let entry = self.entry(table, address >> 12);
        // SAFETY: as in `below`.
        unsafe { *entry = (frame as u64) << 12 | bits };
    }

    /// Maps 2 MiB.
    #[inline(never)]
    fn map_large(&mut self, address: u64, frame: u32, bits: u64) {
        let mut table = self.root;
        for shift in [39, 30] {
            table = self.below(table, address >> shift);
        }
        let entry = self.entry(table, address >> 21);
        // SAFETY: as in `below`.
        unsafe { *entry = (frame as u64) << 12 | LARGE | bits };
    }

    /// Maps the units of 2 MiB that these frames touch into the direct map, but not the frames of the kernel's image: those
    /// are reached with the permissions of their segments only.
    pub fn map_direct(&mut self, frames: &Ranges<64>, image: (u32, u32)) -> Ranges<64> {
        let mut mapped = Ranges::default();
        for r in frames.as_slice() {
            let end = (r.first + r.count).next_multiple_of(512);
            if mapped.add(r.first & !511, end).is_err() {
                cannot(format_args!("the memory map has too many holes"));
            }
        }
        for r in mapped.as_slice() {
            for unit in (r.first..r.first + r.count).step_by(512) {
                if unit + 512 <= image.0 || unit >= image.1 {
                    self.map_large(direct::BASE + ((unit as u64) << 12), unit, DATA);
                    continue;
                }
                for frame in (unit..unit + 512).filter(|f| *f < image.0 || *f >= image.1) {
                    self.map(direct::BASE + ((frame as u64) << 12), frame, DATA);
                }
            }
        }
        mapped
    }

    /// Maps zeroed records for so many frames.
    pub fn map_records(&mut self, nr_frames: u32) {
        for page in 0..nr_frames.div_ceil(256) {
            let frame = self.take(1);
            self.map(direct::RECORDS + ((page as u64) << 12), frame, DATA);
        }
    }

    /// Maps a page of device registers.
    pub fn map_device(&mut self, page: usize, address: u64) {
        self.map(mmio::BASE + ((page as u64) << 12), (address >> 12) as u32, DEVICE);
    }
}
