// SPDX-License-Identifier: BSD-2-Clause
//! What `vm` needs of the kernel and of its clients, as a trait: the server implements it with system calls, host tests with a software model.

use core::sync::atomic::AtomicU64;
use ebb_abi::frame::{FrameOp, Piece};
use ebb_abi::map::{MapFlags, MapOp};
use ebb_abi::thread::{Registers, State, TaskOp, ThreadOp};
use ebb_abi::{Frame, Handle, Kind, Rights};
use ebb_proto::{Error, Operation};
use ebb_sys::Result;
use ebb_sys::memory::Partial;
use ebb_sys::object::{Donation, Start};

/// The kernel and the clients.
pub trait Machine {
    /// The right to answer one call or fault.
    type Reply;

    /// Answers a call.
    fn answer<O: Operation>(
        &mut self,
        reply: Self::Reply,
        result: core::result::Result<O::Reply, Error>,
        handles: &[Handle],
    );
    /// Answers a fault: the thread resumes.
    fn resume(&mut self, reply: Self::Reply);
    /// Answers a fault: it becomes an exception.
    fn refuse(&mut self, reply: Self::Reply);
    /// Signals a notification.
    fn signal(&mut self, notification: Handle, bits: u64);
    /// The time-stamp counter.
    fn now(&self) -> u64;
    /// Writes a line to the log.
    fn log(&mut self, text: core::fmt::Arguments<'_>);

    /// Enters mappings.
    fn map(&mut self, task: Handle, ops: &[MapOp]) -> core::result::Result<(), Partial>;
    /// Removes mappings.
    fn unmap(&mut self, task: Handle, address: u64, pages: u64) -> Result<()>;
    /// Changes flags of mappings.
    fn protect(&mut self, task: Handle, address: u64, pages: u64, flags: MapFlags) -> Result<()>;
    /// One operation on each frame of `frames`; each element is replaced by its result.
    fn frame_op(&mut self, op: FrameOp, frames: &mut [u64]) -> Result<()>;
    /// Copies a frame.
    fn copy(&mut self, from: Frame, to: Frame) -> Result<()>;
    /// Copies bytes from frame to frame.
    fn copy_bytes(&mut self, pieces: &[Piece]) -> Result<()>;
    /// Zeroes a frame from a byte on.
    fn zero_tail(&mut self, frame: Frame, offset: u64) -> Result<()>;
    /// Reads resident memory.
    fn task_read(&mut self, task: Handle, address: u64, bytes: &mut [u8]) -> Result<usize>;
    /// Lets the kernel check its records of a range of frames.
    fn audit(&mut self, first: Frame, count: u32) -> Result<u64>;

    /// Makes an endpoint or a notification.
    fn object_create(&mut self, kind: Kind, frame: Frame) -> Result<Handle>;
    /// Makes a task.
    fn task_create(&mut self, frames: [Frame; 3]) -> Result<Handle>;
    /// Donates frames.
    fn donate(&mut self, task: Handle, what: Donation, frames: &[Frame]) -> Result<usize>;
    /// Controls a task.
    fn task_control(&mut self, task: Handle, op: TaskOp, a: u64, b: u64) -> Result<(u64, u64, u64)>;
    /// Takes back a task's empty page tables, and frames that wait to become some, so many at most.
    fn collect(&mut self, task: Handle, most: u64, give: &mut dyn FnMut(Frame)) -> Result<()>;
    /// Ends the machine. The log has said why.
    fn stop(&mut self);
    /// Makes a thread.
    fn thread_create(&mut self, task: Handle, frame: Frame, buffer: Frame, start: Start) -> Result<Handle>;
    /// Controls a thread.
    fn thread_control(&mut self, thread: Handle, op: ThreadOp, argument: u64) -> Result<()>;
    /// Reads a stopped thread's registers.
    fn thread_registers(&mut self, thread: Handle) -> Result<Registers>;
    /// Sets a stopped thread's registers.
    fn thread_set_registers(&mut self, thread: Handle, registers: &Registers) -> Result<()>;
    /// What a thread does, and how often it was given the processor.
    fn thread_look(&mut self, thread: Handle) -> Result<(State, u32)>;
    /// Stops a thread that waits for bits alone; the first that come set bits of another notification.
    fn thread_park(&mut self, thread: Handle, kick: Handle, bits: u64) -> Result<()>;
    /// Bits of a notification that nobody has received yet.
    fn pending(&mut self, notification: Handle) -> Result<u64>;
    /// One step of destroying an object; hands over the frames that come back, a thread's own before that of its message buffer; `true`: more are to come.
    fn destroy_step(&mut self, handle: Handle, give: &mut dyn FnMut(Frame)) -> Result<bool>;
    /// Copies a handle into a task.
    fn handle_copy(&mut self, task: Handle, handle: Handle, rights: Rights, badge: u32) -> Result<Handle>;
    /// Forgets a handle.
    fn handle_close(&mut self, handle: Handle);

    /// The words of frames that were mapped into `vm` itself, at an address in the segments' range.
    fn own_words(&self, address: u64, pages: u64) -> Option<&'static [AtomicU64]>;
}
