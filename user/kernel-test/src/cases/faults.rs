// SPDX-License-Identifier: BSD-2-Clause
//! Page faults as messages.

use crate::assistant::{Assistant, Rig, must};
use crate::memory::{self, SCRATCH};
use crate::{check, check_eq};
use ebb_abi::boot::handles::PHYS_MEM;
use ebb_abi::fault::Access;
use ebb_abi::frame::FrameOp;
use ebb_abi::map::{MapFlags, MapOp};
use ebb_abi::message::{LABEL_EXCEPTION, LABEL_FAULT};
use ebb_abi::thread::TaskOp;
use ebb_abi::{Error, Frame, Handle, Rights, Tag};
use ebb_sys::ipc::{self, Message, Received};
use ebb_sys::memory::{frame_op1, protect, unmap};
use ebb_sys::object::{task_control, thread_registers};

/// Does what it is told: word 0 of each answer is what (0 read, 1 write, 2 jump), word 1 where, word 2 the value to write. Its
/// next call brings what it read.
pub extern "C" fn toucher(_: u64) -> ! {
    let mut words = [0; 6];
    loop {
        let m = must(ipc::call(Handle(1), &Message { tag: Tag::new(1, 0, 0), words }));
        words[0] = match m.words[0] {
            0 => memory::peek(m.words[1]),
            1 => {
                memory::poke(m.words[1], m.words[2]);
                0
            }
            2 => {
                memory::jump(m.words[1]);
                0
            }
            vector => {
                crate::raw::raise(vector - 1000);
                0
            }
        };
    }
}

/// A toucher that waits for orders, and who hears of its faults.
pub struct Touched {
    /// The assistant.
    pub a: Assistant,
    /// Where its calls (badge 1), faults (badge 2) and exceptions (badge 3) arrive.
    pub e: Handle,
    /// Answers its call.
    pub reply: Handle,
}

/// What came in.
#[derive(Debug, PartialEq)]
pub enum Heard {
    /// A call: the toucher is done. What it read.
    Done(u64),
    /// A fault: address and access.
    Fault(u64, Access),
    /// An exception: vector, error code, address.
    Exception(u64, u64, u64),
}

impl Touched {
    /// Starts one.
    pub fn new(rig: &mut Rig) -> Touched {
        let e = rig.endpoint();
        let a = rig.start(toucher, 0, 3, &[(e, Rights::SEND, 1)]);
        must(task_control(a.task, TaskOp::FaultEndpoint, e.0 as u64, 2));
        must(task_control(a.task, TaskOp::SupervisorEndpoint, e.0 as u64, 3));
        let mut t = Touched { a, e, reply: Handle::NONE };
        let first = ipc::receive(e);
        check_eq!(t.note(first), Heard::Done(0));
        t
    }

    /// Notes a message: the reply handle is kept.
    pub fn note(&mut self, received: Result<Received, Error>) -> Heard {
        let Ok(Received::Message { badge, reply, message }) = received else {
            panic!("no message: {received:?}")
        };
        self.reply = reply;
        let w = message.words;
        match (badge, message.tag.label()) {
            (1, 1) => Heard::Done(w[0]),
            (2, LABEL_FAULT) => Heard::Fault(w[0], Access::from_bits_retain(w[1])),
            (3, LABEL_EXCEPTION) => Heard::Exception(w[0], w[1], w[3]),
            other => panic!("an odd message: {other:?}"),
        }
    }

    /// Gives an order, and hears what comes of it.
    pub fn order(&mut self, what: u64, address: u64, value: u64) -> Heard {
        self.answer(0, [what, address, value, 0, 0, 0])
    }

    /// Answers what was heard last.
    pub fn answer(&mut self, label: u32, words: [u64; 6]) -> Heard {
        let m = Message { tag: Tag::new(label, 0, 0), words };
        let next = ipc::reply_receive(self.reply, &m, self.e);
        self.note(next)
    }

    /// Ends it.
    pub fn end(self, rig: &mut Rig) {
        rig.end(self.a);
        must(ebb_sys::object::handle_close(self.reply));
        rig.destroy(self.e);
    }
}

const READ: Access = Access::empty();
const WRITE: Access = Access::WRITE;

pub fn served(rig: &mut Rig) {
    let mut t = Touched::new(rig);
    let frame = rig.frames.take();
    check_eq!(t.order(1, SCRATCH + 8, 42), Heard::Fault(SCRATCH + 8, WRITE));
    let op = MapOp { address: SCRATCH, frame, flags: MapFlags::WRITE | MapFlags::ZERO };
    let heard = ipc::map_reply_receive(t.reply, PHYS_MEM, t.a.task, op, t.e);
    check_eq!(t.note(heard), Heard::Done(0));
    check_eq!(t.order(0, SCRATCH + 8, 0), Heard::Done(42));
    check_eq!(t.order(0, SCRATCH + 16, 0), Heard::Done(0));
    // Served by hand: map, then answer.
    let other = rig.frames.take();
    check_eq!(t.order(0, SCRATCH + 4096, 0), Heard::Fault(SCRATCH + 4096, READ));
    rig.map(t.a.task, SCRATCH + 4096, other, MapFlags::ZERO);
    check_eq!(t.answer(0, [0; 6]), Heard::Done(0));
    // Answered without mapping: it faults again.
    check_eq!(t.order(0, SCRATCH + 8192, 0), Heard::Fault(SCRATCH + 8192, READ));
    check_eq!(t.answer(0, [0; 6]), Heard::Fault(SCRATCH + 8192, READ));
    rig.map(t.a.task, SCRATCH + 8192, other, MapFlags::empty());
    check_eq!(t.answer(0, [0; 6]), Heard::Done(0));
    let faults = ebb_sys::kernel_stats().faults;
    check_eq!(t.order(0, SCRATCH + 8192, 0), Heard::Done(0));
    check_eq!(ebb_sys::kernel_stats().faults, faults);
    t.end(rig);
    rig.frames.give(frame);
    rig.frames.give(other);
}

pub fn permissions(rig: &mut Rig) {
    let mut t = Touched::new(rig);
    let frame = rig.frames.take();
    rig.map(t.a.task, SCRATCH, frame, MapFlags::ZERO);
    let present = |access: Access| access | Access::PRESENT;
    check_eq!(t.order(1, SCRATCH, 1), Heard::Fault(SCRATCH, present(WRITE)));
    must(protect(t.a.task, SCRATCH, 1, MapFlags::WRITE));
    check_eq!(t.answer(0, [0; 6]), Heard::Done(0));
    check_eq!(t.order(0, SCRATCH, 0), Heard::Done(1));
    // 0xc3 is `ret`.
    check_eq!(t.order(1, SCRATCH, 0xc3), Heard::Done(0));
    check_eq!(t.order(2, SCRATCH, 0), Heard::Fault(SCRATCH, present(Access::EXECUTE)));
    rig.map(t.a.task, SCRATCH, frame, MapFlags::EXECUTE);
    check_eq!(t.answer(0, [0; 6]), Heard::Done(0));
    check_eq!(t.order(1, SCRATCH, 1), Heard::Fault(SCRATCH, present(WRITE)));
    rig.map(t.a.task, SCRATCH, frame, MapFlags::WRITE);
    check_eq!(t.answer(0, [0; 6]), Heard::Done(0));
    check_eq!(t.order(2, SCRATCH, 0), Heard::Fault(SCRATCH, present(Access::EXECUTE)));
    must(protect(t.a.task, SCRATCH, 1, MapFlags::EXECUTE | MapFlags::WRITE));
    check_eq!(frame_op1(PHYS_MEM, FrameOp::Zero, frame), Ok(0));
    memory_write_ret(rig, frame);
    check_eq!(t.answer(0, [0; 6]), Heard::Done(0));
    // Taken away by address, and by frame.
    must(unmap(t.a.task, SCRATCH, 1));
    check_eq!(t.order(0, SCRATCH, 0), Heard::Fault(SCRATCH, READ));
    rig.map(t.a.task, SCRATCH, frame, MapFlags::WRITE);
    check_eq!(t.answer(0, [0; 6]), Heard::Done(0xc3));
    must(frame_op1(PHYS_MEM, FrameOp::RemoveAll, frame));
    check_eq!(t.order(0, SCRATCH, 0), Heard::Fault(SCRATCH, READ));
    rig.map(t.a.task, SCRATCH, frame, MapFlags::WRITE);
    check_eq!(t.answer(0, [0; 6]), Heard::Done(0xc3));
    must(frame_op1(PHYS_MEM, FrameOp::RemoveWrite, frame));
    check_eq!(t.order(0, SCRATCH, 0), Heard::Done(0xc3));
    check_eq!(t.order(1, SCRATCH, 9), Heard::Fault(SCRATCH, present(WRITE)));
    must(protect(t.a.task, SCRATCH, 1, MapFlags::WRITE));
    check_eq!(t.answer(0, [0; 6]), Heard::Done(0));
    t.end(rig);
    rig.frames.give(frame);
}

/// Writes a `ret` at the beginning of a frame, through a mapping of our own.
fn memory_write_ret(rig: &mut Rig, frame: Frame) {
    let own = ebb_abi::boot::handles::TASK;
    rig.map(own, SCRATCH, frame, MapFlags::WRITE);
    memory::poke(SCRATCH, 0xc3);
    must(unmap(own, SCRATCH, 1));
}

pub fn refused(rig: &mut Rig) {
    let mut t = Touched::new(rig);
    // Kernel memory, null, and what is not canonical.
    let kernel = 0xffff_8000_0000_1000;
    check_eq!(t.order(0, kernel, 0), Heard::Fault(kernel, Access::PRESENT));
    check!(matches!(t.answer(1, [0; 6]), Heard::Exception(14, 5, a) if a == kernel));
    t.end(rig);
    let mut t = Touched::new(rig);
    check_eq!(t.order(1, 16, 0), Heard::Fault(16, WRITE));
    check_eq!(t.answer(7, [0; 6]), Heard::Exception(14, 6, 16));
    // The supervisor may still mend it: the thread resumes.
    let frame = rig.frames.take();
    must(unmap(t.a.task, SCRATCH, 1));
    rig.map(t.a.task, SCRATCH, frame, MapFlags::WRITE);
    check_eq!(t.answer(0, [0; 6]), Heard::Fault(16, WRITE));
    check_eq!(t.answer(1, [0; 6]), Heard::Exception(14, 6, 16));
    // Refused twice: it stops, and its registers can be read.
    let m = Message { tag: Tag::new(1, 0, 0), words: [0; 6] };
    check_eq!(ipc::reply(t.reply, &m), Ok(()));
    let r = must(thread_registers(t.a.thread));
    check!(r.rip >= ebb_abi::layout::IMAGE && r.rip < ebb_abi::layout::HEAP);
    rig.end(t.a);
    rig.destroy(t.e);
    // A message that is refused is an error of the one who sends it; the faulting thread is not left waiting.
    let mut t = Touched::new(rig);
    check_eq!(t.order(0, SCRATCH, 0), Heard::Fault(SCRATCH, READ));
    let bad = Message { tag: Tag(1 << 60), words: [0; 6] };
    check_eq!(ipc::reply(t.reply, &bad), Err(Error::BadArgument));
    let heard = ipc::receive(t.e);
    check_eq!(t.note(heard), Heard::Exception(14, 4, SCRATCH));
    t.end(rig);
    rig.frames.give(frame);
}

pub fn vector(rig: &mut Rig) {
    let mut t = Touched::new(rig);
    let frames: [Frame; 8] = rig.frames.take_many();
    check_eq!(t.order(0, SCRATCH, 0), Heard::Fault(SCRATCH, READ));
    let set = |pairs: &[(u64, Frame)]| {
        for (cells, (address, frame)) in ebb_sys::buffer::vector().chunks_exact(2).zip(pairs) {
            let op = MapOp { address: *address, frame: *frame, flags: MapFlags::ZERO };
            cells[0].set(op.address);
            cells[1].set(op.entry());
        }
    };
    let call = |t: &Touched, count: u64| {
        let mut r = [0; 11];
        r[0] = ebb_abi::syscall::Number::MapReplyReceive as u64;
        (r[1], r[2], r[3]) = (t.reply.0 as u64, PHYS_MEM.0 as u64, t.a.task.0 as u64);
        (r[6], r[9]) = (count, t.e.0 as u64);
        // SAFETY: maps into another task only.
        unsafe { crate::raw::syscall(r) }
    };
    // The third cannot be entered: nothing is answered, two are mapped.
    set(&[(SCRATCH, frames[0]), (SCRATCH + 4096, frames[1]), (SCRATCH + 1, frames[2])]);
    check_eq!(call(&t, 3), (Error::BadAddress as u64, 2));
    check_eq!(must(task_control(t.a.task, TaskOp::Info, 0, 0)).0, must_resident(&t) + 2);
    // Now all that are left.
    let mut rest = [(0, Frame(0)); 6];
    for (i, pair) in rest.iter_mut().enumerate() {
        *pair = (SCRATCH + 8192 + 4096 * i as u64, frames[i + 2]);
    }
    set(&rest);
    check_eq!(call(&t, 6).0, 0);
    for page in 0..8 {
        check!(ebb_sys::memory::extract(t.a.task, SCRATCH + 4096 * page).is_ok());
    }
    // The raw call did not keep the reply handle: the toucher's call is answered by its end.
    rig.end(t.a);
    close_stale(t.reply);
    rig.destroy(t.e);
    frames.into_iter().for_each(|f| rig.frames.give(f));
}

/// The reply handle of the toucher's last call lies in the slot that its fault's had.
fn close_stale(reply: Handle) {
    must(ebb_sys::object::handle_close(reply));
}

/// Pages that an assistant has before a test maps any.
fn must_resident(t: &Touched) -> u64 {
    must(task_control(t.a.task, TaskOp::Info, 0, 0)).0 - 2
}
