// SPDX-License-Identifier: BSD-2-Clause
//! A small machine around a whole policy, worker and all: it sees what hardware shows, a bit a page that says "used since the last look", set
//! by the faulting instruction too, and it works when memory is short, ahead of who needs it.
//!
//! All frames can hold pages. When there is none free at a fault, the worker runs and frees as many as the machine's thresholds make it: the
//! difference between target and wake-up, [`BURST_PER_MILLE`] of memory. A write takes no time but that of the batch it is in.

use std::collections::VecDeque;
use std::time::Instant;

use ebb_policy::{
    Decision, Event, Machine, Meter, Page, Policy, Queue, Request, Thresholds, Tunables, Verdict, Want,
    WriteLimit, tag_of,
};

use crate::exact::{Account, NONE, Outcome};
use crate::trace::Trace;

/// Pages freed in one go, in thousandths of memory: of a machine of 1 GiB, (5627 - 1870) / 262,144.
pub const BURST_PER_MILLE: u64 = 14;
/// Iterations of a worker that may free nothing, before it is given up: a two-queue policy takes up to 64 laps to age a page.
const PATIENCE: u32 = 1000;

/// A policy let no page go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the policy let no page go in {PATIENCE} iterations, at reference {0}")]
pub struct Stuck(pub usize);

#[derive(Clone, Copy, Debug, Default)]
struct Frame {
    page: Option<u32>,
    generation: u32,
    used: bool,
    dirty: bool,
    writing: bool,
}

/// The machine.
pub(crate) struct Small {
    frames: Vec<Frame>,
    free: Vec<u32>,
    /// The frame of each page.
    places: Vec<u32>,
    events: VecDeque<Event>,
    meter: Meter,
    tunables: Tunables,
    account: Account,
    now_us: u64,
}

impl Small {
    fn new(size: u32, unique: u32) -> Self {
        let target = (u64::from(size) * BURST_PER_MILLE).div_ceil(1000).max(1) as u32;
        let thresholds = Thresholds {
            cluster: 16,
            interrupt_free_min: 0,
            pageout_free_min: 0,
            free_reserved: 0,
            free_severe: 0,
            free_min: 0,
            free_target: target,
            // As the machine: half more than the target, at most a third.
            inactive_target: (target + target / 2).min(size / 3),
            wakeup_thresh: 0,
            max_wired: 0,
        };
        Self {
            frames: vec![Frame::default(); size as usize],
            free: (0..size).rev().collect(),
            places: vec![NONE; unique as usize],
            events: VecDeque::new(),
            meter: Meter {
                page_count: size,
                free_count: size,
                wire_count: 0,
                thresholds,
                pages_needed: false,
                laundering: 0,
                swap_full: false,
                oldest_wait_us: 0,
            },
            tunables: Tunables::default(),
            account: Account::new(unique),
            now_us: 0,
        }
    }

    /// What has come of it so far.
    pub(crate) fn outcome(&self) -> &Outcome {
        &self.account.outcome
    }

    fn carry_out(&mut self, decision: Decision) -> Verdict {
        let Page { frame, generation } = decision.page;
        let Some(slot) = self.frames.get_mut(frame as usize) else { return Verdict::Refused };
        let Some(page) = slot.page.filter(|_| slot.generation == generation) else { return Verdict::Stale };
        match decision.want {
            Want::Activate | Want::Deactivate => Verdict::Done,
            _ if slot.writing => Verdict::Busy,
            Want::Reclaim if slot.dirty => Verdict::Dirty,
            Want::Launder if slot.dirty => {
                slot.dirty = false;
                slot.writing = true;
                self.account.outcome.writebacks += 1;
                self.events.push_back(Event::Laundered { page: decision.page, ok: true });
                Verdict::Started { pages: 1 }
            }
            _ => {
                *slot = Frame { generation: generation.wrapping_add(1), ..Frame::default() };
                self.places[page as usize] = NONE;
                self.free.push(frame);
                self.meter.free_count += 1;
                self.account.left(page);
                Verdict::Done
            }
        }
    }

    /// Has the policy run until a frame is free.
    fn shortage(
        &mut self,
        policy: &mut dyn Policy,
        driver: &mut impl Driver,
        number: usize,
    ) -> Result<(), Stuck> {
        self.meter.pages_needed = true;
        self.meter.oldest_wait_us = 1;
        self.events.push_back(Event::Shortage);
        let mut runs = 0;
        while self.free.is_empty() {
            driver.run(policy, self);
            runs += 1;
            if runs > PATIENCE {
                return Err(Stuck(number));
            }
        }
        self.meter.pages_needed = false;
        self.meter.oldest_wait_us = 0;
        Ok(())
    }

    fn fault(&mut self, page: u32) {
        let Some(frame) = self.free.pop() else { return };
        self.meter.free_count -= 1;
        let slot = &mut self.frames[frame as usize];
        let generation = slot.generation.wrapping_add(1);
        *slot = Frame { page: Some(page), generation, ..Frame::default() };
        self.places[page as usize] = frame;
        let tag = tag_of(u64::from(page));
        self.events.push_back(Event::PageIn { page: Page { frame, generation }, queue: Queue::Active, tag });
        self.account.came(page);
    }
}

impl Machine for Small {
    fn meter(&self) -> Meter {
        self.meter
    }

    fn take_deficit(&mut self) -> u32 {
        0
    }

    fn harvest(&mut self, frames: &[u32], refs: &mut [u8]) {
        for (frame, refs) in frames.iter().zip(refs) {
            *refs = self.frames.get_mut(*frame as usize).map_or(0, |f| u8::from(std::mem::take(&mut f.used)));
        }
    }

    fn decide(&mut self, batch: &[Decision], verdicts: &mut [Verdict]) {
        for (decision, verdict) in batch.iter().zip(verdicts) {
            *verdict = self.carry_out(*decision);
        }
        // Nothing is being written any more when the policy looks next.
        for event in &self.events {
            if let Event::Laundered { page, .. } = event
                && let Some(frame) = self.frames.get_mut(page.frame as usize)
            {
                frame.writing = false;
            }
        }
    }

    fn limit_launders(&mut self, _limit: WriteLimit) -> bool {
        // Writes end at once: there are never too many.
        true
    }

    fn request(&mut self, _request: Request) {}

    fn now_us(&self) -> u64 {
        self.now_us
    }

    fn tunables(&self) -> &Tunables {
        &self.tunables
    }

    fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }
}

/// Runs a policy when there is need.
pub(crate) trait Driver {
    /// One iteration.
    fn run(&mut self, policy: &mut dyn Policy, small: &mut Small);

    /// Whether more of the trace is wanted.
    fn goes_on(&self, outcome: &Outcome) -> bool;
}

/// All of the trace, with the host's time.
struct Timed;

impl Driver for Timed {
    fn run(&mut self, policy: &mut dyn Policy, small: &mut Small) {
        let start = Instant::now();
        policy.run(small);
        small.account.outcome.policy_time += start.elapsed();
    }

    fn goes_on(&self, _outcome: &Outcome) -> bool {
        true
    }
}

/// Replays a trace through a policy that knows no page yet, in `size` frames. `tell` is told of progress, in references. The policy's time includes that of the machine it looks at.
///
/// # Errors
/// The policy lets no page go.
pub fn replay(
    trace: &Trace,
    policy: &mut dyn Policy,
    size: u32,
    tell: &mut dyn FnMut(u64),
) -> Result<Outcome, Stuck> {
    drive(trace, policy, size, &mut Timed, tell)
}

/// The same, with somebody who runs the policy.
pub(crate) fn drive(
    trace: &Trace,
    policy: &mut dyn Policy,
    size: u32,
    driver: &mut impl Driver,
    tell: &mut dyn FnMut(u64),
) -> Result<Outcome, Stuck> {
    let mut m = Small::new(size, trace.unique);
    for (number, page) in trace.pages.iter().copied().enumerate() {
        if m.places[page as usize] == NONE {
            m.now_us = number as u64;
            if m.free.is_empty() {
                m.shortage(policy, driver, number)?;
                if !driver.goes_on(m.outcome()) {
                    return Ok(m.account.outcome);
                }
            }
            m.fault(page);
        }
        let frame = &mut m.frames[m.places[page as usize] as usize];
        frame.used = true;
        frame.dirty |= trace.writes(number);
        if number & 0xf_ffff == 0xf_ffff {
            tell(0x10_0000);
        }
    }
    tell(trace.pages.len() as u64 & 0xf_ffff);
    Ok(m.account.outcome)
}
