// SPDX-License-Identifier: BSD-2-Clause
//! Why a command or a program ends before its time.

use crate::{Problem, USAGE};
use alloc::string::String;
use core::fmt::{self, Display, Formatter};

/// A failed command. `Display` is the line for a person, without the command's name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Failure {
    /// It was called wrongly: status 2.
    Usage(String),
    /// Something that it needs failed, or what it checked was wrong: status 1.
    Trouble(String),
    /// It has said all there is to say: only this status is left.
    Status(u8),
    /// It was asked for help: this text, status 0.
    Help(&'static str),
}

impl Failure {
    /// Something that the command asked failed.
    pub fn of(what: &str, error: impl Display) -> Failure {
        Failure::Trouble(alloc::format!("{what}: {error}"))
    }

    /// The exit status.
    pub fn status(&self) -> u8 {
        match self {
            Failure::Usage(_) => USAGE,
            Failure::Trouble(_) => 1,
            Failure::Status(status) => *status,
            Failure::Help(_) => 0,
        }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Failure {
        Failure::Usage(problem.0)
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(text) | Failure::Trouble(text) => f.write_str(text),
            Failure::Status(status) => write!(f, "status {status}"),
            Failure::Help(text) => f.write_str(text),
        }
    }
}
