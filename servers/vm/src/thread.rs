// SPDX-License-Identifier: BSD-2-Clause
//! Threads: a space's first one, and those that a program makes beside it.
//!
//! A program's thread `n` has its message buffer and its stack where [`ebb_abi::layout`] says. Each has a notification, so that it can wait for a timer or for another thread. An exception in any
//! ends the program, as its end ends them all; what each of them waits for in this server is nobody's but its own.

use crate::machine::Machine;
use crate::space::Space;
use crate::vm::Vm;
use alloc::vec::Vec;
use ebb_abi::layout::{MESSAGE_BUFFER, thread_of};
use ebb_abi::thread::{MAX_PRIORITY, ThreadOp};
use ebb_abi::{Frame, Handle, Kind, PAGE_SIZE, Rights};
use ebb_proto::Error;
use ebb_proto::vm as proto;
use ebb_proto::vm::MAX_THREADS;
use ebb_rt::client::from_sys;
use ebb_sys::object::Start;

/// Threads beside the first ones, in all spaces together. Each takes up to three places in this server's table of handles (itself, its notification, its call), which has room
/// for 4,096: three for each of the 1,024 spaces, these, and what else there is.
const MAX_OTHERS: usize = 240;

/// A thread beside a space's first.
pub struct Thread {
    pub(crate) number: u32,
    /// As the kernel names it.
    pub(crate) frame: u32,
    /// `Handle::NONE`: it has ended, and nobody has waited for it yet; or it is out, and has its notification nevertheless.
    pub(crate) handle: Handle,
    pub(crate) notification: Handle,
    /// It is another process's, which shares the space.
    shared: bool,
}

/// A thread that was just made.
pub(crate) struct Made {
    pub handle: Handle,
    /// As the kernel names it.
    pub frame: u32,
    /// That of its message buffer.
    pub buffer: u32,
}

/// The threads beside the spaces' first ones.
pub struct Threads<R> {
    /// Those that have not been waited for.
    count: usize,
    /// Who waits for the end of which.
    joins: Vec<(proto::Space, u32, R)>,
}

impl<R> Default for Threads<R> {
    fn default() -> Self {
        Threads { count: 0, joins: Vec::new() }
    }
}

impl<R> Threads<R> {
    /// Takes out who waits for a thread.
    fn waiter(&mut self, space: proto::Space, number: u32) -> Option<R> {
        let at = self.joins.iter().position(|(s, n, _)| (*s, *n) == (space, number))?;
        Some(self.joins.swap_remove(at).2)
    }
}

impl Thread {
    /// `Handle::NONE`: it has ended, or is out.
    pub fn handle(&self) -> Handle {
        self.handle
    }
}

impl Space {
    /// The thread that the kernel names by this frame; the first, if it is none of the others.
    pub fn thread_in(&self, frame: u32) -> Handle {
        let other = self.threads.iter().find(|t| t.handle != Handle::NONE && t.frame == frame);
        other.map_or(self.thread, |t| t.handle)
    }

    /// The threads that have not ended, and are not out: number, itself, its notification.
    pub(crate) fn living(&self) -> impl Iterator<Item = (u32, Handle, Handle)> {
        let others = self.threads.iter().map(|t| (t.number, t.handle, t.notification));
        let first = core::iter::once((0, self.thread, self.notification));
        first.chain(others).filter(|(_, handle, _)| *handle != Handle::NONE)
    }

    /// The threads of a process: of that which shares the space as this one, or the first and those that the program made itself (0).
    fn threads_of(&self, number: u32) -> Vec<Handle> {
        let own = |t: &&Thread| if number == 0 { !t.shared } else { t.shared && t.number == number };
        let first = (number == 0).then_some(self.thread);
        let all = first.into_iter().chain(self.threads.iter().filter(own).map(|t| t.handle));
        all.filter(|h| *h != Handle::NONE).collect()
    }

    /// Whether several processes share it.
    pub(crate) fn is_shared(&self) -> bool {
        self.threads.iter().any(|t| t.shared)
    }

    /// A thread that the program made itself.
    fn own(&self, number: u32) -> Option<&Thread> {
        self.threads.iter().find(|t| t.number == number && !t.shared)
    }

    fn numbered(&self, number: u32) -> Option<usize> {
        self.threads.iter().position(|t| t.number == number)
    }
}

impl<M: Machine> Vm<M> {
    /// Starts a space's first thread.
    pub fn start(&mut self, op: &proto::Start, notification: Handle) -> Result<(), Error> {
        let space = self.spaces.get_mut(op.space).ok_or(Error::NotFound)?;
        if space.thread != Handle::NONE || space.parked.is_some() {
            return Err(Error::Exists);
        }
        if op.priority as u64 > MAX_PRIORITY {
            return Err(Error::Invalid);
        }
        space.priority = op.priority;
        // A copy of a thread that was not the first goes on with the stack and the buffer that it has.
        let number = thread_of(op.stack);
        let number = if number < MAX_THREADS as u64 { number } else { 0 };
        space.first = number as u32;
        let buffer = MESSAGE_BUFFER + number * PAGE_SIZE as u64;
        let start = Start { buffer, entry: op.entry, stack: op.stack, argument: op.argument };
        let thread = self.make_thread(op.space, start)?.handle;
        if let Some(space) = self.spaces.get_mut(op.space) {
            space.thread = thread;
        }
        let own = self.spaces.get(op.space).map_or(Handle::NONE, |s| s.notification);
        let notification = if own == Handle::NONE { notification } else { own };
        self.run_thread(op.space, thread, op.priority, notification)?;
        if self.spaces.get(op.space).is_some_and(|s| s.protected) {
            self.frames.restarted();
        }
        Ok(())
    }

    /// A stopped thread.
    pub(crate) fn make_thread(&mut self, id: proto::Space, start: Start) -> Result<Made, Error> {
        let task = self.spaces.get(id).ok_or(Error::NotFound)?.task;
        let frame = self.kernel_frame(id)?;
        let buffer = self.kernel_frame(id).inspect_err(|_| self.frames.free(frame))?;
        let made = loop {
            let more = match self.m.thread_create(task, Frame(frame), Frame(buffer), start) {
                Ok(thread) => break Ok(thread),
                Err(ebb_abi::Error::NoTables) => self.donate_tables(id),
                Err(ebb_abi::Error::NoSlot) => self.more_handles(),
                Err(error) => Err(from_sys(error)),
            };
            if let Err(error) = more {
                break Err(error);
            }
        };
        match made {
            Ok(thread) => {
                if let Some(space) = self.spaces.get_mut(id) {
                    space.kernel_frames += 2;
                }
                Ok(Made { handle: thread, frame, buffer })
            }
            Err(error) => {
                self.frames.free(frame);
                self.frames.free(buffer);
                Err(error)
            }
        }
    }

    pub(crate) fn run_thread(
        &mut self,
        id: proto::Space,
        thread: Handle,
        priority: u8,
        notification: Handle,
    ) -> Result<(), Error> {
        if self.spaces.get(id).is_some_and(|s| s.halted) {
            self.m.thread_control(thread, ThreadOp::Hold, 1).map_err(from_sys)?;
        }
        self.m.thread_control(thread, ThreadOp::Priority, priority as u64).map_err(from_sys)?;
        if notification != Handle::NONE {
            self.m.thread_control(thread, ThreadOp::Bind, notification.0 as u64).map_err(from_sys)?;
        }
        self.m.thread_control(thread, ThreadOp::Start, 0).map_err(from_sys)
    }

    /// Another thread of a program, or one of another process that shares its space. Returns the program's handle of its notification.
    pub fn thread_new(
        &mut self,
        id: proto::Space,
        op: &proto::ThreadNew,
        shared: bool,
    ) -> Result<u32, Error> {
        let space = self.spaces.get(id).ok_or(Error::NotFound)?;
        if space.protected {
            return Err(Error::NotPermitted);
        }
        if op.number == 0 || op.number as usize >= MAX_THREADS {
            return Err(Error::Invalid);
        }
        if space.numbered(op.number).is_some() {
            return Err(Error::Exists);
        }
        if self.threads.count >= MAX_OTHERS {
            return Err(Error::NoMemory);
        }
        let priority = space.priority;
        let buffer = MESSAGE_BUFFER + op.number as u64 * PAGE_SIZE as u64;
        let start = Start { buffer, entry: op.entry, stack: op.stack, argument: op.argument };
        let notification = self.object_new(Kind::Notification)?;
        let Made { handle, frame, .. } = match self.make_thread(id, start) {
            Ok(made) => made,
            Err(error) => {
                self.discard_notification(notification);
                return Err(error);
            }
        };
        if let Some(space) = self.spaces.get_mut(id) {
            space.threads.push(Thread { number: op.number, frame, handle, notification, shared });
        }
        self.threads.count += 1;
        let rights = Rights::SEND | Rights::RECEIVE | Rights::GRANT;
        let given = self.give(id, notification, rights, 0);
        match given.and_then(|there| self.run_thread(id, handle, priority, notification).map(|()| there)) {
            Ok(there) => Ok(there),
            Err(error) => {
                self.end_thread(id, op.number)?;
                self.forget_thread(id, op.number);
                Err(error)
            }
        }
    }

    /// The end of a thread that its program wished.
    pub fn thread_exit(&mut self, id: proto::Space, number: u32, reply: M::Reply) {
        let own = self.spaces.get(id).is_some_and(|s| s.own(number).is_some());
        let ended = match (number, own) {
            (0, _) => Err(Error::Invalid),
            (_, false) => Err(Error::NotFound),
            (_, true) => self.end_thread(id, number),
        };
        match ended {
            Err(error) => self.m.answer::<proto::ThreadExit>(reply, Err(error), &[]),
            Ok(()) => {
                // Nobody is there any more to be answered.
                drop(reply);
                if let Some(waiter) = self.threads.waiter(id, number) {
                    self.forget_thread(id, number);
                    self.m.answer::<proto::ThreadJoin>(waiter, Ok(()), &[]);
                }
            }
        }
    }

    /// Waits for a thread's end.
    pub fn thread_join(&mut self, id: proto::Space, number: u32, reply: M::Reply) {
        let thread = self.spaces.get(id).and_then(|s| s.own(number));
        let result = match thread {
            None => Err(Error::NotFound),
            Some(thread) if thread.handle == Handle::NONE => {
                self.forget_thread(id, number);
                Ok(())
            }
            Some(_) if self.threads.joins.iter().any(|(s, n, _)| (*s, *n) == (id, number)) => {
                Err(Error::Busy)
            }
            Some(_) => return self.threads.joins.push((id, number, reply)),
        };
        self.m.answer::<proto::ThreadJoin>(reply, result, &[]);
    }

    /// A thread of another process that shares a space.
    pub fn share_new(&mut self, op: &proto::ShareNew) -> Result<u32, Error> {
        let proto::ShareNew { space, number, entry, stack, argument } = *op;
        self.thread_new(space, &proto::ThreadNew { number, entry, stack, argument }, true)
    }

    /// The end of a process that shares a space with others.
    pub fn share_end(&mut self, id: proto::Space, number: u32) -> Result<(), Error> {
        let space = self.spaces.get(id).ok_or(Error::NotFound)?;
        if number != 0 {
            let shared = space.threads.iter().any(|t| t.number == number && t.shared);
            if !shared {
                return Err(Error::NotFound);
            }
            self.end_thread(id, number)?;
            self.forget_thread(id, number);
            return Ok(());
        }
        let first = space.thread;
        let own: Vec<(u32, bool)> = space
            .threads
            .iter()
            .filter(|t| !t.shared)
            .map(|t| (t.number, t.handle != Handle::NONE))
            .collect();
        if first == Handle::NONE && own.is_empty() {
            return Err(Error::NotFound);
        }
        for (number, runs) in own {
            if runs {
                self.end_thread(id, number)?;
            }
            // Who waits for it has ended too.
            drop(self.threads.waiter(id, number));
            self.forget_thread(id, number);
        }
        if first != Handle::NONE {
            self.destroy_thread(id, 0, first);
            let notification = self.spaces.get_mut(id).map(|s| {
                s.thread = Handle::NONE;
                core::mem::replace(&mut s.notification, Handle::NONE)
            });
            self.discard(notification.unwrap_or(Handle::NONE));
        }
        Ok(())
    }

    /// Holds the threads of one of the processes that share a space, or lets them go on.
    pub fn share_halt(&mut self, id: proto::Space, number: u32, halted: bool) -> Result<(), Error> {
        let threads = self.spaces.get(id).ok_or(Error::NotFound)?.threads_of(number);
        if threads.is_empty() {
            return Err(Error::NotFound);
        }
        threads.into_iter().try_for_each(|thread| {
            self.m.thread_control(thread, ThreadOp::Hold, halted as u64).map_err(from_sys)
        })
    }

    /// Takes back what the kernel has for a thread that runs; its number stays taken.
    fn end_thread(&mut self, id: proto::Space, number: u32) -> Result<(), Error> {
        let space = self.spaces.get_mut(id).ok_or(Error::NotFound)?;
        let thread = space.threads.iter_mut().find(|t| t.number == number && t.handle != Handle::NONE);
        let thread = thread.ok_or(Error::NotFound)?;
        let handle = core::mem::replace(&mut thread.handle, Handle::NONE);
        let notification = core::mem::replace(&mut thread.notification, Handle::NONE);
        self.destroy_thread(id, number, handle);
        self.discard_notification(notification);
        Ok(())
    }

    /// Destroys a thread, and takes back its frames; its number is for the log.
    pub(crate) fn destroy_thread(&mut self, id: proto::Space, number: u32, handle: Handle) {
        let frames = &mut self.frames;
        let mut returned = 0;
        let mut give = |frame: Frame| {
            frames.free(frame.0);
            returned += 1;
        };
        if let Err(error) = self.m.destroy_step(handle, &mut give) {
            self.m.log(format_args!("destroying thread {number} of {id}: {error:?}"));
        }
        self.m.handle_close(handle);
        if let Some(space) = self.spaces.get_mut(id) {
            space.kernel_frames = space.kernel_frames.saturating_sub(returned);
        }
    }

    /// A thread was waited for: its number is free.
    fn forget_thread(&mut self, id: proto::Space, number: u32) {
        if let Some(space) = self.spaces.get_mut(id)
            && let Some(at) = space.numbered(number)
        {
            space.threads.swap_remove(at);
            self.threads.count -= 1;
        }
    }

    fn discard_notification(&mut self, notification: Handle) {
        if let Err(error) = self.object_free(notification) {
            self.m.log(format_args!("destroying a notification: {error}"));
        }
        self.m.handle_close(notification);
    }

    /// A space is gone, and with its task its threads.
    pub(crate) fn threads_gone(&mut self, id: proto::Space, threads: Vec<Thread>) {
        self.threads.count -= threads.len();
        for thread in threads {
            if thread.handle != Handle::NONE {
                self.m.handle_close(thread.handle);
            }
            if thread.notification != Handle::NONE {
                self.discard_notification(thread.notification);
            }
        }
        self.threads.joins.retain(|(space, ..)| *space != id);
    }
}
