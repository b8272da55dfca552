// SPDX-License-Identifier: BSD-2-Clause
//! Exceptions as messages.

use super::faults::{Heard, Touched};
use crate::assistant::{Rig, must};
use crate::memory::SCRATCH;
use crate::{check, check_eq};
use ebb_abi::boot::handles::PHYS_MEM;
use ebb_abi::map::MapFlags;
use ebb_abi::thread::{TaskOp, ThreadOp};
use ebb_abi::{Error, Handle};
use ebb_sys::ipc::{self, Message};
use ebb_sys::memory::task_read;
use ebb_sys::object::{task_control, thread_control, thread_registers};

pub fn kinds(rig: &mut Rig) {
    // A trap is behind its instruction: it can be resumed.
    let mut t = Touched::new(rig);
    check_eq!(t.order(1003, 0, 0), Heard::Exception(3, 0, 0));
    check_eq!(t.answer(0, [0; 6]), Heard::Done(0));
    // Faults repeat; what is a division by zero stays one.
    check_eq!(t.order(1000, 0, 0), Heard::Exception(0, 0, 0));
    check_eq!(t.answer(0, [0; 6]), Heard::Exception(0, 0, 0));
    t.end(rig);
    // A jump to nowhere: to be resumed it would have to be there.
    let mut t = Touched::new(rig);
    let heard = t.order(2, 1 << 62, 0);
    check!(matches!(heard, Heard::Exception(13, 0, 0)));
    let m = ipc::reply(t.reply, &Message::default());
    check_eq!(m, Ok(()));
    ebb_sys::yield_now();
    rig.end(t.a);
    while let Ok(Some(ipc::Received::Message { reply, .. })) = ipc::poll(t.e) {
        must(ebb_sys::object::handle_close(reply));
    }
    rig.destroy(t.e);
    for (order, vector) in [(1006, 6), (1013, 13), (1256, 7), (1014, 13)] {
        let mut t = Touched::new(rig);
        check_eq!(t.order(order, 0, 0), Heard::Exception(vector, 0, 0));
        // The supervisor reads the registers, and the instruction out of the task's memory.
        let r = must(thread_registers(t.a.thread));
        let mut code = [0; 2];
        check_eq!(task_read(t.a.task, r.rip, &mut code), Ok(2));
        let expected: Option<[u8; 2]> = match order {
            1006 => Some([0x0f, 0x0b]),
            1256 => Some([0xdb, 0xe3]),
            _ => None,
        };
        check!(expected.is_none_or(|e| e == code));
        check!(order != 1013 || code[0] == 0xf4);
        t.end(rig);
    }
}

pub fn nobody(rig: &mut Rig) {
    // No fault endpoint: the fault is an exception.
    let mut t = Touched::new(rig);
    must(task_control(t.a.task, TaskOp::FaultEndpoint, 0, 0));
    check_eq!(t.order(0, SCRATCH, 0), Heard::Exception(14, 4, SCRATCH));
    t.end(rig);
    // A dead one is none.
    let mut t = Touched::new(rig);
    let other = rig.endpoint();
    must(task_control(t.a.task, TaskOp::FaultEndpoint, other.0 as u64, 2));
    rig.destroy(other);
    check_eq!(t.order(0, SCRATCH, 0), Heard::Exception(14, 4, SCRATCH));
    t.end(rig);
    // The one who serves the fault dies while he has it: it becomes an exception.
    // (He is this very task, so the reply handle is closed instead.)
    let mut t = Touched::new(rig);
    check_eq!(t.order(0, SCRATCH, 0), Heard::Fault(SCRATCH, ebb_abi::fault::Access::empty()));
    must(ebb_sys::object::handle_close(t.reply));
    let heard = ipc::receive(t.e);
    check_eq!(t.note(heard), Heard::Exception(14, 4, SCRATCH));
    t.end(rig);
    // No supervisor either: it stops, and can be started again when the cause is gone.
    let t = Touched::new(rig);
    must(task_control(t.a.task, TaskOp::FaultEndpoint, 0, 0));
    must(task_control(t.a.task, TaskOp::SupervisorEndpoint, 0, 0));
    let order = Message { tag: Default::default(), words: [0, SCRATCH, 0, 0, 0, 0] };
    must(ipc::reply(t.reply, &order));
    while matches!(thread_control(t.a.thread, ThreadOp::Start, 0), Err(Error::BadArgument)) {
        ebb_sys::yield_now();
    }
    // Started, it faults once more; now with a page there it comes back with its next call.
    let frame = rig.frames.take();
    rig.map(t.a.task, SCRATCH, frame, MapFlags::ZERO);
    let mut t = t;
    let heard = loop {
        match ipc::poll(t.e) {
            Ok(Some(received)) => break t.note(Ok(received)),
            Ok(None) => {
                ebb_sys::yield_now();
                // It may have stopped again before the page was there.
                if thread_control(t.a.thread, ThreadOp::Start, 0).is_ok() {
                    continue;
                }
            }
            Err(error) => panic!("{error:?}"),
        }
    };
    check_eq!(heard, Heard::Done(0));
    check_eq!(
        task_control(t.a.task, TaskOp::FaultEndpoint, PHYS_MEM.0 as u64, 0).err(),
        Some(Error::BadHandle)
    );
    check_eq!(
        task_control(t.a.task, TaskOp::FaultEndpoint, Handle(3000).0 as u64, 0).err(),
        Some(Error::BadHandle)
    );
    t.end(rig);
    rig.frames.give(frame);
}
