// SPDX-License-Identifier: BSD-2-Clause
//! `mv`: renames files and directories, or moves them into a directory.

use crate::ask::ask;
use crate::context::{Context, Outcome, Tool};
use crate::options::{Arg, Options, unknown};
use crate::path::{Target, pairs, trim};
use crate::system::{Follow, Kind};
use alloc::format;
use alloc::vec::Vec;

/// The tool.
pub const TOOL: Tool = Tool {
    name: "mv",
    help: "\
usage: mv [-finuvT] SOURCE TARGET
       mv [-finuv] SOURCE... DIRECTORY   (or -t DIRECTORY SOURCE...)
Renames SOURCE to TARGET, or moves each SOURCE into DIRECTORY. What TARGET named before is replaced in one step.
  -f  asks nothing    -i  asks before it replaces    -n  replaces nothing    -u  only what is newer or missing
  -T  TARGET is not a directory to move into         -v  says what it does",
    trouble: 1,
    main,
};

fn main(context: &mut Context<'_>, args: &[&str]) -> Outcome {
    let (mut interactive, mut no_clobber, mut update, mut verbose) = (false, false, false, false);
    let mut target = Target::default();
    let mut operands = Vec::new();
    let mut options = Options::new(args);
    while let Some(arg) = options.argument()? {
        match arg {
            Arg::Short('f') | Arg::Long("force") => (interactive, no_clobber) = (false, false),
            Arg::Short('i') | Arg::Long("interactive") => (interactive, no_clobber) = (true, false),
            Arg::Short('n') | Arg::Long("no-clobber") => (interactive, no_clobber) = (false, true),
            Arg::Short('u') | Arg::Long("update") => update = true,
            Arg::Short('v') | Arg::Long("verbose") => verbose = true,
            Arg::Short('T') | Arg::Long("no-target-directory") => target.exact = true,
            Arg::Short('t') | Arg::Long("target-directory") => target.directory = Some(options.value()?),
            Arg::Positional(path) => operands.push(path),
            other => return Err(unknown(other)),
        }
    }
    for (from, to) in pairs(context, operands, target)? {
        let source = context.system.status(trim(from), Follow::No);
        let Some(source) = context.ok(from, source) else { continue };
        if let Ok(old) = context.system.status(&to, Follow::No) {
            // Two names of one file are left alone: that they are two cannot be seen from here.
            if old.inode == source.inode {
                context.complain(format_args!("'{from}' and '{to}' are the same file"));
                continue;
            }
            if old.kind == Kind::Directory && source.kind != Kind::Directory {
                context.complain(format_args!("{to}: cannot overwrite a directory with something else"));
                continue;
            }
            let newer = old.modified_us >= source.modified_us;
            if no_clobber || update && newer || interactive && !ask(context, &format!("overwrite '{to}'")) {
                continue;
            }
        }
        match context.system.rename(trim(from), trim(&to)) {
            Ok(()) if verbose => writeln!(context.out, "renamed '{from}' -> '{to}'")?,
            Ok(()) => {}
            Err(error) => context.fail(&format!("{from} to {to}"), error),
        }
    }
    Ok(())
}
