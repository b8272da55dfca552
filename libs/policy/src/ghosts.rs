// SPDX-License-Identifier: BSD-2-Clause
//! What is remembered of pages that are gone: lists of tags in order of leaving, bounded, with a look-up.

use alloc::vec::Vec;

use crate::order::{TAG_BITS, Tag};
use crate::state::{About, BadRecord, Record, below};

const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Ghost {
    /// The tag below, the list above.
    word: u32,
    /// The next of the same hash.
    chain: u32,
    next: u32,
    prev: u32,
}

impl Ghost {
    fn tag(self) -> Tag {
        self.word & ((1 << TAG_BITS) - 1)
    }

    fn list(self) -> usize {
        (self.word >> TAG_BITS) as usize
    }
}

/// Ghosts on `LISTS` lists, together bounded. Each tag is there once.
#[derive(Debug)]
pub struct Ghosts<const LISTS: usize> {
    ghosts: Vec<Ghost>,
    /// First of each hash; a power of two.
    heads: Vec<u32>,
    free: u32,
    oldest: [u32; LISTS],
    newest: [u32; LISTS],
    len: [u32; LISTS],
}

impl<const LISTS: usize> Ghosts<LISTS> {
    /// Room for `capacity` ghosts, at least one.
    #[must_use]
    pub fn new(capacity: u32) -> Self {
        let capacity = capacity.max(1);
        let blank = Ghost { word: 0, chain: NONE, next: NONE, prev: NONE };
        let mut ghosts = Vec::with_capacity(capacity as usize);
        ghosts.resize(capacity as usize, blank);
        for (i, ghost) in ghosts.iter_mut().enumerate() {
            ghost.next = if i + 1 < capacity as usize { i as u32 + 1 } else { NONE };
        }
        let mut heads = Vec::new();
        let buckets = (capacity as usize).div_ceil(2).next_power_of_two();
        heads.reserve_exact(buckets);
        heads.resize(buckets, NONE);
        Self { ghosts, heads, free: 0, oldest: [NONE; LISTS], newest: [NONE; LISTS], len: [0; LISTS] }
    }

    fn bucket(&self, tag: Tag) -> usize {
        // The tag is a hash already.
        tag as usize & (self.heads.len() - 1)
    }

    fn find(&self, tag: Tag) -> Option<u32> {
        let mut at = self.heads[self.bucket(tag)];
        while at != NONE {
            let ghost = &self.ghosts[at as usize];
            if ghost.tag() == tag {
                return Some(at);
            }
            at = ghost.chain;
        }
        None
    }

    /// The list that remembers this page.
    #[must_use]
    pub fn list(&self, tag: Tag) -> Option<usize> {
        self.find(tag).map(|at| self.ghosts[at as usize].list())
    }

    /// Ghosts on a list.
    #[must_use]
    pub fn len(&self, list: usize) -> u32 {
        self.len[list]
    }

    /// Ghosts on all lists.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.len.iter().sum()
    }

    /// Forgets a page; the list that it was on, if it was on one.
    pub fn take(&mut self, tag: Tag) -> Option<usize> {
        let at = self.find(tag)?;
        Some(self.drop_at(at))
    }

    /// Forgets the page that left first of a list.
    pub fn pop_oldest(&mut self, list: usize) -> Option<Tag> {
        let at = self.oldest[list];
        let tag = self.ghosts.get(at as usize)?.tag();
        self.drop_at(at);
        Some(tag)
    }

    /// Remembers a page as the last that left. When there is no room, the list's own oldest goes, or else that of the longest list.
    pub fn push(&mut self, tag: Tag, list: usize) {
        let tag = tag & ((1 << TAG_BITS) - 1);
        self.take(tag);
        if self.free == NONE && self.pop_oldest(list).is_none() {
            let longest = (0..LISTS).max_by_key(|l| self.len[*l]).unwrap_or(0);
            self.pop_oldest(longest);
        }
        let at = self.free;
        if at == NONE {
            return;
        }
        let (bucket, newest) = (self.bucket(tag), self.newest[list]);
        self.free = self.ghosts[at as usize].next;
        self.ghosts[at as usize] = Ghost {
            word: tag | (list as u32) << TAG_BITS,
            chain: self.heads[bucket],
            next: NONE,
            prev: newest,
        };
        self.heads[bucket] = at;
        match self.ghosts.get_mut(newest as usize) {
            Some(before) => before.next = at,
            None => self.oldest[list] = at,
        }
        self.newest[list] = at;
        self.len[list] += 1;
    }

    fn drop_at(&mut self, at: u32) -> usize {
        let ghost = self.ghosts[at as usize];
        let Ghost { chain, next, prev, .. } = ghost;
        let (bucket, list) = (self.bucket(ghost.tag()), ghost.list());
        let mut before = self.heads[bucket];
        if before == at {
            self.heads[bucket] = chain;
        } else {
            while let Some(ghost) = self.ghosts.get_mut(before as usize) {
                if ghost.chain == at {
                    ghost.chain = chain;
                    break;
                }
                before = ghost.chain;
            }
        }
        match self.ghosts.get_mut(prev as usize) {
            Some(ghost) => ghost.next = next,
            None => self.oldest[list] = next,
        }
        match self.ghosts.get_mut(next as usize) {
            Some(ghost) => ghost.prev = prev,
            None => self.newest[list] = prev,
        }
        self.ghosts[at as usize].next = self.free;
        self.free = at;
        self.len[list] -= 1;
        list
    }

    /// Tells each list from the page that left first.
    pub fn save(&self, tell: &mut dyn FnMut(Record)) {
        for list in 0..LISTS {
            let mut at = self.oldest[list];
            while let Some(ghost) = self.ghosts.get(at as usize) {
                tell(About::Ghost.record(list as u32, 0, ghost.tag().into()));
                at = ghost.next;
            }
        }
    }

    /// Remembers a page from such a record.
    ///
    /// # Errors
    /// No such list, or no tag.
    pub fn restore(&mut self, record: Record) -> Result<(), BadRecord> {
        let (_, list, _) = About::of(record)?;
        let tag = below(record, 1 << TAG_BITS)?;
        if list as usize >= LISTS {
            return Err(BadRecord(record));
        }
        self.push(tag, list as usize);
        Ok(())
    }

    /// Bytes of memory it has.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.ghosts.capacity() * size_of::<Ghost>() + self.heads.capacity() * size_of::<u32>()
    }
}
