// SPDX-License-Identifier: BSD-2-Clause
//! Orders that pass over frames with a hand, or keep generations, agree with naive models of themselves: plain maps and queues.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ebb_policy::order_by_name;
use proptest::prelude::*;

use crate::orders::{Bits, FRAMES, Step, account, carry_out, step};

/// What a model is asked for.
trait Model {
    fn insert(&mut self, frame: u32);
    fn remove(&mut self, frame: u32);
    fn choose(&mut self, used: &mut BTreeSet<u32>, n: usize) -> Vec<u32>;
}

/// Frames with values and hands over them.
#[derive(Default)]
struct Hands {
    values: BTreeMap<u32, u8>,
    back: u32,
    front: u32,
}

impl Hands {
    /// The next `most` frames held from `from` on, each once, and where the hand stands then.
    fn pass(&self, from: u32, most: usize) -> (Vec<u32>, u32) {
        let around = (from..FRAMES).chain(0..from);
        let passed: Vec<u32> = around.filter(|f| self.values.contains_key(f)).take(most.min(128)).collect();
        let hand = passed.last().map_or(from, |last| (last + 1) % FRAMES);
        (passed, hand)
    }
}

struct Nru(Hands);

impl Model for Nru {
    fn insert(&mut self, frame: u32) {
        self.0.values.insert(frame, 1);
    }

    fn remove(&mut self, frame: u32) {
        self.0.values.remove(&frame);
    }

    fn choose(&mut self, used: &mut BTreeSet<u32>, n: usize) -> Vec<u32> {
        let Hands { mut back, mut front, .. } = self.0;
        let (mut victims, mut looks) = (Vec::new(), 2 * self.0.values.len());
        while victims.len() < n && looks > 0 && !self.0.values.is_empty() {
            let most = looks.min(n - victims.len());
            let ahead = self.0.pass(front, 2 * most);
            front = ahead.1;
            for frame in ahead.0 {
                self.0.values.insert(frame, u8::from(used.remove(&frame)));
            }
            let behind = self.0.pass(back, most);
            back = behind.1;
            looks -= behind.0.len();
            for frame in behind.0 {
                let was_used = used.remove(&frame);
                if was_used || self.0.values[&frame] == 1 {
                    self.0.values.insert(frame, 0);
                } else {
                    self.0.values.remove(&frame);
                    victims.push(frame);
                }
            }
        }
        (self.0.back, self.0.front) = (back, front);
        victims
    }
}

/// Aging and LFU: a value for a newcomer, and what a look makes of it.
struct Values {
    hands: Hands,
    newcomer: u8,
    age: fn(u8, bool) -> u8,
}

impl Model for Values {
    fn insert(&mut self, frame: u32) {
        self.hands.values.insert(frame, self.newcomer);
    }

    fn remove(&mut self, frame: u32) {
        self.hands.values.remove(&frame);
    }

    fn choose(&mut self, used: &mut BTreeSet<u32>, n: usize) -> Vec<u32> {
        let mut victims = Vec::new();
        while victims.len() < n && !self.hands.values.is_empty() {
            let room = n - victims.len();
            let (mut passed, hand) = self.hands.pass(self.hands.back, 8 * room);
            self.hands.back = hand;
            for frame in &passed {
                let value = self.hands.values.get_mut(frame).unwrap();
                *value = (self.age)(*value, used.remove(frame));
            }
            passed.sort_by_key(|frame| self.hands.values[frame]);
            let most = passed.len().div_ceil(8).min(room);
            for frame in passed.drain(..most) {
                self.hands.values.remove(&frame);
                victims.push(frame);
            }
        }
        victims
    }
}

/// Generations, the oldest first; the last is the youngest.
struct Mglru(VecDeque<VecDeque<u32>>);

impl Model for Mglru {
    fn insert(&mut self, frame: u32) {
        self.0[3].push_back(frame);
    }

    fn remove(&mut self, frame: u32) {
        self.0.iter_mut().for_each(|g| g.retain(|f| *f != frame));
    }

    fn choose(&mut self, used: &mut BTreeSet<u32>, n: usize) -> Vec<u32> {
        let mut victims = Vec::new();
        let mut looks = 2 * self.0.iter().map(VecDeque::len).sum::<usize>();
        while victims.len() < n && looks > 0 {
            let held = self.0.iter().filter(|g| !g.is_empty()).count();
            if held < 2 && self.0[0].is_empty() {
                self.0.rotate_left(1);
                for at in 0..3 {
                    let (moved, stays) = self.0[at].drain(..).partition(|f| used.remove(f));
                    self.0[at] = stays;
                    let moved: VecDeque<u32> = moved;
                    self.0[3].extend(moved);
                }
            }
            let Some(oldest) = (0..4).find(|g| !self.0[*g].is_empty()) else { break };
            let most = looks.min(n - victims.len()).min(self.0[oldest].len());
            looks -= most;
            for _ in 0..most {
                let frame = self.0[oldest].pop_front().unwrap();
                if used.remove(&frame) { self.0[3].push_back(frame) } else { victims.push(frame) }
            }
        }
        victims
    }
}

struct Random(Vec<u32>, u64);

impl Model for Random {
    fn insert(&mut self, frame: u32) {
        self.0.push(frame);
    }

    fn remove(&mut self, frame: u32) {
        let at = self.0.iter().position(|f| *f == frame).unwrap();
        self.0.swap_remove(at);
    }

    fn choose(&mut self, _used: &mut BTreeSet<u32>, n: usize) -> Vec<u32> {
        let mut victims = Vec::new();
        while victims.len() < n && !self.0.is_empty() {
            self.1 ^= self.1 << 13;
            self.1 ^= self.1 >> 7;
            self.1 ^= self.1 << 17;
            let at = self.1 % self.0.len() as u64;
            victims.push(self.0.swap_remove(at as usize));
        }
        victims
    }
}

fn model(name: &str) -> Box<dyn Model> {
    let hands = Hands::default();
    match name {
        "nru" => Box::new(Nru(hands)),
        "aging" => {
            let age = |value: u8, used: bool| value / 2 + if used { 128 } else { 0 };
            Box::new(Values { hands, newcomer: 128, age })
        }
        "lfu" => {
            let age = |value: u8, used: bool| {
                if used { value.saturating_add(16) } else { value - value.div_ceil(4) }
            };
            Box::new(Values { hands, newcomer: 16, age })
        }
        "mglru" => Box::new(Mglru(vec![VecDeque::new(); 4].into())),
        _ => Box::new(Random(Vec::new(), 0x2545_f491_4f6c_dd1d)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hands_and_generations_agree_with_naive_models(steps in prop::collection::vec(step(false), 1..300)) {
        for name in ["nru", "aging", "lfu", "mglru", "random"] {
            let mut order = order_by_name(name, FRAMES).unwrap();
            let mut naive = model(name);
            let (mut bits, mut held) = (Bits::default(), BTreeSet::new());
            for step in &steps {
                let mut used = bits.used.clone();
                let expected = match step {
                    Step::Insert(frame, ..) if !held.contains(frame) => {
                        used.remove(frame);
                        naive.insert(*frame);
                        Vec::new()
                    }
                    Step::Remove(frame) if held.contains(frame) => {
                        naive.remove(*frame);
                        Vec::new()
                    }
                    Step::Choose(n) => naive.choose(&mut used, *n),
                    _ => Vec::new(),
                };
                let victims = carry_out(order.as_mut(), &mut bits, &held, step);
                prop_assert_eq!(&victims, &expected, "{}: {:?}", name, step);
                if let Step::Choose(_) = step {
                    prop_assert_eq!(&bits.used, &used, "{}: looked at others", name);
                }
                account(&mut held, step, &victims);
            }
        }
    }
}
