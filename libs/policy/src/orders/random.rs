// SPDX-License-Identifier: BSD-2-Clause
//! Random: any page may go. The bound from below: an order that does worse on some load is misled by it.
//!
//! Belady, "A study of replacement algorithms for a virtual-storage computer", IBM Systems Journal 5(2), 1966. The generator is
//! seeded, so that runs repeat: Marsaglia, "Xorshift RNGs", Journal of Statistical Software 8(14), 2003.

use alloc::vec::Vec;

use crate::order::{Arrival, Order, References, Tag, Victims};
use crate::policy::Inconsistency;
use crate::queues::MAX_FRAMES;
use crate::state::{About, BadRecord, Record, below, save_numbers};

const NONE: u32 = u32::MAX;
/// The seed of an order made without one.
const SEED: u64 = 0x2545_f491_4f6c_dd1d;

/// The order.
#[derive(Debug)]
pub struct Random {
    held: Vec<u32>,
    /// Where a frame is in `held`.
    places: Vec<u32>,
    state: u64,
}

impl Random {
    /// The order over frames `0..nr_frames`.
    #[must_use]
    pub fn new(nr_frames: u32) -> Self {
        Self::seeded(nr_frames, SEED)
    }

    /// The order with a seed of one's own; 0 stands for the usual one.
    #[must_use]
    pub fn seeded(nr_frames: u32, seed: u64) -> Self {
        let nr_frames = nr_frames.min(MAX_FRAMES) as usize;
        let mut places = Vec::with_capacity(nr_frames);
        places.resize(nr_frames, NONE);
        Self { held: Vec::with_capacity(nr_frames), places, state: if seed == 0 { SEED } else { seed } }
    }

    fn next(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }
}

impl Order for Random {
    fn name(&self) -> &'static str {
        "random"
    }

    fn insert(&mut self, frame: u32, _tag: Tag, _arrival: Arrival) {
        // Room for all frames was taken at the start, and each is there once.
        if self.places[frame as usize] == NONE {
            self.places[frame as usize] = self.held.len() as u32;
            self.held.push(frame);
        }
    }

    fn remove(&mut self, frame: u32) {
        let place = core::mem::replace(&mut self.places[frame as usize], NONE);
        if place != NONE {
            self.held.swap_remove(place as usize);
            if let Some(moved) = self.held.get(place as usize) {
                self.places[*moved as usize] = place;
            }
        }
    }

    fn choose(&mut self, _pages: &mut dyn References, victims: &mut Victims<'_>) {
        while victims.room() > 0 && !self.held.is_empty() {
            let at = (self.next() % self.held.len() as u64) as usize;
            let frame = self.held[at];
            self.remove(frame);
            victims.push(frame);
        }
    }

    fn heeds_use(&self) -> bool {
        false
    }

    fn len(&self) -> u32 {
        self.held.len() as u32
    }

    fn snapshot(&self, tell: &mut dyn FnMut(u32)) {
        self.held.iter().copied().for_each(tell);
    }

    fn save(&self, tell: &mut dyn FnMut(Record)) {
        for frame in &self.held {
            tell(About::Page.record(0, 0, u64::from(*frame)));
        }
        save_numbers([self.state], tell);
    }

    fn restore(&mut self, record: Record) -> Result<(), BadRecord> {
        match About::of(record)? {
            (About::Page, 0, _) => {
                let frame = below(record, self.places.len() as u64)?;
                if self.places[frame as usize] != NONE {
                    return Err(BadRecord(record));
                }
                self.insert(frame, 0, Arrival::Restored);
            }
            (About::Number, 0, _) if record[1] != 0 => self.state = record[1],
            _ => return Err(BadRecord(record)),
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        (self.held.capacity() + self.places.capacity()) * size_of::<u32>()
    }

    fn check(&self) -> Result<(), Inconsistency> {
        for (place, frame) in self.held.iter().enumerate() {
            if self.places.get(*frame as usize) != Some(&(place as u32)) {
                return Err(Inconsistency::WrongList(*frame));
            }
        }
        Ok(())
    }
}
