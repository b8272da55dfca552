// SPDX-License-Identifier: BSD-2-Clause
//! Section 17, as far as it is about when to give up; one domain.

use ebb_policy::machine::OomReason;
use ebb_policy::oom::{Oom, Outcome};
use ebb_policy::{Policy, Request};

use crate::Bench;

fn scan(start: i64, left: i64) -> Outcome {
    Outcome { start, left, ..Outcome::default() }
}

#[test]
fn pgo_213_zero_progress() {
    let mut oom = Oom::default();
    for (start, left, seq) in
        [(100, 100, 1), (100, 100, 2), (100, 99, 0), (100, 100, 1), (0, 0, 0), (-5, -5, 0)]
    {
        assert!(!oom.vote(scan(start, left), 12, 0));
        assert_eq!(oom.seq(), seq, "start {start}, left {left}");
    }
}

#[test]
fn pgo_035_pgo_214_threshold() {
    let mut oom = Oom::default();
    let votes: Vec<bool> = (0..3).map(|_| oom.vote(scan(100, 100), 3, 0)).collect();
    assert_eq!(votes, [false, false, true]);
    // Progress takes everything back.
    let mut oom = Oom::default();
    for left in [100, 100, 50, 100, 100] {
        assert!(!oom.vote(scan(100, left), 3, 0));
    }
    assert!(oom.vote(scan(100, 100), 3, 0));
}

#[test]
fn pgo_215_vote_resets_the_sequence() {
    let mut oom = Oom::default();
    assert!(!oom.vote(scan(1, 1), 2, 0));
    assert!(oom.vote(scan(1, 1), 2, 0));
    assert_eq!(oom.seq(), 0);
}

/// PGO-218, better (W08): what a scan votes for is done at once or not at all. No vote waits for others, and none is left that a later scan could complete.
#[test]
fn pgo_218_w08_a_vote_is_the_quorum_and_leaves_nothing_behind() {
    let mut oom = Oom::default();
    for _ in 0..50 {
        // Progress in the middle of a sequence is the beginning of a new one.
        assert!((0..11).all(|_| !oom.vote(scan(100, 100), 12, 0)));
        assert!(!oom.vote(scan(100, 99), 12, 0));
        assert_eq!(oom.seq(), 0);
        let votes = (0..12).map(|_| oom.vote(scan(100, 100), 12, 0));
        assert_eq!(votes.filter(|v| *v).count(), 1);
        // And after a vote nothing of it is to be seen.
        assert_eq!(oom.seq(), 0);
    }
}

/// PGO-216 and PGO-217 for one domain: its vote is the quorum, with reason 1, and kills are a full sequence apart.
#[test]
fn pgo_084_pgo_216_pgo_217_kills_are_apart() {
    let mut b = Bench::new(4);
    let mut kills = Vec::new();
    for scan in 1..=36 {
        b.run(100);
        if b.sim.requests().contains(&Request::OutOfMemory(OomReason::Memory)) {
            kills.push(scan);
            b.sim.log.clear();
        }
    }
    assert_eq!(kills, [12, 24, 36]);
    assert_eq!(b.policy.stats().oom_requests, 3);
}

/// W06: a write started is neither progress nor standstill; its end tells.
#[test]
fn w06_writes_count_when_they_end() {
    let mut oom = Oom::default();
    let started = Outcome { started: 40, laundering: 40, ..scan(100, 60) };
    let waiting = Outcome { laundering: 40, ..scan(100, 100) };
    assert!(!oom.vote(scan(100, 100), 3, 0));
    assert!(!oom.vote(started, 3, 0));
    for _ in 0..20 {
        assert!(!oom.vote(waiting, 3, 0));
        assert_eq!(oom.seq(), 1, "held while writes are under way");
    }
    // They fail: the standstill goes on from where it was.
    assert!(!oom.vote(scan(100, 100), 3, 0));
    assert!(oom.vote(scan(100, 100), 3, 0));
    // One ends well: progress.
    assert!(!oom.vote(scan(100, 100), 3, 0));
    assert!(!oom.vote(Outcome { laundered: 1, ..scan(100, 100) }, 3, 0));
    assert_eq!(oom.seq(), 0);
}

/// W06 through the policy: a disk that fails every write leads to the end, one that works does not.
#[test]
fn w06_failing_disk_is_no_progress() {
    for (works, kills) in [(false, true), (true, false)] {
        let mut b = Bench::inactive(64, 32);
        b.dirty(0..32);
        b.reach(1);
        for _ in 0..100 {
            b.run(1000);
            while b.sim.complete(works) {}
            if works {
                // What was freed is used again at once.
                for page in std::mem::take(&mut b.sim.freed) {
                    b.add(page.frame..page.frame + 1, ebb_policy::Queue::Inactive);
                    b.dirty(page.frame..page.frame + 1);
                }
            }
        }
        assert_eq!(b.policy.stats().oom_requests > 0, kills, "disk works: {works}");
    }
}

/// W07: one page now and then does not put off the end for ever.
#[test]
fn w07_trickle_does_not_postpone() {
    let mut oom = Oom::default();
    let mut votes = Vec::new();
    for second in 1..=100u64 {
        let now_us = second * 1_000_000;
        let trickle = Outcome { oldest_wait_us: now_us, now_us, ..scan(100, 99) };
        if oom.vote(trickle, 12, 30) {
            votes.push(second);
        }
    }
    assert_eq!(votes, [30, 60, 90]);
    // Waiters that are served are no reason, nor is a scan that wanted nothing, nor a bound of 0.
    let now_us = 1_000_000_000;
    assert!(!oom.vote(Outcome { oldest_wait_us: 29_999_999, now_us, ..scan(100, 99) }, 12, 30));
    assert!(!oom.vote(Outcome { oldest_wait_us: now_us, now_us, ..scan(0, 0) }, 12, 30));
    assert!(!oom.vote(Outcome { oldest_wait_us: now_us, now_us, ..scan(100, 99) }, 12, 0));
}

/// W09: even a sequence limit of 0, which cannot be set, does not make an idle scan vote.
#[test]
fn w09_idle_scans_never_vote() {
    let mut oom = Oom::default();
    for _ in 0..100 {
        assert!(!oom.vote(scan(0, 0), 0, 0));
    }
    assert!(oom.vote(scan(1, 1), 0, 0));
}
