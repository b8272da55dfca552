// SPDX-License-Identifier: BSD-2-Clause
//! The pager's surroundings in the machine: rings, doorbells, memory.

use crate::server::POLL_BIT;
use alloc::format;
use alloc::vec::Vec;
use core::fmt::Arguments;
use core::sync::atomic::{AtomicU64, Ordering};
use ebb_proto::Error;
use ebb_proto::block;
use ebb_proto::pager::{BOUNCE_PAGES, RING_PAGES, RINGS};
use ebb_proto::vm::VNODE_BIT;
use ebb_ring::{Broken, Consumer, Producer};
use ebb_rt::start::Given;
use ebb_rt::{StartInfo, clock, log, shared};
use ebb_sys::abi::{Handle, PAGE_SIZE};
use ebb_sys::{ipc, time};
use ebb_vnode::{PAGE, World};

/// Bit of `block`'s notification: submissions.
const BLOCK_BIT: u64 = 1 << 1;
/// Words of a page.
const WORDS: usize = PAGE / 8;

type Cells = &'static [AtomicU64];

/// Pages of bytes with their frames.
struct Pages {
    cells: Cells,
    frames: Vec<u32>,
}

impl Pages {
    fn new(info: &StartInfo, address: u64, pages: u64, name: &str) -> Result<Pages, Error> {
        let cells = shared::segment(address, pages).ok_or(Error::Fault)?;
        let frame = |n| info.value(&format!("{name}{n}")).map(|f| f as u32);
        Ok(Pages { cells, frames: (0..pages).map(frame).collect::<Result<_, _>>()? })
    }

    fn page(&self, page: usize) -> &[AtomicU64] {
        self.cells.get(page * WORDS..(page + 1) * WORDS).unwrap_or(&[])
    }

    fn load(&self, page: usize, bytes: &mut [u8]) {
        let cells = self.page(page);
        let (words, rest) = bytes.as_chunks_mut::<8>();
        for (cell, word) in cells.iter().zip(words.iter_mut()) {
            *word = cell.load(Ordering::Relaxed).to_le_bytes();
        }
        if let Some(cell) = cells.get(words.len()) {
            let last = cell.load(Ordering::Relaxed).to_le_bytes();
            rest.iter_mut().zip(last).for_each(|(to, from)| *to = from);
        }
    }

    fn store(&self, page: usize, bytes: &[u8]) {
        let cells = self.page(page);
        let (words, rest) = bytes.as_chunks::<8>();
        for (cell, word) in cells.iter().zip(words) {
            cell.store(u64::from_le_bytes(*word), Ordering::Relaxed);
        }
        if let Some(cell) = cells.get(words.len()).filter(|_| !rest.is_empty()) {
            let mut last = [0; 8];
            last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            cell.store(u64::from_le_bytes(last), Ordering::Relaxed);
        }
    }
}

/// The surroundings.
pub struct Ports {
    vm_in: Consumer<'static>,
    vm_out: Producer<'static>,
    block_out: Producer<'static>,
    block_in: Consumer<'static>,
    vm_doorbell: Handle,
    block_doorbell: Handle,
    own: Pages,
    bounce: Pages,
    /// A ring had impossible indexes: it is not used any more.
    vm_broken: bool,
    block_broken: bool,
}

impl Ports {
    /// The rings and pages that were given. `NotFound`, `Invalid`: something is missing.
    pub fn new(info: &StartInfo) -> Result<Ports, Error> {
        let vm = halves(RINGS, RING_PAGES)?;
        let disks = halves(info.value("block_ring")?, block::SEGMENT_PAGES)?;
        let behind = RINGS + RING_PAGES * PAGE_SIZE as u64;
        Ok(Ports {
            vm_in: Consumer::new(vm.0).ok_or(Error::Invalid)?,
            vm_out: Producer::new(vm.1).ok_or(Error::Invalid)?,
            block_out: Producer::new(disks.0).ok_or(Error::Invalid)?,
            block_in: Consumer::new(disks.1).ok_or(Error::Invalid)?,
            vm_doorbell: Handle(u32::try_from(info.value("vm_doorbell")?).map_err(|_| Error::Invalid)?),
            block_doorbell: info.handle("block_notify")?,
            own: Pages::new(info, info.value("dma")?, info.value("dma_pages")?, "dma_frame")?,
            bounce: Pages::new(info, behind, BOUNCE_PAGES, "bounce_frame")?,
            vm_broken: false,
            block_broken: false,
        })
    }

    /// Rings the doorbells of those who wait for what was submitted and completed.
    pub fn ring(&mut self) {
        self.ring_block();
        if self.vm_out.must_ring() {
            signal(self.vm_doorbell, 1 << VNODE_BIT);
        }
    }

    fn ring_block(&mut self) {
        if self.block_out.must_ring() {
            signal(self.block_doorbell, BLOCK_BIT);
        }
    }

    /// Asks for doorbells; `false`: there is something already.
    pub fn sleep(&self, vm_must_wait: bool) -> bool {
        // What `vm` submits beyond what there is room for has to wait for completions of the disk, whose doorbell is asked for.
        (self.block_broken || self.block_in.sleep()) && (self.vm_broken || vm_must_wait || self.vm_in.sleep())
    }

    /// Has [`POLL_BIT`] set in so many microseconds.
    pub fn wake_in(&self, notification: Handle, us: u64) {
        let deadline = time::tsc() + clock::cycles_of(us);
        if let Err(error) = ipc::timer(notification, POLL_BIT, deadline) {
            log!("no timer: {error:?}");
        }
    }

    fn vm<T>(&mut self, result: Result<T, Broken>) -> Option<T> {
        if result.is_err() && !core::mem::replace(&mut self.vm_broken, true) {
            log!("vm's rings are broken: not used any more");
        }
        result.ok()
    }

    fn disks<T>(&mut self, result: Result<T, Broken>) -> Option<T> {
        if result.is_err() && !core::mem::replace(&mut self.block_broken, true) {
            log!("the disks' rings are broken: not used any more");
        }
        result.ok()
    }
}

impl World for Ports {
    fn next(&mut self) -> Option<[u64; 4]> {
        let entry = self.vm_in.pop();
        self.vm(entry).flatten()
    }

    fn room(&mut self) -> usize {
        let room = self.vm_out.room();
        self.vm(room).unwrap_or(0)
    }

    fn push(&mut self, entry: &[u64; 4]) {
        let pushed = self.vm_out.push(entry);
        if self.vm(pushed) == Some(false) {
            log!("an entry was lost: vm's ring has less room than it said");
        }
    }

    fn disk_room(&mut self) -> usize {
        let room = self.block_out.room();
        self.disks(room).unwrap_or(0)
    }

    fn submit(&mut self, entry: block::Submission) {
        let pushed = self.block_out.push(&entry.pack());
        if self.disks(pushed) == Some(false) {
            log!("a request was lost: the disks' ring has less room than it said");
        }
    }

    fn finished(&mut self) -> Option<block::Completion> {
        let entry = self.block_in.pop();
        self.disks(entry).flatten().map(|e| block::Completion::unpack(&e))
    }

    fn wait(&mut self) -> bool {
        if self.block_broken {
            return false;
        }
        self.ring_block();
        if !self.block_in.sleep() {
            return true;
        }
        // Bits that are meant for something else are not missed: all rings are looked at again before the pager sleeps.
        match ipc::receive(Handle::NONE) {
            Ok(_) => true,
            Err(error) => {
                log!("cannot wait for the disk: {error:?}");
                false
            }
        }
    }

    fn buffers(&self) -> usize {
        self.own.frames.len()
    }

    fn buffer_frame(&self, buffer: usize) -> u32 {
        self.own.frames.get(buffer).copied().unwrap_or(0)
    }

    fn load(&self, buffer: usize, bytes: &mut [u8]) {
        self.own.load(buffer, bytes);
    }

    fn store(&mut self, buffer: usize, bytes: &[u8]) {
        self.own.store(buffer, bytes);
    }

    fn bounce_frame(&self, slot: usize) -> Option<u32> {
        self.bounce.frames.get(slot).copied()
    }

    fn bounce(&self, slot: usize, bytes: &mut [u8]) {
        self.bounce.load(slot, bytes);
    }

    fn log(&mut self, line: Arguments<'_>) {
        log!("{line}");
    }
}

fn halves(address: u64, pages: u64) -> Result<(Cells, Cells), Error> {
    let cells = shared::segment(address, pages).ok_or(Error::Fault)?;
    Ok(cells.split_at(cells.len() / 2))
}

fn signal(notification: Handle, bits: u64) {
    if let Err(error) = ipc::signal(notification, bits) {
        log!("a doorbell cannot be rung: {error:?}");
    }
}
