// SPDX-License-Identifier: BSD-2-Clause
//! What programs and pagers do.

use super::*;

impl Run {
    pub(super) fn start(&mut self) {
        if self.progs.len() >= MAX_PROGRAMS || self.w.vm.frames.gate.free_count() < 60 {
            return;
        }
        let space = self.w.file_program();
        let (source, target) = (self.w.mmap(space, BUFFER), self.w.mmap(space, BUFFER));
        self.seed += 1;
        let data = pattern(self.seed, (BUFFER * PAGE) as usize);
        let prog = Prog { files: vec![], maps: vec![], source, data: data.clone(), target, job: Job::Idle };
        self.progs.insert(space, prog);
        self.attach_vnode();
        self.w.poke(space, source, &data);
    }

    /// A copy of a program has its open files and its mappings: of shared ones what both store, of private ones what had been stored before.
    pub(super) fn fork(&mut self, a: u16) {
        let Some(parent) = self.pick(a).filter(|_| self.progs.len() < MAX_PROGRAMS) else { return };
        match self.w.fork(parent) {
            Ok(child) => {
                let prog = Prog { job: Job::Idle, ..self.progs[&parent].clone() };
                self.progs.insert(child, prog);
            }
            Err(error) => assert!(matches!(error, Error::NoMemory | Error::Busy), "{error:?}"),
        }
    }

    pub(super) fn attach_vnode(&mut self) {
        if self.w.vnode.is_none() {
            self.w.attach_vnode();
        }
    }

    pub(super) fn end(&mut self, space: Space) {
        self.w.end(space);
        self.gone(space);
    }

    /// A program is gone, and with it what it was doing.
    pub(super) fn gone(&mut self, space: Space) {
        let Some(p) = self.progs.remove(&space) else { return };
        if let Job::Write { inode, .. } | Job::Truncate { inode, .. } = p.job
            && let Some(book) = self.books.get_mut(&inode)
        {
            book.orphan = true;
        }
    }

    pub(super) fn pick_book(&self, n: u16) -> Option<u32> {
        let named: Vec<u32> = self.books.iter().filter(|(_, b)| !b.unlinked).map(|(n, _)| *n).collect();
        (!named.is_empty()).then(|| named[n as usize % named.len()])
    }

    pub(super) fn open(&mut self, a: u16, b: u16, c: u16) {
        let Some(space) = self.pick(a) else { return };
        if self.w.vnode.is_none() || self.progs[&space].files.len() >= MAX_OPEN {
            return;
        }
        let named = self.books.values().filter(|b| !b.unlinked).count();
        let inode = match self.pick_book(b) {
            Some(inode) if named >= MAX_BOOKS || !c.is_multiple_of(4) => inode,
            _ => {
                self.seed += 1;
                let len = (c as u64 % (MAX_FILE * PAGE / 2)).min(self.w.volume.free / 2 * PAGE) as usize;
                let bytes = pattern(self.seed, len);
                let inode = self.w.volume.create(&bytes);
                let book = Book { bytes, change: None, version: 0, unlinked: false, orphan: false };
                self.books.insert(inode, book);
                inode
            }
        };
        let append = c % 5 == 1;
        let (file, size) = self.w.open_as(space, inode, RW | OpenFlags::EXECUTE, append);
        let book = &self.books[&inode];
        assert!(book.change.is_some() || size == book.bytes.len() as u64, "size at open");
        self.progs.get_mut(&space).expect("a program").files.push((file, inode, append));
    }

    pub(super) fn share(&mut self, a: u16, b: u16) {
        let (Some((from, file, inode, append)), Some(to)) = (self.pick_file(a, b), self.pick(b)) else {
            return;
        };
        if from == to || self.progs[&to].files.len() >= MAX_OPEN {
            return;
        }
        let there: u32 =
            self.w.init(Request::FileShare(proto::FileShare { from, file, to })).expect("sharing");
        self.progs.get_mut(&to).expect("a program").files.push((there, inode, append));
    }

    pub(super) fn pick_file(&self, a: u16, b: u16) -> Option<(Space, u32, u32, bool)> {
        let space = self.pick(a)?;
        let files = &self.progs[&space].files;
        let (file, inode, append) = *files.get(b as usize % files.len().max(1))?;
        Some((space, file, inode, append))
    }

    pub(super) fn pick_map(&self, a: u16, b: u16) -> Option<(Space, usize)> {
        let space = self.pick(a)?;
        let maps = self.progs[&space].maps.len();
        (maps > 0).then(|| (space, b as usize % maps))
    }

    pub(super) fn read(&mut self, a: u16, b: u16, c: u16) {
        let Some((space, file, inode, _)) = self.pick_file(a, b) else { return };
        let book = &self.books[&inode];
        let (len, skew) = (1 + c as usize % ((BUFFER as usize - 1) * 4096), b as u64 % PAGE);
        let into = self.progs[&space].target + skew;
        let own = a.is_multiple_of(3);
        let offset = b as usize * 7 % (book.bytes.len() + 10);
        let version = book.version;
        let at = if own { OWN_OFFSET } else { offset as u64 };
        let (id, answer) = self.w.read_begin(space, file, at, into, len as u32);
        let offset = (!own).then_some(offset);
        self.called(space, Job::Read { id, inode, offset, into, len, version }, answer);
    }

    pub(super) fn write(&mut self, a: u16, b: u16, c: u16) {
        let Some((space, file, inode, append)) = self.pick_file(a, b) else { return };
        let book = self.books.get_mut(&inode).expect("a book");
        if book.change.is_some() {
            return;
        }
        let p = &self.progs[&space];
        let from = (c as u64 * 13) % (BUFFER * PAGE / 2);
        let most = if c.is_multiple_of(3) { 100 } else { BUFFER * PAGE / 2 };
        let len = 1 + (b as u64 * 31) % most;
        let offset = if append {
            book.bytes.len() as u64
        } else {
            c as u64 * 97 % (book.bytes.len() as u64 + 2 * PAGE)
        };
        if offset + len > MAX_FILE * PAGE {
            return;
        }
        let data = p.data[from as usize..(from + len) as usize].to_vec();
        book.change = Some(Change::Write { offset: offset as usize, data });
        book.version += 1;
        let (id, answer) = self.w.write_begin(space, file, offset, p.source + from, len as u32);
        self.called(space, Job::Write { id, inode }, answer);
    }

    pub(super) fn truncate(&mut self, a: u16, b: u16, c: u16) {
        let Some((space, file, inode, _)) = self.pick_file(a, b) else { return };
        let book = self.books.get_mut(&inode).expect("a book");
        if book.change.is_some() {
            return;
        }
        let size = match c % 4 {
            0 => 0,
            1 => b as u64 % (MAX_FILE * PAGE),
            _ => (book.bytes.len() as u64).saturating_sub(b as u64 % (3 * PAGE)),
        };
        book.change = Some(Change::Truncate { size: size as usize });
        book.version += 1;
        for p in self.progs.values_mut() {
            if let Job::Touch { shorter, .. } = &mut p.job {
                *shorter = true;
            }
        }
        let (id, answer) = self.w.call(space, Request::Truncate(proto::Truncate { file, size }));
        self.called(space, Job::Truncate { id, inode }, answer);
    }

    pub(super) fn map(&mut self, a: u16, b: u16, c: u16) {
        let Some((space, file, inode, _)) = self.pick_file(a, b) else { return };
        if self.progs[&space].maps.len() >= MAX_MAPS {
            return;
        }
        let private = c.is_multiple_of(3);
        let first = b as u32 % 20;
        let pages = 1 + c as u64 % 40;
        let protection = Protection::READ | Protection::WRITE;
        let address = self.w.map_file(space, file, first, pages, protection, private).expect("mmap");
        let own = BTreeMap::new();
        let map = Mapping { address, pages, inode, first, private, writable: true, own };
        self.progs.get_mut(&space).expect("a program").maps.push(map);
    }

    pub(super) fn unmap(&mut self, a: u16, b: u16, c: u16) {
        let Some((space, n)) = self.pick_map(a, b) else { return };
        let m = &mut self.progs.get_mut(&space).expect("a program").maps[n];
        // All of it, or its beginning.
        let pages = if c.is_multiple_of(2) { m.pages } else { 1 + c as u64 % m.pages };
        let address = m.address;
        m.address += pages * PAGE;
        m.pages -= pages;
        m.first += pages as u32;
        m.own = m.own.iter().filter(|(n, _)| **n >= pages).map(|(n, b)| (n - pages, b.clone())).collect();
        if m.pages == 0 {
            self.progs.get_mut(&space).expect("a program").maps.swap_remove(n);
        }
        self.w.ask::<()>(space, Request::Unmap(proto::Unmap { space: 0, address, pages })).expect("munmap");
    }

    pub(super) fn protect(&mut self, a: u16, b: u16) {
        let Some((space, n)) = self.pick_map(a, b) else { return };
        let m = &mut self.progs.get_mut(&space).expect("a program").maps[n];
        m.writable = !m.writable;
        let protection = if m.writable { Protection::READ | Protection::WRITE } else { Protection::READ };
        let (address, pages, protection) = (m.address, m.pages, protection.bits());
        let protect = Request::Protect(proto::Protect { space: 0, address, pages, protection });
        self.w.ask::<()>(space, protect).expect("mprotect");
    }

    pub(super) fn advise(&mut self, a: u16, b: u16, c: u16) {
        let Some((space, n)) = self.pick_map(a, b) else { return };
        let m = &mut self.progs.get_mut(&space).expect("a program").maps[n];
        let all = [
            Advice::Sequential,
            Advice::Random,
            Advice::WillNeed,
            Advice::DontNeed,
            Advice::Free,
            Advice::Normal,
        ];
        let advice = all[c as usize % all.len()];
        let (address, pages) = (m.address, m.pages);
        if advice == Advice::Free {
            m.own.clear();
        }
        let advise = Request::Advise(proto::Advise { space: 0, address, pages, advice });
        self.w.ask::<()>(space, advise).expect("madvise");
    }

    pub(super) fn touch(&mut self, a: u16, b: u16, c: u16, write: bool) {
        let Some((space, n)) = self.pick_map(a, b) else { return };
        let p = self.progs.get_mut(&space).expect("a program");
        let m = &p.maps[n];
        if write && !m.writable {
            return;
        }
        let book = &self.books[&m.inode];
        // Rarely beyond the end, which is its program's end.
        let inside = (book.sure() as u64).div_ceil(PAGE).saturating_sub(m.first as u64).min(m.pages);
        let page = match inside {
            0 if !c.is_multiple_of(32) => return,
            0 => b as u64 % m.pages,
            _ => (b as u64 / 7) % inside,
        };
        let address = m.address + page * PAGE + c as u64 * 5 % PAGE;
        p.job = Job::Touch { address, write: write.then_some(c as u8), shorter: book.change.is_some() };
        self.touch_on(space);
    }

    /// Goes on with a program's touch of a page.
    pub(super) fn touch_on(&mut self, space: Space) {
        let Some(p) = self.progs.get_mut(&space) else { return };
        let Job::Touch { address, write, shorter } = p.job else { return };
        let access = if write.is_some() { Access::WRITE } else { Access::empty() };
        let reach = self.w.reach(space, address, access);
        let p = self.progs.get_mut(&space).expect("a program");
        let m = p.maps.iter_mut().find(|m| (m.address..m.address + m.pages * PAGE).contains(&address));
        let m = m.expect("a mapping");
        let page = (address - m.address) / PAGE;
        let inside = address % PAGE;
        let offset = ((m.first as u64 + page) * PAGE + inside) as usize;
        let book = self.books.get_mut(&m.inode).expect("a book");
        match reach {
            Reach::Waits => return,
            Reach::Refused if !self.w.programs.contains_key(&space) => return self.gone(space),
            Reach::Refused => {
                let why = self.w.happenings.iter().rev().find_map(|h| match h {
                    Happening::NoPage { space: s, why, .. } if *s == space => Some(*why),
                    _ => None,
                });
                let good = match why {
                    Some(Error::Invalid) => shorter || offset - inside as usize >= book.sure(),
                    Some(Error::NoSpace) => self.small,
                    Some(Error::Io) => self.errors,
                    _ => false,
                };
                assert!(good, "space {space} was refused {address:#x}: {why:?}; log {:#?}", self.w.vm.m.log);
                return self.end(space);
            }
            Reach::There(frame) => {
                let cell = &mut self.w.vm.m.frames[frame as usize].bytes[inside as usize];
                match (write, m.private) {
                    (None, true) => match m.own.get(&page) {
                        Some(own) => assert!(own.get(&inside).is_none_or(|b| b == cell), "a private byte"),
                        None => assert!(book.allows(offset, *cell), "a byte seen through a private mapping"),
                    },
                    (None, false) => {
                        let is = *cell;
                        assert!(book.allows(offset, is), "byte {offset} of {} is {is:#x}", m.inode);
                    }
                    (Some(byte), true) => {
                        *cell = byte;
                        m.own.entry(page).or_default().insert(inside, byte);
                    }
                    (Some(byte), false) if book.is_settled(offset) => {
                        *cell = byte;
                        book.version += 1;
                        if let Some(cell) = book.bytes.get_mut(offset) {
                            *cell = byte;
                        }
                    }
                    (Some(_), false) => {}
                }
            }
        }
        p.job = Job::Idle;
    }

    pub(super) fn finish(&mut self, a: u16, b: u16) {
        let pending = self.w.vnode_pending();
        if pending == 0 {
            return;
        }
        let nth = a as usize % pending;
        let pager = self.w.vnode.as_ref().expect("a pager");
        let op = match nth.checked_sub(pager.pages.len()) {
            None => pager.pages[nth].op(),
            Some(n) => pager.ops[n].op,
        };
        let outcome = match (op, b % 64) {
            (PagerOp::Get, 0) if self.failing => Outcome::Error,
            (PagerOp::Get, 1) if self.w.vnode.as_ref().is_some_and(|p| p.pages[nth].submission.run > 1) => {
                // A neighbour may be left out; the one that was asked for is the first of its run.
                match self
                    .w
                    .vnode
                    .as_ref()
                    .map(|p| p.runs.iter().rev().any(|r| r.2.first() == Some(&p.pages[nth].index)))
                {
                    Some(false) => Outcome::Fail,
                    _ => Outcome::Ok,
                }
            }
            (PagerOp::Put | PagerOp::PutBytes, 0..=1) if self.failing => Outcome::Error,
            (PagerOp::Put | PagerOp::PutBytes, 2..=5) => Outcome::Again,
            (PagerOp::Reserve, 0) if self.failing => Outcome::Error,
            (PagerOp::Fsync, 0) if self.failing => Outcome::Error,
            _ => Outcome::Ok,
        };
        self.w.vnode_finish(nth, outcome);
    }

    pub(super) fn nonsense(&mut self, a: u16, b: u16, c: u16) {
        let Some(pager) = self.w.vnode.as_mut() else { return };
        let frame = b as u64 % (FRAMES as u64 + 10);
        let cookie = self.w.vm.frames.page(frame as u32).generation ^ 0x8000_0000;
        let ops = [
            PagerOp::Get,
            PagerOp::Put,
            PagerOp::PutBytes,
            PagerOp::Reserve,
            PagerOp::Resize,
            PagerOp::Fsync,
            PagerOp::Release,
            PagerOp::Free,
            PagerOp::SwapOn,
        ];
        let op = ops[a as usize % ops.len()];
        match c % 4 {
            0 => pager.send(&Completion {
                outcome: Outcome::from_raw(b as u64 % 8),
                op,
                cookie,
                frame,
                results: [u64::MAX; 2],
            }),
            1 => pager.send_raw(&[u64::MAX, 0, b as u64, u64::MAX]),
            2 => pager.send_raw(&ebb_proto::pager::Notice::Unlinked { inode: 3 }.pack()),
            _ => {
                if let Some(inode) = self.books.iter().find(|(_, b)| !b.unlinked).map(|(n, _)| *n) {
                    pager.grant(&self.w.volume, inode, RW, 60_000);
                }
            }
        }
    }
}
