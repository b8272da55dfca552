// SPDX-License-Identifier: BSD-2-Clause
//! The record of one slot: one word, so that it is written whole or not at all, wherever the pager is killed.
//!
//! | bits | what |
//! |---|---|
//! | 0..22 | object |
//! | 22..54 | page index |
//! | 54..56 | version of the copy, modulo 4 |
//! | 56..58 | state |
//! | 58..64 | check |
//!
//! The check is `1 + (payload + slot) mod 63`. Since 2^6 = 1 modulo 63 no single flipped bit keeps it, a record found at another slot is
//! noticed, and neither an erased word (all zeroes) nor one of all ones is ever valid. Of arbitrary garbage one word in about 64 passes.

/// Objects have numbers below this.
pub const MAX_OBJECTS: u64 = 1 << 22;
/// Pages of an object have indexes below this: 16 TiB of memory in one object.
pub const MAX_INDEX: u64 = 1 << 32;

const INDEX: u32 = 22;
const VERSION: u32 = 54;
const STATE: u32 = 56;
const CHECK: u32 = 58;

/// Which page: an object and an index in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Key {
    /// The object's number, below [`MAX_OBJECTS`].
    pub object: u32,
    /// The page's index in the object.
    pub index: u32,
}

/// What a slot holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Record {
    /// Nothing.
    Free,
    /// A copy of a page is being written; nobody may rely on it.
    Pending(Key),
    /// The copy of a page. Of two, that with the next version (modulo 4) is the newer one.
    Committed(Key, u8),
    /// Set aside: writing to it failed, or its record was damaged.
    Bad,
}

/// The state that a word speaks of, unchecked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Nothing.
    Free,
    /// A copy, whole or not.
    Taken,
    /// Set aside.
    Bad,
}

impl State {
    /// Of a word.
    #[inline]
    pub fn of(word: u64) -> State {
        match word >> STATE & 3 {
            0 => State::Free,
            3 => State::Bad,
            _ => State::Taken,
        }
    }
}

impl Record {
    /// The word for this slot.
    pub fn pack(self, slot: u32) -> u64 {
        let of = |key: Key| key.object as u64 & (MAX_OBJECTS - 1) | (key.index as u64) << INDEX;
        let payload = match self {
            Record::Free => 0,
            Record::Pending(key) => of(key) | 1 << STATE,
            Record::Committed(key, version) => of(key) | (version as u64 & 3) << VERSION | 2 << STATE,
            Record::Bad => 3 << STATE,
        };
        payload | check(payload, slot) << CHECK
    }

    /// What the word of this slot says; `None` if it is damaged.
    pub fn unpack(word: u64, slot: u32) -> Option<Record> {
        let payload = word & ((1 << CHECK) - 1);
        if word >> CHECK != check(payload, slot) {
            return None;
        }
        let key = Key { object: (payload & (MAX_OBJECTS - 1)) as u32, index: (payload >> INDEX) as u32 };
        match payload >> STATE {
            0 if payload == 0 => Some(Record::Free),
            1 => Some(Record::Pending(key)),
            2 => Some(Record::Committed(key, (payload >> VERSION) as u8 & 3)),
            3 if payload == 3 << STATE => Some(Record::Bad),
            _ => None,
        }
    }
}

fn check(payload: u64, slot: u32) -> u64 {
    1 + (payload + slot as u64) % 63
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record() -> impl Strategy<Value = Record> {
        let key = (0..MAX_OBJECTS as u32, any::<u32>()).prop_map(|(object, index)| Key { object, index });
        prop_oneof![
            Just(Record::Free),
            Just(Record::Bad),
            key.clone().prop_map(Record::Pending),
            (key, 0u8..4).prop_map(|(key, version)| Record::Committed(key, version)),
        ]
    }

    proptest! {
        #[test]
        fn records_survive_packing(r in record(), slot: u32) {
            prop_assert_eq!(Record::unpack(r.pack(slot), slot), Some(r));
        }

        #[test]
        fn every_flipped_bit_is_noticed(r in record(), slot: u32) {
            for bit in 0..64 {
                prop_assert_eq!(Record::unpack(r.pack(slot) ^ 1 << bit, slot), None);
            }
        }

        #[test]
        fn a_record_of_a_near_slot_is_noticed(r in record(), slot in 0u32..u32::MAX - 62, by in 1u32..63) {
            prop_assert_eq!(Record::unpack(r.pack(slot), slot + by), None);
        }

        #[test]
        fn erased_words_are_never_valid(slot: u32) {
            prop_assert_eq!(Record::unpack(0, slot), None);
            prop_assert_eq!(Record::unpack(u64::MAX, slot), None);
        }
    }

    #[test]
    fn of_random_words_hardly_any_passes() {
        let mut x = 0x9e37_79b9_7f4a_7c15u64;
        let passed = (0..100_000u32)
            .filter(|slot| {
                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
                Record::unpack(x, *slot).is_some()
            })
            .count();
        assert!(passed < 100_000 / 63, "{passed}");
    }
}
