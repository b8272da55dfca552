// SPDX-License-Identifier: BSD-2-Clause
//! Operations on frames, whoever maps them.

use super::faults::{Heard, Touched};
use crate::assistant::{Rig, must};
use crate::memory::{SCRATCH, peek, poke};
use crate::{check, check_eq};
use ebb_abi::boot::handles::{PHYS_MEM, TASK};
use ebb_abi::frame::{FAILED, FrameOp, MODIFIED, Piece, REFERENCED, Use};
use ebb_abi::map::MapFlags;
use ebb_abi::{Error, Frame};
use ebb_sys::buffer::vector;
use ebb_sys::memory::{copy, copy_bytes, extract, frame_op, frame_op1, unmap, zero_tail};

fn op(op: FrameOp, frame: Frame) -> u64 {
    must(frame_op1(PHYS_MEM, op, frame))
}

/// Mappings, and the bits.
fn query(frame: Frame) -> (u64, u64) {
    let q = op(FrameOp::Query, frame);
    check_eq!(q >> 8 & 0xff, Use::User as u64);
    (q >> 16, q & 0xff)
}

pub fn shared(rig: &mut Rig) {
    let mut t = Touched::new(rig);
    let f = rig.clean_frame();
    check_eq!(op(FrameOp::Zero, f), 0);
    // Three mappings: two of ours, far apart, one of the assistant's.
    let far = SCRATCH + (3 << 30);
    rig.map(TASK, SCRATCH, f, MapFlags::WRITE);
    rig.map(TASK, far, f, MapFlags::empty());
    rig.map(t.a.task, SCRATCH, f, MapFlags::WRITE);
    check_eq!(query(f), (3, 0));
    check_eq!(op(FrameOp::Harvest, f), 0);
    peek(SCRATCH);
    check_eq!(query(f), (3, REFERENCED));
    check_eq!(op(FrameOp::Harvest, f), 1);
    check_eq!(op(FrameOp::Harvest, f), 0);
    // Used again, the bit is set again: the translation was forgotten.
    peek(SCRATCH);
    peek(far);
    check_eq!(t.order(0, SCRATCH, 0), Heard::Done(0));
    check_eq!(op(FrameOp::Harvest, f), 3);
    check_eq!(op(FrameOp::Harvest, f), 0);
    check_eq!(t.order(0, SCRATCH, 0), Heard::Done(0));
    check_eq!(op(FrameOp::Harvest, f), 1);
    // Used, then one removed: it counts once more, then never again.
    peek(SCRATCH);
    peek(far);
    must(unmap(TASK, far, 1));
    check_eq!(query(f), (2, REFERENCED));
    check_eq!(op(FrameOp::Harvest, f), 2);
    check_eq!(op(FrameOp::Harvest, f), 0);
    // The middle of the chain, then all.
    rig.map(TASK, far, f, MapFlags::empty());
    rig.map(TASK, SCRATCH + 4096, f, MapFlags::empty());
    check_eq!(query(f).0, 4);
    must(unmap(TASK, far, 1));
    check_eq!(query(f).0, 3);
    check_eq!(t.order(1, SCRATCH + 64, 5), Heard::Done(0));
    check_eq!(op(FrameOp::RemoveAll, f), MODIFIED | REFERENCED);
    check_eq!(query(f), (0, 0));
    check_eq!(op(FrameOp::RemoveAll, f), 0);
    check_eq!(extract(TASK, SCRATCH), Err(Error::NotMapped));
    check_eq!(extract(TASK, SCRATCH + 4096), Err(Error::NotMapped));
    check_eq!(extract(t.a.task, SCRATCH), Err(Error::NotMapped));
    // A vector, with one that is refused in the middle.
    rig.map(TASK, SCRATCH, f, MapFlags::WRITE);
    check_eq!(peek(SCRATCH + 64), 5);
    for (cell, value) in vector().iter().zip([f.0 as u64, u64::MAX, f.0 as u64, 1 << 32 | f.0 as u64]) {
        cell.set(value);
    }
    check_eq!(frame_op(PHYS_MEM, FrameOp::Harvest, 4), Ok(()));
    let results: [u64; 4] = core::array::from_fn(|i| vector()[i].get());
    check_eq!(results, [1, FAILED, 0, FAILED]);
    check_eq!(frame_op(PHYS_MEM, FrameOp::Harvest, 505), Err(Error::BadArgument));
    must(unmap(TASK, SCRATCH, 1));
    t.end(rig);
    rig.frames.give(f);
}

pub fn modified(rig: &mut Rig) {
    let f = rig.clean_frame();
    rig.map(TASK, SCRATCH, f, MapFlags::WRITE | MapFlags::ZERO);
    check_eq!(op(FrameOp::TestModified, f), 0);
    peek(SCRATCH);
    check_eq!(op(FrameOp::TestModified, f), 0);
    poke(SCRATCH, 1);
    check_eq!(op(FrameOp::TestModified, f), MODIFIED);
    check_eq!(op(FrameOp::TestModified, f), MODIFIED);
    check_eq!(op(FrameOp::ClearModified, f), MODIFIED);
    check_eq!(op(FrameOp::TestModified, f), 0);
    poke(SCRATCH, 2);
    check_eq!(op(FrameOp::ClearModified, f), MODIFIED);
    // Across an unmap.
    poke(SCRATCH, 3);
    must(unmap(TASK, SCRATCH, 1));
    check_eq!(op(FrameOp::TestModified, f), MODIFIED);
    check_eq!(op(FrameOp::ClearModified, f), MODIFIED);
    check_eq!(op(FrameOp::TestModified, f), 0);
    // Across the end of a task, and across a harvest.
    let mut t = Touched::new(rig);
    rig.map(t.a.task, SCRATCH, f, MapFlags::WRITE);
    op(FrameOp::Harvest, f);
    check_eq!(t.order(1, SCRATCH, 4), Heard::Done(0));
    check_eq!(op(FrameOp::Harvest, f), 1);
    check_eq!(query(f), (1, MODIFIED));
    t.end(rig);
    check_eq!(query(f), (0, MODIFIED));
    // Entered again it is still known, also where the permission changes.
    rig.map(TASK, SCRATCH, f, MapFlags::empty());
    check_eq!(op(FrameOp::RemoveAll, f) & MODIFIED, MODIFIED);
    rig.map(TASK, SCRATCH, f, MapFlags::WRITE);
    poke(SCRATCH, 5);
    rig.map(TASK, SCRATCH, f, MapFlags::empty());
    check_eq!(op(FrameOp::TestModified, f), MODIFIED);
    must(ebb_sys::memory::protect(TASK, SCRATCH, 1, MapFlags::EXECUTE));
    check_eq!(op(FrameOp::RemoveAll, f) & MODIFIED, MODIFIED);
    // Forgotten once the frame has been an object.
    rig.map(TASK, SCRATCH, f, MapFlags::WRITE);
    poke(SCRATCH, 6);
    must(unmap(TASK, SCRATCH, 1));
    let n = must(ebb_sys::object::create(PHYS_MEM, ebb_abi::Kind::Notification, f));
    must(ebb_sys::object::destroy_step(n, |back| check_eq!(back, f)));
    must(ebb_sys::object::handle_close(n));
    check_eq!(query(f), (0, 0));
    rig.frames.give(f);
}

pub fn remove_write(rig: &mut Rig) {
    let f = rig.clean_frame();
    rig.map(TASK, SCRATCH, f, MapFlags::WRITE);
    rig.map(TASK, SCRATCH + 4096, f, MapFlags::WRITE | MapFlags::EXECUTE);
    poke(SCRATCH, 1);
    check_eq!(op(FrameOp::RemoveWrite, f), MODIFIED);
    check_eq!(op(FrameOp::RemoveWrite, f), MODIFIED);
    check_eq!(extract(TASK, SCRATCH), Ok((f, MapFlags::empty())));
    check_eq!(extract(TASK, SCRATCH + 4096), Ok((f, MapFlags::EXECUTE)));
    check_eq!(op(FrameOp::ClearModified, f), MODIFIED);
    check_eq!(op(FrameOp::RemoveWrite, f), 0);
    must(unmap(TASK, SCRATCH, 2));
    rig.frames.give(f);
}

/// Bytes from frame to frame; both are mapped, `a` first.
fn pieces(a: Frame, b: Frame) {
    let byte = |frame: u64, i: u64| (peek(SCRATCH + 4096 * frame + (i & !7)) >> (8 * (i & 7))) as u8;
    let piece = |from, from_offset, to, to_offset, bytes| Piece { from, from_offset, to, to_offset, bytes };
    // Every alignment of source and target, and lengths that are no multiple of anything.
    for (from, to, len) in [(0, 0, 4096), (1, 0, 4095), (3, 8, 17), (4095, 7, 1), (8, 4001, 95), (5, 5, 0)] {
        (0..512).for_each(|i| poke(SCRATCH + 8 * i, i.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        must(zero_tail(PHYS_MEM, b, 0));
        check_eq!(copy_bytes(PHYS_MEM, &[piece(a, from, b, to, len)]), Ok(()));
        let (from, to, len) = (from as u64, to as u64, len as u64);
        check!((0..len).all(|i| byte(1, to + i) == byte(0, from + i)));
        check!((0..4096).all(|i| (to..to + len).contains(&i) || byte(1, i) == 0));
    }
    // Inside one frame the ranges may overlap, either way; several pieces go in order.
    (0..512).for_each(|i| poke(SCRATCH + 8 * i, i));
    check_eq!(copy_bytes(PHYS_MEM, &[piece(a, 0, a, 8, 4088), piece(a, 8, a, 0, 4088)]), Ok(()));
    check!((0..511).all(|i| peek(SCRATCH + 8 * i) == i));
    for bad in [piece(a, 1, b, 0, 4096), piece(a, 0, b, 4096, 1), piece(a, u16::MAX, b, 0, 1)] {
        check_eq!(copy_bytes(PHYS_MEM, &[bad]), Err(Error::BadArgument));
    }
    check_eq!(copy_bytes(PHYS_MEM, &[piece(a, 0, Frame(u32::MAX), 0, 1)]), Err(Error::BadFrame));
    check_eq!(copy_bytes(TASK, &[piece(a, 0, b, 0, 1)]), Err(Error::BadHandle));
}

/// What `mem=` leaves out holds what is copied there, and is good for nothing else.
pub fn left_out(rig: &mut Rig) {
    let spare = rig.info.spare;
    let [a, b] = rig.frames.take_many();
    rig.map(TASK, SCRATCH, a, MapFlags::WRITE);
    rig.map(TASK, SCRATCH + 4096, b, MapFlags::WRITE);
    let piece = |from, to| Piece { from, from_offset: 0, to, to_offset: 0, bytes: 4096 };
    check!(
        spare.count > 1 && !rig.info.free.iter().any(|r| (r.first..r.first + r.count).contains(&spare.first))
    );
    let (first, last) = (Frame(spare.first), Frame(spare.first + spare.count - 1));
    (0..512).for_each(|i| poke(SCRATCH + 8 * i, i ^ 0x5a5a));
    check_eq!(copy_bytes(PHYS_MEM, &[piece(a, first), piece(first, last), piece(last, b)]), Ok(()));
    check!((0..512).all(|i| peek(SCRATCH + 4096 + 8 * i) == i ^ 0x5a5a));
    for beyond in [Frame(spare.first - 1), Frame(spare.first + spare.count)] {
        // Beside it is the machine's memory or none.
        if !rig.info.free.iter().any(|r| (r.first..r.first + r.count).contains(&beyond.0)) {
            check_eq!(copy_bytes(PHYS_MEM, &[piece(a, beyond)]), Err(Error::BadFrame));
            check_eq!(copy_bytes(PHYS_MEM, &[piece(beyond, a)]), Err(Error::BadFrame));
        }
    }
    check_eq!(frame_op1(PHYS_MEM, FrameOp::Zero, first), Ok(FAILED));
    check_eq!(copy(PHYS_MEM, first, a), Err(Error::BadFrame));
    check_eq!(zero_tail(PHYS_MEM, first, 0), Err(Error::BadFrame));
    must(unmap(TASK, SCRATCH, 2));
    rig.frames.give(a);
    rig.frames.give(b);
}

pub fn contents(rig: &mut Rig) {
    let [a, b] = rig.frames.take_many();
    rig.map(TASK, SCRATCH, a, MapFlags::WRITE | MapFlags::ZERO);
    rig.map(TASK, SCRATCH + 4096, b, MapFlags::WRITE | MapFlags::ZERO);
    check!((0..512).all(|i| peek(SCRATCH + 8 * i) == 0));
    (0..512).for_each(|i| poke(SCRATCH + 8 * i, !i));
    check_eq!(copy(PHYS_MEM, a, b), Ok(()));
    check!((0..512).all(|i| peek(SCRATCH + 4096 + 8 * i) == !i));
    check_eq!(copy(PHYS_MEM, a, a), Ok(()));
    check_eq!(copy(PHYS_MEM, a, Frame(u32::MAX)), Err(Error::BadFrame));
    check_eq!(frame_op(PHYS_MEM, FrameOp::Copy, 1), Err(Error::BadArgument));
    for from in [4096u64, 4095, 4088, 2048 + 3, 8, 1, 0] {
        must(copy(PHYS_MEM, a, b));
        check_eq!(zero_tail(PHYS_MEM, b, from), Ok(()));
        let byte = |i: u64| (peek(SCRATCH + 4096 + (i & !7)) >> (8 * (i & 7))) as u8;
        let original = |i: u64| (!(i / 8) >> (8 * (i & 7))) as u8;
        check!((0..4096).all(|i| byte(i) == if i < from { original(i) } else { 0 }));
    }
    check_eq!(zero_tail(PHYS_MEM, b, 4097), Err(Error::BadArgument));
    check_eq!(zero_tail(PHYS_MEM, Frame(u32::MAX), 0), Err(Error::BadFrame));
    pieces(a, b);
    check_eq!(op(FrameOp::Zero, a), 0);
    check!((0..512).all(|i| peek(SCRATCH + 8 * i) == 0));
    must(unmap(TASK, SCRATCH, 2));
    [a, b].into_iter().for_each(|f| rig.frames.give(f));
}
