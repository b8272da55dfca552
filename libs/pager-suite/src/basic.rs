// SPDX-License-Identifier: BSD-2-Clause
//! Pages in and out, and who has them.

use crate::host::{Host, Maker};
use crate::{Verdict, expect};
use ebb_proto::pager::{MAX_RUN, Op, Outcome};

const OK: Outcome = Outcome::Ok;

/// Pages with ascending numbers.
pub fn pages(from: u64, count: u64, number: u64) -> Vec<(u64, u64)> {
    (from..from + count).map(|i| (i, number + i)).collect()
}

/// The words of a Copy.
pub fn copy(object: u64, first: u64, to: u64, there: u64, count: u64) -> [u64; 3] {
    [object | to << 32, first | there << 32, count]
}

/// There is no such page: each of the run is answered with `Fail`.
pub fn swp_108_a_page_that_was_never_put(maker: &dyn Maker) -> Verdict {
    let (mut h, mut p) = Host::with(maker, &[40], 2)?;
    h.put_all(&mut *p, 1, &pages(0, 3, 10))?;
    let got = h.get(&mut *p, 1, 1, &[7, 8, 9])?;
    expect(got.iter().all(|g| g.0 == Outcome::Fail), || format!("{got:?}"))?;
    h.expect_page(&mut *p, 2, 0, None)
}

/// Whatever is in a page.
pub fn swp_104_what_was_put_comes_back(maker: &dyn Maker) -> Verdict {
    let (mut h, mut p) = Host::with(maker, &[60, 60], 2)?;
    for run in 0..6 {
        h.put_all(&mut *p, run, &pages(run * 100, MAX_RUN as u64, run * 1000))?;
    }
    for run in 0..6 {
        for index in run * 100..run * 100 + MAX_RUN as u64 {
            h.expect_page(&mut *p, run, index, Some(run * 1000 + index))?;
        }
    }
    h.audit(&mut *p, 6 * MAX_RUN as u64)
}

/// Whoever is answered with `Ok` has its own bytes; the wanted page is there if it was put.
pub fn swp_107_neighbours_are_right_or_fail(maker: &dyn Maker) -> Verdict {
    let (mut h, mut p) = Host::with(maker, &[80], 2)?;
    h.put_all(&mut *p, 1, &pages(0, 8, 60))?;
    h.put_all(&mut *p, 2, &pages(0, 2, 90))?;
    h.put_all(&mut *p, 1, &[(3, 4), (5, 500)])?;
    let number = |index: u64| match index {
        3 => 4,
        5 => 500,
        _ => 60 + index,
    };
    for wanted in 0..8 {
        let got = h.get(&mut *p, 1, wanted, &[0, 1, 2, 3, 4, 5, 6, 7])?;
        for (index, (outcome, frame)) in got.iter().enumerate() {
            let right = match outcome {
                Outcome::Ok => h.holds(*frame, number(index as u64)),
                Outcome::Fail => index != wanted as usize,
                _ => false,
            };
            expect(right, || format!("page {index} beside page {wanted}: {outcome:?}"))?;
        }
    }
    Ok(())
}

/// The last one that was put, whatever kind of contents each had.
pub fn a_put_replaces_the_copy(maker: &dyn Maker) -> Verdict {
    let (mut h, mut p) = Host::with(maker, &[40], 2)?;
    for number in 0..40 {
        h.put_all(&mut *p, 1, &[(5, number), (6, number * 7)])?;
        h.expect_page(&mut *p, 1, 5, Some(number))?;
        h.expect_page(&mut *p, 1, 6, Some(number * 7))?;
        h.audit(&mut *p, 2)?;
    }
    Ok(())
}

/// What was freed is gone, and no more; it is counted; freeing nothing is no error.
pub fn swp_164_free(maker: &dyn Maker) -> Verdict {
    let (mut h, mut p) = Host::with(maker, &[40], 2)?;
    h.put_all(&mut *p, 1, &pages(0, 12, 30))?;
    h.put_all(&mut *p, 2, &pages(0, 4, 70))?;
    for (words, freed) in [([1, 3, 4], 4), ([1, 3, 4], 0), ([3, 0, 1 << 32], 0), ([1, 10, 1 << 32], 2)] {
        let got = h.op(&mut *p, Op::Free, words)?;
        expect(got == (OK, [freed, 0]), || format!("freeing {words:?}: {got:?}"))?;
    }
    for index in 0..12 {
        let there = !(3..7).contains(&index) && index < 10;
        h.expect_page(&mut *p, 1, index, there.then_some(30 + index))?;
    }
    h.expect_page(&mut *p, 2, 3, Some(73))?;
    h.audit(&mut *p, 10)
}

/// Copies change hands; the destination keeps what it has; asked again it changes nothing.
pub fn swp_092_copy(maker: &dyn Maker) -> Verdict {
    let (mut h, mut p) = Host::with(maker, &[40], 2)?;
    h.put_all(&mut *p, 1, &pages(0, 6, 30))?;
    h.put_all(&mut *p, 2, &[(12, 900)])?;
    for moved in [[3, 1], [0, 0]] {
        let got = h.op(&mut *p, Op::Copy, copy(1, 1, 2, 11, 4))?;
        expect(got == (OK, moved), || format!("{got:?}, not {moved:?}"))?;
    }
    for (index, number) in [(11, Some(31)), (12, Some(900)), (13, Some(33)), (14, Some(34)), (15, None)] {
        h.expect_page(&mut *p, 2, index, number)?;
    }
    for (index, number) in [(0, Some(30)), (1, None), (2, None), (3, None), (4, None), (5, Some(35))] {
        h.expect_page(&mut *p, 1, index, number)?;
    }
    h.audit(&mut *p, 6)
}

/// Slots of everything and of one object, also while something is under way.
pub fn audit_counts_slots(maker: &dyn Maker) -> Verdict {
    let (mut h, mut p) = Host::with(maker, &[40], 2)?;
    h.audit(&mut *p, 0)?;
    h.put_all(&mut *p, 1, &pages(0, 5, 4))?;
    h.put_all(&mut *p, 2, &pages(0, 3, 7))?;
    h.audit(&mut *p, 8)?;
    let got = h.op(&mut *p, Op::Audit, [2, 0, 0])?;
    expect(got.0 == OK && got.1[0] == 3, || format!("{got:?}"))?;
    // Two writes under way count: `vm` knows of them too.
    h.submit_run(Op::Put, 3, 0, &pages(0, 2, 100))?;
    p.pump(&mut h);
    h.audit(&mut *p, 10)?;
    h.settle(&mut *p)?;
    h.audit(&mut *p, 10)
}

/// A copy that is freed while it is read or written is none, and nothing is answered twice.
pub fn free_during_io(maker: &dyn Maker) -> Verdict {
    let (mut h, mut p) = Host::with(maker, &[40], 2)?;
    for number in [10, 11, 12] {
        let put = h.submit_run(Op::Put, 1, 0, &pages(0, 4, number * 10))?;
        p.pump(&mut h);
        let cookie = h.submit_op(Op::Free, [1, 1, 2])?;
        h.settle(&mut *p)?;
        h.answer(cookie)?;
        for (n, (cookie, _)) in put.into_iter().enumerate() {
            let outcome = h.answer(cookie)?.outcome;
            let gone = (1..3).contains(&n);
            expect(outcome == OK || (gone && outcome == Outcome::Fail), || format!("page {n}: {outcome:?}"))?;
            h.expect_page(&mut *p, 1, n as u64, (!gone).then_some(number * 10 + n as u64))?;
        }
        h.audit(&mut *p, 2)?;
    }
    Ok(())
}
