// SPDX-License-Identifier: BSD-2-Clause
//! Files that have lost their last name and are in use, or are being removed. They get a name in a folder that nobody sees, so that neither the death of the pager nor that of the
//! machine leaves blocks that nobody owns: what `vm` gives up is removed, and after a cold start all of it.
//!
//! A file that has blocks is emptied here before it is removed ([`cut`]): the crate would also keep a list of all of them in memory.

use crate::cut;
use crate::path::HIDDEN;
use crate::store::Store;
use crate::world::World;
use alloc::string::ToString;
use alloc::vec::Vec;
use ebb_proto::Error;
use rsext4::{
    DirectoryCursor, FileName, FilePermissions, InodeInfo, InodeNumber, MutationContext, RenameOptions,
};

/// Names that are looked at at a time.
const BATCH: usize = 64;

/// The owner of what is made.
pub const OWNER: MutationContext = MutationContext::new(0, 0, 0, 0);

/// The folder.
#[derive(Default)]
pub struct Unlinked {
    folder: Option<InodeNumber>,
}

impl Unlinked {
    /// Finds the folder, or makes it: later there may be no space.
    pub fn open<W: World>(&mut self, store: &mut Store<W>) -> Result<(), Error> {
        let root = store.read(|fs| Ok(fs.root_inode()))?;
        let name = FileName::new(HIDDEN.as_bytes()).map_err(crate::errors::error_of)?;
        let found = store.read(|fs| fs.lookup_child(root, name))?;
        let folder = match found {
            Some(info) if info.is_directory() => info,
            Some(_) => return Err(Error::Exists),
            None if store.is_read_only() => return Ok(()),
            None => {
                store.change(|fs| fs.create_directory(OWNER, root, name, FilePermissions::new(0o700)?))?
            }
        };
        self.folder = Some(folder.number);
        Ok(())
    }

    fn folder(&self) -> Result<InodeNumber, Error> {
        self.folder.ok_or(Error::ReadOnly)
    }

    /// Whether a file is here.
    pub fn contains<W: World>(&self, store: &mut Store<W>, inode: u32) -> Result<bool, Error> {
        let Some(folder) = self.folder else { return Ok(false) };
        let found = with_name(inode, |name| store.read(|fs| fs.lookup_child(folder, name)))?;
        Ok(found.is_some_and(|info| info.number.raw() == inode))
    }

    /// Moves the last name of a file here.
    pub fn take<W: World>(
        &self,
        store: &mut Store<W>,
        parent: InodeNumber,
        name: FileName<'_>,
        info: &InodeInfo,
    ) -> Result<(), Error> {
        let folder = self.folder()?;
        // A stale name: nobody has the file that it means.
        self.remove(store, info.number.raw())?;
        let outcome = with_name(info.number.raw(), |here| {
            store.change(|fs| fs.rename(parent, name, folder, here, RenameOptions::REPLACE))
        })?;
        if outcome.replaced.is_some() { Err(Error::Damaged) } else { Ok(()) }
    }

    /// Gives a file a name here as well, because it is about to lose the one that it has.
    pub fn link<W: World>(&self, store: &mut Store<W>, info: &InodeInfo) -> Result<(), Error> {
        let (folder, inode) = (self.folder()?, info.number.raw());
        if self.contains(store, inode)? {
            return Ok(());
        }
        // A name that means another file is a stale one.
        self.remove(store, inode)?;
        with_name(inode, |here| store.change(|fs| fs.hard_link(info.number, folder, here))).map(|_| ())
    }

    /// Whether there is a folder.
    pub fn is_open(&self) -> bool {
        self.folder.is_some()
    }

    /// Removes a file that nobody uses any more. One that is not here is no error.
    pub fn remove<W: World>(&self, store: &mut Store<W>, inode: u32) -> Result<(), Error> {
        let folder = self.folder()?;
        let found = with_name(inode, |here| store.read(|fs| fs.lookup_child(folder, here)))?;
        let Some(info) = found else { return Ok(()) };
        cut::empty(store, &info)?;
        match with_name(inode, |here| store.change(|fs| fs.unlink(folder, here))) {
            Ok(outcome) if outcome.requires_reap() => {
                store.change(|fs| fs.reap_unlinked_inode(outcome.inode))
            }
            Ok(_) | Err(Error::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The files that are here.
    pub fn list<W: World>(&self, store: &mut Store<W>) -> Result<Vec<u32>, Error> {
        let Some(folder) = self.folder else { return Ok(Vec::new()) };
        let (mut all, mut cursor) = (Vec::new(), DirectoryCursor::Start);
        loop {
            let batch = store.read(|fs| fs.read_directory(folder, cursor, BATCH))?;
            let Some(last) = batch.last() else { return Ok(all) };
            cursor = last.next_cursor;
            let numbers =
                batch.iter().filter_map(|e| core::str::from_utf8(&e.name).ok()?.parse::<u32>().ok());
            all.extend(numbers);
        }
    }
}

fn with_name<T>(inode: u32, then: impl FnOnce(FileName<'_>) -> Result<T, Error>) -> Result<T, Error> {
    let name = inode.to_string();
    then(FileName::new(name.as_bytes()).map_err(crate::errors::error_of)?)
}
