// SPDX-License-Identifier: BSD-2-Clause
//! The search through one file: which lines are written, with what before them.

use super::matcher::Matcher;
use super::{How, Show};
use crate::context::{Context, End, Outcome};
use crate::head::copied;
use crate::lines::{Lines, body};
use crate::system::Error;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// What a file had.
pub struct Found {
    /// Lines that were selected.
    pub lines: u64,
    /// What ended the search before the file's end.
    pub error: Option<Error>,
}

/// A line that is kept because one after it may be selected.
struct Kept {
    number: u64,
    offset: u64,
    line: Vec<u8>,
}

/// The search.
pub struct Search {
    matcher: Matcher,
    /// Lines were written before, so that a gap is marked (across files).
    wrote: bool,
}

/// A line and where it stands.
#[derive(Clone, Copy)]
struct Place<'a> {
    name: Option<&'a str>,
    number: u64,
    offset: u64,
    /// `:` for a line that was selected, `-` for one around it.
    mark: char,
}

impl Search {
    /// With these patterns.
    pub fn new(matcher: Matcher) -> Search {
        Search { matcher, wrote: false }
    }

    /// Searches a file.
    pub fn file(
        &mut self,
        context: &mut Context<'_>,
        name: &str,
        named: bool,
        mut lines: Lines,
        how: &How<'_>,
    ) -> Result<Found, End> {
        let delimiter = if how.zero { 0 } else { b'\n' };
        let shown = matches!(how.show, Show::Lines | Show::Matches);
        let around = shown && (how.before > 0 || how.after > 0);
        let mut found = Found { lines: 0, error: None };
        let mut before: VecDeque<Kept> = VecDeque::new();
        let (mut number, mut offset) = (0u64, 0u64);
        // Lines still to be written after the last selected one, and the number of the last written.
        let (mut after, mut last) = (0u64, 0u64);
        let mut binary = false;
        loop {
            if found.lines >= how.most && after == 0 {
                break;
            }
            let line = match lines.read() {
                Ok(Some(line)) => line,
                Ok(None) => break,
                Err(error) => {
                    found.error = Some(error);
                    break;
                }
            };
            number += 1;
            let here = offset;
            offset += line.len() as u64;
            let text = body(line, delimiter);
            let place = |mark| Place { name: named.then_some(name), number, offset: here, mark };
            binary |= !how.text && !how.zero && memchr::memchr(0, text).is_some();
            let selected = found.lines < how.most && self.matcher.matches(text) != how.invert;
            if !selected {
                if after > 0 {
                    after -= 1;
                    last = number;
                    if how.show == Show::Lines {
                        write_line(context, place('-'), text, how)?;
                    }
                } else if around && how.before > 0 {
                    if before.len() as u64 == how.before {
                        before.pop_front();
                    }
                    match copied(text) {
                        Ok(line) => before.push_back(Kept { number, offset: here, line }),
                        Err(error) => {
                            found.error = Some(error);
                            break;
                        }
                    }
                }
                continue;
            }
            found.lines += 1;
            match how.show {
                Show::Nothing | Show::Names | Show::NamesWithout => break,
                Show::Count => continue,
                Show::Lines | Show::Matches => {}
            }
            if shown && binary {
                context.out.flush()?;
                context.warn(format_args!("{name}: binary file matches"));
                break;
            }
            let first = before.front().map_or(number, |kept| kept.number);
            if around && self.wrote && (last == 0 || first > last + 1) {
                context.out.write(b"--\n")?;
            }
            for kept in before.drain(..) {
                let place = Place {
                    name: named.then_some(name),
                    number: kept.number,
                    offset: kept.offset,
                    mark: '-',
                };
                if how.show == Show::Lines {
                    write_line(context, place, &kept.line, how)?;
                }
            }
            if how.show == Show::Lines {
                write_line(context, place(':'), text, how)?;
            } else if !how.invert {
                self.write_matches(context, place(':'), text, how)?;
            }
            self.wrote = true;
            last = number;
            after = how.after;
        }
        Ok(found)
    }

    fn write_matches(
        &mut self,
        context: &mut Context<'_>,
        place: Place<'_>,
        text: &[u8],
        how: &How<'_>,
    ) -> Outcome {
        let mut from = 0;
        while let Some(range) = self.matcher.find(text, from) {
            from = range.end;
            let place = Place { offset: place.offset + range.start as u64, ..place };
            write_line(context, place, text.get(range).unwrap_or(&[]), how)?;
        }
        Ok(())
    }
}

fn write_line(context: &mut Context<'_>, place: Place<'_>, text: &[u8], how: &How<'_>) -> Outcome {
    let mark = place.mark;
    if let Some(name) = place.name {
        write!(context.out, "{name}{mark}")?;
    }
    if how.numbers {
        write!(context.out, "{}{mark}", place.number)?;
    }
    if how.offsets {
        write!(context.out, "{}{mark}", place.offset)?;
    }
    context.out.write(text)?;
    context.out.write(if how.zero { b"\0" } else { b"\n" })
}
