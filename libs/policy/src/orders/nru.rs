// SPDX-License-Identifier: BSD-2-Clause
//! Not recently used: a front hand goes around memory and notes which pages were used since its last visit, a back hand follows and lets those go that
//! were not, and have not been since.
//!
//! Tanenbaum, "Modern Operating Systems", 4th edition, 3.4.2, with the two hands of 4.3BSD (Leffler, McKusick, Karels, Quarterman, 1989, 5.12) in the place of the
//! periodic clearing of all bits. Approximated: of the four classes only used or not remains; whether a page is modified is not told, writing
//! being the machine's business.

use alloc::vec::Vec;

use crate::order::{Arrival, Knob, Look, Order, References, Tag, Victims};
use crate::policy::Inconsistency;
use crate::queues::MAX_FRAMES;
use crate::state::{About, BadRecord, Record, below, save_numbers};

const HELD: u8 = 1;
const USED: u8 = 2;
/// Pages that the front hand passes for each that the back hand does. Guessed.
const PACE: Knob = Knob::new("pace", 2, 1, 16, "pages whose use is noted for each that may go");

/// The order.
#[derive(Debug)]
pub struct Nru {
    flags: Vec<u8>,
    len: u32,
    /// The back hand.
    hand: u32,
    front: u32,
    knobs: [Knob; 1],
}

impl Nru {
    /// The order over frames `0..nr_frames`.
    #[must_use]
    pub fn new(nr_frames: u32) -> Self {
        let nr_frames = nr_frames.min(MAX_FRAMES) as usize;
        let flags = alloc::vec![0; nr_frames];
        Self { flags, len: 0, hand: 0, front: 0, knobs: [PACE] }
    }

    /// The next page at a hand, which goes on; at most once around.
    fn next(flags: &[u8], hand: &mut u32) -> Option<u32> {
        let (behind, ahead) = flags.split_at_checked(*hand as usize)?;
        let (frame, _) = (*hand..).zip(ahead).chain((0..).zip(behind)).find(|(_, f)| **f & HELD != 0)?;
        *hand = if frame as usize + 1 < flags.len() { frame + 1 } else { 0 };
        Some(frame)
    }
}

impl Order for Nru {
    fn name(&self) -> &'static str {
        "nru"
    }

    fn insert(&mut self, frame: u32, _tag: Tag, arrival: Arrival) {
        self.len += u32::from(self.flags[frame as usize] & HELD == 0);
        self.flags[frame as usize] = HELD | if arrival == Arrival::Readahead { 0 } else { USED };
    }

    fn remove(&mut self, frame: u32) {
        self.len -= u32::from(self.flags[frame as usize] & HELD != 0);
        self.flags[frame as usize] = 0;
    }

    fn choose(&mut self, pages: &mut dyn References, victims: &mut Victims<'_>) {
        let mut look = Look::new();
        let mut looks = 2 * self.len as usize;
        while victims.room() > 0 && looks > 0 && self.len > 0 {
            let most = victims.room().min(looks);
            let (held, pace) = (self.len as usize, self.knobs[0].value as usize);
            let Self { flags, front, .. } = self;
            let ahead = core::iter::from_fn(|| Self::next(flags, front));
            for (frame, used) in look.at(pages, ahead, held.min(most * pace)) {
                self.flags[frame as usize] = HELD | if used { USED } else { 0 };
            }
            let Self { flags, hand, .. } = self;
            let behind = core::iter::from_fn(|| Self::next(flags, hand));
            let seen = look.at(pages, behind, held.min(most));
            looks -= seen.len().max(1);
            for (frame, used) in seen {
                if used || self.flags[frame as usize] & USED != 0 {
                    self.flags[frame as usize] = HELD;
                } else {
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
        save_numbers([self.hand.into(), self.front.into()], tell);
    }

    fn restore(&mut self, record: Record) -> Result<(), BadRecord> {
        let frame = below(record, self.flags.len() as u64)?;
        match About::of(record)? {
            (About::Page, flags, _)
                if flags & !u32::from(USED) == u32::from(HELD) && self.flags[frame as usize] == 0 =>
            {
                self.flags[frame as usize] = flags as u8;
                self.len += 1;
            }
            (About::Number, 0, _) => self.hand = frame,
            (About::Number, 1, _) => self.front = frame,
            _ => return Err(BadRecord(record)),
        }
        Ok(())
    }

    fn knobs(&self) -> &[Knob] {
        &self.knobs
    }

    fn knobs_mut(&mut self) -> &mut [Knob] {
        &mut self.knobs
    }

    fn bytes(&self) -> usize {
        self.flags.capacity()
    }

    fn check(&self) -> Result<(), Inconsistency> {
        let found = self.flags.iter().filter(|f| **f & HELD != 0).count() as u32;
        if found == self.len { Ok(()) } else { Err(Inconsistency::Length { recorded: self.len, found }) }
    }
}
