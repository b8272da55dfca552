// SPDX-License-Identifier: BSD-2-Clause
//! Swapping in (`uvm_scheduler`): one candidate after the other, as long as there is room.

use crate::machine::Machine;
use crate::swapper::{Refused, Swapper};

/// What the swapper waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sleep {
    /// An event.
    Event,
    /// Free pages, or an event.
    Memory,
}

impl Swapper {
    /// Brings in whoever should be, until there is nobody or no room. Events that come meanwhile are seen before it sleeps: a kick between the last look and the sleep is one that
    /// [`Machine::next_event`] has not said `None` after, and ends the sleep.
    pub fn run(&mut self, m: &mut impl Machine) -> Sleep {
        loop {
            self.drain(m);
            if !self.enabled {
                return Sleep::Event;
            }
            let Some(id) = self.queue.next(self.now, u64::from(self.tunables.max_wait_s())) else {
                if self.drain(m) {
                    continue;
                }
                return Sleep::Event;
            };
            let pages = self.thread(id).map_or(0, |t| t.pages);
            let room = m.free_pages() > pages;
            let result = if room { self.bring_in(m, id) } else { Err(Refused::NoMemory) };
            if result == Err(Refused::NoMemory) {
                // The choice is forgotten: whoever is best after the wait comes in.
                m.want_memory();
                if self.drain(m)
                    && self.queue.next(self.now, u64::from(self.tunables.max_wait_s())) != Some(id)
                {
                    continue;
                }
                return Sleep::Memory;
            }
        }
    }
}
