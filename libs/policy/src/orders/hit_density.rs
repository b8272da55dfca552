// SPDX-License-Identifier: BSD-2-Clause
//! Hit density: each page is worth the uses that keeping it is expected to bring for the time it lies in memory, learned from when pages with a past
//! like its own were used again. Loops larger than memory, scans, hot sets and drifting ones need no rules of their own.
//!
//! Beckmann, Chen, Cidon, "LHD: improving cache hit rate by maximizing hit density", NSDI 2018; with the index of `reuse` in the place of the
//! expected lifetime. A page's past is when it was used, the last times and on average, and how often. Pages that are gone are remembered, so
//! that ages beyond memory are seen too. Approximated: a use is dated by the look that found it, and lies somewhere between that and the look before;
//! the least is sought among the pages that a hand passes and the best candidates of earlier choices (`candidates`), not among all. Time is counted
//! in pages that came.

use alloc::vec::Vec;

use crate::MAX_BATCH;
use crate::engine::Discount;
use crate::order::{Arrival, Knob, Order, References, Tag, Victims};
use crate::orders::candidates::{Candidate, Candidates, MOST};
use crate::orders::gone::Gone;
use crate::orders::past::{LONG, NEVER, Past, QUANTA, bin_of, slot_of};
use crate::orders::reuse::Reuse;
use crate::policy::Inconsistency;
use crate::queues::MAX_FRAMES;
use crate::state::{About, BadRecord, Record, any, below, save_numbers};

/// What looks tell of when pages are used is worth more than what a choice among more pages is.
const SPAN: Knob = Knob::new("span", 12, 1, 64, "pages looked at and found unused for each that goes");
/// The more pages memory has, the fewer lessons a page that comes.
const LESSONS: Knob =
    Knob::new("lessons", 1024, 32, 8192, "lessons about a kind of pages while memory is replaced once");
/// Looks for each that is to find a page unused: where most pages are used between two looks, there is more to learn.
const MOST_USED: usize = 4;
/// Remembered pages for each frame, of six bytes.
const GHOSTS: u32 = 3;
/// Candidates looked at once more for each page that goes.
const AGAIN: usize = 2;
/// Candidates kept for each page that goes.
const KEPT: usize = 2;
/// The place of a candidate among the numbers that are saved: it may come more than once.
const CANDIDATE: u32 = 16;
/// Most lessons at once: of a small memory each page that comes is a good part.
const MOST_LESSONS: u32 = 4;

/// The order.
#[derive(Debug)]
pub struct HitDensity {
    /// By frame; known: held.
    pasts: Vec<Past>,
    len: u32,
    hand: u32,
    reuse: Reuse,
    gone: Gone,
    candidates: Candidates,
    /// The quantum now, and what has passed of it in parts of a page that came.
    now: u16,
    passed: u32,
    /// What has passed until the next lesson, likewise.
    learned: u32,
    knobs: [Knob; 2],
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
            gone: Gone::new(nr_frames * GHOSTS),
            candidates: Candidates::new(),
            now: 0,
            passed: 0,
            learned: 0,
            knobs: [SPAN, LESSONS],
        }
    }

    fn span(&self) -> u32 {
        self.knobs[0].value.max(1)
    }

    fn set(&mut self, frame: u32, past: Past) {
        let slot = &mut self.pasts[frame as usize];
        self.len = self.len + u32::from(past.is_known()) - u32::from(slot.is_known());
        *slot = past;
    }

    /// One more page came.
    fn tick(&mut self) {
        let len = self.len.max(1);
        self.passed = self.passed.saturating_add(QUANTA);
        if self.passed >= len {
            self.now = self.now.wrapping_add((self.passed / len) as u16);
            self.passed %= len;
        }
        for _ in 0..GHOSTS {
            if let Some(past) = self.gone.sweep(self.now) {
                self.reuse.saw(past.kinds(), NEVER);
            }
        }
        self.learned = self.learned.saturating_add(self.knobs[1].value);
        if self.learned >= len {
            for _ in 0..(self.learned / len).min(MOST_LESSONS) {
                self.reuse.learn(self.now);
            }
            self.learned %= len;
        }
    }

    /// A page with this past was used so many quanta ago; what its past is then.
    fn used(&mut self, past: Past, ago: u16) -> Past {
        let age = past.age(self.now);
        self.reuse.saw(past.kinds(), bin_of(age - ago.min(age)));
        let past = past.used(ago, self.now);
        self.reuse.meet(past.kinds());
        past
    }

    /// Takes up what a look at a page says.
    fn looked(&mut self, frame: u32, is_used: bool) {
        let past = self.pasts[frame as usize];
        if is_used {
            // Half of the time in which the hand comes by once: for one page in three that it finds used.
            let ago = (QUANTA / (3 * self.span())) as u16;
            self.pasts[frame as usize] = self.used(past, ago);
        } else if past.age(self.now) > LONG {
            // So that the count of quanta may wrap.
            self.pasts[frame as usize] = past.aged(LONG, self.now);
        }
    }

    /// What a page is worth: its rank, and among equals who was used last.
    fn worth(&self, past: Past) -> u64 {
        let age = past.age(self.now);
        u64::from(self.reuse.rank(past.kinds(), slot_of(age))) << 12 | u64::from(!age & 0xfff)
    }

    /// The page as a candidate, if it is held.
    fn candidate(&self, frame: u32, is_seen: bool) -> Option<Candidate> {
        let past = *self.pasts.get(frame as usize)?;
        past.is_known().then(|| Candidate::new(frame, self.worth(past), is_seen))
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

    /// Looks at the pages that the hand passes next until `unused` of them were not used, and makes those of least worth candidates, `kept` of them,
    /// together with the candidates there were.
    fn gather(&mut self, pages: &mut dyn References, mut unused: usize, kept: usize) {
        let mut old = [0; MOST];
        let nr_old = old.iter_mut().zip(self.candidates.as_slice()).map(|(o, c)| *o = c.frame()).count();
        self.candidates.clear(kept);
        let (from, most) = (self.hand, (unused * MOST_USED).min(self.len as usize));
        let mut left = most;
        while left.min(unused) > 0 {
            let (mut passed, mut used) = ([0; MAX_BATCH], [false; MAX_BATCH]);
            let len = self.pass(left.min(unused), &mut passed);
            left -= len;
            pages.sample(&passed[..len], &mut used[..len]);
            for (frame, is_used) in passed.into_iter().zip(used).take(len) {
                self.looked(frame, is_used);
                unused -= usize::from(!is_used);
                if let Some(candidate) = self.candidate(frame, true) {
                    self.candidates.offer(candidate);
                }
            }
        }
        // Those that the hand passed have had their turn.
        let nr_frames = self.pasts.len() as u32;
        let far = |frame: u32| if frame < from { frame + nr_frames - from } else { frame - from };
        let passed = if most - left == self.len as usize { nr_frames } else { far(self.hand) };
        for frame in old.into_iter().take(nr_old).filter(|frame| far(*frame) >= passed) {
            if let Some(candidate) = self.candidate(frame, false) {
                self.candidates.offer(candidate);
            }
        }
        self.candidates.cut();
    }

    /// Looks at the first `most` candidates, but for those just looked at, and puts these in order anew.
    fn look_again(&mut self, pages: &mut dyn References, most: usize) {
        let most = most.min(self.candidates.as_slice().len());
        let mut from = 0;
        while from < most {
            let (mut frames, mut used) = ([0; MAX_BATCH], [false; MAX_BATCH]);
            let mut len = 0;
            for candidate in &self.candidates.as_slice()[from..most.min(from + MAX_BATCH)] {
                if !candidate.is_seen() {
                    frames[len] = candidate.frame();
                    len += 1;
                }
            }
            from += MAX_BATCH;
            if len > 0 {
                pages.sample(&frames[..len], &mut used[..len]);
            }
            for (frame, is_used) in frames.into_iter().zip(used).take(len) {
                self.looked(frame, is_used);
            }
        }
        for at in 0..most {
            if let Some(candidate) = self.candidate(self.candidates.as_slice()[at].frame(), true) {
                self.candidates.as_mut_slice()[at] = candidate;
            }
        }
        self.candidates.as_mut_slice()[..most].sort_unstable();
    }
}

impl Order for HitDensity {
    fn name(&self) -> &'static str {
        "hit-density"
    }

    fn insert(&mut self, frame: u32, tag: Tag, arrival: Arrival) {
        let known = self.gone.take(tag);
        let past = match (arrival, known) {
            (Arrival::Returned, Some(past)) => past.aged(0, self.now),
            (Arrival::Fault, Some(past)) => {
                self.tick();
                self.used(past, 0)
            }
            // It was not used: its interval goes on.
            (_, Some(past)) => past,
            (_, None) => {
                self.tick();
                let past = Past::new(self.now);
                self.reuse.meet(past.kinds());
                past
            }
        };
        self.set(frame, past);
    }

    fn remove(&mut self, frame: u32) {
        self.set(frame, Past::default());
    }

    fn promote(&mut self, frame: u32) {
        let past = self.used(self.pasts[frame as usize], 0);
        self.set(frame, past);
    }

    fn demote(&mut self, frame: u32) {
        let past = self.pasts[frame as usize];
        self.set(frame, past.aged(LONG, self.now));
    }

    fn choose(&mut self, pages: &mut dyn References, victims: &mut Victims<'_>) {
        while victims.room() > 0 && self.len > 0 {
            let most = victims.room().min(MAX_BATCH);
            self.gather(pages, most * self.span() as usize, most * KEPT);
            self.look_again(pages, most * AGAIN);
            let most = most.min(self.candidates.as_slice().len());
            for at in 0..most {
                let frame = self.candidates.as_slice()[at].frame();
                let past = self.pasts[frame as usize];
                if let Some(forgotten) = self.gone.put(pages.tag(frame), past) {
                    self.reuse.saw(forgotten.kinds(), NEVER);
                }
                self.remove(frame);
                victims.push(frame);
            }
            self.candidates.drop_first(most);
        }
    }

    fn discount(&self) -> Discount {
        Discount::FirstLook
    }

    fn len(&self) -> u32 {
        self.len
    }

    fn snapshot(&self, tell: &mut dyn FnMut(u32)) {
        // Sixteen levels of worth are order enough; 17 bits and the age's 12 are its size.
        for level in 0..16 {
            for (frame, past) in (0..).zip(&self.pasts) {
                if past.is_known() && self.worth(*past) >> 25 == level {
                    tell(frame);
                }
            }
        }
    }

    fn counters(&self, tell: &mut dyn FnMut(&'static str, u64)) {
        tell("quantum", self.now.into());
        tell("ghosts", self.gone.len() as u64);
        tell("candidates", self.candidates.as_slice().len() as u64);
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
        self.gone.save(tell);
        self.reuse.save(tell);
        let numbers = [self.now.into(), self.passed, self.learned, self.hand, self.gone.hand() as u32];
        save_numbers(numbers.map(u64::from), tell);
        for candidate in self.candidates.as_slice() {
            tell(About::Number.record(CANDIDATE, 0, candidate.frame().into()));
        }
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
            (About::Ghost, _) => self.gone.restore(record)?,
            (About::Counts, _) => self.reuse.restore(record)?,
            (About::Number, 0) => self.now = below(record, 1 << 16)? as u16,
            (About::Number, 1) => self.passed = any(record)?,
            (About::Number, 2) => self.learned = any(record)?,
            (About::Number, 3) => self.hand = below(record, self.pasts.len() as u64)?,
            (About::Number, 4) => self.gone.restore_hand(record)?,
            (About::Number, CANDIDATE) if self.candidates.as_slice().len() < MOST => {
                let frame = below(record, self.pasts.len() as u64)?;
                // What it is worth is found when it is its turn.
                self.candidates.offer(Candidate::new(frame, 0, false));
            }
            _ => return Err(bad),
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.pasts.capacity() * size_of::<Past>()
            + self.gone.bytes()
            + self.reuse.bytes()
            + self.candidates.bytes()
    }

    fn check(&self) -> Result<(), Inconsistency> {
        let found = self.pasts.iter().filter(|p| p.is_known()).count() as u32;
        if found == self.len { Ok(()) } else { Err(Inconsistency::Length { recorded: self.len, found }) }
    }
}
