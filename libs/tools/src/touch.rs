// SPDX-License-Identifier: BSD-2-Clause
//! `touch`: makes files, and sets the time of their last change.

use crate::context::{Context, End, Outcome, Tool};
use crate::date::Date;
use crate::options::{Arg, Options, unknown};
use crate::system::{Access, Error, Follow};
use alloc::format;
use alloc::vec::Vec;

/// The tool.
pub const TOOL: Tool = Tool {
    name: "touch",
    help: "\
usage: touch [-cam] [-d DATE | -r FILE] FILE...
Sets the time of each FILE's last change to now, and makes those that do not exist.
  -c       makes none
  -d DATE  2026-11-21, 2026-11-21T05:39:21 (UTC), or @SECONDS since 1970
  -r FILE  as that of FILE
  -a, -m   (there is only the time of the last change)",
    trouble: 1,
    main,
};

fn main(context: &mut Context<'_>, args: &[&str]) -> Outcome {
    let (mut create, mut time) = (true, None);
    let mut operands = Vec::new();
    let mut options = Options::new(args);
    while let Some(arg) = options.argument()? {
        match arg {
            Arg::Short('c') | Arg::Long("no-create") => create = false,
            Arg::Short('a' | 'm') => {}
            Arg::Short('d') | Arg::Long("date") => {
                let text = options.value()?;
                let us = Date::parse(text).ok_or_else(|| End::Trouble(format!("invalid date '{text}'")))?;
                time = Some(us);
            }
            Arg::Short('r') | Arg::Long("reference") => {
                let path = options.value()?;
                let stat = context.system.status(path, Follow::Yes).map_err(|error| End::of(path, error))?;
                time = Some(stat.modified_us);
            }
            Arg::Positional(path) => operands.push(path),
            other => return Err(unknown(other)),
        }
    }
    if operands.is_empty() {
        return Err(End::Usage("missing file operand".into()));
    }
    for path in operands {
        let us = time.unwrap_or_else(|| context.system.now_us());
        let mut result = context.system.set_modified(path, us);
        if result == Err(Error::NotFound) {
            if !create {
                continue;
            }
            result = context.system.open(path, Access::WRITE | Access::CREATE, 0o666).and_then(|f| f.close());
            if time.is_some() {
                result = result.and_then(|()| context.system.set_modified(path, us));
            }
        }
        context.ok(path, result);
    }
    Ok(())
}
