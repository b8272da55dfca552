// SPDX-License-Identifier: BSD-2-Clause
//! First in, first out, with a second chance: one queue in order of arrival. A page that was used since it was last looked at
//! goes to the tail; any other is freed, or written and then freed by a later scan. The policy to read first.
//!
//! The reference of the faulting instruction does not count as a use. The machine records pages that a fault brought in as
//! active, and does not write active neighbours along; so what is about to go is first declared inactive.

use alloc::boxed::Box;

use crate::machine::{MAX_BATCH, Machine, Verdict, Want};
use crate::policy::{Event, Inconsistency, Policy, Sleep, Stats};
use crate::queues::{LAUNDERING, List, MARKED as DECLARED, Pages, WIRED};
use crate::worker::{Batch, Gate, Scan, Worker, drain};

/// The queue.
const FIFO: List = List::Inactive;

/// The policy.
#[derive(Debug)]
pub struct Fifo {
    pages: Pages,
    worker: Worker,
    batch: Box<Batch>,
}

impl Fifo {
    /// The policy over frames `0..nr_frames`.
    #[must_use]
    pub fn new(nr_frames: u32) -> Self {
        Self { pages: Pages::new(nr_frames), worker: Worker::default(), batch: Batch::new() }
    }

    /// Visits each page once at most, from the head, until the shortage is met.
    fn scan(&mut self, m: &mut dyn Machine, scan: &mut Scan) {
        let mut maxscan = self.pages.len(FIFO);
        self.pages.hand = self.pages.first(FIFO);
        while scan.shortage > 0 && maxscan > 0 && self.pages.hand != self.pages.end(FIFO) {
            let want = if Gate::of(m) == Gate::Open { Want::Launder } else { Want::Reclaim };
            if want == Want::Launder && Worker::launder_limit(scan, m) == 0 {
                // Pages go in order: when no more may be written, those behind wait too.
                break;
            }
            let limit = usize::try_from(scan.shortage).unwrap_or(MAX_BATCH).min(MAX_BATCH);
            maxscan -= self.gather(scan, limit, maxscan);
            if !self.batch.is_empty() {
                self.look(m);
                self.declare(m);
                self.batch.set_wants(want);
                self.batch.decide(m, &mut self.worker.stats);
                self.apply(scan);
            }
            drain(self, m);
        }
    }

    /// Fills the batch from the hand on; returns the number of pages visited.
    fn gather(&mut self, scan: &mut Scan, limit: usize, maxscan: u32) -> u32 {
        let (mut at, mut visited) = (self.pages.hand, 0);
        self.batch.clear();
        while self.batch.len() < limit && visited < maxscan && at != self.pages.end(FIFO) {
            if self.pages.node(at).flags & LAUNDERING != 0 {
                scan.stuck += 1;
            } else {
                self.batch.push(self.pages.page(at), Want::Deactivate);
            }
            at = self.pages.next(at);
            visited += 1;
        }
        self.pages.hand = at;
        self.worker.stats.v_pdpages += u64::from(visited);
        visited
    }

    /// Used pages go to the tail; the others stay in the batch.
    fn look(&mut self, m: &mut dyn Machine) {
        let Self { pages, batch, worker } = self;
        batch.harvest(m, &mut worker.stats);
        batch.retain(|frame, harvested| {
            let used = pages.references(frame, harvested, true) > 0;
            if used {
                worker.stats.reactivated += 1;
                pages.push_tail(frame, FIFO);
            }
            !used
        });
    }

    /// Declares the pages of the batch inactive, unless all are already.
    fn declare(&mut self, m: &mut dyn Machine) {
        let Self { pages, batch, worker } = self;
        if batch.looks().all(|(frame, ..)| pages.node(frame).flags & DECLARED != 0) {
            return;
        }
        batch.decide(m, &mut worker.stats);
        for (frame, _, _, verdict) in batch.results() {
            if verdict == Verdict::Done {
                pages.node_mut(frame).flags |= DECLARED;
            }
        }
    }

    fn apply(&mut self, scan: &mut Scan) {
        let Self { pages, batch, worker } = self;
        let stats = &mut worker.stats;
        for (frame, _, _, verdict) in batch.results() {
            match verdict {
                Verdict::Done => {
                    stats.v_dfree += 1;
                    scan.shortage -= 1;
                    pages.forget(frame);
                }
                Verdict::Started { pages: count } => {
                    stats.launders += 1;
                    stats.launder_pages += u64::from(count);
                    scan.launder_started(count);
                    pages.node_mut(frame).flags |= LAUNDERING;
                }
                Verdict::Stale => {
                    stats.stale += 1;
                    pages.forget(frame);
                }
                // The machine has recorded it as active: it is declared anew when its turn comes.
                Verdict::NoSpace | Verdict::Failed => second_chance(pages, frame),
                Verdict::Locked => {
                    stats.lock_miss += 1;
                    scan.skipped += 1;
                }
                Verdict::Refused => {
                    stats.refused += 1;
                    scan.stuck += 1;
                }
                Verdict::Busy | Verdict::Held | Verdict::DirtyDead => scan.stuck += 1,
                Verdict::Dirty | Verdict::Again | Verdict::Changed | Verdict::Unreferenced => {}
            }
        }
    }
}

/// To the tail, recorded as active.
fn second_chance(pages: &mut Pages, frame: u32) {
    let node = pages.node_mut(frame);
    node.flags &= !DECLARED;
    if node.flags & WIRED == 0 {
        pages.push_tail(frame, FIFO);
    }
}

impl Policy for Fifo {
    fn name(&self) -> &'static str {
        "fifo"
    }

    fn event(&mut self, event: Event) {
        let Self { pages, worker, .. } = self;
        if !pages.accepts(&event) {
            worker.stats.events_refused += 1;
            return;
        }
        match event {
            Event::Shortage => {}
            Event::PageIn { page, .. } => pages.page_in(page, FIFO),
            Event::Free(page) => pages.forget(page.frame),
            Event::Activate(page) => second_chance(pages, page.frame),
            Event::Deactivate(page) => {
                let node = pages.node_mut(page.frame);
                node.flags |= DECLARED;
                if node.flags & WIRED == 0 {
                    pages.push_head(page.frame, FIFO);
                }
            }
            Event::Wire(page) => {
                pages.unlink(page.frame);
                pages.node_mut(page.frame).flags |= WIRED;
            }
            Event::Unwire { page, .. } => {
                pages.node_mut(page.frame).flags &= !WIRED;
                second_chance(pages, page.frame);
            }
            Event::Laundered { page, ok } => {
                pages.node_mut(page.frame).flags &= !LAUNDERING;
                if ok {
                    worker.stats.laundered_ok += 1;
                } else {
                    worker.stats.laundered_failed += 1;
                    second_chance(pages, page.frame);
                }
            }
        }
    }

    fn run(&mut self, m: &mut dyn Machine) -> Sleep {
        drain(self, m);
        let mut scan = self.worker.begin(m);
        self.scan(m, &mut scan);
        self.worker.after_inactive(&scan, m);
        // It has no ages: what is not referenced goes at once.
        self.worker.finish(m, 0)
    }

    fn stats(&self) -> Stats {
        Stats { inactive_count: self.pages.len(FIFO), ..self.worker.stats }
    }

    fn check(&self) -> Result<(), Inconsistency> {
        self.pages.check()
    }
}
