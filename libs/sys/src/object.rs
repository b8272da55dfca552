// SPDX-License-Identifier: BSD-2-Clause
//! Kernel objects: made from donated frames, controlled, destroyed.

use crate::Result;
use crate::buffer::vector;
use crate::raw::{Registers, syscall, syscall4};
use ebb_abi::syscall::Number;
use ebb_abi::thread::{self, TaskOp, ThreadOp};
use ebb_abi::{Frame, Handle, Kind, Rights};

/// Makes an endpoint or a notification in a frame.
pub fn create(pm: Handle, kind: Kind, frame: Frame) -> Result<Handle> {
    syscall4(Number::ObjectCreate, pm.0 as u64, kind as u64, frame.0 as u64, 0).map(|r| Handle(r.0 as u32))
}

/// Makes a task: a frame for it, one for its top page table, one for its handle table.
pub fn task_create(pm: Handle, task: Frame, table: Frame, handles: Frame) -> Result<Handle> {
    syscall4(Number::TaskCreate, pm.0 as u64, task.0 as u64, table.0 as u64, handles.0 as u64)
        .map(|r| Handle(r.0 as u32))
}

/// What frames are donated for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Donation {
    /// Page tables.
    Tables = 0,
    /// The handle table.
    Handles = 1,
}

/// Donates frames to a task; returns how many were taken.
pub fn donate(pm: Handle, task: Handle, what: Donation, frames: &[Frame]) -> Result<usize> {
    for (cell, frame) in vector().iter().zip(frames) {
        cell.set(frame.0 as u64);
    }
    syscall4(Number::TaskDonate, pm.0 as u64, task.0 as u64, what as u64, frames.len() as u64)
        .map(|r| r.0 as usize)
}

/// Controls a task; see [`TaskOp`] for the arguments and results.
pub fn task_control(task: Handle, op: TaskOp, arg1: u64, arg2: u64) -> Result<(u64, u64, u64)> {
    syscall4(Number::TaskControl, task.0 as u64, op as u64, arg1, arg2)
}

/// Where a new thread starts.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// Address of its message buffer in the task.
    pub buffer: u64,
    /// First instruction.
    pub entry: u64,
    /// Stack pointer.
    pub stack: u64,
    /// First argument.
    pub argument: u64,
}

/// Makes a stopped thread of priority 0 from a frame for it and one for its message buffer.
pub fn thread_create(pm: Handle, task: Handle, frame: Frame, buffer: Frame, start: Start) -> Result<Handle> {
    syscall(
        Number::ThreadCreate,
        Registers {
            rdi: pm.0 as u64,
            rsi: task.0 as u64,
            rdx: frame.0 as u64,
            r10: buffer.0 as u64,
            r8: start.buffer,
            r9: start.entry,
            r12: start.stack,
            r13: start.argument,
            ..Default::default()
        },
    )
    .ok()
    .map(|r| Handle(r.rdi as u32))
}

/// Controls a thread; see [`ThreadOp`].
pub fn thread_control(thread: Handle, op: ThreadOp, argument: u64) -> Result<()> {
    syscall4(Number::ThreadControl, thread.0 as u64, op as u64, argument, 0).map(|_| ())
}

/// Reads the registers of a stopped thread.
pub fn thread_registers(handle: Handle) -> Result<thread::Registers> {
    thread_control(handle, ThreadOp::Read, 0)?;
    let v = vector();
    Ok(thread::Registers::from_words(core::array::from_fn(|n| v[n].get())))
}

/// Sets the registers of a stopped thread; see [`ThreadOp::Write`].
pub fn thread_set_registers(handle: Handle, registers: &thread::Registers) -> Result<()> {
    for (cell, word) in vector().iter().zip(registers.words()) {
        cell.set(word);
    }
    thread_control(handle, ThreadOp::Write, 0)
}

/// What a thread does, and how often it was given the processor, modulo 2^32.
pub fn thread_look(handle: Handle) -> Result<(thread::State, u32)> {
    let (state, runs, _) = syscall4(Number::ThreadControl, handle.0 as u64, ThreadOp::Look as u64, 0, 0)?;
    Ok((thread::State::from_raw(state).unwrap_or(thread::State::Stopped), runs as u32))
}

/// Stops a thread that waits for bits; `kick` gets `bits` when there are some. See [`ThreadOp::Park`].
pub fn thread_park(handle: Handle, kick: Handle, bits: u64) -> Result<()> {
    syscall4(Number::ThreadControl, handle.0 as u64, ThreadOp::Park as u64, kick.0 as u64, bits).map(|_| ())
}

/// Destroys an object, or one step of it: hands each frame that comes back to `give`, and says whether more are to come.
pub fn destroy_step(handle: Handle, mut give: impl FnMut(Frame)) -> Result<bool> {
    let (count, more, _) = syscall4(Number::Destroy, handle.0 as u64, 0, 0, 0)?;
    for cell in vector().iter().take(count as usize) {
        give(Frame(cell.get() as u32));
    }
    Ok(more != 0)
}

/// Copies one of the caller's handles into a task (`Handle::NONE`: the caller's own) and returns its index there.
pub fn handle_copy(task: Handle, handle: Handle, rights: Rights, badge: u32) -> Result<Handle> {
    syscall4(Number::HandleCopy, task.0 as u64, handle.0 as u64, rights.bits() as u64, badge as u64)
        .map(|r| Handle(r.0 as u32))
}

/// Forgets a handle. Closing a reply answers it with `Dead`.
pub fn handle_close(handle: Handle) -> Result<()> {
    syscall4(Number::HandleClose, handle.0 as u64, 0, 0, 0).map(|_| ())
}
