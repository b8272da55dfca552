// SPDX-License-Identifier: BSD-2-Clause
//! Page tables of four levels, built in a pool of frames that was set aside while the firmware still gave memory.

use crate::PAGE;

/// A page table as the processor reads it.
pub type Table = [u64; 512];

const PRESENT: u64 = 1;
const WRITE: u64 = 1 << 1;
const WRITE_THROUGH: u64 = 1 << 3;
const LARGE: u64 = 1 << 7;
const PAT_SMALL: u64 = 1 << 7;
const PAT_LARGE: u64 = 1 << 12;
const NO_EXECUTE: u64 = 1 << 63;
const FRAME: u64 = 0x000f_ffff_ffff_f000;
const LARGE_PAGE: u64 = 2 << 20;

/// Rights and caching of a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags {
    /// Writable.
    pub write: bool,
    /// Executable.
    pub execute: bool,
    /// Entry 5 of the PAT, which is write-combining, instead of entry 0, write-back.
    pub write_combining: bool,
}

/// No frame is left in the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Page tables in a pool.
#[derive(Debug)]
pub struct Tables<'a> {
    pool: &'a mut [Table],
    /// Physical address of the pool.
    base: u64,
    used: usize,
}

impl<'a> Tables<'a> {
    /// Empty tables; `pool` lies at the physical address `base`. Its first frame is the root.
    ///
    /// # Errors
    /// [`Full`] if there is not even one frame.
    pub fn new(pool: &'a mut [Table], base: u64) -> Result<Self, Full> {
        let mut tables = Self { pool, base, used: 0 };
        tables.take()?;
        Ok(tables)
    }

    /// Physical address of the root.
    #[must_use]
    pub fn root(&self) -> u64 {
        self.base
    }

    /// Maps `length` bytes at `virt` to `phys`, all multiples of the page size, in large pages where they fit.
    ///
    /// # Errors
    /// [`Full`].
    pub fn map(&mut self, virt: u64, phys: u64, length: u64, flags: Flags) -> Result<(), Full> {
        let mut done = 0;
        while done < length {
            let (v, p) = (virt.wrapping_add(done), phys + done);
            let large = (v | p).is_multiple_of(LARGE_PAGE) && length - done >= LARGE_PAGE;
            let middle = self.next(0, index(v, 39))?;
            let middle = self.next(middle, index(v, 30))?;
            if large {
                self.pool[middle][index(v, 21)] = p | bits(flags, PAT_LARGE) | LARGE;
                done += LARGE_PAGE;
            } else {
                let last = self.next(middle, index(v, 21))?;
                self.pool[last][index(v, 12)] = p | bits(flags, PAT_SMALL);
                done += PAGE;
            }
        }
        Ok(())
    }

    /// Frames that mapping `ranges` ranges below the physical address `end` into the direct map needs at most.
    #[must_use]
    pub fn needed(ranges: usize, end: u64) -> usize {
        // Two partly used tables of the lowest level for each range; the levels above are shared.
        2 * ranges + ((end >> 30) + 1 + (end >> 39) + 1) as usize
    }

    /// The table below entry `slot` of table `table`, made if it is not there.
    fn next(&mut self, table: usize, slot: usize) -> Result<usize, Full> {
        let entry = self.pool[table][slot];
        if entry & PRESENT != 0 {
            return Ok((((entry & FRAME) - self.base) / PAGE) as usize);
        }
        let new = self.take()?;
        self.pool[table][slot] = (self.base + new as u64 * PAGE) | PRESENT | WRITE;
        Ok(new)
    }

    fn take(&mut self) -> Result<usize, Full> {
        let new = self.used;
        self.pool.get_mut(new).ok_or(Full)?.fill(0);
        self.used += 1;
        Ok(new)
    }
}

fn index(virt: u64, shift: u32) -> usize {
    (virt >> shift & 511) as usize
}

fn bits(flags: Flags, pat: u64) -> u64 {
    PRESENT
        | if flags.write { WRITE } else { 0 }
        | if flags.execute { 0 } else { NO_EXECUTE }
        | if flags.write_combining { pat | WRITE_THROUGH } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HHDM, KERNEL_MIN};
    use alloc::vec;

    const DATA: Flags = Flags { write: true, execute: false, write_combining: false };

    /// What the processor would find: physical address, and the entry.
    fn walk(t: &Tables<'_>, virt: u64) -> Option<(u64, u64)> {
        let mut table = 0;
        for shift in [39, 30, 21, 12] {
            let entry = t.pool[table][index(virt, shift)];
            if entry & PRESENT == 0 {
                return None;
            }
            if shift == 12 || (shift == 21 && entry & LARGE != 0) {
                let mask = (1u64 << shift) - 1;
                return Some(((entry & FRAME & !mask) | (virt & mask), entry));
            }
            table = (((entry & FRAME) - t.base) / PAGE) as usize;
        }
        None
    }

    #[test]
    fn maps_small_and_large_pages() {
        let mut pool = vec![[!0u64; 512]; 16];
        let mut t = Tables::new(&mut pool, 0x70_0000).unwrap();
        let (from, length) = (0x1f_f000, 0x1000 + 3 * LARGE_PAGE + 0x2000);
        t.map(HHDM + from, from, length, DATA).unwrap();
        for at in (from..from + length).step_by(0x1000) {
            let (phys, entry) = walk(&t, HHDM + at + 5).unwrap();
            assert_eq!(phys, at + 5);
            assert_eq!(entry & (WRITE | NO_EXECUTE), WRITE | NO_EXECUTE);
        }
        assert!(walk(&t, HHDM + from - 1).is_none() && walk(&t, HHDM + from + length).is_none());
        assert_eq!(walk(&t, HHDM + LARGE_PAGE).unwrap().1 & LARGE, LARGE);
        // Two at the edges, one middle, one upper, the root.
        assert_eq!(t.used, 5);
    }

    #[test]
    fn keeps_rights_and_caching() {
        let mut pool = vec![[0u64; 512]; 8];
        let mut t = Tables::new(&mut pool, 0x10_0000).unwrap();
        let text = Flags { write: false, execute: true, write_combining: false };
        t.map(KERNEL_MIN, 0x5000, 0x1000, text).unwrap();
        assert_eq!(walk(&t, KERNEL_MIN).unwrap(), (0x5000, 0x5000 | PRESENT));
        t.map(HHDM, 0, LARGE_PAGE, Flags { write_combining: true, ..DATA }).unwrap();
        assert_eq!(walk(&t, HHDM).unwrap().1 & (PAT_LARGE | WRITE_THROUGH), PAT_LARGE | WRITE_THROUGH);
    }

    #[test]
    fn an_empty_pool_says_so_and_the_bound_holds() {
        let mut pool = vec![[0u64; 512]; 3];
        let mut t = Tables::new(&mut pool, 0).unwrap();
        assert_eq!(t.map(HHDM, 0, 0x1000, DATA), Err(Full));
        let (first, second) = (0x1fff_f000, (3 << 30) + 0x7000);
        let mut pool = vec![[0u64; 512]; 1 + Tables::needed(2, second + (1 << 30) + 0x3000)];
        let mut t = Tables::new(&mut pool, 0).unwrap();
        t.map(HHDM + first, first, 1 << 30, DATA).unwrap();
        t.map(HHDM + second, second, (1 << 30) + 0x3000, DATA).unwrap();
    }
}
