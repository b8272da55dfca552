// SPDX-License-Identifier: BSD-2-Clause
//! The records: made, found, forgotten.

use crate::limits::Limits;
use crate::record::*;
use crate::words::Words;
use alloc::vec;
use alloc::vec::Vec;
use ebb_proto::Error;
use ebb_proto::proc::{Limit, Pid, Resource};
use ebb_proto::vm::Space;

/// Processes at most, those that have ended and are remembered among them. `vm` has room for 1,024 spaces.
pub const MAX_PROCESSES: usize = 512;
/// Words before the first record.
const FIRST: usize = 8;
/// Bytes of the whole table.
pub const BYTES: usize = (FIRST + MAX_PROCESSES * WORDS) * 8;
/// Marks memory that has been written before: the name and the form.
const MAGIC: u64 = u64::from_le_bytes(*b"ebbproc1");

/// Words for the table's reader beside the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Header {
    /// The first process, with whose end the machine ends; 0: none was started yet.
    First = 1,
    /// How it ended: 256 and its status; 0: it has not.
    End = 2,
    /// The last sequence number given.
    Sequence = 3,
}

/// Where a process is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slot(pub(crate) usize);

impl Slot {
    /// Its number, below [`MAX_PROCESSES`].
    pub fn index(self) -> usize {
        self.0
    }
}

/// All processes.
pub struct Table<W> {
    pub(crate) words: W,
    /// Numbers and spaces again, where there is something: for finding.
    ids: Vec<u64>,
    /// Records from here on are nothing's. There are mostly few processes, and they are gone through often.
    end: usize,
}

impl<W: Words> Table<W> {
    /// A table in memory that is zero or was one before. `TooLong`: there is not enough; `Malformed`: it holds something else.
    pub fn open(mut words: W) -> Result<Table<W>, Error> {
        if words.count() * 8 < BYTES {
            return Err(Error::TooLong);
        }
        match words.load(0) {
            0 => words.store(0, MAGIC),
            MAGIC => {}
            _ => return Err(Error::Malformed),
        }
        let mut table = Table { words, ids: vec![0; MAX_PROCESSES], end: MAX_PROCESSES };
        for slot in table.slots() {
            if table.head(slot).kind != Kind::Free {
                table.ids[slot.0] = table.get(slot, IDS);
            }
        }
        table.trim();
        Ok(table)
    }

    /// The memory.
    pub fn into_words(self) -> W {
        self.words
    }

    /// A word of the memory, whatever it is of.
    pub fn word(&self, at: usize) -> u64 {
        self.words.load(at)
    }

    /// A word of the header.
    pub fn header(&self, what: Header) -> u64 {
        self.words.load(what as usize)
    }

    /// Sets a word of the header.
    pub fn set_header(&mut self, what: Header, value: u64) {
        self.words.store(what as usize, value);
    }

    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot> + use<W> {
        (0..self.end).map(Slot)
    }

    /// Finds the end anew after a record became nothing's.
    fn trim(&mut self) {
        while self.end > 0 && self.head(Slot(self.end - 1)).kind == Kind::Free {
            self.end -= 1;
        }
    }

    pub(crate) fn at(slot: Slot, word: usize) -> usize {
        FIRST + slot.0 * WORDS + word
    }

    pub(crate) fn get(&self, slot: Slot, word: usize) -> u64 {
        self.words.load(Self::at(slot, word))
    }

    pub(crate) fn put(&mut self, slot: Slot, word: usize, value: u64) {
        self.words.store(Self::at(slot, word), value);
    }

    pub(crate) fn head(&self, slot: Slot) -> Head {
        Head::unpack(self.get(slot, HEAD)).unwrap_or(Head::FREE)
    }

    pub(crate) fn set_head(&mut self, slot: Slot, head: Head) {
        self.put(slot, HEAD, head.pack());
        if head.kind != Kind::Free {
            self.end = self.end.max(slot.0 + 1);
        }
    }

    pub(crate) fn change(&mut self, slot: Slot, change: impl FnOnce(&mut Head)) {
        let mut head = self.head(slot);
        change(&mut head);
        self.set_head(slot, head);
    }

    pub(crate) fn set_ids(&mut self, slot: Slot, pid: Pid, space: Space) {
        self.put(slot, IDS, pair(pid, space));
        self.ids[slot.0] = pair(pid, space);
    }

    pub(crate) fn free(&mut self, slot: Slot) {
        self.set_head(slot, Head::FREE);
        self.ids[slot.0] = 0;
        self.trim();
    }

    /// A record that is nothing's.
    pub(crate) fn vacant(&self) -> Option<Slot> {
        let hole = self.slots().find(|s| self.head(*s).kind == Kind::Free);
        hole.or((self.end < MAX_PROCESSES).then_some(Slot(self.end)))
    }

    fn find_by(&self, wanted: impl Fn(u64) -> bool) -> Option<Slot> {
        let found = self.ids.iter().take(self.end).enumerate().find(|(_, ids)| wanted(**ids));
        found.map(|(n, _)| Slot(n)).filter(|s| !matches!(self.head(*s).kind, Kind::Free | Kind::Making))
    }

    /// The process with a number, also one that has ended.
    pub fn find(&self, pid: Pid) -> Option<Slot> {
        if pid == 0 { None } else { self.find_by(|ids| ids as u32 == pid) }
    }

    /// The process with a badge ([`Table::badge`]).
    pub fn with_badge(&self, badge: Space) -> Option<Slot> {
        let first = |s: Slot| self.space(s) == badge && self.thread(s) == 0;
        let sharing = |s: Slot| self.pid(s) == badge && self.thread(s) != 0;
        let named = |ids: u64| badge != 0 && ((ids >> 32) as u32 == badge || ids as u32 == badge);
        let found = self.ids.iter().enumerate().filter(|(_, ids)| named(**ids)).map(|(n, _)| Slot(n));
        let there = |s: &Slot| !matches!(self.kind(*s), Kind::Free | Kind::Making);
        found.filter(there).find(|s| first(*s) || sharing(*s))
    }

    /// What a process is known by to whom it calls: its space, or its number, which is none of a space, if it shares one.
    pub fn badge(&self, slot: Slot) -> Space {
        if self.thread(slot) == 0 { self.space(slot) } else { self.pid(slot) }
    }

    /// The processes in a space that have not ended.
    pub fn sharing(&self, space: Space) -> Vec<Slot> {
        self.all().filter(|s| space != 0 && self.head(*s).lives() && self.space(*s) == space).collect()
    }

    /// Its thread, where it shares a space that another process began in; 0: it is the one that did.
    pub fn thread(&self, slot: Slot) -> u8 {
        self.head(slot).thread
    }

    /// The process with a number, if it has not ended.
    pub fn alive(&self, pid: Pid) -> Option<Slot> {
        self.find(pid).filter(|s| self.head(*s).lives())
    }

    /// All that run, are stopped, or have ended and not been asked for.
    pub fn all(&self) -> impl Iterator<Item = Slot> + '_ {
        self.slots().filter(|s| !matches!(self.head(*s).kind, Kind::Free | Kind::Making))
    }

    /// Processes that have not ended, those that are being made among them.
    pub fn population(&self) -> usize {
        self.slots().filter(|s| !matches!(self.head(*s).kind, Kind::Free | Kind::Ended)).count()
    }

    /// Its number.
    pub fn pid(&self, slot: Slot) -> Pid {
        self.get(slot, IDS) as u32
    }

    /// Its space; 0: it has none any more, or none yet.
    pub fn space(&self, slot: Slot) -> Space {
        (self.get(slot, IDS) >> 32) as u32
    }

    /// Its parent; 0: nobody.
    pub fn parent(&self, slot: Slot) -> Pid {
        self.get(slot, FAMILY) as u32
    }

    /// Its group.
    pub fn group(&self, slot: Slot) -> Pid {
        (self.get(slot, FAMILY) >> 32) as u32
    }

    /// How it is.
    pub fn kind(&self, slot: Slot) -> Kind {
        self.head(slot).kind
    }

    /// How nice it is.
    pub fn nice(&self, slot: Slot) -> i8 {
        self.head(slot).nice
    }

    /// Sets that.
    pub fn set_nice(&mut self, slot: Slot, nice: i8) -> i8 {
        let nice = nice.clamp(-20, 19);
        self.change(slot, |head| head.nice = nice);
        nice
    }

    /// How many hold it in memory; nobody does who has ended.
    pub fn holds(&self, slot: Slot) -> u8 {
        // A sequence number is that of an end that was begun and never came.
        let word = self.get(slot, WHEN);
        if self.head(slot).lives() && word & HOLDS != 0 { word as u8 } else { 0 }
    }

    /// One more holds it in memory. `Busy`: there are as many as can be counted.
    pub fn hold(&mut self, slot: Slot) -> Result<(), Error> {
        let holds = self.holds(slot).checked_add(1).ok_or(Error::Busy)?;
        self.put(slot, WHEN, HOLDS | u64::from(holds));
        Ok(())
    }

    /// One fewer does. `Invalid`: nobody does (PRS-W22).
    pub fn release(&mut self, slot: Slot) -> Result<(), Error> {
        let holds = self.holds(slot).checked_sub(1).ok_or(Error::Invalid)?;
        self.put(slot, WHEN, HOLDS | u64::from(holds));
        Ok(())
    }

    /// The boot module that was started.
    pub fn image(&self, slot: Slot) -> u16 {
        self.head(slot).image
    }

    /// Its name.
    pub fn name(&self, slot: Slot) -> alloc::string::String {
        get_text(&self.words, Self::at(slot, NAME), LIMITS - NAME)
    }

    /// Its limits.
    pub fn limits(&self, slot: Slot) -> Limits {
        core::array::from_fn(|n| Limit {
            soft: self.get(slot, LIMITS + 2 * n),
            hard: self.get(slot, LIMITS + 2 * n + 1),
        })
    }

    /// Sets one. `Invalid`: the soft value is above the hard one; `NotPermitted`: the hard value would rise.
    pub fn set_limit(&mut self, slot: Slot, resource: Resource, limit: Limit) -> Result<(), Error> {
        let word = LIMITS + 2 * resource as usize;
        let hard = self.get(slot, word + 1);
        if limit.soft > limit.hard {
            return Err(Error::Invalid);
        }
        if limit.hard > hard {
            return Err(Error::NotPermitted);
        }
        // The soft one first: it is never above the hard one.
        self.put(slot, word, limit.soft);
        if limit.hard < hard {
            self.put(slot, word + 1, limit.hard);
        }
        Ok(())
    }

    pub(crate) fn next_sequence(&mut self) -> u64 {
        let next = self.header(Header::Sequence) + 1;
        self.set_header(Header::Sequence, next);
        next
    }
}
