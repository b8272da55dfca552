// SPDX-License-Identifier: BSD-2-Clause
//! Every order keeps the contract of [`Order`], and those with a paper that says who goes next agree with naive models of themselves, which
//! look at one page at a time and keep plain lists.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ebb_policy::order::{References, Tag, Victims};
use ebb_policy::{Arrival, NAMES, Order, order_by_name};
use proptest::prelude::*;

pub(crate) const FRAMES: u32 = 48;

/// Bits and tags, as the machine has them.
#[derive(Clone, Default)]
pub(crate) struct Bits {
    pub(crate) used: BTreeSet<u32>,
    pub(crate) tags: BTreeMap<u32, Tag>,
}

impl References for Bits {
    fn sample(&mut self, frames: &[u32], used: &mut [bool]) {
        assert_eq!(frames.len(), used.len());
        assert!(frames.len() <= ebb_policy::MAX_BATCH);
        for (frame, used) in frames.iter().zip(used) {
            *used = self.used.remove(frame);
        }
    }

    fn tag(&self, frame: u32) -> Tag {
        self.tags[&frame]
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Insert(u32, Tag, Arrival),
    Remove(u32),
    Promote(u32),
    Demote(u32),
    Use(Vec<u32>),
    Choose(usize),
}

pub(crate) fn step(advice: bool) -> impl Strategy<Value = Step> {
    let arrival = prop_oneof![
        4 => Just(Arrival::Fault),
        1 => Just(if advice { Arrival::Readahead } else { Arrival::Fault }),
        1 => Just(if advice { Arrival::Returned } else { Arrival::Fault }),
    ];
    let frame = 0..FRAMES;
    let many = prop::collection::vec(0..FRAMES, 1..20);
    prop_oneof![
        12 => (frame.clone(), 0u32..90, arrival).prop_map(|(f, t, a)| Step::Insert(f, t, a)),
        1 => frame.clone().prop_map(Step::Remove),
        1 => frame.clone().prop_map(move |f| if advice { Step::Promote(f) } else { Step::Remove(f) }),
        1 => frame.prop_map(move |f| if advice { Step::Demote(f) } else { Step::Choose(1) }),
        5 => many.prop_map(Step::Use),
        6 => (1usize..12).prop_map(Step::Choose),
    ]
}

/// Carries a step out, if the state allows it; the victims of a choice.
pub(crate) fn carry_out(
    order: &mut dyn Order,
    bits: &mut Bits,
    held: &BTreeSet<u32>,
    step: &Step,
) -> Vec<u32> {
    match step {
        Step::Insert(frame, tag, arrival) if !held.contains(frame) => {
            bits.tags.insert(*frame, *tag);
            bits.used.remove(frame);
            order.insert(*frame, *tag, *arrival);
        }
        Step::Remove(frame) if held.contains(frame) => order.remove(*frame),
        Step::Promote(frame) if held.contains(frame) => order.promote(*frame),
        Step::Demote(frame) if held.contains(frame) => order.demote(*frame),
        Step::Use(frames) => bits.used.extend(frames.iter().filter(|f| held.contains(f))),
        Step::Choose(n) => {
            let mut slots = vec![0; *n];
            let mut victims = Victims::new(&mut slots);
            order.choose(bits, &mut victims);
            return victims.as_slice().to_vec();
        }
        _ => {}
    }
    Vec::new()
}

pub(crate) fn account(held: &mut BTreeSet<u32>, step: &Step, victims: &[u32]) {
    match step {
        Step::Insert(frame, ..) => {
            held.insert(*frame);
        }
        Step::Remove(frame) => {
            held.remove(frame);
        }
        _ => {}
    }
    for frame in victims {
        assert!(held.remove(frame), "{frame} was not held");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    /// It holds what it was given and has not named; its audit and its snapshot say so; and it names somebody if it holds any page.
    #[test]
    fn orders_hold_what_they_are_given(steps in prop::collection::vec(step(true), 1..120)) {
        for name in NAMES.iter().filter(|n| **n != "freebsd") {
            let mut order = order_by_name(name, FRAMES).unwrap();
            let (mut bits, mut held) = (Bits::default(), BTreeSet::new());
            for step in &steps {
                let victims = carry_out(order.as_mut(), &mut bits, &held, step);
                if let Step::Choose(_) = step {
                    prop_assert!(!victims.is_empty() || held.is_empty(), "{name} names nobody of {held:?}");
                }
                account(&mut held, step, &victims);
                prop_assert_eq!(order.len() as usize, held.len(), "{} after {:?}", name, step);
                prop_assert_eq!(order.check(), Ok(()));
                let mut told = Vec::new();
                order.snapshot(&mut |frame| told.push(frame));
                prop_assert_eq!(told.len(), held.len());
                prop_assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), held.clone());
            }
        }
    }

    #[test]
    fn orders_agree_with_naive_models(steps in prop::collection::vec(step(false), 1..300)) {
        for name in ["fifo", "second-chance", "clock", "sieve", "2q", "car", "s3-fifo", "clock-pro"] {
            let mut order = order_by_name(name, FRAMES).unwrap();
            let mut naive = Naive::new(name);
            let (mut bits, mut held) = (Bits::default(), BTreeSet::new());
            for step in &steps {
                let mut naive_bits = bits.clone();
                let expected = naive.step(&mut naive_bits, &held, step);
                let victims = carry_out(order.as_mut(), &mut bits, &held, step);
                prop_assert_eq!(&victims, &expected, "{}: {:?}", name, step);
                if let Step::Choose(_) = step {
                    prop_assert_eq!(&bits.used, &naive_bits.used, "{}: looked at others", name);
                }
                account(&mut held, step, &victims);
            }
        }
    }
}

/// An order as plain lists; the head is at the front.
struct Naive {
    name: &'static str,
    /// First and second list.
    a: VecDeque<u32>,
    b: VecDeque<u32>,
    /// What is remembered.
    ga: VecDeque<Tag>,
    gb: VecDeque<Tag>,
    marks: BTreeMap<u32, u8>,
    hand: Option<u32>,
    target: usize,
    c: usize,
}

fn drop_from(list: &mut VecDeque<u32>, item: u32) -> bool {
    let at = list.iter().position(|i| *i == item);
    at.map(|at| list.remove(at)).is_some()
}

impl Naive {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            a: VecDeque::new(),
            b: VecDeque::new(),
            ga: VecDeque::new(),
            gb: VecDeque::new(),
            marks: BTreeMap::new(),
            hand: None,
            target: usize::from(name == "clock-pro"),
            c: 0,
        }
    }

    fn total(&self) -> usize {
        self.a.len() + self.b.len()
    }

    fn step(&mut self, bits: &mut Bits, held: &BTreeSet<u32>, step: &Step) -> Vec<u32> {
        match step {
            Step::Insert(frame, tag, _) if !held.contains(frame) => {
                bits.tags.insert(*frame, *tag);
                self.insert(*frame, *tag);
            }
            Step::Remove(frame) if held.contains(frame) => self.drop_frame(*frame),
            Step::Choose(n) => return self.choose(bits, *n),
            _ => {}
        }
        Vec::new()
    }

    fn drop_frame(&mut self, frame: u32) {
        if self.name == "sieve" && self.hand == Some(frame) {
            let at = self.a.iter().position(|f| *f == frame);
            self.hand = at.and_then(|at| self.a.get(at + 1).copied());
        }
        drop_from(&mut self.a, frame);
        drop_from(&mut self.b, frame);
    }

    fn insert(&mut self, frame: u32, tag: Tag) {
        let (la, lb) = (self.ga.len(), self.gb.len());
        let (in_a, in_b) = (drop_from(&mut self.ga, tag), drop_from(&mut self.gb, tag));
        self.marks.insert(frame, 0);
        match self.name {
            "2q" | "s3-fifo" if in_a => self.b.push_back(frame),
            "car" if in_a || in_b => {
                self.target = if in_a {
                    (self.target + (lb / la).max(1)).min(self.c)
                } else {
                    self.target.saturating_sub((la / lb).max(1))
                };
                self.b.push_back(frame);
            }
            "clock-pro" if in_a => {
                self.target = (self.target + 1).min(self.total().max(1));
                self.b.push_back(frame);
            }
            "clock-pro" => {
                self.marks.insert(frame, 1);
                self.a.push_back(frame);
            }
            _ => self.a.push_back(frame),
        }
    }

    fn choose(&mut self, bits: &mut Bits, n: usize) -> Vec<u32> {
        let (total, mut victims) = (self.total(), Vec::new());
        self.c = total;
        while victims.len() < n && self.total() > 0 {
            match self.name {
                "fifo" => victims.extend(self.a.pop_front()),
                "second-chance" => {
                    let frame = self.a.pop_front().unwrap();
                    if bits.used.remove(&frame) { self.a.push_back(frame) } else { victims.push(frame) }
                }
                "clock" => {
                    let from = self.hand.unwrap_or(0);
                    let frame = (from..FRAMES).chain(0..from).find(|f| self.a.contains(f)).unwrap();
                    self.hand = Some((frame + 1) % FRAMES);
                    if !bits.used.remove(&frame) {
                        drop_from(&mut self.a, frame);
                        victims.push(frame);
                    }
                }
                "sieve" => {
                    let at = self.hand.map_or(0, |h| self.a.iter().position(|f| *f == h).unwrap());
                    let frame = self.a[at];
                    self.hand = self.a.get(at + 1).copied();
                    if !bits.used.remove(&frame) {
                        drop_from(&mut self.a, frame);
                        victims.push(frame);
                    }
                }
                "2q" => {
                    if self.a.len() > total / 4 || self.b.is_empty() {
                        let frame = self.a.pop_front().unwrap();
                        self.remember_a(bits.tags[&frame], total / 2);
                        victims.push(frame);
                    } else {
                        let frame = self.b.pop_front().unwrap();
                        if bits.used.remove(&frame) { self.b.push_back(frame) } else { victims.push(frame) }
                    }
                }
                "car" => {
                    let first = !self.a.is_empty() && self.a.len() >= self.target.max(1) || self.b.is_empty();
                    let frame = if first { self.a.pop_front() } else { self.b.pop_front() }.unwrap();
                    if bits.used.remove(&frame) {
                        self.b.push_back(frame);
                    } else {
                        let tag = bits.tags[&frame];
                        drop_from(&mut self.ga, tag);
                        drop_from(&mut self.gb, tag);
                        if first {
                            self.ga.push_back(tag)
                        } else {
                            self.gb.push_back(tag)
                        }
                        victims.push(frame);
                    }
                }
                "s3-fifo" => {
                    let small = !self.a.is_empty() && self.a.len() >= total / 10 || self.b.is_empty();
                    let frame = if small { self.a.pop_front() } else { self.b.pop_front() }.unwrap();
                    let uses = (self.marks[&frame] + u8::from(bits.used.remove(&frame))).min(3);
                    if uses > 0 {
                        self.marks.insert(frame, if small { 0 } else { uses - 1 });
                        self.b.push_back(frame);
                    } else {
                        if small {
                            self.remember_a(bits.tags[&frame], total - total / 10);
                        }
                        victims.push(frame);
                    }
                }
                _ => self.clock_pro(bits, total, n, &mut victims),
            }
        }
        if self.name == "car" {
            while self.a.len() + self.ga.len() > self.c && self.ga.pop_front().is_some() {}
            while self.total() + self.ga.len() + self.gb.len() > 2 * self.c && self.gb.pop_front().is_some() {
            }
        }
        victims
    }

    fn remember_a(&mut self, tag: Tag, most: usize) {
        drop_from(&mut self.ga, tag);
        self.ga.push_back(tag);
        if self.ga.len() > most {
            self.ga.pop_front();
        }
    }

    /// Cold pages in `a`, hot ones in `b`, those in their test marked.
    fn clock_pro(&mut self, bits: &mut Bits, total: usize, n: usize, victims: &mut Vec<u32>) {
        let mut looks = 2 * self.b.len();
        while self.b.len() > total.saturating_sub(self.target) && looks > 0 {
            looks -= 1;
            let frame = self.b.pop_front().unwrap();
            self.marks.insert(frame, 0);
            if bits.used.remove(&frame) { self.b.push_back(frame) } else { self.a.push_back(frame) }
        }
        // The hot hand moves between batches, of as many looks as pages are wanted.
        let cold = !self.a.is_empty();
        let room = n - victims.len();
        let batch = room.min(if cold { self.a.len() } else { self.b.len() });
        for _ in 0..batch {
            let frame = if cold { self.a.pop_front() } else { self.b.pop_front() }.unwrap();
            let test = self.marks[&frame] == 1;
            if bits.used.remove(&frame) {
                self.marks.insert(frame, u8::from(!(test && cold)));
                if test && cold {
                    // Counted while it is still on its list.
                    self.target = (self.target + 1).min(self.total() + 1);
                    self.b.push_back(frame);
                } else if cold {
                    self.a.push_back(frame);
                } else {
                    self.b.push_back(frame);
                }
                continue;
            }
            victims.push(frame);
            if test {
                let tag = bits.tags[&frame];
                drop_from(&mut self.ga, tag);
                self.ga.push_back(tag);
                if self.ga.len() > total {
                    self.ga.pop_front();
                    self.target = self.target.saturating_sub(1).max(1);
                }
            }
        }
    }
}

/// 16 bytes a page with the engine's eight, and not more than 20 a page remembered.
#[test]
fn orders_are_small() {
    for name in NAMES.iter().filter(|n| **n != "freebsd") {
        let frames = 1 << 16;
        let bytes = order_by_name(name, frames).unwrap().bytes();
        let remembers = ["2q", "car", "clock-pro", "s3-fifo", "hit-density"].contains(name);
        // What is learned of kinds of pages does not grow with memory.
        let fixed = if *name == "hit-density" { 96 << 10 } else { 64 };
        let most = frames as usize * if remembers { 28 } else { 8 } + fixed;
        assert!(bytes <= most, "{name}: {bytes}");
    }
}

/// An order that is filled from another's snapshot names the same pages first.
#[test]
fn a_snapshot_restores_the_order() {
    for name in ["fifo", "second-chance", "sieve"] {
        let (mut a, mut b) = (order_by_name(name, FRAMES).unwrap(), order_by_name(name, FRAMES).unwrap());
        let mut bits = Bits::default();
        for frame in (0..FRAMES).rev() {
            bits.tags.insert(frame, frame);
            a.insert(frame, frame, Arrival::Fault);
        }
        a.snapshot(&mut |frame| b.insert(frame, frame, Arrival::Restored));
        let choose =
            |order: &mut dyn Order| carry_out(order, &mut bits.clone(), &BTreeSet::new(), &Step::Choose(9));
        assert_eq!(choose(a.as_mut()), choose(b.as_mut()), "{name}");
    }
}

/// The example of the guide is the policy that boots.
#[test]
fn the_guide_shows_what_is_shipped() {
    let guide = include_str!("../../../../docs/policy.md");
    let shipped = include_str!("../../src/orders/second_chance.rs");
    let code =
        shipped.find("use crate::").map(|at| shipped[at..].replace("crate::", "ebb_policy::")).unwrap();
    assert!(guide.contains(code.trim_end()));
    assert!(code.lines().count() <= 100);
}
