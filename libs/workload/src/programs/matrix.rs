// SPDX-License-Identifier: BSD-2-Clause
//! Multiplies two matrices block by block. An element lies by itself in a kibibyte, as a field of a larger record would: the work for each page stays small.
//!
//! The result is checked by Freivalds' test: A (B r) = C r for a random vector r, which a wrong product passes by chance only.

use super::{Wrong, same};
use crate::{Memory, Probe, Random};
use alloc::vec;
use alloc::vec::Vec;

/// Words from one element to the next.
const ELEMENT: usize = 128;
/// Rows and columns of a block: its elements lie in 256 pages.
const BLOCK: usize = 32;

/// A square matrix in the memory.
#[derive(Clone, Copy)]
struct Matrix {
    first: usize,
    size: usize,
}

impl Matrix {
    fn at(self, row: usize, column: usize) -> usize {
        self.first + (row * self.size + column) * ELEMENT
    }

    /// The product with a vector.
    fn times<P: Probe>(self, memory: &mut Memory<'_, P>, vector: &[u64]) -> Vec<u64> {
        let row = |row| {
            vector.iter().enumerate().fold(0u64, |sum, (column, x)| {
                sum.wrapping_add(memory.read(self.at(row, column)).wrapping_mul(*x))
            })
        };
        (0..self.size).map(row).collect()
    }
}

/// Multiplies `rounds` times, other matrices each time.
pub fn run<P: Probe>(memory: &mut Memory<'_, P>, seed: u64, rounds: u64) -> Result<(), Wrong> {
    let size = (memory.words() / 3 / ELEMENT).isqrt();
    let [a, b, c] = [0, 1, 2].map(|n| Matrix { first: n * size * size * ELEMENT, size });
    for round in 0..rounds {
        let mut random = Random::new(seed ^ round << 32);
        for (row, column) in (0..size).flat_map(|row| (0..size).map(move |column| (row, column))) {
            memory.write(a.at(row, column), random.bits());
            memory.write(b.at(row, column), random.bits());
            memory.write(c.at(row, column), 0);
        }
        let blocks = || (0..size).step_by(BLOCK);
        for i in blocks() {
            for j in blocks() {
                for k in blocks() {
                    multiply(memory, [a, b, c], [i, j, k]);
                }
            }
        }
        let mut vector = vec![0; size];
        vector.iter_mut().for_each(|x| *x = random.bits());
        let product = b.times(memory, &vector);
        let expected = a.times(memory, &product);
        for (expected, found) in expected.into_iter().zip(c.times(memory, &vector)) {
            same("product", found, expected)?;
        }
    }
    Ok(())
}

/// Adds the product of two blocks to a third.
fn multiply<P: Probe>(memory: &mut Memory<'_, P>, [a, b, c]: [Matrix; 3], [i, j, k]: [usize; 3]) {
    let size = a.size;
    let until = |first: usize| first..(first + BLOCK).min(size);
    for i in until(i) {
        for k in until(k) {
            let factor = memory.read(a.at(i, k));
            for j in until(j) {
                let more = memory.read(b.at(k, j)).wrapping_mul(factor);
                let at = c.at(i, j);
                let sum = memory.read(at).wrapping_add(more);
                memory.write(at, sum);
            }
        }
    }
}
