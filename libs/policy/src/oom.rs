// SPDX-License-Identifier: BSD-2-Clause
//! When a scanner gives up and asks for a victim (`vm_pageout_mightbe_oom`, PGO-213…217), one domain.
//!
//! With one domain a vote is the quorum, and the voter withdraws it at once: what is left is the sequence count.
//! The seed's rule, with four differences:
//!
//! - A write that was *started* is no progress yet, and no standstill either: the count stays as it is while writes are under
//!   way. A write that ends well is progress, one that fails is none (W06).
//! - Trickling progress does not put off the end for ever: if somebody has waited for a page for `vm.oom_wait` seconds,
//!   that is a vote, at most one in that time (W07).
//! - Scans that follow each other at once, because pages were ageing, do not count as long as ageing may still bring a candidate; when each page
//!   has had its chance they are half a second apart and count ([`crate::worker::Worker::finish`]).
//! - `vm.pageout_oom_seq` below 1 cannot be set (W09); should it be 0 all the same, it counts as 1, and a scan
//!   that wanted nothing never votes.

/// What a scan achieved.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome {
    /// Shortage at its start (PGO-084).
    pub start: i64,
    /// Shortage left after the inactive scan.
    pub left: i64,
    /// How much of the difference is writes started.
    pub started: i64,
    /// Pages whose write ended well since the last scan.
    pub laundered: u64,
    /// Pages being written now.
    pub laundering: u32,
    /// It followed the one before at once, because pages were ageing: no time has passed in which anything could get better.
    pub hurried: bool,
    /// How long the oldest waiter has waited, in microseconds.
    pub oldest_wait_us: u64,
    /// Time since boot in microseconds.
    pub now_us: u64,
}

impl Outcome {
    /// Whether pages were freed, or writes have ended well.
    #[must_use]
    pub const fn progress(&self) -> bool {
        self.start - self.left - self.started != 0 || self.laundered > 0
    }
}

/// The sequence count.
#[derive(Clone, Copy, Debug, Default)]
pub struct Oom {
    seq: u32,
    /// When the last vote was.
    last_us: u64,
}

impl Oom {
    /// Scans without progress in a row.
    #[must_use]
    pub const fn seq(&self) -> u32 {
        self.seq
    }

    /// Evaluates one scan; true if a victim is to be killed now.
    pub fn vote(&mut self, scan: Outcome, oom_seq: u32, oom_wait_s: u32) -> bool {
        if scan.start <= 0 {
            self.seq = 0;
            return false;
        }
        if scan.progress() {
            self.seq = 0;
        } else if scan.started == 0 && scan.laundering == 0 && !scan.hurried {
            self.seq += 1;
        }
        let wait_us = u64::from(oom_wait_s) * 1_000_000;
        let waited = scan.oldest_wait_us.min(scan.now_us.saturating_sub(self.last_us));
        let stalled = self.seq >= oom_seq.max(1);
        if !stalled && (wait_us == 0 || waited < wait_us) {
            return false;
        }
        self.seq = 0;
        self.last_us = scan.now_us;
        true
    }
}
