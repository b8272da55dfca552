// SPDX-License-Identifier: BSD-2-Clause
#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod chunk;
pub mod compress;
pub mod entry;
mod front;
mod index;
pub mod pool;
pub mod spans;

pub use pool::Pool;

/// Bytes of heap for a pool that may grow to so many pages: what is made anew by each instance.
pub fn heap_bytes(pages: u64) -> u64 {
    pool::heap_bytes(chunk::count(pages))
}
