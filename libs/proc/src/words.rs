// SPDX-License-Identifier: BSD-2-Clause
//! The memory that the table is in.

use core::sync::atomic::{AtomicU64, Ordering};

/// Words that outlive who writes them. Stores become visible one after the other, in their order; only that is asked of them.
pub trait Words {
    /// How many there are.
    fn count(&self) -> usize;
    /// Reads one; 0 where there is none.
    fn load(&self, at: usize) -> u64;
    /// Writes one; where there is none nothing happens.
    fn store(&mut self, at: usize, value: u64);
}

impl Words for &[AtomicU64] {
    fn count(&self) -> usize {
        self.len()
    }

    fn load(&self, at: usize) -> u64 {
        self.get(at).map_or(0, |cell| cell.load(Ordering::Acquire))
    }

    fn store(&mut self, at: usize, value: u64) {
        if let Some(cell) = self.get(at) {
            cell.store(value, Ordering::Release);
        }
    }
}
