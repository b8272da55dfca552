// SPDX-License-Identifier: BSD-2-Clause
//! Writing a dirty page with its neighbours (`vm_pageout_cluster`, `vm_pageout_flush`).

use crate::machine::Machine;
use crate::page::{Flags, NONE};
use crate::vm::Vm;
use ebb_abi::frame::{FrameOp, MODIFIED};
use ebb_abi::meter::Counter;
use ebb_policy::cluster;
use ebb_proto::pager::{MAX_RUN, Op, Submission};
use ebb_proto::vm::{PagerKind, Verdict};

impl<M: Machine> Vm<M> {
    /// Writes a page with its dirty neighbours (`vm_pageout_cluster`, `vm_pageout_flush`). `modified` says which neighbours of the queue count:
    /// only inactive ones for a policy, any for `vm`'s own reclaim.
    pub fn launder(&mut self, frame: u32, any_queue: bool) -> Verdict {
        let Some((object, index)) = self.page_of(frame) else { return Verdict::Stale };
        let Some(o) = self.objects.get(object) else { return Verdict::Stale };
        let file = o.file().copied();
        let room = match file {
            None if self.free_slots() == 0 => return Verdict::NoSpace,
            None => self.pager.room(MAX_RUN),
            Some(file) if file.unlinked && file.users == 0 && o.mapped == 0 => return Verdict::DirtyDead,
            Some(_) => self.vnode.room(MAX_RUN),
        };
        if !room || self.writing() >= self.tunables.max_laundering {
            return Verdict::Again;
        }
        let Some(o) = self.objects.get(object) else { return Verdict::Stale };
        // Pages that the disk has had before go by frame number; others by their bytes, for which there must be bounce pages.
        let by_bytes = |i: u32| file.is_some_and(|f| !o.entry(i).swapped() || f.ends_in(i));
        let bytes = by_bytes(index);
        let mut p = self.frames.gate.thresholds().cluster.min(MAX_RUN as u32) as u64;
        let mut slot = None;
        while bytes && slot.is_none() {
            slot = self.vnode.free_slots(p as usize);
            if slot.is_none() && p == 1 {
                return Verdict::Again;
            }
            p = if slot.is_none() { p / 2 } else { p };
        }
        let (frames, m, entering) = (&self.frames, &mut self.m, self.entering);
        let run = cluster::build(index as u64, o.pages as u64, p, |i| {
            let Some(frame) = o.entry(i as u32).frame() else { return false };
            if by_bytes(i as u32) != bytes {
                return false;
            }
            let page = frames.page(frame);
            if page.wired > 0
                || frame == entering
                || page.flags.intersects(Flags::BUSY)
                || !(any_queue || page.flags.contains(Flags::INACTIVE))
            {
                return false;
            }
            let mut bits = [frame as u64];
            page.flags.contains(Flags::DIRTY)
                || (m.frame_op(FrameOp::TestModified, &mut bits).is_ok() && bits[0] & MODIFIED != 0)
        });
        let mut list = [0u64; MAX_RUN];
        let len = (run.end - run.start) as usize;
        for (slot, i) in list.iter_mut().zip(run.clone()) {
            *slot = o.entry(i as u32).frame().unwrap_or(NONE) as u64;
        }
        // Busy and write-protected before the pager hears of it (PGO-151); then the dirty bits can be cleared without losing a write.
        for op in [FrameOp::RemoveWrite, FrameOp::ClearModified] {
            let mut bits = list;
            if let Err(error) = self.m.frame_op(op, &mut bits[..len]) {
                self.m.log(format_args!("write-protecting {len} pages: {error:?}"));
                return Verdict::Failed;
            }
        }
        let kind = if file.is_some() { PagerKind::Vnode } else { PagerKind::Swap };
        let name = file.map_or(object, |f| f.inode);
        for (nth, frame) in list[..len].iter().enumerate() {
            let frame = *frame as u32;
            let slot = slot.map(|first| first + nth);
            // A page whose bytes cannot be copied is sent by its number: the pager will ask again.
            let slot = slot.filter(|slot| self.fill_slot(*slot, frame));
            let Some(page) = self.frames.page_mut(frame) else { continue };
            page.flags = (page.flags | Flags::WRITING) - Flags::DIRTY;
            let submission = Submission {
                op: if slot.is_some() { Op::PutBytes } else { Op::Put },
                run: len as u8,
                place: nth as u8,
                slot: slot.unwrap_or(0) as u8,
                cookie: page.generation,
                words: [name as u64, run.start + nth as u64, frame as u64],
            };
            self.channel(kind).push(&submission);
        }
        if let Some(o) = self.objects.get_mut(object) {
            o.busy += len as u32;
        }
        self.channel(kind).writing += len as u32;
        self.publish_writing();
        if kind == PagerKind::Vnode {
            self.frames.meter.add(Counter::v_vnodeout, 1);
            return Verdict::Started;
        }
        if let Some(audit) = &mut self.pager.audit {
            audit.puts_after += len as u64;
        }
        self.frames.meter.add(Counter::v_swapout, 1);
        Verdict::Started
    }
}
