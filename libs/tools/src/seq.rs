// SPDX-License-Identifier: BSD-2-Clause
//! `seq`: numbers in a row. Decimals are exact: numbers are kept as integers of the smallest unit that was written.

use crate::context::{Context, End, Outcome, Tool};
use crate::options::{Arg, Options, unknown};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// The tool.
pub const TOOL: Tool = Tool {
    name: "seq",
    help: "\
usage: seq [-w] [-s TEXT] [-f FORMAT] [FIRST [STEP]] LAST
Writes the numbers from FIRST (1) to LAST in steps of STEP (1), which may be negative and have decimals.
  -s TEXT    between the numbers (a new line)
  -w         all equally wide, with zeroes in front
  -f FORMAT  as printf writes numbers: %g, %5.2f, …: one %f or %g (with flags 0 and -, width and decimals)",
    trouble: 1,
    main,
};

/// A decimal number: `units` of 10^-`decimals`.
#[derive(Clone, Copy)]
struct Decimal {
    units: i128,
    decimals: u32,
    negative_zero: bool,
}

/// Enough decimals for anybody, and few enough that sums stay within 128 bits.
const MAX_DIGITS: usize = 30;

fn main(context: &mut Context<'_>, args: &[&str]) -> Outcome {
    let mut separator = "\n";
    let mut wide = false;
    let mut format = None;
    let mut operands: Vec<&str> = Vec::new();
    // Negative numbers look like options.
    let is_number = |word: &&str| word.starts_with('-') && parse(word).is_some();
    let mut at = 0;
    let mut words = Vec::from(args);
    while let Some(first) = words.get(at).copied() {
        if !first.starts_with('-') || is_number(&first) {
            break;
        }
        at += if matches!(first, "-s" | "-f" | "--separator" | "--format") { 2 } else { 1 };
        if first == "--" {
            at = usize::MAX;
        }
    }
    if at < words.len() {
        words.insert(at, "--");
    }
    let mut options = Options::new(&words);
    while let Some(arg) = options.argument()? {
        match arg {
            Arg::Short('s') | Arg::Long("separator") => separator = options.value()?,
            Arg::Short('f') | Arg::Long("format") => format = Some(Format::parse(options.value()?)?),
            Arg::Short('w') | Arg::Long("equal-width") => wide = true,
            Arg::Positional(operand) => operands.push(operand),
            other => return Err(unknown(other)),
        }
    }
    let one = Decimal { units: 1, decimals: 0, negative_zero: false };
    let (first, step, last) = match operands.as_slice() {
        [] => return Err(End::Usage("missing operand".into())),
        [last] => (one, one, number(last)?),
        [first, last] => (number(first)?, one, number(last)?),
        [first, step, last] => (number(first)?, number(step)?, number(last)?),
        [_, _, _, extra, ..] => return Err(unknown(Arg::Positional(extra))),
    };
    if step.units == 0 {
        return Err(End::Usage("the step must not be zero".into()));
    }
    // `last` only bounds the row: its decimals are not shown.
    let decimals = first.decimals.max(step.decimals);
    let finest = decimals.max(last.decimals);
    let too_far = || End::Trouble("numbers out of range".into());
    let scaled = |n: Decimal| {
        10i128.checked_pow(finest - n.decimals).and_then(|f| n.units.checked_mul(f)).ok_or_else(too_far)
    };
    let (start, step_units, end) = (scaled(first)?, scaled(step)?, scaled(last)?);
    let shown = |units: i128| written(units / 10i128.pow(finest - decimals), decimals);
    let width = if wide {
        let rows = (end - start) / step_units;
        let final_one = start + rows.max(0) * step_units;
        shown(start).len().max(shown(final_one).len()).max(shown(end).len())
    } else {
        0
    };
    let mut now = start;
    let mut empty = true;
    while if step_units > 0 { now <= end } else { now >= end } {
        if !empty {
            context.out.write(separator.as_bytes())?;
        }
        let negative_zero = empty && first.negative_zero && now == 0;
        empty = false;
        let mut text = shown(now);
        if negative_zero {
            text.insert(0, '-');
        }
        match &format {
            Some(format) => context.out.write(format.write(now, finest).as_bytes())?,
            None if wide => {
                let (sign, digits) = match text.strip_prefix('-') {
                    Some(digits) => ("-", digits),
                    None => ("", text.as_str()),
                };
                write!(context.out, "{sign}{digits:0>0$}", width - sign.len())?;
            }
            None => context.out.write(text.as_bytes())?,
        }
        now = now.checked_add(step_units).ok_or_else(too_far)?;
    }
    if !empty {
        context.out.write(b"\n")?;
    }
    Ok(())
}

fn number(text: &str) -> Result<Decimal, End> {
    parse(text).ok_or_else(|| End::Usage(format!("invalid floating point argument: '{text}'")))
}

fn parse(text: &str) -> Option<Decimal> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    let total = whole.len() + decimals.len();
    if total == 0 || total > MAX_DIGITS || !whole.bytes().chain(decimals.bytes()).all(|b| b.is_ascii_digit())
    {
        return None;
    }
    let units = whole.bytes().chain(decimals.bytes()).fold(0i128, |sum, b| sum * 10 + i128::from(b - b'0'));
    Some(Decimal {
        units: if negative { -units } else { units },
        decimals: decimals.len() as u32,
        negative_zero: negative && units == 0,
    })
}

/// `units` of 10^-`decimals` in digits.
fn written(units: i128, decimals: u32) -> String {
    let scale = 10u128.pow(decimals);
    let (sign, all) = (if units < 0 { "-" } else { "" }, units.unsigned_abs());
    if decimals == 0 {
        return format!("{sign}{all}");
    }
    format!("{sign}{}.{:0>2$}", all / scale, all % scale, decimals as usize)
}

/// What `-f` asks for.
struct Format {
    before: String,
    after: String,
    zeroes: bool,
    left: bool,
    width: usize,
    precision: Option<u32>,
    kind: char,
}

impl Format {
    fn parse(text: &str) -> Result<Format, End> {
        let bad = || End::Usage(format!("format '{text}' needs exactly one %f or %g"));
        let mut format = Format {
            before: String::new(),
            after: String::new(),
            zeroes: false,
            left: false,
            width: 0,
            precision: None,
            kind: ' ',
        };
        let mut letters = text.chars().peekable();
        while let Some(letter) = letters.next() {
            let seen = format.kind != ' ';
            let side = if seen { &mut format.after } else { &mut format.before };
            if letter != '%' {
                side.push(letter);
                continue;
            }
            if letters.next_if_eq(&'%').is_some() {
                side.push('%');
                continue;
            }
            if seen {
                return Err(bad());
            }
            while let Some(flag) = letters.next_if(|c| matches!(c, '0' | '-')) {
                if flag == '0' { format.zeroes = true } else { format.left = true }
            }
            let mut digits = |limit: u32| {
                let mut sum = 0;
                while let Some(digit) = letters.next_if(char::is_ascii_digit) {
                    sum = (sum * 10 + (digit as u32 - '0' as u32)).min(limit);
                }
                sum
            };
            format.width = digits(4096) as usize;
            if letters.next_if_eq(&'.').is_some() {
                let mut digits = 0;
                while let Some(digit) = letters.next_if(char::is_ascii_digit) {
                    digits = (digits * 10 + (digit as u32 - '0' as u32)).min(MAX_DIGITS as u32);
                }
                format.precision = Some(digits);
            }
            format.kind = letters.next().filter(|k| matches!(k, 'f' | 'g')).ok_or_else(bad)?;
        }
        if format.kind == ' ' { Err(bad()) } else { Ok(format) }
    }

    fn write(&self, units: i128, decimals: u32) -> String {
        let number = match self.kind {
            'f' => {
                let wanted = self.precision.unwrap_or(6);
                written(rounded(units, decimals, wanted), wanted)
            }
            // `%g` of numbers that a person counts with: no trailing zeroes.
            _ => {
                let text = written(units, decimals);
                if decimals > 0 { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text }
            }
        };
        let padded = match (self.left, self.zeroes, number.strip_prefix('-')) {
            (true, _, _) => format!("{number:<0$}", self.width),
            (false, true, Some(digits)) => format!("-{digits:0>0$}", self.width.saturating_sub(1)),
            (false, true, None) => format!("{number:0>0$}", self.width),
            (false, false, _) => format!("{number:>0$}", self.width),
        };
        format!("{}{padded}{}", self.before, self.after)
    }
}

/// From one number of decimals to another, half to even.
fn rounded(units: i128, from: u32, to: u32) -> i128 {
    if to >= from {
        return 10i128.checked_pow(to - from).and_then(|f| units.checked_mul(f)).unwrap_or(units);
    }
    let scale = 10i128.pow(from - to);
    let (quotient, rest) = (units.div_euclid(scale), units.rem_euclid(scale));
    quotient + i128::from(rest * 2 > scale || rest * 2 == scale && quotient % 2 != 0)
}
