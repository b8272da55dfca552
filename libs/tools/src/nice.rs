// SPDX-License-Identifier: BSD-2-Clause
//! `nice`: a program that lets others go before.

use crate::context::{Context, End, Outcome, Tool};
use crate::env;
use crate::options::{Arg, Options, unknown};
use crate::system::Command;
use alloc::format;
use alloc::string::ToString;

/// The tool.
pub const TOOL: Tool = Tool {
    name: "nice",
    help: "\
usage: nice [-n NICER] [COMMAND [ARGUMENT...]]
Runs COMMAND so much nicer to others, from -20 (first) to 19 (last), or writes how nice programs are that are started here.
  -n NICER  by so much (10); what is beyond the ends becomes them
Status: that of COMMAND; 125 trouble, 126 COMMAND cannot be run, 127 there is none.",
    trouble: 125,
    main,
};

/// How much nicer if nothing is said.
const NICER: i32 = 10;
/// From one end to the other, and further.
const FARTHEST: i32 = 39;

fn main(context: &mut Context<'_>, args: &[&str]) -> Outcome {
    let mut nicer = None;
    let mut options = Options::new(args);
    while let Some(arg) = options.option()? {
        match arg {
            Arg::Short('n') | Arg::Long("adjustment") => nicer = Some(adjustment(options.value()?)?),
            other => return Err(unknown(other)),
        }
    }
    let words = options.rest();
    let Some((program, args)) = words.split_first() else {
        if nicer.is_some() {
            return Err(End::Usage("a command must be given with an adjustment".into()));
        }
        let now = context.system.niceness().map_err(|e| End::of("nice", e))?;
        writeln!(context.out, "{now}")?;
        return Ok(());
    };
    let command = Command {
        program: program.to_string(),
        args: args.iter().map(ToString::to_string).collect(),
        env: context.system.env(),
        directory: None,
        nicer: nicer.unwrap_or(NICER),
    };
    env::run(context, &command)
}

/// A whole number with or without a sign, as far as it makes a difference.
fn adjustment(text: &str) -> Result<i32, End> {
    let (sign, digits) = match text.as_bytes().first() {
        Some(b'-') => (-1, &text[1..]),
        Some(b'+') => (1, &text[1..]),
        _ => (1, text),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(End::Usage(format!("invalid adjustment '{text}'")));
    }
    // What does not fit is beyond the end.
    Ok(sign * digits.parse().unwrap_or(FARTHEST).min(FARTHEST))
}
