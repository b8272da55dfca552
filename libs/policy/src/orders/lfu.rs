// SPDX-License-Identifier: BSD-2-Clause
//! Least frequently used, with decay: each page counts the looks that found it used, and loses a quarter at each that did not.
//!
//! Robinson and Devarakonda, "Data cache management using frequency-based replacement", SIGMETRICS 1990, for why counts must age. Approximated:
//! looks are counted, not uses; the least is sought among the pages that a hand passes, not among all.

use crate::order::{Arrival, Order, References, Tag, Victims};
use crate::orders::window::Window;
use crate::policy::Inconsistency;

/// What a look that found the page used adds.
const STEP: u8 = 16;

/// The order.
#[derive(Debug)]
pub struct Lfu {
    window: Window,
}

impl Lfu {
    /// The order over frames `0..nr_frames`.
    #[must_use]
    pub fn new(nr_frames: u32) -> Self {
        Self { window: Window::new(nr_frames) }
    }
}

impl Order for Lfu {
    fn name(&self) -> &'static str {
        "lfu"
    }

    fn insert(&mut self, frame: u32, _tag: Tag, arrival: Arrival) {
        self.window.set(frame, if arrival == Arrival::Readahead { 0 } else { STEP });
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
        self.window.choose(pages, victims, |value, used| {
            if used { value.saturating_add(STEP) } else { value - value.div_ceil(4) }
        });
    }

    fn len(&self) -> u32 {
        self.window.len()
    }

    fn snapshot(&self, tell: &mut dyn FnMut(u32)) {
        self.window.snapshot(tell);
    }

    fn bytes(&self) -> usize {
        self.window.bytes()
    }

    fn check(&self) -> Result<(), Inconsistency> {
        self.window.check()
    }
}
