// SPDX-License-Identifier: BSD-2-Clause
//! `sync`: what was written is durable.

use crate::context::{Context, End, Outcome, Tool};
use crate::options::{Arg, Options, unknown};
use crate::system::Access;
use alloc::vec::Vec;

/// The tool.
pub const TOOL: Tool = Tool {
    name: "sync",
    help: "\
usage: sync [-d] [FILE...]
Writes what memory holds of each FILE to its disk, of all files without FILE, and returns when it is there.
  -d   only contents (the names go along all the same)",
    trouble: 1,
    main,
};

fn main(context: &mut Context<'_>, args: &[&str]) -> Outcome {
    let mut operands = Vec::new();
    let mut options = Options::new(args);
    while let Some(arg) = options.argument()? {
        match arg {
            Arg::Short('d') | Arg::Long("data") => {}
            Arg::Positional(path) => operands.push(path),
            other => return Err(unknown(other)),
        }
    }
    if operands.is_empty() {
        return context.system.sync().map_err(|error| End::of("cannot write everything", error));
    }
    for path in operands {
        let result = context.system.open(path, Access::READ, 0).and_then(|mut file| {
            file.sync()?;
            file.close()
        });
        context.ok(path, result);
    }
    Ok(())
}
