// SPDX-License-Identifier: BSD-2-Clause
//! Processes as a state machine: parents, groups, signals, limits, and who waits. The server around it is `servers/proc`.
//!
//! All that there is to know of a process is in a [`Table`] of records of fixed size, in memory that outlives the server ([`Words`]). There is no log and no checksum: whatever has to change
//! at once is in one word, and what is written before that word does not count without it. So the table is right after every single store, and a new instance that finds it in the middle of something
//! either sees the whole of it or can tell what to undo ([`Table::repair`]).
//!
//! | file | what |
//! |---|---|
//! | `words` | the memory |
//! | `record` | where what is in a record |
//! | `table` | the records: made, found, forgotten |
//! | `life` | from the start of a process to its end |
//! | `repair` | what another instance left |
//! | `family` | parents, groups, what a parent is told |
//! | `signals` | what a signal does |
//! | `limits` | what is bounded, and with what everything begins |
//! | `waits` | calls that wait for a child |
//!
#![doc = include_str!("rows.md")]
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod family;
mod life;
pub mod limits;
mod record;
mod repair;
pub mod signals;
mod table;
mod waits;
mod words;

pub use life::New;
pub use record::{Kind, MAX_NAME, MAX_REASON};
pub use repair::Left;
pub use table::{BYTES, Header, MAX_PROCESSES, Slot, Table};
pub use waits::{Waiter, Waits};
pub use words::Words;
