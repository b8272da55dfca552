// SPDX-License-Identifier: BSD-2-Clause
//! Handle tables: small numbers for objects, with rights.
//!
//! An entry names an object by frame and generation, and nothing has to be told when an object goes: the generation of the
//! frame changes then, and the entry is found to be stale when it is used.

use crate::endpoint::Endpoint;
use crate::frame;
use crate::notification::Notification;
use crate::object::{Object, Ref};
use crate::task::{MAX_TABLES, Task};
use crate::thread::{State, Thread};
use core::cell::Cell;
use ebb_abi::{Error, Kind, Rights};

/// Entries in a frame of handle table.
pub const ENTRIES: usize = 256;

/// An entry.
#[repr(C, align(16))]
pub struct Entry {
    /// Frame in the low half, generation in the high half. 0 for kinds without a frame.
    pub name: Cell<u64>,
    /// Endpoint: the badge. Reply: the number of the call.
    pub badge: Cell<u32>,
    kind: Cell<u8>,
    rights: Cell<u8>,
    next: Cell<u16>,
}

/// A frame of handle table.
#[repr(C)]
pub struct HandleTable {
    entries: [Entry; ENTRIES],
}

// SAFETY: one page of cells.
unsafe impl Object for HandleTable {}
const _: () = assert!(size_of::<HandleTable>() == 4096);

/// What a handle can name in a frame of its own.
pub trait Named: Object {
    /// Kind of its handles.
    const KIND: Kind;
}

impl Named for Task {
    const KIND: Kind = Kind::Task;
}
impl Named for Thread {
    const KIND: Kind = Kind::Thread;
}
impl Named for Endpoint {
    const KIND: Kind = Kind::Endpoint;
}
impl Named for Notification {
    const KIND: Kind = Kind::Notification;
}

impl Entry {
    /// Whether it is of this kind.
    #[inline(always)]
    pub fn is(&self, kind: Kind) -> bool {
        self.kind.get() == kind as u8
    }

    /// Its rights.
    pub fn rights(&self) -> Rights {
        Rights::from_bits_truncate(self.rights.get())
    }

    /// Whether it has all of these.
    #[inline(always)]
    pub fn has(&self, rights: Rights) -> bool {
        self.rights.get() & rights.bits() == rights.bits()
    }

    /// Fills a slot that was taken.
    #[inline(always)]
    pub fn fill(&self, kind: Kind, rights: Rights, name: u64, badge: u32) {
        self.name.set(name);
        self.badge.set(badge);
        self.kind.set(kind as u8);
        self.rights.set(rights.bits());
    }

    /// Fills a slot that was taken with a copy of another entry.
    pub fn fill_copy(&self, other: &Entry, rights: Rights, badge: u32) {
        self.name.set(other.name.get());
        self.badge.set(badge);
        self.kind.set(other.kind.get());
        self.rights.set(rights.bits());
    }

    /// The object, if it is of the kind and lives.
    #[inline(always)]
    pub fn object<T: Named>(&self) -> Result<Ref<T>, Error> {
        if !self.is(T::KIND) {
            return Err(Error::BadHandle);
        }
        let name = self.name.get();
        if frame::record(name as u32).generation.get() != (name >> 32) as u32 {
            return Err(Error::Dead);
        }
        // SAFETY: the entry was filled while the frame held a `T`, and the frame has not been released since.
        Ok(unsafe { Ref::in_frame(name as u32) })
    }

    /// The caller that a reply is for; `None` if it waits no longer.
    #[inline(always)]
    pub fn caller(&self) -> Option<Ref<Thread>> {
        let name = self.name.get();
        if frame::record(name as u32).generation.get() != (name >> 32) as u32 {
            return None;
        }
        // SAFETY: reply entries name threads; as in `object`.
        let t: Ref<Thread> = unsafe { Ref::in_frame(name as u32) };
        (t.state.get() == State::Replying && t.sequence.get() == self.badge.get()).then_some(t)
    }
}

/// The name of what is in a frame now.
pub fn name_of(frame: u32) -> u64 {
    ebb_kernel_pure::place::pair(frame, frame::record(frame).generation.get())
}

/// An endpoint by its name, `None` for 0 and where it has been destroyed.
#[inline(always)]
pub fn endpoint_named(name: u64) -> Option<Ref<Endpoint>> {
    if name == 0 || frame::record(name as u32).generation.get() != (name >> 32) as u32 {
        return None;
    }
    // SAFETY: targets and bindings are made from entries that named a live endpoint; as in `Entry::object`.
    Some(unsafe { Ref::in_frame(name as u32) })
}

/// A notification by its name, `None` for 0 and where it has been destroyed.
pub fn notification_named(name: u64) -> Option<Ref<Notification>> {
    if name == 0 || frame::record(name as u32).generation.get() != (name >> 32) as u32 {
        return None;
    }
    // SAFETY: as for `endpoint_named`.
    Some(unsafe { Ref::in_frame(name as u32) })
}

/// The entry that a handle names, used or not.
#[inline(always)]
pub fn entry(task: Ref<Task>, handle: u64) -> Result<&'static Entry, Error> {
    let table = (handle >> 8) as usize;
    if table >= MAX_TABLES {
        return Err(Error::BadHandle);
    }
    let table: Ref<HandleTable> = task.tables[table].get().ok_or(Error::BadHandle)?;
    Ok(&table.get().entries[(handle & 255) as usize])
}

/// The object that a handle names, with the entry, if it has the rights.
#[inline(always)]
pub fn lookup<T: Named>(
    task: Ref<Task>,
    handle: u64,
    rights: Rights,
) -> Result<(Ref<T>, &'static Entry), Error> {
    let e = entry(task, handle)?;
    let object = e.object()?;
    if !e.has(rights) {
        return Err(Error::NoRight);
    }
    Ok((object, e))
}

/// Checks a handle of a kind that has no frame.
#[inline(always)]
pub fn privilege(task: Ref<Task>, handle: u64, kind: Kind, rights: Rights) -> Result<(), Error> {
    let e = entry(task, handle)?;
    if !e.is(kind) {
        Err(Error::BadHandle)
    } else if !e.has(rights) {
        Err(Error::NoRight)
    } else {
        Ok(())
    }
}

/// Takes a free slot, to be filled at once.
#[inline(always)]
pub fn take_slot(task: Ref<Task>) -> Option<(u16, &'static Entry)> {
    let slot = task.free_slot.get();
    if slot == 0 {
        return None;
    }
    let e = entry(task, slot as u64).ok()?;
    task.free_slot.set(e.next.get());
    Some((slot, e))
}

/// Empties a slot.
#[inline(always)]
pub fn free_slot(task: Ref<Task>, slot: u16, e: &Entry) {
    e.kind.set(Kind::Empty as u8);
    e.next.set(task.free_slot.get());
    task.free_slot.set(slot);
}

/// Whether so many slots are free.
pub fn has_free(task: Ref<Task>, count: usize) -> bool {
    let mut slot = task.free_slot.get();
    for _ in 0..count {
        if slot == 0 {
            return false;
        }
        slot = entry(task, slot as u64).map_or(0, |e| e.next.get());
    }
    true
}

/// Adds a frame, already claimed as `Handles`, to the table. Fails with `Full` where it is as large as it can be.
pub fn add_table(task: Ref<Task>, frame: u32) -> Result<(), Error> {
    let nr = task.nr_tables.get();
    let cell = task.tables.get(nr as usize).ok_or(Error::Full)?;
    // SAFETY: the frame was claimed for this; all zeroes are empty entries.
    let table: Ref<HandleTable> = unsafe {
        crate::object::zero(frame, 0);
        Ref::in_frame(frame)
    };
    let base = nr * ENTRIES as u16;
    let mut next = task.free_slot.get();
    for (index, e) in table.entries.iter().enumerate().rev() {
        // Slot 0 of the first table is `Handle::NONE`.
        if base != 0 || index != 0 {
            e.next.set(next);
            next = base + index as u16;
        }
    }
    task.free_slot.set(next);
    cell.set(Some(table));
    task.nr_tables.set(nr + 1);
    Ok(())
}

/// Every entry of a task that is in use, with its slot.
pub fn entries(task: Ref<Task>) -> impl Iterator<Item = (u16, &'static Entry)> {
    let tables = task.get().tables.iter().filter_map(Cell::get).enumerate();
    let all = tables.flat_map(|(n, table)| {
        let first = n * ENTRIES;
        table.get().entries.iter().enumerate().map(move |(slot, e)| ((first + slot) as u16, e))
    });
    all.filter(|(_, e)| !e.is(Kind::Empty))
}
