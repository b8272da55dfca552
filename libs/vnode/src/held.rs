// SPDX-License-Identifier: BSD-2-Clause
//! Files that `vm` has, or may open with a grant: their size is what `vm` says, and their blocks are kept when they lose their last name.

use crate::ahead::Ahead;
use alloc::collections::BTreeMap;

/// Files held at most: more than `vm` keeps and programs can open.
pub const MAX_HELD: usize = 8192;

/// A file that is held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Held {
    /// Bytes, as `vm` has them.
    pub size: u64,
    /// Grants that `vm` has not said that it has seen.
    pub grants: u64,
    /// It is in the folder of unlinked files.
    pub unlinked: bool,
    /// Pages were written past the file system: the time of the last change has to be set.
    pub touched: bool,
    /// Its first page is known to have a block ([`crate::anchor`]).
    pub anchored: bool,
    /// Blocks behind its end.
    pub ahead: Ahead,
    /// `vm` has not been told of it.
    fresh: bool,
    /// Somebody has set the time of the last change since it was last opened for writing: what `vm` writes later does not change it.
    pub modified_us: Option<u64>,
}

/// All of them, by inode.
#[derive(Default)]
pub struct Table {
    files: BTreeMap<u32, Held>,
}

impl Table {
    /// How many.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// A file.
    pub fn get(&self, inode: u32) -> Option<&Held> {
        self.files.get(&inode)
    }

    /// A file, to change it.
    pub fn get_mut(&mut self, inode: u32) -> Option<&mut Held> {
        self.files.get_mut(&inode)
    }

    /// `vm` has it. `false`: there are too many.
    pub fn hold(&mut self, inode: u32, size: u64, unlinked: bool) -> bool {
        if self.files.len() >= MAX_HELD && !self.files.contains_key(&inode) {
            return false;
        }
        let file = Held {
            size,
            grants: 0,
            unlinked,
            touched: false,
            anchored: false,
            ahead: Ahead::default(),
            fresh: false,
            modified_us: None,
        };
        self.files.insert(inode, file);
        true
    }

    /// Counts a grant, and returns the file's size. `None`: there are too many files.
    pub fn grant(&mut self, inode: u32, size: u64, writes: bool) -> Option<u64> {
        let fresh = !self.files.contains_key(&inode);
        if fresh && !self.hold(inode, size, false) {
            return None;
        }
        let file = self.files.get_mut(&inode)?;
        file.fresh = fresh;
        file.grants += 1;
        if writes {
            file.modified_us = None;
        }
        Some(file.size)
    }

    /// A grant that was counted was not given.
    pub fn take_back(&mut self, inode: u32) {
        let Some(file) = self.files.get_mut(&inode) else { return };
        file.grants = file.grants.saturating_sub(1);
        if file.grants == 0 && file.fresh {
            self.files.remove(&inode);
        }
    }

    /// `vm` has nothing of it, and has seen so many grants. Returns the file if it is held no longer.
    pub fn release(&mut self, inode: u32, seen: u64) -> Option<Held> {
        let file = self.files.get_mut(&inode)?;
        file.grants = file.grants.saturating_sub(seen);
        if file.grants > 0 {
            return None;
        }
        self.files.remove(&inode)
    }

    /// All.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Held)> {
        self.files.iter().map(|(n, h)| (*n, h))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_that_vm_has_not_seen_holds_a_file() {
        let mut table = Table::default();
        assert_eq!(table.grant(12, 100, false), Some(100));
        assert_eq!(table.grant(12, 100, false), Some(100));
        assert!(table.release(12, 1).is_none());
        assert!(table.get(12).is_some());
        assert!(table.release(12, 1).is_some());
        assert!(table.get(12).is_none());
        assert!(table.release(12, 1).is_none(), "of a file that is not held");
        assert!(table.hold(13, 5, false));
        assert_eq!(table.grant(13, 100, false), Some(5), "vm knows the size better");
        assert!(table.release(13, 1).is_some());
    }

    #[test]
    fn the_table_has_an_end() {
        let mut table = Table::default();
        for inode in 0..MAX_HELD as u32 {
            assert!(table.hold(inode, 0, false));
        }
        assert_eq!(table.grant(u32::MAX, 0, false), None);
        assert!(table.grant(1, 0, false).is_some());
        assert_eq!(table.len(), MAX_HELD);
    }
}
