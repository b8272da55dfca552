// SPDX-License-Identifier: BSD-2-Clause
//! Permissions: `755`, `u=rwx,go+x`, and `-rwxr-xr-x`.

use crate::system::Kind;
use alloc::string::String;

/// What a file that is made gets less: there is no mask of one's own.
const MASK: u16 = 0o022;

/// Ten letters as `ls -l` shows them.
pub fn letters(kind: Kind, mode: u16) -> String {
    let mut text = String::with_capacity(10);
    text.push(match kind {
        Kind::File => '-',
        Kind::Directory => 'd',
        Kind::Link => 'l',
        Kind::Other => '?',
    });
    for (shift, special, with, without) in
        [(6, 0o4000, 's', 'S'), (3, 0o2000, 's', 'S'), (0, 0o1000, 't', 'T')]
    {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (bits & 1 != 0, mode & special != 0) {
            (true, false) => 'x',
            (false, false) => '-',
            (true, true) => with,
            (false, true) => without,
        });
    }
    text
}

/// What a change makes of a mode; `None`: the change makes no sense.
pub fn changed(change: &str, old: u16, kind: Kind) -> Option<u16> {
    if change.starts_with(|c: char| c.is_ascii_digit()) {
        let mode = u16::from_str_radix(change, 8).ok().filter(|m| *m <= 0o7777)?;
        return Some(mode);
    }
    change.split(',').try_fold(old, |mode, clause| clause_changed(clause, mode, kind))
}

fn clause_changed(clause: &str, mut mode: u16, kind: Kind) -> Option<u16> {
    let at = clause.find(['+', '-', '='])?;
    let (who, mut actions) = clause.split_at(at);
    let mut classes = 0u16;
    for letter in who.chars() {
        classes |= match letter {
            'u' => 0o4700,
            'g' => 0o2070,
            'o' => 0o1007,
            'a' => 0o7777,
            _ => return None,
        };
    }
    let touched = if who.is_empty() { 0o7777 & !MASK } else { classes };
    while let Some(action) = actions.chars().next() {
        let rest = actions.get(1..)?;
        let end = rest.find(['+', '-', '=']).unwrap_or(rest.len());
        let (permissions, next) = rest.split_at(end);
        actions = next;
        let mut bits = 0u16;
        for letter in permissions.chars() {
            bits |= match letter {
                'r' => 0o444,
                'w' => 0o222,
                'x' => 0o111,
                'X' if kind == Kind::Directory || mode & 0o111 != 0 => 0o111,
                'X' => 0,
                's' => 0o6000,
                't' => 0o1000,
                'u' => (mode >> 6 & 7) * 0o111,
                'g' => (mode >> 3 & 7) * 0o111,
                'o' => (mode & 7) * 0o111,
                _ => return None,
            };
        }
        // `t` belongs to nobody in particular.
        let bits = bits & (touched | if who.is_empty() || classes & 0o1000 != 0 { 0o1000 } else { 0 });
        match action {
            '+' => mode |= bits,
            '-' => mode &= !bits,
            '=' => {
                let cleared = if who.is_empty() { 0o777 } else { classes & 0o777 };
                // A directory keeps its special bits unless they are named.
                let special = if kind == Kind::Directory { 0 } else { classes & 0o7000 };
                mode = mode & !(cleared | special) | bits;
            }
            _ => return None,
        }
    }
    Some(mode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes() {
        for (change, old, new) in [
            ("644", 0o777, 0o644),
            ("0", 0o777, 0),
            ("u+x", 0o644, 0o744),
            ("+x", 0o644, 0o755),
            ("+w", 0o444, 0o644),
            ("go-rwx", 0o755, 0o700),
            ("a=r", 0o755, 0o444),
            ("u=rwx,g=rx,o=", 0o000, 0o750),
            ("g=u", 0o700, 0o770),
            ("u+s", 0o755, 0o4755),
            ("+t", 0o755, 0o1755),
            ("a+X", 0o644, 0o644),
            ("a+X", 0o744, 0o755),
            ("u+x-w", 0o644, 0o544),
        ] {
            assert_eq!(changed(change, old, Kind::File), Some(new), "{change}");
        }
        for bad in ["", "8", "77777", "u", "u+q", "q+x", "u+x,", "rwx"] {
            assert_eq!(changed(bad, 0o644, Kind::File), None, "{bad}");
        }
        assert_eq!(letters(Kind::Directory, 0o1777), "drwxrwxrwt");
        assert_eq!(letters(Kind::File, 0o4644), "-rwSr--r--");
    }
}
