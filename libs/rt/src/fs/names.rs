// SPDX-License-Identifier: BSD-2-Clause
//! Operations on names.

use super::{Error, Mount, Stat, TRIES, handle};
use crate::client::call;
use crate::path::absolute;
use alloc::string::String;
use alloc::vec::Vec;
use ebb_proto::{Operation, fs, vm};

/// Calls the pager of files, again if it died; whether it did.
pub(super) fn ask<O: Operation>(operation: &O) -> (Result<O::Reply, Error>, bool) {
    let pager = match handle("vnode-pager") {
        Ok(pager) => pager,
        Err(error) => return (Err(error), false),
    };
    let mut died = false;
    for _ in 0..TRIES {
        match call(pager, operation) {
            Err(Error::Dead) => died = true,
            result => return (result, died),
        }
    }
    (Err(Error::Dead), true)
}

/// As [`ask`]; after a death an answer that says that it is done already counts as success.
fn change<O: Operation<Reply = ()>>(operation: &O, done: Error) -> Result<(), Error> {
    match ask(operation) {
        (Err(error), true) if error == done => Ok(()),
        (result, _) => result,
    }
}

/// Attributes of what a path names.
pub fn metadata(path: &str) -> Result<Stat, Error> {
    ask(&fs::Status { path: absolute(path), follow: true }).0
}

/// Attributes of the symbolic link itself, if the path names one.
pub fn symlink_metadata(path: &str) -> Result<Stat, Error> {
    ask(&fs::Status { path: absolute(path), follow: false }).0
}

/// Makes a directory with these permissions.
pub fn create_dir(path: &str, mode: u16) -> Result<(), Error> {
    change(&fs::MakeDirectory { path: absolute(path), mode }, Error::Exists)
}

/// Removes a name of a file.
pub fn remove_file(path: &str) -> Result<(), Error> {
    change(&fs::Remove { path: absolute(path) }, Error::NotFound)
}

/// Removes an empty directory.
pub fn remove_dir(path: &str) -> Result<(), Error> {
    change(&fs::RemoveDirectory { path: absolute(path) }, Error::NotFound)
}

/// Renames; what `to` named is replaced.
pub fn rename(from: &str, to: &str) -> Result<(), Error> {
    change(&fs::Rename { from: absolute(from), to: absolute(to) }, Error::NotFound)
}

/// Another name for a file.
pub fn hard_link(from: &str, to: &str) -> Result<(), Error> {
    change(&fs::Link { from: absolute(from), to: absolute(to) }, Error::Exists)
}

/// Makes a symbolic link at `path` that says `target`.
pub fn symlink(target: &str, path: &str) -> Result<(), Error> {
    change(&fs::MakeLink { target: String::from(target), path: absolute(path) }, Error::Exists)
}

/// What a symbolic link says.
pub fn read_link(path: &str) -> Result<String, Error> {
    ask(&fs::ReadLink { path: absolute(path) }).0
}

/// Sets permissions.
pub fn set_mode(path: &str, mode: u16) -> Result<(), Error> {
    ask(&fs::SetMode { path: absolute(path), mode }).0
}

/// Sets the time of the last change, microseconds since 1970.
pub fn set_modified(path: &str, us: u64) -> Result<(), Error> {
    ask(&fs::SetModified { path: absolute(path), us }).0
}

/// The mounted file systems; none without a pager of files.
pub fn mounts() -> Result<Vec<Mount>, Error> {
    match ask(&fs::Mounts {}).0 {
        Err(Error::NotFound) => Ok(Vec::new()),
        result => result,
    }
}

/// Everything that was written is durable when this returns.
pub fn sync_all() -> Result<(), Error> {
    call(handle("vm")?, &vm::SyncAll {})
}
