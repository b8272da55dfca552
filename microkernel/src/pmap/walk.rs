// SPDX-License-Identifier: BSD-2-Clause
//! From addresses to entries of page tables; making tables from the task's pool, and collecting empty ones into it.

use crate::arch::x86_64::cpu;
use crate::arch::x86_64::paging::{self, PRESENT, USER, WRITE};
use crate::frame::record;
use crate::kernel::Kernel;
use crate::object::{self, Object, Ref};
use crate::task::Task;
use core::cell::Cell;
use ebb_abi::Error;
use ebb_abi::frame::Use;
use ebb_kernel_pure::place::{pair, unpair};

/// A page table, or its companion.
#[repr(C)]
pub struct Table {
    entries: [Cell<u64>; 512],
}

// SAFETY: one page of cells.
unsafe impl Object for Table {}

impl Table {
    /// An entry; only the low nine bits of the index count.
    #[inline(always)]
    pub fn at(&self, index: u64) -> &Cell<u64> {
        &self.entries[(index & 511) as usize]
    }

    /// The first valid entry from one index to another, both below 512. Most entries of most tables are not.
    #[inline(always)]
    pub fn next(&self, first: u64, last: u64) -> Option<u64> {
        let range = self.entries.get(first as usize..=last as usize)?;
        range.iter().position(|e| e.get() & PRESENT != 0).map(|n| first + n as u64)
    }
}

/// The page table in a frame.
#[inline(always)]
pub fn table(frame: u32) -> Ref<Table> {
    debug_assert!(record(frame).is(Use::Table));
    // SAFETY: callers get the number from a task's root, from an entry of a page table or from a record of one.
    unsafe { Ref::in_frame(frame) }
}

/// Bits of an address that are the index into a table of this level: 1 is the leaf's parent.
#[inline(always)]
const fn shift(level: u32) -> u32 {
    12 + 9 * level
}

/// Frame of the leaf page table for an address.
#[inline(always)]
pub fn leaf(task: Ref<Task>, address: u64) -> Option<u32> {
    let mut frame = task.root_frame();
    for level in [3, 2, 1] {
        let entry = table(frame).at(address >> shift(level)).get();
        if entry & PRESENT == 0 {
            return None;
        }
        frame = paging::frame(entry);
    }
    Some(frame)
}

/// The entry for an address, if its leaf page table exists. Any address of the lower half.
#[inline(always)]
pub fn entry(task: Ref<Task>, address: u64) -> Option<&'static Cell<u64>> {
    if address >> 47 != 0 {
        return None;
    }
    Some(table(leaf(task, address)?).get().at(address >> 12))
}

/// Frame of the leaf page table for an address; missing tables are made from the pool, all or none.
#[inline(always)]
pub fn leaf_or_make(task: Ref<Task>, address: u64) -> Result<u32, Error> {
    match leaf(task, address) {
        Some(frame) => Ok(frame),
        None => make(task, address),
    }
}

#[inline(never)]
fn make(task: Ref<Task>, address: u64) -> Result<u32, Error> {
    let mut frame = task.root_frame();
    let mut checked = false;
    for level in [3, 2, 1] {
        let entry = table(frame).get().at(address >> shift(level));
        if entry.get() & PRESENT == 0 {
            // This table and those below it, and the leaf's companion.
            if !checked && task.pool_count() < level + 1 {
                return Err(Error::NoTables);
            }
            checked = true;
            let new = new_table(task).ok_or(Error::NoTables)?;
            if level == 1 {
                let companion = task.pool_pop().ok_or(Error::NoTables)?;
                // Its links mean nothing while the entries are not valid: no need to clear it.
                let r = record(companion);
                r.set_use(Use::Table);
                r.link.set(pair(new, (address >> 21) as u32));
                record(new).link.set(pair(task.frame(), companion));
                task.nr_page_tables.set(task.nr_page_tables.get() + 1);
            }
            entry.set((new as u64) << 12 | PRESENT | WRITE | USER);
            let r = record(frame);
            r.mapcount.set(r.mapcount.get() + 1);
        }
        frame = paging::frame(entry.get());
    }
    Ok(frame)
}

fn new_table(task: Ref<Task>) -> Option<u32> {
    let frame = task.pool_pop()?;
    record(frame).set_use(Use::Table);
    record(frame).link.set(0);
    // SAFETY: out of the pool, and nothing refers to it yet.
    unsafe { object::zero(frame, 0) };
    task.nr_page_tables.set(task.nr_page_tables.get() + 1);
    Some(frame)
}

/// A page table that was emptied, and its companion if it is a leaf, go back to the pool.
fn free_table(task: Ref<Task>, frame: u32, level: u32) {
    let r = record(frame);
    assert!(r.mapcount.get() == 0, "a page table in use was freed");
    if level == 0 {
        let (_, companion) = unpair(r.link.get());
        give_back(task, companion);
    }
    give_back(task, frame);
}

fn give_back(task: Ref<Task>, frame: u32) {
    record(frame).set_use(Use::Pool);
    task.pool_push(frame);
    task.nr_page_tables.set(task.nr_page_tables.get() - 1);
}

/// Visits the leaf page tables for `start .. end`: the frame, and the first and the last address of what it has of the range. Where
/// higher tables are missing it goes on behind them.
pub fn leaves(task: Ref<Task>, start: u64, end: u64, mut visit: impl FnMut(u32, u64, u64)) {
    let mut address = start;
    while address < end {
        let mut frame = task.root_frame();
        let mut level = 3;
        let missing = loop {
            let entry = table(frame).at(address >> shift(level)).get();
            if entry & PRESENT == 0 {
                break true;
            }
            frame = paging::frame(entry);
            if level == 1 {
                break false;
            }
            level -= 1;
        };
        let next = ((address >> shift(level)) + 1) << shift(level);
        if !missing {
            visit(frame, address, next.min(end) - 4096);
        }
        address = next;
    }
}

/// Frees empty page tables (`pmap_collect`).
pub fn collect(k: &Kernel, task: Ref<Task>) {
    let before = task.pool_count();
    collect_below(task, task.root_frame(), 3);
    // The processor may hold on to entries of the tables that went.
    if task.pool_count() != before && k.cpu.space() == Some(task) {
        cpu::load_root(task.root());
    }
}

/// Frees empty tables below this one, whose level is its entries' (3 is the top).
fn collect_below(task: Ref<Task>, frame: u32, level: u32) {
    let r = record(frame);
    let user_entries = if level == 3 { 256 } else { 512 };
    for index in 0..user_entries {
        if r.mapcount.get() == 0 {
            break;
        }
        let entry = table(frame).get().at(index);
        if entry.get() & PRESENT == 0 {
            continue;
        }
        let below = paging::frame(entry.get());
        if level > 1 {
            collect_below(task, below, level - 1);
        }
        if record(below).mapcount.get() == 0 {
            entry.set(0);
            r.mapcount.set(r.mapcount.get() - 1);
            free_table(task, below, level - 1);
        }
    }
}

/// The first leaf page table of a task and its base address.
pub fn first_leaf(task: Ref<Task>) -> Option<(u32, u64)> {
    let mut found = None;
    let mut frame = task.root_frame();
    let mut address = 0u64;
    for level in [3u32, 2, 1] {
        let index = table(frame).next(0, if level == 3 { 255 } else { 511 })?;
        address |= index << shift(level);
        frame = paging::frame(table(frame).at(index).get());
        found = Some((frame, address));
    }
    found
}

/// Takes an empty leaf page table out of a task, and the tables above it that are empty then.
pub fn prune(task: Ref<Task>, address: u64) {
    let mut path = [task.root_frame(); 4];
    for level in [3usize, 2, 1] {
        path[level - 1] = paging::frame(table(path[level]).at(address >> shift(level as u32)).get());
    }
    for level in [0usize, 1, 2] {
        if record(path[level]).mapcount.get() != 0 {
            break;
        }
        let parent = path[level + 1];
        table(parent).at(address >> shift(level as u32 + 1)).set(0);
        record(parent).mapcount.set(record(parent).mapcount.get() - 1);
        free_table(task, path[level], level as u32);
    }
}

/// The frame of memory (not a device's) that is mapped at an address.
pub fn resident_frame(task: Ref<Task>, address: u64) -> Option<u32> {
    let entry = entry(task, address)?.get();
    (entry & (PRESENT | paging::DEVICE) == PRESENT).then(|| paging::frame(entry))
}
