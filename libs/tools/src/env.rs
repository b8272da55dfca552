// SPDX-License-Identifier: BSD-2-Clause
//! `env`: the environment, or a program with another one.

use crate::context::{Context, End, Outcome, Tool, text};
use crate::options::{Arg, Options, unknown};
use crate::system::{Command, Error};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// The tool.
pub const TOOL: Tool = Tool {
    name: "env",
    help: "\
usage: env [-i] [-u NAME]... [-0] [-C DIRECTORY] [NAME=VALUE]... [COMMAND [ARGUMENT...]]
Runs COMMAND with NAMEs set in its environment, or writes the environment.
  -i, -         begins with an empty one
  -u NAME       without NAME
  -0            lines end with a zero byte
  -C DIRECTORY  runs COMMAND in DIRECTORY
Status: that of COMMAND; 125 trouble, 126 COMMAND cannot be run, 127 there is none.",
    trouble: 125,
    main,
};

fn main(context: &mut Context<'_>, args: &[&str]) -> Outcome {
    let (mut empty, mut delimiter, mut directory) = (false, "\n", None);
    let mut without = Vec::new();
    let mut options = Options::new(args);
    while let Some(arg) = options.option()? {
        match arg {
            Arg::Short('i') | Arg::Long("ignore-environment") => empty = true,
            Arg::Short('u') | Arg::Long("unset") => without.push(options.value()?),
            Arg::Short('0') | Arg::Long("null") => delimiter = "\0",
            Arg::Short('C') | Arg::Long("chdir") => directory = Some(options.value()?.to_string()),
            other => return Err(unknown(other)),
        }
    }
    let rest = options.rest();
    let mut words = rest.as_slice();
    if let [dash, after @ ..] = words
        && *dash == "-"
    {
        empty = true;
        words = after;
    }
    let mut env = if empty { Vec::new() } else { context.system.env() };
    env.retain(|(name, _)| !without.contains(&name.as_str()));
    while let [first, after @ ..] = words
        && let Some((name, value)) = first.split_once('=')
    {
        set(&mut env, name, value);
        words = after;
    }
    let Some((program, args)) = words.split_first() else {
        if directory.is_some() {
            return Err(End::Usage("must specify command with --chdir (-C)".into()));
        }
        for (name, value) in env {
            write!(context.out, "{name}={value}{delimiter}")?;
        }
        return Ok(());
    };
    let args = args.iter().map(ToString::to_string).collect();
    run(context, &Command { program: program.to_string(), args, env, directory, nicer: 0 })
}

fn set(env: &mut Vec<(String, String)>, name: &str, value: &str) {
    match env.iter_mut().find(|(n, _)| n == name) {
        Some((_, old)) => *old = value.to_string(),
        None => env.push((name.to_string(), value.to_string())),
    }
}

/// Runs a command and ends with its status.
pub(crate) fn run(context: &mut Context<'_>, command: &Command) -> Outcome {
    context.out.flush()?;
    let status = match context.system.run(command) {
        Ok(status) => status,
        Err(error) => {
            context.warn(format_args!("{}: {}", command.program, text(error)));
            if matches!(error, Error::NotFound | Error::NotDirectory) { 127 } else { 126 }
        }
    };
    if status == 0 { Ok(()) } else { Err(End::Status(status)) }
}
