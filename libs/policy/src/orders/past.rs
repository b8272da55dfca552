// SPDX-License-Identifier: BSD-2-Clause
//! What `hit_density` knows of a page, in four bytes: when it was used last, the last two intervals between its uses, their average, their number.
//!
//! Time is counted in quanta, of which [`QUANTA`] pass while as many pages come as memory holds. Intervals are kept as classes, each twice as
//! long as the one below: 6 is the time in which memory is replaced.

/// Quanta in which memory is replaced once.
pub const QUANTA: u32 = 64;
/// Age in quanta from which on a page counts as never used again.
pub const LONG: u16 = 3 * QUANTA as u16;
/// Bins of ages: two quanta each up to the time in which memory is replaced, then eight.
pub const AGES: usize = 48;
/// Never used again: the bin behind the last.
pub const NEVER: usize = AGES;
/// Kinds of pages: by the last two intervals, and from [`BY_AVERAGE`] on by the average and the number of uses.
pub const KINDS: usize = 2 * 9 * FAMILY;
/// Kinds in a family, those that differ in what says less.
pub const FAMILY: usize = 16;

/// Slots in a table of ranks.
pub const SLOTS: usize = 2 * AGES + 1;

const BY_AVERAGE: u16 = 9 * FAMILY as u16;
/// Quanta are counted up to here.
const CLOCK: u16 = (1 << 12) - 1;
/// Uses are counted up to here.
const MOST_USES: u32 = 15;

/// The bin of each age below [`LONG`].
const BINS: [u8; LONG as usize] = {
    let mut bins = [0; LONG as usize];
    let mut age = 0;
    while age < bins.len() {
        bins[age] = if age < 64 { age / 2 } else { 32 + (age - 64) / 8 } as u8;
        age += 1;
    }
    bins
};

/// The bin of an age.
pub fn bin_of(age: u16) -> usize {
    BINS.get(usize::from(age)).map_or(NEVER, |bin| usize::from(*bin))
}

/// The slot of an age in a table of ranks: two to a bin, and one for never.
pub fn slot_of(age: u16) -> usize {
    usize::from(if age < 64 { age } else { age.min(LONG) / 4 + 48 })
}

/// How long a bin lasts, against the shortest.
pub fn width(bin: usize) -> u64 {
    if bin < 32 { 1 } else { 4 }
}

/// The class of an interval, 1 to 8: the nearest power of two.
fn class_of(interval: u16) -> u8 {
    match interval {
        0..=2 => 1,
        3..=5 => 2,
        6..=11 => 3,
        12..=22 => 4,
        23..=45 => 5,
        46..=90 => 6,
        91..=181 => 7,
        _ => 8,
    }
}

/// What is known of a page, from bit 0: the quantum of its last use, the classes of its last interval and of the one before (0: there was none), the average
/// of the classes in sixteenths, its uses. All 0: nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Past(pub u32);

impl Past {
    /// A page that was never seen before.
    pub fn new(now: u16) -> Self {
        Self(1 << 28 | u32::from(now & CLOCK))
    }

    /// Whether there is such a page.
    pub fn is_known(self) -> bool {
        self.0 >> 28 != 0
    }

    /// Quanta since its last use.
    pub fn age(self, now: u16) -> u16 {
        now.wrapping_sub(self.0 as u16) & CLOCK
    }

    /// The class of the last interval.
    fn interval(self) -> u8 {
        (self.0 >> 12) as u8 & 15
    }

    fn average(self) -> u8 {
        (self.0 >> 20) as u8
    }

    /// The two kinds it is of. A page of which the records of another say what cannot be is of some kind too.
    pub fn kinds(self) -> [u16; 2] {
        let intervals = (self.0 >> 12) as u8;
        let (last, before) = (u16::from(intervals & 15), u16::from(intervals >> 4));
        let average = (u16::from(self.average()) + 8) >> 4;
        let uses = (self.0 >> 28) as u16;
        [last.min(8) << 4 | before, BY_AVERAGE + (average.min(8) << 4 | uses)]
    }

    /// The same with its last use so many quanta ago.
    pub fn aged(self, age: u16, now: u16) -> Self {
        Self(self.0 & !u32::from(CLOCK) | u32::from(now.wrapping_sub(age) & CLOCK))
    }

    /// After one more use, so many quanta ago, which is not before the last.
    pub fn used(self, ago: u16, now: u16) -> Self {
        let age = self.age(now);
        let ago = ago.min(age);
        let class = class_of(age - ago);
        let average = if self.interval() == 0 {
            class * 16
        } else {
            let (old, new) = (i16::from(self.average()), i16::from(class) * 16);
            (old + (new - old) / 4) as u8
        };
        let uses = (self.0 >> 28).saturating_add(1).min(MOST_USES);
        let word =
            uses << 28 | u32::from(average) << 20 | u32::from(self.interval()) << 16 | u32::from(class) << 12;
        Self(word).aged(ago, now)
    }
}
