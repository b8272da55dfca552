// SPDX-License-Identifier: BSD-2-Clause
//! S3-FIFO: a small queue through which newcomers go, a main queue for those that were used on the way or came back while remembered, both in
//! order of arrival.
//!
//! Yang, Zhang, Qiu, Yue, Rashmi, "FIFO queues are all you need for cache eviction", SOSP 2023. The paper counts uses up to three at each
//! hit; here a look finds at most one, so that one use is enough to pass from the small queue (the paper: more than one), and a page's count in
//! the main queue is that of the looks that found it used. Small queue a tenth of memory; as many remembered as the main queue is long.

use crate::engine::Discount;
use crate::ghosts::Ghosts;
use crate::lists::Lists;
use crate::order::{Arrival, Knob, Look, Order, References, Tag, Victims};
use crate::policy::Inconsistency;
use crate::state::{About, BadRecord, Record};

const SMALL: u8 = 0;
const MAIN: u8 = 1;
/// The paper's usual values.
const SHARE: Knob = Knob::new("small", 10, 1, 90, "hundredths of memory that the small queue may have");
const MAX_USES: Knob = Knob::new("uses", 3, 1, 7, "uses of a page that count");

/// The order. A page's own bits are its uses.
#[derive(Debug)]
pub struct S3Fifo {
    lists: Lists,
    ghosts: Ghosts<1>,
    knobs: [Knob; 2],
}

impl S3Fifo {
    /// The order over frames `0..nr_frames`.
    #[must_use]
    pub fn new(nr_frames: u32) -> Self {
        Self { lists: Lists::new(nr_frames, 2), ghosts: Ghosts::new(nr_frames), knobs: [SHARE, MAX_USES] }
    }

    fn leave(&mut self, frame: u32, victims: &mut Victims<'_>) {
        self.lists.unlink(frame);
        victims.push(frame);
    }
}

impl Order for S3Fifo {
    fn name(&self) -> &'static str {
        "s3-fifo"
    }

    fn insert(&mut self, frame: u32, tag: Tag, arrival: Arrival) {
        let known = self.ghosts.take(tag).is_some();
        let main = known && arrival == Arrival::Fault || arrival == Arrival::Returned;
        self.lists.set_bits(frame, 0);
        self.lists.push_tail(frame, if main { MAIN } else { SMALL });
    }

    fn remove(&mut self, frame: u32) {
        self.lists.unlink(frame);
    }

    fn promote(&mut self, frame: u32) {
        self.lists.push_tail(frame, MAIN);
    }

    fn demote(&mut self, frame: u32) {
        self.lists.set_bits(frame, 0);
        self.lists.push_head(frame, SMALL);
    }

    fn choose(&mut self, pages: &mut dyn References, victims: &mut Victims<'_>) {
        let mut look = Look::new();
        let total = self.lists.total();
        let (share, max_uses) = (self.knobs[0].percent_of(total), self.knobs[1].value as u8);
        // A use counts for one round more: each page is looked at in so many rounds at most.
        let mut looks = (usize::from(max_uses) + 2) * total as usize;
        while victims.room() > 0 && looks > 0 && self.lists.total() > 0 {
            let small = self.lists.len(SMALL);
            let from_small = small > 0 && small >= share || self.lists.len(MAIN) == 0;
            let turn = if from_small { (small - share.min(small)) as usize + 1 } else { usize::MAX };
            let most = victims.room().min(looks).min(turn);
            let seen = look.at(pages, self.lists.iter(if from_small { SMALL } else { MAIN }), most);
            looks -= seen.len().max(1);
            let mut last_used = None;
            for (frame, used) in seen {
                let uses = (self.lists.bits(frame) + u8::from(used)).min(max_uses);
                if uses > 0 && from_small {
                    self.lists.set_bits(frame, 0);
                    self.lists.push_tail(frame, MAIN);
                } else if uses > 0 {
                    self.lists.set_bits(frame, uses - 1);
                    last_used = Some(frame);
                } else {
                    if from_small {
                        self.ghosts.push(pages.tag(frame), 0);
                        if self.ghosts.len(0) > total - share {
                            self.ghosts.pop_oldest(0);
                        }
                    }
                    self.leave(frame, victims);
                }
            }
            if let Some(last) = last_used {
                self.lists.rotate(MAIN, last);
            }
        }
    }

    fn counters(&self, tell: &mut dyn FnMut(&'static str, u64)) {
        tell("small", self.lists.len(SMALL).into());
        tell("main", self.lists.len(MAIN).into());
        tell("ghosts", self.ghosts.len(0).into());
    }

    fn discount(&self) -> Discount {
        Discount::Clear
    }

    fn len(&self) -> u32 {
        self.lists.total()
    }

    fn snapshot(&self, tell: &mut dyn FnMut(u32)) {
        self.lists.iter(SMALL).chain(self.lists.iter(MAIN)).for_each(tell);
    }

    fn knobs(&self) -> &[Knob] {
        &self.knobs
    }

    fn knobs_mut(&mut self) -> &mut [Knob] {
        &mut self.knobs
    }

    fn save(&self, tell: &mut dyn FnMut(Record)) {
        self.lists.save(tell);
        self.ghosts.save(tell);
    }

    fn restore(&mut self, record: Record) -> Result<(), BadRecord> {
        match About::of(record)? {
            (About::Page, ..) => self.lists.restore(record),
            (About::Ghost, ..) => self.ghosts.restore(record),
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
