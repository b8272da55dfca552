// SPDX-License-Identifier: BSD-2-Clause
//! `od`: bytes as numbers and characters.

use crate::context::{Context, End, Outcome, Tool};
use crate::number::multiplied;
use crate::options::{Arg, Options, or_stdin, unknown};
use crate::system::{File, Seek};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

/// The tool.
pub const TOOL: Tool = Tool {
    name: "od",
    help: "\
usage: od [-A RADIX] [-t TYPE]... [-j N] [-N N] [-w N] [-v] [-abcdDhHiIlLoOsxX] [FILE...]
Writes the bytes of all FILEs as numbers: two bytes each in octal, as usual. No FILE, or -: standard input.
  -A RADIX  of the offsets: o octal, d decimal, x hexadecimal, n none
  -t TYPE   a names, c characters; d, u, o, x with bytes each (1 2 4 8, or C S I L): numbers; z: the text behind them
  -j N      leaves out N bytes    -N N  at most N bytes    -w N  bytes in a line (16)
  -v        lines that repeat as well, not *
  -b -c -d -o -s -x  as -t o1, c, u2, o2, d2, x2; -i, -l  as -t d4, d8",
    trouble: 1,
    main,
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Names,
    Characters,
    Signed,
    Unsigned,
    Octal,
    Hexadecimal,
}

/// How fields look.
#[derive(Clone, Copy)]
struct Format {
    kind: Kind,
    /// Bytes of a field.
    size: usize,
    /// Whether the text follows.
    text: bool,
}

impl Format {
    /// Characters of a field at most.
    fn width(&self) -> usize {
        let of_size =
            |widths: [usize; 4]| widths.get(self.size.trailing_zeros() as usize).copied().unwrap_or(0);
        match self.kind {
            Kind::Names | Kind::Characters => 3,
            Kind::Signed => of_size([4, 6, 11, 20]),
            Kind::Unsigned => of_size([3, 5, 10, 20]),
            Kind::Octal => of_size([3, 6, 11, 22]),
            Kind::Hexadecimal => self.size * 2,
        }
    }

    fn field(&self, bytes: &[u8]) -> String {
        let number = bytes.iter().rev().fold(0u64, |sum, b| sum << 8 | u64::from(*b));
        let byte = bytes.first().copied().unwrap_or(0);
        let width = self.width();
        match self.kind {
            Kind::Names => name(byte).into(),
            Kind::Characters => character(byte),
            Kind::Signed => {
                let shift = 64 - 8 * self.size as u32;
                format!("{}", ((number << shift) as i64) >> shift)
            }
            Kind::Unsigned => format!("{number}"),
            Kind::Octal => format!("{number:0width$o}"),
            Kind::Hexadecimal => format!("{number:0width$x}"),
        }
    }
}

struct How {
    radix: char,
    formats: Vec<Format>,
    skip: u64,
    limit: u64,
    width: usize,
    all: bool,
}

fn main(context: &mut Context<'_>, args: &[&str]) -> Outcome {
    let mut how = How { radix: 'o', formats: Vec::new(), skip: 0, limit: u64::MAX, width: 16, all: false };
    let mut width = None;
    let mut operands = Vec::new();
    let mut options = Options::new(args);
    while let Some(arg) = options.argument()? {
        let mut push = |kind, size| how.formats.push(Format { kind, size, text: false });
        match arg {
            Arg::Short('A') | Arg::Long("address-radix") => {
                let value = options.value()?;
                how.radix = value
                    .chars()
                    .next()
                    .filter(|r| matches!(r, 'o' | 'd' | 'x' | 'n'))
                    .ok_or_else(|| End::Trouble(format!("invalid output address radix '{value}'")))?;
            }
            Arg::Short('t') | Arg::Long("format") => formats(options.value()?, &mut how.formats)?,
            Arg::Short('j') | Arg::Long("skip-bytes") => how.skip = number(options.value()?)?,
            Arg::Short('N') | Arg::Long("read-bytes") => how.limit = number(options.value()?)?,
            Arg::Short('w') => width = Some(number(options.attached().unwrap_or("32"))?),
            Arg::Long("width") => width = Some(number(options.attached().unwrap_or("32"))?),
            Arg::Short('v') | Arg::Long("output-duplicates") => how.all = true,
            Arg::Short('a') => push(Kind::Names, 1),
            Arg::Short('b') => push(Kind::Octal, 1),
            Arg::Short('c') => push(Kind::Characters, 1),
            Arg::Short('d') => push(Kind::Unsigned, 2),
            Arg::Short('D') => push(Kind::Unsigned, 4),
            Arg::Short('o' | 'B') => push(Kind::Octal, 2),
            Arg::Short('O') => push(Kind::Octal, 4),
            Arg::Short('s') => push(Kind::Signed, 2),
            Arg::Short('i') => push(Kind::Signed, 4),
            Arg::Short('l' | 'L' | 'I') => push(Kind::Signed, 8),
            Arg::Short('x' | 'h') => push(Kind::Hexadecimal, 2),
            Arg::Short('X' | 'H') => push(Kind::Hexadecimal, 4),
            Arg::Positional(path) => operands.push(path),
            other => return Err(unknown(other)),
        }
    }
    if how.formats.is_empty() {
        how.formats.push(Format { kind: Kind::Octal, size: 2, text: false });
    }
    let largest = how.formats.iter().map(|f| f.size).max().unwrap_or(1);
    if let Some(width) = width {
        how.width = usize::try_from(width)
            .ok()
            .filter(|w| (1..=1 << 16).contains(w) && w % largest == 0)
            .unwrap_or_else(|| {
                context.warn(format_args!("warning: invalid width {width}; using {largest} instead"));
                largest
            });
    }
    let mut input = Input { operands: or_stdin(operands).into(), current: None };
    dump(context, &mut input, &how)
}

fn number(text: &str) -> Result<u64, End> {
    let value = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None if text.len() > 1 && text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit()) => {
            u64::from_str_radix(text, 8).ok()
        }
        None => multiplied(text),
    };
    value.ok_or_else(|| End::Trouble(format!("invalid argument '{text}'")))
}

/// `-t`: several types in a row.
fn formats(types: &str, formats: &mut Vec<Format>) -> Result<(), End> {
    let bad = || End::Trouble(format!("invalid type string '{types}'"));
    let mut letters = types.chars().peekable();
    if types.is_empty() {
        return Err(bad());
    }
    while let Some(letter) = letters.next() {
        let kind = match letter {
            'a' => Kind::Names,
            'c' => Kind::Characters,
            'd' => Kind::Signed,
            'u' => Kind::Unsigned,
            'o' => Kind::Octal,
            'x' => Kind::Hexadecimal,
            _ => return Err(bad()),
        };
        let size = if matches!(kind, Kind::Names | Kind::Characters) {
            1
        } else {
            let named = letters.next_if(|c| matches!(c, 'C' | 'S' | 'I' | 'L' | '1' | '2' | '4' | '8'));
            let more = letters.peek().is_some_and(char::is_ascii_digit);
            match named {
                _ if more => return Err(bad()),
                Some('C' | '1') => 1,
                Some('S' | '2') => 2,
                Some('L' | '8') => 8,
                _ => 4,
            }
        };
        let text = letters.next_if_eq(&'z').is_some();
        formats.push(Format { kind, size, text });
    }
    Ok(())
}

/// All files as one.
struct Input<'a> {
    operands: VecDeque<&'a str>,
    current: Option<(&'a str, Box<dyn File>)>,
}

impl<'a> Input<'a> {
    /// Fills a buffer unless everything ends first. Files that fail are complained about and left.
    fn fill(&mut self, context: &mut Context<'_>, into: &mut [u8]) -> usize {
        let mut len = 0;
        while let Some(room) = into.get_mut(len..).filter(|r| !r.is_empty()) {
            let Some((path, file)) = self.open(context) else { break };
            match file.read(room) {
                Ok(0) => self.current = None,
                Ok(n) => len += n.min(room.len()),
                Err(error) => {
                    context.fail(path, error);
                    self.current = None;
                }
            }
        }
        len
    }

    fn open(&mut self, context: &mut Context<'_>) -> Option<&mut (&'a str, Box<dyn File>)> {
        while self.current.is_none() {
            let path = self.operands.pop_front()?;
            self.current = context.input(path).map(|file| (path, file));
        }
        self.current.as_mut()
    }

    /// Leaves out bytes; how many there were.
    fn skip(&mut self, context: &mut Context<'_>, mut left: u64) -> u64 {
        let mut buffer = vec![0; 4096];
        let mut skipped = 0;
        while left > 0 {
            if let Some((_, file)) = self.open(context)
                && let Ok(Some(regular)) = file.regular()
                && let Ok(here) = file.seek(Seek::By(0))
                && regular.size.saturating_sub(here) > left
                && file.seek(Seek::To(here + left)).is_ok()
            {
                return skipped + left;
            }
            let room = left.min(buffer.len() as u64) as usize;
            let n = self.fill(context, &mut buffer[..room]) as u64;
            if n == 0 {
                break;
            }
            left -= n;
            skipped += n;
        }
        skipped
    }
}

fn dump(context: &mut Context<'_>, input: &mut Input<'_>, how: &How) -> Outcome {
    let mut offset = input.skip(context, how.skip);
    if offset < how.skip {
        return Err(End::Trouble("cannot skip past end of combined input".into()));
    }
    let end = offset.saturating_add(how.limit);
    let mut line = vec![0u8; how.width];
    let mut last: Option<Vec<u8>> = None;
    let mut starred = false;
    // Fields of all formats stand below each other.
    let widest = how.formats.iter().map(|f| (f.width() + 1) * (how.width / f.size)).max().unwrap_or(0);
    loop {
        let room = usize::try_from(end - offset).unwrap_or(usize::MAX).min(how.width);
        line.fill(0);
        let len = input.fill(context, &mut line[..room]);
        if len == 0 {
            break;
        }
        let whole = len == how.width;
        if !how.all && whole && last.as_deref() == Some(&line) {
            if !starred {
                context.out.write(b"*\n")?;
            }
            starred = true;
        } else {
            for (number, format) in how.formats.iter().enumerate() {
                let prefix = if number == 0 {
                    address(offset, how.radix)
                } else {
                    " ".repeat(address(0, how.radix).len())
                };
                let pad = widest - format.width() * (how.width / format.size);
                let mut text = prefix;
                fields(&mut text, format, &line, len, pad);
                if format.text {
                    text.push_str("  >");
                    text.extend(
                        line[..len].iter().map(|b| if (0x20..0x7f).contains(b) { *b as char } else { '.' }),
                    );
                    text.push('<');
                }
                writeln!(context.out, "{text}")?;
            }
            starred = false;
            last = Some(line.clone());
        }
        offset += len as u64;
        if !whole {
            break;
        }
    }
    if how.radix != 'n' {
        writeln!(context.out, "{}", address(offset, how.radix))?;
    }
    Ok(())
}

fn address(offset: u64, radix: char) -> String {
    match radix {
        'o' => format!("{offset:07o}"),
        'd' => format!("{offset:07}"),
        'x' => format!("{offset:06x}"),
        _ => String::new(),
    }
}

/// The fields of a line; `pad` blanks are spread before them. Fields beyond the line's `len` bytes are left out, or blank where text follows.
fn fields(text: &mut String, format: &Format, line: &[u8], len: usize, pad: usize) {
    let count = line.len() / format.size;
    let shown = len.div_ceil(format.size);
    let mut left = pad;
    for (index, bytes) in line.chunks(format.size).enumerate() {
        let next = pad * (count - index - 1) / count;
        let width = left - next + format.width();
        left = next;
        if index < shown {
            text.push_str(&format!("{:>width$}", format.field(bytes)));
        } else if format.text {
            text.push_str(&" ".repeat(width));
        }
    }
}

fn name(byte: u8) -> &'static str {
    const NAMES: [&str; 33] = [
        "nul", "soh", "stx", "etx", "eot", "enq", "ack", "bel", "bs", "ht", "nl", "vt", "ff", "cr", "so",
        "si", "dle", "dc1", "dc2", "dc3", "dc4", "nak", "syn", "etb", "can", "em", "sub", "esc", "fs", "gs",
        "rs", "us", "sp",
    ];
    const PRINTED: &str =
        "!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~";
    let byte = usize::from(byte & 0x7f);
    match byte {
        0x7f => "del",
        _ => NAMES.get(byte).copied().or_else(|| PRINTED.get(byte - 33..byte - 32)).unwrap_or("?"),
    }
}

fn character(byte: u8) -> String {
    match byte {
        0 => "\\0".into(),
        7 => "\\a".into(),
        8 => "\\b".into(),
        b'\t' => "\\t".into(),
        b'\n' => "\\n".into(),
        0x0b => "\\v".into(),
        0x0c => "\\f".into(),
        b'\r' => "\\r".into(),
        0x20..0x7f => (byte as char).into(),
        _ => format!("{byte:03o}"),
    }
}
