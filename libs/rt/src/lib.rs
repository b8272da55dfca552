// SPDX-License-Identifier: BSD-2-Clause
//! The user-space runtime: start-up, heap, calls, shared memory, time, console.
//!
//! A program says `ebb_rt::entry!(main)` with `fn main(info: &'static StartInfo)` (a server that must never return) or
//! `ebb_rt::program!(main)` with `fn main(info: &'static StartInfo) -> u8` (its exit status).
//!
//! This crate and `ebb-sys` hold all `unsafe` code of user space. What it offers is safe: memory that others share is only
//! ever reached as atomic cells, device registers as volatile ones, each in its own range of the address space.
#![no_std]

extern crate alloc;

pub mod boot;
pub mod client;
pub mod clock;
pub mod console;
pub mod env;
pub mod exec;
pub mod fs;
pub mod heap;
pub mod io;
pub mod log;
pub mod memory;
#[cfg(target_os = "none")]
mod panic;
pub mod path;
pub mod process;
pub mod server;
pub mod shared;
pub mod start;
pub mod thread;
pub mod time;

pub use ebb_abi as abi;
pub use ebb_proto as proto;
pub use ebb_sys as sys;
pub use start::StartInfo;
