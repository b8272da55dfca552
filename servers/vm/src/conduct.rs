// SPDX-License-Identifier: BSD-2-Clause
//! How a policy behaves, and how long that is borne.
//!
//! A policy that is late while memory is short is found by its deadline ([`crate::policy`]). What is counted here finds the others: those that name wrong pages, and
//! those that never rest, by computing or by calling, and so keep the processor from every program (a policy comes before them).

use crate::machine::Machine;
use crate::seat::Which;
use crate::vm::Vm;
use ebb_abi::thread::State;
use ebb_proto::ejection::{Cause, Ejection};

/// Looks in each deadline at whether the policy rests.
const LOOKS: u64 = 8;
/// Deadlines that a policy may work through without rest while memory is short; otherwise it is one.
const STRAIN: u64 = 4;
/// Wrong decisions in a row, for a deadline at least, that are too many. After a lost event a right policy can be wrong about all that it knows of a program that ended.
const MOST_WRONG: u64 = 1024;
/// Deadlines within which a policy that has attached itself must be ready.
const TO_BE_READY: u64 = 4;
/// Calls between two looks that make a flood of what would be endless otherwise.
const FLOOD: u64 = 64;

/// What is known of a policy.
#[derive(Default)]
pub struct Conduct {
    /// When it was attached; when it began to decide, if it does.
    since: u64,
    decisions: u64,
    fruitful: u64,
    wrong: u64,
    wrong_in_a_row: u64,
    /// When the first of those came.
    wrong_since: u64,
    calls: u64,
    last: Option<(u64, u8)>,
    next_look: u64,
    /// Looks at which it did not rest, one after the other; no fruitful decision between them.
    restless: u64,
    /// Calls when the first of those came.
    restless_calls: u64,
}

/// What came of a batch of decisions.
#[derive(Default)]
pub struct Done {
    /// Decisions in it.
    pub decisions: u64,
    /// Those that freed a page, or started to write one.
    pub fruitful: u64,
    /// Those that named a wrong page.
    pub wrong: u64,
    /// Those of the wrong ones after the last right one.
    pub wrong_at_the_end: u64,
    /// The last, and the number of its verdict.
    pub last: (u64, u8),
}

impl Conduct {
    /// Of one that was attached now.
    pub fn new(now: u64) -> Conduct {
        Conduct { since: now, ..Conduct::default() }
    }

    /// It called.
    pub fn called(&mut self) {
        self.calls += 1;
    }

    /// A batch of decisions was carried out.
    pub fn decided(&mut self, done: &Done, now: u64) {
        self.decisions += done.decisions;
        self.fruitful += done.fruitful;
        self.wrong += done.wrong;
        if done.decisions > 0 {
            self.last = Some(done.last);
        }
        let all_wrong = done.wrong_at_the_end == done.decisions;
        if self.wrong_in_a_row == 0 || !all_wrong {
            self.wrong_since = now;
        }
        self.wrong_in_a_row = if all_wrong { self.wrong_in_a_row } else { 0 } + done.wrong_at_the_end;
        if done.fruitful > 0 {
            self.restless = 0;
        }
    }

    /// The record of it, for the report.
    pub(crate) fn ejection(&self, cause: Cause, now: u64, cycles_per_ms: u64) -> Ejection {
        Ejection {
            cause,
            after_ms: now.saturating_sub(self.since) / cycles_per_ms,
            decisions: self.decisions,
            fruitful: self.fruitful,
            wrong: (self.wrong, self.wrong_in_a_row),
            calls: self.calls,
            last: self.last,
        }
    }
}

impl<M: Machine> Vm<M> {
    /// Looks now and then at how policies behave, and ejects those that misbehave. When to look again, `u64::MAX` if there is none.
    pub(crate) fn keep_conduct(&mut self, now: u64) -> u64 {
        for which in [Which::Current, Which::Next] {
            if self.seat(which).is_some_and(|seat| now >= seat.conduct.next_look)
                && let Some(cause) = self.misconduct(which, now)
            {
                self.eject(which, cause);
            }
        }
        let look = |which| self.seat(which).map_or(u64::MAX, |seat| seat.conduct.next_look);
        self.policy.next_look = look(Which::Current).min(look(Which::Next));
        self.policy.next_look
    }

    /// What is wrong with how a policy behaves, if anything is.
    fn misconduct(&mut self, which: Which, now: u64) -> Option<Cause> {
        let deadline = self.policy_deadline_ms * self.cycles_per_ms;
        let restless = which == Which::Current && self.policy_is_restless();
        let needed = self.frames.gate.pages_needed();
        let conduct = &mut self.seat_mut(which)?.conduct;
        conduct.next_look = now + deadline / LOOKS;
        if which == Which::Next {
            return (now >= conduct.since + TO_BE_READY * deadline).then_some(Cause::NeverReady);
        }
        if conduct.wrong_in_a_row >= MOST_WRONG && now >= conduct.wrong_since + deadline {
            return Some(Cause::WrongPages);
        }
        if !restless {
            conduct.restless = 0;
            return None;
        }
        if conduct.restless == 0 {
            conduct.restless_calls = conduct.calls;
        }
        conduct.restless += 1;
        if conduct.restless <= if needed { STRAIN * LOOKS } else { LOOKS } {
            return None;
        }
        let calls = conduct.calls - conduct.restless_calls;
        Some(if calls > conduct.restless * FLOOD { Cause::Flood } else { Cause::Endless })
    }

    /// Whether a thread of the policy runs, could run, or is in a call.
    fn policy_is_restless(&mut self) -> bool {
        let space = self.policy.seat.as_ref().and_then(|seat| self.spaces.get(seat.space));
        let Some(space) = space else { return false };
        let m = &mut self.m;
        space.living().any(|(_, thread, _)| {
            // One that cannot be looked at is about to end.
            matches!(m.thread_look(thread), Ok((State::Ready | State::Calling, _)))
        })
    }
}
