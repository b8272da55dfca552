// SPDX-License-Identifier: BSD-2-Clause
//! Reads a file from its start to its end, again and again, and between two of its pages one page of a hot set in anonymous memory: what the scan must not push out.

use super::{Wrong, same};
use crate::random::mix;
use crate::{Memory, Probe, Random, WORDS};

/// A word of the file.
pub fn word(seed: u64, at: usize) -> u64 {
    mix(seed ^ at as u64)
}

/// Fills the hot set, and reads the file `rounds` times. `file` holds [`word`]s.
pub fn run<P: Probe, Q: Probe>(
    hot: &mut Memory<'_, P>,
    file: &mut Memory<'_, Q>,
    seed: u64,
    rounds: u64,
) -> Result<(), Wrong> {
    for page in 0..hot.pages() {
        hot.write(page * WORDS, 1);
        hot.write((page + 1) * WORDS - 1, mix(seed ^ page as u64));
    }
    let mut random = Random::new(seed);
    let mut visits = hot.pages() as u64;
    for _ in 0..rounds {
        for page in 0..file.pages() {
            for at in
                [page * WORDS, page * WORDS + random.below(WORDS as u64) as usize, (page + 1) * WORDS - 1]
            {
                same("word of the file", file.read(at), word(seed, at))?;
            }
            let page = random.below(hot.pages() as u64) as usize;
            same("hot page", hot.read((page + 1) * WORDS - 1), mix(seed ^ page as u64))?;
            // Every fourth visit leaves something behind.
            if random.chance(1 << 14) {
                let count = hot.read(page * WORDS);
                hot.write(page * WORDS, count + 1);
                visits += 1;
            }
        }
    }
    let found = (0..hot.pages()).map(|page| hot.read(page * WORDS)).fold(0, u64::wrapping_add);
    same("visits of the hot set", found, visits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::tests::{Fake, pages};
    use core::sync::atomic::Ordering::Relaxed;

    #[test]
    fn what_is_in_the_file_and_in_the_hot_set_is_checked() {
        let (hot, file, fake) = (pages(50), pages(200), Fake::default());
        file.iter().enumerate().for_each(|(at, cell)| cell.store(word(3, at), Relaxed));
        let scan = |seed| run(&mut Memory::new(&hot, &fake), &mut Memory::new(&file, &fake), seed, 2);
        assert_eq!(scan(3), Ok(()));
        assert_eq!(scan(4).unwrap_err().what, "word of the file");
        file[199 * WORDS].store(0, Relaxed);
        assert_eq!(scan(3).unwrap_err().expected, word(3, 199 * WORDS));
    }
}
