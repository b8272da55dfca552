// SPDX-License-Identifier: BSD-2-Clause
//! Numbers with units: bytes, shares, seconds. Integers only: the machine's programs use no floating point.

use crate::Problem;
use alloc::format;

/// A whole number.
pub fn number(text: &str) -> Result<u64, Problem> {
    text.parse().map_err(|_| Problem(format!("{text:?} is not a number")))
}

/// An amount of memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Size {
    /// Bytes.
    Bytes(u64),
    /// Thousandths of the machine's memory: `1.5x` is 1,500.
    Thousandths(u64),
}

impl Size {
    /// Pages of `page` bytes, rounded up, in a machine of `machine_pages`; `None` if that is beyond any memory.
    pub fn pages(self, page: u64, machine_pages: u64) -> Option<u64> {
        match self {
            Size::Bytes(bytes) => Some(bytes.div_ceil(page)),
            Size::Thousandths(n) => machine_pages.checked_mul(n).map(|p| p.div_ceil(1000)),
        }
    }
}

/// `64M`, `1G`, `4096K`, `4096`, `2x`, `1.5x`. Not zero.
pub fn size(text: &str) -> Result<Size, Problem> {
    let bad = || {
        Problem(format!("{text:?} is not a size: write 64M, 1G, 4096K, bytes, or 2x for twice the memory"))
    };
    let size = match text.char_indices().last() {
        Some((at, 'x' | 'X')) => Size::Thousandths(thousandths(&text[..at]).ok_or_else(bad)?),
        Some((at, unit)) => {
            let shift = match unit {
                'k' | 'K' => 10,
                'm' | 'M' => 20,
                'g' | 'G' => 30,
                't' | 'T' => 40,
                _ => 0,
            };
            let digits = if shift == 0 { text } else { &text[..at] };
            let count: u64 = digits.parse().map_err(|_| bad())?;
            Size::Bytes(count.checked_mul(1 << shift).ok_or_else(bad)?)
        }
        None => return Err(bad()),
    };
    match size {
        Size::Bytes(0) | Size::Thousandths(0) => Err(Problem(format!("{text:?}: a size of nothing"))),
        size => Ok(size),
    }
}

/// A share, in 1/65,536.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ratio(pub u32);

impl Ratio {
    /// The whole.
    pub const ONE: Ratio = Ratio(1 << 16);
}

/// `0.25`, `1`, `25%`.
pub fn ratio(text: &str) -> Result<Ratio, Problem> {
    let bad = || Problem(format!("{text:?} is not a share: write 0 to 1, or 0% to 100%"));
    let (digits, whole) = match text.strip_suffix('%') {
        Some(digits) => (digits, 100_000),
        None => (text, 1000),
    };
    let n = thousandths(digits).ok_or_else(bad)?;
    if n > whole {
        return Err(bad());
    }
    Ok(Ratio(((n << 16) / whole) as u32))
}

/// Seconds with up to three decimals, as milliseconds. At most a year.
pub fn milliseconds(text: &str) -> Result<u64, Problem> {
    match thousandths(text) {
        Some(ms) if ms <= 366 * 24 * 3600 * 1000 => Ok(ms),
        _ => Err(Problem(format!("{text:?} is not a number of seconds"))),
    }
}

/// A decimal number in thousandths; further decimals are cut off.
fn thousandths(text: &str) -> Option<u64> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if !(digits(whole) || whole.is_empty() && text.len() > 1) || !digits(decimals) {
        return None;
    }
    let mut sum = if whole.is_empty() { 0 } else { whole.parse::<u64>().ok()?.checked_mul(1000)? };
    for (digit, scale) in decimals.bytes().zip([100, 10, 1]) {
        sum = sum.checked_add((digit - b'0') as u64 * scale)?;
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(size("64M"), Ok(Size::Bytes(64 << 20)));
        assert_eq!(size("1g"), Ok(Size::Bytes(1 << 30)));
        assert_eq!(size("4096"), Ok(Size::Bytes(4096)));
        assert_eq!(size("2x"), Ok(Size::Thousandths(2000)));
        assert_eq!(size("1.5x"), Ok(Size::Thousandths(1500)));
        for bad in ["", "x", "M", "-1", "1.5M", "0", "0x", "12Q", "99999999999999T", "é", "1é"] {
            assert!(size(bad).is_err(), "{bad}");
        }
        assert_eq!(size("1.5x").unwrap().pages(4096, 1001), Some(1502));
        assert_eq!(size("4097").unwrap().pages(4096, 1), Some(2));
        assert_eq!(Size::Thousandths(u64::MAX).pages(4096, 1000), None);
    }

    #[test]
    fn ratios() {
        assert_eq!(ratio("1"), Ok(Ratio::ONE));
        assert_eq!(ratio("100%"), Ok(Ratio::ONE));
        assert_eq!(ratio("0"), Ok(Ratio(0)));
        assert_eq!(ratio("0.5"), Ok(Ratio(1 << 15)));
        assert_eq!(ratio(".25"), ratio("25%"));
        for bad in ["", ".", "1.1", "101%", "-1", "half", "1e3", "%"] {
            assert!(ratio(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn seconds() {
        assert_eq!(milliseconds("0.3"), Ok(300));
        assert_eq!(milliseconds("2"), Ok(2000));
        assert_eq!(milliseconds("1.0625"), Ok(1062));
        assert!(milliseconds("x").is_err() && milliseconds("99999999999").is_err());
    }
}
