// SPDX-License-Identifier: BSD-2-Clause
//! The PC's real-time clock (MC146818 and its successors): registers to seconds since 1970. The clock counts in universal time, as QEMU's does.
//!
//! Pure: whoever has the ports passes a function that reads a register.
#![no_std]
#![forbid(unsafe_code)]

/// Port that selects a register.
pub const SELECT: u16 = 0x70;
/// Port through which the selected register is read.
pub const DATA: u16 = 0x71;

const SECONDS: u8 = 0x00;
const MINUTES: u8 = 0x02;
const HOURS: u8 = 0x04;
const DAY: u8 = 0x07;
const MONTH: u8 = 0x08;
const YEAR: u8 = 0x09;
const STATUS_A: u8 = 0x0a;
const STATUS_B: u8 = 0x0b;
/// Where ACPI machines, and QEMU, have the century.
const CENTURY: u8 = 0x32;

/// Status A: an update is under way, or less than 244 us away.
const UPDATING: u8 = 0x80;
/// Status B: hours count to 24. Otherwise bit 7 of the hours means the afternoon.
const HOURS_24: u8 = 0x02;
/// Status B: numbers are binary. Otherwise each digit has four bits.
const BINARY: u8 = 0x04;
const AFTERNOON: u8 = 0x80;

/// Reads of status A while an update is under way: it takes at most 2 ms, and a read about 1 us.
const PATIENCE: u32 = 20_000;
/// Readings until two agree. They differ only if a second passed between them.
const READINGS: u32 = 8;

/// What the registers say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Registers {
    /// 0 to 59 (here and below: as status B says, binary or in digits).
    pub seconds: u8,
    /// 0 to 59.
    pub minutes: u8,
    /// 0 to 23, or 1 to 12 with bit 7 in the afternoon.
    pub hours: u8,
    /// Day of the month, from 1.
    pub day: u8,
    /// From 1.
    pub month: u8,
    /// Of the century.
    pub year: u8,
    /// 19, 20, …; a machine that has no such register says something else.
    pub century: u8,
    /// Status B.
    pub status_b: u8,
}

/// Seconds since 1970. `None`: the clock does not run, or what it says is no date.
///
/// # Errors
/// Those of `register`.
pub fn read<E>(mut register: impl FnMut(u8) -> Result<u8, E>) -> Result<Option<u64>, E> {
    let mut last = None;
    for _ in 0..READINGS {
        let mut patience = PATIENCE;
        while register(STATUS_A)? & UPDATING != 0 {
            patience -= 1;
            if patience == 0 {
                return Ok(None);
            }
        }
        let now = Registers {
            seconds: register(SECONDS)?,
            minutes: register(MINUTES)?,
            hours: register(HOURS)?,
            day: register(DAY)?,
            month: register(MONTH)?,
            year: register(YEAR)?,
            century: register(CENTURY)?,
            status_b: register(STATUS_B)?,
        };
        if last == Some(now) {
            return Ok(seconds_since_1970(&now));
        }
        last = Some(now);
    }
    Ok(None)
}

/// What the registers mean; `None`: they are no date.
pub fn seconds_since_1970(r: &Registers) -> Option<u64> {
    let binary = r.status_b & BINARY != 0;
    let number = |raw: u8| match binary {
        true => Some(raw as u64),
        false if raw & 0xf > 9 || raw >> 4 > 9 => None,
        false => Some((raw >> 4) as u64 * 10 + (raw & 0xf) as u64),
    };
    let within = |value: u64, first: u64, last: u64| (first..=last).contains(&value).then_some(value);
    let hours = if r.status_b & HOURS_24 != 0 {
        within(number(r.hours)?, 0, 23)?
    } else {
        let hour = within(number(r.hours & !AFTERNOON)?, 1, 12)? % 12;
        if r.hours & AFTERNOON != 0 { hour + 12 } else { hour }
    };
    let century = number(r.century).filter(|c| (19..=29).contains(c)).unwrap_or(20);
    let year = century * 100 + within(number(r.year)?, 0, 99)?;
    let month = within(number(r.month)?, 1, 12)?;
    let day = within(number(r.day)?, 1, days_in(year, month))?;
    let minutes = within(number(r.minutes)?, 0, 59)?;
    let seconds = within(number(r.seconds)?, 0, 59)?;
    Some(days_since_1970(year, month, day)? * 86_400 + hours * 3600 + minutes * 60 + seconds)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_in(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// `None`: before 1970.
fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    let years = year.checked_sub(1970)?;
    // Leap days of all years before this one, from the year 1 on.
    let leaps = |y: u64| (y - 1) / 4 - (y - 1) / 100 + (y - 1) / 400;
    let months: u64 = (1..month).map(|m| days_in(year, m)).sum();
    Some(years * 365 + leaps(year) - leaps(1970) + months + day - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 2026-11-21 05:36:07, in digits and 24 hours.
    const NOW: Registers = Registers {
        seconds: 0x07,
        minutes: 0x36,
        hours: 0x05,
        day: 0x21,
        month: 0x11,
        year: 0x26,
        century: 0x20,
        status_b: HOURS_24,
    };
    const NOW_SECONDS: u64 = 1_795_239_367;

    #[test]
    fn digits_and_binary_numbers_mean_the_same() {
        assert_eq!(seconds_since_1970(&NOW), Some(NOW_SECONDS));
        let binary = Registers {
            seconds: 7,
            minutes: 36,
            hours: 5,
            day: 21,
            month: 11,
            year: 26,
            century: 20,
            status_b: HOURS_24 | BINARY,
        };
        assert_eq!(seconds_since_1970(&binary), Some(NOW_SECONDS));
    }

    #[test]
    fn twelve_hours_begin_with_twelve() {
        let at =
            |hours| seconds_since_1970(&Registers { hours, status_b: 0, ..NOW }).map(|s| s % 86_400 / 3600);
        assert_eq!(at(0x12), Some(0));
        assert_eq!(at(0x05), Some(5));
        assert_eq!(at(0x12 | AFTERNOON), Some(12));
        assert_eq!(at(0x11 | AFTERNOON), Some(23));
        assert_eq!(at(0x13), None);
        assert_eq!(at(0x00), None);
    }

    #[test]
    fn leap_days_count() {
        let at = |century, year, month, day| {
            seconds_since_1970(&Registers {
                century,
                year,
                month,
                day,
                hours: 0,
                minutes: 0,
                seconds: 0,
                ..NOW
            })
            .map(|s| s / 86_400)
        };
        assert_eq!(at(0x19, 0x70, 0x01, 0x01), Some(0));
        assert_eq!(at(0x20, 0x00, 0x02, 0x29), Some(11_016));
        assert_eq!(at(0x20, 0x00, 0x03, 0x01), Some(11_017));
        assert_eq!(at(0x21, 0x00, 0x03, 0x01).zip(at(0x21, 0x00, 0x02, 0x28)).map(|(a, b)| a - b), Some(1));
        assert_eq!(at(0x21, 0x00, 0x02, 0x29), None);
        assert_eq!(at(0x19, 0x69, 0x12, 0x31), None);
    }

    #[test]
    fn a_machine_without_a_century_lives_in_this_one() {
        for century in [0, 0xff, 0x55] {
            assert_eq!(seconds_since_1970(&Registers { century, ..NOW }), Some(NOW_SECONDS));
        }
    }

    #[test]
    fn a_reading_is_of_one_second() {
        // Read across an update, 59 s and the next minute would be a minute wrong.
        let start = NOW_SECONDS - 36 * 60 - 7;
        let digits = |n: u64| (n / 10 * 16 + n % 10) as u8;
        for per_second in [40, 57, 100, 1000] {
            // So many reads of a register are a second.
            let mut reads = 0;
            for _ in 0..100 {
                let before = reads / per_second;
                let now = read(|register| {
                    reads += 1;
                    Ok::<u8, ()>(match register {
                        STATUS_A if reads % per_second < per_second / 10 => UPDATING,
                        STATUS_A => 0,
                        SECONDS => digits(reads / per_second % 60),
                        MINUTES => digits(reads / per_second / 60 % 60),
                        HOURS => NOW.hours,
                        DAY => NOW.day,
                        MONTH => NOW.month,
                        YEAR => NOW.year,
                        CENTURY => NOW.century,
                        _ => NOW.status_b,
                    })
                });
                let Ok(Some(now)) = now else { panic!("{per_second}: {now:?}") };
                assert!((before..=reads / per_second).contains(&(now - start)), "{per_second}: {now}");
            }
        }
    }

    #[test]
    fn a_clock_that_never_settles_is_none() {
        assert_eq!(read(|_| Ok::<u8, ()>(0xff)), Ok(None));
        assert_eq!(read(|_| Err("no port")), Err("no port"));
        let mut n = 0u8;
        let restless = |register| {
            n = n.wrapping_add(1);
            Ok::<u8, ()>(if register == STATUS_A { 0 } else { n })
        };
        assert_eq!(read(restless), Ok(None));
    }

    proptest! {
        #[test]
        fn nonsense_is_no_date_and_no_panic(raw: [u8; 8]) {
            let [seconds, minutes, hours, day, month, year, century, status_b] = raw;
            let r = Registers { seconds, minutes, hours, day, month, year, century, status_b };
            if let Some(s) = seconds_since_1970(&r) {
                prop_assert!(s < 1_000 * 366 * 86_400);
            }
        }

        #[test]
        fn every_day_follows_the_last(day in 0u64..360_000) {
            // Counted up day by day from 1970.
            let (mut year, mut month, mut left) = (1970, 1, day);
            while left >= days_in(year, month) {
                left -= days_in(year, month);
                month += 1;
                if month > 12 {
                    (year, month) = (year + 1, 1);
                }
            }
            prop_assert_eq!(days_since_1970(year, month, left + 1), Some(day));
        }
    }
}
