// SPDX-License-Identifier: BSD-2-Clause
//! The tree for people to read.

use core::fmt::{self, Write};

use crate::blist::Blist;
use crate::lanes::UNIFORM;

impl<S: AsRef<[u64]> + AsMut<[u64]>> Blist<S> {
    /// Writes the tree to `out`, a line a node, and what is all free or all allocated without its insides:
    /// the range of blocks, then `free`, `allocated`, or the free blocks out of how many, the hint, and a
    /// leaf's bitmap (lowest block rightmost). A closing line marks where the list ends. Source: `blist_print`,
    /// `blst_radix_print` (SWP-273).
    ///
    /// Errors: those of `out`.
    pub fn dump(&self, out: &mut dyn Write) -> fmt::Result {
        writeln!(
            out,
            "blist of {} blocks, {} free, {:?} at {}",
            self.len(),
            self.free,
            self.placement,
            self.cursor
        )?;
        self.dump_entry(self.shape.levels, 0, out)?;
        writeln!(out, "end {}", self.len())
    }

    fn dump_entry(&self, level: usize, x: usize, out: &mut dyn Write) -> fmt::Result {
        let entry = self.entry(level, x);
        let (hint, under) = (entry & !UNIFORM, self.under(level, x));
        let end = under.end.min(self.len());
        let blocks = end - under.start;
        let free = if level > 0 { self.free_under(level, x) } else { u64::from(self.peek(x).count_ones()) };
        let indent = 2 * (self.shape.levels - level);
        write!(out, "{:indent$}{}..{end}: ", "", under.start)?;
        match free {
            0 => writeln!(out, "allocated"),
            _ if free == blocks => writeln!(out, "free"),
            _ if level == 0 => writeln!(out, "{free}/{blocks} hint {hint} bits {:016x}", self.peek(x)),
            _ => {
                writeln!(out, "{free}/{blocks} hint {hint}")?;
                self.children(level, x, &under).try_for_each(|child| self.dump_entry(level - 1, child, out))
            }
        }
    }
}

impl<S: AsRef<[u64]> + AsMut<[u64]>> fmt::Debug for Blist<S> {
    /// The summary; [`dump`](Blist::dump) has the tree.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blist")
            .field("len", &self.len())
            .field("free", &self.free)
            .field("largest_hint", &self.largest_hint())
            .field("cursor", &self.cursor)
            .field("placement", &self.placement)
            .finish()
    }
}
