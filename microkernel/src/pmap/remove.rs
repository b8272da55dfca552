// SPDX-License-Identifier: BSD-2-Clause
//! Ranges of addresses of one task: remove (`pmap_remove`), protect (`pmap_protect`), extract, and the end of an address space.

use super::{flush, rmap, walk};
use crate::arch::x86_64::paging::{self, DEVICE, NO_EXECUTE, PRESENT, WRITE};
use crate::frame::record;
use crate::kernel::Kernel;
use crate::object::Ref;
use crate::task::Task;
use ebb_abi::layout::USER_END;
use ebb_abi::map::MapFlags;
use ebb_abi::{Error, Frame};
use ebb_kernel_pure::place::Place;

/// Takes one valid entry away; what the hardware noted in it is kept with the frame.
#[inline(never)]
fn remove_entry(k: &Kernel, task: Ref<Task>, leaf: u32, address: u64) {
    let table = walk::table(leaf);
    let cell = table.at(address >> 12);
    let old = cell.replace(0);
    let l = record(leaf);
    l.mapcount.set(l.mapcount.get() - 1);
    if old & DEVICE == 0 {
        let frame = paging::frame(old);
        rmap::unlink(frame, Place { table: leaf, index: (address >> 12 & 511) as u32 });
        rmap::note_removal(task, frame, old);
    }
    flush(k, task, address);
}

/// Removes the mappings of a range, which was checked.
pub fn remove(k: &Kernel, task: Ref<Task>, address: u64, pages: u64) {
    let end = address + (pages << 12);
    walk::leaves(task, address, end, |leaf, first, last| remove_from(k, task, leaf, first, last));
}

fn remove_from(k: &Kernel, task: Ref<Task>, leaf: u32, first: u64, last: u64) {
    let table = walk::table(leaf);
    let (mut index, end) = (first >> 12 & 511, last >> 12 & 511);
    while record(leaf).mapcount.get() != 0
        && let Some(next) = table.next(index, end)
    {
        remove_entry(k, task, leaf, first & !(511 << 12) | next << 12);
        index = next + 1;
    }
}

/// Changes the permissions of the mappings of a range, which was checked.
pub fn protect(k: &Kernel, task: Ref<Task>, address: u64, pages: u64, flags: MapFlags) {
    let mut bits = 0;
    if flags.contains(MapFlags::WRITE) {
        bits |= WRITE;
    }
    if !flags.contains(MapFlags::EXECUTE) {
        bits |= NO_EXECUTE;
    }
    walk::leaves(task, address, address + (pages << 12), |leaf, first, last| {
        let table = walk::table(leaf);
        let (mut index, end) = (first >> 12 & 511, last >> 12 & 511);
        while let Some(next) = table.next(index, end) {
            let cell = table.at(next);
            let old = cell.get();
            let new = old & !(WRITE | NO_EXECUTE) | bits;
            if new != old {
                cell.set(new);
                flush(k, task, first & !(511 << 12) | next << 12);
            }
            index = next + 1;
        }
    });
}

/// What is mapped at an address, which was checked.
pub fn extract(task: Ref<Task>, address: u64) -> Result<(Frame, MapFlags), Error> {
    let entry = walk::entry(task, address).ok_or(Error::NotMapped)?.get();
    if entry & PRESENT == 0 {
        return Err(Error::NotMapped);
    }
    Ok((Frame(paging::frame(entry)), paging::flags(entry)))
}

/// Removes all mappings of one leaf page table; its frames, and those of tables above it that are empty then, go to the pool.
/// False: there is none left.
pub fn tear_down(k: &Kernel, task: Ref<Task>) -> bool {
    let Some((leaf, base)) = walk::first_leaf(task) else { return false };
    remove_from(k, task, leaf, base, (base + (511 << 12)).min(USER_END));
    walk::prune(task, base);
    true
}
