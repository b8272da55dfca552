// SPDX-License-Identifier: BSD-2-Clause
//! Processes as they are seen from outside, now and then: what became of them since is told to the swapper as events.
//!
//! Each process is one thread to the swapper here: it goes whole (W14), and what its threads do is seen together. Who was given the processor between two looks has not slept.

use crate::machine::Event;
use crate::swapper::Swapper;
use crate::thread::{Place, Process, State, Thread, ThreadId};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// What the threads of a process do, all together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// All wait for what comes by itself.
    Sleeping,
    /// Some could run.
    Runnable,
    /// Some wait for somebody.
    Blocked,
}

/// A process as it is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Which.
    pub process: Process,
    /// What it does; if it is out, what it would do.
    pub doing: Doing,
    /// A signal has stopped it.
    pub stopped: bool,
    /// It is out.
    pub out: bool,
    /// How often it was given the processor, modulo 2^32.
    pub runs: u32,
    /// Pages that it takes to bring it in.
    pub pages: u64,
    /// -20 to 19.
    pub nice: i8,
    /// How many hold it in memory, when it is seen for the first time.
    pub holds: u32,
}

impl Sample {
    fn state(&self) -> State {
        match self.doing {
            Doing::Blocked => State::Blocked,
            _ if self.stopped => State::Stopped,
            Doing::Sleeping => State::Sleeping,
            Doing::Runnable => State::Runnable,
        }
    }

    fn nice(&self) -> u8 {
        (20 + self.nice.clamp(-20, 20)) as u8
    }
}

/// What was seen last.
#[derive(Clone, Debug, Default)]
pub struct Sampler {
    runs: BTreeMap<Process, u32>,
}

impl Sampler {
    /// Looks at all processes.
    pub fn look(&mut self, swapper: &mut Swapper, all: &[Sample]) {
        let known: Vec<Process> = self.runs.keys().copied().collect();
        for process in known {
            if all.iter().all(|s| s.process != process) {
                self.gone(swapper, process);
            }
        }
        all.iter().for_each(|sample| self.look_at(swapper, sample));
    }

    /// A process is gone.
    pub fn gone(&mut self, swapper: &mut Swapper, process: Process) {
        self.runs.remove(&process);
        swapper.event(Event::Gone(ThreadId(process, 0)));
    }

    /// Looks at one process.
    pub fn look_at(&mut self, swapper: &mut Swapper, sample: &Sample) {
        let id = ThreadId(sample.process, 0);
        let state = sample.state();
        let before = self.runs.insert(sample.process, sample.runs);
        let Some(known) = swapper.thread(id).copied() else {
            let thread =
                Thread { nice: sample.nice(), holds: sample.holds, ..Thread::new(state, sample.pages) };
            swapper.event(Event::New(id, thread));
            if sample.out {
                swapper.adopt(id, Place::Out);
            }
            return;
        };
        let place = if sample.out { Place::Out } else { Place::In };
        if known.place != place {
            // Others have brought it in, or it was out before this swapper began.
            swapper.adopt(id, place);
        }
        if known.nice != sample.nice() {
            swapper.event(Event::Nice(id, sample.nice()));
        }
        let has_run = !sample.out && before.is_some_and(|runs| runs != sample.runs);
        if has_run && known.is_asleep() {
            // It slept, ran, and sleeps again.
            swapper.event(Event::State(id, State::Runnable));
        }
        if state != known.state || has_run {
            swapper.event(Event::State(id, state));
        }
    }
}
