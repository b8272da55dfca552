// SPDX-License-Identifier: BSD-2-Clause
//! The machine that a policy sees: reference bits by system call, counts from the counters' page, decisions by calls to `vm`.

use crate::events::{self, Next};
use ebb_abi::frame::{FAILED, FrameOp};
use ebb_abi::message::MAX_VECTOR;
use ebb_abi::meter::Counter;
use ebb_abi::{Handle, Tag};
use ebb_policy::{Decision, Event, Machine, Meter, Request, Thresholds, Tunables, Verdict, WriteLimit};
use ebb_proto::vm::{self as proto, DECIDE, MAX_DECISIONS, PolicyAsk, PolicyRequest, TakeDeficit};
use ebb_proto::{Error, LABEL_OK};
use ebb_ring::Consumer;
use ebb_rt::client::{call, from_sys};
use ebb_rt::shared::meter;
use ebb_rt::{clock, sys};
use sys::buffer::vector;
use sys::ipc::{self, Message};
use sys::time::tsc;

/// The machine.
pub struct Live {
    /// `vm`'s endpoint.
    pub vm: Handle,
    /// The right to harvest.
    pub phys: Handle,
    /// Number of the attachment.
    pub generation: u32,
    /// Events.
    pub ring: Consumer<'static>,
    /// A snapshot is needed.
    pub lost: bool,
    /// `vm` does not believe this policy any more.
    pub superseded: bool,
    /// Tunables, as last fetched.
    pub tunables: Tunables,
    /// Cycles spent in harvests and in decisions, and frames harvested.
    pub harvest_cycles: u64,
    /// Cycles in calls that carry decisions.
    pub decide_cycles: u64,
    /// Frames whose bits were read.
    pub harvested: u64,
    tunables_seen: u64,
    /// What the next batch may write.
    writes: WriteLimit,
}

impl Live {
    /// A machine with nothing fetched yet.
    pub fn new(vm: Handle, phys: Handle, generation: u32, ring: Consumer<'static>) -> Live {
        Live {
            vm,
            phys,
            generation,
            ring,
            lost: false,
            superseded: false,
            tunables: Tunables::default(),
            harvest_cycles: 0,
            decide_cycles: 0,
            harvested: 0,
            tunables_seen: u64::MAX,
            writes: WriteLimit::NONE,
        }
    }

    /// Fetches the tunables if one was set since.
    pub fn refresh_tunables(&mut self) -> Result<(), Error> {
        let seen = meter(Counter::tunables_generation);
        if seen == self.tunables_seen {
            return Ok(());
        }
        for tunable in call(self.vm, &proto::Tunables {})? {
            // `vm` has tunables that are none of a policy's: those are unknown here.
            let _ = self.tunables.set(&tunable.name, tunable.value);
        }
        self.tunables_seen = seen;
        Ok(())
    }

    fn note(&mut self, error: Error) {
        if error == Error::Superseded {
            self.superseded = true;
        } else {
            ebb_rt::log!("vm: {error}");
        }
    }

    fn send(&mut self, batch: &[Decision], verdicts: &mut [Verdict]) -> Result<(), Error> {
        for (cell, d) in vector().iter().zip(batch) {
            let page = d.page;
            cell.set(page.frame as u64 | (d.want as u64) << 30 | (page.generation as u64) << 32);
        }
        let mut message = Message { tag: Tag::new(DECIDE, batch.len() * 8, 0), ..Default::default() };
        message.words[0] = batch.len() as u64;
        message.words[1] = self.generation as u64;
        message.words[2] = self.writes.operations as u64;
        message.words[3] = self.writes.pages as u64;
        let answer = ipc::call(self.vm, &message).map_err(from_sys)?;
        if answer.tag.label() != LABEL_OK {
            return Err(Error::from_code(answer.words[0]));
        }
        for (cell, verdict) in vector().iter().zip(verdicts) {
            *verdict = translate(cell.get());
            if let Verdict::Started { pages } = verdict {
                self.writes.started((*pages).into());
            }
        }
        Ok(())
    }
}

fn translate(element: u64) -> Verdict {
    use proto::Verdict as V;
    match V::from_raw(element & 0xff) {
        V::Done => Verdict::Done,
        V::Dirty => Verdict::Dirty,
        V::DirtyDead => Verdict::DirtyDead,
        V::Busy => Verdict::Busy,
        V::Held => Verdict::Held,
        V::Stale => Verdict::Stale,
        V::Started => Verdict::Started { pages: (element >> 8) as u8 },
        V::Again => Verdict::Again,
        V::NoSpace => Verdict::NoSpace,
        V::Failed => Verdict::Failed,
        V::Refused => Verdict::Refused,
    }
}

impl Machine for Live {
    fn meter(&self) -> Meter {
        let count = |c| meter(c) as u32;
        let page_count = count(Counter::v_page_count);
        let since = meter(Counter::oldest_wait_since);
        Meter {
            page_count,
            free_count: count(Counter::v_free_count),
            wire_count: count(Counter::v_wire_count),
            thresholds: Thresholds {
                cluster: if page_count < 2000 { 8 } else { 16 },
                interrupt_free_min: count(Counter::v_interrupt_free_min),
                pageout_free_min: count(Counter::v_pageout_free_min),
                free_reserved: count(Counter::v_free_reserved),
                free_severe: count(Counter::v_free_severe),
                free_min: count(Counter::v_free_min),
                free_target: count(Counter::v_free_target),
                inactive_target: count(Counter::v_inactive_target),
                wakeup_thresh: count(Counter::pageout_wakeup_thresh),
                // Wiring is `vm`'s business.
                max_wired: page_count,
            },
            pages_needed: meter(Counter::vm_pages_needed) != 0,
            laundering: count(Counter::v_laundry_count),
            swap_full: meter(Counter::swap_used) >= meter(Counter::swap_total),
            oldest_wait_us: if since == 0 { 0 } else { clock::us_of(tsc().saturating_sub(since)).max(1) },
        }
    }

    fn take_deficit(&mut self) -> u32 {
        if meter(Counter::vm_pageout_deficit) == 0 {
            return 0;
        }
        call(self.vm, &TakeDeficit { generation: self.generation }).unwrap_or_else(|error| {
            self.note(error);
            0
        })
    }

    fn harvest(&mut self, frames: &[u32], refs: &mut [u8]) {
        let start = tsc();
        for (frames, refs) in frames.chunks(MAX_VECTOR).zip(refs.chunks_mut(MAX_VECTOR)) {
            for (cell, frame) in vector().iter().zip(frames) {
                cell.set(*frame as u64);
            }
            if let Err(error) = sys::memory::frame_op(self.phys, FrameOp::Harvest, frames.len()) {
                ebb_rt::log!("harvest: {error:?}");
                refs.fill(0);
                continue;
            }
            for (cell, count) in vector().iter().zip(refs) {
                // A frame that is no page any more was not used.
                *count = if cell.get() == FAILED { 0 } else { cell.get().min(255) as u8 };
            }
        }
        self.harvested += frames.len() as u64;
        self.harvest_cycles += tsc() - start;
    }

    fn decide(&mut self, batch: &[Decision], verdicts: &mut [Verdict]) {
        let start = tsc();
        verdicts.fill(Verdict::Refused);
        for (batch, verdicts) in batch.chunks(MAX_DECISIONS).zip(verdicts.chunks_mut(MAX_DECISIONS)) {
            if let Err(error) = self.send(batch, verdicts) {
                self.note(error);
                break;
            }
        }
        self.writes = WriteLimit::NONE;
        self.decide_cycles += tsc() - start;
    }

    fn limit_launders(&mut self, limit: WriteLimit) -> bool {
        self.writes = limit;
        true
    }

    fn request(&mut self, request: Request) {
        let request = match request {
            Request::SwapOut(bits) => PolicyRequest::SwapOut(bits),
            Request::OutOfMemory(reason) => PolicyRequest::OutOfMemory(reason as u8),
            // Caches are drained in one step here.
            Request::LowMemory | Request::CacheReclaim => PolicyRequest::LowMemory,
            Request::SpeedupSyncer => PolicyRequest::SpeedupSyncer,
        };
        if let Err(error) = call(self.vm, &PolicyAsk { generation: self.generation, request }) {
            self.note(error);
        }
    }

    fn now_us(&self) -> u64 {
        clock::now_us()
    }

    fn tunables(&self) -> &Tunables {
        &self.tunables
    }

    fn next_event(&mut self) -> Option<Event> {
        match events::next(&mut self.ring) {
            Next::Event(event) => Some(event),
            Next::Empty => None,
            Next::Lost => {
                self.lost = true;
                None
            }
        }
    }
}
