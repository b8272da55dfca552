// SPDX-License-Identifier: BSD-2-Clause
//! The process around a replacement policy, whichever it is: [`run`] attaches it to `vm`, takes a snapshot of the pages that there are, says that it is ready, and
//! then runs the policy's loop: events from the ring, an iteration, sleep. It holds nothing that cannot be rebuilt so: killing it costs time.
#![no_std]
#![deny(unsafe_code)]

extern crate alloc;

mod events;
mod machine;
mod server;

pub use server::run;
