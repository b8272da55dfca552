// SPDX-License-Identifier: BSD-2-Clause
//! Files: objects whose pager is the vnode pager, and the open files of programs.
//!
//! `vm` is the authority for the size of a file that it holds, and holds it as long as somebody has it open or mapped, or a page of it is in memory: what was
//! read stays for the next who asks. The pager is told when there is nothing left ([`Op::Release`]).

use crate::machine::Machine;
use crate::object::Object;
use crate::vm::Vm;
use alloc::vec::Vec;
use ebb_abi::PAGE_SIZE;
use ebb_abi::meter::Counter;
use ebb_proto::Error;
use ebb_proto::fs::OpenFlags;
use ebb_proto::pager::Op;
use ebb_proto::vm::{FileStatus, MAX_FILES, Space};

const PAGE: u64 = PAGE_SIZE as u64;
/// Bytes that a file may have: the pages' numbers have 32 bits.
pub const MAX_SIZE: u64 = (u32::MAX as u64 - 1) * PAGE;
/// Files that nobody uses whose pages are kept.
const MAX_UNUSED: usize = 512;

/// A file.
#[derive(Clone, Copy, Debug)]
pub struct File {
    /// Its inode.
    pub inode: u32,
    /// Bytes.
    pub size: u64,
    /// Pages from here on were never written to the disk.
    pub written_end: u32,
    /// How often it is open, or behind a private mapping, or may be opened by a grant.
    pub users: u32,
    /// Grants for it that the pager that is attached has given.
    pub grants: u32,
    /// How often a page could not be written, and why the last time.
    pub failures: (u32, Error),
    /// How many of these somebody was told of.
    pub told: u32,
    /// How often the pager gave a page back unwritten, to be sent again.
    pub given_back: u32,
    /// There was no space for several pages at once: they are asked for one by one.
    pub tight: bool,
    /// It has no name any more.
    pub unlinked: bool,
    /// Somebody is making it longer or shorter: others who would wait.
    pub locked: bool,
    /// Some page may be modified that was not when the syncer last looked.
    pub touched: bool,
    /// Pages of regions that may write to it.
    pub writable: u32,
    /// When it was last used, in uses of files.
    pub used: u64,
}

impl File {
    /// One with this inode and size.
    pub fn new(inode: u32, size: u64) -> File {
        let mut file = File {
            inode,
            size,
            written_end: 0,
            users: 0,
            grants: 0,
            failures: (0, Error::Io),
            told: 0,
            given_back: 0,
            tight: false,
            unlinked: false,
            locked: false,
            touched: false,
            writable: 0,
            used: 0,
        };
        file.written_end = file.pages();
        file
    }

    /// Its pages, the last perhaps only in part.
    pub fn pages(&self) -> u32 {
        self.size.div_ceil(PAGE).min(u32::MAX as u64) as u32
    }

    /// Bytes of its last page that belong to it, 0 if all do.
    pub fn tail(&self) -> u64 {
        self.size % PAGE
    }

    /// Whether the end lies inside this page.
    pub fn ends_in(&self, index: u32) -> bool {
        self.tail() != 0 && index + 1 == self.pages()
    }
}

/// An open file (`struct file`): what those who share it share.
#[derive(Clone, Copy, Debug)]
pub struct Description {
    /// The file's object.
    pub object: u32,
    /// What may be done.
    pub rights: OpenFlags,
    /// Every write goes to the end.
    pub append: bool,
    /// Where the next read or write begins.
    pub offset: u64,
    /// A read or a write is moving the offset: others who would wait.
    pub moving: bool,
    /// Where a sequential reader would go on, and how many pages were last brought in for it.
    pub read_ahead: (u32, u32),
    /// The page that was last read.
    pub last: u32,
    /// How many programs' tables have it.
    refs: u32,
}

/// All open files.
#[derive(Default)]
pub struct Descriptions {
    slots: Vec<Option<Description>>,
}

impl Descriptions {
    /// An open file.
    pub fn get(&self, number: u32) -> Option<&Description> {
        self.slots.get(number as usize)?.as_ref()
    }

    /// An open file, to change it.
    pub fn get_mut(&mut self, number: u32) -> Option<&mut Description> {
        self.slots.get_mut(number as usize)?.as_mut()
    }

    /// All.
    pub fn iter(&self) -> impl Iterator<Item = &Description> {
        self.slots.iter().flatten()
    }

    /// Keeps an open file open for somebody who uses it just now.
    pub fn hold(&mut self, number: u32) -> Result<Description, Error> {
        let description = self.get_mut(number).ok_or(Error::BadFile)?;
        description.refs += 1;
        Ok(*description)
    }

    fn insert(&mut self, description: Description) -> u32 {
        match self.slots.iter().position(Option::is_none) {
            Some(at) => {
                self.slots[at] = Some(description);
                at as u32
            }
            None => {
                self.slots.push(Some(description));
                self.slots.len() as u32 - 1
            }
        }
    }
}

/// The open files of a space: numbers of descriptions.
#[derive(Default, Debug)]
pub struct FileTable {
    slots: Vec<Option<u32>>,
}

impl FileTable {
    /// The description with this number in the table.
    pub fn get(&self, file: u32) -> Option<u32> {
        self.slots.get(file as usize).copied().flatten()
    }

    /// Whether one can be added.
    fn has_room(&self) -> bool {
        self.slots.iter().flatten().count() < MAX_FILES
    }

    fn insert(&mut self, description: u32) -> u32 {
        match self.slots.iter().position(Option::is_none) {
            Some(at) => {
                self.slots[at] = Some(description);
                at as u32
            }
            None => {
                self.slots.push(Some(description));
                self.slots.len() as u32 - 1
            }
        }
    }

    /// One with the same numbers for the same open files.
    fn same(&self) -> FileTable {
        FileTable { slots: self.slots.clone() }
    }

    fn take(&mut self, file: u32) -> Option<u32> {
        self.slots.get_mut(file as usize)?.take()
    }

    /// All.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.slots.iter().flatten().copied()
    }
}

impl<M: Machine> Vm<M> {
    /// The object of a file; made if there is none.
    pub(crate) fn file_object(&mut self, inode: u32, size: u64) -> u32 {
        if let Some(object) = self.vnode.by_inode.get(&inode) {
            return *object;
        }
        let object = self.objects.insert(Object::new_file(File::new(inode, size.min(MAX_SIZE))));
        if self.vnode.by_inode.insert(inode, object).is_none() && self.vnode.by_inode.len() == 1 {
            // Until now the syncer had nothing to look at.
            self.sync_due = self.m.now() + self.sync_period_ms * self.cycles_per_ms;
        }
        self.frames.meter.add(Counter::v_files, 1);
        object
    }

    /// The open file behind a program's number, with these rights.
    pub(crate) fn description(&self, space: Space, file: u32, rights: OpenFlags) -> Result<u32, Error> {
        let number = self.spaces.get(space).and_then(|s| s.files.get(file)).ok_or(Error::BadFile)?;
        let description = self.descriptions.get(number).ok_or(Error::BadFile)?;
        if description.rights.contains(rights) { Ok(number) } else { Err(Error::BadFile) }
    }

    /// The object of an open file.
    pub(crate) fn object_of(&self, space: Space, file: u32, rights: OpenFlags) -> Result<u32, Error> {
        let number = self.description(space, file, rights)?;
        self.descriptions.get(number).map(|d| d.object).ok_or(Error::BadFile)
    }

    /// Opens a file with a grant.
    pub fn file_open(&mut self, space: Space, grant: u32, append: bool) -> Result<(u32, u64), Error> {
        let found = self.vnode.grants.iter().position(|g| (g.number, g.space) == (grant, space));
        let at = found.ok_or(Error::NotFound)?;
        if !self.spaces.get(space).is_some_and(|s| s.files.has_room()) {
            return Err(Error::TooManyFiles);
        }
        // The grant's use of the file becomes the open file's.
        let grant = self.vnode.grants.remove(at).ok_or(Error::NotFound)?;
        let number = self.descriptions.insert(Description {
            object: grant.object,
            rights: grant.rights,
            append,
            offset: 0,
            moving: false,
            read_ahead: (0, 0),
            last: u32::MAX,
            refs: 1,
        });
        self.vnode.uses += 1;
        let (uses, size) = (self.vnode.uses, self.file_size(grant.object));
        if let Some(file) = self.objects.get_mut(grant.object).and_then(Object::file_mut) {
            file.used = uses;
        }
        let file = self.spaces.get_mut(space).map(|s| s.files.insert(number)).ok_or(Error::NotFound)?;
        Ok((file, size))
    }

    /// Bytes of a file.
    pub(crate) fn file_size(&self, object: u32) -> u64 {
        self.objects.get(object).and_then(Object::file).map_or(0, |f| f.size)
    }

    /// Gives an open file to another space as well.
    pub fn file_share(&mut self, from: Space, file: u32, to: Space) -> Result<u32, Error> {
        let number = self.description(from, file, OpenFlags::empty())?;
        let space = self.spaces.get_mut(to).ok_or(Error::NotFound)?;
        if !space.files.has_room() {
            return Err(Error::TooManyFiles);
        }
        let there = space.files.insert(number);
        if let Some(d) = self.descriptions.get_mut(number) {
            d.refs += 1;
        }
        Ok(there)
    }

    /// Gives a space that has none all open files of another, under the same numbers.
    pub(crate) fn files_inherit(&mut self, from: Space, to: Space) {
        let Some(files) = self.spaces.get(from).map(|s| s.files.same()) else { return };
        let Some(space) = self.spaces.get_mut(to) else { return };
        for number in files.iter() {
            if let Some(d) = self.descriptions.get_mut(number) {
                d.refs += 1;
            }
        }
        space.files = files;
    }

    /// Closes a file.
    pub fn file_close(&mut self, space: Space, file: u32) -> Result<(), Error> {
        let number = self.spaces.get_mut(space).and_then(|s| s.files.take(file)).ok_or(Error::BadFile)?;
        self.drop_description(number);
        Ok(())
    }

    /// One program less has an open file.
    pub(crate) fn drop_description(&mut self, number: u32) {
        let Some(d) = self.descriptions.get_mut(number) else { return };
        d.refs = d.refs.saturating_sub(1);
        if d.refs > 0 {
            return;
        }
        let object = d.object;
        self.descriptions.slots[number as usize] = None;
        self.drop_user(object);
    }

    /// One user less of a file.
    pub(crate) fn drop_user(&mut self, object: u32) {
        if let Some(file) = self.objects.get_mut(object).and_then(Object::file_mut) {
            file.users = file.users.saturating_sub(1);
        }
        self.reap(object);
        self.drop_unused();
    }

    /// What is known of an open file.
    pub fn file_info(&self, space: Space, file: u32) -> Result<FileStatus, Error> {
        let number = self.description(space, file, OpenFlags::empty())?;
        let d = self.descriptions.get(number).ok_or(Error::BadFile)?;
        let o = self.objects.get(d.object).ok_or(Error::BadFile)?;
        let file = o.file().ok_or(Error::BadFile)?;
        Ok(FileStatus {
            inode: file.inode,
            size: file.size,
            offset: d.offset,
            rights: d.rights.bits(),
            append: d.append,
            pages: (o.resident, self.known_dirty(d.object)),
        })
    }

    fn known_dirty(&self, object: u32) -> u32 {
        let Some(o) = self.objects.get(object) else { return 0 };
        let (mut at, mut dirty) = (0, 0);
        while let Some(index) = o.next_used(at, u32::MAX) {
            at = index + 1;
            let frame = o.entry(index).frame();
            dirty +=
                frame.is_some_and(|f| self.frames.page(f).flags.contains(crate::page::Flags::DIRTY)) as u32;
        }
        dirty
    }

    /// Moves the own offset of an open file.
    pub fn file_seek(&mut self, space: Space, file: u32, to: i64, whence: u8) -> Result<u64, Error> {
        let number = self.description(space, file, OpenFlags::empty())?;
        let d = self.descriptions.get(number).ok_or(Error::BadFile)?;
        let base = match whence {
            0 => 0,
            1 => d.offset,
            2 => self.file_size(d.object),
            _ => return Err(Error::Invalid),
        };
        let offset = base.checked_add_signed(to).filter(|o| *o <= MAX_SIZE).ok_or(Error::Invalid)?;
        if let Some(d) = self.descriptions.get_mut(number) {
            d.offset = offset;
        }
        Ok(offset)
    }

    /// Forgets a file of which nothing is left, and tells the pager.
    pub(crate) fn reap_file(&mut self, object: u32) {
        let Some(o) = self.objects.get(object) else { return };
        let Some(file) = o.file() else { return };
        let (unused, inode, grants) = (file.users == 0 && o.mapped == 0, file.inode, file.grants);
        if unused && file.unlinked && o.resident > 0 {
            // Nobody will ever see these pages again.
            self.drop_file_pages(object, 0);
        }
        let Some(o) = self.objects.get(object) else { return };
        if !unused || o.resident > 0 || o.busy > 0 {
            return;
        }
        if let Some(o) = self.objects.remove(object) {
            for leaf in o.leaves.iter() {
                self.free_leaf(*leaf);
            }
        }
        self.vnode.by_inode.remove(&inode);
        self.frames.meter.sub(Counter::v_files, 1);
        self.submit_file_op(Op::Release, [inode as u64, grants as u64, 0]);
    }

    /// Keeps the number of files that nobody uses within bounds: the one that was used least recently and has nothing to be written goes.
    fn drop_unused(&mut self) {
        if self.vnode.by_inode.len() <= MAX_UNUSED {
            return;
        }
        let unused = |o: &Object| o.mapped == 0 && o.busy == 0;
        let candidates = self.objects.iter().filter(|(_, o)| unused(o));
        let idle = candidates
            .filter_map(|(id, o)| o.file().filter(|f| f.users == 0 && !f.touched).map(|f| (f.used, id)));
        if let Some((_, oldest)) = idle.min() {
            self.drop_clean_pages(oldest);
            self.reap(oldest);
        }
    }
}
