// SPDX-License-Identifier: BSD-2-Clause
//! What a policy sees of the machine: pages, decisions, verdicts, counts.
//!
//! `vm` holds the truth about pages; a policy holds an order over them. [`Machine`] is the whole of what
//! a policy may ask for. In the machine the `pageout` server implements it over a system call (harvest), a
//! ring (decisions and verdicts) and the counter page (meter); on the host [`crate::sim`] does.

use crate::policy::Event;
use crate::thresholds::Thresholds;
use crate::tunables::Tunables;

/// Most pages in one batch: the longest slice a policy hands to [`Machine::harvest`] or
/// [`Machine::decide`]. A batch is one vectored system call plus one message.
pub const MAX_BATCH: usize = 128;

/// A page as the policy knows it. `vm` refuses a pair whose generation is no longer the frame's.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Page {
    /// Frame index, below the `nr_frames` that the policy was created with.
    pub frame: u32,
    /// Generation that `vm` gave the frame at its last [`Event::PageIn`].
    pub generation: u32,
}

/// The queue a page is on (PGO-001). "None" is said by not being on either.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Queue {
    /// Candidates for reclaim (`PQ_INACTIVE`).
    Inactive = 0,
    /// Pages in use, aged by the active scan (`PQ_ACTIVE`).
    Active = 1,
}

/// What a policy wants done with one page.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Want {
    /// Unmap the page and free it if it is clean; leave it alone, with verdict [`Verdict::Dirty`], if not. `vm` records it as inactive.
    Reclaim = 0,
    /// Like `Reclaim`, but if the page turns out dirty, start to write it with the neighbours that
    /// [`crate::cluster`] finds. One decision for both, so that a batch carried out in order gives what
    /// visiting page by page gives. Since only inactive neighbours are written along, all pages of a batch that are to go are recorded as
    /// inactive before its first decision is carried out, but for those that are busy or held.
    Launder = 1,
    /// The page goes to the active queue: `vm` records it for clustering and for snapshots.
    Activate = 2,
    /// The page goes to the inactive queue: `vm` records it likewise.
    Deactivate = 3,
}

/// How much a batch may write: a write may start while neither is used up, and may go beyond the pages by those of its
/// cluster, as in the seed (PGO-107).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteLimit {
    /// Write operations.
    pub operations: u32,
    /// Pages in them.
    pub pages: u32,
}

impl WriteLimit {
    /// No limit.
    pub const NONE: Self = Self { operations: u32::MAX, pages: u32::MAX };

    /// Whether one more may start.
    #[must_use]
    pub fn allows(self) -> bool {
        self.operations > 0 && self.pages > 0
    }

    /// A write of so many pages was started.
    pub fn started(&mut self, pages: u32) {
        self.operations = self.operations.saturating_sub(1);
        self.pages = self.pages.saturating_sub(pages);
    }
}

/// One decision: a page and what to do with it.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Decision {
    /// The page.
    pub page: Page,
    /// What to do with it.
    pub want: Want,
}

/// What `vm` did about one decision. A batch is carried out in order, each decision seeing the effects of those before
/// it. What a verdict says is not said again by an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Done as wanted. For `Reclaim` and `Launder`: the page was clean (or had no valid byte) and is freed;
    /// no `Free` event follows.
    Done,
    /// `Reclaim`, and `Launder` beyond [`Machine::limit_launders`]: the page is dirty, its object alive. It stays; it may be
    /// unmapped.
    Dirty,
    /// The page is dirty and its object is being torn down by somebody who will free it (PGO-103).
    DirtyDead,
    /// The page is busy: an I/O on it is under way (PGO-094, PGO-109). Answers every wish but `Deactivate`.
    Busy,
    /// The page is held by somebody for a moment (PGO-092). Goes before `Busy`; answers every wish but `Deactivate`.
    Held,
    /// Not the page it was: freed, reused, or wired since. The policy forgets the pair; an event that says why may
    /// be under way and finds nothing.
    Stale,
    /// `Launder` only: the write of a cluster was started. A `Laundered` event follows for each of its pages.
    Started {
        /// Pages in the cluster, at least 1 and at most the cluster size P.
        pages: u8,
    },
    /// `Launder` only: temporary shortage at the pager (`VM_PAGER_AGAIN`). Page stays dirty, in place.
    Again,
    /// `Launder` only: no swap space (`VM_PAGER_FAIL`). `vm` has recorded the page as active (PGO-013) and the
    /// policy does the same.
    NoSpace,
    /// `Launder` only: the write failed at once (`VM_PAGER_ERROR`). Recorded as active, as for `NoSpace` (PGO-015).
    Failed,
    /// `Launder` only: the file or its write gate was not free in time (`EDEADLK`, PGO-108). Files only.
    Locked,
    /// The page changed identity or queue or became clean meanwhile (`ENXIO`, PGO-110). It stays in place.
    Changed,
    /// `Activate` only: the object has no references although it is not dead; the page stays inactive and goes
    /// to the tail of its queue (PGO-099).
    Unreferenced,
    /// `vm` does not do that for this policy (bad frame number, nonsensical want, ejected).
    Refused,
}

/// Live counts of the machine, read from the counter page: cheap, and possibly a moment old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meter {
    /// All pages that `vm` manages.
    pub page_count: u32,
    /// Free pages: "available" in the specification (there is no cache queue).
    pub free_count: u32,
    /// Wired pages.
    pub wire_count: u32,
    /// The thresholds in force.
    pub thresholds: Thresholds,
    /// `vm_pages_needed`: somebody waits for pages or saw fewer than the wake threshold (PGO-075).
    pub pages_needed: bool,
    /// Pages whose write to a pager is under way.
    pub laundering: u32,
    /// No swap space is left (also when there is none at all).
    pub swap_full: bool,
    /// How long the oldest waiter for a free page has waited, in microseconds; 0 if nobody waits (W07).
    pub oldest_wait_us: u64,
}

/// Reasons for an out-of-memory kill (PGO-018).
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OomReason {
    /// No reclaimable memory (`VM_OOM_MEM`).
    Memory = 1,
    /// Swap metadata exhausted (`VM_OOM_SWAPZ`).
    SwapMetadata = 2,
}

/// What a policy may ask of the rest of the system. Each is advisory and returns at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    /// Swap out whole processes: bits [`crate::swapout_request::NORMAL`] and [`crate::swapout_request::IDLE`].
    SwapOut(u8),
    /// Choose and kill a victim.
    OutOfMemory(OomReason),
    /// Run the low-memory handlers (argument 0).
    LowMemory,
    /// Reclaim general caches; always follows `LowMemory`, so that what handlers released can be reclaimed (PGO-081).
    CacheReclaim,
    /// Ask the file system syncer to hurry.
    SpeedupSyncer,
}

/// The machine as a policy sees it.
pub trait Machine {
    /// The live counts.
    fn meter(&self) -> Meter;

    /// Reads and clears the count of pages that failed allocations wanted (`vm_pageout_deficit`, PGO-083), in one step.
    fn take_deficit(&mut self) -> u32;

    /// For each frame the number of references since the last look, cleared by the look (PGO-096): 1 for the
    /// software referenced flag, plus 1 per mapping whose hardware bit was set, counted only if the object has
    /// references; at most 255. It is 0 for a page without valid bytes (PGO-095), for a page of a dead object
    /// (PGO-100) and for a frame that is not pageable.
    ///
    /// `refs` is as long as `frames`, which holds at most [`MAX_BATCH`].
    fn harvest(&mut self, frames: &[u32], refs: &mut [u8]);

    /// Hands over decisions and waits for the verdicts. `verdicts` is as long as `batch`, which holds at most
    /// [`MAX_BATCH`]. Where no verdict could be had, `Refused` stands.
    fn decide(&mut self, batch: &[Decision], verdicts: &mut [Verdict]);

    /// Asks that the next `decide` start no write beyond this: a `Launder` beyond it is carried out as `Reclaim`.
    /// True if the machine keeps to that; if not, which is the default, the policy sends smaller batches.
    fn limit_launders(&mut self, limit: WriteLimit) -> bool {
        let _ = limit;
        false
    }

    /// Asks the rest of the system for something.
    fn request(&mut self, request: Request);

    /// Time since boot in microseconds; never goes back.
    fn now_us(&self) -> u64;

    /// The tunables in force.
    fn tunables(&self) -> &Tunables;

    /// The next event from `vm`, if one is waiting. A policy asks for all of them at the start of an iteration and between
    /// batches, so that the ring never has to hold more than what happens during one batch. A caller that hands all
    /// events to [`crate::Policy::event`] itself before each iteration may leave this as it is.
    fn next_event(&mut self) -> Option<Event> {
        None
    }
}
