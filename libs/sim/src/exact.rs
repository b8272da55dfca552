// SPDX-License-Identifier: BSD-2-Clause
//! Replays that see every reference: what a policy could do if hardware told all.

use std::time::{Duration, Instant};

use ebb_policy::order::{References, Tag, Victims};
use ebb_policy::{Arrival, Order, tag_of};

use crate::trace::Trace;

/// No page, no frame.
pub(crate) const NONE: u32 = u32::MAX;

/// Refaults by distance: in bin `n` those that came when at least 2^n and fewer than 2^(n+1) other pages had come in since the page
/// went (bin 0: fewer than two).
pub type Distances = [u64; 32];

/// What came of a replay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// References to pages that were not there.
    pub misses: u64,
    /// Pages that went.
    pub evictions: u64,
    /// Of these, those that had to be written.
    pub writebacks: u64,
    /// How soon pages came back.
    pub distances: Distances,
    /// Time in the policy's own code.
    pub policy_time: Duration,
}

/// A cache of so many pages that sees every reference. Pages are numbered densely from 0.
pub trait Cache {
    /// Whether the page is there.
    fn has(&self, page: u32) -> bool;

    /// A page that is there was referenced by the reference with this number.
    fn hit(&mut self, page: u32, number: usize);

    /// A page that is not there comes in, and pages go for it as needed: those are told.
    fn miss(&mut self, page: u32, number: usize, gone: &mut dyn FnMut(u32));
}

/// Keeps the account of pages: dirty ones, and when each went.
#[derive(Debug)]
pub struct Account {
    /// What has come of it so far.
    pub outcome: Outcome,
    dirty: Vec<bool>,
    /// Misses when the page went.
    went: Vec<u64>,
}

impl Account {
    /// For so many pages.
    #[must_use]
    pub fn new(unique: u32) -> Self {
        Self {
            outcome: Outcome::default(),
            dirty: vec![false; unique as usize],
            went: vec![u64::MAX; unique as usize],
        }
    }

    /// A page comes in.
    pub fn came(&mut self, page: u32) {
        let went = self.went[page as usize];
        if went != u64::MAX {
            let distance = self.outcome.misses - went;
            self.outcome.distances[(distance.max(1).ilog2() as usize).min(31)] += 1;
        }
        self.outcome.misses += 1;
    }

    /// A page goes.
    pub fn left(&mut self, page: u32) {
        self.outcome.evictions += 1;
        self.outcome.writebacks += u64::from(std::mem::take(&mut self.dirty[page as usize]));
        self.went[page as usize] = self.outcome.misses;
    }

    /// A page is written by the program.
    pub fn wrote(&mut self, page: u32) {
        self.dirty[page as usize] = true;
    }
}

/// Replays a trace. `restart`: a miss is followed by a hit, as when the faulting instruction restarts. `tell` is told of progress, in references.
pub fn replay(trace: &Trace, cache: &mut dyn Cache, restart: bool, tell: &mut dyn FnMut(u64)) -> Outcome {
    let mut account = Account::new(trace.unique);
    for (number, page) in trace.pages.iter().copied().enumerate() {
        if cache.has(page) {
            cache.hit(page, number);
        } else {
            let start = Instant::now();
            cache.miss(page, number, &mut |gone| account.left(gone));
            account.outcome.policy_time += start.elapsed();
            account.came(page);
            if restart {
                cache.hit(page, number);
            }
        }
        if trace.writes(number) {
            account.wrote(page);
        }
        if number & 0xf_ffff == 0xf_ffff {
            tell(0x10_0000);
        }
    }
    tell(trace.pages.len() as u64 & 0xf_ffff);
    account.outcome
}

/// An order as such a cache. Each reference sets a bit; it makes room by one page at a time, when there is none.
pub struct Exact<'a> {
    order: &'a mut dyn Order,
    /// The frame of each page.
    frames: Vec<u32>,
    bits: Bits,
    free: Vec<u32>,
}

/// The bits, and the page in each frame.
struct Bits {
    used: Vec<bool>,
    pages: Vec<u32>,
}

impl References for Bits {
    fn sample(&mut self, frames: &[u32], used: &mut [bool]) {
        for (frame, used) in frames.iter().zip(used) {
            *used = std::mem::take(&mut self.used[*frame as usize]);
        }
    }

    fn tag(&self, frame: u32) -> Tag {
        tag_of(u64::from(self.pages[frame as usize]))
    }
}

impl<'a> Exact<'a> {
    /// A cache of `size` pages, for a trace of `unique` different ones, with an order that holds nothing and has room for `size`.
    pub fn new(order: &'a mut dyn Order, size: u32, unique: u32) -> Self {
        Self {
            order,
            frames: vec![NONE; unique as usize],
            bits: Bits { used: vec![false; size as usize], pages: vec![NONE; size as usize] },
            free: (0..size).rev().collect(),
        }
    }
}

impl Cache for Exact<'_> {
    fn has(&self, page: u32) -> bool {
        self.frames[page as usize] != NONE
    }

    fn hit(&mut self, page: u32, _number: usize) {
        self.bits.used[self.frames[page as usize] as usize] = true;
    }

    fn miss(&mut self, page: u32, _number: usize, gone: &mut dyn FnMut(u32)) {
        // Each look clears a bit, and nobody sets one meanwhile: this ends.
        while self.free.is_empty() {
            let mut slots = [0];
            let mut victims = Victims::new(&mut slots);
            self.order.choose(&mut self.bits, &mut victims);
            for frame in victims.as_slice() {
                let old = std::mem::replace(&mut self.bits.pages[*frame as usize], NONE);
                self.frames[old as usize] = NONE;
                self.free.push(*frame);
                gone(old);
            }
        }
        let Some(frame) = self.free.pop() else { return };
        self.bits.pages[frame as usize] = page;
        self.bits.used[frame as usize] = false;
        self.frames[page as usize] = frame;
        self.order.insert(frame, tag_of(u64::from(page)), Arrival::Fault);
    }
}
