// SPDX-License-Identifier: BSD-2-Clause
//! `rm`: removes names.

use crate::ask::ask;
use crate::context::{Context, End, Outcome, Tool};
use crate::options::{Arg, Options, unknown};
use crate::path::{base, join, trim};
use crate::system::{Error, Follow, Kind};
use alloc::format;
use alloc::vec::Vec;

/// The tool.
pub const TOOL: Tool = Tool {
    name: "rm",
    help: "\
usage: rm [-rfidv] FILE...
Removes each FILE. A file that is in use lives on until nobody uses it.
  -r, -R  directories with all that is in them    -d  directories that are empty
  -f      what does not exist is no error         -i  asks before each
  -v      says what it does",
    trouble: 1,
    main,
};

#[derive(Default)]
struct How {
    recursive: bool,
    force: bool,
    interactive: bool,
    directories: bool,
    verbose: bool,
}

fn main(context: &mut Context<'_>, args: &[&str]) -> Outcome {
    let mut how = How::default();
    let mut operands = Vec::new();
    let mut options = Options::new(args);
    while let Some(arg) = options.argument()? {
        match arg {
            Arg::Short('r' | 'R') | Arg::Long("recursive") => how.recursive = true,
            Arg::Short('f') | Arg::Long("force") => (how.force, how.interactive) = (true, false),
            Arg::Short('i') => (how.interactive, how.force) = (true, false),
            Arg::Short('d') | Arg::Long("dir") => how.directories = true,
            Arg::Short('v') | Arg::Long("verbose") => how.verbose = true,
            Arg::Positional(path) => operands.push(path),
            other => return Err(unknown(other)),
        }
    }
    if operands.is_empty() && !how.force {
        return Err(End::Usage("missing operand".into()));
    }
    for path in operands {
        if trim(path) == "/" {
            context.complain("it is dangerous to operate recursively on '/': not done");
        } else if matches!(base(path), "." | "..") {
            context.complain(format_args!("refusing to remove '.' or '..' directory: skipping '{path}'"));
        } else {
            remove(context, path, &how)?;
        }
    }
    Ok(())
}

/// Removes it; whether it is gone.
fn remove(context: &mut Context<'_>, path: &str, how: &How) -> Result<bool, End> {
    let stat = match context.system.status(path, Follow::No) {
        Ok(stat) => stat,
        Err(Error::NotFound | Error::NotDirectory) if how.force => return Ok(true),
        Err(error) => {
            context.fail(path, error);
            return Ok(false);
        }
    };
    if stat.kind != Kind::Directory {
        if how.interactive && !ask(context, &format!("remove '{path}'")) {
            return Ok(false);
        }
        let removed = context.system.remove(path);
        return done(context, path, removed, how, "removed");
    }
    if !how.recursive {
        if !how.directories {
            context.fail(path, Error::IsDirectory);
            return Ok(false);
        }
    } else {
        let entries = context.system.list(path);
        let Some(entries) = context.ok(path, entries) else { return Ok(false) };
        if how.interactive
            && !entries.is_empty()
            && !ask(context, &format!("descend into directory '{path}'"))
        {
            return Ok(false);
        }
        let mut all = true;
        for entry in entries {
            all &= remove(context, &join(path, &entry.name), how)?;
        }
        // What is still in it was told already.
        if !all {
            return Ok(false);
        }
    }
    if how.interactive && !ask(context, &format!("remove directory '{path}'")) {
        return Ok(false);
    }
    let removed = context.system.remove_directory(path);
    done(context, path, removed, how, "removed directory")
}

fn done(
    context: &mut Context<'_>,
    path: &str,
    result: Result<(), Error>,
    how: &How,
    what: &str,
) -> Result<bool, End> {
    match result {
        Ok(()) => {
            if how.verbose {
                writeln!(context.out, "{what} '{path}'")?;
            }
            Ok(true)
        }
        // Somebody else was quicker.
        Err(Error::NotFound) if how.force => Ok(true),
        Err(error) => {
            context.fail(path, error);
            Ok(false)
        }
    }
}
