// SPDX-License-Identifier: BSD-2-Clause
//! The line discipline: what a program gets of what a person types, a line at a time.

use alloc::vec::Vec;

/// Control-D, Control-U; backspace and delete.
const END: u8 = 0x04;
const KILL: u8 = 0x15;
const ERASE: [u8; 2] = [0x08, 0x7f];

/// What a program gets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cooked {
    /// Bytes, a line with its end, or what stood before a Control-D.
    Bytes(Vec<u8>),
    /// The end: Control-D where nothing stood.
    End,
}

/// The line that is being typed.
#[derive(Clone, Debug)]
pub struct Discipline {
    line: Vec<u8>,
    limit: usize,
}

impl Discipline {
    /// One for lines of at most so many bytes, their ends included. What is typed beyond that is not taken, nor shown.
    pub fn new(limit: usize) -> Discipline {
        Discipline { line: Vec::new(), limit }
    }

    /// Takes a byte. `out` is to be shown.
    pub fn feed(&mut self, byte: u8, out: &mut Vec<u8>) -> Option<Cooked> {
        match byte {
            b'\r' | b'\n' => {
                out.push(b'\n');
                self.line.push(b'\n');
                return Some(Cooked::Bytes(self.take()));
            }
            END if self.line.is_empty() => return Some(Cooked::End),
            END => return Some(Cooked::Bytes(self.take())),
            KILL => while self.erase(out) {},
            byte if ERASE.contains(&byte) => {
                self.erase(out);
            }
            // Other control characters mean nothing here; a tab is text.
            byte if byte < b' ' && byte != b'\t' => {}
            byte if self.line.len() + 1 < self.limit => {
                self.line.push(byte);
                out.push(byte);
            }
            _ => {}
        }
        None
    }

    /// What was typed of a line that is not finished.
    pub fn take(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.line)
    }

    /// Takes the last character away, of however many bytes; `false` if there is none.
    fn erase(&mut self, out: &mut Vec<u8>) -> bool {
        let there = !self.line.is_empty();
        while self.line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
        if there {
            out.extend_from_slice(b"\x08 \x08");
        }
        there
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;
    use std::vec;

    fn feed(text: &str) -> (Vec<Cooked>, String) {
        let (mut discipline, mut out) = (Discipline::new(8), Vec::new());
        let cooked = text.bytes().filter_map(|byte| discipline.feed(byte, &mut out)).collect();
        (cooked, String::from_utf8_lossy(&out).into_owned())
    }

    fn bytes(text: &str) -> Cooked {
        Cooked::Bytes(text.as_bytes().to_vec())
    }

    #[test]
    fn a_line_comes_when_it_is_finished() {
        assert_eq!(feed("one"), (vec![], "one".into()));
        assert_eq!(feed("one\rtwo\n"), (vec![bytes("one\n"), bytes("two\n")], "one\ntwo\n".into()));
    }

    #[test]
    fn control_d_is_the_end_only_where_nothing_stands() {
        assert_eq!(feed("\x04"), (vec![Cooked::End], String::new()));
        assert_eq!(feed("ab\x04\x04"), (vec![bytes("ab"), Cooked::End], "ab".into()));
    }

    #[test]
    fn characters_are_erased_whole() {
        assert_eq!(feed("aé\x7fb\n"), (vec![bytes("ab\n")], "aé\x08 \x08b\n".into()));
        assert_eq!(feed("\x08\x7f\n"), (vec![bytes("\n")], "\n".into()));
        assert_eq!(feed("abc\x15d\n").0, [bytes("d\n")]);
    }

    #[test]
    fn a_line_is_not_longer_than_its_limit() {
        assert_eq!(feed("0123456789\n"), (vec![bytes("0123456\n")], "0123456\n".into()));
    }
}
