// SPDX-License-Identifier: BSD-2-Clause
//! Replays page reference traces against replacement policies, with the code that runs on the machine.
//!
//! - [`trace`]: what is replayed, and the formats it comes in.
//! - [`exact`]: an order of `ebb-policy` that sees every reference. [`models`]: what papers describe and hardware cannot do (LRU, ARC,
//!   LIRS, …), and MIN, the bound.
//! - [`sampled`]: a policy in a small machine that shows it what hardware shows.
//! - [`cost`]: how many instructions a policy takes.
//! - [`record`]: traces are written.
//! - [`run`]: points (trace, pages, policy) in parallel, and what is said of each. [`report`]: as a table, JSON and HTML.
#![forbid(unsafe_code)]

pub mod cost;
pub mod exact;
pub mod html;
pub mod models;
pub mod record;
pub mod report;
pub mod run;
pub mod sampled;
pub mod trace;

pub use record::Recorder;
pub use run::{Mode, Point, Run, Setting, policies, simulate, simulate_with};
pub use trace::{Format, Trace};
