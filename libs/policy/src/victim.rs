// SPDX-License-Identifier: BSD-2-Clause
//! Who is ended when memory is exhausted (`vm_pageout_oom`, PGO-219…232). Pure: from counters to a choice, in one pass, with nothing allocated (W13).
//!
//! Charged is what would come back: pages and copies in swap that are the program's alone (W11). Who is protected says so itself; no number protects anybody (W14).

use crate::machine::OomReason;

/// What is known of a program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Candidate {
    /// Its number.
    pub id: u32,
    /// A server, or the first program, or one that somebody spares.
    pub protected: bool,
    /// It is being made, or is ending already: it has no memory to give, or gives it anyway.
    pub passing: bool,
    /// Pages in memory that would come back.
    pub resident: u64,
    /// Copies in swap that would come back.
    pub swapped: u64,
}

impl Candidate {
    /// Its size in pages: for want of swap records only what is in swap counts (PGO-224).
    #[must_use]
    pub const fn size(&self, reason: OomReason) -> u64 {
        match reason {
            OomReason::Memory => self.resident.saturating_add(self.swapped),
            OomReason::SwapMetadata => self.swapped,
        }
    }
}

/// The biggest, the first of equals; nobody whose size is 0 (PGO-227).
#[must_use]
pub fn choose(reason: OomReason, candidates: impl IntoIterator<Item = Candidate>) -> Option<Candidate> {
    let mut best: Option<Candidate> = None;
    for c in candidates {
        let bigger = c.size(reason) > best.map_or(0, |b| b.size(reason));
        if bigger && !c.protected && !c.passing {
            best = Some(c);
        }
    }
    best
}

/// Whether the next victim may be chosen: the last one's memory is back, or has not come for too long (W15). Times in one unit, `since` 0: there was none.
#[must_use]
pub const fn may_choose(still_held: u64, since: u64, now: u64, patience: u64) -> bool {
    still_held == 0 || since == 0 || now.saturating_sub(since) >= patience
}
