// SPDX-License-Identifier: BSD-2-Clause
//! Neighbouring pages of one file that `vm` asked for one after the other. What it calls a run usually becomes a batch; nothing depends on it.

use crate::requests::Page;
use ebb_proto::pager::{BOUNCE_PAGES, MAX_RUN, Op, Submission};

/// Pages of one file, ascending without gaps.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Get, Put or PutBytes.
    pub op: Op,
    /// The file.
    pub inode: u32,
    pages: [Page; MAX_RUN],
    len: usize,
}

impl Batch {
    /// The batch that an entry begins; `None`: its words make no sense.
    pub fn begin(entry: &Submission) -> Option<Batch> {
        let (inode, page) = page_of(entry)?;
        let mut pages = [Page::default(); MAX_RUN];
        pages[0] = page;
        Some(Batch { op: entry.op, inode, pages, len: 1 })
    }

    /// Takes the next entry; `false`: it does not belong to it.
    pub fn push(&mut self, entry: &Submission) -> bool {
        let Some((inode, page)) = page_of(entry) else { return false };
        let next = self.pages().last().map(|p| p.index as u64 + 1);
        if entry.op != self.op
            || inode != self.inode
            || next != Some(page.index as u64)
            || self.len == MAX_RUN
        {
            return false;
        }
        self.pages[self.len] = page;
        self.len += 1;
        true
    }

    /// Its pages.
    pub fn pages(&self) -> &[Page] {
        &self.pages[..self.len]
    }

    /// Whether none can be added.
    pub fn is_full(&self) -> bool {
        self.len == MAX_RUN
    }
}

/// Whether an operation is one on pages.
pub fn is_paged(op: Op) -> bool {
    matches!(op, Op::Get | Op::Put | Op::PutBytes)
}

fn page_of(entry: &Submission) -> Option<(u32, Page)> {
    let [inode, index, frame] = entry.words;
    let (inode, index) = (u32::try_from(inode).ok()?, u32::try_from(index).ok()?);
    let frame = u32::try_from(frame).ok()?;
    if !is_paged(entry.op)
        || index == u32::MAX
        || (entry.op == Op::PutBytes && entry.slot as u64 >= BOUNCE_PAGES)
    {
        return None;
    }
    Some((inode, Page { index, frame, data: frame, slot: entry.slot, cookie: entry.cookie }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(op: Op, inode: u64, index: u64) -> Submission {
        Submission { op, run: 0, place: 0, slot: 3, cookie: 9, words: [inode, index, 77] }
    }

    #[test]
    fn neighbours_come_together() {
        let mut batch = Batch::begin(&entry(Op::Put, 12, 5)).unwrap();
        assert!(batch.push(&entry(Op::Put, 12, 6)));
        assert!(!batch.push(&entry(Op::Put, 12, 8)), "a gap");
        assert!(!batch.push(&entry(Op::Get, 12, 7)), "another operation");
        assert!(!batch.push(&entry(Op::Put, 13, 7)), "another file");
        for index in 7..5 + MAX_RUN as u64 {
            assert!(batch.push(&entry(Op::Put, 12, index)));
        }
        assert!(batch.is_full());
        assert!(!batch.push(&entry(Op::Put, 12, 5 + MAX_RUN as u64)));
    }

    #[test]
    fn nonsense_begins_nothing() {
        assert!(Batch::begin(&entry(Op::Get, 1 << 32, 0)).is_none());
        assert!(Batch::begin(&entry(Op::Get, 1, 1 << 32)).is_none());
        assert!(Batch::begin(&entry(Op::Get, 1, u32::MAX as u64)).is_none());
        assert!(Batch::begin(&entry(Op::Fsync, 1, 1)).is_none());
        let far = Submission { slot: BOUNCE_PAGES as u8, ..entry(Op::PutBytes, 1, 1) };
        assert!(Batch::begin(&far).is_none());
    }
}
