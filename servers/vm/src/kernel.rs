// SPDX-License-Identifier: BSD-2-Clause
//! [`Machine`] by system calls.

use core::sync::atomic::AtomicU64;
use ebb_abi::frame::{FrameOp, Piece};
use ebb_abi::map::{MapFlags, MapOp};
use ebb_abi::thread::{Registers, State, TaskOp, ThreadOp};
use ebb_abi::{Error, Frame, Handle, Kind, Rights, Tag};
use ebb_proto::Operation;
use ebb_rt::server::{self, Call};
use ebb_sys::buffer::vector;
use ebb_sys::ipc::{self, Message};
use ebb_sys::memory::{self, Partial};
use ebb_sys::object::{self, Donation, Start};
use ebb_sys::{Result, time};
use ebb_vm::machine::Machine;

/// The kernel.
pub struct Kernel {
    /// The right to all frames.
    pub phys: Handle,
    /// An answer that goes out with the next receive, in one trap. It is in words alone: the message buffer is needed for other things meanwhile.
    pending: Option<(Call, Message)>,
}

impl Kernel {
    /// With the right to all frames.
    pub fn new(phys: Handle) -> Kernel {
        Kernel { phys, pending: None }
    }

    /// Takes out the answer that is to go with the next receive.
    pub fn take_pending(&mut self) -> Option<(Handle, Message)> {
        self.pending.take().map(|(reply, message)| (reply.into_handle(), message))
    }

    /// Sends the answer that was to go with the next receive.
    pub fn flush(&mut self) {
        if let Some((reply, message)) = self.pending.take() {
            reply.send(&message);
        }
    }

    fn send(&mut self, reply: Call, message: Message) {
        if message.tag.bytes() > 0 || message.tag.handles() > 0 {
            return reply.send(&message);
        }
        self.flush();
        self.pending = Some((reply, message));
    }
}

impl Machine for Kernel {
    type Reply = Call;

    fn answer<O: Operation>(
        &mut self,
        reply: Call,
        result: core::result::Result<O::Reply, ebb_proto::Error>,
        handles: &[Handle],
    ) {
        self.send(reply, server::answer::<O>(result, handles));
    }
    fn resume(&mut self, reply: Call) {
        self.send(reply, Message::default());
    }
    fn refuse(&mut self, reply: Call) {
        self.send(reply, Message { tag: Tag::new(1, 0, 0), ..Default::default() });
    }
    fn signal(&mut self, notification: Handle, bits: u64) {
        // The only failure is that it was destroyed with its owner, who then needs no signal.
        let _ = ipc::signal(notification, bits);
    }
    fn now(&self) -> u64 {
        time::tsc()
    }
    fn log(&mut self, text: core::fmt::Arguments<'_>) {
        ebb_rt::log::write(text);
    }

    fn map(&mut self, task: Handle, ops: &[MapOp]) -> core::result::Result<(), Partial> {
        memory::map(self.phys, task, ops)
    }
    fn unmap(&mut self, task: Handle, address: u64, pages: u64) -> Result<()> {
        memory::unmap(task, address, pages)
    }
    fn protect(&mut self, task: Handle, address: u64, pages: u64, flags: MapFlags) -> Result<()> {
        memory::protect(task, address, pages, flags)
    }
    fn frame_op(&mut self, op: FrameOp, frames: &mut [u64]) -> Result<()> {
        if frames.len() > vector().len() {
            return Err(Error::BadArgument);
        }
        for (cell, frame) in vector().iter().zip(frames.iter()) {
            cell.set(*frame);
        }
        memory::frame_op(self.phys, op, frames.len())?;
        for (cell, frame) in vector().iter().zip(frames) {
            *frame = cell.get();
        }
        Ok(())
    }
    fn copy(&mut self, from: Frame, to: Frame) -> Result<()> {
        memory::copy(self.phys, from, to)
    }
    fn copy_bytes(&mut self, pieces: &[Piece]) -> Result<()> {
        memory::copy_bytes(self.phys, pieces)
    }
    fn zero_tail(&mut self, frame: Frame, offset: u64) -> Result<()> {
        memory::zero_tail(self.phys, frame, offset)
    }
    fn task_read(&mut self, task: Handle, address: u64, bytes: &mut [u8]) -> Result<usize> {
        memory::task_read(task, address, bytes)
    }
    fn audit(&mut self, first: Frame, count: u32) -> Result<u64> {
        memory::audit(self.phys, first, count)
    }

    fn object_create(&mut self, kind: Kind, frame: Frame) -> Result<Handle> {
        object::create(self.phys, kind, frame)
    }
    fn task_create(&mut self, [task, table, handles]: [Frame; 3]) -> Result<Handle> {
        object::task_create(self.phys, task, table, handles)
    }
    fn donate(&mut self, task: Handle, what: Donation, frames: &[Frame]) -> Result<usize> {
        object::donate(self.phys, task, what, frames)
    }
    fn task_control(&mut self, task: Handle, op: TaskOp, a: u64, b: u64) -> Result<(u64, u64, u64)> {
        object::task_control(task, op, a, b)
    }
    fn collect(&mut self, task: Handle, most: u64, give: &mut dyn FnMut(Frame)) -> Result<()> {
        let (count, _, _) = object::task_control(task, TaskOp::Collect, most, 0)?;
        for cell in vector().iter().take(count as usize) {
            give(Frame(cell.get() as u32));
        }
        Ok(())
    }
    fn stop(&mut self) {
        ebb_rt::start::abort()
    }
    fn thread_create(&mut self, task: Handle, frame: Frame, buffer: Frame, start: Start) -> Result<Handle> {
        object::thread_create(self.phys, task, frame, buffer, start)
    }
    fn thread_control(&mut self, thread: Handle, op: ThreadOp, argument: u64) -> Result<()> {
        object::thread_control(thread, op, argument)
    }
    fn thread_registers(&mut self, thread: Handle) -> Result<Registers> {
        object::thread_registers(thread)
    }
    fn thread_set_registers(&mut self, thread: Handle, registers: &Registers) -> Result<()> {
        object::thread_set_registers(thread, registers)
    }
    fn thread_look(&mut self, thread: Handle) -> Result<(State, u32)> {
        object::thread_look(thread)
    }
    fn thread_park(&mut self, thread: Handle, kick: Handle, bits: u64) -> Result<()> {
        object::thread_park(thread, kick, bits)
    }
    fn pending(&mut self, notification: Handle) -> Result<u64> {
        ipc::pending(notification)
    }
    fn destroy_step(&mut self, handle: Handle, give: &mut dyn FnMut(Frame)) -> Result<bool> {
        object::destroy_step(handle, give)
    }
    fn handle_copy(&mut self, task: Handle, handle: Handle, rights: Rights, badge: u32) -> Result<Handle> {
        object::handle_copy(task, handle, rights, badge)
    }
    fn handle_close(&mut self, handle: Handle) {
        // A handle whose object is gone is as good as closed.
        let _ = object::handle_close(handle);
    }

    fn own_words(&self, address: u64, pages: u64) -> Option<&'static [AtomicU64]> {
        ebb_rt::shared::segment(address, pages)
    }
}
