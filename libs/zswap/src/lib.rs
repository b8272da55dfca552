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

#[cfg(test)]
mod tests {
    use super::*;

    /// What `init` gives for each frame of the machine, of which a fifth may become the pool's, is enough.
    #[test]
    fn the_index_takes_no_more_than_16_bytes_a_frame() {
        for frames in (2048..3_000_000).step_by(997) {
            assert!(heap_bytes(frames / 5) <= 16 * frames, "{frames}");
        }
    }
}
