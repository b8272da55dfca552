// SPDX-License-Identifier: BSD-2-Clause
//! Address spaces.

use crate::assistant::{Rig, must};
use crate::memory::{SCRATCH, peek, poke};
use crate::{check, check_eq};
use ebb_abi::boot::handles::{IRQ, PHYS_MEM, TASK};
use ebb_abi::frame::{FAILED, FrameOp, Use};
use ebb_abi::layout::{USER_END, USER_MIN};
use ebb_abi::map::{MapFlags, MapOp};
use ebb_abi::syscall::Number;
use ebb_abi::thread::TaskOp;
use ebb_abi::{Error, Frame, Handle, Rights};
use ebb_sys::buffer::vector;
use ebb_sys::memory::{extract, frame_op1, map, protect, task_read, unmap};
use ebb_sys::object::{self, Donation, handle_close, handle_copy, task_control};

/// Resident pages, frames of page tables, frames in the pool.
fn info(task: Handle) -> (u64, u64, u64) {
    must(task_control(task, TaskOp::Info, 0, 0))
}

pub fn basics(rig: &mut Rig) {
    let [a, b] = rig.frames.take_many();
    let (resident, _, _) = info(TASK);
    rig.map(TASK, SCRATCH, a, MapFlags::WRITE | MapFlags::ZERO);
    rig.map(TASK, SCRATCH + 4096, b, MapFlags::WRITE | MapFlags::ZERO);
    check_eq!(info(TASK).0, resident + 2);
    poke(SCRATCH, 7);
    poke(SCRATCH + 4096, 8);
    check_eq!(extract(TASK, SCRATCH), Ok((a, MapFlags::WRITE)));
    // The same again changes the flags; zeroing is for new mappings.
    rig.map(TASK, SCRATCH, a, MapFlags::EXECUTE | MapFlags::ZERO);
    check_eq!(extract(TASK, SCRATCH), Ok((a, MapFlags::EXECUTE)));
    check_eq!(peek(SCRATCH), 7);
    check_eq!(info(TASK).0, resident + 2);
    check_eq!(rig.try_map(TASK, SCRATCH, b, MapFlags::empty()), Err(Error::Exists));
    check_eq!(protect(TASK, SCRATCH, 2, MapFlags::empty()), Ok(()));
    check_eq!(extract(TASK, SCRATCH), Ok((a, MapFlags::empty())));
    check_eq!(extract(TASK, SCRATCH + 4096), Ok((b, MapFlags::empty())));
    check_eq!(protect(TASK, SCRATCH + 4096, 1, MapFlags::WRITE), Ok(()));
    check_eq!(extract(TASK, SCRATCH), Ok((a, MapFlags::empty())));
    check_eq!(extract(TASK, SCRATCH + 4096), Ok((b, MapFlags::WRITE)));
    check_eq!((peek(SCRATCH), peek(SCRATCH + 4096)), (7, 8));
    check_eq!(extract(TASK, SCRATCH + 8192), Err(Error::NotMapped));
    check_eq!(extract(TASK, SCRATCH + (1 << 40)), Err(Error::NotMapped));
    // A large range, mostly holes.
    check_eq!(unmap(TASK, SCRATCH, 1 << 30), Ok(()));
    check_eq!(extract(TASK, SCRATCH), Err(Error::NotMapped));
    check_eq!(info(TASK).0, resident);
    // Two addresses, one frame.
    rig.map(TASK, SCRATCH, a, MapFlags::WRITE);
    rig.map(TASK, SCRATCH + (5 << 21), a, MapFlags::empty());
    poke(SCRATCH, 99);
    check_eq!(peek(SCRATCH + (5 << 21)), 99);
    check_eq!(unmap(TASK, SCRATCH, 6 << 9), Ok(()));
    must(task_control(TASK, TaskOp::Collect, 0, 0));
    [a, b].into_iter().for_each(|f| rig.frames.give(f));
}

pub fn refused(rig: &mut Rig) {
    let (a, b) = (rig.clean_frame(), rig.clean_frame());
    let bad = |address| rig.try_map(TASK, address, a, MapFlags::WRITE);
    for address in
        [0, 4096, USER_MIN - 4096, SCRATCH + 1, SCRATCH + 8, USER_END, 1 << 47, 0xffff_8000_0000_0000, !0xfff]
    {
        check_eq!(bad(address), Err(Error::BadAddress));
        check_eq!(extract(TASK, address), Err(Error::BadAddress));
        check_eq!(unmap(TASK, address, 1), Err(Error::BadAddress));
        check_eq!(protect(TASK, address, 1, MapFlags::empty()), Err(Error::BadAddress));
    }
    check_eq!(unmap(TASK, SCRATCH, u64::MAX), Err(Error::BadAddress));
    check_eq!(unmap(TASK, SCRATCH, 1 << 52), Err(Error::BadAddress));
    check_eq!(unmap(TASK, USER_END - 4096, 2), Err(Error::BadAddress));
    check_eq!(unmap(TASK, USER_END - 4096, 1), Ok(()));
    check_eq!(protect(TASK, SCRATCH, u64::MAX, MapFlags::empty()), Err(Error::BadAddress));
    // Frames that are no user memory: donated ones, the kernel's.
    let n = rig.notification();
    let n_frame = (0..rig.info.nr_frames).map(Frame).find(|f| {
        frame_op1(PHYS_MEM, FrameOp::Query, *f)
            .is_ok_and(|q| q != FAILED && q >> 8 & 0xff == Use::Notification as u64)
    });
    check_eq!(
        rig.try_map(TASK, SCRATCH, must(n_frame.ok_or("none")), MapFlags::empty()),
        Err(Error::BadFrame)
    );
    rig.destroy(n);
    let mut refused = 0;
    for number in 0..rig.info.nr_frames {
        let q = must(frame_op1(PHYS_MEM, FrameOp::Query, Frame(number)));
        let is_user = q >> 8 & 0xff == Use::User as u64;
        if !is_user && (q >> 8 & 0xff) != Use::Reserved as u64 {
            refused +=
                (rig.try_map(TASK, SCRATCH, Frame(number), MapFlags::empty()) == Err(Error::BadFrame)) as u64;
            refused -= 1;
        }
    }
    check_eq!(refused, 0);
    // The kernel's own memory, and the local APIC.
    check_eq!(rig.try_map(TASK, SCRATCH, Frame(0xfee00), MapFlags::UNCACHED), Err(Error::BadFrame));
    // Rights.
    let harvest = must(handle_copy(Handle::NONE, PHYS_MEM, Rights::HARVEST, 0));
    let device = must(handle_copy(Handle::NONE, PHYS_MEM, Rights::DEVICE, 0));
    let op = MapOp { address: SCRATCH, frame: a, flags: MapFlags::empty() };
    check_eq!(map(harvest, TASK, &[op]).map_err(|p| p.error), Err(Error::NoRight));
    check_eq!(map(device, TASK, &[op]).map_err(|p| p.error), Err(Error::NoRight));
    check_eq!(map(IRQ, TASK, &[op]).map_err(|p| p.error), Err(Error::BadHandle));
    check_eq!(map(PHYS_MEM, PHYS_MEM, &[op]).map_err(|p| p.error), Err(Error::BadHandle));
    check_eq!(frame_op1(harvest, FrameOp::RemoveAll, a), Err(Error::NoRight));
    check_eq!(frame_op1(harvest, FrameOp::Harvest, a), Ok(0));
    check_eq!(frame_op1(device, FrameOp::Harvest, a), Err(Error::NoRight));
    // A vector that stops half-way says how far it came.
    let ops = [
        op,
        MapOp { address: SCRATCH + 4096, frame: b, flags: MapFlags::empty() },
        op,
        MapOp { address: 5, ..op },
    ];
    let result = map(PHYS_MEM, TASK, &ops);
    check_eq!(result.map_err(|p| (p.done, p.error)), Err((3, Error::BadAddress)));
    // Counts that do not fit the vector.
    for count in [253, 505, u64::MAX, 1 << 63] {
        let mut r = [0; 11];
        (r[0], r[1], r[2], r[3]) = (Number::Map as u64, PHYS_MEM.0 as u64, TASK.0 as u64, count);
        // SAFETY: refused.
        check_eq!(unsafe { crate::raw::syscall(r) }.0, Error::BadArgument as u64);
    }
    check_eq!(frame_op1(PHYS_MEM, FrameOp::Query, Frame(u32::MAX)), Ok(FAILED));
    check_eq!(frame_op1(PHYS_MEM, FrameOp::Zero, Frame(rig.info.nr_frames)), Ok(FAILED));
    must(unmap(TASK, SCRATCH, 2));
    must(handle_close(device));
    must(handle_close(harvest));
    [a, b].into_iter().for_each(|f| rig.frames.give(f));
}

pub fn tables(rig: &mut Rig) {
    let task = rig.task(0);
    let frame = rig.frames.take();
    check_eq!(info(task), (0, 1, 0));
    check_eq!(rig.try_map(task, SCRATCH, frame, MapFlags::empty()), Err(Error::NoTables));
    // Four are needed: two inner tables, the leaf, its reverse map. With three nothing happens.
    for have in 1..=4 {
        check_eq!(rig.try_map(task, SCRATCH, frame, MapFlags::empty()), Err(Error::NoTables));
        check_eq!(info(task), (0, 1, have - 1));
        let table = rig.frames.take();
        check_eq!(object::donate(PHYS_MEM, task, Donation::Tables, &[table]), Ok(1));
    }
    check_eq!(rig.try_map(task, SCRATCH, frame, MapFlags::empty()), Ok(()));
    check_eq!(info(task), (1, 5, 0));
    check_eq!(rig.try_map(task, SCRATCH + 4096, frame, MapFlags::empty()), Ok(()));
    check_eq!(rig.try_map(task, SCRATCH + (1 << 21), frame, MapFlags::empty()), Err(Error::NoTables));
    let more: [Frame; 9] = rig.frames.take_many();
    check_eq!(object::donate(PHYS_MEM, task, Donation::Tables, &more), Ok(9));
    check_eq!(rig.try_map(task, SCRATCH + (1 << 21), frame, MapFlags::empty()), Ok(()));
    check_eq!(info(task), (3, 7, 7));
    check_eq!(rig.try_map(task, SCRATCH + (1 << 30), frame, MapFlags::empty()), Ok(()));
    check_eq!(info(task), (4, 10, 4));
    check_eq!(rig.try_map(task, SCRATCH + (1 << 39), frame, MapFlags::empty()), Ok(()));
    check_eq!(info(task), (5, 14, 0));
    // Nothing is empty: nothing to collect.
    check_eq!(task_control(task, TaskOp::Collect, 504, 0).map(|r| r.0), Ok(0));
    must(unmap(task, SCRATCH + (1 << 21), 1));
    must(unmap(task, SCRATCH + (1 << 39), 1));
    check_eq!(task_control(task, TaskOp::Collect, 0, 0).map(|r| r.0), Ok(0));
    check_eq!(info(task), (3, 8, 6));
    check_eq!(task_control(task, TaskOp::Collect, 2, 0).map(|r| r.0), Ok(2));
    [0, 1].into_iter().for_each(|i| rig.frames.give(Frame(vector()[i].get() as u32)));
    check_eq!(task_control(task, TaskOp::Collect, 505, 0).err(), Some(Error::BadArgument));
    check_eq!(info(task), (3, 8, 4));
    // What was collected is used again.
    check_eq!(rig.try_map(task, SCRATCH + (1 << 39), frame, MapFlags::empty()), Ok(()));
    must(unmap(task, SCRATCH, 1 << 30));
    check_eq!(task_control(task, TaskOp::Collect, 504, 0).map(|r| r.0), Ok(11));
    (0..11).for_each(|i| rig.frames.give(Frame(vector()[i].get() as u32)));
    check_eq!(info(task), (0, 1, 0));
    rig.destroy(task);
    rig.frames.give(frame);
}

pub fn reading(rig: &mut Rig) {
    let task = rig.task(8);
    let [a, b] = rig.frames.take_many();
    rig.map(TASK, SCRATCH, a, MapFlags::WRITE | MapFlags::ZERO);
    (0..512).for_each(|i| poke(SCRATCH + 8 * i, i * 3));
    must(unmap(TASK, SCRATCH, 1));
    rig.map(task, SCRATCH, a, MapFlags::empty());
    rig.map(task, SCRATCH + 4096, b, MapFlags::ZERO);
    let mut bytes = [0xff; 32];
    check_eq!(task_read(task, SCRATCH + 4080, &mut bytes), Ok(32));
    let word = |i: usize| u64::from_le_bytes(must(bytes[i * 8..i * 8 + 8].try_into()));
    check_eq!([word(0), word(1), word(2), word(3)], [510 * 3, 511 * 3, 0, 0]);
    check_eq!(task_read(task, SCRATCH + 8191, &mut bytes), Ok(1));
    check_eq!(task_read(task, SCRATCH + 8192, &mut bytes), Ok(0));
    check_eq!(task_read(task, u64::MAX - 3, &mut bytes), Ok(0));
    check_eq!(task_read(task, 0xffff_8000_0000_0000, &mut bytes), Ok(0));
    check_eq!(task_read(PHYS_MEM, SCRATCH, &mut bytes), Err(Error::BadHandle));
    rig.destroy(task);
    [a, b].into_iter().for_each(|f| rig.frames.give(f));
}

pub fn devices(rig: &mut Rig) {
    // The first page below 1 MiB of the firmware's read-only memory: no memory of the machine's.
    let rom = Frame(0xf0);
    let device = must(handle_copy(Handle::NONE, PHYS_MEM, Rights::DEVICE, 0));
    let op = MapOp { address: SCRATCH, frame: rom, flags: MapFlags::UNCACHED };
    let (resident, _, _) = info(TASK);
    check_eq!(map(device, Handle::NONE, &[op]), Ok(()));
    check_eq!(extract(TASK, SCRATCH), Ok((rom, MapFlags::UNCACHED)));
    check_eq!(info(TASK).0, resident);
    let user = rig.frames.take();
    check_eq!(rig.try_map(TASK, SCRATCH, user, MapFlags::empty()), Err(Error::Exists));
    check!(map(device, Handle::NONE, &[MapOp { frame: user, address: SCRATCH + 4096, ..op }]).is_err());
    check_eq!(unmap(TASK, SCRATCH, 1), Ok(()));
    check_eq!(extract(TASK, SCRATCH), Err(Error::NotMapped));
    let far = MapOp { frame: Frame(0xfd_0000), flags: MapFlags::WRITE_COMBINING | MapFlags::WRITE, ..op };
    check_eq!(map(device, Handle::NONE, &[far]), Ok(()));
    check_eq!(extract(TASK, SCRATCH).map(|e| e.1), Ok(MapFlags::WRITE_COMBINING | MapFlags::WRITE));
    check_eq!(unmap(TASK, SCRATCH, 1), Ok(()));
    must(handle_close(device));
    rig.frames.give(user);
}
