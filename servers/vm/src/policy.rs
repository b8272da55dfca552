// SPDX-License-Identifier: BSD-2-Clause
//! The policy as `vm` sees it: decisions out of calls, and a deadline. How it comes and goes, and hears of pages: [`crate::seat`].
//!
//! Decisions come as vectored calls and not through a second ring, because a policy needs each verdict before it goes on: one message carries up to 256
//! of them, and the answer their verdicts. A policy may be wrong, slow, hostile or dead: each decision names page and generation and is checked against the truth;
//! what is refused is counted; one that lets a shortage pass its deadline is ejected and [`crate::clumsy`] does its work.

use crate::conduct::Done;
use crate::machine::Machine;
use crate::page::{Flags, Place};
use crate::seat::{Seat, Which};
use crate::vm::Vm;
use alloc::vec::Vec;
use ebb_abi::frame::{FAILED, FrameOp, MODIFIED};
use ebb_abi::meter::Counter;
use ebb_policy::{OomReason, WriteLimit};
use ebb_proto::Error;
use ebb_proto::ejection::Cause;
use ebb_proto::vm::{MAX_DECISIONS, PolicyRequest, Space, Verdict, Want};

/// Deadlines for which a policy may decide without freeing a page or starting a write, while somebody waits. Guessed: an active queue that was hot takes the
/// seed's policy some seconds to age.
const PATIENCE: u64 = 8;

/// The policy.
pub struct Policy {
    /// The one that decides.
    pub(crate) seat: Option<Seat>,
    /// The one that takes its snapshot, and will decide when it is ready.
    pub(crate) next: Option<Seat>,
    /// Attachments so far.
    pub(crate) generation: u32,
    /// Rings of earlier ones, for the next.
    pub(crate) spare_rings: Vec<u32>,
    /// When it must have decided something, 0 if nothing is owed.
    pub(crate) deadline: u64,
    /// Since when it has decided nothing that helps.
    pub(crate) fruitless_since: u64,
    /// When one of the two is to be looked at, `u64::MAX` if there is none.
    pub(crate) next_look: u64,
    /// When the last one went, 0 if there was none or there is one.
    pub(crate) gone_since: u64,
    /// Cycles in which nobody could decide at the last replacement, pages handed over, and cycles that this took.
    pub held: (u64, u64, u64),
}

impl Policy {
    /// None yet.
    pub fn none() -> Policy {
        Policy {
            seat: None,
            next: None,
            generation: 0,
            spare_rings: Vec::with_capacity(2),
            deadline: 0,
            fruitless_since: 0,
            next_look: u64::MAX,
            gone_since: 0,
            held: (0, 0, 0),
        }
    }

    /// When the last one went, 0 if there was none or there is one.
    pub fn gone_since(&self) -> u64 {
        self.gone_since
    }

    /// Whether there is one that decides.
    pub fn ready(&self) -> bool {
        self.seat.is_some()
    }
}

impl<M: Machine> Vm<M> {
    /// That the caller is the policy that decides.
    fn check_policy(&mut self, space: Space, generation: u32) -> Result<(), Error> {
        match self.check_attached(space, generation)? {
            Which::Current => Ok(()),
            // It is not its turn yet.
            Which::Next => Err(Error::NotPermitted),
        }
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

    /// Events came that a policy short of pages waits for.
    pub fn policy_go_on(&mut self) {
        self.wake_policy(Which::Current);
    }

    /// Pages are needed: the policy is told, and the clock starts for it.
    pub fn policy_shortage(&mut self) {
        if !self.policy.ready() {
            return;
        }
        if self.policy.deadline == 0 {
            self.policy.fruitless_since = self.m.now();
            self.policy.deadline = self.m.now() + self.policy_deadline_ms * self.cycles_per_ms;
        }
        self.tell_shortage();
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

    /// Whether the policy has let its deadline pass, or misbehaves otherwise; when it has to be looked at again.
    fn keep_policy(&mut self, now: u64) -> u64 {
        // After every message: nearly always there is nothing to look at.
        let rests = self.policy.deadline == 0 && (self.policy.ready() || !self.frames.gate.pages_needed());
        if rests && now < self.policy.next_look {
            return if self.policy.next_look == u64::MAX { 0 } else { self.policy.next_look };
        }
        if self.policy.deadline != 0 {
            if !self.frames.gate.pages_needed() {
                self.policy.deadline = 0;
            } else if now >= self.policy.deadline {
                self.eject(Which::Current, Cause::Late);
            } else if now >= self.fruitless_until() {
                self.eject(Which::Current, Cause::Useless);
            }
        }
        let looks = self.keep_conduct(now);
        let due = if !self.policy.ready() && self.frames.gate.pages_needed() {
            self.reclaim_clumsily(now)
        } else if self.policy.deadline != 0 {
            self.policy.deadline.min(self.fruitless_until())
        } else {
            u64::MAX
        };
        match due.min(looks) {
            u64::MAX => 0,
            due => due,
        }
    }

    /// Carries out a batch of decisions in order; each element becomes its verdict. All pages that are to go are inactive from the beginning on, so that they are
    /// written with each other. When `limit` is used up, `Launder` means `Reclaim`.
    pub fn decide(
        &mut self,
        space: Space,
        generation: u32,
        mut limit: WriteLimit,
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
            let flags = self.frames.page(frame).flags;
            if wanted && !flags.contains(Flags::INACTIVE) {
                self.frames.set_queue(frame, Flags::INACTIVE);
            }
            let dirty = flags.contains(Flags::DIRTY);
            state.push(if wanted && !dirty { frame as u64 } else { FAILED });
        }
        self.modified(FrameOp::TestModified, &mut state);
        for (slot, decision) in state.iter_mut().zip(batch.iter()) {
            *slot = if *slot & MODIFIED != 0 { FAILED } else { parse(*decision).0 as u64 };
        }
        self.modified(FrameOp::RemoveAll, &mut state);
        let mut done = Done { decisions: batch.len() as u64, ..Done::default() };
        for (decision, bits) in batch.iter_mut().zip(&state) {
            let writing = self.writing();
            let asked = *decision;
            let verdict = self.judge(asked).unwrap_or_else(|| self.carry_out(asked, *bits, limit.allows()));
            if matches!(verdict, Verdict::Stale | Verdict::Refused) {
                done.wrong += 1;
                done.wrong_at_the_end += 1;
            } else {
                done.wrong_at_the_end = 0;
            }
            let frees = matches!(parse(asked).1, Want::Reclaim | Want::Launder);
            done.fruitful += (frees
                && matches!(verdict, Verdict::Done | Verdict::Started | Verdict::Again | Verdict::NoSpace))
                as u64;
            // Pages in the write that was started, at most a cluster.
            let pages = self.writing().saturating_sub(writing);
            if verdict == Verdict::Started {
                limit.started(pages);
            }
            *decision = verdict as u64 | (pages as u64) << 8;
            done.last = (asked, verdict as u8);
        }
        self.scratch = state;
        self.frames.meter.add(Counter::v_refused, done.wrong);
        let now = self.m.now();
        if let Some(seat) = &mut self.policy.seat {
            seat.conduct.decided(&done, now);
        }
        self.owe_nothing(done.fruitful > 0);
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
