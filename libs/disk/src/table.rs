// SPDX-License-Identifier: BSD-2-Clause
//! The requests under way: a fixed table.

use alloc::vec::Vec;
use ebb_proto::block::{MAX_RUN, Status, Transfer};

/// Requests under way at most.
pub const MAX_REQUESTS: usize = 128;
/// Requests of one client under way at most: one client's slow disk leaves room for the others.
pub const MAX_OF_CLIENT: usize = 48;

/// Whose request it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Owner {
    /// A client with a ring.
    Client(u8),
    /// A call that is answered when it is finished.
    Call,
}

/// A request under way.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub owner: Owner,
    pub cookie: u32,
    pub transfer: Transfer,
    pub disk: usize,
    pub sector: u64,
    pub sectors: u32,
    pub frames: [u32; MAX_RUN],
    /// Pages; 1 for a flush.
    pub len: usize,
    /// Pages that the device was given.
    pub sent: usize,
    /// Requests to the device that are not finished.
    pub parts: usize,
    /// How it will end, as far as that is known.
    pub status: Status,
}

impl Pending {
    /// Whether nothing of it is left to do.
    pub fn is_over(&self) -> bool {
        self.parts == 0 && (self.sent == self.len || self.status != Status::Ok)
    }
}

/// The table.
#[derive(Debug)]
pub(crate) struct Table {
    slots: Vec<Option<Pending>>,
    used: usize,
    /// Requests that have pages left to send, oldest first.
    pub unsent: Vec<u8>,
}

impl Table {
    pub fn new() -> Table {
        Table {
            slots: (0..MAX_REQUESTS).map(|_| None).collect(),
            used: 0,
            unsent: Vec::with_capacity(MAX_REQUESTS),
        }
    }

    pub fn is_full(&self) -> bool {
        self.used == MAX_REQUESTS
    }

    /// Requests under way.
    pub fn in_flight(&self) -> usize {
        self.used
    }

    /// Adds a request that still has to be sent. The caller has seen that there is room.
    pub fn add(&mut self, request: Pending) {
        if let Some(at) = self.slots.iter().position(Option::is_none) {
            self.slots[at] = Some(request);
            self.used += 1;
            self.unsent.push(at as u8);
        }
    }

    pub fn get_mut(&mut self, at: usize) -> Option<&mut Pending> {
        self.slots.get_mut(at)?.as_mut()
    }

    pub fn take(&mut self, at: usize) -> Option<Pending> {
        let request = self.slots.get_mut(at)?.take()?;
        self.used -= 1;
        self.unsent.retain(|n| *n as usize != at);
        Some(request)
    }

    /// Requests of one owner.
    pub fn of(&mut self, owner: Owner) -> impl Iterator<Item = (usize, &mut Pending)> {
        self.slots
            .iter_mut()
            .enumerate()
            .filter_map(move |(at, r)| r.as_mut().filter(|r| r.owner == owner).map(|r| (at, r)))
    }
}
