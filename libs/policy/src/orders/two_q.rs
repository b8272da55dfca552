// SPDX-License-Identifier: BSD-2-Clause
//! 2Q, full version: a page that comes for the first time goes through a short queue in order of arrival, whether used or not; if it comes again
//! while it is remembered, it belongs to the main queue.
//!
//! Johnson and Shasha, "2Q: a low overhead high performance buffer management replacement algorithm", VLDB 1994. The paper keeps the main
//! queue in order of use (LRU); that order is not to be had from reference bits, so here it is a clock. Sizes as in the paper: a quarter
//! of memory for the first queue, half of memory in remembered pages.

use crate::engine::Discount;
use crate::ghosts::Ghosts;
use crate::lists::Lists;
use crate::order::{Arrival, Knob, Look, Order, References, Tag, Victims};
use crate::policy::Inconsistency;
use crate::state::{About, BadRecord, Record};

const A1IN: u8 = 0;
const AM: u8 = 1;

/// The paper's usual sizes.
const KIN: Knob = Knob::new("kin", 25, 1, 90, "hundredths of memory that newcomers may have");
const KOUT: Knob = Knob::new("kout", 50, 1, 50, "pages remembered, in hundredths of memory");

/// The order.
#[derive(Debug)]
pub struct TwoQ {
    lists: Lists,
    a1out: Ghosts<1>,
    knobs: [Knob; 2],
}

impl TwoQ {
    /// The order over frames `0..nr_frames`.
    #[must_use]
    pub fn new(nr_frames: u32) -> Self {
        Self { lists: Lists::new(nr_frames, 2), a1out: Ghosts::new(nr_frames / 2), knobs: [KIN, KOUT] }
    }
}

impl Order for TwoQ {
    fn name(&self) -> &'static str {
        "2q"
    }

    fn insert(&mut self, frame: u32, tag: Tag, arrival: Arrival) {
        let known = self.a1out.take(tag).is_some();
        let list = if known && arrival == Arrival::Fault || arrival == Arrival::Returned { AM } else { A1IN };
        self.lists.push_tail(frame, list);
    }

    fn remove(&mut self, frame: u32) {
        self.lists.unlink(frame);
    }

    fn promote(&mut self, frame: u32) {
        self.lists.push_tail(frame, AM);
    }

    fn demote(&mut self, frame: u32) {
        self.lists.push_head(frame, A1IN);
    }

    fn choose(&mut self, pages: &mut dyn References, victims: &mut Victims<'_>) {
        let mut look = Look::new();
        let total = self.lists.total();
        let [kin, kout] = self.knobs.map(|k| k.percent_of(total));
        let mut looks = 2 * self.lists.len(AM) as usize;
        while victims.room() > 0 && self.lists.total() > 0 {
            if self.lists.len(A1IN) > kin || self.lists.len(AM) == 0 || looks == 0 {
                let Some(frame) = self.lists.pop_head(A1IN) else { break };
                self.a1out.push(pages.tag(frame), 0);
                if self.a1out.len(0) > kout {
                    self.a1out.pop_oldest(0);
                }
                victims.push(frame);
                continue;
            }
            let most = victims.room().min(looks);
            let seen = look.at(pages, self.lists.iter(AM), most);
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
            if let Some(last) = last_used {
                self.lists.rotate(AM, last);
            }
        }
    }

    fn counters(&self, tell: &mut dyn FnMut(&'static str, u64)) {
        tell("a1in", self.lists.len(A1IN).into());
        tell("am", self.lists.len(AM).into());
        tell("a1out", self.a1out.len(0).into());
    }

    fn discount(&self) -> Discount {
        Discount::Clear
    }

    fn len(&self) -> u32 {
        self.lists.total()
    }

    fn snapshot(&self, tell: &mut dyn FnMut(u32)) {
        self.lists.iter(A1IN).chain(self.lists.iter(AM)).for_each(tell);
    }

    fn knobs(&self) -> &[Knob] {
        &self.knobs
    }

    fn knobs_mut(&mut self) -> &mut [Knob] {
        &mut self.knobs
    }

    fn save(&self, tell: &mut dyn FnMut(Record)) {
        self.lists.save(tell);
        self.a1out.save(tell);
    }

    fn restore(&mut self, record: Record) -> Result<(), BadRecord> {
        match About::of(record)? {
            (About::Page, ..) => self.lists.restore(record),
            (About::Ghost, ..) => self.a1out.restore(record),
            _ => Err(BadRecord(record)),
        }
    }

    fn bytes(&self) -> usize {
        self.lists.bytes() + self.a1out.bytes()
    }

    fn check(&self) -> Result<(), Inconsistency> {
        self.lists.check()
    }
}
