// SPDX-License-Identifier: BSD-2-Clause
//! `mkdir`: makes directories.

use crate::context::{Context, End, Outcome, Tool};
use crate::mode;
use crate::options::{Arg, Options, unknown};
use crate::path::parent;
use crate::system::{Error, Follow, Kind};
use alloc::format;
use alloc::vec::Vec;

/// The tool.
pub const TOOL: Tool = Tool {
    name: "mkdir",
    help: "\
usage: mkdir [-pv] [-m MODE] DIRECTORY...
Makes each DIRECTORY.
  -p       also those on the way; that it exists is no error
  -m MODE  permissions, as for chmod
  -v       says what it does",
    trouble: 1,
    main,
};

struct How {
    parents: bool,
    verbose: bool,
    mode: u16,
}

fn main(context: &mut Context<'_>, args: &[&str]) -> Outcome {
    let mut how = How { parents: false, verbose: false, mode: 0o755 };
    let mut exact = false;
    let mut operands = Vec::new();
    let mut options = Options::new(args);
    while let Some(arg) = options.argument()? {
        match arg {
            Arg::Short('p') | Arg::Long("parents") => how.parents = true,
            Arg::Short('v') | Arg::Long("verbose") => how.verbose = true,
            Arg::Short('m') | Arg::Long("mode") => {
                let text = options.value()?;
                how.mode = mode::changed(text, 0o777, Kind::Directory)
                    .ok_or_else(|| End::Trouble(format!("invalid mode '{text}'")))?;
                exact = true;
            }
            Arg::Positional(path) => operands.push(path),
            other => return Err(unknown(other)),
        }
    }
    if operands.is_empty() {
        return Err(End::Usage("missing operand".into()));
    }
    for path in operands {
        if make(context, path, &how)? && exact {
            // What making it has left out of the mode.
            let set = context.system.set_mode(path, how.mode);
            context.ok(path, set);
        }
    }
    Ok(())
}

/// Whether it was made.
fn make(context: &mut Context<'_>, path: &str, how: &How) -> Result<bool, End> {
    if how.parents && !ancestors(context, path, how)? {
        return Ok(false);
    }
    match context.system.make_directory(path, how.mode) {
        Ok(()) => {
            if how.verbose {
                writeln!(context.out, "mkdir: created directory '{path}'")?;
            }
            Ok(true)
        }
        Err(Error::Exists) if how.parents && is_directory(context, path) => Ok(false),
        Err(error) => {
            context.fail(path, error);
            Ok(false)
        }
    }
}

/// Makes what is missing on the way; whether all is there now.
fn ancestors(context: &mut Context<'_>, path: &str, how: &How) -> Result<bool, End> {
    let mut missing = Vec::new();
    let mut at = path;
    while let Some(above) = parent(at) {
        if above == at || is_directory(context, above) {
            break;
        }
        missing.push(above);
        at = above;
    }
    for directory in missing.into_iter().rev() {
        match context.system.make_directory(directory, 0o755) {
            Ok(()) if how.verbose => writeln!(context.out, "mkdir: created directory '{directory}'")?,
            Ok(()) => {}
            Err(Error::Exists) if is_directory(context, directory) => {}
            Err(error) => {
                context.fail(directory, error);
                return Ok(false);
            }
        }
    }
    Ok(true)
}

fn is_directory(context: &Context<'_>, path: &str) -> bool {
    context.system.status(path, Follow::Yes).is_ok_and(|s| s.kind == Kind::Directory)
}
