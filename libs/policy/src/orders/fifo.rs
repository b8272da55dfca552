// SPDX-License-Identifier: BSD-2-Clause
//! First in, first out: pages go in order of arrival, used or not. What every other order has to beat.
//!
//! Belady, "A study of replacement algorithms for a virtual-storage computer", IBM Systems Journal 5(2), 1966. Nothing is approximated: it
//! asks for no reference.

use crate::lists::Lists;
use crate::order::{Arrival, Order, References, Tag, Victims};
use crate::policy::Inconsistency;
use crate::state::{About, BadRecord, Record};

/// The order: one list, oldest first.
#[derive(Debug)]
pub struct Fifo {
    lists: Lists,
}

impl Fifo {
    /// The order over frames `0..nr_frames`.
    #[must_use]
    pub fn new(nr_frames: u32) -> Self {
        Self { lists: Lists::new(nr_frames, 1) }
    }
}

impl Order for Fifo {
    fn name(&self) -> &'static str {
        "fifo"
    }

    fn insert(&mut self, frame: u32, _tag: Tag, _arrival: Arrival) {
        self.lists.push_tail(frame, 0);
    }

    fn remove(&mut self, frame: u32) {
        self.lists.unlink(frame);
    }

    fn demote(&mut self, frame: u32) {
        self.lists.push_head(frame, 0);
    }

    fn choose(&mut self, _pages: &mut dyn References, victims: &mut Victims<'_>) {
        while victims.room() > 0 {
            let Some(frame) = self.lists.pop_head(0) else { break };
            victims.push(frame);
        }
    }

    fn heeds_use(&self) -> bool {
        false
    }

    fn len(&self) -> u32 {
        self.lists.len(0)
    }

    fn snapshot(&self, tell: &mut dyn FnMut(u32)) {
        self.lists.iter(0).for_each(tell);
    }

    fn save(&self, tell: &mut dyn FnMut(Record)) {
        self.lists.save(tell);
    }

    fn restore(&mut self, record: Record) -> Result<(), BadRecord> {
        match About::of(record)?.0 {
            About::Page => self.lists.restore(record),
            _ => Err(BadRecord(record)),
        }
    }

    fn bytes(&self) -> usize {
        self.lists.bytes()
    }

    fn check(&self) -> Result<(), Inconsistency> {
        self.lists.check()
    }
}
