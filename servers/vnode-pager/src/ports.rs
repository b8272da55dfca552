// SPDX-License-Identifier: BSD-2-Clause
//! The pager's surroundings in the machine: rings, doorbells, memory.

use crate::server::POLL_BIT;
use alloc::format;
use alloc::vec::Vec;
use core::fmt::Arguments;
use core::sync::atomic::{AtomicU64, Ordering};
use ebb_peer::Peer;
use ebb_proto::Error;
use ebb_proto::block;
use ebb_proto::pager::{BOUNCE_PAGES, RING_PAGES, RINGS};
use ebb_proto::vm::VNODE_BIT;
use ebb_rt::start::Given;
use ebb_rt::{StartInfo, clock, log, shared};
use ebb_sys::abi::{Handle, PAGE_SIZE};
use ebb_sys::{ipc, time};
use ebb_vnode::{PAGE, World};

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
    vm: Peer,
    disks: Peer,
    own: Pages,
    bounce: Pages,
}

impl Ports {
    /// The rings and pages that were given. `NotFound`, `Invalid`: something is missing.
    pub fn new(info: &StartInfo) -> Result<Ports, Error> {
        let behind = RINGS + RING_PAGES * PAGE_SIZE as u64;
        Ok(Ports {
            vm: Peer::vm(info, VNODE_BIT)?,
            disks: Peer::block(info)?,
            own: Pages::new(info, info.value("dma")?, info.value("dma_pages")?, "dma_frame")?,
            bounce: Pages::new(info, behind, BOUNCE_PAGES, "bounce_frame")?,
        })
    }

    /// Rings the doorbells of those who wait for what was submitted and completed.
    pub fn ring(&mut self) {
        self.disks.ring();
        self.vm.ring();
    }

    /// Asks for doorbells; `false`: there is something already.
    pub fn sleep(&self, vm_must_wait: bool) -> bool {
        // What `vm` submits beyond what there is room for has to wait for completions of the disk, whose doorbell is asked for.
        self.disks.sleep() && (vm_must_wait || self.vm.sleep())
    }

    /// Has [`POLL_BIT`] set in so many microseconds.
    pub fn wake_in(&self, notification: Handle, us: u64) {
        let deadline = time::tsc() + clock::cycles_of(us);
        if let Err(error) = ipc::timer(notification, POLL_BIT, deadline) {
            log!("no timer: {error:?}");
        }
    }
}

impl World for Ports {
    fn next(&mut self) -> Option<[u64; 4]> {
        self.vm.pop()
    }

    fn room(&mut self) -> usize {
        self.vm.room()
    }

    fn push(&mut self, entry: &[u64; 4]) {
        self.vm.push(entry);
    }

    fn disk_room(&mut self) -> usize {
        self.disks.room()
    }

    fn submit(&mut self, entry: block::Submission) {
        self.disks.push(&entry.pack());
    }

    fn finished(&mut self) -> Option<block::Completion> {
        self.disks.pop().map(|e| block::Completion::unpack(&e))
    }

    fn wait(&mut self) -> bool {
        if self.disks.is_broken() {
            return false;
        }
        self.disks.ring();
        if !self.disks.sleep() {
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
