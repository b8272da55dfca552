// SPDX-License-Identifier: BSD-2-Clause
//! What a workload sees of the machine.

use crate::{Histogram, Progress};
use alloc::vec::Vec;
use ebb_report::Value;

/// What a workload asks the machine while it runs.
pub trait Probe {
    /// A clock, in cycles.
    fn cycles(&self) -> u64;
    /// Faults served so far, and those of them that needed I/O: how a touch that faulted is told from one that did not.
    fn faults(&self) -> (u64, u64);
}

/// What a workload saw.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Touches.
    pub touches: u64,
    /// Touches that wrote.
    pub writes: u64,
    /// Pages checked.
    pub checked: u64,
    /// Cycles of the touches that faulted.
    pub faults: Histogram,
    /// Cycles of those of them that needed I/O.
    pub major: Histogram,
    /// Touches over time.
    pub progress: Progress,
}

impl Stats {
    /// Counts a touch that ended now and took so long, and whether it faulted and needed I/O.
    #[inline(always)]
    pub fn touched(&mut self, now: u64, cycles: u64, faulted: bool, major: bool) {
        self.touches += 1;
        if faulted {
            self.faults.add(cycles);
            if major {
                self.major.add(cycles);
            }
        }
        self.progress.note(now, self.touches);
    }

    /// Adds what another saw, as of another process. Its progress is not ours.
    pub fn add(&mut self, other: &Stats) {
        self.touches += other.touches;
        self.writes += other.writes;
        self.checked += other.checked;
        self.faults.merge(&other.faults);
        self.major.merge(&other.major);
    }

    /// All of it as bytes, for another process.
    pub fn to_bytes(&self) -> Vec<u8> {
        let counts = [self.touches, self.writes, self.checked];
        let histograms = self.faults.words().chain(self.major.words());
        let words = counts.into_iter().chain(histograms).chain(self.progress.words());
        words.flat_map(u64::to_le_bytes).collect()
    }

    /// What another process saw; `None`: that is not what the bytes say.
    pub fn from_bytes(bytes: &[u8]) -> Option<Stats> {
        let (words, []) = bytes.as_chunks::<8>() else { return None };
        let words: Vec<u64> = words.iter().map(|w| u64::from_le_bytes(*w)).collect();
        let ([touches, writes, checked], rest) = words.split_first_chunk()?;
        let (faults, rest) = rest.split_at_checked(Histogram::WORDS)?;
        let (major, rest) = rest.split_at_checked(Histogram::WORDS)?;
        Some(Stats {
            touches: *touches,
            writes: *writes,
            checked: *checked,
            faults: Histogram::from_words(faults)?,
            major: Histogram::from_words(major)?,
            progress: Progress::from_words(rest)?,
        })
    }

    /// As a report has them. `ns_of` turns cycles into nanoseconds; `cycles` is the whole run.
    pub fn values(&self, cycles: u64, ns_of: impl Fn(u64) -> u64) -> Vec<(&'static str, Value)> {
        let latency = |h: &Histogram| {
            let at = |per_mille| Value::Thousandths(ns_of(h.percentile(per_mille)));
            Value::object([
                ("p50", at(500)),
                ("p90", at(900)),
                ("p99", at(990)),
                ("p99.9", at(999)),
                ("max", Value::Thousandths(ns_of(h.max()))),
            ])
        };
        let ns = ns_of(cycles).max(1);
        let progress = self.progress.samples().iter();
        let progress =
            progress.map(|(at, done)| Value::List(alloc::vec![(ns_of(*at) / 1000).into(), (*done).into()]));
        let rate = (self.touches as u128 * 1_000_000_000 / ns as u128) as u64;
        alloc::vec![
            ("touches", self.touches.into()),
            ("writes", self.writes.into()),
            ("checked", self.checked.into()),
            ("faults", self.faults.count().into()),
            ("major_faults", self.major.count().into()),
            ("minor_faults", (self.faults.count() - self.major.count().min(self.faults.count())).into()),
            ("start_us", (ns_of(self.progress.start()) / 1000).into()),
            ("elapsed_us", (ns / 1000).into()),
            ("seconds", Value::Thousandths(ns / 1_000_000)),
            ("touches_per_second", rate.into()),
            ("fault_us", latency(&self.faults)),
            ("major_fault_us", latency(&self.major)),
            ("progress", Value::List(progress.collect())),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_has_rates_and_microseconds() {
        let mut stats = Stats { touches: 1000, ..Stats::default() };
        stats.faults.add(8);
        let values = stats.values(500_000, |cycles| cycles * 1000);
        let get = |key| values.iter().find(|(k, _)| *k == key).unwrap().1.clone();
        assert_eq!(get("seconds"), Value::Thousandths(500));
        assert_eq!(get("touches_per_second"), Value::Uint(2000));
        assert_eq!(std::format!("{}", get("fault_us")), r#"{"p50":8,"p90":8,"p99":8,"p99.9":8,"max":8}"#);
    }

    #[test]
    fn what_several_saw_is_added_up() {
        let (mut a, mut b) = (Stats::default(), Stats::default());
        a.touched(5, 3, false, false);
        b.touched(6, 100, true, false);
        b.touched(7, 1000, true, true);
        a.add(&b);
        assert_eq!((a.touches, a.faults.count(), a.major.count(), a.major.max()), (3, 2, 1, 1000));
        assert_eq!(a.progress.samples(), [(5, 1)]);
        let bytes = a.to_bytes();
        let again = Stats::from_bytes(&bytes).unwrap();
        assert_eq!(again.values(9, |c| c), a.values(9, |c| c));
        for len in [0, 8, 24, bytes.len() - 16, bytes.len() - 8, bytes.len() - 1] {
            assert!(Stats::from_bytes(&bytes[..len]).is_none(), "{len}");
        }
    }
}
