// SPDX-License-Identifier: BSD-2-Clause
//! A right policy, until it has worked for a while.

use alloc::boxed::Box;
use ebb_policy::{
    Decision, Event, Inconsistency, Machine, OomReason, Page, Policy, Request, Sleep, Stats, Verdict, Want,
};

/// Iterations with need that it does as it should, so that it is trusted, and memory is full of other people's pages.
const GOOD: u64 = 4;
/// Decisions in a batch.
const BATCH: usize = 256;

/// What it does then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// Names frames that there are not, and generations that there never were.
    WrongPages,
    /// Sleeps, whoever waits.
    Late,
    /// Computes without end when it is needed.
    Loops,
    /// Computes without end from the first moment, whether it is needed or not.
    Spins,
    /// Asks for this and that without end, and decides nothing.
    Floods,
    /// Asks for the end of a program, again and again.
    CriesWolf,
    /// Fills the log.
    Logs,
    /// Leaves its stack.
    Dies,
    /// Panics.
    Panics,
    /// Ends.
    Exits,
}

impl Way {
    /// The way with this name.
    pub fn named(name: &str) -> Option<Way> {
        Some(match name {
            "wrong-pages" => Way::WrongPages,
            "late" => Way::Late,
            "loops" => Way::Loops,
            "spins" => Way::Spins,
            "floods" => Way::Floods,
            "cries-wolf" => Way::CriesWolf,
            "logs" => Way::Logs,
            "dies" => Way::Dies,
            "panics" => Way::Panics,
            "exits" => Way::Exits,
            _ => return None,
        })
    }
}

/// The policy.
pub struct Spoiled {
    way: Way,
    good: Box<dyn Policy>,
    nr_frames: u32,
    random: u64,
}

impl Spoiled {
    /// One that goes this way, around a right one.
    pub fn new(way: Way, nr_frames: u32) -> Option<Spoiled> {
        let good = ebb_policy::by_name("second-chance", nr_frames)?;
        Some(Spoiled { way, good, nr_frames, random: 0x9e37_79b9_7f4a_7c15 })
    }

    /// xorshift64 (Marsaglia, 2003).
    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    /// A batch of nonsense: half of it right frames with a wrong generation, half no frames at all.
    fn decide_wrongly(&mut self, machine: &mut dyn Machine) {
        let wants = [Want::Reclaim, Want::Launder, Want::Activate, Want::Deactivate];
        let batch: [Decision; BATCH] = core::array::from_fn(|n| {
            let (r, frames) = (self.random(), self.nr_frames);
            let frame =
                if n % 2 == 0 { r as u32 % frames } else { frames.wrapping_add(r as u32) & ((1 << 30) - 1) };
            let page = Page { frame, generation: (r >> 32) as u32 | 1 << 31 };
            Decision { page, want: wants[n % 4] }
        });
        machine.decide(&batch, &mut [Verdict::Refused; BATCH]);
    }
}

impl Policy for Spoiled {
    fn name(&self) -> &'static str {
        "saboteur"
    }

    fn event(&mut self, event: Event) {
        self.good.event(event);
    }

    fn run(&mut self, machine: &mut dyn Machine) -> Sleep {
        if self.way != Way::Spins && self.good.stats().v_pdwakeups < GOOD {
            return self.good.run(machine);
        }
        let short = Sleep { max_us: 20_000, laundered: 0 };
        match self.way {
            Way::WrongPages => self.decide_wrongly(machine),
            Way::Late => return Sleep { max_us: u64::MAX / 4096, laundered: 0 },
            Way::Loops | Way::Spins => loop {
                core::hint::black_box(self.random());
            },
            Way::Floods => loop {
                machine.request(Request::LowMemory);
            },
            Way::CriesWolf => machine.request(Request::OutOfMemory(OomReason::Memory)),
            Way::Logs => loop {
                ebb_rt::log!("saboteur: {:x}", self.random());
            },
            Way::Dies => {
                core::hint::black_box(deeper(self.random()));
            }
            Way::Panics => panic!("on purpose"),
            Way::Exits => ebb_rt::start::exit(3),
        }
        short
    }

    fn stats(&self) -> Stats {
        self.good.stats()
    }

    fn check(&self) -> Result<(), Inconsistency> {
        self.good.check()
    }
}

/// Needs more stack than there is.
#[allow(unconditional_recursion)]
fn deeper(n: u64) -> u64 {
    let room = core::hint::black_box([n; 64]);
    deeper(n + 1) + room[7]
}
