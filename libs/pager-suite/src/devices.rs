// SPDX-License-Identifier: BSD-2-Clause
//! Devices come and go.

use crate::basic::pages;
use crate::host::{Disk, Host, Maker};
use crate::{Verdict, expect};
use ebb_proto::pager::{Op, Outcome};

/// No such disk, one that is in use, a read-only one, one that is too small.
pub fn swp_180_who_is_refused(maker: &dyn Maker) -> Verdict {
    let (mut h, mut p) = Host::with(maker, &[20], 1)?;
    h.disks.insert(7, Disk { pages: 100, read_only: true, ..Disk::default() });
    h.disks.insert(8, Disk { pages: 2, ..Disk::default() });
    for (disk, right) in
        [(1, Outcome::Again), (7, Outcome::Bad), (8, Outcome::Bad), (9, Outcome::Bad), (999, Outcome::Bad)]
    {
        let (outcome, _) = h.op(&mut *p, Op::Prepare, [disk, 0, 0])?;
        expect(outcome == right, || format!("preparing disk {disk}: {outcome:?}"))?;
    }
    for op in [Op::SwapOffBegin, Op::SwapOffNext, Op::SwapOffEnd, Op::SwapOffAbort] {
        let (outcome, _) = h.op(&mut *p, op, [7, 0, 0])?;
        expect(outcome == Outcome::Bad, || format!("{op:?} of a disk that is none: {outcome:?}"))?;
    }
    Ok(())
}

/// Every page on it is named, and can be read until it is freed; nothing new goes there; it goes when it is empty.
pub fn swp_198_swapoff(maker: &dyn Maker) -> Verdict {
    let (mut h, mut p) = Host::with(maker, &[30, 60], 2)?;
    for first in [0, 8, 16] {
        h.put_all(&mut *p, 1, &pages(first, 8, 40))?;
    }
    let (outcome, [used, _]) = h.op(&mut *p, Op::SwapOffBegin, [1, 0, 0])?;
    expect(outcome == Outcome::Ok && used <= 24, || format!("{outcome:?} {used}"))?;
    let (early, _) = h.op(&mut *p, Op::SwapOffEnd, [1, 0, 0])?;
    expect(used == 0 || early == Outcome::Again, || format!("{used} pages, and it ends: {early:?}"))?;
    h.put_all(&mut *p, 2, &pages(0, 8, 90))?;
    let mut named = 0;
    loop {
        let (outcome, [object, index]) = h.op(&mut *p, Op::SwapOffNext, [1, 0, 0])?;
        if outcome == Outcome::Fail {
            break;
        }
        expect(outcome == Outcome::Ok && object == 1 && index < 24, || {
            format!("page {index} of object {object} is named: {outcome:?}")
        })?;
        h.expect_page(&mut *p, 1, index, Some(40 + index))?;
        h.op(&mut *p, Op::Free, [1, index, 1])?;
        named += 1;
        expect(named <= used, || format!("{named} pages named of {used}"))?;
    }
    expect(named == used, || format!("{named} pages named of {used}"))?;
    let (outcome, _) = h.op(&mut *p, Op::SwapOffEnd, [1, 0, 0])?;
    expect(outcome == Outcome::Ok, || format!("the device is empty: {outcome:?}"))?;
    for index in 0..8 {
        h.expect_page(&mut *p, 2, index, Some(90 + index))?;
    }
    h.audit(&mut *p, 32 - used)
}

/// A device that is taken back is as before.
pub fn swp_w29_swapoff_undone(maker: &dyn Maker) -> Verdict {
    let (mut h, mut p) = Host::with(maker, &[10], 1)?;
    h.put_all(&mut *p, 1, &pages(0, 4, 0))?;
    h.op(&mut *p, Op::SwapOffBegin, [1, 0, 0])?;
    let full = h.put(&mut *p, 1, &[(9, 9)])?;
    expect(full == [Outcome::Fail], || format!("a device that is being emptied takes pages: {full:?}"))?;
    let (outcome, _) = h.op(&mut *p, Op::SwapOffAbort, [1, 0, 0])?;
    expect(outcome == Outcome::Ok, || format!("{outcome:?}"))?;
    h.put_all(&mut *p, 1, &[(9, 9)])?;
    for (index, number) in [(0, 0), (1, 1), (2, 2), (3, 3), (9, 9)] {
        h.expect_page(&mut *p, 1, index, Some(number))?;
    }
    h.audit(&mut *p, 5)
}
