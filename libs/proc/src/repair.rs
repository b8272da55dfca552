// SPDX-License-Identifier: BSD-2-Clause
//! What another instance left in the middle of something.

use crate::record::{FAMILY, HEAD, Head, IDS, Kind, pair};
use crate::table::{Slot, Table};
use crate::words::Words;
use alloc::vec::Vec;
use ebb_proto::proc::Pid;
use ebb_proto::vm::Space;

/// What is left to do after [`Table::repair`].
#[derive(Default, Debug, PartialEq, Eq)]
pub struct Left {
    /// Spaces of processes that were never started: to be freed.
    pub unmade: Vec<(Space, u8)>,
    /// Processes that have ended, whose spaces are to be freed, and then [`Table::cleared`].
    pub ended: Vec<Slot>,
    /// Processes that run, or did when the other instance died.
    pub running: Vec<Slot>,
    /// Records that nobody can have written.
    pub damaged: u32,
}

impl<W: Words> Table<W> {
    /// Puts the table in order. Doing it twice, or only in part and then again, is as good as once.
    pub fn repair(&mut self) -> Left {
        let mut left = Left::default();
        let mut seen: Vec<Pid> = Vec::new();
        for slot in self.slots() {
            let Some(head) = Head::unpack(self.get(slot, HEAD)) else {
                left.damaged += 1;
                self.free(slot);
                continue;
            };
            match head.kind {
                Kind::Free => {}
                Kind::Making => {
                    // Number and space are written at once, after the record was cleared.
                    if self.get(slot, IDS) != 0 {
                        left.unmade.push((self.space(slot), head.thread));
                    }
                    self.free(slot);
                }
                _ if self.pid(slot) == 0 || seen.contains(&self.pid(slot)) => {
                    left.damaged += 1;
                    self.free(slot);
                }
                _ => seen.push(self.pid(slot)),
            }
        }
        for slot in self.slots() {
            let head = self.head(slot);
            let orphan = head.kind != Kind::Free && self.alive(self.parent(slot)).is_none();
            match head.kind {
                Kind::Free | Kind::Making => {}
                Kind::Ended if self.space(slot) != 0 => left.ended.push(slot),
                Kind::Ended if orphan => self.free(slot),
                Kind::Ended => {}
                _ => left.running.push(slot),
            }
            if orphan && self.head(slot).kind != Kind::Free && self.parent(slot) != 0 {
                self.put(slot, FAMILY, pair(0, self.group(slot)));
            }
        }
        left
    }
}
