// SPDX-License-Identifier: BSD-2-Clause
//! Who comes in, when, and in what order things happen.

use crate::model::{PAGES, World, first};
use ebb_swapper::{Event, Place, Refused, Sleep, State, Swapper, ThreadId, Tunables};

/// Processes that are out and could run, with their priorities made of swap time, sleep time and niceness.
fn candidates(list: &[(u32, u32, u32, u8)]) -> World {
    let mut w = World::new();
    for (process, ..) in list {
        w.out(*process);
    }
    let longest = list.iter().map(|c| c.1).max().unwrap_or(0);
    for second in (0..=longest).rev() {
        for (process, swapped, slept, nice) in list {
            if *swapped == second {
                // Out again at this second, having slept so long.
                w.s.event(Event::Gone(first(*process)));
                w.m.out.remove(process);
                w.process(*process, State::Sleeping, *slept, 30);
                w.s.event(Event::Nice(first(*process), *nice));
                assert!(w.s.put_out(&mut w.m, *process));
                w.state(first(*process), State::Runnable);
            }
        }
        if second > 0 {
            w.s.second();
        }
    }
    w
}

fn priority(w: &World, process: u32) -> i64 {
    w.s.thread(first(process)).unwrap().priority()
}

/// Who comes in, one after the other, with room for one at a time.
fn order(w: &mut World) -> Vec<u32> {
    w.m.log.clear();
    w.m.free = 1000;
    w.s.run(&mut w.m);
    let came = w.m.log.iter().filter_map(|l| l.strip_prefix("import "));
    came.map(|l| l.split('.').next().unwrap().parse().unwrap()).collect()
}

#[test]
fn prs_084_prs_100_one_at_a_time_and_never_one_that_is_in() {
    let mut w = candidates(&[(1, 5, 0, 20), (2, 3, 0, 20)]);
    w.s.run(&mut w.m);
    let steps: Vec<&str> = w.m.log.iter().rev().take(6).rev().map(String::as_str).collect();
    assert_eq!(
        steps,
        ["import 1.0", "imported 1.0", "enqueue 1.0", "import 2.0", "imported 2.0", "enqueue 2.0"]
    );
    w.check();
}

#[test]
fn prs_085_w07_a_state_that_cannot_be_read_ends_that_thread_only() {
    let mut w = candidates(&[(1, 5, 0, 20), (2, 3, 0, 20)]);
    w.m.broken.insert(first(1));
    let free = w.m.free;
    assert_eq!(w.s.run(&mut w.m), Sleep::Event);
    assert_eq!((w.m.ended.as_slice(), w.s.lost()), (&[first(1)][..], 1));
    assert!(w.s.thread(first(1)).is_none());
    assert_eq!(w.m.free, free - PAGES, "what was set aside for it came back");
    assert_eq!(w.s.thread(first(2)).unwrap().place, Place::In);
    w.m.out.remove(&1);
    w.check();
}

#[test]
fn prs_086_prs_131_the_platform_hears_of_it_between_wiring_and_running() {
    let mut w = candidates(&[(1, 1, 0, 20)]);
    w.m.log.clear();
    w.s.run(&mut w.m);
    assert_eq!(w.m.log, ["import 1.0", "imported 1.0", "enqueue 1.0"]);
}

#[test]
fn prs_087_who_sleeps_is_not_queued_when_it_comes_in() {
    let mut w = World::new();
    w.out(1);
    w.s.hold(&mut w.m, first(1), false).unwrap();
    let t = w.s.thread(first(1)).unwrap();
    assert_eq!((t.place, t.swap_time), (Place::In, 0));
    assert!(w.m.queue.is_empty());
    w.state(first(1), State::Runnable);
    assert_eq!(w.m.queue, [first(1)]);
    w.check();
}

#[test]
fn prs_088_each_is_counted() {
    let mut w = candidates(&[(1, 1, 0, 20), (2, 1, 0, 20), (3, 1, 0, 20)]);
    let before = w.s.counts().0;
    w.s.run(&mut w.m);
    assert_eq!(w.s.counts().0, before + 3);
}

#[test]
fn prs_089_an_event_before_the_first_run_is_not_lost() {
    let mut w = World::new();
    w.out(1);
    // It has never run: the kick is in the order of candidates, and no signal is needed.
    w.state(first(1), State::Runnable);
    assert_eq!(w.s.run(&mut w.m), Sleep::Event);
    assert_eq!(w.m.queue, [first(1)]);
}

#[test]
fn prs_090_prs_098_a_kick_between_the_look_and_the_sleep_is_not_lost() {
    let mut w = candidates(&[(1, 9, 0, 20)]);
    w.out(2);
    // While the first is being looked at, the second becomes runnable.
    w.m.meanwhile.push(Event::State(first(2), State::Runnable));
    assert_eq!(w.s.run(&mut w.m), Sleep::Event);
    assert_eq!(w.s.thread(first(2)).unwrap().place, Place::In, "it was looked again");
    assert!(w.m.events.is_empty());
    w.check();
}

#[test]
fn prs_091_waking_one_that_is_out_is_enough() {
    let mut w = World::new();
    w.out(1);
    assert_eq!(w.s.run(&mut w.m), Sleep::Event);
    assert_eq!(w.s.thread(first(1)).unwrap().place, Place::Out);
    w.m.events.push_back(Event::State(first(1), State::Runnable));
    w.s.run(&mut w.m);
    assert_eq!(w.m.queue, [first(1)]);
}

#[test]
fn prs_092_it_sleeps_and_never_ends() {
    // Its priority is its server's, in the manifest; each run ends with what it waits for.
    let mut w = World::new();
    assert_eq!(w.s.run(&mut w.m), Sleep::Event);
    w.out(1);
    w.state(first(1), State::Runnable);
    w.m.free = 0;
    assert_eq!(w.s.run(&mut w.m), Sleep::Memory);
}

#[test]
fn prs_093_switched_off_nobody_comes_in() {
    let mut w = candidates(&[(1, 1, 0, 20)]);
    w.s.enabled = false;
    assert_eq!(w.s.run(&mut w.m), Sleep::Event);
    assert_eq!(w.s.thread(first(1)).unwrap().place, Place::Out);
    w.s.enabled = true;
    w.s.run(&mut w.m);
    assert_eq!(w.s.thread(first(1)).unwrap().place, Place::In);
}

#[test]
fn prs_094_who_sleeps_is_no_candidate() {
    let mut w = World::new();
    for process in 1..5 {
        w.out(process);
    }
    w.state(first(2), State::Runnable);
    w.state(first(3), State::Stopped);
    // One that went back to sleep before it came in.
    w.state(first(4), State::Runnable);
    w.state(first(4), State::Sleeping);
    assert_eq!(order(&mut w), [2]);
    w.check();
}

#[test]
fn prs_095_the_formula() {
    let w = candidates(&[(1, 10, 5, 24), (2, 10, 5, 20), (3, 10, 5, 0)]);
    assert_eq!([1, 2, 3].map(|p| priority(&w, p)), [-17, 15, 175]);
}

#[test]
fn prs_096_the_highest_first_and_the_first_of_equals() {
    let mut w = candidates(&[(1, 3, 0, 20), (2, 9, 0, 20), (3, 9, 0, 20), (4, 0, 0, 40)]);
    assert_eq!([1, 2, 3, 4].map(|p| priority(&w, p)), [3, 9, 9, -160]);
    assert_eq!(order(&mut w), [2, 3, 1, 4], "any candidate is better than none");
}

#[test]
fn prs_097_w15_the_order_is_kept_while_priorities_grow() {
    let mut w = candidates(&[(1, 0, 0, 39)]);
    w.m.free = PAGES;
    for second in 1..=190 {
        // A stream of newcomers without niceness that have slept for 30 seconds.
        let process = second + 10;
        w.out(process);
        w.m.free = PAGES;
        w.state(first(process), State::Runnable);
        w.s.second();
        w.m.free = PAGES + 1;
        w.s.run(&mut w.m);
        if w.s.thread(first(1)).unwrap().place == Place::In {
            assert!(second >= 152 + 30, "{second}");
            return;
        }
    }
    panic!("it never came in");
}

#[test]
fn w16_nobody_waits_for_more_than_the_bound() {
    let mut w = candidates(&[(1, 0, 0, 39)]);
    w.s.tunables = Tunables::new(20, 0, 30).unwrap();
    for second in 1..=40 {
        let process = second + 10;
        w.out(process);
        w.state(first(process), State::Runnable);
        w.s.second();
        w.m.free = PAGES + 1;
        w.s.run(&mut w.m);
        if w.s.thread(first(1)).unwrap().place == Place::In {
            assert_eq!(second, 30);
            return;
        }
    }
    panic!("it never came in");
}

#[test]
fn prs_099_room_is_strictly_more_than_its_pages() {
    for (free, place) in [(PAGES, Place::Out), (PAGES + 1, Place::In)] {
        let mut w = candidates(&[(1, 1, 0, 20)]);
        w.m.free = free;
        w.s.run(&mut w.m);
        assert_eq!(w.s.thread(first(1)).unwrap().place, place);
        w.check();
    }
}

#[test]
fn prs_101_prs_102_without_room_memory_is_asked_for_and_the_choice_is_forgotten() {
    let mut w = candidates(&[(1, 9, 0, 20)]);
    w.m.free = 1;
    assert_eq!(w.s.run(&mut w.m), Sleep::Memory);
    assert_eq!(w.m.wanted, 1, "once");
    // A better one comes while it waits.
    w.out(2);
    w.s.event(Event::Nice(first(2), 0));
    w.state(first(2), State::Runnable);
    w.m.free = PAGES + 1;
    w.s.run(&mut w.m);
    assert_eq!(w.s.thread(first(2)).unwrap().place, Place::In);
    assert_eq!(w.s.thread(first(1)).unwrap().place, Place::Out);
    w.check();
}

#[test]
fn w08_w26_pages_are_set_aside_and_nobody_blocks_for_them() {
    let mut w = candidates(&[(1, 9, 0, 20)]);
    // Enough were free when it was looked; others were faster.
    w.m.taken = true;
    assert_eq!(w.s.run(&mut w.m), Sleep::Memory);
    assert_eq!(w.s.thread(first(1)).unwrap().place, Place::Out);
    assert_eq!(w.m.wanted, 1);
    w.m.taken = false;
    w.s.run(&mut w.m);
    assert_eq!(w.s.thread(first(1)).unwrap().place, Place::In);
    w.check();
}

#[test]
fn w09_a_hold_while_it_is_chosen_does_not_bring_it_in_twice() {
    let mut w = candidates(&[(1, 9, 0, 20)]);
    w.s.hold(&mut w.m, first(1), false).unwrap();
    let count = w.s.counts().0;
    w.s.run(&mut w.m);
    assert_eq!(w.s.counts().0, count);
    assert_eq!(w.m.queue, [first(1)]);
    w.check();
}

#[test]
fn w19_tunables_are_validated() {
    for (a, b, c) in [(0, 0, 1), (1, 0, 0), (86_401, 0, 1), (1, 86_401, 1), (1, 0, 86_401)] {
        assert_eq!(Tunables::new(a, b, c), Err(Refused::Range));
    }
    let t = Tunables::new(5, 3, 40).unwrap();
    assert_eq!((t.max_sleep_s(), t.min_residence_s(), t.max_wait_s()), (5, 3, 40));
    assert_eq!(Tunables::default().max_sleep_s(), 20);
}

/// Seconds count what they should: PRS-010 and PRS-011 are what priorities are made of.
#[test]
fn swap_time_and_sleep_time_begin_anew() {
    let mut w = World::new();
    w.process(1, State::Sleeping, 0, 0);
    (0..7).for_each(|_| w.s.second());
    let t = *w.s.thread(first(1)).unwrap();
    assert_eq!((t.swap_time, t.sleep_time), (7, 7));
    w.state(first(1), State::Runnable);
    (0..3).for_each(|_| w.s.second());
    assert_eq!(w.s.thread(first(1)).unwrap().sleep_time, 7, "what was slept counts until the next sleep");
    w.state(first(1), State::Sleeping);
    assert_eq!(w.s.thread(first(1)).unwrap().sleep_time, 0);
    w.state(first(1), State::Stopped);
    w.s.second();
    assert_eq!(w.s.thread(first(1)).unwrap().sleep_time, 1);
    let mut other = Swapper::default();
    other.event(Event::State(ThreadId(9, 9), State::Runnable));
    assert_eq!(other.threads().count(), 0, "what nobody knows is ignored");
}
