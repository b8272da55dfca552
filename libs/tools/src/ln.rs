// SPDX-License-Identifier: BSD-2-Clause
//! `ln`: further names for files, and symbolic links.

use crate::ask::ask;
use crate::context::{Context, End, Outcome, Tool};
use crate::options::{Arg, Options, unknown};
use crate::path::{Target, base, pairs};
use crate::system::{Error, Follow, Kind};
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

/// The tool.
pub const TOOL: Tool = Tool {
    name: "ln",
    help: "\
usage: ln [-sfinvT] TARGET [NAME]
       ln [-sfinv] TARGET... DIRECTORY   (or -t DIRECTORY TARGET...)
Gives the file TARGET another NAME (its own, in this directory, if none is said).
  -s  a symbolic link: TARGET is only text that is looked up when it is used
  -f  replaces what NAME was before          -i  asks before
  -n  NAME is not followed if it is a symbolic link to a directory
  -T  NAME is not a directory to put names into     -v  says what it does",
    trouble: 1,
    main,
};

fn main(context: &mut Context<'_>, args: &[&str]) -> Outcome {
    let (mut symbolic, mut force, mut interactive, mut verbose, mut no_follow) =
        (false, false, false, false, false);
    let mut target = Target::default();
    let mut operands = Vec::new();
    let mut options = Options::new(args);
    while let Some(arg) = options.argument()? {
        match arg {
            Arg::Short('s') | Arg::Long("symbolic") => symbolic = true,
            Arg::Short('f') | Arg::Long("force") => force = true,
            Arg::Short('i') | Arg::Long("interactive") => interactive = true,
            Arg::Short('n') | Arg::Long("no-dereference") => no_follow = true,
            Arg::Short('v') | Arg::Long("verbose") => verbose = true,
            // Links to links are made or not as the system does it.
            Arg::Short('L' | 'P') => {}
            Arg::Short('T') | Arg::Long("no-target-directory") => target.exact = true,
            Arg::Short('t') | Arg::Long("target-directory") => target.directory = Some(options.value()?),
            Arg::Positional(path) => operands.push(path),
            other => return Err(unknown(other)),
        }
    }
    let pairs = match operands.as_slice() {
        [] => return Err(End::Usage("missing file operand".into())),
        [only] if target.directory.is_none() && !target.exact => Vec::from([(*only, base(only).to_string())]),
        [_, name]
            if no_follow && context.system.status(name, Follow::No).is_ok_and(|s| s.kind == Kind::Link) =>
        {
            target.exact = true;
            self::pairs(context, operands, target)?
        }
        _ => self::pairs(context, operands, target)?,
    };
    for (from, to) in pairs {
        let make =
            || if symbolic { context.system.make_link(from, &to) } else { context.system.link(from, &to) };
        let mut made = make();
        if made == Err(Error::Exists) && (force || interactive && ask(context, &format!("replace '{to}'"))) {
            let same = |name| context.system.status(name, Follow::No).map(|s| s.inode);
            if !symbolic && same(from) == same(&to) {
                // Another name of the same file is what was wanted; the name itself cannot be replaced by itself.
                if from == to {
                    context.complain(format_args!("'{from}' and '{to}' are the same file"));
                }
                continue;
            }
            made = context.system.remove(&to).and_then(|()| make());
        }
        match made {
            Ok(()) if verbose => {
                writeln!(context.out, "'{to}' {} '{from}'", if symbolic { "->" } else { "=>" })?
            }
            Ok(()) => {}
            Err(error) => context.fail(&to, error),
        }
    }
    Ok(())
}
