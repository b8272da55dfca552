// SPDX-License-Identifier: BSD-2-Clause
//! What a parent learns of its children: by waiting, by asking, by being told.

use crate::server::Proc;
use alloc::vec::Vec;
use ebb_proc::{Kind, Slot, Waiter};
use ebb_proto::Error;
use ebb_proto::proc::{self, Change, Pid, Process, State};
use ebb_proto::vm::{self, Space};
use ebb_rt::server::Call;

/// Processes in one answer.
const MAX_LISTED: usize = 16;

impl Proc {
    /// Waits for the end of a child.
    pub fn wait(&mut self, from: Space, pid: Pid, reply: Call) {
        let found = self.table.with_badge(from).ok_or(Error::NotFound);
        let parent_and_child = found.and_then(|parent| Ok((parent, self.table.child(parent, pid)?)));
        let (parent, child) = match parent_and_child {
            Ok(both) => both,
            Err(error) => return reply.answer::<proc::Wait>(Err(error)),
        };
        match self.table.ended(child).filter(|_| self.table.space(child) == 0) {
            Some(ended) => {
                reply.answer::<proc::Wait>(Ok(ended.status));
                self.forget(child);
            }
            None => self.waits.add(self.table.pid(parent), Some(pid), reply),
        }
    }

    /// Waits until something has happened to any child.
    pub fn wait_any(&mut self, from: Space, reply: Call) {
        let Some(parent) = self.table.with_badge(from) else {
            return reply.answer::<proc::WaitAny>(Err(Error::NotFound));
        };
        let children: Vec<Slot> = self.table.children(parent).collect();
        if children.is_empty() {
            return reply.answer::<proc::WaitAny>(Err(Error::NotFound));
        }
        for child in children {
            if let Some(change) = self.table.news(child) {
                return self.say(child, change, reply);
            }
        }
        self.waits.add(self.table.pid(parent), None, reply);
    }

    /// What has happened to a child.
    pub fn poll(&mut self, from: Space, pid: Pid, reply: Call) {
        let parent = self.table.with_badge(from).ok_or(Error::NotFound);
        match parent.and_then(|parent| self.table.child(parent, pid)) {
            Ok(child) => {
                let change = self.table.news(child);
                let over = matches!(change, Some(Change::Ended(_)));
                reply.answer::<proc::Poll>(Ok(change));
                if over {
                    self.forget(child);
                }
            }
            Err(error) => reply.answer::<proc::Poll>(Err(error)),
        }
    }

    /// Tells a parent who waits, or wants to be told. An end is forgotten when somebody was told of it, not before: if this server dies in between, it is told again.
    pub fn tell_parent(&mut self, child: Slot) {
        let Some(parent) = self.table.alive(self.table.parent(child)) else { return };
        let (parent_pid, pid) = (self.table.pid(parent), self.table.pid(child));
        let ended = self.table.ended(child);
        match self.waits.take(parent_pid, pid, ended.is_some()) {
            Some(Waiter::End(call)) => {
                let Some(ended) = ended else { return };
                call.answer::<proc::Wait>(Ok(ended.status));
                self.forget(child);
            }
            Some(Waiter::Any(call)) => match self.table.news(child) {
                Some(change) => self.say(child, change, call),
                None => self.waits.add(parent_pid, None, call),
            },
            None => self.signal_parent(parent),
        }
    }

    /// Somebody was told of a child's end. Other threads of its parent that wait for it, or for any and there is none, wait for nothing.
    fn forget(&mut self, child: Slot) {
        let (parent, pid) = (self.table.parent(child), self.table.pid(child));
        self.table.forget(child);
        for late in self.waits.take_all(parent, pid) {
            late.answer::<proc::Wait>(Err(Error::NotFound));
        }
        let left = self.table.alive(parent).is_some_and(|p| self.table.children(p).next().is_some());
        if !left {
            for late in self.waits.take_any(parent) {
                late.answer::<proc::WaitAny>(Err(Error::NotFound));
            }
        }
    }

    fn say(&mut self, child: Slot, change: Change, reply: Call) {
        let (pid, over) = (self.table.pid(child), matches!(change, Change::Ended(_)));
        reply.answer::<proc::WaitAny>(Ok((pid, change)));
        if over {
            self.forget(child);
        }
    }

    fn signal_parent(&self, parent: Slot) {
        if !self.table.watches(parent) {
            return;
        }
        let signal = vm::Signal { space: self.table.space(parent), bits: proc::CHILD_BIT };
        match self.peers.vm(&signal) {
            // One that memory was taken from just now: its own end is on the way.
            Ok(()) | Err(Error::NotFound) => {}
            Err(error) => ebb_rt::log!("signalling {}: {error}", signal.space),
        }
    }

    /// Signals a process from now on when something happens to a child.
    pub fn watch(&mut self, from: Space) -> Result<(), Error> {
        let slot = self.table.with_badge(from).ok_or(Error::NotFound)?;
        if self.table.thread(slot) != 0 {
            return Err(Error::Unsupported);
        }
        self.table.watch(slot);
        Ok(())
    }

    /// Processes from a number on.
    pub fn list(&self, from: Pid) -> Vec<Process> {
        let mut all: Vec<Slot> = self.table.all().filter(|s| self.table.pid(*s) >= from).collect();
        all.sort_by_key(|s| self.table.pid(*s));
        all.truncate(MAX_LISTED);
        let one = |s: Slot| Process {
            pid: self.table.pid(s),
            parent: self.table.parent(s),
            group: self.table.group(s),
            state: match self.table.kind(s) {
                Kind::Stopped => State::Stopped,
                Kind::Ended => State::Ended,
                _ => State::Running,
            },
            name: self.table.name(s),
            space: self.table.space(s),
            nice: self.table.nice(s),
            holds: self.table.holds(s),
            limits: self.table.limits(s),
        };
        all.into_iter().map(one).collect()
    }
}
