// SPDX-License-Identifier: BSD-2-Clause
//! Sizes as people write them: `64M`, `1G`, `4096K`, plain bytes.

use std::fmt;
use std::str::FromStr;

/// Bytes of a page of the machine.
pub const PAGE: u64 = 4096;

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl Size {
    /// `n` MiB.
    pub const fn mib(n: u64) -> Self {
        Self(n << 20)
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (digits, shift) = match text.char_indices().next_back() {
            Some((at, 'k' | 'K')) => (&text[..at], 10),
            Some((at, 'm' | 'M')) => (&text[..at], 20),
            Some((at, 'g' | 'G')) => (&text[..at], 30),
            Some((at, 't' | 'T')) => (&text[..at], 40),
            _ => (text, 0),
        };
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(format!("'{text}' is no size: write a number and K, M, G or T, as in 64M"));
        }
        let number: u64 = digits.parse().map_err(|_| format!("'{text}' is too large a size"))?;
        number.checked_mul(1 << shift).map(Self).ok_or_else(|| format!("'{text}' is too large a size"))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (shift, unit) in [(40, "T"), (30, "G"), (20, "M"), (10, "K")] {
            if self.0 != 0 && self.0.is_multiple_of(1 << shift) {
                return write!(f, "{}{unit}", self.0 >> shift);
            }
        }
        write!(f, "{}", self.0)
    }
}

/// The smallest memory that a machine is given; below it not even the servers fit.
pub const MIN_MEMORY: Size = Size::mib(16);
/// The largest swap disk; beyond it the option is taken for a typing error.
pub const MAX_DISK: Size = Size(1 << 40);

/// Parses `--mem`.
///
/// # Errors
/// One line: no size, not whole pages, or too small.
pub fn memory(text: &str) -> Result<Size, String> {
    let size: Size = text.parse()?;
    if size < MIN_MEMORY {
        return Err(format!("{size} of memory is too little: at least {MIN_MEMORY}"));
    }
    whole_pages(size)
}

/// Parses the size of a swap disk.
///
/// # Errors
/// One line: no size, not whole pages, nothing, or absurdly much.
pub fn disk(text: &str) -> Result<Size, String> {
    let size: Size = text.parse()?;
    if size.0 < PAGE {
        return Err(format!("a disk of {size} bytes holds no page: at least {PAGE} bytes"));
    }
    if size > MAX_DISK {
        return Err(format!("a disk of {size} is absurd: at most {MAX_DISK}"));
    }
    whole_pages(size)
}

fn whole_pages(size: Size) -> Result<Size, String> {
    if size.0.is_multiple_of(PAGE) {
        Ok(size)
    } else {
        Err(format!("{size} is not a multiple of {PAGE} bytes"))
    }
}

/// Memory of the host in bytes, if the host says.
pub fn host_memory() -> Option<Size> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(Size(kib << 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, bytes) in
            [("0", 0), ("4096", 4096), ("4096K", 4 << 20), ("64M", 64 << 20), ("1g", 1 << 30)]
        {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
        for text in ["", "M", "-1", "1.5G", "64MB", "64 M", "0x10", "99999999999T", "18446744073709551616"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }

    #[test]
    fn writes_the_largest_unit_that_is_exact() {
        for (bytes, text) in
            [(0, "0"), (1 << 20, "1M"), (1 << 30, "1G"), (1536 << 10, "1536K"), (4097, "4097")]
        {
            assert_eq!(Size(bytes).to_string(), text);
        }
    }

    #[test]
    fn refuses_absurd_sizes() {
        assert!(memory("8M").unwrap_err().contains("too little"));
        assert!(memory("16777217").unwrap_err().contains("multiple"));
        assert_eq!(memory("16M"), Ok(MIN_MEMORY));
        assert!(disk("0").unwrap_err().contains("no page"));
        assert!(disk("2T").unwrap_err().contains("absurd"));
        assert_eq!(disk("4K"), Ok(Size(4096)));
    }
}
