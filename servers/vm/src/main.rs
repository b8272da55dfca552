// SPDX-License-Identifier: BSD-2-Clause
//! The `vm` server: system calls under [`ebb_vm`], and the loop.
#![cfg_attr(target_os = "none", no_std)]
#![cfg_attr(target_os = "none", no_main)]
#![deny(unsafe_code)]

extern crate alloc;

#[cfg(target_os = "none")]
mod kernel;
#[cfg(target_os = "none")]
mod start;

#[cfg(target_os = "none")]
ebb_rt::entry!(start::main);

#[cfg(not(target_os = "none"))]
fn main() {}
