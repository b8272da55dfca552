// SPDX-License-Identifier: BSD-2-Clause
//! The two-queue policy of the seed (`vm_pageout_scan`, PGO-077…128): active pages are aged by an activity count, fall to the
//! inactive queue, and are freed from its head; dirty ones get a second round before they are written.
//!
//! Pages are handled in batches, such that the result is that of handling them one by one:
//!
//! - A batch holds no more pages than the shortage left. One page reduces it by 1 at most, so each page of the batch would
//!   have been visited one by one as well.
//! - A batch holds no more wishes to launder than the budget allows if each started a full cluster
//!   ([`Worker::launder_limit`]); a page that needs one more begins the next batch.
//! - `vm` carries decisions out in order, each seeing the effects of those before it.
//!
//! What it costs, counted on the host: about 45 instructions for a look at an active page, 200 for the way of a page through the
//! inactive queue to its end. How many looks a page gets is the seed's rule: about ten where every page is
//! touched once, since it comes in with a count of 5 and the faulting instruction's own reference adds 4.
//!
//! One difference: references are harvested before it is known whether a page is busy or held, so they are kept for the next
//! look when it is ([`crate::queues::Node::saved_refs`]).

use alloc::boxed::Box;

use crate::machine::{MAX_BATCH, Machine, Page, Verdict, Want};
use crate::policy::{Event, Inconsistency, Policy, Sleep, Stats};
use crate::queues::{FRESH, LAUNDERING, List, MARKED, Pages, WIRED, advance};
use crate::worker::{Batch, Gate, Scan, Worker, drain};

/// Choices made when the policy is created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Do not count one reference of a page's first look: it may be that of the faulting instruction, which restarts and sets
    /// the accessed bit. Default false, as the seed does: a page that came in counts as used twice.
    pub discount_first_reference: bool,
}

/// The two-queue policy.
#[derive(Debug)]
pub struct Freebsd {
    pub(crate) pages: Pages,
    pub(crate) worker: Worker,
    pub(crate) batch: Box<Batch>,
    /// Pages that the active scan moved to the inactive queue and the machine was not yet told of.
    falling: Box<Batch>,
    options: Options,
    /// Time of the last scan that aged anything (`vmd_last_active_scan`).
    last_active_us: Option<u64>,
    /// Pages that were not used when the active scan last looked.
    aged: u32,
}

impl Freebsd {
    /// The policy over frames `0..nr_frames`.
    #[must_use]
    pub fn new(nr_frames: u32, options: Options) -> Self {
        Self {
            pages: Pages::new(nr_frames),
            worker: Worker::default(),
            batch: Batch::new(),
            falling: Batch::new(),
            options,
            last_active_us: None,
            aged: 0,
        }
    }

    /// The pages of a list from its head, with their activity counts and second-chance marks: for audits and comparisons.
    pub fn order(&self, list: List) -> impl Iterator<Item = (Page, u8, bool)> {
        self.pages.iter(list).map(|f| {
            let node = self.pages.node(f);
            (self.pages.page(f), node.act_count, node.flags & MARKED != 0)
        })
    }

    /// Brings back what was set aside, once it may be written again.
    fn unpark(&mut self, m: &dyn Machine) {
        if Gate::of(m) == Gate::Disabled {
            return;
        }
        while self.pages.len(List::Parked) > 0 {
            let frame = self.pages.first(List::Parked);
            self.pages.push_tail(frame, List::Inactive);
        }
    }

    /// The inactive scan (PGO-087…112).
    fn scan_inactive(&mut self, m: &mut dyn Machine, scan: &mut Scan) {
        let mut maxscan = self.pages.len(List::Inactive);
        self.pages.hand = self.pages.first(List::Inactive);
        while scan.shortage > 0 && maxscan > 0 && self.pages.hand != self.pages.end(List::Inactive) {
            let gate = Gate::of(m);
            let launders = Worker::launder_limit(scan, m);
            let mut limit = usize::try_from(scan.shortage).unwrap_or(MAX_BATCH).min(MAX_BATCH);
            if gate == Gate::Open && m.tunables().defer_swapspace_pageouts {
                // Each page freed brings the gate's closing nearer: no page may come after it.
                let meter = m.meter();
                limit = limit.min(meter.thresholds.free_min.saturating_sub(meter.free_count) as usize);
            }
            let visited = self.gather_inactive(scan, gate, launders, limit.max(1), maxscan);
            maxscan -= visited;
            self.worker.stats.v_pdpages += u64::from(visited);
            if !self.batch.is_empty() {
                self.look_inactive(m);
                self.batch.decide(m, &mut self.worker.stats);
                self.apply_inactive(scan, gate, launders > 0);
            }
            drain(self, m);
        }
    }

    /// Fills the batch from the hand on; returns the number of entries visited.
    fn gather_inactive(
        &mut self,
        scan: &mut Scan,
        gate: Gate,
        launders: u32,
        limit: usize,
        maxscan: u32,
    ) -> u32 {
        let Self { pages, batch, .. } = self;
        let end = pages.end(List::Inactive);
        let (mut at, mut visited, mut launders_left) = (pages.hand, 0, launders);
        batch.clear();
        while batch.len() < limit && visited < maxscan && at != end {
            let node = pages.node(at);
            if node.flags & LAUNDERING != 0 {
                // Busy, and known to be (PGO-094).
                scan.stuck += 1;
            } else {
                let ripe = scan.pass >= 2 || node.flags & MARKED != 0;
                let want = if ripe && gate == Gate::Open && launders > 0 {
                    if launders_left == 0 {
                        break;
                    }
                    launders_left -= 1;
                    Want::Launder
                } else {
                    Want::Reclaim
                };
                batch.push(pages.page(at), want);
            }
            at = pages.next(at);
            visited += 1;
        }
        pages.hand = at;
        visited
    }

    /// Harvests; referenced pages are to be activated (PGO-098).
    fn look_inactive(&mut self, m: &mut dyn Machine) {
        let Self { pages, batch, worker, options, .. } = self;
        batch.harvest(m, &mut worker.stats);
        for (frame, want, refs) in batch.looks() {
            *refs = pages.peek_references(frame, *refs, options.discount_first_reference);
            if *refs > 0 {
                *want = Want::Activate;
            }
        }
    }

    /// Applies the verdicts in the order of visiting.
    fn apply_inactive(&mut self, scan: &mut Scan, gate: Gate, budget: bool) {
        let Self { pages, batch, worker, options, .. } = self;
        let stats = &mut worker.stats;
        let (mut freed, mut writes, mut written) = (0u32, 0u32, 0u32);
        for (frame, want, refs, verdict) in batch.results() {
            match (want, verdict) {
                (Want::Reclaim | Want::Launder, Verdict::Done) => {
                    freed += 1;
                    pages.forget(frame);
                }
                (Want::Launder, Verdict::Started { pages: count }) => {
                    writes += 1;
                    written += u32::from(count);
                    let node = pages.node_mut(frame);
                    node.flags = node.flags & !FRESH | LAUNDERING;
                }
                _ => Self::stays(pages, stats, *options, scan, (gate, budget), (frame, want, refs, verdict)),
            }
        }
        scan.shortage -= i64::from(freed);
        scan.launders_started(writes, written);
        stats.v_dfree += u64::from(freed);
        stats.launders += u64::from(writes);
        stats.launder_pages += u64::from(written);
    }

    /// Applies a verdict by which a page neither goes nor is written.
    #[inline(never)]
    fn stays(
        pages: &mut Pages,
        stats: &mut Stats,
        options: Options,
        scan: &mut Scan,
        (gate, budget): (Gate, bool),
        (frame, want, refs, verdict): (u32, Want, u8, Verdict),
    ) {
        let node = pages.node_mut(frame);
        // One that is busy or held was as good as not looked at: its next look is its first (PGO-092, PGO-094).
        let first = options.discount_first_reference && node.flags & FRESH != 0;
        if !matches!(verdict, Verdict::Busy | Verdict::Held) {
            node.flags &= !FRESH;
        }
        match (want, verdict) {
            (_, Verdict::Busy | Verdict::Held) => {
                scan.stuck += 1;
                node.saved_refs = if refs > 0 { refs.saturating_add(first.into()) } else { 0 };
            }
            (_, Verdict::Stale) => {
                stats.stale += 1;
                pages.forget(frame);
            }
            (Want::Activate, Verdict::Done) => {
                stats.reactivated += 1;
                pages.activate(frame);
                let node = pages.node_mut(frame);
                node.act_count = advance(node.act_count, refs);
            }
            (Want::Activate, Verdict::Unreferenced) => pages.push_tail(frame, List::Inactive),
            (_, Verdict::Done) => pages.forget(frame),
            (_, Verdict::DirtyDead) => {
                scan.stuck += 1;
                pages.node_mut(frame).saved_refs = refs;
            }
            (_, Verdict::Dirty) => {
                let node = pages.node_mut(frame);
                if node.flags & MARKED == 0 && scan.pass < 2 {
                    node.flags |= MARKED;
                    pages.push_tail(frame, List::Inactive);
                } else if budget {
                    match gate {
                        Gate::Open => {}
                        Gate::Deferred => pages.push_tail(frame, List::Inactive),
                        Gate::Disabled => pages.push_tail(frame, List::Parked),
                    }
                }
            }
            (_, Verdict::NoSpace | Verdict::Failed) => pages.activate(frame),
            (_, Verdict::Locked) => {
                stats.lock_miss += 1;
                scan.skipped += 1;
            }
            (_, Verdict::Refused) => {
                stats.refused += 1;
                scan.stuck += 1;
                pages.node_mut(frame).saved_refs = refs;
            }
            (_, Verdict::Again | Verdict::Changed | Verdict::Started { .. } | Verdict::Unreferenced) => {
                pages.node_mut(frame).saved_refs = refs;
            }
        }
    }

    /// The active scan (PGO-116…127).
    fn scan_active(&mut self, m: &mut dyn Machine, scan: &Scan) -> u32 {
        let meter = m.meter();
        let mut shortage = i64::from(meter.thresholds.inactive_target)
            - i64::from(self.pages.len(List::Inactive))
            + meter.thresholds.paging_target(meter.free_count)
            + scan.deficit
            + scan.stuck;
        let maxscan = self.pages.len(List::Active);
        let due = self.due_by_age(m, maxscan, shortage);
        let (mut scanned, mut count) = (0, 16);
        self.aged = 0;
        self.falling.clear();
        while self.pages.len(List::Active) > 0 {
            let by_shortage = if shortage > 0 { shortage.min(i64::from(maxscan - scanned)) } else { 0 };
            let sure = by_shortage.max(i64::from(due.saturating_sub(scanned)));
            if sure == 0 {
                break;
            }
            count = self.harvest_active(m, sure.saturating_mul(4).max(count));
            let (visited, left) = self.age(m, due - scanned.min(due), maxscan - scanned, shortage);
            // Long stretches of pages in use want longer harvests.
            count = if left < shortage { 16 } else { count * 2 };
            (scanned, shortage) = (scanned + visited, left);
            drain(self, m);
        }
        fall(&mut self.pages, &mut self.falling, &mut self.worker.stats, m);
        self.aged
    }

    /// Harvests `count` pages from the head of the active queue, or as many as there is room for; returns how many. Fewer
    /// are sure to be visited; but most of those will stay active, so that more have to be, and a few large harvests are
    /// cheaper than many small ones. What was harvested in vain is kept.
    fn harvest_active(&mut self, m: &mut dyn Machine, count: i64) -> i64 {
        let Self { pages, batch, worker, .. } = self;
        let count = count.min(MAX_BATCH as i64);
        batch.fill(pages.iter(List::Active).take(usize::try_from(count).unwrap_or(0)));
        batch.harvest(m, &mut worker.stats);
        count
    }

    /// Ages the harvested pages one by one, as long as `due` were not visited, or fewer than `most` and there is a
    /// shortage. Those still active go to the tail in their order (PGO-126), the others to the inactive queue. Returns
    /// the number visited and the shortage left.
    fn age(&mut self, m: &mut dyn Machine, due: u32, most: u32, mut shortage: i64) -> (u32, i64) {
        let Self { pages, batch, falling, worker, options, aged, .. } = self;
        let (frames, refs) = batch.harvested();
        let (mut visited, mut last_active) = (0, None);
        loop {
            let most = if shortage > 0 { due.max(most) } else { due };
            let end = (most as usize).min(frames.len());
            let (Some(ahead), Some(their_refs)) = (frames.get(visited..end), refs.get(visited..end)) else {
                break;
            };
            let (active, unused, falls) =
                pages.age_until_one_falls(ahead, their_refs, options.discount_first_reference);
            visited += active;
            *aged += unused;
            last_active = active.checked_sub(1).and_then(|last| ahead.get(last)).copied().or(last_active);
            let Some(frame) = ahead.get(active).copied().filter(|_| falls) else { break };
            visited += 1;
            falling.push(pages.page(frame), Want::Deactivate);
            pages.deactivate(frame);
            shortage -= 1;
            if falling.is_full() {
                shortage += fall(pages, falling, &mut worker.stats, m);
            }
        }
        for (frame, refs) in frames.iter().zip(refs).skip(visited).filter(|(_, refs)| **refs > 0) {
            pages.save_references(*frame, *refs);
        }
        let visited = visited as u32;
        if let Some(last) = last_active {
            pages.rotate(List::Active, last);
        }
        worker.stats.v_pdpages += u64::from(visited);
        (visited, shortage)
    }

    /// Active pages that are due so that each is visited once in the update period (PGO-117), at most one lap; keeps the time
    /// of the last visit (PGO-118).
    fn due_by_age(&mut self, m: &dyn Machine, active: u32, shortage: i64) -> u32 {
        let now_us = m.now_us();
        let elapsed_us = now_us.saturating_sub(self.last_active_us.unwrap_or(now_us));
        let due = match m.tunables().update_period_s {
            0 => 0,
            period_s => u128::from(active) * u128::from(elapsed_us) / (u128::from(period_s) * 1_000_000),
        };
        let due = u32::try_from(due).unwrap_or(u32::MAX).min(active);
        if due > 0 || (shortage > 0 && active > 0) {
            self.last_active_us = Some(now_us);
        }
        due
    }
}

impl Freebsd {
    /// What happens less often than once a page that goes.
    #[inline(never)]
    fn rare(&mut self, event: Event) {
        let pages = &mut self.pages;
        let stats = &mut self.worker.stats;
        if !pages.accepts(&event) {
            stats.events_refused += 1;
            return;
        }
        match event {
            Event::Shortage | Event::PageIn { .. } => {}
            Event::Free(page) => pages.forget(page.frame),
            Event::Wire(page) => {
                pages.unlink(page.frame);
                pages.node_mut(page.frame).flags |= WIRED;
            }
            Event::Unwire { page, queue } => {
                let node = pages.node_mut(page.frame);
                if node.flags & WIRED != 0 {
                    node.flags &= !WIRED;
                    settle(pages, page.frame, queue.into());
                }
            }
            Event::Activate(page) => move_pageable(pages, page.frame, List::Active),
            Event::Deactivate(page) => move_pageable(pages, page.frame, List::Inactive),
            Event::Laundered { page, ok } => {
                pages.node_mut(page.frame).flags &= !LAUNDERING;
                if ok {
                    stats.laundered_ok += 1;
                } else {
                    stats.laundered_failed += 1;
                    move_pageable(pages, page.frame, List::Active);
                }
            }
        }
    }
}

/// Tells the machine of the deactivations. Returns how many it did not accept: those pages are active again, unless they are
/// stale.
fn fall(pages: &mut Pages, falling: &mut Batch, stats: &mut Stats, m: &mut dyn Machine) -> i64 {
    falling.decide(m, stats);
    let mut failed = 0;
    for (page, verdict) in falling.answers() {
        if verdict == Verdict::Done {
            stats.deactivated += 1;
            continue;
        }
        failed += 1;
        // An event may have come in between, and the frame hold another page by now.
        let same = pages.knows(page) && pages.list(page.frame) == Some(List::Inactive);
        if verdict == Verdict::Stale {
            stats.stale += 1;
            if same {
                pages.forget(page.frame);
            }
        } else {
            stats.refused += 1;
            if same {
                pages.push_tail(page.frame, List::Active);
            }
        }
    }
    falling.clear();
    failed
}

impl Policy for Freebsd {
    fn name(&self) -> &'static str {
        "freebsd"
    }

    #[inline(always)]
    fn event(&mut self, event: Event) {
        let Self { pages, worker, .. } = self;
        match event {
            Event::Shortage => {}
            Event::Laundered { page, ok: true } if pages.knows(page) => {
                pages.node_mut(page.frame).flags &= !LAUNDERING;
                worker.stats.laundered_ok += 1;
            }
            Event::PageIn { page, queue, .. } if pages.accepts(&event) => {
                pages.page_in(page, queue.into());
                settle(pages, page.frame, queue.into());
            }
            _ => self.rare(event),
        }
    }

    fn run(&mut self, m: &mut dyn Machine) -> Sleep {
        drain(self, m);
        if self.last_active_us.is_none() {
            self.last_active_us = Some(m.now_us());
        }
        self.unpark(m);
        let mut scan = self.worker.begin(m);
        self.scan_inactive(m, &mut scan);
        self.worker.after_inactive(&scan, m);
        let aged = self.scan_active(m, &scan);
        self.worker.finish(m, aged, self.pages.len(List::Active))
    }

    fn stats(&self) -> Stats {
        Stats {
            active_count: self.pages.len(List::Active),
            inactive_count: self.pages.len(List::Inactive),
            unreclaimable_count: self.pages.len(List::Parked),
            ..self.worker.stats
        }
    }

    fn check(&self) -> Result<(), Inconsistency> {
        self.pages.check()
    }
}

/// Puts a page on a queue as `vm` recorded it.
fn settle(pages: &mut Pages, frame: u32, list: List) {
    match list {
        List::Active => pages.activate(frame),
        _ => pages.deactivate(frame),
    }
}

/// Moves a page on `vm`'s wish; a wired one stays off the queues.
fn move_pageable(pages: &mut Pages, frame: u32, list: List) {
    if pages.node(frame).flags & WIRED == 0 {
        settle(pages, frame, list);
    }
}
