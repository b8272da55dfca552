// SPDX-License-Identifier: BSD-2-Clause
//! Names of functions as people write them, from the symbols that the compiler makes: all of the legacy scheme, plain
//! paths of the newer one. Anything else is shown as it is.

use core::fmt;

/// A symbol's name, to be shown.
pub struct Name<'a>(pub &'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parts) = self.0.strip_prefix("_ZN").filter(|p| well_formed(p)) {
            return legacy(parts, f);
        }
        match self.0.strip_prefix("_R").filter(|p| path(p, &mut |_| Ok(())).is_some()) {
            Some(text) => show_path(text, f),
            None => f.write_str(self.0),
        }
    }
}

fn legacy(parts: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut rest = parts;
    let mut first = true;
    while let Some((part, after)) = part(rest) {
        rest = after;
        if rest.starts_with('E') && is_hash(part) {
            break;
        }
        if !first {
            f.write_str("::")?;
        }
        first = false;
        show(part, f)?;
    }
    Ok(())
}

/// A plain path of the newer scheme (RFC 2603): a crate, and names nested in it. Anything with types in it is left as it is.
fn show_path(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut first = true;
    let mut result = Ok(());
    path(text, &mut |part| {
        if result.is_ok() && !first {
            result = f.write_str("::");
        }
        first = false;
        if result.is_ok() {
            result = f.write_str(part);
        }
        result
    });
    result
}

/// Visits the names of a path and returns what follows it; `None` if it is no plain path.
fn path<'a>(text: &'a str, visit: &mut dyn FnMut(&'a str) -> fmt::Result) -> Option<&'a str> {
    let rest = if let Some(nested) = text.strip_prefix('N') {
        let space = nested.chars().next().filter(char::is_ascii_alphabetic)?;
        path(&nested[space.len_utf8()..], visit)?
    } else {
        text.strip_prefix('C')?
    };
    // A number that tells namesakes apart: `s`, digits and letters, `_`.
    let rest = match rest.strip_prefix('s') {
        Some(number) => &number[number.find('_')? + 1..],
        None => rest,
    };
    let (name, rest) = part(rest)?;
    visit(if name.is_empty() { "{closure}" } else { name }).ok()?;
    Some(rest)
}

/// A length in decimal and so many bytes: the part, and what follows.
fn part(text: &str) -> Option<(&str, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let len: usize = text[..digits].parse().ok()?;
    let end = digits.checked_add(len)?;
    Some((text.get(digits..end)?, text.get(end..)?))
}

fn well_formed(mut text: &str) -> bool {
    let mut parts = 0;
    while let Some((_, rest)) = part(text) {
        text = rest;
        parts += 1;
    }
    parts > 0 && text.starts_with('E')
}

fn is_hash(part: &str) -> bool {
    part.len() == 17 && part.starts_with('h') && part[1..].bytes().all(|b| b.is_ascii_hexdigit())
}

/// The escapes of the scheme, as far as they are common.
fn show(part: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const ESCAPES: [(&str, &str); 9] = [
        ("$LT$", "<"),
        ("$GT$", ">"),
        ("$u20$", " "),
        ("$RF$", "&"),
        ("$u7b$", "{"),
        ("$u7d$", "}"),
        ("$LP$", "("),
        ("$RP$", ")"),
        ("..", "::"),
    ];
    let mut rest = part.strip_prefix("_$").map_or(part, |_| &part[1..]);
    while let Some(c) = rest.chars().next() {
        if let Some((from, to)) = ESCAPES.iter().find(|(from, _)| rest.starts_with(from)) {
            f.write_str(to)?;
            rest = &rest[from.len()..];
        } else {
            fmt::Write::write_char(f, c)?;
            rest = &rest[c.len_utf8()..];
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_paths_and_leaves_what_it_does_not_know() {
        let show = |s| Name(s).to_string();
        assert_eq!(show("_ZN6kernel4pmap5enter17h0123456789abcdefE"), "kernel::pmap::enter");
        assert_eq!(show("_ZN36_$LT$Foo$u20$as$u20$core..fmt..X$GT$3fmtE"), "<Foo as core::fmt::X>::fmt");
        assert_eq!(show("_RNvNtCsg3SjgaGcPXb_4core9panicking9panic_fmt"), "core::panicking::panic_fmt");
        assert_eq!(show("_RNCNvC1a1b0"), "a::b::{closure}");
        for odd in ["syscall_entry", "_ZN", "_ZN9shortE", "_ZN1é", "_ZN99999999999999999999aE", "_RNvC1a"] {
            assert_eq!(show(odd), odd);
        }
    }
}
