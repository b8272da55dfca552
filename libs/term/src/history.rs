// SPDX-License-Identifier: BSD-2-Clause
//! Lines that were entered before.

use alloc::collections::VecDeque;
use alloc::string::String;

/// A bounded list of lines, and where in it somebody is looking.
#[derive(Clone, Debug)]
pub struct History {
    lines: VecDeque<String>,
    limit: usize,
    /// Lines back from the newest; 0: the line being written, which is kept in `draft`.
    back: usize,
    draft: String,
}

impl History {
    /// One that keeps so many lines.
    pub fn new(limit: usize) -> History {
        History { lines: VecDeque::new(), limit, back: 0, draft: String::new() }
    }

    /// Adds a line, unless it is blank or the same as the one before.
    pub fn add(&mut self, line: &str) {
        self.back = 0;
        if line.trim().is_empty() || self.lines.back().is_some_and(|last| last == line) {
            return;
        }
        if self.lines.len() == self.limit {
            self.lines.pop_front();
        }
        if self.limit > 0 {
            self.lines.push_back(line.into());
        }
    }

    /// Back to the line being written.
    pub fn leave(&mut self) {
        self.back = 0;
    }

    /// One line back; `current` is what stands there now.
    pub fn older(&mut self, current: &str) -> Option<&str> {
        if self.back == self.lines.len() {
            return None;
        }
        if self.back == 0 {
            self.draft = current.into();
        }
        self.back += 1;
        self.lines.get(self.lines.len() - self.back).map(String::as_str)
    }

    /// One line forward; at the end the line that was being written.
    pub fn newer(&mut self) -> Option<&str> {
        match self.back {
            0 => None,
            1 => {
                self.back = 0;
                Some(&self.draft)
            }
            _ => {
                self.back -= 1;
                self.lines.get(self.lines.len() - self.back).map(String::as_str)
            }
        }
    }

    /// The lines, oldest first.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_and_forth_keeps_the_draft() {
        let mut h = History::new(10);
        h.add("one");
        h.add("two");
        assert_eq!(h.older("draft"), Some("two"));
        assert_eq!(h.older("two"), Some("one"));
        assert_eq!(h.older("one"), None);
        assert_eq!(h.newer(), Some("two"));
        assert_eq!(h.newer(), Some("draft"));
        assert_eq!(h.newer(), None);
    }

    #[test]
    fn bounded_without_repetitions() {
        let mut h = History::new(2);
        for line in ["a", "b", "b", " ", "c"] {
            h.add(line);
        }
        assert!(h.lines().eq(["b", "c"]));
        let mut none = History::new(0);
        none.add("a");
        assert_eq!(none.older(""), None);
    }
}
