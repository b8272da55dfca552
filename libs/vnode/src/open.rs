// SPDX-License-Identifier: BSD-2-Clause
//! Calls about one file: opening, attributes.

use crate::disk::Wall;
use crate::pager::VnodePager;
use crate::path::{Place, walk};
use crate::unlinked::OWNER;
use crate::world::World;
use alloc::string::String;
use alloc::vec::Vec;
use ebb_proto::Error;
use ebb_proto::fs::{Kind, Mount, OpenFlags, Opened, Stat};
use ebb_proto::pager::Notice;
use rsext4::{DirectoryEntryType, FilePermissions, InodeInfo, InodeMetadataUpdate};

/// Permission bits.
const MODE: u16 = 0o7777;
const MAY_READ: u16 = 0o444;
/// Bits of which one must be set to change something.
pub const MAY_WRITE: u16 = 0o222;
const MAY_EXECUTE: u16 = 0o111;

impl<W: World> VnodePager<W> {
    /// Does something that changes nothing, after what `vm` has said before.
    pub(crate) fn look<T>(&mut self, look: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        self.pump();
        look(self)
    }

    /// Does something that changes names or attributes, and commits it.
    pub(crate) fn alter<T>(
        &mut self,
        change: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.pump();
        if self.store.is_read_only() {
            return Err(Error::ReadOnly);
        }
        let result = change(self);
        // Also after an error: what was done of it lasts or is gone, but is not in between.
        if self.store.is_dirty() {
            let committed = self.store.commit();
            if let Err(error) = committed {
                self.kept.clear();
                return Err(error);
            }
        }
        result
    }

    /// `Open`, for a program in this space.
    pub fn open(&mut self, space: u32, path: &str, flags: u8, mode: u16) -> Result<Opened, Error> {
        let flags = OpenFlags::from_bits(flags).ok_or(Error::Invalid)?;
        let rights = flags & (OpenFlags::READ | OpenFlags::WRITE | OpenFlags::EXECUTE);
        if rights.is_empty() {
            return Err(Error::Invalid);
        }
        self.pump();
        let place = walk(&mut self.store, path, !flags.contains(OpenFlags::EXCLUSIVE))?;
        let (info, created) = match place.found {
            Some(_) if flags.contains(OpenFlags::CREATE | OpenFlags::EXCLUSIVE) => return Err(Error::Exists),
            Some(_) => (place.info()?, false),
            None if flags.contains(OpenFlags::CREATE) => (self.create(&place, mode)?, true),
            None => return Err(Error::NotFound),
        };
        match info.file_type() {
            DirectoryEntryType::RegularFile => {}
            DirectoryEntryType::Directory => return Err(Error::IsDirectory),
            DirectoryEntryType::Symlink => return Err(Error::Loop),
            _ => return Err(Error::Unsupported),
        }
        if !created {
            permitted(&info, rights)?;
            if rights.contains(OpenFlags::WRITE) && self.store.is_read_only() {
                return Err(Error::ReadOnly);
            }
        }
        let inode = info.number.raw();
        let writes = rights.contains(OpenFlags::WRITE);
        let size = self.held.grant(inode, info.size, writes).ok_or(Error::TooManyFiles)?;
        self.next_grant = self.next_grant.wrapping_add(1);
        let grant = self.next_grant;
        let notice = Notice::Granted { grant, rights: rights.bits(), inode, space, size };
        if let Err(error) = self.notify(notice) {
            // It was never given.
            self.held.take_back(inode);
            return Err(error);
        }
        Ok(Opened { grant, stat: self.stat(&info), created })
    }

    fn create(&mut self, place: &Place, mode: u16) -> Result<InodeInfo, Error> {
        if place.slash {
            return Err(Error::IsDirectory);
        }
        self.alter(|p| {
            p.may_change(place.parent)?;
            let name = place.name(Error::IsDirectory)?;
            let mode = FilePermissions::new(mode & MODE).map_err(crate::errors::error_of)?;
            p.store.change(|fs| fs.create_regular_file(OWNER, place.parent, name, mode))
        })
    }

    /// `Status`.
    pub fn status(&mut self, path: &str, follow: bool) -> Result<Stat, Error> {
        self.look(|p| {
            let info = walk(&mut p.store, path, follow)?.info()?;
            Ok(p.stat(&info))
        })
    }

    /// `SetMode`.
    pub fn set_mode(&mut self, path: &str, mode: u16) -> Result<(), Error> {
        self.alter(|p| {
            let info = walk(&mut p.store, path, true)?.info()?;
            let mode = FilePermissions::new(mode & MODE).map_err(crate::errors::error_of)?;
            let update = InodeMetadataUpdate { permissions: Some(mode), ..InodeMetadataUpdate::default() };
            p.store.change(|fs| fs.update_inode_metadata(info.number, update)).map(|_| ())
        })
    }

    /// `SetModified`.
    pub fn set_modified(&mut self, path: &str, us: u64) -> Result<(), Error> {
        self.alter(|p| {
            let info = walk(&mut p.store, path, true)?.info()?;
            let mtime = Some(Wall::stamp(us));
            let update = InodeMetadataUpdate { mtime, ..InodeMetadataUpdate::default() };
            p.store.change(|fs| fs.update_inode_metadata(info.number, update))?;
            if let Some(held) = p.held.get_mut(info.number.raw()) {
                held.modified_us = Some(us);
            }
            Ok(())
        })
    }

    /// `Mounts`.
    pub fn mounts(&mut self) -> Result<Vec<Mount>, Error> {
        let stats = self.store.read(|fs| Ok(fs.statfs()))?;
        Ok(alloc::vec![Mount {
            path: String::from("/"),
            disk: self.disk.clone(),
            kind: String::from("ext4"),
            read_only: self.store.is_read_only(),
            block_bytes: stats.block_size as u32,
            blocks: (stats.total_blocks, stats.free_blocks),
            inodes: (stats.total_inodes as u64, stats.free_inodes as u64),
        }])
    }

    /// `Check`.
    pub fn check(&mut self) -> Vec<String> {
        self.pump();
        self.problems()
    }

    /// Whether names in a directory may be changed.
    pub(crate) fn may_change(&mut self, directory: rsext4::InodeNumber) -> Result<(), Error> {
        let info = self.store.read(|fs| fs.inode(directory))?;
        if info.mode & MAY_WRITE == 0 { Err(Error::Access) } else { Ok(()) }
    }

    fn stat(&self, info: &InodeInfo) -> Stat {
        let inode = info.number.raw();
        let held = self.held.get(inode);
        Stat {
            inode,
            kind: kind_of(info.file_type()),
            mode: info.mode & MODE,
            links: info.links as u32,
            size: held.map_or(info.size, |h| h.size),
            blocks: info.blocks,
            modified_us: info.mtime as u64 * 1_000_000,
        }
    }
}

/// Whether the file's permissions allow this.
fn permitted(info: &InodeInfo, rights: OpenFlags) -> Result<(), Error> {
    let needs =
        [(OpenFlags::READ, MAY_READ), (OpenFlags::WRITE, MAY_WRITE), (OpenFlags::EXECUTE, MAY_EXECUTE)];
    let allowed = |(right, bits): &(OpenFlags, u16)| !rights.contains(*right) || info.mode & bits != 0;
    if needs.iter().all(allowed) { Ok(()) } else { Err(Error::Access) }
}

/// What a name stands for.
pub fn kind_of(kind: DirectoryEntryType) -> Kind {
    match kind {
        DirectoryEntryType::RegularFile => Kind::File,
        DirectoryEntryType::Directory => Kind::Directory,
        DirectoryEntryType::Symlink => Kind::Link,
        _ => Kind::Other,
    }
}
