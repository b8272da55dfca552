// SPDX-License-Identifier: BSD-2-Clause
//! The free-memory predicates (PGO-051…055), on "available" pages: free pages, there being no cache queue.

use crate::thresholds::Thresholds;

impl Thresholds {
    /// `vm_page_count_severe`: below the severe level.
    #[must_use]
    pub const fn count_severe(&self, available: u32) -> bool {
        self.free_severe > available
    }

    /// `vm_page_count_min`: below the minimum.
    #[must_use]
    pub const fn count_min(&self, available: u32) -> bool {
        self.free_min > available
    }

    /// `vm_page_count_target`: below the target.
    #[must_use]
    pub const fn count_target(&self, available: u32) -> bool {
        self.free_target > available
    }

    /// `vm_paging_target`: pages missing to the target; negative if there are more.
    #[must_use]
    pub const fn paging_target(&self, available: u32) -> i64 {
        self.free_target as i64 - available as i64
    }

    /// `vm_paging_needed`: below the wake threshold.
    #[must_use]
    pub const fn paging_needed(&self, available: u32) -> bool {
        available < self.wakeup_thresh
    }
}
