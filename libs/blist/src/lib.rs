// SPDX-License-Identifier: BSD-2-Clause
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
//! Radix bitmap allocator of contiguous runs of numbered blocks, after BSD's `blist`: the swap pager keeps one
//! per swap device. One block is one bit; a tree of hints above the bits leads to a run that is long enough.
//!
//! ```
//! use ebb_blist::{Blist, Error};
//!
//! let mut list = Blist::new(1000)?; // all blocks allocated
//! list.free(2, 998)?; // the device's blocks but for its label
//! assert_eq!(list.alloc(16), Some(16));
//! assert_eq!(list.alloc_range(1, 32), Some((32, 32)));
//! list.free(16, 16)?;
//! assert_eq!(list.free(17, 1), Err(Error::DoubleFree { block: 17 }));
//! # Ok::<(), Error>(())
//! ```
//!
//! # How it works
//!
//! A leaf is one word, bit set: block free. Its hint is the length of the longest run that *begins* in it, up
//! to 64 blocks ([`MAX_ALLOC`]); a run of that length reaches at most into the next leaf, so two words say all.
//! A node is the number of free blocks beneath and the hints of its sixteen children, a byte each; its own
//! hint is their maximum, as a run belongs to one leaf only. So
//!
//! - hints are exact always, not bounds to be found out by failing: a request that cannot be met ends at the
//!   root, and one that can goes down one way, one node a level. No operation ever visits more;
//! - runs cross the edges of leaves and of nodes (SWP-W45) at no cost to the nodes;
//! - freeing makes one run longer, whose length the two neighbouring words tell. Only taking the longest run
//!   of a node asks its other children, sixteen bytes at once;
//! - what a ranged operation covers whole is one flag in the parent (`UNIFORM`), written out below only when
//!   a part of it is needed. Freeing or filling a device takes a few dozen steps whatever its size.
//!
//! | operation | reads and writes, at most |
//! |---|---|
//! | `alloc`, `alloc_range` | a node a level; three leaves |
//! | `alloc` that fails | nothing below the root |
//! | `free` of up to two leaves | a node a level for each; three leaves |
//! | `free`, `fill`, `free_in` of any range | two paths of nodes with their sixteen children |
//! | `is_free` | an entry a level; a leaf |
//! | `resize`, `audit`, `dump` | everything |
//!
//! Memory is one array, 0.151 bytes a block (SWP-278), known beforehand ([`bytes_needed`]) and taken by
//! [`Blist::new`] or handed to [`Blist::over`]; nothing but [`Blist::resize`] takes any later, and nothing
//! sleeps (SWP-244).
//!
//! # Where it differs from the original
//!
//! | | original | here |
//! |---|---|---|
//! | SWP-242, SWP-243 | 32 blocks a leaf and an allocation | 64 |
//! | SWP-251, SWP-W45 | no run crosses a leaf | runs cross anything |
//! | SWP-250, SWP-W47 | lowest fit only | that, or from a cursor with wrap, or best fit, the default: [`Placement`] |
//! | SWP-254 | operations on no list | no such value: `Option<Blist>` says it |
//! | SWP-256 to SWP-259, SWP-W42 | hints are bounds, at times wrong ones | hints are exact |
//! | SWP-253, SWP-266, SWP-269, SWP-W44 | stops the system or corrupts memory | [`Error`]; fills of any length |
//! | SWP-264, SWP-265, SWP-W43 | some double frees are found | every one is, and changes nothing |
//! | SWP-263, SWP-271 | nodes collapse when their last block is freed; fills leave hints | only ranged operations collapse nodes; fills correct hints |
//! | SWP-272, SWP-W46 | shrinking forgets blocks in use | [`Error::InUse`], nothing changed |
//!
//! There is no lock inside: the owner serialises (SWP-279), which `&mut self` makes it do.

extern crate alloc;

mod audit;
mod blist;
mod dump;
mod error;
mod lanes;
mod range;
mod resize;
mod search;
mod shape;
#[cfg(test)]
mod tests;
mod word;

pub use audit::Damage;
pub use blist::{Blist, MAX_ALLOC, Placement};
pub use error::Error;
pub use resize::Growth;
pub use shape::{LEAF_BLOCKS, MAX_BLOCKS, RADIX, bytes_needed, words_needed};
