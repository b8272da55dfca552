// SPDX-License-Identifier: BSD-2-Clause
//! An order that was saved and restored goes on as the one that it was saved from.

use std::collections::BTreeSet;

use ebb_policy::{NAMES, Order, Record, order_by_name};
use proptest::prelude::*;

use crate::orders::{Bits, FRAMES, account, carry_out, step};

fn records(order: &dyn Order) -> Vec<Record> {
    let mut records = Vec::new();
    order.save(&mut |record| records.push(record));
    records
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Same victims, same looks, and the same records, whatever comes afterwards.
    #[test]
    fn a_restored_order_names_the_same_victims(
        before in prop::collection::vec(step(true), 1..200),
        after in prop::collection::vec(step(true), 1..100),
    ) {
        for name in NAMES.iter().filter(|n| **n != "freebsd") {
            let mut order = order_by_name(name, FRAMES).unwrap();
            let (mut bits, mut held) = (Bits::default(), BTreeSet::new());
            for step in &before {
                let victims = carry_out(order.as_mut(), &mut bits, &held, step);
                account(&mut held, step, &victims);
            }
            let saved = records(order.as_ref());
            let mut heir = order_by_name(name, FRAMES).unwrap();
            for record in &saved {
                prop_assert_eq!(heir.restore(*record), Ok(()), "{}", name);
            }
            prop_assert_eq!(heir.check(), Ok(()));
            prop_assert_eq!(&records(heir.as_ref()), &saved, "{}", name);
            let mut bits_of_heir = bits.clone();
            for step in &after {
                let victims = carry_out(order.as_mut(), &mut bits, &held, step);
                prop_assert_eq!(&carry_out(heir.as_mut(), &mut bits_of_heir, &held, step), &victims, "{}", name);
                prop_assert_eq!(&bits.used, &bits_of_heir.used, "{}", name);
                account(&mut held, step, &victims);
            }
        }
    }

    /// Whatever it is told, an order says no or stays consistent, and it goes on choosing.
    #[test]
    fn wrong_records_do_no_harm(
        records in prop::collection::vec((0u64..6, 0u64..1 << 24, any::<u32>(), 0u64..100), 1..60),
        afterwards in prop::collection::vec(step(true), 1..60),
    ) {
        for name in NAMES.iter().filter(|n| **n != "freebsd") {
            let mut order = order_by_name(name, FRAMES).unwrap();
            for (about, detail, upper, word) in &records {
                // Details small and great.
                for detail in [*detail, detail % 8] {
                    let record = [about | detail << 8 | u64::from(*upper) << 32, *word];
                    // Refused or not: what counts is what the order is afterwards.
                    let _ = order.restore(record);
                }
            }
            prop_assert_eq!(order.check(), Ok(()), "{}", name);
            let (mut bits, mut held) = (Bits::default(), BTreeSet::new());
            order.snapshot(&mut |frame| {
                held.insert(frame);
                bits.tags.insert(frame, frame);
            });
            for step in &afterwards {
                let victims = carry_out(order.as_mut(), &mut bits, &held, step);
                account(&mut held, step, &victims);
                prop_assert_eq!(order.check(), Ok(()), "{}", name);
            }
        }
    }
}
