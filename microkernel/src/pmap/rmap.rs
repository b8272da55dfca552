// SPDX-License-Identifier: BSD-2-Clause
//! The chain of all mappings of a frame.

use super::{flush, walk};
use crate::arch::x86_64::paging::{ACCESSED, DIRTY};
use crate::frame::{MODIFIED, REFERENCED, record};
use crate::kernel::Kernel;
use crate::object::Ref;
use crate::task::Task;
use core::cell::Cell;
use ebb_kernel_pure::place::{Place, unpair};

/// A mapping, found through its frame.
pub struct Mapping {
    /// Whose.
    pub task: Ref<Task>,
    /// Where.
    pub address: u64,
    place: Place,
}

impl Mapping {
    #[inline(always)]
    fn at(place: Place) -> Mapping {
        let (task, companion) = unpair(record(place.table).link.get());
        let (_, base) = unpair(record(companion).link.get());
        // SAFETY: the record of a leaf page table names its task, which outlives it.
        let task = unsafe { Ref::in_frame(task) };
        Mapping { task, address: (base as u64) << 21 | (place.index as u64) << 12, place }
    }

    /// Does something with the entry.
    #[inline(always)]
    pub fn with_entry<R>(&self, f: impl FnOnce(&Cell<u64>) -> R) -> R {
        f(walk::table(self.place.table).at(self.place.index as u64))
    }
}

#[inline(always)]
fn next(place: Place) -> u64 {
    let (_, companion) = unpair(record(place.table).link.get());
    walk::table(companion).at(place.index as u64).get()
}

/// Every mapping of a frame of memory. The visitor may change entries, not chains.
#[inline(always)]
pub fn each(frame: u32, mut visit: impl FnMut(Mapping)) {
    let mut link = record(frame).link.get();
    while let Some(place) = Place::unpack(link) {
        link = next(place);
        visit(Mapping::at(place));
    }
}

/// Takes one mapping out of the chain of a frame.
#[inline(never)]
pub fn unlink(frame: u32, place: Place) {
    let target = place.pack();
    let head = &record(frame).link;
    if head.get() == target {
        head.set(next(place));
        return;
    }
    let mut at = Place::unpack(head.get());
    while let Some(p) = at {
        let link = next(p);
        if link == target {
            let (_, companion) = unpair(record(p.table).link.get());
            walk::table(companion).at(p.index as u64).set(next(place));
            return;
        }
        at = Place::unpack(link);
    }
    crate::epitaph::violated("every mapping of memory is in its frame's chain", frame as u64);
}

/// Counts a mapping out that was taken away, and keeps what the hardware had noted in its entry.
pub fn note_removal(task: Ref<Task>, frame: u32, old: u64) {
    let r = record(frame);
    r.mapcount.set(r.mapcount.get() - 1);
    task.resident.set(task.resident.get() - 1);
    if old & ACCESSED != 0 {
        r.keep(REFERENCED);
    }
    if old & DIRTY != 0 {
        r.keep(MODIFIED);
    }
}

/// Removes every mapping of a frame of memory (`pmap_remove_all`); the sticky bits stay in the record.
#[inline(never)]
pub fn remove_all(k: &Kernel, frame: u32) {
    let r = record(frame);
    while let Some(place) = Place::unpack(r.link.get()) {
        let m = Mapping::at(place);
        r.link.set(next(place));
        let old = m.with_entry(|e| e.replace(0));
        let l = record(place.table);
        l.mapcount.set(l.mapcount.get() - 1);
        note_removal(m.task, frame, old);
        flush(k, m.task, m.address);
    }
}
