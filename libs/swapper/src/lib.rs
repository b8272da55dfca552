// SPDX-License-Identifier: BSD-2-Clause
//! Whole-process swapping as a state machine over plain data (`uvm_scheduler`, `uvm_swapout_threads`, `uvm_lwp_hold`).
//!
//! A thread that is *out* has left its kernel state in pageable memory; a process goes out whole or not at all, because one thread that stays keeps all its memory (W14). The swapper
//! knows threads by [`Event`]s and acts through a [`Machine`]; it has no clock but [`Swapper::second`], and its order of candidates is kept, not searched (W15).
//!
//! | file | what |
//! |---|---|
//! | `machine` | what the swapper needs of its surroundings |
//! | `thread` | what it knows of a thread; who may go out |
//! | `swapper` | the state, events, holds |
//! | `queue` | who comes in next |
//! | `incoming` | swapping in, one after the other |
//! | `sample` | what is seen of processes from outside, as events |
//! | `outgoing` | swapping out, by sleep time, then by residence |
//!
//! Each thread is in one [`Place`], and passes through one that says what is under way: what a crash leaves half done is recognised, and has one way back
//! ([`Swapper::recover`], W25).
//!
#![doc = include_str!("rows.md")]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod incoming;
pub mod machine;
pub mod outgoing;
pub mod queue;
pub mod sample;
pub mod swapper;
pub mod thread;

pub use incoming::Sleep;
pub use machine::{Event, Lost, Machine};
pub use sample::{Doing, Sample, Sampler};
pub use swapper::{Refused, Swapper, Tunables};
pub use thread::{Place, Process, State, Thread, ThreadId};
