// SPDX-License-Identifier: BSD-2-Clause
//! Writing the counters (`struct vmmeter`): `vm` is their only writer.

use core::sync::atomic::{AtomicU64, Ordering};
use ebb_abi::meter::Counter;

/// The counters' page.
#[derive(Clone, Copy)]
pub struct Meter {
    cells: &'static [AtomicU64],
}

impl Meter {
    /// The counters in this page.
    pub fn new(cells: &'static [AtomicU64]) -> Meter {
        Meter { cells }
    }

    /// A counter's value.
    pub fn get(&self, counter: Counter) -> u64 {
        self.cells.get(counter as usize).map_or(0, |c| c.load(Ordering::Relaxed))
    }

    /// Sets a counter.
    pub fn set(&self, counter: Counter, value: u64) {
        if let Some(cell) = self.cells.get(counter as usize) {
            cell.store(value, Ordering::Relaxed);
        }
    }

    /// Adds to a counter.
    pub fn add(&self, counter: Counter, value: u64) {
        self.set(counter, self.get(counter).wrapping_add(value));
    }

    /// Takes from a counter.
    pub fn sub(&self, counter: Counter, value: u64) {
        self.set(counter, self.get(counter).saturating_sub(value));
    }
}
