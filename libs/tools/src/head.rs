// SPDX-License-Identifier: BSD-2-Clause
//! `head`: the beginning of files.

use crate::context::{Context, End, Outcome, Tool};
use crate::lines::{Lines, block};
use crate::number::multiplied;
use crate::options::{Arg, Options, or_stdin, unknown};
use crate::system::{Error, File};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::vec::Vec;

/// The tool.
pub const TOOL: Tool = Tool {
    name: "head",
    help: "\
usage: head [-n N | -c N | -N] [-qvz] [FILE...]
Writes the first 10 lines of each FILE. No FILE, or -: standard input.
  -n N   the first N lines; -n -N: all but the last N
  -c N   the first N bytes; -c -N: all but the last N
  -q     no headings            -v   headings always
  -z     lines end with a zero byte
N may have a unit: b 512, K 1024, M, G, kB 1000, MB, …",
    trouble: 1,
    main,
};

/// How much.
#[derive(Clone, Copy)]
pub(crate) enum Count {
    Lines(u64),
    Bytes(u64),
    AllButLines(u64),
    AllButBytes(u64),
}

/// When a heading with the file's name is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Headings {
    IfMany,
    Always,
    Never,
}

impl Headings {
    pub(crate) fn shown(self, files: usize) -> bool {
        self == Headings::Always || self == Headings::IfMany && files > 1
    }
}

fn main(context: &mut Context<'_>, args: &[&str]) -> Outcome {
    let mut count = Count::Lines(10);
    let mut headings = Headings::IfMany;
    let mut delimiter = b'\n';
    let mut operands = Vec::new();
    let mut options = Options::new(args);
    while let Some(arg) = options.argument()? {
        match arg {
            Arg::Short('n') | Arg::Long("lines") => {
                count = match signed(options.value()?, "lines")? {
                    (true, n) => Count::AllButLines(n),
                    (false, n) => Count::Lines(n),
                }
            }
            Arg::Short('c') | Arg::Long("bytes") => {
                count = match signed(options.value()?, "bytes")? {
                    (true, n) => Count::AllButBytes(n),
                    (false, n) => Count::Bytes(n),
                }
            }
            Arg::Short(digit @ '0'..='9') => {
                let text = format!("{digit}{}", options.attached().unwrap_or(""));
                count = Count::Lines(signed(&text, "lines")?.1);
            }
            Arg::Short('q') | Arg::Long("quiet" | "silent") => headings = Headings::Never,
            Arg::Short('v') | Arg::Long("verbose") => headings = Headings::Always,
            Arg::Short('z') | Arg::Long("zero-terminated") => delimiter = 0,
            Arg::Positional(path) => operands.push(path),
            other => return Err(unknown(other)),
        }
    }
    let operands = or_stdin(operands);
    let headed = headings.shown(operands.len());
    let mut first = true;
    for path in operands {
        let Some(file) = context.input(path) else { continue };
        if headed {
            heading(context, path, first)?;
        }
        first = false;
        match beginning(context, file, count, delimiter) {
            Ok(()) => {}
            Err(Failed::Reading(error)) => context.fail(path, error),
            Err(Failed::Writing(end)) => return Err(end),
        }
    }
    Ok(())
}

/// `==> NAME <==`.
pub(crate) fn heading(context: &mut Context<'_>, path: &str, first: bool) -> Outcome {
    let name = if path == "-" { "standard input" } else { path };
    writeln!(context.out, "{}==> {name} <==", if first { "" } else { "\n" })
}

fn signed(text: &str, what: &str) -> Result<(bool, u64), End> {
    let (minus, number) = match text.strip_prefix('-') {
        Some(number) => (true, number),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    match multiplied(number) {
        Some(n) => Ok((minus, n)),
        // More than any file has.
        None if crate::number::digits(number).is_some() => Ok((minus, u64::MAX)),
        None => Err(End::Trouble(format!("invalid number of {what}: '{text}'"))),
    }
}

/// Which side failed.
pub(crate) enum Failed {
    Reading(Error),
    Writing(End),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Failed {
        Failed::Reading(error)
    }
}

impl From<End> for Failed {
    fn from(end: End) -> Failed {
        Failed::Writing(end)
    }
}

fn beginning(
    context: &mut Context<'_>,
    mut file: Box<dyn File>,
    count: Count,
    delimiter: u8,
) -> Result<(), Failed> {
    match count {
        Count::Lines(n) => {
            let mut lines = Lines::new(file, delimiter);
            for _ in 0..n {
                let Some(line) = lines.read()? else { break };
                context.out.write(line)?;
            }
        }
        Count::Bytes(mut left) => {
            let mut buffer = block();
            while left > 0 {
                let room = left.min(buffer.len() as u64) as usize;
                let n = file.read(&mut buffer[..room])?.min(room);
                if n == 0 {
                    break;
                }
                context.out.write(&buffer[..n])?;
                left -= n as u64;
            }
        }
        Count::AllButLines(n) => {
            let mut lines = Lines::new(file, delimiter);
            let mut held = VecDeque::new();
            while let Some(line) = lines.read()? {
                if n == 0 {
                    context.out.write(line)?;
                    continue;
                }
                if held.len() as u64 == n
                    && let Some(oldest) = held.pop_front()
                {
                    let oldest: Vec<u8> = oldest;
                    context.out.write(&oldest)?;
                }
                held.push_back(copied(line)?);
            }
        }
        Count::AllButBytes(n) => {
            let mut buffer = block();
            let mut held: VecDeque<u8> = VecDeque::new();
            loop {
                let got = file.read(&mut buffer)?.min(buffer.len());
                if got == 0 {
                    break;
                }
                held.try_reserve(got).map_err(|_| Error::NoMemory)?;
                held.extend(&buffer[..got]);
                let ready = (held.len() as u64).saturating_sub(n) as usize;
                let (front, back) = held.as_slices();
                let from_front = ready.min(front.len());
                context.out.write(&front[..from_front])?;
                context.out.write(&back[..ready - from_front])?;
                held.drain(..ready);
            }
        }
    }
    Ok(())
}

/// A line of one's own; `NoMemory` where there is no room for it.
pub(crate) fn copied(line: &[u8]) -> Result<Vec<u8>, Error> {
    let mut own = Vec::new();
    own.try_reserve_exact(line.len()).map_err(|_| Error::NoMemory)?;
    own.extend_from_slice(line);
    Ok(own)
}
