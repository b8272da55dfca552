// SPDX-License-Identifier: BSD-2-Clause
//! What every policy's worker does around its scan: pass number, shortage, drains, requests, sleep (`vm_pageout_worker` and the
//! frame of `vm_pageout_scan`).

use alloc::boxed::Box;

use crate::lowmem::Lowmem;
use crate::machine::{Decision, MAX_BATCH, Machine, OomReason, Page, Request, Verdict, Want, WriteLimit};
use crate::oom::{Oom, Outcome};
use crate::policy::{Policy, Sleep, Stats};
use crate::queues::ACT_MAX;
use crate::swapout_request;

/// Write operations and pages per scan at pass 2 and above (PGO-026, W05).
pub const MAX_LAUNDER_HARD: u32 = 10_000;
/// Sleep in lasting need (PGO-068): hz / 2.
const NEED_SLEEP_US: u64 = 500_000;
/// Sleep without need (PGO-069): hz.
const IDLE_SLEEP_US: u64 = 1_000_000;
/// Completed writes that are always worth a scan. A guess: two clusters.
const LAUNDERED_WAKE: u32 = 32;

/// Whether dirty anonymous pages may be written just now (PGO-106).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// They may.
    Open,
    /// Not while there is more free than the minimum: they go to the tail.
    Deferred,
    /// Not at all: they are set aside (W31).
    Disabled,
}

impl Gate {
    /// As the tunables and the free count say.
    #[must_use]
    pub fn of(m: &dyn Machine) -> Self {
        let tunables = m.tunables();
        if tunables.disable_swapspace_pageouts {
            return Self::Disabled;
        }
        if tunables.defer_swapspace_pageouts {
            let meter = m.meter();
            if !meter.thresholds.count_min(meter.free_count) {
                return Self::Deferred;
            }
        }
        Self::Open
    }
}

/// Progress of one scan.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scan {
    /// Pass number.
    pub pass: u32,
    /// Pages that failed allocations wanted.
    pub deficit: i64,
    /// Shortage at the start.
    pub start: i64,
    /// Shortage left.
    pub shortage: i64,
    /// Write operations still allowed.
    pub ops: u32,
    /// Pages that may still be written; an operation may start while it is above 0.
    pub pages: u32,
    /// Write operations started.
    pub started: i64,
    /// Inactive pages that cannot be reclaimed just now (`addl_page_shortage`).
    pub stuck: i64,
    /// Files skipped since they were locked.
    pub skipped: u32,
}

impl Scan {
    /// Records a started write of `pages` pages: one unit of shortage and of operations, whatever its size (PGO-107).
    pub fn launder_started(&mut self, pages: u8) {
        self.launders_started(1, pages.into());
    }

    /// Records so many started writes of `pages` pages in all.
    pub fn launders_started(&mut self, count: u32, pages: u32) {
        self.shortage -= i64::from(count);
        self.started += i64::from(count);
        self.ops = self.ops.saturating_sub(count);
        self.pages = self.pages.saturating_sub(pages);
    }

    /// What may be written just now: what is left of the scan's, and at most what may be under way (W05).
    pub fn writes(&self, m: &dyn Machine) -> WriteLimit {
        let room = m.tunables().max_laundering.saturating_sub(m.meter().laundering);
        WriteLimit { operations: self.ops, pages: self.pages.min(room) }
    }
}

/// The state of a worker.
#[derive(Debug, Default)]
pub struct Worker {
    /// The counters.
    pub stats: Stats,
    lowmem: Lowmem,
    oom: Oom,
    /// `stats.laundered_ok` at the last scan.
    laundered_before: u64,
    /// Second of the last idle swap-out request.
    idle_s: Option<u64>,
    /// The last iteration ended in a hurry ([`Worker::finish`]).
    hurried: bool,
    /// Counts of activity that pages have lost since a page was freed last.
    aged: u64,
}

impl Worker {
    /// Begins an iteration: pass number (PGO-070), low-memory drain (PGO-080), shortage (PGO-083), budgets (PGO-085).
    ///
    /// The budget has two units (W05). Operations: as in the seed. Pages: P times that at pass 0 and 1, where it never binds
    /// before the first, and 10,000 from pass 2 on, where the seed would start up to 160,000.
    pub fn begin(&mut self, m: &mut dyn Machine) -> Scan {
        let meter = m.meter();
        let stats = &mut self.stats;
        stats.scans += 1;
        if meter.pages_needed {
            stats.v_pdwakeups += 1;
            stats.pass = stats.pass.saturating_add(1);
        } else {
            stats.pass = 0;
        }
        let pass = stats.pass;
        let mut free_count = meter.free_count;
        if self.lowmem.due(pass, m.now_us(), m.tunables().lowmem_period_s) {
            stats.lowmem_scans += 1;
            m.request(Request::LowMemory);
            m.request(Request::CacheReclaim);
            // Something may have been freed.
            free_count = m.meter().free_count;
        }
        let (deficit, start) = if pass > 0 {
            let deficit = i64::from(m.take_deficit());
            (deficit, meter.thresholds.paging_target(free_count) + deficit)
        } else {
            (0, 0)
        };
        let (ops, pages) = if pass > 1 {
            (MAX_LAUNDER_HARD, MAX_LAUNDER_HARD)
        } else {
            let ops = m.tunables().max_launder.max(1).unsigned_abs();
            (ops, ops.saturating_mul(meter.thresholds.cluster.max(1)))
        };
        Scan { pass, deficit, start, shortage: start, ops, pages, ..Scan::default() }
    }

    /// How many decisions of the next batch may be [`Want::Launder`], so that even the last may start its write if all before
    /// it started a full cluster: then carrying them out together gives what one by one gives. 0: none may.
    pub fn launder_limit(scan: &Scan, m: &mut dyn Machine) -> u32 {
        let meter = m.meter();
        let room = m.tunables().max_laundering.saturating_sub(meter.laundering);
        let clusters = scan.pages.min(room).div_ceil(meter.thresholds.cluster.max(1));
        let limit = WriteLimit { operations: scan.ops, ..WriteLimit::NONE };
        if clusters > scan.ops && m.limit_launders(limit) && scan.ops > 0 {
            clusters
        } else {
            clusters.min(scan.ops)
        }
    }

    /// After the inactive scan, in the seed's order: process swap-out (PGO-113), syncer (PGO-114), out of memory (PGO-115).
    pub fn after_inactive(&mut self, scan: &Scan, m: &mut dyn Machine) {
        self.stats.stuck += scan.stuck.unsigned_abs();
        if m.tunables().swap_enabled && scan.shortage > 0 {
            m.request(Request::SwapOut(swapout_request::NORMAL));
        }
        let meter = m.meter();
        let t = &meter.thresholds;
        if scan.skipped > 0 && scan.shortage > i64::from(t.free_target) - i64::from(t.free_min) {
            m.request(Request::SpeedupSyncer);
        }
        let outcome = Outcome {
            start: scan.start,
            left: scan.shortage,
            started: scan.started,
            laundered: self.stats.laundered_ok - self.laundered_before,
            laundering: meter.laundering,
            hurried: self.hurried,
            oldest_wait_us: meter.oldest_wait_us,
            now_us: m.now_us(),
        };
        self.laundered_before = self.stats.laundered_ok;
        if outcome.progress() || scan.pass <= 1 {
            self.aged = 0;
        }
        let (seq, wait_s) = (m.tunables().pageout_oom_seq, m.tunables().oom_wait_s);
        if self.oom.vote(outcome, seq, wait_s) {
            self.stats.oom_requests += 1;
            m.request(Request::OutOfMemory(OomReason::Memory));
        }
    }

    /// Ends an iteration: idle swap-out once per second (PGO-128), then how long to sleep (PGO-067…069).
    ///
    /// `aged` of its `active` pages lost some of their activity count in its active scan. While somebody waits for a page, no write is under way and
    /// pages do age, there is nothing to sleep for: only more ageing brings candidates, so the next scan follows at once. The seed sleeps
    /// half a second before each of the up to 64 laps; with all memory active at the first shortage, programs stand still for seconds.
    ///
    /// When so many counts are lost that each page might have been a candidate, more ageing brings nothing: what fell was active again at once, since
    /// it could not be written (no swap, or none left). Then it sleeps as the seed does, and its scans count towards the end of somebody.
    pub fn finish(&mut self, m: &mut dyn Machine, aged: u32, active: u32) -> Sleep {
        if m.tunables().swap_idle_enabled {
            let now_s = m.now_us() / 1_000_000;
            if self.idle_s != Some(now_s) {
                self.idle_s = Some(now_s);
                m.request(Request::SwapOut(swapout_request::IDLE));
            }
        }
        let meter = m.meter();
        self.hurried = false;
        if !meter.pages_needed {
            return Sleep { max_us: IDLE_SLEEP_US, laundered: 0 };
        }
        self.aged += u64::from(aged);
        let hope = aged > 0 && self.aged <= u64::from(active) * u64::from(ACT_MAX);
        self.hurried = hope && meter.laundering == 0 && meter.oldest_wait_us > 0;
        if self.stats.pass <= 1 || self.hurried {
            return Sleep { max_us: 0, laundered: 0 };
        }
        // Half at a time: each scan passes over the rest, and sends its messages whatever it finds.
        let laundered = LAUNDERED_WAKE.max(meter.laundering / 2).min(meter.laundering);
        Sleep { max_us: NEED_SLEEP_US, laundered }
    }
}

/// Hands a policy the events that are waiting. The policy's own, inlined, so that an event is taken where it is decoded.
#[inline(never)]
pub fn drain<P: Policy>(policy: &mut P, m: &mut dyn Machine) {
    while let Some(event) = m.next_event() {
        policy.event(event);
    }
}

/// One batch of a scan: allocated once.
#[derive(Debug)]
pub struct Batch {
    len: usize,
    frames: [u32; MAX_BATCH],
    refs: [u8; MAX_BATCH],
    decisions: [Decision; MAX_BATCH],
    verdicts: [Verdict; MAX_BATCH],
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Box<Self> {
        let none = Decision { page: Page { frame: 0, generation: 0 }, want: Want::Reclaim };
        Box::new(Self {
            len: 0,
            frames: [0; MAX_BATCH],
            refs: [0; MAX_BATCH],
            decisions: [none; MAX_BATCH],
            verdicts: [Verdict::Refused; MAX_BATCH],
        })
    }

    /// Empties it.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Pages in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it takes no more.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len == MAX_BATCH
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a decision on a page; a full batch takes no more.
    pub fn push(&mut self, page: Page, want: Want) {
        if let (Some(frame), Some(decision)) =
            (self.frames.get_mut(self.len), self.decisions.get_mut(self.len))
        {
            *frame = page.frame;
            *decision = Decision { page, want };
            self.len += 1;
        }
    }

    /// Replaces what is in it by pages that are only to be looked at, as many as it takes.
    pub fn fill(&mut self, frames: impl Iterator<Item = u32>) {
        self.len = self.frames.iter_mut().zip(frames).map(|(slot, frame)| *slot = frame).count();
    }

    /// Its pages, and the references of each.
    pub fn harvested(&self) -> (&[u32], &[u8]) {
        (self.frames.get(..self.len).unwrap_or_default(), self.refs.get(..self.len).unwrap_or_default())
    }

    /// Harvests the references to its pages; one call.
    pub fn harvest(&mut self, m: &mut dyn Machine, stats: &mut Stats) {
        stats.harvests += 1;
        let refs = &mut self.refs[..self.len];
        refs.fill(0);
        m.harvest(&self.frames[..self.len], refs);
    }

    /// Frame, wish and references of each page, in order.
    pub fn looks(&mut self) -> impl Iterator<Item = (u32, &mut Want, &mut u8)> {
        self.frames
            .iter()
            .zip(&mut self.decisions)
            .zip(&mut self.refs)
            .take(self.len)
            .map(|((frame, decision), refs)| (*frame, &mut decision.want, refs))
    }

    /// Adds a page on which nothing is decided yet; a full batch takes no more.
    pub fn add(&mut self, frame: u32) {
        if let Some(slot) = self.frames.get_mut(self.len) {
            *slot = frame;
            self.len += 1;
        }
    }

    /// Room for more pages, `limit` in all.
    pub fn room(&mut self, limit: usize) -> &mut [u32] {
        self.frames.get_mut(self.len..limit).unwrap_or_default()
    }

    /// Takes up so many that were written into its room, those that `good` says are good.
    pub fn take_up(&mut self, count: usize, mut good: impl FnMut(u32) -> bool) {
        let from = self.len;
        let to = (from + count).min(MAX_BATCH);
        for i in from..to {
            let frame = self.frames[i];
            if good(frame) {
                self.frames[self.len.min(i)] = frame;
                self.len += 1;
            }
        }
    }

    /// Takes out those pages that were found used, and tells them, in order; returns their number.
    pub fn split_used(&mut self, mut tell: impl FnMut(u32)) -> u64 {
        let (frames, refs) = (&mut self.frames[..self.len], &self.refs[..self.len]);
        if refs.iter().all(|r| *r == 0) {
            return 0;
        }
        let mut kept = 0;
        for i in 0..frames.len() {
            let frame = frames[i];
            if refs[i] > 0 {
                tell(frame);
            } else {
                frames[kept] = frame;
                kept += 1;
            }
        }
        let used = self.len - kept;
        self.len = kept;
        used as u64
    }

    /// Hands over the same decision on all its pages, of the generations that are asked for; one message.
    pub fn decide_all(
        &mut self,
        m: &mut dyn Machine,
        stats: &mut Stats,
        want: Want,
        generation: impl Fn(u32) -> u32,
    ) {
        for (decision, frame) in self.decisions.iter_mut().zip(&self.frames).take(self.len) {
            *decision = Decision { page: Page { frame: *frame, generation: generation(*frame) }, want };
        }
        self.decide(m, stats);
    }

    /// Tells page and verdict of each, in order, and keeps those of which `keep` says so, as pages to be looked at.
    pub fn keep_answers(&mut self, mut keep: impl FnMut(u32, Verdict) -> bool) {
        let mut kept = 0;
        for i in 0..self.len.min(MAX_BATCH) {
            let frame = self.frames[i];
            if keep(frame, self.verdicts[i]) {
                self.frames[kept.min(i)] = frame;
                kept += 1;
            }
        }
        self.len = kept;
    }

    /// Hands its decisions over; one message.
    pub fn decide(&mut self, m: &mut dyn Machine, stats: &mut Stats) {
        if self.len == 0 {
            return;
        }
        stats.batches += 1;
        let verdicts = &mut self.verdicts[..self.len];
        verdicts.fill(Verdict::Refused);
        m.decide(&self.decisions[..self.len], verdicts);
    }

    /// Page and verdict of each decision, in order.
    pub fn answers(&self) -> impl Iterator<Item = (Page, Verdict)> {
        self.decisions.iter().zip(&self.verdicts).take(self.len).map(|(d, v)| (d.page, *v))
    }

    /// Frame, wish, references and verdict of each page, in order.
    pub fn results(&self) -> impl Iterator<Item = (u32, Want, u8, Verdict)> {
        self.frames
            .iter()
            .zip(&self.decisions)
            .zip(&self.refs)
            .zip(&self.verdicts)
            .take(self.len)
            .map(|(((frame, decision), refs), verdict)| (*frame, decision.want, *refs, *verdict))
    }
}
