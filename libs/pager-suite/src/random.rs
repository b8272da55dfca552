// SPDX-License-Identifier: BSD-2-Clause
//! Everything in random order, with deaths at random moments and successors of either kind, against a model that is a table of pages.

use crate::basic::copy;
use crate::host::{Host, Instance, Maker};
use crate::succession::Plain;
use crate::{Verdict, expect};
use ebb_proto::pager::{Op, Outcome};
use ebb_swap::fuse;
use std::collections::{HashMap, HashSet};

/// What a page may be: what was answered last, or what was asked for since.
type Model = HashMap<(u64, u64), HashSet<Option<u64>>>;

/// Numbers from a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % below
    }
}

/// So many steps from this seed. After each death, and at the end, every page is read and the audit must be right.
pub fn play(maker: &dyn Maker, seed: u64, steps: u64) -> Verdict {
    let mut dice = Dice(seed);
    let (mut h, mut p) = Host::with(maker, &[70 + seed % 60, 50], seed % 3)?;
    let mut model = Model::new();
    let mut plain = false;
    for step in 0..steps {
        // A death at some later moment, in the middle of whatever it is then.
        if dice.roll(12) == 0 {
            fuse::set(Some(dice.roll(90)));
        }
        let said = one_step(&mut h, &mut *p, &mut dice, &mut model, step);
        if fuse::burnt() {
            // Whatever the dead have said.
            fuse::set(None);
            h.bury();
            p = if plain { Plain.make(&mut h) } else { maker.make(&mut h) };
            check(&mut h, &mut *p, &mut model)?;
            continue;
        }
        fuse::set(None);
        said?;
        if dice.roll(15) == 0 {
            h.seal(&mut *p)?;
            p = if plain { Plain.make(&mut h) } else { maker.make(&mut h) };
            if dice.roll(2) == 0 {
                check(&mut h, &mut *p, &mut model)?;
            }
        }
        if dice.roll(25) == 0 {
            // Another kind takes its place.
            let outcome = h.retire(&mut *p)?;
            expect(outcome == Outcome::Ok, || format!("retiring: {outcome:?}"))?;
            match dice.roll(3) {
                0 => h.bury(),
                _ => h.seal(&mut *p)?,
            }
            h.spoil_front();
            h.drop_front()?;
            plain = !plain;
            p = if plain { Plain.make(&mut h) } else { maker.make(&mut h) };
            h.front_most = if plain { 0 } else { 2 };
            if dice.roll(4) == 0 {
                check(&mut h, &mut *p, &mut model)?;
            }
        }
    }
    check(&mut h, &mut *p, &mut model)
}

fn one_step(h: &mut Host, p: &mut dyn Instance, dice: &mut Dice, model: &mut Model, step: u64) -> Verdict {
    let (object, first, count) = (dice.roll(3), dice.roll(30), 1 + dice.roll(12));
    match dice.roll(10) {
        0..=4 => {
            let run: Vec<_> = (first..first + count).map(|i| (i, step * 64 + i)).collect();
            for (index, number) in &run {
                may(model, (object, *index)).insert(Some(*number));
            }
            let cookies = h.submit_run(Op::Put, object, 0, &run)?;
            if dice.roll(5) == 0 {
                p.pump(h);
                h.op(p, Op::Retire, [0; 3])?;
                h.op(p, Op::Resume, [0; 3])?;
            }
            h.settle(p)?;
            for ((index, number), (cookie, _)) in run.into_iter().zip(cookies) {
                match h.answer(cookie)?.outcome {
                    Outcome::Ok => drop(model.insert((object, index), HashSet::from([Some(number)]))),
                    Outcome::Fail => {
                        may(model, (object, index)).remove(&Some(number));
                    }
                    other => return expect(false, || format!("putting a page: {other:?}")),
                }
            }
            if h.wants_memory {
                h.add_memory(p)?;
            }
        }
        5 => {
            for index in first..first + count {
                may(model, (object, index)).insert(None);
            }
            let (outcome, _) = h.op(p, Op::Free, [object, first, count])?;
            expect(outcome == Outcome::Ok, || format!("freeing: {outcome:?}"))?;
            for index in first..first + count {
                model.insert((object, index), HashSet::from([None]));
            }
        }
        6 => {
            let (to, there) = ((object + 1) % 3, dice.roll(30));
            let (mut before, mut after) = (Vec::new(), Vec::new());
            for n in 0..count {
                let (from, onto) = ((object, first + n), (to, there + n));
                let known = |page: &(u64, u64)| model.get(page).map_or(Some(None), only);
                // Pages of which nobody knows what they are now are not handed over: the model could not say what they are then.
                let (Some(old), Some(kept)) = (known(&from), known(&onto)) else { return Ok(()) };
                before.push((from, onto, old, kept));
                after.push((None, kept.or(old)));
            }
            for ((from, onto, old, kept), (a, b)) in before.iter().zip(&after) {
                model.insert(*from, HashSet::from([*old, *a]));
                model.insert(*onto, HashSet::from([*kept, *b]));
            }
            let (outcome, _) = h.op(p, Op::Copy, copy(object, first, to, there, count))?;
            expect(outcome == Outcome::Ok, || format!("handing over: {outcome:?}"))?;
            for ((from, onto, ..), (a, b)) in before.into_iter().zip(after) {
                model.insert(from, HashSet::from([a]));
                model.insert(onto, HashSet::from([b]));
            }
        }
        _ => {
            let indexes: Vec<_> = (first..first + count).collect();
            let wanted = dice.roll(count);
            let got = h.get(p, object, wanted as u8, &indexes)?;
            for (n, (outcome, frame)) in got.into_iter().enumerate() {
                let page = (object, first + n as u64);
                let allowed = may(model, page).clone();
                let right = match outcome {
                    Outcome::Ok => allowed.iter().flatten().any(|number| h.holds(frame, *number)),
                    Outcome::Fail => n as u64 != wanted || allowed.contains(&None),
                    _ => false,
                };
                expect(right, || format!("page {page:?} is {outcome:?}, may be {allowed:?}"))?;
            }
        }
    }
    Ok(())
}

fn may(model: &mut Model, page: (u64, u64)) -> &mut HashSet<Option<u64>> {
    model.entry(page).or_insert_with(|| HashSet::from([None]))
}

fn only(set: &HashSet<Option<u64>>) -> Option<Option<u64>> {
    let mut all = set.iter().copied();
    all.next().filter(|_| all.next().is_none())
}

/// Reads every page; what it is now is known from here on.
fn check(h: &mut Host, p: &mut dyn Instance, model: &mut Model) -> Verdict {
    let mut used = 0;
    for (page, allowed) in model.iter_mut() {
        let got = h.get(p, page.0, 0, &[page.1])?;
        let found = match got.first() {
            Some((Outcome::Fail, _)) if allowed.contains(&None) => None,
            Some((Outcome::Ok, frame)) => {
                let number = allowed.iter().flatten().copied().find(|n| h.holds(*frame, *n));
                expect(number.is_some(), || format!("page {page:?} is none of {allowed:?}"))?;
                number
            }
            other => {
                return expect(false, || {
                    format!("page {page:?} is {other:?}, may be {allowed:?}; {:?}", h.log)
                });
            }
        };
        used += found.is_some() as u64;
        *allowed = HashSet::from([found]);
    }
    h.audit(p, used)
}
