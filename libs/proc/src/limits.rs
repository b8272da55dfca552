// SPDX-License-Identifier: BSD-2-Clause
//! What is bounded, and with what everything begins: the first process has these, all others inherit.

use crate::table::MAX_PROCESSES;
use ebb_proto::proc::{Limit, Resource, UNLIMITED};

/// One for each of [`Resource::ALL`].
pub type Limits = [Limit; Resource::ALL.len()];

/// Bytes of a page.
const PAGE: u64 = 4096;
/// Bytes of a first thread's stack unless something else is said (`DFLSSIZ`).
pub const STACK: u64 = 256 << 10;
/// The most (`MAXSSIZ`): stacks lie 64 MiB apart, with a page below each that is never mapped.
pub const MAX_STACK: u64 = (64 << 20) - PAGE;
/// Bytes of heap (`DFLDSIZ` and `MAXDSIZ`): all that there is place for.
pub const DATA: u64 = 8 << 40;

/// What the first process has, on a machine with so many pages, of which so many are free now. The seed leaves the hard limit on resident pages open and takes the soft one from what happens to be
/// free at start; here the hard one is the machine's memory.
pub fn initial(free_pages: u64, total_pages: u64) -> Limits {
    Resource::ALL.map(|resource| {
        let (soft, hard) = match resource {
            Resource::Rss => (free_pages.min(total_pages) * PAGE, total_pages * PAGE),
            Resource::AddressSpace | Resource::Swap => (UNLIMITED, UNLIMITED),
            Resource::Data => (DATA, DATA),
            Resource::Stack => (STACK, MAX_STACK),
            Resource::Processes => (MAX_PROCESSES as u64, MAX_PROCESSES as u64),
        };
        Limit { soft, hard }
    })
}

/// Bytes of stack that a process with these limits gets: whole pages, at least one.
pub fn stack(limits: &Limits) -> u64 {
    (limits[Resource::Stack as usize].soft.min(MAX_STACK) / PAGE * PAGE).max(PAGE)
}
