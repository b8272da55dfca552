// SPDX-License-Identifier: BSD-2-Clause
//! `chmod`: permissions.

use crate::context::{Context, End, Outcome, Tool};
use crate::mode::{self, letters};
use crate::options::unknown;
use crate::options::{Arg, Options};
use crate::path::join;
use crate::system::{Follow, Kind};
use alloc::format;
use alloc::vec::Vec;

/// The tool.
pub const TOOL: Tool = Tool {
    name: "chmod",
    help: "\
usage: chmod [-Rv] MODE FILE...
Sets the permissions of each FILE. MODE: octal, or [ugoa][+-=][rwxXst], several joined by commas.
  -R  directories with all that is in them
  -v  says what it does",
    trouble: 1,
    main,
};

fn main(context: &mut Context<'_>, args: &[&str]) -> Outcome {
    let (mut recursive, mut verbose) = (false, false);
    // `-w`, `-x` and the like are modes.
    let is_mode =
        |word: &&str| word.starts_with('-') && word.len() > 1 && mode::changed(word, 0, Kind::File).is_some();
    let mut words = Vec::from(args);
    let end = words.iter().position(|w| *w == "--").unwrap_or(words.len());
    if let Some(at) = words.iter().take(end).position(is_mode) {
        words.insert(at, "--");
    }
    let mut operands = Vec::new();
    let mut options = Options::new(&words);
    while let Some(arg) = options.argument()? {
        match arg {
            Arg::Short('R') | Arg::Long("recursive") => recursive = true,
            Arg::Short('v') | Arg::Long("verbose") => verbose = true,
            Arg::Positional(path) => operands.push(path),
            other => return Err(unknown(other)),
        }
    }
    let (change, paths) = match operands.split_first() {
        None => return Err(End::Usage("missing operand".into())),
        Some((change, [])) => return Err(End::Usage(format!("missing operand after '{change}'"))),
        Some((change, paths)) => (*change, paths),
    };
    if mode::changed(change, 0, Kind::File).is_none() {
        return Err(End::Usage(format!("invalid mode: '{change}'")));
    }
    for path in paths {
        set(context, path, change, recursive, verbose)?;
    }
    Ok(())
}

fn set(context: &mut Context<'_>, path: &str, change: &str, recursive: bool, verbose: bool) -> Outcome {
    let stat = context.system.status(path, Follow::Yes);
    let Some(stat) = context.ok(path, stat) else { return Ok(()) };
    let Some(mode) = mode::changed(change, stat.mode, stat.kind) else { return Ok(()) };
    // An octal mode of at most four digits leaves a directory's special bits alone.
    let octal = change.starts_with(|c: char| c.is_ascii_digit());
    let kept = if octal && stat.kind == Kind::Directory && change.len() < 5 { stat.mode & 0o6000 } else { 0 };
    let mode = mode | kept;
    let set_now = context.system.set_mode(path, mode);
    if context.ok(path, set_now).is_some() && verbose {
        let words = |mode| format!("{mode:04o} ({})", letters(stat.kind, mode).get(1..).unwrap_or(""));
        if mode == stat.mode {
            writeln!(context.out, "mode of '{path}' retained as {}", words(mode))?;
        } else {
            writeln!(context.out, "mode of '{path}' changed from {} to {}", words(stat.mode), words(mode))?;
        }
    }
    if recursive && stat.kind == Kind::Directory {
        let entries = context.system.list(path);
        for entry in context.ok(path, entries).unwrap_or_default() {
            // Links found on the way are not followed.
            if entry.kind != Kind::Link {
                set(context, &join(path, &entry.name), change, recursive, verbose)?;
            }
        }
    }
    Ok(())
}
