// SPDX-License-Identifier: BSD-2-Clause
#![no_std]
#![forbid(unsafe_code)]
//! Radix bitmap allocator.

extern crate alloc;

mod blist;
mod error;
mod lanes;
mod range;
mod search;
mod shape;
mod word;

pub use blist::{Blist, MAX_ALLOC, Placement};
pub use error::Error;
pub use shape::{LEAF_BLOCKS, MAX_BLOCKS, RADIX, words_needed};

/// Bytes.
pub const fn bytes_needed(blocks: u64) -> Result<usize, Error> {
    match words_needed(blocks) {
        Ok(words) => Ok(words * 8 + size_of::<Blist>()),
        Err(e) => Err(e),
    }
}
