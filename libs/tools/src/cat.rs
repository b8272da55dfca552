// SPDX-License-Identifier: BSD-2-Clause
//! `cat`: files one after the other.

use crate::context::{Context, End, Outcome, Tool};
use crate::lines::{Lines, block};
use crate::options::{Arg, Options, or_stdin, unknown};
use crate::output::write_all;
use crate::system::File;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// The tool.
pub const TOOL: Tool = Tool {
    name: "cat",
    help: "\
usage: cat [-nbsvETAetu] [FILE...]
Writes each FILE to standard output. No FILE, or -: standard input.
  -n   number the lines        -b   number those that are not empty
  -s   one empty line for many -E   $ at the end of each line
  -T   ^I for tabs             -v   ^X and M-X for what does not print
  -A   as -vET                 -e, -t   as -vE, -vT
  -u   (always: nothing is held back)",
    trouble: 1,
    main,
};

#[derive(Default)]
struct Look {
    number: bool,
    number_nonblank: bool,
    squeeze: bool,
    ends: bool,
    tabs: bool,
    visible: bool,
}

impl Look {
    fn is_plain(&self) -> bool {
        !(self.number || self.number_nonblank || self.squeeze || self.ends || self.tabs || self.visible)
    }
}

fn main(context: &mut Context<'_>, args: &[&str]) -> Outcome {
    let mut look = Look::default();
    let mut operands = Vec::new();
    let mut options = Options::new(args);
    while let Some(arg) = options.argument()? {
        match arg {
            Arg::Short('n') | Arg::Long("number") => look.number = true,
            Arg::Short('b') | Arg::Long("number-nonblank") => look.number_nonblank = true,
            Arg::Short('s') | Arg::Long("squeeze-blank") => look.squeeze = true,
            Arg::Short('E') | Arg::Long("show-ends") => look.ends = true,
            Arg::Short('T') | Arg::Long("show-tabs") => look.tabs = true,
            Arg::Short('v') | Arg::Long("show-nonprinting") => look.visible = true,
            Arg::Short('e') => (look.visible, look.ends) = (true, true),
            Arg::Short('t') => (look.visible, look.tabs) = (true, true),
            Arg::Short('A') | Arg::Long("show-all") => {
                (look.visible, look.ends, look.tabs) = (true, true, true);
            }
            Arg::Short('u') => {}
            Arg::Positional(path) => operands.push(path),
            other => return Err(unknown(other)),
        }
    }
    if look.is_plain() { copy(context, operands) } else { show(context, operands, &look) }
}

/// Blocks as they come, straight to standard output.
fn copy(context: &mut Context<'_>, operands: Vec<&str>) -> Outcome {
    let mut out = context.system.stdout();
    let target = out.regular().ok().flatten();
    let mut buffer = block();
    for path in or_stdin(operands) {
        let Some(mut file) = context.input(path) else { continue };
        // A file that is written to while it is read would never end.
        if let (Some(to), Ok(Some(from))) = (target, file.regular())
            && to.inode == from.inode
            && from.size > 0
        {
            context.complain(format_args!("{path}: input file is output file"));
            continue;
        }
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => write_all(out.as_mut(), buffer.get(..n).unwrap_or(&buffer)).map_err(End::Output)?,
                Err(error) => {
                    context.fail(path, error);
                    break;
                }
            }
        }
    }
    out.close().map_err(End::Output)
}

/// Where the output stands between two pieces of input.
struct State {
    number: u64,
    at_start: bool,
    blanks: u32,
}

fn show(context: &mut Context<'_>, operands: Vec<&str>, look: &Look) -> Outcome {
    let mut state = State { number: 0, at_start: true, blanks: 0 };
    for path in or_stdin(operands) {
        let Some(file) = context.input(path) else { continue };
        show_file(context, path, file, look, &mut state)?;
    }
    Ok(())
}

fn show_file(
    context: &mut Context<'_>,
    path: &str,
    file: Box<dyn File>,
    look: &Look,
    state: &mut State,
) -> Outcome {
    let mut lines = Lines::new(file, b'\n');
    loop {
        let line = match lines.read() {
            Ok(Some(line)) => line,
            Ok(None) => return Ok(()),
            Err(error) => {
                context.fail(path, error);
                return Ok(());
            }
        };
        let (text, ended) = match line.strip_suffix(b"\n") {
            Some(text) => (text, true),
            None => (line, false),
        };
        let blank = state.at_start && text.is_empty() && ended;
        state.blanks = if blank { state.blanks.saturating_add(1) } else { 0 };
        if look.squeeze && state.blanks > 1 {
            continue;
        }
        if state.at_start && (if look.number_nonblank { !blank } else { look.number }) {
            state.number += 1;
            write!(context.out, "{:6}\t", state.number)?;
        }
        if look.tabs || look.visible {
            for &byte in text {
                write_visible(context, byte, look)?;
            }
        } else {
            context.out.write(text)?;
        }
        if ended {
            context.out.write(if look.ends { b"$\n" } else { b"\n" })?;
        }
        state.at_start = ended;
    }
}

fn write_visible(context: &mut Context<'_>, byte: u8, look: &Look) -> Outcome {
    if byte == b'\t' {
        return context.out.write(if look.tabs { b"^I" } else { b"\t" });
    }
    if !look.visible {
        return context.out.write(&[byte]);
    }
    if byte >= 0x80 {
        context.out.write(b"M-")?;
    }
    match byte & 0x7f {
        low @ 0..0x20 => context.out.write(&[b'^', low + 0x40]),
        0x7f => context.out.write(b"^?"),
        low => context.out.write(&[low]),
    }
}
