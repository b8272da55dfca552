// SPDX-License-Identifier: BSD-2-Clause
//! `uniq`: equal lines that follow each other become one.

use crate::context::{Context, End, Outcome, Tool, text};
use crate::head::{Failed, copied};
use crate::lines::{Lines, body};
use crate::number::digits;
use crate::options::{Arg, Options, unknown};
use crate::output::{Target, Writer};
use crate::system::{Access, Error};
use alloc::format;
use alloc::vec::Vec;

/// The tool.
pub const TOOL: Tool = Tool {
    name: "uniq",
    help: "\
usage: uniq [-c | -d | -D | -u] [-i] [-f N] [-s N] [-w N] [-z] [INPUT [OUTPUT]]
Of equal lines that follow each other the first is written. No INPUT, or -: standard input.
  -c     with how many there were    -d   only what was repeated
  -D     all lines that are repeated -u   only what was not
  -i     small and capital letters are equal
  -f N   leave out N fields at the start when comparing, -s N: then N bytes
  -w N   compare at most N bytes
  -z     lines end with a zero byte",
    trouble: 1,
    main,
};

#[derive(Default)]
struct How {
    count: bool,
    repeated: bool,
    all_repeated: bool,
    unique: bool,
    fold: bool,
    fields: u64,
    skip: u64,
    width: Option<u64>,
    delimiter: u8,
}

fn main(context: &mut Context<'_>, args: &[&str]) -> Outcome {
    let mut how = How { delimiter: b'\n', ..How::default() };
    let mut operands = Vec::new();
    let mut options = Options::new(args);
    while let Some(arg) = options.argument()? {
        match arg {
            Arg::Short('c') | Arg::Long("count") => how.count = true,
            Arg::Short('d') | Arg::Long("repeated") => how.repeated = true,
            Arg::Short('D') => (how.repeated, how.all_repeated) = (true, true),
            Arg::Short('u') | Arg::Long("unique") => how.unique = true,
            Arg::Short('i') | Arg::Long("ignore-case") => how.fold = true,
            Arg::Short('f') | Arg::Long("skip-fields") => how.fields = number(options.value()?)?,
            Arg::Short('s') | Arg::Long("skip-chars") => how.skip = number(options.value()?)?,
            Arg::Short('w') | Arg::Long("check-chars") => how.width = Some(number(options.value()?)?),
            Arg::Short('z') | Arg::Long("zero-terminated") => how.delimiter = 0,
            Arg::Positional(path) => operands.push(path),
            other => return Err(unknown(other)),
        }
    }
    if how.count && how.all_repeated {
        return Err(End::Usage("-c with -D makes no sense".into()));
    }
    let (input, output) = match operands.as_slice() {
        [] => ("-", "-"),
        [input] => (*input, "-"),
        [input, output] => (*input, *output),
        [_, _, extra, ..] => return Err(unknown(Arg::Positional(extra))),
    };
    let Some(file) = context.input(input) else { return Ok(()) };
    let lines = Lines::new(file, how.delimiter);
    let mut target = if output == "-" {
        Target::Standard(&mut context.out)
    } else {
        let file =
            context.system.open(output, Access::ANEW, 0o666).map_err(|error| End::of(output, error))?;
        Target::Named(output, Writer::new(file))
    };
    match each(lines, &how, |bytes| target.write(bytes)) {
        Ok(()) => target.close(),
        Err(Failed::Reading(error)) => {
            target.close()?;
            Err(End::Trouble(format!("{input}: {}", text(error))))
        }
        Err(Failed::Writing(end)) => Err(end),
    }
}

fn number(text: &str) -> Result<u64, End> {
    digits(text).ok_or_else(|| End::Trouble(format!("invalid number: '{text}'")))
}

/// Goes through the groups of equal lines.
fn each(mut lines: Lines, how: &How, mut write: impl FnMut(&[u8]) -> Outcome) -> Result<(), Failed> {
    let Some(first) = lines.read()? else { return Ok(()) };
    let mut kept = copied(first)?;
    let mut count = 1u64;
    while let Some(line) = lines.read()? {
        if equal(key(&kept, how), key(line, how), how.fold) {
            if how.all_repeated && !how.unique {
                if count == 1 {
                    write_line(&kept, how, &mut write)?;
                }
                write_line(line, how, &mut write)?;
            }
            count += 1;
            continue;
        }
        group(&kept, count, how, &mut write)?;
        kept.clear();
        kept.try_reserve(line.len()).map_err(|_| Error::NoMemory)?;
        kept.extend_from_slice(line);
        count = 1;
    }
    group(&kept, count, how, &mut write)?;
    Ok(())
}

fn group(line: &[u8], count: u64, how: &How, write: &mut impl FnMut(&[u8]) -> Outcome) -> Outcome {
    if how.repeated && count == 1 || how.unique && count > 1 || how.all_repeated {
        return Ok(());
    }
    if how.count {
        write(format!("{count:7} ").as_bytes())?;
    }
    write_line(line, how, write)
}

fn write_line(line: &[u8], how: &How, write: &mut impl FnMut(&[u8]) -> Outcome) -> Outcome {
    write(body(line, how.delimiter))?;
    write(&[how.delimiter])
}

/// The part of a line that is compared.
fn key<'a>(line: &'a [u8], how: &How) -> &'a [u8] {
    let mut rest = body(line, how.delimiter);
    let blank = |b: &u8| matches!(b, b' ' | b'\t' | b'\n');
    for _ in 0..how.fields {
        let field = rest.iter().position(|b| !blank(b)).unwrap_or(rest.len());
        let end = rest[field..].iter().position(blank).map_or(rest.len(), |at| field + at);
        rest = &rest[end..];
        if rest.is_empty() {
            break;
        }
    }
    let limited = |n: u64, len: usize| n.min(len as u64) as usize;
    rest = &rest[limited(how.skip, rest.len())..];
    how.width.map_or(rest, |width| &rest[..limited(width, rest.len())])
}

fn equal(a: &[u8], b: &[u8], fold: bool) -> bool {
    if fold { a.eq_ignore_ascii_case(b) } else { a == b }
}
