// SPDX-License-Identifier: BSD-2-Clause
//! The pool in front of the devices.

use crate::compress::Pressed;
use crate::entry::{Contents, Entry, Packed, is_mark};
use crate::index::{GOING, GONE, REFUSED};
use crate::pool::Pool;
use core::fmt::Arguments;
use ebb_proto::pager::PoolStatus;
use ebb_swap::front::{Damaged, WrittenOut};
use ebb_swap::{Front, Spot, World};

/// Copies that are written out for each page that found no room: more than one, so that there is room again.
const OUT_FOR_ONE: u32 = 2;
/// Of those that are to be written out because of it, at most so many: guessed, two runs.
const MOST_SHORT: u32 = 32;

impl Pool<'_> {
    fn found_no_room(&mut self) -> bool {
        self.counters.full += 1;
        self.short = (self.short + OUT_FOR_ONE).min(MOST_SHORT);
        false
    }

    /// Makes the page of a copy; `false`: it is not what was kept.
    fn unpack(&mut self, contents: &Contents) -> bool {
        match contents {
            Contents::Filled(word) => {
                self.press.fill(*word);
                true
            }
            Contents::Packed(p) => {
                let cells = self.cells(p);
                self.press.restore(p.bytes as usize, cells, p.sum)
            }
        }
    }

    /// The parts of the whole that are in use: entries and room for bytes.
    fn is_nearly_full(&self) -> bool {
        let (all, used) = self.spans.bytes();
        self.index.nr_free() < self.low_entries() || used > all / 16 * 15
    }
}

impl<'a> Front<'a> for Pool<'a> {
    fn keep(&mut self, world: &mut impl World<'a>, at: Spot, frame: u32) -> bool {
        // There is nothing; if there were, it would hide what is kept or written now.
        self.forget(at);
        if self.retiring {
            return false;
        }
        if self.index.nr_free() == 0 {
            return self.found_no_room();
        }
        if !world.read_frame(frame, &mut self.press.page) {
            return false;
        }
        let contents = match self.press.press() {
            Pressed::Filled(word) => Contents::Filled(word),
            Pressed::Poor => {
                self.counters.poor += 1;
                return false;
            }
            Pressed::Packed(bytes) => {
                let Some((room, cells)) = self.room_for(bytes) else { return self.found_no_room() };
                let sum = self.press.save(bytes, cells);
                Contents::Packed(Packed { sum, ..room })
            }
        };
        self.counters.stored += 1;
        self.enter(at, contents)
    }

    fn has(&self, at: Spot) -> bool {
        // Damaged or not: what is on the device is not the page.
        self.copies > 0 && self.index.find(at).is_some_and(|n| self.index.flags(n) & GONE == 0)
    }

    fn bring(&mut self, world: &mut impl World<'a>, at: Spot, frame: u32) -> Result<(), Damaged> {
        let (_, entry) = self.entry(at).ok_or(Damaged)?;
        if !self.unpack(&entry.contents) || !world.write_frame(frame, &self.press.page) {
            return Err(Damaged);
        }
        self.counters.loaded += 1;
        Ok(())
    }

    fn is_going_out(&self, at: Spot) -> bool {
        self.index.find(at).is_some_and(|n| self.index.flags(n) & GOING != 0)
    }

    fn forget(&mut self, at: Spot) {
        match (self.entry(at), self.index.find(at)) {
            (Some((number, entry)), _) => self.drop_copy(number, &entry),
            // A damaged one: what it held cannot be told.
            (None, Some(number)) if self.index.flags(number) & GONE == 0 => self.remove(number, at),
            _ => {}
        }
    }

    fn next_out(&mut self) -> Option<Spot> {
        if !self.retiring && self.short == 0 && !self.is_nearly_full() {
            return None;
        }
        self.index.oldest().map(|number| self.index.spot(number))
    }

    fn begin_out(&mut self, world: &mut impl World<'a>, at: Spot, frame: u32) -> bool {
        let Some(number) = self.index.find(at).filter(|n| self.index.flags(*n) & (GOING | REFUSED) == 0)
        else {
            return false;
        };
        self.index.unorder(number);
        let readable = self.entry(at).is_some_and(|(_, entry)| self.unpack(&entry.contents));
        if !readable || !world.write_frame(frame, &self.press.page) {
            // Its reader is told when there is one.
            self.index.set_flags(number, REFUSED);
            self.refused += 1;
            return false;
        }
        self.index.set_flags(number, GOING);
        self.short = self.short.saturating_sub(1);
        true
    }

    fn written_out(&mut self, at: Spot, ok: bool) -> WrittenOut {
        let Some(number) = self.index.find(at) else { return WrittenOut::Kept };
        if self.index.flags(number) & GONE != 0 {
            self.index.set_flags(number, 0);
            self.remove(number, at);
            return WrittenOut::GivenUp;
        }
        self.index.set_flags(number, if ok { 0 } else { REFUSED });
        if !ok {
            self.refused += 1;
        } else if let Some((number, entry)) = self.entry(at) {
            self.counters.written_out += 1;
            self.drop_copy(number, &entry);
        }
        WrittenOut::Kept
    }

    fn retire(&mut self, retiring: bool) {
        if self.retiring == retiring {
            return;
        }
        self.retiring = retiring;
        if core::mem::take(&mut self.refused) > 0 {
            // Perhaps the device takes them this time.
            for number in 0..self.index.len() {
                if self.index.words(number)[0] != 0 && self.index.flags(number) & REFUSED != 0 {
                    self.index.set_flags(number, 0);
                    self.index.append(number);
                }
            }
        }
    }

    fn copies(&self) -> u64 {
        self.copies
    }

    fn refused(&self) -> u64 {
        self.refused
    }

    fn add_memory(&mut self, world: &mut impl World<'a>, address: u64, pages: u64) -> bool {
        world.segment(address, pages).is_some_and(|cells| self.add(address, cells))
    }

    fn wants_memory(&self) -> bool {
        let (all, used) = self.spans.bytes();
        !self.retiring
            && self.chunks() < self.most
            && (self.index.nr_free() < self.index.len() / 4 || used >= all / 4 * 3)
    }

    fn adopt(&mut self, valid: &dyn Fn(Spot) -> bool, log: &mut dyn FnMut(Arguments<'_>)) {
        self.adopt_entries(valid, log);
        if self.chunks() > 0 {
            let c = &self.counters;
            log(format_args!(
                "pool: {} chunks, adopted {} copies, dropped {}, damaged {}",
                self.chunks(),
                self.copies,
                c.dropped,
                c.problems
            ));
        }
    }

    fn audit(&self, valid: &dyn Fn(Spot) -> bool, log: &mut dyn FnMut(Arguments<'_>)) -> u64 {
        let (mut copies, mut filled, mut bytes, mut refused, mut wrong) = (0, 0, 0, 0, 0);
        let mut marks = 0;
        for number in 0..self.index.len() {
            let words = self.index.words(number);
            if words[0] == 0 {
                continue;
            }
            if is_mark(words[0]) {
                marks += 1;
                continue;
            }
            let told = match Entry::unpack(words, number) {
                None => Some("it is damaged"),
                Some(e) if self.index.find(e.at) != Some(number) => Some("it is not found"),
                Some(e) if !valid(e.at) => Some("its slot holds no copy"),
                Some(e) => {
                    copies += 1;
                    match e.contents {
                        Contents::Filled(_) => filled += 1,
                        Contents::Packed(p) => bytes += p.bytes as u64,
                    }
                    refused += (self.index.flags(number) & REFUSED != 0) as u64;
                    None
                }
            };
            if let Some(what) = told {
                log(format_args!(
                    "audit: entry {number} of the pool: {what} ({:#x} {:#x})",
                    words[0], words[1]
                ));
                wrong += 1;
            }
        }
        let (objects, of_spans) = self.spans.audit();
        let found =
            (copies, filled, bytes, refused, copies - filled, marks + copies + self.index.nr_free() as u64);
        let counted =
            (self.copies, self.filled, self.compressed, self.refused, objects, self.index.len() as u64);
        if found != counted || of_spans > 0 {
            log(format_args!(
                "audit: the pool has {found:?}, but {counted:?} counted, and {of_spans} wrong spans"
            ));
            wrong += 1;
        }
        wrong
    }

    fn status(&self) -> Option<PoolStatus> {
        let (data, used) = self.spans.bytes();
        let c = &self.counters;
        Some(PoolStatus {
            bytes: (self.chunks() as u64 * crate::chunk::CHUNK_BYTES, used),
            room: data,
            pages: self.copies,
            compressed: self.compressed,
            same_filled: self.filled,
            stored: c.stored,
            loaded: c.loaded,
            poor: c.poor,
            full: c.full,
            written_out: c.written_out,
        })
    }
}
