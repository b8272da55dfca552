// SPDX-License-Identifier: BSD-2-Clause
//! The order of lines: the keys one after the other, and at last the whole line.

use super::key::Key;
use alloc::vec::Vec;
use core::cmp::Ordering;

/// The order. There is at least one key.
pub struct Order {
    /// The first key, which [`Order::prefix`] is of.
    pub first: Key,
    /// Further keys.
    pub more: Vec<Key>,
    /// `-t`.
    pub separator: Option<u8>,
    /// Lines with equal keys are compared as a whole.
    pub last_resort: bool,
    /// `-r` for that comparison.
    pub reverse: bool,
}

impl Order {
    /// Compares the keys only.
    pub fn compare_keys(&self, a: &[u8], b: &[u8]) -> Ordering {
        let by = |key: &Key| key.compare(key.of(a, self.separator), key.of(b, self.separator));
        let mut order = by(&self.first);
        let mut rest = self.more.iter();
        while order == Ordering::Equal
            && let Some(key) = rest.next()
        {
            order = by(key);
        }
        order
    }

    /// Compares two lines, without their delimiters.
    pub fn compare(&self, a: &[u8], b: &[u8]) -> Ordering {
        let order = self.compare_keys(a, b);
        if order != Ordering::Equal || !self.last_resort {
            return order;
        }
        if self.reverse { b.cmp(a) } else { a.cmp(b) }
    }

    /// See [`Key::prefix`].
    pub fn prefix(&self, line: &[u8], skip: usize) -> u64 {
        self.first.prefix(self.first.of(line, self.separator), skip)
    }

    /// How many bytes the first keys of two lines have in common.
    pub fn common(&self, a: &[u8], b: &[u8]) -> usize {
        self.first.common(self.first.of(a, self.separator), self.first.of(b, self.separator))
    }
}
