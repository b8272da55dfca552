// SPDX-License-Identifier: BSD-2-Clause
//! Objects and the frames they are made of.

use super::ipc::caller;
use crate::assistant::{Rig, must};
use crate::memory::SCRATCH;
use crate::{check, check_eq};
use ebb_abi::boot::handles::{PHYS_MEM, TASK, THREAD};
use ebb_abi::frame::{FrameOp, Use};
use ebb_abi::layout::{MESSAGE_BUFFER, STACK_TOP};
use ebb_abi::map::MapFlags;
use ebb_abi::thread::TaskOp;
use ebb_abi::{Error, Frame, Kind};
use ebb_sys::memory::{frame_op1, unmap};
use ebb_sys::object::{
    self, Donation, Start, create, destroy_step, task_control, task_create, thread_create,
};

fn used(frame: Frame) -> u64 {
    must(frame_op1(PHYS_MEM, FrameOp::Query, frame)) >> 8 & 0xff
}

pub fn donations(rig: &mut Rig) {
    let [a, b, c] = rig.frames.take_many();
    for kind in [Kind::Empty, Kind::Task, Kind::Thread, Kind::Reply, Kind::PhysMem] {
        check_eq!(create(PHYS_MEM, kind, a), Err(Error::BadArgument));
    }
    check_eq!(create(TASK, Kind::Endpoint, a), Err(Error::BadHandle));
    check_eq!(create(PHYS_MEM, Kind::Endpoint, Frame(rig.info.nr_frames)), Err(Error::BadFrame));
    check_eq!(create(PHYS_MEM, Kind::Endpoint, Frame(0)), Err(Error::BadFrame));
    // Mapped, donated.
    rig.map(TASK, SCRATCH, a, MapFlags::empty());
    check_eq!(create(PHYS_MEM, Kind::Endpoint, a), Err(Error::BadFrame));
    check_eq!(object::donate(PHYS_MEM, TASK, Donation::Tables, &[b, a]), Err(Error::BadFrame));
    check_eq!(used(b), Use::Pool as u64);
    check_eq!(task_create(PHYS_MEM, b, c, c), Err(Error::BadFrame));
    must(unmap(TASK, SCRATCH, 1));
    check_eq!(task_create(PHYS_MEM, a, a, c), Err(Error::BadFrame));
    check_eq!(task_create(PHYS_MEM, a, c, a), Err(Error::BadFrame));
    check_eq!(task_create(PHYS_MEM, c, a, a), Err(Error::BadFrame));
    check_eq!((used(a), used(c)), (Use::User as u64, Use::User as u64));
    let e = must(create(PHYS_MEM, Kind::Endpoint, a));
    check_eq!(used(a), Use::Endpoint as u64);
    check_eq!(create(PHYS_MEM, Kind::Endpoint, a), Err(Error::BadFrame));
    rig.frames.give(c);
    rig.destroy(e);
    let c = rig.frames.take();
    check_eq!(used(c), Use::User as u64);
    rig.frames.give(c);
    // The pool frame comes back through a collection: `b` was the last in, it is the first out.
    must(task_control(TASK, TaskOp::Collect, 1, 0));
    rig.frames.give(Frame(ebb_sys::buffer::vector()[0].get() as u32));
    // Threads.
    let task = rig.task(0);
    let [frame, buffer] = rig.frames.take_many();
    let start =
        Start { buffer: MESSAGE_BUFFER, entry: caller as *const () as u64, stack: STACK_TOP, argument: 0 };
    check_eq!(thread_create(PHYS_MEM, task, frame, buffer, start), Err(Error::NoTables));
    check_eq!((used(frame), used(buffer)), (Use::User as u64, Use::User as u64));
    let tables: [Frame; 8] = rig.frames.take_many();
    must(object::donate(PHYS_MEM, task, Donation::Tables, &tables));
    check_eq!(thread_create(PHYS_MEM, task, frame, frame, start), Err(Error::BadFrame));
    for entry in [0, 1 << 47, 0xffff_8000_0000_0000, u64::MAX] {
        check_eq!(
            thread_create(PHYS_MEM, task, frame, buffer, Start { entry, ..start }),
            Err(Error::BadAddress)
        );
    }
    check_eq!(
        thread_create(PHYS_MEM, task, frame, buffer, Start { buffer: SCRATCH + 4, ..start }),
        Err(Error::BadAddress)
    );
    let t = must(thread_create(PHYS_MEM, task, frame, buffer, start));
    check_eq!((used(frame), used(buffer)), (Use::Thread as u64, Use::MessageBuffer as u64));
    let [f2, b2] = rig.frames.take_many();
    check_eq!(thread_create(PHYS_MEM, task, f2, b2, start), Err(Error::Exists));
    // A message buffer is no user memory.
    check_eq!(rig.try_map(task, SCRATCH, buffer, MapFlags::WRITE), Err(Error::BadFrame));
    check_eq!(must(frame_op1(PHYS_MEM, FrameOp::RemoveAll, buffer)), u64::MAX);
    let mut back = [0; 2];
    let mut nr = 0;
    check_eq!(
        destroy_step(t, |f| {
            back[nr] = f.0;
            nr += 1;
        }),
        Ok(false)
    );
    check_eq!((nr, back), (2, [buffer.0, frame.0]));
    check_eq!(destroy_step(t, |_| ()), Err(Error::Dead));
    must(object::handle_close(t));
    [frame, buffer, f2, b2].into_iter().for_each(|f| rig.frames.give(f));
    rig.destroy(task);
}

pub fn large(rig: &mut Rig) {
    const PAGES: u64 = 6000;
    let task = rig.task(0);
    let frame = rig.frames.take();
    // Many tables: pages spread over the address space, all of one frame.
    for page in 0..PAGES {
        let address = SCRATCH + page * 37 * 4096;
        while let Err(error) = rig.try_map(task, address, frame, MapFlags::WRITE) {
            if error != Error::NoTables {
                check_eq!(error, Error::NoTables);
                return;
            }
            let table = rig.frames.take();
            must(object::donate(PHYS_MEM, task, Donation::Tables, &[table]));
        }
    }
    let (resident, tables, pool) = must(task_control(task, TaskOp::Info, 0, 0));
    check_eq!(resident, PAGES);
    check_eq!(must(frame_op1(PHYS_MEM, FrameOp::Query, frame)) >> 16, PAGES);
    let mut steps = 0;
    let mut count = 0;
    while must(destroy_step(task, |f| {
        count += 1;
        rig.frames.give(f);
    })) {
        steps += 1;
        // It is going: nothing may be added, and it stays destructible.
        if steps == 1 {
            check_eq!(rig.try_map(task, SCRATCH, frame, MapFlags::WRITE), Err(Error::Dead));
            check_eq!(task_control(task, TaskOp::Info, 0, 0), Err(Error::Dead));
        }
    }
    check!(steps > 10);
    // Tables, pool, task, handle table.
    check_eq!(count, tables + pool + 2);
    check_eq!(must(frame_op1(PHYS_MEM, FrameOp::Query, frame)) >> 16, 0);
    check_eq!(destroy_step(task, |_| ()), Err(Error::Dead));
    must(object::handle_close(task));
    rig.frames.give(frame);
}

pub fn itself(rig: &mut Rig) {
    check_eq!(destroy_step(TASK, |_| ()), Err(Error::BadArgument));
    check_eq!(destroy_step(THREAD, |_| ()), Err(Error::BadArgument));
    check_eq!(destroy_step(PHYS_MEM, |_| ()), Err(Error::BadHandle));
    // Dead threads of a task that lives: as many as there is room for, one after the other.
    let a = rig.prepare(caller, 0, &[]);
    for i in 1..20 {
        let [frame, buffer] = rig.frames.take_many();
        let start = Start {
            buffer: MESSAGE_BUFFER + i * 4096,
            entry: caller as *const () as u64,
            stack: STACK_TOP,
            argument: 0,
        };
        let t = must(thread_create(PHYS_MEM, a.task, frame, buffer, start));
        if i % 2 == 0 {
            rig.destroy(t);
        } else {
            must(object::handle_close(t));
        }
    }
    rig.end(a);
}
