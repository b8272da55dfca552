// SPDX-License-Identifier: BSD-2-Clause
//! Contents of pages, each from one number: as programs have them, from one word throughout to what nobody can compress.

use ebb_swap::PageBytes;

/// The page with this number.
pub fn page(number: u64) -> Box<PageBytes> {
    let mut words = [0u64; 512];
    let mut x = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut random = || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x
    };
    match number % 6 {
        // One word; of these every other time the same one.
        0 => words.fill(number / 6 % 2 * number),
        // Mostly zero.
        1 => words.iter_mut().step_by(64).for_each(|w| *w = random()),
        // Small numbers, as in tables.
        2 => words.iter_mut().enumerate().for_each(|(n, w)| *w = number + n as u64),
        // Half of it random.
        3 => words.iter_mut().take(256).for_each(|w| *w = random()),
        // Not compressible.
        4 => words.iter_mut().for_each(|w| *w = random()),
        // A pattern of bytes.
        _ => words
            .iter_mut()
            .enumerate()
            .for_each(|(n, w)| *w = u64::from_le_bytes([(n % 7) as u8; 8]) ^ number),
    }
    words[511] = if number.is_multiple_of(6) { words[0] } else { number };
    let mut bytes = Box::new([0; 4096]);
    bytes.chunks_exact_mut(8).zip(words).for_each(|(chunk, word)| chunk.copy_from_slice(&word.to_le_bytes()));
    bytes
}
