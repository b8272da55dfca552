// SPDX-License-Identifier: BSD-2-Clause
//! The tools on files and pipes: `cat`, `sort`, `grep`, … as a POSIX user expects them.
//!
//! Each module is a tool: a [`Tool`](context::Tool) with a name, a help text and a function over a [`System`](system::System), so that what runs on the machine is
//! compared on the host with the tools that everybody has. What they share: [`context`] (messages, the status), [`options`], [`output`] (no error is
//! lost), [`lines`], [`number`].
//!
//! Rules of all: `-` is standard input; one operand that fails does not stop the others; a message is `NAME: FILE: what is wrong` on standard error;
//! status 1 is trouble, or 2 where 1 means something; a pipe that nobody reads ends a tool without a word, with status 141. Text is bytes, as with
//! `LC_ALL=C`.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod context;
pub mod lines;
pub mod number;
pub mod options;
pub mod output;
pub mod system;

pub mod cat;
pub mod cmp;
pub mod head;
pub mod seq;
pub mod sha256sum;
pub mod sleep;
pub mod sort;
pub mod sync;
pub mod tail;
pub mod tee;
pub mod uniq;
pub mod wc;

pub use context::{Tool, run};

/// All tools, by their names.
pub const TOOLS: &[&Tool] = &[
    &cat::TOOL,
    &cmp::TOOL,
    &head::TOOL,
    &seq::TOOL,
    &sha256sum::TOOL,
    &sleep::TOOL,
    &sort::TOOL,
    &sync::TOOL,
    &tail::TOOL,
    &tee::TOOL,
    &uniq::TOOL,
    &wc::TOOL,
];
