// SPDX-License-Identifier: BSD-2-Clause
//! Where the pages of files are on the disk: a cache of the file system's extents, since asking for them costs as much as the file has of them.

use crate::store::{Store, file_number};
use crate::world::{PAGE, World};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use ebb_proto::Error;
use rsext4::{DirectoryEntryType, FileExtentState, FileExtentTarget, InodeNumber};

/// Extents of one file that are kept at a time. The file system goes over all that a file has for any question: what does not fit is asked for again at each page elsewhere.
const WINDOW: usize = 4096;
/// Extents kept in all.
const MAX_EXTENTS: usize = 8192;
/// Files of which something is kept.
const MAX_FILES: usize = 512;

/// Where a page is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Spot {
    /// Nowhere: it is zero.
    Hole,
    /// There is a block for it that was never written: it is zero.
    Reserved,
    /// On this page of the disk.
    Disk(u64),
}

#[derive(Clone, Copy, Debug)]
struct Extent {
    first: u64,
    pages: u64,
    block: u64,
    written: bool,
}

#[derive(Debug)]
struct Map {
    /// Bytes of the file on the disk.
    size: u64,
    /// Pages that the extents tell of.
    from: u64,
    to: u64,
    extents: Vec<Extent>,
}

/// The cache.
#[derive(Default)]
pub struct Extents {
    maps: BTreeMap<u32, Map>,
    count: usize,
    mounts: u64,
}

impl Extents {
    /// The mapping of a file has changed, or it is gone.
    pub fn forget(&mut self, inode: u32) {
        if let Some(map) = self.maps.remove(&inode) {
            self.count -= map.extents.len();
        }
    }

    /// Where a page is, and the file's size on the disk. `Invalid`: not a regular file.
    pub fn find<W: World>(
        &mut self,
        store: &mut Store<W>,
        blocks: u64,
        inode: u32,
        page: u32,
    ) -> Result<(Spot, u64), Error> {
        let page = page as u64;
        if self.mounts != store.mounts() {
            self.maps.clear();
            self.count = 0;
            self.mounts = store.mounts();
        }
        if !self.maps.get(&inode).is_some_and(|m| (m.from..m.to).contains(&page)) {
            self.forget(inode);
            let map = load(store, blocks, inode, page)?;
            if self.count + map.extents.len() > MAX_EXTENTS || self.maps.len() >= MAX_FILES {
                self.maps.clear();
                self.count = 0;
            }
            self.count += map.extents.len();
            self.maps.insert(inode, map);
        }
        let map = self.maps.get(&inode).ok_or(Error::Invalid)?;
        let after = map.extents.partition_point(|e| e.first <= page);
        let extent = after.checked_sub(1).and_then(|at| map.extents.get(at));
        let spot = match extent.filter(|e| page < e.first + e.pages) {
            None => Spot::Hole,
            Some(e) if !e.written => Spot::Reserved,
            Some(e) => Spot::Disk(e.block + (page - e.first)),
        };
        Ok((spot, map.size))
    }

    /// Compares what is kept with the file system. Returns how many files differ.
    pub fn check<W: World>(&mut self, store: &mut Store<W>, blocks: u64) -> Vec<u32> {
        if self.mounts != store.mounts() {
            return Vec::new();
        }
        let same = |a: &Extent, b: &Extent| {
            (a.first, a.pages, a.block, a.written) == (b.first, b.pages, b.block, b.written)
        };
        let mut wrong = Vec::new();
        for (inode, map) in &self.maps {
            let fresh = load(store, blocks, *inode, map.from);
            let equal = fresh.is_ok_and(|f| {
                f.size == map.size
                    && f.extents.len() == map.extents.len()
                    && f.extents.iter().zip(&map.extents).all(|(a, b)| same(a, b))
            });
            if !equal {
                wrong.push(*inode);
            }
        }
        wrong
    }
}

/// The extents from the beginning on, or where those that fit do not get to the page, from the page on.
fn load<W: World>(store: &mut Store<W>, blocks: u64, inode: u32, page: u64) -> Result<Map, Error> {
    let number = file_number(inode)?;
    let info = store.read(|fs| fs.inode(number))?;
    if info.file_type() != DirectoryEntryType::RegularFile {
        return Err(Error::Invalid);
    }
    let map = window(store, blocks, number, 0)?;
    let mut map = if (map.from..map.to).contains(&page) { map } else { window(store, blocks, number, page)? };
    map.size = info.size;
    Ok(map)
}

fn window<W: World>(store: &mut Store<W>, blocks: u64, inode: InodeNumber, from: u64) -> Result<Map, Error> {
    const BYTES: u64 = PAGE as u64;
    let found =
        store.read(|fs| fs.inode_extents(inode, from * BYTES, u64::MAX, FileExtentTarget::Data, WINDOW))?;
    let mut extents = Vec::with_capacity(found.extents.len());
    for e in &found.extents {
        let whole = [e.logical_start, e.length, e.physical_start].iter().all(|n| n.is_multiple_of(BYTES));
        let extent = Extent {
            first: e.logical_start / BYTES,
            pages: e.length / BYTES,
            block: e.physical_start / BYTES,
            written: e.state == FileExtentState::Initialized,
        };
        if !whole || e.state == FileExtentState::Inline || extent.block + extent.pages > blocks {
            return Err(Error::Damaged);
        }
        extents.push(extent);
    }
    // What follows the last one that was told is not known.
    let to = match extents.last() {
        Some(last) if !found.complete => last.first + last.pages,
        _ => u64::MAX,
    };
    Ok(Map { size: 0, from, to, extents })
}
