// SPDX-License-Identifier: BSD-2-Clause
//! Who comes in next (PRS-094…097). Priorities of all candidates grow by one each second, so that their order stays: it is kept, and nobody is searched for (W15).

use crate::thread::ThreadId;
use alloc::collections::{BTreeMap, BTreeSet};

/// Place of a candidate: what sorts first comes in first.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Its priority at time 0, negated.
    rank: i64,
    /// When it became one.
    since: u64,
}

/// The candidates.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    entries: BTreeMap<ThreadId, Entry>,
    by_priority: BTreeSet<(i64, ThreadId)>,
    by_age: BTreeSet<(u64, ThreadId)>,
}

impl Queue {
    /// Adds a candidate with its priority at time `now`, in seconds. One that is there already keeps its age.
    pub fn insert(&mut self, id: ThreadId, priority: i64, now: u64) {
        let since = self.remove(id).unwrap_or(now);
        let rank = i64::try_from(now).unwrap_or(i64::MAX).saturating_sub(priority);
        self.entries.insert(id, Entry { rank, since });
        self.by_priority.insert((rank, id));
        self.by_age.insert((since, id));
    }

    /// It is no candidate any more. Since when it was.
    pub fn remove(&mut self, id: ThreadId) -> Option<u64> {
        let entry = self.entries.remove(&id)?;
        self.by_priority.remove(&(entry.rank, id));
        self.by_age.remove(&(entry.since, id));
        Some(entry.since)
    }

    /// Who is next at time `now`: who has waited for `longest` seconds or more, the oldest first (W16); otherwise the highest priority, the first of equals.
    #[must_use]
    pub fn next(&self, now: u64, longest: u64) -> Option<ThreadId> {
        let overdue = self.by_age.first().filter(|(since, _)| now.saturating_sub(*since) >= longest);
        overdue.map(|(_, id)| *id).or_else(|| self.by_priority.first().map(|(_, id)| *id))
    }

    /// All, in no order that matters.
    pub fn iter(&self) -> impl Iterator<Item = ThreadId> {
        self.entries.keys().copied()
    }
}
