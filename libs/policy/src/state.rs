// SPDX-License-Identifier: BSD-2-Clause
//! What an order knows, as records: for a successor of the same kind, so that a restart forgets nothing.
//!
//! A record is two words: what it is about, in the lowest byte of the first, and the rest. Records are restored in the order in which they were
//! saved, into an order that was made with as many frames and holds nothing. They speak of the pages that were held: who restores takes away
//! those that have gone since, and gives those that have come.

/// Two words.
pub type Record = [u64; 2];

/// A record that no order of this kind and size can have saved. The order may have taken up what came before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadRecord(pub Record);

/// What a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// A page held: three bytes of detail (list and bits, or flags), its frame and what else is known.
    Page = 1,
    /// A page that is gone.
    Ghost = 2,
    /// A number of the order's own, by its place among them.
    Number = 3,
    /// Four counts of a row.
    Counts = 4,
}

impl About {
    /// A record with detail (below 2^24), an upper half and a word.
    #[must_use]
    pub fn record(self, detail: u32, upper: u32, word: u64) -> Record {
        [self as u64 | u64::from(detail & 0xff_ffff) << 8 | u64::from(upper) << 32, word]
    }

    /// What a record is about, its detail and its upper half.
    ///
    /// # Errors
    /// It is about nothing known.
    pub fn of(record: Record) -> Result<(Self, u32, u32), BadRecord> {
        let about = match record[0] as u8 {
            1 => Self::Page,
            2 => Self::Ghost,
            3 => Self::Number,
            4 => Self::Counts,
            _ => return Err(BadRecord(record)),
        };
        Ok((about, (record[0] >> 8) as u32 & 0xff_ffff, (record[0] >> 32) as u32))
    }
}

/// Tells an order's own numbers, in order.
pub fn save_numbers<const N: usize>(numbers: [u64; N], tell: &mut dyn FnMut(Record)) {
    for (at, number) in (0..).zip(numbers) {
        tell(About::Number.record(at, 0, number));
    }
}

/// A number within bounds: below `end`.
///
/// # Errors
/// It is not.
pub fn below(record: Record, end: u64) -> Result<u32, BadRecord> {
    u32::try_from(record[1]).ok().filter(|n| u64::from(*n) < end).ok_or(BadRecord(record))
}

/// A number that may have any value of 32 bits.
///
/// # Errors
/// It is greater.
pub fn any(record: Record) -> Result<u32, BadRecord> {
    below(record, 1 << 32)
}
