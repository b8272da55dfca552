// SPDX-License-Identifier: BSD-2-Clause
//! Requests to the disks: a fixed table, so that paging never allocates (SWP-W16). Its size bounds what is in flight; what does not fit
//! waits in `vm`'s ring (SWP-110, SWP-122).

use crate::device::Device;
use crate::record::Key;
use alloc::vec::Vec;
use ebb_proto::block::{Submission, Transfer};
use ebb_proto::pager::MAX_RUN;

/// Requests in flight at most.
pub const MAX_REQUESTS: usize = 64;

/// A page of a run, as `vm` submitted it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Page {
    /// Its index.
    pub index: u32,
    /// The frame to read into or write from.
    pub frame: u32,
    /// The submission's cookie.
    pub cookie: u32,
    /// Its copy was freed while the request was in flight.
    pub freed: bool,
}

/// A request: pages of one object, in consecutive slots of one device.
#[derive(Clone, Debug)]
pub struct Request {
    /// Read or write.
    pub transfer: Transfer,
    /// Place of the device.
    pub place: usize,
    /// Number of its disk.
    pub disk: u8,
    /// First slot.
    pub first: u32,
    /// The object.
    pub object: u32,
    /// The pages.
    pub pages: [Page; MAX_RUN],
    /// How many.
    pub len: usize,
    /// Read: which page is wanted.
    pub wanted: usize,
    /// The request failed as a whole and is repeated page by page, to learn which slot is at fault: the page that it is at.
    pub single: Option<usize>,
    /// The pager's own: copies that are written out from in front of the devices. Nobody waits for it.
    pub own: bool,
}

impl Request {
    /// Entries that it takes in the disks' ring.
    pub fn entries(&self) -> usize {
        if self.single.is_some() { 1 } else { self.len }
    }

    /// Its pages.
    pub fn pages(&self) -> &[Page] {
        &self.pages[..self.len]
    }

    /// The page at a place.
    pub fn key(&self, at: usize) -> Key {
        Key { object: self.object, index: self.pages[at].index }
    }

    /// The entries, in order.
    pub fn submissions(&self, cookie: u32) -> impl Iterator<Item = Submission> {
        let (first, count) = (self.single.unwrap_or(0), self.entries());
        (first..first + count).map(move |at| Submission {
            transfer: self.transfer,
            more: at + 1 < first + count,
            cookie,
            disk: self.disk,
            sector: Device::sector(self.first + at as u32),
            frame: self.pages[at].frame,
        })
    }
}

#[derive(Debug)]
struct Entry {
    request: Option<Request>,
    /// Counts the uses of the entry: a completion of an earlier one is noticed.
    uses: u32,
}

/// The table. Which entries are free and which wait to be submitted is kept in a word each, so nothing is searched for.
#[derive(Debug)]
pub struct Requests {
    entries: Vec<Entry>,
    free: u64,
    waiting: u64,
}

const _: () = assert!(MAX_REQUESTS == u64::BITS as usize);

impl Default for Requests {
    fn default() -> Self {
        let entries = (0..MAX_REQUESTS).map(|_| Entry { request: None, uses: 0 }).collect();
        Requests { entries, free: u64::MAX, waiting: 0 }
    }
}

impl Requests {
    /// Whether there is no room for another.
    pub fn is_full(&self) -> bool {
        self.free == 0
    }

    /// Requests that there is room for.
    pub fn room(&self) -> usize {
        self.free.count_ones() as usize
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.free == u64::MAX
    }

    /// Keeps a request; `None` if the table is full. It still has to be submitted.
    pub fn add(&mut self, request: Request) -> Option<usize> {
        let at = self.free.trailing_zeros() as usize;
        self.entries.get_mut(at)?.request = Some(request);
        self.free &= !(1 << at);
        self.waiting |= 1 << at;
        Some(at)
    }

    /// A request that waits to be submitted, with its number.
    pub fn waiting(&self) -> Option<(usize, &Request)> {
        let at = self.waiting.trailing_zeros() as usize;
        self.entries.get(at)?.request.as_ref().map(|r| (at, r))
    }

    /// Marks a request as submitted, and returns it with its cookie.
    pub fn submit(&mut self, at: usize) -> Option<(u32, &Request)> {
        let entry = self.entries.get_mut(at)?;
        self.waiting &= !(1 << at);
        entry.uses = entry.uses.wrapping_add(1);
        let cookie = at as u32 | entry.uses << 8;
        entry.request.as_ref().map(|r| (cookie, r))
    }

    /// The request that a completion belongs to; it is out of the table. `None`: nothing like it is in flight.
    pub fn finish(&mut self, cookie: u32) -> Option<Request> {
        let at = cookie as usize & 0xff;
        let entry = self.entries.get_mut(at)?;
        if (self.free | self.waiting) & 1 << at != 0 || entry.uses << 8 >> 8 != cookie >> 8 {
            return None;
        }
        self.free |= 1 << at;
        entry.request.take()
    }

    /// All of them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Request> {
        self.entries.iter_mut().filter_map(|e| e.request.as_mut())
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Request> {
        self.entries.iter().filter_map(|e| e.request.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request {
        let pages = core::array::from_fn(|i| Page {
            index: i as u32,
            frame: 100 + i as u32,
            cookie: 0,
            freed: false,
        });
        Request {
            transfer: Transfer::Write,
            place: 0,
            disk: 2,
            first: 10,
            object: 1,
            pages,
            len: 3,
            wanted: 0,
            single: None,
            own: false,
        }
    }

    #[test]
    fn a_completion_counts_once() {
        let mut table = Requests::default();
        let at = table.add(request()).unwrap();
        assert!(table.finish(at as u32 | 1 << 8).is_none(), "not submitted yet");
        let (cookie, _) = table.submit(at).unwrap();
        assert!(table.finish(cookie ^ 1 << 8).is_none());
        assert!(table.finish(cookie).is_some());
        assert!(table.finish(cookie).is_none());
        assert!(table.finish(u32::MAX).is_none());
        for _ in 0..MAX_REQUESTS {
            assert!(!table.is_full());
            table.add(request()).unwrap();
        }
        assert!(table.is_full() && table.add(request()).is_none());
    }

    #[test]
    fn a_run_is_one_request_of_consecutive_sectors() {
        let mut r = request();
        let got: Vec<_> = r.submissions(7).map(|s| (s.sector, s.frame, s.more, s.disk)).collect();
        assert_eq!(got, [(96, 100, true, 2), (104, 101, true, 2), (112, 102, false, 2)]);
        r.single = Some(1);
        let got: Vec<_> = r.submissions(7).map(|s| (s.sector, s.frame, s.more)).collect();
        assert_eq!(got, [(104, 101, false)]);
    }
}
