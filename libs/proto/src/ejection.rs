// SPDX-License-Identifier: BSD-2-Clause
//! Why `vm` does not believe a policy any more, with the last that it knows of it.

use crate::vm::{Verdict, Want};
use core::fmt;
use serde::{Deserialize, Serialize};

/// What a policy did wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Cause {
    /// It attached itself and did not become ready.
    NeverReady,
    /// Memory was short, and it decided nothing within its deadline.
    Late,
    /// It decided in time, and nothing that helps, while somebody waited for memory.
    Useless,
    /// It named only pages that are not there, or other than it thinks.
    WrongPages,
    /// It computes without end.
    Endless,
    /// It calls without end.
    Flood,
    /// It wrote nonsense into the event ring.
    BrokenRing,
}

/// An ejection: cause and last state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ejection {
    /// Why.
    pub cause: Cause,
    /// How long it was attached, in milliseconds.
    pub after_ms: u64,
    /// Decisions that it made.
    pub decisions: u64,
    /// Those of them that freed a page, or started to write one.
    pub fruitful: u64,
    /// Those of them that named a wrong page, and how many of these came last, one after the other.
    pub wrong: (u64, u64),
    /// Calls that it made.
    pub calls: u64,
    /// The last decision as [`crate::vm::DECIDE`] carries it, and the number of its verdict.
    pub last: Option<(u64, u8)>,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cause::NeverReady => "never became ready",
            Cause::Late => "missed its deadline",
            Cause::Useless => "decides nothing that helps",
            Cause::WrongPages => "names wrong pages",
            Cause::Endless => "computes without end",
            Cause::Flood => "calls without end",
            Cause::BrokenRing => "broke its ring",
        })
    }
}

impl fmt::Display for Ejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (wrong, in_a_row) = self.wrong;
        write!(
            f,
            "{} after {} ms: {} decisions, {} fruitful, {wrong} wrong ({in_a_row} in a row at the end), {} calls",
            self.cause, self.after_ms, self.decisions, self.fruitful, self.calls
        )?;
        let Some((decision, verdict)) = self.last else { return Ok(()) };
        let (frame, generation) = (decision & ((1 << 30) - 1), decision >> 32);
        let (want, verdict) = (Want::from_bits(decision >> 30), Verdict::from_raw(verdict as u64));
        write!(f, "; last: {want:?} frame {frame} generation {generation}: {verdict:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn an_ejection_says_what_was_last() {
        let mut e = Ejection {
            cause: Cause::WrongPages,
            after_ms: 2100,
            decisions: 5000,
            fruitful: 3,
            wrong: (4096, 4000),
            calls: 70,
            last: Some((17 | 1 << 30 | 9 << 32, Verdict::Stale as u8)),
        };
        let counts = "names wrong pages after 2100 ms: 5000 decisions, 3 fruitful, 4096 wrong (4000 in a row at the end), 70 calls";
        let last = "; last: Launder frame 17 generation 9: Stale";
        assert_eq!(e.to_string(), [counts, last].concat());
        e.last = None;
        assert_eq!(e.to_string(), counts);
    }
}
