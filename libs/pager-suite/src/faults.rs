// SPDX-License-Identifier: BSD-2-Clause
//! What goes wrong around a pager.

use crate::basic::pages;
use crate::host::{Host, Maker};
use crate::{Verdict, expect};
use ebb_proto::pager::{MAX_RUN, Op, Outcome, Submission};
use std::collections::HashMap;

/// A page for which there is no slot stays what it was, and what is freed can be had again.
pub fn swp_128_full(maker: &dyn Maker) -> Verdict {
    let (mut h, mut p) = Host::with(maker, &[12], 1)?;
    h.put_all(&mut *p, 1, &pages(0, 12, 20))?;
    let outcomes = h.put(&mut *p, 1, &[(3, 500), (40, 501)])?;
    expect(outcomes == [Outcome::Fail, Outcome::Fail], || format!("{outcomes:?}"))?;
    h.expect_page(&mut *p, 1, 3, Some(23))?;
    h.expect_page(&mut *p, 1, 40, None)?;
    h.op(&mut *p, Op::Free, [1, 0, 2])?;
    h.put_all(&mut *p, 1, &[(40, 501)])?;
    h.expect_page(&mut *p, 1, 40, Some(501))?;
    h.audit(&mut *p, 11)
}

/// Of a page whose write fails the copy before is still there; one that is answered with `Ok` is there.
pub fn swp_w12_failed_writes_keep_the_old_copy(maker: &dyn Maker) -> Verdict {
    let (mut h, mut p) = Host::with(maker, &[80], 1)?;
    let mut now: HashMap<u64, u64> = HashMap::new();
    for round in 0..4 {
        if let Some(disk) = h.disks.get_mut(&1) {
            disk.dead = round % 2 == 1;
        }
        let run = pages(0, MAX_RUN as u64, 100 * round);
        let outcomes = h.put(&mut *p, 1, &run)?;
        for ((index, number), outcome) in run.into_iter().zip(outcomes) {
            match outcome {
                Outcome::Ok => drop(now.insert(index, number)),
                Outcome::Fail | Outcome::Error => {
                    expect(round % 2 == 1, || format!("{outcome:?} without cause"))?
                }
                _ => expect(false, || format!("{outcome:?}"))?,
            }
        }
        for (index, number) in &now {
            h.expect_page(&mut *p, 1, *index, Some(*number))?;
        }
    }
    h.audit(&mut *p, MAX_RUN as u64)
}

/// A page that cannot be read is an error for who wants it, and nobody else.
pub fn swp_w14_failed_reads_are_told(maker: &dyn Maker) -> Verdict {
    let (mut h, mut p) = Host::with(maker, &[40], 1)?;
    h.put_all(&mut *p, 1, &pages(0, 8, 4 + 6 * 10))?;
    let outcome = h.retire(&mut *p)?;
    expect(outcome == Outcome::Ok, || format!("retiring: {outcome:?}"))?;
    if let Some(disk) = h.disks.get_mut(&1) {
        disk.broken = (2 + 3..2 + 5).collect();
    }
    let (mut failed, mut read) = (0, 0);
    for index in 0..8 {
        let got = h.get(&mut *p, 1, 0, &[index])?;
        match got.first() {
            Some((Outcome::Ok, frame)) if h.holds(*frame, 64 + index) => read += 1,
            Some((Outcome::Error, _)) => failed += 1,
            _ => expect(false, || format!("page {index}: {got:?}"))?,
        }
    }
    expect((failed, read) == (2, 6), || format!("{failed} failed, {read} read"))
}

/// Entries that make no sense are answered with `Bad`, and harm nobody.
pub fn swp_w20_nonsense_is_answered(maker: &dyn Maker) -> Verdict {
    let (mut h, mut p) = Host::with(maker, &[40], 1)?;
    h.put_all(&mut *p, 1, &pages(0, 4, 5))?;
    let entry = |op, run, place, words| Submission { op, run, place, slot: 0, cookie: 0, words };
    for bad in [
        entry(Op::Put, 0, 0, [1, 0, 77]),
        entry(Op::Put, 17, 0, [1, 0, 77]),
        entry(Op::Put, 2, 1, [1, 0, 77]),
        entry(Op::Get, 2, 2, [1, 0, 77]),
        entry(Op::Get, 1, 0, [1 << 40, 0, 77]),
        entry(Op::Put, 1, 0, [1, 1 << 40, 77]),
        // A run that is broken off by the next entry.
        entry(Op::Put, 3, 0, [1, 0, 77]),
    ] {
        let frame = bad.words[2];
        let cookie = h.submit_entry(bad, frame)?;
        h.audit(&mut *p, 4)?;
        let outcome = h.answer(cookie)?.outcome;
        expect(outcome == Outcome::Bad, || format!("{bad:?}: {outcome:?}"))?;
    }
    for (op, words) in [
        (Op::Free, [1 << 40, 0, 1]),
        (Op::Copy, [1 | 1 << 32, 0, 1]),
        (Op::Copy, [1 | 2 << 32, 0, u64::MAX]),
        (Op::PutBytes, [1, 0, 0]),
        (Op::Audit, [1 << 40, 0, 0]),
    ] {
        let (outcome, _) = h.op(&mut *p, op, words)?;
        expect(outcome == Outcome::Bad, || format!("{op:?} {words:x?}: {outcome:?}"))?;
    }
    for index in 0..4 {
        h.expect_page(&mut *p, 1, index, Some(5 + index))?;
    }
    Ok(())
}

/// Many runs under way at once, of which the disks finish any first: each has its own pages.
pub fn any_order_of_the_disks(maker: &dyn Maker) -> Verdict {
    let (mut h, mut p) = Host::with(maker, &[400], 1)?;
    for round in 0..3u64 {
        let mut all = Vec::new();
        for object in 0..20 {
            all.extend(h.submit_run(Op::Put, object, 0, &pages(0, 8, round * 1000 + object * 11))?);
        }
        h.settle(&mut *p)?;
        for (cookie, _) in all {
            let outcome = h.answer(cookie)?.outcome;
            expect(outcome == Outcome::Ok, || format!("{outcome:?}"))?;
        }
        let mut reads = Vec::new();
        for object in 0..20 {
            for index in 0..8 {
                reads.push((object, index, h.submit_run(Op::Get, object, 0, &[(index, 0)])?));
            }
        }
        h.settle(&mut *p)?;
        for (object, index, run) in reads {
            for (cookie, frame) in run {
                let outcome = h.answer(cookie)?.outcome;
                expect(outcome == Outcome::Ok && h.holds(frame, round * 1000 + object * 11 + index), || {
                    format!("page {index} of object {object}: {outcome:?}")
                })?;
            }
        }
    }
    h.audit(&mut *p, 160)
}
