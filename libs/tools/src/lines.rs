// SPDX-License-Identifier: BSD-2-Clause
//! Lines of a file, one after the other, and blocks of it.

use crate::output::BLOCK;
use crate::system::{Error, File, Result};
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use memchr::memchr;

/// A buffer for a block.
pub fn block() -> Vec<u8> {
    vec![0; BLOCK]
}

/// Fills a buffer unless the file ends first; returns how much.
pub fn fill(file: &mut dyn File, into: &mut [u8]) -> Result<usize> {
    let mut len = 0;
    while let Some(room) = into.get_mut(len..).filter(|r| !r.is_empty()) {
        match file.read(room)? {
            0 => break,
            n => len += n,
        }
    }
    Ok(len)
}

/// The lines of a file. Holds one line, or a block.
pub struct Lines {
    file: Box<dyn File>,
    delimiter: u8,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    ended: bool,
}

impl Lines {
    /// Of this file; `delimiter` ends a line.
    pub fn new(file: Box<dyn File>, delimiter: u8) -> Lines {
        Lines { file, delimiter, buffer: Vec::new(), start: 0, end: 0, ended: false }
    }

    /// The next line with its delimiter, which only the last one may lack. `NoMemory`: it does not fit.
    pub fn read(&mut self) -> Result<Option<&[u8]>> {
        let mut scanned = self.start;
        loop {
            if let Some(at) = memchr(self.delimiter, &self.buffer[scanned..self.end]) {
                let line = self.start..scanned + at + 1;
                self.start = line.end;
                return Ok(Some(&self.buffer[line]));
            }
            scanned = self.end;
            if self.ended {
                let line = self.start..self.end;
                self.start = self.end;
                return Ok(if line.is_empty() { None } else { Some(&self.buffer[line]) });
            }
            scanned -= self.make_room()?;
            match self.file.read(&mut self.buffer[self.end..])? {
                0 => self.ended = true,
                n => self.end += n.min(self.buffer.len() - self.end),
            }
        }
    }

    /// Moves what is there to the front, or makes the buffer larger; returns by how much it moved.
    fn make_room(&mut self) -> Result<usize> {
        let moved = self.start;
        if moved > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.start = 0;
            self.end -= moved;
        }
        if self.end == self.buffer.len() {
            let more = self.buffer.len().max(BLOCK);
            self.buffer.try_reserve_exact(more).map_err(|_| Error::NoMemory)?;
            self.buffer.resize(self.buffer.len() + more, 0);
        }
        Ok(moved)
    }
}

/// A line without its delimiter.
pub fn body(line: &[u8], delimiter: u8) -> &[u8] {
    line.strip_suffix(&[delimiter]).unwrap_or(line)
}
