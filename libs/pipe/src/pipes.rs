// SPDX-License-Identifier: BSD-2-Clause
//! All pipes: numbers, permissions, limits.

use crate::buffer::Buffer;
use crate::limits::{ALL_HOLDERS, BLOCK, BLOCKS, KEPT_BLOCKS, PIPES, SHARED_BLOCKS, WAITING};
use crate::pipe::{Pipe, Reader, Service, Writer};
use crate::store::Store;
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
    store: Store,
    /// Shared blocks that no pipe has.
    free: usize,
    done: Vec<(R, Answer)>,
}

impl<R> Default for Pipes<R> {
    fn default() -> Self {
        let pipes = Vec::with_capacity(PIPES);
        Pipes { pipes, next: 1, store: Store::new(), free: SHARED_BLOCKS, done: Vec::new() }
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

    /// Whether somebody waits to read: then the pipe is empty. `BadFile`: `space` cannot write.
    pub fn wanted(&mut self, space: Space, number: u32) -> Result<bool, Error> {
        self.find(space, number, End::Write).map(|pipe| !pipe.readers.is_empty())
    }

    /// Waits for bytes, of which it takes at least one and at most `most` and [`MAX_IO`]. `BadFile`; `NoMemory`: it would have to wait, and [`WAITING`] calls do.
    pub fn read(&mut self, space: Space, number: u32, most: u32, reply: R) {
        let most = (most as usize).clamp(1, MAX_IO);
        let room = self.room_for_call();
        match self.find(space, number, End::Read) {
            Ok(pipe) => pipe.readers.push_back(Reader { space, most, reply }),
            Err(error) => return self.done.push((reply, Answer::Got(Err(error)))),
        }
        self.pump(number);
        // The last one waits if any does.
        if !room && let Some(reader) = self.pipe(number).and_then(|p| p.readers.pop_back()) {
            self.done.push((reader.reply, Answer::Got(Err(Error::NoMemory))));
        }
    }

    /// Waits for room and puts bytes in. Of a longer write than [`MAX_IO`] no more is taken. `BadFile`, `BrokenPipe`; `NoMemory` as above.
    pub fn write(&mut self, space: Space, number: u32, bytes: &[u8], reply: R) {
        let room = self.room_for_call();
        let kept: usize = self.pipes.iter().map(Pipe::kept).sum();
        let bytes = bytes.get(..MAX_IO).unwrap_or(bytes);
        if let Err(error) = self.find(space, number, End::Write) {
            return self.done.push((reply, Answer::Wrote(Err(error))));
        }
        let Some((pipe, mut service)) = self.serving(number) else { return };
        if let Some(result) = pipe.write_now(&mut service, bytes) {
            service.done.push((reply, Answer::Wrote(result)));
        } else if !room {
            service.done.push((reply, Answer::Wrote(Err(Error::NoMemory))));
        } else {
            let most = (1 + KEPT_BLOCKS.saturating_sub(kept)) * BLOCK;
            let mut waiting = Buffer::default();
            waiting.put(service.store, bytes.get(..most).unwrap_or(bytes));
            pipe.writers.push_back(Writer { space, bytes: waiting, reply });
        }
        self.pump(number);
    }

    /// Gives up an end. `BadFile`.
    pub fn close(&mut self, space: Space, number: u32, end: End) -> Result<(), Error> {
        let pipe = self.find(space, number, end)?;
        pipe.ends.remove(space, end)?;
        if let Some((pipe, service)) = self.serving(number) {
            let (readers, writers) = pipe.orphans(service.store, space);
            service.done.extend(readers.into_iter().map(|r| (r, Answer::Got(Err(Error::BadFile)))));
            service.done.extend(writers.into_iter().map(|w| (w, Answer::Wrote(Err(Error::BadFile)))));
        }
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

    /// Gives `to`, which has none yet, all ends that `from` has. `NoMemory`: too many spaces have ends; then it has none.
    pub fn inherit(&mut self, from: Space, to: Space) -> Result<(), Error> {
        let numbers: Vec<u32> = self.pipes.iter().filter(|p| p.ends.knows(from)).map(|p| p.number).collect();
        for number in numbers {
            let room = self.room_for_holder();
            let Some(pipe) = self.pipe(number) else { continue };
            if let Err(error) = room.and_then(|()| pipe.ends.inherit(from, to)) {
                self.gone(to);
                return Err(error);
            }
        }
        Ok(())
    }

    /// A space is gone: its ends are closed, its calls forgotten.
    pub fn gone(&mut self, space: Space) {
        let mut touched = Vec::new();
        for pipe in self.pipes.iter_mut().filter(|p| p.ends.knows(space)) {
            pipe.ends.remove_all(space);
            // Nobody is there to be answered.
            drop(pipe.orphans(&mut self.store, space));
            touched.push(pipe.number);
        }
        touched.into_iter().for_each(|number| self.pump(number));
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

    /// A pipe, and what serving it takes.
    fn serving(&mut self, number: u32) -> Option<(&mut Pipe<R>, Service<'_, R>)> {
        let Pipes { pipes, store, free, done, .. } = self;
        let pipe = pipes.iter_mut().find(|p| p.number == number)?;
        Some((pipe, Service { store, free, done }))
    }

    /// Serves who can be served now, and forgets a pipe that nobody has.
    fn pump(&mut self, number: u32) {
        let Some((pipe, mut service)) = self.serving(number) else { return };
        pipe.pump(&mut service);
        if pipe.ends.holders() == 0 {
            // Nobody waits, because nobody has an end; and the bytes went with the last who could read.
            self.pipes.retain(|p| p.number != number);
        }
    }

    /// Checks what must always hold; what is wrong, if anything is.
    pub fn check(&self) -> Result<(), &'static str> {
        let shared: usize = self.pipes.iter().map(|p| p.buffer.shared()).sum();
        let says = |holds: bool, text| if holds { Ok(()) } else { Err(text) };
        says(shared + self.free == SHARED_BLOCKS, "shared blocks do not add up")?;
        says(self.pipes.iter().map(Pipe::waiting).sum::<usize>() <= WAITING, "too many wait")?;
        says(self.pipes.iter().map(Pipe::kept).sum::<usize>() <= KEPT_BLOCKS, "too much is kept")?;
        let writers = self.pipes.iter().flat_map(|p| &p.writers).map(|w| w.bytes.blocks());
        let used = self.pipes.iter().map(|p| p.buffer.blocks()).chain(writers).sum::<usize>();
        says(used + self.store.free() == BLOCKS, "blocks do not add up")?;
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
