// SPDX-License-Identifier: BSD-2-Clause
//! Each policy with the gate and a machine of 64 MiB under twice that much memory: it makes progress, stays consistent, and
//! costs few messages.

use ebb_policy::gate::{Class, Gate, Waiter};
use ebb_policy::sim::Sim;
use ebb_policy::{Event, NAMES, Policy, Queue, Request, Sleep, by_name};

const FRAMES: u32 = 16_384;
const MEMORY: u64 = 32_768;
/// How long a scan that frees nothing takes: less than one on the machine.
const SCAN_US: u64 = 100;

struct Machine {
    sim: Sim,
    policy: Box<dyn Policy>,
    free: Vec<u32>,
    sleep: Sleep,
    /// Writes over since the last scan.
    laundered: u32,
    faults: u64,
}

impl Machine {
    fn new(name: &str, swap_slots: u64) -> Self {
        let gate = Gate::new(FRAMES, FRAMES, 0);
        let mut sim = Sim::new(FRAMES, FRAMES);
        sim.meter.thresholds = *gate.thresholds();
        sim.swap_slots = swap_slots;
        sim.gate = Some(gate);
        sim.follow_gate();
        Self {
            sim,
            policy: by_name(name, FRAMES).unwrap(),
            free: (0..FRAMES).rev().collect(),
            sleep: Sleep { max_us: 0, laundered: 0 },
            laundered: 0,
            faults: 0,
        }
    }

    /// One scan, if there is reason for one by now.
    fn daemon(&mut self) -> u32 {
        let early = self.sleep.laundered > 0 && self.laundered >= self.sleep.laundered;
        if self.sleep.max_us > 0 && !early {
            return 0;
        }
        self.laundered = 0;
        self.sim.follow_gate();
        let before = self.sim.freed.len();
        self.sleep = self.policy.run(&mut self.sim);
        let freed = &self.sim.freed[before..];
        self.free.extend(freed.iter().map(|p| p.frame));
        std::mem::take(&mut self.sim.woken)
    }

    fn gate(&mut self) -> &mut Gate {
        self.sim.gate.as_mut().unwrap()
    }

    fn finish_write(&mut self) {
        if self.sim.complete(true) {
            self.laundered += 1;
        }
    }

    /// Touches a page; false if it could not be had.
    fn touch(&mut self, index: u64, write: bool) -> bool {
        let frame = match self.sim.resident.get(&(0, index)) {
            Some(frame) => *frame,
            None => {
                let Some(frame) = self.fault() else { return false };
                self.sim.page_in(frame, (0, index), Queue::Active);
                frame
            }
        };
        let page = &mut self.sim.pages[frame as usize];
        page.refs = 1;
        page.dirty |= write;
        true
    }

    fn fault(&mut self) -> Option<u32> {
        self.faults += 1;
        // The disk goes on while programs run.
        self.finish_write();
        let mut scans = 0;
        loop {
            match self.gate().allocate(Class::Normal, 1, 1) {
                Ok(wake) => {
                    self.wake(wake.daemon);
                    self.daemon();
                    return self.free.pop();
                }
                Err(shortage) => self.wake(shortage.0.daemon),
            }
            let wake = self.gate().wait(Waiter::Client);
            self.wake(wake.daemon);
            let since_us = self.sim.now_us;
            while self.daemon() == 0 {
                scans += 1;
                self.sim.now_us += SCAN_US;
                self.sim.meter.oldest_wait_us = self.sim.now_us - since_us;
                if scans > 10_000
                    || self.sim.requests().contains(&Request::OutOfMemory(ebb_policy::OomReason::Memory))
                {
                    return None;
                }
                if self.sim.writing.is_empty() {
                    self.sim.now_us += self.sleep.max_us;
                    self.sleep.max_us = 0;
                }
                self.finish_write();
            }
        }
    }

    fn wake(&mut self, daemon: bool) {
        if daemon {
            self.sim.events.push_back(Event::Shortage);
            self.sleep.max_us = 0;
        }
    }
}

/// A small generator, so that a run repeats exactly.
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn twice_the_memory_under_both_policies() {
    for name in NAMES {
        for pattern in ["seq", "random", "hot"] {
            let mut m = Machine::new(name, u64::MAX);
            let mut state = 88_172_645_463_325_252;
            for i in 0..MEMORY * 4 {
                let r = random(&mut state);
                let index = match pattern {
                    "seq" => i % MEMORY,
                    "random" => r % MEMORY,
                    _ if r % 10 < 8 => (r >> 8) % 6000,
                    _ => (r >> 8) % MEMORY,
                };
                assert!(m.touch(index, r & 0x100_0000 != 0), "{name} {pattern}: stalled at {i}");
            }
            m.policy.check().unwrap();
            let stats = m.policy.stats();
            let evictions = m.sim.freed.len() as u64;
            println!("{name} {pattern}: {} faults, {evictions} evictions, {stats:?}", m.faults);
            assert!(evictions > 4000);
            assert_eq!(stats.v_dfree, evictions);
            assert_eq!(stats.oom_requests, 0);
            assert_eq!(stats.events_refused + stats.stale + stats.refused, 0);
            assert!(stats.launder_pages > 1000 && stats.laundered_failed == 0);
            assert!(stats.batches * 10 < evictions, "{name} {pattern}: {} messages", stats.batches);
            if pattern == "hot" {
                // The hot pages stay: far fewer faults than the one in two of random touches.
                assert!(m.faults * 10 < MEMORY * 4 * 4, "{name}: {} faults", m.faults);
            }
        }
    }
}

/// Without swap, memory that is all dirty ends in a kill, by both policies, and nothing else does.
#[test]
fn pgo_w31_without_swap_there_is_an_end() {
    for name in NAMES {
        let mut m = Machine::new(name, 0);
        let end = (0..MEMORY).find(|i| !m.touch(*i, true));
        // Twelve scans half a second apart, and what ageing is worth before them.
        let seconds = m.sim.now_us as f64 / 1e6;
        assert!((5.0..8.0).contains(&seconds), "{name}: {seconds} s");
        assert!(end.is_some_and(|i| i > u64::from(FRAMES) * 9 / 10), "{name}: {end:?}");
        assert_eq!(m.policy.stats().oom_requests, 1, "{name}");
        assert_eq!(m.sim.freed, []);
        m.policy.check().unwrap();
    }
}

/// The same events and answers give the same decisions.
#[test]
fn runs_repeat_exactly() {
    for name in NAMES {
        let run = || {
            let mut m = Machine::new(name, u64::MAX);
            let mut state = 42;
            for _ in 0..60_000 {
                let r = random(&mut state);
                assert!(m.touch(r % MEMORY, r & 0x100_0000 != 0));
            }
            (m.sim.freed, m.policy.stats())
        };
        assert_eq!(run(), run());
    }
}
