// SPDX-License-Identifier: BSD-2-Clause
//! Commands of the language itself, which need nothing of the system, or little.

use crate::variables::Variables;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// What `test` wants to know of a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Facts {
    /// A directory.
    pub directory: bool,
    /// A regular file.
    pub regular: bool,
    /// A symbolic link (if links were not followed).
    pub link: bool,
    /// Bytes.
    pub size: u64,
    /// Permission bits.
    pub mode: u16,
}

/// The commands here.
pub const NAMES: [&str; 12] =
    [":", "true", "false", "export", "unset", "set", "shift", "break", "continue", "exit", "test", "["];

/// What a command came to, or what is wrong with its arguments.
pub type Done = Result<u8, String>;

/// Carries out one of [`NAMES`]. `facts` tells of a path, following links or not.
pub fn run(words: &[String], v: &mut Variables, facts: &mut dyn FnMut(&str, bool) -> Option<Facts>) -> Done {
    let args = words.get(1..).unwrap_or(&[]);
    match words.first().map_or("", String::as_str) {
        ":" | "true" => Ok(0),
        "false" => Ok(1),
        "export" => export(args, v),
        "unset" => {
            args.iter().for_each(|name| v.unset(name));
            Ok(0)
        }
        "set" => set(args, v),
        "shift" => {
            let count = number(args, 1)? as usize;
            if count > v.args.len() {
                return Err(format!("shift: there are only {} arguments", v.args.len()));
            }
            v.args.drain(..count);
            Ok(0)
        }
        "break" => leave(args, v, false),
        "continue" => leave(args, v, true),
        "exit" => {
            v.exit = Some(match args.first() {
                None => v.status,
                Some(text) => text.parse::<i64>().map_err(|_| format!("exit: {text}: no number"))? as u8,
            });
            Ok(v.exit.unwrap_or(0))
        }
        "[" => match args.split_last() {
            Some((last, args)) if last == "]" => test(args, facts),
            _ => Err(String::from("[: ] is missing")),
        },
        _ => test(args, facts),
    }
}

fn number(args: &[String], default: u32) -> Result<u32, String> {
    args.first().map_or(Ok(default), |text| text.parse().map_err(|_| format!("{text}: no number")))
}

fn leave(args: &[String], v: &mut Variables, again: bool) -> Done {
    v.leave = Some((again, number(args, 1)?.max(1)));
    Ok(0)
}

fn export(args: &[String], v: &mut Variables) -> Done {
    for arg in args {
        let (name, value) = arg.split_once('=').map_or((arg.as_str(), None), |(n, value)| (n, Some(value)));
        if !crate::word::is_name(name) {
            return Err(format!("export: {name}: not a name"));
        }
        if let Some(value) = value {
            v.set(name, value);
        }
        v.export(name);
    }
    Ok(0)
}

fn set(args: &[String], v: &mut Variables) -> Done {
    let mut args = args;
    while let Some((first, rest)) = args.split_first() {
        match first.as_str() {
            "--" => {
                v.args = rest.to_vec();
                return Ok(0);
            }
            "-e" => v.errors_end = true,
            "+e" => v.errors_end = false,
            "-u" => v.unset_is_error = true,
            "+u" => v.unset_is_error = false,
            "-eu" | "-ue" => (v.errors_end, v.unset_is_error) = (true, true),
            option if option.starts_with(['-', '+']) && option.len() > 1 => {
                return Err(format!("set: {option}: only -e and -u are known"));
            }
            _ => {
                v.args = args.to_vec();
                return Ok(0);
            }
        }
        args = rest;
    }
    Ok(0)
}

/// `test`: 0 true, 1 false.
pub fn test(args: &[String], facts: &mut dyn FnMut(&str, bool) -> Option<Facts>) -> Done {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut test = Test { words: &words, facts };
    Ok(match words.as_slice() {
        [] => 1,
        [word] => word.is_empty() as u8,
        _ => {
            let value = test.or()?;
            if !test.words.is_empty() {
                return Err(format!("test: {}: not understood", test.words[0]));
            }
            !value as u8
        }
    })
}

struct Test<'a> {
    words: &'a [&'a str],
    facts: &'a mut dyn FnMut(&str, bool) -> Option<Facts>,
}

impl Test<'_> {
    fn next(&mut self) -> Result<String, String> {
        let (first, rest) = self.words.split_first().ok_or("test: something is missing at the end")?;
        self.words = rest;
        Ok(String::from(*first))
    }

    fn or(&mut self) -> Result<bool, String> {
        let mut value = self.and()?;
        while self.words.first() == Some(&"-o") {
            self.next()?;
            value |= self.and()?;
        }
        Ok(value)
    }

    fn and(&mut self) -> Result<bool, String> {
        let mut value = self.primary()?;
        while self.words.first() == Some(&"-a") {
            self.next()?;
            value &= self.primary()?;
        }
        Ok(value)
    }

    fn primary(&mut self) -> Result<bool, String> {
        // A binary operator in the middle wins over what the first word could mean.
        if let [left, op, right, ..] = self.words
            && let Some(value) = compare(left, op, right)
        {
            self.words = &self.words[3..];
            return value;
        }
        let first = self.next()?;
        match first.as_str() {
            "!" if !self.words.is_empty() => Ok(!self.primary()?),
            "(" if self.words.contains(&")") => {
                let value = self.or()?;
                if self.next()? == ")" { Ok(value) } else { Err(String::from("test: ( is not closed")) }
            }
            "-z" if !self.words.is_empty() => Ok(self.next()?.is_empty()),
            "-n" if !self.words.is_empty() => Ok(!self.next()?.is_empty()),
            "-e" | "-f" | "-d" | "-s" | "-r" | "-w" | "-x" | "-L" | "-h" if !self.words.is_empty() => {
                let path = self.next()?;
                let link = matches!(first.as_str(), "-L" | "-h");
                Ok((self.facts)(&path, !link).is_some_and(|f| match first.as_str() {
                    "-f" => f.regular,
                    "-d" => f.directory,
                    "-s" => f.size > 0,
                    "-r" => f.mode & 0o444 != 0,
                    "-w" => f.mode & 0o222 != 0,
                    "-x" => f.mode & 0o111 != 0,
                    "-L" | "-h" => f.link,
                    _ => true,
                }))
            }
            "-t" if !self.words.is_empty() => {
                self.next()?;
                Ok(false)
            }
            _ => Ok(!first.is_empty()),
        }
    }
}

fn compare(left: &str, op: &str, right: &str) -> Option<Result<bool, String>> {
    match op {
        "=" | "==" => return Some(Ok(left == right)),
        "!=" => return Some(Ok(left != right)),
        "-eq" | "-ne" | "-lt" | "-le" | "-gt" | "-ge" => {}
        _ => return None,
    }
    let number = |text: &str| text.trim().parse::<i64>().map_err(|_| format!("test: {text}: no number"));
    Some(number(left).and_then(|left| {
        number(right).map(|right| match op {
            "-eq" => left == right,
            "-ne" => left != right,
            "-lt" => left < right,
            "-le" => left <= right,
            "-gt" => left > right,
            _ => left >= right,
        })
    }))
}

/// `printf`: what it prints. The format is used again as long as there are arguments.
pub fn printf(args: &[String]) -> Result<String, String> {
    let (format, mut args) = args.split_first().ok_or("printf: a format is missing")?;
    let mut out = String::new();
    loop {
        let (used, over) = printf_once(format, args, &mut out)?;
        args = args.get(used..).unwrap_or(&[]);
        if over || args.is_empty() || used == 0 {
            return Ok(out);
        }
    }
}

/// One pass over a format: how many arguments it took, and whether `\c` ended everything.
fn printf_once(format: &str, args: &[String], out: &mut String) -> Result<(usize, bool), String> {
    let mut used = 0;
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match escape(&mut chars) {
                Some(c) => out.push(c),
                None => return Ok((used, true)),
            },
            '%' if chars.peek() == Some(&'%') => {
                chars.next();
                out.push('%');
            }
            '%' => {
                let mut flags = String::new();
                while let Some(c) = chars.next_if(|c| "-0+ #".contains(*c)) {
                    flags.push(c);
                }
                let mut digits = String::new();
                while let Some(c) = chars.next_if(char::is_ascii_digit) {
                    digits.push(c);
                }
                let mut precision = None;
                if chars.next_if_eq(&'.').is_some() {
                    let mut text = String::new();
                    while let Some(c) = chars.next_if(char::is_ascii_digit) {
                        text.push(c);
                    }
                    precision = Some(text.parse::<usize>().unwrap_or(0));
                }
                let arg = args.get(used).map_or("", String::as_str);
                used += 1;
                let kind = chars.next().unwrap_or(' ');
                let body = match kind {
                    's' => arg.chars().take(precision.unwrap_or(usize::MAX)).collect(),
                    'b' => {
                        let mut text = String::new();
                        let mut inner = arg.chars().peekable();
                        while let Some(c) = inner.next() {
                            match c {
                                '\\' => match escape(&mut inner) {
                                    Some(c) => text.push(c),
                                    None => break,
                                },
                                c => text.push(c),
                            }
                        }
                        text
                    }
                    'c' => arg.chars().take(1).collect(),
                    'd' | 'i' | 'u' => {
                        let value = integer(arg)?;
                        if flags.contains('+') && value >= 0 {
                            format!("+{value}")
                        } else {
                            value.to_string()
                        }
                    }
                    'x' => format!("{:x}", integer(arg)?),
                    'X' => format!("{:X}", integer(arg)?),
                    'o' => format!("{:o}", integer(arg)?),
                    _ => return Err(format!("printf: %{kind}: not understood")),
                };
                // No line is that wide; what somebody mistyped should not eat memory.
                let width = digits.parse::<usize>().unwrap_or(0).min(4096);
                let missing = width.saturating_sub(body.chars().count());
                let fill = if flags.contains('0') && !flags.contains('-') && kind != 's' { '0' } else { ' ' };
                if flags.contains('-') {
                    out.push_str(&body);
                    out.extend(core::iter::repeat_n(' ', missing));
                } else if let (Some(digits), '0') = (body.strip_prefix('-'), fill) {
                    out.push('-');
                    out.extend(core::iter::repeat_n('0', missing));
                    out.push_str(digits);
                } else {
                    out.extend(core::iter::repeat_n(fill, missing));
                    out.push_str(&body);
                }
            }
            c => out.push(c),
        }
    }
    Ok((used, false))
}

fn integer(text: &str) -> Result<i64, String> {
    if text.is_empty() {
        return Ok(0);
    }
    let parsed = match text.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| format!("printf: {text}: no number"))
}

/// What follows a backslash; `None`: `\c`.
fn escape(chars: &mut core::iter::Peekable<core::str::Chars<'_>>) -> Option<char> {
    Some(match chars.next() {
        Some('n') => '\n',
        Some('t') => '\t',
        Some('r') => '\r',
        Some('a') => '\x07',
        Some('b') => '\x08',
        Some('e') => '\x1b',
        Some('f') => '\x0c',
        Some('v') => '\x0b',
        Some('c') => return None,
        Some(c @ '0'..='7') => {
            let mut value = c as u32 - '0' as u32;
            for _ in 0..2 {
                match chars.next_if(|c| ('0'..='7').contains(c)) {
                    Some(c) => value = value * 8 + c as u32 - '0' as u32,
                    None => break,
                }
            }
            char::from(value as u8)
        }
        Some(c) => c,
        None => '\\',
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(words: &[&str]) -> Vec<String> {
        words.iter().map(|w| w.to_string()).collect()
    }

    #[test]
    fn tests() {
        let mut facts = |path: &str, _| {
            let facts =
                Facts { directory: path == "d", regular: path == "f", link: false, size: 3, mode: 0o644 };
            matches!(path, "d" | "f").then_some(facts)
        };
        for (words, wanted) in [
            (&[][..], Ok(1)),
            (&["x"], Ok(0)),
            (&[""], Ok(1)),
            (&["!", ""], Ok(0)),
            (&["a", "=", "a"], Ok(0)),
            (&["a", "!=", "a"], Ok(1)),
            (&["-z", ""], Ok(0)),
            (&["-n", ""], Ok(1)),
            (&["3", "-lt", "10"], Ok(0)),
            (&["-f", "f", "-a", "-d", "d"], Ok(0)),
            (&["-f", "d", "-o", "-e", "f"], Ok(0)),
            (&["!", "-x", "f"], Ok(0)),
            (&["(", "a", "=", "b", ")", "-o", "x"], Ok(0)),
            (&["=", "=", "="], Ok(0)),
        ] {
            assert_eq!(test(&strings(words), &mut facts), wanted, "{words:?}");
        }
        assert!(test(&strings(&["x", "-eq", "1"]), &mut facts).is_err());
        assert!(test(&strings(&["a", "b"]), &mut facts).is_err());
    }

    #[test]
    fn printing() {
        for (args, wanted) in [
            (&["%s-%s\\n", "a", "b"][..], "a-b\n"),
            (&["%s\\n", "a", "b"], "a\nb\n"),
            (&["%5d|%-5d|%05d", "42", "42", "-42"], "   42|42   |-0042"),
            (&["%x %X %o %c%%", "255", "255", "8", "xyz"], "ff FF 10 x%"),
            (&["%.2s|", "abcd"], "ab|"),
            (&["%b", "a\\tb\\0"], "a\tb\0"),
            (&["plain"], "plain"),
            (&["\\101\\c never"], "A"),
            (&["%s"], ""),
        ] {
            assert_eq!(printf(&strings(args)).as_deref(), Ok(wanted), "{args:?}");
        }
        assert!(printf(&strings(&["%d", "x"])).is_err() && printf(&[]).is_err());
    }
}
