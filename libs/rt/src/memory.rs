// SPDX-License-Identifier: BSD-2-Clause
//! Memory of one's own, which goes back to `vm` when it is dropped, and what can be asked of mapped pages: `madvise`, `mprotect`, `mlock`, `msync`, `mincore`.

use crate::client::call;
use crate::start::Given;
use alloc::vec::Vec;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicU64, Ordering};
use ebb_abi::layout::{REGIONS, SEGMENTS};
use ebb_abi::{Handle, PAGE_SIZE};
use ebb_proto::Error;
pub use ebb_proto::vm::{Advice, Protection};
use ebb_proto::vm::{
    Advise, MAX_TAKEN, Map, Mincore, Protect, Source, SyncRange, TakeWritten, Track, Unmap, Untrack, Unwire,
    Wire,
};

const PAGE: u64 = PAGE_SIZE as u64;
/// Pages that one `mincore` asks for.
const MINCORE_PAGES: u64 = 2048;
/// Where the next region begins. Addresses are not used again: there are enough for millions of regions, and so no two ever overlap.
static NEXT: AtomicU64 = AtomicU64::new(REGIONS);

fn vm() -> Result<Handle, Error> {
    crate::start::info().ok_or(Error::NotFound)?.handle("vm")
}

/// Mapped pages, unmapped when this goes. Everything here stays within them: what is other memory is not touched whatever the arguments.
#[derive(Debug)]
pub(crate) struct Pages {
    pub address: u64,
    pub count: u64,
}

impl Pages {
    /// The address of a range of pages. `Invalid`: it is not within.
    fn at(&self, first: u64, count: u64) -> Result<u64, Error> {
        match first.checked_add(count) {
            Some(end) if count > 0 && end <= self.count => Ok(self.address + first * PAGE),
            _ => Err(Error::Invalid),
        }
    }

    pub fn advise(&self, first: u64, pages: u64, advice: Advice) -> Result<(), Error> {
        call(vm()?, &Advise { space: 0, address: self.at(first, pages)?, pages, advice })
    }

    pub fn protect(&self, first: u64, pages: u64, protection: Protection) -> Result<(), Error> {
        let (address, protection) = (self.at(first, pages)?, protection.bits());
        call(vm()?, &Protect { space: 0, address, pages, protection })
    }

    pub fn lock(&self, first: u64, pages: u64) -> Result<(), Error> {
        call(vm()?, &Wire { space: 0, address: self.at(first, pages)?, pages })
    }

    pub fn unlock(&self, first: u64, pages: u64) -> Result<(), Error> {
        call(vm()?, &Unwire { space: 0, address: self.at(first, pages)?, pages })
    }

    pub fn sync(&self, first: u64, pages: u64, wait: bool) -> Result<(), Error> {
        call(vm()?, &SyncRange { space: 0, address: self.at(first, pages)?, pages, wait })
    }

    pub fn track(&self, first: u64, pages: u64) -> Result<(), Error> {
        call(vm()?, &Track { space: 0, address: self.at(first, pages)?, pages })
    }

    pub fn untrack(&self, first: u64, pages: u64) -> Result<(), Error> {
        call(vm()?, &Untrack { space: 0, address: self.at(first, pages)?, pages })
    }

    pub fn take_written(&self, first: u64, pages: u64) -> Result<Written, Error> {
        let address = self.at(first, pages)?;
        if pages > MAX_TAKEN {
            return Err(Error::TooLong);
        }
        let bits = call(vm()?, &TakeWritten { space: 0, address, pages })?;
        Ok(Written { first, bits })
    }

    pub fn residence(&self) -> Result<Vec<Residence>, Error> {
        let mut all = Vec::new();
        while (all.len() as u64) < self.count {
            let (address, left) = (self.address + all.len() as u64 * PAGE, self.count - all.len() as u64);
            let bytes = call(vm()?, &Mincore { space: 0, address, pages: left.min(MINCORE_PAGES) })?;
            if bytes.is_empty() {
                return Err(Error::Malformed);
            }
            all.extend(bytes.into_iter().map(Residence));
        }
        all.truncate(self.count as usize);
        Ok(all)
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        if let Ok(vm) = vm() {
            // If it cannot be given back now, it goes back when the program ends; nobody can reach it.
            let _ = call(vm, &Unmap { space: 0, address: self.address, pages: self.count });
        }
    }
}

/// Where a page is (`mincore`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Residence(u8);

impl Residence {
    /// It is in memory.
    pub fn resident(self) -> bool {
        self.0 & 1 != 0
    }
    /// It is in memory and was modified.
    pub fn modified(self) -> bool {
        self.0 & 2 != 0
    }
    /// There is a copy in swap.
    pub fn swapped(self) -> bool {
        self.0 & 4 != 0
    }
}

/// Pages that were written to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Written {
    first: u64,
    bits: Vec<u8>,
}

impl Written {
    /// Their numbers in the region, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        self.bits.iter().enumerate().flat_map(move |(n, byte)| {
            (0..8).filter(move |bit| byte & 1 << bit != 0).map(move |bit| self.first + n as u64 * 8 + bit)
        })
    }
}

/// A region of zeroed, pageable memory, as bytes.
#[derive(Debug)]
pub struct Region {
    pages: Pages,
    len: usize,
}

impl Region {
    /// At least so many bytes, rounded up to pages; `len` bytes can be reached. `NoMemory`: also where there are too many regions (1,024 of all kinds).
    pub fn new(len: usize) -> Result<Region, Error> {
        let pages = (len as u64).div_ceil(PAGE).max(1);
        // A page that is never mapped lies between any two.
        let bytes = pages.checked_add(1).and_then(|p| p.checked_mul(PAGE)).ok_or(Error::NoMemory)?;
        let mut address = NEXT.load(Ordering::Relaxed);
        loop {
            let end = address.checked_add(bytes).filter(|end| *end <= SEGMENTS).ok_or(Error::NoMemory)?;
            match NEXT.compare_exchange_weak(address, end, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => break,
                Err(now) => address = now,
            }
        }
        let protection = (Protection::READ | Protection::WRITE).bits();
        call(vm()?, &Map { space: 0, address, pages, protection, source: Source::Anonymous })?;
        Ok(Region { pages: Pages { address, count: pages }, len })
    }

    /// How all of it will be used (`madvise`). It is only advice: a region works the same without it. `Invalid`: [`Advice::Free`], which is [`Region::discard`].
    pub fn advise(&self, advice: Advice) -> Result<(), Error> {
        if advice == Advice::Free {
            return Err(Error::Invalid);
        }
        self.pages.advise(0, self.pages.count, advice)
    }

    /// Gives up what pages hold (`MADV_FREE`); they are zeroes afterwards. What is locked keeps what it has. `Invalid`, here and below: not pages of it.
    pub fn discard(&mut self, first: u64, pages: u64) -> Result<(), Error> {
        self.pages.advise(first, pages, Advice::Free)
    }

    /// What may be done with pages (`mprotect`); doing something else ends the program.
    pub fn protect(&mut self, first: u64, pages: u64, protection: Protection) -> Result<(), Error> {
        self.pages.protect(first, pages, protection)
    }

    /// Pages stay in memory (`mlock`). `NoMemory`: more than may be; `Busy`: some of them are locked.
    pub fn lock(&self, first: u64, pages: u64) -> Result<(), Error> {
        self.pages.lock(first, pages)
    }

    /// Pages need not stay in memory any more (`munlock`). `Fault`: not all of them are locked.
    pub fn unlock(&self, first: u64, pages: u64) -> Result<(), Error> {
        self.pages.unlock(first, pages)
    }

    /// Where the pages are (`mincore`).
    pub fn residence(&self) -> Result<Vec<Residence>, Error> {
        self.pages.residence()
    }

    /// Notes from now on which pages are written to: for garbage collectors, checkpoints, displays. The first write to a page costs a fault. `NoMemory`: all programs together track too much.
    pub fn track(&self, first: u64, pages: u64) -> Result<(), Error> {
        self.pages.track(first, pages)
    }

    /// Pages of a range that were written to since they were last taken, or tracked. `Fault`: not all of them are tracked; `TooLong`: more than 16,384.
    pub fn take_written(&self, first: u64, pages: u64) -> Result<Written, Error> {
        self.pages.take_written(first, pages)
    }

    /// Notes nothing of pages any more.
    pub fn untrack(&self, first: u64, pages: u64) -> Result<(), Error> {
        self.pages.untrack(first, pages)
    }
}

impl Deref for Region {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        // SAFETY: the region was mapped for this value alone: its addresses come from `NEXT`, which gives none twice, and nothing else reaches the range from
        // `REGIONS` to `SEGMENTS`. Memory that were unmapped or protected is a fault, which ends the program.
        unsafe { core::slice::from_raw_parts(self.pages.address as *const u8, self.len) }
    }
}

impl DerefMut for Region {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`; the exclusive borrow of the value is one of its memory.
        unsafe { core::slice::from_raw_parts_mut(self.pages.address as *mut u8, self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_pages_are_numbered_in_the_region() {
        let written = Written { first: 100, bits: alloc::vec![0b1000_0001, 0, 0b10] };
        assert_eq!(written.iter().collect::<Vec<_>>(), [100, 107, 117]);
    }

    #[test]
    fn ranges_stay_within() {
        // Never dropped: there is no system to give it back to.
        let pages = core::mem::ManuallyDrop::new(Pages { address: 0x10_0000, count: 4 });
        assert_eq!(pages.at(0, 4), Ok(0x10_0000));
        assert_eq!(pages.at(3, 1), Ok(0x10_3000));
        for (first, count) in [(0, 5), (4, 1), (3, 2), (0, 0), (u64::MAX, 1), (1, u64::MAX)] {
            assert_eq!(pages.at(first, count), Err(Error::Invalid), "{first} {count}");
        }
    }
}
