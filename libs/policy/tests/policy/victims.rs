// SPDX-License-Identifier: BSD-2-Clause
//! Who is ended when memory is exhausted.

use ebb_policy::OomReason::{Memory, SwapMetadata};
use ebb_policy::victim::{Candidate, choose, may_choose};
use proptest::prelude::*;

fn candidate(id: u32, resident: u64, swapped: u64) -> Candidate {
    Candidate { id, resident, swapped, ..Candidate::default() }
}

#[test]
fn pgo_219_pgo_220_w14_who_is_never_ended() {
    let big = candidate(1, 100, 100);
    let small = candidate(2, 1, 0);
    for spared in [Candidate { protected: true, ..big }, Candidate { passing: true, ..big }] {
        assert_eq!(choose(Memory, [spared, small]), Some(small));
        assert_eq!(choose(Memory, [spared]), None);
    }
    // No number protects.
    assert_eq!(choose(Memory, [candidate(1, 9, 0), candidate(47, 10, 0)]).unwrap().id, 47);
}

#[test]
fn pgo_221_pgo_222_pgo_223_w12_w13_measuring_takes_no_lock_and_no_memory() {
    // An iterator over counters, consumed once, from which nothing is kept but the best: there is nothing to wait for.
    let mut seen = 0;
    let all = (1..=1000).map(|n| {
        seen += 1;
        candidate(n, u64::from(n), 0)
    });
    assert_eq!(choose(Memory, all).unwrap().id, 1000);
    assert_eq!(seen, 1000);
}

#[test]
fn pgo_224_size_by_reason() {
    let (a, b) = (candidate(1, 10, 1000), candidate(2, 5000, 0));
    assert_eq!(choose(Memory, [a, b]), Some(b));
    assert_eq!(choose(SwapMetadata, [a, b]), Some(a));
    assert_eq!((a.size(Memory), a.size(SwapMetadata)), (1010, 1000));
    assert_eq!(candidate(3, u64::MAX, 1).size(Memory), u64::MAX);
}

#[test]
fn pgo_227_strictly_larger_wins_and_nothing_is_never_chosen() {
    let all = [candidate(1, 5, 0), candidate(2, 9, 0), candidate(3, 4, 5)];
    assert_eq!(choose(Memory, all).unwrap().id, 2);
    assert_eq!(choose(SwapMetadata, [candidate(1, 10, 0)]), None);
    assert_eq!(choose(Memory, [candidate(1, 0, 0)]), None);
}

#[test]
fn pgo_228_nobody() {
    assert_eq!(choose(Memory, []), None);
}

#[test]
fn w15_the_last_victims_memory_is_waited_for_and_not_for_ever() {
    assert!(may_choose(0, 0, 100, 50) && may_choose(7, 0, 100, 50));
    assert!(!may_choose(7, 60, 100, 50));
    assert!(may_choose(0, 60, 100, 50), "it is back");
    assert!(may_choose(7, 60, 110, 50), "it does not come");
}

proptest! {
    #[test]
    fn the_choice_is_that_of_a_naive_model(
        sizes in prop::collection::vec((0u64..20, 0u64..20, 0u8..8), 0..20),
        metadata in prop::bool::ANY,
    ) {
        let reason = if metadata { SwapMetadata } else { Memory };
        let all: Vec<Candidate> = sizes.iter().enumerate().map(|(n, (resident, swapped, kind))| Candidate {
            protected: *kind == 0,
            passing: *kind == 1,
            ..candidate(n as u32, *resident, *swapped)
        }).collect();
        let eligible = all.iter().filter(|c| !c.protected && !c.passing && c.size(reason) > 0);
        let most = eligible.clone().map(|c| c.size(reason)).max();
        let expected = eligible.clone().find(|c| Some(c.size(reason)) == most).copied();
        prop_assert_eq!(choose(reason, all.iter().copied()), expected);
    }
}
