// SPDX-License-Identifier: BSD-2-Clause
//! `mount`: the mounted file systems.

use crate::context::{Context, End, Outcome, Tool};
use crate::options::{Arg, Options, unknown};

/// The tool.
pub const TOOL: Tool = Tool {
    name: "mount",
    help: "\
usage: mount [-t KIND]
Lists the mounted file systems. They are mounted when the machine starts: others cannot be added.
  -t KIND  only those of this kind",
    trouble: 1,
    main,
};

fn main(context: &mut Context<'_>, args: &[&str]) -> Outcome {
    let mut kind = None;
    let mut options = Options::new(args);
    while let Some(arg) = options.argument()? {
        match arg {
            Arg::Short('t') | Arg::Long("types") => kind = Some(options.value()?),
            Arg::Short('l') => {}
            Arg::Positional(_) => {
                return Err(End::Trouble(
                    "file systems are mounted when the machine starts: none can be added".into(),
                ));
            }
            other => return Err(unknown(other)),
        }
    }
    let mounts =
        context.system.mounts().map_err(|error| End::of("cannot list the mounted file systems", error))?;
    for mount in mounts.iter().filter(|m| kind.is_none_or(|k| k == m.kind)) {
        let access = if mount.read_only { "ro" } else { "rw" };
        writeln!(context.out, "{} on {} type {} ({access})", mount.disk, mount.path, mount.kind)?;
    }
    Ok(())
}
