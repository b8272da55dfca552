// SPDX-License-Identifier: BSD-2-Clause
//! The pure rules of resident-set trimming (PGO-183…196, PGO-204…212): how a page is aged on behalf of one address space, and
//! how far to trim. Used by `vm` and `vm-daemon`.

use crate::queues::{ACT_ADVANCE, ACT_DECLINE, ACT_INIT, ACT_MAX};

/// Passes over all processes in one run of the daemon, at most (PGO-211).
pub const MAX_PASSES: u32 = 11;
/// Passes in which no more than a quarter is taken from a process (PGO-209).
const GENTLE_PASSES: u32 = 8;
const PAGE_SIZE: u64 = 4096;

/// Where a page goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// Stays where it is.
    Stay,
    /// To the active tail.
    Activate,
    /// To the active tail, being active.
    Requeue,
    /// To the inactive tail.
    Deactivate,
}

/// The result of ageing one page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aged {
    /// New activity count.
    pub act_count: u8,
    /// Remove its mappings.
    pub unmap: bool,
    /// Where it goes.
    pub to: Move,
}

/// References of a page on behalf of trimming: the hardware's, or 1 if there are none but the software flag is set (PGO-187).
/// Unlike in the scans the flag is not added.
#[must_use]
pub const fn references(hardware: u8, flag: bool) -> u8 {
    if hardware == 0 && flag { 1 } else { hardware }
}

/// Ages a page (PGO-185, PGO-188…191). `keep_mapped`: the object has more than one shadow, so that its active pages are aged but
/// neither unmapped nor deactivated (`remove_mode`).
#[must_use]
pub fn age(active: bool, act_count: u8, references: u8, keep_mapped: bool) -> Aged {
    match (active, references) {
        (false, 0) => Aged { act_count, unmap: true, to: Move::Stay },
        (false, r) => {
            let act_count = act_count.max(ACT_INIT).saturating_add(r).min(ACT_MAX);
            Aged { act_count, unmap: false, to: Move::Activate }
        }
        (true, 0) => {
            let act_count = act_count.saturating_sub(ACT_DECLINE);
            let out = act_count == 0 && !keep_mapped;
            Aged { act_count, unmap: out, to: if out { Move::Deactivate } else { Move::Requeue } }
        }
        (true, _) => {
            let raised = act_count.max(ACT_INIT);
            let act_count = if raised < ACT_MAX - ACT_ADVANCE { raised + ACT_ADVANCE } else { raised };
            Aged { act_count, unmap: false, to: Move::Requeue }
        }
    }
}

/// Whether trimming is at its end (PGO-183): asked before each object and each page.
#[must_use]
pub const fn trimmed(resident: u64, desired: u64) -> bool {
    resident <= desired
}

/// Which object to trim first (PGO-193): of those with at most one shadow and a lock that is free, the one with most
/// resident pages, the first of equals. Each candidate is (resident pages, shadows, lock is free).
#[must_use]
pub fn biggest(candidates: impl IntoIterator<Item = (u64, u32, bool)>) -> Option<usize> {
    let mut best: Option<(usize, u64)> = None;
    for (index, (resident, shadows, free)) in candidates.into_iter().enumerate() {
        if free && shadows <= 1 && best.is_none_or(|(_, most)| resident > most) {
            best = Some((index, resident));
        }
    }
    best.map(|(index, _)| index)
}

/// Whether all mappings go, and page tables with them (PGO-196).
#[must_use]
pub const fn unmap_all(desired: u64, any_wired: bool) -> bool {
    desired == 0 && !any_wired
}

/// The limit in pages from the limits in bytes (PGO-204); 0 for a process that is not in memory (PGO-205).
#[must_use]
pub fn limit(soft_bytes: u64, hard_bytes: u64, in_memory: bool) -> u64 {
    if in_memory { soft_bytes.min(hard_bytes) / PAGE_SIZE } else { 0 }
}

/// What accounting trims to in pass `pass` (from 1), if to anything (PGO-209). `usage` and `allowance` in pages.
#[must_use]
pub fn allowance(usage: u64, allowance: u64, pass: u32) -> Option<u64> {
    (usage > allowance).then(
        || {
            if pass <= GENTLE_PASSES { allowance.max(usage - usage / 4) } else { allowance }
        },
    )
}

/// Whether there is another pass after pass `pass` (from 1). `still_over` is of this pass alone: the seed never forgets an
/// offender of an earlier one (PGO-210…212, W20).
#[must_use]
pub const fn another_pass(pass: u32, still_over: bool) -> bool {
    still_over && pass < MAX_PASSES
}
