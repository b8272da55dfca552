// SPDX-License-Identifier: BSD-2-Clause
//! One pipe: bytes, ends, waiting calls, and who is served next.

use crate::buffer::Buffer;
use crate::ends::Ends;
use crate::limits::ATOMIC;
use crate::pipes::Answer;
use crate::store::Store;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use ebb_proto::Error;
use ebb_proto::pipe::End;
use ebb_proto::vm::Space;

#[derive(Debug)]
pub struct Reader<R> {
    pub space: Space,
    /// Bytes that it takes, at least 1.
    pub most: usize,
    pub reply: R,
}

#[derive(Debug)]
pub struct Writer<R> {
    pub space: Space,
    pub bytes: Buffer,
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

/// What serving a pipe uses and brings.
pub struct Service<'a, R> {
    /// All blocks.
    pub store: &'a mut Store,
    /// Shared blocks that no pipe has.
    pub free: &'a mut usize,
    /// Calls that can be answered.
    pub done: &'a mut Vec<(R, Answer)>,
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

    /// Blocks of waiting writes beyond what each may have.
    pub fn kept(&self) -> usize {
        self.writers.iter().map(|w| w.bytes.shared()).sum()
    }

    /// How many bytes of a write of `len` can be taken with `free` shared blocks; 0: it must wait.
    fn takes(&self, len: usize, free: usize) -> usize {
        let room = self.buffer.room(free);
        if len <= ATOMIC && room < len { 0 } else { room.min(len) }
    }

    fn put(&mut self, s: &mut Service<'_, R>, bytes: &[u8]) {
        let before = self.buffer.shared();
        self.buffer.put(s.store, bytes);
        *s.free = s.free.saturating_sub(self.buffer.shared() - before);
    }

    fn take(&mut self, s: &mut Service<'_, R>, most: usize) -> Vec<u8> {
        let before = self.buffer.shared();
        let bytes = self.buffer.take(s.store, most);
        *s.free += before - self.buffer.shared();
        bytes
    }

    /// A write that need not wait, if that is so: how much of it was taken.
    pub fn write_now(&mut self, s: &mut Service<'_, R>, bytes: &[u8]) -> Option<Result<u32, Error>> {
        if !self.ends.open(End::Read) {
            return Some(Err(Error::BrokenPipe));
        }
        let count = if self.writers.is_empty() { self.takes(bytes.len(), *s.free) } else { 0 };
        self.put(s, bytes.get(..count)?);
        (count > 0 || bytes.is_empty()).then_some(Ok(count as u32))
    }

    /// Serves who can be served.
    pub fn pump(&mut self, s: &mut Service<'_, R>) {
        if !self.ends.open(End::Read) {
            *s.free += self.buffer.shared();
            self.buffer.clear(s.store);
            while let Some(mut writer) = self.writers.pop_front() {
                writer.bytes.clear(s.store);
                s.done.push((writer.reply, Answer::Wrote(Err(Error::BrokenPipe))));
            }
        }
        loop {
            if self.buffer.len() > 0
                && let Some(reader) = self.readers.pop_front()
            {
                let bytes = self.take(s, reader.most);
                s.done.push((reader.reply, Answer::Got(Ok(bytes))));
                continue;
            }
            let Some(writer) = self.writers.front() else { break };
            let count = self.takes(writer.bytes.len(), *s.free);
            if count == 0 {
                break;
            }
            let Some(mut writer) = self.writers.pop_front() else { break };
            let bytes = writer.bytes.take(s.store, count);
            writer.bytes.clear(s.store);
            self.put(s, &bytes);
            s.done.push((writer.reply, Answer::Wrote(Ok(count as u32))));
        }
        if !self.ends.open(End::Write) && self.buffer.len() == 0 {
            s.done.extend(self.readers.drain(..).map(|r| (r.reply, Answer::Got(Ok(Vec::new())))));
        }
    }

    /// Takes out the waiting calls of a space for ends that it does not have. They wait for nothing any more.
    pub fn orphans(&mut self, store: &mut Store, space: Space) -> (Vec<R>, Vec<R>) {
        let (reads, writes) = (self.ends.has(space, End::Read), self.ends.has(space, End::Write));
        let readers = drain_where(&mut self.readers, |r| r.space == space && !reads);
        let writers = drain_where(&mut self.writers, |w| w.space == space && !writes);
        let given_back = writers.into_iter().map(|mut w| {
            w.bytes.clear(store);
            w.reply
        });
        (readers.into_iter().map(|r| r.reply).collect(), given_back.collect())
    }
}

fn drain_where<T>(queue: &mut VecDeque<T>, which: impl Fn(&T) -> bool) -> Vec<T> {
    let (out, rest) = queue.drain(..).partition(which);
    *queue = VecDeque::from(rest);
    out
}
