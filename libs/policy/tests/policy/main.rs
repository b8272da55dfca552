// SPDX-License-Identifier: BSD-2-Clause
//! The behaviour of the policies and of the pure parts of paging out, requirement by requirement. `rows.rs` checks that the
//! table in the crate's documentation and these tests agree.

mod active;
mod clusters;
mod contiguous;
mod density;
mod enforce;
mod engine;
mod equality;
mod flush;
mod gates;
mod inactive;
mod knobs;
mod levels;
mod lists;
mod models;
mod oom;
mod orders;
mod queues;
mod rows;
mod rss;
mod saved;
mod thrash;
mod tunables;
mod victims;
mod workers;

use ebb_policy::freebsd::{Freebsd, Options};
use ebb_policy::queues::List;
use ebb_policy::sim::{Call, Sim};
use ebb_policy::{Policy, Queue, Want};

/// A two-queue policy on a machine of 262,144 pages (target 5627, minimum 1700, wake threshold 1870), of which few
/// frames are really there. No pages are wanted for the inactive queue's sake.
pub(crate) struct Bench {
    pub(crate) sim: Sim,
    pub(crate) policy: Freebsd,
}

impl Bench {
    pub(crate) fn new(nr_frames: u32) -> Self {
        let mut sim = Sim::new(nr_frames, 262_144);
        sim.meter.thresholds.inactive_target = 0;
        // Neither drains nor swap-out requests, except in the tests about them.
        sim.tunables.swap_enabled = false;
        Self { sim, policy: Freebsd::new(nr_frames, Options::default()) }
    }

    /// With pages in frames `0..count` on the inactive queue, each in an object of its own, so that nothing clusters.
    pub(crate) fn inactive(nr_frames: u32, count: u32) -> Self {
        let mut bench = Self::new(nr_frames);
        bench.add(0..count, Queue::Inactive);
        bench
    }

    pub(crate) fn add(&mut self, frames: core::ops::Range<u32>, queue: Queue) {
        for frame in frames {
            self.sim.page_in(frame, (frame, 0), queue);
        }
    }

    /// Makes the next scan want `shortage` pages.
    pub(crate) fn need(&mut self, shortage: u32) {
        self.sim.meter.free_count = self.sim.meter.thresholds.free_target - shortage;
        self.sim.meter.pages_needed = true;
    }

    /// Runs one scan that wants `shortage` pages.
    pub(crate) fn run(&mut self, shortage: u32) {
        self.need(shortage);
        self.policy.run(&mut self.sim);
        self.policy.check().unwrap();
    }

    /// Brings the policy to pass `pass`, if it is not past it, with no page taken up yet.
    pub(crate) fn reach(&mut self, pass: u32) {
        let waiting = std::mem::take(&mut self.sim.events);
        while self.policy.stats().pass < pass {
            self.run(1);
        }
        self.sim.events = waiting;
    }

    /// Runs one scan as if the pass before had been `pass - 1`.
    pub(crate) fn run_at(&mut self, pass: u32, shortage: u32) {
        self.reach(pass - 1);
        self.run(shortage);
        assert_eq!(self.policy.stats().pass, pass);
    }

    pub(crate) fn idle(&mut self) {
        self.sim.meter.pages_needed = false;
        self.policy.run(&mut self.sim);
        self.policy.check().unwrap();
    }

    pub(crate) fn list(&self, list: List) -> Vec<u32> {
        self.policy.order(list).map(|(page, ..)| page.frame).collect()
    }

    pub(crate) fn act_count(&self, frame: u32) -> u8 {
        [List::Inactive, List::Active, List::Parked]
            .into_iter()
            .flat_map(|l| self.policy.order(l))
            .find(|(page, ..)| page.frame == frame)
            .map(|(_, act, _)| act)
            .expect("frame is on no list")
    }

    pub(crate) fn marked(&self, frame: u32) -> bool {
        self.policy.order(List::Inactive).any(|(page, _, marked)| page.frame == frame && marked)
    }

    pub(crate) fn freed(&self) -> Vec<u32> {
        self.sim.freed.iter().map(|p| p.frame).collect()
    }

    /// First pages of the runs written.
    pub(crate) fn written(&self) -> Vec<(u32, u64)> {
        self.sim.writes.iter().map(|(object, run)| (*object, run.start)).collect()
    }

    /// What was wanted of a frame, in order.
    pub(crate) fn wants(&self, frame: u32) -> Vec<Want> {
        let mut wants = Vec::new();
        for call in &self.sim.log {
            if let Call::Decide(batch) = call {
                wants.extend(batch.iter().filter(|(d, _)| d.page.frame == frame).map(|(d, _)| d.want));
            }
        }
        wants
    }

    pub(crate) fn dirty(&mut self, frames: core::ops::Range<u32>) {
        for frame in frames {
            self.sim.pages[frame as usize].dirty = true;
        }
    }

    /// One pass-1 scan that marks all dirty inactive pages as seen once, then need ends.
    pub(crate) fn mark_dirty(&mut self) {
        let len = self.list(List::Inactive).len().max(self.sim.events.len()) as u32;
        self.run_at(1, len + 1);
        self.idle();
    }
}
