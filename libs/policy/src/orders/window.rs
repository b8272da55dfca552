// SPDX-License-Identifier: BSD-2-Clause
//! Pages with a value each, and the least among those that a hand passes: what orders use that would need a sorted list of all.
//!
//! For each victim wanted the hand passes `span` pages; the pages of least value among them go. Two bytes a page.

use alloc::vec::Vec;

use crate::MAX_BATCH;
use crate::order::{Knob, References, Victims};
use crate::policy::Inconsistency;
use crate::queues::MAX_FRAMES;
use crate::state::{About, BadRecord, Record, below, save_numbers};

/// Pages looked at for each victim, an option. Guessed: with 8 the worst of the best are in the oldest eighth in most choices.
pub const SPAN: Knob = Knob::new("span", 8, 1, 32, "pages looked at for each that goes");

/// The pages.
#[derive(Debug)]
pub struct Window {
    /// A page's value plus one; 0: not held.
    values: Vec<u16>,
    len: u32,
    hand: u32,
}

impl Window {
    /// For frames `0..nr_frames`.
    pub fn new(nr_frames: u32) -> Self {
        let nr_frames = nr_frames.min(MAX_FRAMES) as usize;
        let values = alloc::vec![0; nr_frames];
        Self { values, len: 0, hand: 0 }
    }

    /// Takes up a page, or gives it another value.
    pub fn set(&mut self, frame: u32, value: u8) {
        if let Some(slot) = self.values.get_mut(frame as usize) {
            self.len += u32::from(*slot == 0);
            *slot = u16::from(value) + 1;
        }
    }

    /// Forgets a page.
    pub fn remove(&mut self, frame: u32) {
        if let Some(slot) = self.values.get_mut(frame as usize) {
            self.len -= u32::from(*slot != 0);
            *slot = 0;
        }
    }

    /// Pages held.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// A page's value.
    pub fn value(&self, frame: u32) -> Option<u8> {
        Some((self.values.get(frame as usize)?.checked_sub(1)?).min(255) as u8)
    }

    /// The next pages at the hand, each once.
    fn pass(&mut self, most: usize, passed: &mut [u32; MAX_BATCH]) -> usize {
        let most = most.min(MAX_BATCH).min(self.len as usize);
        let mut len = 0;
        // At most once around.
        let (behind, ahead) = self.values.split_at(self.hand as usize);
        for (first, slots) in [(self.hand, ahead), (0, behind)] {
            for (frame, value) in (first..).zip(slots) {
                if *value == 0 {
                    continue;
                }
                passed[len & (MAX_BATCH - 1)] = frame;
                len += 1;
                if len >= most {
                    self.hand = if (frame as usize) + 1 < self.values.len() { frame + 1 } else { 0 };
                    return len;
                }
            }
        }
        len
    }

    /// Fills the victims with pages of least value, first come first among equals, after `age` has made each passed page's new value of the old and of
    /// whether it was used.
    pub fn choose(
        &mut self,
        pages: &mut dyn References,
        victims: &mut Victims<'_>,
        span: u32,
        mut age: impl FnMut(u8, bool) -> u8,
    ) {
        let span = span.max(1) as usize;
        while victims.room() > 0 && self.len > 0 {
            let (mut passed, mut used) = ([0; MAX_BATCH], [false; MAX_BATCH]);
            let len = self.pass(victims.room().saturating_mul(span), &mut passed);
            let (passed, used) = (&passed[..len], &mut used[..len]);
            if len > 0 {
                pages.sample(passed, used);
            }
            // How many there are of each value: no list of all need be sorted to know which are the least.
            let mut counts = [0u8; 256];
            for (frame, used) in passed.iter().zip(used) {
                if let Some(slot) = self.values.get_mut(*frame as usize) {
                    let value = age(slot.wrapping_sub(1) as u8, *used);
                    *slot = u16::from(value) + 1;
                    counts[usize::from(value)] += 1;
                }
            }
            let most = len.div_ceil(span).min(victims.room());
            self.take_least(passed, &mut counts, most, victims);
        }
    }

    /// Names the `most` of least value among the pages passed, of which there are `counts` of each value.
    fn take_least(&mut self, passed: &[u32], counts: &mut [u8; 256], most: usize, victims: &mut Victims<'_>) {
        let mut slots = [0; MAX_BATCH];
        let (mut first, mut end) = (0, 0);
        // From now on where the next page of a value goes; beyond `most`: it stays.
        for (value, count) in counts.iter_mut().enumerate() {
            first += core::mem::replace(count, first);
            end = value;
            if usize::from(first) >= most {
                break;
            }
        }
        for frame in passed {
            let Some(slot) = self.values.get(*frame as usize) else { continue };
            let value = usize::from(slot.wrapping_sub(1));
            if value > end {
                continue;
            }
            let at = counts[value & 255];
            if usize::from(at) < most {
                slots[usize::from(at) & (MAX_BATCH - 1)] = *frame;
                counts[value & 255] = at + 1;
            }
        }
        for frame in slots.iter().take(most) {
            self.remove(*frame);
            victims.push(*frame);
        }
    }

    /// All pages, least value first.
    pub fn snapshot(&self, tell: &mut dyn FnMut(u32)) {
        for value in 0..=u8::MAX {
            for frame in 0..self.values.len() as u32 {
                if self.value(frame) == Some(value) {
                    tell(frame);
                }
            }
        }
    }

    /// Tells the pages with their values, and the hand.
    pub fn save(&self, tell: &mut dyn FnMut(Record)) {
        for frame in 0..self.values.len() as u32 {
            if let Some(value) = self.value(frame) {
                tell(About::Page.record(value.into(), 0, frame.into()));
            }
        }
        save_numbers([self.hand.into()], tell);
    }

    /// Takes up such a record.
    pub fn restore(&mut self, record: Record) -> Result<(), BadRecord> {
        let frame = below(record, self.values.len() as u64)?;
        match About::of(record)? {
            (About::Page, value @ 0..=255, _) if self.value(frame).is_none() => self.set(frame, value as u8),
            (About::Number, 0, _) => self.hand = frame,
            _ => return Err(BadRecord(record)),
        }
        Ok(())
    }

    /// Bytes of memory it has.
    pub fn bytes(&self) -> usize {
        self.values.capacity() * size_of::<u16>()
    }

    /// Audits the count.
    pub fn check(&self) -> Result<(), Inconsistency> {
        let found = self.values.iter().filter(|v| **v != 0).count() as u32;
        if found == self.len { Ok(()) } else { Err(Inconsistency::Length { recorded: self.len, found }) }
    }
}
