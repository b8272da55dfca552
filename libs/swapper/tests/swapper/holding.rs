// SPDX-License-Identifier: BSD-2-Clause
//! Hold and release.

use crate::model::{World, first};
use ebb_swapper::{Place, Refused, State};

#[test]
fn prs_133_holding_oneself_is_a_count() {
    let mut w = World::new();
    w.process(1, State::Running, 0, 0);
    w.s.hold(&mut w.m, first(1), true).unwrap();
    assert_eq!((w.s.thread(first(1)).unwrap().holds, w.m.log.len()), (1, 0));
}

#[test]
fn prs_134_prs_135_holding_another_brings_it_in_once() {
    let mut w = World::new();
    w.out(1);
    w.s.hold(&mut w.m, first(1), false).unwrap();
    assert_eq!(w.s.thread(first(1)).unwrap().place, Place::In);
    w.s.hold(&mut w.m, first(1), false).unwrap();
    assert_eq!((w.s.thread(first(1)).unwrap().holds, w.s.counts().0), (2, 1));
    w.check();
}

#[test]
fn prs_136_a_hold_that_cannot_be_is_refused_and_holds_nothing() {
    let mut w = World::new();
    w.out(1);
    w.m.free = 0;
    assert_eq!(w.s.hold(&mut w.m, first(1), false), Err(Refused::NoMemory));
    assert_eq!(w.s.thread(first(1)).unwrap().holds, 0);
    w.m.free = 100;
    w.m.broken.insert(first(1));
    assert_eq!(w.s.hold(&mut w.m, first(1), false), Err(Refused::Lost));
    assert_eq!(w.s.hold(&mut w.m, first(1), false), Err(Refused::NotFound));
}

#[test]
fn prs_137_a_runnable_one_runs() {
    let mut w = World::new();
    w.out(1);
    w.state(first(1), State::Runnable);
    w.s.hold(&mut w.m, first(1), false).unwrap();
    assert_eq!(w.m.queue, [first(1)]);
    w.check();
}

#[test]
fn prs_138_w22_release_counts_down_and_never_below_nothing() {
    let mut w = World::new();
    w.process(1, State::Sleeping, 50, 50);
    assert_eq!(w.s.release(first(1)), Err(Refused::NotHeld));
    w.s.hold(&mut w.m, first(1), false).unwrap();
    assert_eq!(w.swap_out(), []);
    assert_eq!(w.s.release(first(1)), Ok(()));
    assert_eq!(w.s.release(first(1)), Err(Refused::NotHeld));
    assert_eq!(w.s.counts(), (0, 0), "nothing else happened");
    assert_eq!(w.swap_out(), [1]);
    assert_eq!(w.s.release(first(7)), Err(Refused::NotFound));
}

#[test]
fn prs_139_held_and_out_is_never_seen() {
    for hold_first in [true, false] {
        let mut w = World::new();
        w.process(1, State::Sleeping, 50, 50);
        if hold_first {
            w.s.hold(&mut w.m, first(1), false).unwrap();
            w.swap_out();
        } else {
            w.swap_out();
            w.s.hold(&mut w.m, first(1), false).unwrap();
        }
        assert_eq!(w.s.thread(first(1)).unwrap().place, Place::In);
        assert_eq!(w.swap_out(), []);
        w.check();
    }
}
