// SPDX-License-Identifier: BSD-2-Clause
//! The vectored operations on frames, whoever maps them.

use super::{flush, rmap};
use crate::arch::x86_64::paging::{ACCESSED, DIRTY, WRITE};
use crate::frame::{self, MODIFIED, REFERENCED, Record, record};
use crate::kernel::Kernel;
use crate::object;
use core::cell::Cell;
use ebb_abi::frame::{FAILED, FrameOp, Use};

/// Does the operation to each frame of the vector.
pub fn frame_op(k: &Kernel, op: FrameOp, vector: &[Cell<u64>]) {
    match op {
        FrameOp::Harvest => user_frames(k, vector, |f, r| harvest(k, f, r)),
        FrameOp::TestModified => user_frames(k, vector, test_modified),
        FrameOp::ClearModified => user_frames(k, vector, |f, r| clear_modified(k, f, r)),
        FrameOp::RemoveAll => user_frames(k, vector, |f, r| {
            rmap::remove_all(k, f);
            r.take(REFERENCED | MODIFIED) as u64
        }),
        FrameOp::RemoveWrite => user_frames(k, vector, |f, r| remove_write(k, f, r)),
        FrameOp::Query => {
            for cell in vector {
                cell.set(frame::check(k, cell.get()).map_or(FAILED, query));
            }
        }
        FrameOp::Zero => user_frames(k, vector, |f, _| {
            // SAFETY: user memory.
            unsafe { object::zero(f, 0) };
            0
        }),
        FrameOp::Copy => {
            for pair in vector.chunks_exact(2) {
                let copied = user_frame(k, pair[0].get()).zip(user_frame(k, pair[1].get()));
                let result = copied.map_or(FAILED, |(from, to)| {
                    // SAFETY: user memory, both.
                    unsafe { object::copy(from, to) };
                    0
                });
                pair[0].set(result);
                pair[1].set(result);
            }
        }
    }
}

#[inline(always)]
fn user_frame(k: &Kernel, claim: u64) -> Option<u32> {
    frame::check(k, claim).filter(|f| record(*f).is(Use::User))
}

#[inline(always)]
fn user_frames(k: &Kernel, vector: &[Cell<u64>], op: impl Fn(u32, &Record) -> u64) {
    for cell in vector {
        cell.set(user_frame(k, cell.get()).map_or(FAILED, |f| op(f, record(f))));
    }
}

#[inline(always)]
fn harvest(k: &Kernel, frame: u32, r: &Record) -> u64 {
    let mut used = (r.take(REFERENCED) != 0) as u64;
    rmap::each(frame, |m| {
        let was = m.with_entry(|e| {
            let old = e.get();
            e.set(old & !ACCESSED);
            old & ACCESSED
        });
        if was != 0 {
            used += 1;
            // The processor would not set the bit again through a translation that it still holds.
            flush(k, m.task, m.address);
        }
    });
    used
}

fn test_modified(frame: u32, r: &Record) -> u64 {
    let mut modified = r.flags.get() & MODIFIED != 0;
    rmap::each(frame, |m| modified |= m.with_entry(|e| e.get() & DIRTY != 0));
    modified as u64 * MODIFIED as u64
}

fn clear_modified(k: &Kernel, frame: u32, r: &Record) -> u64 {
    let mut modified = r.take(MODIFIED) != 0;
    rmap::each(frame, |m| {
        let was = m.with_entry(|e| {
            let old = e.get();
            e.set(old & !DIRTY);
            old & DIRTY
        });
        if was != 0 {
            modified = true;
            flush(k, m.task, m.address);
        }
    });
    modified as u64 * MODIFIED as u64
}

fn remove_write(k: &Kernel, frame: u32, r: &Record) -> u64 {
    let mut modified = r.flags.get() & MODIFIED != 0;
    rmap::each(frame, |m| {
        let old = m.with_entry(|e| {
            let old = e.get();
            e.set(old & !WRITE);
            old
        });
        modified |= old & DIRTY != 0;
        if old & WRITE != 0 {
            flush(k, m.task, m.address);
        }
    });
    modified as u64 * MODIFIED as u64
}

fn query(frame: u32) -> u64 {
    let r = record(frame);
    let mut bits = (r.flags.get() & (REFERENCED | MODIFIED)) as u64;
    if r.is(Use::User) || r.is(Use::MessageBuffer) {
        rmap::each(frame, |m| {
            let entry = m.with_entry(Cell::get);
            bits |= (entry & ACCESSED != 0) as u64 * REFERENCED as u64;
            bits |= (entry & DIRTY != 0) as u64 * MODIFIED as u64;
        });
    }
    bits | (r.used() as u64) << 8 | (r.mapcount.get() as u64) << 16
}
