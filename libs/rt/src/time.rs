// SPDX-License-Identifier: BSD-2-Clause
//! The time of day, and dates.

use crate::clock;
pub use core::time::Duration;

/// Microseconds since 1970; since the machine's start, if nobody knew the time then.
pub fn now_us() -> u64 {
    crate::start::info().map_or(0, |i| i.epoch_us) + clock::now_us()
}

/// A moment that only this machine knows: for how long something takes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Instant(u64);

impl Instant {
    /// Now.
    pub fn now() -> Instant {
        Instant(clock::now_us())
    }

    /// What has passed since, in whole microseconds.
    pub fn elapsed(self) -> Duration {
        Instant::now().since(self)
    }

    /// What had passed since an earlier one; nothing, if it was later.
    pub fn since(self, earlier: Instant) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

/// A moment in UTC, as people write it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Date {
    /// Year.
    pub year: u64,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
}

impl Date {
    /// The date of a moment in microseconds since 1970. By H. Hinnant, "chrono-compatible low-level date algorithms".
    pub fn of(us: u64) -> Date {
        let seconds = us / 1_000_000;
        let days = seconds / 86_400 + 719_468;
        let (era, day) = (days / 146_097, days % 146_097);
        let year_of_era = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        // Months counted from March, so that the day that comes every four years is the last.
        let from_march = (5 * day_of_year + 2) / 153;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        Date {
            year: year_of_era + era * 400 + (month <= 2) as u64,
            month: month as u8,
            day: (day_of_year - (153 * from_march + 2) / 5 + 1) as u8,
            hour: (seconds / 3600 % 24) as u8,
            minute: (seconds / 60 % 60) as u8,
            second: (seconds % 60) as u8,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        for (seconds, year, month, day, hour, minute, second) in [
            (0, 1970, 1, 1, 0, 0, 0),
            (951_782_399, 2000, 2, 28, 23, 59, 59),
            (951_782_400, 2000, 2, 29, 0, 0, 0),
            (951_868_800, 2000, 3, 1, 0, 0, 0),
            (1_700_000_000, 2023, 11, 14, 22, 13, 20),
            (4_107_542_400, 2100, 3, 1, 0, 0, 0),
        ] {
            assert_eq!(Date::of(seconds * 1_000_000), Date { year, month, day, hour, minute, second });
        }
    }
}
