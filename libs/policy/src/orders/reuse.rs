// SPDX-License-Identifier: BSD-2-Clause
//! After how long pages of a kind are used again, as seen so far, and what follows for who should stay.
//!
//! For each kind there is a histogram of the ages at which its pages were used again, or were not within memory of man. The *rank* of a page of a kind
//! at an age is the greatest number of uses for the time in memory that keeping it until any later age would bring: the index of Gittins, "Bandit
//! processes and dynamic allocation indices", Journal of the Royal Statistical Society B 41(2), 1979. On the curve of uses over time it is the slope
//! of the upper hull, so that all ages of a kind take one walk from the oldest.
//!
//! A page is of two kinds at once, each of which divides the pages by something else; the product of what both say is better than either. A kind
//! seen seldom borrows from its family, and the family from all. What was seen long ago counts less. 90 KiB, whatever the memory.

use alloc::vec::Vec;

use crate::orders::past::{AGES, FAMILY, KINDS, NEVER, QUANTA, SLOTS, width};
use crate::state::{About, BadRecord, Record};

/// What one page counts, so that shares of it can be kept while it fades.
const ONE: u16 = 128;
/// How much a family says about a kind, in pages; and all about a family. Guessed; a third or the threefold changed misses by half a hundredth.
const PRIOR: u32 = 16 * ONE as u32;
/// Kinds that one lesson passes over at most, if none is due.
const LOOK: usize = 32;
/// Quanta in which what was seen fades by an eighth.
const FADE: u16 = QUANTA as u16 / 8;

const FAMILIES: usize = KINDS / FAMILY;
const ALL: usize = KINDS + FAMILIES;
const NODES: usize = ALL + 1;
/// Stands for a row in the record that tells the cursor.
const CURSOR: u32 = 0xff_ffff;

#[derive(Clone, Copy, Debug)]
struct Node {
    seen: [u16; AGES + 1],
    total: u32,
    /// Quantum in which it faded last.
    faded: u16,
    /// Seen since the ranks were made.
    fresh: u16,
    /// Quantum in which they were.
    ranked: u16,
    /// A page is or was of this kind.
    in_use: bool,
}

impl Node {
    fn add(&mut self, bin: usize) {
        if self.seen[bin] > u16::MAX - ONE {
            self.keep(128);
        }
        self.seen[bin] += ONE;
        self.total += u32::from(ONE);
        self.fresh = self.fresh.saturating_add(ONE);
    }

    /// Keeps so many parts of 256 of what was seen.
    fn keep(&mut self, share: u32) {
        self.total = 0;
        for seen in &mut self.seen {
            *seen = ((u32::from(*seen) * share) >> 8) as u16;
            self.total += u32::from(*seen);
        }
    }

    fn fade(&mut self, now: u16) {
        let times = now.wrapping_sub(self.faded) / FADE;
        if times > 0 {
            self.faded = self.faded.wrapping_add(times * FADE);
            self.keep((0..times.min(32)).fold(256, |share, _| share - share / 8));
        }
    }
}

/// The kinds.
#[derive(Debug)]
pub struct Reuse {
    nodes: Vec<Node>,
    /// By kind and slot.
    ranks: Vec<[u16; SLOTS]>,
    /// The node that is looked at next.
    cursor: usize,
}

impl Reuse {
    /// Nothing seen yet: all ranks are 0.
    pub fn new() -> Self {
        let blank = Node { seen: [0; AGES + 1], total: 0, faded: 0, fresh: 0, ranked: 0, in_use: false };
        let mut nodes = alloc::vec![blank; NODES];
        nodes[KINDS..].iter_mut().for_each(|n| n.in_use = true);
        Self { nodes, ranks: alloc::vec![[0; SLOTS]; KINDS], cursor: 0 }
    }

    /// A page of two kinds was used again at an age, or never.
    pub fn saw(&mut self, kinds: [u16; 2], bin: usize) {
        let bin = bin.min(NEVER);
        for kind in kinds.map(usize::from) {
            self.nodes[kind].add(bin);
            self.nodes[KINDS + kind / FAMILY].add(bin);
        }
        self.nodes[ALL].add(bin);
    }

    /// There is a page of these kinds.
    pub fn meet(&mut self, kinds: [u16; 2]) {
        for kind in kinds.map(usize::from) {
            if !self.nodes[kind].in_use {
                self.nodes[kind].in_use = true;
                self.rank_anew(kind);
            }
        }
    }

    /// How much a page of two kinds at an age is worth: pages with less go before pages with more. Nearly the logarithm of the product of what
    /// both say.
    pub fn rank(&self, kinds: [u16; 2], slot: usize) -> u32 {
        kinds.iter().map(|kind| u32::from(self.ranks[usize::from(*kind)][slot.min(SLOTS - 1)])).sum()
    }

    /// Takes up what was seen, for one kind at a time, so that no call takes long.
    pub fn learn(&mut self, now: u16) {
        for _ in 0..LOOK {
            let node = self.cursor;
            self.cursor = if node + 1 < NODES { node + 1 } else { 0 };
            if self.nodes[node].in_use {
                let at = &mut self.nodes[node];
                at.fade(now);
                let is_due = u32::from(at.fresh) * 16 > at.total || now.wrapping_sub(at.ranked) >= 2 * FADE;
                if node < KINDS && is_due {
                    at.fresh = 0;
                    at.ranked = now;
                    self.rank_anew(node);
                    return;
                }
            }
        }
    }

    fn rank_anew(&mut self, kind: usize) {
        let (own, family, all) = (&self.nodes[kind], &self.nodes[KINDS + kind / FAMILY], &self.nodes[ALL]);
        // In parts of 65,536: how much each page of theirs counts.
        let of_all = u64::from(PRIOR << 16) / u64::from(all.total.max(1));
        let of_family = u64::from(PRIOR << 16) / u64::from(family.total.saturating_add(PRIOR));
        // Uses and quanta from here to the oldest age, and the corners of the hull over both, nearest last.
        let (mut uses, mut time) = (0u64, 0u64);
        let mut hull = [(0u64, 0u64); AGES + 1];
        let mut corners = 1;
        // Pages still there at the end of a bin.
        let mut there = 0u64;
        let mut ranks = [0; AGES];
        for bin in (0..=AGES).rev() {
            let borrowed = u64::from(family.seen[bin]) + ((u64::from(all.seen[bin]) * of_all) >> 16);
            let here = u64::from(own.seen[bin]) + ((borrowed * of_family) >> 16);
            if bin == NEVER {
                there = here + 1;
                continue;
            }
            uses += here;
            time += (2 * there + here) * width(bin);
            there += here;
            // Both grow with every step: the best slope from here is to the corner at which the hull bends.
            while corners > 1 {
                let (near, far) = (hull[corners - 1], hull[corners - 2]);
                let is_flatter = (uses - near.0) * (time - far.1) <= (uses - far.0) * (time - near.1);
                if !is_flatter {
                    break;
                }
                corners -= 1;
            }
            let near = hull[corners - 1];
            ranks[bin] = compact((uses - near.0) << 32, (time - near.1).max(1));
            hull[corners] = (uses, time);
            corners += 1;
        }
        // Between the middles of two bins the rank is between theirs.
        let slots = self.ranks[kind].chunks_exact_mut(2);
        for (bin, slots) in slots.enumerate() {
            let near = |bin: usize| u32::from(ranks[bin.min(AGES - 1)]);
            let (before, here, after) = (near(bin.saturating_sub(1)), 3 * near(bin), near(bin + 1));
            slots.copy_from_slice(&[((before + here) / 4) as u16, ((here + after) / 4) as u16]);
        }
    }

    /// Tells all rows of counts: of each node what was seen and its dates, of each kind its ranks. The detail of a record is the row, its
    /// upper half says which four of it stand in the word: 0 the dates, then the counts. Rows of zeroes are not told.
    pub fn save(&self, tell: &mut dyn FnMut(Record)) {
        let dates = |n: &Node| [n.faded, n.ranked, n.fresh, u16::from(n.in_use)];
        let nodes = self.nodes.iter().map(|n| (&n.seen[..], dates(n)));
        let ranks = self.ranks.iter().map(|r| (&r[..], [0; 4]));
        for (row, (counts, dates)) in (0..).zip(nodes.chain(ranks)) {
            for (at, four) in (0..).zip(core::iter::once(&dates[..]).chain(counts.chunks(4))) {
                let word = four.iter().rev().fold(0, |word, n| word << 16 | u64::from(*n));
                if word != 0 {
                    tell(About::Counts.record(row, at, word));
                }
            }
        }
        tell(About::Counts.record(CURSOR, 0, self.cursor as u64));
    }

    /// Takes up such a record.
    pub fn restore(&mut self, record: Record) -> Result<(), BadRecord> {
        let bad = BadRecord(record);
        let (_, row, at) = About::of(record)?;
        let four = [0, 16, 32, 48].map(|shift| (record[1] >> shift) as u16);
        if row == CURSOR {
            self.cursor = usize::from(four[0]).min(NODES - 1);
            return Ok(());
        }
        let counts = match (self.nodes.get_mut(row as usize), at) {
            (Some(node), 0) => {
                [node.faded, node.ranked, node.fresh, _] = four;
                node.in_use = four[3] != 0;
                return Ok(());
            }
            (Some(node), _) => {
                node.total = four.iter().fold(node.total, |total, n| total.saturating_add(u32::from(*n)));
                &mut node.seen[..]
            }
            (None, _) => &mut self.ranks.get_mut(row as usize - NODES).ok_or(bad)?[..],
        };
        let from = (at as usize).checked_sub(1).ok_or(bad)?.checked_mul(4).ok_or(bad)?;
        let slots = counts.get_mut(from..).filter(|slots| !slots.is_empty()).ok_or(bad)?;
        slots.iter_mut().zip(four).for_each(|(slot, n)| *slot = n);
        Ok(())
    }

    /// Bytes of memory it has.
    pub fn bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>() + self.ranks.capacity() * size_of::<[u16; SLOTS]>()
    }
}

/// A quotient in 16 bits that keeps order: its magnitude in the upper six, the digits that follow in the lower ten.
fn compact(above: u64, below: u64) -> u16 {
    let quotient = above / below;
    if quotient < 1 << 10 {
        return quotient as u16;
    }
    let magnitude = quotient.ilog2();
    ((magnitude - 9) << 10) as u16 | (quotient >> (magnitude - 10)) as u16 & 0x3ff
}
