// SPDX-License-Identifier: BSD-2-Clause
//! The pager: takes what `vm` submits, deals with what the disk completes, and answers.
//!
//! Three kinds of answers wait: those of pages on their way to or from the disk, for the disk; those of changes of the file system (`answers`), for a commit; those of
//! [`Op::Fsync`], for the pages that were put before, and for a commit. So much room is kept in the ring to `vm` for all of them (`owed`) that none is ever held up.

use crate::batch::{Batch, is_paged};
use crate::channel::{Channel, Geometry};
use crate::disk::Wall;
use crate::errors::outcome_of;
use crate::extents::Extents;
use crate::held::Table;
use crate::requests::{Page, Request, Whose};
use crate::store::Store;
use crate::unlinked::Unlinked;
use crate::world::World;
use alloc::collections::BTreeSet;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;
use ebb_proto::Error;
use ebb_proto::block::{Status, Transfer};
use ebb_proto::fs::Summary;
use ebb_proto::pager::{Completion, MAX_RUN, Notice, Op, Outcome, Submission};

/// Room in the ring to `vm` that answers never take: for notices.
const NOTICES: usize = 32;
/// Changes that are committed together at most: the file system keeps a copy of what a transaction has so far for each of them.
const GROUP: usize = 8;
/// Answers that wait for a commit at most.
const MAX_ANSWERS: usize = 64;
/// Pages that the crate may keep bytes of at most; then it is made to forget them all.
const MAX_KEPT: usize = 4096;

/// What the pager is told at its start.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The disk.
    pub geometry: Geometry,
    /// Its name.
    pub name: String,
    /// Microseconds since 1970.
    pub now_us: fn() -> u64,
    /// No instance has served since the machine started: nobody uses any file.
    pub cold: bool,
}

/// What happened since this instance started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Pages read and written.
    pub pages: (u64, u64),
    /// Entries that made no sense, operations that failed.
    pub errors: u64,
}

/// The pager of files.
pub struct VnodePager<W: World> {
    pub(crate) channel: Rc<RefCell<Channel<W>>>,
    pub(crate) store: Store<W>,
    pub(crate) held: Table,
    pub(crate) extents: Extents,
    pub(crate) unlinked: Unlinked,
    /// Pages whose bytes the crate may keep: what is written past it would be undone by it.
    pub(crate) kept: BTreeSet<(u32, u32)>,
    pub(crate) counters: Counters,
    pub(crate) next_grant: u32,
    pub(crate) disk: String,
    /// The folder of unlinked files may have some that nobody uses.
    pub(crate) unswept: bool,
    /// Bytes on their way to the file system.
    pub(crate) bytes: Vec<u8>,
    /// The batch that is being gathered, or waits for room at the disk.
    batch: Option<Batch>,
    /// The entry after it.
    next: Option<Submission>,
    answers: Vec<Completion>,
    /// Fsyncs: cookie and object.
    fsyncs: Vec<(u32, u64)>,
    changes: usize,
    owed: usize,
}

impl<W: World> VnodePager<W> {
    /// Mounts the file system; where it cannot, everything is answered with the reason. After a cold start, files that were unlinked while they were in use go.
    pub fn new(world: W, setup: Setup) -> VnodePager<W> {
        let channel = Rc::new(RefCell::new(Channel::new(world, setup.geometry)));
        let wall = Wall(setup.now_us);
        let mut pager = VnodePager {
            store: Store::new(channel.clone(), wall),
            channel,
            held: Table::default(),
            extents: Extents::default(),
            unlinked: Unlinked::default(),
            kept: BTreeSet::new(),
            counters: Counters::default(),
            // Grants of an earlier instance may still be unused.
            next_grant: (setup.now_us)() as u32,
            disk: setup.name,
            unswept: true,
            bytes: Vec::with_capacity(MAX_RUN * crate::world::PAGE),
            batch: None,
            next: None,
            answers: Vec::with_capacity(MAX_ANSWERS),
            fsyncs: Vec::new(),
            changes: 0,
            owed: 0,
        };
        if !pager.store.is_mounted() {
            return pager;
        }
        if let Err(error) = pager.unlinked.open(&mut pager.store) {
            pager.log(format_args!("the folder of unlinked files: {error}"));
        }
        if setup.cold {
            pager.sweep();
        }
        if pager.store.is_dirty()
            && let Err(error) = pager.store.commit()
        {
            pager.log(format_args!("the first commit: {error}"));
        }
        pager
    }

    /// Does all that can be done now.
    pub fn pump(&mut self) {
        self.work();
        // While a commit waited for the disk, requests of others may have ended: nobody rings for them again.
        while self.channel.borrow().has_done() {
            self.work();
        }
    }

    fn work(&mut self) {
        loop {
            self.settle();
            if self.batch.as_ref().is_some_and(|b| b.is_full() || self.next.is_some()) && !self.run_batch() {
                break;
            }
            if self.changes >= GROUP || self.answers.len() >= MAX_ANSWERS {
                self.commit();
            }
            let Some(entry) = self.next.take().or_else(|| self.fetch()) else {
                if self.batch.is_none() {
                    break;
                }
                if !self.run_batch() {
                    break;
                }
                continue;
            };
            if self.batch.as_mut().is_some_and(|b| b.push(&entry)) {
                continue;
            }
            if self.batch.is_some() {
                self.next = Some(entry);
            } else if is_paged(entry.op) {
                self.batch = Batch::begin(&entry);
                if self.batch.is_none() {
                    self.counters.errors += 1;
                    self.answer(completion(Outcome::Bad, &entry));
                }
            } else {
                self.control(&entry);
            }
        }
        self.sync();
        self.commit();
    }

    /// Whether nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.owed == 0 && self.channel.borrow().is_idle()
    }

    /// Whether `vm`'s next entry has to wait, for the disk or (if nothing is under way) for `vm` to take completions.
    pub fn is_stalled(&self) -> bool {
        self.batch.is_some() || self.channel.borrow_mut().world.room() <= self.owed + NOTICES
    }

    /// What the pager says of itself.
    pub fn summary(&self) -> Summary {
        let channel = self.channel.borrow();
        Summary {
            requests: (channel.counts.0[0], channel.counts.0[1]),
            pages: self.counters.pages,
            commits: self.store.commits,
            errors: self.counters.errors + channel.counts.1,
            held: self.held.len() as u64,
            unlinked: self.held.iter().filter(|(_, h)| h.unlinked).count() as u64,
        }
    }

    /// The surroundings.
    pub fn with_world<T>(&mut self, then: impl FnOnce(&mut W) -> T) -> T {
        then(&mut self.channel.borrow_mut().world)
    }

    fn fetch(&mut self) -> Option<Submission> {
        loop {
            let entry = {
                let world = &mut self.channel.borrow_mut().world;
                if world.room() <= self.owed + NOTICES {
                    return None;
                }
                world.next()?
            };
            match Submission::unpack(&entry) {
                Some(entry) => {
                    self.owed += 1;
                    return Some(entry);
                }
                None => {
                    // There is no operation that a completion could name: nobody waits for one.
                    self.counters.errors += 1;
                    self.log(format_args!("vm submitted an entry that is none: {entry:x?}"));
                }
            }
        }
    }

    /// Goes on with the batch. `false`: it has to wait for the disk.
    fn run_batch(&mut self) -> bool {
        let Some(batch) = self.batch.take() else { return true };
        // Each of its pages may be a request of its own.
        if !self.channel.borrow_mut().has_room(batch.pages().len()) {
            self.batch = Some(batch);
            return false;
        }
        match batch.op {
            Op::Get => self.get(&batch),
            Op::Put => self.put(&batch),
            _ => self.put_bytes(&batch),
        }
        true
    }

    /// Answers for the pages that the disk has finished with.
    fn settle(&mut self) {
        loop {
            let done = self.channel.borrow_mut().take_done();
            let Some((request, status)) = done else { return };
            self.finished(&request, status);
        }
    }

    fn finished(&mut self, request: &Request, status: Status) {
        let Whose::File { op, .. } = request.whose else { return };
        let count = request.len as u64;
        match (status, request.transfer) {
            (Status::Ok, Transfer::Read) => self.counters.pages.0 += count,
            (Status::Ok, _) => self.counters.pages.1 += count,
            _ => {}
        }
        let outcome = if status == Status::Ok { Outcome::Ok } else { Outcome::Error };
        for page in request.pages() {
            self.answer(page_done(op, page, outcome, 0));
        }
    }

    /// Answers now.
    pub(crate) fn answer(&mut self, completion: Completion) {
        self.owed = self.owed.saturating_sub(1);
        self.channel.borrow_mut().world.push(&completion.pack());
    }

    /// Answers after the next commit.
    pub(crate) fn answer_later(&mut self, completion: Completion) {
        self.answers.push(completion);
    }

    /// Counts a change that waits for a commit.
    pub(crate) fn changed(&mut self) {
        self.changes += 1;
    }

    /// Tells `vm` something that it did not ask for. `Busy`: it has not taken what it was told before.
    pub(crate) fn notify(&mut self, notice: Notice) -> Result<(), Error> {
        let world = &mut self.channel.borrow_mut().world;
        if world.room() <= self.owed {
            return Err(Error::Busy);
        }
        world.push(&notice.pack());
        Ok(())
    }

    /// Commits what was changed, and answers for it.
    pub(crate) fn commit(&mut self) {
        if self.store.is_dirty()
            && let Err(error) = self.store.commit()
        {
            self.counters.errors += 1;
            self.forget_all();
            for answer in &mut self.answers {
                if answer.outcome == Outcome::Ok {
                    answer.outcome = outcome_of(error);
                }
            }
        }
        self.changes = 0;
        for answer in core::mem::take(&mut self.answers) {
            self.answer(answer);
        }
        if self.kept.len() > MAX_KEPT {
            match self.store.refresh() {
                Ok(()) => self.forget_all(),
                Err(error) => self.log(format_args!("mounting again: {error}")),
            }
        }
    }

    /// After another mount: the crate keeps nothing.
    fn forget_all(&mut self) {
        self.kept.clear();
    }

    /// Keeps an Fsync until what was put before is on the disk.
    pub(crate) fn fsync_later(&mut self, cookie: u32, object: u64) {
        self.fsyncs.push((cookie, object));
    }

    /// Answers the Fsyncs whose pages are on the disk.
    fn sync(&mut self) {
        if self.fsyncs.is_empty() {
            return;
        }
        self.settle();
        let mut ready = Vec::new();
        for (cookie, object) in core::mem::take(&mut self.fsyncs) {
            let inode = u32::try_from(object).ok();
            // Pages that could not be submitted yet are not on the disk either.
            let gathered = self.batch.as_ref().is_some_and(|b| inode.is_none_or(|n| n == b.inode));
            if gathered || self.channel.borrow().writing(inode) > 0 {
                self.fsyncs.push((cookie, object));
            } else {
                ready.push((cookie, inode));
            }
        }
        if ready.is_empty() {
            return;
        }
        for (_, inode) in &ready {
            match inode {
                Some(inode) => self.stamp(*inode),
                None => self.stamp_all(),
            }
        }
        if self.unswept && ready.iter().any(|(_, inode)| inode.is_none()) {
            self.sweep();
        }
        let result = self.store.commit();
        if result.is_err() {
            self.forget_all();
            self.counters.errors += 1;
        }
        let outcome = result.map_or_else(outcome_of, |()| Outcome::Ok);
        for answer in &mut self.answers {
            if outcome != Outcome::Ok && answer.outcome == Outcome::Ok {
                answer.outcome = outcome;
            }
        }
        for (cookie, _) in ready {
            self.answer(Completion { outcome, op: Op::Fsync, cookie, frame: 0, results: [0; 2] });
        }
    }

    /// Writes a line to the log.
    pub(crate) fn log(&self, line: core::fmt::Arguments<'_>) {
        self.store.log(line);
    }
}

/// The completion of an entry.
pub(crate) fn completion(outcome: Outcome, entry: &Submission) -> Completion {
    let frame = if is_paged(entry.op) { entry.words[2] } else { 0 };
    Completion { outcome, op: entry.op, cookie: entry.cookie, frame, results: [0; 2] }
}

/// The completion of a page.
pub(crate) fn page_done(op: Op, page: &Page, outcome: Outcome, result: u64) -> Completion {
    Completion { outcome, op, cookie: page.cookie, frame: page.frame as u64, results: [result, 0] }
}
