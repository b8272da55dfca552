// SPDX-License-Identifier: BSD-2-Clause
//! A tool at work: its output, its messages, and the status it ends with.

use crate::output::{Output, write_all};
use crate::system::{Access, Error, File, System};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use core::fmt::Display;

/// Status of a program that wrote to a pipe which nobody reads (128 + `SIGPIPE`).
pub const BROKEN_PIPE: u8 = 141;

/// A tool.
pub struct Tool {
    /// Its name.
    pub name: &'static str,
    /// What `--help` prints.
    pub help: &'static str,
    /// Status for trouble: 1, or 2 where 1 means something else.
    pub trouble: u8,
    /// What it does with its arguments.
    pub main: fn(&mut Context<'_>, &[&str]) -> Outcome,
}

/// Why a tool ends before it is through.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum End {
    /// It was asked for help.
    Help,
    /// It was called wrongly: a line without its name.
    Usage(String),
    /// It cannot go on: a line without its name.
    Trouble(String),
    /// Standard output failed.
    Output(Error),
    /// Everything is said; only this status is left.
    Status(u8),
}

impl End {
    /// Something failed that makes going on senseless.
    pub fn of(what: &str, error: Error) -> End {
        if error == Error::BrokenPipe {
            End::Output(error)
        } else {
            End::Trouble(format!("{what}: {}", text(error)))
        }
    }
}

/// How a tool's work went.
pub type Outcome = Result<(), End>;

/// What a person is told of an error.
pub fn text(error: Error) -> &'static str {
    error.posix().1
}

/// A tool at work.
pub struct Context<'a> {
    tool: &'a Tool,
    /// The system below.
    pub system: &'a dyn System,
    /// Standard output.
    pub out: Output,
    status: u8,
}

impl<'a> Context<'a> {
    /// The name of the tool.
    pub fn name(&self) -> &'a str {
        self.tool.name
    }

    /// Its status for trouble.
    pub fn trouble(&self) -> u8 {
        self.tool.trouble
    }

    /// The tool ends with at least this status.
    pub fn raise(&mut self, status: u8) {
        self.status = self.status.max(status);
    }

    /// Whether something went wrong so far.
    pub fn failed(&self) -> bool {
        self.status != 0
    }

    /// A line on standard error, after the tool's name.
    pub fn warn(&mut self, message: impl Display) {
        // There is nobody else to tell that standard error does not work; the status says that something was wrong.
        let _ =
            write_all(self.system.stderr().as_mut(), format!("{}: {message}\n", self.tool.name).as_bytes());
    }

    /// A line on standard error, and the status for trouble in the end. The tool goes on.
    pub fn complain(&mut self, message: impl Display) {
        self.warn(message);
        self.raise(self.tool.trouble);
    }

    /// As [`Context::complain`] of a file.
    pub fn fail(&mut self, what: &str, error: Error) {
        self.complain(format_args!("{what}: {}", text(error)));
    }

    /// The value, or a complaint.
    pub fn ok<T>(&mut self, what: &str, result: Result<T, Error>) -> Option<T> {
        result.map_err(|error| self.fail(what, error)).ok()
    }

    /// Opens an operand for reading; `-` is standard input. Complains if it cannot.
    pub fn input(&mut self, path: &str) -> Option<Box<dyn File>> {
        if path == "-" {
            return Some(self.system.stdin());
        }
        let file = self.system.open(path, Access::READ, 0);
        self.ok(path, file)
    }
}

/// Runs a tool to its end; returns its status.
pub fn run(tool: &Tool, system: &dyn System, args: &[&str]) -> u8 {
    let mut context = Context { tool, system, out: Output::new(system.stdout()), status: 0 };
    let mut end = (tool.main)(&mut context, args);
    if end == Err(End::Help) {
        end = context.out.write(tool.help.as_bytes()).and_then(|()| context.out.write(b"\n"));
    }
    // What was written before a failure is still output; which of two failures is told makes no difference, except that the output's own
    // must not be lost.
    if !matches!(end, Err(End::Output(_))) {
        match context.out.close() {
            Ok(()) => {}
            Err(closing) => end = Err(closing),
        }
    }
    match end {
        Ok(()) => {}
        Err(End::Help) => {}
        Err(End::Usage(line)) => {
            context.warn(&line);
            context.warn(format_args!("try {} --help", tool.name));
            // A tool whose status 1 has a meaning has another for this: its status for trouble.
            context.raise(tool.trouble);
        }
        Err(End::Trouble(line)) => context.complain(line),
        Err(End::Output(Error::BrokenPipe)) => return BROKEN_PIPE,
        Err(End::Output(error)) => context.fail("write error", error),
        Err(End::Status(status)) => return status,
    }
    context.status
}
