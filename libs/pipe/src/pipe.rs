// SPDX-License-Identifier: BSD-2-Clause
//! One pipe: bytes, ends, waiting calls, and who is served next.

use crate::buffer::Buffer;
use crate::ends::Ends;
use crate::limits::ATOMIC;
use crate::pipes::Answer;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use ebb_proto::Error;
use ebb_proto::pipe::{End, MAX_IO};
use ebb_proto::vm::Space;

#[derive(Debug)]
pub struct Reader<R> {
    pub space: Space,
    pub reply: R,
}

#[derive(Debug)]
pub struct Writer<R> {
    pub space: Space,
    pub bytes: Vec<u8>,
    pub reply: R,
}

/// A pipe.
#[derive(Debug)]
pub struct Pipe<R> {
    pub number: u32,
    pub ends: Ends,
    pub buffer: Buffer,
    /// Waiting, in the order in which they came. Readers wait only for an empty pipe.
    pub readers: VecDeque<Reader<R>>,
    pub writers: VecDeque<Writer<R>>,
}

impl<R> Pipe<R> {
    pub fn new(number: u32) -> Pipe<R> {
        Pipe {
            number,
            ends: Ends::default(),
            buffer: Buffer::default(),
            readers: VecDeque::new(),
            writers: VecDeque::new(),
        }
    }

    /// Calls that wait.
    pub fn waiting(&self) -> usize {
        self.readers.len() + self.writers.len()
    }

    /// Bytes of waiting writes that are kept beyond what each may have.
    pub fn kept(&self) -> usize {
        self.writers.iter().map(|w| w.bytes.len().saturating_sub(ATOMIC)).sum()
    }

    /// How many bytes of a write of `len` can be taken with `free` shared blocks; 0: it must wait.
    fn takes(&self, len: usize, free: usize) -> usize {
        let room = self.buffer.room(free);
        if len <= ATOMIC && room < len { 0 } else { room.min(len) }
    }

    /// Serves who can be served. `free`: shared blocks that nobody has; what is left of them is the result.
    pub fn pump(&mut self, mut free: usize, done: &mut Vec<(R, Answer)>) -> usize {
        free += self.buffer.shared();
        loop {
            if !self.ends.open(End::Read) {
                self.buffer.clear();
                let broken = self.writers.drain(..).map(|w| (w.reply, Answer::Wrote(Err(Error::BrokenPipe))));
                done.extend(broken);
            }
            if self.buffer.len() > 0
                && let Some(reader) = self.readers.pop_front()
            {
                done.push((reader.reply, Answer::Got(Ok(self.buffer.take(MAX_IO)))));
                continue;
            }
            let left = free.saturating_sub(self.buffer.shared());
            let Some(writer) = self.writers.front() else { break };
            let count = self.takes(writer.bytes.len(), left);
            if count == 0 {
                break;
            }
            let Some(writer) = self.writers.pop_front() else { break };
            self.buffer.put(writer.bytes.get(..count).unwrap_or(&writer.bytes));
            done.push((writer.reply, Answer::Wrote(Ok(count as u32))));
        }
        if !self.ends.open(End::Write) && self.buffer.len() == 0 {
            done.extend(self.readers.drain(..).map(|r| (r.reply, Answer::Got(Ok(Vec::new())))));
        }
        free.saturating_sub(self.buffer.shared())
    }

    /// Calls of a space that wait for an end it no longer has.
    pub fn orphans(&mut self, space: Space, done: &mut Vec<(R, Answer)>) {
        if !self.ends.has(space, End::Read) {
            for reader in drain_where(&mut self.readers, |r| r.space == space) {
                done.push((reader.reply, Answer::Got(Err(Error::BadFile))));
            }
        }
        if !self.ends.has(space, End::Write) {
            for writer in drain_where(&mut self.writers, |w| w.space == space) {
                done.push((writer.reply, Answer::Wrote(Err(Error::BadFile))));
            }
        }
    }
}

fn drain_where<T>(queue: &mut VecDeque<T>, which: impl Fn(&T) -> bool) -> Vec<T> {
    let (out, rest): (Vec<T>, VecDeque<T>) =
        queue.drain(..).fold((Vec::new(), VecDeque::new()), |(mut out, mut rest), item| {
            if which(&item) {
                out.push(item)
            } else {
                rest.push_back(item)
            }
            (out, rest)
        });
    *queue = rest;
    out
}
