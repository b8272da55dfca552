// SPDX-License-Identifier: BSD-2-Clause
//! All pipes: numbers, permissions, limits.

use crate::limits::{ALL_HOLDERS, ATOMIC, KEPT, PIPES, SHARED_BLOCKS, WAITING};
use crate::pipe::{Pipe, Reader, Writer};
use alloc::vec::Vec;
use ebb_proto::Error;
use ebb_proto::pipe::{End, MAX_IO};
use ebb_proto::vm::Space;

/// What a read or a write is answered with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Of a read: bytes; none: nobody can write any more.
    Got(Result<Vec<u8>, Error>),
    /// Of a write: bytes taken.
    Wrote(Result<u32, Error>),
}

/// All pipes. `R`: a call that can be answered.
#[derive(Debug)]
pub struct Pipes<R> {
    pipes: Vec<Pipe<R>>,
    next: u32,
    /// Shared blocks that no pipe has.
    free: usize,
    done: Vec<(R, Answer)>,
}

impl<R> Default for Pipes<R> {
    fn default() -> Self {
        Pipes { pipes: Vec::new(), next: 1, free: SHARED_BLOCKS, done: Vec::new() }
    }
}

impl<R> Pipes<R> {
    /// Calls that can be answered now, in order. To be asked for after every operation.
    pub fn take_done(&mut self) -> Vec<(R, Answer)> {
        core::mem::take(&mut self.done)
    }

    /// Pipes that there are.
    pub fn len(&self) -> usize {
        self.pipes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.pipes.is_empty()
    }

    /// Makes a pipe, whose ends `space` has. `TooManyFiles`: there are [`PIPES`]. `NoMemory`: too many spaces have ends.
    pub fn create(&mut self, space: Space) -> Result<u32, Error> {
        if self.pipes.len() >= PIPES {
            return Err(Error::TooManyFiles);
        }
        self.room_for_holder()?;
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        if self.place(number).is_ok() {
            // After four thousand million pipes: one that is still there keeps its number.
            return self.create(space);
        }
        let mut pipe = Pipe::new(number);
        pipe.ends.add(space, End::Read)?;
        pipe.ends.add(space, End::Write)?;
        self.pipes.push(pipe);
        Ok(number)
    }

    /// Waits for bytes. `BadFile`; `NoMemory`: it would have to wait, and [`WAITING`] calls do.
    pub fn read(&mut self, space: Space, number: u32, reply: R) {
        let room = self.room_for_call();
        match self.find(space, number, End::Read) {
            Ok(pipe) => pipe.readers.push_back(Reader { space, reply }),
            Err(error) => return self.done.push((reply, Answer::Got(Err(error)))),
        }
        self.pump(number);
        // The last one waits if any does.
        if !room && let Some(reader) = self.pipe(number).and_then(|p| p.readers.pop_back()) {
            self.done.push((reader.reply, Answer::Got(Err(Error::NoMemory))));
        }
    }

    /// Waits for room and puts bytes in. Of a longer write than [`MAX_IO`] no more is taken. `BadFile`, `BrokenPipe`; `NoMemory` as above.
    pub fn write(&mut self, space: Space, number: u32, mut bytes: Vec<u8>, reply: R) {
        let (room, kept) = (self.room_for_call(), self.pipes.iter().map(Pipe::kept).sum::<usize>());
        bytes.truncate(MAX_IO);
        match self.find(space, number, End::Write) {
            Ok(_) if bytes.is_empty() => return self.done.push((reply, Answer::Wrote(Ok(0)))),
            Ok(pipe) => pipe.writers.push_back(Writer { space, bytes, reply }),
            Err(error) => return self.done.push((reply, Answer::Wrote(Err(error)))),
        }
        self.pump(number);
        // The last one waits if any does.
        let Some(pipe) = self.pipe(number) else { return };
        if let Some(mut writer) = pipe.writers.pop_back() {
            if !room {
                return self.done.push((writer.reply, Answer::Wrote(Err(Error::NoMemory))));
            }
            writer.bytes.truncate(ATOMIC + KEPT.saturating_sub(kept));
            writer.bytes.shrink_to_fit();
            pipe.writers.push_back(writer);
        }
    }

    /// Gives up an end. `BadFile`.
    pub fn close(&mut self, space: Space, number: u32, end: End) -> Result<(), Error> {
        let pipe = self.find(space, number, end)?;
        pipe.ends.remove(space, end)?;
        let mut done = Vec::new();
        pipe.orphans(space, &mut done);
        self.done.append(&mut done);
        self.pump(number);
        Ok(())
    }

    /// Gives an end that `from` has to `to` as well. `BadFile`: `from` has it not. `NoMemory`: too many spaces have ends.
    pub fn share(&mut self, number: u32, end: End, from: Space, to: Space) -> Result<(), Error> {
        let room = self.room_for_holder();
        let pipe = self.find(from, number, end)?;
        if !pipe.ends.knows(to) {
            room?;
        }
        pipe.ends.add(to, end)
    }

    /// A space is gone: its ends are closed, its calls forgotten.
    pub fn gone(&mut self, space: Space) {
        let mut touched = Vec::new();
        for pipe in &mut self.pipes {
            pipe.readers.retain(|r| r.space != space);
            pipe.writers.retain(|w| w.space != space);
            if pipe.ends.knows(space) {
                pipe.ends.remove_all(space);
                touched.push(pipe.number);
            }
        }
        for number in touched {
            self.pump(number);
        }
    }

    fn place(&self, number: u32) -> Result<usize, Error> {
        self.pipes.iter().position(|p| p.number == number).ok_or(Error::BadFile)
    }

    fn pipe(&mut self, number: u32) -> Option<&mut Pipe<R>> {
        self.pipes.iter_mut().find(|p| p.number == number)
    }

    fn find(&mut self, space: Space, number: u32, end: End) -> Result<&mut Pipe<R>, Error> {
        let pipe = self.pipe(number).ok_or(Error::BadFile)?;
        if pipe.ends.has(space, end) { Ok(pipe) } else { Err(Error::BadFile) }
    }

    fn room_for_call(&self) -> bool {
        self.pipes.iter().map(Pipe::waiting).sum::<usize>() < WAITING
    }

    fn room_for_holder(&self) -> Result<(), Error> {
        let holders: usize = self.pipes.iter().map(|p| p.ends.holders()).sum();
        if holders < ALL_HOLDERS { Ok(()) } else { Err(Error::NoMemory) }
    }

    /// Serves who can be served now, and forgets a pipe that nobody has.
    fn pump(&mut self, number: u32) {
        let Ok(at) = self.place(number) else { return };
        let Some(pipe) = self.pipes.get_mut(at) else { return };
        self.free = pipe.pump(self.free, &mut self.done);
        if pipe.ends.holders() == 0 {
            // Nobody waits, because nobody has an end; and the last reader took the bytes away.
            self.pipes.swap_remove(at);
        }
    }

    /// Checks what must always hold; what is wrong, if anything is.
    pub fn check(&self) -> Result<(), &'static str> {
        let shared: usize = self.pipes.iter().map(|p| p.buffer.shared()).sum();
        let says = |holds: bool, text| if holds { Ok(()) } else { Err(text) };
        says(shared + self.free == SHARED_BLOCKS, "shared blocks do not add up")?;
        says(self.pipes.iter().map(Pipe::waiting).sum::<usize>() <= WAITING, "too many wait")?;
        says(self.pipes.iter().map(Pipe::kept).sum::<usize>() <= KEPT, "too many bytes are kept")?;
        for p in &self.pipes {
            says(p.ends.holders() > 0, "a pipe that nobody has")?;
            says(p.buffer.len() <= ebb_proto::pipe::CAPACITY, "more bytes than a pipe holds")?;
            says(p.readers.is_empty() || p.buffer.len() == 0, "a reader waits though there are bytes")?;
            says(p.readers.is_empty() || p.ends.open(End::Write), "a reader waits for nobody")?;
            says(p.writers.is_empty() || p.ends.open(End::Read), "a writer waits for nobody")?;
            says(p.writers.is_empty() || p.buffer.len() > 0, "a writer waits though the pipe is empty")?;
        }
        Ok(())
    }
}
