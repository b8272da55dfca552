// SPDX-License-Identifier: BSD-2-Clause
//! Random interleavings of all that can happen to files, on a machine that is too small for them. Whatever happens: a byte reads as what was last written there,
//! through whichever way; what `fsync` has answered for is on the disk; a program is refused a page only for a reason; nobody waits for ever; and in the end
//! everything has come back.

use crate::model::files::{RW, Reach, pattern};
use crate::model::reply::Answer;
use crate::model::world::{PAGE, World, decode};
use ebb_abi::fault::Access;
use ebb_proto::Error;
use ebb_proto::fs::OpenFlags;
use ebb_proto::pager::{Completion, Op as PagerOp, Outcome};
use ebb_proto::vm::{self as proto, Advice, Happening, OWN_OFFSET, Protection, Request, Space};
use ebb_vm::page::Place;
use proptest::prelude::*;
use std::collections::BTreeMap;

const FRAMES: u32 = 340;
/// Pages of the memory that a program writes from, and reads into.
const BUFFER: u64 = 12;
/// Most pages of a file.
const MAX_FILE: u64 = 50;
const MAX_PROGRAMS: usize = 4;
const MAX_MAPS: usize = 3;
const MAX_OPEN: usize = 4;
const MAX_BOOKS: usize = 5;

/// One step: what, and three numbers that it takes what it needs from.
type Step = (Kind, u16, u16, u16);

#[derive(Clone, Copy, Debug)]
enum Kind {
    Start,
    End,
    Open,
    Close,
    Share,
    Read,
    Write,
    Truncate,
    Sync,
    Map,
    Unmap,
    Protect,
    Advise,
    Wire,
    Unwire,
    Poke,
    Peek,
    Msync,
    SyncAll,
    Unlink,
    Finish,
    FinishAll,
    Accept,
    Complete,
    Swap,
    Nonsense,
    KillVnode,
    AttachVnode,
    AttachPolicy,
    KillPolicy,
    RunPolicy,
    Evict,
    Hurry,
    Pass,
}

fn kind() -> impl Strategy<Value = Kind> {
    use Kind::*;
    prop_oneof![
        3 => Just(Start), 1 => Just(End), 8 => Just(Open), 3 => Just(Close), 1 => Just(Share),
        22 => Just(Read), 24 => Just(Write), 7 => Just(Truncate), 4 => Just(Sync),
        8 => Just(Map), 3 => Just(Unmap), 2 => Just(Protect), 4 => Just(Advise), 2 => Just(Wire), 2 => Just(Unwire),
        30 => Just(Poke), 24 => Just(Peek), 3 => Just(Msync), 2 => Just(SyncAll), 1 => Just(Unlink),
        24 => Just(Finish), 12 => Just(FinishAll), 6 => Just(Accept), 6 => Just(Complete), 12 => Just(Swap),
        2 => Just(Nonsense), 2 => Just(KillVnode), 6 => Just(AttachVnode),
        2 => Just(AttachPolicy), 1 => Just(KillPolicy), 12 => Just(RunPolicy), 2 => Just(Evict), 1 => Just(Hurry),
        8 => Just(Pass),
    ]
}

/// What a file must hold.
struct Book {
    bytes: Vec<u8>,
    change: Option<Change>,
    /// Counts everything that was done to it.
    version: u64,
    unlinked: bool,
    /// The program that changes it is gone.
    orphan: bool,
}

/// A change of a file that is under way.
#[derive(Clone, Debug)]
enum Change {
    Write { offset: usize, data: Vec<u8> },
    Truncate { size: usize },
}

impl Book {
    /// How long it is at least while it is being changed.
    fn sure(&self) -> usize {
        match &self.change {
            Some(Change::Truncate { size }) => self.bytes.len().min(*size),
            _ => self.bytes.len(),
        }
    }

    /// Whether a byte may be there now. Behind the end anything may.
    fn allows(&self, offset: usize, byte: u8) -> bool {
        let base = self.bytes.get(offset).copied();
        let changed = match &self.change {
            Some(Change::Write { offset: from, data }) => {
                offset.checked_sub(*from).and_then(|n| data.get(n)).is_some_and(|b| *b == byte)
            }
            Some(Change::Truncate { size }) => offset >= *size,
            None => false,
        };
        changed || base.is_none_or(|b| b == byte)
    }

    /// Whether a store through a mapping has a certain effect.
    fn is_settled(&self, offset: usize) -> bool {
        match &self.change {
            None => true,
            Some(Change::Write { offset: from, data }) => {
                offset < self.bytes.len() && !(*from..from + data.len()).contains(&offset)
            }
            Some(Change::Truncate { size }) => offset < self.bytes.len().min(*size),
        }
    }

    /// A change is over: so much of it was done.
    fn done(&mut self, done: usize) {
        self.version += 1;
        match self.change.take() {
            Some(Change::Write { offset, data }) if done > 0 => {
                let end = offset + done;
                self.bytes.resize(self.bytes.len().max(end), 0);
                self.bytes[offset..end].copy_from_slice(&data[..done]);
            }
            Some(Change::Truncate { size }) if done > 0 => self.bytes.resize(size, 0),
            _ => {}
        }
    }
}

/// A mapping.
#[derive(Clone, Debug)]
struct Mapping {
    address: u64,
    pages: u64,
    inode: u32,
    first: u32,
    private: bool,
    writable: bool,
    /// Bytes that a private one has itself, by page of it.
    own: BTreeMap<u64, BTreeMap<u64, u8>>,
}

/// What a program does.
#[derive(Clone, Debug)]
enum Job {
    Idle,
    Read { id: u64, inode: u32, offset: Option<usize>, into: u64, len: usize, version: u64 },
    Write { id: u64, inode: u32 },
    Truncate { id: u64, inode: u32 },
    Sync { id: u64, inode: u32, version: u64 },
    Other { id: u64 },
    Touch { address: u64, write: Option<u8>, shorter: bool },
}

struct Prog {
    files: Vec<(u32, u32, bool)>,
    maps: Vec<Mapping>,
    source: u64,
    data: Vec<u8>,
    target: u64,
    job: Job,
}

struct Run {
    w: World,
    books: BTreeMap<u32, Book>,
    progs: BTreeMap<Space, Prog>,
    syncs: Vec<u64>,
    /// Whether the disk fails now and then; and whether it may have failed.
    failing: bool,
    errors: bool,
    small: bool,
    seed: u64,
}

/// Whether somebody has a file open or mapped.
fn in_use(w: &World, inode: u32) -> bool {
    let object = w.vm.vnode.by_inode.get(&inode).and_then(|n| w.vm.objects.get(*n));
    object.is_some_and(|o| o.mapped > 0 || o.file().is_some_and(|f| f.users > 0))
}

impl Run {
    fn new(blocks: u64, errors: bool) -> Run {
        let mut w = World::with_files(FRAMES, blocks);
        w.init::<()>(Request::SetAside(proto::SetAside { pages: 40 })).expect("setting aside");
        Run {
            w,
            books: BTreeMap::new(),
            progs: BTreeMap::new(),
            syncs: Vec::new(),
            failing: errors,
            errors,
            small: blocks < 500,
            seed: 1,
        }
    }

    fn pick(&self, n: u16) -> Option<Space> {
        let idle: Vec<Space> =
            self.progs.iter().filter(|(_, p)| matches!(p.job, Job::Idle)).map(|(s, _)| *s).collect();
        (!idle.is_empty()).then(|| idle[n as usize % idle.len()])
    }

    fn step(&mut self, (kind, a, b, c): Step) {
        match kind {
            Kind::Start => self.start(),
            Kind::End => {
                if let Some(space) = self.progs.keys().nth(a as usize % MAX_PROGRAMS).copied() {
                    self.end(space);
                }
            }
            Kind::Open => self.open(a, b, c),
            Kind::Close => {
                if let Some(space) = self.pick(a)
                    && let Some(p) = self.progs.get_mut(&space)
                    && !p.files.is_empty()
                {
                    let (file, ..) = p.files.swap_remove(b as usize % p.files.len());
                    self.w.close(space, file).expect("closing");
                }
            }
            Kind::Share => self.share(a, b),
            Kind::Read => self.read(a, b, c),
            Kind::Write => self.write(a, b, c),
            Kind::Truncate => self.truncate(a, b, c),
            Kind::Sync => {
                if let Some((space, file, inode, _)) = self.pick_file(a, b) {
                    let version = self.books[&inode].version;
                    let (id, answer) = self.w.call(space, Request::Sync(proto::Sync { file }));
                    self.called(space, Job::Sync { id, inode, version }, answer);
                }
            }
            Kind::Map => self.map(a, b, c),
            Kind::Unmap => self.unmap(a, b, c),
            Kind::Protect => self.protect(a, b),
            Kind::Advise => self.advise(a, b, c),
            Kind::Wire => {
                if let Some((space, n)) = self.pick_map(a, b)
                    && let m = &self.progs[&space].maps[n]
                    && !m.private
                {
                    let pages = 1 + c as u64 % m.pages.min(6);
                    let request = Request::Wire(proto::Wire { space: 0, address: m.address, pages });
                    let (id, answer) = self.w.call(space, request);
                    self.called(space, Job::Other { id }, answer);
                }
            }
            Kind::Unwire => {
                if let Some((space, n)) = self.pick_map(a, b) {
                    let m = &self.progs[&space].maps[n];
                    let pages = 1 + c as u64 % m.pages;
                    let unwire = Request::Unwire(proto::Unwire { space: 0, address: m.address, pages });
                    let unwired: Result<(), Error> = self.w.ask(space, unwire);
                    assert!(matches!(unwired, Ok(()) | Err(Error::Fault)));
                }
            }
            Kind::Poke => self.touch(a, b, c, true),
            Kind::Peek => self.touch(a, b, c, false),
            Kind::Msync => {
                if let Some((space, n)) = self.pick_map(a, b) {
                    let m = &self.progs[&space].maps[n];
                    let (address, pages) = (m.address, m.pages);
                    let wait = c.is_multiple_of(2);
                    let request = Request::SyncRange(proto::SyncRange { space: 0, address, pages, wait });
                    let (id, answer) = self.w.call(space, request);
                    self.called(space, Job::Other { id }, answer);
                }
            }
            Kind::SyncAll => {
                let (id, answer) = self.w.call(proto::INIT, Request::SyncAll(proto::SyncAll {}));
                match answer {
                    None => self.syncs.push(id),
                    Some(answer) => self.synced(answer),
                }
            }
            Kind::Unlink => {
                if let Some(inode) = self.pick_book(a)
                    && let Some(pager) = self.w.vnode.as_mut()
                {
                    pager.unlink(&mut self.w.volume, inode);
                    if let Some(book) = self.books.get_mut(&inode) {
                        book.unlinked = true;
                    }
                }
            }
            Kind::Finish => self.finish(a, b),
            Kind::FinishAll => {
                for n in 0..self.w.vnode_pending() as u16 {
                    self.finish(a.rotate_left(n as u32), b.wrapping_add(n.wrapping_mul(977)));
                }
            }
            Kind::Accept => self.w.vnode_accept(),
            Kind::Complete => self.w.vnode_completions(),
            Kind::Swap => {
                for _ in 0..self.w.transfers() {
                    self.w.finish(0, Outcome::Ok);
                }
            }
            Kind::Nonsense => self.nonsense(a, b, c),
            Kind::KillVnode => {
                if self.w.vnode.is_some() {
                    let mut n = a;
                    self.w.kill_vnode(|_| {
                        n = n.rotate_left(3).wrapping_add(0x35);
                        n.is_multiple_of(2)
                    });
                }
            }
            Kind::AttachVnode => self.attach_vnode(),
            Kind::AttachPolicy => {
                self.w.kill_policy();
                let seated: Result<Space, Error> =
                    self.w.init(Request::SpaceNew(proto::SpaceNew { name: "x".into(), protected: false }));
                if let Ok(space) = seated {
                    // There is memory enough for a space.
                    self.w.init::<()>(Request::SpaceFree(proto::SpaceFree { space })).expect("ending it");
                    self.w.attach_policy(if a.is_multiple_of(2) { "freebsd" } else { "fifo" });
                }
            }
            Kind::KillPolicy => self.w.kill_policy(),
            Kind::RunPolicy => self.w.run_policy(),
            Kind::Evict => {
                if let (None, Some(inode)) = (self.w.policy.as_ref(), self.pick_book(a))
                    && self.w.vm.frames.gate.free_count() > 80
                {
                    self.w.evict(inode);
                }
            }
            Kind::Hurry => self.w.vm.sync_due = 0,
            Kind::Pass => self.w.pass(a as u64 % 2000),
        }
        self.look();
    }

    fn start(&mut self) {
        if self.progs.len() >= MAX_PROGRAMS || self.w.vm.frames.gate.free_count() < 40 {
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

    fn attach_vnode(&mut self) {
        if self.w.vnode.is_none() {
            self.w.attach_vnode();
        }
    }

    fn end(&mut self, space: Space) {
        self.w.end(space);
        self.gone(space);
    }

    /// A program is gone, and with it what it was doing.
    fn gone(&mut self, space: Space) {
        let Some(p) = self.progs.remove(&space) else { return };
        if let Job::Write { inode, .. } | Job::Truncate { inode, .. } = p.job
            && let Some(book) = self.books.get_mut(&inode)
        {
            book.orphan = true;
        }
    }

    fn pick_book(&self, n: u16) -> Option<u32> {
        let named: Vec<u32> = self.books.iter().filter(|(_, b)| !b.unlinked).map(|(n, _)| *n).collect();
        (!named.is_empty()).then(|| named[n as usize % named.len()])
    }

    fn open(&mut self, a: u16, b: u16, c: u16) {
        let Some(space) = self.pick(a) else { return };
        if self.w.vnode.is_none() || self.progs[&space].files.len() >= MAX_OPEN {
            return;
        }
        let named = self.books.values().filter(|b| !b.unlinked).count();
        let inode = match self.pick_book(b) {
            Some(inode) if named >= MAX_BOOKS || c % 4 > 0 => inode,
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

    fn share(&mut self, a: u16, b: u16) {
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

    fn pick_file(&self, a: u16, b: u16) -> Option<(Space, u32, u32, bool)> {
        let space = self.pick(a)?;
        let files = &self.progs[&space].files;
        let (file, inode, append) = *files.get(b as usize % files.len().max(1))?;
        Some((space, file, inode, append))
    }

    fn pick_map(&self, a: u16, b: u16) -> Option<(Space, usize)> {
        let space = self.pick(a)?;
        let maps = self.progs[&space].maps.len();
        (maps > 0).then(|| (space, b as usize % maps))
    }

    fn read(&mut self, a: u16, b: u16, c: u16) {
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

    fn write(&mut self, a: u16, b: u16, c: u16) {
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

    fn truncate(&mut self, a: u16, b: u16, c: u16) {
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

    fn map(&mut self, a: u16, b: u16, c: u16) {
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

    fn unmap(&mut self, a: u16, b: u16, c: u16) {
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

    fn protect(&mut self, a: u16, b: u16) {
        let Some((space, n)) = self.pick_map(a, b) else { return };
        let m = &mut self.progs.get_mut(&space).expect("a program").maps[n];
        m.writable = !m.writable;
        let protection = if m.writable { Protection::READ | Protection::WRITE } else { Protection::READ };
        let (address, pages, protection) = (m.address, m.pages, protection.bits());
        let protect = Request::Protect(proto::Protect { space: 0, address, pages, protection });
        self.w.ask::<()>(space, protect).expect("mprotect");
    }

    fn advise(&mut self, a: u16, b: u16, c: u16) {
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

    fn touch(&mut self, a: u16, b: u16, c: u16, write: bool) {
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
    fn touch_on(&mut self, space: Space) {
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

    fn called(&mut self, space: Space, job: Job, answer: Option<Answer>) {
        if let Some(p) = self.progs.get_mut(&space) {
            p.job = job;
        }
        if let Some(answer) = answer {
            self.answered(space, answer);
        }
    }

    fn answered(&mut self, space: Space, answer: Answer) {
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

    fn synced(&mut self, answer: Answer) {
        if let Err(error) = decode::<()>(answer) {
            assert!(self.errors && error == Error::Io, "{error:?} to sync");
        }
    }

    /// What a file holds is what it must.
    fn compare(&self, inode: u32) {
        let book = &self.books[&inode];
        let is = self.w.look_at_file(inode);
        assert_eq!(is.len(), book.bytes.len(), "length of {inode}");
        if let Some(at) = (0..is.len()).find(|n| is[*n] != book.bytes[*n]) {
            panic!("byte {at} of {inode} is {:#x}, not {:#x}", is[at], book.bytes[at]);
        }
    }

    /// Files whose contents are certain: nobody changes them just now, and they are not on their way out.
    fn sure(&self) -> Vec<u32> {
        let there = |inode: u32, b: &Book| b.change.is_none() && (!b.unlinked || in_use(&self.w, inode));
        self.books.iter().filter(|(n, b)| there(**n, b)).map(|(n, _)| *n).collect()
    }

    /// Answers that came, programs that ended, files whose changer is gone.
    fn look(&mut self) {
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
    fn adopt(&mut self, inode: u32) {
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

    fn finish(&mut self, a: u16, b: u16) {
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

    fn nonsense(&mut self, a: u16, b: u16, c: u16) {
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

    /// Lets everything come to rest, with pagers that work and whatever policy there is.
    fn rest(&mut self) {
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

    fn finish_run(&mut self) {
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

/// Seeded, so that a run can be repeated; `VM_CASES`, `VM_SEED` and `VM_SHRINK` ask for others.
fn config() -> ProptestConfig {
    let number =
        |name: &str, default: u64| std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default);
    ProptestConfig {
        cases: number("VM_CASES", 40) as u32,
        failure_persistence: None,
        rng_seed: prop::test_runner::RngSeed::Fixed(number("VM_SEED", 1)),
        max_shrink_iters: number("VM_SHRINK", 1500) as u32,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]
    #[test]
    fn whatever_happens_a_file_holds_what_was_written(
        blocks in prop_oneof![Just(2000u64), Just(60)],
        errors in any::<bool>(),
        steps in prop::collection::vec((kind(), any::<u16>(), any::<u16>(), any::<u16>()), 50..900)
    ) {
        let mut run = Run::new(blocks, errors);
        let start = [(Kind::Start, 0, 0, 0), (Kind::Start, 0, 0, 0), (Kind::Open, 0, 0, 40_000), (Kind::Open, 1, 0, 1)];
        for (n, step) in start.into_iter().chain(steps).enumerate() {
            run.step(step);
            if n % 64 == 63 {
                let sure = run.sure();
                sure.into_iter().for_each(|n| run.compare(n));
            }
        }
        run.finish_run();
    }
}
