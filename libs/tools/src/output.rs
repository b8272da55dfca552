// SPDX-License-Identifier: BSD-2-Clause
//! Standard output of a tool, and files that it writes: bytes are collected, and no error is lost.

use crate::context::End;
use crate::system::{Error, File, Result};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

/// Bytes collected before they are written: what the system moves at most in one operation.
pub const BLOCK: usize = 64 << 10;

/// Writes all the bytes.
pub fn write_all(file: &mut dyn File, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        match file.write(bytes)? {
            0 => return Err(Error::Io),
            n => bytes = bytes.get(n..).unwrap_or(&[]),
        }
    }
    Ok(())
}

/// A file that is written through a buffer. What is not flushed is lost: see [`Writer::close`].
pub struct Writer {
    file: Box<dyn File>,
    buffer: Vec<u8>,
}

impl Writer {
    /// Over this file.
    pub fn new(file: Box<dyn File>) -> Writer {
        Writer { file, buffer: Vec::new() }
    }

    /// Writes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if self.buffer.len() + bytes.len() > BLOCK {
            self.flush()?;
            if bytes.len() >= BLOCK {
                return write_all(self.file.as_mut(), bytes);
            }
        }
        if self.buffer.capacity() < BLOCK && self.buffer.len() + bytes.len() > self.buffer.capacity() {
            // Small outputs stay small; a large one gets its block in few steps.
            let room = (self.buffer.capacity() * 8).clamp(1024, BLOCK).max(self.buffer.len() + bytes.len());
            self.buffer.reserve_exact(room - self.buffer.len());
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// Hands over what was collected. After an error it is forgotten: it would only fail again.
    pub fn flush(&mut self) -> Result<()> {
        let result = write_all(self.file.as_mut(), &self.buffer);
        self.buffer.clear();
        result
    }

    /// Flushes and closes.
    pub fn close(mut self) -> Result<()> {
        self.flush()?;
        self.file.close()
    }
}

/// Where a tool with an operand or option for its output writes.
pub enum Target<'a> {
    /// Standard output.
    Standard(&'a mut Output),
    /// A file of this name.
    Named(&'a str, Writer),
}

impl Target<'_> {
    /// Writes.
    pub fn write(&mut self, bytes: &[u8]) -> core::result::Result<(), End> {
        match self {
            Target::Standard(out) => out.write(bytes),
            Target::Named(path, writer) => writer.write(bytes).map_err(|error| End::of(path, error)),
        }
    }

    /// Flushes; a file is closed.
    pub fn close(self) -> core::result::Result<(), End> {
        match self {
            Target::Standard(out) => out.flush(),
            Target::Named(path, writer) => writer.close().map_err(|error| End::of(path, error)),
        }
    }
}

/// Standard output: as [`Writer`], but a person sees each line at once, and an error ends the tool.
pub struct Output {
    writer: Option<Writer>,
    eager: bool,
}

impl Output {
    /// Over standard output.
    pub fn new(file: Box<dyn File>) -> Output {
        Output { eager: file.is_terminal(), writer: Some(Writer::new(file)) }
    }

    /// Writes.
    pub fn write(&mut self, bytes: &[u8]) -> core::result::Result<(), End> {
        let Some(writer) = self.writer.as_mut() else { return Ok(()) };
        writer.write(bytes).map_err(End::Output)?;
        if self.eager && bytes.ends_with(b"\n") {
            writer.flush().map_err(End::Output)?;
        }
        Ok(())
    }

    /// So that `write!` and `writeln!` work.
    pub fn write_fmt(&mut self, text: fmt::Arguments<'_>) -> core::result::Result<(), End> {
        struct Adapter<'a>(&'a mut Output, Option<End>);
        impl fmt::Write for Adapter<'_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                self.0.write(text.as_bytes()).map_err(|end| {
                    self.1 = Some(end);
                    fmt::Error
                })
            }
        }
        let mut adapter = Adapter(self, None);
        match fmt::write(&mut adapter, text) {
            Ok(()) => Ok(()),
            Err(_) => Err(adapter.1.unwrap_or(End::Output(Error::Invalid))),
        }
    }

    /// Hands over what was collected.
    pub fn flush(&mut self) -> core::result::Result<(), End> {
        self.writer.as_mut().map_or(Ok(()), |w| w.flush().map_err(End::Output))
    }

    /// Flushes and closes; what is written afterwards goes nowhere.
    pub fn close(&mut self) -> core::result::Result<(), End> {
        self.writer.take().map_or(Ok(()), |w| w.close().map_err(End::Output))
    }
}
