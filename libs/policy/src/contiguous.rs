// SPDX-License-Identifier: BSD-2-Clause
//! Making room in a range of physical addresses, for somebody who needs contiguous frames (`vm_pageout_launder`,
//! `vm_pageout_grow_cache`, PGO-159…174; one domain, anonymous memory).
//!
//! Better than the seed (W29): a write is started, with its neighbours, and not waited for, so that nothing here waits without bound. The caller
//! comes again when the `Laundered` events are in.

use crate::freebsd::Freebsd;
use crate::machine::{Machine, Request, Verdict, Want};
use crate::queues::{LAUNDERING, List};
use core::ops::Range;

const PAGE_SIZE: u64 = 4096;

/// How hard to try (the seed's `tries`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// Only clean inactive pages; nothing is asked of anybody (0).
    Clean,
    /// Caches are drained, dirty inactive pages are written (1).
    Inactive,
    /// The same with active pages (2).
    Active,
}

impl Freebsd {
    /// Walks one queue from the head over the pages that lie wholly inside `range` (in bytes). Clean ones are freed on the way; the
    /// first dirty one, unless the effort is [`Effort::Clean`], is written, which ends the walk with `true`: it must begin again.
    /// `false`: the whole queue was walked.
    pub fn launder_range(
        &mut self,
        m: &mut dyn Machine,
        list: List,
        range: &Range<u64>,
        effort: Effort,
    ) -> bool {
        let end = self.pages.end(list);
        let mut at = self.pages.first(list);
        while at != end {
            self.batch.clear();
            while at != end && !self.batch.is_full() {
                let address = u64::from(at) * PAGE_SIZE;
                let inside = address >= range.start && address + PAGE_SIZE <= range.end;
                if inside && self.pages.node(at).flags & LAUNDERING == 0 {
                    self.batch.push(self.pages.page(at), Want::Reclaim);
                }
                at = self.pages.next(at);
            }
            if let Some(dirty) = self.reclaim_batch(m)
                && effort > Effort::Clean
            {
                return self.launder_one(m, dirty);
            }
        }
        false
    }

    /// Frees the clean pages of the batch; returns the first dirty one. What is busy, held or being torn down is left alone.
    fn reclaim_batch(&mut self, m: &mut dyn Machine) -> Option<u32> {
        if self.batch.is_empty() {
            return None;
        }
        self.batch.decide(m, &mut self.worker.stats);
        let mut dirty = None;
        for (frame, _, _, verdict) in self.batch.results() {
            match verdict {
                Verdict::Done | Verdict::Stale => self.pages.forget(frame),
                Verdict::Dirty if dirty.is_none() => dirty = Some(frame),
                _ => {}
            }
        }
        dirty
    }

    fn launder_one(&mut self, m: &mut dyn Machine, frame: u32) -> bool {
        self.batch.clear();
        self.batch.push(self.pages.page(frame), Want::Launder);
        self.batch.decide(m, &mut self.worker.stats);
        for (frame, _, _, verdict) in self.batch.results() {
            match verdict {
                Verdict::Started { pages } => {
                    self.worker.stats.launders += 1;
                    self.worker.stats.launder_pages += u64::from(pages);
                    self.pages.node_mut(frame).flags |= LAUNDERING;
                }
                Verdict::Done | Verdict::Stale => self.pages.forget(frame),
                Verdict::NoSpace | Verdict::Failed => self.pages.activate(frame),
                _ => {}
            }
        }
        true
    }

    /// Makes room in a range: drains (not rate limited, PGO-169), then inactive pages, then, at the highest effort, active ones; at most as
    /// many writes as the queue had pages when it came to it. Returns how many were tried.
    pub fn grow_cache(&mut self, m: &mut dyn Machine, range: &Range<u64>, effort: Effort) -> u32 {
        if effort > Effort::Clean {
            m.request(Request::LowMemory);
            m.request(Request::CacheReclaim);
        }
        let mut tried = 0;
        for list in [List::Inactive, List::Active] {
            if list == List::Active && effort < Effort::Active {
                break;
            }
            let mut left = self.pages.len(list);
            while self.launder_range(m, list, range, effort) {
                tried += 1;
                left = left.saturating_sub(1);
                if left == 0 {
                    break;
                }
            }
        }
        tried
    }
}
