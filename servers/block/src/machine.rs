// SPDX-License-Identifier: BSD-2-Clause
//! Ports, registers and interrupts, and the disks that are found with them.

use crate::disk::{Cycles, Disk, Frames};
use crate::dma::Dma;
use alloc::boxed::Box;
use alloc::vec::Vec;
use ebb_disk::modeled::Modeled;
use ebb_disk::ram::RamDisk;
use ebb_disk::{Device, described};
use ebb_proto::Error;
use ebb_proto::block::SECTORS_PER_PAGE;
use ebb_rt::client::from_sys;
use ebb_rt::start::Given;
use ebb_rt::{StartInfo, clock, log, shared};
use ebb_sys::abi::boot::Range;
use ebb_sys::abi::map::{MapFlags, MapOp};
use ebb_sys::abi::{Frame, Handle, PAGE_SIZE, layout, syscall};
use ebb_sys::{device, memory, time};
use ebb_virtio_blk::blk::Parts;
use ebb_virtio_blk::pci::{self, Address, Config, Window};
use ebb_virtio_blk::{Blk, Failure, Registers};

/// Bit of the notification that disks signal.
pub const IRQ_BIT: u32 = 0;
/// How long a device may take to answer at start.
const PATIENCE_US: u64 = 2_000_000;
/// Name of the disk in memory: it has the files.
const ROOT: &str = "root";
/// No window that is needed is larger.
const MAX_WINDOW_PAGES: u64 = 16;

/// Device registers, mapped.
#[derive(Clone, Copy, Debug)]
pub struct Mapped {
    registers: shared::Registers,
    /// Where the window begins in its first page.
    skip: u64,
}

impl Registers for Mapped {
    fn read8(&self, offset: u64) -> u8 {
        self.registers.read8(self.skip + offset)
    }
    fn read16(&self, offset: u64) -> u16 {
        self.registers.read16(self.skip + offset)
    }
    fn read32(&self, offset: u64) -> u32 {
        self.registers.read32(self.skip + offset)
    }
    fn write8(&self, offset: u64, value: u8) {
        self.registers.write8(self.skip + offset, value);
    }
    fn write16(&self, offset: u64, value: u16) {
        self.registers.write16(self.skip + offset, value);
    }
    fn write32(&self, offset: u64, value: u32) {
        self.registers.write32(self.skip + offset, value);
    }
}

/// Configuration space through its two ports.
struct Ports {
    io: Handle,
}

impl Ports {
    const ADDRESS: u16 = 0xcf8;
    const DATA: u16 = 0xcfc;

    fn select(&self, at: Address, offset: u8) -> Result<(), ebb_sys::abi::Error> {
        let place = (at.bus as u32) << 16 | (at.device as u32) << 11 | (at.function as u32) << 8;
        device::port_out(self.io, Ports::ADDRESS, 4, 1 << 31 | place | (offset & 0xfc) as u32)
    }
}

impl Config for Ports {
    fn read(&mut self, at: Address, offset: u8) -> u32 {
        // Without the right to the ports nothing is there.
        self.select(at, offset).and_then(|()| device::port_in(self.io, Ports::DATA, 4)).unwrap_or(u32::MAX)
    }
    fn write(&mut self, at: Address, offset: u8, value: u32) {
        let written = self.select(at, offset).and_then(|()| device::port_out(self.io, Ports::DATA, 4, value));
        if let Err(error) = written {
            log!("{at:?}: configuration cannot be written: {error:?}");
        }
    }
}

/// Finds disks and brings them up.
struct Finder {
    ports: Ports,
    phys: Handle,
    irq: Handle,
    notification: Handle,
    next: u64,
    dma: Dma,
}

/// All disks: devices in bus order; those that the command line describes, in the frames `spare_pages` from `spare_frame` on; the boot module that is one (its
/// first frame and its pages are the values `ram_frame` and `ram_pages`). One that cannot be
/// used is told of in the log and left out.
pub fn disks(info: &StartInfo, dma: Dma) -> Result<Vec<Disk>, Error> {
    let mut finder = Finder {
        ports: Ports { io: info.handle("io")? },
        phys: info.handle("phys")?,
        irq: info.handle("irq")?,
        notification: info.handle("notification")?,
        next: layout::DEVICES,
        dma,
    };
    let mut disks = Vec::new();
    for at in pci::virtio_blocks(&mut finder.ports) {
        let Address { bus, device, function } = at;
        match finder.bring_up(at) {
            Ok(disk) => {
                let i = disk.info();
                log!(
                    "disk {} at {bus:02x}:{device:02x}.{function}: {:?}, {} sectors{}{}",
                    disks.len(),
                    i.name,
                    i.sectors,
                    if i.read_only { ", read-only" } else { "" },
                    if disk.has_interrupts() { "" } else { ", no MSI-X: polled" }
                );
                disks.push(Disk::Virtio(Box::new(disk)));
            }
            Err(why) => log!("disk at {bus:02x}:{device:02x}.{function} left out: {why}"),
        }
    }
    for disk in in_memory(info, finder.phys)? {
        let i = disk.info();
        log!("disk {} in memory: {:?}, {} sectors, as {}", disks.len(), i.name, i.sectors, i.driver);
        disks.push(disk);
    }
    if let (Ok(first), Ok(pages)) = (info.value("ram_frame"), info.value("ram_pages")) {
        let first = u32::try_from(first).map_err(|_| Error::Invalid)?;
        let disk = RamDisk::new(ROOT, first, pages.saturating_mul(SECTORS_PER_PAGE), Frames(finder.phys));
        log!("disk {} in memory: {ROOT:?}, {} sectors", disks.len(), disk.info().sectors);
        disks.push(Disk::Memory(disk));
    }
    Ok(disks)
}

/// The disks in memory that the command line describes. `Invalid`: it describes one that cannot be.
fn in_memory(info: &StartInfo, phys: Handle) -> Result<Vec<Disk>, Error> {
    let value = |name| Some(u32::try_from(info.value(name).ok()?).unwrap_or(0));
    let Some((first, count)) = value("spare_frame").zip(value("spare_pages")) else { return Ok(Vec::new()) };
    let spare = Range { first, count };
    let described = described::disks(&info.cmdline, spare).map_err(|(word, problem)| {
        log!("{word}: {problem:?} (frames {first} and {count} are there for disks)");
        Error::Invalid
    })?;
    let make = |d: described::Described<'_>| {
        let disk = RamDisk::new(d.name, d.first, d.sectors, Frames(phys));
        let disk = if d.read_only { disk.read_only() } else { disk };
        match d.kind {
            None => Disk::Memory(disk),
            Some(kind) => Disk::Modeled(Box::new(Modeled::new(disk, kind, Cycles(time::tsc())))),
        }
    };
    Ok(described.into_iter().map(make).collect())
}

impl Finder {
    fn bring_up(&mut self, at: Address) -> Result<Blk<'static, Mapped>, &'static str> {
        let windows = pci::windows(&mut self.ports, at).ok_or("no virtio 1.x interface")?;
        let mapped = |_| "its registers cannot be mapped";
        let common = self.map(windows.common).map_err(mapped)?;
        let notify = self.map(windows.notify).map_err(mapped)?;
        let device = self.map(windows.device).map_err(mapped)?;
        let vector = windows.msix.and_then(|(table, capability)| self.vector(at, table, capability));
        let mut page = || self.dma.page().map_err(|_| "no memory for its queue");
        let pages = [page()?, page()?, page()?];
        let parts =
            Parts { common, notify, notify_multiplier: windows.notify_multiplier, device, pages, vector };
        let deadline = time::tsc() + clock::cycles_of(PATIENCE_US);
        Blk::new(parts, &mut || {
            ebb_sys::yield_now();
            time::tsc() < deadline
        })
        .map_err(|failure| match failure {
            Failure::NoReset => "it does not come out of reset",
            Failure::Legacy => "it is older than virtio 1.0",
            Failure::Features => "it refuses the driver's features",
            Failure::NoQueue => "it has no queue of use",
            Failure::Silent => "it does not answer",
        })
    }

    /// Has the first vector of a device signal the notification. `None`: then the device is polled.
    fn vector(&mut self, at: Address, table: Window, capability: u8) -> Option<u16> {
        let table = self.map(Window { bytes: 16, ..table }).ok()?;
        let bound = device::irq_bind(self.irq, syscall::MSI, self.notification, IRQ_BIT).ok()?;
        table.write32(0, bound.msi_address as u32);
        table.write32(4, (bound.msi_address >> 32) as u32);
        table.write32(8, bound.msi_data as u32);
        table.write32(12, 0);
        pci::enable_msix(&mut self.ports, at, capability);
        Some(0)
    }

    /// Maps a window of registers at the next free place.
    fn map(&mut self, window: Window) -> Result<Mapped, Error> {
        let page = PAGE_SIZE as u64;
        let skip = window.address % page;
        let bytes = window.bytes.min(MAX_WINDOW_PAGES * page - skip) + skip;
        let address = self.next;
        for n in 0..bytes.div_ceil(page) {
            let frame = u32::try_from(window.address / page + n).map_err(|_| Error::Invalid)?;
            let flags = MapFlags::WRITE | MapFlags::UNCACHED;
            let op = MapOp { address: address + n * page, frame: Frame(frame), flags };
            memory::map(self.phys, Handle::NONE, &[op]).map_err(|partial| from_sys(partial.error))?;
            self.next += page;
        }
        let registers = shared::Registers::new(address, bytes).ok_or(Error::Fault)?;
        Ok(Mapped { registers, skip })
    }
}
