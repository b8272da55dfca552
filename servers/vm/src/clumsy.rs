// SPDX-License-Identifier: BSD-2-Clause
//! Reclaim without a policy: second chance over all frames, as long as none answers. It keeps the machine going, and is not meant to be good.

use crate::machine::Machine;
use crate::page::{Flags, Place};
use crate::vm::Vm;
use ebb_abi::frame::{FrameOp, MODIFIED};
use ebb_abi::meter::Counter;
use ebb_policy::OomReason;
use ebb_proto::vm::{EventKind, Verdict};

/// Frames looked at in one go.
const GO: u32 = 256;
/// Milliseconds between goes while there is need.
const PAUSE_MS: u64 = 5;
/// Milliseconds without a policy before the first go: a replacement is usually faster, and reclaims better.
const GRACE_MS: u64 = 20;
/// Laps without progress, with nothing being written, after which memory counts as exhausted.
const HOPELESS_LAPS: u32 = 4;

impl<M: Machine> Vm<M> {
    /// One go over some frames, if it is time. Returns when the next is due.
    pub fn reclaim_clumsily(&mut self, now: u64) -> u64 {
        let due = self.clumsy_due.max(self.policy.gone_since() + GRACE_MS * self.cycles_per_ms);
        if now < due {
            return due;
        }
        let mut looked = 0;
        let nr = self.frames.nr_frames();
        let mut progress = false;
        while looked < GO && self.frames.gate.free_count() < self.frames.gate.thresholds().free_target {
            let frame = self.hand;
            self.hand += 1;
            looked += 1;
            if self.hand >= nr {
                self.hand = 0;
                self.idle_laps += 1;
            }
            progress |= self.try_frame(frame);
        }
        if progress || self.writing() > 0 {
            self.idle_laps = 0;
        }
        if self.idle_laps > HOPELESS_LAPS {
            self.idle_laps = 0;
            if self.is_exhausted() {
                self.out_of_memory(OomReason::Memory);
            }
        }
        self.clumsy_due = now + PAUSE_MS * self.cycles_per_ms;
        self.clumsy_due
    }

    fn try_frame(&mut self, frame: u32) -> bool {
        let page = *self.frames.page(frame);
        let held = page.wired > 0 || frame == self.entering;
        if page.place != Place::Object || held || page.flags.intersects(Flags::BUSY) {
            return false;
        }
        let mut bits = [frame as u64];
        if self.m.frame_op(FrameOp::Harvest, &mut bits).is_err() || bits[0] != 0 {
            return false;
        }
        bits = [frame as u64];
        let dirty = page.flags.contains(Flags::DIRTY)
            || self.m.frame_op(FrameOp::TestModified, &mut bits).is_err()
            || bits[0] & MODIFIED != 0;
        if dirty {
            return self.launder(frame, true) == Verdict::Started;
        }
        bits = [frame as u64];
        if self.m.frame_op(FrameOp::RemoveAll, &mut bits).is_err() {
            return false;
        }
        if bits[0] & MODIFIED != 0 {
            if let Some(page) = self.frames.page_mut(frame) {
                page.flags |= Flags::DIRTY;
            }
            return false;
        }
        self.tell_policy(EventKind::Free, frame, 0);
        self.reclaim(frame);
        self.frames.meter.add(Counter::v_clumsy, 1);
        true
    }
}
