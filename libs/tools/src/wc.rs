// SPDX-License-Identifier: BSD-2-Clause
//! `wc`: lines, words and bytes counted.

use crate::context::{Context, Outcome, Tool};
use crate::lines::block;
use crate::options::{Arg, Options, or_stdin, unknown};
use crate::system::{Error, File, Follow, Kind, Seek};
use alloc::vec::Vec;

/// The tool.
pub const TOOL: Tool = Tool {
    name: "wc",
    help: "\
usage: wc [-lwcmL] [FILE...]
Counts lines, words and bytes of each FILE, and of all. No FILE, or -: standard input.
  -l   lines      -w   words (what blanks separate)
  -c   bytes      -m   characters (bytes)      -L   length of the longest line",
    trouble: 1,
    main,
};

#[derive(Clone, Copy, Default)]
struct Which {
    lines: bool,
    words: bool,
    chars: bool,
    bytes: bool,
    longest: bool,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    lines: u64,
    words: u64,
    bytes: u64,
    longest: u64,
}

fn main(context: &mut Context<'_>, args: &[&str]) -> Outcome {
    let mut which = Which::default();
    let mut operands = Vec::new();
    let mut options = Options::new(args);
    while let Some(arg) = options.argument()? {
        match arg {
            Arg::Short('l') | Arg::Long("lines") => which.lines = true,
            Arg::Short('w') | Arg::Long("words") => which.words = true,
            Arg::Short('c') | Arg::Long("bytes") => which.bytes = true,
            Arg::Short('m') | Arg::Long("chars") => which.chars = true,
            Arg::Short('L') | Arg::Long("max-line-length") => which.longest = true,
            Arg::Positional(path) => operands.push(path),
            other => return Err(unknown(other)),
        }
    }
    if !(which.lines || which.words || which.bytes || which.chars || which.longest) {
        which = Which { lines: true, words: true, bytes: true, ..Which::default() };
    }
    let named = !operands.is_empty();
    let operands = or_stdin(operands);
    let width = width(context, &operands, which);
    let mut total = Counts::default();
    for path in &operands {
        let Some(mut file) = context.input(path) else { continue };
        let mut counts = Counts::default();
        let result = count(file.as_mut(), which, &mut counts);
        context.ok(path, result);
        write_counts(context, which, &counts, width, if named { path } else { "" })?;
        total.lines += counts.lines;
        total.words += counts.words;
        total.bytes += counts.bytes;
        total.longest = total.longest.max(counts.longest);
    }
    if operands.len() > 1 {
        write_counts(context, which, &total, width, "total")?;
    }
    Ok(())
}

/// Columns wide enough for the sum of all sizes; one number alone needs none; 7 where a size is not known before.
fn width(context: &Context<'_>, operands: &[&str], which: Which) -> usize {
    let columns =
        [which.lines, which.words, which.chars, which.bytes, which.longest].iter().filter(|c| **c).count();
    if operands.len() == 1 && columns == 1 {
        return 1;
    }
    let (mut least, mut sum) = (1, 0u64);
    for path in operands {
        let size = if *path == "-" {
            context.system.stdin().regular().ok().flatten().map(|r| r.size)
        } else {
            match context.system.status(path, Follow::Yes) {
                Ok(stat) if stat.kind == Kind::File => Some(stat.size),
                Ok(_) => None,
                Err(_) => continue,
            }
        };
        match size {
            Some(size) => sum = sum.saturating_add(size),
            None => least = 7,
        }
    }
    least.max(sum.checked_ilog10().unwrap_or(0) as usize + 1)
}

fn count(file: &mut dyn File, which: Which, counts: &mut Counts) -> Result<(), Error> {
    let only_bytes = !(which.lines || which.words || which.longest);
    if only_bytes && let Some(regular) = file.regular()? {
        counts.bytes = regular.size.saturating_sub(file.seek(Seek::By(0))?);
        return Ok(());
    }
    let only_lines = !(which.words || which.longest);
    let mut buffer = block();
    let (mut in_word, mut column) = (false, 0u64);
    loop {
        let n = file.read(&mut buffer)?.min(buffer.len());
        if n == 0 {
            break;
        }
        let piece = &buffer[..n];
        counts.bytes += n as u64;
        if only_lines {
            counts.lines += memchr::memchr_iter(b'\n', piece).count() as u64;
            continue;
        }
        for &byte in piece {
            let space = matches!(byte, b' ' | b'\t'..=b'\r');
            counts.words += u64::from(!space && !in_word);
            in_word = !space;
            match byte {
                b'\n' | b'\r' | 0x0c => {
                    counts.lines += u64::from(byte == b'\n');
                    counts.longest = counts.longest.max(column);
                    column = 0;
                }
                b'\t' => column += 8 - column % 8,
                0x20..0x7f => column += 1,
                _ => {}
            }
        }
    }
    counts.longest = counts.longest.max(column);
    Ok(())
}

fn write_counts(
    context: &mut Context<'_>,
    which: Which,
    counts: &Counts,
    width: usize,
    name: &str,
) -> Outcome {
    let columns = [
        (which.lines, counts.lines),
        (which.words, counts.words),
        (which.chars, counts.bytes),
        (which.bytes, counts.bytes),
        (which.longest, counts.longest),
    ];
    let mut gap = "";
    for (_, n) in columns.into_iter().filter(|(wanted, _)| *wanted) {
        write!(context.out, "{gap}{n:width$}")?;
        gap = " ";
    }
    if !name.is_empty() {
        write!(context.out, " {name}")?;
    }
    context.out.write(b"\n")
}
