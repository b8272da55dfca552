// SPDX-License-Identifier: BSD-2-Clause
//! Random interleavings of all that can happen to files, on a machine that is too small for them. Whatever happens: a byte reads as what was last written there,
//! through whichever way; what `fsync` has answered for is on the disk; a program is refused a page only for a reason; nobody waits for ever; and in the end
//! everything has come back.

mod book;
mod look;
mod steps;

use crate::config::config;
use crate::model::files::{RW, Reach, pattern};
use crate::model::reply::Answer;
use crate::model::world::{PAGE, World, decode};
use book::{Book, Change};
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
    Fork,
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
        3 => Just(Fork),
        22 => Just(Read), 24 => Just(Write), 7 => Just(Truncate), 4 => Just(Sync),
        8 => Just(Map), 3 => Just(Unmap), 2 => Just(Protect), 4 => Just(Advise), 2 => Just(Wire), 2 => Just(Unwire),
        30 => Just(Poke), 24 => Just(Peek), 3 => Just(Msync), 2 => Just(SyncAll), 1 => Just(Unlink),
        24 => Just(Finish), 12 => Just(FinishAll), 6 => Just(Accept), 6 => Just(Complete), 12 => Just(Swap),
        2 => Just(Nonsense), 2 => Just(KillVnode), 6 => Just(AttachVnode),
        2 => Just(AttachPolicy), 1 => Just(KillPolicy), 12 => Just(RunPolicy), 2 => Just(Evict), 1 => Just(Hurry),
        8 => Just(Pass),
    ]
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

#[derive(Clone)]
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
            Kind::Fork => self.fork(a),
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
}

proptest! {
    #![proptest_config(config(40, 1500))]
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
