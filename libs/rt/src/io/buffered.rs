// SPDX-License-Identifier: BSD-2-Clause
//! Buffers before streams: fewer, larger calls.

use super::{Read, Write, write_all};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use ebb_proto::Error;

/// Bytes that a buffer holds unless told otherwise: some messages of a pipe, a small part of what a file gives at once.
const CAPACITY: usize = 16 << 10;

/// A reader that reads ahead.
#[derive(Debug)]
pub struct BufReader<R> {
    from: R,
    bytes: Vec<u8>,
    at: usize,
    end: usize,
}

impl<R: Read> BufReader<R> {
    /// With room for 16 KiB.
    pub fn new(from: R) -> Self {
        BufReader::with_capacity(CAPACITY, from)
    }

    /// With room for so many bytes, at least one.
    pub fn with_capacity(bytes: usize, from: R) -> Self {
        BufReader { from, bytes: vec![0; bytes.max(1)], at: 0, end: 0 }
    }

    /// What was read and not taken yet; if there is none it is read now. Empty: the end.
    pub fn fill(&mut self) -> Result<&[u8], Error> {
        if self.at >= self.end {
            (self.at, self.end) = (0, 0);
            self.end = self.from.read(&mut self.bytes)?.min(self.bytes.len());
        }
        Ok(self.ready())
    }

    fn ready(&self) -> &[u8] {
        self.bytes.get(self.at..self.end).unwrap_or(&[])
    }

    /// Takes so many bytes of what [`BufReader::fill`] gave.
    pub fn consume(&mut self, count: usize) {
        self.at = self.at.saturating_add(count).min(self.end);
    }

    /// Appends bytes up to a delimiter, with it; how many. Without it: the end came before. 0: the end.
    pub fn read_until(&mut self, delimiter: u8, to: &mut Vec<u8>) -> Result<usize, Error> {
        let mut count = 0;
        loop {
            let ready = self.fill()?;
            let (take, over) = match ready.iter().position(|b| *b == delimiter) {
                Some(at) => (at + 1, true),
                None => (ready.len(), ready.is_empty()),
            };
            to.extend_from_slice(&ready[..take]);
            self.consume(take);
            count += take;
            if over {
                return Ok(count);
            }
        }
    }

    /// Appends a line, with its end; how many bytes. 0: the end. `Invalid`: it is no UTF-8; the line is lost then.
    pub fn read_line(&mut self, to: &mut String) -> Result<usize, Error> {
        let mut line = Vec::new();
        let count = self.read_until(b'\n', &mut line)?;
        to.push_str(core::str::from_utf8(&line).map_err(|_| Error::Invalid)?);
        Ok(count)
    }

    /// The reader behind; what was read ahead is lost.
    pub fn into_inner(self) -> R {
        self.from
    }
}

impl<R: Read> Read for BufReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        if self.ready().is_empty() && buffer.len() >= self.bytes.len() {
            return self.from.read(buffer);
        }
        let ready = self.fill()?;
        let count = ready.len().min(buffer.len());
        buffer[..count].copy_from_slice(&ready[..count]);
        self.consume(count);
        Ok(count)
    }
}

/// A writer that collects. When it goes it writes what it has; whether that was possible says only [`Write::flush`].
#[derive(Debug)]
pub struct BufWriter<W: Write> {
    to: W,
    bytes: Vec<u8>,
    most: usize,
}

impl<W: Write> BufWriter<W> {
    /// With room for 16 KiB.
    pub fn new(to: W) -> Self {
        BufWriter::with_capacity(CAPACITY, to)
    }

    /// With room for so many bytes.
    pub fn with_capacity(bytes: usize, to: W) -> Self {
        BufWriter { to, bytes: Vec::with_capacity(bytes), most: bytes }
    }

    /// Writes what was collected. After an error that is given up: how much of it was written nobody knows.
    fn send(&mut self) -> Result<(), Error> {
        let result = write_all(&mut self.to, &self.bytes);
        self.bytes.clear();
        result
    }
}

impl<W: Write> Write for BufWriter<W> {
    fn write(&mut self, buffer: &[u8]) -> Result<usize, Error> {
        if self.bytes.len() + buffer.len() > self.most {
            self.send()?;
        }
        if buffer.len() >= self.most {
            return self.to.write(buffer);
        }
        self.bytes.extend_from_slice(buffer);
        Ok(buffer.len())
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.send()?;
        self.to.flush()
    }
}

impl<W: Write> Drop for BufWriter<W> {
    fn drop(&mut self) {
        // There is nobody to tell; who wants to know flushes before.
        let _ = self.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its bytes in pieces of 1, 2, 3, … bytes.
    struct Pieces<'a>(&'a [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
            self.1 += 1;
            let count = self.1.min(buffer.len()).min(self.0.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    /// Takes a byte less each time, and fails when it has had enough.
    struct Sink<'a>(&'a mut Vec<u8>, usize);

    impl Write for Sink<'_> {
        fn write(&mut self, buffer: &[u8]) -> Result<usize, Error> {
            let room = self.1 - self.0.len();
            if room == 0 && !buffer.is_empty() {
                return Err(Error::NoSpace);
            }
            let count = buffer.len().div_ceil(2).min(room);
            self.0.extend_from_slice(&buffer[..count]);
            Ok(count)
        }
    }

    const TEXT: &[u8] = b"one\n\nthree and four\nno end";

    #[test]
    fn lines_come_whole_however_the_bytes_come() {
        for capacity in 0..30 {
            let mut reader = BufReader::with_capacity(capacity, Pieces(TEXT, 0));
            let mut lines = Vec::new();
            loop {
                let mut line = Vec::new();
                let count = reader.read_until(b'\n', &mut line).expect("a line");
                assert_eq!(count, line.len());
                if count == 0 {
                    break;
                }
                lines.push(line);
            }
            assert_eq!(lines, [&b"one\n"[..], b"\n", b"three and four\n", b"no end"]);
        }
        let mut reader = BufReader::new(Pieces(b"a\xff\nb\n", 0));
        let mut line = String::new();
        assert_eq!(reader.read_line(&mut line), Err(Error::Invalid));
        assert_eq!((reader.read_line(&mut line), line.as_str()), (Ok(2), "b\n"));
    }

    #[test]
    fn reading_through_a_buffer_loses_nothing() {
        for capacity in 1..30 {
            for piece in 1..30 {
                let mut reader = BufReader::with_capacity(capacity, Pieces(TEXT, 0));
                let (mut all, mut buffer) = (Vec::new(), vec![0; piece]);
                loop {
                    match reader.read(&mut buffer).expect("bytes") {
                        0 => break,
                        count => all.extend_from_slice(&buffer[..count]),
                    }
                }
                assert_eq!(all, TEXT);
            }
        }
    }

    #[test]
    fn what_is_written_arrives_in_order_and_a_full_disk_is_told() {
        for capacity in 0..40 {
            let mut seen = Vec::new();
            let mut writer = BufWriter::with_capacity(capacity, Sink(&mut seen, 1000));
            for word in TEXT.chunks(5) {
                write_all(&mut writer, word).expect("room");
            }
            drop(writer);
            assert_eq!(seen, TEXT);
            let mut seen = Vec::new();
            let mut writer = BufWriter::with_capacity(capacity, Sink(&mut seen, 10));
            let result = TEXT.chunks(5).try_for_each(|w| write_all(&mut writer, w));
            assert_eq!(result.and_then(|()| writer.flush()), Err(Error::NoSpace));
            drop(writer);
            assert_eq!(seen, TEXT[..10]);
        }
    }
}
