// SPDX-License-Identifier: BSD-2-Clause
//! Days and times of the Gregorian calendar, in UTC.

use core::fmt::{self, Display, Formatter};

/// A moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Date {
    /// Year.
    pub year: i64,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// Hour, minute, second.
    pub time: (u8, u8, u8),
    /// Microseconds.
    pub us: u32,
}

const DAY: u64 = 86_400;

impl Date {
    /// Of microseconds since 1970.
    pub fn of_us(us: u64) -> Date {
        let seconds = us / 1_000_000;
        let (days, second) = (seconds / DAY, seconds % DAY);
        // Years that begin in March have the leap day at their end: days since 1 March of the year 0, in cycles of 400 years.
        let shifted = days + 719_468;
        let (era, of_era) = (shifted / 146_097, shifted % 146_097);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let year = (year_of_era + era * 400) as i64 + i64::from(month <= 2);
        Date {
            year,
            month: month as u8,
            day: day as u8,
            time: ((second / 3600) as u8, (second / 60 % 60) as u8, (second % 60) as u8),
            us: (us % 1_000_000) as u32,
        }
    }

    /// Microseconds since 1970; `None`: no such day or time, or before 1970.
    pub fn us(&self) -> Option<u64> {
        let leap = self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0);
        let lengths = [31, 28 + u8::from(leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let length = *lengths.get(usize::from(self.month).checked_sub(1)?)?;
        let (hour, minute, second) = self.time;
        if !(1970..10_000).contains(&self.year)
            || self.day == 0
            || self.day > length
            || hour > 23
            || minute > 59
            || second > 60
        {
            return None;
        }
        let year = self.year as u64;
        let leap_days = |years: u64| years / 4 - years / 100 + years / 400;
        let before = (year - 1970) * 365 + leap_days(year - 1) - leap_days(1969);
        let of_year: u64 = lengths.iter().take(usize::from(self.month) - 1).map(|l| u64::from(*l)).sum();
        let days = before + of_year + u64::from(self.day) - 1;
        let seconds = days * DAY + u64::from(hour) * 3600 + u64::from(minute) * 60 + u64::from(second);
        Some(seconds * 1_000_000 + u64::from(self.us))
    }

    /// `Jan` to `Dec`.
    pub fn month_name(&self) -> &'static str {
        const NAMES: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        usize::from(self.month).checked_sub(1).and_then(|m| NAMES.get(m)).copied().unwrap_or("???")
    }

    /// `@SECONDS`, or `YYYY-MM-DD`, with ` HH:MM` or `THH:MM` and `:SS` if wanted, and a `Z`.
    pub fn parse(text: &str) -> Option<u64> {
        if let Some(seconds) = text.strip_prefix('@') {
            return crate::number::seconds(seconds);
        }
        let text = text.strip_suffix('Z').unwrap_or(text);
        let (day, time) = text.split_once([' ', 'T']).unwrap_or((text, "0:0"));
        let number = |part: &str| crate::number::digits(part);
        let small = |part: &str| number(part).and_then(|n| u8::try_from(n).ok());
        let mut parts = day.split('-');
        let (year, month, day) = (number(parts.next()?)?, small(parts.next()?)?, small(parts.next()?)?);
        let mut times = time.split(':');
        let (hour, minute) = (small(times.next()?)?, small(times.next()?)?);
        let second = times.next().map_or(Some(0), small)?;
        if parts.next().is_some() || times.next().is_some() {
            return None;
        }
        Date { year: i64::try_from(year).ok()?, month, day, time: (hour, minute, second), us: 0 }.us()
    }
}

/// `2026-11-21 05:39:21.000000 +0000`.
impl Display for Date {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (hour, minute, second) = self.time;
        write!(f, "{:04}-{:02}-{:02} ", self.year, self.month, self.day)?;
        write!(f, "{hour:02}:{minute:02}:{second:02}.{:06}000 +0000", self.us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn days() {
        let at = |us| alloc::format!("{}", Date::of_us(us));
        assert_eq!(at(0), "1970-01-01 00:00:00.000000000 +0000");
        assert_eq!(at(951_782_400_000_000), "2000-02-29 00:00:00.000000000 +0000");
        assert_eq!(at(1_795_239_561_000_001), "2026-11-21 05:39:21.000001000 +0000");
        assert_eq!(Date::parse("2026-11-21 05:39:21"), Some(1_795_239_561_000_000));
        assert_eq!(Date::parse("2026-11-21T05:39"), Some(1_795_239_540_000_000));
        assert_eq!(Date::parse("@1.5"), Some(1_500_000));
        for bad in ["", "2025-02-29", "2026-13-01", "2026-1", "1969-12-31", "2026-11-21 24:00", "x"] {
            assert_eq!(Date::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn there_and_back(us in 0u64..250_000_000_000_000_000) {
            prop_assert_eq!(Date::of_us(us).us(), Some(us));
        }
    }
}
