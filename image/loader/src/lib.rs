// SPDX-License-Identifier: BSD-2-Clause
//! The part of the loader that needs no firmware: what `limine.conf` says, whether a kernel can be loaded, which
//! requests it makes, what the memory map and the page tables look like, and the bytes of every response.
//!
//! The Limine boot protocol (base revision 3) is the authority for all of it. Everything here is safe code over
//! slices, tested on the host; `main.rs` does the firmware calls and the jump.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod answer;
pub mod config;
pub mod kernel;
pub mod memory;
pub mod paging;
pub mod request;

/// Bytes of a page.
pub const PAGE: u64 = 4096;

/// Where the higher half direct map begins.
pub const HHDM: u64 = 0xffff_8000_0000_0000;

/// Where the loaded kernel may begin at the lowest.
pub const KERNEL_MIN: u64 = 0xffff_ffff_8000_0000;

/// The base revision that is served.
pub const BASE_REVISION: u64 = 3;
