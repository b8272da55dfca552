// SPDX-License-Identifier: BSD-2-Clause
//! The frames: their records, the free list, and the gate before it.
//!
//! Nothing here wakes anybody: what is to be woken is collected in [`Frames::wake`], and the server's loop looks there.

use crate::meter::Meter;
use crate::page::{self, Flags, NONE, Page, Place};
use alloc::vec::Vec;
use ebb_abi::boot::Range;
use ebb_abi::meter::Counter;
use ebb_policy::gate::{Class, Gate, Waiter, Wake, Wiring};

/// All frames.
pub struct Frames {
    pages: Vec<Page>,
    free_head: u32,
    /// The accounting of free pages.
    pub gate: Gate,
    /// Pages set aside for starting servers.
    aside: u32,
    /// What is to be woken because of allocations and frees since it was last looked at.
    pub wake: Wake,
    /// The counters.
    pub meter: Meter,
}

impl Frames {
    /// Takes the free ranges of the boot information. `total` counts all pages of the machine, used ones too.
    pub fn new(nr_frames: u32, total: u32, free: &[Range], meter: Meter) -> Frames {
        let mut pages = page::table(nr_frames);
        let mut free_head = NONE;
        let mut count = 0;
        // Backwards, so that low frames are handed out first.
        for range in free.iter().rev() {
            for frame in (range.first..range.first.saturating_add(range.count)).rev() {
                if let Some(page) = pages.get_mut(frame as usize) {
                    page.place = Place::Free;
                    page.next = free_head;
                    free_head = frame;
                    count += 1;
                }
            }
        }
        let gate = Gate::new(total, count, 0);
        let mut frames = Frames { pages, free_head, gate, aside: 0, wake: Wake::default(), meter };
        frames.publish_thresholds();
        frames
    }

    /// Writes thresholds and counts to the counters.
    pub fn publish_thresholds(&mut self) {
        let t = *self.gate.thresholds();
        for (counter, value) in [
            (Counter::v_free_reserved, t.free_reserved),
            (Counter::v_free_severe, t.free_severe),
            (Counter::v_free_min, t.free_min),
            (Counter::v_free_target, t.free_target),
            (Counter::v_inactive_target, t.inactive_target),
            (Counter::v_interrupt_free_min, t.interrupt_free_min),
            (Counter::v_pageout_free_min, t.pageout_free_min),
            (Counter::pageout_wakeup_thresh, t.wakeup_thresh),
        ] {
            self.meter.set(counter, value as u64);
        }
        self.publish();
    }

    fn publish(&mut self) {
        self.meter.set(Counter::v_free_count, self.gate.free_count() as u64);
        self.meter.set(Counter::vm_pages_needed, self.gate.pages_needed() as u64);
        self.meter.set(Counter::vm_pageout_deficit, self.gate.deficit() as u64);
        self.meter.set(Counter::v_waiters, self.gate.waiting() as u64);
    }

    fn note(&mut self, wake: Wake) {
        self.wake.daemon |= wake.daemon;
        self.wake.daemons |= wake.daemons;
        self.wake.clients += wake.clients;
        self.publish();
    }

    /// Number of records.
    pub fn nr_frames(&self) -> u32 {
        self.pages.len() as u32
    }

    /// The record of a frame; a number beyond memory gives that of a foreign frame.
    pub fn page(&self, frame: u32) -> &Page {
        const FOREIGN: &Page = &Page {
            object: NONE,
            index: 0,
            generation: 0,
            next: NONE,
            place: Place::Foreign,
            flags: Flags::empty(),
            wired: 0,
        };
        self.pages.get(frame as usize).unwrap_or(FOREIGN)
    }

    /// The record of a frame, to change it; `None` beyond memory.
    pub fn page_mut(&mut self, frame: u32) -> Option<&mut Page> {
        self.pages.get_mut(frame as usize)
    }

    /// Takes a free frame for a purpose. `None`: the class's reserve would be touched (`vm_page_alloc`, PGO-233); the daemon is told.
    pub fn allocate(&mut self, class: Class, place: Place, object: u32, index: u32) -> Option<u32> {
        match self.gate.allocate(class, 1, 1) {
            Ok(wake) => self.note(wake),
            Err(shortage) => {
                self.note(shortage.0);
                return None;
            }
        }
        let frame = self.free_head;
        let Some(page) = self.pages.get_mut(frame as usize) else {
            // The gate and the list disagree: give the page back to the gate; the audit will tell.
            let wake = self.gate.free(1);
            self.note(wake);
            return None;
        };
        self.free_head = page.next;
        *page = Page { object, index, next: NONE, place, flags: Flags::empty(), wired: 0, ..*page };
        Some(frame)
    }

    /// Whether a normal allocation would succeed without waking the daemon: for what is only a bonus, such as read-ahead.
    pub fn plenty(&self) -> bool {
        self.gate.free_count() > self.gate.thresholds().wakeup_thresh
    }

    /// Puts a frame back on the free list. It must not be mapped.
    pub fn free(&mut self, frame: u32) {
        let head = self.free_head;
        let Some(page) = self.pages.get_mut(frame as usize) else { return };
        if page.place == Place::Free {
            return;
        }
        if page.flags.contains(Flags::ACTIVE) {
            self.meter.sub(Counter::v_active_count, 1);
        }
        if page.flags.contains(Flags::INACTIVE) {
            self.meter.sub(Counter::v_inactive_count, 1);
        }
        *page = Page {
            object: NONE,
            index: 0,
            generation: page.generation.wrapping_add(1),
            next: head,
            place: Place::Free,
            flags: Flags::empty(),
            wired: 0,
        };
        self.free_head = frame;
        self.meter.add(Counter::v_tfree, 1);
        let wake = self.gate.free(1);
        self.note(wake);
    }

    /// Takes over a frame that was in use before `vm` ran, as one of this place.
    pub fn adopt(&mut self, frame: u32, place: Place, object: u32, index: u32) {
        if let Some(page) = self.pages.get_mut(frame as usize)
            && page.place == Place::Foreign
        {
            page.place = place;
            page.object = object;
            page.index = index;
        }
    }

    /// A frame that is in use becomes a page of an object, with what is in it.
    pub fn turn(&mut self, frame: u32, object: u32, index: u32) {
        if let Some(page) = self.pages.get_mut(frame as usize)
            && matches!(page.place, Place::Kernel | Place::Own)
        {
            *page = Page { object, index, place: Place::Object, ..*page };
        }
    }

    /// Sets the queue on which the policy holds a page.
    pub fn set_queue(&mut self, frame: u32, queue: Flags) {
        let Some(page) = self.pages.get_mut(frame as usize) else { return };
        let before = page.flags & Flags::QUEUED;
        page.flags = (page.flags - Flags::QUEUED) | queue;
        for (flag, counter) in
            [(Flags::ACTIVE, Counter::v_active_count), (Flags::INACTIVE, Counter::v_inactive_count)]
        {
            match (before.contains(flag), queue.contains(flag)) {
                (false, true) => self.meter.add(counter, 1),
                (true, false) => self.meter.sub(counter, 1),
                _ => {}
            }
        }
    }

    /// Sets pages aside for starting servers.
    pub fn set_aside(&mut self, pages: u32) {
        self.aside = pages;
        let wake = self.gate.set_aside(pages);
        self.note(wake);
        self.publish_thresholds();
    }

    /// A server has ended and given back so many pages: they are kept for the next, on top of what is set aside.
    pub fn keep_for_restart(&mut self, pages: u32) {
        let wake = self.gate.set_aside(self.aside + pages);
        self.note(wake);
        self.publish_thresholds();
    }

    /// A server was started: nothing more is kept than what is set aside.
    pub fn restarted(&mut self) {
        if self.gate.aside() != self.aside {
            self.set_aside(self.aside);
        }
    }

    /// Somebody begins to wait for a free page.
    pub fn wait(&mut self) {
        let wake = self.gate.wait(Waiter::Client);
        self.note(wake);
    }

    /// Somebody who waited is gone.
    pub fn cancel_wait(&mut self) {
        self.gate.cancel(Waiter::Client);
        self.publish();
    }

    /// Counts pages as wired; false if more programs' pages would be than may.
    pub fn wire(&mut self, pages: u32, wiring: Wiring) -> bool {
        let done = self.gate.wire(pages, wiring).is_ok();
        self.meter.set(Counter::v_wire_count, self.gate.wire_count() as u64);
        done
    }

    /// Counts pages as no longer wired.
    pub fn unwire(&mut self, pages: u32, wiring: Wiring) {
        self.gate.unwire(pages, wiring);
        self.meter.set(Counter::v_wire_count, self.gate.wire_count() as u64);
    }

    /// Length of the free list, walked: for the audit. Stops at the number of records.
    pub fn free_list_len(&self) -> u32 {
        let (mut frame, mut count) = (self.free_head, 0);
        while let Some(page) = self.pages.get(frame as usize) {
            count += 1;
            frame = page.next;
            if count > self.pages.len() as u32 {
                break;
            }
        }
        count
    }
}
