// SPDX-License-Identifier: BSD-2-Clause
//! What `vm` asks for besides pages: space, sizes, durability, which files it has.

use crate::ahead::Ahead;
use crate::cut::cut;
use crate::errors::outcome_of;
use crate::pager::{VnodePager, completion};
use crate::store::file_number;
use crate::world::{PAGE, World};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use ebb_proto::Error;
use ebb_proto::pager::{ALL, Completion, Notice, Op, Outcome, Submission, WRITTEN};
use rsext4::InodeMetadataUpdate;

/// Lines of a check at most.
const MAX_LINES: usize = 32;

impl<W: World> VnodePager<W> {
    /// Deals with an operation.
    pub(crate) fn control(&mut self, entry: &Submission) {
        let [object, a, b] = entry.words;
        match entry.op {
            Op::Fsync => return self.fsync(entry, object),
            Op::Audit => return self.audit(entry, object),
            _ => {}
        }
        let Ok(inode) = u32::try_from(object) else {
            self.counters.errors += 1;
            return self.answer(completion(Outcome::Bad, entry));
        };
        let mut written = false;
        let result = match entry.op {
            Op::Reserve => self.reserve(inode, a, b).map(|all| written = all),
            Op::Resize => self.resize(inode, a),
            Op::Size => self.held.get_mut(inode).map(|h| h.size = a).ok_or(Error::Invalid),
            Op::Hold => self.hold(inode, a),
            Op::Release => self.release(inode, a),
            _ => Err(Error::Invalid),
        };
        if let Err(error) = result {
            self.failed(entry.op, inode, error);
        }
        let outcome = result.map_or_else(outcome_of, |()| Outcome::Ok);
        let mut answer = completion(outcome, entry);
        if written {
            answer.results[0] |= WRITTEN;
        }
        self.answer_later(answer);
        if matches!(entry.op, Op::Resize | Op::Release) && self.store.is_dirty() {
            // Blocks may have been freed. They must not be used for anything else before that is certain.
            self.commit();
        }
    }

    fn fsync(&mut self, entry: &Submission, object: u64) {
        if object != ALL && u32::try_from(object).is_err() {
            self.counters.errors += 1;
            return self.answer(completion(Outcome::Bad, entry));
        }
        self.fsync_later(entry.cookie, object);
    }

    /// Whether all of the pages are on the disk now, not only their blocks.
    fn reserve(&mut self, inode: u32, first: u64, pages: u64) -> Result<bool, Error> {
        let end = first.checked_add(pages).filter(|end| *end < u32::MAX as u64 && pages > 0);
        let end = end.ok_or(Error::Invalid)?;
        file_number(inode)?;
        self.anchor(inode, first)?;
        if self.fill(inode, first, pages)? {
            return Ok(true);
        }
        self.reserve_ahead(inode, first..end).map(|()| false)
    }

    fn resize(&mut self, inode: u32, bytes: u64) -> Result<(), Error> {
        let number = file_number(inode)?;
        self.channel.borrow_mut().settle_file(inode);
        let before = self.store.read(|fs| fs.inode(number))?.size;
        self.extents.forget(inode);
        self.changed();
        // The crate clears what lies behind the end in the last page, the old one or the new one.
        for end in [before, bytes] {
            if !end.is_multiple_of(PAGE as u64) {
                self.kept.insert((inode, (end / PAGE as u64).min(u32::MAX as u64) as u32));
            }
        }
        cut(&mut self.store, number, bytes)?;
        if let Some(held) = self.held.get_mut(inode) {
            held.size = bytes;
            held.anchored = false;
            held.ahead = Ahead::unknown();
            held.modified_us = None;
        }
        Ok(())
    }

    fn hold(&mut self, inode: u32, bytes: u64) -> Result<(), Error> {
        let number = file_number(inode)?;
        let links = self.store.read(|fs| fs.inode(number))?.links;
        let unlinked = links <= 1 && self.unlinked.contains(&mut self.store, inode)?;
        if !self.held.hold(inode, bytes, unlinked) {
            return Err(Error::NoMemory);
        }
        if let Some(held) = self.held.get_mut(inode) {
            held.ahead = Ahead::unknown();
        }
        if unlinked {
            // The instance before may not have come to say so.
            self.notify(Notice::Unlinked { inode })?;
        }
        Ok(())
    }

    fn release(&mut self, inode: u32, seen: u64) -> Result<(), Error> {
        self.stamp(inode);
        if self.held.get(inode).is_some_and(|held| held.grants <= seen && !held.unlinked)
            && let Err(error) = self.trim(inode)
        {
            // It only has more blocks than it needs.
            self.log(format_args!("blocks behind the end of inode {inode}: {error}"));
        }
        let Some(file) = self.held.release(inode, seen) else { return Ok(()) };
        if !file.unlinked {
            return Ok(());
        }
        self.channel.borrow_mut().settle_file(inode);
        self.changed();
        self.forget_file(inode);
        self.unlinked.remove(&mut self.store, inode)
    }

    /// A file is gone.
    pub(crate) fn forget_file(&mut self, inode: u32) {
        self.extents.forget(inode);
        let pages: Vec<(u32, u32)> = self.kept.range((inode, 0)..=(inode, u32::MAX)).copied().collect();
        for page in pages {
            self.kept.remove(&page);
        }
    }

    /// Sets the time of the last change of a file that was written past the file system.
    pub(crate) fn stamp(&mut self, inode: u32) {
        let Some(held) = self.held.get_mut(inode) else { return };
        if !core::mem::take(&mut held.touched) {
            return;
        }
        let us = held.modified_us.unwrap_or_else(|| (self.store.wall().0)());
        self.set_modified_time(inode, us);
    }

    /// The same for all.
    pub(crate) fn stamp_all(&mut self) {
        let touched: Vec<u32> = self.held.iter().filter(|(_, h)| h.touched).map(|(n, _)| n).collect();
        for inode in touched {
            self.stamp(inode);
        }
    }

    /// After the file system has written to a file: the time that somebody has set remains.
    pub(crate) fn restore_modified(&mut self, inode: u32) {
        if let Some(us) = self.held.get(inode).and_then(|h| h.modified_us) {
            self.set_modified_time(inode, us);
        }
    }

    fn set_modified_time(&mut self, inode: u32, us: u64) {
        let mtime = Some(crate::disk::Wall::stamp(us));
        let update = InodeMetadataUpdate { mtime, ..InodeMetadataUpdate::default() };
        let result = file_number(inode)
            .and_then(|number| self.store.change(|fs| fs.update_inode_metadata(number, update)));
        if let Err(error) = result {
            // The bytes are where they belong; only their time is not.
            self.log(format_args!("the time of inode {inode}: {error}"));
        }
    }

    /// Removes unlinked files that nobody uses.
    pub(crate) fn sweep(&mut self) {
        self.unswept = false;
        if self.store.is_read_only() {
            return;
        }
        let result = self.unlinked.list(&mut self.store).and_then(|all| {
            for inode in all {
                if self.held.get(inode).is_some() {
                    continue;
                }
                self.forget_file(inode);
                self.unlinked.remove(&mut self.store, inode)?;
                // As in `control`.
                self.store.commit()?;
            }
            Ok(())
        });
        if let Err(error) = result {
            self.log(format_args!("removing unlinked files: {error}"));
        }
    }

    fn audit(&mut self, entry: &Submission, object: u64) {
        let problems = if object == ALL { self.problems() } else { Vec::new() };
        for problem in &problems {
            self.log(format_args!("audit: {problem}"));
        }
        let known = u32::try_from(object).is_ok_and(|n| self.held.get(n).is_some());
        let held = if object == ALL { self.held.len() as u64 } else { known as u64 };
        let results = [held, problems.len() as u64];
        self.answer(Completion { results, ..completion(Outcome::Ok, entry) });
    }

    /// Compares the pager's tables with the file system.
    pub(crate) fn problems(&mut self) -> Vec<String> {
        let blocks = self.channel.borrow().geometry.pages;
        let mut lines: Vec<String> = Vec::new();
        for inode in self.extents.check(&mut self.store, blocks) {
            lines.push(format!("inode {inode}: its pages are not where they are thought to be"));
        }
        let unlinked: Vec<u32> = self.held.iter().filter(|(_, h)| h.unlinked).map(|(n, _)| n).collect();
        for inode in unlinked {
            if self.unlinked.contains(&mut self.store, inode) != Ok(true) {
                lines.push(format!("inode {inode}: unlinked and held, and has no name"));
            }
        }
        let held: Vec<u32> = self.held.iter().map(|(n, _)| n).collect();
        for inode in held {
            let info = file_number(inode).and_then(|number| self.store.read(|fs| fs.inode(number)));
            if info.is_err_and(|e| e == Error::NotFound) {
                lines.push(format!("inode {inode}: held, and does not exist"));
            }
        }
        lines.truncate(MAX_LINES);
        lines
    }
}
