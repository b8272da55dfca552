// SPDX-License-Identifier: BSD-2-Clause
//! Limits on mappings: what would exceed one is refused whole, to whom it is meant for and to nobody else, and what is given back can be had again.

use crate::model::World;
use crate::model::files::{RW, pattern};
use crate::model::world::PAGE;
use ebb_abi::layout::STACK_TOP;
use ebb_proto::Error;
use ebb_proto::vm::{self as proto, Bounds, Inheritance, NO_LIMIT, Protection, Request, Source, Space};
use proptest::prelude::*;

fn bound(w: &mut World, space: Space, bounds: Bounds) {
    w.init::<()>(Request::SetLimits(proto::SetLimits { space, bounds })).expect("a limit");
}

fn usage(w: &mut World, space: Space) -> Bounds {
    w.ask(space, Request::Usage(proto::Usage { space })).expect("what it has")
}

/// Beyond what a program has from the start, as no limit: mapped, data, swap.
fn more(w: &mut World, space: Space, mapped: u64, data: u64, swap: u64) {
    let has = usage(w, space);
    let sum = |has: u64, more: u64| has.saturating_add(more);
    let (mapped, data, swap) = (sum(has.mapped, mapped), sum(has.data, data), sum(has.swap, swap));
    bound(w, space, Bounds { resident: NO_LIMIT, mapped, data, swap });
}

fn map(w: &mut World, space: Space, address: u64, pages: u64, protection: Protection) -> Result<u64, Error> {
    let protection = protection.bits();
    w.ask(space, Request::Map(proto::Map { space: 0, address, pages, protection, source: Source::Anonymous }))
}

fn protect(w: &mut World, space: Space, address: u64, pages: u64, to: Protection) -> Result<(), Error> {
    w.ask(space, Request::Protect(proto::Protect { space: 0, address, pages, protection: to.bits() }))
}

fn unmap(w: &mut World, space: Space, address: u64, pages: u64) {
    w.ask::<()>(space, Request::Unmap(proto::Unmap { space: 0, address, pages })).expect("munmap");
}

const DATA: Protection = Protection::READ.union(Protection::WRITE);

#[test]
fn prs_081_nothing_is_limited_unless_somebody_says_so() {
    let mut w = World::new(300);
    let p = w.program();
    assert!(map(&mut w, p, 0, 1 << 24, DATA).is_ok());
    w.check();
}

#[test]
fn a_mapping_beyond_the_address_space_is_refused_and_the_neighbour_has_its_own() {
    let mut w = World::new(300);
    let (p, q) = (w.program(), w.program());
    more(&mut w, p, 10, NO_LIMIT, NO_LIMIT);
    let before = usage(&mut w, p);
    assert_eq!(map(&mut w, p, 0, 11, DATA), Err(Error::NoMemory));
    assert_eq!(usage(&mut w, p), before, "nothing is left of what was refused");
    let a = map(&mut w, p, 0, 6, Protection::READ).unwrap();
    assert_eq!(map(&mut w, p, 0, 5, DATA), Err(Error::NoMemory));
    map(&mut w, p, 0, 4, DATA).unwrap();
    assert_eq!(map(&mut w, p, 0, 1, Protection::empty()), Err(Error::NoMemory));
    assert!(map(&mut w, q, 0, 1000, DATA).is_ok());
    // What goes can be had again.
    unmap(&mut w, p, a + 2 * PAGE, 2);
    assert_eq!(map(&mut w, p, 0, 3, DATA), Err(Error::NoMemory));
    assert!(map(&mut w, p, 0, 2, DATA).is_ok());
    w.check();
}

#[test]
fn prs_080_data_is_what_a_program_can_write_but_its_stacks() {
    let mut w = World::new(300);
    let p = w.program();
    more(&mut w, p, NO_LIMIT, 10, NO_LIMIT);
    assert_eq!(map(&mut w, p, 0, 11, DATA), Err(Error::NoMemory));
    assert!(map(&mut w, p, STACK_TOP - (1 << 25), 64, DATA).is_ok());
    let constant = map(&mut w, p, 0, 20, Protection::READ).unwrap();
    let own = map(&mut w, p, 0, 4, DATA).unwrap();
    // What becomes writable counts from then on, whatever it is afterwards.
    assert_eq!(protect(&mut w, p, constant, 7, DATA), Err(Error::NoMemory));
    assert_eq!(protect(&mut w, p, constant, 6, DATA), Ok(()));
    for to in [Protection::READ, DATA, Protection::empty()] {
        assert_eq!(protect(&mut w, p, constant, 6, to), Ok(()));
        assert_eq!(map(&mut w, p, 0, 1, DATA), Err(Error::NoMemory));
    }
    assert_eq!(protect(&mut w, p, constant + 5 * PAGE, 2, DATA), Err(Error::NoMemory));
    unmap(&mut w, p, own + PAGE, 1);
    assert_eq!(protect(&mut w, p, constant + 5 * PAGE, 2, DATA), Ok(()));
    w.check();
}

#[test]
fn swap_is_charged_for_what_may_have_to_go_there() {
    let mut w = World::with_files(320, 500);
    let (p, _, f) = w.opened(&pattern(1, 8 * PAGE as usize));
    let q = w.file_program();
    more(&mut w, p, NO_LIMIT, NO_LIMIT, 6);
    // A file is its own place; what a program changes of its private view of one is not.
    let shared = w.map_file(p, f, 0, 8, DATA, false);
    assert!(shared.is_ok());
    assert_eq!(w.map_file(p, f, 0, 8, DATA, true), Err(Error::NoMemory));
    let private = w.map_file(p, f, 0, 8, Protection::READ, true).unwrap();
    assert_eq!(protect(&mut w, p, private, 5, DATA), Ok(()));
    assert_eq!(map(&mut w, p, STACK_TOP - (1 << 25), 2, DATA), Err(Error::NoMemory));
    assert!(map(&mut w, p, STACK_TOP - (1 << 25), 1, DATA).is_ok());
    assert!(map(&mut w, q, 0, 100, DATA).is_ok());
    // Where it may write it can: no fault is refused.
    (0..5).for_each(|n| assert!(w.poke(p, private + n * PAGE, b"mine")));
    w.check();
}

#[test]
fn prs_078_a_copy_has_the_limits_and_what_counts_against_them() {
    let mut w = World::new(400);
    let p = w.program();
    let (a, b) = (w.mmap(p, 4), w.mmap(p, 3));
    more(&mut w, p, 10, 6, NO_LIMIT);
    let none =
        Request::Inherit(proto::Inherit { space: 0, address: b, pages: 3, inheritance: Inheritance::None });
    w.ask::<()>(p, none).unwrap();
    assert!(w.write(p, a, 1));
    let c = w.fork(p).unwrap();
    let (of_parent, of_child) = (usage(&mut w, p), usage(&mut w, c));
    assert_eq!((of_child.mapped + 3, of_child.data + 3), (of_parent.mapped, of_parent.data));
    assert_eq!(map(&mut w, c, 0, 10, DATA), Err(Error::NoMemory));
    assert!(map(&mut w, c, 0, 9, DATA).is_ok(), "what was not inherited is not charged");
    assert_eq!(map(&mut w, p, 0, 7, DATA), Err(Error::NoMemory));
    // The limits are its own from then on.
    more(&mut w, p, NO_LIMIT, NO_LIMIT, NO_LIMIT);
    assert_eq!(map(&mut w, c, 0, 1, DATA), Err(Error::NoMemory));
    w.check();
}

#[test]
fn who_is_above_a_lowered_limit_keeps_what_it_has_and_gets_no_more() {
    let mut w = World::new(300);
    let p = w.program();
    let a = w.mmap(p, 20);
    bound(&mut w, p, Bounds { mapped: 5, data: 5, swap: 5, ..Bounds::NONE });
    (0..20).for_each(|n| assert!(w.write(p, a + n * PAGE, 1)));
    assert_eq!(map(&mut w, p, 0, 1, DATA), Err(Error::NoMemory));
    assert_eq!(protect(&mut w, p, a, 20, Protection::READ), Ok(()));
    assert_eq!(protect(&mut w, p, a, 20, DATA), Ok(()), "it is charged already");
    assert_eq!(w.init::<Bounds>(Request::Usage(proto::Usage { space: 9999 })), Err(Error::NotFound));
    w.check();
}

#[test]
fn a_file_that_is_refused_stays_as_it_was() {
    let mut w = World::with_files(320, 500);
    let (p, inode, f) = w.opened(&pattern(1, 8 * PAGE as usize));
    more(&mut w, p, 3, NO_LIMIT, NO_LIMIT);
    for private in [false, true] {
        assert_eq!(w.map_file(p, f, 0, 4, DATA, private), Err(Error::NoMemory));
    }
    assert_eq!(w.file(inode).map(|f| f.writable), Some(0));
    assert!(w.map_file(p, f, 0, 3, DATA, false).is_ok());
    w.open(p, inode, RW);
    w.check();
}

/// What is done to one of two programs: what, where, how much.
type Step = (u8, bool, u64, u64);

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Against pages in a row, each of which is nothing, read-only, or was writable once.
    #[test]
    fn limits_are_kept_exactly(
        steps in prop::collection::vec((0..5u8, any::<bool>(), 0..40u64, 1..12u64), 1..80),
    ) {
        const BASE: u64 = 0x2000_0000_0000;
        let mut w = World::new(400);
        let mut who = [w.program(), w.program()];
        let own = usage(&mut w, who[0]);
        let mut pages = [[None::<bool>; 64]; 2];
        let mut limits = [(u64::MAX, u64::MAX); 2];
        for (what, second, at, count) in steps as Vec<Step> {
            let n = second as usize;
            let (p, address) = (who[n], BASE + at * PAGE);
            let range = at as usize..(at + count) as usize;
            let mapped = pages[n].iter().flatten().count() as u64;
            let data = pages[n].iter().flatten().filter(|d| **d).count() as u64;
            let free = pages[n][range.clone()].iter().all(Option::is_none);
            match what {
                0 | 1 => {
                    let writable = what == 0;
                    let protection = if writable { DATA } else { Protection::READ };
                    let fits = mapped + count <= limits[n].0 && (!writable || data + count <= limits[n].1);
                    let expected = match (free, fits) {
                        (false, _) => Err(Error::Exists),
                        (true, false) => Err(Error::NoMemory),
                        (true, true) => Ok(address),
                    };
                    prop_assert_eq!(map(&mut w, p, address, count, protection), expected);
                    if expected.is_ok() {
                        pages[n][range].fill(Some(writable));
                    }
                }
                2 => {
                    unmap(&mut w, p, address, count);
                    pages[n][range].fill(None);
                }
                3 => {
                    let there = pages[n][range.clone()].iter().all(Option::is_some);
                    let new = pages[n][range.clone()].iter().filter(|p| **p == Some(false)).count() as u64;
                    let expected = match (there, new == 0 || data + new <= limits[n].1) {
                        (false, _) => Err(Error::Fault),
                        (true, false) => Err(Error::NoMemory),
                        (true, true) => Ok(()),
                    };
                    prop_assert_eq!(protect(&mut w, p, address, count, DATA), expected);
                    if expected.is_ok() {
                        pages[n][range].fill(Some(true));
                    }
                }
                _ => {
                    limits[n] = (at, count * 2);
                    let (mapped, data) = (own.mapped + at, own.data + count * 2);
                    bound(&mut w, p, Bounds { mapped, data, ..Bounds::NONE });
                    // A copy of the other one from time to time, which has its limits.
                    if count == 11 {
                        w.end(who[1 - n]);
                        who[1 - n] = w.fork(p).expect("fork");
                        (pages[1 - n], limits[1 - n]) = (pages[n], limits[n]);
                    }
                }
            }
            for n in 0..2 {
                let has = usage(&mut w, who[n]);
                let mapped = pages[n].iter().flatten().count() as u64;
                let data = pages[n].iter().flatten().filter(|d| **d).count() as u64;
                prop_assert_eq!((has.mapped - own.mapped, has.data - own.data, has.swap - own.swap), (mapped, data, data));
            }
        }
        w.check();
    }
}
