// SPDX-License-Identifier: BSD-2-Clause
//! `init`: the only program that the kernel starts. It brings up `vm` from raw frames, then everything else through `vm`; watches, restarts and replaces the
//! servers. Programs are the business of `proc`, which it never calls: it may have to start it again.
//!
//! | file | what |
//! |---|---|
//! | `boot` | what the kernel said; frames before there is a `vm` |
//! | `bootstrap` | `vm` by hand |
//! | `spawn` | a server through `vm` |
//! | `service` | the servers: start, watch, restart, kill |
//! | `replacing` | one image in the place of another |
//! | `pagers` | what connects the pagers with `vm` and `block` |
//! | `retire` | a pager that is to be replaced by one of another kind |
//! | `keeper` | `proc`: what it is given, and what it says |
//! | `shutdown` | the end of the machine |
//! | `wall` | the wall clock |
//! | `dashboard` | records for a dashboard on the host |
//! | `serve` | the loop and the calls |
#![cfg_attr(target_os = "none", no_std, no_main)]
#![deny(unsafe_code)]

#[cfg(target_os = "none")]
extern crate alloc;

#[cfg(target_os = "none")]
mod boot;
#[cfg(target_os = "none")]
mod bootstrap;
#[cfg(target_os = "none")]
mod dashboard;
#[cfg(target_os = "none")]
mod fate;
#[cfg(target_os = "none")]
mod keeper;
#[cfg(target_os = "none")]
mod pagers;
#[cfg(target_os = "none")]
mod replacing;
#[cfg(target_os = "none")]
mod retire;
#[cfg(target_os = "none")]
mod serve;
#[cfg(target_os = "none")]
mod service;
#[cfg(target_os = "none")]
mod shutdown;
#[cfg(target_os = "none")]
mod spawn;
#[cfg(target_os = "none")]
mod wall;

#[cfg(target_os = "none")]
ebb_rt::boot_entry!(serve::main);

#[cfg(not(target_os = "none"))]
fn main() {}
