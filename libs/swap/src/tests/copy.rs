// SPDX-License-Identifier: BSD-2-Clause
//! Section 7: copies that change hands (`swap_pager_copy`).

extern crate std;

use super::machine::{Machine, copy_words, pages};
use ebb_proto::pager::{Op, Outcome};
use proptest::prelude::*;
use std::collections::HashMap;

const OK: Outcome = Outcome::Ok;

/// SWP-092, SWP-094: the row's own example.
#[test]
fn swp_092_the_destination_keeps_what_it_has() {
    let (mut m, mut p) = Machine::with_pager(&[30]);
    m.put(&mut p, 1, &[(5, 50), (6, 60)]);
    m.put(&mut p, 2, &[(0, 100)]);
    let used = m.audit(&mut p);
    assert_eq!(m.op(&mut p, Op::Copy, copy_words(1, 5, 2, 0, 8)), (OK, [1, 1]));
    assert_eq!(m.get(&mut p, 2, 0, &[0]), [Ok(100)]);
    assert_eq!(m.get(&mut p, 2, 0, &[1]), [Ok(60)]);
    assert_eq!(m.get(&mut p, 1, 0, &[5]), [Err(Outcome::Fail)]);
    assert_eq!(m.get(&mut p, 1, 0, &[6]), [Err(Outcome::Fail)]);
    assert_eq!(m.audit(&mut p), used - 1);
}

/// SWP-093, SWP-096: nothing is read or written, no slot is taken, and asking again changes nothing.
#[test]
fn swp_093_slots_are_moved_and_not_copied() {
    let (mut m, mut p) = Machine::with_pager(&[4]);
    m.put(&mut p, 1, &pages(0, 4, 10));
    let served = m.disks[&1].served.len();
    assert_eq!(m.op(&mut p, Op::Copy, copy_words(1, 0, 2, 7, 4)), (OK, [4, 0]), "with no slot free");
    assert_eq!(
        m.op(&mut p, Op::Copy, copy_words(1, 0, 2, 7, 4)),
        (OK, [0, 0]),
        "as after the death of a pager"
    );
    assert_eq!(m.disks[&1].served.len(), served);
    assert_eq!(m.get(&mut p, 2, 0, &[7, 8, 9, 10]), [Ok(10), Ok(11), Ok(12), Ok(13)]);
    assert_eq!(m.audit(&mut p), 4);
}

/// SWP-095: what lies outside stays.
#[test]
fn swp_095_the_source_keeps_what_lies_outside() {
    let (mut m, mut p) = Machine::with_pager(&[30]);
    m.put(&mut p, 1, &pages(3, 6, 10));
    assert_eq!(m.op(&mut p, Op::Copy, copy_words(1, 4, 2, 0, 4)), (OK, [4, 0]));
    assert_eq!(m.get(&mut p, 1, 0, &[3]), [Ok(13)]);
    assert_eq!(m.get(&mut p, 1, 0, &[8]), [Ok(18)]);
    assert_eq!(m.get(&mut p, 1, 0, &[4]), [Err(Outcome::Fail)]);
}

/// SWP-W25: the cost has to do with the slots that there are, not with the size of the objects.
#[test]
fn swp_w25_sparse_objects_cost_little() {
    let (mut m, mut p) = Machine::with_pager(&[30, 30]);
    m.put(&mut p, 1, &[(9, 90), (4_000_000_000, 40)]);
    assert_eq!(m.op(&mut p, Op::Copy, copy_words(1, 0, 2, 0, 1 << 32)), (OK, [2, 0]));
    assert_eq!(m.get(&mut p, 2, 0, &[4_000_000_000]), [Ok(40)]);
}

#[test]
fn swp_092_nonsense_is_refused() {
    let (mut m, mut p) = Machine::with_pager(&[30]);
    m.put(&mut p, 1, &[(0, 1)]);
    let too_far = u32::MAX as u64;
    for words in [
        copy_words(1, 0, 1, 5, 1),
        copy_words(1, 0, 1 << 22, 0, 1),
        copy_words(1, too_far, 2, 0, 9),
        copy_words(1, 0, 2, too_far, 9),
        [1 | 2 << 32, 0, u64::MAX],
    ] {
        assert_eq!(m.op(&mut p, Op::Copy, words).0, Outcome::Bad, "{words:x?}");
    }
    assert_eq!(m.get(&mut p, 1, 0, &[0]), [Ok(1)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    /// SWP-092 to SWP-095, SWP-171: any history of writes, frees and copies leaves what a model says.
    #[test]
    fn swp_092_copies_equal_a_model(steps in proptest::collection::vec((0u8..4, 0u64..3, 0u64..3, 0u64..12, 0u64..12, 1u64..9), 1..60)) {
        let (mut m, mut p) = Machine::with_pager(&[40, 11]);
        let mut model: HashMap<(u64, u64), u64> = HashMap::new();
        for (version, (kind, object, other, first, there, count)) in (1u64..).zip(steps) {
            match kind {
                0 | 1 => {
                    let run = pages(first, count, version * 100);
                    for ((index, contents), outcome) in run.iter().zip(m.put(&mut p, object, &run)) {
                        if outcome == OK {
                            model.insert((object, *index), *contents);
                        }
                    }
                }
                2 => {
                    let held = model.len();
                    model.retain(|page, _| page.0 != object || !(first..first + count).contains(&page.1));
                    let freed = (held - model.len()) as u64;
                    prop_assert_eq!(m.op(&mut p, Op::Free, [object, first, count]), (OK, [freed, 0]));
                }
                _ if object == other => {}
                _ => {
                    let (mut moved, mut freed) = (0, 0);
                    for n in 0..count {
                        let Some(copy) = model.remove(&(object, first + n)) else { continue };
                        let kept = model.contains_key(&(other, there + n));
                        moved += !kept as u64;
                        freed += kept as u64;
                        model.entry((other, there + n)).or_insert(copy);
                    }
                    let words = copy_words(object, first, other, there, count);
                    prop_assert_eq!(m.op(&mut p, Op::Copy, words), (OK, [moved, freed]));
                }
            }
            prop_assert_eq!(m.audit(&mut p), model.len() as u64);
        }
        for object in 0..3 {
            for index in 0..24 {
                let got = m.get(&mut p, object, 0, &[index])[0].ok();
                prop_assert_eq!(got, model.get(&(object, index)).copied());
            }
        }
    }
}
