// SPDX-License-Identifier: BSD-2-Clause
//! Command-line arguments of the machine's programs, and the units they are given in.
//!
//! A program names its options once ([`Spec`]) and asks for their values; whatever is wrong comes back as one line
//! for a person, and the program ends with status 2 ([`USAGE`]).
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod failure;
mod parse;
mod unit;

pub use failure::Failure;
pub use parse::{Args, Spec};
pub use unit::{Ratio, Size, milliseconds, number, ratio, size};

/// Status of a command that was called wrongly.
pub const USAGE: u8 = 2;

/// What is wrong with an argument: one line for a person, without the program's name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem(pub alloc::string::String);

impl core::fmt::Display for Problem {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.0)
    }
}
