// SPDX-License-Identifier: BSD-2-Clause
//! A way around a fault of the file system's crate: in an extent tree of two levels or more it keeps the keys of the nodes above wrong when an extent comes before the first
//! of the whole tree, and then calls the tree damaged. So the first block of a file is its first in the tree: nothing ever comes before it.

use crate::errors::error_of;
use crate::extents::Spot;
use crate::pager::VnodePager;
use crate::world::{PAGE, World};
use ebb_proto::Error;
use ebb_proto::pager::MAX_RUN;
use rsext4::{InodeNumber, PreallocationOptions};

impl<W: World> VnodePager<W> {
    /// Sees to it that a file that gets a block for a page behind the first has one for the first.
    pub(crate) fn anchor(&mut self, inode: u32, page: u64) -> Result<(), Error> {
        if page == 0 || self.held.get_mut(inode).is_some_and(|held| held.anchored) {
            return Ok(());
        }
        let number = InodeNumber::new(inode).map_err(error_of)?;
        self.extents.forget(inode);
        self.changed();
        // Where there is one already nothing happens.
        self.store
            .change(|fs| fs.preallocate_inode(number, 0, PAGE as u64, PreallocationOptions::KEEP_SIZE))?;
        if let Some(held) = self.held.get_mut(inode) {
            held.anchored = true;
        }
        Ok(())
    }

    /// Fills those of the pages with zeroes that have never been written: holes inside a file. `false`: some of them do not lie wholly inside, and only got blocks.
    pub(crate) fn fill(&mut self, inode: u32, first: u64, pages: u64) -> Result<bool, Error> {
        let number = InodeNumber::new(inode).map_err(error_of)?;
        let size = self.held.get(inode).map_or(0, |held| held.size);
        let end = first + pages;
        if end * PAGE as u64 > size || pages as usize > MAX_RUN {
            return Ok(false);
        }
        let mut at = first;
        while at < end {
            if matches!(self.spot(inode, at as u32)?.0, Spot::Disk(_)) {
                at += 1;
                continue;
            }
            let mut to = at + 1;
            while to < end && !matches!(self.spot(inode, to as u32)?.0, Spot::Disk(_)) {
                to += 1;
            }
            let mut bytes = core::mem::take(&mut self.bytes);
            bytes.clear();
            bytes.resize((to - at) as usize * PAGE, 0);
            self.extents.forget(inode);
            self.changed();
            let written = self.store.change(|fs| fs.write_inode(number, at * PAGE as u64, &bytes));
            self.bytes = bytes;
            written?;
            at = to;
        }
        Ok(true)
    }
}
