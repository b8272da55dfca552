// SPDX-License-Identifier: BSD-2-Clause
//! CLOCK: the frames themselves are the dial. A hand goes around them; a frame whose page was used since the last visit is passed over, any other page goes. A
//! new page lies where one went, right behind the hand. One byte a page, and no links.
//!
//! Corbató, "A paging experiment with the Multics system", 1968. Nothing is approximated.

use alloc::vec::Vec;

use crate::order::{Arrival, Look, Order, References, Tag, Victims};
use crate::policy::Inconsistency;
use crate::queues::MAX_FRAMES;
use crate::state::{About, BadRecord, Record, below, save_numbers};

const HELD: u8 = 1;

/// The order.
#[derive(Debug)]
pub struct Clock {
    flags: Vec<u8>,
    len: u32,
    hand: u32,
}

impl Clock {
    /// The order over frames `0..nr_frames`.
    #[must_use]
    pub fn new(nr_frames: u32) -> Self {
        let nr_frames = nr_frames.min(MAX_FRAMES) as usize;
        let flags = alloc::vec![0; nr_frames];
        Self { flags, len: 0, hand: 0 }
    }

    /// The next page at the hand, at most once around.
    fn next(&mut self) -> Option<u32> {
        let (behind, ahead) = self.flags.split_at_checked(self.hand as usize)?;
        let (frame, _) = (self.hand..).zip(ahead).chain((0..).zip(behind)).find(|(_, f)| **f & HELD != 0)?;
        self.hand = if frame as usize + 1 < self.flags.len() { frame + 1 } else { 0 };
        Some(frame)
    }
}

impl Order for Clock {
    fn name(&self) -> &'static str {
        "clock"
    }

    fn insert(&mut self, frame: u32, _tag: Tag, _arrival: Arrival) {
        self.len += u32::from(self.flags[frame as usize] & HELD == 0);
        self.flags[frame as usize] = HELD;
    }

    fn remove(&mut self, frame: u32) {
        self.len -= u32::from(self.flags[frame as usize] & HELD != 0);
        self.flags[frame as usize] = 0;
    }

    fn choose(&mut self, pages: &mut dyn References, victims: &mut Victims<'_>) {
        let mut look = Look::new();
        let mut looks = 2 * self.len as usize;
        while victims.room() > 0 && looks > 0 && self.len > 0 {
            let most = victims.room().min(looks).min(self.len as usize);
            let seen = look.at(pages, core::iter::from_fn(|| self.next()), most);
            looks -= seen.len().max(1);
            for (frame, used) in seen {
                if !used {
                    self.remove(frame);
                    victims.push(frame);
                }
            }
        }
    }

    fn len(&self) -> u32 {
        self.len
    }

    fn snapshot(&self, tell: &mut dyn FnMut(u32)) {
        let (behind, ahead) = self.flags.split_at(self.hand as usize);
        let ahead = (self.hand..).zip(ahead);
        ahead.chain((0..).zip(behind)).filter(|(_, f)| **f & HELD != 0).for_each(|(frame, _)| tell(frame));
    }

    fn save(&self, tell: &mut dyn FnMut(Record)) {
        for (frame, flags) in (0..).zip(&self.flags).filter(|(_, flags)| **flags & HELD != 0) {
            tell(About::Page.record((*flags).into(), 0, frame));
        }
        save_numbers([self.hand.into()], tell);
    }

    fn restore(&mut self, record: Record) -> Result<(), BadRecord> {
        let frame = below(record, self.flags.len() as u64)?;
        match About::of(record)? {
            (About::Page, flags, _) if flags == u32::from(HELD) && self.flags[frame as usize] == 0 => {
                self.flags[frame as usize] = flags as u8;
                self.len += 1;
            }
            (About::Number, 0, _) => self.hand = frame,
            _ => return Err(BadRecord(record)),
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.flags.capacity()
    }

    fn check(&self) -> Result<(), Inconsistency> {
        let found = self.flags.iter().filter(|f| **f & HELD != 0).count() as u32;
        if found == self.len { Ok(()) } else { Err(Inconsistency::Length { recorded: self.len, found }) }
    }
}
