// SPDX-License-Identifier: BSD-2-Clause
//! The pagers: what connects them with `vm` and `block`, and how the connections of one that has ended are undone.

use crate::serve::Init;
use crate::spawn::Spawn;
use alloc::format;
use ebb_abi::boot::handles;
use ebb_abi::layout::SEGMENTS;
use ebb_abi::{Handle, Rights};
use ebb_proto::vm::{self, PagerAttachment, PagerKind, Protection, Source, Space};
use ebb_proto::{Error, block};
use ebb_rt::client::{call, call_with};

/// The role that pages anonymous memory.
pub const SWAP: &str = "swap-pager";
/// The image of it with compressed memory in front of the disks.
pub const ZSWAP: &str = "zswap-pager";
/// The role that serves files.
pub const FILES: &str = "vnode-pager";
/// Serial of the disk with the files.
pub const FILES_DISK: &str = "root";
/// Where the rings between `block` and its clients are, in both, one place an instance.
const BLOCK_RINGS: u64 = SEGMENTS + 0x2000_0000;
/// Where the pager of files finds pages of its own that disks can reach, and how many.
const DMA: u64 = SEGMENTS + 0x6000_0000;
const DMA_PAGES: u64 = 32;

/// Pages of a swap pager that looks into pages: what it writes out itself, and one through which it sees the others.
const WINDOW_PAGES: u64 = 33;

/// Bytes of heap, for each frame of the machine, for the index of what lies in front of the disks: at least what `ebb_zswap::heap_bytes` says of a fifth of them.
const INDEX_PER_FRAME: u64 = 16;

/// What a pager shares with `block`.
pub struct WithBlock {
    /// Segment of the rings.
    ring: u32,
    /// Where it is mapped.
    address: u64,
    /// Segment of pages for the disks, 0 if there is none.
    dma: u32,
}

/// The kind of pager that a role is.
pub fn kind_of(role: &str) -> Option<PagerKind> {
    match role {
        SWAP => Some(PagerKind::Swap),
        FILES => Some(PagerKind::Vnode),
        _ => None,
    }
}

/// Whether an image keeps pages in memory of its own, and so has to read and write them.
pub fn looks_into_pages(image: &str) -> bool {
    image == ZSWAP
}

/// `block`'s number for a pager.
fn client_of(kind: PagerKind) -> u8 {
    match kind {
        PagerKind::Swap => 1,
        PagerKind::Vnode => 2,
    }
}

/// Bytes of heap that an image of a pager needs beyond its role's, and pages that it is given besides.
pub fn more_for(image: &str, nr_frames: u32) -> (u64, u64) {
    match looks_into_pages(image) {
        true => (nr_frames as u64 * INDEX_PER_FRAME, WINDOW_PAGES),
        false => (0, 0),
    }
}

impl Init {
    /// Whether there is a disk with files.
    pub fn has_files(&self) -> Result<bool, Error> {
        let block = self.service("block").and_then(|n| self.services.get(n)).ok_or(Error::NotFound)?;
        Ok(call(block.own, &block::Disks {})?.iter().any(|disk| disk.name == FILES_DISK))
    }

    /// Gives the swap pager what it needs.
    pub fn equip_swap_pager(
        &mut self,
        at: usize,
        spawn: &mut Spawn<'_>,
        notification: Handle,
    ) -> Result<(), Error> {
        self.attach_to_block(at, spawn, notification, PagerKind::Swap)?;
        let attached = self.attach_to_vm(spawn, notification, PagerKind::Swap)?;
        if looks_into_pages(&spawn.info.name) {
            self.give(spawn, "phys", handles::PHYS_MEM, Rights::FULL_MEMORY, 0)?;
            self.give_pages(at, spawn, WINDOW_PAGES)?;
            self.tell(spawn, "front_pages", attached.front.0);
            self.tell(spawn, "front_most", attached.front.1);
        }
        for (n, d) in attached.devices.iter().enumerate() {
            self.tell(spawn, &format!("device{n}"), d.segment.0);
            self.tell(spawn, &format!("device{n}_pages"), d.segment.1);
            self.tell(spawn, &format!("device{n}_heap"), d.heap.0);
            self.tell(spawn, &format!("device{n}_heap_pages"), d.heap.1);
            self.tell(spawn, &format!("device{n}_disk"), d.disk as u64);
        }
        Ok(())
    }

    /// Gives the pager of files what it needs.
    pub fn equip_vnode_pager(
        &mut self,
        at: usize,
        spawn: &mut Spawn<'_>,
        notification: Handle,
    ) -> Result<(), Error> {
        if !self.has_files()? {
            return Err(Error::NotFound);
        }
        self.attach_to_block(at, spawn, notification, PagerKind::Vnode)?;
        self.give_pages(at, spawn, DMA_PAGES)?;
        let attached = self.attach_to_vm(spawn, notification, PagerKind::Vnode)?;
        for (n, frame) in attached.frames.iter().enumerate() {
            self.tell(spawn, &format!("bounce_frame{n}"), *frame as u64);
        }
        let cold = self.services.get(at).is_some_and(|s| !s.was_started());
        self.tell(spawn, "cold", cold as u64);
        Ok(())
    }

    /// Pages that the program and disks can reach.
    fn give_pages(&mut self, at: usize, spawn: &mut Spawn<'_>, pages: u64) -> Result<(), Error> {
        let dma = call(self.vm, &vm::SegmentNew { pages })?;
        if let Some(with_block) = self.services.get_mut(at).and_then(|s| s.with_block.as_mut()) {
            with_block.dma = dma;
        }
        self.map_shared(spawn.space, dma, DMA, pages)?;
        self.tell(spawn, "dma", DMA);
        self.tell(spawn, "dma_pages", pages);
        for (n, frame) in call(self.vm, &vm::SegmentFrames { id: dma, first: 0 })?.into_iter().enumerate() {
            self.tell(spawn, &format!("dma_frame{n}"), frame as u64);
        }
        Ok(())
    }

    /// A ring with `block` of its own for each instance, so that nothing of the last one is in it.
    fn attach_to_block(
        &mut self,
        at: usize,
        spawn: &mut Spawn<'_>,
        notification: Handle,
        kind: PagerKind,
    ) -> Result<(), Error> {
        let block = self.service("block").and_then(|n| self.services.get(n)).ok_or(Error::NotFound)?;
        let running = block.running.as_ref().ok_or(Error::Dead)?;
        let (block_endpoint, block_notification) = (block.own, running.notification);
        let block_space = running.spawned.space;
        self.give(spawn, "block_notify", block_notification, Rights::SEND, 0)?;
        let pages = block::SEGMENT_PAGES;
        let ring = call(self.vm, &vm::SegmentNew { pages })?;
        self.ring_number += 1;
        let address = BLOCK_RINGS + self.ring_number % 4096 * 0x1_0000;
        if let Some(service) = self.services.get_mut(at) {
            service.with_block = Some(WithBlock { ring, address, dma: 0 });
        }
        for space in [block_space, spawn.space] {
            self.map_shared(space, ring, address, pages)?;
        }
        let attach = block::Attach { client: client_of(kind), address, pages };
        call_with(block_endpoint, &attach, &[notification])?;
        self.tell(spawn, "block_ring", address);
        Ok(())
    }

    fn attach_to_vm(
        &self,
        spawn: &mut Spawn<'_>,
        notification: Handle,
        kind: PagerKind,
    ) -> Result<PagerAttachment, Error> {
        let attach = vm::PagerAttach { space: spawn.space, kind };
        let (attached, _) = call_with(self.vm, &attach, &[notification])?;
        self.tell(spawn, "vm_doorbell", attached.doorbell as u64);
        Ok(attached)
    }

    fn map_shared(&self, space: Space, id: u32, address: u64, pages: u64) -> Result<(), Error> {
        let protection = (Protection::READ | Protection::WRITE).bits();
        let source = Source::Segment { id, first: 0 };
        call(self.vm, &vm::Map { space, address, pages, protection, source }).map(|_| ())
    }

    /// Undoes the connections of a pager whose program has ended.
    pub fn retire_pager(&mut self, role: &str, with_block: Option<WithBlock>) {
        let Some(kind) = kind_of(role) else { return };
        let said = |what: &str, result: Result<(), Error>| {
            if let Err(error) = result {
                ebb_rt::log!("{what}: {error}");
            }
        };
        said("detaching the pager", call(self.vm, &vm::PagerDetach { kind }));
        let Some(WithBlock { ring, address, dma }) = with_block else { return };
        let Some(block) = self.service("block").and_then(|n| self.services.get(n)) else { return };
        // Answered when no transfer of the old instance is under way: after that no frame of its requests is touched any more.
        let detached = call(block.own, &block::Detach { client: client_of(kind) });
        said("detaching from block", detached);
        if let Some(running) = &block.running {
            let unmap = vm::Unmap { space: running.spawned.space, address, pages: block::SEGMENT_PAGES };
            said("unmapping the ring", call(self.vm, &unmap));
        }
        said("freeing the ring", call(self.vm, &vm::SegmentFree { id: ring }));
        if dma != 0 {
            said("freeing the pages for the disks", call(self.vm, &vm::SegmentFree { id: dma }));
        }
    }
}
