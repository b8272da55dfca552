// SPDX-License-Identifier: BSD-2-Clause
//! CAR: two clocks, for pages seen once and pages seen more often, and what is remembered of both says how memory is shared between them.
//! ARC as far as reference bits go.
//!
//! Bansal and Modha, "CAR: clock with adaptive replacement", FAST 2004; Megiddo and Modha, "ARC: a self-tuning, low overhead replacement
//! cache", FAST 2003. Approximated: room is made before it is known for whom, so that a page which comes back changes the share only for
//! later choices; and the memory to share is what was held at the last choice, since pages are wired and freed by others.

use crate::ghosts::Ghosts;
use crate::lists::Lists;
use crate::order::{Arrival, Look, Order, References, Tag, Victims};
use crate::policy::Inconsistency;
use crate::state::{About, BadRecord, Record, any, save_numbers};

/// Seen once, and more often; also the lists of what is remembered.
const T1: u8 = 0;
const T2: u8 = 1;
const B1: usize = 0;
const B2: usize = 1;

/// The order.
#[derive(Debug)]
pub struct Car {
    lists: Lists,
    ghosts: Ghosts<2>,
    /// Pages that T1 should have.
    p: u32,
    /// Pages held at the last choice.
    c: u32,
}

impl Car {
    /// The order over frames `0..nr_frames`.
    #[must_use]
    pub fn new(nr_frames: u32) -> Self {
        Self { lists: Lists::new(nr_frames, 2), ghosts: Ghosts::new(nr_frames), p: 0, c: 0 }
    }

    fn trim(&mut self) {
        let (t1, t2) = (self.lists.len(T1), self.lists.len(T2));
        while t1 + self.ghosts.len(B1) > self.c && self.ghosts.pop_oldest(B1).is_some() {}
        while t1 + t2 + self.ghosts.total() > 2 * self.c && self.ghosts.pop_oldest(B2).is_some() {}
    }
}

impl Order for Car {
    fn name(&self) -> &'static str {
        "car"
    }

    fn insert(&mut self, frame: u32, tag: Tag, arrival: Arrival) {
        let (b1, b2) = (self.ghosts.len(B1), self.ghosts.len(B2));
        let list = match self.ghosts.take(tag) {
            _ if arrival == Arrival::Returned => T2,
            Some(B1) => {
                self.p = (self.p + (b2 / b1.max(1)).max(1)).min(self.c);
                T2
            }
            Some(_) => {
                self.p = self.p.saturating_sub((b1 / b2.max(1)).max(1));
                T2
            }
            None => T1,
        };
        self.lists.push_tail(frame, list);
    }

    fn remove(&mut self, frame: u32) {
        self.lists.unlink(frame);
    }

    fn promote(&mut self, frame: u32) {
        self.lists.push_tail(frame, T2);
    }

    fn demote(&mut self, frame: u32) {
        self.lists.push_head(frame, T1);
    }

    fn choose(&mut self, pages: &mut dyn References, victims: &mut Victims<'_>) {
        let mut look = Look::new();
        self.c = self.lists.total();
        let mut looks = 2 * self.c as usize;
        while victims.room() > 0 && looks > 0 && self.lists.total() > 0 {
            let t1 = self.lists.len(T1);
            let (list, ghosts) =
                if t1 > 0 && t1 >= self.p.max(1) || self.lists.len(T2) == 0 { (T1, B1) } else { (T2, B2) };
            // Each page that leaves T1 may make it T2's turn.
            let turn = if list == T1 { (t1 - self.p.max(1).min(t1)) as usize + 1 } else { usize::MAX };
            let most = victims.room().min(looks).min(turn);
            let seen = look.at(pages, self.lists.iter(list), most);
            looks -= seen.len().max(1);
            let mut last_used = None;
            for (frame, used) in seen {
                if used && list == T2 {
                    last_used = Some(frame);
                } else if used {
                    self.lists.push_tail(frame, T2);
                } else {
                    self.ghosts.push(pages.tag(frame), ghosts);
                    self.lists.unlink(frame);
                    victims.push(frame);
                }
            }
            if let Some(last) = last_used {
                self.lists.rotate(T2, last);
            }
        }
        self.trim();
    }

    fn counters(&self, tell: &mut dyn FnMut(&'static str, u64)) {
        tell("t1", self.lists.len(T1).into());
        tell("t2", self.lists.len(T2).into());
        tell("b1", self.ghosts.len(B1).into());
        tell("b2", self.ghosts.len(B2).into());
        tell("p", self.p.into());
    }

    fn len(&self) -> u32 {
        self.lists.total()
    }

    fn snapshot(&self, tell: &mut dyn FnMut(u32)) {
        self.lists.iter(T1).chain(self.lists.iter(T2)).for_each(tell);
    }

    fn save(&self, tell: &mut dyn FnMut(Record)) {
        self.lists.save(tell);
        self.ghosts.save(tell);
        save_numbers([self.p.into(), self.c.into()], tell);
    }

    fn restore(&mut self, record: Record) -> Result<(), BadRecord> {
        match About::of(record)? {
            (About::Page, ..) => self.lists.restore(record),
            (About::Ghost, ..) => self.ghosts.restore(record),
            (About::Number, 0, _) => any(record).map(|p| self.p = p),
            (About::Number, 1, _) => any(record).map(|c| self.c = c),
            _ => Err(BadRecord(record)),
        }
    }

    fn bytes(&self) -> usize {
        self.lists.bytes() + self.ghosts.bytes()
    }

    fn check(&self) -> Result<(), Inconsistency> {
        self.lists.check()
    }
}
