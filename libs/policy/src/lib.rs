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

/// What has a name: each order, for those who want it alone, and in an engine of its own, so that what happens most often is no call through a table.
macro_rules! orders {
    ($($name:literal => $order:ty,)*) => {
        /// A new order over frames `0..nr_frames` (cut to [`queues::MAX_FRAMES`]) with its default options, or `None` for a name that is not
        /// an order's.
        #[must_use]
        pub fn order_by_name(name: &str, nr_frames: u32) -> Option<Box<dyn Order>> {
            Some(match name {
                $($name => Box::new(<$order>::new(nr_frames)),)*
                _ => return None,
            })
        }

        /// A new policy over frames `0..nr_frames` (cut to [`queues::MAX_FRAMES`]) with its default options, or `None` for an unknown
        /// name. `discount`: what is done about the reference of the faulting instruction, where that is the engine's matter; `None`: what the order wants.
        #[must_use]
        pub fn by_name_with(name: &str, nr_frames: u32, discount: Option<Discount>) -> Option<Box<dyn Policy>> {
            Some(match name {
                "freebsd" => Box::new(freebsd::Freebsd::new(nr_frames, freebsd::Options::default())),
                $($name => {
                    let order = <$order>::new(nr_frames);
                    let discount = discount.unwrap_or(order.discount());
                    Box::new(Engine::new(nr_frames, order, discount))
                })*
                _ => return None,
            })
        }
    };
}

orders! {
    "fifo" => orders::fifo::Fifo,
    "second-chance" => orders::second_chance::SecondChance,
    "clock" => orders::clock::Clock,
    "nru" => orders::nru::Nru,
    "aging" => orders::aging::Aging,
    "2q" => orders::two_q::TwoQ,
    "car" => orders::car::Car,
    "clock-pro" => orders::clock_pro::ClockPro,
    "sieve" => orders::sieve::Sieve,
    "s3-fifo" => orders::s3_fifo::S3Fifo,
    "mglru" => orders::mglru::Mglru,
    "lfu" => orders::lfu::Lfu,
    "hit-density" => orders::hit_density::HitDensity,
    "random" => orders::random::Random,
}

/// The same, with the discount that the order wants.
#[must_use]
pub fn by_name(name: &str, nr_frames: u32) -> Option<Box<dyn Policy>> {
    by_name_with(name, nr_frames, None)
}
