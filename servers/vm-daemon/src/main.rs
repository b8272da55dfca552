// SPDX-License-Identifier: BSD-2-Clause
//! `vm-daemon`: a process around [`ebb_policy::enforce`] and [`ebb_policy::swapout_request`].
//!
//! `vm` keeps the limits and tells when one is crossed; this server trims who is over. It runs before every program, so that one that has crossed its limit waits until it was
//! trimmed. It holds nothing that cannot be asked for again: killing it costs time. Requests to swap processes out come
//! here from the policy, by way of `vm`; how often they are passed on to who manages processes is decided here.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![deny(unsafe_code)]

#[cfg(target_os = "none")]
extern crate alloc;

#[cfg(target_os = "none")]
mod server;
#[cfg(target_os = "none")]
mod trimmer;

#[cfg(target_os = "none")]
ebb_rt::entry!(server::main);

#[cfg(not(target_os = "none"))]
fn main() {}
