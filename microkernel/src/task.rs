// SPDX-License-Identifier: BSD-2-Clause
//! Tasks: an address space, a handle table, and who is told about faults.

use crate::endpoint::Endpoint;
use crate::frame;
use crate::handle::HandleTable;
use crate::object::{Object, Ref};
use crate::thread::Thread;
use core::cell::Cell;
use ebb_abi::PAGE_SIZE;
use ebb_abi::frame::Use;

/// Frames of handle table that a task can have.
pub const MAX_TABLES: usize = 16;

/// Where messages of the kernel go: an endpoint by name, so that its end is noticed.
#[derive(Clone, Copy, Default)]
pub struct Target {
    /// Frame and generation; 0: nowhere.
    pub name: u64,
    /// Badge of the messages.
    pub badge: u32,
}

/// A task.
#[repr(C)]
pub struct Task {
    /// Handle table, in the order in which the frames were donated.
    pub tables: [Cell<Option<Ref<HandleTable>>>; MAX_TABLES],
    /// First free slot of the handle table, 0: none.
    pub free_slot: Cell<u16>,
    /// Frames of handle table.
    pub nr_tables: Cell<u16>,
    /// Frame of the top page table.
    root: u32,
    /// First frame of the pool (linked through the records), 0: none.
    pool: Cell<u32>,
    /// Frames in the pool.
    pool_count: Cell<u32>,
    /// Frames of page tables and their reverse maps, with the top one.
    pub nr_page_tables: Cell<u32>,
    /// Pages of memory mapped.
    pub resident: Cell<u32>,
    /// It is being destroyed: nothing may be added.
    pub dying: Cell<bool>,
    /// It is being destroyed, and has no handle any more.
    pub emptied: Cell<bool>,
    /// The machine cannot do without it.
    pub vital: Cell<bool>,
    /// Where page faults go.
    pub fault: Cell<Target>,
    /// Where exceptions go.
    pub supervisor: Cell<Target>,
    /// First of its threads (linked through `siblings`).
    pub threads: Cell<Option<Ref<Thread>>>,
}

// SAFETY: a few hundred bytes of cells.
unsafe impl Object for Task {}
const _: () = assert!(size_of::<Task>() <= PAGE_SIZE);

impl Task {
    /// A task with nothing but its top page table.
    pub fn new(root: u32) -> Task {
        Task {
            tables: Default::default(),
            free_slot: Cell::new(0),
            nr_tables: Cell::new(0),
            root,
            pool: Cell::new(0),
            pool_count: Cell::new(0),
            nr_page_tables: Cell::new(1),
            resident: Cell::new(0),
            dying: Cell::new(false),
            emptied: Cell::new(false),
            vital: Cell::new(false),
            fault: Cell::default(),
            supervisor: Cell::default(),
            threads: Cell::new(None),
        }
    }

    /// Physical address of the top page table.
    #[inline(always)]
    pub fn root(&self) -> u64 {
        (self.root as u64) << 12
    }

    /// Frame of the top page table.
    #[inline(always)]
    pub fn root_frame(&self) -> u32 {
        self.root
    }

    /// Frames in the pool.
    pub fn pool_count(&self) -> u32 {
        self.pool_count.get()
    }

    /// Puts a frame, whose record must say `Pool`, into the pool.
    pub fn pool_push(&self, frame: u32) {
        frame::record(frame).link.set(self.pool.get() as u64);
        self.pool.set(frame);
        self.pool_count.set(self.pool_count.get() + 1);
    }

    /// Takes a frame out of the pool; its record still says `Pool`.
    pub fn pool_pop(&self) -> Option<u32> {
        let frame = self.pool.get();
        if frame == 0 {
            return None;
        }
        let r = frame::record(frame);
        debug_assert!(r.is(Use::Pool));
        self.pool.set(r.link.get() as u32);
        r.link.set(0);
        self.pool_count.set(self.pool_count.get() - 1);
        Some(frame)
    }

    /// Adds a thread to the list.
    pub fn thread_add(&self, t: Ref<Thread>) {
        let first = self.threads.get();
        t.siblings.next.set(first);
        t.siblings.prev.set(None);
        if let Some(f) = first {
            f.siblings.prev.set(Some(t));
        }
        self.threads.set(Some(t));
    }

    /// Takes a thread out of the list.
    pub fn thread_remove(&self, t: Ref<Thread>) {
        let (prev, next) = (t.siblings.prev.get(), t.siblings.next.get());
        match prev {
            Some(p) => p.siblings.next.set(next),
            None => self.threads.set(next),
        }
        if let Some(n) = next {
            n.siblings.prev.set(prev);
        }
    }
}

impl Target {
    /// The endpoint, if there is one and it lives.
    pub fn endpoint(self) -> Option<Ref<Endpoint>> {
        crate::handle::endpoint_named(self.name)
    }
}
