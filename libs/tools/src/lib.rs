// SPDX-License-Identifier: BSD-2-Clause
//! The tools on files and pipes: `cat`, `sort`, `grep`, … as a POSIX user expects them.
//!
//! Each module is a tool: a [`Tool`] with a name, a help text and a function over a [`System`](system::System), so that what runs on the machine is
//! compared on the host with the tools that everybody has. What they share: [`context`] (messages, the status), [`options`], [`output`] (no error is
//! lost), [`lines`], [`number`].
//!
//! Rules of all: `-` is standard input; one operand that fails does not stop the others; a message is `NAME: FILE: what is wrong` on standard error;
//! status 1 is trouble, or 2 where 1 means something; a pipe that nobody reads ends a tool without a word, with status 141. Text is bytes, as with
//! `LC_ALL=C`.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod ask;
mod date;
mod mode;
mod path;

pub mod context;
pub mod lines;
pub mod number;
pub mod options;
pub mod output;
pub mod system;

pub mod cat;
pub mod chmod;
pub mod cmp;
pub mod cp;
pub mod dd;
pub mod df;
pub mod env;
pub mod grep;
pub mod head;
pub mod ln;
pub mod ls;
pub mod mkdir;
pub mod mount;
pub mod mv;
pub mod nice;
pub mod od;
pub mod rm;
pub mod rmdir;
pub mod seq;
pub mod sha256sum;
pub mod sleep;
pub mod sort;
pub mod stat;
pub mod sync;
pub mod tail;
pub mod tee;
pub mod time;
pub mod touch;
pub mod truncate;
pub mod uniq;
pub mod wc;

pub use context::{Tool, run};

/// All tools, by their names.
pub const TOOLS: &[&Tool] = &[
    &cat::TOOL,
    &chmod::TOOL,
    &cmp::TOOL,
    &cp::TOOL,
    &dd::TOOL,
    &df::TOOL,
    &env::TOOL,
    &grep::TOOL,
    &head::TOOL,
    &ln::TOOL,
    &ls::TOOL,
    &mkdir::TOOL,
    &mount::TOOL,
    &mv::TOOL,
    &nice::TOOL,
    &od::TOOL,
    &rm::TOOL,
    &rmdir::TOOL,
    &seq::TOOL,
    &sha256sum::TOOL,
    &sleep::TOOL,
    &sort::TOOL,
    &stat::TOOL,
    &sync::TOOL,
    &tail::TOOL,
    &tee::TOOL,
    &time::TOOL,
    &touch::TOOL,
    &truncate::TOOL,
    &uniq::TOOL,
    &wc::TOOL,
];
