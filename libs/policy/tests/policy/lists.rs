// SPDX-License-Identifier: BSD-2-Clause
//! Lists agree with plain queues, whatever is done to them.

use std::collections::VecDeque;

use ebb_policy::lists::Lists;
use proptest::prelude::*;

const FRAMES: u32 = 12;
const LISTS: u8 = 3;

#[derive(Clone, Debug)]
enum Step {
    Tail(u32, u8),
    Head(u32, u8),
    Pop(u8),
    Unlink(u32),
    /// Up to the page at this place.
    Rotate(u8, usize),
    Bits(u32, u8),
}

fn step() -> impl Strategy<Value = Step> {
    let (frame, list) = (0..FRAMES, 0..LISTS);
    prop_oneof![
        4 => (frame.clone(), list.clone()).prop_map(|(f, l)| Step::Tail(f, l)),
        2 => (frame.clone(), list.clone()).prop_map(|(f, l)| Step::Head(f, l)),
        1 => list.clone().prop_map(Step::Pop),
        1 => frame.clone().prop_map(Step::Unlink),
        2 => (list, 0..6usize).prop_map(|(l, n)| Step::Rotate(l, n)),
        1 => (frame, 0..8u8).prop_map(|(f, b)| Step::Bits(f, b)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn lists_are_queues(steps in prop::collection::vec(step(), 1..80)) {
        let mut lists = Lists::new(FRAMES, LISTS);
        let mut queues = vec![VecDeque::new(); LISTS.into()];
        let mut bits = [0; FRAMES as usize];
        for step in steps {
            let off = |queues: &mut Vec<VecDeque<u32>>, frame| {
                queues.iter_mut().for_each(|q| q.retain(|f| *f != frame));
            };
            match step {
                Step::Tail(frame, list) => {
                    lists.push_tail(frame, list);
                    off(&mut queues, frame);
                    queues[usize::from(list)].push_back(frame);
                }
                Step::Head(frame, list) => {
                    lists.push_head(frame, list);
                    off(&mut queues, frame);
                    queues[usize::from(list)].push_front(frame);
                }
                Step::Pop(list) => {
                    prop_assert_eq!(lists.pop_head(list), queues[usize::from(list)].pop_front());
                }
                Step::Unlink(frame) => {
                    lists.unlink(frame);
                    off(&mut queues, frame);
                }
                Step::Rotate(list, place) => {
                    let queue = &mut queues[usize::from(list)];
                    if let Some(last) = queue.get(place).copied() {
                        lists.rotate(list, last);
                        queue.rotate_left(place + 1);
                    }
                }
                Step::Bits(frame, value) => {
                    lists.set_bits(frame, value);
                    bits[frame as usize] = value;
                }
            }
            prop_assert_eq!(lists.check(), Ok(()));
            for (list, queue) in (0..).zip(&queues) {
                prop_assert!(lists.iter(list).eq(queue.iter().copied()));
                prop_assert_eq!(lists.len(list), queue.len() as u32);
            }
            for (frame, bits) in (0..).zip(bits) {
                prop_assert_eq!(lists.bits(frame), bits);
                let on = (0..LISTS).find(|l| queues[usize::from(*l)].contains(&frame));
                prop_assert_eq!(lists.list(frame), on);
            }
        }
    }
}

/// Who is on another list, or on none, moves nothing.
#[test]
fn what_is_not_on_a_list_does_not_rotate_it() {
    let mut lists = Lists::new(FRAMES, LISTS);
    for frame in 0..4 {
        lists.push_tail(frame, 0);
    }
    lists.push_tail(9, 1);
    for strange in [9, 5] {
        lists.rotate(0, strange);
        assert!(lists.iter(0).eq(0..4));
    }
    assert_eq!(lists.check(), Ok(()));
}
