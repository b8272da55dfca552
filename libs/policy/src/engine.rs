// SPDX-License-Identifier: BSD-2-Clause
//! The policy around an [`Order`]: everything that a replacement policy has to do beside deciding who goes next.
//!
//! A page is with the order, or here: wired, being written, or written and about to go. A victim that
//! turns out dirty is written; when it is clean it is the first to go, unless it was used meanwhile: then the order has it back.
//!
//! The machine records pages that a fault brought in as active, and does not write active neighbours along; so what is about to
//! go is first declared inactive.
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
/// The machine records it as inactive.
const DECLARED: u32 = 32 << TAG_BITS;
/// Chosen, written, and about to go.
const CLEANED: u32 = 64 << TAG_BITS;
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
        let frame = (self.len > 0).then(|| self.frames[self.first % WAITING])?;
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
    chosen: Box<[u32; MAX_BATCH]>,
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
            for ((frame, refs), used) in frames.iter().zip(refs).zip(used) {
                let Some(state) = self.states.get_mut(*frame as usize) else { continue };
                let first = u8::from(state.word & FRESH != 0);
                state.word &= !FRESH;
                *used = *refs > first;
                self.stats.reactivated += u64::from(*used);
            }
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
            chosen: Box::new([0; MAX_BATCH]),
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

    fn has(&self, frame: u32, flags: u32) -> bool {
        self.states[frame as usize].word & flags != 0
    }

    fn set(&mut self, frame: u32, flags: u32) {
        self.states[frame as usize].word |= flags;
    }

    fn clear(&mut self, frame: u32, flags: u32) {
        self.states[frame as usize].word &= !flags;
    }

    fn knows(&self, page: Page) -> bool {
        self.states
            .get(page.frame as usize)
            .is_some_and(|s| s.word & RESIDENT != 0 && s.generation == page.generation)
    }

    fn hand_over(&mut self, frame: u32, arrival: Arrival) {
        self.set(frame, HELD);
        self.order.insert(frame, self.states[frame as usize].word & TAG, arrival);
    }

    fn take_away(&mut self, frame: u32) {
        if self.has(frame, HELD) {
            self.clear(frame, HELD);
            self.order.remove(frame);
        }
    }

    /// Back to the order, unless something else has to happen to it first.
    fn give_back(&mut self, frame: u32) {
        if self.has(frame, RESIDENT) && !self.has(frame, HELD | WIRED | LAUNDERING | CLEANED) {
            self.hand_over(frame, Arrival::Returned);
        }
    }

    fn forget(&mut self, frame: u32) {
        self.take_away(frame);
        self.states[frame as usize].word = 0;
    }

    fn page_in(&mut self, page: Page, queue: Queue, tag: Tag) {
        self.forget(page.frame);
        let declared = if queue == Queue::Inactive { DECLARED } else { 0 };
        let fresh = if self.discount == Discount::None { 0 } else { FRESH };
        self.states[page.frame as usize] =
            State { generation: page.generation, word: tag & TAG | RESIDENT | fresh | declared };
        if self.discount == Discount::Clear && queue == Queue::Active {
            // Without room its first look discounts the reference.
            self.fresh.push(page.frame);
        }
        let arrival = if queue == Queue::Active { Arrival::Fault } else { Arrival::Readahead };
        self.hand_over(page.frame, arrival);
    }

    fn laundered(&mut self, frame: u32, ok: bool) {
        self.clear(frame, LAUNDERING);
        if ok {
            self.worker.stats.laundered_ok += 1;
        } else {
            self.worker.stats.laundered_failed += 1;
            self.clear(frame, DECLARED);
        }
        if ok && !self.has(frame, HELD | WIRED) && self.cleaned.push(frame) {
            self.set(frame, CLEANED);
        }
        self.give_back(frame);
    }

    /// Clears the bits of the newcomers.
    fn freshen(&mut self, m: &mut dyn Machine) {
        while self.fresh.len > 0 {
            let Self { fresh, batch, states, worker, .. } = self;
            let frames = core::iter::from_fn(|| fresh.pop()).filter(|f| {
                let word = &mut states[*f as usize].word;
                let is_fresh = *word & FRESH != 0;
                *word &= !FRESH;
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
            let want = if Gate::of(m) == Gate::Open { Want::Launder } else { Want::Reclaim };
            let limit = usize::try_from(scan.shortage).unwrap_or(MAX_BATCH).min(MAX_BATCH).min(budget);
            let mut taken = self.gather_cleaned(m, limit);
            // Pages go in order: when no more may be written, those behind wait too.
            if want == Want::Reclaim || Worker::launder_limit(scan, m) > 0 {
                taken += self.gather(m, limit - taken);
            }
            if taken == 0 {
                break;
            }
            budget -= taken.min(budget);
            if !self.batch.is_empty() {
                self.declare(m);
                self.batch.set_wants(want);
                self.batch.decide(m, &mut self.worker.stats);
                self.apply(scan, want);
                self.forget_uses(m);
            }
            drain(self, m);
        }
        while let Some(frame) = self.deferred.pop() {
            self.give_back(frame);
        }
    }

    /// Fills the batch with pages that were written, and that nobody has used meanwhile; returns the number of pages visited.
    fn gather_cleaned(&mut self, m: &mut dyn Machine, limit: usize) -> usize {
        self.batch.clear();
        let mut visited = 0;
        while visited < limit {
            let Some(frame) = self.cleaned.pop() else { break };
            visited += 1;
            if self.has(frame, CLEANED) {
                self.clear(frame, CLEANED);
                self.batch.push(self.page(frame), Want::Deactivate);
            }
        }
        if self.batch.is_empty() || !self.order.heeds_use() {
            return visited;
        }
        self.batch.harvest(m, &mut self.worker.stats);
        let (chosen, mut used) = (&mut self.chosen, 0);
        self.batch.retain(|frame, harvested| {
            if harvested > 0 {
                chosen[used] = frame;
                used += 1;
            }
            harvested == 0
        });
        self.worker.stats.reactivated += used as u64;
        for i in 0..used {
            self.give_back(self.chosen[i]);
        }
        visited
    }

    /// Adds pages that the order names to the batch; returns their number.
    fn gather(&mut self, m: &mut dyn Machine, limit: usize) -> usize {
        if limit == 0 {
            return 0;
        }
        let mut victims = Victims::new(&mut self.chosen[..limit]);
        let mut view = View { machine: m, states: &mut self.states, stats: &mut self.worker.stats };
        self.order.choose(&mut view, &mut victims);
        let named = victims.len();
        for i in 0..named {
            let frame = self.chosen[i];
            if (frame as usize) < self.states.len() && self.has(frame, HELD) {
                self.clear(frame, HELD);
                self.batch.push(self.page(frame), Want::Deactivate);
            }
        }
        named
    }

    fn page(&self, frame: u32) -> Page {
        Page { frame, generation: self.states[frame as usize].generation }
    }

    /// Declares the pages of the batch inactive, unless all are already.
    fn declare(&mut self, m: &mut dyn Machine) {
        let Self { states, batch, worker, .. } = self;
        if batch.looks().all(|(frame, ..)| states[frame as usize].word & DECLARED != 0) {
            return;
        }
        batch.set_wants(Want::Deactivate);
        batch.decide(m, &mut worker.stats);
        for (frame, _, _, verdict) in batch.results() {
            if verdict == Verdict::Done {
                states[frame as usize].word |= DECLARED;
            }
        }
    }

    fn apply(&mut self, scan: &mut Scan, want: Want) {
        for i in 0..self.batch.len() {
            let Some((frame, verdict)) = self.batch.verdict(i) else { break };
            let stats = &mut self.worker.stats;
            match verdict {
                Verdict::Done => {
                    stats.v_dfree += 1;
                    scan.shortage -= 1;
                    self.forget(frame);
                    continue;
                }
                Verdict::Started { pages: count } => {
                    stats.launders += 1;
                    stats.launder_pages += u64::from(count);
                    scan.launder_started(count);
                    self.set(frame, LAUNDERING);
                    continue;
                }
                Verdict::Stale => {
                    stats.stale += 1;
                    self.forget(frame);
                    continue;
                }
                // The machine has recorded it as active: it is declared anew when its turn comes.
                Verdict::NoSpace | Verdict::Failed => self.clear(frame, DECLARED),
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
                    if self.deferred.push(frame) {
                        continue;
                    }
                }
                // Not written since enough writes were started: it is still the next to go.
                Verdict::Dirty if want == Want::Launder => {
                    self.give_back(frame);
                    if self.has(frame, HELD) {
                        self.order.demote(frame);
                    }
                    continue;
                }
                Verdict::Dirty | Verdict::Again | Verdict::Changed | Verdict::Unreferenced => {}
            }
            self.give_back(frame);
        }
    }
}

impl<O: Order> Engine<O> {
    /// Clears the bits of the pages whose write was started: if one is set when the write is over, the page was used during it, and not before it
    /// was chosen, which the order knew or did not care about.
    fn forget_uses(&mut self, m: &mut dyn Machine) {
        let Self { batch, states, worker, order, .. } = self;
        batch.retain(|frame, _| states[frame as usize].word & LAUNDERING != 0);
        if !batch.is_empty() && order.heeds_use() {
            batch.harvest(m, &mut worker.stats);
        }
    }
}

impl<O: Order> Policy for Engine<O> {
    fn name(&self) -> &'static str {
        self.order.name()
    }

    fn event(&mut self, event: Event) {
        let accepted = match event {
            Event::Shortage => return,
            Event::PageIn { page, .. } => (page.frame as usize) < self.states.len(),
            Event::Activate(page)
            | Event::Deactivate(page)
            | Event::Free(page)
            | Event::Wire(page)
            | Event::Unwire { page, .. }
            | Event::Laundered { page, .. } => self.knows(page),
        };
        if !accepted {
            self.worker.stats.events_refused += 1;
            return;
        }
        match event {
            Event::Shortage => {}
            Event::PageIn { page, queue, tag } => self.page_in(page, queue, tag),
            Event::Free(page) => self.forget(page.frame),
            Event::Activate(Page { frame, .. }) => {
                self.clear(frame, DECLARED);
                if self.has(frame, HELD) {
                    self.order.promote(frame);
                }
            }
            Event::Deactivate(Page { frame, .. }) => {
                self.set(frame, DECLARED);
                if self.has(frame, HELD) {
                    self.order.demote(frame);
                }
            }
            Event::Wire(Page { frame, .. }) => {
                self.take_away(frame);
                self.clear(frame, CLEANED);
                self.set(frame, WIRED);
            }
            Event::Unwire { page: Page { frame, .. }, queue } => {
                self.clear(frame, WIRED | DECLARED);
                self.set(frame, if queue == Queue::Inactive { DECLARED } else { 0 });
                self.give_back(frame);
            }
            Event::Laundered { page, ok } => self.laundered(page.frame, ok),
        }
    }

    fn run(&mut self, m: &mut dyn Machine) -> Sleep {
        drain(self, m);
        self.freshen(m);
        let mut scan = self.worker.begin(m);
        self.scan(m, &mut scan);
        self.worker.after_inactive(&scan, m);
        // It has no ages that only more laps would bring down.
        self.worker.finish(m, 0)
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
