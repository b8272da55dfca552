// SPDX-License-Identifier: BSD-2-Clause
//! The disk: requests of both kinds, those for `vm`'s pages, which nobody waits for, and the file system's own.
//!
//! The file system reads and writes one after the other. While it waits other requests complete; they are kept until the pager asks. Writes to the journal are not
//! waited for until the next flush, which reports their errors: the file system flushes before it relies on them. Other writes are waited for, so that an error is that of the
//! operation that caused it.

use crate::requests::{Page, Request, Requests, Whose};
use crate::world::{PAGE, World};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use ebb_proto::block::{Status, Transfer};
use ebb_proto::pager::MAX_RUN;

/// What a disk is to the pager.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Geometry {
    /// Its number.
    pub disk: u8,
    /// Pages that it has.
    pub pages: u64,
    /// Whether it refuses writes.
    pub read_only: bool,
}

/// An own request failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failed;

/// The disk and who uses it.
pub struct Channel<W> {
    /// The surroundings.
    pub world: W,
    /// The disk.
    pub geometry: Geometry,
    requests: Requests,
    /// Requests for `vm` that have ended.
    done: VecDeque<(Request, Status)>,
    /// Pages of requests that failed, to be tried one by one: a page must not fail because its neighbour does.
    again: VecDeque<Request>,
    free: Vec<u8>,
    /// Where the journal is: first page and pages.
    journal: Vec<(u64, u64)>,
    /// The own request that is waited for, and how it ended.
    waiting: Option<u32>,
    ended: Option<Status>,
    /// A write that nobody waited for has failed.
    failed: bool,
    /// Reads and writes, and how many of them failed.
    pub counts: ([u64; 2], u64),
}

impl<W: World> Channel<W> {
    /// With nothing in flight.
    pub fn new(world: W, geometry: Geometry) -> Channel<W> {
        let free = (0..world.buffers().min(u8::MAX as usize) as u8).collect();
        Channel {
            world,
            geometry,
            requests: Requests::default(),
            done: VecDeque::with_capacity(crate::requests::MAX_REQUESTS),
            again: VecDeque::new(),
            free,
            journal: Vec::new(),
            waiting: None,
            ended: None,
            failed: false,
            counts: ([0; 2], 0),
        }
    }

    /// Says where the journal is.
    pub fn set_journal(&mut self, ranges: Vec<(u64, u64)>) {
        self.journal = ranges;
    }

    /// Whether so many requests of one page each could be made now.
    pub fn has_room(&mut self, count: usize) -> bool {
        // One request is always left for the file system itself.
        self.requests.free() > count && self.world.disk_room() > count
    }

    /// Requests in flight that write pages of this file, or of any.
    pub fn writing(&self, inode: Option<u32>) -> usize {
        self.requests
            .iter()
            .chain(&self.again)
            .filter(|r| r.transfer == Transfer::Write)
            .filter(|r| matches!(r.whose, Whose::File { inode: n, .. } if inode.is_none_or(|i| i == n)))
            .count()
    }

    /// Whether anything for `vm` is in flight.
    pub fn is_idle(&self) -> bool {
        self.requests.is_empty() && self.done.is_empty() && self.again.is_empty()
    }

    /// Starts a request for `vm`. Only called with room.
    pub fn start(&mut self, request: Request) {
        self.launch(request);
    }

    /// Whether requests for `vm` have ended that nobody has taken.
    pub fn has_done(&self) -> bool {
        !self.done.is_empty()
    }

    /// The next request for `vm` that has ended.
    pub fn take_done(&mut self) -> Option<(Request, Status)> {
        self.collect();
        self.done.pop_front()
    }

    /// Waits until no page of this file is being read or written.
    pub fn settle_file(&mut self, inode: u32) {
        let theirs = |r: &Request| matches!(r.whose, Whose::File { inode: n, .. } if n == inode);
        self.wait_while(|c| c.requests.iter().chain(&c.again).any(theirs));
    }

    /// Reads pages of the disk.
    pub fn read(&mut self, block: u64, bytes: &mut [u8]) -> Result<(), Failed> {
        if self.requests.iter().any(|r| r.whose == Whose::Own && r.overlaps(block, bytes.len() / PAGE)) {
            self.wait_while(|c| c.requests.iter().any(|r| r.whose == Whose::Own));
        }
        let mut at = block;
        for piece in bytes.chunks_mut(MAX_RUN * PAGE) {
            let request = self.own(Transfer::Read, at, piece.len() / PAGE)?;
            let pages = request.pages;
            let result = self.finish_own(request, true);
            for (page, bytes) in pages.iter().zip(piece.chunks_mut(PAGE)) {
                self.world.load(page.slot as usize, bytes);
            }
            result?;
            at += (piece.len() / PAGE) as u64;
        }
        Ok(())
    }

    /// Writes pages of the disk.
    pub fn write(&mut self, block: u64, bytes: &[u8]) -> Result<(), Failed> {
        let mut at = block;
        for piece in bytes.chunks(MAX_RUN * PAGE) {
            let count = piece.len() / PAGE;
            if self.requests.iter().any(|r| r.whose == Whose::Own && r.overlaps(at, count)) {
                self.wait_while(|c| c.requests.iter().any(|r| r.whose == Whose::Own));
            }
            let request = self.own(Transfer::Write, at, count)?;
            for (page, bytes) in request.pages().iter().zip(piece.chunks(PAGE)) {
                self.world.store(page.slot as usize, bytes);
            }
            let behind = self.journal.iter().any(|(first, n)| *first <= at && at + count as u64 <= first + n);
            self.finish_own(request, !behind)?;
            at += count as u64;
        }
        Ok(())
    }

    /// Everything written before is durable.
    pub fn flush(&mut self) -> Result<(), Failed> {
        self.wait_while(|c| c.requests.iter().any(|r| r.whose == Whose::Own));
        let before = core::mem::take(&mut self.failed);
        let request = self.own(Transfer::Flush, 0, 0)?;
        self.finish_own(request, true)?;
        if before { Err(Failed) } else { Ok(()) }
    }

    /// A request with buffers for so many pages.
    fn own(&mut self, transfer: Transfer, block: u64, count: usize) -> Result<Request, Failed> {
        self.wait_while(|c| {
            c.free.len() < count || c.requests.free() == 0 || c.world.disk_room() < count.max(1)
        });
        if self.free.len() < count || count > MAX_RUN {
            return Err(Failed);
        }
        let mut pages = [Page::default(); MAX_RUN];
        for page in pages.iter_mut().take(count) {
            page.slot = self.free.pop().ok_or(Failed)?;
            page.data = self.world.buffer_frame(page.slot as usize);
        }
        Ok(Request { transfer, whose: Whose::Own, block, pages, len: count })
    }

    fn finish_own(&mut self, request: Request, wait: bool) -> Result<(), Failed> {
        let Some(cookie) = self.launch(request) else { return Err(Failed) };
        if !wait {
            return Ok(());
        }
        (self.waiting, self.ended) = (Some(cookie), None);
        self.wait_while(|c| c.ended.is_none());
        self.waiting = None;
        if self.ended == Some(Status::Ok) { Ok(()) } else { Err(Failed) }
    }

    fn launch(&mut self, request: Request) -> Option<u32> {
        match request.transfer {
            Transfer::Read => self.counts.0[0] += 1,
            Transfer::Write => self.counts.0[1] += 1,
            Transfer::Flush => {}
        }
        let (cookie, request) = self.requests.add(request)?;
        for at in 0..request.entries() {
            self.world.submit(request.submission(at, self.geometry.disk, cookie));
        }
        Some(cookie)
    }

    /// Waits as long as this holds, or until nothing will ever come from the disks.
    fn wait_while(&mut self, condition: impl Fn(&mut Self) -> bool) {
        self.collect();
        while condition(self) {
            if !self.world.wait() {
                return;
            }
            self.collect();
        }
    }

    fn collect(&mut self) {
        while let Some(completion) = self.world.finished() {
            let Some(request) = self.requests.finish(completion.cookie) else {
                self.counts.1 += 1;
                let cookie = completion.cookie;
                self.world.log(format_args!("the disks completed a request that was not made: {cookie:#x}"));
                continue;
            };
            if completion.status != Status::Ok {
                self.counts.1 += 1;
                let (transfer, len, block) = (request.transfer, request.len, request.block);
                let status = completion.status;
                self.world.log(format_args!("{transfer:?} of {len} pages at page {block}: {status:?}"));
            }
            match request.whose {
                Whose::Own => {
                    self.free.extend(request.pages().iter().map(|p| p.slot));
                    if self.waiting == Some(completion.cookie) {
                        self.ended = Some(completion.status);
                    } else {
                        self.failed |= completion.status != Status::Ok;
                    }
                }
                Whose::File { .. } if completion.status == Status::Io && request.len > 1 => {
                    self.again.extend(request.single_pages());
                }
                Whose::File { .. } => self.done.push_back((request, completion.status)),
            }
        }
        while !self.again.is_empty()
            && self.has_room(1)
            && let Some(request) = self.again.pop_front()
        {
            self.launch(request);
        }
    }
}
