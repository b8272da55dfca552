// SPDX-License-Identifier: BSD-2-Clause
//! The paging thresholds computed at start (`vm_pageout_init`, PGO-037…050). All are in pages.

use crate::tunables::TunableError;

/// Largest transfer of the file layer in bytes (`MAXBSIZE`).
const MAXBSIZE: u32 = 65536;
const PAGE_SIZE: u32 = 4096;

/// Pages that only interrupt-class allocations may take (`v_interrupt_free_min`, PGO-039).
pub const INTERRUPT_FREE_MIN: u32 = 2;

/// The paging thresholds of a machine, in pages.
///
/// For machines of 1000 pages and more they are ordered (PGO-050): interrupt_free_min < pageout_free_min <
/// free_reserved < free_severe <= free_min < free_target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Cluster size P (`vm_pageout_page_count`): 8 below 2000 pages, else 16.
    pub cluster: u32,
    /// Reserve of interrupt-class allocations.
    pub interrupt_free_min: u32,
    /// Level at which the page daemon's own waits are satisfied.
    pub pageout_free_min: u32,
    /// Reserve that normal allocations may not take.
    pub free_reserved: u32,
    /// Severe shortage below this.
    pub free_severe: u32,
    /// Waiters are not woken below this.
    pub free_min: u32,
    /// What a scan tries to reach.
    pub free_target: u32,
    /// Wanted length of the inactive queue.
    pub inactive_target: u32,
    /// Allocations that leave fewer free pages wake the daemon (`vm.pageout_wakeup_thresh`).
    pub wakeup_thresh: u32,
    /// Limit on wired pages (`vm.max_wired`).
    pub max_wired: u32,
}

impl Thresholds {
    /// Computes them for a machine of `page_count` pages of which `free_count` are free now. `max_wired` is
    /// the preset of `vm.max_wired`; 0 means a third of the free pages (PGO-036, PGO-049).
    ///
    /// The wake threshold is `max(free_min + 1, free_min * 11 / 10)`: the seed divides first, so that on machines
    /// below about 1200 pages it falls under `free_min` and nobody is warned in time (W10).
    #[must_use]
    pub const fn compute(page_count: u32, free_count: u32, max_wired: u32) -> Self {
        let cluster = if page_count < 2000 { 8 } else { 16 };
        let base_min = if page_count > 1024 { 4 + (page_count - 1024) / 200 } else { 4 };
        let pageout_free_min = 2 * MAXBSIZE / PAGE_SIZE + INTERRUPT_FREE_MIN;
        let free_reserved = cluster + pageout_free_min + page_count / 768;
        let free_min = base_min + free_reserved;
        let free_target = 4 * base_min + free_reserved;
        let half_more = 3 * free_target / 2;
        let third = free_count / 3;
        // At most 32 million, so that eleven of it fit.
        let tenth_more = free_min * 11 / 10;
        Self {
            cluster,
            interrupt_free_min: INTERRUPT_FREE_MIN,
            pageout_free_min,
            free_reserved,
            free_severe: base_min / 2 + free_reserved,
            free_min,
            free_target,
            inactive_target: if half_more > third { third } else { half_more },
            wakeup_thresh: if tenth_more > free_min { tenth_more } else { free_min + 1 },
            max_wired: if max_wired == 0 { third } else { max_wired },
        }
    }

    /// Sets more pages aside beyond normal allocations' reach, or fewer: every level that is measured from `free_reserved` moves with it. Not in the seed,
    /// whose kernel and daemons are never started anew.
    pub const fn set_aside(&mut self, before: u32, after: u32) {
        self.free_reserved = self.free_reserved - before + after;
        self.free_severe = self.free_severe - before + after;
        self.free_min = self.free_min - before + after;
        self.free_target = self.free_target - before + after;
        self.wakeup_thresh = self.wakeup_thresh.saturating_sub(before) + after;
    }

    /// Sets `vm.pageout_wakeup_thresh` (PGO-025).
    ///
    /// # Errors
    /// [`TunableError::OutOfRange`] unless it lies above `free_reserved` (below it normal allocations fail
    /// before anybody is woken, W09) and within `page_count`.
    pub fn set_wakeup_thresh(&mut self, value: i64, page_count: u32) -> Result<(), TunableError> {
        self.wakeup_thresh = in_range(value, self.free_reserved + 1, page_count)?;
        Ok(())
    }

    /// Sets `vm.max_wired` (PGO-036). Pages wired already stay wired.
    ///
    /// # Errors
    /// [`TunableError::OutOfRange`] unless it lies within `1..=page_count`.
    pub fn set_max_wired(&mut self, value: i64, page_count: u32) -> Result<(), TunableError> {
        self.max_wired = in_range(value, 1, page_count)?;
        Ok(())
    }
}

fn in_range(value: i64, min: u32, max: u32) -> Result<u32, TunableError> {
    match u32::try_from(value) {
        Ok(v) if (min..=max).contains(&v) => Ok(v),
        _ => Err(TunableError::OutOfRange { min: i64::from(min), max: i64::from(max) }),
    }
}
