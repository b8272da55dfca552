// SPDX-License-Identifier: BSD-2-Clause
//! `hit-density` agrees with a naive model of itself: all intervals of a page as a list, ranks by trying every later age, candidates in a list that is
//! sorted whole.

use std::collections::{BTreeMap, BTreeSet};

use ebb_policy::order::{TAG_BITS, Tag};
use ebb_policy::{Arrival, order_by_name, tag_of};
use proptest::prelude::*;

use crate::orders::{Bits, FRAMES, Step, account, carry_out, step};

const QUANTA: u32 = 64;
const LONG: u32 = 3 * QUANTA;
const LESSONS: u32 = 1024;
const KEPT: usize = 2;
const PLACES: u32 = 3 * FRAMES;
const KINDS: usize = 288;
const NEVER: usize = 48;
const ONE: u32 = 128;
const PRIOR: u64 = 16 * ONE as u64;

#[derive(Clone, Debug)]
struct Page {
    last_use: u32,
    /// Classes, oldest first.
    intervals: Vec<u32>,
    average: i32,
    uses: u32,
}

impl Page {
    fn new(now: u32) -> Self {
        Self { last_use: now, intervals: Vec::new(), average: 0, uses: 1 }
    }

    /// The clock has twelve bits.
    fn age(&self, now: u32) -> u32 {
        now.wrapping_sub(self.last_use) % 4096
    }

    fn use_at(&mut self, when: u32) {
        let interval = self.age(when);
        let nearest = (f64::from(interval.max(1)) / f64::from(QUANTA)).log2().round() as i32 + 6;
        let class = nearest.clamp(1, 8);
        self.average += if self.intervals.is_empty() {
            16 * class - self.average
        } else {
            (16 * class - self.average) / 4
        };
        self.intervals.push(class as u32);
        self.uses += 1;
        self.last_use = when;
    }

    fn kinds(&self) -> [usize; 2] {
        let nth = |n: usize| self.intervals.iter().rev().nth(n).map_or(0, |c| *c as usize);
        let average = (self.average as usize + 8) / 16;
        [16 * nth(0) + nth(1), 144 + 16 * average + self.uses.min(15) as usize]
    }
}

fn bin_of(age: u32) -> usize {
    match age {
        0..64 => age as usize / 2,
        64..LONG => 32 + (age as usize - 64) / 8,
        _ => NEVER,
    }
}

/// What was seen of a kind, a family or all.
#[derive(Clone, Debug)]
struct Seen {
    counts: [u32; NEVER + 1],
    faded: u32,
    ranked: u32,
    fresh: u32,
}

impl Seen {
    fn total(&self) -> u32 {
        self.counts.iter().sum()
    }

    fn at(&self, bin: usize) -> u64 {
        self.counts[bin].into()
    }
}

struct Naive {
    pages: BTreeMap<u32, Page>,
    /// By place, with the tag.
    gone: BTreeMap<u32, (Tag, Page)>,
    seen: Vec<Seen>,
    /// Of each kind that was met, by bin.
    ranks: BTreeMap<usize, Vec<u32>>,
    candidates: Vec<u32>,
    now: u32,
    passed: u32,
    learned: u32,
    hand: u32,
    sweep: u32,
    cursor: usize,
    span: usize,
}

impl Naive {
    fn new(span: usize) -> Self {
        Self {
            span,
            pages: BTreeMap::new(),
            gone: BTreeMap::new(),
            seen: vec![
                Seen { counts: [0; NEVER + 1], faded: 0, ranked: 0, fresh: 0 };
                KINDS + KINDS / 16 + 1
            ],
            ranks: BTreeMap::new(),
            candidates: Vec::new(),
            now: 0,
            passed: 0,
            learned: 0,
            hand: 0,
            sweep: 0,
            cursor: 0,
        }
    }

    fn saw(&mut self, kinds: [usize; 2], bin: usize) {
        let all = self.seen.len() - 1;
        for node in kinds.into_iter().flat_map(|kind| [kind, KINDS + kind / 16]).chain([all]) {
            self.seen[node].counts[bin] += ONE;
            self.seen[node].fresh += ONE;
        }
    }

    fn meet(&mut self, kinds: [usize; 2]) {
        for kind in kinds {
            if !self.ranks.contains_key(&kind) {
                self.rank(kind);
            }
        }
    }

    fn rank(&mut self, kind: usize) {
        let (own, family) = (&self.seen[kind], &self.seen[KINDS + kind / 16]);
        let all = &self.seen[self.seen.len() - 1];
        let of_all = (PRIOR << 16) / u64::from(all.total().max(1));
        let of_family = (PRIOR << 16) / (u64::from(family.total()) + PRIOR);
        let here: Vec<u64> = (0..=NEVER)
            .map(|bin| own.at(bin) + (((family.at(bin) + ((all.at(bin) * of_all) >> 16)) * of_family) >> 16))
            .collect();
        let time: Vec<u64> = (0..NEVER)
            .map(|bin| {
                let later = here[bin + 1..].iter().sum::<u64>() + 1;
                (2 * later + here[bin]) * if bin < 32 { 1 } else { 4 }
            })
            .collect();
        // Keeping it until any later age.
        let best = |bin: usize| {
            let (mut uses, mut lasts, mut best) = (0, 0, 0);
            for end in bin..NEVER {
                uses += here[end];
                lasts += time[end];
                best = best.max((uses << 32) / lasts.max(1));
            }
            best
        };
        let ranks = (0..NEVER).map(|bin| compact(best(bin))).collect();
        self.ranks.insert(kind, ranks);
    }

    fn learn(&mut self) {
        for _ in 0..32 {
            let node = self.cursor;
            self.cursor = (node + 1) % self.seen.len();
            if node < KINDS && !self.ranks.contains_key(&node) {
                continue;
            }
            let seen = &mut self.seen[node];
            while self.now - seen.faded >= 8 {
                let mut share = 256;
                for _ in 0..((self.now - seen.faded) / 8).min(32) {
                    share -= share / 8;
                }
                seen.faded += (self.now - seen.faded) / 8 * 8;
                seen.counts.iter_mut().for_each(|n| *n = (*n * share) >> 8);
            }
            let is_due = seen.fresh * 16 > seen.total() || self.now - seen.ranked >= 16;
            if node < KINDS && is_due {
                (seen.fresh, seen.ranked) = (0, self.now);
                self.rank(node);
                return;
            }
        }
    }

    fn tick(&mut self) {
        let len = self.pages.len().max(1) as u32;
        self.passed += QUANTA;
        self.now += self.passed / len;
        self.passed %= len;
        for _ in 0..3 {
            let place = self.sweep;
            self.sweep = (place + 1) % PLACES;
            if self.gone.get(&place).is_some_and(|(_, page)| page.age(self.now) >= LONG) {
                let (_, page) = self.gone.remove(&place).unwrap();
                self.saw(page.kinds(), NEVER);
            }
        }
        self.learned += LESSONS;
        if self.learned >= len {
            for _ in 0..(self.learned / len).min(4) {
                self.learn();
            }
            self.learned %= len;
        }
    }

    fn used(&mut self, mut page: Page, ago: u32) -> Page {
        let age = page.age(self.now);
        let when = self.now - ago.min(age);
        self.saw(page.kinds(), bin_of(age - ago.min(age)));
        page.use_at(when);
        self.meet(page.kinds());
        page
    }

    fn place(tag: Tag) -> u32 {
        ((u64::from(tag) * u64::from(PLACES)) >> TAG_BITS) as u32
    }

    fn insert(&mut self, frame: u32, tag: Tag, arrival: Arrival) {
        let place = Self::place(tag);
        let known = self.gone.get(&place).is_some_and(|(t, _)| t & 0xffff == tag & 0xffff);
        let known = known.then(|| self.gone.remove(&place).unwrap().1);
        let page = match (arrival, known) {
            (Arrival::Returned, Some(page)) => Page { last_use: self.now, ..page },
            (Arrival::Fault, Some(page)) => {
                self.tick();
                self.used(page, 0)
            }
            (_, Some(page)) => page,
            (_, None) => {
                self.tick();
                let page = Page::new(self.now);
                self.meet(page.kinds());
                page
            }
        };
        self.pages.insert(frame, page);
    }

    fn look(&mut self, frame: u32, used: &mut BTreeSet<u32>) -> bool {
        let page = self.pages[&frame].clone();
        let is_used = used.remove(&frame);
        let page = if is_used {
            self.used(page, QUANTA / (3 * self.span as u32))
        } else {
            Page { last_use: self.now.wrapping_sub(page.age(self.now).min(LONG)), ..page }
        };
        self.pages.insert(frame, page);
        is_used
    }

    /// Rank, then who was used last, then the frame.
    fn worth(&self, frame: u32) -> (u32, i64, u32) {
        let page = &self.pages[&frame];
        let age = page.age(self.now);
        let of_kind = |kind: usize| {
            if age >= LONG {
                return 0;
            }
            let bin = bin_of(age);
            let is_late = if age < 64 { age % 2 == 1 } else { age / 4 % 2 == 1 };
            let other = if is_late { (bin + 1).min(NEVER - 1) } else { bin.saturating_sub(1) };
            let ranks = &self.ranks[&kind];
            (3 * ranks[bin] + ranks[other]) / 4
        };
        (page.kinds().into_iter().map(of_kind).sum(), -i64::from(age), frame)
    }

    fn choose(&mut self, bits: &mut Bits, n: usize) -> Vec<u32> {
        let mut victims = Vec::new();
        while victims.len() < n && !self.pages.is_empty() {
            let room = n - victims.len();
            let mut unused = self.span * room;
            let mut left = (4 * unused).min(self.pages.len());
            let mut seen = BTreeSet::new();
            while unused.min(left) > 0 {
                let around = (self.hand..FRAMES).chain(0..self.hand);
                let most = unused.min(left).min(128);
                let passed: Vec<u32> = around.filter(|f| self.pages.contains_key(f)).take(most).collect();
                self.hand = (passed.last().unwrap() + 1) % FRAMES;
                left -= passed.len();
                for frame in passed {
                    unused -= usize::from(!self.look(frame, &mut bits.used));
                    seen.insert(frame);
                }
            }
            let held = self.candidates.iter().filter(|f| self.pages.contains_key(f));
            let mut all: Vec<u32> = seen.iter().chain(held).copied().collect();
            all.sort_by_key(|f| self.worth(*f));
            all.dedup();
            all.truncate(KEPT * room);
            let again = all.len().min(2 * room);
            for frame in &all[..again] {
                if !seen.contains(frame) {
                    self.look(*frame, &mut bits.used);
                }
            }
            all[..again].sort_by_key(|f| self.worth(*f));
            self.candidates = all.split_off(all.len().min(room));
            for frame in all {
                let (tag, page) = (bits.tags[&frame], self.pages.remove(&frame).unwrap());
                if let Some((_, forgotten)) = self.gone.insert(Self::place(tag), (tag, page)) {
                    self.saw(forgotten.kinds(), NEVER);
                }
                victims.push(frame);
            }
        }
        victims
    }

    fn step(&mut self, bits: &mut Bits, held: &BTreeSet<u32>, step: &Step) -> Vec<u32> {
        match step {
            Step::Insert(frame, tag, arrival) if !held.contains(frame) => {
                bits.used.remove(frame);
                self.insert(*frame, *tag, *arrival);
            }
            Step::Remove(frame) if held.contains(frame) => {
                self.pages.remove(frame);
            }
            Step::Promote(frame) if held.contains(frame) => {
                let page = self.pages[frame].clone();
                let page = self.used(page, 0);
                self.pages.insert(*frame, page);
            }
            Step::Demote(frame) if held.contains(frame) => {
                self.pages.get_mut(frame).unwrap().last_use = self.now.wrapping_sub(LONG);
            }
            Step::Use(frames) => bits.used.extend(frames.iter().filter(|f| held.contains(f))),
            Step::Choose(n) => return self.choose(bits, *n),
            _ => {}
        }
        Vec::new()
    }
}

/// Ten digits and their magnitude.
fn compact(quotient: u64) -> u32 {
    let mut magnitude = 0;
    while quotient >> magnitude >= 2048 {
        magnitude += 1;
    }
    let digits = (quotient >> magnitude) as u32;
    if digits < 1024 { digits } else { (magnitude + 1) * 1024 + digits - 1024 }
}

/// Steps that keep most frames in use, so that not all pages are looked at for each that goes.
fn full() -> impl Strategy<Value = Vec<Step>> {
    let fill = (0..FRAMES, 0u32..200).prop_map(|(f, t)| Step::Insert(f, t, Arrival::Fault));
    let go = (1usize..4).prop_map(Step::Choose);
    prop::collection::vec(prop_oneof![4 => fill, 1 => go, 2 => step(true)], 1..400)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hit_density_agrees_with_a_naive_model(
        steps in prop_oneof![full(), prop::collection::vec(step(true), 1..200)],
        span in 1usize..5,
    ) {
        let mut order = order_by_name("hit-density", FRAMES).unwrap();
        order.set_knob("span", span as u32).unwrap();
        let mut naive = Naive::new(span);
        let (mut bits, mut held) = (Bits::default(), BTreeSet::new());
        for mut step in steps {
            if let Step::Insert(_, tag, _) = &mut step {
                // Apart, as pages' tags are.
                *tag = tag_of((*tag).into());
            }
            let mut naive_bits = bits.clone();
            if let Step::Insert(frame, tag, _) = &step
                && !held.contains(frame)
            {
                naive_bits.tags.insert(*frame, *tag);
            }
            let expected = naive.step(&mut naive_bits, &held, &step);
            let victims = carry_out(order.as_mut(), &mut bits, &held, &step);
            prop_assert_eq!(&victims, &expected, "{:?}", step);
            prop_assert_eq!(&bits.used, &naive_bits.used, "looked at others: {:?}", step);
            account(&mut held, &step, &victims);
        }
    }
}
