// SPDX-License-Identifier: BSD-2-Clause
//! The kinds of disks that there are.

use crate::machine::Mapped;
use alloc::boxed::Box;
use ebb_disk::modeled::{Clock, Modeled};
use ebb_disk::ram::{Copier, RamDisk};
use ebb_disk::{Device, Info, Request};
use ebb_rt::{clock, log};
use ebb_sys::abi::Handle;
use ebb_sys::abi::frame::Piece;
use ebb_sys::{memory, time};
use ebb_virtio_blk::Blk;

/// A disk of this machine.
pub enum Disk {
    /// A device.
    Virtio(Box<Blk<'static, Mapped>>),
    /// Memory.
    Memory(RamDisk<Frames>),
    /// Memory that takes its time.
    Modeled(Box<Modeled<Frames, Cycles>>),
}

impl Disk {
    /// Whether nobody has to ask it whether it is done.
    pub fn tells(&self) -> bool {
        match self {
            Disk::Virtio(disk) => disk.has_interrupts(),
            Disk::Memory(_) | Disk::Modeled(_) => true,
        }
    }
}

impl Device for Disk {
    fn info(&self) -> &Info {
        match self {
            Disk::Virtio(disk) => disk.info(),
            Disk::Memory(disk) => disk.info(),
            Disk::Modeled(disk) => disk.info(),
        }
    }
    fn start(&mut self, request: &Request<'_>) -> bool {
        match self {
            Disk::Virtio(disk) => disk.start(request),
            Disk::Memory(disk) => disk.start(request),
            Disk::Modeled(disk) => disk.start(request),
        }
    }
    fn kick(&mut self) {
        match self {
            Disk::Virtio(disk) => disk.kick(),
            Disk::Memory(disk) => disk.kick(),
            Disk::Modeled(disk) => disk.kick(),
        }
    }
    fn finished(&mut self) -> Option<(u32, bool)> {
        match self {
            Disk::Virtio(disk) => disk.finished(),
            Disk::Memory(disk) => disk.finished(),
            Disk::Modeled(disk) => disk.finished(),
        }
    }
    fn due_ns(&self) -> Option<u64> {
        match self {
            Disk::Virtio(disk) => disk.due_ns(),
            Disk::Memory(disk) => disk.due_ns(),
            Disk::Modeled(disk) => disk.due_ns(),
        }
    }
    fn has_finished(&self) -> bool {
        match self {
            Disk::Virtio(disk) => disk.has_finished(),
            Disk::Memory(disk) => disk.has_finished(),
            Disk::Modeled(disk) => disk.has_finished(),
        }
    }
}

/// The time-stamp counter, from the moment on when the disk was found: what a model does depends on it, and not on how long the machine took to boot.
pub struct Cycles(pub u64);

impl Clock for Cycles {
    fn now_ns(&self) -> u64 {
        clock::ns_of(time::tsc().saturating_sub(self.0))
    }
}

/// Copies by the right to all memory, which is given to `block` only if there is a disk in memory. A device can be told to
/// write anywhere as well.
pub struct Frames(pub Handle);

impl Copier for Frames {
    fn copy(&mut self, pieces: &[Piece]) -> bool {
        let done = memory::copy_bytes(self.0, pieces);
        if let Err(error) = done {
            log!("memory cannot be copied: {error:?}");
        }
        done.is_ok()
    }
}
