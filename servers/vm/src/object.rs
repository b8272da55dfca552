// SPDX-License-Identifier: BSD-2-Clause
//! `vm_object`: anonymous memory or a file, and where each of its pages is.
//!
//! An object has one [`Entry`] a page, in tables of 512 ([`Leaf`]s). A leaf is a frame of its own, mapped into `vm`: it is accounted, and given
//! back when the object goes; the heap has no part in it but for the list of them, which for a file is as short as what is in use of it.

use crate::file::File;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};
use ebb_policy::gate::Wiring;

/// Entries in a leaf.
pub const LEAF_ENTRIES: u32 = 512;
/// Most pages in an object.
pub const MAX_PAGES: u64 = 1 << 30;

/// Where a page is: in a frame, with the pager, both (the frame counts), or neither. A page of anonymous memory that is nowhere reads as zeroes (or as what
/// lies behind: [`Kind::Anonymous`]); of a page of a file the pager is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Entry(u64);

impl Entry {
    const RESIDENT: u64 = 1 << 63;
    const SWAPPED: u64 = 1 << 62;
    const LOST: u64 = 1 << 61;
    const RESERVED: u64 = 1 << 60;
    const KEPT: u64 = Self::SWAPPED | Self::LOST | Self::RESERVED;

    /// The frame that holds it.
    pub fn frame(self) -> Option<u32> {
        (self.0 & Self::RESIDENT != 0).then_some(self.0 as u32)
    }
    /// Whether the pager has a copy.
    pub fn swapped(self) -> bool {
        self.0 & Self::SWAPPED != 0
    }
    /// A page of a file: whether there is a block for it on the disk, so that it may be modified.
    pub fn backed(self) -> bool {
        self.0 & (Self::SWAPPED | Self::RESERVED) != 0
    }
    /// The same, with a block for it.
    pub fn into_backed(self) -> Entry {
        Entry(self.0 | Self::RESERVED)
    }
    /// Whether anything is known of it.
    pub fn is_known(self) -> bool {
        self.0 != 0
    }
    /// Whether its only copy could not be read.
    pub fn lost(self) -> bool {
        self.0 & Self::LOST != 0
    }
    /// The same with, or without, a frame.
    pub fn with_frame(self, frame: Option<u32>) -> Entry {
        let rest = self.0 & Self::KEPT;
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

/// The tables of an object, by index / 512; made on first use.
pub enum Leaves {
    /// With a place for each.
    Dense(Vec<Option<Leaf>>),
    /// Those that there are, ascending.
    Sparse(Vec<(u32, Leaf)>),
}

impl Leaves {
    /// A table.
    #[inline]
    pub fn get(&self, number: u32) -> Option<&Leaf> {
        match self {
            Leaves::Dense(places) => places.get(number as usize)?.as_ref(),
            Leaves::Sparse(list) => {
                let at = list.binary_search_by_key(&number, |(n, _)| *n).ok()?;
                list.get(at).map(|(_, leaf)| leaf)
            }
        }
    }

    /// Puts a table in its place. Back comes one that has none.
    pub fn put(&mut self, number: u32, leaf: Leaf) -> Option<Leaf> {
        match self {
            Leaves::Dense(places) => match places.get_mut(number as usize) {
                Some(place) => place.replace(leaf),
                None => Some(leaf),
            },
            Leaves::Sparse(list) => match list.binary_search_by_key(&number, |(n, _)| *n) {
                Ok(at) => Some(core::mem::replace(&mut list[at].1, leaf)),
                Err(_) if list.try_reserve(1).is_err() => Some(leaf),
                Err(at) => {
                    list.insert(at, (number, leaf));
                    None
                }
            },
        }
    }

    /// The number of the first table from a number on.
    fn next(&self, number: u32) -> Option<u32> {
        match self {
            Leaves::Dense(places) => {
                let rest = places.get(number as usize..)?;
                rest.iter().position(Option::is_some).map(|n| number + n as u32)
            }
            Leaves::Sparse(list) => list.get(list.partition_point(|(n, _)| *n < number)).map(|(n, _)| *n),
        }
    }

    /// All.
    pub fn iter(&self) -> impl Iterator<Item = &Leaf> {
        let (dense, sparse) = match self {
            Leaves::Dense(places) => (Some(places), None),
            Leaves::Sparse(list) => (None, Some(list)),
        };
        let dense = dense.into_iter().flatten().flatten();
        dense.chain(sparse.into_iter().flatten().map(|(_, leaf)| leaf))
    }
}

/// How many refer to an object, and the XOR of their numbers: so the last one that is left is known without a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Crowd {
    /// How many.
    pub count: u32,
    /// XOR of their numbers.
    pub xor: u32,
}

impl Crowd {
    /// One more.
    pub fn add(&mut self, number: u32) {
        self.count += 1;
        self.xor ^= number;
    }
    /// One less.
    pub fn remove(&mut self, number: u32) {
        self.count = self.count.saturating_sub(1);
        self.xor ^= number;
    }
    /// The only one.
    pub fn sole(&self) -> Option<u32> {
        (self.count == 1).then_some(self.xor)
    }
    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// What an object is.
pub enum Kind {
    /// Memory that belongs to nothing. Pages that it has not are those of `behind`: the object, and the page of it that is the first one here. That is a file (a private
    /// mapping of it), or another anonymous object whose shadow this one is.
    Anonymous {
        /// What shows through.
        behind: Option<(u32, u32)>,
    },
    /// A file.
    File(File),
}

/// An object.
pub struct Object {
    /// What it is.
    pub kind: Kind,
    /// Pages.
    pub pages: u32,
    /// Its tables.
    pub leaves: Leaves,
    /// Entries with a frame.
    pub resident: u32,
    /// Entries with a copy.
    pub swapped: u32,
    /// Pages wired.
    pub wired: u32,
    /// As whose they were wired when it was made. Whoever wires one of a server's besides is not counted: it is wired already.
    pub wiring: Wiring,
    /// Pages with I/O under way (`paging_in_progress`).
    pub busy: u32,
    /// Pages of regions that map it.
    pub mapped: u32,
    /// Entries of which anything is known.
    pub own: u32,
    /// Anonymous memory: the spaces that map it.
    pub holders: Crowd,
    /// Anonymous memory: the objects that it lies behind.
    pub shadows: Crowd,
    /// It waits to be moved into its only shadow.
    pub collapsing: bool,
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
        let kind = Kind::Anonymous { behind: None };
        Some(Object { mapped: pages, ..Object::empty(kind, pages, Leaves::Dense(leaves)) })
    }

    /// The object of a file that nobody uses yet.
    pub fn new_file(file: File) -> Object {
        let pages = file.pages();
        Object::empty(Kind::File(file), pages, Leaves::Sparse(Vec::new()))
    }

    fn empty(kind: Kind, pages: u32, leaves: Leaves) -> Object {
        Object {
            kind,
            pages,
            leaves,
            resident: 0,
            swapped: 0,
            wired: 0,
            wiring: Wiring::Program,
            busy: 0,
            mapped: 0,
            own: 0,
            holders: Crowd::default(),
            shadows: Crowd::default(),
            collapsing: false,
            dead: false,
            freeing: 0,
        }
    }

    /// The file, if it is one.
    #[inline]
    pub fn file(&self) -> Option<&File> {
        match &self.kind {
            Kind::File(file) => Some(file),
            Kind::Anonymous { .. } => None,
        }
    }

    /// The file, to change it.
    #[inline]
    pub fn file_mut(&mut self) -> Option<&mut File> {
        match &mut self.kind {
            Kind::File(file) => Some(file),
            Kind::Anonymous { .. } => None,
        }
    }

    /// What shows through where it has no page: an object, and its page that shows through as the first.
    #[inline]
    pub fn behind(&self) -> Option<(u32, u32)> {
        match self.kind {
            Kind::Anonymous { behind } => behind,
            Kind::File(_) => None,
        }
    }

    /// Changes what shows through.
    pub fn set_behind(&mut self, new: Option<(u32, u32)>) {
        if let Kind::Anonymous { behind } = &mut self.kind {
            *behind = new;
        }
    }

    /// Anonymous memory that only one space can see: nobody would notice what is done to it.
    pub fn is_exclusive(&self) -> bool {
        self.holders.count == 1 && self.shadows.is_empty()
    }

    /// Anonymous memory that is seen through one shadow alone: it could be part of that.
    #[inline]
    pub fn is_lone(&self) -> bool {
        self.shadows.count == 1 && self.holders.is_empty() && !self.dead
    }

    /// Pages with a copy in swap.
    pub fn in_swap(&self) -> u32 {
        if self.file().is_some() { 0 } else { self.swapped }
    }

    /// The entry of a page; zero pages and pages beyond the end have an empty one.
    #[inline]
    pub fn entry(&self, index: u32) -> Entry {
        let cell =
            self.leaves.get(index / LEAF_ENTRIES).and_then(|l| l.cells.get((index % LEAF_ENTRIES) as usize));
        cell.map_or(Entry(0), |c| Entry(c.load(Ordering::Relaxed)))
    }

    /// Whether the table for this page is there.
    #[inline]
    pub fn has_leaf(&self, index: u32) -> bool {
        self.leaves.get(index / LEAF_ENTRIES).is_some()
    }

    /// Sets an entry and keeps the counts. The leaf must be there: without one nothing is set and `false` is returned.
    #[inline]
    pub fn set(&mut self, index: u32, new: Entry) -> bool {
        let Some(leaf) = self.leaves.get(index / LEAF_ENTRIES) else { return false };
        let Some(cell) = leaf.cells.get((index % LEAF_ENTRIES) as usize) else { return false };
        let old = Entry(cell.load(Ordering::Relaxed));
        cell.store(new.0, Ordering::Relaxed);
        self.resident = self.resident + new.frame().is_some() as u32 - old.frame().is_some() as u32;
        self.swapped = self.swapped + new.swapped() as u32 - old.swapped() as u32;
        self.own = self.own + new.is_known() as u32 - old.is_known() as u32;
        true
    }

    /// The first index from `from` on, below `end`, of which anything is known; leaves that are not there are skipped. Beyond the end of a file there is nothing,
    /// unless it is being cut.
    pub fn next_used(&self, from: u32, end: u32) -> Option<u32> {
        let mut index = from;
        while index < end {
            let number = self.leaves.next(index / LEAF_ENTRIES)?;
            let leaf = self.leaves.get(number)?;
            let first = number * LEAF_ENTRIES;
            let start = index.max(first);
            let until = end.min(first.saturating_add(LEAF_ENTRIES));
            let cells = leaf.cells.get((start - first) as usize..until.saturating_sub(first) as usize)?;
            if let Some(n) = cells.iter().position(|c| c.load(Ordering::Relaxed) != 0) {
                return Some(start + n as u32);
            }
            index = first.checked_add(LEAF_ENTRIES)?;
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
