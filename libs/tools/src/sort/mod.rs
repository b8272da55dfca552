// SPDX-License-Identifier: BSD-2-Clause
//! `sort`: lines in order, byte by byte (`LC_ALL=C`).
//!
//! The input is held in memory once, plus about a tenth; see `run` for how memory is touched.

mod key;
mod merge;
mod numeric;
mod order;
mod run;

use crate::context::{Context, End, Outcome, Tool};
use crate::head::copied;
use crate::lines::{Lines, body};
use crate::number::{digits, multiplied};
use crate::options::{Arg, Options, or_stdin, unknown};
use crate::output::{Target, Writer};
use crate::system::{Access, File};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::ops::RangeInclusive;
use key::{Key, Kind};
use merge::{Source, merge};
use order::Order;
use run::{Builder, Finished, TEXT};

/// The tool.
pub const TOOL: Tool = Tool {
    name: "sort",
    help: "\
usage: sort [-bdfhiMnrsuz] [-k KEY]... [-t C] [-o OUTPUT] [-c | -C | -m] [FILE...]
Writes the lines of all FILEs in order of their bytes. No FILE, or -: standard input.
  -n  by number        -h  by number with unit (2K, 1G)      -M  by month
  -r  backwards        -f  small letters as capital ones
  -d  only letters, digits and blanks count                  -i  only what prints counts
  -b  blanks at the start of a key do not count
  -k F[.C][OPTS][,F[.C][OPTS]]  a key: from field F (byte C of it) to the end of a field; OPTS are letters of the above
  -t C  fields are separated by C, not by the change from not blank to blank
  -s  lines with equal keys stay as they were; -u: of those only the first
  -S N  sorts N KiB (or 8M, …) at a time and merges; -T DIR, --parallel N are not needed
  -o OUTPUT  may be one of the FILEs
  -c  only checks the order; -C: and says nothing
  -m  the FILEs are sorted already
  -z  lines end with a zero byte
Status: 0, 1 if not in order (-c), 2 trouble.",
    trouble: 2,
    main,
};

const DISORDER: u8 = 1;

#[derive(Default)]
struct How<'a> {
    kind: Kind,
    keys: Vec<Key>,
    separator: Option<u8>,
    stable: bool,
    unique: bool,
    output: Option<&'a str>,
    check: Option<Check>,
    merge: bool,
    zero: bool,
    /// Bytes of text that are sorted at a time.
    buffer: usize,
}

/// Bytes that `-S` can ask for: a run is found by 32 bits.
const BUFFERS: RangeInclusive<u64> = 64..=1 << 30;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Check {
    Loud,
    Silent,
}

fn main(context: &mut Context<'_>, args: &[&str]) -> Outcome {
    let (how, operands) = parse(args)?;
    let delimiter = if how.zero { 0 } else { b'\n' };
    let order = order(&how);
    let operands = or_stdin(operands);
    if let Some(check) = how.check {
        return match operands.as_slice() {
            [path] => in_order(context, path, &order, delimiter, how.unique, check),
            _ => Err(End::Usage(format!("extra operand '{}' not allowed with -c", operands[1]))),
        };
    }
    if how.merge && how.output.is_none_or(|output| !operands.contains(&output)) {
        let mut sources = Vec::new();
        for path in operands {
            let file = open(context, path)?;
            sources.push(Source::File(path.to_string(), Lines::new(file, delimiter), Vec::new()));
        }
        let mut target = target(context, how.output)?;
        merge(sources, &order, delimiter, how.unique, |line| target.write(line)).and_then(|()| target.close())
    } else {
        // A file that is read and written at once is held in memory like any other.
        sort(context, operands, &how, &order, delimiter)
    }
}

fn sort(
    context: &mut Context<'_>,
    operands: Vec<&str>,
    how: &How<'_>,
    order: &Order,
    delimiter: u8,
) -> Outcome {
    let memory = |error| End::of("memory", error);
    let mut builder =
        Builder::new(context.system, order, delimiter, how.unique, how.buffer).map_err(memory)?;
    for path in operands {
        let mut file = open(context, path)?;
        builder.read(file.as_mut()).map_err(memory)?.map_err(|error| End::of(path, error))?;
    }
    let finished = builder.finish().map_err(memory)?;
    let mut target = target(context, how.output)?;
    match finished {
        Finished::Small(builder) => builder.write(|line| target.write(line))?,
        Finished::Runs(runs) => {
            let sources = runs.into_iter().map(Source::Run).collect();
            merge(sources, order, delimiter, how.unique, |line| target.write(line))?;
        }
    }
    target.close()
}

fn open(context: &Context<'_>, path: &str) -> Result<Box<dyn File>, End> {
    if path == "-" {
        return Ok(context.system.stdin());
    }
    context.system.open(path, Access::READ, 0).map_err(|error| End::of(path, error))
}

fn target<'t>(context: &'t mut Context<'_>, output: Option<&'t str>) -> Result<Target<'t>, End> {
    match output {
        None | Some("-") => Ok(Target::Standard(&mut context.out)),
        Some(path) => {
            let file =
                context.system.open(path, Access::ANEW, 0o666).map_err(|error| End::of(path, error))?;
            Ok(Target::Named(path, Writer::new(file)))
        }
    }
}

/// `-c`.
fn in_order(
    context: &mut Context<'_>,
    path: &str,
    order: &Order,
    delimiter: u8,
    unique: bool,
    check: Check,
) -> Outcome {
    let file = open(context, path)?;
    let mut lines = Lines::new(file, delimiter);
    let mut last: Option<Vec<u8>> = None;
    let mut number = 0u64;
    loop {
        let line = match lines.read() {
            Ok(Some(line)) => body(line, delimiter),
            Ok(None) => return Ok(()),
            Err(error) => return Err(End::of(path, error)),
        };
        number += 1;
        if let Some(last) = &last {
            let wrong = match order.compare(last, line) {
                Ordering::Greater => true,
                Ordering::Equal => unique,
                Ordering::Less => false,
            };
            if wrong {
                if check == Check::Loud {
                    let text = String::from_utf8_lossy(line);
                    context.warn(format_args!("{path}:{number}: disorder: {text}"));
                }
                return Err(End::Status(DISORDER));
            }
        }
        last = Some(copied(line).map_err(|error| End::of(path, error))?);
    }
}

fn parse<'a>(args: &'a [&'a str]) -> Result<(How<'a>, Vec<&'a str>), End> {
    let mut how = How { buffer: TEXT, ..How::default() };
    let mut operands = Vec::new();
    let mut options = Options::new(args);
    while let Some(arg) = options.argument()? {
        match arg {
            Arg::Short('k') | Arg::Long("key") => how.keys.push(key(options.value()?)?),
            Arg::Short('t') | Arg::Long("field-separator") => {
                how.separator = Some(match options.value()?.as_bytes() {
                    [byte] => *byte,
                    b"\\0" => 0,
                    _ => return Err(End::Usage("-t needs one byte".into())),
                });
            }
            Arg::Short('o') | Arg::Long("output") => how.output = Some(options.value()?),
            Arg::Short('c') => how.check = Some(Check::Loud),
            Arg::Long("check") => {
                how.check = Some(match options.attached() {
                    Some("quiet" | "silent") => Check::Silent,
                    _ => Check::Loud,
                });
            }
            Arg::Short('C') => how.check = Some(Check::Silent),
            Arg::Short('m') | Arg::Long("merge") => how.merge = true,
            Arg::Short('s') | Arg::Long("stable") => how.stable = true,
            Arg::Short('u') | Arg::Long("unique") => how.unique = true,
            Arg::Short('z') | Arg::Long("zero-terminated") => how.zero = true,
            Arg::Short('S') | Arg::Long("buffer-size") => how.buffer = buffer(options.value()?)?,
            // There are no temporary files, and one thread.
            Arg::Short('T') | Arg::Long("temporary-directory" | "parallel") => _ = options.value()?,
            Arg::Short(letter) if how.kind.take(letter) => {}
            Arg::Long(name) => {
                let letter = match name {
                    "numeric-sort" => 'n',
                    "human-numeric-sort" => 'h',
                    "month-sort" => 'M',
                    "reverse" => 'r',
                    "ignore-case" => 'f',
                    "dictionary-order" => 'd',
                    "ignore-nonprinting" => 'i',
                    "ignore-leading-blanks" => 'b',
                    _ => return Err(unknown(arg)),
                };
                how.kind.take(letter);
            }
            Arg::Positional(path) => operands.push(path),
            other => return Err(unknown(other)),
        }
    }
    if how.kind.contradicts() || how.keys.iter().any(|k| k.kind.contradicts()) {
        return Err(End::Usage(
            "options are incompatible: one of -n, -h, -M, and no -d or -i with them".into(),
        ));
    }
    Ok((how, operands))
}

/// `-S`: in KiB, or with a unit; a share of memory means as usual.
fn buffer(text: &str) -> Result<usize, End> {
    let bytes = match text.strip_suffix('b') {
        Some(bytes) => digits(bytes),
        None if text.ends_with('%') => return Ok(TEXT),
        None => digits(text).map_or_else(|| multiplied(text), |kib| kib.checked_mul(1024)),
    };
    let bytes = bytes.ok_or_else(|| End::Usage(format!("invalid buffer size '{text}'")))?;
    Ok(bytes.clamp(*BUFFERS.start(), *BUFFERS.end()) as usize)
}

/// `F[.C][OPTS][,F[.C][OPTS]]`.
fn key(text: &str) -> Result<Key, End> {
    let bad = || End::Usage(format!("invalid key '{text}'"));
    let (start, end) = match text.split_once(',') {
        Some((start, end)) => (start, Some(end)),
        None => (text, None),
    };
    let mut kind = Kind::default();
    let (field, byte, letters) = place(start).ok_or_else(bad)?;
    for letter in letters.chars() {
        if letter == 'b' {
            kind.blanks.0 = true;
        } else if !kind.take(letter) {
            return Err(bad());
        }
    }
    let start =
        (field.checked_sub(1).ok_or_else(bad)?, byte.map_or(Some(0), |b| b.checked_sub(1)).ok_or_else(bad)?);
    let end = match end {
        None => None,
        Some(end) => {
            let (field, byte, letters) = place(end).ok_or_else(bad)?;
            for letter in letters.chars() {
                if letter == 'b' {
                    kind.blanks.1 = true;
                } else if !kind.take(letter) {
                    return Err(bad());
                }
            }
            Some((field.checked_sub(1).ok_or_else(bad)?, byte.unwrap_or(0)))
        }
    };
    Ok(Key { start, end, kind })
}

/// `F[.C]` and what follows.
fn place(text: &str) -> Option<(usize, Option<usize>, &str)> {
    let (field, rest) = count(text)?;
    let Some(after) = rest.strip_prefix('.') else { return Some((field, None, rest)) };
    let (byte, rest) = count(after)?;
    Some((field, Some(byte), rest))
}

fn count(text: &str) -> Option<(usize, &str)> {
    let at = text.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(at);
    Some((usize::try_from(digits(number)?).unwrap_or(usize::MAX), rest))
}

/// Keys without options of their own have those of the whole.
fn order(how: &How<'_>) -> Order {
    let mut keys = how
        .keys
        .iter()
        .map(|key| if key.kind == Kind::default() { Key { kind: how.kind, ..*key } } else { *key });
    let first = keys.next().unwrap_or(Key::line(how.kind));
    let only_bytes =
        how.keys.is_empty() && how.kind == (Kind { reverse: how.kind.reverse, ..Kind::default() });
    Order {
        first,
        more: keys.collect(),
        separator: how.separator,
        // Lines that are the same in every byte need no further comparison.
        last_resort: !(how.stable || how.unique || only_bytes),
        reverse: how.kind.reverse,
    }
}
