// SPDX-License-Identifier: BSD-2-Clause
//! The editor: keys change the line, and the screen follows.

use crate::line::Line;
use crate::{Decoder, History, Key};
use alloc::string::String;
use alloc::vec::Vec;
use unicode_width::UnicodeWidthChar;

/// What a byte led to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A line was entered. It is in the history.
    Line(String),
    /// Control-C: the line was abandoned.
    Interrupted,
    /// Control-D on an empty line.
    EndOfInput,
}

/// A line editor.
///
/// Arrows, Home, End, Control-A, -E, -B, -F: move; Alt or Control with an arrow: by words. Backspace, Delete, Control-D, -H: delete;
/// Control-U, -K, -W: cut to the start, to the end, the word before; Control-Y: put back. Up, Down, Control-P, -N: history.
/// Control-L: clear the screen. Tab is a blank.
#[derive(Clone, Debug)]
pub struct Editor {
    decoder: Decoder,
    line: Line,
    history: History,
    cut: Vec<char>,
    prompt: Vec<char>,
    columns: usize,
    /// Row of the cursor below the prompt's first row, as drawn.
    row: usize,
    /// Column of the cursor, as drawn.
    column: usize,
}

impl Editor {
    /// An editor for a terminal so wide, with a history of so many lines.
    pub fn new(columns: u16, history: usize) -> Editor {
        Editor {
            decoder: Decoder::default(),
            line: Line::default(),
            history: History::new(history),
            cut: Vec::new(),
            prompt: Vec::new(),
            columns: (columns as usize).max(8),
            row: 0,
            column: 0,
        }
    }

    /// The history.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Begins a line: the prompt appears. The cursor is taken to be at the start of a row.
    pub fn start(&mut self, prompt: &str, out: &mut Vec<u8>) {
        self.prompt = prompt.chars().collect();
        self.line.clear();
        self.history.leave();
        (self.row, self.column) = (0, 0);
        self.draw(out);
    }

    /// Draws the line again, after something else was written; the cursor is taken to be at the start of a row.
    pub fn redraw(&mut self, out: &mut Vec<u8>) {
        (self.row, self.column) = (0, 0);
        self.draw(out);
    }

    /// Takes a byte from the keyboard.
    pub fn feed(&mut self, byte: u8, out: &mut Vec<u8>) -> Option<Event> {
        let key = self.decoder.feed(byte)?;
        let cursor = self.line.cursor();
        match key {
            Key::Char(c) => return self.insert(c, out),
            Key::Control('i') => return self.insert(' ', out),
            Key::Enter => {
                self.line.go_end();
                self.draw(out);
                out.push(b'\n');
                let text = self.line.text();
                self.history.add(&text);
                return Some(Event::Line(text));
            }
            Key::Control('c') => {
                self.line.go_end();
                self.draw(out);
                out.extend_from_slice(b"^C\n");
                return Some(Event::Interrupted);
            }
            Key::Control('d') if self.line.is_empty() => {
                out.push(b'\n');
                return Some(Event::EndOfInput);
            }
            Key::Backspace => drop(self.line.cut(cursor.saturating_sub(1), cursor)),
            Key::Delete | Key::Control('d') => drop(self.line.cut(cursor, cursor + 1)),
            Key::Left | Key::Control('b') => self.line.go(cursor.saturating_sub(1)),
            Key::Right | Key::Control('f') => self.line.go(cursor + 1),
            Key::WordLeft | Key::Alt('b') => self.line.go(self.line.word_left()),
            Key::WordRight | Key::Alt('f') => self.line.go(self.line.word_right()),
            Key::Home | Key::Control('a') => self.line.go(0),
            Key::End | Key::Control('e') => self.line.go_end(),
            Key::Control('u') => self.cut = self.line.cut(0, cursor),
            Key::Control('k') => self.cut = self.line.cut(cursor, self.line.len()),
            Key::Control('w') => self.cut = self.line.cut(self.line.word_left(), cursor),
            Key::Alt('d') => self.cut = self.line.cut(cursor, self.line.word_right()),
            Key::Control('y') => {
                for c in self.cut.clone() {
                    self.line.insert(c);
                }
            }
            Key::Up | Key::Control('p') => {
                if let Some(text) = self.history.older(&self.line.text()) {
                    self.line.set(text);
                }
            }
            Key::Down | Key::Control('n') => {
                if let Some(text) = self.history.newer() {
                    self.line.set(text);
                }
            }
            Key::Control('l') => {
                out.extend_from_slice(b"\x1b[H\x1b[2J");
                (self.row, self.column) = (0, 0);
            }
            Key::Control(_) | Key::Alt(_) => return None,
        }
        self.draw(out);
        None
    }

    fn insert(&mut self, c: char, out: &mut Vec<u8>) -> Option<Event> {
        let at_end = self.line.cursor() == self.line.len();
        if !self.line.insert(c) {
            out.push(0x07);
            return None;
        }
        let width = width(c);
        if at_end && width == 1 && self.column + 1 < self.columns {
            // The common case costs one character on the line.
            push(out, c);
            self.column += 1;
        } else {
            self.draw(out);
        }
        None
    }

    /// Draws everything: back to the prompt's start, clear, write, and the cursor to its place.
    fn draw(&mut self, out: &mut Vec<u8>) {
        move_by(out, self.row, 'A');
        out.extend_from_slice(b"\r\x1b[J");
        let (mut row, mut column) = (0, 0);
        let mut place = (0, 0);
        let cursor = self.prompt.len() + self.line.cursor();
        for (index, c) in self.prompt.iter().chain(self.line.chars()).enumerate() {
            let width = width(*c);
            if column + width > self.columns {
                // A wide character that does not fit goes to the next row, as terminals do it; the row is ended here so that all agree.
                out.push(b'\n');
                (row, column) = (row + 1, 0);
            }
            if index == cursor {
                place = (row, column);
            }
            push(out, *c);
            column += width;
            if column == self.columns {
                // Terminals differ in where the cursor is after the last column: go to the next row at once.
                out.push(b'\n');
                (row, column) = (row + 1, 0);
            }
        }
        if cursor == self.prompt.len() + self.line.len() {
            place = (row, column);
        }
        move_by(out, row - place.0, 'A');
        if place != (row, column) {
            out.push(b'\r');
            move_by(out, place.1, 'C');
        }
        (self.row, self.column) = place;
    }
}

/// Columns that a character takes. Combining ones are drawn as a column of their own width (0) with the one before.
fn width(c: char) -> usize {
    c.width().unwrap_or(0)
}

fn push(out: &mut Vec<u8>, c: char) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

fn move_by(out: &mut Vec<u8>, count: usize, direction: char) {
    if count > 0 {
        out.extend_from_slice(alloc::format!("\x1b[{count}{direction}").as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::Screen;
    use std::string::ToString;

    struct Session {
        editor: Editor,
        screen: Screen,
    }

    impl Session {
        fn new(columns: u16) -> Session {
            let mut session =
                Session { editor: Editor::new(columns, 20), screen: Screen::new(columns as usize) };
            session.start();
            session
        }

        fn start(&mut self) {
            let mut out = Vec::new();
            self.editor.start("ebb$ ", &mut out);
            self.screen.feed(&out);
        }

        fn keys(&mut self, bytes: &[u8]) -> Option<Event> {
            let mut last = None;
            for byte in bytes {
                let mut out = Vec::new();
                last = self.editor.feed(*byte, &mut out);
                self.screen.feed(&out);
                if last.is_some() {
                    break;
                }
            }
            last
        }

        /// Types, enters, and gives the line.
        fn line(&mut self, bytes: &[u8]) -> String {
            assert_eq!(self.keys(bytes), None);
            let Some(Event::Line(line)) = self.keys(b"\r") else { panic!("a line") };
            self.start();
            line
        }
    }

    #[test]
    fn editing() {
        let mut s = Session::new(80);
        assert_eq!(s.line(b"vmstat"), "vmstat");
        assert_eq!(s.line(b"vmsta\x1b[D\x1b[D\x1b[Dx\x1b[Ft"), "vmxstat");
        assert_eq!(s.line(b"bcd\x01a\x05e"), "abcde");
        assert_eq!(s.line(b"abc\x7f\x7fx"), "ax");
        assert_eq!(s.line(b"abc\x01\x04\x1b[3~"), "c");
        assert_eq!(s.line(b"one two  three\x17\x17x"), "one x");
        assert_eq!(s.line(b"one two\x1bb\x15\x05 \x19"), "two one ");
        assert_eq!(s.line(b"one two\x01\x1bf\x0b!"), "one!");
        assert_eq!(s.line("grün\u{1b}[Dö".as_bytes()), "grüön");
        assert_eq!(s.line("ü\u{7f}a".as_bytes()), "a");
        assert_eq!(s.line(b"\x7f\x1b[D\x15\x17\x0b\x1b[3~a\tb"), "a b", "nothing to delete is no harm");
    }

    #[test]
    fn history() {
        let mut s = Session::new(80);
        s.line(b"first");
        s.line(b"second");
        assert_eq!(s.line(b"\x1b[A\x1b[A!"), "first!");
        assert_eq!(s.line(b"draft\x1b[A\x1b[B2"), "draft2");
        assert_eq!(s.line(b"\x10\x10\x0e"), "draft2");
        assert_eq!(s.line(b"\x1b[B"), "");
    }

    #[test]
    fn interrupt_and_end() {
        let mut s = Session::new(80);
        assert_eq!(s.keys(b"abc\x03"), Some(Event::Interrupted));
        assert!(s.screen.text().ends_with("ebb$ abc^C\n"), "{}", s.screen.text());
        s.start();
        assert_eq!(s.keys(b"\x04"), Some(Event::EndOfInput));
        s.start();
        assert_eq!(s.keys(b"a\x04"), None, "not on a line that has something");
    }

    #[test]
    fn long_lines_wrap_and_stay_readable() {
        let mut s = Session::new(20);
        let text = "0123456789".repeat(6);
        s.keys(text.as_bytes());
        assert_eq!(
            s.screen.text(),
            "ebb$ 012345678901234\n56789012345678901234\n56789012345678901234\n56789"
        );
        s.keys(b"\x01X");
        assert_eq!(
            s.screen.text(),
            "ebb$ X01234567890123\n45678901234567890123\n45678901234567890123\n456789"
        );
        assert_eq!(s.screen.cursor(), (0, 6));
        s.keys(b"\x05\x15");
        assert_eq!(s.screen.text().trim_end(), "ebb$");
    }

    #[test]
    fn the_screen_shows_the_line_whatever_is_typed() {
        let inputs: &[&[u8]] = &[
            b"a",
            b"b",
            b"word ",
            "ü".as_bytes(),
            "漢".as_bytes(),
            b"\x1b[D",
            b"\x1b[C",
            b"\x01",
            b"\x05",
            b"\x7f",
            b"\x04",
            b"\x17",
            b"\x0b",
            b"\x19",
            b"\x1b[A",
            b"\x1b[B",
            b"\x1bb",
            b"\x1bf",
        ];
        for columns in [8u16, 13, 20] {
            let mut s = Session::new(columns);
            s.line(b"a line of the history");
            s.line("漢字漢字漢字漢字".as_bytes());
            let mut state = columns as u64;
            let mut top = s.screen.cursor().0;
            for _ in 0..3000 {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let input = inputs[(state >> 33) as usize % inputs.len()];
                if s.keys(input) == Some(Event::EndOfInput) {
                    s.start();
                    top = s.screen.cursor().0;
                }
                let mut want = Screen::new(columns as usize);
                let before: String = s.editor.line.chars()[..s.editor.line.cursor()].iter().collect();
                want.feed(std::format!("ebb$ {}", s.editor.line.text()).as_bytes());
                let shown = s.screen.text_from(top);
                assert_eq!(shown.trim_end(), want.text().trim_end());
                let mut place = Screen::new(columns as usize);
                place.feed(std::format!("ebb$ {before}").as_bytes());
                let next_is_wide =
                    s.editor.line.chars().get(s.editor.line.cursor()).is_some_and(|c| width(*c) == 2);
                if !next_is_wide {
                    assert_eq!((s.screen.cursor().0 - top, s.screen.cursor().1), place.settled());
                }
            }
        }
    }

    #[test]
    fn a_line_has_a_bound() {
        let mut s = Session::new(80);
        for _ in 0..crate::line::MAX_LINE + 10 {
            s.keys(b"x");
        }
        assert_eq!(s.line(b"").len(), crate::line::MAX_LINE.to_string().parse::<usize>().unwrap());
    }
}
