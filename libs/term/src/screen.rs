// SPDX-License-Identifier: BSD-2-Clause
//! A terminal for tests: enough of one to see what a person would see.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use unicode_width::UnicodeWidthChar;

/// Rows without end, so many columns. The cursor waits after the last column, as on a VT100.
pub struct Screen {
    columns: usize,
    rows: Vec<Vec<char>>,
    row: usize,
    column: usize,
}

impl Screen {
    pub fn new(columns: usize) -> Screen {
        Screen { columns, rows: vec![Vec::new()], row: 0, column: 0 }
    }

    pub fn cursor(&self) -> (usize, usize) {
        (self.row, self.column)
    }

    /// Where the next character would go.
    pub fn settled(&self) -> (usize, usize) {
        if self.column == self.columns { (self.row + 1, 0) } else { (self.row, self.column) }
    }

    pub fn text(&self) -> String {
        self.text_from(0)
    }

    pub fn text_from(&self, row: usize) -> String {
        let rows: Vec<String> = self.rows[row..]
            .iter()
            // The second half of a wide character is a null.
            .map(|r| r.iter().filter(|c| **c != '\0').collect::<String>().trim_end().into())
            .collect();
        rows.join("\n")
    }

    fn need(&mut self) {
        while self.rows.len() <= self.row {
            self.rows.push(Vec::new());
        }
    }

    pub fn feed(&mut self, bytes: &[u8]) {
        let text = core::str::from_utf8(bytes).expect("whole characters");
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                '\r' => self.column = 0,
                '\n' => {
                    (self.row, self.column) = (self.row + 1, 0);
                    self.need();
                }
                '\x07' => {}
                '\x1b' => {
                    assert_eq!(chars.next(), Some('['));
                    let mut number = String::new();
                    let last = loop {
                        match chars.next().expect("a whole sequence") {
                            d if d.is_ascii_digit() => number.push(d),
                            c => break c,
                        }
                    };
                    let count: usize = number.parse().unwrap_or(1);
                    match last {
                        'A' => self.row = self.row.checked_sub(count).expect("never above the top"),
                        'C' => {
                            self.column += count;
                            assert!(self.column < self.columns, "never beyond the last column");
                        }
                        'J' => {
                            self.rows.truncate(self.row + 1);
                            self.rows[self.row].truncate(self.column);
                        }
                        other => panic!("sequence {other}"),
                    }
                }
                c => {
                    let width = c.width().unwrap_or(0);
                    if self.column + width > self.columns {
                        (self.row, self.column) = (self.row + 1, 0);
                        self.need();
                    }
                    let row = &mut self.rows[self.row];
                    while row.len() < self.column + width {
                        row.push(' ');
                    }
                    row[self.column] = c;
                    if width == 2 {
                        row[self.column + 1] = '\0';
                    }
                    self.column += width;
                }
            }
        }
    }
}
