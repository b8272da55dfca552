// SPDX-License-Identifier: BSD-2-Clause
//! `pageout`: a process around a replacement policy of `ebb-policy`; which one, its first argument says.
//!
//! It attaches to `vm`, takes a snapshot of the pages that there are, says that it is ready, and then runs the policy's loop: events from the ring, an
//! iteration, sleep. It holds nothing that cannot be rebuilt so: killing it costs time.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![deny(unsafe_code)]

#[cfg(target_os = "none")]
extern crate alloc;

#[cfg(target_os = "none")]
mod events;
#[cfg(target_os = "none")]
mod machine;
#[cfg(target_os = "none")]
mod server;

#[cfg(target_os = "none")]
ebb_rt::entry!(server::main);

#[cfg(not(target_os = "none"))]
fn main() {}
