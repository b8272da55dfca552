// SPDX-License-Identifier: BSD-2-Clause
//! Entering and removing mappings: the elements of the vectors.

use crate::frame::{Frame, PAGE_SHIFT};
use bitflags::bitflags;

bitflags! {
    /// How a page is entered.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct MapFlags: u64 {
        /// Writable.
        const WRITE = 1 << 0;
        /// Executable.
        const EXECUTE = 1 << 1;
        /// Fill the frame with zeroes before it is entered (`pmap_zero_page`).
        const ZERO = 1 << 2;
        /// Device registers: uncached.
        const UNCACHED = 1 << 3;
        /// A framebuffer: write combining.
        const WRITE_COMBINING = 1 << 4;
    }
}

/// One element of [`Map`](crate::syscall::Number::Map): two words in the message buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MapOp {
    /// Page-aligned user address.
    pub address: u64,
    /// What to enter there.
    pub frame: Frame,
    /// How.
    pub flags: MapFlags,
}

impl MapOp {
    /// The second word: frame number and flags.
    pub const fn entry(self) -> u64 {
        ((self.frame.0 as u64) << PAGE_SHIFT) | self.flags.bits()
    }

    /// The element in these two words; flags that nobody knows are dropped.
    pub const fn unpack(address: u64, entry: u64) -> MapOp {
        MapOp {
            address,
            frame: Frame((entry >> PAGE_SHIFT) as u32),
            flags: MapFlags::from_bits_truncate(entry & 0xfff),
        }
    }
}
