// SPDX-License-Identifier: BSD-2-Clause
//! Reading directories.

use super::names::ask;
use super::{Error, Kind};
use crate::path::absolute;
use alloc::string::String;
use alloc::vec;
use ebb_proto::fs::{Entry, List};

/// A name in a directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DirEntry {
    /// The name.
    pub name: String,
    /// Inode number.
    pub inode: u32,
    /// Kind.
    pub kind: Kind,
}

/// The names in a directory, without `.` and `..`, in no order. They are fetched as they are wanted.
#[derive(Debug)]
pub struct ReadDir {
    path: String,
    piece: vec::IntoIter<Entry>,
    next: Option<[u64; 3]>,
    over: bool,
}

/// Begins to read a directory. `NotDirectory`, `NotFound`, …
pub fn read_dir(path: &str) -> Result<ReadDir, Error> {
    let mut directory = ReadDir { path: absolute(path), piece: vec![].into_iter(), next: None, over: false };
    directory.fetch()?;
    Ok(directory)
}

impl ReadDir {
    fn fetch(&mut self) -> Result<(), Error> {
        let listing = ask(&List { path: self.path.clone(), from: self.next }).0?;
        self.piece = listing.entries.into_iter();
        self.next = listing.next;
        self.over = self.next.is_none();
        Ok(())
    }
}

impl Iterator for ReadDir {
    type Item = Result<DirEntry, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(Entry { name, inode, kind }) = self.piece.next() {
                return Some(Ok(DirEntry { name, inode, kind }));
            }
            if self.over {
                return None;
            }
            if let Err(error) = self.fetch() {
                self.over = true;
                return Some(Err(error));
            }
        }
    }
}
