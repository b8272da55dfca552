// SPDX-License-Identifier: BSD-2-Clause
//! Aging, LRU as far as reference bits go: each page has the bits of its last eight looks, the latest on top, and of the pages passed those with
//! the least go.
//!
//! Tanenbaum, "Modern Operating Systems", 4th edition, 3.4.7. Approximated: pages are aged by a hand that goes around as pages are
//! wanted and not by a clock tick, and the least is sought among the pages passed, not among all.

use crate::engine::Discount;
use crate::order::{Arrival, Knob, Order, References, Tag, Victims};
use crate::orders::window::{SPAN, Window};
use crate::policy::Inconsistency;
use crate::state::{BadRecord, Record};

/// As if used at the last look.
const USED: u8 = 0x80;
/// Looks remembered.
const BITS: Knob = Knob::new("bits", 8, 1, 8, "looks that a page's age remembers");

/// The order.
#[derive(Debug)]
pub struct Aging {
    window: Window,
    knobs: [Knob; 2],
}

impl Aging {
    /// The order over frames `0..nr_frames`.
    #[must_use]
    pub fn new(nr_frames: u32) -> Self {
        Self { window: Window::new(nr_frames), knobs: [SPAN, BITS] }
    }
}

impl Order for Aging {
    fn name(&self) -> &'static str {
        "aging"
    }

    fn insert(&mut self, frame: u32, _tag: Tag, arrival: Arrival) {
        self.window.set(frame, if arrival == Arrival::Readahead { 0 } else { USED });
    }

    fn remove(&mut self, frame: u32) {
        self.window.remove(frame);
    }

    fn promote(&mut self, frame: u32) {
        self.window.set(frame, u8::MAX);
    }

    fn demote(&mut self, frame: u32) {
        self.window.set(frame, 0);
    }

    fn choose(&mut self, pages: &mut dyn References, victims: &mut Victims<'_>) {
        let [span, bits] = self.knobs.map(|k| k.value);
        let mask = u8::MAX << (8 - bits.clamp(1, 8));
        self.window
            .choose(pages, victims, span, |value, used| (value >> 1 | if used { USED } else { 0 }) & mask);
    }

    fn discount(&self) -> Discount {
        Discount::FirstLook
    }

    fn len(&self) -> u32 {
        self.window.len()
    }

    fn snapshot(&self, tell: &mut dyn FnMut(u32)) {
        self.window.snapshot(tell);
    }

    fn knobs(&self) -> &[Knob] {
        &self.knobs
    }

    fn knobs_mut(&mut self) -> &mut [Knob] {
        &mut self.knobs
    }

    fn save(&self, tell: &mut dyn FnMut(Record)) {
        self.window.save(tell);
    }

    fn restore(&mut self, record: Record) -> Result<(), BadRecord> {
        self.window.restore(record)
    }

    fn bytes(&self) -> usize {
        self.window.bytes()
    }

    fn check(&self) -> Result<(), Inconsistency> {
        self.window.check()
    }
}
