// SPDX-License-Identifier: BSD-2-Clause
//! The pages of least worth among those that were offered, of which some are kept from one choice to the next: so a sample finds nearly the least of all.
//!
//! Psounis and Prabhakar, "Efficient randomized web-cache replacement schemes using samples from past eviction times", IEEE/ACM Transactions on
//! Networking 10(4), 2002.

use alloc::vec::Vec;

use crate::MAX_BATCH;
use crate::queues::MAX_FRAMES;

/// Most that are kept.
pub const MOST: usize = 2 * MAX_BATCH;
/// Most between two cuts: twice as many as are kept.
const ROOM: usize = 2 * MOST;
/// Bits of a frame's number.
const FRAME_BITS: u32 = MAX_FRAMES.ilog2();

/// A page with what it is worth: the worth above, then the frame, then whether it was looked at in this choice. Least worth first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Candidate(u64);

impl Candidate {
    /// A page; `worth` is below 2^35.
    pub fn new(frame: u32, worth: u64, is_seen: bool) -> Self {
        Self(worth << (FRAME_BITS + 1) | u64::from(frame) << 1 | u64::from(is_seen))
    }

    /// The page.
    pub fn frame(self) -> u32 {
        (self.0 >> 1) as u32 & (MAX_FRAMES - 1)
    }

    /// Whether it was looked at in this choice.
    pub fn is_seen(self) -> bool {
        self.0 & 1 != 0
    }
}

/// The pages.
#[derive(Debug)]
pub struct Candidates {
    /// As long as it has room for.
    slots: Vec<Candidate>,
    len: usize,
    /// Kept at a cut, and the worst of those at the last: worse ones need not come in.
    most: usize,
    bound: Candidate,
}

impl Candidates {
    /// None.
    pub fn new() -> Self {
        let slots = alloc::vec![Candidate::default(); ROOM];
        Self { slots, len: 0, most: MOST, bound: Candidate(u64::MAX) }
    }

    /// Those there are, in no order until they are cut.
    pub fn as_slice(&self) -> &[Candidate] {
        &self.slots[..self.len]
    }

    /// The same, to give them another worth.
    pub fn as_mut_slice(&mut self) -> &mut [Candidate] {
        &mut self.slots[..self.len]
    }

    /// None, and from now on the `most` least of those that come, cut to [`MOST`].
    pub fn clear(&mut self, most: usize) {
        self.len = 0;
        self.most = most.clamp(1, MOST);
        self.bound = Candidate(u64::MAX);
    }

    /// One more page, which is not among them, unless as many that are better are.
    pub fn offer(&mut self, candidate: Candidate) {
        if candidate < self.bound {
            self.slots[self.len] = candidate;
            self.len += 1;
            if self.len >= 2 * self.most {
                self.slots[..self.len].select_nth_unstable(self.most - 1);
                self.len = self.most;
                self.bound = self.slots[self.most - 1];
            }
        }
    }

    /// The least, in order.
    pub fn cut(&mut self) {
        self.slots[..self.len].sort_unstable();
        self.len = self.len.min(self.most);
    }

    /// Takes away the first `gone`.
    pub fn drop_first(&mut self, gone: usize) {
        let gone = gone.min(self.len);
        self.slots.copy_within(gone..self.len, 0);
        self.len -= gone;
    }

    /// Bytes of memory it has.
    pub fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Candidate>()
    }
}
