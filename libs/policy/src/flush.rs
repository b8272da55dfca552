// SPDX-License-Identifier: BSD-2-Clause
//! What the statuses of a cluster's write mean (`vm_pageout_flush`, PGO-011…016, PGO-150…158): a tally over the run, and per page
//! what `vm` does next. Used by `vm`.

/// A pager's answer for one page of a put.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutStatus {
    /// Written (`VM_PAGER_OK`).
    Ok = 0,
    /// The page lies outside the object (`VM_PAGER_BAD`).
    Bad = 1,
    /// Could not be paged out; for swap: no space (`VM_PAGER_FAIL`).
    Fail = 2,
    /// Started, not finished (`VM_PAGER_PEND`).
    Pend = 3,
    /// I/O error (`VM_PAGER_ERROR`).
    Error = 4,
    /// Temporary shortage (`VM_PAGER_AGAIN`).
    Again = 5,
}

impl PutStatus {
    /// The status of a number from outside, or `None` if there is none such.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Ok,
            1 => Self::Bad,
            2 => Self::Fail,
            3 => Self::Pend,
            4 => Self::Error,
            5 => Self::Again,
            _ => return None,
        })
    }

    /// What `vm` does with the page.
    #[must_use]
    pub const fn effect(self) -> Effect {
        Effect {
            written: matches!(self, Self::Ok | Self::Pend),
            clean: matches!(self, Self::Ok | Self::Bad),
            lost: matches!(self, Self::Bad),
            activate: matches!(self, Self::Fail | Self::Error),
            busy: matches!(self, Self::Pend),
        }
    }
}

/// What `vm` does with a page after its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Counts as paged out.
    pub written: bool,
    /// Marked clean. After `Ok` the pager has done so.
    pub clean: bool,
    /// Its change is lost: report to the object's owner, once an object (W01).
    pub lost: bool,
    /// To be activated, so that it does not block the inactive queue; stays dirty.
    pub activate: bool,
    /// Stays busy, and the object's paging in progress, until the completion. All others are unbusied, their reference dropped, and
    /// none of their mappings is writable (PGO-153, PGO-155).
    pub busy: bool,
}

/// The tally over a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Pages paged out: `Ok` or `Pend` (PGO-154).
    pub written: usize,
    /// Pages whose write is under way: the paging in progress that stays (PGO-155).
    pub in_progress: usize,
    /// Pages whose change is lost (W01).
    pub lost: usize,
    /// Pages from the wanted one up to the first `Again` at or after it (PGO-156).
    pub run_len: usize,
    /// An `Error` or `Fail` within that run, as far as it was known when the page's turn came (PGO-157).
    pub error: bool,
}

/// Goes through the statuses of a run in order (PGO-158). `wanted` is the index of the page that the caller is really
/// after (`mreq`); beyond the end of the run there is no such page, and `run_len` is 0.
#[must_use]
pub fn tally(statuses: &[PutStatus], wanted: usize) -> Tally {
    let mut tally = Tally { run_len: statuses.len().saturating_sub(wanted), ..Tally::default() };
    for (index, status) in statuses.iter().enumerate() {
        let effect = status.effect();
        tally.written += usize::from(effect.written);
        tally.in_progress += usize::from(effect.busy);
        tally.lost += usize::from(effect.lost);
        if let Some(distance) = index.checked_sub(wanted).filter(|d| *d < tally.run_len) {
            match status {
                PutStatus::Again => tally.run_len = distance,
                PutStatus::Error | PutStatus::Fail => tally.error = true,
                PutStatus::Ok | PutStatus::Bad | PutStatus::Pend => {}
            }
        }
    }
    tally
}
