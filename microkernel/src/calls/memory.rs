// SPDX-License-Identifier: BSD-2-Clause
//! System calls on mappings and frames.

use super::objects::managed_task;
use super::vector;
use crate::frame;
use crate::handle::{self, privilege};
use crate::kernel::Kernel;
use crate::object::{self, Ref};
use crate::task::Task;
use crate::thread::Thread;
use crate::{ipc, pmap};
use core::cell::Cell;
use ebb_abi::frame::{FrameOp, Piece, Use};
use ebb_abi::map::{MapFlags, MapOp};
use ebb_abi::message::{BYTES, MAX_BYTES};
use ebb_abi::{Error, Frame, Kind, Rights};

/// The rights of a `PhysMem` handle that has one of these.
#[inline(always)]
fn memory_rights(current: Ref<Thread>, handle: u64, any: Rights) -> Result<Rights, Error> {
    let e = handle::entry(current.task(), handle)?;
    if !e.is(Kind::PhysMem) {
        return Err(Error::BadHandle);
    }
    let rights = e.rights();
    if rights.intersects(any) { Ok(rights) } else { Err(Error::NoRight) }
}

/// A task to map into: `Handle::NONE` is the caller's own.
#[inline(always)]
fn map_target(current: Ref<Thread>, handle: u64) -> Result<Ref<Task>, Error> {
    if handle == 0 { Ok(current.task()) } else { managed_task(current, handle) }
}

/// A vectored call that stopped early: the elements done, and why it stopped.
type Partial = (u64, Error);

/// It stopped before the first element.
fn none_done(error: Error) -> Partial {
    (0, error)
}

fn enter_all(k: &Kernel, task: Ref<Task>, pairs: &[Cell<u64>], rights: Rights) -> Result<(), Partial> {
    for (done, pair) in pairs.chunks_exact(2).enumerate() {
        let (address, entry) = (pair[0].get(), pair[1].get());
        enter_one(k, task, address, entry, rights).map_err(|error| (done as u64, error))?;
    }
    Ok(())
}

#[inline(always)]
fn enter_one(k: &Kernel, task: Ref<Task>, address: u64, entry: u64, rights: Rights) -> Result<(), Error> {
    // Frame numbers have 32 bits: what does not fit is nobody's memory.
    if entry >> 44 != 0 {
        return Err(Error::BadFrame);
    }
    pmap::enter(k, task, MapOp::unpack(address, entry), rights)
}

/// Elements of the vector for so many pairs.
fn pairs(current: Ref<Thread>, count: u64) -> Result<&'static [Cell<u64>], Error> {
    vector(current, count.checked_mul(2).ok_or(Error::BadArgument)?)
}

/// `Map`.
pub fn map(k: &Kernel, current: Ref<Thread>) -> Result<(), Error> {
    let regs = &current.regs;
    let result = map_vector(k, current);
    regs.rdi.set(result.map_or_else(|(done, _)| done, |()| regs.rdx.get()));
    result.map_err(|(_, error)| error)
}

fn map_vector(k: &Kernel, current: Ref<Thread>) -> Result<(), Partial> {
    let regs = &current.regs;
    let any = Rights::FULL_MEMORY | Rights::DEVICE;
    let rights = memory_rights(current, regs.rdi.get(), any).map_err(none_done)?;
    let task = map_target(current, regs.rsi.get()).map_err(none_done)?;
    let pairs = pairs(current, regs.rdx.get()).map_err(none_done)?;
    enter_all(k, task, pairs, rights)
}

/// `MapReplyReceive`.
pub fn map_reply_receive(k: &'static Kernel, current: Ref<Thread>) -> Ref<Thread> {
    match map_for_reply(k, current) {
        Ok(()) => ipc::resume_and_receive(k, current),
        Err((done, error)) => {
            current.regs.rdi.set(done);
            ipc::fail(k, current, error)
        }
    }
}

#[inline(always)]
fn map_for_reply(k: &Kernel, current: Ref<Thread>) -> Result<(), Partial> {
    let regs = &current.regs;
    ipc::check_reply_receive(current).map_err(none_done)?;
    let any = Rights::FULL_MEMORY | Rights::DEVICE;
    let rights = memory_rights(current, regs.rsi.get(), any).map_err(none_done)?;
    let task = map_target(current, regs.rdx.get()).map_err(none_done)?;
    match regs.r9.get() {
        0 => enter_one(k, task, regs.r10.get(), regs.r8.get(), rights).map_err(none_done),
        count => enter_all(k, task, pairs(current, count).map_err(none_done)?, rights),
    }
}

/// `Unmap`.
#[inline(never)]
pub fn unmap(k: &Kernel, current: Ref<Thread>) -> Result<(), Error> {
    let regs = &current.regs;
    let task = managed_task(current, regs.rdi.get())?;
    pmap::check_range(regs.rsi.get(), regs.rdx.get())?;
    pmap::remove(k, task, regs.rsi.get(), regs.rdx.get());
    Ok(())
}

/// `Protect`.
#[inline(never)]
pub fn protect(k: &Kernel, current: Ref<Thread>) -> Result<(), Error> {
    let regs = &current.regs;
    let task = managed_task(current, regs.rdi.get())?;
    pmap::check_range(regs.rsi.get(), regs.rdx.get())?;
    let flags = MapFlags::from_bits(regs.r10.get()).ok_or(Error::BadArgument)?;
    pmap::protect(k, task, regs.rsi.get(), regs.rdx.get(), flags);
    Ok(())
}

/// `Extract`.
pub fn extract(current: Ref<Thread>) -> Result<(), Error> {
    let regs = &current.regs;
    let task = managed_task(current, regs.rdi.get())?;
    pmap::check_address(regs.rsi.get())?;
    let (frame, flags) = pmap::extract(task, regs.rsi.get())?;
    regs.rdi.set(frame.0 as u64);
    regs.rsi.set(flags.bits());
    Ok(())
}

/// `FrameOp`.
#[inline(never)]
pub fn frame_op(k: &Kernel, current: Ref<Thread>) -> Result<(), Error> {
    let regs = &current.regs;
    let op = FrameOp::from_raw(regs.rsi.get()).ok_or(Error::BadArgument)?;
    let any = match op {
        FrameOp::Harvest => Rights::FULL_MEMORY | Rights::HARVEST,
        _ => Rights::FULL_MEMORY,
    };
    memory_rights(current, regs.rdi.get(), any)?;
    let elements = vector(current, regs.rdx.get())?;
    if op == FrameOp::Copy && !elements.len().is_multiple_of(2) {
        return Err(Error::BadArgument);
    }
    pmap::frame_op(k, op, elements);
    Ok(())
}

/// `ZeroTail`.
pub fn zero_tail(k: &Kernel, current: Ref<Thread>) -> Result<(), Error> {
    let regs = &current.regs;
    privilege(current.task(), regs.rdi.get(), Kind::PhysMem, Rights::FULL_MEMORY)?;
    let from = regs.rdx.get();
    if from > 4096 {
        return Err(Error::BadArgument);
    }
    let frame = frame::check(k, regs.rsi.get()).filter(|f| frame::record(*f).is(Use::User));
    // SAFETY: user memory.
    unsafe { object::zero(frame.ok_or(Error::BadFrame)?, from as usize) };
    Ok(())
}

/// `CopyBytes`.
#[inline(never)]
pub fn copy_bytes(k: &Kernel, current: Ref<Thread>) -> Result<(), Error> {
    let regs = &current.regs;
    privilege(current.task(), regs.rdi.get(), Kind::PhysMem, Rights::FULL_MEMORY)?;
    let elements = vector(current, regs.rsi.get())?;
    let used = |f: Frame, how| frame::check(k, f.0 as u64).filter(|f| frame::record(*f).is(how));
    let user = |f: Frame| used(f, Use::User).or_else(|| k.machine.spare(f.0 as u64));
    let buffer = |f| used(f, Use::MessageBuffer);
    for pair in elements.chunks(2) {
        let [from, to] = pair else { return Err(Error::BadArgument) };
        let piece = Piece::unpack([from.get(), to.get()]);
        if !piece.is_inside() {
            return Err(Error::BadArgument);
        }
        let to = user(piece.to).or_else(|| buffer(piece.to));
        let (from, to) = user(piece.from).zip(to).ok_or(Error::BadFrame)?;
        let (from_offset, to_offset) = (piece.from_offset as usize, piece.to_offset as usize);
        // SAFETY: user memory, memory that nobody has, or a message buffer, which the kernel reaches by cells too; both ends are inside their frames.
        unsafe { object::copy_bytes(from, from_offset, to, to_offset, piece.bytes as usize) };
    }
    Ok(())
}

/// `TaskRead`.
pub fn task_read(current: Ref<Thread>) -> Result<(), Error> {
    let regs = &current.regs;
    let task = managed_task(current, regs.rdi.get())?;
    let (address, len) = (regs.rsi.get(), regs.rdx.get());
    if len > MAX_BYTES as u64 {
        return Err(Error::BadArgument);
    }
    let mut done = 0;
    while done < len {
        let Some(at) = address.checked_add(done) else { break };
        let Some(frame) = pmap::resident_frame(task, at) else { break };
        let offset = at & 0xfff;
        let piece = (len - done).min(4096 - offset);
        let (target, target_offset) = (current.buffer().frame(), BYTES + done as usize);
        // SAFETY: both pieces end inside their frames; memory of a task, and a message buffer.
        unsafe { object::copy_bytes(frame, offset as usize, target, target_offset, piece as usize) };
        done += piece;
    }
    regs.rdi.set(done);
    Ok(())
}

/// `Audit`.
pub fn audit(k: &Kernel, current: Ref<Thread>) -> Result<(), Error> {
    let regs = &current.regs;
    privilege(current.task(), regs.rdi.get(), Kind::PhysMem, Rights::FULL_MEMORY)?;
    let (first, count) = (regs.rsi.get(), regs.rdx.get());
    let nr_frames = k.machine.nr_frames.get() as u64;
    if first > nr_frames || count > nr_frames - first {
        return Err(Error::BadArgument);
    }
    regs.rdi.set(pmap::audit(k, first as u32, count as u32));
    Ok(())
}
