// SPDX-License-Identifier: BSD-2-Clause
//! Joins two relations by a hash table: one half of the memory is a table of rows, the other the tuples that look for theirs.
//!
//! The keys of the tuples follow Zipf's law over twice as many keys as have a row, so that few rows are found often and many tuples find none.

use super::{Wrong, same};
use crate::random::mix;
use crate::{Memory, Pattern, Probe, Sequence};

/// Words of a row and of a tuple: its key, a mark, and at the end what belongs to it.
const ROW: usize = 64;
const MARK: usize = 1;
const LAST: usize = ROW - 1;
/// Rows in so many places of the table.
const FULL: (usize, usize) = (2, 3);

fn key(seed: u64, row: u64) -> u64 {
    mix(seed.wrapping_add(row))
}

fn belongs(key: u64) -> u64 {
    mix(key ^ 1)
}

/// The word where the search for a key begins.
fn place(key: u64, places: usize) -> usize {
    ((mix(key) as u128 * places as u128) >> 64) as usize
}

/// Builds the table once, and joins `rounds` times.
pub fn run<P: Probe>(memory: &mut Memory<'_, P>, seed: u64, rounds: u64) -> Result<(), Wrong> {
    let places = memory.words() / 2 / ROW;
    let rows = (places * FULL.0 / FULL.1) as u64;
    for n in 0..places {
        memory.write(n * ROW + MARK, 0);
    }
    for row in 0..rows {
        let key = key(seed, row);
        let Some(at) = find(memory, places, key)? else { return same("rows in the table", row, rows) };
        memory.write(at, key);
        memory.write(at + MARK, row + 1);
        memory.write(at + LAST, belongs(key));
    }
    for round in 0..rounds {
        let expected = tuples(memory, places, rows, seed, round);
        let found = probe(memory, places)?;
        same("matches", found.0, expected.0)?;
        same("sum of the matches", found.1, expected.1)?;
    }
    Ok(())
}

/// Writes the tuples; how many will find a row, and the sum of what belongs to those.
fn tuples<P: Probe>(
    memory: &mut Memory<'_, P>,
    places: usize,
    rows: u64,
    seed: u64,
    round: u64,
) -> (u64, u64) {
    let mut wanted = Sequence::new(Pattern::Zipf, 2 * rows, seed ^ round << 32);
    let mut expected = (0, 0u64);
    for n in places..2 * places {
        let row = wanted.next_page();
        let key = key(seed, row);
        memory.write(n * ROW, key);
        memory.write(n * ROW + LAST, belongs(!key));
        if row < rows {
            expected = (expected.0 + 1, expected.1.wrapping_add(belongs(key)));
        }
    }
    expected
}

/// Looks for the row of each tuple.
fn probe<P: Probe>(memory: &mut Memory<'_, P>, places: usize) -> Result<(u64, u64), Wrong> {
    let mut found = (0, 0u64);
    for n in places..2 * places {
        let key = memory.read(n * ROW);
        same("tuple", memory.read(n * ROW + LAST), belongs(!key))?;
        if let Some(at) = find(memory, places, key)?
            && memory.read(at + MARK) != 0
        {
            found = (found.0 + 1, found.1.wrapping_add(memory.read(at + LAST)));
        }
    }
    Ok(found)
}

/// The word where a key's row begins, or the free place where it would; `None`: the table is full.
fn find<P: Probe>(memory: &mut Memory<'_, P>, places: usize, key: u64) -> Result<Option<usize>, Wrong> {
    let first = place(key, places);
    for at in (first..places).chain(0..first).map(|n| n * ROW) {
        if memory.read(at + MARK) == 0 {
            return Ok(Some(at));
        }
        let there = memory.read(at);
        if there == key {
            return Ok(Some(at));
        }
        same("row", memory.read(at + LAST), belongs(there))?;
    }
    Ok(None)
}
