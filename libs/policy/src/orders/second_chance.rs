// SPDX-License-Identifier: BSD-2-Clause
//! First in, first out, with a second chance: a page at the head that was used since the last look goes to the tail, any other goes.
//!
//! Tanenbaum, "Modern Operating Systems", 4th edition, 3.4.4. Nothing is approximated: a reference bit is all it was made for.

use crate::lists::Lists;
use crate::order::{Arrival, Look, Order, References, Tag, Victims};
use crate::policy::Inconsistency;
use crate::state::{About, BadRecord, Record};

/// The order: one list, oldest first.
#[derive(Debug)]
pub struct SecondChance {
    lists: Lists,
}

impl SecondChance {
    /// The order over frames `0..nr_frames`.
    #[must_use]
    pub fn new(nr_frames: u32) -> Self {
        Self { lists: Lists::new(nr_frames, 1) }
    }
}

impl Order for SecondChance {
    fn name(&self) -> &'static str {
        "second-chance"
    }

    fn insert(&mut self, frame: u32, _tag: Tag, _arrival: Arrival) {
        self.lists.push_tail(frame, 0);
    }

    fn remove(&mut self, frame: u32) {
        self.lists.unlink(frame);
    }

    fn promote(&mut self, frame: u32) {
        self.lists.push_tail(frame, 0);
    }

    fn demote(&mut self, frame: u32) {
        self.lists.push_head(frame, 0);
    }

    fn choose(&mut self, pages: &mut dyn References, victims: &mut Victims<'_>) {
        let mut look = Look::new();
        let mut looks = 2 * self.lists.len(0) as usize;
        while victims.room() > 0 && looks > 0 {
            // As many as are wanted: none is looked at before its turn.
            let most = victims.room().min(looks);
            let seen = look.at(pages, self.lists.iter(0), most);
            looks -= seen.len().max(1);
            let mut last_used = None;
            for (frame, used) in seen {
                if used {
                    last_used = Some(frame);
                } else {
                    self.lists.unlink(frame);
                    victims.push(frame);
                }
            }
            // To the tail with all of them.
            if let Some(last) = last_used {
                self.lists.rotate(0, last);
            }
        }
    }

    fn len(&self) -> u32 {
        self.lists.total()
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
