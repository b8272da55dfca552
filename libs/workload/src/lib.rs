// SPDX-License-Identifier: BSD-2-Clause
//! Memory workloads that check what they read.
//!
//! A [`Workload`] owns pages of memory. Each touch reads or writes one of them; what a write leaves behind ([`stamp`]) says which page it is, how
//! often it was written and by which seed, so a page that comes back from swap wrong, old, torn or swapped with another is noticed.
//! Where the touches go is a [`pattern`] or a recorded reference string ([`trace`]). How long the ones that faulted took is
//! kept in a [`histogram`]. What programs of well-known kinds do with [`memory`] is in [`programs`]. What programs do to files, and what must be in them afterwards, is in [`stripes`] and [`churn`].
//!
//! The library knows neither the system nor a clock: a program gives it memory and a [`Probe`]. So it runs, and is tested, on the host.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod churn;
pub mod histogram;
pub mod memory;
pub mod noted;
pub mod pattern;
pub mod programs;
pub mod progress;
pub mod random;
pub mod stamp;
mod stats;
pub mod stripes;
pub mod trace;
mod work;

pub use histogram::Histogram;
pub use memory::Memory;
pub use pattern::{Pattern, Sequence};
pub use progress::Progress;
pub use random::Random;
pub use stamp::Wrong;
pub use stats::{Probe, Stats};
pub use work::{CHUNK_PAGES, CHUNK_TOTAL, WORDS, Workload};
