// SPDX-License-Identifier: BSD-2-Clause
//! The run that is being gathered from `vm`'s entries, or that waits for room.

use crate::record::{MAX_INDEX, MAX_OBJECTS};
use crate::request::Page;
use ebb_proto::pager::{MAX_RUN, Op, Submission};

/// A run of Get or Put entries.
#[derive(Clone, Debug)]
pub struct Run {
    /// Get or Put.
    pub op: Op,
    /// The object.
    pub object: u32,
    /// Pages that the run will have.
    pub len: usize,
    /// Get: which is wanted.
    pub wanted: usize,
    /// Its pages.
    pub pages: [Page; MAX_RUN],
    /// How many of them have come.
    pub got: usize,
    /// Put: how many were dealt with.
    pub done: usize,
}

impl Run {
    /// The run that this entry begins; `None` if it cannot begin one.
    pub fn begin(entry: &Submission) -> Option<Run> {
        let place_fits = match entry.op {
            Op::Get => entry.place < entry.run,
            Op::Put => entry.place == 0,
            _ => false,
        };
        let (len, wanted) = (entry.run as usize, entry.place as usize);
        if !place_fits || len == 0 || len > MAX_RUN || entry.words[0] >= MAX_OBJECTS {
            return None;
        }
        let mut run = Run {
            op: entry.op,
            object: entry.words[0] as u32,
            len,
            wanted,
            pages: Default::default(),
            got: 0,
            done: 0,
        };
        run.push(entry).then_some(run)
    }

    /// Takes the next entry; `false` if it is not this run's next.
    pub fn push(&mut self, entry: &Submission) -> bool {
        let [object, index, frame] = entry.words;
        let place = if self.op == Op::Put { self.got } else { self.wanted };
        let before = self.got.checked_sub(1).map(|last| self.pages[last].index as u64);
        if (entry.op, entry.run as usize, entry.place as usize) != (self.op, self.len, place)
            || object != self.object as u64
            || index >= MAX_INDEX
            || frame > u32::MAX as u64
            || before.is_some_and(|before| index <= before)
            || self.is_whole()
        {
            return false;
        }
        self.pages[self.got] =
            Page { index: index as u32, frame: frame as u32, cookie: entry.cookie, freed: false };
        self.got += 1;
        true
    }

    /// Whether all its entries have come.
    pub fn is_whole(&self) -> bool {
        self.got == self.len
    }

    /// The pages that have come.
    pub fn gathered(&self) -> &[Page] {
        &self.pages[..self.got]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(op: Op, run: u8, place: u8, index: u64) -> Submission {
        Submission { op, run, place, slot: 0, cookie: index as u32, words: [7, index, 1] }
    }

    #[test]
    fn entries_that_fit_make_a_run() {
        let mut run = Run::begin(&entry(Op::Put, 3, 0, 5)).unwrap();
        assert!(run.push(&entry(Op::Put, 3, 1, 6)) && !run.is_whole());
        assert!(run.push(&entry(Op::Put, 3, 2, 9)) && run.is_whole());
        assert!(!run.push(&entry(Op::Put, 3, 3, 10)));
        let mut run = Run::begin(&entry(Op::Get, 2, 1, 5)).unwrap();
        assert!(run.push(&entry(Op::Get, 2, 1, 6)) && run.is_whole());
    }

    /// SWP-W19, SWP-W20: every entry is checked, and one that does not belong is refused.
    #[test]
    fn swp_w20_entries_that_do_not_fit_are_refused() {
        for bad in [
            entry(Op::Put, 0, 0, 5),
            entry(Op::Put, 17, 0, 5),
            entry(Op::Put, 3, 1, 5),
            entry(Op::Get, 3, 3, 5),
            entry(Op::Free, 3, 0, 5),
            entry(Op::Put, 3, 0, MAX_INDEX),
            Submission { words: [MAX_OBJECTS, 1, 1], ..entry(Op::Put, 3, 0, 5) },
            Submission { words: [1, 1, 1 << 32], ..entry(Op::Put, 3, 0, 5) },
        ] {
            assert!(Run::begin(&bad).is_none(), "{bad:?}");
        }
        for bad in [
            entry(Op::Put, 3, 1, 5),
            entry(Op::Put, 3, 1, 4),
            entry(Op::Put, 3, 2, 6),
            entry(Op::Put, 4, 1, 6),
            entry(Op::Get, 3, 1, 6),
            Submission { words: [8, 6, 1], ..entry(Op::Put, 3, 1, 6) },
        ] {
            assert!(!Run::begin(&entry(Op::Put, 3, 0, 5)).unwrap().push(&bad), "{bad:?}");
        }
    }
}
