// SPDX-License-Identifier: BSD-2-Clause
//! The orders that are shipped, each after its paper, and each saying what it has to approximate, since hardware tells only that a page was
//! used between two looks, not how often, nor in which order.

pub mod aging;
pub mod car;
pub mod clock;
pub mod clock_pro;
pub mod fifo;
pub mod hit_density;
pub mod lfu;
pub mod mglru;
pub mod nru;
pub mod random;
pub mod s3_fifo;
pub mod second_chance;
pub mod sieve;
pub mod two_q;

mod candidates;
mod gone;
mod past;
mod reuse;
mod window;
