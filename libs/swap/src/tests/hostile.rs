// SPDX-License-Identifier: BSD-2-Clause
//! Entries and completions that make no sense, and rings that are full.

extern crate std;

use super::machine::{Machine, pages};
use ebb_proto::block::{self, Status};
use ebb_proto::pager::{Op, Outcome, Submission};
use proptest::prelude::*;
use std::collections::HashMap;

/// SWP-W19, SWP-119: a run that is broken off is answered, page by page, and what comes after it is served.
#[test]
fn swp_w19_broken_runs_are_answered() {
    let (mut m, mut p) = Machine::with_pager(&[40]);
    let (first, _) = m.run(Op::Put, 1, 0, &pages(0, 4, 0));
    m.inbox.truncate(2);
    let (whole, _) = m.run(Op::Put, 1, 0, &pages(8, 2, 0));
    m.settle(&mut p);
    assert_eq!(m.collect(first, 2), [Outcome::Bad; 2]);
    assert_eq!(m.collect(whole, 2), [Outcome::Ok; 2]);
}

/// Completions of the disks that belong to nothing change nothing.
#[test]
fn unknown_completions_are_noticed() {
    let (mut m, mut p) = Machine::with_pager(&[40]);
    for cookie in [0, 1 << 8, u32::MAX] {
        m.finished.push_back(block::Completion { status: Status::Ok, cookie });
    }
    p.pump(&mut m);
    assert_eq!(p.counters().errors, 3);
    let (put, _) = m.run(Op::Put, 1, 0, &pages(0, 2, 0));
    p.pump(&mut m);
    let cookie = m.ring[0].cookie;
    m.settle(&mut p);
    m.finished.push_back(block::Completion { status: Status::Ok, cookie });
    m.settle(&mut p);
    assert_eq!(m.collect(put, 2), [Outcome::Ok; 2]);
    assert!(m.outbox.is_empty() && p.counters().errors == 4);
}

/// A completion ring that nobody empties stops the pager, and nothing is lost.
#[test]
fn a_full_completion_ring_is_waited_for() {
    let (mut m, mut p) = Machine::with_pager(&[100]);
    m.outbox_size = 5;
    let (first, _) = m.run(Op::Put, 1, 0, &pages(0, 4, 0));
    let (second, _) = m.run(Op::Put, 1, 0, &pages(4, 4, 0));
    m.settle(&mut p);
    assert_eq!((m.outbox.len(), m.inbox.len()), (4, 3), "room is kept for what was taken");
    assert_eq!(m.collect(first, 4), [Outcome::Ok; 4]);
    m.settle(&mut p);
    assert_eq!(m.collect(second, 4), [Outcome::Ok; 4]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    /// Whatever `vm` submits, every entry with an operation is answered exactly once, and the books agree.
    #[test]
    fn any_entries_are_answered_once(
        words in proptest::collection::vec((0u64..20, 0u64..19, 0u64..19, any::<u8>(), any::<bool>()), 1..300)
    ) {
        let (mut m, mut p) = Machine::with_pager(&[30, 7]);
        let mut expected: HashMap<u32, u32> = HashMap::new();
        for (cookie, (op, run, place, x, wild)) in (1000u32..).zip(words) {
            let (a, b, c) = if wild { (x as u64 * 0x0101_0101_0101, u64::MAX - x as u64, u64::MAX) } else { (x as u64 % 3, x as u64 / 8, 7) };
            let run = if wild { run } else { 2 };
            // Devices of the table stay in use, or the rest would only fail.
            let op = if op == Op::SwapOffBegin as u64 { Op::Put as u64 } else { op };
            let entry = [op | run << 8 | (place % 3) << 16 | (cookie as u64) << 32, a, b, c];
            if let Some(s) = Submission::unpack(&entry) {
                *expected.entry(s.cookie).or_default() += 1;
            }
            m.inbox.push_back(entry);
            m.frames.insert(7, 1);
            m.frames.insert(u32::MAX, 1);
            m.settle(&mut p);
        }
        // An unfinished run is broken off by whatever comes next.
        m.submit_op(Op::Audit, [u64::MAX, 0, 0]);
        m.settle(&mut p);
        let audit = m.outbox.pop().unwrap();
        prop_assert_eq!((audit.op, audit.results[1]), (Op::Audit, 0));
        for c in &m.outbox {
            let left = expected.get_mut(&c.cookie).unwrap();
            *left -= 1;
        }
        prop_assert!(expected.values().all(|left| *left == 0));
        prop_assert!(p.is_idle());
    }
}
