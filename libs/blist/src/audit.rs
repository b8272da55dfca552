// SPDX-License-Identifier: BSD-2-Clause
//! Checking that what nodes say is what their leaves hold.

use core::fmt;

use crate::blist::Blist;
use crate::lanes::{self, UNIFORM};

/// A record that disagrees with what lies beneath it: memory was damaged, or this crate is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// First block under the record.
    pub block: u64,
    /// Level of the record: 0 for a leaf, one more for each sixteen.
    pub level: usize,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "blist record of level {} at block {} contradicts its leaves", self.level, self.block)
    }
}

impl core::error::Error for Damage {}

impl<S: AsRef<[u64]> + AsMut<[u64]>> Blist<S> {
    /// Compares every count and every hint with the bitmaps; reads everything, changes nothing.
    ///
    /// Errors: the first [`Damage`] found.
    pub fn audit(&self) -> Result<(), Damage> {
        let free = self.audit_entry(self.shape.levels, 0)?;
        if free != self.free || self.cursor >= self.len() {
            return Err(Damage { block: 0, level: self.shape.levels });
        }
        Ok(())
    }

    /// Free blocks under entry `x` of `level`, all of whose ancestors are settled.
    fn audit_entry(&self, level: usize, x: usize) -> Result<u64, Damage> {
        let entry = self.entry(level, x);
        let under = self.under(level, x);
        let damage = Damage { block: under.start, level };
        let (free, hint) = if level == 0 {
            let bits = self.words()[x];
            if under.end > self.len() && bits >> (self.len() - under.start) != 0 {
                return Err(damage);
            }
            (u64::from(bits.count_ones()), self.leaf_hint(x, bits))
        } else if entry & UNIFORM != 0 {
            let free = self.free_under(level, x);
            // Free as a whole it must exist as a whole.
            if free > 0 && under.end > self.len() {
                return Err(damage);
            }
            (free, UNIFORM | if free > 0 { crate::MAX_ALLOC as u8 } else { 0 })
        } else {
            let mut free = 0;
            for child in self.children(level, x, &under) {
                free += self.audit_entry(level - 1, child)?;
            }
            if free != self.free_under(level, x) {
                return Err(damage);
            }
            (free, lanes::max(self.lanes(level - 1, x)))
        };
        if hint == entry { Ok(free) } else { Err(damage) }
    }
}
