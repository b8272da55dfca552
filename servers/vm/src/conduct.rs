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
use ebb_proto::vm::Verdict;

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

impl Conduct {
    /// Of one that was attached now.
    pub fn new(now: u64) -> Conduct {
        Conduct { since: now, ..Conduct::default() }
    }

    /// It called.
    pub fn called(&mut self) {
        self.calls += 1;
    }

    /// A decision of it has this verdict.
    pub fn decided(&mut self, decision: u64, verdict: Verdict, fruitful: bool, now: u64) {
        self.decisions += 1;
        self.last = Some((decision, verdict as u8));
        if matches!(verdict, Verdict::Stale | Verdict::Refused) {
            if self.wrong_in_a_row == 0 {
                self.wrong_since = now;
            }
            self.wrong += 1;
            self.wrong_in_a_row += 1;
        } else {
            self.wrong_in_a_row = 0;
        }
        if fruitful {
            self.fruitful += 1;
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
        look(Which::Current).min(look(Which::Next))
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
