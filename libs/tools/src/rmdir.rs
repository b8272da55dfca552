// SPDX-License-Identifier: BSD-2-Clause
//! `rmdir`: removes empty directories.

use crate::context::{Context, End, Outcome, Tool};
use crate::options::{Arg, Options, unknown};
use crate::path::parent;
use crate::system::Error;
use alloc::vec::Vec;

/// The tool.
pub const TOOL: Tool = Tool {
    name: "rmdir",
    help: "\
usage: rmdir [-pv] [--ignore-fail-on-non-empty] DIRECTORY...
Removes each DIRECTORY, which must be empty.
  -p  then those that it is in, as far as they are written: rmdir -p a/b removes a/b and a
  -v  says what it does",
    trouble: 1,
    main,
};

fn main(context: &mut Context<'_>, args: &[&str]) -> Outcome {
    let (mut parents, mut verbose, mut ignore) = (false, false, false);
    let mut operands = Vec::new();
    let mut options = Options::new(args);
    while let Some(arg) = options.argument()? {
        match arg {
            Arg::Short('p') | Arg::Long("parents") => parents = true,
            Arg::Short('v') | Arg::Long("verbose") => verbose = true,
            Arg::Long("ignore-fail-on-non-empty") => ignore = true,
            Arg::Positional(path) => operands.push(path),
            other => return Err(unknown(other)),
        }
    }
    if operands.is_empty() {
        return Err(End::Usage("missing operand".into()));
    }
    for operand in operands {
        let mut next = Some(operand);
        while let Some(path) = next.filter(|p| *p != "/") {
            if verbose {
                writeln!(context.out, "rmdir: removing directory, '{path}'")?;
            }
            match context.system.remove_directory(path) {
                Ok(()) => {}
                Err(Error::NotEmpty) if ignore => break,
                Err(error) => {
                    context.fail(path, error);
                    break;
                }
            }
            next = if parents { parent(path) } else { None };
        }
    }
    Ok(())
}
