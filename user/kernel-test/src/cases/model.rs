// SPDX-License-Identifier: BSD-2-Clause
//! Random operations on mappings, against a table that says what must be there.

use crate::assistant::{Rig, must};
use crate::memory::SCRATCH;
use crate::{check, check_eq};
use ebb_abi::boot::handles::PHYS_MEM;
use ebb_abi::frame::FrameOp;
use ebb_abi::map::MapFlags;
use ebb_abi::thread::TaskOp;
use ebb_abi::{Error, Frame, Handle};
use ebb_sys::memory::{audit, extract, frame_op1, protect, unmap};
use ebb_sys::object::task_control;

const FRAMES: usize = 24;
const PAGES: usize = 40;
const STEPS: usize = 30_000;

/// A small generator of random numbers (xorshift).
pub struct Random(pub u64);

impl Random {
    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Pages of two tasks, over several page tables.
fn address(page: usize) -> u64 {
    SCRATCH + ((page as u64 % 4) << 21) + page as u64 / 4 * 4096
}

/// What is mapped where.
type Space = [Option<(usize, MapFlags)>; PAGES];

fn count(spaces: &[Space; 2], frame: usize) -> u64 {
    spaces.iter().flatten().filter(|m| m.is_some_and(|(f, _)| f == frame)).count() as u64
}

pub fn random(rig: &mut Rig) {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let tasks: [Handle; 2] = core::array::from_fn(|_| rig.task(16));
    let frames: [Frame; FRAMES] = rig.frames.take_many();
    let mut spaces: [Space; 2] = [[None; PAGES]; 2];
    let mut wrong = 0u64;
    for _ in 0..STEPS {
        let which = random.below(2) as usize;
        let page = random.below(PAGES as u64) as usize;
        let frame = random.below(FRAMES as u64) as usize;
        let flags = MapFlags::from_bits_truncate(random.below(4));
        let at = address(page);
        let slot = spaces[which][page];
        match random.below(8) {
            0..=3 => {
                let expected = match slot {
                    Some((f, _)) if f != frame => Err(Error::Exists),
                    _ => {
                        spaces[which][page] = Some((frame, flags));
                        Ok(())
                    }
                };
                wrong += (rig.try_map(tasks[which], at, frames[frame], flags) != expected) as u64;
            }
            4 => {
                wrong += unmap(tasks[which], at, 1).is_err() as u64;
                spaces[which][page] = None;
            }
            5 => {
                wrong += protect(tasks[which], at, 1, flags).is_err() as u64;
                spaces[which][page] = slot.map(|(f, _)| (f, flags));
            }
            6 => match random.below(4) {
                0 => {
                    wrong += (frame_op1(PHYS_MEM, FrameOp::RemoveAll, frames[frame]) != Ok(0)) as u64;
                    for m in spaces.iter_mut().flatten().filter(|m| m.is_some_and(|(f, _)| f == frame)) {
                        *m = None;
                    }
                }
                1 => {
                    wrong += (frame_op1(PHYS_MEM, FrameOp::RemoveWrite, frames[frame]) != Ok(0)) as u64;
                    for m in spaces.iter_mut().flatten() {
                        *m = m.map(|(f, old)| (f, if f == frame { old - MapFlags::WRITE } else { old }));
                    }
                }
                2 => wrong += (frame_op1(PHYS_MEM, FrameOp::Harvest, frames[frame]) != Ok(0)) as u64,
                _ => wrong += task_control(tasks[which], TaskOp::Collect, 0, 0).is_err() as u64,
            },
            _ => {
                let expected = slot.map(|(f, flags)| (frames[f], flags)).ok_or(Error::NotMapped);
                wrong += (extract(tasks[which], at) != expected) as u64;
                let q = must(frame_op1(PHYS_MEM, FrameOp::Query, frames[frame]));
                wrong += (q >> 16 != count(&spaces, frame)) as u64;
            }
        }
    }
    check_eq!(wrong, 0);
    for (task, space) in tasks.iter().zip(&spaces) {
        let resident = space.iter().flatten().count() as u64;
        check_eq!(must(task_control(*task, TaskOp::Info, 0, 0)).0, resident);
        check!(
            (0..PAGES)
                .all(|p| extract(*task, address(p)).ok().map(|e| e.0) == space[p].map(|(f, _)| frames[f]))
        );
    }
    check_eq!(audit(PHYS_MEM, Frame(0), rig.info.nr_frames), Ok(0));
    tasks.into_iter().for_each(|t| rig.destroy(t));
    frames.into_iter().for_each(|f| rig.frames.give(f));
}
