// SPDX-License-Identifier: BSD-2-Clause
//! One page at a time: filled with one word, compressed, or neither.

use crate::chunk::store;
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};
use ebb_swap::PageBytes;
use lz4_flex::block::{CompressTable, compress_into_with_table, decompress_into, get_maximum_output_size};

/// Most bytes that a compressed page may have.
pub const MOST: usize = 3 * 4096 / 4;
const SUM_BITS: u32 = 22;

/// What became of a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pressed {
    /// It is this word throughout.
    Filled(u64),
    /// It is compressed, to so many bytes.
    Packed(usize),
    /// It does not become small enough.
    Poor,
}

/// The compressor, and room for a page on both sides of it.
pub struct Press {
    /// A page.
    pub page: Box<PageBytes>,
    packed: Vec<u8>,
    table: CompressTable,
}

impl Default for Press {
    fn default() -> Self {
        let packed = vec![0; get_maximum_output_size(4096)];
        Press { page: Box::new([0; 4096]), packed, table: CompressTable::small() }
    }
}

impl Press {
    /// Compresses the page.
    pub fn press(&mut self) -> Pressed {
        if let Some(word) = filled(&self.page) {
            return Pressed::Filled(word);
        }
        match compress_into_with_table(&self.page[..], &mut self.packed, &mut self.table) {
            Ok(bytes) if bytes <= MOST => Pressed::Packed(bytes),
            _ => Pressed::Poor,
        }
    }

    /// Writes the compressed bytes to durable words, and returns their sum.
    pub fn save(&mut self, bytes: usize, cells: &[AtomicU64]) -> u32 {
        if let Some(rest) = self.packed.get_mut(bytes..bytes.next_multiple_of(8)) {
            rest.fill(0);
        }
        let mut sum = bytes as u64;
        for (chunk, cell) in self.packed.chunks_exact(8).zip(cells) {
            let word = word_of(chunk);
            store(cell, word);
            sum = add(sum, word);
        }
        fold(sum)
    }

    /// The other way: reads so many compressed bytes, and makes the page of them. `false`: they are not what was saved.
    pub fn restore(&mut self, bytes: usize, cells: &[AtomicU64], sum: u32) -> bool {
        let mut found = bytes as u64;
        for (chunk, cell) in self.packed.chunks_exact_mut(8).zip(cells) {
            let word = cell.load(Ordering::Relaxed);
            chunk.copy_from_slice(&word.to_le_bytes());
            found = add(found, word);
        }
        let Some(packed) = self.packed.get(..bytes) else { return false };
        fold(found) == sum
            && decompress_into(packed, &mut self.page[..]).is_ok_and(|bytes| bytes == self.page.len())
    }

    /// Fills the page with a word.
    pub fn fill(&mut self, word: u64) {
        self.page.chunks_exact_mut(8).for_each(|chunk| chunk.copy_from_slice(&word.to_le_bytes()));
    }
}

fn word_of(chunk: &[u8]) -> u64 {
    chunk.try_into().map_or(0, u64::from_le_bytes)
}

/// The word that a page consists of.
fn filled(page: &PageBytes) -> Option<u64> {
    let (first, rest) = page.split_at(8);
    let same = rest.chunks_exact(8).all(|chunk| chunk == first);
    same.then(|| word_of(first))
}

fn add(sum: u64, word: u64) -> u64 {
    (sum.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn fold(sum: u64) -> u32 {
    (sum >> (64 - SUM_BITS)) as u32
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    fn cells() -> Vec<AtomicU64> {
        (0..MOST / 8).map(|_| AtomicU64::new(u64::MAX)).collect()
    }

    fn page() -> impl Strategy<Value = Vec<u8>> {
        let random = proptest::collection::vec(any::<u8>(), 4096);
        let few = proptest::collection::vec(0u8..3, 4096);
        let runs = proptest::collection::vec((any::<u8>(), 1usize..700), 6..40).prop_map(|runs| {
            let mut bytes: Vec<u8> = runs.into_iter().flat_map(|(b, n)| std::iter::repeat_n(b, n)).collect();
            bytes.resize(4096, 7);
            bytes
        });
        let same = any::<u64>().prop_map(|w| w.to_le_bytes().repeat(512));
        prop_oneof![random, few, runs, same]
    }

    proptest! {
        #[test]
        fn what_is_pressed_comes_back(bytes in page()) {
            let mut press = Press::default();
            press.page.copy_from_slice(&bytes);
            let cells = cells();
            match press.press() {
                Pressed::Filled(word) => {
                    press.page.fill(0x5a);
                    press.fill(word);
                }
                Pressed::Packed(len) => {
                    prop_assert!(len <= MOST);
                    let words = len.div_ceil(8);
                    let sum = press.save(len, &cells[..words]);
                    press.page.fill(0x5a);
                    press.packed.fill(0x5a);
                    prop_assert!(press.restore(len, &cells[..words], sum));
                }
                Pressed::Poor => return Ok(()),
            }
            prop_assert_eq!(&press.page[..], &bytes[..]);
        }

        /// Damaged bytes are noticed, by the sum, whatever the decompressor would make of them.
        #[test]
        fn damage_is_noticed(bit in 0usize..64) {
            let mut press = Press::default();
            (0..4096).for_each(|n| press.page[n] = (n / 37) as u8);
            let cells = cells();
            let Pressed::Packed(len) = press.press() else { panic!("it is compressible") };
            let words = len.div_ceil(8);
            let sum = press.save(len, &cells[..words]);
            cells[bit % words].fetch_xor(1 << bit, Ordering::Relaxed);
            prop_assert!(!press.restore(len, &cells[..words], sum));
        }
    }

    #[test]
    fn what_is_random_is_poor() {
        let mut press = Press::default();
        let mut x = 1u64;
        for chunk in press.page.chunks_exact_mut(8) {
            x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            chunk.copy_from_slice(&(x ^ x >> 33).to_le_bytes());
        }
        assert_eq!(press.press(), Pressed::Poor);
        press.page.fill(0);
        assert_eq!(press.press(), Pressed::Filled(0));
    }
}
