// SPDX-License-Identifier: BSD-2-Clause
//! Mappings and frames (`pmap`).

use crate::Result;
use crate::buffer::vector;
use crate::raw::{Registers, syscall, syscall4};
use ebb_abi::frame::{FrameOp, Piece};
use ebb_abi::map::{MapFlags, MapOp};
use ebb_abi::message::{MAX_BYTES, MAX_VECTOR};
use ebb_abi::syscall::Number;
use ebb_abi::{Error, Frame, Handle};

/// Elements that [`map`] takes at a time.
pub const MAX_MAPS: usize = MAX_VECTOR / 2;

/// Pieces that [`copy_bytes`] takes at a time.
pub const MAX_PIECES: usize = MAX_VECTOR / 2;

/// A vectored call that stopped early: how many elements were done, and why it stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Partial {
    /// Elements done.
    pub done: usize,
    /// What stopped it.
    pub error: Error,
}

/// Enters mappings in another task, at most [`MAX_MAPS`].
pub fn map(pm: Handle, task: Handle, ops: &[MapOp]) -> core::result::Result<(), Partial> {
    if ops.len() > MAX_MAPS {
        return Err(Partial { done: 0, error: Error::BadArgument });
    }
    for (pair, op) in vector().chunks_exact(2).zip(ops) {
        pair[0].set(op.address);
        pair[1].set(op.entry());
    }
    let out = syscall(
        Number::Map,
        Registers { rdi: pm.0 as u64, rsi: task.0 as u64, rdx: ops.len() as u64, ..Default::default() },
    );
    match Error::from_raw(out.rax) {
        None => Ok(()),
        Some(error) => Err(Partial { done: out.rdi as usize, error }),
    }
}

/// Removes mappings of a task.
pub fn unmap(task: Handle, address: u64, pages: u64) -> Result<()> {
    syscall4(Number::Unmap, task.0 as u64, address, pages, 0).map(|_| ())
}

/// Changes the flags of the mappings that are present.
pub fn protect(task: Handle, address: u64, pages: u64, flags: MapFlags) -> Result<()> {
    syscall4(Number::Protect, task.0 as u64, address, pages, flags.bits()).map(|_| ())
}

/// What is mapped at an address.
pub fn extract(task: Handle, address: u64) -> Result<(Frame, MapFlags)> {
    let (frame, flags, _) = syscall4(Number::Extract, task.0 as u64, address, 0, 0)?;
    Ok((Frame(frame as u32), MapFlags::from_bits_truncate(flags)))
}

/// Does one operation to the first `count` frames of the vector, in place.
pub fn frame_op(pm: Handle, op: FrameOp, count: usize) -> Result<()> {
    syscall4(Number::FrameOp, pm.0 as u64, op as u64, count as u64, 0).map(|_| ())
}

/// Does one operation to one frame; the result is what [`FrameOp`] says.
pub fn frame_op1(pm: Handle, op: FrameOp, frame: Frame) -> Result<u64> {
    vector()[0].set(frame.0 as u64);
    frame_op(pm, op, 1)?;
    Ok(vector()[0].get())
}

/// Copies a frame into another.
pub fn copy(pm: Handle, from: Frame, to: Frame) -> Result<()> {
    vector()[0].set(from.0 as u64);
    vector()[1].set(to.0 as u64);
    frame_op(pm, FrameOp::Copy, 2)?;
    if vector()[0].get() == ebb_abi::frame::FAILED { Err(Error::BadFrame) } else { Ok(()) }
}

/// Zeroes a frame from byte `offset` on.
pub fn zero_tail(pm: Handle, frame: Frame, offset: u64) -> Result<()> {
    syscall4(Number::ZeroTail, pm.0 as u64, frame.0 as u64, offset, 0).map(|_| ())
}

/// Copies bytes from frame to frame, as many pieces as a vector holds ([`MAX_PIECES`]); more is `BadArgument`.
pub fn copy_bytes(pm: Handle, pieces: &[Piece]) -> Result<()> {
    if pieces.len() > MAX_PIECES {
        return Err(Error::BadArgument);
    }
    for (cells, piece) in vector().chunks_exact(2).zip(pieces) {
        let [from, to] = piece.pack();
        cells[0].set(from);
        cells[1].set(to);
    }
    syscall4(Number::CopyBytes, pm.0 as u64, 2 * pieces.len() as u64, 0, 0).map(|_| ())
}

/// Reads resident memory of a task; returns the bytes read, fewer where something is not resident.
pub fn task_read(task: Handle, address: u64, bytes: &mut [u8]) -> Result<usize> {
    let len = bytes.len().min(MAX_BYTES);
    let (count, _, _) = syscall4(Number::TaskRead, task.0 as u64, address, len as u64, 0)?;
    let count = (count as usize).min(len);
    crate::buffer::get(&mut bytes[..count]);
    Ok(count)
}

/// Checks the kernel's records of a range of frames; returns the number of inconsistencies (each is in the log).
pub fn audit(pm: Handle, first: Frame, count: u32) -> Result<u64> {
    syscall4(Number::Audit, pm.0 as u64, first.0 as u64, count as u64, 0).map(|r| r.0)
}
