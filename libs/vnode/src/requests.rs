// SPDX-License-Identifier: BSD-2-Clause
//! Requests to the disk: a fixed table. Its size bounds what is in flight; what does not fit waits in `vm`'s ring.

use alloc::vec::Vec;
use ebb_proto::block::{Submission, Transfer};
use ebb_proto::pager::{MAX_RUN, Op};

/// Requests in flight at most.
pub const MAX_REQUESTS: usize = 64;

/// A page that `vm` submitted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Page {
    /// Its index in the file.
    pub index: u32,
    /// `vm`'s frame, which the completion names.
    pub frame: u32,
    /// The frame that the disk reads into or writes from.
    pub data: u32,
    /// The bounce page with its bytes.
    pub slot: u8,
    /// The submission's cookie.
    pub cookie: u32,
}

/// For whom a request is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Whose {
    /// The file system's own: it waits, or it will ask at the next flush.
    Own,
    /// Pages of a file, for `vm`.
    File {
        /// What `vm` asked for.
        op: Op,
        /// The file.
        inode: u32,
    },
}

/// A request: consecutive pages of the disk.
#[derive(Clone, Debug)]
pub struct Request {
    /// Read, write or flush.
    pub transfer: Transfer,
    /// For whom.
    pub whose: Whose,
    /// First page on the disk.
    pub block: u64,
    /// The pages; of own ones only `data` and `slot` (the buffer) count.
    pub pages: [Page; MAX_RUN],
    /// How many. 0: a flush.
    pub len: usize,
}

impl Request {
    /// Its pages.
    pub fn pages(&self) -> &[Page] {
        self.pages.get(..self.len).unwrap_or(&[])
    }

    /// Entries that it takes in the disks' ring.
    pub fn entries(&self) -> usize {
        self.len.max(1)
    }

    /// Whether it touches some of these pages of the disk.
    pub fn overlaps(&self, block: u64, count: usize) -> bool {
        self.block < block + count as u64 && block < self.block + self.len as u64
    }

    /// A request for each of its pages.
    pub fn single_pages(&self) -> impl Iterator<Item = Request> + '_ {
        self.pages().iter().enumerate().map(|(nth, page)| {
            let mut pages = [Page::default(); MAX_RUN];
            pages[0] = *page;
            Request { block: self.block + nth as u64, pages, len: 1, ..self.clone() }
        })
    }

    /// The entry with this place.
    pub fn submission(&self, at: usize, disk: u8, cookie: u32) -> Submission {
        Submission {
            transfer: self.transfer,
            more: at + 1 < self.len,
            cookie,
            disk,
            sector: (self.block + at as u64) * ebb_proto::block::SECTORS_PER_PAGE,
            frame: self.pages().get(at).map_or(0, |p| p.data),
        }
    }
}

#[derive(Default)]
struct Entry {
    request: Option<Request>,
    /// Counts the uses of the entry: a completion of an earlier one is noticed.
    uses: u32,
}

/// The table.
pub struct Requests {
    entries: Vec<Entry>,
    used: usize,
}

impl Default for Requests {
    fn default() -> Self {
        Requests { entries: (0..MAX_REQUESTS).map(|_| Entry::default()).collect(), used: 0 }
    }
}

impl Requests {
    /// Requests that there is room for.
    pub fn free(&self) -> usize {
        self.entries.len() - self.used
    }

    /// Keeps a request, and returns it with its cookie; `None`: the table is full.
    pub fn add(&mut self, request: Request) -> Option<(u32, &Request)> {
        let (at, entry) = self.entries.iter_mut().enumerate().find(|(_, e)| e.request.is_none())?;
        entry.uses = entry.uses.wrapping_add(1);
        self.used += 1;
        Some((at as u32 | entry.uses << 8, entry.request.insert(request)))
    }

    /// The request that a completion belongs to; it is out of the table. `None`: nothing like it is in flight.
    pub fn finish(&mut self, cookie: u32) -> Option<Request> {
        let entry = self.entries.get_mut(cookie as usize & 0xff)?;
        if entry.uses << 8 != cookie & !0xff {
            return None;
        }
        let request = entry.request.take()?;
        self.used -= 1;
        Some(request)
    }

    /// Whether none is in flight.
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Those in flight.
    pub fn iter(&self) -> impl Iterator<Item = &Request> {
        self.entries.iter().filter_map(|e| e.request.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_completion_belongs_to_one_request() {
        let mut requests = Requests::default();
        let request = Request {
            transfer: Transfer::Flush,
            whose: Whose::Own,
            block: 0,
            pages: Default::default(),
            len: 0,
        };
        let first = requests.add(request.clone()).unwrap().0;
        assert!(requests.finish(first).is_some());
        assert!(requests.finish(first).is_none(), "twice");
        let second = requests.add(request.clone()).unwrap().0;
        assert_ne!(first, second);
        assert!(requests.finish(first).is_none(), "of an earlier use");
        assert!(requests.finish(255).is_none(), "of no entry");
        while requests.add(request.clone()).is_some() {}
        assert_eq!(requests.free(), 0);
        assert_eq!(requests.iter().count(), MAX_REQUESTS);
    }
}
