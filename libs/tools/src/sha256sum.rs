// SPDX-License-Identifier: BSD-2-Clause
//! `sha256sum`: SHA-256 of files, and checking it.

use crate::context::{Context, Outcome, Tool};
use crate::lines::{Lines, block, body};
use crate::options::{Arg, Options, or_stdin, unknown};
use crate::system::{Error, File};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use sha2::{Digest, Sha256};

/// The tool.
pub const TOOL: Tool = Tool {
    name: "sha256sum",
    help: "\
usage: sha256sum [-bt] [FILE...]
       sha256sum -c [--quiet] [--status] [--strict] [--warn] [--ignore-missing] [FILE...]
Writes the SHA-256 of each FILE. No FILE, or -: standard input.
  -c   read sums from each FILE and check them
  --quiet     says nothing of files that are right
  --status    says nothing at all: only the status counts
  --strict    a line that is no sum is a failure; --warn: says which
  --ignore-missing   files that do not exist are left out
  -b   marks the files as binary, -t as text (the sums are the same)",
    trouble: 1,
    main,
};

#[derive(Default)]
struct How {
    check: bool,
    quiet: bool,
    status: bool,
    strict: bool,
    warn: bool,
    ignore_missing: bool,
    binary: bool,
}

fn main(context: &mut Context<'_>, args: &[&str]) -> Outcome {
    let mut how = How::default();
    let mut operands = Vec::new();
    let mut options = Options::new(args);
    while let Some(arg) = options.argument()? {
        match arg {
            Arg::Short('c') | Arg::Long("check") => how.check = true,
            Arg::Short('b') | Arg::Long("binary") => how.binary = true,
            Arg::Short('t') | Arg::Long("text") => how.binary = false,
            Arg::Short('w') | Arg::Long("warn") => how.warn = true,
            Arg::Long("quiet") => how.quiet = true,
            Arg::Long("status") => how.status = true,
            Arg::Long("strict") => how.strict = true,
            Arg::Long("ignore-missing") => how.ignore_missing = true,
            Arg::Positional(path) => operands.push(path),
            other => return Err(unknown(other)),
        }
    }
    for path in or_stdin(operands) {
        let Some(mut file) = context.input(path) else { continue };
        if how.check {
            check(context, path, file, &how)?;
            continue;
        }
        let sum = sum(file.as_mut());
        if let Some(sum) = context.ok(path, sum) {
            let (mark, name) = escaped(path);
            writeln!(context.out, "{mark}{} {}{name}", hex(&sum), if how.binary { "*" } else { " " })?;
        }
    }
    Ok(())
}

fn sum(file: &mut dyn File) -> Result<[u8; 32], Error> {
    let mut hash = Sha256::new();
    let mut buffer = block();
    loop {
        match file.read(&mut buffer)?.min(buffer.len()) {
            0 => return Ok(hash.finalize().into()),
            n => hash.update(&buffer[..n]),
        }
    }
}

fn hex(sum: &[u8; 32]) -> String {
    let mut text = String::with_capacity(64);
    for byte in sum {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('?'));
        }
    }
    text
}

/// A name that would break its line is written with `\n` and `\\`, and the line begins with a backslash.
fn escaped(name: &str) -> (&'static str, String) {
    if name.contains(['\n', '\\', '\r']) {
        ("\\", name.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r"))
    } else {
        ("", name.into())
    }
}

fn unescaped(name: &str) -> Option<String> {
    let mut out = String::new();
    let mut letters = name.chars();
    while let Some(letter) = letters.next() {
        out.push(match letter {
            '\\' => match letters.next()? {
                'n' => '\n',
                'r' => '\r',
                '\\' => '\\',
                _ => return None,
            },
            other => other,
        });
    }
    Some(out)
}

/// A line of sums: the sum and the name.
fn parse(line: &[u8]) -> Option<([u8; 32], String)> {
    let line = core::str::from_utf8(line).ok()?;
    let line = line.strip_suffix('\r').unwrap_or(line);
    let (is_escaped, line) = match line.strip_prefix('\\') {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let (digits, name) = match line.strip_prefix("SHA256 (") {
        Some(tagged) => {
            let (name, digits) = tagged.rsplit_once(") = ")?;
            (digits, name)
        }
        None => {
            let (digits, rest) = line.split_at_checked(64)?;
            (digits, rest.strip_prefix("  ").or_else(|| rest.strip_prefix(" *"))?)
        }
    };
    if digits.len() != 64 || name.is_empty() {
        return None;
    }
    let mut sum = [0; 32];
    for (byte, pair) in sum.iter_mut().zip(digits.as_bytes().chunks(2)) {
        let digit = |at: usize| pair.get(at).and_then(|d| (*d as char).to_digit(16));
        *byte = (digit(0)? * 16 + digit(1)?) as u8;
    }
    Some((sum, if is_escaped { unescaped(name)? } else { name.into() }))
}

#[derive(Default)]
struct Tally {
    sums: u64,
    matched: u64,
    malformed: u64,
    unreadable: u64,
    different: u64,
}

fn check(context: &mut Context<'_>, list: &str, file: Box<dyn File>, how: &How) -> Outcome {
    let mut lines = Lines::new(file, b'\n');
    let mut tally = Tally::default();
    let mut number = 0u64;
    loop {
        let line = match lines.read() {
            Ok(Some(line)) => body(line, b'\n'),
            Ok(None) => break,
            Err(error) => {
                context.fail(list, error);
                return Ok(());
            }
        };
        number += 1;
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let Some((wanted, name)) = parse(line) else {
            tally.malformed += 1;
            if how.warn {
                context.warn(format_args!("{list}: {number}: improperly formatted SHA256 checksum line"));
            }
            continue;
        };
        tally.sums += 1;
        check_one(context, &wanted, &name, how, &mut tally)?;
    }
    conclude(context, list, how, &tally);
    Ok(())
}

fn check_one(
    context: &mut Context<'_>,
    wanted: &[u8; 32],
    name: &str,
    how: &How,
    tally: &mut Tally,
) -> Outcome {
    let opened = if name == "-" {
        Ok(context.system.stdin())
    } else {
        context.system.open(name, crate::system::Access::READ, 0)
    };
    let verdict = match opened.and_then(|mut file| sum(file.as_mut())) {
        Err(Error::NotFound) if how.ignore_missing => return Ok(()),
        Err(error) => {
            tally.unreadable += 1;
            context.fail(name, error);
            "FAILED open or read"
        }
        Ok(sum) if sum == *wanted => {
            tally.matched += 1;
            if how.quiet {
                return Ok(());
            }
            "OK"
        }
        Ok(_) => {
            tally.different += 1;
            "FAILED"
        }
    };
    if how.status {
        return Ok(());
    }
    let (mark, name) = if name.contains(['\n', '\r']) { escaped(name) } else { ("", name.into()) };
    writeln!(context.out, "{mark}{name}: {verdict}")
}

fn conclude(context: &mut Context<'_>, list: &str, how: &How, tally: &Tally) {
    if tally.sums == 0 {
        context.complain(format_args!("{list}: no properly formatted SHA256 checksum lines found"));
        return;
    }
    let many =
        |n: u64, one: &str, more: &str| if n == 1 { format!("{n} {one}") } else { format!("{n} {more}") };
    let mut say = |line: String| {
        if !how.status {
            context.warn(format_args!("WARNING: {line}"));
        }
    };
    if tally.malformed > 0 {
        say(many(tally.malformed, "line is improperly formatted", "lines are improperly formatted"));
    }
    if tally.unreadable > 0 {
        say(many(tally.unreadable, "listed file could not be read", "listed files could not be read"));
    }
    if tally.different > 0 {
        say(many(tally.different, "computed checksum did NOT match", "computed checksums did NOT match"));
    }
    let nothing = how.ignore_missing && tally.matched + tally.different + tally.unreadable == 0;
    if nothing && !how.status {
        context.warn(format_args!("{list}: no file was verified"));
    }
    if nothing || tally.unreadable + tally.different > 0 || how.strict && tally.malformed > 0 {
        context.raise(context.trouble());
    }
}
