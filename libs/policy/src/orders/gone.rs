// SPDX-License-Identifier: BSD-2-Clause
//! Pasts of pages that are gone, by tag: a place has the last page that went there. Six bytes a place.

use alloc::vec::Vec;

use crate::order::{TAG_BITS, Tag};
use crate::orders::past::{LONG, Past};
use crate::state::{About, BadRecord, Record, below};

/// The places.
#[derive(Debug)]
pub struct Gone {
    pasts: Vec<Past>,
    /// The lower bits of the tags; the place says the upper ones.
    checks: Vec<u16>,
    /// The place that is looked at next for a page to forget.
    hand: usize,
}

impl Gone {
    /// Remembers so many at most, and one at least.
    pub fn new(capacity: u32) -> Self {
        let capacity = capacity.max(1) as usize;
        Self { pasts: alloc::vec![Past::default(); capacity], checks: alloc::vec![0; capacity], hand: 0 }
    }

    fn place(&self, tag: Tag) -> usize {
        ((u64::from(tag) * self.pasts.len() as u64) >> TAG_BITS) as usize
    }

    /// The page with this tag, which is remembered no more.
    pub fn take(&mut self, tag: Tag) -> Option<Past> {
        let place = self.place(tag);
        let past = self.pasts[place];
        if past.is_known() && self.checks[place] == tag as u16 {
            self.pasts[place] = Past::default();
            Some(past)
        } else {
            None
        }
    }

    /// Goes on by one place; the page there, which is forgotten, if its last use was too long ago.
    pub fn sweep(&mut self, now: u16) -> Option<Past> {
        let place = self.hand;
        self.hand = if place + 1 < self.pasts.len() { place + 1 } else { 0 };
        let past = self.pasts[place];
        let is_over = past.is_known() && past.age(now) >= LONG;
        is_over.then(|| core::mem::take(&mut self.pasts[place]))
    }

    /// Remembers a page; the one that is forgotten for it, if any.
    pub fn put(&mut self, tag: Tag, past: Past) -> Option<Past> {
        let place = self.place(tag);
        self.checks[place] = tag as u16;
        Some(core::mem::replace(&mut self.pasts[place], past)).filter(|p| p.is_known())
    }

    /// Pages remembered.
    pub fn len(&self) -> usize {
        self.pasts.iter().filter(|p| p.is_known()).count()
    }

    /// The place that is looked at next.
    pub fn hand(&self) -> usize {
        self.hand
    }

    /// Tells those remembered.
    pub fn save(&self, tell: &mut dyn FnMut(Record)) {
        let gone = self.pasts.iter().zip(&self.checks);
        for (place, (past, check)) in (0..).zip(gone).filter(|(_, (past, _))| past.is_known()) {
            tell(About::Ghost.record((*check).into(), past.0, place));
        }
    }

    /// Takes up such a record.
    pub fn restore(&mut self, record: Record) -> Result<(), BadRecord> {
        let (_, check, past) = About::of(record)?;
        let place = below(record, self.pasts.len() as u64)? as usize;
        self.pasts[place] = Past(past);
        self.checks[place] = check as u16;
        Ok(())
    }

    /// Takes up the record of the place that is looked at next.
    pub fn restore_hand(&mut self, record: Record) -> Result<(), BadRecord> {
        self.hand = below(record, self.pasts.len() as u64)? as usize;
        Ok(())
    }

    /// Bytes of memory it has.
    pub fn bytes(&self) -> usize {
        self.pasts.capacity() * size_of::<Past>() + self.checks.capacity() * size_of::<u16>()
    }
}
