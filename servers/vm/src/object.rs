// SPDX-License-Identifier: BSD-2-Clause
//! `vm_object`: anonymous memory, and where each of its pages is.
//!
//! An anonymous object has one [`Entry`] a page, in tables of 512 ([`Leaf`]s). A leaf is a frame of its own, mapped into `vm`: it is accounted, and given
//! back when the object goes; the heap has no part in it.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

/// Entries in a leaf.
pub const LEAF_ENTRIES: u32 = 512;
/// Most pages in an object.
pub const MAX_PAGES: u64 = 1 << 30;

/// Where a page of an anonymous object is: a frame, a copy in swap, both (the frame counts), or neither (it reads as zeroes).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Entry(u64);

impl Entry {
    const RESIDENT: u64 = 1 << 63;
    const SWAPPED: u64 = 1 << 62;
    const LOST: u64 = 1 << 61;

    /// The frame that holds it.
    pub fn frame(self) -> Option<u32> {
        (self.0 & Self::RESIDENT != 0).then_some(self.0 as u32)
    }
    /// Whether the pager has a copy.
    pub fn swapped(self) -> bool {
        self.0 & Self::SWAPPED != 0
    }
    /// Whether its only copy could not be read.
    pub fn lost(self) -> bool {
        self.0 & Self::LOST != 0
    }
    /// The same with, or without, a frame.
    pub fn with_frame(self, frame: Option<u32>) -> Entry {
        let rest = self.0 & (Self::SWAPPED | Self::LOST);
        Entry(frame.map_or(rest, |f| rest | Self::RESIDENT | f as u64))
    }
    /// The same with, or without, a copy.
    pub fn with_swapped(self, swapped: bool) -> Entry {
        Entry(if swapped { self.0 | Self::SWAPPED } else { self.0 & !Self::SWAPPED })
    }
    /// Its only copy could not be read.
    pub fn into_lost(self) -> Entry {
        Entry(Self::LOST | self.0 & Self::SWAPPED)
    }
}

/// A table of 512 entries in a frame of its own.
#[derive(Clone, Copy)]
pub struct Leaf {
    /// The frame.
    pub frame: u32,
    /// Place of the frame in `vm`'s range for leaves.
    pub slot: u32,
    /// Its words.
    pub cells: &'static [AtomicU64],
}

/// An anonymous object.
pub struct Object {
    /// Pages.
    pub pages: u32,
    /// Tables, by index / 512; made on first use.
    pub leaves: Vec<Option<Leaf>>,
    /// Entries with a frame.
    pub resident: u32,
    /// Entries with a copy.
    pub swapped: u32,
    /// Pages wired.
    pub wired: u32,
    /// Pages with I/O under way (`paging_in_progress`).
    pub busy: u32,
    /// Pages of regions that map it.
    pub mapped: u32,
    /// Nothing maps it any more: pages whose I/O ends are freed (`OBJ_DEAD`).
    pub dead: bool,
    /// Requests to the pager to free its copies that are not answered. Its number is not used again before that.
    pub freeing: u32,
}

impl Object {
    /// An object of so many pages, all zero. `None`: the heap has no room for the list of its tables.
    pub fn new(pages: u32) -> Option<Object> {
        let tables = pages.div_ceil(LEAF_ENTRIES) as usize;
        let mut leaves = Vec::new();
        leaves.try_reserve_exact(tables).ok()?;
        leaves.resize(tables, None);
        Some(Object {
            pages,
            leaves,
            resident: 0,
            swapped: 0,
            wired: 0,
            busy: 0,
            mapped: pages,
            dead: false,
            freeing: 0,
        })
    }

    /// The entry of a page; zero pages and pages beyond the end have an empty one.
    #[inline]
    pub fn entry(&self, index: u32) -> Entry {
        match self.leaves.get((index / LEAF_ENTRIES) as usize) {
            Some(Some(leaf)) => leaf
                .cells
                .get((index % LEAF_ENTRIES) as usize)
                .map_or(Entry(0), |c| Entry(c.load(Ordering::Relaxed))),
            _ => Entry(0),
        }
    }

    /// Whether the table for this page is there.
    #[inline]
    pub fn has_leaf(&self, index: u32) -> bool {
        matches!(self.leaves.get((index / LEAF_ENTRIES) as usize), Some(Some(_)))
    }

    /// Sets an entry and keeps the counts. The leaf must be there: without one nothing is set and `false` is returned.
    #[inline]
    pub fn set(&mut self, index: u32, new: Entry) -> bool {
        let Some(Some(leaf)) = self.leaves.get((index / LEAF_ENTRIES) as usize) else { return false };
        let Some(cell) = leaf.cells.get((index % LEAF_ENTRIES) as usize) else { return false };
        let old = Entry(cell.load(Ordering::Relaxed));
        cell.store(new.0, Ordering::Relaxed);
        self.resident = self.resident + new.frame().is_some() as u32 - old.frame().is_some() as u32;
        self.swapped = self.swapped + new.swapped() as u32 - old.swapped() as u32;
        true
    }

    /// The indexes from `from` on, below `end`, that are resident, swapped or lost; leaves that are not there are skipped.
    pub fn next_used(&self, from: u32, end: u32) -> Option<u32> {
        let end = end.min(self.pages);
        let mut index = from;
        while index < end {
            match self.leaves.get((index / LEAF_ENTRIES) as usize) {
                Some(Some(_)) => {
                    if self.entry(index) != Entry(0) {
                        return Some(index);
                    }
                    index += 1;
                }
                _ => index = (index / LEAF_ENTRIES + 1) * LEAF_ENTRIES,
            }
        }
        None
    }
}

/// The objects by number. Number 0 is none.
#[derive(Default)]
pub struct Objects {
    slots: Vec<Option<Object>>,
    free: Vec<u32>,
}

impl Objects {
    /// Takes an object in; its number.
    pub fn insert(&mut self, object: Object) -> u32 {
        if self.slots.is_empty() {
            self.slots.push(None);
        }
        match self.free.pop() {
            Some(id) => {
                self.slots[id as usize] = Some(object);
                id
            }
            None => {
                self.slots.push(Some(object));
                self.slots.len() as u32 - 1
            }
        }
    }

    /// Forgets an object.
    pub fn remove(&mut self, id: u32) -> Option<Object> {
        let object = self.slots.get_mut(id as usize)?.take()?;
        self.free.push(id);
        Some(object)
    }

    /// An object.
    #[inline]
    pub fn get(&self, id: u32) -> Option<&Object> {
        self.slots.get(id as usize)?.as_ref()
    }

    /// An object, to change it.
    #[inline]
    pub fn get_mut(&mut self, id: u32) -> Option<&mut Object> {
        self.slots.get_mut(id as usize)?.as_mut()
    }

    /// All objects.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Object)> {
        self.slots.iter().enumerate().filter_map(|(id, o)| o.as_ref().map(|o| (id as u32, o)))
    }
}
