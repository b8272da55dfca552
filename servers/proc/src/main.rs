// SPDX-License-Identifier: BSD-2-Clause
//! The server of processes: [`ebb_proc`] as a process. It starts programs by way of `vm`, ends them, and tells their parents.
//!
//! What it knows is in a segment that outlives it; what it makes is known to `vm` as made by it. So when it dies the next one goes on: programs that run are not touched, what was half made is undone, what was
//! half ended is finished. It calls `vm` and `pipe` only. `init` starts it and is never called: that the first shell has ended stands in the segment, and a notification says so.
//!
//! | file | what |
//! |---|---|
//! | `server` | the state, the loop, the calls |
//! | `adopt` | the start, and what another instance left |
//! | `launch`, `arguments` | what is to be run |
//! | `spawn` | a program through `vm` |
//! | `children` | waiting, asking, being told |
//! | `sharing` | processes in one space |
//! | `signal` | signals, limits, niceness |
//! | `swapping` | who is swapped out whole, and when |
//! | `peers` | whom it calls |
//! | `end` | the end of a process, exceptions |
#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

mod adopt;
mod arguments;
mod children;
mod end;
mod launch;
mod peers;
mod server;
mod sharing;
mod signal;
mod spawn;
mod swapping;

ebb_rt::entry!(server::main);
