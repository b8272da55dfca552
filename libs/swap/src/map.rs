// SPDX-License-Identifier: BSD-2-Clause
//! From a page to its slot: an open-addressing hash table of slot numbers. The keys are not stored: they stand in the slots' records.
//!
//! Its size is fixed when the device is added, two places a slot, so it never grows and never fills up (SWP-W21, SWP-W22). A removed entry's
//! successors move up: no search ever walks over remains. It lies in the device's durable memory, but counts there only when a seal says that it is right ([`Table::seal`]): a change of it
//! takes more than one word.

use crate::record::{Key, Record};
use crate::table::Table;
use core::sync::atomic::{AtomicU64, Ordering};

/// The map. A place is 0, or a slot's number plus one; each has half a cell.
#[derive(Debug)]
pub struct Map<'a> {
    cells: &'a [AtomicU64],
}

impl<'a> Map<'a> {
    /// Over these cells, with what is there.
    pub fn over(cells: &'a [AtomicU64]) -> Map<'a> {
        Map { cells }
    }

    /// Takes everything out.
    pub fn clear(&mut self) {
        self.cells.iter().for_each(|cell| cell.store(0, Ordering::Relaxed));
    }

    fn len(&self) -> usize {
        2 * self.cells.len()
    }

    fn place(&self, at: usize) -> u32 {
        let word = self.cells.get(at / 2).map_or(0, |c| c.load(Ordering::Relaxed));
        (word >> (32 * (at % 2))) as u32
    }

    fn set(&mut self, at: usize, place: u32) {
        if let Some(cell) = self.cells.get(at / 2) {
            let shift = 32 * (at % 2);
            let kept = cell.load(Ordering::Relaxed) & !((u32::MAX as u64) << shift);
            cell.store(kept | (place as u64) << shift, Ordering::Relaxed);
        }
    }

    /// The slot and version of a page's copy.
    pub fn find(&self, table: &Table<'_>, key: Key) -> Option<(u32, u8)> {
        let mut at = self.home(key);
        for _ in 0..self.len() {
            let slot = self.place(at).checked_sub(1)?;
            if let Some(Record::Committed(found, version)) = table.get(slot)
                && found == key
            {
                return Some((slot, version));
            }
            at = self.after(at);
        }
        None
    }

    /// Enters a slot whose page is in no place yet.
    pub fn insert(&mut self, key: Key, slot: u32) {
        let mut at = self.home(key);
        for _ in 0..self.len() {
            if self.place(at) == 0 {
                self.set(at, slot + 1);
                return;
            }
            at = self.after(at);
        }
        // Not reached: there are two places a slot, and a slot is entered once.
    }

    /// Puts another slot in the place of one with the same page. Whether it was there.
    pub fn replace(&mut self, key: Key, old: u32, new: u32) -> bool {
        match self.place_of(key, old) {
            Some(at) => {
                self.set(at, new + 1);
                true
            }
            None => false,
        }
    }

    /// Takes a slot out; its record must still stand. Whether it was there.
    pub fn remove(&mut self, table: &Table<'_>, key: Key, slot: u32) -> bool {
        let Some(mut hole) = self.place_of(key, slot) else { return false };
        let mut at = hole;
        for _ in 0..self.len() {
            at = self.after(at);
            let Some(other) = self.place(at).checked_sub(1) else { break };
            let home = match table.get(other) {
                Some(Record::Committed(key, _)) => self.home(key),
                // A damaged record: it stays where it is.
                _ => continue,
            };
            // It may move to the hole unless its home lies cyclically behind the hole.
            if self.distance(home, at) >= self.distance(hole, at) {
                self.set(hole, self.place(at));
                hole = at;
            }
        }
        self.set(hole, 0);
        true
    }

    fn place_of(&self, key: Key, slot: u32) -> Option<usize> {
        let mut at = self.home(key);
        for _ in 0..self.len() {
            match self.place(at) {
                0 => return None,
                place if place == slot + 1 => return Some(at),
                _ => at = self.after(at),
            }
        }
        None
    }

    fn home(&self, key: Key) -> usize {
        let mut h = (key.object as u64) << 32 | key.index as u64;
        h = (h ^ h >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        h = (h ^ h >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((h >> 32).wrapping_mul(self.len() as u64) >> 32) as usize
    }

    fn after(&self, at: usize) -> usize {
        if at + 1 == self.len() { 0 } else { at + 1 }
    }

    fn distance(&self, from: usize, to: usize) -> usize {
        if to >= from { to - from } else { to + self.len() - from }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::table::Identity;
    use proptest::prelude::*;
    use std::collections::HashMap;
    use std::vec::Vec;

    proptest! {
        /// SWP-154, SWP-W22: each page finds its own slot after any history, in a table that is as full as it can be.
        #[test]
        fn swp_154_map_equals_a_model(ops in proptest::collection::vec((0u32..3, 0u32..60, 0u32..24), 1..400)) {
            let cells: Vec<AtomicU64> = (0..512 + 48).map(|_| AtomicU64::new(0)).collect();
            let table = Table::format(&cells, &Identity { disk: 0, name: 0, slots: 24 }).unwrap();
            let mut map = Map::over(table.places());
            let mut model: HashMap<Key, u32> = HashMap::new();
            for (op, page, slot) in ops {
                let key = Key { object: page % 3, index: page };
                let used = model.values().any(|s| *s == slot);
                match (op, model.get(&key).copied()) {
                    (0, None) if !used => {
                        table.set(slot, Record::Committed(key, 0));
                        map.insert(key, slot);
                        model.insert(key, slot);
                    }
                    (1, Some(old)) if !used => {
                        table.set(slot, Record::Committed(key, 0));
                        prop_assert!(map.replace(key, old, slot));
                        table.set(old, Record::Free);
                        model.insert(key, slot);
                    }
                    (2, Some(old)) => {
                        prop_assert!(map.remove(&table, key, old));
                        table.set(old, Record::Free);
                        model.remove(&key);
                    }
                    _ => {}
                }
                for page in 0..60 {
                    let key = Key { object: page % 3, index: page };
                    prop_assert_eq!(map.find(&table, key).map(|f| f.0), model.get(&key).copied());
                }
            }
        }
    }

    #[test]
    fn what_is_not_there_is_not_removed() {
        let cells: Vec<AtomicU64> = (0..528).map(|_| AtomicU64::new(0)).collect();
        let table = Table::format(&cells, &Identity { disk: 0, name: 0, slots: 8 }).unwrap();
        let mut map = Map::over(table.places());
        let key = Key { object: 1, index: 2 };
        assert!(!map.remove(&table, key, 3));
        assert!(!map.replace(key, 3, 4));
    }
}
