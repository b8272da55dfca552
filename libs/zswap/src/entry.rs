// SPDX-License-Identifier: BSD-2-Clause
//! What is kept for one slot: two durable words. The first makes the entry valid; it is written last and taken away first.
//!
//! | word | bits | what |
//! |---|---|---|
//! | 0 | 0..32 | slot |
//! | | 32..40 | disk |
//! | | 40..42 | 1: filled with one word, 2: compressed |
//! | | 42..64 | check of both words and of the entry's number |
//! | 1, filled | | the word |
//! | 1, compressed | 0..22 | span |
//! | | 22..30 | object in the span |
//! | | 30..42 | bytes |
//! | | 42..64 | sum of the bytes |

use ebb_swap::Spot;

const CHECK: u32 = 42;
/// In the place of a kind, and without a check: no entry.
const MARK: u64 = 3;
const LOW_22: u64 = (1 << 22) - 1;

/// Where compressed bytes lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packed {
    /// The span.
    pub span: u32,
    /// The object in it.
    pub object: u8,
    /// Bytes.
    pub bytes: u16,
    /// Their sum, 22 bits.
    pub sum: u32,
}

/// The contents of a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Contents {
    /// This word throughout.
    Filled(u64),
    /// Compressed.
    Packed(Packed),
}

/// The entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Whose.
    pub at: Spot,
    /// What.
    pub contents: Contents,
}

impl Entry {
    /// The words of the entry with this number.
    pub fn pack(&self, number: u32) -> [u64; 2] {
        let (kind, second) = match self.contents {
            Contents::Filled(word) => (1, word),
            Contents::Packed(p) => (
                2,
                p.span as u64 & LOW_22
                    | (p.object as u64) << 22
                    | (p.bytes as u64 & 0xfff) << 30
                    | (p.sum as u64 & LOW_22) << 42,
            ),
        };
        let payload = self.at.slot as u64 | (self.at.disk as u64) << 32 | kind << 40;
        [payload | check(payload, second, number) << CHECK, second]
    }

    /// What the words say; `None`: nothing that was ever written there.
    pub fn unpack(words: [u64; 2], number: u32) -> Option<Entry> {
        let payload = words[0] & ((1 << CHECK) - 1);
        if words[0] >> CHECK != check(payload, words[1], number) {
            return None;
        }
        let contents = match payload >> 40 {
            1 => Contents::Filled(words[1]),
            2 => Contents::Packed(Packed {
                span: (words[1] & LOW_22) as u32,
                object: (words[1] >> 22) as u8,
                bytes: (words[1] >> 30 & 0xfff) as u16,
                sum: (words[1] >> 42) as u32,
            }),
            _ => return None,
        };
        Some(Entry { at: Spot { disk: (payload >> 32) as u8, slot: payload as u32 }, contents })
    }
}

/// The first word of an entry that only marks a slot: it holds nothing, but writing to the slot is under way.
pub fn mark(at: Spot) -> u64 {
    at.slot as u64 | (at.disk as u64) << 32 | MARK << 40
}

/// Whether a first word is such a mark.
pub fn is_mark(word: u64) -> bool {
    word >> 40 == MARK
}

fn check(payload: u64, second: u64, number: u32) -> u64 {
    let mut h = payload ^ (number as u64) << 42;
    for word in [second, 0x5eed] {
        h = (h ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        h ^= h >> 31;
    }
    h & LOW_22
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry() -> impl Strategy<Value = Entry> {
        let packed = (0..1u32 << 22, any::<u8>(), 0u16..4096, 0..1u32 << 22);
        let contents = prop_oneof![
            any::<u64>().prop_map(Contents::Filled),
            packed.prop_map(|(span, object, bytes, sum)| Contents::Packed(Packed {
                span,
                object,
                bytes,
                sum
            })),
        ];
        (any::<u8>(), any::<u32>(), contents)
            .prop_map(|(disk, slot, contents)| Entry { at: Spot { disk, slot }, contents })
    }

    proptest! {
        #[test]
        fn entries_survive_packing(e in entry(), number: u32) {
            prop_assert_eq!(Entry::unpack(e.pack(number), number), Some(e));
        }

        /// A first word with another entry's second word, as a kill between the two could leave it, is no entry.
        #[test]
        fn mixed_words_are_none(a in entry(), b in entry(), number in 0u32..1 << 20) {
            let (a, b) = (a.pack(number), b.pack(number));
            prop_assume!(a[1] != b[1]);
            prop_assert_eq!(Entry::unpack([a[0], b[1]], number), None);
        }

        #[test]
        fn every_flipped_bit_is_noticed(e in entry(), bit in 0u32..128) {
            let mut words = e.pack(7);
            words[bit as usize / 64] ^= 1 << (bit % 64);
            prop_assert_eq!(Entry::unpack(words, 7), None);
        }
    }

    #[test]
    fn nothing_is_no_entry() {
        assert_eq!(Entry::unpack([0, 0], 0), None);
        assert_eq!(Entry::unpack([u64::MAX; 2], 0), None);
    }
}
