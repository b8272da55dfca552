// SPDX-License-Identifier: BSD-2-Clause
//! Expansion: variables, substitutions, splitting into fields, names of files.

use crate::arithmetic;
use crate::ast::{Otherwise, Piece, Word};
use crate::pattern::{self, Mark};
use crate::run::{Interpreter, Stop};
use crate::world::World;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// What separates fields.
const BLANK: [char; 3] = [' ', '\t', '\n'];

/// Fields in the making: characters, each with whether it was quoted.
#[derive(Default)]
struct Fields {
    done: Vec<Vec<Mark>>,
    open: Option<Vec<Mark>>,
}

impl Fields {
    fn push(&mut self, text: &str, quoted: bool) {
        let field = self.open.get_or_insert_with(Vec::new);
        field.extend(text.chars().map(|c| (c, quoted)));
    }

    fn split(&mut self) {
        self.done.extend(self.open.take());
    }

    /// Text whose blanks separate fields.
    fn push_split(&mut self, text: &str) {
        for c in text.chars() {
            if BLANK.contains(&c) {
                self.split();
            } else {
                self.open.get_or_insert_with(Vec::new).push((c, false));
            }
        }
    }
}

/// Whether a word is `"$@"` and nothing else: without arguments it is no field, not an empty one.
fn is_arguments(word: &Word) -> bool {
    let is_all = |piece: &Piece| matches!(piece, Piece::Variable { name, otherwise: None, quoted: true } if name == "@");
    let is_nothing = |piece: &Piece| matches!(piece, Piece::Text { text, .. } if text.is_empty());
    word.iter().any(is_all) && word.iter().all(|piece| is_all(piece) || is_nothing(piece))
}

fn text_of(field: &[Mark]) -> String {
    field.iter().map(|(c, _)| c).collect()
}

impl<W: World> Interpreter<W> {
    /// The fields of words: what a command gets as its arguments.
    pub(crate) fn fields(&mut self, words: &[Word]) -> Result<Vec<String>, Stop> {
        let mut all = Vec::new();
        for word in words {
            if self.variables.args.is_empty() && is_arguments(word) {
                continue;
            }
            let mut fields = Fields::default();
            self.expand(word, true, &mut fields)?;
            fields.split();
            for field in fields.done {
                self.files(field, &mut all);
            }
        }
        Ok(all)
    }

    /// A word as one text: no fields, no names of files.
    pub(crate) fn text(&mut self, word: &Word) -> Result<String, Stop> {
        self.marks(word).map(|marks| text_of(&marks))
    }

    /// A word as a pattern.
    pub(crate) fn marks(&mut self, word: &Word) -> Result<Vec<Mark>, Stop> {
        let mut fields = Fields::default();
        self.expand(word, false, &mut fields)?;
        fields.split();
        Ok(fields.done.join(&(' ', true)))
    }

    fn expand(&mut self, word: &Word, split: bool, fields: &mut Fields) -> Result<(), Stop> {
        for piece in word {
            match piece {
                Piece::Text { text, quoted } => fields.push(text, *quoted),
                Piece::Variable { name, otherwise, quoted } => {
                    self.variable(name, otherwise.as_ref(), *quoted, split, fields)?;
                }
                Piece::Output { text, quoted } => {
                    let output = self.output(text)?;
                    let output = output.trim_end_matches('\n');
                    self.value(output, *quoted, split, fields);
                }
                Piece::Arithmetic { text, quoted } => {
                    let expression = self.text(text)?;
                    let variables = &self.variables;
                    let value =
                        arithmetic::evaluate(&expression, &|name| variables.get(name).unwrap_or_default());
                    let value = value.map_err(|error| self.fatal(&error))?;
                    self.value(&value.to_string(), *quoted, split, fields);
                }
            }
        }
        Ok(())
    }

    fn value(&mut self, text: &str, quoted: bool, split: bool, fields: &mut Fields) {
        if quoted || !split {
            fields.push(text, quoted);
        } else {
            fields.push_split(text);
        }
    }

    fn variable(
        &mut self,
        name: &str,
        otherwise: Option<&Otherwise>,
        quoted: bool,
        split: bool,
        fields: &mut Fields,
    ) -> Result<(), Stop> {
        let value = self.variables.get(name);
        let Some(Otherwise { op, empty_too, word }) = otherwise else {
            if value.is_none() && self.variables.unset_is_error && !matches!(name, "@" | "*") {
                return Err(self.fatal(&format!("{name}: not set")));
            }
            if name == "@" && quoted && split {
                // Each argument is a field of its own.
                for (n, arg) in self.variables.args.clone().iter().enumerate() {
                    if n > 0 {
                        fields.split();
                    }
                    fields.push(arg, true);
                }
                return Ok(());
            }
            self.value(&value.unwrap_or_default(), quoted, split, fields);
            return Ok(());
        };
        let there = value.as_ref().is_some_and(|v| !(*empty_too && v.is_empty()));
        let value = value.unwrap_or_default();
        match op {
            'L' => self.value(&value.chars().count().to_string(), quoted, split, fields),
            '+' if there => self.expand(word, split, fields)?,
            '+' => {}
            '#' | 'H' | '%' | 'P' => {
                let pattern = self.marks(word)?;
                let cut = cut(&value, &pattern, *op);
                self.value(&cut, quoted, split, fields);
            }
            _ if there => self.value(&value, quoted, split, fields),
            '-' => self.expand(word, split, fields)?,
            '=' => {
                let text = self.text(word)?;
                self.variables.set(name, &text);
                self.value(&text, quoted, split, fields);
            }
            _ => {
                let text = self.text(word)?;
                let why = if text.is_empty() { String::from("not set") } else { text };
                return Err(self.fatal(&format!("{name}: {why}")));
            }
        }
        Ok(())
    }

    /// The names of files that a field stands for, in order; itself if there are none.
    fn files(&mut self, field: Vec<Mark>, all: &mut Vec<String>) {
        if !pattern::is_pattern(&field) {
            return all.push(text_of(&field));
        }
        let mut paths = Vec::from([String::new()]);
        let mut first = true;
        for part in field.split(|(c, _)| *c == '/') {
            let slash = if first { "" } else { "/" };
            first = false;
            let mut found = Vec::new();
            for path in paths {
                if !pattern::is_pattern(part) {
                    found.push(format!("{path}{slash}{}", text_of(part)));
                    continue;
                }
                let base = format!("{path}{slash}");
                let directory = if base.is_empty() { "." } else { base.as_str() };
                let hidden = matches!(part.first(), Some(('.', _)));
                let fits = |name: &String| {
                    (hidden || !name.starts_with('.'))
                        && pattern::matches(part, &name.chars().collect::<Vec<char>>())
                };
                found.extend(
                    self.world.list(directory).into_iter().filter(fits).map(|name| format!("{base}{name}")),
                );
            }
            paths = found;
        }
        let last_is_plain =
            field.rsplit(|(c, _)| *c == '/').next().is_some_and(|part| !pattern::is_pattern(part));
        if last_is_plain {
            paths.retain(|path| self.world.exists(path));
        }
        if paths.is_empty() {
            return all.push(text_of(&field));
        }
        paths.sort_unstable();
        all.append(&mut paths);
    }
}

/// A value without the shortest (`#`, `%`) or longest (`H`, `P`) beginning or end that matches.
fn cut(value: &str, pattern: &[Mark], op: char) -> String {
    let chars: Vec<char> = value.chars().collect();
    let len = chars.len();
    let text = |range: &[char]| range.iter().collect::<String>();
    let prefix = |n: &usize| pattern::matches(pattern, &chars[..*n]);
    let suffix = |n: &usize| pattern::matches(pattern, &chars[*n..]);
    match op {
        '#' => (0..=len).find(prefix).map_or_else(|| String::from(value), |n| text(&chars[n..])),
        'H' => (0..=len).rev().find(prefix).map_or_else(|| String::from(value), |n| text(&chars[n..])),
        '%' => (0..=len).rev().find(suffix).map_or_else(|| String::from(value), |n| text(&chars[..n])),
        _ => (0..=len).find(suffix).map_or_else(|| String::from(value), |n| text(&chars[..n])),
    }
}
