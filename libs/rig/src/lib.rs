// SPDX-License-Identifier: BSD-2-Clause
//! What the programs that load and measure the machine share: memory from `vm`, the counters as a workload's probe, and how such a program ends.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod ending;
pub mod memory;
pub mod report;

pub use ebb_args::Failure;
pub use ending::finish;
pub use memory::{Machine, grow_to, map};
