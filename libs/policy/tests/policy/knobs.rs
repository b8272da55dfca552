// SPDX-License-Identifier: BSD-2-Clause
//! Options of orders: their bounds are kept, and what they change shows.

use std::collections::BTreeSet;

use ebb_policy::{Arrival, NAMES, TunableError, by_name, order_by_name};

use crate::orders::{Bits, Step, carry_out};

#[test]
fn knobs_keep_their_bounds() {
    let mut seen = 0;
    for name in NAMES {
        let mut policy = by_name(name, 64).unwrap();
        for knob in policy.knobs().to_vec() {
            seen += 1;
            assert!((knob.min..=knob.max).contains(&knob.value) && knob.min < knob.max, "{name}: {knob:?}");
            assert!(!knob.text.is_empty());
            let out = TunableError::OutOfRange { min: knob.min.into(), max: knob.max.into() };
            assert_eq!(policy.set_knob(knob.name, knob.max + 1), Err(out));
            if let Some(less) = knob.min.checked_sub(1) {
                assert_eq!(policy.set_knob(knob.name, less), Err(out));
            }
            for value in [knob.min, knob.max] {
                assert_eq!(policy.set_knob(knob.name, value), Ok(()));
                let now = policy.knobs().iter().find(|k| k.name == knob.name).map(|k| k.value);
                assert_eq!(now, Some(value), "{name}.{}", knob.name);
            }
        }
        assert_eq!(policy.set_knob("nonsense", 1), Err(TunableError::Unknown), "{name}");
    }
    assert!(seen >= 10, "only {seen}");
}

/// Each name's options, at their least and greatest, leave an order that holds what it is given and names victims.
#[test]
fn an_order_works_at_both_ends_of_each_knob() {
    for name in NAMES.iter().filter(|n| **n != "freebsd") {
        let knobs = order_by_name(name, 32).unwrap().knobs().to_vec();
        for (knob, value) in knobs.iter().flat_map(|k| [(k, k.min), (k, k.max)]) {
            let mut order = order_by_name(name, 32).unwrap();
            order.set_knob(knob.name, value).unwrap();
            let mut bits = Bits::default();
            let mut free: Vec<u32> = (0..32).collect();
            for page in 0..500 {
                if free.is_empty() {
                    let choose = Step::Choose(5);
                    free = carry_out(order.as_mut(), &mut bits, &BTreeSet::new(), &choose);
                }
                let frame = free.pop().unwrap_or_else(|| panic!("{name}.{} = {value}", knob.name));
                bits.tags.insert(frame, page % 60);
                order.insert(frame, page % 60, Arrival::Fault);
                bits.used.insert(page % 32);
                bits.used.retain(|f| !free.contains(f));
                assert_eq!(order.check(), Ok(()));
            }
        }
    }
}

/// 2Q lets go of newcomers first only while they have more than their share.
#[test]
fn kin_is_the_share_of_newcomers() {
    let victims = |kin| {
        let mut order = order_by_name("2q", 20).unwrap();
        order.set_knob("kin", kin).unwrap();
        let mut bits = Bits::default();
        for frame in 0..20 {
            bits.tags.insert(frame, frame);
            // The first ten are old acquaintances.
            order.insert(frame, frame, if frame < 10 { Arrival::Returned } else { Arrival::Fault });
        }
        carry_out(order.as_mut(), &mut bits, &BTreeSet::new(), &Step::Choose(4))
    };
    assert_eq!(victims(25), [10, 11, 12, 13]);
    assert_eq!(victims(90), [0, 1, 2, 3]);
}
