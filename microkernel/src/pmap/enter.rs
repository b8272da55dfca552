// SPDX-License-Identifier: BSD-2-Clause
//! Entering mappings (`pmap_enter`).

use super::{check_address, flush, walk};
use crate::arch::x86_64::paging::{self, CONTROL, DEVICE, PRESENT};
use crate::frame::{KERNEL, record};
use crate::kernel::Kernel;
use crate::object::{self, Ref};
use crate::task::Task;
use ebb_abi::frame::Use;
use ebb_abi::map::{MapFlags, MapOp};
use ebb_abi::{Error, Rights};
use ebb_kernel_pure::place::{Place, unpair};

/// Enters one mapping, with what the rights of a `PhysMem` handle allow: `FULL_MEMORY` user memory, `DEVICE` what is no memory.
#[inline(always)]
pub fn enter(k: &Kernel, task: Ref<Task>, op: MapOp, rights: Rights) -> Result<(), Error> {
    check_address(op.address)?;
    let frame = op.frame.0;
    if frame < k.machine.nr_frames.get() {
        let r = record(frame);
        if r.is(Use::User) {
            return match rights.contains(Rights::FULL_MEMORY) {
                true => enter_memory(k, task, op),
                false => Err(Error::NoRight),
            };
        }
        if !r.is(Use::Reserved) || r.flags.get() & KERNEL != 0 {
            return Err(Error::BadFrame);
        }
    }
    enter_device(k, task, op, rights)
}

/// Enters the message buffer of a thread.
pub fn enter_buffer(k: &Kernel, task: Ref<Task>, address: u64, frame: u32) -> Result<(), Error> {
    check_address(address)?;
    enter_memory(k, task, MapOp { address, frame: ebb_abi::Frame(frame), flags: MapFlags::WRITE })
}

#[inline(always)]
fn enter_memory(k: &Kernel, task: Ref<Task>, op: MapOp) -> Result<(), Error> {
    let frame = op.frame.0;
    let leaf = walk::leaf_or_make(task, op.address)?;
    let index = op.address >> 12 & 511;
    let cell = walk::table(leaf).get().at(index);
    let new = paging::encode(frame, op.flags);
    let old = cell.get();
    if old & PRESENT != 0 {
        if old & DEVICE != 0 || paging::frame(old) != frame {
            return Err(Error::Exists);
        }
        cell.set(new | old & !CONTROL);
        flush(k, task, op.address);
        return Ok(());
    }
    let r = record(frame);
    let mapcount = r.mapcount.get();
    if mapcount == u16::MAX {
        return Err(Error::Full);
    }
    if op.flags.contains(MapFlags::ZERO) {
        // SAFETY: user memory, as the caller of this function found.
        unsafe { object::zero(frame, 0) };
    }
    let l = record(leaf);
    let (_, companion) = unpair(l.link.get());
    walk::table(companion).at(index).set(r.link.get());
    r.link.set(Place { table: leaf, index: index as u32 }.pack());
    r.mapcount.set(mapcount + 1);
    l.mapcount.set(l.mapcount.get() + 1);
    task.resident.set(task.resident.get() + 1);
    cell.set(new);
    Ok(())
}

fn enter_device(k: &Kernel, task: Ref<Task>, op: MapOp, rights: Rights) -> Result<(), Error> {
    if !rights.contains(Rights::DEVICE) {
        return Err(Error::NoRight);
    }
    if op.flags.contains(MapFlags::ZERO) || k.machine.is_own_device(op.frame.0) {
        return Err(Error::BadFrame);
    }
    let leaf = walk::leaf_or_make(task, op.address)?;
    let table = walk::table(leaf);
    let cell = table.at(op.address >> 12);
    let new = paging::encode(op.frame.0, op.flags) | DEVICE;
    let old = cell.get();
    if old & PRESENT == 0 {
        let l = record(leaf);
        l.mapcount.set(l.mapcount.get() + 1);
    } else if old & DEVICE == 0 || paging::frame(old) != op.frame.0 {
        return Err(Error::Exists);
    }
    cell.set(new);
    flush(k, task, op.address);
    Ok(())
}
