// SPDX-License-Identifier: BSD-2-Clause
//! A swap device: its slot table, the map of its pages, and its free slots. The table is the truth; the rest is made from it.

use crate::front::{Front, Spot};
use crate::map::Map;
use crate::record::{Key, Record, State};
use crate::table::{Identity, NoTable, Table, hash_name};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Arguments;
use core::sync::atomic::AtomicU64;
use ebb_blist::Blist;
use ebb_proto::block::SECTORS_PER_PAGE;

/// Pages at the beginning of a swap disk that are never written: a label or partition table stays what it was (SWP-188). They are a property
/// of disks (SWP-W07): the slot numbers begin behind them, so nothing counts them as available (SWP-W05).
pub const LABEL_PAGES: u64 = 2;
/// Heap beyond the tables themselves: the allocator's own, names, rounding.
const SLACK: u64 = 2 * 4096;

/// Slots of a disk of so many sectors: whole pages (SWP-186) behind the label; 0 if it is too small (SWP-W06). What 32-bit slot numbers
/// cannot reach (16 TiB and more) stays unused.
pub fn slots(sectors: u64) -> u32 {
    (sectors / SECTORS_PER_PAGE).saturating_sub(LABEL_PAGES).min(u32::MAX as u64 - 1) as u32
}

/// Pages of heap for so many slots: free slots, suspects.
pub fn heap_pages(slots: u32) -> u64 {
    let blist = ebb_blist::bytes_needed(slots as u64).map_or(0, |b| b as u64);
    (blist + suspect_words(slots) as u64 * 8 + SLACK).div_ceil(4096)
}

fn suspect_words(slots: u32) -> usize {
    (slots as usize).div_ceil(64)
}

/// Why a device could not be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// The segment holds no table yet.
    Blank,
    /// The segment's header is damaged, the segment too small, or the table is another disk's.
    Damaged,
    /// No memory.
    NoMemory,
}

/// The device.
pub struct Device<'a> {
    /// Its disk.
    pub disk: u8,
    /// The disk's name.
    pub name: String,
    table: Table<'a>,
    map: Map<'a>,
    free: Blist,
    /// Slots that could not be read: set aside when they are freed (SWP-W14).
    suspect: Vec<u64>,
    committed: u64,
    pending: u64,
    /// Pending ones that were given up while they were being written out.
    held: u64,
    bad: u64,
    closing: bool,
    /// Where [`Device::name_one`] goes on.
    cursor: u32,
    /// Contradictions between the books that were noticed in passing.
    mistakes: u64,
}

impl<'a> Device<'a> {
    /// A device over a new segment.
    pub fn format(disk: u8, name: &str, slots: u32, cells: &'a [AtomicU64]) -> Result<Device<'a>, Refused> {
        let id = Identity { disk, name: hash_name(name), slots };
        let table = Table::format(cells, &id).ok_or(Refused::Damaged)?;
        let mut device = Device::over(disk, name, table)?;
        device.map.clear();
        device.free.free(0, slots as u64).map_err(|_| Refused::Damaged)?;
        Ok(device)
    }

    /// A device over the segment of an earlier instance. Nothing is known yet but its table: all slots count as taken.
    pub fn open(disk: u8, name: &str, slots: u32, cells: &'a [AtomicU64]) -> Result<Device<'a>, Refused> {
        let (table, id) = Table::open(cells).map_err(|e| match e {
            NoTable::Blank => Refused::Blank,
            NoTable::Damaged => Refused::Damaged,
        })?;
        if id != (Identity { disk, name: hash_name(name), slots }) {
            return Err(Refused::Damaged);
        }
        Device::over(disk, name, table)
    }

    fn over(disk: u8, name: &str, table: Table<'a>) -> Result<Device<'a>, Refused> {
        let slots = table.slots();
        let mut suspect = Vec::new();
        suspect.try_reserve_exact(suspect_words(slots)).map_err(|_| Refused::NoMemory)?;
        suspect.resize(suspect_words(slots), 0);
        Ok(Device {
            disk,
            name: name.into(),
            table,
            map: Map::over(table.places()),
            free: Blist::new(slots as u64).map_err(|_| Refused::NoMemory)?,
            suspect,
            committed: 0,
            pending: 0,
            held: 0,
            bad: 0,
            closing: false,
            cursor: 0,
            mistakes: 0,
        })
    }

    /// The table.
    pub fn table(&self) -> &Table<'a> {
        &self.table
    }

    /// Slots that hold copies.
    pub fn committed(&self) -> u64 {
        self.committed
    }

    /// Slots that hold copies or will.
    pub fn used(&self) -> u64 {
        self.committed + self.pending
    }

    /// Slots that hold nothing any more, and are free as soon as a write to them has ended.
    pub fn held(&self) -> u64 {
        self.held
    }

    fn spot(&self, slot: u32) -> Spot {
        Spot { disk: self.disk, slot }
    }

    /// Slots set aside.
    pub fn bad(&self) -> u64 {
        self.bad
    }

    /// Slots that can be allocated: none while it is being emptied (SWP-076, SWP-084).
    pub fn available(&self) -> u64 {
        if self.closing { 0 } else { self.free.free_count() }
    }

    /// Whether it is being emptied.
    pub fn closing(&self) -> bool {
        self.closing
    }

    /// Begins or ends emptying it. That is not durable: who removes a device begins again if the pager ends meanwhile.
    pub fn set_closing(&mut self, closing: bool) {
        self.closing = closing;
        self.cursor = 0;
    }

    /// First sector of a slot.
    pub fn sector(slot: u32) -> u64 {
        (LABEL_PAGES + slot as u64) * SECTORS_PER_PAGE
    }

    /// Slot and version of a page's copy.
    pub fn find(&self, key: Key) -> Option<(u32, u8)> {
        self.map.find(&self.table, key)
    }

    /// Takes that many contiguous slots for pages that will be written.
    pub fn alloc(&mut self, keys: impl ExactSizeIterator<Item = Key>) -> Option<u32> {
        if self.closing {
            return None;
        }
        let first = self.free.alloc(keys.len() as u32)? as u32;
        for (slot, key) in (first..).zip(keys) {
            self.table.set(slot, Record::Pending(key));
            self.pending += 1;
        }
        Some(first)
    }

    /// The copy in a pending slot is whole. `old` is the slot on this device that it replaces.
    pub fn commit(&mut self, slot: u32, key: Key, version: u8, old: Option<u32>, front: &mut impl Front<'a>) {
        self.table.set(slot, Record::Committed(key, version));
        self.pending -= 1;
        self.committed += 1;
        match old {
            Some(old) if self.map.replace(key, old, slot) => {
                self.committed -= 1;
                self.give_back(old, front);
            }
            _ => self.map.insert(key, slot),
        }
    }

    /// The copy of a page is no longer needed.
    pub fn release(&mut self, key: Key, slot: u32, front: &mut impl Front<'a>) {
        if self.map.remove(&self.table, key, slot) {
            self.committed -= 1;
            self.give_back(slot, front);
        }
    }

    /// The copy of a page becomes that of another, which has none. The record is one word: whenever the pager ends it is the one's or the other's.
    pub fn hand_over(&mut self, key: Key, slot: u32, version: u8, to: Key) {
        if self.map.remove(&self.table, key, slot) {
            self.table.set(slot, Record::Committed(to, version));
            self.map.insert(to, slot);
        }
    }

    /// A pending slot is not needed after all.
    pub fn abandon(&mut self, slot: u32, front: &mut impl Front<'a>) {
        self.pending -= 1;
        self.give_back(slot, front);
    }

    /// The write that held up a slot has ended.
    pub fn let_go(&mut self, slot: u32, front: &mut impl Front<'a>) {
        self.held -= 1;
        self.abandon(slot, front);
    }

    /// Writing to a pending slot failed: it is never used again (SWP-W13).
    pub fn retire(&mut self, slot: u32) {
        self.pending -= 1;
        self.set_aside(slot);
    }

    /// A slot could not be read: it is set aside when its copy is no longer needed (SWP-W14).
    pub fn suspect(&mut self, slot: u32) {
        if let Some(word) = self.suspect.get_mut(slot as usize / 64) {
            *word |= 1 << (slot % 64);
        }
    }

    /// Some page whose copy is here: another one each time, until all have been named; then from the beginning.
    pub fn name_one(&mut self) -> Option<Key> {
        if self.committed == 0 {
            return None;
        }
        for _ in 0..self.table.slots() {
            let slot = self.cursor;
            self.cursor = if slot + 1 < self.table.slots() { slot + 1 } else { 0 };
            if let Some(Record::Committed(key, _)) = self.table.get(slot) {
                return Some(key);
            }
        }
        None
    }

    /// Says that the next instance finds everything in order; nothing is under way, and nothing is changed after that.
    pub fn seal(&self) {
        self.table.seal(self.committed, self.bad);
    }

    /// Adoption: takes everything over as it is, if the instance before has sealed it. `false`: it must be made anew from the table.
    pub fn take_sealed(&mut self) -> bool {
        if let Some((committed, bad)) = self.table.take_seal()
            && self.count_sealed() == (committed, bad)
        {
            (self.committed, self.bad) = (committed, bad);
            return true;
        }
        self.map.clear();
        // All slots count as taken again.
        if self.free.free_count() > 0 && self.free.fill(0, self.table.slots() as u64).is_err() {
            self.mistakes += 1;
        }
        false
    }

    /// Frees the free slots; committed and bad ones.
    fn count_sealed(&mut self) -> (u64, u64) {
        let (mut bad, mut taken, mut first) = (0, 0, 0);
        let slots = self.table.slots();
        // A few instructions a slot: nobody pages meanwhile.
        for (slot, state) in (0..slots).zip(self.table.states()) {
            if state == State::Free {
                continue;
            }
            if slot > first {
                self.add_free(first, slot - first);
            }
            first = slot + 1;
            taken += 1;
            bad += (state == State::Bad) as u64;
        }
        if slots > first {
            self.add_free(first, slots - first);
        }
        (taken - bad, bad)
    }

    /// Adoption: enters the page of a committed slot, which has no other copy.
    pub fn enter(&mut self, key: Key, slot: u32) {
        self.map.insert(key, slot);
        self.committed += 1;
    }

    /// Adoption, where two copies contradict each other: takes the page of a slot out again and sets it aside.
    pub fn reject(&mut self, key: Key, slot: u32) {
        if self.map.remove(&self.table, key, slot) {
            self.committed -= 1;
            self.set_aside(slot);
        }
    }

    /// A slot that holds nothing of value becomes free; a suspect one is set aside; one that is being written out is held until that has ended: otherwise the write could hit
    /// what the slot is used for next.
    pub fn give_back(&mut self, slot: u32, front: &mut impl Front<'a>) {
        let at = self.spot(slot);
        if front.is_going_out(at) {
            if let Some(Record::Committed(key, _)) = self.table.get(slot) {
                self.table.set(slot, Record::Pending(key));
            }
            self.pending += 1;
            self.held += 1;
            return front.forget(at);
        }
        self.give_back_now(slot);
        // Only now: as long as the record was committed it was the only copy.
        front.forget(at);
    }

    fn give_back_now(&mut self, slot: u32) {
        if self.suspect.get(slot as usize / 64).is_some_and(|w| w & 1 << (slot % 64) != 0) {
            return self.set_aside(slot);
        }
        self.table.set(slot, Record::Free);
        if self.free.free(slot as u64, 1).is_err() {
            // The allocator has it as free already: our own books are wrong. It is safe to leave it so, and the audit tells.
            self.mistakes += 1;
        }
    }

    /// A slot is never used again.
    pub fn set_aside(&mut self, slot: u32) {
        self.table.set(slot, Record::Bad);
        self.bad += 1;
    }

    /// Adoption: counts a slot that was set aside earlier.
    pub fn count_bad(&mut self) {
        self.bad += 1;
    }

    /// Adoption: a run of free slots.
    pub fn add_free(&mut self, first: u32, count: u32) {
        if count > 0 && self.free.free(first as u64, count as u64).is_err() {
            self.mistakes += 1;
        }
    }

    /// Checks everything against the table; returns the number of inconsistencies.
    pub fn audit(&self, log: &mut dyn FnMut(Arguments<'_>)) -> u64 {
        let (mut committed, mut pending, mut bad, mut wrong) = (0, 0, 0, self.mistakes);
        for slot in 0..self.table.slots() {
            let record = self.table.get(slot);
            let told = match record {
                None => Some("its record is damaged"),
                Some(Record::Committed(key, _)) => {
                    committed += 1;
                    (self.find(key).map(|f| f.0) != Some(slot)).then_some("its page is not found there")
                }
                Some(Record::Pending(_)) => {
                    pending += 1;
                    None
                }
                Some(Record::Bad) => {
                    bad += 1;
                    None
                }
                Some(Record::Free) => None,
            };
            let free = record == Some(Record::Free);
            let told = told.or_else(|| {
                (free != self.free.is_free(slot as u64)).then_some("record and free list differ")
            });
            if let Some(what) = told {
                log(format_args!("audit: {}: slot {slot}: {what} ({record:?})", self.name));
                wrong += 1;
            }
        }
        let counts = (committed, pending, bad);
        if counts != (self.committed, self.pending, self.bad) {
            log(format_args!(
                "audit: {}: {counts:?} slots committed, pending and bad, but {:?} counted",
                self.name,
                (self.committed, self.pending, self.bad)
            ));
            wrong += 1;
        }
        wrong
    }
}
