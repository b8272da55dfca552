// SPDX-License-Identifier: BSD-2-Clause
//! The tunables of paging (PGO-024…035), by their BSD names, each with its range (W09).
//!
//! `vm.pageout_wakeup_thresh` and `vm.max_wired` live with the [`crate::Thresholds`]; `vm.pageout_lock_miss` is a
//! counter, in [`crate::Stats`].

/// Why a tunable could not be set. The caller is to blame, and nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TunableError {
    /// There is none of that name.
    Unknown,
    /// It cannot be changed in this configuration.
    ReadOnly,
    /// The value lies outside the range, whose ends are allowed.
    OutOfRange {
        /// Least value.
        min: i64,
        /// Greatest value.
        max: i64,
    },
}

/// The values in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tunables {
    /// `vm.panic_on_oom`: stop the system instead of killing a victim.
    pub panic_on_oom: bool,
    /// `vm.max_launder`: write operations per scan at pass 0 and 1; 1 or less means 1.
    pub max_launder: i32,
    /// `vm.pageout_update_period`: seconds in which the idle scan visits every active page; 0: never.
    pub update_period_s: u32,
    /// `vm.lowmem_period`: least seconds between low-memory drains.
    pub lowmem_period_s: u32,
    /// `vm.swap_enabled`: a scan that ends short asks for process swap-out.
    pub swap_enabled: bool,
    /// `vm.swap_idle_enabled`: ask once a second for swap-out of idle processes.
    pub swap_idle_enabled: bool,
    /// `vm.defer_swapspace_pageouts`: write anonymous pages only below the minimum.
    pub defer_swapspace_pageouts: bool,
    /// `vm.disable_swapspace_pageouts`: never write anonymous pages. What it leads to: they become
    /// unreclaimable, and when nothing else is left, a process is killed (W31).
    pub disable_swapspace_pageouts: bool,
    /// `vm.pageout_oom_seq`: scans without progress before an out-of-memory vote.
    pub pageout_oom_seq: u32,
    /// `vm.max_laundering`: most pages being written at once by decisions of a scan (W05). Not in the seed; 1024
    /// (4 MiB) is a guess.
    pub max_laundering: u32,
    /// `vm.oom_wait`: seconds that somebody may wait for a page before an out-of-memory vote in spite of trickling
    /// progress (W07); 0: for ever. Not in the seed; 30 is a guess.
    pub oom_wait_s: u32,
    /// `vm.swap_idle_threshold1`: seconds of sleep after which a process is swapped out when memory is short (PGO-239).
    pub swap_idle_threshold1_s: u32,
    /// `vm.swap_idle_threshold2`: seconds of sleep beyond which it is swapped out as idle.
    pub swap_idle_threshold2_s: u32,
    /// `vm.swap_residence`: seconds that a process stays in after it came in (PRS-W14). Not in the seed; 2 is a guess.
    pub min_residence_s: u32,
    /// Process swapping is built in (not `NO_SWAPPING`).
    swapping: bool,
}

/// One tunable's name and range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Name as `sysctl` shows it.
    pub name: &'static str,
    /// Least value.
    pub min: i64,
    /// Greatest value.
    pub max: i64,
}

const fn range(name: &'static str, min: i64, max: i64) -> Range {
    Range { name, min, max }
}

/// All tunables with their ranges.
pub const TUNABLES: &[Range] = &[
    range("vm.panic_on_oom", 0, 1),
    range("vm.max_launder", i32::MIN as i64, 10_000),
    range("vm.pageout_update_period", 0, 86_400),
    range("vm.lowmem_period", 0, 86_400),
    range("vm.swap_enabled", 0, 1),
    range("vm.swap_idle_enabled", 0, 1),
    range("vm.defer_swapspace_pageouts", 0, 1),
    range("vm.disable_swapspace_pageouts", 0, 1),
    range("vm.pageout_oom_seq", 1, 1_000_000),
    range("vm.max_laundering", 1, 1_000_000),
    range("vm.oom_wait", 0, 86_400),
    range("vm.swap_idle_threshold1", 1, 86_399),
    range("vm.swap_idle_threshold2", 1, 86_399),
    range("vm.swap_residence", 0, 86_400),
];

impl Default for Tunables {
    fn default() -> Self {
        Self::new(0)
    }
}

impl Tunables {
    /// The defaults of a system with process swapping. `update_period_s` is the boot-time preset of
    /// `vm.pageout_update_period`; 0 becomes 600 (PGO-027, PGO-048).
    #[must_use]
    pub const fn new(update_period_s: u32) -> Self {
        Self {
            panic_on_oom: false,
            max_launder: 32,
            update_period_s: if update_period_s == 0 { 600 } else { update_period_s },
            lowmem_period_s: 10,
            swap_enabled: true,
            swap_idle_enabled: false,
            defer_swapspace_pageouts: false,
            disable_swapspace_pageouts: false,
            pageout_oom_seq: 12,
            max_laundering: 1024,
            oom_wait_s: 30,
            swap_idle_threshold1_s: 2,
            swap_idle_threshold2_s: 10,
            min_residence_s: 2,
            swapping: true,
        }
    }

    /// The defaults of a system without process swapping (`NO_SWAPPING`, PGO-030): no swap-out requests, whatever is set.
    #[must_use]
    pub const fn without_swapping(update_period_s: u32) -> Self {
        let mut tunables = Self::new(update_period_s);
        tunables.swap_enabled = false;
        tunables.swapping = false;
        tunables
    }

    /// The value of a tunable, or `None` for an unknown name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<i64> {
        Some(match name {
            "vm.panic_on_oom" => self.panic_on_oom.into(),
            "vm.max_launder" => self.max_launder.into(),
            "vm.pageout_update_period" => self.update_period_s.into(),
            "vm.lowmem_period" => self.lowmem_period_s.into(),
            "vm.swap_enabled" => self.swap_enabled.into(),
            "vm.swap_idle_enabled" => self.swap_idle_enabled.into(),
            "vm.defer_swapspace_pageouts" => self.defer_swapspace_pageouts.into(),
            "vm.disable_swapspace_pageouts" => self.disable_swapspace_pageouts.into(),
            "vm.pageout_oom_seq" => self.pageout_oom_seq.into(),
            "vm.max_laundering" => self.max_laundering.into(),
            "vm.oom_wait" => self.oom_wait_s.into(),
            "vm.swap_idle_threshold1" => self.swap_idle_threshold1_s.into(),
            "vm.swap_idle_threshold2" => self.swap_idle_threshold2_s.into(),
            "vm.swap_residence" => self.min_residence_s.into(),
            _ => return None,
        })
    }

    /// Sets a tunable.
    ///
    /// # Errors
    /// [`TunableError`], and nothing is changed.
    pub fn set(&mut self, name: &str, value: i64) -> Result<(), TunableError> {
        let range = TUNABLES.iter().find(|r| r.name == name).ok_or(TunableError::Unknown)?;
        let refused = TunableError::OutOfRange { min: range.min, max: range.max };
        if !(range.min..=range.max).contains(&value) {
            return Err(refused);
        }
        let small = i32::try_from(value).map_err(|_| refused)?;
        let count = small.unsigned_abs();
        let on = small != 0;
        match name {
            "vm.swap_enabled" | "vm.swap_idle_enabled" if !self.swapping => {
                return Err(TunableError::ReadOnly);
            }
            "vm.panic_on_oom" => self.panic_on_oom = on,
            "vm.max_launder" => self.max_launder = small,
            "vm.pageout_update_period" => self.update_period_s = count,
            "vm.lowmem_period" => self.lowmem_period_s = count,
            "vm.swap_enabled" => self.swap_enabled = on,
            "vm.swap_idle_enabled" => self.swap_idle_enabled = on,
            "vm.defer_swapspace_pageouts" => self.defer_swapspace_pageouts = on,
            "vm.disable_swapspace_pageouts" => self.disable_swapspace_pageouts = on,
            "vm.pageout_oom_seq" => self.pageout_oom_seq = count,
            "vm.max_laundering" => self.max_laundering = count,
            "vm.oom_wait" => self.oom_wait_s = count,
            "vm.swap_idle_threshold1" => self.swap_idle_threshold1_s = count,
            "vm.swap_idle_threshold2" => self.swap_idle_threshold2_s = count,
            "vm.swap_residence" => self.min_residence_s = count,
            _ => return Err(TunableError::Unknown),
        }
        Ok(())
    }
}
