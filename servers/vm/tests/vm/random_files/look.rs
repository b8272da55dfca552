// SPDX-License-Identifier: BSD-2-Clause
//! What must hold: of each answer, of each file, and in the end.

use super::*;

impl Run {
    pub(super) fn called(&mut self, space: Space, job: Job, answer: Option<Answer>) {
        if let Some(p) = self.progs.get_mut(&space) {
            p.job = job;
        }
        if let Some(answer) = answer {
            self.answered(space, answer);
        }
    }

    pub(super) fn answered(&mut self, space: Space, answer: Answer) {
        let Some(p) = self.progs.get_mut(&space) else { return };
        let job = core::mem::replace(&mut p.job, Job::Idle);
        let known = |error: Error| match error {
            Error::Io => self.errors,
            Error::NoSpace => self.small,
            _ => false,
        };
        match job {
            Job::Read { inode, offset, into, len, version, .. } => {
                let n = match decode::<u32>(answer) {
                    Ok(n) => n as usize,
                    Err(error) => return assert!(known(error), "{error:?} to a read"),
                };
                let book = &self.books[&inode];
                assert!(n <= len);
                let Some(offset) = offset.filter(|_| book.version == version && book.change.is_none()) else {
                    return;
                };
                let whole = len.min(book.bytes.len().saturating_sub(offset));
                assert!(n == whole || (self.errors && n < whole), "{n} bytes of {whole}");
                let got = self.w.look_at_memory(space, into, n);
                assert!(
                    n == 0 || got[..] == book.bytes[offset..offset + n],
                    "{n} bytes read at {offset} of {inode}"
                );
            }
            Job::Write { inode, .. } => {
                let done = match decode::<u32>(answer) {
                    Ok(n) => n as usize,
                    Err(error) => {
                        assert!(known(error), "{error:?} to a write");
                        0
                    }
                };
                self.books.get_mut(&inode).expect("a book").done(done);
                self.compare(inode);
            }
            Job::Truncate { inode, .. } => {
                let done = decode::<()>(answer);
                assert!(done.is_ok_and(|()| true) || done.is_err_and(known), "{done:?} to ftruncate");
                self.books.get_mut(&inode).expect("a book").done(done.is_ok() as usize);
                self.compare(inode);
            }
            Job::Sync { inode, version, .. } => match decode::<()>(answer) {
                Ok(()) if self.books[&inode].version == version => {
                    if let Some(file) = self.w.volume.files.get(&inode) {
                        let mut on_disk = file.contents();
                        let book = &self.books[&inode];
                        on_disk.resize(book.bytes.len(), 0);
                        if book.change.is_none() {
                            assert!(on_disk == book.bytes, "fsync has answered for what is not on the disk");
                        }
                    }
                }
                Ok(()) => {}
                Err(error) => assert!(known(error), "{error:?} to fsync"),
            },
            Job::Other { .. } => {
                if let Err(error) = decode::<()>(answer) {
                    let wiring = [Error::NoMemory, Error::Busy, Error::Fault];
                    assert!(known(error) || wiring.contains(&error), "{error:?}");
                }
            }
            Job::Idle | Job::Touch { .. } => {}
        }
    }

    pub(super) fn synced(&mut self, answer: Answer) {
        if let Err(error) = decode::<()>(answer) {
            assert!(self.errors && error == Error::Io, "{error:?} to sync");
        }
    }

    /// What a file holds is what it must.
    pub(super) fn compare(&self, inode: u32) {
        let book = &self.books[&inode];
        let is = self.w.look_at_file(inode);
        assert_eq!(is.len(), book.bytes.len(), "length of {inode}");
        if let Some(at) = (0..is.len()).find(|n| is[*n] != book.bytes[*n]) {
            panic!("byte {at} of {inode} is {:#x}, not {:#x}", is[at], book.bytes[at]);
        }
    }

    /// Files whose contents are certain: nobody changes them just now, and they are not on their way out.
    pub(super) fn sure(&self) -> Vec<u32> {
        let there = |inode: u32, b: &Book| b.change.is_none() && (!b.unlinked || in_use(&self.w, inode));
        self.books.iter().filter(|(n, b)| there(**n, b)).map(|(n, _)| *n).collect()
    }

    /// Answers that came, programs that ended, files whose changer is gone.
    pub(super) fn look(&mut self) {
        self.w.run_programs();
        for space in self.progs.keys().copied().collect::<Vec<_>>() {
            if !self.w.programs.contains_key(&space) {
                self.gone(space);
                continue;
            }
            let id = match &self.progs[&space].job {
                Job::Read { id, .. } | Job::Write { id, .. } | Job::Truncate { id, .. } => *id,
                Job::Sync { id, .. } | Job::Other { id } => *id,
                Job::Touch { .. } => {
                    self.touch_on(space);
                    continue;
                }
                Job::Idle => continue,
            };
            if let Some(answer) = self.w.vm.m.answers.take(id) {
                self.answered(space, answer);
            }
        }
        for id in core::mem::take(&mut self.syncs) {
            match self.w.vm.m.answers.take(id) {
                Some(answer) => self.synced(answer),
                None => self.syncs.push(id),
            }
        }
        let orphans: Vec<u32> = self.books.iter().filter(|(_, b)| b.orphan).map(|(n, _)| *n).collect();
        for inode in orphans {
            if self.w.file(inode).is_none_or(|f| !f.locked) {
                self.adopt(inode);
            }
        }
    }

    /// Finds out how far a program that is gone came with changing a file.
    pub(super) fn adopt(&mut self, inode: u32) {
        let is = self.w.look_at_file(inode);
        let book = self.books.get_mut(&inode).expect("a book");
        let ends = match &book.change {
            Some(Change::Write { offset, data }) => {
                book.bytes.len()..=book.bytes.len().max(offset + data.len())
            }
            Some(Change::Truncate { size }) => book.bytes.len().min(*size)..=book.bytes.len().max(*size),
            None => return,
        };
        if book.unlinked && !in_use(&self.w, inode) {
            book.orphan = false;
            book.change = None;
            return;
        }
        assert!(ends.contains(&is.len()), "length of {inode} after its changer's end");
        for (offset, byte) in is.iter().enumerate() {
            let fresh = offset >= book.bytes.len() && *byte == 0;
            assert!(fresh || book.allows(offset, *byte), "byte {offset} of {inode} after its changer's end");
        }
        book.bytes = is;
        book.version += 1;
        book.change = None;
        book.orphan = false;
    }

    /// Lets everything come to rest, with pagers that work and whatever policy there is.
    pub(super) fn rest(&mut self) {
        self.attach_vnode();
        for _ in 0..600 {
            self.w.pump();
            self.w.run_policy();
            self.w.pass(100);
            self.look();
            let busy = self.progs.values().any(|p| !matches!(p.job, Job::Idle));
            if !busy && self.syncs.is_empty() && !self.books.values().any(|b| b.orphan) {
                self.w.pump();
                return;
            }
        }
        let jobs: Vec<&Job> = self.progs.values().map(|p| &p.job).collect();
        panic!(
            "somebody waits for ever: {:?}, {jobs:?}, {} free, {:?}; log {:#?}",
            self.w.vm.waiting.counts(),
            self.w.vm.frames.gate.free_count(),
            self.w.vm.frames.gate,
            self.w.vm.m.log
        );
    }

    pub(super) fn finish_run(&mut self) {
        self.failing = false;
        self.rest();
        self.w.check();
        let inodes = self.sure();
        inodes.iter().for_each(|n| self.compare(*n));
        // Errors of the past are told once; then everything is on the disk.
        let first = self.w.sync_all();
        assert!(matches!(first, Ok(()) | Err(Error::Io)), "{first:?}");
        assert_eq!(self.w.sync_all(), Ok(()));
        for inode in &inodes {
            let mut on_disk = self.w.volume.files[inode].contents();
            on_disk.resize(self.books[inode].bytes.len(), 0);
            assert!(on_disk == self.books[inode].bytes, "what sync has left out of {inode}");
        }
        self.w.check();
        for space in self.progs.keys().copied().collect::<Vec<_>>() {
            self.end(space);
        }
        self.w.kill_policy();
        self.rest();
        self.w.check();
        assert_eq!(self.w.vm.descriptions.iter().count(), 0, "open files are left behind");
        assert!(self.w.vm.vnode.grants.is_empty(), "grants are left behind");
        for inode in inodes {
            if let Some(pager) = self.w.vnode.as_mut()
                && self.w.volume.files.get(&inode).is_some_and(|f| !f.unlinked)
            {
                pager.unlink(&mut self.w.volume, inode);
            }
            self.w.vnode_completions();
        }
        self.rest();
        self.w.check();
        let pager = self.w.vnode.as_ref().expect("a pager");
        assert!(pager.held.is_empty(), "files are left behind: {:?}", pager.held);
        assert!(self.w.volume.files.is_empty(), "{:?}", self.w.volume.files.keys());
        assert_eq!(self.w.vm.vnode.under_way(), (0, 0));
        assert_eq!(self.w.vm.objects.iter().count(), 0, "objects are left behind");
        assert_eq!(self.w.store.copies.len(), 0, "copies are left behind");
        for frame in 0..FRAMES {
            let place = self.w.vm.frames.page(frame).place;
            assert!(!matches!(place, Place::Object | Place::Leaf), "frame {frame}: {place:?}");
        }
        let wrongly = |h: &Happening| matches!(h, Happening::OutOfMemory { state, .. } if state.2 > 0);
        assert!(!self.w.happenings.iter().any(wrongly), "a program was ended although there was room");
    }
}
