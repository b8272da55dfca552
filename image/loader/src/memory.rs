// SPDX-License-Identifier: BSD-2-Clause
//! The memory map as the kernel gets it: sorted, merged, with page 0 and the framebuffer set apart.
//!
//! It is filled after the firmware is gone, so it allocates only in [`Map::with_capacity`].

use alloc::vec::Vec;

use crate::PAGE;

/// What a range is for; the numbers are the protocol's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Kind {
    /// Free.
    Usable = 0,
    /// Not memory, or not ours.
    Reserved = 1,
    /// ACPI tables, free once read.
    AcpiReclaimable = 2,
    /// The firmware's for ever.
    AcpiNvs = 3,
    /// Broken.
    Bad = 4,
    /// The loader's: responses, page tables, stack, GDT.
    BootloaderReclaimable = 5,
    /// The loaded kernel and its modules.
    ExecutableAndModules = 6,
    /// A framebuffer.
    Framebuffer = 7,
}

impl Kind {
    /// Whether base revision 3 has such a range in the higher half direct map.
    #[must_use]
    pub fn is_mapped(self) -> bool {
        matches!(
            self,
            Kind::Usable | Kind::BootloaderReclaimable | Kind::ExecutableAndModules | Kind::Framebuffer
        )
    }
}

/// A range of physical memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// First byte.
    pub base: u64,
    /// Bytes.
    pub length: u64,
    /// What it is for.
    pub kind: Kind,
}

impl Entry {
    fn end(&self) -> u64 {
        self.base + self.length
    }
}

/// The map has more ranges than it was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// The map under construction.
#[derive(Debug)]
pub struct Map {
    entries: Vec<Entry>,
    capacity: usize,
}

impl Map {
    /// A map with room for `capacity` ranges before merging.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self { entries: Vec::with_capacity(capacity), capacity }
    }

    /// Adds a range; empty ones, and ones that wrap, are left out. Page 0 is never usable.
    ///
    /// # Errors
    /// [`Full`].
    pub fn add(&mut self, base: u64, length: u64, kind: Kind) -> Result<(), Full> {
        if length == 0 || base.checked_add(length).is_none() {
            return Ok(());
        }
        if kind == Kind::Usable && base < PAGE {
            let low = length.min(PAGE - base);
            self.push(Entry { base, length: low, kind: Kind::Reserved })?;
            return self.add(base + low, length - low, kind);
        }
        self.push(Entry { base, length, kind })
    }

    /// Sorts and merges, with `framebuffer` (first byte, bytes) taken out of the reserved ranges that it lies in. A
    /// framebuffer that claims memory is not believed and left out.
    ///
    /// # Errors
    /// [`Full`].
    pub fn finish(mut self, framebuffer: Option<(u64, u64)>) -> Result<Vec<Entry>, Full> {
        if let Some((base, length)) = framebuffer {
            self.set_apart(base & !(PAGE - 1), (base + length).next_multiple_of(PAGE))?;
        }
        let mut entries = self.entries;
        entries.sort_unstable_by_key(|e| e.base);
        entries.dedup_by(|next, last| {
            let adjoin = last.kind == next.kind && last.end() == next.base;
            if adjoin {
                last.length += next.length;
            }
            adjoin
        });
        Ok(entries)
    }

    fn set_apart(&mut self, base: u64, end: u64) -> Result<(), Full> {
        if self.entries.iter().any(|e| e.kind != Kind::Reserved && e.base < end && base < e.end()) {
            return Ok(());
        }
        for i in 0..self.entries.len() {
            let e = self.entries[i];
            if e.base < end && base < e.end() {
                self.entries[i].length = base.saturating_sub(e.base);
                if e.end() > end {
                    self.push(Entry { base: end, length: e.end() - end, kind: e.kind })?;
                }
            }
        }
        self.entries.retain(|e| e.length > 0);
        self.push(Entry { base, length: end - base, kind: Kind::Framebuffer })
    }

    fn push(&mut self, entry: Entry) -> Result<(), Full> {
        if self.entries.len() == self.capacity {
            return Err(Full);
        }
        self.entries.push(entry);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn e(base: u64, length: u64, kind: Kind) -> Entry {
        Entry { base, length, kind }
    }

    #[test]
    fn sorts_merges_and_keeps_page_0_back() {
        let mut m = Map::with_capacity(8);
        m.add(0x10_0000, 0x1000, Kind::Usable).unwrap();
        m.add(0x10_1000, 0x1000, Kind::BootloaderReclaimable).unwrap();
        m.add(0, 0x3000, Kind::Usable).unwrap();
        m.add(0x3000, 0x1000, Kind::Usable).unwrap();
        m.add(0x9000, 0, Kind::Bad).unwrap();
        assert_eq!(
            m.finish(None).unwrap(),
            [
                e(0, 0x1000, Kind::Reserved),
                e(0x1000, 0x3000, Kind::Usable),
                e(0x10_0000, 0x1000, Kind::Usable),
                e(0x10_1000, 0x1000, Kind::BootloaderReclaimable)
            ]
        );
    }

    #[test]
    fn the_framebuffer_splits_reserved_ranges_but_takes_no_memory() {
        let mut m = Map::with_capacity(8);
        m.add(0x8000_0000, 0x10_0000, Kind::Reserved).unwrap();
        assert_eq!(
            m.finish(Some((0x8000_1000, 0x1800))).unwrap(),
            [
                e(0x8000_0000, 0x1000, Kind::Reserved),
                e(0x8000_1000, 0x2000, Kind::Framebuffer),
                e(0x8000_3000, 0xf_d000, Kind::Reserved)
            ]
        );
        let mut m = Map::with_capacity(8);
        m.add(0x1000, 0x4000, Kind::Usable).unwrap();
        assert_eq!(m.finish(Some((0x2000, 0x1000))).unwrap(), [e(0x1000, 0x4000, Kind::Usable)]);
    }

    #[test]
    fn a_full_map_says_so() {
        let mut m = Map::with_capacity(1);
        m.add(0x1000, 0x1000, Kind::Usable).unwrap();
        assert_eq!(m.add(0x2000, 0x1000, Kind::Usable), Err(Full));
    }
}
