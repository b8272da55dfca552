// SPDX-License-Identifier: BSD-2-Clause
//! Calls about names: listing, making, removing, renaming, linking.

use crate::cut;
use crate::errors::error_of;
use crate::open::kind_of;
use crate::pager::VnodePager;
use crate::path::{HIDDEN, Place, read_link, walk};
use crate::unlinked::OWNER;
use crate::world::World;
use alloc::string::String;
use ebb_proto::Error;
use ebb_proto::fs::{Entry, Listing, MAX_PATH};
use ebb_proto::pager::Notice;
use rsext4::{DirectoryCursor, DirectoryEntryType, FilePermissions, InodeInfo, InodeNumber, RenameOptions};

/// Bytes of names in a piece of a listing, with what is sent with each.
const LISTING: usize = 3000;
/// Bytes that an entry takes besides its name, at most.
const ENTRY: usize = 10;
/// Entries read at a time.
const AT_A_TIME: usize = 32;

impl<W: World> VnodePager<W> {
    /// `List`.
    pub fn list(&mut self, path: &str, from: Option<[u64; 3]>) -> Result<Listing, Error> {
        self.look(|p| {
            let info = walk(&mut p.store, path, true)?.info()?;
            if !info.is_directory() {
                return Err(Error::NotDirectory);
            }
            let mut cursor = from.map_or(Ok(DirectoryCursor::Start), unpack)?;
            let mut listing = Listing::default();
            let mut room = LISTING;
            loop {
                let batch = p.store.read(|fs| fs.read_directory(info.number, cursor, AT_A_TIME))?;
                if batch.is_empty() {
                    return Ok(listing);
                }
                for entry in batch {
                    let name = String::from_utf8_lossy(&entry.name).into_owned();
                    if room < name.len() + ENTRY {
                        listing.next = pack(cursor);
                        return Ok(listing);
                    }
                    cursor = entry.next_cursor;
                    let own = name == "." || name == ".." || (name == HIDDEN && p.is_root(info.number));
                    if !own {
                        room -= name.len() + ENTRY;
                        let (inode, kind) = (entry.inode.raw(), p.kind(&entry)?);
                        listing.entries.push(Entry { name, inode, kind });
                    }
                }
            }
        })
    }

    /// What a directory entry stands for. Some file systems do not say so in the entry.
    fn kind(&mut self, entry: &rsext4::DirectoryEntry) -> Result<ebb_proto::fs::Kind, Error> {
        if entry.file_type != DirectoryEntryType::Unknown {
            return Ok(kind_of(entry.file_type));
        }
        let info = self.store.read(|fs| fs.inode(entry.inode))?;
        Ok(kind_of(info.file_type()))
    }

    fn is_root(&mut self, inode: InodeNumber) -> bool {
        self.store.read(|fs| Ok(fs.root_inode())) == Ok(inode)
    }

    /// `MakeDirectory`.
    pub fn make_directory(&mut self, path: &str, mode: u16) -> Result<(), Error> {
        self.alter(|p| {
            let place = p.free_place(path)?;
            let name = place.name(Error::Exists)?;
            let mode = FilePermissions::new(mode & 0o7777).map_err(error_of)?;
            p.store.change(|fs| fs.create_directory(OWNER, place.parent, name, mode)).map(|_| ())
        })
    }

    /// `Remove`.
    pub fn remove(&mut self, path: &str) -> Result<(), Error> {
        self.alter(|p| {
            let place = walk(&mut p.store, path, false)?;
            let info = place.info()?;
            if info.is_directory() {
                return Err(Error::IsDirectory);
            }
            let name = place.name(Error::IsDirectory)?;
            p.may_change(place.parent)?;
            if !p.goes_slowly(&info) {
                cut::empty(&mut p.store, &info)?;
                let outcome = p.store.change(|fs| fs.unlink(place.parent, name))?;
                if outcome.requires_reap() {
                    p.forget_file(info.number.raw());
                    p.store.change(|fs| fs.reap_unlinked_inode(outcome.inode))?;
                }
                return Ok(());
            }
            p.unlinked.take(&mut p.store, place.parent, name, &info)?;
            p.was_unlinked(&info)
        })
    }

    /// Whether something that is about to lose its last name goes to the folder of unlinked files: because it is in use, or has blocks.
    fn goes_slowly(&self, info: &InodeInfo) -> bool {
        let held = self.held.get(info.number.raw()).is_some();
        let has_blocks = info.file_type() == DirectoryEntryType::RegularFile && info.blocks > 0;
        info.links <= 1 && (held || (has_blocks && self.unlinked.is_open()))
    }

    /// A file is in the folder of unlinked files now.
    fn was_unlinked(&mut self, info: &InodeInfo) -> Result<(), Error> {
        let inode = info.number.raw();
        if self.held.get(inode).is_none() {
            self.forget_file(inode);
            return self.unlinked.remove(&mut self.store, inode);
        }
        self.store.commit()?;
        if let Some(held) = self.held.get_mut(inode) {
            held.unlinked = true;
        }
        self.notify(Notice::Unlinked { inode }).or_else(|error| {
            // It only means that `vm` writes pages that nobody will read.
            self.log(format_args!("vm was not told that inode {inode} is unlinked: {error}"));
            Ok(())
        })
    }

    /// `RemoveDirectory`.
    pub fn remove_directory(&mut self, path: &str) -> Result<(), Error> {
        self.alter(|p| {
            let place = walk(&mut p.store, path, false)?;
            let info = place.info()?;
            if !info.is_directory() {
                return Err(Error::NotDirectory);
            }
            if p.is_root(info.number) {
                return Err(Error::Busy);
            }
            let name = place.name(Error::Invalid)?;
            p.may_change(place.parent)?;
            let outcome = p.store.change(|fs| fs.remove_empty_directory(place.parent, name))?;
            p.store.change(|fs| fs.reap_unlinked_inode(outcome.inode))
        })
    }

    /// `Rename`.
    pub fn rename(&mut self, from: &str, to: &str) -> Result<(), Error> {
        self.alter(|p| {
            let old = walk(&mut p.store, from, false)?;
            let source = old.info()?;
            let new = walk(&mut p.store, to, false)?;
            let (old_name, new_name) = (old.name(Error::Busy)?, new.name(Error::Busy)?);
            if new.slash && !source.is_directory() {
                return Err(Error::NotDirectory);
            }
            p.may_change(old.parent)?;
            p.may_change(new.parent)?;
            if source.is_directory() && p.is_within(new.parent, source.number)? {
                return Err(Error::Invalid);
            }
            let mut stays = None;
            match new.found {
                // Two names of one file, or one name twice.
                Some(target) if target.number == source.number => return Ok(()),
                Some(target) => {
                    replaceable(&source, &target)?;
                    if !target.is_directory() && p.goes_slowly(&target) {
                        p.unlinked.link(&mut p.store, &target)?;
                        stays = Some(target);
                    } else {
                        cut::empty(&mut p.store, &target)?;
                    }
                }
                None => {}
            }
            let options = RenameOptions::REPLACE;
            let outcome =
                p.store.change(|fs| fs.rename(old.parent, old_name, new.parent, new_name, options))?;
            if let Some(replaced) = outcome.replaced
                && replaced.requires_reap()
            {
                p.forget_file(replaced.inode.raw());
                p.store.change(|fs| fs.reap_unlinked_inode(replaced.inode))?;
            }
            stays.map_or(Ok(()), |target| p.was_unlinked(&target))
        })
    }

    /// Whether a directory is another one or lies in it.
    fn is_within(&mut self, directory: InodeNumber, of: InodeNumber) -> Result<bool, Error> {
        let up = rsext4::FileName::new(b"..").map_err(error_of)?;
        let mut at = directory;
        // A path through more directories than this cannot be written.
        for _ in 0..MAX_PATH {
            if at == of {
                return Ok(true);
            }
            if self.is_root(at) {
                return Ok(false);
            }
            at = self.store.read(|fs| fs.lookup_child(at, up))?.ok_or(Error::Damaged)?.number;
        }
        Err(Error::Damaged)
    }

    /// `Link`.
    pub fn link(&mut self, from: &str, to: &str) -> Result<(), Error> {
        self.alter(|p| {
            let info = walk(&mut p.store, from, false)?.info()?;
            if info.is_directory() {
                return Err(Error::NotPermitted);
            }
            let place = p.free_place(to)?;
            if place.slash {
                return Err(Error::NotFound);
            }
            let name = place.name(Error::Exists)?;
            p.store.change(|fs| fs.hard_link(info.number, place.parent, name)).map(|_| ())
        })
    }

    /// `MakeLink`.
    pub fn make_link(&mut self, target: &str, path: &str) -> Result<(), Error> {
        if target.len() > MAX_PATH {
            return Err(Error::NameTooLong);
        }
        if target.is_empty() || target.contains('\0') {
            return Err(Error::Invalid);
        }
        self.alter(|p| {
            let place = p.free_place(path)?;
            if place.slash {
                return Err(Error::NotFound);
            }
            let name = place.name(Error::Exists)?;
            p.store.change(|fs| fs.create_symlink(OWNER, place.parent, name, target.as_bytes())).map(|_| ())
        })
    }

    /// `ReadLink`.
    pub fn read_link(&mut self, path: &str) -> Result<String, Error> {
        self.look(|p| {
            let info = walk(&mut p.store, path, false)?.info()?;
            match info.file_type() {
                DirectoryEntryType::Symlink => read_link(&mut p.store, &info),
                _ => Err(Error::Invalid),
            }
        })
    }

    /// A name that is free, in a directory that may be changed.
    fn free_place(&mut self, path: &str) -> Result<Place, Error> {
        let place = walk(&mut self.store, path, false)?;
        if place.found.is_some() {
            return Err(Error::Exists);
        }
        self.may_change(place.parent)?;
        Ok(place)
    }
}

/// Whether `target` may give its name to `source`.
fn replaceable(source: &InodeInfo, target: &InodeInfo) -> Result<(), Error> {
    match (source.is_directory(), target.is_directory()) {
        (true, false) => Err(Error::NotDirectory),
        (false, true) => Err(Error::IsDirectory),
        _ => Ok(()),
    }
}

/// A cursor as clients have it.
fn pack(cursor: DirectoryCursor) -> Option<[u64; 3]> {
    match cursor {
        DirectoryCursor::Start => Some([0, 0, 0]),
        DirectoryCursor::Linear { offset } => Some([1, offset, 0]),
        DirectoryCursor::HTree { major, minor, collision } => {
            Some([2, (major as u64) << 32 | minor as u64, collision as u64])
        }
        DirectoryCursor::End => None,
    }
}

/// What a client gave back. `Invalid`: it never got that.
fn unpack(words: [u64; 3]) -> Result<DirectoryCursor, Error> {
    match words {
        [0, 0, 0] => Ok(DirectoryCursor::Start),
        [1, offset, 0] => Ok(DirectoryCursor::Linear { offset }),
        [2, hash, collision] => Ok(DirectoryCursor::HTree {
            major: (hash >> 32) as u32,
            minor: hash as u32,
            collision: u32::try_from(collision).map_err(|_| Error::Invalid)?,
        }),
        _ => Err(Error::Invalid),
    }
}
