// SPDX-License-Identifier: BSD-2-Clause
//! `time`: how long a program takes.

use crate::context::{Context, End, Outcome, Tool};
use crate::env;
use crate::options::{Arg, Options, unknown};
use crate::output::write_all;
use crate::system::Command;
use alloc::format;
use alloc::string::ToString;

/// The tool.
pub const TOOL: Tool = Tool {
    name: "time",
    help: "\
usage: time [-p] COMMAND [ARGUMENT...]
Runs COMMAND and writes on standard error how many seconds passed until its end. How long processors worked for it is not kept.
  -p  (the form is always that of POSIX)
Status: that of COMMAND; 126 it cannot be run, 127 there is none.",
    trouble: 125,
    main,
};

fn main(context: &mut Context<'_>, args: &[&str]) -> Outcome {
    let mut options = Options::new(args);
    while let Some(arg) = options.option()? {
        match arg {
            Arg::Short('p') | Arg::Long("portability") => {}
            other => return Err(unknown(other)),
        }
    }
    let words = options.rest();
    let Some((program, args)) = words.split_first() else {
        return Err(End::Usage("missing command".into()));
    };
    let command = Command {
        program: program.to_string(),
        args: args.iter().map(ToString::to_string).collect(),
        env: context.system.env(),
        directory: None,
        nicer: 0,
    };
    let start = context.system.clock_us();
    let outcome = env::run(context, &command);
    let centiseconds = context.system.clock_us().saturating_sub(start) / 10_000;
    let line = format!("real {}.{:02}\n", centiseconds / 100, centiseconds % 100);
    let written = write_all(context.system.stderr().as_mut(), line.as_bytes());
    outcome?;
    written.map_err(End::Output)
}
