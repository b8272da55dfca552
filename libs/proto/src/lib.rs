// SPDX-License-Identifier: BSD-2-Clause
//! The protocols between the servers, one module and one definition each.
//!
//! A definition (the `protocol!` macro) names each operation with its meaning, arguments, reply and errors. The argument structs that clients
//! send, the `Request` enum that servers match on and the manual page ([`ManualEntry`]) come from it. Values are encoded with postcard;
//! what fits the six words of a message travels in registers, what does not goes through the message buffer ([`codec`]).
//!
//! Who may call whom is in [`levels`], and a test checks it.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod codec;
pub mod ejection;
pub mod error;
#[macro_use]
mod definition;

pub mod block;
pub mod console;
pub mod daemon;
pub mod fs;
pub mod init;
pub mod levels;
pub mod pager;
pub mod pipe;
pub mod policy;
pub mod proc;
pub mod start;
pub mod vm;

pub use definition::{LABEL_ERROR, LABEL_OK, Malformed, ManualEntry, Operation};
pub use error::Error;
