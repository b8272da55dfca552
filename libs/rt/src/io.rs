// SPDX-License-Identifier: BSD-2-Clause
//! Streams of bytes: the standard streams, pipes, and buffers before them.
//!
//! A stream's number and what it is were decided by who started the program ([`Stream`]); what is missing is the console.

mod buffered;

pub use buffered::{BufReader, BufWriter};

use crate::client::call;
use crate::fs::{File, OpenOptions};
use crate::start::Given;
use crate::thread::Mutex;
use alloc::vec;
use alloc::vec::Vec;
use core::mem::ManuallyDrop;
use ebb_proto::start::Stream;
use ebb_proto::{Error, console, pipe};

/// What can be read from.
pub trait Read {
    /// Reads at most as much as the buffer holds; 0: the end.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error>;

    /// Reads until the buffer is full or the end is there; how much was read.
    fn read_full(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let mut have = 0;
        while have < buffer.len() {
            match self.read(&mut buffer[have..])? {
                0 => break,
                count => have += count,
            }
        }
        Ok(have)
    }

    /// Everything up to the end.
    fn read_to_end(&mut self, bytes: &mut Vec<u8>) -> Result<usize, Error> {
        let before = bytes.len();
        let mut piece = vec![0; 16 << 10];
        loop {
            match self.read(&mut piece)? {
                0 => return Ok(bytes.len() - before),
                count => bytes.extend_from_slice(&piece[..count]),
            }
        }
    }
}

/// What can be written to.
pub trait Write {
    /// Writes; how much was taken, at least one byte of some.
    fn write(&mut self, buffer: &[u8]) -> Result<usize, Error>;

    /// Passes on what is held back.
    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

impl<R: Read + ?Sized> Read for &mut R {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        (**self).read(buffer)
    }
}

impl<W: Write + ?Sized> Write for &mut W {
    fn write(&mut self, buffer: &[u8]) -> Result<usize, Error> {
        (**self).write(buffer)
    }
    fn flush(&mut self) -> Result<(), Error> {
        (**self).flush()
    }
}

impl<R: Read> Read for ManuallyDrop<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        (**self).read(buffer)
    }
}

impl<W: Write> Write for ManuallyDrop<W> {
    fn write(&mut self, buffer: &[u8]) -> Result<usize, Error> {
        (**self).write(buffer)
    }
    fn flush(&mut self) -> Result<(), Error> {
        (**self).flush()
    }
}

/// Writes all of it.
pub fn write_all<W: Write + ?Sized>(to: &mut W, mut bytes: &[u8]) -> Result<(), Error> {
    while !bytes.is_empty() {
        match to.write(bytes)? {
            0 => return Err(Error::Io),
            count => bytes = bytes.get(count..).unwrap_or(&[]),
        }
    }
    Ok(())
}

/// An open end of something, whose owner it is: it is closed when this goes.
#[derive(Debug)]
pub enum Channel {
    /// The terminal.
    Console,
    /// Nothing comes out, everything may go in.
    Null,
    /// Zeroes come out, everything may go in.
    Zero,
    /// A file.
    File(File),
    /// An end of a pipe to read from.
    PipeRead(u32),
    /// An end of a pipe to write to.
    PipeWrite(u32),
}

impl Channel {
    /// The channel of a stream that was given to this program.
    pub fn of(stream: Stream) -> Channel {
        match stream {
            Stream::Console => Channel::Console,
            Stream::Null => Channel::Null,
            Stream::File(number) => Channel::File(File::from_raw(number)),
            Stream::PipeRead(pipe) => Channel::PipeRead(pipe),
            Stream::PipeWrite(pipe) => Channel::PipeWrite(pipe),
        }
    }

    /// What has a name but is no file: `/dev/null`, `/dev/zero`, `/dev/console` (and `/dev/tty`, which is the same). `None`: the path names none of them.
    pub fn device(path: &str) -> Option<Channel> {
        match crate::path::normal(&crate::path::absolute(path)).as_str() {
            "/dev/null" => Some(Channel::Null),
            "/dev/zero" => Some(Channel::Zero),
            "/dev/console" | "/dev/tty" => Some(Channel::Console),
            _ => None,
        }
    }

    /// Opens a file, or one of the [`Channel::device`]s.
    pub fn open(path: &str, options: &OpenOptions) -> Result<Channel, Error> {
        match Channel::device(path) {
            Some(device) => Ok(device),
            None => options.open(path).map(Channel::File),
        }
    }

    /// What it is, for a program to be started.
    pub fn stream(&self) -> Stream {
        match self {
            Channel::Console => Stream::Console,
            Channel::Null | Channel::Zero => Stream::Null,
            Channel::File(file) => Stream::File(file.raw()),
            Channel::PipeRead(pipe) => Stream::PipeRead(*pipe),
            Channel::PipeWrite(pipe) => Stream::PipeWrite(*pipe),
        }
    }
}

/// A new pipe: the end to read from, and the end to write to.
pub fn pipe() -> Result<(Channel, Channel), Error> {
    let number = call(handle("pipe")?, &pipe::New {})?;
    Ok((Channel::PipeRead(number), Channel::PipeWrite(number)))
}

fn handle(name: &str) -> Result<ebb_abi::Handle, Error> {
    crate::start::info().ok_or(Error::NotFound)?.handle(name)
}

impl Read for Channel {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let bytes = match self {
            Channel::Null => return Ok(0),
            Channel::Zero => {
                buffer.fill(0);
                return Ok(buffer.len());
            }
            Channel::File(file) => return file.read(buffer),
            Channel::PipeWrite(_) => return Err(Error::BadFile),
            _ if buffer.is_empty() => return Ok(0),
            // A message brings at most so much; what does not fit the caller's buffer would be lost.
            Channel::Console if buffer.len() < console::MAX_IO => return self.read_through(buffer),
            Channel::Console => line()?,
            // What is not asked for stays for whoever reads next, who may be another program.
            Channel::PipeRead(pipe) => {
                let most = buffer.len().min(pipe::MAX_IO) as u32;
                call(handle("pipe")?, &pipe::Read { pipe: *pipe, most })?
            }
        };
        let count = bytes.len().min(buffer.len());
        buffer[..count].copy_from_slice(&bytes[..count]);
        Ok(count)
    }
}

/// What came in a message and did not fit the reader's buffer, for the next read of the same channel.
static LEFT: Mutex<Vec<(Stream, Vec<u8>)>> = Mutex::new(Vec::new());

/// Control-C, Control-D, erase.
const INTERRUPT: u8 = 3;
const END: u8 = 4;
const ERASE: [u8; 2] = [8, 127];

/// A line that a person types: shown as it is typed, the last character can be erased, Control-D on an empty line is the end, Control-C ends the program. What is typed
/// after it waits for the next.
fn line() -> Result<Vec<u8>, Error> {
    let console = handle("console")?;
    let show = |bytes: &[u8]| call(console, &console::Write { bytes: bytes.to_vec(), more: false });
    let mut line = Vec::new();
    loop {
        let typed = call(console, &console::Read {})?;
        if typed.is_empty() {
            return Ok(line);
        }
        for (n, byte) in typed.iter().enumerate() {
            match *byte {
                INTERRUPT => {
                    show(b"^C\n")?;
                    crate::process::exit(130);
                }
                END if line.is_empty() => return Ok(line),
                END => {}
                byte if ERASE.contains(&byte) && line.is_empty() => {}
                byte if ERASE.contains(&byte) => {
                    // A whole character, of however many bytes.
                    while line.pop().is_some_and(|b| b & 0xc0 == 0x80) {}
                    show(b"\x08 \x08")?;
                }
                b'\r' | b'\n' => {
                    line.push(b'\n');
                    show(b"\n")?;
                    let rest = typed.get(n + 1..).unwrap_or(&[]);
                    if !rest.is_empty() {
                        LEFT.lock().push((Stream::Console, rest.to_vec()));
                    }
                    return Ok(line);
                }
                byte if line.len() < console::MAX_IO - 1 => {
                    line.push(byte);
                    show(&[byte])?;
                }
                _ => {}
            }
        }
    }
}

impl Channel {
    fn read_through(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let stream = self.stream();
        let kept = {
            let mut left = LEFT.lock();
            left.iter().position(|(s, _)| *s == stream).map(|at| left.swap_remove(at).1)
        };
        let bytes = match kept {
            Some(bytes) => bytes,
            None => {
                let mut bytes = vec![0; console::MAX_IO];
                let count = self.read(&mut bytes)?;
                bytes.truncate(count);
                bytes
            }
        };
        let count = bytes.len().min(buffer.len());
        buffer[..count].copy_from_slice(&bytes[..count]);
        if let Some(rest) = bytes.get(count..).filter(|rest| !rest.is_empty()) {
            LEFT.lock().push((stream, rest.to_vec()));
        }
        Ok(count)
    }
}

impl Write for Channel {
    fn write(&mut self, buffer: &[u8]) -> Result<usize, Error> {
        match self {
            Channel::Null | Channel::Zero => Ok(buffer.len()),
            Channel::File(file) => file.write(buffer),
            Channel::PipeRead(_) => Err(Error::BadFile),
            Channel::Console => {
                let piece = &buffer[..buffer.len().min(console::MAX_IO)];
                let more = piece.len() < buffer.len();
                call(handle("console")?, &console::Write { bytes: piece.to_vec(), more })?;
                Ok(piece.len())
            }
            Channel::PipeWrite(pipe) => {
                let piece = &buffer[..buffer.len().min(pipe::MAX_IO)];
                let taken = call(handle("pipe")?, &pipe::Write { pipe: *pipe, bytes: piece.to_vec() })?;
                Ok((taken as usize).min(piece.len()))
            }
        }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        let (pipe, end) = match self {
            Channel::PipeRead(pipe) => (*pipe, pipe::End::Read),
            Channel::PipeWrite(pipe) => (*pipe, pipe::End::Write),
            _ => return,
        };
        if let Ok(server) = handle("pipe") {
            // An end that is closed already is as good as closed now.
            let _ = call(server, &pipe::Close { pipe, end });
        }
    }
}

fn standard(number: usize) -> ManuallyDrop<Channel> {
    ManuallyDrop::new(Channel::of(crate::console::standard(number)))
}

/// Standard input.
pub fn stdin() -> ManuallyDrop<Channel> {
    standard(0)
}

/// Standard output, without a buffer; what [`crate::print!`] holds back is written before.
pub fn stdout() -> ManuallyDrop<Channel> {
    crate::console::flush();
    standard(1)
}

/// Standard error output, without a buffer.
pub fn stderr() -> ManuallyDrop<Channel> {
    standard(2)
}
