// SPDX-License-Identifier: BSD-2-Clause
//! Compares replacement policies by what machines measured. Whoever runs the machines takes a script for each of them from a [`Plan`], and
//! gives back what it said; everything here is pure, so equal measurements give equal bytes.
//!
//! - [`workload`]: what runs. [`plan`]: policies × workloads × memory sizes, and their scripts.
//! - [`point`]: what one machine measured, read from what it said by [`parse`].
//! - [`results`]: all points, and what is computed of them. [`table`], [`csv`], [`report`]: told to people and programs.
#![forbid(unsafe_code)]

pub mod csv;
pub mod figures;
pub mod parse;
pub mod plan;
pub mod point;
pub mod report;
pub mod results;
pub mod table;
pub mod throughput;
pub mod workload;

pub use plan::{Plan, Spec};
pub use point::{Measures, Outcome, Point, Replacement};
pub use results::Results;
