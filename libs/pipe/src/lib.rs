// SPDX-License-Identifier: BSD-2-Clause
//! Pipes as a state machine: bytes, ends, and who waits. The process around it is `servers/pipe`.
//!
//! Memory is bounded ([`limits`]): each pipe has one block for itself and takes more from what all share, up to its capacity. So a pipe always moves, however many
//! there are; they are only slower when the shared blocks are used up.
//!
//! | file | what |
//! |---|---|
//! | `store` | memory for bytes, set aside in blocks |
//! | `buffer` | the bytes of one pipe or one waiting write |
//! | `ends` | which space has which end how often |
//! | `pipe` | one pipe: bytes, ends, waiting calls, and who is served next |
//! | `pipes` | all pipes: numbers, permissions, limits |
//!
//! A call that has to wait is a token `R` of the caller's, answered through [`Pipes::take_done`]. Readers and writers are served in the order in which they came.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod buffer;
mod ends;
pub mod limits;
mod pipe;
mod pipes;
mod store;

pub use pipes::{Answer, Pipes};
