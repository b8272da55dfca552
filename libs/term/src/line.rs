// SPDX-License-Identifier: BSD-2-Clause
//! The line being edited, and its cursor. No drawing here.

use alloc::string::String;
use alloc::vec::Vec;

/// Longest line, in characters; more is not taken.
pub const MAX_LINE: usize = 2000;

/// A line. The cursor is a number of characters, `0..=len`.
#[derive(Clone, Debug, Default)]
pub struct Line {
    chars: Vec<char>,
    cursor: usize,
}

impl Line {
    pub fn chars(&self) -> &[char] {
        &self.chars
    }

    pub fn cursor(&self) -> usize {
        self.cursor
    }

    pub fn is_empty(&self) -> bool {
        self.chars.is_empty()
    }

    pub fn text(&self) -> String {
        self.chars.iter().collect()
    }

    /// Replaces the line; the cursor goes to its end.
    pub fn set(&mut self, text: &str) {
        self.chars = text.chars().take(MAX_LINE).collect();
        self.cursor = self.chars.len();
    }

    pub fn clear(&mut self) {
        self.chars.clear();
        self.cursor = 0;
    }

    pub fn insert(&mut self, c: char) -> bool {
        let room = self.chars.len() < MAX_LINE;
        if room {
            self.chars.insert(self.cursor, c);
            self.cursor += 1;
        }
        room
    }

    pub fn go(&mut self, to: usize) {
        self.cursor = to.min(self.chars.len());
    }

    pub fn go_end(&mut self) {
        self.cursor = self.chars.len();
    }

    /// Takes the characters of a range out; the cursor goes to its start.
    pub fn cut(&mut self, from: usize, to: usize) -> Vec<char> {
        let to = to.min(self.chars.len());
        let from = from.min(to);
        self.cursor = from;
        self.chars.drain(from..to).collect()
    }

    pub fn len(&self) -> usize {
        self.chars.len()
    }

    /// Where the word before the cursor begins.
    pub fn word_left(&self) -> usize {
        let mut at = self.cursor;
        while at > 0 && self.chars[at - 1].is_whitespace() {
            at -= 1;
        }
        while at > 0 && !self.chars[at - 1].is_whitespace() {
            at -= 1;
        }
        at
    }

    /// Where the word after the cursor ends.
    pub fn word_right(&self) -> usize {
        let mut at = self.cursor;
        while at < self.chars.len() && self.chars[at].is_whitespace() {
            at += 1;
        }
        while at < self.chars.len() && !self.chars[at].is_whitespace() {
            at += 1;
        }
        at
    }
}
