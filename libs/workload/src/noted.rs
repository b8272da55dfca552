// SPDX-License-Identifier: BSD-2-Clause
//! A trace from notes of references: pages by any number become 0, 1, 2, … in the order of their first reference, as [`crate::trace`] reads them, with a bit a
//! reference that says whether it wrote.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Most references: their numbers have 32 bits.
pub const MAX_REFERENCES: u64 = u32::MAX as u64 - 1;

/// What was noted so far.
#[derive(Clone, Debug, Default)]
pub struct Noted {
    /// Each page's number, and its last reference.
    pages: BTreeMap<u64, (u32, u64)>,
    dirty: Vec<u8>,
    references: u64,
    writes: u64,
}

impl Noted {
    /// A reference to a page. Returns the page's number, for the trace; `None`: there are [`MAX_REFERENCES`].
    pub fn reference(&mut self, page: u64, write: bool) -> Option<u32> {
        if self.references >= MAX_REFERENCES {
            return None;
        }
        let (next, reference) = (self.pages.len() as u32, self.references);
        let entry = self.pages.entry(page).or_insert((next, reference));
        entry.1 = reference;
        let number = entry.0;
        self.references += 1;
        if self.references > self.dirty.len() as u64 * 8 {
            self.dirty.push(0);
        }
        if write {
            self.mark(reference);
        }
        Some(number)
    }

    /// The page of an earlier reference was written. One that was never referenced is passed over.
    pub fn written(&mut self, page: u64) {
        if let Some((_, reference)) = self.pages.get(&page).copied() {
            self.mark(reference);
        }
    }

    fn mark(&mut self, reference: u64) {
        if let Some(byte) = self.dirty.get_mut((reference / 8) as usize) {
            let bit = 1 << (reference % 8);
            self.writes += u64::from(*byte & bit == 0);
            *byte |= bit;
        }
    }

    /// Bit `n % 8` of byte `n / 8`: reference `n` wrote.
    pub fn dirty(&self) -> &[u8] {
        &self.dirty
    }

    /// References, and those that wrote.
    pub fn references(&self) -> (u64, u64) {
        (self.references, self.writes)
    }

    /// Different pages.
    pub fn pages(&self) -> u64 {
        self.pages.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_numbered_as_they_come_and_writes_are_their_last_references() {
        let mut noted = Noted::default();
        let numbers: Vec<_> = [(900, false), (7, true), (900, false), (3, false)]
            .into_iter()
            .map(|(page, write)| noted.reference(page, write))
            .collect();
        assert_eq!(numbers, [Some(0), Some(1), Some(0), Some(2)]);
        noted.written(900);
        noted.written(900);
        noted.written(12345);
        assert_eq!(noted.dirty(), [0b0110]);
        assert_eq!((noted.references(), noted.pages()), ((4, 2), 3));
    }

    #[test]
    fn there_is_a_bit_for_each_reference_and_no_byte_more() {
        let mut noted = Noted::default();
        for n in 0..17 {
            assert_eq!(noted.dirty().len(), usize::div_ceil(n, 8));
            noted.reference(1, n == 16);
        }
        assert_eq!(noted.dirty(), [0, 0, 1]);
    }
}
