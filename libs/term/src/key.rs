// SPDX-License-Identifier: BSD-2-Clause
//! Keys out of bytes: UTF-8, control characters, escape sequences.

/// A key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Key {
    /// A character that is not a control character.
    Char(char),
    /// Control and a letter, lower case.
    Control(char),
    /// Alt (or escape) and a character.
    Alt(char),
    Enter,
    Backspace,
    Delete,
    Left,
    Right,
    Up,
    Down,
    Home,
    End,
    /// Control and an arrow.
    WordLeft,
    WordRight,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Ground,
    Escape,
    /// `ESC [` or `ESC O`: the number being read, and the one before it.
    Sequence(u16, u16),
}

/// Turns bytes into keys. Broken UTF-8 gives U+FFFD; sequences that nobody knows give nothing.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    state: State,
    utf8: [u8; 4],
    have: usize,
    need: usize,
    after_return: bool,
}

impl Decoder {
    /// Takes a byte; a key, if it completes one.
    pub fn feed(&mut self, byte: u8) -> Option<Key> {
        let after_return = core::mem::replace(&mut self.after_return, byte == b'\r');
        match self.state {
            State::Ground if byte >= 0x80 || self.have > 0 => self.utf8(byte),
            State::Ground => match byte {
                0x1b => {
                    self.state = State::Escape;
                    None
                }
                // A line that ends with both is one line.
                b'\n' if after_return => None,
                b'\r' | b'\n' => Some(Key::Enter),
                0x08 | 0x7f => Some(Key::Backspace),
                0 => None,
                1..=26 => Some(Key::Control((b'a' + byte - 1) as char)),
                28..=31 => None,
                _ => Some(Key::Char(byte as char)),
            },
            State::Escape => {
                self.state = State::Ground;
                match byte {
                    b'[' | b'O' => {
                        self.state = State::Sequence(0, 0);
                        None
                    }
                    0x1b => {
                        self.state = State::Escape;
                        None
                    }
                    0x7f | 0x08 => Some(Key::Control('w')),
                    b if b.is_ascii_graphic() => Some(Key::Alt(b as char)),
                    _ => None,
                }
            }
            State::Sequence(number, before) => self.sequence(byte, number, before),
        }
    }

    fn sequence(&mut self, byte: u8, number: u16, before: u16) -> Option<Key> {
        match byte {
            b'0'..=b'9' => {
                let number = number.saturating_mul(10).saturating_add((byte - b'0') as u16);
                self.state = State::Sequence(number, before);
                return None;
            }
            b';' => {
                self.state = State::Sequence(0, number);
                return None;
            }
            // Other parameter and intermediate bytes.
            0x20..=0x3f => return None,
            _ => self.state = State::Ground,
        }
        // A second parameter of 3 or 5 is Alt or Control.
        let word = before != 0 && matches!(number, 3 | 5);
        Some(match byte {
            b'A' => Key::Up,
            b'B' => Key::Down,
            b'C' if word => Key::WordRight,
            b'D' if word => Key::WordLeft,
            b'C' => Key::Right,
            b'D' => Key::Left,
            b'H' => Key::Home,
            b'F' => Key::End,
            b'~' => match number {
                1 | 7 => Key::Home,
                3 => Key::Delete,
                4 | 8 => Key::End,
                _ => return None,
            },
            _ => return None,
        })
    }

    fn utf8(&mut self, byte: u8) -> Option<Key> {
        const BROKEN: Option<Key> = Some(Key::Char(char::REPLACEMENT_CHARACTER));
        if self.have == 0 {
            self.need = match byte {
                0xc2..=0xdf => 2,
                0xe0..=0xef => 3,
                0xf0..=0xf4 => 4,
                _ => return BROKEN,
            };
        } else if byte & 0xc0 != 0x80 {
            // The character was cut short; this byte begins something else, which is lost with it unless it is plain.
            self.have = 0;
            return match byte {
                0x20..=0x7e => Some(Key::Char(byte as char)),
                b'\r' | b'\n' => Some(Key::Enter),
                _ => BROKEN,
            };
        }
        self.utf8[self.have] = byte;
        self.have += 1;
        if self.have < self.need {
            return None;
        }
        let bytes = &self.utf8[..self.need];
        self.have = 0;
        match core::str::from_utf8(bytes).ok().and_then(|s| s.chars().next()) {
            Some(c) if !c.is_control() => Some(Key::Char(c)),
            Some(_) => None,
            None => BROKEN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let mut decoder = Decoder::default();
        bytes.iter().filter_map(|b| decoder.feed(*b)).collect()
    }

    #[test]
    fn characters() {
        assert_eq!(keys("aü€😀".as_bytes()), "aü€😀".chars().map(Key::Char).collect::<Vec<_>>());
        assert_eq!(keys(b"\xffa"), [Key::Char('\u{fffd}'), Key::Char('a')]);
        assert_eq!(keys(b"\xe2\x82a"), [Key::Char('a')]);
        assert_eq!(keys(b"\xed\xa0\x80"), [Key::Char('\u{fffd}')], "a surrogate is no character");
    }

    #[test]
    fn control_characters() {
        assert_eq!(
            keys(b"\x01\x03\x7f\x08\x00"),
            [Key::Control('a'), Key::Control('c'), Key::Backspace, Key::Backspace]
        );
        assert_eq!(keys(b"\r\n\n\r"), vec![Key::Enter; 3]);
    }

    #[test]
    fn sequences_of_several_terminals() {
        assert_eq!(keys(b"\x1b[A\x1bOB\x1b[C\x1b[D"), [Key::Up, Key::Down, Key::Right, Key::Left]);
        assert_eq!(
            keys(b"\x1b[H\x1b[1~\x1b[7~\x1bOF\x1b[4~\x1b[3~"),
            [Key::Home, Key::Home, Key::Home, Key::End, Key::End, Key::Delete]
        );
        assert_eq!(
            keys(b"\x1b[1;5D\x1b[1;3C\x1bb\x1b\x7f"),
            [Key::WordLeft, Key::WordRight, Key::Alt('b'), Key::Control('w')]
        );
        assert_eq!(keys(b"\x1b[200~\x1b[?25h\x1b[99999999zx"), [Key::Char('x')]);
    }
}
