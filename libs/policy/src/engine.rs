// SPDX-License-Identifier: BSD-2-Clause
//! The policy around an [`Order`]: everything that a replacement policy has to do beside deciding who goes next.
//!
//! A page is with the order, or here: wired, being written, or written and about to go. A victim that
//! turns out dirty is written; when it is clean it is the first to go, unless it was used meanwhile: then the order has it back.
//!
//! **The bit that the fault set.** The faulting instruction restarts and sets the accessed bit, so that every newcomer looks used.
//! [`Discount`] says what is done about it.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::machine::{MAX_BATCH, Machine, Page, Queue, Verdict, Want};
use crate::order::{Arrival, Knob, Order, References, TAG_BITS, Tag, Victims};
use crate::policy::{Event, Inconsistency, Policy, Sleep, Stats};
use crate::queues::MAX_FRAMES;
use crate::tunables::TunableError;
use crate::worker::{Batch, Gate, Scan, Worker, drain};

/// Known; the generation is valid.
const RESIDENT: u32 = 1 << TAG_BITS;
const WIRED: u32 = 2 << TAG_BITS;
/// Its first reference may be that of the faulting instruction.
const FRESH: u32 = 4 << TAG_BITS;
/// A write that was started for it has not ended.
const LAUNDERING: u32 = 8 << TAG_BITS;
/// The order has it.
const HELD: u32 = 16 << TAG_BITS;
/// Chosen, written, and about to go.
const CLEANED: u32 = 32 << TAG_BITS;
const TAG: u32 = RESIDENT - 1;

/// Room for pages that were written and wait to go, and for newcomers whose bit is to be cleared. What finds no room goes back to the
/// order, or has its first reference discounted later. Guessed: four batches.
const WAITING: usize = 512;

/// What is done about the reference of the faulting instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discount {
    /// Nothing: every page counts as used twice.
    None,
    /// The first look at a page ignores one reference: that of the fault and a second use within the same time are one.
    FirstLook,
    /// The bit is cleared at the next iteration after the page came in: whatever is used from then on was used again.
    Clear,
}

/// What is kept per frame: 8 bytes.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    generation: u32,
    /// The tag below, flags above.
    word: u32,
}

impl State {
    fn has(self, flags: u32) -> bool {
        self.word & flags != 0
    }
}

/// Frames in order, bounded.
#[derive(Debug)]
struct Waiting {
    frames: Box<[u32; WAITING]>,
    first: usize,
    len: usize,
}

impl Waiting {
    fn new() -> Self {
        Self { frames: Box::new([0; WAITING]), first: 0, len: 0 }
    }

    fn push(&mut self, frame: u32) -> bool {
        let room = self.len < WAITING;
        if room {
            self.frames[(self.first + self.len) % WAITING] = frame;
            self.len += 1;
        }
        room
    }

    fn pop(&mut self) -> Option<u32> {
        if self.len == 0 {
            return None;
        }
        let frame = self.frames[self.first % WAITING];
        self.first = (self.first + 1) % WAITING;
        self.len -= 1;
        Some(frame)
    }
}

/// The policy.
#[derive(Debug)]
pub struct Engine<O> {
    order: O,
    discount: Discount,
    states: Vec<State>,
    worker: Worker,
    batch: Box<Batch>,
    cleaned: Waiting,
    fresh: Waiting,
    /// Chosen, and not to be had just now: with the order again when the scan is over, so that it does not name them over and over.
    deferred: Waiting,
}

/// The references as the order sees them.
struct View<'a> {
    machine: &'a mut dyn Machine,
    states: &'a mut [State],
    stats: &'a mut Stats,
    /// Some pages may be fresh.
    discounts: bool,
}

impl References for View<'_> {
    fn sample(&mut self, frames: &[u32], used: &mut [bool]) {
        let mut refs = [0; MAX_BATCH];
        for (frames, used) in frames.chunks(MAX_BATCH).zip(used.chunks_mut(MAX_BATCH)) {
            let refs = &mut refs[..frames.len()];
            refs.fill(0);
            self.stats.harvests += 1;
            self.stats.v_pdpages += frames.len() as u64;
            self.machine.harvest(frames, refs);
            if self.discounts {
                for (frame, refs) in frames.iter().zip(refs.iter_mut()) {
                    if let Some(state) = self.states.get_mut(*frame as usize) {
                        *refs = refs.saturating_sub(u8::from(state.has(FRESH)));
                        state.word &= !FRESH;
                    }
                }
            }
            for (refs, used) in refs.iter().zip(used.iter_mut()) {
                *used = *refs > 0;
            }
            self.stats.reactivated += used.iter().map(|used| u64::from(*used)).sum::<u64>();
        }
    }

    fn tag(&self, frame: u32) -> Tag {
        self.states.get(frame as usize).map_or(0, |s| s.word & TAG)
    }
}

impl<O: Order> Engine<O> {
    /// The policy over frames `0..nr_frames`, cut to [`MAX_FRAMES`], around an order that was made with as many.
    #[must_use]
    pub fn new(nr_frames: u32, order: O, discount: Discount) -> Self {
        let nr_frames = nr_frames.min(MAX_FRAMES) as usize;
        let mut states = Vec::with_capacity(nr_frames);
        states.resize(nr_frames, State::default());
        Self {
            order,
            discount,
            states,
            worker: Worker::default(),
            batch: Batch::new(),
            cleaned: Waiting::new(),
            fresh: Waiting::new(),
            deferred: Waiting::new(),
        }
    }

    /// The order.
    pub fn order(&self) -> &O {
        &self.order
    }

    /// The order, to set its options.
    pub fn order_mut(&mut self) -> &mut O {
        &mut self.order
    }

    /// The state of exactly this page, if it is known: the check on everything that comes from outside.
    fn known(states: &mut [State], page: Page) -> Option<&mut State> {
        let state = states.get_mut(page.frame as usize)?;
        (state.has(RESIDENT) && state.generation == page.generation).then_some(state)
    }

    /// Back to the order, unless something else has to happen to it first.
    #[inline(never)]
    fn give_back(order: &mut O, states: &mut [State], frame: u32) {
        if let Some(state) = states.get_mut(frame as usize)
            && state.word & (RESIDENT | HELD | WIRED | LAUNDERING | CLEANED) == RESIDENT
        {
            state.word |= HELD;
            order.insert(frame, state.word & TAG, Arrival::Returned);
        }
    }

    fn page_in(&mut self, page: Page, queue: Queue, tag: Tag) -> Option<()> {
        let state = self.states.get_mut(page.frame as usize)?;
        if state.has(HELD) {
            self.order.remove(page.frame);
        }
        let fresh = if self.discount == Discount::None { 0 } else { FRESH };
        let tag = tag & TAG;
        *state = State { generation: page.generation, word: tag | RESIDENT | HELD | fresh };
        let arrival = if queue == Queue::Active { Arrival::Fault } else { Arrival::Readahead };
        if self.discount == Discount::Clear && queue == Queue::Active {
            // Without room its first look discounts the reference.
            self.fresh.push(page.frame);
        }
        self.order.insert(page.frame, tag, arrival);
        Some(())
    }

    /// A write has ended well.
    fn cleaned(&mut self, page: Page) -> Option<()> {
        let state = Self::known(&mut self.states, page)?;
        self.worker.stats.laundered_ok += 1;
        state.word &= !LAUNDERING;
        if !state.has(HELD | WIRED) && self.cleaned.push(page.frame) {
            state.word |= CLEANED;
        } else {
            Self::give_back(&mut self.order, &mut self.states, page.frame);
        }
        Some(())
    }

    /// What happens less often than once a page that goes.
    #[inline(never)]
    fn rare(&mut self, event: Event) -> Option<()> {
        match event {
            Event::Free(page) => self.freed(page)?,
            Event::Activate(page) => {
                if Self::known(&mut self.states, page)?.has(HELD) {
                    self.order.promote(page.frame);
                }
            }
            Event::Deactivate(page) => {
                if Self::known(&mut self.states, page)?.has(HELD) {
                    self.order.demote(page.frame);
                }
            }
            Event::Wire(page) => self.wired(page)?,
            Event::Unwire { page, .. } => {
                Self::known(&mut self.states, page)?.word &= !WIRED;
                Self::give_back(&mut self.order, &mut self.states, page.frame);
            }
            Event::Laundered { page, .. } => {
                Self::known(&mut self.states, page)?.word &= !LAUNDERING;
                self.worker.stats.laundered_failed += 1;
                Self::give_back(&mut self.order, &mut self.states, page.frame);
            }
            Event::PageIn { .. } | Event::Shortage => {}
        }
        Some(())
    }

    fn freed(&mut self, page: Page) -> Option<()> {
        let state = Self::known(&mut self.states, page)?;
        let held = state.has(HELD);
        state.word = 0;
        if held {
            self.order.remove(page.frame);
        }
        Some(())
    }

    fn wired(&mut self, page: Page) -> Option<()> {
        let state = Self::known(&mut self.states, page)?;
        let held = state.has(HELD);
        state.word = state.word & !(CLEANED | HELD) | WIRED;
        if held {
            self.order.remove(page.frame);
        }
        Some(())
    }

    /// Clears the bits of the newcomers.
    fn freshen(&mut self, m: &mut dyn Machine) {
        while self.fresh.len > 0 {
            let Self { fresh, batch, states, worker, .. } = self;
            let frames = core::iter::from_fn(|| fresh.pop()).filter(|frame| {
                let Some(state) = states.get_mut(*frame as usize) else { return false };
                let is_fresh = state.has(FRESH);
                state.word &= !FRESH;
                is_fresh
            });
            batch.fill(frames);
            if !batch.is_empty() {
                batch.harvest(m, &mut worker.stats);
            }
        }
    }

    /// Lets pages go until the shortage is met, each that there was at the start once at most.
    fn scan(&mut self, m: &mut dyn Machine, scan: &mut Scan) {
        let mut budget = self.order.len() as usize + self.cleaned.len;
        while scan.shortage > 0 && budget > 0 {
            let mut limit = usize::try_from(scan.shortage).unwrap_or(MAX_BATCH).min(MAX_BATCH).min(budget);
            let (mut want, mut in_order) = (Want::Reclaim, true);
            if Gate::of(m) == Gate::Open {
                let writes = scan.writes(m);
                // Pages go in order: when no more may be written, those behind wait too.
                in_order = writes.operations > 0 && writes.pages > 0;
                if in_order {
                    want = Want::Launder;
                    if !m.limit_launders(writes) {
                        // Each may start a full cluster.
                        let cluster = m.meter().thresholds.cluster.max(1);
                        limit = limit.min(writes.operations.min(writes.pages.div_ceil(cluster)) as usize);
                    }
                }
            }
            let mut taken = self.gather_cleaned(m, limit);
            if in_order {
                // Those that were found used count too.
                let limit = self.batch.len() + limit - taken;
                taken += self.gather(m, limit);
            }
            if taken == 0 {
                break;
            }
            budget -= taken.min(budget);
            if !self.batch.is_empty() {
                let Self { states, batch, worker, .. } = self;
                let generation = |frame: u32| states.get(frame as usize).map_or(0, |s| s.generation);
                batch.decide_all(m, &mut worker.stats, want, generation);
                self.apply(scan, want);
                self.forget_uses(m);
            }
            drain(self, m);
        }
        while let Some(frame) = self.deferred.pop() {
            Self::give_back(&mut self.order, &mut self.states, frame);
        }
    }

    /// Fills the batch with pages that were written, and that nobody has used meanwhile; returns the number of pages visited.
    fn gather_cleaned(&mut self, m: &mut dyn Machine, limit: usize) -> usize {
        let Self { order, states, batch, worker, cleaned, .. } = self;
        batch.clear();
        let mut visited = 0;
        while visited < limit {
            let Some(frame) = cleaned.pop() else { break };
            visited += 1;
            if let Some(state) = states.get_mut(frame as usize)
                && state.has(CLEANED)
            {
                state.word &= !CLEANED;
                batch.add(frame);
            }
        }
        if !batch.is_empty() && order.heeds_use() {
            batch.harvest(m, &mut worker.stats);
            worker.stats.reactivated += batch.split_used(|frame| Self::give_back(order, states, frame));
        }
        visited
    }

    /// Adds pages that the order names to the batch, up to `limit` in all; returns their number.
    fn gather(&mut self, m: &mut dyn Machine, limit: usize) -> usize {
        let Self { order, states, batch, worker, discount, .. } = self;
        let room = batch.room(limit);
        if room.is_empty() {
            return 0;
        }
        let mut victims = Victims::new(room);
        let mut view =
            View { machine: m, states, stats: &mut worker.stats, discounts: *discount != Discount::None };
        order.choose(&mut view, &mut victims);
        let named = victims.len();
        batch.take_up(named, |frame| {
            let Some(state) = states.get_mut(frame as usize) else { return false };
            let held = state.has(HELD);
            state.word &= !HELD;
            held
        });
        named
    }

    /// Does what the answers say; leaves those pages in the batch whose write was started.
    fn apply(&mut self, scan: &mut Scan, want: Want) {
        let Self { order, states, batch, worker, deferred, .. } = self;
        let stats = &mut worker.stats;
        let (mut freed, mut writes, mut pages) = (0u32, 0u32, 0u32);
        batch.keep_answers(|frame, verdict| {
            let Some(state) = states.get_mut(frame as usize) else { return false };
            match verdict {
                Verdict::Done => {
                    freed += 1;
                    state.word = 0;
                    return false;
                }
                Verdict::Started { pages: count } => {
                    writes += 1;
                    pages += u32::from(count);
                    state.word |= LAUNDERING;
                    return true;
                }
                Verdict::Stale => {
                    stats.stale += 1;
                    state.word = 0;
                    return false;
                }
                Verdict::Locked => {
                    stats.lock_miss += 1;
                    scan.skipped += 1;
                }
                Verdict::Refused => {
                    stats.refused += 1;
                    scan.stuck += 1;
                }
                Verdict::Busy | Verdict::Held | Verdict::DirtyDead => {
                    scan.stuck += 1;
                    if deferred.push(frame) {
                        return false;
                    }
                }
                // Not written since enough writes were started: it is still the next to go.
                Verdict::Dirty if want == Want::Launder => {
                    Self::give_back(order, states, frame);
                    if states.get(frame as usize).is_some_and(|s| s.has(HELD)) {
                        order.demote(frame);
                    }
                    return false;
                }
                Verdict::Dirty
                | Verdict::Again
                | Verdict::NoSpace
                | Verdict::Failed
                | Verdict::Changed
                | Verdict::Unreferenced => {}
            }
            Self::give_back(order, states, frame);
            false
        });
        scan.shortage -= i64::from(freed);
        scan.launders_started(writes, pages);
        stats.v_dfree += u64::from(freed);
        stats.launders += u64::from(writes);
        stats.launder_pages += u64::from(pages);
    }

    /// Clears the bits of the pages whose write was started: if one is set when the write is over, the page was used during it, and not before it
    /// was chosen, which the order knew or did not care about.
    fn forget_uses(&mut self, m: &mut dyn Machine) {
        if !self.batch.is_empty() && self.order.heeds_use() {
            self.batch.harvest(m, &mut self.worker.stats);
        }
    }
}

impl<O: Order> Policy for Engine<O> {
    fn name(&self) -> &'static str {
        self.order.name()
    }

    #[inline(always)]
    fn event(&mut self, event: Event) {
        let accepted = match event {
            Event::PageIn { page, queue, tag } => self.page_in(page, queue, tag),
            Event::Laundered { page, ok: true } => self.cleaned(page),
            Event::Shortage => Some(()),
            _ => self.rare(event),
        };
        if accepted.is_none() {
            self.worker.stats.events_refused += 1;
        }
    }

    fn run(&mut self, m: &mut dyn Machine) -> Sleep {
        drain(self, m);
        self.freshen(m);
        let mut scan = self.worker.begin(m);
        self.scan(m, &mut scan);
        self.worker.after_inactive(&scan, m);
        // It has no ages that only more laps would bring down.
        self.worker.finish(m, 0, 0)
    }

    fn stats(&self) -> Stats {
        let inactive_count = self.order.len() + self.cleaned.len as u32;
        Stats { inactive_count, ..self.worker.stats }
    }

    fn knobs(&self) -> &[Knob] {
        self.order.knobs()
    }

    fn set_knob(&mut self, name: &str, value: u32) -> Result<(), TunableError> {
        self.order.set_knob(name, value)
    }

    fn check(&self) -> Result<(), Inconsistency> {
        self.order.check()?;
        let found = self.states.iter().filter(|s| s.word & HELD != 0).count() as u32;
        let recorded = self.order.len();
        if found != recorded {
            return Err(Inconsistency::Length { recorded, found });
        }
        let mut wrong = None;
        self.order.snapshot(&mut |frame| {
            let word = self.states.get(frame as usize).map_or(0, |s| s.word);
            if word & (RESIDENT | HELD | WIRED) != RESIDENT | HELD {
                wrong = Some(Inconsistency::NotPageable(frame));
            }
        });
        wrong.map_or(Ok(()), Err)
    }
}
