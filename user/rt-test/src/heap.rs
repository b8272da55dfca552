// SPDX-License-Identifier: BSD-2-Clause
//! The heap.

use crate::{Failure, equal};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use ebb_workload::Random;

/// Far more than there is at the start, in pieces of all sizes; what is in one is what was put there.
pub fn grows() -> Result<(), Failure> {
    let mut random = Random::new(7);
    let mut kept: BTreeMap<u64, Box<[u64]>> = BTreeMap::new();
    let mut bytes = 0;
    for n in 0..4000u64 {
        let words = match n % 100 {
            0 => 40_000,
            n if n % 10 == 0 => random.below(3000),
            _ => random.below(60),
        };
        bytes += words * 8;
        kept.insert(n, vec![n ^ words; words as usize].into());
        if n % 3 == 2 {
            kept.remove(&random.below(n));
        }
    }
    if bytes < 16 << 20 {
        return Err(format!("only {bytes} bytes"));
    }
    let wrong = kept.iter().filter(|(n, words)| words.iter().any(|w| *w != **n ^ words.len() as u64)).count();
    equal("pieces that have changed", wrong, 0)
}

/// What was freed is used again: otherwise this would be 30 GiB.
pub fn again() -> Result<(), Failure> {
    let first = vec![1u8; 1 << 20];
    let begin = first.as_ptr() as u64;
    let mut highest = 0;
    for n in 0..1000usize {
        let piece: Vec<u8> = Vec::with_capacity(30 << 20);
        highest = highest.max(piece.as_ptr() as u64);
        let small = vec![n; 100];
        equal("a small one", small[99], n)?;
    }
    if highest.abs_diff(begin) > 200 << 20 {
        return Err(format!("from {begin:#x} to {highest:#x}"));
    }
    Ok(())
}

pub fn refuses() -> Result<(), Failure> {
    for bytes in [1usize << 44, 1 << 46, 1 << 62, isize::MAX as usize] {
        let mut piece: Vec<u8> = Vec::new();
        equal("an impossible piece", piece.try_reserve_exact(bytes).is_err(), true)?;
    }
    let piece = vec![3u8; 3 << 20];
    equal("a possible one", piece.iter().map(|b| *b as usize).sum::<usize>(), 9 << 20)
}
