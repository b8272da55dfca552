// SPDX-License-Identifier: BSD-2-Clause
//! `vm.audit`: the truth checked against itself. Every frame is in exactly one place, every count is the sum of its parts, the kernel
//! agrees about mappings and donations, the pager about copies.

use crate::charge::Charges;
use crate::machine::Machine;
use crate::map::Backing;
use crate::page::{Flags, Place};
use crate::pager::PagerAudit;
use crate::vm::Vm;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use ebb_abi::Frame;
use ebb_abi::frame::{FAILED, FrameOp, Use};
use ebb_abi::message::MAX_VECTOR;
use ebb_abi::meter::Counter;
use ebb_policy::gate::Wiring;
use ebb_proto::Error;
use ebb_proto::pager::{ALL, Completion, Op, Outcome};
use ebb_proto::vm::{self as proto, AuditReport};

/// Problems told by name; the rest is in the log.
const MAX_PROBLEMS: usize = 32;
/// Frames that the kernel checks in one call, so that the machine is not held up.
const KERNEL_PIECE: u32 = 1024;

struct Findings<'a, M: Machine> {
    m: &'a mut M,
    report: AuditReport,
}

impl<M: Machine> Findings<'_, M> {
    fn wrong(&mut self, text: String) {
        self.m.log(format_args!("audit: {text}"));
        if self.report.problems.len() < MAX_PROBLEMS {
            self.report.problems.push(text);
        }
    }

    fn equal(&mut self, what: &str, is: u64, should: u64) {
        if is != should {
            self.wrong(format!("{what}: is {is}, should be {should}"));
        }
    }
}

impl<M: Machine> Vm<M> {
    /// Checks everything; answers when the pager has checked itself too.
    pub fn audit(&mut self, reply: M::Reply) {
        if self.pager.audit.is_some() {
            return self.m.answer::<proto::Audit>(reply, Err(Error::Busy), &[]);
        }
        let (chains, longest) = self.audit_chains();
        let parked = self.parked_wrong();
        let mut f = Findings { m: &mut self.m, report: AuditReport::default() };
        chains.into_iter().for_each(|text| f.wrong(text));
        let nr = self.frames.nr_frames();

        // Frames: each in one place, and the places add up.
        let mut in_place = [0u64; Place::Own as usize + 1];
        let (mut active, mut inactive, mut wired_pages, mut writing, mut reading) = (0, 0, 0u64, 0, 0);
        for frame in 0..nr {
            let page = self.frames.page(frame);
            in_place[page.place as usize] += 1;
            if page.place != Place::Object {
                if !page.flags.is_empty() {
                    f.wrong(format!("frame {frame} in {:?} has page flags {:?}", page.place, page.flags));
                }
                continue;
            }
            active += page.flags.contains(Flags::ACTIVE) as u64;
            inactive += page.flags.contains(Flags::INACTIVE) as u64;
            wired_pages += (page.wired > 0) as u64;
            writing += page.flags.contains(Flags::WRITING) as u64;
            reading += page.flags.contains(Flags::READING) as u64;
            if page.flags.contains(Flags::QUEUED) {
                f.wrong(format!("frame {frame} is on both queues"));
            }
            let held = page.wired > 0 || page.flags.contains(Flags::READING);
            if !held && !page.flags.intersects(Flags::QUEUED) {
                f.wrong(format!("frame {frame} is on no queue"));
            }
            let holder = self.objects.get(page.object).map(|o| o.entry(page.index).frame());
            if holder != Some(Some(frame)) {
                f.wrong(format!(
                    "frame {frame} says page {} of object {}, which has {holder:?}",
                    page.index, page.object
                ));
            }
        }
        let free = self.frames.gate.free_count() as u64;
        f.equal("free frames", in_place[Place::Free as usize], free);
        f.equal("length of the free list", self.frames.free_list_len() as u64, free);
        f.equal("v_active_count", self.frames.meter.get(Counter::v_active_count), active);
        f.equal("v_inactive_count", self.frames.meter.get(Counter::v_inactive_count), inactive);
        f.equal("v_free_count", self.frames.meter.get(Counter::v_free_count), free);
        f.equal("pages being written", (self.pager.ch.writing + self.vnode.ch.writing) as u64, writing);
        f.equal("pages being read", (self.pager.ch.reading + self.vnode.ch.reading) as u64, reading);

        // Objects: entries, counts, leaves.
        let (mut resident_all, mut swapped_all, mut leaves_all, mut objects) = (0u64, 0u64, 0u64, 0u64);
        let mut wired_system = 0u64;
        for (id, o) in self.objects.iter() {
            objects += 1;
            let (mut resident, mut swapped, mut wired, mut busy) = (0, 0, 0, 0);
            leaves_all += o.leaves.iter().count() as u64;
            let mut at = 0;
            while let Some(index) = o.next_used(at, u32::MAX) {
                at = index + 1;
                let entry = o.entry(index);
                swapped += entry.swapped() as u32;
                if let Some(frame) = entry.frame() {
                    resident += 1;
                    let page = self.frames.page(frame);
                    wired += (page.wired > 0) as u32;
                    busy += page.flags.intersects(Flags::BUSY) as u32;
                    if (page.place, page.object, page.index) != (Place::Object, id, index) {
                        f.wrong(format!(
                            "page {index} of object {id} is in frame {frame}, which is {:?} {} {}",
                            page.place, page.object, page.index
                        ));
                    }
                }
            }
            f.equal(&format!("resident pages of object {id}"), o.resident as u64, resident as u64);
            f.equal(&format!("swapped pages of object {id}"), o.swapped as u64, swapped as u64);
            f.equal(&format!("wired pages of object {id}"), o.wired as u64, wired as u64);
            f.equal(&format!("busy pages of object {id}"), o.busy as u64, busy as u64);
            resident_all += resident as u64;
            if o.wiring == Wiring::System {
                wired_system += wired as u64;
            }
            if o.file().is_none() {
                swapped_all += swapped as u64;
            }
        }
        f.equal("frames of objects", in_place[Place::Object as usize], resident_all);
        f.equal("swap_used", self.frames.meter.get(Counter::swap_used), swapped_all);
        f.equal("frames of leaves", in_place[Place::Leaf as usize], leaves_all);

        // Spaces: regions disjoint, objects mapped exactly once, donated frames counted.
        let mut donated = vec![];
        let mut mapped: Vec<(u32, u64)> = vec![];
        let mut regions = 0u64;
        for space in self.spaces.iter() {
            let mut last = 0;
            for region in space.map.iter() {
                regions += 1;
                if region.start < last {
                    f.wrong(format!("regions of space {} overlap at {:#x}", space.id, region.start));
                }
                last = region.end();
                if let Backing::Object { object, .. } = region.backing {
                    mapped.push((object, region.pages));
                }
            }
            let charges = space.map.iter().fold(Charges::default(), |sum, r| sum.plus(r.charges()));
            if charges != space.map.charges() {
                let counted = space.map.charges();
                f.wrong(format!("space {} is charged {counted:?}, its regions are {charges:?}", space.id));
            }
            donated.push((space.id, space.kernel_frames));
        }
        for space in self.limits.wrong(&self.spaces) {
            f.wrong(format!("the limits of space {space} are not those of a program"));
        }
        for space in parked {
            f.wrong(format!("space {space} is out, and has threads, or not what they need"));
        }
        mapped.sort_unstable();
        // Files: each use of one is somebody's.
        for (id, o) in self.objects.iter() {
            let Some(file) = o.file() else { continue };
            let open = self.descriptions.iter().filter(|d| d.object == id).count();
            let granted = self.vnode.grants.iter().filter(|g| g.object == id).count();
            let behind =
                self.objects.iter().filter(|(_, o)| o.behind().is_some_and(|(f, _)| f == id)).count();
            f.equal(
                &format!("uses of file {}", file.inode),
                file.users as u64,
                (open + granted + behind) as u64,
            );
            f.equal(&format!("pages of file {}", file.inode), o.pages as u64, file.pages() as u64);
        }
        f.equal("v_files", self.frames.meter.get(Counter::v_files), self.vnode.by_inode.len() as u64);
        for (id, o) in self.objects.iter() {
            let pages: u64 = mapped.iter().filter(|(m, _)| *m == id).map(|(_, p)| p).sum();
            f.equal(&format!("mapped pages of object {id}"), o.mapped as u64, pages);
        }
        for (space, frames) in &donated {
            let held = (0..nr)
                .filter(|n| {
                    let page = self.frames.page(*n);
                    page.place == Place::Kernel && page.object == *space
                })
                .count();
            f.equal(&format!("kernel frames of space {space}"), *frames, held as u64);
        }

        // Segments.
        let mut segment_frames = 0;
        for (id, segment) in self.segments.iter().enumerate() {
            let Some(segment) = segment else { continue };
            segment_frames += segment.frames.len() as u64;
            if segment.wiring == Wiring::System {
                wired_system += segment.frames.len() as u64;
            }
            for (n, frame) in segment.frames.iter().enumerate() {
                let page = self.frames.page(*frame);
                if (page.place, page.object, page.index) != (Place::Segment, id as u32, n as u32) {
                    f.wrong(format!(
                        "page {n} of segment {id} is in frame {frame}, which is {:?}",
                        page.place
                    ));
                }
            }
        }
        f.equal("frames of segments", in_place[Place::Segment as usize], segment_frames);
        let gate = &self.frames.gate;
        f.equal("pages wired", gate.wire_count() as u64, segment_frames + wired_pages);
        let by_programs = segment_frames + wired_pages - wired_system;
        f.equal("pages wired by programs", gate.wired_by_programs() as u64, by_programs);

        // The kernel: what is free must be unmapped and its own of nobody, what was donated must be the kernel's.
        let mut vector = Vec::with_capacity(MAX_VECTOR);
        let mut first = 0;
        while first < nr {
            vector.clear();
            vector.extend((first..nr.min(first + MAX_VECTOR as u32)).map(u64::from));
            if f.m.frame_op(FrameOp::Query, &mut vector).is_err() {
                f.wrong(format!("the kernel does not answer for frames from {first} on"));
                break;
            }
            for (n, bits) in vector.iter().enumerate() {
                let frame = first + n as u32;
                let page = self.frames.page(frame);
                let (uses, mappings) = ((*bits >> 8) & 0xff, *bits >> 16);
                let user = *bits != FAILED && uses == Use::User as u64;
                let good = match page.place {
                    Place::Free => user && mappings == 0,
                    Place::Kernel => *bits == FAILED || !user,
                    Place::Object | Place::Segment | Place::Leaf | Place::Own => user,
                    Place::Foreign => true,
                };
                if !good {
                    f.wrong(format!(
                        "frame {frame} is {:?} here; for the kernel its use is {uses}, with {mappings} mappings",
                        page.place
                    ));
                }
            }
            first += MAX_VECTOR as u32;
        }
        first = 0;
        while first < nr {
            let count = KERNEL_PIECE.min(nr - first);
            match f.m.audit(Frame(first), count) {
                Ok(0) => {}
                Ok(n) => {
                    f.wrong(format!("the kernel finds {n} problems in frames from {first} on (see the log)"))
                }
                Err(error) => f.wrong(format!("the kernel does not check frames from {first} on: {error:?}")),
            }
            first += count;
        }

        let mut report = f.report;
        let count = |name: &str, n: u64| (String::from(name), n);
        report.checked = vec![
            count("frames", nr as u64),
            count("free", free),
            count("objects", objects),
            count("resident", resident_all),
            count("swapped", swapped_all),
            count("regions", regions),
            count("longest chain", longest),
            count("spaces", donated.len() as u64),
        ];
        if !self.pager.ch.attached() {
            if swapped_all > 0 {
                report.problems.push(String::from("the pager cannot be asked"));
            }
            return self.audit_files(reply, report);
        }
        self.pager.audit = Some(PagerAudit {
            reply,
            report,
            puts_after: 0,
            frees_after: 0,
            files: false,
            released_after: Vec::new(),
        });
        self.submit_control(Op::Audit, [ALL, 0, 0]);
    }

    /// The pager has checked itself.
    pub fn audit_done(&mut self, c: &Completion) {
        let Some(audit) = self.pager.audit.take() else { return };
        let mut report = audit.report;
        let swapped: u64 = self.objects.iter().map(|(_, o)| o.in_swap() as u64).sum();
        let in_flight = (self.pager.ch.writing as u64).saturating_sub(audit.puts_after);
        let expected = swapped + in_flight + audit.frees_after;
        let [used, problems] = c.results;
        if c.outcome != Outcome::Ok {
            report.problems.push(format!("the pager cannot check itself: {:?}", c.outcome));
        } else if problems > 0 {
            report.problems.push(format!("the pager finds {problems} problems (see the log)"));
        } else if used != expected {
            report.problems.push(format!(
                "slots in use: the pager has {used}, pages have {swapped} copies, {in_flight} writes are under way, {} given up since",
                audit.frees_after
            ));
        }
        report.checked.push((String::from("slots"), used));
        self.audit_files(audit.reply, report);
    }

    /// Asks the vnode pager, if there is one.
    fn audit_files(&mut self, reply: M::Reply, report: AuditReport) {
        if !self.vnode.ch.attached() {
            return self.m.answer::<proto::Audit>(reply, Ok(report), &[]);
        }
        self.pager.audit = Some(PagerAudit {
            reply,
            report,
            puts_after: 0,
            frees_after: 0,
            files: true,
            released_after: Vec::new(),
        });
        self.submit_file_op(Op::Audit, [ALL, 0, 0]);
    }

    /// The vnode pager has checked itself.
    pub(crate) fn files_audited(&mut self, c: &Completion) {
        let Some(audit) = self.pager.audit.take() else { return };
        let mut report = audit.report;
        let [held, problems] = c.results;
        let mut released = audit.released_after;
        released.sort_unstable();
        released.dedup();
        // One that was opened again since is held in any case.
        released.retain(|inode| !self.vnode.by_inode.contains_key(inode));
        let expected = (self.vnode.by_inode.len() + released.len()) as u64;
        if c.outcome != Outcome::Ok {
            report.problems.push(format!("the vnode pager cannot check itself: {:?}", c.outcome));
        } else if problems > 0 {
            report.problems.push(format!("the vnode pager finds {problems} problems (see the log)"));
        } else if held != expected {
            report.problems.push(format!(
                "files: the vnode pager thinks that {held} are held; there are {}, and {} were released since",
                self.vnode.by_inode.len(),
                released.len()
            ));
        }
        report.checked.push((String::from("files"), held));
        self.m.answer::<proto::Audit>(audit.reply, Ok(report), &[]);
    }
}
