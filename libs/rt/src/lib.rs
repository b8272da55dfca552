// SPDX-License-Identifier: BSD-2-Clause
//! The user-space runtime: start-up, heap, calls, shared memory, and what a program of one's own expects of a system.
//!
//! A program says `ebb_rt::entry!(main)` with `fn main(info: &'static StartInfo)` (a server that must never return) or
//! `ebb_rt::program!(main)` with `fn main(info: &'static StartInfo) -> u8` (its exit status).
//!
//! | for programs | what |
//! |---|---|
//! | [`fs`], [`path`] | files, directories, files in memory |
//! | [`io`], [`print!`], [`eprint!`] | streams: standard ones, pipes, buffers |
//! | [`env`](mod@env), [`process`] | arguments, variables, working directory; other programs |
//! | [`thread`], [`time`] | threads, locks, sleep; clocks and dates |
//! | [`memory`], [`heap`] | memory of one's own and what can be asked of it; the heap, which grows |
//!
//! | for servers too | what |
//! |---|---|
//! | [`start`], [`boot`], [`exec`] | from the first instruction to `main`; what only `init` and the loader do |
//! | [`client`], [`server`] | calls |
//! | [`shared`], [`clock`], [`log`](mod@log) | segments and device registers; cycles; the kernel's log |
//!
//! Errors are those of the protocols ([`fs::Error`]); `error.posix()` has the symbol and the words that POSIX has for
//! them. What goes wrong for good (a panic, a bad access, memory that cannot be had) ends the program, all its threads,
//! and nothing else.
//!
//! # Example
//!
//! Counts the lines of files, each in a thread of its own.
//!
//! ```no_run
//! use ebb_rt::io::BufReader;
//! use ebb_rt::{StartInfo, eprintln, fs, println, thread};
//!
//! fn lines(path: &str) -> Result<usize, fs::Error> {
//!     let mut file = BufReader::new(fs::File::open(path)?);
//!     let (mut line, mut count) = (Vec::new(), 0);
//!     while file.read_until(b'\n', &mut line)? > 0 {
//!         line.clear();
//!         count += 1;
//!     }
//!     Ok(count)
//! }
//!
//! fn count(info: &'static StartInfo) -> u8 {
//!     let mut failed = 0;
//!     for paths in info.args.chunks(8) {
//!         let threads: Vec<_> = paths.iter().map(|path| (path, thread::spawn(|| lines(path)))).collect();
//!         for (path, thread) in threads {
//!             match thread.and_then(|t| t.join()).and_then(|lines| lines) {
//!                 Ok(lines) => println!("{lines} {path}"),
//!                 Err(error) => {
//!                     eprintln!("{}: {path}: {}", info.name, error.posix().1);
//!                     failed = 1;
//!                 }
//!             }
//!         }
//!     }
//!     failed
//! }
//!
//! ebb_rt::program!(count);
//! # fn main() {}
//! ```
//!
//! This crate and `ebb-sys` hold all `unsafe` code of user space. What it offers is safe: memory that others share is only
//! ever reached as atomic cells, device registers as volatile ones, each in its own range of the address space. The one
//! exception says so ([`fs::Map::bytes`]).
#![no_std]

extern crate alloc;

pub mod boot;
pub mod client;
pub mod clock;
pub mod console;
pub mod env;
pub mod exec;
mod fork;
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
