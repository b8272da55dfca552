// SPDX-License-Identifier: BSD-2-Clause
//! Numbers as arguments have them: with the multipliers of the tools, with signs, as seconds.

use alloc::format;
use alloc::string::String;

/// Decimal digits only: no sign. Too large a number is the largest.
pub fn digits(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(text.bytes().fold(0u64, |sum, b| sum.saturating_mul(10).saturating_add(u64::from(b - b'0'))))
}

/// A number with a multiplier: `c` 1, `w` 2, `b` 512, `kB` 1,000, `K` or `k` 1,024, `MB`, `M`, …; factors may be joined by `x`. `None` also
/// where it is beyond 64 bits.
pub fn multiplied(text: &str) -> Option<u64> {
    text.split('x').try_fold(1u64, |product, factor| product.checked_mul(single(factor)?))
}

fn single(text: &str) -> Option<u64> {
    let at = text.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let number: u64 = number.parse().ok()?;
    number.checked_mul(multiplier(unit)?)
}

fn multiplier(unit: &str) -> Option<u64> {
    match unit {
        "" | "c" => return Some(1),
        "w" => return Some(2),
        "b" => return Some(512),
        _ => {}
    }
    let mut letters = unit.chars();
    let power = "kmgtpe".find(letters.next()?.to_ascii_lowercase())? as u32 + 1;
    match letters.as_str() {
        "" | "iB" => Some(1 << (10 * power)),
        "B" => 1000u64.checked_pow(power),
        _ => None,
    }
}

/// Seconds with decimals and a unit (`s`, `m`, `h`, `d`), as microseconds, rounded up.
pub fn seconds(text: &str) -> Option<u64> {
    let (number, unit) = match text.char_indices().last()? {
        (at, 's') => (&text[..at], 1),
        (at, 'm') => (&text[..at], 60),
        (at, 'h') => (&text[..at], 3600),
        (at, 'd') => (&text[..at], 86_400),
        _ => (text, 1),
    };
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && decimals.is_empty() {
        return None;
    }
    let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if !all_digits(whole) || !all_digits(decimals) {
        return None;
    }
    let mut us = digits(whole).unwrap_or(0).saturating_mul(1_000_000);
    let mut scale = 100_000;
    for digit in decimals.bytes().map(|b| u64::from(b - b'0')) {
        us = us.saturating_add(if scale > 0 { digit * scale } else { 0 });
        scale /= 10;
    }
    Some(us.saturating_mul(unit))
}

/// Bytes for a person: `1023`, `1.1K`, `12M`; rounded up, as `ls -h` and `df -h` do.
pub fn human(bytes: u64) -> String {
    let mut unit = 1u64;
    for suffix in ["", "K", "M", "G", "T", "P", "E"] {
        let tenths = u128::from(bytes) * 10;
        let up = tenths.div_ceil(u128::from(unit));
        if suffix.is_empty() && bytes < 1024 {
            return format!("{bytes}");
        }
        if !suffix.is_empty() && up < 100 {
            return format!("{}.{}{suffix}", up / 10, up % 10);
        }
        let whole = bytes.div_ceil(unit);
        if !suffix.is_empty() && whole < 1024 {
            return format!("{whole}{suffix}");
        }
        unit = unit.saturating_mul(1024);
    }
    format!("{bytes}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multipliers() {
        assert_eq!(multiplied("7"), Some(7));
        assert_eq!(multiplied("1K"), Some(1024));
        assert_eq!(multiplied("1kB"), Some(1000));
        assert_eq!(multiplied("2MiB"), Some(2 << 20));
        assert_eq!(multiplied("2b"), Some(1024));
        assert_eq!(multiplied("2x3xK"), None);
        assert_eq!(multiplied("2x3x1K"), Some(6144));
        for bad in ["", "K", "-1", "1Q", "1KK", "é", "1é", "16E", "99999999999999999999"] {
            assert_eq!(multiplied(bad), None, "{bad}");
        }
    }

    #[test]
    fn durations() {
        assert_eq!(seconds("0.5"), Some(500_000));
        assert_eq!(seconds(".25s"), Some(250_000));
        assert_eq!(seconds("2m"), Some(120_000_000));
        assert_eq!(seconds("1.0000009"), Some(1_000_000));
        for bad in ["", ".", "s", "1x", "-1", "1.2.3"] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }

    #[test]
    fn sizes_for_people() {
        for (bytes, text) in [
            (0, "0"),
            (1023, "1023"),
            (1024, "1.0K"),
            (1025, "1.1K"),
            (10 << 10, "10K"),
            (10137, "9.9K"),
            (10138, "10K"),
            (1 << 20, "1.0M"),
            ((1 << 20) - 1, "1.0M"),
        ] {
            assert_eq!(human(bytes), text, "{bytes}");
        }
        assert_eq!(human(u64::MAX), "16E");
    }
}
