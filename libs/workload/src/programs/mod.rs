// SPDX-License-Identifier: BSD-2-Clause
//! What programs do with memory: small ones of well-known kinds, seeded, that check their own results. Each uses all of the memory that it is given.

pub mod btree;
pub mod join;
pub mod matrix;
pub mod scan;
pub mod sort;

use crate::{Memory, Probe};

/// A result that is not what it has to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wrong {
    /// Of what.
    pub what: &'static str,
    /// What it has to be.
    pub expected: u64,
    /// What it is.
    pub found: u64,
}

/// `Ok` if the two are the same.
fn same(what: &'static str, found: u64, expected: u64) -> Result<(), Wrong> {
    if found == expected { Ok(()) } else { Err(Wrong { what, expected, found }) }
}

/// A program that works on memory alone: what it is given, a seed, and how often it does it.
pub type Program<P> = fn(&mut Memory<'_, P>, u64, u64) -> Result<(), Wrong>;

/// Those of them that there are, by their names.
pub fn by_name<P: Probe>(name: &str) -> Option<Program<P>> {
    match name {
        "sort" => Some(sort::run),
        "hash-join" => Some(join::run),
        "matrix" => Some(matrix::run),
        "btree" => Some(btree::run),
        _ => None,
    }
}

/// Their names.
pub const NAMES: [&str; 4] = ["sort", "hash-join", "matrix", "btree"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WORDS;
    use crate::memory::tests::{Fake, pages};
    use core::sync::atomic::AtomicU64;
    use core::sync::atomic::Ordering::Relaxed;

    #[test]
    fn all_are_right_on_memory_that_keeps_what_is_written() {
        for name in NAMES {
            for count in [64, 65, 700] {
                for seed in [1, 2] {
                    let (words, fake) = (pages(count), Fake::default());
                    let program = by_name(name).unwrap();
                    let mut memory = Memory::new(&words, &fake);
                    assert_eq!(program(&mut memory, seed, 2), Ok(()), "{name} {count}");
                    let touches = memory.stats().touches;
                    // Nearly all of the memory is used.
                    let used = words.chunks(WORDS).filter(|p| p.iter().any(|w| w.load(Relaxed) != 0)).count();
                    assert!(used * 10 >= count * 9, "{name}: {used} of {count}");
                    // The same again, even where something lies about from before.
                    let again = Fake::default();
                    let program = by_name(name).unwrap();
                    let mut memory = Memory::new(&words, &again);
                    assert_eq!(program(&mut memory, seed, 2), Ok(()), "{name} {count} again");
                    assert_eq!(memory.stats().touches, touches, "{name} {count}");
                }
            }
        }
        assert!(by_name::<&Fake>("quicksort").is_none());
    }

    /// A machine that spoils a page now and then: a clock that does so when it is asked.
    struct Spoiler<'w> {
        words: &'w [AtomicU64],
        asked: core::cell::Cell<u64>,
        at: u64,
    }

    impl Probe for &Spoiler<'_> {
        fn cycles(&self) -> u64 {
            let asked = self.asked.get() + 1;
            self.asked.set(asked);
            if asked == self.at {
                // A page comes back from swap as zeroes.
                let page = (asked * 7919 % (self.words.len() / WORDS) as u64) as usize;
                self.words[page * WORDS..(page + 1) * WORDS].iter().for_each(|w| w.store(0, Relaxed));
            }
            asked
        }
        fn faults(&self) -> (u64, u64) {
            (0, 0)
        }
    }

    #[test]
    fn a_page_that_is_lost_is_noticed() {
        for name in NAMES {
            let count = 256;
            // How often the clock is asked in all; then the page is lost at different times.
            let words = pages(count);
            let whole = Spoiler { words: &words, asked: Default::default(), at: u64::MAX };
            let program = by_name(name).unwrap();
            assert_eq!(program(&mut Memory::new(&words, &whole), 1, 1), Ok(()));
            let all = whole.asked.get();
            let noticed = (1..20).filter(|n| {
                let words = pages(count);
                let spoiler = Spoiler { words: &words, asked: Default::default(), at: all * n / 20 };
                let program = by_name(name).unwrap();
                program(&mut Memory::new(&words, &spoiler), 1, 1).is_err()
            });
            // What is lost before it was written, or after it was last read, is no harm.
            assert!(noticed.clone().count() >= 4, "{name}: {}", noticed.count());
        }
    }
}
