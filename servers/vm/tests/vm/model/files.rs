// SPDX-License-Identifier: BSD-2-Clause
//! Files in the machine: the vnode pager's comings and goings, calls on open files, and programs that touch any byte.

use super::program::Program;
use super::reply::Answer;
use super::vnode::{Block, DiskFile, PageOp, ScriptedVnode, Volume};
use super::world::{PAGE, World, decode};
use ebb_abi::fault::Access;
use ebb_abi::map::MapFlags;
use ebb_abi::{Handle, PAGE_SIZE};
use ebb_proto::Error;
use ebb_proto::fs::OpenFlags;
use ebb_proto::pager::Outcome;
use ebb_proto::vm::{self as proto, INIT, OWN_OFFSET, PagerKind, Protection, Request, Source, Space};
use ebb_vm::object::Object;

/// Whether a program reaches a byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// In this frame.
    There(u32),
    /// It waits for its fault.
    Waits,
    /// It was refused.
    Refused,
}

/// Reading and writing.
pub const RW: OpenFlags = OpenFlags::READ.union(OpenFlags::WRITE);

impl World {
    /// A machine with a vnode pager and a disk of so many free blocks, and a swap device.
    pub fn with_files(nr_frames: u32, blocks: u64) -> World {
        let mut world = World::with_swap(nr_frames, 2000);
        world.volume = Volume::new(blocks);
        world.attach_vnode();
        world
    }

    /// Makes a new instance of the vnode pager and attaches it.
    pub fn attach_vnode(&mut self) {
        let space = self.space("vnode-pager", true);
        let attach = Request::PagerAttach(proto::PagerAttach { space, kind: PagerKind::Vnode });
        let (_, reply) = self.call_with(INIT, attach, Handle(70 + space));
        let attached: proto::PagerAttachment = decode(reply.expect("at once")).expect("attaching a pager");
        let words = self.vm.segments[self.vm.vnode.ch.segment() as usize]
            .as_ref()
            .and_then(|s| s.own_words())
            .expect("rings");
        let rings = &words[..ebb_proto::pager::RING_PAGES as usize * PAGE_SIZE / 8];
        let first_grant = attached.generation * 1_000_000;
        self.vnode = Some(ScriptedVnode::new(rings, attached.frames, first_grant));
        self.vnode_space = space;
        self.start(space);
        self.vnode_accept();
        // Files without a name that nobody holds any more are removed.
        let held = &self.vnode.as_ref().expect("a pager").held;
        let gone = |n: &u32, f: &DiskFile| f.unlinked && !held.contains_key(n);
        let gone: Vec<u32> = self.volume.files.iter().filter(|(n, f)| gone(n, f)).map(|(n, _)| *n).collect();
        for inode in gone {
            let file = self.volume.files.remove(&inode).expect("a file");
            self.volume.free += file.blocks.len() as u64;
        }
    }

    /// The vnode pager dies; of the writes under way those chosen have reached the disk.
    pub fn kill_vnode(&mut self, landed: impl FnMut(&PageOp) -> bool) {
        let mut pager = self.vnode.take().expect("a vnode pager");
        // What it never looked at it cannot have done.
        pager.accept(&self.vm.m, &mut self.volume);
        pager.die(&mut self.vm.m, &mut self.volume, landed);
        let space = core::mem::take(&mut self.vnode_space);
        self.init::<()>(Request::SpaceFree(proto::SpaceFree { space })).expect("ending the pager");
    }

    /// The vnode pager looks into its ring.
    pub fn vnode_accept(&mut self) {
        if let Some(pager) = &mut self.vnode {
            pager.accept(&self.vm.m, &mut self.volume);
        }
    }

    /// The server looks into its ring.
    pub fn vnode_completions(&mut self) {
        self.vm.take_completions(PagerKind::Vnode);
        self.settle();
    }

    /// Pages and operations under way at the vnode pager.
    pub fn vnode_pending(&mut self) -> usize {
        self.vnode_accept();
        self.vnode.as_ref().map_or(0, |p| p.pages.len() + p.ops.len())
    }

    /// Pages under way at the vnode pager: inode and index.
    pub fn pages_under_way(&mut self) -> Vec<(u32, u32)> {
        self.vnode_accept();
        self.vnode.as_ref().map_or(Vec::new(), |p| p.pages.iter().map(|t| (t.inode, t.index)).collect())
    }

    /// The vnode pager ends the n-th page or, after those, operation.
    pub fn vnode_finish(&mut self, nth: usize, outcome: Outcome) {
        if let Some(pager) = &mut self.vnode {
            match nth.checked_sub(pager.pages.len()) {
                None => pager.finish_page(nth, outcome, &mut self.vm.m, &mut self.volume),
                Some(nth) => pager.finish_op(nth, outcome, &mut self.volume),
            }
        }
        self.vnode_completions();
    }

    /// The vnode pager ends everything that it has been asked for so far in this way.
    pub fn vnode_finish_all(&mut self, outcome: Outcome) {
        for _ in 0..self.vnode_pending() {
            self.vnode_finish(0, outcome);
        }
        self.run_programs();
    }

    /// A program whose memory the test keeps account of itself.
    pub fn file_program(&mut self) -> Space {
        let space = self.space("program", false);
        self.programs.insert(space, Program { loose: true, ..Program::default() });
        space
    }

    /// Opens a file.
    pub fn open(&mut self, space: Space, inode: u32, rights: OpenFlags) -> u32 {
        self.open_as(space, inode, rights, false).0
    }

    /// Opens a file; its number and size.
    pub fn open_as(&mut self, space: Space, inode: u32, rights: OpenFlags, append: bool) -> (u32, u64) {
        self.vnode_accept();
        let pager = self.vnode.as_mut().expect("a vnode pager");
        let grant = pager.grant(&self.volume, inode, rights, space);
        self.ask(space, Request::FileOpen(proto::FileOpen { grant, append })).expect("opening")
    }

    /// Makes a file with these contents and opens it in a new program.
    pub fn opened(&mut self, contents: &[u8]) -> (Space, u32, u32) {
        let inode = self.volume.create(contents);
        let space = self.file_program();
        (space, inode, self.open(space, inode, RW))
    }

    /// Closes a file.
    pub fn close(&mut self, space: Space, file: u32) -> Result<(), Error> {
        self.ask(space, Request::FileClose(proto::FileClose { file }))
    }

    /// `read`, begun.
    pub fn read_begin(
        &mut self,
        space: Space,
        file: u32,
        offset: u64,
        address: u64,
        bytes: u32,
    ) -> (u64, Option<Answer>) {
        self.call(space, Request::Read(proto::Read { file, offset, address, bytes }))
    }

    /// `write`, begun.
    pub fn write_begin(
        &mut self,
        space: Space,
        file: u32,
        offset: u64,
        address: u64,
        bytes: u32,
    ) -> (u64, Option<Answer>) {
        self.call(space, Request::Write(proto::Write { file, offset, address, bytes }))
    }

    /// `read`, with pagers that work.
    pub fn read_at(
        &mut self,
        space: Space,
        file: u32,
        offset: u64,
        address: u64,
        bytes: u32,
    ) -> Result<u32, Error> {
        let (id, answer) = self.read_begin(space, file, offset, address, bytes);
        self.wait(id, answer)
    }

    /// `write`, with pagers that work.
    pub fn write_at(
        &mut self,
        space: Space,
        file: u32,
        offset: u64,
        address: u64,
        bytes: u32,
    ) -> Result<u32, Error> {
        let (id, answer) = self.write_begin(space, file, offset, address, bytes);
        self.wait(id, answer)
    }

    /// `read` from the own offset.
    pub fn read_on(&mut self, space: Space, file: u32, address: u64, bytes: u32) -> Result<u32, Error> {
        self.read_at(space, file, OWN_OFFSET, address, bytes)
    }

    /// `write` at the own offset.
    pub fn write_on(&mut self, space: Space, file: u32, address: u64, bytes: u32) -> Result<u32, Error> {
        self.write_at(space, file, OWN_OFFSET, address, bytes)
    }

    /// `ftruncate`, with pagers that work.
    pub fn truncate(&mut self, space: Space, file: u32, size: u64) -> Result<(), Error> {
        let (id, answer) = self.call(space, Request::Truncate(proto::Truncate { file, size }));
        self.wait(id, answer)
    }

    /// `fsync`, with pagers that work.
    pub fn fsync(&mut self, space: Space, file: u32) -> Result<(), Error> {
        let (id, answer) = self.call(space, Request::Sync(proto::Sync { file }));
        self.wait(id, answer)
    }

    /// `sync`, with pagers that work.
    pub fn sync_all(&mut self) -> Result<(), Error> {
        let (id, answer) = self.call(INIT, Request::SyncAll(proto::SyncAll {}));
        self.wait(id, answer)
    }

    /// What is known of an open file.
    pub fn info(&mut self, space: Space, file: u32) -> proto::FileStatus {
        self.ask(space, Request::FileInfo(proto::FileInfo { file })).expect("file info")
    }

    /// Maps a file, asked by the program itself.
    pub fn map_file(
        &mut self,
        space: Space,
        file: u32,
        first: u32,
        pages: u64,
        protection: Protection,
        private: bool,
    ) -> Result<u64, Error> {
        let (protection, source) = (protection.bits(), Source::File { file, first, private });
        self.ask(space, Request::Map(proto::Map { space: 0, address: 0, pages, protection, source }))
    }

    /// A shared mapping of the beginning of a file, readable and writable.
    pub fn map_shared(&mut self, space: Space, file: u32, pages: u64) -> u64 {
        self.map_file(space, file, 0, pages, Protection::READ | Protection::WRITE, false).expect("mmap")
    }

    /// A private mapping of the beginning of a file, readable and writable.
    pub fn map_private(&mut self, space: Space, file: u32, pages: u64) -> u64 {
        self.map_file(space, file, 0, pages, Protection::READ | Protection::WRITE, true).expect("mmap")
    }

    /// Lets a program reach for a byte. If it has to wait, it does so until this is called again with the same arguments and its fault is answered.
    pub fn reach(&mut self, space: Space, address: u64, access: Access) -> Reach {
        let page = address & !(PAGE - 1);
        for _ in 0..64 {
            if let Some(id) = self.programs.get(&space).and_then(|p| p.reaching) {
                let Some(answer) = self.vm.m.answers.take(id) else { return Reach::Waits };
                let Some(program) = self.programs.get_mut(&space) else { return Reach::Refused };
                program.reaching = None;
                match answer {
                    Answer::Resumed => {}
                    Answer::Refused => {
                        program.refused = true;
                        return Reach::Refused;
                    }
                    _ => return Reach::Refused,
                }
            }
            let Some(task) = self.vm.spaces.get(space).map(|s| s.task) else { return Reach::Refused };
            let mut needed = MapFlags::empty();
            needed.set(MapFlags::WRITE, access.contains(Access::WRITE));
            needed.set(MapFlags::EXECUTE, access.contains(Access::EXECUTE));
            if let Some(frame) = self.vm.m.reach(task, page, needed) {
                return Reach::There(frame);
            }
            let present = self.vm.m.pte(task, page).map_or(Access::empty(), |_| Access::PRESENT);
            let (id, reply) = self.vm.m.answers.ask();
            if let Some(program) = self.programs.get_mut(&space) {
                program.reaching = Some(id);
            }
            let resolved = self.vm.fault(space, address, access | present, reply, false);
            self.settle();
            if let Some((reply, op)) = resolved {
                self.enter(space, op, reply);
            }
        }
        panic!("a fault that is answered again and again");
    }

    /// The same, with pagers and a policy that work.
    fn reach_at_last(&mut self, space: Space, address: u64, access: Access) -> Option<u32> {
        for _ in 0..2000 {
            match self.reach(space, address, access) {
                Reach::There(frame) => return Some(frame),
                Reach::Refused => return None,
                Reach::Waits => {
                    self.pump();
                    self.run_policy();
                    self.pass(5);
                }
            }
        }
        panic!("a fault that is never answered; the log: {:#?}", self.vm.m.log);
    }

    /// A program writes bytes; `false`: it was refused.
    pub fn poke(&mut self, space: Space, address: u64, bytes: &[u8]) -> bool {
        let mut at = 0;
        while at < bytes.len() {
            let address = address + at as u64;
            let Some(frame) = self.reach_at_last(space, address, Access::WRITE) else { return false };
            let inside = (address % PAGE) as usize;
            let n = (bytes.len() - at).min(PAGE as usize - inside);
            self.vm.m.frames[frame as usize].bytes[inside..inside + n].copy_from_slice(&bytes[at..at + n]);
            at += n;
        }
        true
    }

    /// A program reads bytes; `None`: it was refused.
    pub fn peek(&mut self, space: Space, address: u64, len: usize) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity(len);
        while bytes.len() < len {
            let address = address + bytes.len() as u64;
            let frame = self.reach_at_last(space, address, Access::empty())?;
            let inside = (address % PAGE) as usize;
            let n = (len - bytes.len()).min(PAGE as usize - inside);
            bytes.extend_from_slice(&self.vm.m.frames[frame as usize].bytes[inside..inside + n]);
        }
        Some(bytes)
    }

    /// What a program's anonymous memory holds, wherever it is. Nothing is touched by looking.
    pub fn look_at_memory(&self, space: Space, address: u64, len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(len);
        while bytes.len() < len {
            let address = address + bytes.len() as u64;
            let inside = (address % PAGE) as usize;
            let n = (len - bytes.len()).min(PAGE as usize - inside);
            let key = self.key(space, address);
            let entry = self.vm.objects.get(key.0).expect("an object").entry(key.1);
            let page = match entry
                .frame()
                .filter(|f| !self.vm.frames.page(*f).flags.contains(ebb_vm::page::Flags::READING))
            {
                Some(frame) => Some(&self.vm.m.frames[frame as usize].bytes),
                None => self.store.pages.get(&key).filter(|_| entry.swapped()),
            };
            match page {
                Some(page) => bytes.extend_from_slice(&page[inside..inside + n]),
                None => bytes.resize(bytes.len() + n, 0),
            }
        }
        bytes
    }

    /// What a file holds, in memory or on the disk, and how long it is. Nothing is touched by looking.
    pub fn look_at_file(&self, inode: u32) -> Vec<u8> {
        let on_disk = self.volume.files.get(&inode);
        let object = self.vm.vnode.by_inode.get(&inode).and_then(|n| self.vm.objects.get(*n));
        let size = match object.and_then(Object::file) {
            Some(file) => file.size,
            None => on_disk.map_or(0, |f| f.size),
        };
        let mut all = Vec::with_capacity(size.next_multiple_of(PAGE) as usize);
        for index in 0..size.div_ceil(PAGE) as u32 {
            let entry = object.map(|o| o.entry(index)).unwrap_or_default();
            let frame = entry
                .frame()
                .filter(|f| !self.vm.frames.page(*f).flags.contains(ebb_vm::page::Flags::READING));
            let block = on_disk.and_then(|f| f.blocks.get(&index));
            match (frame, block) {
                (Some(frame), _) => all.extend_from_slice(&self.vm.m.frames[frame as usize].bytes[..]),
                (None, Some(Block::Written(bytes))) => all.extend_from_slice(&bytes[..]),
                (None, _) => all.resize(all.len() + PAGE as usize, 0),
            }
        }
        all.truncate(size as usize);
        all
    }

    /// What the file is for `vm`.
    pub fn file(&self, inode: u32) -> Option<&ebb_vm::file::File> {
        let object = self.vm.vnode.by_inode.get(&inode)?;
        self.vm.objects.get(*object)?.file()
    }

    /// The entry of a page of a file.
    pub fn file_entry(&self, inode: u32, index: u32) -> ebb_vm::object::Entry {
        let object = self.vm.vnode.by_inode.get(&inode).and_then(|n| self.vm.objects.get(*n));
        object.map(|o| o.entry(index)).unwrap_or_default()
    }

    /// Pages of a file that are in memory, those that are being read too.
    pub fn resident(&self, inode: u32) -> Vec<u32> {
        let object = self.vm.vnode.by_inode.get(&inode).and_then(|n| self.vm.objects.get(*n));
        let Some(object) = object else { return Vec::new() };
        (0..object.pages).filter(|i| object.entry(*i).frame().is_some()).collect()
    }

    /// All clean pages of a file are given up, as a policy would.
    pub fn evict(&mut self, inode: u32) {
        let Some(object) = self.vm.vnode.by_inode.get(&inode).copied() else { return };
        let seat = self.scripted_policy();
        let pages: Vec<u32> = self.resident(inode);
        for index in pages {
            let Some(frame) = self.vm.objects.get(object).and_then(|o| o.entry(index).frame()) else {
                continue;
            };
            let mut batch = [self.decision(proto::Want::Reclaim, frame)];
            self.decide_raw(&seat, 0, &mut batch).expect("a decision");
        }
        let space = seat.space;
        self.init::<()>(Request::SpaceFree(proto::SpaceFree { space })).expect("ending the policy");
    }
}

/// Bytes that are all different from their neighbours and from those of another seed.
pub fn pattern(seed: u64, len: usize) -> Vec<u8> {
    let mut n = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..len)
        .map(|_| {
            n = n.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (n >> 33) as u8
        })
        .collect()
}
