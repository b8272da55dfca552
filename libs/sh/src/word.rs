// SPDX-License-Identifier: BSD-2-Clause
//! Words: quotes, variables, substitutions.

use crate::ast::{Otherwise, Piece, Word};
use crate::parse::{Parsed, Parser, SyntaxError};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Characters that end a word where they are not quoted.
const META: &str = " \t\r\n;&|()<>";

/// Whether a text can name a variable.
pub(crate) fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Text that is collected until something else comes.
#[derive(Default)]
struct Collected {
    pieces: Word,
    text: String,
    quoted: bool,
}

impl Collected {
    fn push(&mut self, c: char, quoted: bool) {
        if self.quoted != quoted {
            self.end();
            self.quoted = quoted;
        }
        self.text.push(c);
    }

    /// Something quoted that may be empty was there.
    fn mark(&mut self) {
        self.end();
        self.pieces.push(Piece::Text { text: String::new(), quoted: true });
    }

    fn end(&mut self) {
        if !self.text.is_empty() {
            let text = core::mem::take(&mut self.text);
            self.pieces.push(Piece::Text { text, quoted: self.quoted });
        }
    }

    fn piece(&mut self, piece: Piece) {
        self.end();
        self.pieces.push(piece);
    }
}

impl Parser<'_> {
    /// The word that begins here; `None`: there is none.
    pub(crate) fn word(&mut self) -> Parsed<Option<Word>> {
        let mut word = Collected::default();
        let start = self.at;
        while let Some(c) = self.peek() {
            if META.contains(c) {
                break;
            }
            if self.take("\\\n") {
                continue;
            }
            self.bump();
            match c {
                '\'' => {
                    word.mark();
                    loop {
                        match self.bump() {
                            Some('\'') => break,
                            Some(c) => word.push(c, true),
                            None => return Err(self.error("a quote is not closed")),
                        }
                    }
                }
                '"' => {
                    word.mark();
                    self.double_quoted(&mut word)?;
                }
                '\\' => match self.bump() {
                    Some(c) => word.push(c, true),
                    None => return Err(self.error("a quote is not closed")),
                },
                '$' => self.dollar(&mut word, false)?,
                '`' => self.backquoted(&mut word, false)?,
                c => word.push(c, false),
            }
        }
        word.end();
        Ok((self.at > start).then_some(word.pieces))
    }

    fn double_quoted(&mut self, word: &mut Collected) -> Parsed<()> {
        loop {
            match self.bump() {
                Some('"') => return Ok(()),
                Some('\\') => match self.bump() {
                    Some('\n') => {}
                    Some(c @ ('"' | '\\' | '$' | '`')) => word.push(c, true),
                    Some(c) => {
                        word.push('\\', true);
                        word.push(c, true);
                    }
                    None => return Err(self.error("a quote is not closed")),
                },
                Some('$') => self.dollar(word, true)?,
                Some('`') => self.backquoted(word, true)?,
                Some(c) => word.push(c, true),
                None => return Err(self.error("a quote is not closed")),
            }
        }
    }

    /// The older way to write `$(…)`, after the first backquote: a backslash protects backquotes, dollars and itself.
    fn backquoted(&mut self, word: &mut Collected, quoted: bool) -> Parsed<()> {
        let begin = self.error("");
        let mut text = String::new();
        loop {
            match self.bump() {
                Some('`') => break,
                Some('\\') => match self.bump() {
                    Some(c @ ('`' | '\\' | '$')) => text.push(c),
                    Some(c @ '"') if quoted => text.push(c),
                    Some(c) => text.extend(['\\', c]),
                    None => return Err(self.error("a ` is not closed")),
                },
                Some(c) => text.push(c),
                None => return Err(self.error("a ` is not closed")),
            }
        }
        self.deeper()?;
        let mut inner = Parser::new(&text);
        inner.depth = self.depth;
        inner.list(&[]).and_then(|_| inner.finished()).map_err(|e| SyntaxError {
            incomplete: false,
            line: begin.line + e.line - 1,
            ..e
        })?;
        self.depth -= 1;
        word.piece(Piece::Output { text, quoted });
        Ok(())
    }

    /// What follows a `$`.
    fn dollar(&mut self, word: &mut Collected, quoted: bool) -> Parsed<()> {
        if self.take("((") {
            return self.arithmetic(word, quoted);
        }
        if self.take("(") {
            let start = self.at;
            self.list(&[])?;
            let text = String::from(self.text.get(start..self.at).unwrap_or(""));
            if !self.take(")") {
                return Err(self.error("a $( is not closed"));
            }
            word.piece(Piece::Output { text, quoted });
            return Ok(());
        }
        if self.take("{") {
            return self.braces(word, quoted);
        }
        let name = self.name();
        if name.is_empty() {
            word.push('$', quoted);
        } else {
            word.piece(Piece::Variable { name, otherwise: None, quoted });
        }
        Ok(())
    }

    /// The name of a variable, or what stands for a special one.
    fn name(&mut self) -> String {
        let rest = self.rest();
        let first = rest.chars().next().unwrap_or(' ');
        let len = if "?#@*$!0123456789".contains(first) {
            1
        } else if first.is_ascii_alphabetic() || first == '_' {
            rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len())
        } else {
            0
        };
        self.at += len;
        String::from(&rest[..len])
    }

    /// `${…}`, after the brace.
    fn braces(&mut self, word: &mut Collected, quoted: bool) -> Parsed<()> {
        self.deeper()?;
        let length = self.rest().starts_with('#') && !self.rest().starts_with("#}");
        self.at += length as usize;
        let rest = self.rest();
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let name = if digits > 0 {
            self.at += digits;
            String::from(&rest[..digits])
        } else {
            self.name()
        };
        if name.is_empty() {
            return Err(self.error("${ needs the name of a variable"));
        }
        let mut otherwise = None;
        if length {
            otherwise = Some(Otherwise { op: 'L', empty_too: false, word: Word::new() });
        } else if !self.rest().starts_with('}') {
            let empty_too = self.take(":");
            let op = match self.bump() {
                Some(c @ ('-' | '=' | '+' | '?')) => c,
                Some('#') if !empty_too => {
                    if self.take("#") {
                        'H'
                    } else {
                        '#'
                    }
                }
                Some('%') if !empty_too => {
                    if self.take("%") {
                        'P'
                    } else {
                        '%'
                    }
                }
                _ => return Err(self.error(&format!("${{{name}… is not understood"))),
            };
            // A pattern means something also where the value stands in quotes.
            let quoted = quoted && !matches!(op, '#' | 'H' | '%' | 'P');
            let mut inner = Collected::default();
            loop {
                match self.peek() {
                    Some('}') => break,
                    None => return Err(self.error("a ${ is not closed")),
                    Some(c) => {
                        self.bump();
                        match c {
                            '"' => self.double_quoted(&mut inner)?,
                            '\'' if !quoted => loop {
                                match self.bump() {
                                    Some('\'') => break,
                                    Some(c) => inner.push(c, true),
                                    None => return Err(self.error("a quote is not closed")),
                                }
                            },
                            '\\' => match self.bump() {
                                Some(c) => inner.push(c, true),
                                None => return Err(self.error("a ${ is not closed")),
                            },
                            '$' => self.dollar(&mut inner, quoted)?,
                            c => inner.push(c, quoted),
                        }
                    }
                }
            }
            inner.end();
            otherwise = Some(Otherwise { op, empty_too, word: inner.pieces });
        }
        if !self.take("}") {
            return Err(self.error("a ${ is not closed"));
        }
        self.depth -= 1;
        word.piece(Piece::Variable { name, otherwise, quoted });
        Ok(())
    }

    /// `$((…))`, after the parentheses.
    fn arithmetic(&mut self, word: &mut Collected, quoted: bool) -> Parsed<()> {
        self.deeper()?;
        let mut inner = Collected::default();
        let mut open = 0u32;
        loop {
            if open == 0 && self.take("))") {
                break;
            }
            match self.bump() {
                None => return Err(self.error("a $(( is not closed")),
                Some('$') => self.dollar(&mut inner, true)?,
                Some(c) => {
                    open = match c {
                        '(' => open + 1,
                        ')' if open == 0 => return Err(self.error("a $(( is not closed")),
                        ')' => open - 1,
                        _ => open,
                    };
                    inner.push(c, true);
                }
            }
        }
        inner.end();
        self.depth -= 1;
        word.piece(Piece::Arithmetic { text: inner.pieces, quoted });
        Ok(())
    }
}

/// A word that is nothing but text, for names that are not expanded.
pub(crate) fn plain(word: &Word) -> Option<String> {
    let text = |p: &Piece| match p {
        Piece::Text { text, .. } => Some(text.clone()),
        _ => None,
    };
    word.iter().map(text).collect::<Option<Vec<String>>>().map(|parts| parts.concat())
}
