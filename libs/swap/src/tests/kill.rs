// SPDX-License-Identifier: BSD-2-Clause
//! The pager is killed at every step; the next one adopts what is there. And: damaged words are noticed.

extern crate std;

use super::machine::{Machine, Pager, copy_words, pages, segment_of};
use crate::fuse;
use crate::record::{Key, Record};
use core::sync::atomic::Ordering;
use ebb_proto::pager::{Op, Outcome};
use proptest::prelude::*;
use std::collections::{HashMap, HashSet};
use std::vec;
use std::vec::Vec;

const SLOTS: [u64; 2] = [9, 6];

/// What `vm` does: a run of pages to put, a range to free, or one to hand over to the other object.
#[derive(Clone, Copy, Debug)]
enum Step {
    Put { object: u64, first: u64, count: u64 },
    Free { object: u64, first: u64, count: u64 },
    Copy { object: u64, first: u64, to: u64, count: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let run = (0u64..2, 0u64..5, 1u64..4);
    prop_oneof![
        3 => run.clone().prop_map(|(object, first, count)| Step::Put { object, first, count }),
        1 => run.clone().prop_map(|(object, first, count)| Step::Free { object, first, count }),
        1 => (run, 0u64..5).prop_map(|((object, first, count), to)| Step::Copy { object, first, to, count }),
    ]
}

/// What the copy of a page may be: what was answered last, or what was asked for since.
type Model = HashMap<(u64, u64), HashSet<Option<u64>>>;

/// Does the steps until they end or the fuse burns; returns what may be there now.
fn play(m: &mut Machine, p: &mut Pager, steps: &[Step], model: &mut Model) {
    for (version, step) in (1u64..).zip(steps) {
        if fuse::burnt() {
            return;
        }
        let (first_cookie, written): (u32, Vec<_>) = match *step {
            Step::Copy { object, first, to, count } => {
                copy(m, p, model, (object, first), to, count);
                continue;
            }
            Step::Put { object, first, count } => {
                let pages = pages(first, count, version * 100);
                let (cookie, _) = m.run(Op::Put, object, 0, &pages);
                (cookie, pages.iter().map(|(i, c)| ((object, *i), Some(*c))).collect())
            }
            Step::Free { object, first, count } => {
                let cookie = m.submit_op(Op::Free, [object, first, count]);
                (cookie, (first..first + count).map(|i| ((object, i), None)).collect())
            }
        };
        for (page, contents) in &written {
            model.entry(*page).or_insert_with(|| HashSet::from([None])).insert(*contents);
        }
        m.settle(p);
        for (n, (page, contents)) in written.iter().enumerate() {
            let cookie = if contents.is_some() { first_cookie + n as u32 } else { first_cookie };
            match m.outbox.iter().find(|c| c.cookie == cookie).map(|c| c.outcome) {
                Some(Outcome::Ok) => {
                    model.insert(*page, HashSet::from([*contents]));
                }
                // Full: as before.
                Some(Outcome::Fail) => {
                    model.get_mut(page).unwrap().remove(contents);
                }
                Some(other) => panic!("{other:?}"),
                None => assert!(fuse::burnt(), "not answered"),
            }
        }
        m.outbox.clear();
    }
}

/// Hands copies over, and learns what came of it.
fn copy(m: &mut Machine, p: &mut Pager, model: &mut Model, (object, first): (u64, u64), to: u64, count: u64) {
    let cookie = m.submit_op(Op::Copy, copy_words(object, first, 1 - object, to, count));
    m.settle(p);
    let answered = m.outbox.drain(..).any(|c| c.cookie == cookie && c.outcome == Outcome::Ok);
    assert!(answered || fuse::burnt(), "not answered");
    for n in 0..count {
        let (from, to) = ((object, first + n), (1 - object, to + n));
        let known = |page: &(u64, u64)| model.get(page).and_then(|s| s.iter().next().copied()).flatten();
        let (old, kept) = (known(&from), known(&to));
        let after = (None, kept.or(old));
        let sets = match answered {
            true => [HashSet::from([after.0]), HashSet::from([after.1])],
            false => [HashSet::from([old, after.0]), HashSet::from([kept, after.1])],
        };
        for (page, set) in [from, to].into_iter().zip(sets) {
            model.insert(page, set);
        }
    }
}

fn adopt(m: &mut Machine) -> Pager {
    let mut p = Pager::new();
    for disk in (1u8..).take(SLOTS.len()) {
        p.adopt(m, disk, segment_of(disk), 0);
    }
    p
}

fn check(m: &mut Machine, p: &mut Pager, model: &mut Model) {
    let mut there = 0;
    for (page, allowed) in model.iter_mut() {
        let got = match m.get(p, page.0, 0, &[page.1])[0] {
            Ok(contents) => Some(contents),
            Err(Outcome::Fail) => None,
            Err(other) => panic!("{other:?}"),
        };
        assert!(allowed.contains(&got), "page {page:?} is {got:?}, may be {allowed:?}");
        there += got.is_some() as u64;
        *allowed = HashSet::from([got]);
    }
    assert_eq!(m.audit(p), there);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    /// Whatever was done and wherever the pager is killed, after adoption every page has the copy that was answered last or one that was asked
    /// for since, nothing is leaked, and it goes on (SWP-W12, and the contract of `pager`).
    #[test]
    fn killed_at_every_step(steps in proptest::collection::vec(step(), 4..14), more in proptest::collection::vec(step(), 6)) {
        for effects in 0.. {
            fuse::set(None);
            let (mut m, mut p) = Machine::with_pager(&SLOTS);
            let mut model = Model::new();
            fuse::set(Some(effects));
            play(&mut m, &mut p, &steps, &mut model);
            let burnt = fuse::burnt();
            fuse::set(None);
            // The disks finish what they were given whole, and the answers are lost.
            while m.ring.back().is_some_and(|e| e.more) {
                m.ring.pop_back();
            }
            while !m.requests().is_empty() {
                m.serve_one(m.requests().len() / 2);
            }
            m.ring.clear();
            m.finished.clear();
            m.inbox.clear();
            m.outbox.clear();
            let mut p = adopt(&mut m);
            prop_assert_eq!(p.counters().errors, 0, "{:?}", m.log);
            let contents: HashSet<u64> = model.values().filter(|s| s.len() == 1).flatten().flatten().copied().collect();
            check(&mut m, &mut p, &mut model);
            // A copy on its way from one page to another is one's or the other's, never gone.
            let found: HashSet<u64> = model.values().flatten().flatten().copied().collect();
            prop_assert!(contents.is_subset(&found));
            play(&mut m, &mut p, &more, &mut model);
            check(&mut m, &mut p, &mut model);
            if !burnt {
                break;
            }
        }
    }

    /// One damaged word: it is noticed and set aside, every other page is whole.
    #[test]
    fn a_damaged_record_costs_one_page(slot in 0usize..9, bit in 0u32..64, erase: bool) {
        let (mut m, mut p) = Machine::with_pager(&[9]);
        m.put(&mut p, 1, &pages(0, 6, 70));
        let cell = &m.segments[&segment_of(1)][512 + slot];
        let word = cell.load(Ordering::Relaxed);
        cell.store(if erase { 0 } else { word ^ 1 << bit }, Ordering::Relaxed);
        let mut p = Pager::new();
        p.adopt(&mut m, 1, segment_of(1), 0);
        prop_assert_eq!((p.counters().errors, p.summary().devices[0].bad), (1, 1));
        for index in 0..6 {
            let want = if index == slot as u64 { Err(Outcome::Fail) } else { Ok(70 + index) };
            prop_assert_eq!(m.get(&mut p, 1, 0, &[index])[0], want);
        }
        m.audit(&mut p);
    }
}

/// Two copies of which neither is the other's successor: nobody knows which is right, so neither is given out.
#[test]
fn contradicting_copies_are_set_aside() {
    for (v1, v2, left) in [(0, 0, 0), (0, 2, 0), (3, 0, 1), (0, 3, 1)] {
        let (mut m, mut p) = Machine::with_pager(&[9]);
        m.put(&mut p, 1, &[(0, 5)]);
        let key = Key { object: 3, index: 3 };
        for (slot, version) in [(4, v1), (6, v2)] {
            let word = Record::Committed(key, version).pack(slot);
            m.segments[&segment_of(1)][512 + slot as usize].store(word, Ordering::Relaxed);
            m.disks.get_mut(&1).unwrap().contents.insert(slot as u64 + 2, 200 + slot as u64);
        }
        let mut p = Pager::new();
        p.adopt(&mut m, 1, segment_of(1), 0);
        assert_eq!(m.audit(&mut p), 1 + left);
        assert_eq!(p.summary().devices[0].bad, 2 * (1 - left));
        assert_eq!(m.get(&mut p, 1, 0, &[0]), [Ok(5)]);
        let newer = if v2 == 0 { 206 } else { 204 };
        let want = if left == 1 { Ok(newer) } else { Err(Outcome::Fail) };
        assert_eq!(m.get(&mut p, 3, 0, &[3]), [want], "versions {v1} and {v2}");
    }
}

/// A bad slot is still bad, a device that was being emptied is in service (who removes it begins again), and `SwapOn` that was never answered is answered.
#[test]
fn what_else_outlives_the_pager() {
    let (mut m, mut p) = Machine::with_pager(&[9, 6]);
    m.disks.get_mut(&1).unwrap().broken.insert(2);
    m.put(&mut p, 1, &[(0, 5)]);
    m.put(&mut p, 1, &[(0, 5)]);
    m.op(&mut p, Op::SwapOffBegin, [2, 0, 0]);
    let mut p = adopt(&mut m);
    let s = p.summary();
    assert_eq!((s.devices[0].bad, s.devices[1].closing, s.adopted), (1, false, (1, 0)));
    assert_eq!(m.swap_on(&mut p, 1), Ok(9));
    assert_eq!(m.op(&mut p, Op::Prepare, [1, 0, 0]).0, Outcome::Again);
}

/// A table of another disk, or of the same one at another size, is not adopted.
#[test]
fn a_foreign_table_is_refused() {
    let (mut m, _) = Machine::with_pager(&[9, 9]);
    let mut p = Pager::new();
    p.adopt(&mut m, 1, segment_of(2), 0);
    assert!(p.summary().devices.is_empty());
    m.disks.get_mut(&1).unwrap().pages -= 1;
    p.adopt(&mut m, 1, segment_of(1), 0);
    assert!(p.summary().devices.is_empty());
    assert_eq!(m.swap_on(&mut p, 1), Err(Outcome::Error));
    p.adopt(&mut m, 2, segment_of(2), 0);
    assert_eq!(p.summary().devices.len(), 1);
}

/// What was sealed is taken over as it is; what is done after that is not sealed any more.
#[test]
fn a_sealed_device_is_not_made_anew() {
    let (mut m, mut p) = Machine::with_pager(&[9, 6]);
    m.disks.get_mut(&1).unwrap().broken.insert(2);
    assert_eq!(m.put(&mut p, 1, &[(0, 5)]), [Outcome::Error]);
    assert_eq!(m.put(&mut p, 1, &pages(0, 4, 30)), [Outcome::Ok; 4]);
    m.put(&mut p, 1, &pages(1, 2, 70));
    let (writing, _) = m.run(Op::Put, 2, 0, &[(0, 9)]);
    let seal = m.submit_op(Op::Seal, [0; 3]);
    let late = m.submit_op(Op::Free, [1, 0, 9]);
    p.pump(&mut m);
    assert!(m.outbox.is_empty(), "not before what is under way has ended");
    m.settle(&mut p);
    assert_eq!((m.collect(writing, 1), m.collect(seal, 1)), (vec![Outcome::Ok], vec![Outcome::Ok]));
    assert!(m.outbox.iter().all(|c| c.cookie != late), "nothing more is taken");
    m.inbox.clear();
    // A record that nobody looks at: as good a sign as any that nothing was made anew.
    for (again, errors) in [(0, 0), (1, 1)] {
        let cell = &m.segments[&segment_of(2)][512 + 5];
        cell.store(if again == 0 { Record::Free.pack(5) } else { 7 }, Ordering::Relaxed);
        let mut p = adopt(&mut m);
        assert_eq!(p.counters().errors, errors, "{:?}", m.log);
        assert_eq!(p.summary().devices.iter().map(|d| d.bad).sum::<u64>(), 1 + again);
        let got = m.get(&mut p, 1, 0, &[0, 1, 2, 3]).into_iter().map(|r| r.ok()).collect::<Vec<_>>();
        assert_eq!(m.audit(&mut p), 5);
        assert_eq!(got[0], Some(30));
        for (index, contents) in [(1, 71), (2, 72), (3, 33)] {
            assert_eq!(m.get(&mut p, 1, 0, &[index]), [Ok(contents)]);
        }
    }
}

/// A seal that contradicts the records is worth nothing.
#[test]
fn a_wrong_seal_is_not_believed() {
    let (mut m, mut p) = Machine::with_pager(&[9]);
    m.put(&mut p, 1, &pages(0, 4, 30));
    assert_eq!(m.op(&mut p, Op::Seal, [0; 3]).0, Outcome::Ok);
    let free = Record::Free.pack(0);
    m.segments[&segment_of(1)][512].store(free, Ordering::Relaxed);
    let mut p = Pager::new();
    p.adopt(&mut m, 1, segment_of(1), 0);
    assert_eq!(m.audit(&mut p), 3);
    assert_eq!(m.get(&mut p, 1, 0, &[0]), [Err(Outcome::Fail)]);
    assert_eq!(m.get(&mut p, 1, 0, &[3]), [Ok(33)]);
}
