// SPDX-License-Identifier: BSD-2-Clause
//! The gate before the free pages: who may take how many, and who is to be woken. Used by `vm`.
//!
//! It counts; it does not hold frames, and it does not wake: what is to be woken is returned as a value. `vm` is single-threaded,
//! so that every operation here is atomic with respect to every other: between [`Gate::wait`] setting "pages needed"
//! and the waiter being counted nothing can be freed, and no wake is lost (PGO-074).

use crate::thresholds::Thresholds;
use crate::tunables::TunableError;

/// Who asks for memory (PGO-233).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Everybody. Stops at `free_reserved`.
    Normal,
    /// Kernel objects and the like: what must not wait for paging. Stops at the interrupt reserve.
    System,
    /// Kernel objects of programs: as `System`, but what is set aside for servers is none of theirs.
    Program,
    /// Cannot wait at all: takes the last page.
    Interrupt,
    /// A server on the paging path: as `System`, and never wakes the daemon, which it serves or is (PGO-073).
    Daemon,
}

/// Who waits for memory (PGO-235).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiter {
    /// Everybody: woken from `free_min` up.
    Client,
    /// A server on the paging path: woken at `pageout_free_min`.
    Daemon,
}

/// What is to be woken after an operation.
#[must_use]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wake {
    /// "Pages needed" was newly set: send the policy its `Shortage`.
    pub daemon: bool,
    /// Wake this many of the [`Waiter::Client`] waiters, not fault handlers before fault handlers (PGO-236), each kind in
    /// order of arrival. They count as no longer waiting; one that finds nothing waits anew. Never more than
    /// there are pages for, since a wake without a page is wasted (W16).
    pub clients: u32,
    /// Wake all [`Waiter::Daemon`] waiters.
    pub daemons: bool,
}

impl Wake {
    /// Splits `clients` over `others` plain waiters and `faults` page-fault waiters: plain ones first (PGO-236).
    /// Returns how many of each to wake.
    #[must_use]
    pub fn split(self, others: u32, faults: u32) -> (u32, u32) {
        let plain = self.clients.min(others);
        (plain, (self.clients - plain).min(faults))
    }
}

/// Not enough free pages for this class. The deficit was raised (PGO-234); wake what it says, then wait or give up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortage(pub Wake);

/// Whose wired pages are, and so whether `vm.max_wired` limits them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wiring {
    /// A program's: limited, since nobody else can be given them.
    Program,
    /// A server's, or what paging itself keeps: without it the machine does not run, so only what memory there is limits it. The seed's kernel, too, does not
    /// ask for its own.
    System,
}

/// Too many pages would be wired: `wired` of at most `max` are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireLimit {
    /// Pages that programs have wired.
    pub wired: u32,
    /// `vm.max_wired`.
    pub max: u32,
}

/// The free-page accounting of a machine with one domain.
#[derive(Clone, Debug)]
pub struct Gate {
    thresholds: Thresholds,
    page_count: u32,
    free: u32,
    wired: u32,
    wired_system: u32,
    deficit: u32,
    pages_needed: bool,
    clients: u32,
    daemons: u32,
    aside: u32,
}

impl Gate {
    /// A gate before `free_count` free pages of `page_count`, with thresholds computed from these (PGO-037);
    /// `max_wired` as for [`Thresholds::compute`].
    #[must_use]
    pub const fn new(page_count: u32, free_count: u32, max_wired: u32) -> Self {
        Self {
            thresholds: Thresholds::compute(page_count, free_count, max_wired),
            page_count,
            free: free_count,
            wired: 0,
            wired_system: 0,
            deficit: 0,
            pages_needed: false,
            clients: 0,
            daemons: 0,
            aside: 0,
        }
    }

    /// Sets so many pages aside for servers that must be able to start when memory is short: all levels move up by as much. At most a quarter
    /// of the machine.
    pub fn set_aside(&mut self, pages: u32) -> Wake {
        let pages = pages.min(self.page_count / 4);
        self.thresholds.set_aside(self.aside, pages);
        self.aside = pages;
        self.settle()
    }

    /// Pages of the machine.
    #[must_use]
    pub const fn page_count(&self) -> u32 {
        self.page_count
    }

    /// Pages set aside for servers.
    #[must_use]
    pub const fn aside(&self) -> u32 {
        self.aside
    }

    /// Asks for `pages` pages at once, all or none. `hint` is how many the caller will want in all
    /// (`VM_ALLOC_COUNT`); it weighs in the deficit if this fails, at least as `pages`.
    ///
    /// # Errors
    /// [`Shortage`] if the class's reserve would be touched.
    pub fn allocate(&mut self, class: Class, pages: u32, hint: u32) -> Result<Wake, Shortage> {
        let reserve = match class {
            Class::Normal => self.thresholds.free_reserved,
            Class::System | Class::Daemon => self.thresholds.interrupt_free_min,
            Class::Program => self.thresholds.interrupt_free_min.saturating_add(self.aside),
            Class::Interrupt => 0,
        };
        if self.free.saturating_sub(reserve) < pages {
            self.deficit = self.deficit.saturating_add(hint.max(pages).max(1));
            return Err(Shortage(self.wake_daemon(class)));
        }
        self.free -= pages;
        if self.thresholds.paging_needed(self.free) {
            Ok(self.wake_daemon(class))
        } else {
            Ok(Wake::default())
        }
    }

    /// Gives pages back. Saturates at the size of the machine.
    pub fn free(&mut self, pages: u32) -> Wake {
        self.free = self.free.saturating_add(pages).min(self.page_count);
        self.settle()
    }

    /// Looks at the counts and says who is to be woken; clears "pages needed" when it is met (PGO-065, PGO-066).
    /// [`Gate::free`] does it of itself; a change of the thresholds asks for it as well. The seed does it once a
    /// scan; doing it as pages come is never later.
    pub fn settle(&mut self) -> Wake {
        let mut wake = Wake::default();
        if self.daemons > 0 && self.free >= self.thresholds.pageout_free_min {
            self.daemons = 0;
            wake.daemons = true;
        }
        if self.pages_needed && !self.thresholds.count_min(self.free) {
            wake.clients = self.clients.min(self.free.saturating_sub(self.thresholds.free_reserved));
            self.clients -= wake.clients;
            // While somebody still waits, need is not met, whatever the threshold says.
            self.pages_needed = self.clients > 0 || self.thresholds.paging_needed(self.free);
        }
        wake
    }

    /// Somebody begins to wait for a free page (`vm_wait`, PGO-235). Sets "pages needed" for a client.
    pub fn wait(&mut self, waiter: Waiter) -> Wake {
        match waiter {
            Waiter::Daemon => {
                self.daemons = self.daemons.saturating_add(1);
                Wake::default()
            }
            Waiter::Client => {
                self.clients = self.clients.saturating_add(1);
                self.wake_daemon(Class::Normal)
            }
        }
    }

    /// One waiter that was not woken waits no longer (it died).
    pub fn cancel(&mut self, waiter: Waiter) {
        let count = match waiter {
            Waiter::Client => &mut self.clients,
            Waiter::Daemon => &mut self.daemons,
        };
        *count = count.saturating_sub(1);
    }

    /// `pagedaemon_wakeup` (PGO-073): sets "pages needed"; tells whether it was newly set.
    fn wake_daemon(&mut self, class: Class) -> Wake {
        if self.pages_needed || class == Class::Daemon {
            return Wake::default();
        }
        self.pages_needed = true;
        Wake { daemon: true, ..Wake::default() }
    }

    /// Counts `pages` more as wired.
    ///
    /// # Errors
    /// [`WireLimit`] if a program's and `vm.max_wired` would be passed; nothing is counted then.
    pub fn wire(&mut self, pages: u32, wiring: Wiring) -> Result<(), WireLimit> {
        let (wired, max) = (self.wired_by_programs(), self.thresholds.max_wired);
        match wiring {
            Wiring::System => self.wired_system += pages,
            Wiring::Program if wired.checked_add(pages).is_some_and(|sum| sum <= max) => {}
            Wiring::Program => return Err(WireLimit { wired, max }),
        }
        self.wired += pages;
        Ok(())
    }

    /// Counts `pages` as no longer wired.
    pub fn unwire(&mut self, pages: u32, wiring: Wiring) {
        let pages = match wiring {
            Wiring::Program => pages.min(self.wired_by_programs()),
            Wiring::System => pages.min(self.wired_system),
        };
        self.wired -= pages;
        if wiring == Wiring::System {
            self.wired_system -= pages;
        }
    }

    /// Wired pages that `vm.max_wired` limits.
    #[must_use]
    pub const fn wired_by_programs(&self) -> u32 {
        self.wired - self.wired_system
    }

    /// Reads and clears the deficit (PGO-083).
    pub fn take_deficit(&mut self) -> u32 {
        core::mem::take(&mut self.deficit)
    }

    /// The deficit (PGO-076).
    #[must_use]
    pub const fn deficit(&self) -> u32 {
        self.deficit
    }

    /// Free pages.
    #[must_use]
    pub const fn free_count(&self) -> u32 {
        self.free
    }

    /// Wired pages.
    #[must_use]
    pub const fn wire_count(&self) -> u32 {
        self.wired
    }

    /// `vm_pages_needed`.
    #[must_use]
    pub const fn pages_needed(&self) -> bool {
        self.pages_needed
    }

    /// Waiting clients.
    #[must_use]
    pub const fn waiting(&self) -> u32 {
        self.clients
    }

    /// The thresholds in force.
    #[must_use]
    pub const fn thresholds(&self) -> &Thresholds {
        &self.thresholds
    }

    /// Sets `vm.pageout_wakeup_thresh`; takes effect at the next allocation, and for waiters now.
    ///
    /// # Errors
    /// As [`Thresholds::set_wakeup_thresh`].
    pub fn set_wakeup_thresh(&mut self, value: i64) -> Result<Wake, TunableError> {
        self.thresholds.set_wakeup_thresh(value, self.page_count)?;
        Ok(self.settle())
    }

    /// Sets `vm.max_wired`.
    ///
    /// # Errors
    /// As [`Thresholds::set_max_wired`].
    pub fn set_max_wired(&mut self, value: i64) -> Result<(), TunableError> {
        self.thresholds.set_max_wired(value, self.page_count)
    }
}
