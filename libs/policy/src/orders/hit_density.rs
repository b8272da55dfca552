// SPDX-License-Identifier: BSD-2-Clause
//! Hit density: each page is worth the uses that keeping it is expected to bring for the time it lies in memory, learned from when pages with a past
//! like its own were used again. Loops larger than memory, scans, hot sets and drifting ones need no rules of their own.
//!
//! Beckmann, Chen, Cidon, "LHD: improving cache hit rate by maximizing hit density", NSDI 2018; with the index of `reuse` in the place of the
//! expected lifetime. A page's past is how long it took to be used again the last time, and on average. Pages that are gone are remembered, so
//! that ages beyond memory are seen too. Approximated: a use is dated by the look that found it; the least is sought among the pages that a hand passes, not
//! among all. Time is counted in pages that came.

use alloc::vec::Vec;

use crate::MAX_BATCH;
use crate::engine::Discount;
use crate::order::{Arrival, Knob, Order, References, TAG_BITS, Tag, Victims};
use crate::orders::reuse::{LONG, NEVER, Reuse, bin_of};
use crate::policy::Inconsistency;
use crate::queues::MAX_FRAMES;
use crate::state::{About, BadRecord, Record, any, below, save_numbers};

/// With half as many, misses were 5 % more; with half as many again, 1.5 % fewer.
const SPAN: Knob = Knob::new("span", 16, 1, 64, "pages looked at for each that goes");
/// A quantum is the time in which so small a part of memory is replaced.
const QUANTA: u32 = 32;
/// With a quarter, misses were 1 % fewer, for four times the work.
const LESSON: Knob =
    Knob::new("lesson", 8, 1, 1024, "pages that come between two lessons about a kind of pages");
/// Remembered pages for each frame, of six bytes.
const GHOSTS: u32 = 3;

/// What is known of a page: the quantum of its last use below, then the average and the last of the intervals between its uses. 0: nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Past(u32);

impl Past {
    const KNOWN: u32 = 1 << 31;

    /// A page that was never seen before.
    fn new(now: u16) -> Self {
        Self(Self::KNOWN | u32::from(now))
    }

    fn is_known(self) -> bool {
        self.0 & Self::KNOWN != 0
    }

    fn last_use(self) -> u16 {
        self.0 as u16
    }

    /// Since its last use, in quanta.
    fn age(self, now: u16) -> u16 {
        now.wrapping_sub(self.last_use())
    }

    /// In sixteenths of a class.
    fn average(self) -> u8 {
        (self.0 >> 16) as u8
    }

    /// The class of the last interval; 0: there was none.
    fn interval(self) -> u8 {
        (self.0 >> 24) as u8 & 15
    }

    /// Its kind, by both.
    fn kind(self) -> u8 {
        self.interval() << 4 | (self.average().saturating_add(8) >> 4).min(15)
    }

    fn at(self, last_use: u16) -> Self {
        Self(self.0 & !0xffff | u32::from(last_use))
    }

    /// After one more use.
    fn used(self, now: u16) -> Self {
        let class = class_of(bin_of(self.age(now)));
        let average = if self.interval() == 0 {
            class * 16
        } else {
            let (old, new) = (i16::from(self.average()), i16::from(class) * 16);
            (old + (new - old) / 4) as u8
        };
        Self(Self::KNOWN | u32::from(class) << 24 | u32::from(average) << 16 | u32::from(now))
    }
}

/// Classes of intervals, 1 to 13, by the bin of the age: finer where the interval is about as long as a page can stay.
fn class_of(bin: usize) -> u8 {
    match bin {
        0 => 1,
        1 => 2,
        2..=3 => 3,
        4..=5 => 4,
        6..=9 => 5,
        10..=15 => 6,
        16..=23 => 7,
        24..=31 => 8,
        32..=34 => 9,
        35..=37 => 10,
        38..=42 => 11,
        43..=47 => 12,
        _ => 13,
    }
}

/// The order.
#[derive(Debug)]
pub struct HitDensity {
    /// By frame; known: held.
    pasts: Vec<Past>,
    len: u32,
    hand: u32,
    reuse: Reuse,
    ghosts: Gone,
    /// The quantum now, and pages to come until the next.
    now: u16,
    left: u32,
    /// Pages to come until the next lesson.
    lesson: u32,
    knobs: [Knob; 2],
}

/// Pages that are gone, by tag: a place has the last page that went there.
#[derive(Debug)]
struct Gone {
    pasts: Vec<Past>,
    /// The lower bits of the tags; the place says the upper ones.
    checks: Vec<u16>,
    /// The place that is looked at next for a page to forget.
    hand: usize,
}

impl Gone {
    fn new(capacity: u32) -> Self {
        let capacity = capacity.max(1) as usize;
        Self { pasts: alloc::vec![Past::default(); capacity], checks: alloc::vec![0; capacity], hand: 0 }
    }

    fn place(&self, tag: Tag) -> usize {
        ((u64::from(tag) * self.pasts.len() as u64) >> TAG_BITS) as usize
    }

    fn take(&mut self, tag: Tag) -> Option<Past> {
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
    fn sweep(&mut self, now: u16) -> Option<Past> {
        let place = self.hand;
        self.hand = if place + 1 < self.pasts.len() { place + 1 } else { 0 };
        let past = self.pasts[place];
        let is_over = past.is_known() && past.age(now) >= LONG;
        is_over.then(|| core::mem::take(&mut self.pasts[place]))
    }

    /// Remembers a page; the one that is forgotten for it, if any.
    fn put(&mut self, tag: Tag, past: Past) -> Option<Past> {
        let place = self.place(tag);
        self.checks[place] = tag as u16;
        Some(core::mem::replace(&mut self.pasts[place], past)).filter(|p| p.is_known())
    }
}

impl HitDensity {
    /// The order over frames `0..nr_frames`.
    #[must_use]
    pub fn new(nr_frames: u32) -> Self {
        let nr_frames = nr_frames.min(MAX_FRAMES);
        Self {
            pasts: alloc::vec![Past::default(); nr_frames as usize],
            len: 0,
            hand: 0,
            reuse: Reuse::new(),
            ghosts: Gone::new(nr_frames * GHOSTS),
            now: 0,
            left: 0,
            lesson: LESSON.value,
            knobs: [SPAN, LESSON],
        }
    }

    fn set(&mut self, frame: u32, past: Past) {
        let slot = &mut self.pasts[frame as usize];
        self.len = self.len + u32::from(past.is_known()) - u32::from(slot.is_known());
        *slot = past;
    }

    /// One more page came.
    fn tick(&mut self) {
        if self.left == 0 {
            self.left = (self.len / QUANTA).max(1);
            self.now = self.now.wrapping_add(1);
        }
        self.left -= 1;
        for _ in 0..GHOSTS {
            if let Some(past) = self.ghosts.sweep(self.now) {
                self.reuse.saw(past.kind(), NEVER);
            }
        }
        self.lesson -= 1;
        if self.lesson == 0 {
            self.lesson = self.knobs[1].value.max(1);
            self.reuse.learn(self.now);
        }
    }

    /// A page with this past is used; what its past is then.
    fn used(&mut self, past: Past) -> Past {
        self.reuse.saw(past.kind(), bin_of(past.age(self.now)));
        let past = past.used(self.now);
        self.reuse.meet(past.kind());
        past
    }

    /// What the page is worth: its rank, and among equals who was used last.
    fn worth(&self, past: Past) -> u32 {
        let age = past.age(self.now);
        u32::from(self.reuse.rank(past.kind(), bin_of(age))) << 16 | u32::from(!age)
    }

    /// The next pages at the hand, each once.
    fn pass(&mut self, most: usize, passed: &mut [u32; MAX_BATCH]) -> usize {
        let nr_frames = self.pasts.len() as u32;
        let most = most.min(MAX_BATCH).min(self.len as usize);
        let (mut len, mut hand) = (0, self.hand);
        while len < most {
            if self.pasts[hand as usize].is_known() {
                passed[len] = hand;
                len += 1;
            }
            hand = if hand + 1 < nr_frames { hand + 1 } else { 0 };
        }
        self.hand = hand;
        len
    }
}

impl Order for HitDensity {
    fn name(&self) -> &'static str {
        "hit-density"
    }

    fn insert(&mut self, frame: u32, tag: Tag, arrival: Arrival) {
        let known = self.ghosts.take(tag);
        let past = match (arrival, known) {
            (Arrival::Returned, Some(past)) => past.at(self.now),
            (Arrival::Fault, Some(past)) => {
                self.tick();
                self.used(past)
            }
            // It was not used: its interval goes on.
            (_, Some(past)) => past,
            (_, None) => {
                self.tick();
                let past = Past::new(self.now);
                self.reuse.meet(past.kind());
                past
            }
        };
        self.set(frame, past);
    }

    fn remove(&mut self, frame: u32) {
        self.set(frame, Past::default());
    }

    fn promote(&mut self, frame: u32) {
        let past = self.used(self.pasts[frame as usize]);
        self.set(frame, past);
    }

    fn demote(&mut self, frame: u32) {
        let past = self.pasts[frame as usize];
        self.set(frame, past.at(self.now.wrapping_sub(LONG)));
    }

    fn choose(&mut self, pages: &mut dyn References, victims: &mut Victims<'_>) {
        let span = self.knobs[0].value.max(1) as usize;
        while victims.room() > 0 && self.len > 0 {
            let (mut passed, mut used) = ([0; MAX_BATCH], [false; MAX_BATCH]);
            let len = self.pass(victims.room().saturating_mul(span), &mut passed);
            pages.sample(&passed[..len], &mut used[..len]);
            let most = len.div_ceil(span).min(victims.room());
            // Those of least worth so far, least first.
            let mut found = [(u32::MAX, 0); MAX_BATCH];
            let found = &mut found[..most];
            for (frame, used) in passed.iter().zip(&used).take(len) {
                let mut past = self.pasts[*frame as usize];
                if *used {
                    past = self.used(past);
                    self.pasts[*frame as usize] = past;
                } else if past.age(self.now) > LONG {
                    // So that the count of quanta may wrap.
                    past = past.at(self.now.wrapping_sub(LONG));
                    self.pasts[*frame as usize] = past;
                }
                let worth = self.worth(past);
                if found.last().is_some_and(|last| worth < last.0) {
                    let at = found.iter().position(|f| worth < f.0).unwrap_or(0);
                    found[at..].rotate_right(1);
                    found[at] = (worth, *frame);
                }
            }
            for (_, frame) in found.iter() {
                let past = self.pasts[*frame as usize];
                if let Some(forgotten) = self.ghosts.put(pages.tag(*frame), past) {
                    self.reuse.saw(forgotten.kind(), NEVER);
                }
                self.remove(*frame);
                victims.push(*frame);
            }
        }
    }

    fn discount(&self) -> Discount {
        Discount::FirstLook
    }

    fn len(&self) -> u32 {
        self.len
    }

    fn snapshot(&self, tell: &mut dyn FnMut(u32)) {
        // Sixteen levels of worth are order enough.
        for level in 0..16 {
            for (frame, past) in (0..).zip(&self.pasts) {
                if past.is_known() && self.worth(*past) >> 28 == level {
                    tell(frame);
                }
            }
        }
    }

    fn counters(&self, tell: &mut dyn FnMut(&'static str, u64)) {
        tell("quantum", self.now.into());
        tell("ghosts", self.ghosts.pasts.iter().filter(|p| p.is_known()).count() as u64);
    }

    fn knobs(&self) -> &[Knob] {
        &self.knobs
    }

    fn knobs_mut(&mut self) -> &mut [Knob] {
        &mut self.knobs
    }

    fn save(&self, tell: &mut dyn FnMut(Record)) {
        for (frame, past) in (0..).zip(&self.pasts).filter(|(_, past)| past.is_known()) {
            tell(About::Page.record(0, past.0, frame));
        }
        let gone = self.ghosts.pasts.iter().zip(&self.ghosts.checks);
        for (place, (past, check)) in (0..).zip(gone).filter(|(_, (past, _))| past.is_known()) {
            tell(About::Ghost.record((*check).into(), past.0, place));
        }
        self.reuse.save(tell);
        let numbers = [self.now.into(), self.left, self.lesson, self.hand, self.ghosts.hand as u32];
        save_numbers(numbers.map(u64::from), tell);
    }

    fn restore(&mut self, record: Record) -> Result<(), BadRecord> {
        let bad = BadRecord(record);
        let (about, detail, upper) = About::of(record)?;
        let past = Past(upper);
        match (about, detail) {
            (About::Page, 0) => {
                let frame = below(record, self.pasts.len() as u64)?;
                if self.pasts[frame as usize].is_known() || !past.is_known() {
                    return Err(bad);
                }
                self.set(frame, past);
            }
            (About::Ghost, check) => {
                let place = below(record, self.ghosts.pasts.len() as u64)?;
                self.ghosts.pasts[place as usize] = past;
                self.ghosts.checks[place as usize] = check as u16;
            }
            (About::Counts, _) => self.reuse.restore(record)?,
            (About::Number, 0) => self.now = below(record, 1 << 16)? as u16,
            (About::Number, 1) => self.left = any(record)?,
            // It is counted down to 0.
            (About::Number, 2) => self.lesson = any(record)?.max(1),
            (About::Number, 3) => self.hand = below(record, self.pasts.len() as u64)?,
            (About::Number, 4) => self.ghosts.hand = below(record, self.ghosts.pasts.len() as u64)? as usize,
            _ => return Err(bad),
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        (self.pasts.capacity() + self.ghosts.pasts.capacity()) * size_of::<Past>()
            + self.ghosts.checks.capacity() * size_of::<u16>()
            + self.reuse.bytes()
    }

    fn check(&self) -> Result<(), Inconsistency> {
        let found = self.pasts.iter().filter(|p| p.is_known()).count() as u32;
        if found == self.len { Ok(()) } else { Err(Inconsistency::Length { recorded: self.len, found }) }
    }
}
