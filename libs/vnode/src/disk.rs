// SPDX-License-Identifier: BSD-2-Clause
//! The disk and the clock as the file system's crate wants them.

use crate::channel::{Channel, Failed};
use crate::world::{PAGE, World};
use alloc::rc::Rc;
use core::cell::RefCell;
use rsext4::{
    BlockIo, Clock, DeviceCapabilities, DeviceGeometry, EntropySource, Ext4Error, Ext4Result, Ext4Timestamp,
    SectorId,
};

/// The disk, in sectors of one page: nothing smaller is ever moved.
pub struct Disk<W>(pub Rc<RefCell<Channel<W>>>);

impl<W: World> Disk<W> {
    /// Whether so many pages from a place on are on the disk, and this is their length.
    fn check(&self, sector: SectorId, count: u32, bytes: usize) -> Ext4Result<()> {
        let end = sector.raw().checked_add(count as u64).ok_or_else(Ext4Error::overflow)?;
        if end > self.0.borrow().geometry.pages || bytes != count as usize * PAGE {
            return Err(Ext4Error::io().with_operation("disk:range"));
        }
        Ok(())
    }
}

fn io(_: Failed) -> Ext4Error {
    Ext4Error::io()
}

impl<W: World> BlockIo for Disk<W> {
    fn write(&mut self, buffer: &[u8], sector: SectorId, count: u32) -> Ext4Result<()> {
        self.check(sector, count, buffer.len())?;
        self.0.borrow_mut().write(sector.raw(), buffer).map_err(io)
    }

    fn read(&mut self, buffer: &mut [u8], sector: SectorId, count: u32) -> Ext4Result<()> {
        self.check(sector, count, buffer.len())?;
        self.0.borrow_mut().read(sector.raw(), buffer).map_err(io)
    }

    fn geometry(&self) -> DeviceGeometry {
        DeviceGeometry::new(PAGE as u32, self.0.borrow().geometry.pages)
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let read_only = self.0.borrow().geometry.read_only;
        DeviceCapabilities { read_only, flush: true, ..DeviceCapabilities::default() }
    }

    fn flush(&mut self) -> Ext4Result<()> {
        if self.0.borrow().geometry.read_only {
            return Ok(());
        }
        self.0.borrow_mut().flush().map_err(io)
    }
}

/// The wall clock: a function that says the microseconds since 1970.
#[derive(Clone, Copy)]
pub struct Wall(pub fn() -> u64);

impl Wall {
    /// A time on the disk.
    pub fn stamp(us: u64) -> Ext4Timestamp {
        Ext4Timestamp::new((us / 1_000_000) as i64, (us % 1_000_000) as u32 * 1000)
    }
}

impl Clock for Wall {
    fn now(&self) -> Ext4Result<Ext4Timestamp> {
        Ok(Wall::stamp((self.0)()))
    }
}

/// Numbers that differ from one time to the next. The file system draws one to mark itself as the user of a disk that several machines might mount; nobody has to be
/// unable to guess it.
pub struct Entropy(pub Wall);

impl EntropySource for Entropy {
    fn fill_bytes(&mut self, output: &mut [u8]) -> Ext4Result<()> {
        let mut state = (self.0.0)() | 1;
        for byte in output {
            // xorshift64 (Marsaglia 2003).
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *byte = state as u8;
        }
        Ok(())
    }
}
