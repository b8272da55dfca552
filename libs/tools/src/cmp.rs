// SPDX-License-Identifier: BSD-2-Clause
//! `cmp`: whether two files are the same, byte by byte.

use crate::context::{Context, End, Outcome, Tool};
use crate::lines::{block, fill};
use crate::number::multiplied;
use crate::options::{Arg, Options, unknown};
use crate::system::{Error, File, Seek};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// The tool.
pub const TOOL: Tool = Tool {
    name: "cmp",
    help: "\
usage: cmp [-lbs] [-n N] [-i N[:M]] FILE1 [FILE2 [SKIP1 [SKIP2]]]
Compares two files byte by byte; says where they begin to differ. -: standard input.
  -l   position and value (octal) of every byte that differs
  -b   the bytes that differ as well
  -s   says nothing: only the status counts
  -n N      at most N bytes
  -i N[:M]  leaves out N bytes of both, or N and M
Status: 0 the same, 1 different, 2 trouble.",
    trouble: 2,
    main,
};

const DIFFERENT: u8 = 1;

struct How {
    list: bool,
    bytes: bool,
    silent: bool,
    limit: u64,
    skip: [u64; 2],
}

fn main(context: &mut Context<'_>, args: &[&str]) -> Outcome {
    let mut how = How { list: false, bytes: false, silent: false, limit: u64::MAX, skip: [0; 2] };
    let mut operands = Vec::new();
    let mut options = Options::new(args);
    while let Some(arg) = options.argument()? {
        match arg {
            Arg::Short('l') | Arg::Long("verbose") => how.list = true,
            Arg::Short('b') | Arg::Long("print-bytes") => how.bytes = true,
            Arg::Short('s') | Arg::Long("quiet" | "silent") => how.silent = true,
            Arg::Short('n') | Arg::Long("bytes") => how.limit = number(options.value()?)?,
            Arg::Short('i') | Arg::Long("ignore-initial") => {
                let value = options.value()?;
                how.skip = match value.split_once(':') {
                    Some((a, b)) => [number(a)?, number(b)?],
                    None => [number(value)?; 2],
                };
            }
            Arg::Positional(path) => operands.push(path),
            other => return Err(unknown(other)),
        }
    }
    let (a, b) = match operands.as_slice() {
        [] => return Err(End::Usage("missing operand".into())),
        [a] => (*a, "-"),
        [a, b, skips @ ..] if skips.len() <= 2 => {
            for (own, given) in how.skip.iter_mut().zip(skips) {
                *own = number(given)?;
            }
            (*a, *b)
        }
        [_, _, _, _, extra, ..] => return Err(unknown(Arg::Positional(extra))),
        [_, _, ..] => return Err(End::Usage("extra operand".into())),
    };
    let (Some(mut one), Some(mut two)) = (open(context, a, how.silent), open(context, b, how.silent)) else {
        return Err(End::Status(2));
    };
    skip(one.as_mut(), how.skip[0]).map_err(|error| End::of(a, error))?;
    skip(two.as_mut(), how.skip[1]).map_err(|error| End::of(b, error))?;
    compare(context, (a, one.as_mut()), (b, two.as_mut()), &how)
}

fn open(context: &mut Context<'_>, path: &str, silent: bool) -> Option<Box<dyn File>> {
    if silent && path != "-" {
        return context.system.open(path, crate::system::Access::READ, 0).ok();
    }
    context.input(path)
}

fn number(text: &str) -> Result<u64, End> {
    multiplied(text).ok_or_else(|| End::Usage(format!("invalid number '{text}'")))
}

fn skip(file: &mut dyn File, bytes: u64) -> Result<(), Error> {
    if bytes == 0 {
        return Ok(());
    }
    if file.regular()?.is_some() {
        return file.seek(Seek::By(i64::try_from(bytes).unwrap_or(i64::MAX))).map(|_| ());
    }
    let mut left = bytes;
    let mut buffer = block();
    while left > 0 {
        let room = left.min(buffer.len() as u64) as usize;
        match file.read(&mut buffer[..room])?.min(room) {
            0 => break,
            n => left -= n as u64,
        }
    }
    Ok(())
}

fn compare(
    context: &mut Context<'_>,
    a: (&str, &mut dyn File),
    b: (&str, &mut dyn File),
    how: &How,
) -> Outcome {
    let (mut left, mut right) = (block(), block());
    let mut limit = how.limit;
    let (mut position, mut lines) = (0u64, 1u64);
    let mut last = None;
    // Columns as wide as the largest position that there can be.
    let width = match (a.1.regular(), b.1.regular()) {
        (Ok(Some(x)), Ok(Some(y))) => {
            let most =
                x.size.saturating_sub(how.skip[0]).min(y.size.saturating_sub(how.skip[1])).min(how.limit);
            most.checked_ilog10().unwrap_or(0) as usize + 1
        }
        _ => how.limit.min(i64::MAX as u64).checked_ilog10().unwrap_or(0) as usize + 1,
    };
    loop {
        let room = limit.min(left.len() as u64) as usize;
        let n = fill(a.1, &mut left[..room]).map_err(|error| End::of(a.0, error))?;
        let m = fill(b.1, &mut right[..room]).map_err(|error| End::of(b.0, error))?;
        let common = n.min(m);
        let (x, y) = (&left[..common], &right[..common]);
        if x != y {
            context.raise(DIFFERENT);
            if how.silent {
                return Err(End::Status(DIFFERENT));
            }
            for (at, (&p, &q)) in x.iter().zip(y).enumerate().filter(|(_, (p, q))| p != q) {
                let byte = position + at as u64 + 1;
                if !how.list {
                    let line = lines + memchr::memchr_iter(b'\n', &x[..at]).count() as u64;
                    write!(
                        context.out,
                        "{} {} differ: {} {byte}, line {line}",
                        a.0,
                        b.0,
                        if how.bytes { "byte" } else { "char" }
                    )?;
                    if how.bytes {
                        write!(context.out, " is {p:3o} {} {q:3o} {}", visible(p), visible(q))?;
                    }
                    context.out.write(b"\n")?;
                    return Err(End::Status(DIFFERENT));
                }
                if how.bytes {
                    writeln!(context.out, "{byte:width$} {p:3o} {:4} {q:3o} {}", visible(p), visible(q))?;
                } else {
                    writeln!(context.out, "{byte:width$} {p:3o} {q:3o}")?;
                }
            }
        }
        if common > 0 {
            last = x.last().copied();
            lines += memchr::memchr_iter(b'\n', x).count() as u64;
        }
        position += common as u64;
        limit -= common as u64;
        if n != m {
            context.raise(DIFFERENT);
            let shorter = if n < m { a.0 } else { b.0 };
            if !how.silent {
                let place = match last {
                    None => "which is empty".into(),
                    Some(_) if how.list => format!("after byte {position}"),
                    Some(b'\n') => format!("after byte {position}, line {}", lines - 1),
                    Some(_) => format!("after byte {position}, in line {lines}"),
                };
                context.warn(format_args!("EOF on {shorter} {place}"));
            }
            return Err(End::Status(DIFFERENT));
        }
        if n < room || room == 0 {
            return Ok(());
        }
    }
}

/// A byte as `cat -v` shows it.
fn visible(byte: u8) -> String {
    let mut text = String::new();
    if byte >= 0x80 {
        text.push_str("M-");
    }
    match byte & 0x7f {
        low @ 0..0x20 => {
            text.push('^');
            text.push((low + 0x40) as char);
        }
        0x7f => text.push_str("^?"),
        low => text.push(low as char),
    }
    text
}
