// SPDX-License-Identifier: BSD-2-Clause
//! Calls that wait for a child. They are nobody's but this instance's: when it dies they fail, and are made again.

use alloc::vec::Vec;
use ebb_proto::proc::Pid;

/// A call that waited.
#[derive(Debug, PartialEq, Eq)]
pub enum Waiter<C> {
    /// For the end of this child.
    End(C),
    /// For anything of any child.
    Any(C),
}

/// All of them, in the order in which they came.
#[derive(Debug)]
pub struct Waits<C> {
    /// Who waits, for whom (`None`: any).
    list: Vec<(Pid, Option<Pid>, C)>,
}

impl<C> Default for Waits<C> {
    fn default() -> Self {
        Waits { list: Vec::new() }
    }
}

impl<C> Waits<C> {
    /// `parent` waits for the end of a child, or (`None`) for anything.
    pub fn add(&mut self, parent: Pid, child: Option<Pid>, call: C) {
        self.list.push((parent, child, call));
    }

    /// Who of `parent` is to be told that something has happened to a child; who waits for that child's end goes first.
    pub fn take(&mut self, parent: Pid, child: Pid, ended: bool) -> Option<Waiter<C>> {
        let find = |wanted: Option<Pid>| self.list.iter().position(|(p, c, _)| (*p, *c) == (parent, wanted));
        let at = if ended { find(Some(child)) } else { None }.or_else(|| find(None))?;
        let (_, child, call) = self.list.remove(at);
        Some(if child.is_some() { Waiter::End(call) } else { Waiter::Any(call) })
    }

    /// All of `parent` that wait for a child that is nobody's any more.
    pub fn take_all(&mut self, parent: Pid, child: Pid) -> Vec<C> {
        let (now, later) = self.list.drain(..).partition(|(p, c, _)| (*p, *c) == (parent, Some(child)));
        self.list = later;
        let now: Vec<_> = now;
        now.into_iter().map(|(.., call)| call).collect()
    }

    /// All of `parent` that wait for any child, of which there is none any more.
    pub fn take_any(&mut self, parent: Pid) -> Vec<C> {
        let (now, later) = self.list.drain(..).partition(|(p, c, _)| (*p, *c) == (parent, None));
        self.list = later;
        let now: Vec<_> = now;
        now.into_iter().map(|(.., call)| call).collect()
    }

    /// `parent` is gone, and its calls.
    pub fn forget(&mut self, parent: Pid) {
        self.list.retain(|(p, ..)| *p != parent);
    }

    /// Calls that wait.
    pub fn count(&self) -> usize {
        self.list.len()
    }
}
