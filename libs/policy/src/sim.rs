// SPDX-License-Identifier: BSD-2-Clause
//! A scripted machine: what `vm` would do, on the host, for tests and simulators. It allocates as it likes.
//!
//! It plays one anonymous object per number, pages with the states that decide about them, a swap of so many slots, and
//! writes that end when the script says so. Every call is logged.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::ops::Range;

use crate::cluster;
use crate::gate::Gate;
use crate::machine::{Decision, Machine, Meter, Page, Queue, Request, Verdict, Want, WriteLimit};
use crate::policy::Event;
use crate::thresholds::Thresholds;
use crate::tunables::Tunables;

/// Where a page belongs: object number and page index in it.
pub type Place = (u32, u64);

/// The truth about one frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SimPage {
    /// Which page it holds; `None`: free.
    pub place: Option<Place>,
    /// Its generation.
    pub generation: u32,
    /// The queue recorded for it.
    pub queue: Option<Queue>,
    /// Mappings whose hardware reference bit is set.
    pub refs: u8,
    /// The software referenced flag.
    pub flag: bool,
    /// Modified.
    pub dirty: bool,
    /// Found modified only when its mappings are removed (PGO-101).
    pub dirty_in_mapping: bool,
    /// An I/O is under way.
    pub busy: bool,
    /// Held by somebody.
    pub held: bool,
    /// No valid byte in it.
    pub invalid: bool,
    /// Wired.
    pub wired: bool,
}

/// The state of an object that matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SimObject {
    /// Size in pages.
    pub size: u64,
    /// Reference count above 0.
    pub referenced: bool,
    /// Being torn down.
    pub dead: bool,
}

/// One call of the policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// References of these frames were asked for.
    Harvest(Vec<u32>),
    /// These decisions were answered so.
    Decide(Vec<(Decision, Verdict)>),
    /// A request.
    Request(Request),
}

/// The machine.
#[derive(Clone, Debug)]
pub struct Sim {
    /// Frame by frame.
    pub pages: Vec<SimPage>,
    /// Objects by number; one not named has 2^32 pages and is referenced and alive.
    pub objects: BTreeMap<u32, SimObject>,
    /// Resident pages by place.
    pub resident: BTreeMap<Place, u32>,
    /// Accounts for free pages, where there is one: freeing goes through it, and the counts follow it.
    pub gate: Option<Gate>,
    /// Waiters that the gate said to wake.
    pub woken: u32,
    /// The counts. Freeing raises `free_count`, writes change `laundering`; the rest is the script's.
    pub meter: Meter,
    /// The deficit.
    pub deficit: u32,
    /// The tunables.
    pub tunables: Tunables,
    /// The clock, in microseconds.
    pub now_us: u64,
    /// Free swap slots.
    pub swap_slots: u64,
    /// Verdicts to give for `Launder` instead, by frame.
    pub launder_script: BTreeMap<u32, Verdict>,
    /// Events not yet taken.
    pub events: VecDeque<Event>,
    /// Frames being written, in order of start.
    pub writing: VecDeque<u32>,
    /// Runs written: object and indexes.
    pub writes: Vec<(u32, Range<u64>)>,
    /// Pages freed, in order.
    pub freed: Vec<Page>,
    /// All calls.
    pub log: Vec<Call>,
    /// Something to do before a decision is answered: (number of the `decide` call, event to deliver with it).
    pub during_decide: Vec<(usize, Event)>,
    /// Whether [`Machine::limit_launders`] is kept to.
    pub limits: bool,
    /// What the next `decide` may write.
    launders: WriteLimit,
    decides: usize,
}

impl Sim {
    /// A machine of `nr_frames` frames, none in use, and counts as if `page_count` pages were all there is, 90 % of them free.
    #[must_use]
    pub fn new(nr_frames: u32, page_count: u32) -> Self {
        let free_count = (u64::from(page_count) * 9 / 10) as u32;
        Self {
            pages: alloc::vec![SimPage::default(); nr_frames as usize],
            objects: BTreeMap::new(),
            resident: BTreeMap::new(),
            gate: None,
            woken: 0,
            meter: Meter {
                page_count,
                free_count,
                wire_count: 0,
                thresholds: Thresholds::compute(page_count, free_count, 0),
                pages_needed: false,
                laundering: 0,
                swap_full: false,
                oldest_wait_us: 0,
            },
            deficit: 0,
            tunables: Tunables::default(),
            now_us: 0,
            swap_slots: u64::MAX,
            launder_script: BTreeMap::new(),
            events: VecDeque::new(),
            writing: VecDeque::new(),
            writes: Vec::new(),
            freed: Vec::new(),
            log: Vec::new(),
            during_decide: Vec::new(),
            limits: true,
            launders: WriteLimit::NONE,
            decides: 0,
        }
    }

    /// The frame's page as a policy names it.
    #[must_use]
    pub fn page(&self, frame: u32) -> Page {
        Page { frame, generation: self.pages[frame as usize].generation }
    }

    fn object(&self, number: u32) -> SimObject {
        let usual = SimObject { size: 1 << 32, referenced: true, dead: false };
        self.objects.get(&number).copied().unwrap_or(usual)
    }

    /// Puts a page into a free frame and tells the policy. The free count is the script's.
    pub fn page_in(&mut self, frame: u32, place: Place, queue: Queue) {
        let page = &mut self.pages[frame as usize];
        let generation = page.generation.wrapping_add(1);
        *page = SimPage { place: Some(place), generation, queue: Some(queue), ..SimPage::default() };
        self.resident.insert(place, frame);
        let tag = crate::order::tag_of(u64::from(place.0) << 32 ^ place.1);
        self.events.push_back(Event::PageIn { page: Page { frame, generation }, queue, tag });
    }

    /// Takes a page away, as when its object is unmapped. Tells the policy.
    pub fn page_out(&mut self, frame: u32) {
        let page = self.page(frame);
        self.release(frame);
        self.events.push_back(Event::Free(page));
    }

    fn release(&mut self, frame: u32) {
        let page = &mut self.pages[frame as usize];
        if let Some(place) = page.place.take() {
            self.resident.remove(&place);
            self.meter.free_count += 1;
        }
        page.queue = None;
        page.generation = page.generation.wrapping_add(1);
        if let Some(gate) = &mut self.gate {
            self.woken += gate.free(1).clients;
            self.follow_gate();
        }
    }

    /// Brings the counts up to date with the gate.
    pub fn follow_gate(&mut self) {
        if let Some(gate) = &self.gate {
            self.meter.free_count = gate.free_count();
            self.meter.pages_needed = gate.pages_needed();
        }
    }

    /// Ends the oldest write; tells the policy. False if none is under way.
    pub fn complete(&mut self, ok: bool) -> bool {
        let Some(frame) = self.writing.pop_front() else { return false };
        let page = &mut self.pages[frame as usize];
        page.busy = false;
        page.dirty = !ok;
        if !ok {
            page.queue = Some(Queue::Active);
        }
        self.meter.laundering -= 1;
        let page = self.page(frame);
        self.events.push_back(Event::Laundered { page, ok });
        true
    }

    /// The requests made, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.log.iter().filter_map(|c| if let Call::Request(r) = c { Some(*r) } else { None }).collect()
    }

    /// Records a page that is to go as inactive, so that others of its batch are written with it.
    fn announce(&mut self, decision: Decision) {
        let Some(page) = self.pages.get_mut(decision.page.frame as usize) else { return };
        let there = page.place.is_some() && page.generation == decision.page.generation;
        let free = !(page.wired || page.held || page.busy);
        if there && free && matches!(decision.want, Want::Reclaim | Want::Launder) {
            page.queue = Some(Queue::Inactive);
        }
    }

    /// Carries out one decision.
    pub fn carry_out(&mut self, decision: Decision) -> Verdict {
        let Page { frame, generation } = decision.page;
        let Some(page) = self.pages.get(frame as usize) else { return Verdict::Refused };
        let Some((object, index)) = page.place else { return Verdict::Stale };
        if page.generation != generation || page.wired {
            return Verdict::Stale;
        }
        let state = self.object(object);
        if decision.want == Want::Deactivate {
            self.pages[frame as usize].queue = Some(Queue::Inactive);
            return Verdict::Done;
        }
        if page.held {
            return Verdict::Held;
        }
        if page.busy {
            return Verdict::Busy;
        }
        if decision.want == Want::Activate {
            if !state.referenced {
                return Verdict::Unreferenced;
            }
            self.pages[frame as usize].queue = Some(Queue::Active);
            return Verdict::Done;
        }
        let page = &mut self.pages[frame as usize];
        page.dirty |= core::mem::take(&mut page.dirty_in_mapping);
        if page.invalid || !page.dirty {
            let page = self.page(frame);
            self.freed.push(page);
            self.release(frame);
            return Verdict::Done;
        }
        if state.dead {
            return Verdict::DirtyDead;
        }
        if decision.want == Want::Reclaim {
            return Verdict::Dirty;
        }
        self.launder(frame, object, index, state.size)
    }

    fn launder(&mut self, frame: u32, object: u32, index: u64, size: u64) -> Verdict {
        if let Some(verdict) = self.launder_script.get(&frame).copied() {
            if matches!(verdict, Verdict::NoSpace | Verdict::Failed) {
                self.pages[frame as usize].queue = Some(Queue::Active);
            }
            return verdict;
        }
        let run = cluster::build(index, size, self.meter.thresholds.cluster.into(), |neighbour| {
            self.resident.get(&(object, neighbour)).is_some_and(|f| {
                let page = &self.pages[*f as usize];
                (page.dirty || page.dirty_in_mapping)
                    && !page.busy
                    && !page.held
                    && page.queue == Some(Queue::Inactive)
            })
        });
        let count = run.end - run.start;
        if count > self.swap_slots {
            self.pages[frame as usize].queue = Some(Queue::Active);
            return Verdict::NoSpace;
        }
        self.swap_slots -= count;
        for index in run.clone() {
            if let Some(frame) = self.resident.get(&(object, index)).copied() {
                self.pages[frame as usize].busy = true;
                self.writing.push_back(frame);
                self.meter.laundering += 1;
            }
        }
        self.writes.push((object, run));
        Verdict::Started { pages: count as u8 }
    }

    /// The references to a page since the last look, cleared by the look.
    pub fn look(&mut self, frame: u32) -> u8 {
        let Some(page) = self.pages.get(frame as usize) else { return 0 };
        let Some((object, _)) = page.place else { return 0 };
        let state = self.object(object);
        let page = &mut self.pages[frame as usize];
        let flag = u8::from(core::mem::take(&mut page.flag));
        let refs = if state.referenced { core::mem::take(&mut page.refs) } else { 0 };
        if page.invalid || page.wired || state.dead { 0 } else { flag.saturating_add(refs) }
    }
}

impl Machine for Sim {
    fn meter(&self) -> Meter {
        self.meter
    }

    fn take_deficit(&mut self) -> u32 {
        core::mem::take(&mut self.deficit) + self.gate.as_mut().map_or(0, Gate::take_deficit)
    }

    fn harvest(&mut self, frames: &[u32], refs: &mut [u8]) {
        self.log.push(Call::Harvest(frames.to_vec()));
        for (frame, refs) in frames.iter().zip(refs) {
            *refs = self.look(*frame);
        }
    }

    fn decide(&mut self, batch: &[Decision], verdicts: &mut [Verdict]) {
        self.decides += 1;
        for (_, event) in self.during_decide.iter().filter(|(call, _)| *call == self.decides) {
            self.events.push_back(*event);
        }
        batch.iter().for_each(|decision| self.announce(*decision));
        for (decision, verdict) in batch.iter().zip(verdicts.iter_mut()) {
            let mut decision = *decision;
            if decision.want == Want::Launder && !self.launders.allows() {
                decision.want = Want::Reclaim;
            }
            *verdict = self.carry_out(decision);
            if let Verdict::Started { pages } = verdict {
                self.launders.started((*pages).into());
            }
        }
        self.launders = WriteLimit::NONE;
        self.log.push(Call::Decide(batch.iter().copied().zip(verdicts.iter().copied()).collect()));
    }

    fn limit_launders(&mut self, limit: WriteLimit) -> bool {
        if self.limits {
            self.launders = limit;
        }
        self.limits
    }

    fn request(&mut self, request: Request) {
        self.log.push(Call::Request(request));
    }

    fn now_us(&self) -> u64 {
        self.now_us
    }

    fn tunables(&self) -> &Tunables {
        &self.tunables
    }

    fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }
}
