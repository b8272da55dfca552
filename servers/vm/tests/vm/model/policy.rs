// SPDX-License-Identifier: BSD-2-Clause
//! Policies: the real ones behind an adapter, and single decisions for tests that decide themselves.

use super::world::{MS, World, decode};
use ebb_abi::Handle;
use ebb_abi::frame::{FAILED, FrameOp};
use ebb_abi::layout::SEGMENTS;
use ebb_abi::meter::Counter;
use ebb_abi::thread::State;
use ebb_policy::{
    Decision, Event, Machine as _, Meter, Page, Policy, Queue, Request as Ask, Tunables, Verdict, Want,
    WriteLimit,
};
use ebb_proto::Error;
use ebb_proto::ejection::Cause;
use ebb_proto::pager::Outcome;
use ebb_proto::vm::{self as proto, EventKind, Happening, PageRecord, PolicyRequest, Request, Space};
use ebb_ring::Consumer;
use ebb_vm::machine::Machine as _;
use std::sync::atomic::AtomicU64;

/// An attachment: what a policy's process holds.
pub struct Seat {
    pub space: Space,
    pub generation: u32,
    pub events: Consumer<'static>,
}

/// A real policy at work.
pub struct Live {
    pub seat: Seat,
    policy: Box<dyn Policy>,
}

impl World {
    /// Attaches a space as the policy; it is not ready yet.
    pub fn take_seat(&mut self) -> Seat {
        let space = self.space("pageout", true);
        self.init::<()>(Request::PolicyAllow(proto::PolicyAllow { space })).expect("allowing");
        self.start(space);
        self.policy_rests(space, true);
        self.sit_down(space).expect("attaching a policy")
    }

    /// Whether the policy's thread waits for something to do, from now on.
    pub fn policy_rests(&mut self, space: Space, rests: bool) {
        let thread = self.vm.spaces.get(space).expect("a policy").thread;
        let thread = self.vm.m.thread(thread).expect("its thread");
        thread.state = if rests { State::Receiving } else { State::Ready };
    }

    /// Attaches this space as the policy.
    pub fn sit_down(&mut self, space: Space) -> Result<Seat, Error> {
        let handle = Handle(60 + space);
        let (_, answer) = self.call_with(space, Request::PolicyAttach(proto::PolicyAttach {}), handle);
        let attached: proto::Attachment = decode(answer.expect("at once"))?;
        let events = Consumer::new(self.ring_words(space)).expect("an event ring");
        Ok(Seat { space, generation: attached.generation, events })
    }

    /// The words of the segment that is mapped where rings are.
    fn ring_words(&self, space: Space) -> &'static [AtomicU64] {
        let task = self.vm.spaces.get(space).expect("a space").task;
        let frame = self.vm.m.pte(task, SEGMENTS).expect("a ring").frame;
        let segment = self.vm.frames.page(frame).object;
        let segment = self.vm.segments[segment as usize].as_ref().expect("a segment");
        segment.own_words().expect("a ring that vm maps")
    }

    /// Policies that were ejected, and why.
    pub fn ejected(&self) -> Vec<(Space, Cause)> {
        let ejected = |h: &Happening| match h {
            Happening::PolicyEjected { space, ejection } => Some((*space, ejection.cause)),
            _ => None,
        };
        self.happenings.iter().filter_map(ejected).collect()
    }

    /// The policy writes what cannot be into its ring.
    pub fn break_ring(&mut self, seat: &Seat) {
        self.ring_words(seat.space)[8].store(u64::MAX / 2, std::sync::atomic::Ordering::Relaxed);
    }

    /// The hardware has not seen this frame used.
    pub fn forget_use(&mut self, frame: u32) {
        self.vm.m.frame_op(FrameOp::Harvest, &mut [frame as u64]).expect("harvest");
    }

    /// A policy that a test plays itself, ready.
    pub fn scripted_policy(&mut self) -> Seat {
        let seat = self.take_seat();
        self.ready(&seat).expect("ready");
        seat
    }

    /// The policy is ready.
    pub fn ready(&mut self, seat: &Seat) -> Result<(), Error> {
        let generation = seat.generation;
        self.ask(seat.space, Request::PolicyReady(proto::PolicyReady { generation }))
    }

    /// All pages as a snapshot gives them.
    pub fn snapshot(&mut self, seat: &Seat) -> Result<Vec<PageRecord>, Error> {
        let mut all: Vec<PageRecord> = Vec::new();
        loop {
            let first = all.last().map_or(0, |r| r.frame + 1);
            let generation = seat.generation;
            let piece: Vec<PageRecord> =
                self.ask(seat.space, Request::Snapshot(proto::Snapshot { generation, first }))?;
            let last = piece.len() < 256;
            all.extend(piece);
            if last {
                return Ok(all);
            }
        }
    }

    /// Hands over raw decisions, of which so many may start a write; they become verdicts.
    pub fn decide_raw(&mut self, seat: &Seat, most: u32, batch: &mut [u64]) -> Result<(), Error> {
        self.decide_limited(seat, WriteLimit { operations: most, ..WriteLimit::NONE }, batch)
    }

    /// The same, with all of a limit.
    pub fn decide_limited(&mut self, seat: &Seat, limit: WriteLimit, batch: &mut [u64]) -> Result<(), Error> {
        let result = self.vm.decide(seat.space, seat.generation, limit, batch);
        self.settle();
        result
    }

    /// One decision on the page of a program.
    pub fn decide(&mut self, seat: &Seat, want: proto::Want, space: Space, address: u64) -> proto::Verdict {
        let frame = self.frame(space, address).expect("a resident page");
        let mut batch = [self.decision(want, frame)];
        self.decide_raw(seat, u32::MAX, &mut batch).expect("a decision");
        proto::Verdict::from_raw(batch[0] & 0xff)
    }

    /// A write of a dirty page of a program, that the pager has no room for.
    pub fn write_refused(&mut self, seat: &Seat, space: Space, address: u64) {
        self.decide(seat, proto::Want::Deactivate, space, address);
        assert_eq!(self.decide(seat, proto::Want::Launder, space, address), proto::Verdict::Started);
        self.accept();
        while self.transfers() > 0 {
            self.finish(0, Outcome::Fail);
        }
    }

    /// A decision on a frame as it is now.
    pub fn decision(&self, want: proto::Want, frame: u32) -> u64 {
        frame as u64 | (want as u64) << 30 | (self.vm.frames.page(frame).generation as u64) << 32
    }

    /// All events that are waiting: kind, frame, argument.
    pub fn events(&mut self, seat: &mut Seat) -> Vec<(EventKind, u32, u64)> {
        let mut all = Vec::new();
        while let Some(e) = seat.events.pop().expect("vm keeps its ring whole") {
            all.push((EventKind::from_raw(e[0]).expect("a known event"), e[1] as u32, e[2]));
        }
        all
    }

    /// Puts a real policy to work.
    pub fn attach_policy(&mut self, name: &str) {
        let seat = self.take_seat();
        let nr_frames = self.vm.frames.nr_frames();
        let mut policy = ebb_policy::by_name(name, nr_frames).expect("a policy");
        let pages = self.snapshot(&seat).expect("a snapshot");
        pages.iter().for_each(|p| policy.event(page_in(p)));
        self.ready(&seat).expect("ready");
        self.policy = Some(Box::new(Live { seat, policy }));
    }

    /// The policy's process dies.
    pub fn kill_policy(&mut self) {
        let Some(live) = self.policy.take() else { return };
        let space = live.seat.space;
        self.init::<()>(Request::SpaceFree(proto::SpaceFree { space })).expect("ending the policy");
    }

    /// One iteration of the real policy, if there is one.
    pub fn run_policy(&mut self) {
        let Some(mut live) = self.policy.take() else { return };
        let Live { seat, policy } = &mut *live;
        let mut view = View {
            world: self,
            seat,
            limit: WriteLimit::NONE,
            tunables: Tunables::default(),
            gone: false,
            lost: false,
        };
        while let Some(event) = view.next_event() {
            policy.event(event);
        }
        view.catch_up(policy);
        policy.run(&mut view);
        let gone = view.gone;
        policy.check().expect("the policy's order");
        if gone {
            let space = live.seat.space;
            self.init::<()>(Request::SpaceFree(proto::SpaceFree { space })).expect("ending the policy");
        } else {
            self.policy = Some(live);
        }
    }
}

fn page_in(p: &PageRecord) -> Event {
    let queue = if p.queue == 1 { Queue::Active } else { Queue::Inactive };
    Event::PageIn { page: Page { frame: p.frame, generation: p.generation }, queue, tag: p.tag }
}

/// The machine as the real policy sees it.
struct View<'a> {
    world: &'a mut World,
    seat: &'a mut Seat,
    limit: WriteLimit,
    tunables: Tunables,
    gone: bool,
    lost: bool,
}

impl View<'_> {
    /// If events were lost: all anew.
    fn catch_up(&mut self, policy: &mut Box<dyn Policy>) {
        while core::mem::take(&mut self.lost) {
            if let Ok(pages) = self.world.snapshot(self.seat) {
                pages.iter().for_each(|p| policy.event(page_in(p)));
            }
            while let Some(event) = self.next_event() {
                policy.event(event);
            }
        }
    }
}

impl ebb_policy::Machine for View<'_> {
    fn meter(&self) -> Meter {
        let count = |c| self.world.count(c);
        let gate = &self.world.vm.frames.gate;
        let since = count(Counter::oldest_wait_since);
        Meter {
            page_count: count(Counter::v_page_count) as u32,
            free_count: gate.free_count(),
            wire_count: gate.wire_count(),
            thresholds: *gate.thresholds(),
            pages_needed: count(Counter::vm_pages_needed) != 0,
            laundering: count(Counter::v_laundry_count) as u32,
            swap_full: count(Counter::swap_used) >= count(Counter::swap_total),
            oldest_wait_us: if since == 0 { 0 } else { (self.world.vm.m.clock - since) * 1000 / MS },
        }
    }

    fn take_deficit(&mut self) -> u32 {
        let generation = self.seat.generation;
        self.world.ask(self.seat.space, Request::TakeDeficit(proto::TakeDeficit { generation })).unwrap_or(0)
    }

    fn harvest(&mut self, frames: &[u32], refs: &mut [u8]) {
        let mut vector: Vec<u64> = frames.iter().map(|f| *f as u64).collect();
        self.world.vm.m.frame_op(FrameOp::Harvest, &mut vector).expect("harvest");
        for (bits, count) in vector.into_iter().zip(refs) {
            *count = if bits == FAILED { 0 } else { bits.min(255) as u8 };
        }
    }

    fn decide(&mut self, batch: &[Decision], verdicts: &mut [Verdict]) {
        verdicts.fill(Verdict::Refused);
        let mut raw: Vec<u64> = batch
            .iter()
            .map(|d| {
                let want = match d.want {
                    Want::Reclaim => proto::Want::Reclaim,
                    Want::Launder => proto::Want::Launder,
                    Want::Activate => proto::Want::Activate,
                    Want::Deactivate => proto::Want::Deactivate,
                };
                d.page.frame as u64 | (want as u64) << 30 | (d.page.generation as u64) << 32
            })
            .collect();
        let limit = core::mem::replace(&mut self.limit, WriteLimit::NONE);
        match self.world.decide_limited(self.seat, limit, &mut raw) {
            Ok(()) => {
                for (bits, verdict) in raw.into_iter().zip(verdicts) {
                    *verdict = translate(bits);
                }
            }
            Err(_) => self.gone = true,
        }
    }

    fn limit_launders(&mut self, limit: WriteLimit) -> bool {
        self.limit = limit;
        true
    }

    fn request(&mut self, request: Ask) {
        let request = match request {
            Ask::SwapOut(bits) => PolicyRequest::SwapOut(bits),
            Ask::OutOfMemory(reason) => PolicyRequest::OutOfMemory(reason as u8),
            Ask::LowMemory | Ask::CacheReclaim => PolicyRequest::LowMemory,
            Ask::SpeedupSyncer => PolicyRequest::SpeedupSyncer,
        };
        let generation = self.seat.generation;
        let asked: Result<(), Error> =
            self.world.ask(self.seat.space, Request::PolicyAsk(proto::PolicyAsk { generation, request }));
        self.gone |= asked == Err(Error::Superseded);
    }

    fn now_us(&self) -> u64 {
        self.world.vm.m.clock * 1000 / MS
    }

    fn tunables(&self) -> &Tunables {
        &self.tunables
    }

    fn next_event(&mut self) -> Option<Event> {
        loop {
            let e = self.seat.events.pop().expect("vm keeps its ring whole")?;
            let page = Page { frame: e[1] as u32, generation: (e[1] >> 32) as u32 };
            let queue = if e[2] == 1 { Queue::Active } else { Queue::Inactive };
            return Some(match EventKind::from_raw(e[0]).expect("a known event") {
                EventKind::PageIn => Event::PageIn { page, queue, tag: e[3] as u32 },
                EventKind::Activate => Event::Activate(page),
                EventKind::Deactivate => Event::Deactivate(page),
                EventKind::Free => Event::Free(page),
                EventKind::Wire => Event::Wire(page),
                EventKind::Unwire => Event::Unwire { page, queue },
                EventKind::Laundered => Event::Laundered { page, ok: e[2] == 1 },
                EventKind::Shortage => Event::Shortage,
                EventKind::Overflow => {
                    self.lost = true;
                    continue;
                }
            });
        }
    }
}

fn translate(bits: u64) -> Verdict {
    use proto::Verdict as V;
    match V::from_raw(bits & 0xff) {
        V::Done => Verdict::Done,
        V::Dirty => Verdict::Dirty,
        V::DirtyDead => Verdict::DirtyDead,
        V::Busy => Verdict::Busy,
        V::Held => Verdict::Held,
        V::Stale => Verdict::Stale,
        V::Started => Verdict::Started { pages: (bits >> 8) as u8 },
        V::Again => Verdict::Again,
        V::NoSpace => Verdict::NoSpace,
        V::Failed => Verdict::Failed,
        V::Refused => Verdict::Refused,
    }
}
