// SPDX-License-Identifier: BSD-2-Clause
//! The policy as `vm` sees it: events into a ring, decisions out of calls, and a deadline.
//!
//! Decisions come as vectored calls and not through a second ring, because a policy needs each verdict before it goes on: one message carries up to 256
//! of them, and the answer their verdicts. A policy may be wrong, slow, hostile or dead: each decision names page and generation and is checked against the truth;
//! what is refused is counted; one that lets a shortage pass its deadline is ejected and [`crate::clumsy`] does its work.

use crate::conduct::Conduct;
use crate::machine::Machine;
use crate::page::{Flags, Place};
use crate::vm::Vm;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};
use ebb_abi::Handle;
use ebb_abi::frame::{FAILED, FrameOp, MODIFIED};
use ebb_abi::meter::Counter;
use ebb_policy::OomReason;
use ebb_proto::Error;
use ebb_proto::ejection::Cause;
use ebb_proto::vm::{
    Attachment, EventKind, Happening, MAX_DECISIONS, POLICY_BIT, PageRecord, PolicyRequest, Space, Verdict,
    Want,
};
use ebb_ring::Producer;

/// Pages of the event ring: 1024 events.
const RING_PAGES: u64 = 9;
/// Where it is mapped in the policy's space.
const RING_ADDRESS: u64 = ebb_abi::layout::SEGMENTS;
/// Deadlines for which a policy may decide without freeing a page or starting a write, while somebody waits. Guessed: an active queue that was hot takes the
/// seed's policy some seconds to age.
const PATIENCE: u64 = 8;
/// Records in one piece of a snapshot.
const SNAPSHOT_PIECE: usize = 256;

/// The policy.
pub struct Policy {
    space: Space,
    notification: Handle,
    /// It has its order and decides.
    ready: bool,
    generation: u32,
    ring: Option<Producer<'static>>,
    ring_segment: Option<u32>,
    /// The ring of an earlier one, for the next.
    spare_ring: Option<u32>,
    ring_capacity: usize,
    overflow: bool,
    /// When it must have decided something, 0 if nothing is owed.
    deadline: u64,
    /// Since when it has decided nothing that helps.
    fruitless_since: u64,
    detached_at: u64,
    snapshot_pages: u64,
    /// How it behaves.
    pub(crate) conduct: Conduct,
    /// Cycles that reclaim was held at the last replacement, and pages handed over.
    pub held: (u64, u64),
}

impl Policy {
    /// None yet.
    pub fn none() -> Policy {
        Policy {
            space: 0,
            notification: Handle::NONE,
            ready: false,
            generation: 0,
            ring: None,
            ring_segment: None,
            spare_ring: None,
            ring_capacity: 0,
            overflow: false,
            deadline: 0,
            fruitless_since: 0,
            detached_at: 0,
            snapshot_pages: 0,
            conduct: Conduct::default(),
            held: (0, 0),
        }
    }

    /// The policy's space, 0 if there is none.
    pub fn space(&self) -> Space {
        self.space
    }

    /// When the last one went, 0 if there was none.
    pub fn gone_since(&self) -> u64 {
        self.detached_at
    }

    /// Whether it decides.
    pub fn ready(&self) -> bool {
        self.ready
    }
}

impl<M: Machine> Vm<M> {
    /// Attaches a space as the policy; the one before is superseded.
    pub fn policy_attach(&mut self, space: Space, notification: Handle) -> Result<Attachment, Error> {
        if !self.spaces.get(space).is_some_and(|s| s.may_decide) {
            return Err(Error::NotPermitted);
        }
        self.policy_detach();
        let (segment, words) = self.event_ring()?;
        if let Err(error) = self.map_segment_at(space, segment, RING_ADDRESS) {
            self.policy.spare_ring = Some(segment);
            return Err(error);
        }
        self.policy.ring_segment = Some(segment);
        self.policy.ring_capacity = ebb_ring::capacity(words.len());
        self.policy.ring = Producer::new(words);
        self.policy.overflow = false;
        self.policy.space = space;
        self.policy.notification = notification;
        self.policy.generation += 1;
        self.policy.snapshot_pages = 0;
        self.policy.conduct = Conduct::new(self.m.now());
        self.frames.meter.set(Counter::policy_generation, self.policy.generation as u64);
        Ok(Attachment {
            ring: RING_ADDRESS,
            ring_pages: RING_PAGES,
            nr_frames: self.frames.nr_frames(),
            generation: self.policy.generation,
        })
    }

    /// The policy is gone, or no longer believed.
    pub fn policy_detach(&mut self) {
        if self.policy.space == 0 {
            return;
        }
        let space = core::mem::take(&mut self.policy.space);
        let notification = core::mem::replace(&mut self.policy.notification, Handle::NONE);
        self.m.handle_close(notification);
        self.policy.ring = None;
        if self.policy.ready {
            self.policy.detached_at = self.m.now();
        }
        self.policy.ready = false;
        self.policy.deadline = 0;
        self.frames.meter.set(Counter::policy_attached, 0);
        if let Some(segment) = self.policy.ring_segment.take() {
            self.retire_ring(space, segment);
        }
    }

    /// Takes the event ring away from a policy that is no longer believed, for the next one.
    fn retire_ring(&mut self, space: Space, segment: u32) {
        if let Some(task) = self.spaces.get(space).map(|s| s.task)
            && let Err(error) = self.m.unmap(task, RING_ADDRESS, RING_PAGES)
        {
            // It can still write there, into entries that the next one reads as hints at most; but not share the ring with it.
            self.m.log(format_args!("taking an event ring back: {error:?}"));
            return;
        }
        self.policy.spare_ring = Some(segment);
    }

    /// A ring that nobody else has.
    fn event_ring(&mut self) -> Result<(u32, &'static [AtomicU64]), Error> {
        let segment = match self.policy.spare_ring.take() {
            Some(segment) => segment,
            None => self.segment_new(RING_PAGES)?,
        };
        match self.segment_own(segment) {
            Ok(words) => {
                words.iter().for_each(|w| w.store(0, Ordering::Relaxed));
                Ok((segment, words))
            }
            Err(error) => {
                self.segment_drop(segment);
                Err(error)
            }
        }
    }

    fn check_policy(&mut self, space: Space, generation: u32) -> Result<(), Error> {
        if self.policy.space == space && self.policy.generation == generation {
            self.policy.conduct.called();
            Ok(())
        } else {
            Err(Error::Superseded)
        }
    }

    /// The attached policy begins to decide.
    pub fn policy_ready(&mut self, space: Space, generation: u32) -> Result<(), Error> {
        self.check_policy(space, generation)?;
        self.policy.ready = true;
        self.frames.meter.set(Counter::policy_attached, 1);
        if self.policy.detached_at != 0 {
            let held = self.m.now().saturating_sub(self.policy.detached_at);
            self.policy.held = (held, self.policy.snapshot_pages);
            self.policy.detached_at = 0;
        }
        if self.frames.gate.pages_needed() {
            self.policy_shortage();
        }
        Ok(())
    }

    /// A piece of a snapshot.
    pub fn snapshot(&mut self, space: Space, generation: u32, first: u32) -> Result<Vec<PageRecord>, Error> {
        self.check_policy(space, generation)?;
        let mut records = Vec::with_capacity(SNAPSHOT_PIECE);
        for frame in first..self.frames.nr_frames() {
            let page = self.frames.page(frame);
            if page.place == Place::Object && page.flags.intersects(Flags::QUEUED) && page.wired == 0 {
                records.push(PageRecord {
                    frame,
                    generation: page.generation,
                    queue: page.flags.contains(Flags::ACTIVE) as u8,
                    tag: self.tag_of(frame),
                });
                if records.len() == SNAPSHOT_PIECE {
                    break;
                }
            }
        }
        self.policy.snapshot_pages += records.len() as u64;
        Ok(records)
    }

    /// What a policy knows a page again by, when it comes back.
    fn tag_of(&self, frame: u32) -> u32 {
        let (object, index) = self.page_of(frame).unwrap_or_default();
        ebb_policy::tag_of((object as u64) << 32 | index as u64)
    }

    /// Reads and clears the deficit for the policy.
    pub fn take_deficit(&mut self, space: Space, generation: u32) -> Result<u32, Error> {
        self.check_policy(space, generation)?;
        let deficit = self.frames.gate.take_deficit();
        self.frames.meter.set(Counter::vm_pageout_deficit, 0);
        Ok(deficit)
    }

    /// What a policy asks for beyond pages.
    pub fn policy_ask(&mut self, space: Space, generation: u32, ask: PolicyRequest) -> Result<(), Error> {
        self.check_policy(space, generation)?;
        // A policy that cries wolf ends no program.
        let believed =
            matches!(ask, PolicyRequest::OutOfMemory(_)) && self.is_exhausted() && self.is_reclaim_hopeless();
        self.owe_nothing(believed);
        match ask {
            PolicyRequest::OutOfMemory(reason) if believed => {
                self.out_of_memory(match reason {
                    2 => OomReason::SwapMetadata,
                    _ => OomReason::Memory,
                });
                Ok(())
            }
            PolicyRequest::OutOfMemory(_) => {
                self.frames.meter.add(Counter::v_refused, 1);
                Ok(())
            }
            PolicyRequest::SpeedupSyncer => {
                self.hurry_syncer();
                Ok(())
            }
            PolicyRequest::SwapOut(bits) => {
                self.swap_out_wanted(bits);
                Ok(())
            }
            // Caches come with the servers that have them; nothing is lost by not draining them.
            PolicyRequest::LowMemory => Ok(()),
        }
    }

    /// The policy's own counters.
    pub fn policy_count(
        &mut self,
        space: Space,
        generation: u32,
        [pages, wakeups, freed, reactivated]: [u32; 4],
    ) -> Result<(), Error> {
        self.check_policy(space, generation)?;
        self.frames.meter.add(Counter::v_pdpages, pages as u64);
        self.frames.meter.add(Counter::v_pdwakeups, wakeups as u64);
        self.frames.meter.add(Counter::v_dfree, freed as u64);
        self.frames.meter.add(Counter::v_reactivated, reactivated as u64);
        Ok(())
    }

    /// Tells the policy what became of a page.
    pub fn tell_policy(&mut self, kind: EventKind, frame: u32, argument: u64) {
        let generation = self.frames.page(frame).generation;
        if self.policy.ring.is_none() || self.policy.overflow {
            return;
        }
        let tag = if kind == EventKind::PageIn { self.tag_of(frame) } else { 0 };
        let Some(ring) = self.policy.ring.as_mut() else { return };
        let entry = [kind as u64, frame as u64 | (generation as u64) << 32, argument, tag as u64];
        match ring.push(&entry) {
            Ok(true) => {}
            Ok(false) => self.policy.overflow = true,
            Err(_) => {
                self.eject(Cause::BrokenRing);
                return;
            }
        }
        // It need not wake for every event, only before the ring is full.
        if self
            .policy
            .ring
            .as_ref()
            .and_then(|r| r.pending().ok())
            .is_some_and(|pending| pending == self.policy.ring_capacity / 2)
        {
            self.wake_policy();
        }
    }

    /// Events were lost: the policy will take a snapshot. It is told as soon as there is room, and nothing else before, whether or not anything happens meanwhile.
    pub fn tell_overflow(&mut self) {
        if !self.policy.overflow {
            return;
        }
        let Some(ring) = self.policy.ring.as_mut() else { return };
        if ring.room().is_ok_and(|room| room > self.policy.ring_capacity / 2)
            && ring.push(&[EventKind::Overflow as u64, 0, 0, 0]).is_ok_and(|pushed| pushed)
        {
            self.policy.overflow = false;
            self.wake_policy();
        }
    }

    fn wake_policy(&mut self) {
        let notification = self.policy.notification;
        self.m.signal(notification, POLICY_BIT);
    }

    /// Events came that a policy short of pages waits for.
    pub fn policy_go_on(&mut self) {
        if self.policy.ready {
            self.wake_policy();
        }
    }

    /// Pages are needed: the policy is told, and the clock starts for it.
    pub fn policy_shortage(&mut self) {
        if !self.policy.ready {
            return;
        }
        if self.policy.deadline == 0 {
            self.policy.fruitless_since = self.m.now();
            self.policy.deadline = self.m.now() + self.policy_deadline_ms * self.cycles_per_ms;
        }
        if let Some(ring) = self.policy.ring.as_mut() {
            // If there is no room it has events to read, and finds the need in the counters.
            let _ = ring.push(&[EventKind::Shortage as u64, 0, 0, 0]);
        }
        self.wake_policy();
    }

    /// The policy has done something: its deadline starts anew while there is need. `fruitful`: something of it helps.
    fn owe_nothing(&mut self, fruitful: bool) {
        let now = self.m.now();
        let needed = self.frames.gate.pages_needed();
        self.policy.deadline = if needed { now + self.policy_deadline_ms * self.cycles_per_ms } else { 0 };
        if fruitful || !needed {
            self.policy.fruitless_since = now;
        }
    }

    /// Until when a policy that decides may go on deciding nothing that helps, while somebody waits and no write is under way that would.
    fn fruitless_until(&self) -> u64 {
        let patience = PATIENCE * self.policy_deadline_ms * self.cycles_per_ms;
        match self.waiting.oldest_memory_wait() {
            Some(since) if self.writing() == 0 => self.policy.fruitless_since.max(since) + patience,
            _ => u64::MAX,
        }
    }

    /// What is due, by the syncer and the policy; when to look again.
    pub fn keep_deadlines(&mut self) -> u64 {
        let now = self.m.now();
        match (self.run_syncer(now), self.keep_policy(now)) {
            (0, due) | (due, 0) => due,
            (a, b) => a.min(b),
        }
    }

    /// Whether the policy has let its deadline pass; when it has to be looked at again.
    fn keep_policy(&mut self, now: u64) -> u64 {
        if self.policy.ready && self.policy.deadline != 0 {
            if !self.frames.gate.pages_needed() {
                self.policy.deadline = 0;
            } else if now >= self.policy.deadline {
                self.eject(Cause::Late);
            } else if now >= self.fruitless_until() {
                self.eject(Cause::Useless);
            }
        }
        if self.policy.space != 0
            && let Some(cause) = self.misconduct(now)
        {
            self.eject(cause);
        }
        if !self.policy.ready && self.frames.gate.pages_needed() {
            let due = self.reclaim_clumsily(now);
            return if self.policy.space == 0 { due } else { due.min(self.next_look()) };
        }
        match self.policy.deadline {
            0 => self.next_look(),
            deadline => deadline.min(self.fruitless_until()).min(self.next_look()),
        }
    }

    fn eject(&mut self, cause: Cause) {
        let space = self.policy.space;
        let ejection = self.ejection(cause);
        self.m.log(format_args!("the policy {ejection}"));
        self.frames.meter.add(Counter::v_ejected, 1);
        self.policy_detach();
        self.happened(Happening::PolicyEjected { space, ejection });
    }

    /// Carries out a batch of decisions in order; each element becomes its verdict. After `most` writes were started, `Launder` means `Reclaim`.
    pub fn decide(
        &mut self,
        space: Space,
        generation: u32,
        most: u32,
        batch: &mut [u64],
    ) -> Result<(), Error> {
        self.check_policy(space, generation)?;
        if batch.len() > MAX_DECISIONS {
            return Err(Error::Invalid);
        }
        self.frames.meter.add(Counter::v_decision_calls, 1);
        self.frames.meter.add(Counter::v_decisions, batch.len() as u64);
        let mut state = core::mem::take(&mut self.scratch);
        state.clear();
        // First look at all pages that may be freed, in two vectored calls: which are modified, and which of the others are so still when
        // their mappings are gone.
        for decision in batch.iter() {
            let (frame, want) = parse(*decision);
            let wanted = matches!(want, Want::Reclaim | Want::Launder) && self.judge(*decision).is_none();
            let dirty = self.frames.page(frame).flags.contains(Flags::DIRTY);
            state.push(if wanted && !dirty { frame as u64 } else { FAILED });
        }
        self.modified(FrameOp::TestModified, &mut state);
        for (slot, decision) in state.iter_mut().zip(batch.iter()) {
            *slot = if *slot & MODIFIED != 0 { FAILED } else { parse(*decision).0 as u64 };
        }
        self.modified(FrameOp::RemoveAll, &mut state);
        let (mut refused, mut started, mut fruitful) = (0, 0, false);
        let now = self.m.now();
        for (decision, bits) in batch.iter_mut().zip(&state) {
            let writing = self.writing();
            let verdict = self.judge(*decision).unwrap_or_else(|| {
                let may_write = started < most;
                self.carry_out(*decision, *bits, may_write)
            });
            started += (verdict == Verdict::Started) as u32;
            refused += matches!(verdict, Verdict::Stale | Verdict::Refused) as u64;
            let frees = matches!(parse(*decision).1, Want::Reclaim | Want::Launder);
            let helps = frees
                && matches!(verdict, Verdict::Done | Verdict::Started | Verdict::Again | Verdict::NoSpace);
            fruitful |= helps;
            self.policy.conduct.decided(*decision, verdict, helps, now);
            // Pages in the write that was started, at most a cluster.
            let pages = self.writing().saturating_sub(writing) as u64;
            *decision = verdict as u64 | pages << 8;
        }
        self.scratch = state;
        self.frames.meter.add(Counter::v_refused, refused);
        self.owe_nothing(fruitful);
        Ok(())
    }

    /// One operation on those frames of a vector that are not `FAILED`; these stay `FAILED`, which has the modified bit.
    fn modified(&mut self, op: FrameOp, state: &mut [u64]) {
        for piece in state.chunks_mut(ebb_abi::message::MAX_VECTOR) {
            if piece.iter().any(|f| *f != FAILED)
                && let Err(error) = self.m.frame_op(op, piece)
            {
                self.m.log(format_args!("{op:?}: {error:?}"));
                piece.fill(FAILED);
            }
        }
    }

    /// Why a decision cannot be carried out, if it cannot.
    fn judge(&self, decision: u64) -> Option<Verdict> {
        let (frame, want) = parse(decision);
        let page = self.frames.page(frame);
        if page.place != Place::Object || page.generation != (decision >> 32) as u32 {
            Some(Verdict::Stale)
        } else if page.wired > 0 {
            Some(Verdict::Held)
        } else if page.flags.intersects(Flags::BUSY) && want != Want::Deactivate {
            Some(Verdict::Busy)
        } else if !page.flags.intersects(Flags::QUEUED) {
            Some(Verdict::Stale)
        } else {
            None
        }
    }

    fn carry_out(&mut self, decision: u64, bits: u64, may_write: bool) -> Verdict {
        let (frame, want) = parse(decision);
        match want {
            Want::Activate => {
                self.frames.set_queue(frame, Flags::ACTIVE);
                Verdict::Done
            }
            Want::Deactivate => {
                self.frames.set_queue(frame, Flags::INACTIVE);
                Verdict::Done
            }
            // The flag too: a page named twice in a batch says what its mappings knew only once.
            Want::Reclaim | Want::Launder
                if bits & MODIFIED == 0 && !self.frames.page(frame).flags.contains(Flags::DIRTY) =>
            {
                self.reclaim(frame);
                Verdict::Done
            }
            Want::Launder if may_write => {
                self.note_dirty(frame, bits);
                let verdict = self.launder(frame, false);
                if matches!(verdict, Verdict::NoSpace | Verdict::Failed) {
                    // So that it does not block the inactive queue (PGO-013, PGO-015).
                    self.frames.set_queue(frame, Flags::ACTIVE);
                }
                verdict
            }
            Want::Reclaim | Want::Launder => {
                self.note_dirty(frame, bits);
                Verdict::Dirty
            }
        }
    }

    /// Keeps what the removal of the mappings said, if it said it.
    fn note_dirty(&mut self, frame: u32, bits: u64) {
        if bits != FAILED
            && let Some(page) = self.frames.page_mut(frame)
        {
            page.flags |= Flags::DIRTY;
        }
    }

    /// Frees a clean, unmapped page.
    pub fn reclaim(&mut self, frame: u32) {
        let Some((object, index)) = self.page_of(frame) else { return };
        self.set_entry(object, index, |e| e.with_frame(None));
        self.frames.free(frame);
        if self.objects.get(object).is_some_and(|o| o.resident == 0) {
            self.reap(object);
        }
    }
}

/// Frame and want of a decision.
fn parse(decision: u64) -> (u32, Want) {
    ((decision & ((1 << 30) - 1)) as u32, Want::from_bits(decision >> 30))
}
