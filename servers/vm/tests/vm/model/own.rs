// SPDX-License-Identifier: BSD-2-Clause
//! The memory that `vm` maps into itself. It must live for ever, so that it is lent out again and again.

use ebb_abi::layout::SEGMENTS;
use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};

const PAGES: usize = 384;
const WORDS: usize = 512;

thread_local! {
    static SPARE: RefCell<Vec<&'static [AtomicU64]>> = const { RefCell::new(Vec::new()) };
}

/// A range of `vm`'s own memory.
pub struct Own(&'static [AtomicU64]);

impl Own {
    /// One that nobody uses, with whatever was left in it.
    pub fn take() -> Own {
        let spare = SPARE.with(|s| s.borrow_mut().pop());
        Own(spare.unwrap_or_else(|| {
            let cells: Vec<AtomicU64> = (0..PAGES * WORDS).map(|_| AtomicU64::new(0)).collect();
            cells.leak()
        }))
    }

    /// The words of some pages.
    pub fn words(&self, address: u64, pages: u64) -> Option<&'static [AtomicU64]> {
        let first = usize::try_from(address.checked_sub(SEGMENTS)? / 8).ok()?;
        self.0.get(first..first + pages as usize * WORDS)
    }

    /// Zeroes a page.
    pub fn zero(&self, address: u64) {
        for cell in self.words(address, 1).into_iter().flatten() {
            cell.store(0, Ordering::Relaxed);
        }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // At the end of a thread there may be no list any more; then this range stays unused.
        let _ = SPARE.try_with(|s| s.borrow_mut().push(self.0));
    }
}
