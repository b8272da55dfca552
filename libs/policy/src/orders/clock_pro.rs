// SPDX-License-Identifier: BSD-2-Clause
//! CLOCK-Pro: pages are hot or cold by how soon they are used again, and a cold page that comes back within its test becomes hot; how many
//! may be cold adapts.
//!
//! Jiang, Chen, Zhang, "CLOCK-Pro: an effective improvement of the CLOCK replacement", USENIX ATC 2005, itself LIRS as far as reference bits go.
//! Approximated: the paper's one clock with three hands is two clocks, hot and cold, and a list of the pages that are gone and still in
//! their test, so that a test ends when as many others have gone as memory has pages, and not when the hot hand passes.

use crate::ghosts::Ghosts;
use crate::lists::Lists;
use crate::order::{Arrival, Knob, Look, Order, References, Tag, Victims};
use crate::policy::Inconsistency;
use crate::state::{About, BadRecord, Record, any, save_numbers};

const COLD: u8 = 0;
const HOT: u8 = 1;
/// Page bit: in its test.
const TEST: u8 = 1;

/// Bounds of what adapts.
const COLD_MIN: Knob = Knob::new("cold_min", 0, 0, 50, "hundredths of memory that cold pages have at least");
const COLD_MAX: Knob =
    Knob::new("cold_max", 100, 50, 100, "hundredths of memory that cold pages have at most");

/// The order.
#[derive(Debug)]
pub struct ClockPro {
    lists: Lists,
    tested: Ghosts<1>,
    /// Cold pages that there should be.
    cold_target: u32,
    knobs: [Knob; 2],
}

impl ClockPro {
    /// The order over frames `0..nr_frames`.
    #[must_use]
    pub fn new(nr_frames: u32) -> Self {
        Self {
            lists: Lists::new(nr_frames, 2),
            tested: Ghosts::new(nr_frames),
            cold_target: 1,
            knobs: [COLD_MIN, COLD_MAX],
        }
    }

    fn more_cold(&mut self) {
        let most = self.knobs[1].percent_of(self.lists.total());
        self.cold_target = (self.cold_target + 1).min(most.max(1));
    }

    fn fewer_cold(&mut self) {
        let least = self.knobs[0].percent_of(self.lists.total());
        self.cold_target = self.cold_target.saturating_sub(1).max(least).max(1);
    }

    /// The hot hand: hot pages that were not used become cold until there are few enough.
    fn cool(&mut self, pages: &mut dyn References, look: &mut Look, total: u32) {
        let mut looks = 2 * self.lists.len(HOT);
        loop {
            let excess =
                self.lists.len(HOT).saturating_sub(total.saturating_sub(self.cold_target)).min(looks);
            if excess == 0 {
                return;
            }
            looks -= excess;
            let seen = look.at(pages, self.lists.iter(HOT), excess as usize);
            for (frame, used) in seen {
                self.lists.set_bits(frame, 0);
                self.lists.push_tail(frame, if used { HOT } else { COLD });
            }
        }
    }
}

impl Order for ClockPro {
    fn name(&self) -> &'static str {
        "clock-pro"
    }

    fn insert(&mut self, frame: u32, tag: Tag, arrival: Arrival) {
        let known = self.tested.take(tag).is_some();
        let hot = known && arrival == Arrival::Fault;
        if hot {
            self.more_cold();
        }
        self.lists.set_bits(frame, if hot { 0 } else { TEST });
        self.lists.push_tail(frame, if hot { HOT } else { COLD });
    }

    fn remove(&mut self, frame: u32) {
        self.lists.unlink(frame);
    }

    fn promote(&mut self, frame: u32) {
        self.lists.push_tail(frame, HOT);
    }

    fn demote(&mut self, frame: u32) {
        self.lists.set_bits(frame, 0);
        self.lists.push_head(frame, COLD);
    }

    fn choose(&mut self, pages: &mut dyn References, victims: &mut Victims<'_>) {
        let mut look = Look::new();
        let total = self.lists.total();
        let mut looks = 3 * total as usize;
        while victims.room() > 0 && looks > 0 && self.lists.total() > 0 {
            self.cool(pages, &mut look, total);
            let list = if self.lists.len(COLD) > 0 { COLD } else { HOT };
            let most = victims.room().min(looks);
            let seen = look.at(pages, self.lists.iter(list), most);
            looks -= seen.len().max(1);
            for (frame, used) in seen {
                let test = self.lists.bits(frame) & TEST != 0;
                if used && test && list == COLD {
                    self.more_cold();
                    self.lists.set_bits(frame, 0);
                    self.lists.push_tail(frame, HOT);
                } else if used {
                    self.lists.set_bits(frame, TEST);
                    self.lists.push_tail(frame, list);
                } else {
                    self.lists.unlink(frame);
                    victims.push(frame);
                    if test {
                        self.tested.push(pages.tag(frame), 0);
                        if self.tested.len(0) > total {
                            self.tested.pop_oldest(0);
                            self.fewer_cold();
                        }
                    }
                }
            }
        }
    }

    fn counters(&self, tell: &mut dyn FnMut(&'static str, u64)) {
        tell("cold", self.lists.len(COLD).into());
        tell("hot", self.lists.len(HOT).into());
        tell("tested", self.tested.len(0).into());
        tell("cold_target", self.cold_target.into());
    }

    fn len(&self) -> u32 {
        self.lists.total()
    }

    fn snapshot(&self, tell: &mut dyn FnMut(u32)) {
        self.lists.iter(COLD).chain(self.lists.iter(HOT)).for_each(tell);
    }

    fn knobs(&self) -> &[Knob] {
        &self.knobs
    }

    fn knobs_mut(&mut self) -> &mut [Knob] {
        &mut self.knobs
    }

    fn save(&self, tell: &mut dyn FnMut(Record)) {
        self.lists.save(tell);
        self.tested.save(tell);
        save_numbers([self.cold_target.into()], tell);
    }

    fn restore(&mut self, record: Record) -> Result<(), BadRecord> {
        match About::of(record)? {
            (About::Page, ..) => self.lists.restore(record),
            (About::Ghost, ..) => self.tested.restore(record),
            (About::Number, 0, _) => any(record).map(|target| self.cold_target = target),
            _ => Err(BadRecord(record)),
        }
    }

    fn bytes(&self) -> usize {
        self.lists.bytes() + self.tested.bytes()
    }

    fn check(&self) -> Result<(), Inconsistency> {
        self.lists.check()
    }
}
