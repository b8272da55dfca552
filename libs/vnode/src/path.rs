// SPDX-License-Identifier: BSD-2-Clause
//! From a path to an inode: `.`, `..`, doubled slashes and symbolic links. What it walks through is checked at each step, nothing is kept.

use crate::errors::error_of;
use crate::store::Store;
use crate::world::World;
use alloc::string::String;
use alloc::vec::Vec;
use ebb_proto::Error;
use ebb_proto::fs::{MAX_LINKS, MAX_NAME, MAX_PATH};
use rsext4::{DirectoryEntryType, FileName, InodeInfo, InodeNumber};

/// The folder of unlinked files, in the root. Nobody can name it.
pub const HIDDEN: &str = ".ebb-unlinked";

/// Where a path leads.
#[derive(Clone, Debug)]
pub struct Place {
    /// The directory that has the name, or would have it.
    pub parent: InodeNumber,
    /// The name in it. `None`: the path ends with `.`, `..` or is the root.
    pub name: Option<String>,
    /// What has the name, if anything has.
    pub found: Option<InodeInfo>,
    /// The path ended with a slash: only a directory will do.
    pub slash: bool,
}

impl Place {
    /// What has the name.
    pub fn info(&self) -> Result<InodeInfo, Error> {
        match self.found {
            Some(info) if self.slash && !info.is_directory() => Err(Error::NotDirectory),
            Some(info) => Ok(info),
            None => Err(Error::NotFound),
        }
    }

    /// The name. `otherwise`: the error if the path ends without one.
    pub fn name(&self, otherwise: Error) -> Result<FileName<'_>, Error> {
        let name = self.name.as_ref().ok_or(otherwise)?;
        FileName::new(name.as_bytes()).map_err(error_of)
    }
}

/// Follows a path. `follow`: also a symbolic link at its end.
pub fn walk<W: World>(store: &mut Store<W>, path: &str, follow: bool) -> Result<Place, Error> {
    if path.len() > MAX_PATH {
        return Err(Error::NameTooLong);
    }
    if path.is_empty() {
        return Err(Error::NotFound);
    }
    if !path.starts_with('/') || path.contains('\0') {
        return Err(Error::Invalid);
    }
    let root = store.read(|fs| Ok(fs.root_inode()))?;
    // Directories from the root on, and components that are still to be followed, the next one last.
    let mut above: Vec<InodeNumber> = alloc::vec![root];
    let mut left: Vec<String> = Vec::new();
    let mut slash = push(&mut left, path);
    let mut links = 0;
    let mut place = Place { parent: root, name: None, found: None, slash: false };
    while let Some(component) = left.pop() {
        let dir = above.last().copied().unwrap_or(root);
        match component.as_str() {
            "." => continue,
            ".." => {
                if above.len() > 1 {
                    above.pop();
                }
                continue;
            }
            name if name.len() > MAX_NAME => return Err(Error::NameTooLong),
            HIDDEN if dir == root => return Err(Error::Access),
            _ => {}
        }
        let name = FileName::new(component.as_bytes()).map_err(error_of)?;
        let found = store.read(|fs| fs.lookup_child(dir, name))?;
        let last = left.is_empty();
        match found {
            Some(info) if info.file_type() == DirectoryEntryType::Symlink && (!last || follow || slash) => {
                links += 1;
                if links > MAX_LINKS {
                    return Err(Error::Loop);
                }
                let target = read_link(store, &info)?;
                if target.starts_with('/') {
                    above.truncate(1);
                }
                let target_slash = push(&mut left, &target);
                slash |= last && target_slash;
            }
            Some(info) if info.is_directory() && !last => above.push(info.number),
            Some(_) if !last => return Err(Error::NotDirectory),
            None if !last => return Err(Error::NotFound),
            found => {
                place = Place { parent: dir, name: Some(component), found, slash };
                return Ok(place);
            }
        }
    }
    // The path ends with a directory that was walked into.
    let dir = above.last().copied().unwrap_or(root);
    place.parent = above.len().checked_sub(2).and_then(|at| above.get(at)).copied().unwrap_or(root);
    place.found = Some(store.read(|fs| fs.inode(dir))?);
    place.slash = slash;
    Ok(place)
}

/// What a symbolic link says.
pub fn read_link<W: World>(store: &mut Store<W>, info: &InodeInfo) -> Result<String, Error> {
    let mut bytes = alloc::vec![0; MAX_PATH + 1];
    let count = store.read(|fs| fs.read_inode(info.number, 0, &mut bytes))?;
    if count > MAX_PATH {
        return Err(Error::NameTooLong);
    }
    bytes.truncate(count);
    if bytes.is_empty() {
        return Err(Error::Damaged);
    }
    String::from_utf8(bytes).map_err(|_| Error::Invalid)
}

/// Puts a path's components before those that are left. Returns whether it ends with a slash.
fn push(left: &mut Vec<String>, path: &str) -> bool {
    let components = path.split('/').filter(|c| !c.is_empty());
    left.extend(components.rev().map(String::from));
    path.ends_with('/')
}
