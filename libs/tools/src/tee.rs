// SPDX-License-Identifier: BSD-2-Clause
//! `tee`: standard input to standard output and to files.

use crate::context::{Context, End, Outcome, Tool};
use crate::lines::block;
use crate::options::{Arg, Options, unknown};
use crate::output::write_all;
use crate::system::{Access, File};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// The tool.
pub const TOOL: Tool = Tool {
    name: "tee",
    help: "\
usage: tee [-ai] [FILE...]
Copies standard input to standard output and to each FILE.
  -a   append to the files
  -i   (there are no interrupts to ignore)",
    trouble: 1,
    main,
};

fn main(context: &mut Context<'_>, args: &[&str]) -> Outcome {
    let mut how = Access::ANEW;
    let mut paths = Vec::new();
    let mut options = Options::new(args);
    while let Some(arg) = options.argument()? {
        match arg {
            Arg::Short('a') | Arg::Long("append") => how = Access::WRITE | Access::CREATE | Access::APPEND,
            Arg::Short('i') | Arg::Long("ignore-interrupts") => {}
            Arg::Positional(path) => paths.push(path),
            other => return Err(unknown(other)),
        }
    }
    let mut outputs: Vec<(&str, Box<dyn File>)> = Vec::new();
    for path in paths {
        let file = context.system.open(path, how, 0o666);
        if let Some(file) = context.ok(path, file) {
            outputs.push((path, file));
        }
    }
    let mut standard = Some(context.system.stdout());
    let mut broken = None;
    let mut input = context.system.stdin();
    let mut buffer = block();
    while standard.is_some() || !outputs.is_empty() {
        let piece = match input.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => buffer.get(..n).unwrap_or(&buffer),
            Err(error) => {
                context.fail("read error", error);
                break;
            }
        };
        // An output that failed is left out from then on; the others go on.
        if let Some(out) = standard.as_mut()
            && let Err(error) = write_all(out.as_mut(), piece)
        {
            broken = Some(error);
            standard = None;
        }
        outputs.retain_mut(|(path, file)| match write_all(file.as_mut(), piece) {
            Ok(()) => true,
            Err(error) => {
                context.fail(path, error);
                false
            }
        });
    }
    for (path, file) in outputs {
        let closed = file.close();
        context.ok(path, closed);
    }
    match (standard, broken) {
        (_, Some(error)) => Err(End::Output(error)),
        (Some(out), None) => out.close().map_err(End::Output),
        (None, None) => Ok(()),
    }
}
