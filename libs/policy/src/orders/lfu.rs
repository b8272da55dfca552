// SPDX-License-Identifier: BSD-2-Clause
//! Least frequently used, with decay: each page counts the looks that found it used, and loses a quarter at each that did not.
//!
//! Robinson and Devarakonda, "Data cache management using frequency-based replacement", SIGMETRICS 1990, for why counts must age. Approximated:
//! looks are counted, not uses; the least is sought among the pages that a hand passes, not among all.

use crate::order::{Arrival, Knob, Order, References, Tag, Victims};
use crate::orders::window::{SPAN, Window};
use crate::policy::Inconsistency;
use crate::state::{BadRecord, Record};

/// What a look that found the page used adds.
const STEP: Knob =
    Knob::new("step", 16, 1, 64, "what a look that found a page used adds to its count, of 255");
/// What one that did not takes away.
const DECAY: Knob =
    Knob::new("decay", 25, 0, 100, "hundredths of its count that a page loses when a look finds it unused");

/// The order.
#[derive(Debug)]
pub struct Lfu {
    window: Window,
    knobs: [Knob; 3],
}

impl Lfu {
    /// The order over frames `0..nr_frames`.
    #[must_use]
    pub fn new(nr_frames: u32) -> Self {
        Self { window: Window::new(nr_frames), knobs: [SPAN, STEP, DECAY] }
    }
}

impl Order for Lfu {
    fn name(&self) -> &'static str {
        "lfu"
    }

    fn insert(&mut self, frame: u32, _tag: Tag, arrival: Arrival) {
        self.window.set(frame, if arrival == Arrival::Readahead { 0 } else { self.knobs[1].value as u8 });
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
        let [span, step, decay] = self.knobs.map(|k| k.value);
        self.window.choose(pages, victims, span, |value, used| {
            let lost = (u32::from(value) * decay).div_ceil(100) as u8;
            if used { value.saturating_add(step as u8) } else { value.saturating_sub(lost) }
        });
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
