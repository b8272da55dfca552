// SPDX-License-Identifier: BSD-2-Clause
//! The pager's surroundings in the machine: rings, doorbells, memory.

use crate::window::Window;
use alloc::vec::Vec;
use core::fmt::Arguments;
use core::sync::atomic::AtomicU64;
use ebb_abi::{Handle, PAGE_SIZE};
use ebb_proto::Error;
use ebb_proto::block::{self, Disks};
use ebb_proto::pager::{self, MAX_DEVICES};
use ebb_proto::vm::PAGER_BIT;
use ebb_ring::{Broken, Consumer, Producer};
use ebb_rt::start::Given;
use ebb_rt::{StartInfo, client, heap, log, shared};
use ebb_swap::{DiskInfo, PageBytes, World};
use ebb_sys::ipc;

/// Bit of `block`'s notification: submissions.
const BLOCK_BIT: u64 = 1 << 1;

/// The surroundings.
pub struct Ports {
    vm_in: Consumer<'static>,
    vm_out: Producer<'static>,
    block_out: Producer<'static>,
    block_in: Consumer<'static>,
    vm_doorbell: Handle,
    block_doorbell: Handle,
    block: Handle,
    /// Heap pages that were claimed: first address and pages.
    claimed: Vec<(u64, u64)>,
    /// For a pager that looks into pages.
    window: Option<Window>,
    /// A ring had impossible indexes: it is not used any more.
    vm_broken: bool,
    block_broken: bool,
}

impl Ports {
    /// The rings that were given. `NotFound`, `Invalid`: something is missing.
    pub fn new(info: &StartInfo) -> Result<Ports, Error> {
        let vm = halves(pager::RINGS, pager::RING_PAGES)?;
        let disks = halves(info.value("block_ring")?, block::SEGMENT_PAGES)?;
        Ok(Ports {
            vm_in: Consumer::new(vm.0).ok_or(Error::Invalid)?,
            vm_out: Producer::new(vm.1).ok_or(Error::Invalid)?,
            block_out: Producer::new(disks.0).ok_or(Error::Invalid)?,
            block_in: Consumer::new(disks.1).ok_or(Error::Invalid)?,
            vm_doorbell: Handle(u32::try_from(info.value("vm_doorbell")?).map_err(|_| Error::Invalid)?),
            block_doorbell: info.handle("block_notify")?,
            block: info.handle("block")?,
            claimed: Vec::with_capacity(2 * MAX_DEVICES),
            window: match info.handle("phys") {
                Ok(_) => Some(Window::new(info)?),
                Err(_) => None,
            },
            vm_broken: false,
            block_broken: false,
        })
    }

    /// Rings the doorbells of those who wait for what was submitted and completed.
    pub fn ring(&mut self) {
        if self.block_out.must_ring() {
            signal(self.block_doorbell, BLOCK_BIT);
        }
        if self.vm_out.must_ring() {
            signal(self.vm_doorbell, 1 << PAGER_BIT);
        }
    }

    /// Asks for doorbells; `false`: there is something already.
    pub fn sleep(&self, vm_must_wait: bool) -> bool {
        // What `vm` submits beyond what there is room for has to wait for completions of the disks, whose doorbell is asked for.
        (self.block_broken || self.block_in.sleep()) && (self.vm_broken || vm_must_wait || self.vm_in.sleep())
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

impl World<'static> for Ports {
    fn next(&mut self) -> Option<[u64; 4]> {
        let entry = self.vm_in.pop();
        self.vm(entry).flatten()
    }

    fn room(&mut self) -> usize {
        let room = self.vm_out.room();
        self.vm(room).unwrap_or(0)
    }

    fn complete(&mut self, completion: pager::Completion) {
        let pushed = self.vm_out.push(&completion.pack());
        if self.vm(pushed) == Some(false) {
            log!("a completion was lost: vm's ring has less room than it said");
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

type Cells = &'static [AtomicU64];

fn halves(address: u64, pages: u64) -> Result<(Cells, Cells), Error> {
    let cells = shared::segment(address, pages).ok_or(Error::Fault)?;
    Ok(cells.split_at(cells.len() / 2))
}

fn signal(notification: Handle, bits: u64) {
    if let Err(error) = ipc::signal(notification, bits) {
        log!("a doorbell cannot be rung: {error:?}");
    }
}
