// SPDX-License-Identifier: BSD-2-Clause
//! Changing the number of blocks: the one operation besides creation that takes memory.

use core::ops::Range;

use crate::blist::Blist;
use crate::lanes::UNIFORM;
use crate::{Error, word};

/// What the blocks are that a list gains when it grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// Free at once.
    Free,
    /// Allocated, as in a new list.
    Allocated,
}

impl Blist {
    /// Changes the list to `blocks` blocks. What remains keeps its state; what is new gets that of `growth`.
    /// Takes memory for a whole new list and time in proportion to the free runs of the old one.
    ///
    /// Errors, and then nothing changed (SWP-W46): [`Error::InUse`] where blocks beyond the new end are allocated,
    /// [`Error::NoBlocks`], [`Error::TooManyBlocks`], [`Error::NoMemory`].
    /// Source: `blist_resize`, `blst_copy` (SWP-272).
    pub fn resize(&mut self, blocks: u64, growth: Growth) -> Result<(), Error> {
        let gone = self.len().saturating_sub(blocks);
        let in_use = gone - self.free_in(blocks, gone);
        // An empty list is no list, whoever uses it.
        if blocks > 0 && in_use > 0 {
            return Err(Error::InUse { blocks: in_use });
        }
        let mut new = Blist::new(blocks)?;
        let kept = blocks.min(self.len());
        self.copy_free(self.shape.levels, 0, &(0..kept), &mut new)?;
        if growth == Growth::Free {
            new.free(kept, blocks - kept)?;
        }
        new.placement = self.placement;
        new.cursor = if self.cursor < blocks { self.cursor } else { 0 };
        *self = new;
        Ok(())
    }

    /// Frees in `to`, where all is allocated yet, what is free here of `range` under entry `x` of `level`.
    fn copy_free(&self, level: usize, x: usize, range: &Range<u64>, to: &mut Blist) -> Result<(), Error> {
        let entry = self.entry(level, x);
        let under = self.under(level, x);
        let (start, end) = (range.start.max(under.start), range.end.min(under.end));
        if entry & !UNIFORM == 0 {
            return Ok(());
        }
        if entry & UNIFORM != 0 {
            return to.free(start, end - start);
        }
        if level > 0 {
            return self.children(level, x, range).try_for_each(|x| self.copy_free(level - 1, x, range, to));
        }
        let mut bits = self.words()[x] & word::mask(0, (end - under.start) as u32);
        while bits != 0 {
            let bit = bits.trailing_zeros();
            let run = word::head(bits >> bit);
            to.free(under.start + u64::from(bit), u64::from(run))?;
            bits &= !word::mask(bit, run);
        }
        Ok(())
    }
}
