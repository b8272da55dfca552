// SPDX-License-Identifier: BSD-2-Clause
//! Who goes out, and in what order things happen.

use crate::model::{PAGES, World, first};
use ebb_swapper::{Event, Place, State, Thread, ThreadId, Tunables};

/// A process that has slept long, changed.
fn sleeper(change: impl FnOnce(&mut Thread)) -> World {
    let mut w = World::new();
    let mut t = Thread { sleep_time: 50, swap_time: 50, ..Thread::new(State::Sleeping, PAGES) };
    change(&mut t);
    w.add(first(1), t);
    w
}

fn goes(change: impl FnOnce(&mut Thread)) -> bool {
    let mut w = sleeper(change);
    w.m.free = 0;
    let gone = !w.swap_out().is_empty();
    w.check();
    gone
}

#[test]
fn prs_103_servers_and_the_ending_stay() {
    assert!(goes(|_| {}));
    assert!(!goes(|t| t.system = true));
    assert!(!goes(|t| t.exiting = true));
    let mut w = sleeper(|_| {});
    assert_eq!((w.swap_out(), w.swap_out().len(), w.s.counts().1), (vec![1], 1, 1), "who is out stays out");
}

#[test]
fn prs_104_prs_112_who_runs_stays() {
    assert!(!goes(|t| t.state = State::Running));
}

#[test]
fn prs_105_w18_who_is_held_stays() {
    assert!(!goes(|t| t.holds = 1));
    assert!(goes(|t| t.holds = 0));
}

#[test]
fn prs_106_real_time_stays() {
    assert!(!goes(|t| t.realtime = true));
}

#[test]
fn prs_107_who_waits_for_somebody_who_may_need_memory_stays() {
    assert!(!goes(|t| t.state = State::Blocked));
}

#[test]
fn prs_108_processes_that_are_made_or_ended_stay() {
    assert!(!goes(|t| t.process_alive = false));
    assert!(goes(|t| t.state = State::Stopped));
}

#[test]
fn prs_109_nothing_goes_out_but_when_it_is_asked_for() {
    let mut w = sleeper(|_| {});
    (0..100).for_each(|_| w.s.second());
    w.s.run(&mut w.m);
    assert_eq!(w.s.counts(), (0, 0));
}

#[test]
fn prs_110_switched_off_nobody_goes_out() {
    let mut w = sleeper(|_| {});
    w.s.enabled = false;
    assert_eq!(w.swap_out(), []);
}

#[test]
fn prs_111_prs_123_whom_somebody_works_on_is_skipped() {
    let mut w = sleeper(|t| t.busy = true);
    w.process(2, State::Sleeping, 50, 50);
    assert_eq!(w.swap_out(), [2]);
    w.s.event(Event::Busy(first(1), false));
    assert_eq!(w.swap_out(), [1, 2]);
}

/// Processes 1, 2, … with one thread each that does this, has slept and been in for so long; who goes out with so much free.
fn out_of(list: &[(State, u32, u32)], free: u64) -> Vec<u32> {
    let mut w = World::new();
    for (n, (state, slept, resident)) in list.iter().enumerate() {
        w.process(n as u32 + 1, *state, *slept, *resident);
    }
    w.m.free = free;
    let out = w.swap_out();
    w.check();
    out
}

use State::{Runnable, Sleeping, Stopped, Suspended};

#[test]
fn prs_113_of_the_runnable_the_longest_resident() {
    assert_eq!(out_of(&[(Runnable, 0, 3), (Runnable, 0, 8), (Runnable, 0, 8)], 0), [2]);
    assert_eq!(out_of(&[(Runnable, 0, 0), (Runnable, 0, 0)], 0), []);
}

#[test]
fn prs_114_all_long_sleepers_at_once() {
    assert_eq!(
        out_of(&[(Sleeping, 19, 50), (Sleeping, 20, 50), (Stopped, 99, 99), (Sleeping, 20, 50)], 1000),
        [2, 3, 4]
    );
    let mut w = World::new();
    w.s.tunables = Tunables::new(5, 0, 100).unwrap();
    w.process(1, Sleeping, 5, 50);
    assert_eq!(w.swap_out(), [1], "the time can be set");
}

#[test]
fn prs_115_of_short_sleepers_the_longest() {
    assert_eq!(out_of(&[(Sleeping, 3, 50), (Sleeping, 12, 50), (Sleeping, 5, 50)], 0), [2]);
    assert_eq!(out_of(&[(Sleeping, 0, 50)], 0), []);
}

#[test]
fn prs_116_w17_suspended_ones_are_like_sleepers_and_others_stay() {
    assert_eq!(out_of(&[(Suspended, 100, 100), (State::Idle, 100, 100), (State::Zombie, 100, 100)], 0), [1]);
}

#[test]
fn prs_117_prs_118_w10_w11_changes_in_mid_pass_are_seen_and_nothing_is_remembered_wrongly() {
    let mut w = World::new();
    for process in 1..=5 {
        w.process(process, Sleeping, if process == 3 { 19 } else { 20 }, 50);
    }
    // While the first goes out, the second wakes and the fourth ends.
    w.change(first(2), Runnable);
    w.m.meanwhile.push(Event::State(first(2), Runnable));
    w.m.meanwhile.push(Event::Gone(first(4)));
    w.m.free = 0;
    assert_eq!(w.swap_out(), [1, 5], "two went, so that no other is chosen");
    w.check();
}

#[test]
fn prs_119_one_more_only_when_memory_is_very_short_and_nobody_else_went() {
    assert_eq!(out_of(&[(Sleeping, 5, 50)], PAGES + 1), []);
    assert_eq!(out_of(&[(Sleeping, 5, 50)], PAGES), [1]);
    assert_eq!(out_of(&[(Sleeping, 5, 50), (Sleeping, 20, 50)], 0), [2]);
}

#[test]
fn prs_120_sleepers_before_the_runnable() {
    assert_eq!(out_of(&[(Sleeping, 1, 50), (Runnable, 0, 90)], 0), [1]);
    assert_eq!(out_of(&[(Runnable, 0, 90), (Sleeping, 1, 50)], 0), [2]);
    assert_eq!(out_of(&[(Sleeping, 0, 50), (Runnable, 0, 90)], 0), [2]);
    assert_eq!(out_of(&[(Sleeping, 0, 50), (Runnable, 0, 0)], 0), []);
}

#[test]
fn prs_121_prs_124_the_choice_is_looked_at_again() {
    for event in [Event::State(first(1), State::Running), Event::Busy(first(1), true), Event::Gone(first(1))]
    {
        let mut w = World::new();
        w.process(1, Sleeping, 5, 50);
        w.m.free = 0;
        w.m.meanwhile.push(event);
        assert_eq!(w.swap_out(), [], "{event:?}");
        assert_eq!(w.s.counts().1, 0);
    }
}

#[test]
fn prs_122_at_least_one_when_memory_is_very_short() {
    for state in [Sleeping, Runnable, Stopped, Suspended] {
        assert_eq!(out_of(&[(state, 1, 50)], 0), [1], "{state:?}");
    }
}

#[test]
fn w12_who_could_not_go_is_not_counted_and_another_goes() {
    let mut w = World::new();
    // The long sleeper is held; that must not keep the other in.
    w.process(1, Sleeping, 50, 50);
    w.process(2, Sleeping, 5, 50);
    w.s.hold(&mut w.m, first(1), false).unwrap();
    w.m.free = 0;
    assert_eq!(w.s.swap_out(&mut w.m), 1);
    assert!(w.s.is_out(2) && !w.s.is_out(1));
}

#[test]
fn prs_125_prs_127_prs_128_prs_129_prs_131_in_this_order() {
    let mut w = World::new();
    w.process(1, Runnable, 0, 9);
    w.m.free = 0;
    assert_eq!(w.swap_out(), [1]);
    assert_eq!(w.m.log, ["dequeue 1.0", "save 1.0", "export 1.0"]);
    assert_eq!((w.m.collected.as_slice(), w.m.saved[&first(1)]), (&[1][..], 1));
    let t = w.s.thread(first(1)).unwrap();
    assert_eq!((t.place, t.swap_time), (Place::Out, 0));
    assert_eq!(w.m.free, PAGES, "its pages are free");
    w.check();
}

#[test]
fn prs_126_each_is_counted() {
    let mut w = World::new();
    for n in 0..3 {
        w.add(ThreadId(1, n), Thread { sleep_time: 30, ..Thread::new(Sleeping, PAGES) });
    }
    assert_eq!(w.swap_out(), [1]);
    assert_eq!(w.s.counts(), (0, 3));
    assert_eq!(w.s.thread(ThreadId(1, 2)).unwrap().swaps, 1);
}

#[test]
fn prs_130_w13_memory_is_deactivated_when_all_threads_are_out() {
    let mut w = World::new();
    w.out(1);
    assert!(w.m.out.contains(&1));
    w.state(first(1), Runnable);
    w.s.run(&mut w.m);
    assert!(w.m.out.is_empty(), "and not any more when the first is in");
    w.check();
}

#[test]
fn prs_132_who_is_out_never_runs_before_it_is_in() {
    let mut w = World::new();
    w.out(1);
    w.state(first(1), Runnable);
    assert!(w.m.queue.is_empty());
    w.m.free = 0;
    w.s.run(&mut w.m);
    assert!(w.m.queue.is_empty());
    w.m.free = 100;
    w.s.run(&mut w.m);
    assert_eq!(w.m.queue, [first(1)]);
}

/// A process goes whole or not at all, and not before it has been in for a while.
#[test]
fn w14_processes_go_whole_and_have_a_guaranteed_residence() {
    let mut w = World::new();
    w.add(ThreadId(1, 0), Thread { sleep_time: 90, swap_time: 90, ..Thread::new(Sleeping, PAGES) });
    w.add(ThreadId(1, 1), Thread { swap_time: 90, ..Thread::new(State::Running, PAGES) });
    w.m.free = 0;
    assert_eq!(w.swap_out(), []);
    w.state(ThreadId(1, 1), Sleeping);
    w.s.second();
    assert_eq!(w.swap_out(), [1], "by the one that slept least");
    assert_eq!(w.s.counts().1, 2);
    w.check();

    let mut w = World::new();
    w.s.tunables = Tunables::new(20, 10, 100).unwrap();
    w.process(1, Sleeping, 50, 0);
    w.m.free = 0;
    for second in 0..10 {
        assert_eq!(w.swap_out(), [], "{second}");
        w.s.second();
    }
    assert_eq!(w.swap_out(), [1]);
}

#[test]
fn w25_what_was_under_way_when_the_swapper_died_has_one_way_back() {
    // A thread is found with its state on the way: as a snapshot of another swapper's work.
    for (place, wired) in [(Place::GoingOut, false), (Place::ComingIn, false)] {
        let mut w = World::new();
        w.process(1, Runnable, 0, 9);
        w.s.adopt(first(1), place);
        w.m.queue.clear();
        if !wired {
            w.m.wired.clear();
        }
        w.m.out.insert(1);
        assert_eq!(w.s.recover(&mut w.m), 1);
        if place == Place::ComingIn {
            assert_eq!(w.s.thread(first(1)).unwrap().place, Place::Out);
            w.s.run(&mut w.m);
        }
        assert_eq!(w.s.thread(first(1)).unwrap().place, Place::In, "{place:?}");
        w.check();
    }
    // Without memory it is out, and nothing is lost.
    let mut w = World::new();
    w.process(1, Sleeping, 0, 9);
    w.s.adopt(first(1), Place::GoingOut);
    w.m.free = 0;
    w.m.out.insert(1);
    assert_eq!(w.s.recover(&mut w.m), 1);
    assert_eq!(w.s.thread(first(1)).unwrap().place, Place::Out);
    w.check();
}
