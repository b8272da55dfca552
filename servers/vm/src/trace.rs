// SPDX-License-Identifier: BSD-2-Clause
//! Which pages a program references: of a traced one only the last few pages that it faulted on stay mapped, so that each reference to another one is a
//! fault, which is noted for whoever asked.
//!
//! What is noted is exact but for references to pages that are in the window, which nobody sees. The window must hold what one instruction touches: code, stack
//! and data, each across two pages. First writes are seen because a page that was only read is mapped read-only. What is mapped without a fault (wired memory, what
//! is locked) is not noted, nor is what `vm` and servers touch for the program. A fault that finds no room for its note waits until some were taken.
//!
//! A program that is not traced costs a look at one flag a fault.

use crate::machine::Machine;
use crate::vm::Vm;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use ebb_abi::PAGE_SIZE;
use ebb_abi::map::{MapFlags, MapOp};
use ebb_proto::Error;
use ebb_proto::vm::{MAX_EVENTS, Reference, Space, TRACE_WINDOW};

const PAGE: u64 = PAGE_SIZE as u64;
/// Programs that are traced at a time. Each takes [`ROOM`] words of `vm`'s heap.
const MOST: usize = 4;
/// Notes that nobody has taken yet, at most.
pub const ROOM: usize = 4096;
/// Notes that a fault makes at most.
const A_FAULT: usize = 2;

/// A program that is traced, or was.
pub struct Trace {
    space: Space,
    /// Who takes the notes.
    reader: Space,
    /// Pages that stay mapped.
    width: usize,
    /// Their numbers, the oldest first.
    window: VecDeque<u64>,
    notes: VecDeque<u64>,
    /// The program is gone.
    ended: bool,
}

impl Trace {
    fn new(space: Space, reader: Space, width: usize) -> Result<Trace, Error> {
        let (mut window, mut notes) = (VecDeque::new(), VecDeque::new());
        window.try_reserve_exact(width + 1).map_err(|_| Error::NoMemory)?;
        notes.try_reserve_exact(ROOM).map_err(|_| Error::NoMemory)?;
        Ok(Trace { space, reader, width, window, notes, ended: false })
    }

    fn is_full(&self) -> bool {
        self.notes.len() + A_FAULT > ROOM
    }

    /// Notes a fault. Returns the page that is to be unmapped for it.
    fn note(&mut self, page: u64, write: bool) -> Option<u64> {
        if self.window.contains(&page) {
            if write {
                self.notes.push_back(Reference::Written.of(page));
            }
            return None;
        }
        self.notes.push_back(if write { Reference::Write.of(page) } else { Reference::Read.of(page) });
        self.window.push_back(page);
        if self.window.len() > self.width { self.window.pop_front() } else { None }
    }
}

impl<M: Machine> Vm<M> {
    /// `TraceStart`.
    pub(crate) fn trace_start(&mut self, id: Space, window: u32, reader: Space) -> Result<(), Error> {
        self.spaces.get(reader).ok_or(Error::NotFound)?;
        let space = self.spaces.get(id).ok_or(Error::NotFound)?;
        if space.traced || space.thread != ebb_abi::Handle::NONE {
            return Err(Error::Exists);
        }
        if space.protected {
            return Err(Error::NotPermitted);
        }
        if !TRACE_WINDOW.contains(&window) {
            return Err(Error::Invalid);
        }
        if self.traces.len() >= MOST {
            return Err(Error::NoMemory);
        }
        self.traces.push(Trace::new(id, reader, window as usize)?);
        if let Some(space) = self.spaces.get_mut(id) {
            space.traced = true;
        }
        Ok(())
    }

    /// `TraceTake`.
    pub(crate) fn trace_take(&mut self, reader: Space, id: Space) -> Result<(Vec<u64>, bool), Error> {
        let theirs = |t: &Trace| t.space == id && t.reader == reader;
        let at = self.traces.iter().position(theirs).ok_or(Error::NotFound)?;
        let Some(trace) = self.traces.get_mut(at) else { return Err(Error::NotFound) };
        let count = trace.notes.len().min(MAX_EVENTS);
        let mut notes = Vec::new();
        notes.try_reserve_exact(count).map_err(|_| Error::NoMemory)?;
        notes.extend(trace.notes.drain(..count));
        let goes_on = !trace.ended || !trace.notes.is_empty();
        if !goes_on {
            self.traces.swap_remove(at);
        }
        self.waiting.traced_ready();
        Ok((notes, goes_on))
    }

    /// Whether a fault of a traced space must wait until notes were taken.
    pub(crate) fn trace_is_full(&self, id: Space) -> bool {
        self.traces.iter().any(|t| t.space == id && t.is_full())
    }

    /// Notes a fault that is about to be answered with a mapping, which becomes read-only if nothing is written.
    pub(crate) fn trace_fault(&mut self, id: Space, mut op: MapOp, write: bool) -> MapOp {
        let Some(trace) = self.traces.iter_mut().find(|t| t.space == id) else { return op };
        if !write {
            op.flags -= MapFlags::WRITE;
        }
        let gone = trace.note(op.address / PAGE, write);
        let task = self.spaces.get(id).map(|s| s.task);
        if let (Some(page), Some(task)) = (gone, task)
            && let Err(error) = self.m.unmap(task, page * PAGE, 1)
        {
            self.m.log(format_args!("space {id}: unmapping {:#x} of its window: {error:?}", page * PAGE));
        }
        op
    }

    /// A space is gone: its notes stay for their reader; those that it was to read do not.
    pub(crate) fn traces_forget(&mut self, id: Space) {
        // Nearly always there is none.
        if self.traces.is_empty() {
            return;
        }
        for trace in self.traces.iter_mut().filter(|t| t.space == id) {
            trace.ended = true;
        }
        for trace in self.traces.iter().filter(|t| t.reader == id) {
            if let Some(space) = self.spaces.get_mut(trace.space) {
                space.traced = false;
            }
        }
        self.traces.retain(|t| t.reader != id);
        self.waiting.traced_ready();
    }
}
