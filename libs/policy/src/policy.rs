// SPDX-License-Identifier: BSD-2-Clause
//! What a replacement policy is.

use crate::machine::{Machine, Page, Queue};
use crate::order::{Knob, Tag};
use crate::tunables::TunableError;

/// What `vm` tells a policy, in the order in which it happened. An event whose frame is out of range or whose generation
/// is not the known one changes nothing but [`Stats::events_refused`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// The page became resident and pageable: a fault inserts it as active, read-ahead as inactive. Also how a newcomer
    /// learns what is there (a wired page: `PageIn`, then `Wire`). If the frame is known already, what was known is forgotten first.
    PageIn {
        /// The page, with its new generation.
        page: Page,
        /// Where `vm` recorded it.
        queue: Queue,
        /// Which page of which object it is, hashed: the same when it comes again.
        tag: Tag,
    },
    /// `vm` activated the page on somebody's wish.
    Activate(Page),
    /// `vm` deactivated the page on somebody's wish (`madvise`, read-ahead that turned out useless).
    Deactivate(Page),
    /// The page is gone, for another reason than a decision of this policy.
    Free(Page),
    /// The page was wired (its first wiring): on no queue until `Unwire`.
    Wire(Page),
    /// The last wiring is gone.
    Unwire {
        /// The page.
        page: Page,
        /// Where it goes, at the tail.
        queue: Queue,
    },
    /// The write of this page, started by a decision, is finished. With `ok` false the page is still dirty and `vm`
    /// has recorded it as active; the policy does the same.
    Laundered {
        /// The page: each page of a cluster has its own event.
        page: Page,
        /// Whether it is clean now.
        ok: bool,
    },
    /// `vm_pages_needed` was set: the wake of the daemon. Carries nothing: the flag is in the meter.
    Shortage,
}

/// How long the worker may sleep before its next iteration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sleep {
    /// At most this long, in microseconds; 0 means not at all. An [`Event::Shortage`] ends it early.
    pub max_us: u64,
    /// It also ends when this many [`Event::Laundered`] have come since the iteration; 0 means they do not end it.
    /// Better than the seed, which sleeps on for half a second with the pages it waits for already clean.
    pub laundered: u32,
}

/// Counters of a policy. Those not called a length or a number now only grow, from 0 at creation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Iterations that found need (`v_pdwakeups`, PGO-072).
    pub v_pdwakeups: u64,
    /// Pages looked at (`v_pdpages`).
    pub v_pdpages: u64,
    /// Pages freed by the inactive scan; laundered ones are not counted (`v_dfree`, PGO-241).
    pub v_dfree: u64,
    /// Scans.
    pub scans: u64,
    /// The pass number now.
    pub pass: u32,
    /// Length of the active queue now (`v_active_count`).
    pub active_count: u32,
    /// Length of the inactive queue now (`v_inactive_count`).
    pub inactive_count: u32,
    /// Dirty pages set aside now because writing them is disabled (W31).
    pub unreclaimable_count: u32,
    /// Write operations started.
    pub launders: u64,
    /// Pages in them.
    pub launder_pages: u64,
    /// Pages whose write ended well.
    pub laundered_ok: u64,
    /// Pages whose write failed.
    pub laundered_failed: u64,
    /// Inactive pages activated because they were referenced.
    pub reactivated: u64,
    /// Active pages deactivated by the scan.
    pub deactivated: u64,
    /// Inactive pages found stuck: held, busy, or dirty in a dead object.
    pub stuck: u64,
    /// Clean attempts that did not get a file's lock (`vm.pageout_lock_miss`).
    pub lock_miss: u64,
    /// Low-memory drains asked for (`vm__lowmem_scan`).
    pub lowmem_scans: u64,
    /// Out-of-memory kills asked for.
    pub oom_requests: u64,
    /// Calls of [`Machine::harvest`].
    pub harvests: u64,
    /// Calls of [`Machine::decide`].
    pub batches: u64,
    /// Decisions that `vm` found stale.
    pub stale: u64,
    /// Decisions that `vm` refused.
    pub refused: u64,
    /// Events that named a page the policy does not know.
    pub events_refused: u64,
}

/// What a self-audit found wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inconsistency {
    /// A link leads to a frame out of range, or back and forth do not agree, at this frame.
    Link(u32),
    /// This frame is on a list that it does not say it is on.
    WrongList(u32),
    /// A list's length is not the number of pages on it.
    Length {
        /// What the list says.
        recorded: u32,
        /// What was found.
        found: u32,
    },
    /// A page that is wired or not resident is on a queue.
    NotPageable(u32),
}

/// A replacement policy. It holds an order over pages and nothing that cannot be rebuilt.
pub trait Policy {
    /// Its name, one of [`crate::NAMES`].
    fn name(&self) -> &'static str;

    /// Takes one event.
    fn event(&mut self, event: Event);

    /// One iteration of the worker loop (PGO-065…072): one scan with its requests. Returns how long to sleep before
    /// the next. The loop has no end (PGO-063).
    fn run(&mut self, machine: &mut dyn Machine) -> Sleep;

    /// The counters.
    fn stats(&self) -> Stats;

    /// Its options.
    fn knobs(&self) -> &[Knob] {
        &[]
    }

    /// Sets an option.
    ///
    /// # Errors
    /// There is none of that name, or the value is out of its range. Nothing is changed.
    fn set_knob(&mut self, name: &str, value: u32) -> Result<(), TunableError> {
        // Without options of its own it knows none.
        let _ = (name, value);
        Err(TunableError::Unknown)
    }

    /// Audits itself: lists, counts.
    ///
    /// # Errors
    /// The first inconsistency found. It means a defect in the policy, never bad input.
    fn check(&self) -> Result<(), Inconsistency>;
}
