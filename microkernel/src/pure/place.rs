// SPDX-License-Identifier: BSD-2-Clause
//! Packed words of the reverse map: where a page-table entry is, and what a page table belongs to.

/// An entry of a leaf page table: the frame of the table and the index in it. 0 as a packed word: none (frame 0 is
/// never a page table).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// Frame of the leaf page table.
    pub table: u32,
    /// Index of the entry, below 512.
    pub index: u32,
}

impl Place {
    /// One word.
    #[inline(always)]
    pub const fn pack(self) -> u64 {
        ((self.table as u64) << 9) | self.index as u64
    }

    /// The place in this word, `None` for 0.
    #[inline(always)]
    pub const fn unpack(word: u64) -> Option<Place> {
        if word == 0 { None } else { Some(Place { table: (word >> 9) as u32, index: (word & 511) as u32 }) }
    }
}

/// Two 32-bit numbers in one word: a leaf page table's record holds its task's frame and its reverse map's frame, the
/// reverse map's record the table's frame and its base address in units of 2 MiB (26 bits).
#[inline(always)]
pub const fn pair(low: u32, high: u32) -> u64 {
    low as u64 | ((high as u64) << 32)
}

/// The two numbers of [`pair`].
#[inline(always)]
pub const fn unpair(word: u64) -> (u32, u32) {
    (word as u32, (word >> 32) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_loses_nothing() {
        for table in [1, 2, 0xffff, 0xff_ffff, u32::MAX] {
            for index in [0, 1, 255, 511] {
                let place = Place { table, index };
                assert_eq!(Place::unpack(place.pack()), Some(place));
                assert_eq!(unpair(pair(table, index)), (table, index));
            }
        }
        assert_eq!(Place::unpack(0), None);
    }
}
