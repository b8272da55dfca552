// SPDX-License-Identifier: BSD-2-Clause
//! One instance after the other, of the same kind or of another.

use crate::basic::pages;
use crate::host::{Host, Instance, Maker};
use crate::{Verdict, expect};
use ebb_proto::pager::{Op, Outcome};
use ebb_swap::SwapPager;

/// A pager without anything in front of its devices: what everything must be left to in the end.
pub struct Plain;

impl Instance for SwapPager<'static> {
    fn pump(&mut self, host: &mut Host) {
        SwapPager::pump(self, host);
    }
}

impl Maker for Plain {
    fn make(&self, host: &mut Host) -> Box<dyn Instance> {
        let mut pager = SwapPager::new();
        for disk in host.on.clone() {
            pager.adopt(host, disk, Host::segment_of(disk), 0);
        }
        Box::new(pager)
    }
}

fn fill(h: &mut Host, p: &mut dyn Instance) -> Verdict {
    for object in 0..5 {
        h.put_all(p, object, &pages(0, 12, object * 50))?;
    }
    h.put_all(p, 2, &pages(3, 4, 700))?;
    h.op(p, Op::Free, [1, 0, 2]).map(|_| ())
}

fn check(h: &mut Host, p: &mut dyn Instance) -> Verdict {
    for object in 0..5 {
        for index in 0..12 {
            let number = match (object, index) {
                (2, 3..7) => Some(700 + index),
                (1, 0..2) => None,
                _ => Some(object * 50 + index),
            };
            h.expect_page(p, object, index, number)?;
        }
    }
    h.audit(p, 58)
}

/// What was answered with `Ok` is there, what was freed is not, again and again.
pub fn everything_answered_outlives_the_pager(maker: &dyn Maker) -> Verdict {
    let (mut h, mut p) = Host::with(maker, &[50, 50], 3)?;
    fill(&mut h, &mut *p)?;
    for _ in 0..3 {
        h.bury();
        p = maker.make(&mut h);
        check(&mut h, &mut *p)?;
    }
    h.put_all(&mut *p, 9, &pages(0, 16, 3))
}

/// In order, with something under way: it is finished and answered before, and what comes later is left to the next one.
pub fn a_sealed_pager_has_ended_everything(maker: &dyn Maker) -> Verdict {
    let (mut h, mut p) = Host::with(maker, &[50, 50], 3)?;
    fill(&mut h, &mut *p)?;
    for round in 0..3 {
        let put = h.submit_run(Op::Put, 0, 0, &pages(0, 12, 0))?;
        let seal = h.submit_op(Op::Seal, [0; 3])?;
        let late = h.submit_op(Op::Free, [0, 0, 12])?;
        h.settle(&mut *p)?;
        for cookie in put.iter().map(|p| p.0).chain([seal]) {
            let outcome = h.answer(cookie)?.outcome;
            expect(outcome == Outcome::Ok, || format!("{outcome:?}"))?;
        }
        expect(h.answer(late).is_err(), || "a sealed pager goes on".into())?;
        h.bury();
        p = maker.make(&mut h);
        if round != 1 {
            check(&mut h, &mut *p)?;
        }
    }
    Ok(())
}

/// What was not answered may be one or the other, and is right when it is put again.
pub fn what_was_in_flight_is_put_again(maker: &dyn Maker) -> Verdict {
    let (mut h, mut p) = Host::with(maker, &[50], 1)?;
    h.put_all(&mut *p, 1, &pages(0, 8, 10))?;
    for step in 0..3 {
        h.submit_run(Op::Put, 1, 0, &pages(0, 8, 100 + 10 * step))?;
        p.pump(&mut h);
        if step == 1 {
            h.serve();
        }
        h.bury();
        p = maker.make(&mut h);
        h.audit(&mut *p, 8)?;
        h.put_all(&mut *p, 1, &pages(0, 8, 100 + 10 * step))?;
        for index in 0..8 {
            h.expect_page(&mut *p, 1, index, Some(100 + 10 * step + index))?;
        }
    }
    h.audit(&mut *p, 8)
}

/// From `Ok` on nothing lies anywhere but on the devices.
pub fn retire_leaves_all_to_a_plain_pager(maker: &dyn Maker) -> Verdict {
    let (mut h, mut p) = Host::with(maker, &[50, 50], 3)?;
    fill(&mut h, &mut *p)?;
    let outcome = h.retire(&mut *p)?;
    expect(outcome == Outcome::Ok, || format!("retiring: {outcome:?}"))?;
    h.bury();
    h.spoil_front();
    let mut plain = Plain.make(&mut h);
    check(&mut h, &mut *plain)
}

/// It serves on while it retires and afterwards, and what it is given goes to the devices; if it is not replaced it is as before.
pub fn a_retired_pager_serves_on(maker: &dyn Maker) -> Verdict {
    let (mut h, mut p) = Host::with(maker, &[50, 50], 3)?;
    fill(&mut h, &mut *p)?;
    h.op(&mut *p, Op::Retire, [0; 3])?;
    check(&mut h, &mut *p)?;
    h.put_all(&mut *p, 8, &pages(0, 6, 30))?;
    h.op(&mut *p, Op::Free, [8, 0, 1])?;
    expect(h.retire(&mut *p)? == Outcome::Ok, || "retiring does not end".into())?;
    let (outcome, _) = h.op(&mut *p, Op::Resume, [0; 3])?;
    expect(outcome == Outcome::Ok, || format!("{outcome:?}"))?;
    h.put_all(&mut *p, 8, &pages(0, 6, 40))?;
    expect(h.retire(&mut *p)? == Outcome::Ok, || "retiring again does not end".into())?;
    h.put_all(&mut *p, 8, &pages(3, 3, 50))?;
    h.bury();
    h.spoil_front();
    let mut plain = Plain.make(&mut h);
    for index in 0..6 {
        h.expect_page(&mut *plain, 8, index, Some(if index < 3 { 40 } else { 50 } + index))?;
    }
    h.audit(&mut *plain, 64)
}

/// Wherever it has got to.
pub fn a_death_while_retiring_loses_nothing(maker: &dyn Maker) -> Verdict {
    for served in 0..8 {
        let (mut h, mut p) = Host::with(maker, &[50, 50], 3)?;
        fill(&mut h, &mut *p)?;
        h.op(&mut *p, Op::Retire, [0; 3])?;
        for _ in 0..served {
            h.serve();
            p.pump(&mut h);
        }
        h.bury();
        p = maker.make(&mut h);
        check(&mut h, &mut *p)?;
    }
    Ok(())
}

/// The other way: devices of a pager without anything in front of them.
pub fn a_plain_pagers_devices_are_adopted(maker: &dyn Maker) -> Verdict {
    let (mut h, mut plain) = Host::with(&Plain, &[50, 50], 0)?;
    fill(&mut h, &mut *plain)?;
    h.bury();
    let mut p = maker.make(&mut h);
    check(&mut h, &mut *p)?;
    h.front_most = 2;
    while h.add_memory(&mut *p)? {}
    h.put_all(&mut *p, 0, &pages(0, 12, 0))?;
    check(&mut h, &mut *p)
}

/// If a device does not take what should go there, that is said, nothing is lost, and it goes on.
pub fn retire_says_what_it_cannot_do(maker: &dyn Maker) -> Verdict {
    let (mut h, mut p) = Host::with(maker, &[50, 50], 3)?;
    fill(&mut h, &mut *p)?;
    for disk in h.disks.values_mut() {
        disk.dead = true;
    }
    // A pager that has nothing anywhere else is done at once.
    let outcome = h.retire(&mut *p)?;
    expect(matches!(outcome, Outcome::Ok | Outcome::Error), || format!("retiring: {outcome:?}"))?;
    check(&mut h, &mut *p)?;
    for disk in h.disks.values_mut() {
        disk.dead = false;
    }
    h.op(&mut *p, Op::Resume, [0; 3])?;
    check(&mut h, &mut *p)?;
    expect(h.retire(&mut *p)? == Outcome::Ok, || "the disks work again".into())?;
    check(&mut h, &mut *p)
}
