// SPDX-License-Identifier: BSD-2-Clause
//! Looks keys up in a B-tree whose nodes are pages. Which keys follows Zipf's law; one in eight is not there, one in four that is there is changed.

use super::{Wrong, same};
use crate::random::mix;
use crate::{Memory, Pattern, Probe, Random, Sequence, WORDS};
use alloc::vec::Vec;

/// Words of an entry: a key, and its value or the page of a node.
const ENTRY: usize = 8;
/// Entries of a node; its first words hold their number.
const FANOUT: usize = WORDS / ENTRY - 1;
/// Distance of keys, on the average.
const GAP: u64 = 16;
/// Look-ups for each page and round.
const LOOKUPS: u64 = 2;

/// The key with this number: they ascend, and the gaps between them differ.
fn key(number: u64) -> u64 {
    number * GAP + mix(number) % GAP
}

/// A key that no number has.
fn absent(number: u64) -> u64 {
    number * GAP + (mix(number) + 1) % GAP
}

fn entry(page: usize, number: usize) -> usize {
    page * WORDS + (number + 1) * ENTRY
}

/// The tree.
#[derive(Clone, Copy)]
struct Tree {
    root: usize,
    /// Levels of nodes above the leaves.
    height: u32,
    leaves: usize,
    keys: u64,
    seed: u64,
}

/// Builds the tree once, and looks up `rounds` times `LOOKUPS` keys for each page.
pub fn run<P: Probe>(memory: &mut Memory<'_, P>, seed: u64, rounds: u64) -> Result<(), Wrong> {
    let tree = Tree::build(memory, seed);
    let mut changes = 0;
    for round in 0..rounds {
        let mut wanted = Sequence::new(Pattern::Zipf, tree.keys, seed ^ round << 32);
        let mut random = Random::new(!seed ^ round);
        for _ in 0..LOOKUPS * memory.pages() as u64 {
            let number = wanted.next_page();
            if random.chance(1 << 13) {
                let found = tree.find(memory, absent(number))?;
                same("values of a key that is not there", found.is_some() as u64, 0)?;
                continue;
            }
            let Some(at) = tree.find(memory, key(number))? else {
                return same("values of a key", 0, 1);
            };
            let value = memory.read(at);
            let original = mix(seed ^ key(number));
            // As often changed as at most all have been.
            same("value", value.wrapping_sub(original).min(changes), value.wrapping_sub(original))?;
            if random.chance(1 << 14) {
                memory.write(at, value.wrapping_add(1));
                changes += 1;
            }
        }
    }
    same("changes", tree.changes(memory)?, changes)
}

impl Tree {
    /// A tree of as many leaves as there is room for, all nodes full.
    fn build<P: Probe>(memory: &mut Memory<'_, P>, seed: u64) -> Tree {
        // Each node but the root is in one above it: the inner ones are less than 1 / (FANOUT - 1) of the leaves, and one in each level.
        let levels = 1 + memory.pages().ilog(FANOUT) as usize;
        let leaves = memory.pages().saturating_sub(levels).max(1) * (FANOUT - 1) / FANOUT;
        let leaves = leaves.max(1);
        let keys = (leaves * FANOUT) as u64;
        for leaf in 0..leaves {
            memory.write(leaf * WORDS, FANOUT as u64);
            for n in 0..FANOUT {
                let key = key((leaf * FANOUT + n) as u64);
                memory.write(entry(leaf, n), key);
                memory.write(entry(leaf, n) + 1, mix(seed ^ key));
            }
        }
        let (mut below, mut height) = (0..leaves, 0);
        while below.len() > 1 {
            let first = below.end;
            let children: Vec<usize> = below.collect();
            for (node, children) in (first..).zip(children.chunks(FANOUT)) {
                memory.write(node * WORDS, children.len() as u64);
                for (n, child) in children.iter().enumerate() {
                    let smallest = memory.read(entry(*child, 0));
                    memory.write(entry(node, n), smallest);
                    memory.write(entry(node, n) + 1, *child as u64);
                }
            }
            below = first..first + children.len().div_ceil(FANOUT);
            height += 1;
        }
        Tree { root: below.start, height, leaves, keys, seed }
    }

    /// Where the value of a key is.
    fn find<P: Probe>(&self, memory: &mut Memory<'_, P>, key: u64) -> Result<Option<usize>, Wrong> {
        let mut page = self.root;
        for _ in 0..self.height {
            let Some(n) = last_not_above(memory, page, key)? else { return Ok(None) };
            let child = memory.read(entry(page, n) + 1) as usize;
            same("child", child.min(memory.pages() - 1) as u64, child as u64)?;
            page = child;
        }
        let Some(n) = last_not_above(memory, page, key)? else { return Ok(None) };
        Ok((memory.read(entry(page, n)) == key).then_some(entry(page, n) + 1))
    }

    /// How often values were changed, in all leaves.
    fn changes<P: Probe>(&self, memory: &mut Memory<'_, P>) -> Result<u64, Wrong> {
        let mut changes = 0u64;
        for number in 0..self.keys as usize {
            let at = entry(number / FANOUT, number % FANOUT);
            let expected = key(number as u64);
            same("key", memory.read(at), expected)?;
            changes = changes.wrapping_add(memory.read(at + 1).wrapping_sub(mix(self.seed ^ expected)));
        }
        same("leaves", self.leaves as u64 * FANOUT as u64, self.keys)?;
        Ok(changes)
    }
}

/// The last entry of a node whose key is not above this one.
fn last_not_above<P: Probe>(
    memory: &mut Memory<'_, P>,
    page: usize,
    key: u64,
) -> Result<Option<usize>, Wrong> {
    let count = memory.read(page * WORDS);
    same("entries of a node", count.clamp(1, FANOUT as u64), count)?;
    let (mut low, mut high) = (0, count as usize);
    while low < high {
        let middle = (low + high) / 2;
        if memory.read(entry(page, middle)) <= key {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low.checked_sub(1))
}
