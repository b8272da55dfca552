// SPDX-License-Identifier: BSD-2-Clause
//! Endpoints, and the queues of threads that everything waits in.

use crate::object::{Object, Ref};
use crate::thread::Thread;
use core::cell::Cell;

/// Where threads that send meet threads that receive. One of the queues is empty at any time, but when a receiver had no room
/// for a message.
#[repr(C)]
#[derive(Default)]
pub struct Endpoint {
    /// Threads whose messages nobody has received yet, the oldest first.
    pub senders: Queue,
    /// Threads that wait for a message.
    pub receivers: Queue,
}

// SAFETY: 32 bytes of cells.
unsafe impl Object for Endpoint {}

/// Neighbours in a doubly linked list.
#[repr(C)]
#[derive(Default)]
pub struct Links {
    /// The next.
    pub next: Cell<Option<Ref<Thread>>>,
    /// The one before.
    pub prev: Cell<Option<Ref<Thread>>>,
}

/// A queue of threads, linked through [`Thread::links`]: a thread is in one queue at most.
#[repr(C)]
#[derive(Default)]
pub struct Queue {
    head: Cell<Option<Ref<Thread>>>,
    tail: Cell<Option<Ref<Thread>>>,
}

impl Queue {
    /// An empty queue.
    pub const fn new() -> Queue {
        Queue { head: Cell::new(None), tail: Cell::new(None) }
    }

    /// The first.
    #[inline(always)]
    pub fn front(&self) -> Option<Ref<Thread>> {
        self.head.get()
    }

    /// Adds at the end.
    #[inline(always)]
    pub fn push_back(&self, t: Ref<Thread>) {
        let tail = self.tail.get();
        t.links.prev.set(tail);
        t.links.next.set(None);
        match tail {
            Some(last) => last.links.next.set(Some(t)),
            None => self.head.set(Some(t)),
        }
        self.tail.set(Some(t));
    }

    /// Adds at the front.
    pub fn push_front(&self, t: Ref<Thread>) {
        let head = self.head.get();
        t.links.next.set(head);
        t.links.prev.set(None);
        match head {
            Some(first) => first.links.prev.set(Some(t)),
            None => self.tail.set(Some(t)),
        }
        self.head.set(Some(t));
    }

    /// Takes the first out; `first` is the result of [`Queue::front`].
    #[inline(always)]
    pub fn pop(&self, first: Ref<Thread>) {
        let next = first.links.next.get();
        self.head.set(next);
        match next {
            Some(second) => second.links.prev.set(None),
            None => self.tail.set(None),
        }
    }

    /// Takes one out that is in this queue.
    pub fn remove(&self, t: Ref<Thread>) {
        let (prev, next) = (t.links.prev.get(), t.links.next.get());
        match prev {
            Some(before) => before.links.next.set(next),
            None => self.head.set(next),
        }
        match next {
            Some(after) => after.links.prev.set(prev),
            None => self.tail.set(prev),
        }
    }
}
