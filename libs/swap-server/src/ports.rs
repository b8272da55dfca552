// SPDX-License-Identifier: BSD-2-Clause
//! The pager's surroundings in the machine: rings, doorbells, memory.

use crate::window::Window;
use alloc::vec::Vec;
use core::fmt::Arguments;
use core::sync::atomic::AtomicU64;
use ebb_abi::{Handle, PAGE_SIZE};
use ebb_peer::Peer;
use ebb_proto::Error;
use ebb_proto::block::{self, Disks};
use ebb_proto::pager::{self, MAX_DEVICES};
use ebb_proto::vm::PAGER_BIT;
use ebb_rt::start::Given;
use ebb_rt::{StartInfo, client, heap, log, shared};
use ebb_swap::{DiskInfo, PageBytes, World};

/// The surroundings.
pub struct Ports {
    vm: Peer,
    disks: Peer,
    block: Handle,
    /// Heap pages that were claimed: first address and pages.
    claimed: Vec<(u64, u64)>,
    /// For a pager that looks into pages.
    window: Option<Window>,
}

impl Ports {
    /// The rings that were given. `NotFound`, `Invalid`: something is missing.
    pub fn new(info: &StartInfo) -> Result<Ports, Error> {
        Ok(Ports {
            vm: Peer::vm(info, PAGER_BIT)?,
            disks: Peer::block(info)?,
            block: info.handle("block")?,
            claimed: Vec::with_capacity(2 * MAX_DEVICES),
            window: match info.handle("phys") {
                Ok(_) => Some(Window::new(info)?),
                Err(_) => None,
            },
        })
    }

    /// Rings the doorbells of those who wait for what was submitted and completed.
    pub fn ring(&mut self) {
        self.disks.ring();
        self.vm.ring();
    }

    /// Asks for doorbells; `false`: there is something already.
    pub fn sleep(&self, vm_must_wait: bool) -> bool {
        // What `vm` submits beyond what there is room for has to wait for completions of the disks, whose doorbell is asked for.
        self.disks.sleep() && (vm_must_wait || self.vm.sleep())
    }
}

impl World<'static> for Ports {
    fn next(&mut self) -> Option<[u64; 4]> {
        self.vm.pop()
    }

    fn room(&mut self) -> usize {
        self.vm.room()
    }

    fn complete(&mut self, completion: pager::Completion) {
        self.vm.push(&completion.pack());
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

    fn disk(&mut self, number: u8) -> Option<DiskInfo> {
        match client::call(self.block, &Disks {}) {
            Ok(disks) => disks.into_iter().nth(number as usize).map(|d| DiskInfo {
                name: d.name,
                sectors: d.sectors,
                read_only: d.read_only,
            }),
            Err(error) => {
                log!("block does not say what disks there are: {error}");
                None
            }
        }
    }

    fn segment(&mut self, address: u64, pages: u64) -> Option<&'static [AtomicU64]> {
        shared::segment(address, pages)
    }

    fn claim(&mut self, address: u64, pages: u64) -> bool {
        // Where a device was used before its pages are the heap's already; only what was mapped behind them is new.
        let place = self.claimed.iter().position(|c| c.0 == address);
        let had = place.map_or(0, |p| self.claimed[p].1);
        if had >= pages {
            return true;
        }
        let page = PAGE_SIZE as u64;
        if !heap::claim(address.saturating_add(had * page), (pages - had) * page) {
            return false;
        }
        match place {
            Some(p) => self.claimed[p].1 = pages,
            None => self.claimed.push((address, pages)),
        }
        true
    }

    fn read_frame(&mut self, frame: u32, bytes: &mut PageBytes) -> bool {
        self.window.as_mut().is_some_and(|w| w.read(frame, bytes))
    }

    fn write_frame(&mut self, frame: u32, bytes: &PageBytes) -> bool {
        self.window.as_mut().is_some_and(|w| w.write(frame, bytes))
    }

    fn own_frames(&self) -> &[u32] {
        self.window.as_ref().map_or(&[], |w| &w.own)
    }

    fn log(&mut self, line: Arguments<'_>) {
        log!("{line}");
    }
}
