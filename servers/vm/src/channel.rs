// SPDX-License-Identifier: BSD-2-Clause
//! The rings between `vm` and one of the two pagers, and how much is under way in them.

use core::sync::atomic::{AtomicU64, Ordering};
use ebb_abi::Handle;
use ebb_proto::pager::Submission;
use ebb_proto::vm::Space;
use ebb_ring::{Consumer, Producer};

/// Entries of the submission ring kept for what moves no page.
const KEPT: usize = 16;

/// What came out of the completion ring.
pub enum Popped {
    /// An entry.
    Entry([u64; 4]),
    /// Nothing; the pager rings when there is something.
    Empty,
    /// Nonsense: the ring is closed now.
    Broken,
}

/// The rings.
pub struct Channel {
    space: Space,
    notification: Handle,
    generation: u32,
    submissions: Option<Producer<'static>>,
    completions: Option<Consumer<'static>>,
    segment: u32,
    capacity: usize,
    /// Pages being read.
    pub reading: u32,
    /// Pages being written.
    pub writing: u32,
    /// After a new instance came: the frame from which on what was in flight has not been submitted again yet.
    pub resubmit_from: Option<u32>,
    attached_at: u64,
    detached_at: u64,
    held: u64,
    /// Since when requests are held; 0: they are not.
    held_since: u64,
    /// The pager is about to be replaced: nothing more is submitted to it.
    closed: bool,
    rang: bool,
}

impl Channel {
    /// One that nobody is attached to. `segment` is where its rings will be.
    pub fn new(segment: u32) -> Channel {
        Channel {
            space: 0,
            notification: Handle::NONE,
            generation: 0,
            submissions: None,
            completions: None,
            segment,
            capacity: 0,
            reading: 0,
            writing: 0,
            resubmit_from: None,
            attached_at: 0,
            detached_at: 0,
            held: 0,
            held_since: 0,
            closed: false,
            rang: true,
        }
    }

    /// The segment of the rings.
    pub fn segment(&self) -> u32 {
        self.segment
    }

    /// The pager's space, 0 if there is none.
    pub fn space(&self) -> Space {
        self.space
    }

    /// Whether a pager is attached.
    #[inline]
    pub fn attached(&self) -> bool {
        self.space != 0
    }

    /// Number of the instance that is or was attached; 0: there never was one.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// When the last one went, 0 if there was none.
    pub fn gone_since(&self) -> u64 {
        self.detached_at
    }

    /// Whether one that was there is gone, for less than `patience` cycles.
    pub fn is_awaited(&self, now: u64, patience: u64) -> bool {
        !self.attached() && self.generation > 0 && now.saturating_sub(self.detached_at) < patience
    }

    /// Whether one came in the place of another less than `patience` cycles ago.
    pub fn is_back(&self, now: u64, patience: u64) -> bool {
        self.attached() && self.generation > 1 && now.saturating_sub(self.attached_at) < patience
    }

    /// A pager comes, with rings in these words, which are cleared.
    pub fn attach(&mut self, space: Space, notification: Handle, words: &'static [AtomicU64], now: u64) {
        words.iter().for_each(|w| w.store(0, Ordering::Relaxed));
        let (first, second) = words.split_at(words.len() / 2);
        self.capacity = ebb_ring::capacity(first.len());
        self.submissions = Producer::new(first);
        self.completions = Consumer::new(second);
        self.space = space;
        self.notification = notification;
        self.generation += 1;
        self.attached_at = now;
        self.rang = true;
        self.closed = false;
        self.resubmit_from = Some(0);
    }

    /// Nothing more is submitted, until there is another instance: what is under way is to end first.
    pub fn close(&mut self, now: u64) {
        self.closed = true;
        self.held_since = now;
    }

    /// Whether nothing is submitted because the pager is about to be replaced.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// The pager is at work: requests are no longer held.
    pub fn at_work(&mut self, now: u64) {
        if self.attached() && !self.closed && self.held_since != 0 {
            self.held = now.saturating_sub(core::mem::take(&mut self.held_since));
        }
    }

    /// Cycles that requests were held at the last replacement, up to the next instance's first answer; `None`: they are held still.
    pub fn held(&self) -> Option<u64> {
        (self.held_since == 0).then_some(self.held)
    }

    /// It is gone. Returns its notification.
    pub fn detach(&mut self, now: u64) -> Handle {
        self.space = 0;
        self.submissions = None;
        self.completions = None;
        self.detached_at = now;
        if self.held_since == 0 {
            self.held_since = now;
        }
        core::mem::replace(&mut self.notification, Handle::NONE)
    }

    /// Whether so many pages more can be asked for. All that are in flight must fit the ring at once, because after the death of the pager they
    /// are submitted again; a few entries are kept for the rest.
    #[inline]
    pub fn room(&self, entries: usize) -> bool {
        let in_flight = (self.reading + self.writing) as usize;
        self.resubmit_from.is_none()
            && !self.closed
            && in_flight + entries + KEPT <= self.capacity
            && self.fits(entries + KEPT)
    }

    /// Whether so many entries fit the ring now.
    #[inline]
    pub fn fits(&self, entries: usize) -> bool {
        self.submissions.as_ref().and_then(|s| s.room().ok()).is_some_and(|room| room >= entries)
    }

    /// Appends to the ring; `false`: no pager, no room, or a broken ring.
    #[inline]
    pub fn push(&mut self, submission: &Submission) -> bool {
        let Some(ring) = self.submissions.as_mut().filter(|_| !self.closed) else { return false };
        let pushed = matches!(ring.push(&submission.pack()), Ok(true));
        self.rang &= !pushed;
        pushed
    }

    /// Whom to ring, if it waits for what was pushed since the last time.
    #[inline]
    pub fn doorbell(&mut self) -> Option<Handle> {
        if core::mem::replace(&mut self.rang, true) {
            return None;
        }
        self.submissions.as_ref().is_some_and(|s| s.must_ring()).then_some(self.notification)
    }

    /// Takes a completion.
    pub fn pop(&mut self) -> Popped {
        loop {
            let Some(ring) = self.completions.as_mut() else { return Popped::Empty };
            match ring.pop() {
                Ok(Some(entry)) => return Popped::Entry(entry),
                Ok(None) if ring.sleep() => return Popped::Empty,
                Ok(None) => {}
                Err(_) => {
                    self.completions = None;
                    return Popped::Broken;
                }
            }
        }
    }
}
