// SPDX-License-Identifier: BSD-2-Clause
//! The event ring: entries to events.

use ebb_policy::{Event, Page, Queue};
use ebb_proto::vm::EventKind;
use ebb_ring::Consumer;

/// What the ring said.
pub enum Next {
    /// An event for the policy.
    Event(Event),
    /// Events were lost: a new snapshot is needed.
    Lost,
    /// Nothing now.
    Empty,
}

/// The queue that an argument names.
pub fn queue(argument: u64) -> Queue {
    if argument == 0 { Queue::Inactive } else { Queue::Active }
}

/// Takes the next event. What nobody knows is skipped: it can only be a newer `vm`'s.
pub fn next(ring: &mut Consumer<'_>) -> Next {
    loop {
        let entry = match ring.pop() {
            Ok(Some(entry)) => entry,
            Ok(None) => return Next::Empty,
            Err(_) => return Next::Lost,
        };
        let page = Page { frame: entry[1] as u32, generation: (entry[1] >> 32) as u32 };
        let event = match EventKind::from_raw(entry[0]) {
            Some(EventKind::PageIn) => Event::PageIn { page, queue: queue(entry[2]), tag: entry[3] as u32 },
            Some(EventKind::Activate) => Event::Activate(page),
            Some(EventKind::Deactivate) => Event::Deactivate(page),
            Some(EventKind::Free) => Event::Free(page),
            Some(EventKind::Wire) => Event::Wire(page),
            Some(EventKind::Unwire) => Event::Unwire { page, queue: queue(entry[2]) },
            Some(EventKind::Laundered) => Event::Laundered { page, ok: entry[2] != 0 },
            Some(EventKind::Shortage) => Event::Shortage,
            Some(EventKind::Overflow) => return Next::Lost,
            None => continue,
        };
        return Next::Event(event);
    }
}
