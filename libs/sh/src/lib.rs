// SPDX-License-Identifier: BSD-2-Clause
//! The language of the shell: POSIX's, as far as scripts for this machine need it.
//!
//! [`parse()`] makes commands of text; [`Interpreter`] carries them out through a [`World`], which is the machine's shell or, in tests, a host. What is left out says so
//! when it is met: here-documents, backquotes, functions, `trap`.
//!
//! Parts of a pipeline, commands in `( )` and in the background, and substitutions run in processes of their own: a program as it is, anything else as
//! `shell -c TEXT`, with all variables in its environment. So what they do to variables is seen by nobody else, as POSIX has it.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod arithmetic;
pub mod ast;
pub mod builtins;
mod expand;
pub mod parse;
pub mod pattern;
mod run;
mod variables;
mod word;
mod world;

pub use parse::{SyntaxError, is_incomplete, parse};
pub use run::Interpreter;
pub use variables::Variables;
pub use world::{Access, Streams, World};
