// SPDX-License-Identifier: BSD-2-Clause
//! Replacement policies and the pure parts of paging out.
//!
//! A policy decides which page goes next, when, and how many at a time. It holds an *order* over pages; `vm` holds the truth
//! and checks every decision, so that a wrong policy costs time and never data. No I/O here, no clock,
//! no randomness: the same events and answers give the same decisions, in the `pageout` server and on the host.
//! Memory is allocated when a policy is created and at no other time.
//!
//! - [`Policy`], [`Event`], [`Sleep`]: what a policy is. [`Machine`], [`Decision`], [`Verdict`]: what it works on.
//! - [`thresholds`], [`predicates`], [`gate`], [`tunables`]: the levels, and the accounting of free pages in `vm`.
//! - [`contiguous`]: room in a range of addresses.
//! - [`cluster`], [`flush`]: what is written together, and what the pager's answers mean.
//! - [`rss`], [`enforce`]: the rules of resident-set trimming; a run of the daemon that does it.
//! - [`freebsd`]: the seed's policy; [`queues`] and [`worker`]: what it is built of.
//! - [`order`], [`orders`]: what people write, and all that are shipped; [`engine`]: the policy around one; [`lists`], [`ghosts`]: what they are
//!   built of.
//! - [`state`]: what an order knows, as records, for a successor.
//! - [`oom`], [`lowmem`]: when to give up, how often to drain caches.
//! - [`victim`]: who is ended when nothing helps.
//! - [`sim`]: a scripted machine for tests and simulators.
//! - [`swapout_request`]: requests of whole-process swap-out.
//!
#![doc = include_str!("rows.md")]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod cluster;
pub mod contiguous;
pub mod enforce;
pub mod engine;
pub mod flush;
pub mod freebsd;
pub mod gate;
pub mod ghosts;
#[doc = include_str!("../../../docs/policy.md")]
pub mod guide {}
pub mod lists;
pub mod lowmem;
pub mod machine;
pub mod oom;
pub mod order;
pub mod orders;
pub mod policy;
pub mod predicates;
pub mod queues;
pub mod rss;
pub mod sim;
pub mod state;
pub mod swapout_request;
pub mod thresholds;
pub mod tunables;
pub mod victim;
pub mod worker;

use alloc::boxed::Box;

pub use engine::{Discount, Engine};
pub use machine::{
    Decision, MAX_BATCH, Machine, Meter, OomReason, Page, Queue, Request, Verdict, Want, WriteLimit,
};
pub use order::{Arrival, Knob, Order, tag_of};
pub use policy::{Event, Inconsistency, Policy, Sleep, Stats};
pub use state::{BadRecord, Record};
pub use thresholds::Thresholds;
pub use tunables::{TunableError, Tunables};

/// Names that [`by_name`] knows.
pub const NAMES: &[&str] = &[
    "freebsd",
    "fifo",
    "second-chance",
    "clock",
    "nru",
    "aging",
    "2q",
    "car",
    "clock-pro",
    "sieve",
    "s3-fifo",
    "mglru",
    "lfu",
    "hit-density",
    "random",
];

/// A new order over frames `0..nr_frames` (cut to [`queues::MAX_FRAMES`]) with its default options, or `None` for a name that is not
/// an order's.
#[must_use]
pub fn order_by_name(name: &str, nr_frames: u32) -> Option<Box<dyn Order>> {
    use orders::*;
    Some(match name {
        "fifo" => Box::new(fifo::Fifo::new(nr_frames)),
        "second-chance" => Box::new(second_chance::SecondChance::new(nr_frames)),
        "clock" => Box::new(clock::Clock::new(nr_frames)),
        "nru" => Box::new(nru::Nru::new(nr_frames)),
        "aging" => Box::new(aging::Aging::new(nr_frames)),
        "2q" => Box::new(two_q::TwoQ::new(nr_frames)),
        "car" => Box::new(car::Car::new(nr_frames)),
        "clock-pro" => Box::new(clock_pro::ClockPro::new(nr_frames)),
        "sieve" => Box::new(sieve::Sieve::new(nr_frames)),
        "s3-fifo" => Box::new(s3_fifo::S3Fifo::new(nr_frames)),
        "mglru" => Box::new(mglru::Mglru::new(nr_frames)),
        "lfu" => Box::new(lfu::Lfu::new(nr_frames)),
        "hit-density" => Box::new(hit_density::HitDensity::new(nr_frames)),
        "random" => Box::new(random::Random::new(nr_frames)),
        _ => return None,
    })
}

/// A new policy over frames `0..nr_frames` (cut to [`queues::MAX_FRAMES`]) with its default options, or `None` for an unknown
/// name.
#[must_use]
pub fn by_name(name: &str, nr_frames: u32) -> Option<Box<dyn Policy>> {
    if name == "freebsd" {
        return Some(Box::new(freebsd::Freebsd::new(nr_frames, freebsd::Options::default())));
    }
    let order = order_by_name(name, nr_frames)?;
    let discount = order.discount();
    Some(Box::new(Engine::new(nr_frames, order, discount)))
}
