// SPDX-License-Identifier: BSD-2-Clause
//! Random events, holds, shortages and passes; after each step everything that must hold does, and the order of candidates is that of a naive search.

use crate::model::{PAGES, World};
use ebb_swapper::queue::Queue;
use ebb_swapper::{Event, Place, Sleep, State, Thread, ThreadId, Tunables};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    State(u32, u32, State),
    Seconds(u8),
    Hold(u32, u32),
    Release(u32, u32),
    Nice(u32, u32, u8),
    Free(u64),
    Break(u32, u32),
    Out,
    Run,
}

fn state() -> impl Strategy<Value = State> {
    prop_oneof![
        4 => Just(State::Sleeping),
        4 => Just(State::Runnable),
        1 => Just(State::Stopped),
        1 => Just(State::Suspended),
        1 => Just(State::Blocked),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let (p, t) = (1u32..6, 0u32..3);
    let id = (p, t);
    prop_oneof![
        6 => (id.clone(), state()).prop_map(|((p, t), s)| Step::State(p, t, s)),
        3 => (1u8..12).prop_map(Step::Seconds),
        1 => id.clone().prop_map(|(p, t)| Step::Hold(p, t)),
        1 => id.clone().prop_map(|(p, t)| Step::Release(p, t)),
        1 => (id.clone(), 0u8..41).prop_map(|((p, t), n)| Step::Nice(p, t, n)),
        2 => (0u64..40).prop_map(Step::Free),
        1 => id.prop_map(|(p, t)| Step::Break(p, t)),
        3 => Just(Step::Out),
        3 => Just(Step::Run),
    ]
}

proptest! {
    #[test]
    fn nothing_is_lost_and_nobody_runs_without_its_state(
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut w = World::new();
        w.s.tunables = Tunables::new(20, 2, 30).unwrap();
        for p in 1..6 {
            for t in 0..3 {
                w.add(ThreadId(p, t), Thread::new(State::Sleeping, PAGES));
            }
        }
        for step in steps {
            match step {
                Step::State(p, t, s) => {
                    let id = ThreadId(p, t);
                    if w.s.thread(id).is_some() {
                        w.change(id, s);
                        w.m.events.push_back(Event::State(id, s));
                        w.s.run(&mut w.m);
                    }
                }
                Step::Seconds(n) => (0..n).for_each(|_| w.s.second()),
                Step::Hold(p, t) => {
                    let id = ThreadId(p, t);
                    if w.s.hold(&mut w.m, id, false).is_ok() {
                        prop_assert_eq!(w.s.thread(id).unwrap().place, Place::In);
                    }
                }
                Step::Release(p, t) => {
                    let held = w.s.thread(ThreadId(p, t)).is_some_and(|t| t.holds > 0);
                    prop_assert_eq!(w.s.release(ThreadId(p, t)).is_ok(), held);
                }
                Step::Nice(p, t, n) => w.s.event(Event::Nice(ThreadId(p, t), n)),
                Step::Free(n) => w.m.free = n,
                Step::Break(p, t) => {
                    w.m.broken.insert(ThreadId(p, t));
                }
                Step::Out => {
                    let before: Vec<ThreadId> = w.s.threads().filter(|(_, t)| t.holds > 0).map(|(id, _)| id).collect();
                    w.s.swap_out(&mut w.m);
                    for id in before {
                        prop_assert_eq!(w.s.thread(id).unwrap().place, Place::In, "a held one went");
                    }
                }
                Step::Run => {
                    let slept = w.s.run(&mut w.m);
                    let waiting = w.s.threads().any(|(_, t)| t.is_candidate());
                    prop_assert_eq!(slept == Sleep::Memory, waiting, "who should come in waits for memory only");
                    if waiting {
                        prop_assert!(w.m.free <= PAGES);
                    }
                }
            }
            // What a lost thread leaves behind is its process's business.
            let alive: Vec<u32> = w.s.threads().map(|(id, _)| id.0).collect();
            for p in w.m.out.clone() {
                if !alive.contains(&p) {
                    w.m.out.remove(&p);
                }
            }
            w.check();
        }
    }

    /// The queue against a search through all candidates.
    #[test]
    fn w15_the_queue_finds_whom_a_search_finds(
        steps in prop::collection::vec((0u32..8, -200i64..200, 0u64..4, 0u8..4), 1..80),
    ) {
        let mut queue = Queue::default();
        // Who, priority when it came or was changed and when that was, since when.
        let mut all: Vec<(u32, i64, u64, u64)> = Vec::new();
        let mut now = 0;
        for (id, priority, seconds, what) in steps {
            now += seconds;
            let thread = ThreadId(id, 0);
            if what == 0 {
                queue.remove(thread);
                all.retain(|c| c.0 != id);
            } else {
                queue.insert(thread, priority, now);
                let since = all.iter().find(|c| c.0 == id).map_or(now, |c| c.3);
                all.retain(|c| c.0 != id);
                all.push((id, priority, now, since));
            }
            let longest = 10;
            let overdue = all.iter().filter(|c| now - c.3 >= longest).min_by_key(|c| (c.3, c.0));
            let best = all.iter().min_by_key(|c| (-(c.1 + (now - c.2) as i64), c.0));
            let expected = overdue.or(best).map(|c| ThreadId(c.0, 0));
            prop_assert_eq!(queue.next(now, longest), expected);
            prop_assert_eq!(queue.iter().count(), all.len());
        }
    }
}
