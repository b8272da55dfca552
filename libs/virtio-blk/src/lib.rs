// SPDX-License-Identifier: BSD-2-Clause
//! A driver for virtio block devices (virtio 1.x over PCI) that transfers to and from page frames without copying.
//!
//! Why not the public driver crate: it takes slices of the caller's memory and finds their physical addresses by itself. Here the
//! data belongs to others, is not mapped in the block server at all, and is named by frame number. It also waits for interrupts by itself; here
//! a [`Service`](ebb_disk::Service) drives many disks and never waits.
//!
//! - [`pci`] finds the devices and their register windows in configuration space.
//! - [`queue`] is one split virtqueue: three pages of memory shared with the device, whose indexes are checked, not believed.
//! - [`blk`] is the driver.
//!
//! Registers and configuration space are traits, so everything here runs on the host against a modelled device.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod blk;
pub mod pci;
pub mod queue;
#[cfg(test)]
mod tests;

pub use blk::{Blk, Failure};

/// A window of device registers. Offsets are in bytes, and aligned to the access.
pub trait Registers {
    /// Reads a register.
    fn read8(&self, offset: u64) -> u8;
    /// Reads a register.
    fn read16(&self, offset: u64) -> u16;
    /// Reads a register.
    fn read32(&self, offset: u64) -> u32;
    /// Writes a register.
    fn write8(&self, offset: u64, value: u8);
    /// Writes a register.
    fn write16(&self, offset: u64, value: u16);
    /// Writes a register.
    fn write32(&self, offset: u64, value: u32);
}
