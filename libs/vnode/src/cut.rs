// SPDX-License-Identifier: BSD-2-Clause
//! A way around two faults of the file system's crate.
//!
//! It removes extents one after the other, and calls a tree damaged in which a node above the leaves becomes empty on the way. So where there may be such nodes, what is cut off is not
//! removed: the file is made one page longer than all its blocks, and that page, a hole, is moved to where the cut is, for which the crate builds a new tree. Whatever the machine dies
//! in, the file has the bytes of before or of after, and at most a page of zeroes too many.
//!
//! When it lets go of a file without a name it frees what was written, and forgets what was only reserved. So a file is emptied before it loses its last name.

use crate::store::Store;
use crate::world::{PAGE, World};
use ebb_proto::Error;
use rsext4::{DirectoryEntryType, FileExtentTarget, InodeInfo, InodeNumber, RangeOperation};

const BYTES: u64 = PAGE as u64;
/// Extents that are looked at at a time.
const WINDOW: usize = 4096;
/// Blocks that are no page's from which on some may be nodes between root and leaves: one such node and one leaf.
const DEEP: u64 = 2;
/// More pages than any file has blocks for.
const MAX_PAGES: u64 = u32::MAX as u64 - 1;
/// Sectors of a page, in which the file system counts a file's blocks.
const SECTORS: u64 = BYTES / 512;

/// Makes a file so long. `NoSpace`: there is none for the new tree of a file in many pieces, and nothing was done.
pub fn cut<W: World>(store: &mut Store<W>, number: InodeNumber, bytes: u64) -> Result<(), Error> {
    let info = store.read(|fs| fs.inode(number))?;
    if bytes < info.size && surplus(store, &info)? >= DEEP {
        return trim(store, &info, bytes);
    }
    store.change(|fs| fs.truncate_inode(number, bytes))
}

/// The same, and gives back blocks behind the end, also if the file is so long already.
pub fn trim<W: World>(store: &mut Store<W>, info: &InodeInfo, bytes: u64) -> Result<(), Error> {
    let number = info.number;
    // Such blocks are only told of once the end lies behind them. In a new transaction this and the next change are made together or not at all.
    if store.is_dirty() {
        store.commit()?;
    }
    store.change(|fs| fs.truncate_inode(number, MAX_PAGES * BYTES))?;
    let (nodes, end) = extent_of(store, info)?;
    if nodes >= DEEP {
        let (first, end) = (bytes.div_ceil(BYTES), end.max(info.size.div_ceil(BYTES)));
        store.change(|fs| fs.truncate_inode(number, (end + 1) * BYTES))?;
        if end > first {
            let (start, length) = (first * BYTES, (end - first) * BYTES);
            store.change(|fs| fs.operate_inode_range(number, start, length, RangeOperation::Collapse))?;
        }
    }
    store.change(|fs| fs.truncate_inode(number, bytes))
}

/// How many blocks a file has that are no page's before its end: nodes of its tree, and blocks behind the end.
pub fn surplus<W: World>(store: &mut Store<W>, info: &InodeInfo) -> Result<u64, Error> {
    extent_of(store, info).map(|(blocks, _)| blocks)
}

/// Gives back all blocks of a file that is about to lose its last name. Whatever has no bytes of its own is left as it is.
pub fn empty<W: World>(store: &mut Store<W>, info: &InodeInfo) -> Result<(), Error> {
    if info.file_type() != DirectoryEntryType::RegularFile || info.links > 1 || info.blocks == 0 {
        return Ok(());
    }
    if info.size == 0 {
        // What has no bytes is taken for empty already.
        store.change(|fs| fs.truncate_inode(info.number, 1))?;
    }
    cut(store, info.number, 0)
}

/// Blocks of a file that are no page's before its end, and the page behind its last one.
fn extent_of<W: World>(store: &mut Store<W>, info: &InodeInfo) -> Result<(u64, u64), Error> {
    let (mut pages, mut end) = (0, 0);
    loop {
        let from = end * BYTES;
        let found =
            store.read(|fs| fs.inode_extents(info.number, from, u64::MAX, FileExtentTarget::Data, WINDOW))?;
        for extent in &found.extents {
            let to = extent.logical_start.checked_add(extent.length).ok_or(Error::Damaged)?;
            // A window begins where the last one ended.
            if to <= end * BYTES {
                return Err(Error::Damaged);
            }
            pages += extent.length / BYTES;
            end = to.div_ceil(BYTES);
        }
        if found.complete || found.extents.is_empty() {
            return Ok(((info.blocks / SECTORS).saturating_sub(pages), end));
        }
    }
}
