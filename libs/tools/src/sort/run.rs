// SPDX-License-Identifier: BSD-2-Clause
//! Sorted runs, held in memory.
//!
//! What must be touched at random is small: the text of one run and an index of its lines. Each run is then written out in its order, so that the
//! merge reads it from front to back, and memory that has been read is given back at once. On a machine that pages, every pass over the whole input
//! is thus a sequential one.

use super::order::Order;
use crate::lines::body;
use crate::system::{Error, File, Memory, Pattern, Result, System};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::cmp::Ordering;
use memchr::memchr;

/// Bytes of text that are sorted at a time: a guess that leaves most of a machine of 64 MiB to the runs that are finished.
pub const TEXT: usize = 8 << 20;
/// Least bytes of text for each line that is sorted at a time: with this many the index takes half as much memory as the text.
const BYTES_PER_LINE: usize = 32;
/// Bytes of a piece of a finished run, as a part of the text. The system has a limit for the number of pieces (1,024), memory for their size.
const PIECES: usize = 4;

/// A line in the text of the run that is being built.
#[derive(Clone, Copy)]
struct Line {
    prefix: u64,
    start: u32,
    len: u32,
}

/// Collects lines, and makes a run of them whenever there are enough.
pub struct Builder<'a> {
    system: &'a dyn System,
    order: &'a Order,
    delimiter: u8,
    unique: bool,
    /// Bytes of text and lines that are sorted at a time.
    limits: (usize, usize),
    text: Box<dyn Memory>,
    /// Bytes in use, and how many of them are in the index.
    filled: usize,
    indexed: usize,
    index: Vec<Line>,
    /// Bytes that the first keys have in common.
    common: usize,
    runs: Vec<Run>,
}

impl<'a> Builder<'a> {
    /// Nothing yet. `bytes`: of text that are sorted at a time, usually [`TEXT`].
    pub fn new(
        system: &'a dyn System,
        order: &'a Order,
        delimiter: u8,
        unique: bool,
        bytes: usize,
    ) -> Result<Builder<'a>> {
        let limits = (bytes, (bytes / BYTES_PER_LINE).max(2));
        let text = system.memory(bytes, Pattern::Random)?;
        let (runs, index) = (Vec::new(), Vec::new());
        Ok(Builder {
            system,
            order,
            delimiter,
            unique,
            limits,
            text,
            filled: 0,
            indexed: 0,
            index,
            common: 0,
            runs,
        })
    }

    /// Takes in a whole file. The first error is of reading it, the second of memory.
    pub fn read(&mut self, file: &mut dyn File) -> core::result::Result<Result<()>, Error> {
        loop {
            if self.filled == self.text.bytes().len() {
                self.make_room()?;
            }
            let filled = self.filled;
            let room = self.text.bytes_mut().get_mut(filled..).unwrap_or(&mut []);
            // Not all at once: what was read is looked at while the processor still has it.
            let ask = room.len().min(crate::output::BLOCK);
            match file.read(&mut room[..ask]) {
                Ok(0) => break,
                Ok(n) => self.filled += n.min(ask),
                Err(error) => return Ok(Err(error)),
            }
            self.scan()?;
        }
        // The last line may lack its end.
        if self.filled > self.indexed {
            if self.filled == self.text.bytes().len() {
                self.make_room()?;
            }
            let (at, delimiter) = (self.filled, self.delimiter);
            if let Some(byte) = self.text.bytes_mut().get_mut(at) {
                *byte = delimiter;
                self.filled += 1;
            }
            self.scan()?;
        }
        Ok(Ok(()))
    }

    /// Everything was read. The runs, and whether the last of them is still in the builder's text: then it is the only one.
    pub fn finish(mut self) -> Result<Finished<'a>> {
        if self.runs.is_empty() {
            self.sort();
            return Ok(Finished::Small(self));
        }
        self.spill()?;
        Ok(Finished::Runs(self.runs))
    }

    /// Writes the lines of the only run.
    pub fn write<E>(
        &self,
        mut write: impl FnMut(&[u8]) -> core::result::Result<(), E>,
    ) -> core::result::Result<(), E> {
        let text = self.text.bytes();
        let mut last: Option<&[u8]> = None;
        for line in &self.index {
            let whole = whole(text, line);
            if self.unique && last.is_some_and(|last| self.same(last, whole)) {
                continue;
            }
            write(whole)?;
            last = Some(whole);
        }
        Ok(())
    }

    fn same(&self, a: &[u8], b: &[u8]) -> bool {
        self.order.compare_keys(body(a, self.delimiter), body(b, self.delimiter)) == Ordering::Equal
    }

    /// Puts the lines that are complete into the index.
    fn scan(&mut self) -> Result<()> {
        let mut from = self.indexed;
        loop {
            let text = self.text.bytes();
            let Some(at) = text.get(from..self.filled).and_then(|rest| memchr(self.delimiter, rest)) else {
                return Ok(());
            };
            if self.index.len() == self.limits.1 {
                self.spill()?;
                from = self.indexed;
                continue;
            }
            if self.index.len() == self.index.capacity() {
                let more = self.index.len().max(1024).min(self.limits.1);
                self.index.try_reserve_exact(more).map_err(|_| Error::NoMemory)?;
            }
            let start = from as u32;
            self.index.push(Line { prefix: 0, start, len: at as u32 });
            from += at + 1;
            self.indexed = from;
        }
    }

    /// Room for more text: what is complete becomes a run; a line that fills everything gets twice as much.
    fn make_room(&mut self) -> Result<()> {
        if self.indexed > 0 {
            return self.spill();
        }
        let len = self.text.bytes().len();
        let larger = len.checked_mul(2).filter(|n| u32::try_from(*n).is_ok()).ok_or(Error::NoMemory)?;
        let mut text = self.system.memory(larger, Pattern::Random)?;
        text.bytes_mut()[..len].copy_from_slice(self.text.bytes());
        self.text = text;
        Ok(())
    }

    fn sort(&mut self) {
        let (text, order) = (self.text.bytes(), self.order);
        let mut common = usize::MAX;
        if let Some((first, rest)) = self.index.split_first() {
            let first = text_of(text, first);
            for line in rest {
                common = common.min(order.common(first, text_of(text, line)));
                if common == 0 {
                    break;
                }
            }
        }
        self.common = common;
        for line in &mut self.index {
            line.prefix = order.prefix(text_of(text, line), common);
        }
        // Lines are told apart by their place at last: so the order is stable without the memory that a stable sort takes.
        self.index.sort_unstable_by(|a, b| {
            a.prefix
                .cmp(&b.prefix)
                .then_with(|| order.compare(text_of(text, a), text_of(text, b)))
                .then_with(|| a.start.cmp(&b.start))
        });
    }

    /// Makes a run of what is in the index, and moves the rest of the text to the front.
    fn spill(&mut self) -> Result<()> {
        if self.index.is_empty() {
            return Ok(());
        }
        self.sort();
        let mut run = Run::default();
        let text = self.text.bytes();
        let mut last: Option<&[u8]> = None;
        for line in &self.index {
            let whole = whole(text, line);
            if self.unique && last.is_some_and(|last| self.same(last, whole)) {
                continue;
            }
            run.push(self.system, whole, self.limits.0 / PIECES)?;
            last = Some(whole);
        }
        self.runs.try_reserve(1).map_err(|_| Error::NoMemory)?;
        self.runs.push(run);
        self.index.clear();
        let rest = self.indexed..self.filled;
        self.filled = rest.len();
        self.indexed = 0;
        self.text.bytes_mut().copy_within(rest, 0);
        Ok(())
    }
}

fn text_of<'t>(text: &'t [u8], line: &Line) -> &'t [u8] {
    text.get(line.start as usize..line.start as usize + line.len as usize).unwrap_or(&[])
}

/// With the delimiter.
fn whole<'t>(text: &'t [u8], line: &Line) -> &'t [u8] {
    text.get(line.start as usize..line.start as usize + line.len as usize + 1).unwrap_or(&[])
}

/// What a [`Builder`] has made.
pub enum Finished<'a> {
    /// It was little: sorted, and still where it was read to.
    Small(Builder<'a>),
    /// Runs, in the order of the input.
    Runs(Vec<Run>),
}

/// A sorted run: lines with their delimiters, in pieces that hold whole lines.
#[derive(Default)]
pub struct Run {
    pieces: VecDeque<(Box<dyn Memory>, usize)>,
    /// Where the reader is in the first piece, and where its line ends.
    at: usize,
    end: usize,
}

impl Run {
    fn push(&mut self, system: &dyn System, line: &[u8], piece: usize) -> Result<()> {
        let fits = self.pieces.back().is_some_and(|(piece, used)| piece.bytes().len() - used >= line.len());
        if !fits {
            self.pieces.try_reserve(1).map_err(|_| Error::NoMemory)?;
            self.pieces.push_back((system.memory(piece.max(line.len()), Pattern::Sequential)?, 0));
        }
        if let Some((piece, used)) = self.pieces.back_mut()
            && let Some(room) = piece.bytes_mut().get_mut(*used..*used + line.len())
        {
            room.copy_from_slice(line);
            *used += line.len();
        }
        Ok(())
    }

    /// The first line and the last one: between them lie all others.
    pub fn bounds(&self, delimiter: u8) -> Option<(&[u8], &[u8])> {
        let (piece, used) = self.pieces.front()?;
        let first = piece.bytes().get(..*used)?;
        let first = &first[..memchr(delimiter, first)?];
        let (piece, used) = self.pieces.back()?;
        let last = body(piece.bytes().get(..*used)?, delimiter);
        let begin = memchr::memrchr(delimiter, last).map_or(0, |at| at + 1);
        Some((first, &last[begin..]))
    }

    /// Moves on to the next line; `false`: there is none. A piece that was read is given back.
    pub fn advance(&mut self, delimiter: u8) -> bool {
        self.at = self.end;
        loop {
            let Some((piece, used)) = self.pieces.front() else { return false };
            if self.at < *used {
                let rest = piece.bytes().get(self.at..*used).unwrap_or(&[]);
                self.end = self.at + memchr(delimiter, rest).map_or(rest.len(), |n| n + 1);
                return true;
            }
            self.pieces.pop_front();
            (self.at, self.end) = (0, 0);
        }
    }

    /// The line, with its delimiter.
    pub fn line(&self) -> &[u8] {
        self.pieces.front().and_then(|(piece, _)| piece.bytes().get(self.at..self.end)).unwrap_or(&[])
    }
}
