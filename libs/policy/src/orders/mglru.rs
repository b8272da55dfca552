// SPDX-License-Identifier: BSD-2-Clause
//! Multi-generational LRU: pages lie in generations by when they were last found used; the oldest generation goes first, and when too few
//! generations are left all older pages are looked at in one go and those used move to a new, youngest one.
//!
//! Yu Zhao, "Multi-gen LRU", Linux Plumbers Conference 2021 (in Linux since 6.1). Approximated: the original walks page
//! tables of whole processes, here pages are looked at by frame; no tiers for pages used through file calls, and no feedback from refaults.

use crate::engine::Discount;
use crate::lists::Lists;
use crate::order::{Arrival, Knob, Look, Order, References, Tag, Victims};
use crate::policy::Inconsistency;
use crate::state::{About, BadRecord, Record, below, save_numbers};

/// Generations; a number, so that a page needs no count.
const GENERATIONS: u8 = 4;
/// Fewest generations that hold pages; below, a new one is begun.
const MIN_GENERATIONS: Knob =
    Knob::new("generations", 2, 1, 3, "generations that hold pages at least; below, a new one is begun");

/// The order: a list a generation.
#[derive(Debug)]
pub struct Mglru {
    lists: Lists,
    youngest: u8,
    /// Walks made.
    walks: u64,
    knobs: [Knob; 1],
}

impl Mglru {
    /// The order over frames `0..nr_frames`.
    #[must_use]
    pub fn new(nr_frames: u32) -> Self {
        Self { lists: Lists::new(nr_frames, GENERATIONS), youngest: 0, walks: 0, knobs: [MIN_GENERATIONS] }
    }

    /// The generations from the oldest to the youngest.
    fn ages(&self) -> impl Iterator<Item = u8> + use<> {
        let youngest = self.youngest;
        (1..=GENERATIONS).map(move |n| (youngest + n) % GENERATIONS)
    }

    fn oldest(&self) -> Option<u8> {
        self.ages().find(|g| self.lists.len(*g) > 0)
    }

    /// Begins a new generation, unless there are as many as there may be, and moves all pages used into it.
    fn walk(&mut self, pages: &mut dyn References, look: &mut Look) {
        let next = (self.youngest + 1) % GENERATIONS;
        if self.lists.len(next) > 0 {
            return;
        }
        self.walks += 1;
        self.youngest = next;
        for generation in self.ages().take(usize::from(GENERATIONS) - 1) {
            let mut left = self.lists.len(generation);
            while left > 0 {
                let most = left.min(crate::MAX_BATCH as u32);
                left -= most;
                let seen = look.at(pages, self.lists.iter(generation), most as usize);
                for (frame, used) in seen {
                    // To the tail of its own: the walk goes on with the next, and the order within stays.
                    self.lists.push_tail(frame, if used { next } else { generation });
                }
            }
        }
    }
}

impl Order for Mglru {
    fn name(&self) -> &'static str {
        "mglru"
    }

    fn insert(&mut self, frame: u32, _tag: Tag, arrival: Arrival) {
        let generation = match arrival {
            Arrival::Readahead => self.oldest().unwrap_or(self.youngest),
            _ => self.youngest,
        };
        self.lists.push_tail(frame, generation);
    }

    fn remove(&mut self, frame: u32) {
        self.lists.unlink(frame);
    }

    fn promote(&mut self, frame: u32) {
        self.lists.push_tail(frame, self.youngest);
    }

    fn demote(&mut self, frame: u32) {
        let oldest = self.oldest().unwrap_or(self.youngest);
        self.lists.push_head(frame, oldest);
    }

    fn choose(&mut self, pages: &mut dyn References, victims: &mut Victims<'_>) {
        let mut look = Look::new();
        let mut looks = 2 * self.lists.total() as usize;
        while victims.room() > 0 && looks > 0 {
            let held = self.ages().filter(|g| self.lists.len(*g) > 0).count();
            if held < self.knobs[0].value as usize {
                self.walk(pages, &mut look);
            }
            let Some(oldest) = self.oldest() else { break };
            let most = victims.room().min(looks).min(self.lists.len(oldest) as usize);
            looks -= most.max(1);
            let seen = look.at(pages, self.lists.iter(oldest), most);
            for (frame, used) in seen {
                if used {
                    self.lists.push_tail(frame, self.youngest);
                } else {
                    self.lists.unlink(frame);
                    victims.push(frame);
                }
            }
        }
    }

    fn counters(&self, tell: &mut dyn FnMut(&'static str, u64)) {
        tell("walks", self.walks);
        for (name, generation) in ["oldest", "older", "younger", "youngest"].into_iter().zip(self.ages()) {
            tell(name, self.lists.len(generation).into());
        }
    }

    fn discount(&self) -> Discount {
        Discount::FirstLook
    }

    fn len(&self) -> u32 {
        self.lists.total()
    }

    fn snapshot(&self, tell: &mut dyn FnMut(u32)) {
        self.ages().flat_map(|g| self.lists.iter(g)).for_each(tell);
    }

    fn knobs(&self) -> &[Knob] {
        &self.knobs
    }

    fn knobs_mut(&mut self) -> &mut [Knob] {
        &mut self.knobs
    }

    fn save(&self, tell: &mut dyn FnMut(Record)) {
        self.lists.save(tell);
        save_numbers([self.youngest.into(), self.walks], tell);
    }

    fn restore(&mut self, record: Record) -> Result<(), BadRecord> {
        match About::of(record)? {
            (About::Page, ..) => self.lists.restore(record)?,
            (About::Number, 0, _) => self.youngest = below(record, GENERATIONS.into())? as u8,
            (About::Number, 1, _) => self.walks = record[1],
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
