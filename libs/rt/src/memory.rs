// SPDX-License-Identifier: BSD-2-Clause
//! Anonymous memory of one's own, which goes back to `vm` when it is dropped: what the heap takes it keeps.

use crate::client::call;
use crate::start::Given;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicU64, Ordering};
use ebb_abi::PAGE_SIZE;
use ebb_abi::layout::{REGIONS, SEGMENTS};
use ebb_proto::Error;
use ebb_proto::vm::{Advice, Advise, Map, Protection, Source, Unmap};

/// Where the next region begins. Addresses are not used again: there are enough for millions of regions, and so no two ever overlap.
static NEXT: AtomicU64 = AtomicU64::new(REGIONS);

/// A region of zeroed, pageable memory.
#[derive(Debug)]
pub struct Region {
    address: u64,
    len: usize,
}

impl Region {
    /// At least so many bytes, rounded up to pages; `len` bytes can be reached. `NoMemory`: also where there are too many regions (1,024 of all kinds).
    pub fn new(len: usize) -> Result<Region, Error> {
        let pages = (len as u64).div_ceil(PAGE_SIZE as u64).max(1);
        // A page that is never mapped lies between any two.
        let bytes =
            pages.checked_add(1).and_then(|p| p.checked_mul(PAGE_SIZE as u64)).ok_or(Error::NoMemory)?;
        let mut address = NEXT.load(Ordering::Relaxed);
        loop {
            let end = address.checked_add(bytes).filter(|end| *end <= SEGMENTS).ok_or(Error::NoMemory)?;
            match NEXT.compare_exchange_weak(address, end, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => break,
                Err(now) => address = now,
            }
        }
        let vm = crate::start::info().ok_or(Error::NotFound)?.handle("vm")?;
        let protection = (Protection::READ | Protection::WRITE).bits();
        call(vm, &Map { space: 0, address, pages, protection, source: Source::Anonymous })?;
        Ok(Region { address, len })
    }

    /// How it will be used (`madvise`). It is only advice: a region works the same without it.
    pub fn advise(&self, advice: Advice) -> Result<(), Error> {
        let vm = crate::start::info().ok_or(Error::NotFound)?.handle("vm")?;
        let pages = (self.len as u64).div_ceil(PAGE_SIZE as u64).max(1);
        call(vm, &Advise { space: 0, address: self.address, pages, advice })
    }
}

impl Deref for Region {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        // SAFETY: the region was mapped for this value alone: its addresses come from `NEXT`, which gives none twice, and nothing else reaches the range from
        // `REGIONS` to `SEGMENTS`. Memory that were unmapped behind its back would be a fault, which ends the program.
        unsafe { core::slice::from_raw_parts(self.address as *const u8, self.len) }
    }
}

impl DerefMut for Region {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`; the exclusive borrow of the value is one of its memory.
        unsafe { core::slice::from_raw_parts_mut(self.address as *mut u8, self.len) }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        let pages = (self.len as u64).div_ceil(PAGE_SIZE as u64).max(1);
        if let Some(Ok(vm)) = crate::start::info().map(|i| i.handle("vm")) {
            // If it cannot be given back now, it goes back when the program ends.
            let _ = call(vm, &Unmap { space: 0, address: self.address, pages });
        }
    }
}
