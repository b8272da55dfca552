// SPDX-License-Identifier: BSD-2-Clause
//! SIEVE: one queue in order of arrival that is never reordered, and a hand that goes from the oldest page towards the newest, over and over. A
//! page that was used since the hand's last visit stays where it is, any other goes.
//!
//! Zhang, Yang, Yue, Vigfusson, Rashmi, "SIEVE is simpler than LRU", NSDI 2024. Nothing is approximated but the visited bit: the
//! paper sets it at each hit, here it is the accessed bit, read when the hand comes.

use crate::lists::Lists;
use crate::order::{Arrival, Look, Order, References, Tag, Victims};
use crate::policy::Inconsistency;
use crate::state::{About, BadRecord, Record, any, save_numbers};

/// The order: one list, oldest first.
#[derive(Debug)]
pub struct Sieve {
    lists: Lists,
    /// The page that the hand visits next; `None`: the oldest.
    hand: Option<u32>,
}

impl Sieve {
    /// The order over frames `0..nr_frames`.
    #[must_use]
    pub fn new(nr_frames: u32) -> Self {
        Self { lists: Lists::new(nr_frames, 1), hand: None }
    }

    fn unlink(&mut self, frame: u32) {
        if self.hand == Some(frame) {
            self.hand = self.lists.after(frame);
        }
        self.lists.unlink(frame);
    }
}

impl Order for Sieve {
    fn name(&self) -> &'static str {
        "sieve"
    }

    fn insert(&mut self, frame: u32, _tag: Tag, _arrival: Arrival) {
        self.lists.push_tail(frame, 0);
    }

    fn remove(&mut self, frame: u32) {
        self.unlink(frame);
    }

    fn demote(&mut self, frame: u32) {
        self.unlink(frame);
        self.lists.push_head(frame, 0);
    }

    fn choose(&mut self, pages: &mut dyn References, victims: &mut Victims<'_>) {
        let mut look = Look::new();
        let mut looks = 2 * self.lists.len(0) as usize + 2;
        while victims.room() > 0 && looks > 0 && self.lists.len(0) > 0 {
            let most = victims.room().min(looks);
            let from = self.hand.or(self.lists.head(0));
            let seen = look.at(pages, core::iter::successors(from, |f| self.lists.after(*f)), most);
            looks -= seen.len().max(1);
            for (frame, used) in seen {
                self.hand = self.lists.after(frame);
                if !used {
                    self.lists.unlink(frame);
                    victims.push(frame);
                }
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
        save_numbers([self.hand.map_or(u64::from(u32::MAX), u64::from)], tell);
    }

    fn restore(&mut self, record: Record) -> Result<(), BadRecord> {
        match About::of(record)? {
            (About::Page, ..) => self.lists.restore(record)?,
            (About::Number, 0, _) => {
                let hand = any(record)?;
                self.hand =
                    (hand < self.lists.nr_frames() && self.lists.list(hand).is_some()).then_some(hand);
            }
            _ => return Err(BadRecord(record)),
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.lists.bytes()
    }

    fn check(&self) -> Result<(), Inconsistency> {
        self.lists.check()
    }
}
