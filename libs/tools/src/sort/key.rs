// SPDX-License-Identifier: BSD-2-Clause
//! The part of a line that is compared, and how.

use super::numeric;
use core::cmp::Ordering;

/// How keys are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Kind {
    /// `-n`.
    pub numeric: bool,
    /// `-h`.
    pub human: bool,
    /// `-M`.
    pub month: bool,
    /// `-f`.
    pub fold: bool,
    /// `-d`.
    pub dictionary: bool,
    /// `-i`.
    pub printing: bool,
    /// `-r`.
    pub reverse: bool,
    /// `-b`, for the key's start and for its end.
    pub blanks: (bool, bool),
}

impl Kind {
    /// Whether bytes are compared as they are.
    fn is_plain(&self) -> bool {
        !(self.numeric || self.human || self.month || self.translates())
    }

    fn translates(&self) -> bool {
        self.fold || self.dictionary || self.printing
    }

    /// Takes an option's letter; `false`: it is none.
    pub fn take(&mut self, letter: char) -> bool {
        match letter {
            'n' => self.numeric = true,
            'h' => self.human = true,
            'M' => self.month = true,
            'f' => self.fold = true,
            'd' => self.dictionary = true,
            'i' => self.printing = true,
            'r' => self.reverse = true,
            'b' => self.blanks = (true, true),
            _ => return false,
        }
        true
    }

    /// Two ways to compare that exclude each other.
    pub fn contradicts(&self) -> bool {
        let values = [self.numeric, self.human, self.month].iter().filter(|k| **k).count();
        values > 1 || values == 1 && (self.dictionary || self.printing)
    }

    fn translate(self, bytes: &[u8]) -> impl Iterator<Item = u8> + '_ {
        bytes.iter().filter_map(move |b| self.translated(*b))
    }

    /// The byte that is compared for this one, if it counts.
    fn translated(&self, byte: u8) -> Option<u8> {
        let blank = matches!(byte, b' ' | b'\t' | b'\n');
        if self.dictionary && !blank && !byte.is_ascii_alphanumeric()
            || self.printing && !(0x20..0x7f).contains(&byte)
        {
            return None;
        }
        Some(if self.fold { byte.to_ascii_uppercase() } else { byte })
    }
}

/// A key: `-k START[,END]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key {
    /// Fields before the start, and bytes of that field before it.
    pub start: (usize, usize),
    /// Fields before the end, and bytes of that field up to it (0: the whole field); `None`: to the end of the line.
    pub end: Option<(usize, usize)>,
    /// How it is compared.
    pub kind: Kind,
}

impl Key {
    /// The whole line.
    pub fn line(kind: Kind) -> Key {
        Key { start: (0, 0), end: None, kind }
    }

    /// Its part of a line; `separator` is `-t`'s.
    pub fn of<'a>(&self, line: &'a [u8], separator: Option<u8>) -> &'a [u8] {
        if self.start == (0, 0) && self.end.is_none() && !self.kind.blanks.0 {
            return line;
        }
        let start = self.start_in(line, separator);
        let end = self.end_in(line, separator).max(start);
        line.get(start..end).unwrap_or(&[])
    }

    fn start_in(&self, line: &[u8], separator: Option<u8>) -> usize {
        let mut at = 0;
        for _ in 0..self.start.0 {
            if at >= line.len() {
                break;
            }
            at = match separator {
                Some(byte) => find(line, at, |b| b == byte).saturating_add(1).min(line.len()),
                None => after_field(line, at),
            };
        }
        if self.kind.blanks.0 {
            at = find(line, at, |b| !is_blank(b));
        }
        at.saturating_add(self.start.1).min(line.len())
    }

    fn end_in(&self, line: &[u8], separator: Option<u8>) -> usize {
        let Some((fields, bytes)) = self.end else { return line.len() };
        let mut left = fields.saturating_add(usize::from(bytes == 0));
        let mut at = 0;
        while left > 0 && at < line.len() {
            left -= 1;
            match separator {
                Some(byte) => {
                    at = find(line, at, |b| b == byte);
                    // The separator itself belongs to the key only if there is more of it.
                    if at < line.len() && (left > 0 || bytes > 0) {
                        at += 1;
                    }
                }
                None => at = after_field(line, at),
            }
        }
        if bytes > 0 {
            if self.kind.blanks.1 {
                at = find(line, at, |b| !is_blank(b));
            }
            at = at.saturating_add(bytes).min(line.len());
        }
        at
    }

    /// Compares two keys.
    pub fn compare(&self, a: &[u8], b: &[u8]) -> Ordering {
        let kind = &self.kind;
        let order = if kind.numeric {
            numeric::compare(a, b)
        } else if kind.human {
            numeric::compare_human(a, b)
        } else if kind.month {
            numeric::month(a).cmp(&numeric::month(b))
        } else if kind.translates() {
            kind.translate(a).cmp(kind.translate(b))
        } else {
            a.cmp(b)
        };
        if kind.reverse { order.reverse() } else { order }
    }

    /// A number that orders as the key does, except that different keys may have the same. `skip`: bytes that all keys have in common.
    pub fn prefix(&self, key: &[u8], skip: usize) -> u64 {
        let number = if self.kind.numeric {
            numeric::prefix(key)
        } else if self.kind.is_plain() {
            first_eight(key.get(skip..).unwrap_or(&[]))
        } else if self.kind.human || self.kind.month {
            return 0;
        } else {
            let mut bytes = [0; 8];
            for (to, from) in bytes.iter_mut().zip(self.kind.translate(key)) {
                *to = from;
            }
            u64::from_be_bytes(bytes)
        };
        if self.kind.reverse { !number } else { number }
    }

    /// How many bytes two keys have in common at their start, as far as [`Key::prefix`] can leave them out.
    pub fn common(&self, a: &[u8], b: &[u8]) -> usize {
        if !self.kind.is_plain() {
            return 0;
        }
        a.iter().zip(b).take_while(|(x, y)| x == y).count()
    }
}

fn first_eight(bytes: &[u8]) -> u64 {
    if let Some(whole) = bytes.first_chunk::<8>() {
        return u64::from_be_bytes(*whole);
    }
    let mut padded = [0; 8];
    for (to, from) in padded.iter_mut().zip(bytes) {
        *to = *from;
    }
    u64::from_be_bytes(padded)
}

pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n')
}

/// The first place from `at` on where it holds, or the end.
fn find(line: &[u8], at: usize, holds: impl Fn(u8) -> bool) -> usize {
    line.get(at..).and_then(|rest| rest.iter().position(|b| holds(*b))).map_or(line.len(), |n| at + n)
}

/// Past the blanks and what follows them.
fn after_field(line: &[u8], at: usize) -> usize {
    let begin = find(line, at, |b| !is_blank(b));
    find(line, begin, is_blank)
}
