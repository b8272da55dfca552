// SPDX-License-Identifier: BSD-2-Clause
//! Sorts records in two halves of the memory: runs that are sorted one by one from the first half into the second, then merged back.

use super::{Wrong, same};
use crate::random::mix;
use crate::{Memory, Probe};
use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Reverse;

/// Words of a record: its key, and what belongs to it.
const RECORD: usize = 8;
/// Records of a run: half a mebibyte.
const RUN: usize = 8192;

/// A word of what belongs to a key.
fn payload(key: u64, word: usize) -> u64 {
    key.wrapping_mul(2 * word as u64 + 1)
}

/// Sorts `rounds` times.
pub fn run<P: Probe>(memory: &mut Memory<'_, P>, seed: u64, rounds: u64) -> Result<(), Wrong> {
    let records = memory.words() / 2 / RECORD;
    for round in 0..rounds {
        let key = |n: usize| mix(mix(seed ^ round << 32).wrapping_add(n as u64));
        let mut sum = 0u64;
        for n in 0..records {
            memory.write(n * RECORD, key(n));
            (1..RECORD).for_each(|word| memory.write(n * RECORD + word, payload(key(n), word)));
            sum = sum.wrapping_add(mix(key(n)));
        }
        runs(memory, records);
        merge(memory, records);
        check(memory, records, sum)?;
    }
    Ok(())
}

/// Sorts each run's keys, and copies its records in that order into the second half.
fn runs<P: Probe>(memory: &mut Memory<'_, P>, records: usize) {
    let mut order = Vec::with_capacity(RUN);
    for first in (0..records).step_by(RUN) {
        let last = (first + RUN).min(records);
        order.clear();
        order.extend((first..last).map(|n| (memory.read(n * RECORD), n)));
        order.sort_unstable();
        for (to, (_, from)) in (records + first..).zip(&order) {
            memory.copy(from * RECORD, to * RECORD, RECORD);
        }
    }
}

/// Merges all runs of the second half into the first.
fn merge<P: Probe>(memory: &mut Memory<'_, P>, records: usize) {
    let mut heads: BinaryHeap<Reverse<(u64, usize)>> =
        (0..records).step_by(RUN).map(|n| Reverse((memory.read((records + n) * RECORD), n))).collect();
    for to in 0..records {
        let Some(Reverse((_, from))) = heads.pop() else { return };
        memory.copy((records + from) * RECORD, to * RECORD, RECORD);
        let next = from + 1;
        if !next.is_multiple_of(RUN) && next < records {
            heads.push(Reverse((memory.read((records + next) * RECORD), next)));
        }
    }
}

/// The first half holds the records that there were, in order.
fn check<P: Probe>(memory: &mut Memory<'_, P>, records: usize, expected: u64) -> Result<(), Wrong> {
    let (mut sum, mut before) = (0u64, 0);
    for n in 0..records {
        let key = memory.read(n * RECORD);
        same("order of the keys", key.min(before), before)?;
        for word in 1..RECORD {
            same("record", memory.read(n * RECORD + word), payload(key, word))?;
        }
        sum = sum.wrapping_add(mix(key));
        before = key;
    }
    same("sum of the keys", sum, expected)
}
