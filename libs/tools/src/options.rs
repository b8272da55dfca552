// SPDX-License-Identifier: BSD-2-Clause
//! Options as POSIX has them, and the long ones: a thin layer over `getargs` that speaks the tools' language.

use crate::context::End;
use alloc::format;
use alloc::vec::Vec;
use core::iter::Copied;
use core::slice::Iter;

/// An argument: an option's letter, a long option's name, or an operand.
pub type Arg<'a> = getargs::Arg<&'a str>;

/// The arguments of a tool, one after the other.
pub struct Options<'a> {
    inner: getargs::Options<&'a str, Copied<Iter<'a, &'a str>>>,
}

impl<'a> Options<'a> {
    /// Over these arguments.
    pub fn new(args: &'a [&'a str]) -> Options<'a> {
        Options { inner: getargs::Options::new(args.iter().copied()) }
    }

    /// The next option or operand; options may stand after operands. `--help` ends the tool.
    pub fn argument(&mut self) -> Result<Option<Arg<'a>>, End> {
        match self.inner.next_arg().map_err(problem)? {
            Some(Arg::Long("help")) => Err(End::Help),
            arg => Ok(arg),
        }
    }

    /// The next option; the first operand ends them: for commands that have arguments of their own.
    pub fn option(&mut self) -> Result<Option<Arg<'a>>, End> {
        match self.inner.next_opt().map_err(problem)? {
            Some(getargs::Opt::Long("help")) => Err(End::Help),
            option => Ok(option.map(Arg::from)),
        }
    }

    /// What follows the options.
    pub fn rest(mut self) -> Vec<&'a str> {
        self.inner.positionals().collect()
    }

    /// The value of the option that came last.
    pub fn value(&mut self) -> Result<&'a str, End> {
        self.inner.value().map_err(problem)
    }

    /// The value of the option that came last if one is attached to it.
    pub fn attached(&mut self) -> Option<&'a str> {
        self.inner.value_opt()
    }
}

/// An option that the tool does not have.
pub fn unknown(arg: Arg<'_>) -> End {
    match arg {
        Arg::Short(letter) => End::Usage(format!("invalid option -- '{letter}'")),
        Arg::Long(name) => End::Usage(format!("unrecognized option '--{name}'")),
        Arg::Positional(operand) => End::Usage(format!("extra operand '{operand}'")),
    }
}

/// Operands where options change nothing: for tools that have none.
pub fn only_operands<'a>(args: &'a [&'a str]) -> Result<Vec<&'a str>, End> {
    let mut options = Options::new(args);
    let mut operands = Vec::new();
    while let Some(arg) = options.argument()? {
        match arg {
            Arg::Positional(operand) => operands.push(operand),
            other => return Err(unknown(other)),
        }
    }
    Ok(operands)
}

/// The operands, or standard input if there are none.
pub fn or_stdin(mut operands: Vec<&str>) -> Vec<&str> {
    if operands.is_empty() {
        operands.push("-");
    }
    operands
}

fn problem(error: getargs::Error<&str>) -> End {
    match error {
        getargs::Error::RequiresValue(option) => {
            End::Usage(format!("option '{option}' requires an argument"))
        }
        getargs::Error::DoesNotRequireValue(option) => {
            End::Usage(format!("option '{option}' doesn't allow an argument"))
        }
        other => End::Usage(format!("{other}")),
    }
}
