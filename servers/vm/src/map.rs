// SPDX-License-Identifier: BSD-2-Clause
//! `vm_map`: the regions of an address space, ascending and disjoint. Pure: it knows numbers, no frames.

use crate::charge::{Charge, Charges};
use alloc::vec::Vec;
use ebb_abi::PAGE_SIZE;
use ebb_abi::layout::{MMAP, MMAP_END, USER_END, USER_MIN};
use ebb_proto::Error;
use ebb_proto::vm::{Advice, Inheritance, Protection};

const PAGE: u64 = PAGE_SIZE as u64;

/// What a region shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Backing {
    /// Pages of an object from `offset` on: anonymous memory, or a file.
    Object {
        /// The object.
        object: u32,
        /// First page.
        offset: u32,
    },
    /// Pages of a segment.
    Segment {
        /// The segment.
        id: u32,
        /// First page.
        first: u32,
    },
    /// Frames of a boot module, shared.
    Module {
        /// First frame.
        frame: u32,
    },
}

impl Backing {
    /// The backing of a region that begins `pages` later.
    pub fn advanced(self, pages: u32) -> Backing {
        match self {
            Backing::Object { object, offset } => Backing::Object { object, offset: offset + pages },
            Backing::Segment { id, first } => Backing::Segment { id, first: first + pages },
            Backing::Module { frame } => Backing::Module { frame: frame + pages },
        }
    }
}

/// A region (`vm_map_entry`).
#[derive(Clone, Copy, Debug)]
pub struct Region {
    /// First address.
    pub start: u64,
    /// Pages.
    pub pages: u64,
    /// Protection.
    pub protection: Protection,
    /// What it may be changed to.
    pub most: Protection,
    /// What it shows.
    pub backing: Backing,
    /// What it counts as.
    pub charge: Charge,
    /// What the program said of its use.
    pub advice: Advice,
    /// Wired by the program.
    pub wired: bool,
    /// What a child gets of it.
    pub inheritance: Inheritance,
    /// Its object may be seen by others, who must not see what is written here: before the first write it gets a shadow of its own (`UVM_ET_NEEDSCOPY`). Its mappings are
    /// read-only.
    pub needs_copy: bool,
    /// Anonymous memory that other programs have too, and see what is written here.
    pub shared: bool,
    /// Which of its pages are written to is noted ([`crate::written`]): it is mapped read-only until they are.
    pub tracked: bool,
    /// Where a sequential reader would fault next, and how many pages were brought in at its last fault.
    pub read_ahead: (u32, u32),
}

impl Region {
    /// First address beyond.
    pub fn end(&self) -> u64 {
        self.start + self.pages * PAGE
    }

    /// What its pages are counted as.
    pub fn charges(&self) -> Charges {
        Charges::of(self.charge, self.start, self.pages)
    }

    /// Whether it shows this object.
    pub fn shows(&self, object: u32) -> bool {
        matches!(self.backing, Backing::Object { object: o, .. } if o == object)
    }

    /// The page of the backing at an address of the region.
    pub fn page_at(&self, address: u64) -> u32 {
        ((address - self.start) / PAGE) as u32
    }
}

/// A checked range of pages of user space.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range {
    /// First address.
    pub start: u64,
    /// First address beyond.
    pub end: u64,
}

impl Range {
    /// Checks a range: aligned, not empty, inside user space.
    pub fn new(address: u64, pages: u64) -> Result<Range, Error> {
        let bytes = pages.checked_mul(PAGE).ok_or(Error::Invalid)?;
        let end = address.checked_add(bytes).ok_or(Error::Invalid)?;
        if pages == 0 || !address.is_multiple_of(PAGE) || address < USER_MIN || end > USER_END {
            return Err(Error::Invalid);
        }
        Ok(Range { start: address, end })
    }

    /// Pages in it.
    pub fn pages(&self) -> u64 {
        (self.end - self.start) / PAGE
    }
}

/// Regions that a space may have: they take `vm`'s own memory, which no program may use up.
const MAX_REGIONS: usize = 1024;

/// The regions of a space.
#[derive(Default, Debug)]
pub struct Map {
    regions: Vec<Region>,
    charges: Charges,
}

impl Map {
    /// Index of the first region that ends after an address.
    fn at(&self, address: u64) -> usize {
        self.regions.partition_point(|r| r.end() <= address)
    }

    /// The region at an address.
    #[inline]
    pub fn find(&self, address: u64) -> Option<&Region> {
        self.regions.get(self.at(address)).filter(|r| r.start <= address)
    }

    /// The region at an address, to change it.
    #[inline]
    pub fn find_mut(&mut self, address: u64) -> Option<&mut Region> {
        let at = self.at(address);
        self.regions.get_mut(at).filter(|r| r.start <= address)
    }

    /// The region that is just this range, as it mostly is: the range need not be looked through for holes, nor split.
    #[inline]
    pub fn exactly_mut(&mut self, range: Range) -> Option<&mut Region> {
        self.find_mut(range.start).filter(|r| r.start == range.start && r.end() == range.end)
    }

    /// Whether some region shows this object.
    pub fn shows(&self, object: u32) -> bool {
        self.regions.iter().any(|r| r.shows(object))
    }

    /// Whether a region may still be added.
    pub fn has_room(&self) -> bool {
        self.regions.len() < MAX_REGIONS
    }

    /// Whether the regions at the ends of a range may still be split there, where they must be.
    pub fn may_split(&self, range: Range) -> bool {
        let splits = |at: u64| self.find(at).is_some_and(|r| r.start < at) as usize;
        let new = splits(range.start) + splits(range.end);
        new == 0 || self.regions.len() + new <= MAX_REGIONS
    }

    /// What all regions are counted as.
    pub fn charges(&self) -> Charges {
        self.charges
    }

    /// What would be charged if a range became writable.
    pub fn charges_of_writing(&self, range: Range) -> Charges {
        self.touching(range).filter(|r| r.charge == Charge::Own).fold(Charges::default(), |sum, r| {
            let (start, end) = (r.start.max(range.start), r.end().min(range.end));
            sum.plus(Charges::of(Charge::Swap, start, (end - start) / PAGE).beyond_room())
        })
    }

    /// All regions.
    pub fn iter(&self) -> impl Iterator<Item = &Region> {
        self.regions.iter()
    }

    /// Whether nothing lies in a range.
    pub fn is_free(&self, range: Range) -> bool {
        self.regions.get(self.at(range.start)).is_none_or(|r| r.start >= range.end)
    }

    /// The regions that a range touches.
    pub fn touching(&self, range: Range) -> impl Iterator<Item = &Region> {
        self.regions[self.at(range.start)..].iter().take_while(move |r| r.start < range.end)
    }

    /// The regions that end beyond an address, ascending.
    pub fn touching_from(&self, address: u64) -> impl Iterator<Item = &Region> {
        self.regions[self.at(address)..].iter()
    }

    /// Whether a range is covered without holes.
    pub fn covers(&self, range: Range) -> bool {
        let mut next = range.start;
        for r in &self.regions[self.at(range.start)..] {
            if r.start > next || next >= range.end {
                break;
            }
            next = r.end();
        }
        next >= range.end
    }

    /// A free place of so many pages in the range for `mmap`, lowest first, with a page left free after each mapping.
    pub fn place(&self, pages: u64) -> Result<u64, Error> {
        let bytes =
            pages.checked_mul(PAGE).filter(|b| *b > 0 && *b < MMAP_END - MMAP).ok_or(Error::NoMemory)?;
        let mut next = MMAP;
        for r in &self.regions[self.at(MMAP)..] {
            if r.start >= next + bytes + PAGE {
                break;
            }
            next = next.max(r.end() + PAGE);
        }
        if next + bytes > MMAP_END { Err(Error::NoMemory) } else { Ok(next) }
    }

    /// Adds a region where nothing is.
    pub fn insert(&mut self, region: Region) -> Result<(), Error> {
        if !self.is_free(Range { start: region.start, end: region.end() }) {
            return Err(Error::Exists);
        }
        let at = self.at(region.start);
        self.charges = self.charges.plus(region.charges());
        self.regions.insert(at, region);
        Ok(())
    }

    /// Splits the region that lies across an address, so that one begins there.
    fn split(&mut self, address: u64) {
        let at = self.at(address);
        let Some(r) = self.regions.get_mut(at).filter(|r| r.start < address) else { return };
        let pages = (address - r.start) / PAGE;
        let upper = Region {
            start: address,
            pages: r.pages - pages,
            backing: r.backing.advanced(pages as u32),
            read_ahead: (0, 0),
            ..*r
        };
        r.pages = pages;
        self.regions.insert(at + 1, upper);
    }

    /// Takes out everything in a range, splitting what lies across its ends.
    pub fn remove(&mut self, range: Range) -> Vec<Region> {
        self.split(range.start);
        self.split(range.end);
        let (from, to) = (self.at(range.start), self.regions.partition_point(|r| r.start < range.end));
        let removed: Vec<Region> = self.regions.drain(from..to.max(from)).collect();
        self.charges = removed.iter().fold(self.charges, |sum, r| sum.minus(r.charges()));
        removed
    }

    /// Sets the protection of a range, and charges what becomes writable. What each region had, and what it shows.
    pub fn protect(&mut self, range: Range, protection: Protection) -> Vec<(Protection, Region)> {
        if protection.contains(Protection::WRITE) {
            self.charges = self.charges.plus(self.charges_of_writing(range));
        }
        let change = |region: &mut Region| {
            if protection.contains(Protection::WRITE) && region.charge == Charge::Own {
                region.charge = Charge::Swap;
            }
            (core::mem::replace(&mut region.protection, protection), *region)
        };
        self.range_mut(range).iter_mut().map(change).collect()
    }

    /// The regions of a range, which is split at its ends so that they are wholly inside. Neither what they cover nor what they count as may be changed.
    pub fn range_mut(&mut self, range: Range) -> &mut [Region] {
        self.split(range.start);
        self.split(range.end);
        let (from, to) = (self.at(range.start), self.regions.partition_point(|r| r.start < range.end));
        &mut self.regions[from..to.max(from)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(start: u64, pages: u64, object: u32) -> Region {
        Region {
            start,
            pages,
            protection: Protection::READ,
            most: Protection::all(),
            backing: Backing::Object { object, offset: 0 },
            charge: Charge::Own,
            advice: Advice::Normal,
            wired: false,
            inheritance: Inheritance::Copy,
            needs_copy: false,
            shared: false,
            tracked: false,
            read_ahead: (0, 0),
        }
    }

    #[test]
    fn ranges_are_checked() {
        assert!(Range::new(USER_MIN, 1).is_ok());
        for (address, pages) in
            [(USER_MIN + 1, 1), (0, 1), (USER_MIN, 0), (USER_END, 1), (USER_MIN, u64::MAX), (!4095, 1)]
        {
            assert_eq!(Range::new(address, pages), Err(Error::Invalid), "{address:x} {pages}");
        }
    }

    #[test]
    fn removing_the_middle_splits_and_keeps_offsets() {
        let mut map = Map::default();
        map.insert(region(0x10_0000, 10, 1)).unwrap();
        assert_eq!(map.insert(region(0x10_9000, 1, 2)), Err(Error::Exists));
        let gone = map.remove(Range::new(0x10_3000, 2).unwrap());
        assert_eq!(gone.len(), 1);
        assert_eq!(gone[0].backing, Backing::Object { object: 1, offset: 3 });
        assert_eq!(gone[0].pages, 2);
        assert!(map.find(0x10_3000).is_none() && map.find(0x10_4fff).is_none());
        assert_eq!(map.find(0x10_2fff).unwrap().pages, 3);
        assert_eq!(map.find(0x10_5000).unwrap().backing, Backing::Object { object: 1, offset: 5 });
        assert!(!map.covers(Range::new(0x10_0000, 10).unwrap()));
        map.insert(region(0x10_3000, 2, 3)).unwrap();
        assert!(map.covers(Range::new(0x10_0000, 10).unwrap()));
        assert!(!map.covers(Range::new(0x10_0000, 11).unwrap()));
    }

    #[test]
    fn a_program_has_so_many_regions_and_no_more() {
        let mut map = Map::default();
        map.insert(region(USER_MIN, 4 * MAX_REGIONS as u64, 1)).unwrap();
        let mut at = USER_MIN;
        while map.may_split(Range::new(at + PAGE, 1).unwrap()) {
            map.remove(Range::new(at + PAGE, 1).unwrap());
            at += 2 * PAGE;
        }
        let full = map.iter().count();
        assert!(full <= MAX_REGIONS && full + 2 > MAX_REGIONS, "{full}");
        // What splits nothing can always be given back.
        assert!(map.may_split(Range::new(USER_MIN, 1).unwrap()));
        assert!(map.may_split(Range::new(USER_MIN, 4 * MAX_REGIONS as u64).unwrap()));
    }

    fn summed(map: &Map) -> Charges {
        map.iter().fold(Charges::default(), |sum, r| sum.plus(r.charges()))
    }

    #[test]
    fn what_becomes_writable_is_charged_once_and_until_it_goes() {
        let mut map = Map::default();
        map.insert(region(0x10_0000, 10, 1)).unwrap();
        map.insert(Region { charge: Charge::Address, ..region(0x20_0000, 10, 2) }).unwrap();
        assert_eq!(map.charges(), Charges { mapped: 20, data: 0, swap: 0 });
        let middle = Range::new(0x10_3000, 4).unwrap();
        assert_eq!(map.charges_of_writing(middle), Charges { mapped: 0, data: 4, swap: 4 });
        for protection in [Protection::WRITE, Protection::READ, Protection::WRITE] {
            map.protect(middle, protection);
            assert_eq!(map.charges(), Charges { mapped: 20, data: 4, swap: 4 });
        }
        map.protect(Range::new(0x20_0000, 10).unwrap(), Protection::WRITE);
        assert_eq!(map.charges_of_writing(Range::new(0x10_0000, 5).unwrap()).swap, 3);
        map.remove(Range::new(0x10_5000, 100).unwrap());
        assert_eq!(map.charges(), Charges { mapped: 15, data: 2, swap: 2 });
        assert_eq!(map.charges(), summed(&map));
    }

    #[test]
    fn places_do_not_touch() {
        let mut map = Map::default();
        let mut last = 0;
        for n in 1..20 {
            let at = map.place(n).unwrap();
            assert!(at > last);
            map.insert(region(at, n, n as u32)).unwrap();
            last = at + n * PAGE;
        }
        map.remove(Range::new(MMAP, 1).unwrap());
        assert_eq!(map.place(1), Ok(MMAP));
        assert_eq!(map.place(u64::MAX / 4096), Err(Error::NoMemory));
    }
}
