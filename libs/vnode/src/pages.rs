// SPDX-License-Identifier: BSD-2-Clause
//! Get, Put and PutBytes.

use crate::batch::Batch;
use crate::errors::outcome_of;
use crate::extents::Spot;
use crate::pager::{VnodePager, page_done};
use crate::requests::{Page, Request, Whose};
use crate::store::file_number;
use crate::world::{PAGE, World};
use alloc::vec::Vec;
use ebb_proto::Error;
use ebb_proto::block::Transfer;
use ebb_proto::pager::{HOLE, MAX_RUN, Op, Outcome, RESERVED};

const BYTES: u64 = PAGE as u64;

/// A request that is being put together.
struct Gathering(Option<Request>);

impl<W: World> VnodePager<W> {
    pub(crate) fn spot(&mut self, inode: u32, page: u32) -> Result<(Spot, u64), Error> {
        let blocks = self.channel.borrow().geometry.pages;
        self.extents.find(&mut self.store, blocks, inode, page)
    }

    /// Brings pages in. Those that lie next to each other on the disk are read together, holes are only said to be ones.
    pub(crate) fn get(&mut self, batch: &Batch) {
        let kept = batch.pages().iter().any(|p| self.kept.contains(&(batch.inode, p.index)));
        if kept && self.store.is_dirty() {
            // Its bytes may not be on the disk yet.
            self.commit();
        }
        let mut request = Gathering(None);
        for page in batch.pages() {
            match self.spot(batch.inode, page.index) {
                Ok((Spot::Disk(block), _)) => {
                    self.gather(&mut request, Transfer::Read, batch.op, batch.inode, page, block);
                }
                Ok((spot, _)) => {
                    let result = if spot == Spot::Reserved { HOLE | RESERVED } else { HOLE };
                    self.answer(page_done(batch.op, page, Outcome::Ok, result));
                }
                Err(error) => self.refuse(batch, page, error),
            }
        }
        self.submit(request);
    }

    /// Writes pages from their frames, where that changes nothing but their bytes; otherwise `vm` has to send the bytes.
    pub(crate) fn put(&mut self, batch: &Batch) {
        let mut request = Gathering(None);
        for page in batch.pages() {
            match self.direct(batch.inode, page) {
                Ok(Some(block)) => {
                    self.gather(&mut request, Transfer::Write, batch.op, batch.inode, page, block);
                }
                Ok(None) => self.answer(page_done(batch.op, page, Outcome::Again, 0)),
                Err(error) => self.refuse(batch, page, error),
            }
        }
        self.submit(request);
    }

    /// Writes pages whose bytes are in bounce pages.
    pub(crate) fn put_bytes(&mut self, batch: &Batch) {
        let Some(size) = self.held.get(batch.inode).map(|h| h.size) else {
            for page in batch.pages() {
                self.refuse(batch, page, Error::Invalid);
            }
            return;
        };
        let mut request = Gathering(None);
        let mut run: Vec<Page> = Vec::with_capacity(MAX_RUN);
        for page in batch.pages() {
            let start = page.index as u64 * BYTES;
            if start >= size {
                // It was cut off meanwhile.
                self.answer(page_done(batch.op, page, Outcome::Ok, 0));
                continue;
            }
            let frame = self.channel.borrow().world.bounce_frame(page.slot as usize);
            match (self.direct(batch.inode, page), frame) {
                (Ok(Some(block)), Some(data)) => {
                    let page = Page { data, ..*page };
                    self.gather(&mut request, Transfer::Write, batch.op, batch.inode, &page, block);
                }
                (Ok(_), Some(_)) => {
                    if run.last().is_some_and(|last| last.index + 1 != page.index) {
                        self.write_run(batch, &run, size);
                        run.clear();
                    }
                    if start + BYTES > size {
                        // The last page on its own: the rest goes to the disk as it is, without a copy in the crate.
                        self.write_run(batch, &run, size);
                        run.clear();
                        self.write_run(batch, &[*page], size);
                    } else {
                        run.push(*page);
                    }
                }
                (Ok(_), None) => self.refuse(batch, page, Error::Invalid),
                (Err(error), _) => self.refuse(batch, page, error),
            }
        }
        self.write_run(batch, &run, size);
        self.submit(request);
    }

    /// Where a page can be written without the file system's help.
    fn direct(&mut self, inode: u32, page: &Page) -> Result<Option<u64>, Error> {
        if self.store.is_read_only() {
            return Err(Error::ReadOnly);
        }
        if self.kept.contains(&(inode, page.index)) {
            return Ok(None);
        }
        let (spot, size) = self.spot(inode, page.index)?;
        match spot {
            Spot::Disk(block) if (page.index as u64 + 1) * BYTES <= size => {
                if let Some(held) = self.held.get_mut(inode) {
                    held.touched = true;
                }
                Ok(Some(block))
            }
            _ => Ok(None),
        }
    }

    /// Writes consecutive pages through the file system.
    fn write_run(&mut self, batch: &Batch, run: &[Page], size: u64) {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { return };
        let start = first.index as u64 * BYTES;
        let end = ((last.index as u64 + 1) * BYTES).min(size);
        let mut bytes = core::mem::take(&mut self.bytes);
        bytes.clear();
        bytes.resize(run.len() * PAGE, 0);
        for (page, bytes) in run.iter().zip(bytes.chunks_mut(PAGE)) {
            self.channel.borrow().world.bounce(page.slot as usize, bytes);
        }
        bytes.truncate((end - start) as usize);
        let unwritten = |(spot, _): (Spot, u64)| !matches!(spot, Spot::Disk(_));
        for page in run {
            let whole = (page.index as u64 + 1) * BYTES <= size;
            let fresh = self.spot(batch.inode, page.index).is_ok_and(unwritten);
            if !(whole && fresh) {
                self.kept.insert((batch.inode, page.index));
            }
        }
        let result = file_number(batch.inode)
            .and_then(|inode| self.store.change(|fs| fs.write_inode(inode, start, &bytes)));
        self.bytes = bytes;
        self.extents.forget(batch.inode);
        self.changed();
        if result.is_ok() {
            self.counters.pages.1 += run.len() as u64;
            self.restore_modified(batch.inode);
        }
        if let Err(error) = result {
            self.failed(batch.op, batch.inode, error);
        }
        let outcome = result.map_or_else(outcome_of, |()| Outcome::Ok);
        for page in run {
            self.answer_later(page_done(batch.op, page, outcome, 0));
        }
    }

    fn refuse(&mut self, batch: &Batch, page: &Page, error: Error) {
        self.failed(batch.op, batch.inode, error);
        self.answer(page_done(batch.op, page, outcome_of(error), 0));
    }

    /// Counts and logs an operation that failed for another reason than want of space.
    pub(crate) fn failed(&mut self, op: Op, inode: u32, error: Error) {
        self.counters.errors += 1;
        if error != Error::NoSpace {
            self.log(format_args!("{op:?} of inode {inode}: {error}"));
        }
    }

    /// Adds a page to a request, or submits that and begins another.
    fn gather(
        &mut self,
        gathering: &mut Gathering,
        transfer: Transfer,
        op: Op,
        inode: u32,
        page: &Page,
        block: u64,
    ) {
        if let Some(request) = &mut gathering.0
            && request.block + request.len as u64 == block
            && let Some(place) = request.pages.get_mut(request.len)
        {
            *place = *page;
            request.len += 1;
            return;
        }
        let mut pages = [Page::default(); MAX_RUN];
        pages[0] = *page;
        let request = Request { transfer, whose: Whose::File { op, inode }, block, pages, len: 1 };
        self.submit(Gathering(gathering.0.replace(request)));
    }

    fn submit(&mut self, gathering: Gathering) {
        if let Some(request) = gathering.0 {
            self.channel.borrow_mut().start(request);
        }
    }
}
