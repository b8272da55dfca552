// SPDX-License-Identifier: BSD-2-Clause
//! What is seen from outside becomes events.

use crate::model::{World, first};
use ebb_swapper::{Doing, Place, Sample, Sampler, State};

const PLAIN: Sample = Sample {
    process: 7,
    doing: Doing::Sleeping,
    stopped: false,
    out: false,
    runs: 5,
    pages: 4,
    nice: 0,
    holds: 0,
};

fn slept(w: &World) -> u32 {
    w.s.thread(first(7)).expect("it is known").sleep_time
}

#[test]
fn who_was_not_given_the_processor_has_slept() {
    let (mut w, mut sampler) = (World::new(), Sampler::default());
    sampler.look(&mut w.s, &[PLAIN]);
    for n in 1..=5 {
        w.s.second();
        sampler.look(&mut w.s, &[PLAIN]);
        assert_eq!(slept(&w), n);
    }
    // It woke between two looks, and sleeps at both.
    w.s.second();
    sampler.look(&mut w.s, &[Sample { runs: 6, ..PLAIN }]);
    assert_eq!(slept(&w), 0);
    w.s.second();
    sampler.look(&mut w.s, &[Sample { runs: 6, ..PLAIN }]);
    assert_eq!(slept(&w), 1);
}

#[test]
fn prs_107_prs_116_states_are_those_of_the_swapper() {
    let (mut w, mut sampler) = (World::new(), Sampler::default());
    for (doing, stopped, state) in [
        (Doing::Sleeping, false, State::Sleeping),
        (Doing::Runnable, false, State::Runnable),
        (Doing::Blocked, false, State::Blocked),
        (Doing::Sleeping, true, State::Stopped),
        (Doing::Runnable, true, State::Stopped),
        // It waits for somebody who may need memory: it stays, stopped or not.
        (Doing::Blocked, true, State::Blocked),
    ] {
        sampler.look(&mut w.s, &[Sample { doing, stopped, ..PLAIN }]);
        assert_eq!(w.s.thread(first(7)).unwrap().state, state);
    }
}

#[test]
fn where_it_is_and_that_it_is_gone_is_seen() {
    let (mut w, mut sampler) = (World::new(), Sampler::default());
    let out = Sample { out: true, holds: 2, nice: -5, ..PLAIN };
    sampler.look(&mut w.s, &[out]);
    let t = *w.s.thread(first(7)).unwrap();
    assert_eq!((t.place, t.holds, t.nice, t.pages), (Place::Out, 2, 15, 4));
    assert!(w.s.is_out(7));
    // It is out and can run: a candidate.
    sampler.look(&mut w.s, &[Sample { doing: Doing::Runnable, ..out }]);
    assert!(w.s.thread(first(7)).unwrap().is_candidate());
    // Others brought it in.
    sampler.look(&mut w.s, &[Sample { doing: Doing::Runnable, nice: 3, ..PLAIN }]);
    let t = *w.s.thread(first(7)).unwrap();
    assert_eq!((t.place, t.nice), (Place::In, 23));
    sampler.look(&mut w.s, &[]);
    assert!(w.s.thread(first(7)).is_none());
}

#[test]
fn prs_124_who_does_something_else_by_now_stays() {
    let mut w = World::new();
    w.process(1, State::Sleeping, 30, 30);
    w.process(2, State::Sleeping, 25, 30);
    w.m.awake.insert(1);
    assert_eq!(w.swap_out(), [2]);
    w.check();
    w.m.awake.clear();
    assert_eq!(w.swap_out(), [1, 2]);
    w.check();
}

#[test]
fn a_person_may_put_out_who_came_in_just_now_but_not_who_is_held_or_waits_for_somebody() {
    let mut w = World::new();
    w.process(1, State::Sleeping, 0, 0);
    w.process(2, State::Blocked, 0, 0);
    w.process(3, State::Sleeping, 0, 0);
    w.s.hold(&mut w.m, first(3), false).unwrap();
    assert!(w.s.put_out_now(&mut w.m, 1));
    assert!(!w.s.put_out_now(&mut w.m, 1), "it is out");
    assert!(!w.s.put_out_now(&mut w.m, 2) && !w.s.put_out_now(&mut w.m, 3) && !w.s.put_out_now(&mut w.m, 9));
    w.check();
}
