// SPDX-License-Identifier: BSD-2-Clause
//! `tail`: the end of files.
//!
//! A regular file is read from its end backwards, so that its size does not matter; of a pipe only what may be needed is held.

use crate::context::{Context, End, Outcome, Tool};
use crate::head::{Failed, Headings, copied, heading};
use crate::lines::{Lines, block, fill};
use crate::number::{digits, multiplied};
use crate::options::{Arg, Options, or_stdin, unknown};
use crate::output::BLOCK;
use crate::system::{Error, File, Seek};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::vec::Vec;
use memchr::{memchr_iter, memrchr};

/// The tool.
pub const TOOL: Tool = Tool {
    name: "tail",
    help: "\
usage: tail [-n N | -c N | -N] [-fqvz] [FILE...]
Writes the last 10 lines of each FILE. No FILE, or -: standard input.
  -n N   the last N lines; -n +N: from line N on
  -c N   the last N bytes; -c +N: from byte N on
  -f     then wait for more (of the last FILE), until it is ended
  -q     no headings            -v   headings always
  -z     lines end with a zero byte
N may have a unit: b 512, K 1024, M, G, kB 1000, MB, …",
    trouble: 1,
    main,
};

#[derive(Clone, Copy)]
enum From {
    LastLines(u64),
    LastBytes(u64),
    Line(u64),
    Byte(u64),
}

/// How often `-f` looks for more.
const LOOK_EVERY_US: u64 = 500_000;

fn main(context: &mut Context<'_>, args: &[&str]) -> Outcome {
    let mut from = From::LastLines(10);
    let mut headings = Headings::IfMany;
    let mut delimiter = b'\n';
    let mut follow = false;
    let mut operands = Vec::new();
    let mut options = Options::new(args);
    while let Some(arg) = options.argument()? {
        match arg {
            Arg::Short('n') | Arg::Long("lines") => {
                from = match signed(options.value()?, "lines")? {
                    (true, n) => From::Line(n),
                    (false, n) => From::LastLines(n),
                }
            }
            Arg::Short('c') | Arg::Long("bytes") => {
                from = match signed(options.value()?, "bytes")? {
                    (true, n) => From::Byte(n),
                    (false, n) => From::LastBytes(n),
                }
            }
            Arg::Short(digit @ '0'..='9') => {
                let text = format!("{digit}{}", options.attached().unwrap_or(""));
                from = From::LastLines(signed(&text, "lines")?.1);
            }
            Arg::Short('f') | Arg::Long("follow") => follow = true,
            Arg::Short('q') | Arg::Long("quiet" | "silent") => headings = Headings::Never,
            Arg::Short('v') | Arg::Long("verbose") => headings = Headings::Always,
            Arg::Short('z') | Arg::Long("zero-terminated") => delimiter = 0,
            Arg::Positional(path) => operands.push(path),
            other => return Err(unknown(other)),
        }
    }
    let operands = or_stdin(operands);
    let headed = headings.shown(operands.len());
    let count = operands.len();
    let mut first = true;
    for (index, path) in operands.into_iter().enumerate() {
        let Some(file) = context.input(path) else { continue };
        if headed {
            heading(context, path, first)?;
        }
        first = false;
        let follow = follow && index + 1 == count;
        match ending(context, file, from, delimiter, follow) {
            Ok(()) => {}
            Err(Failed::Reading(error)) => context.fail(path, error),
            Err(Failed::Writing(end)) => return Err(end),
        }
    }
    Ok(())
}

/// A number, and whether it counts from the beginning (`+N`).
fn signed(text: &str, what: &str) -> Result<(bool, u64), End> {
    let (plus, number) = match text.strip_prefix('+') {
        Some(number) => (true, number),
        None => (false, text.strip_prefix('-').unwrap_or(text)),
    };
    match multiplied(number) {
        Some(n) => Ok((plus, n)),
        None if digits(number).is_some() => Ok((plus, u64::MAX)),
        None => Err(End::Trouble(format!("invalid number of {what}: '{text}'"))),
    }
}

fn ending(
    context: &mut Context<'_>,
    mut file: Box<dyn File>,
    from: From,
    delimiter: u8,
    follow: bool,
) -> Result<(), Failed> {
    // Standard input may stand somewhere in the middle: only what follows counts.
    let begin = match file.regular()? {
        Some(regular) => {
            let here = file.seek(Seek::By(0))?;
            Some((here, regular.size.max(here)))
        }
        None => None,
    };
    match (from, begin) {
        (From::LastBytes(n), Some((here, end))) => {
            file.seek(Seek::To(end.saturating_sub(n).max(here)))?;
        }
        (From::LastLines(n), Some((here, end))) => {
            let start = start_of_last(file.as_mut(), n, delimiter, here, end)?;
            file.seek(Seek::To(start))?;
        }
        (From::Byte(n), Some((here, end))) => {
            file.seek(Seek::To(here.saturating_add(n.saturating_sub(1)).min(end)))?;
        }
        (From::Byte(n), None) => skip(file.as_mut(), n.saturating_sub(1))?,
        (From::Line(n), _) => {
            let mut buffer = block();
            let rest = skip_lines(file.as_mut(), n.saturating_sub(1), delimiter, &mut buffer)?;
            context.out.write(rest)?;
        }
        (From::LastLines(n), None) => {
            let mut lines = Lines::new(file, delimiter);
            let mut held: VecDeque<Vec<u8>> = VecDeque::new();
            while let Some(line) = lines.read()? {
                if held.len() as u64 == n {
                    held.pop_front();
                }
                if n > 0 {
                    held.push_back(copied(line)?);
                }
            }
            for line in held {
                context.out.write(&line)?;
            }
            return Ok(());
        }
        (From::LastBytes(n), None) => {
            let mut buffer = block();
            let mut held: VecDeque<u8> = VecDeque::new();
            loop {
                let got = file.read(&mut buffer)?.min(buffer.len());
                if got == 0 {
                    break;
                }
                held.try_reserve(got).map_err(|_| Error::NoMemory)?;
                held.extend(&buffer[..got]);
                let surplus = (held.len() as u64).saturating_sub(n) as usize;
                held.drain(..surplus);
            }
            let (front, back) = held.as_slices();
            context.out.write(front)?;
            context.out.write(back)?;
            return Ok(());
        }
    }
    let mut buffer = block();
    loop {
        let got = file.read(&mut buffer)?.min(buffer.len());
        if got > 0 {
            context.out.write(&buffer[..got])?;
        } else if follow && begin.is_some() {
            context.out.flush()?;
            context.system.sleep_us(LOOK_EVERY_US)?;
        } else {
            return Ok(());
        }
    }
}

fn skip(file: &mut dyn File, mut left: u64) -> Result<(), Error> {
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

/// Reads past so many lines; returns what was read beyond them.
fn skip_lines<'a>(
    file: &mut dyn File,
    mut left: u64,
    delimiter: u8,
    buffer: &'a mut [u8],
) -> Result<&'a [u8], Error> {
    while left > 0 {
        let got = file.read(buffer)?.min(buffer.len());
        if got == 0 {
            break;
        }
        for at in memchr_iter(delimiter, &buffer[..got]) {
            left -= 1;
            if left == 0 {
                return Ok(&buffer[at + 1..got]);
            }
        }
    }
    Ok(&[])
}

/// Where the last `n` lines between `here` and `end` begin.
fn start_of_last(file: &mut dyn File, n: u64, delimiter: u8, here: u64, end: u64) -> Result<u64, Error> {
    if n == 0 {
        return Ok(end);
    }
    let mut buffer = block();
    let mut upper = end;
    let mut lines = 0;
    while upper > here {
        let lower = (upper - 1) / BLOCK as u64 * BLOCK as u64;
        let lower = lower.max(here);
        file.seek(Seek::To(lower))?;
        let len = fill(file, &mut buffer[..(upper - lower) as usize])?;
        let mut piece = &buffer[..len];
        // The delimiter at the very end ends the last line and begins none.
        if upper == end && piece.last() == Some(&delimiter) {
            piece = &piece[..len - 1];
        }
        while let Some(at) = memrchr(delimiter, piece) {
            lines += 1;
            if lines == n {
                return Ok(lower + at as u64 + 1);
            }
            piece = &piece[..at];
        }
        upper = lower;
    }
    Ok(here)
}
