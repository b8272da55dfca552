// SPDX-License-Identifier: BSD-2-Clause
//! Numbers in text, compared exactly however long they are; and the names of months.

use super::key::is_blank;
use core::cmp::Ordering;

/// A number at the start of a text: sign, digits before and after the point, without zeroes that mean nothing.
struct Number<'a> {
    negative: bool,
    whole: &'a [u8],
    decimals: &'a [u8],
    /// What follows it.
    rest: &'a [u8],
}

fn parse(text: &[u8]) -> Number<'_> {
    let mut rest = trim_start(text, is_blank);
    let negative = rest.first() == Some(&b'-');
    if negative {
        rest = &rest[1..];
    }
    let whole_len = digits(rest);
    let (whole, mut rest) = rest.split_at(whole_len);
    let mut decimals: &[u8] = &[];
    if let Some(after) = rest.strip_prefix(b".") {
        (decimals, rest) = after.split_at(digits(after));
    }
    let whole = trim_start(whole, |b| b == b'0');
    let significant = decimals.iter().rposition(|b| *b != b'0').map_or(0, |at| at + 1);
    decimals = &decimals[..significant];
    Number { negative: negative && !(whole.is_empty() && decimals.is_empty()), whole, decimals, rest }
}

fn digits(text: &[u8]) -> usize {
    text.iter().position(|b| !b.is_ascii_digit()).unwrap_or(text.len())
}

fn trim_start(text: &[u8], drop: impl Fn(u8) -> bool) -> &[u8] {
    let at = text.iter().position(|b| !drop(*b)).unwrap_or(text.len());
    &text[at..]
}

fn order(a: &Number<'_>, b: &Number<'_>) -> Ordering {
    let magnitude = |a: &Number<'_>, b: &Number<'_>| {
        a.whole
            .len()
            .cmp(&b.whole.len())
            .then_with(|| a.whole.cmp(b.whole))
            .then_with(|| a.decimals.cmp(b.decimals))
    };
    match (a.negative, b.negative) {
        (false, false) => magnitude(a, b),
        (true, true) => magnitude(b, a),
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
    }
}

/// `-n`: what begins with no number is zero.
pub fn compare(a: &[u8], b: &[u8]) -> Ordering {
    order(&parse(a), &parse(b))
}

/// `-h`: first by unit (K, M, G, …), then by number, so that no multiplication is needed.
pub fn compare_human(a: &[u8], b: &[u8]) -> Ordering {
    let (a, b) = (parse(a), parse(b));
    unit(&a).cmp(&unit(&b)).then_with(|| order(&a, &b))
}

fn unit(number: &Number<'_>) -> i8 {
    if number.whole.is_empty() && number.decimals.is_empty() {
        return 0;
    }
    let rank = match number.rest.first() {
        Some(b'k') => 1,
        Some(letter) => b"KMGTPEZYRQ".iter().position(|u| u == letter).map_or(0, |at| at as i8 + 1),
        None => 0,
    };
    if number.negative { -rank } else { rank }
}

/// Digits that [`prefix`] looks at: 10^15 is less than 2^50.
const DIGITS: usize = 15;
/// Lengths of whole parts that it tells apart.
const LENGTHS: usize = (1 << 12) - 1;

/// A number of 64 bits that orders as [`compare`] does, or is the same for several.
pub fn prefix(text: &[u8]) -> u64 {
    let number = parse(text);
    let mut magnitude = (number.whole.len().min(LENGTHS) as u64) << 50;
    if number.whole.len() < LENGTHS {
        let mut seen = number.whole.iter().chain(number.decimals);
        let leading = (0..DIGITS).fold(0, |sum, _| sum * 10 + seen.next().map_or(0, |b| u64::from(b - b'0')));
        magnitude |= leading;
    }
    const ZERO: u64 = 1 << 63;
    if number.negative { ZERO - magnitude } else { ZERO + magnitude }
}

/// `-M`: 1 to 12, or 0 for what is no month.
pub fn month(text: &[u8]) -> usize {
    const NAMES: &[u8] = b"JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC";
    let text = trim_start(text, is_blank);
    let Some(name) = text.get(..3) else { return 0 };
    NAMES.chunks(3).position(|m| m.eq_ignore_ascii_case(name)).map_or(0, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_of_any_length() {
        for (a, b, expected) in [
            ("1", "2", Ordering::Less),
            ("10", "9", Ordering::Greater),
            ("-1", "0", Ordering::Less),
            ("-0", "0", Ordering::Equal),
            ("x", "0", Ordering::Equal),
            (" 007", "7.000", Ordering::Equal),
            ("0.10", ".1", Ordering::Equal),
            ("0.09", "0.1", Ordering::Less),
            ("-0.09", "-0.1", Ordering::Greater),
            ("123456789012345678901234567890", "123456789012345678901234567891", Ordering::Less),
            ("+5", "1", Ordering::Less),
        ] {
            assert_eq!(compare(a.as_bytes(), b.as_bytes()), expected, "{a} {b}");
        }
        assert_eq!(compare_human(b"900K", b"1M"), Ordering::Less);
        assert_eq!(compare_human(b"-1M", b"-900K"), Ordering::Less);
        assert_eq!(month(b" febRuary"), 2);
        assert_eq!(month(b"fe"), 0);
    }

    proptest! {
        #[test]
        fn a_prefix_never_contradicts(a in "-?[0-9]{0,20}(\\.[0-9]{0,20})?", b in "-?[0-9]{0,20}(\\.[0-9]{0,20})?") {
            let (x, y) = (prefix(a.as_bytes()), prefix(b.as_bytes()));
            if x != y {
                prop_assert_eq!(x.cmp(&y), compare(a.as_bytes(), b.as_bytes()));
            }
        }
    }
}
