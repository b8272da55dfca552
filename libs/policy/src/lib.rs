// SPDX-License-Identifier: BSD-2-Clause
//! Replacement policies and the pure parts of paging out.
//!
//! A policy decides which page goes next, when, and how many at a time. It holds an *order* over pages; `vm` holds the truth
//! and checks every decision, so that a wrong policy costs time and never data. No I/O here, no clock,
//! no randomness: the same events and answers give the same decisions, in the `pageout` server and on the host.
//! Memory is allocated when a policy is created and at no other time.
//!
//! - [`Policy`], [`Event`], [`Sleep`]: what a policy is. [`Machine`], [`Decision`], [`Verdict`]: what it works on.
//! - [`thresholds`], [`predicates`], [`gate`], [`tunables`]: the levels, and the accounting of free pages in `vm`.
//! - [`cluster`]: what is written together.
//! - [`swapout_request`]: requests of whole-process swap-out.
#![no_std]
#![forbid(unsafe_code)]

pub mod cluster;
pub mod gate;
pub mod machine;
pub mod policy;
pub mod predicates;
pub mod swapout_request;
pub mod thresholds;
pub mod tunables;

pub use machine::{Decision, MAX_BATCH, Machine, Meter, OomReason, Page, Queue, Request, Verdict, Want};
pub use policy::{Event, Inconsistency, Policy, Sleep, Stats};
pub use thresholds::Thresholds;
pub use tunables::{TunableError, Tunables};
