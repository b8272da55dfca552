// SPDX-License-Identifier: BSD-2-Clause
//! Policies come and go: attachments, their event rings, snapshots.
//!
//! Two may be attached. One decides; the other, its successor, has its own ring from the first moment, hears what the first hears, takes a snapshot in pieces while the
//! first goes on, and decides from the moment at which it says that it is ready. So nobody is without a policy for longer than that one call takes, however many pages
//! there are.

use crate::conduct::Conduct;
use crate::machine::Machine;
use crate::page::{Flags, Place};
use crate::vm::Vm;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};
use ebb_abi::Handle;
use ebb_abi::meter::Counter;
use ebb_policy::gate::Wiring;
use ebb_proto::Error;
use ebb_proto::ejection::Cause;
use ebb_proto::vm::{Attachment, EventKind, Happening, POLICY_BIT, PageRecord, Space};
use ebb_ring::Producer;

/// Pages of the event ring: 1024 events.
const RING_PAGES: u64 = 9;
/// Where it is mapped in the policy's space.
const RING_ADDRESS: u64 = ebb_abi::layout::SEGMENTS;
/// Records in one piece of a snapshot.
const SNAPSHOT_PIECE: usize = 256;

/// An attachment.
pub struct Seat {
    /// Whose it is.
    pub(crate) space: Space,
    notification: Handle,
    /// Its number.
    pub(crate) generation: u32,
    ring: Producer<'static>,
    ring_segment: u32,
    ring_capacity: usize,
    overflow: bool,
    /// When it was made.
    since: u64,
    snapshot_pages: u64,
    /// How it behaves.
    pub(crate) conduct: Conduct,
}

/// Which of the two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Which {
    /// The one that decides.
    Current,
    /// Its successor.
    Next,
}

impl Seat {
    /// Puts an event into the ring. `None`: the ring is broken; `Some(true)`: it is time to look at it.
    fn tell(&mut self, entry: &[u64; 4]) -> Option<bool> {
        if self.overflow {
            return Some(false);
        }
        match self.ring.push(entry) {
            Ok(true) => {}
            Ok(false) => self.overflow = true,
            Err(_) => return None,
        }
        // It need not wake for every event, only before the ring is full.
        Some(self.ring.pending().is_ok_and(|pending| pending == self.ring_capacity / 2))
    }

    /// Says that events were lost, if there is room for that now.
    fn tell_overflow(&mut self) -> bool {
        let told = self.overflow
            && self.ring.room().is_ok_and(|room| room > self.ring_capacity / 2)
            && self.ring.push(&[EventKind::Overflow as u64, 0, 0, 0]).is_ok_and(|pushed| pushed);
        self.overflow &= !told;
        told
    }
}

impl<M: Machine> Vm<M> {
    pub(crate) fn seat(&self, which: Which) -> Option<&Seat> {
        match which {
            Which::Current => self.policy.seat.as_ref(),
            Which::Next => self.policy.next.as_ref(),
        }
    }

    pub(crate) fn seat_mut(&mut self, which: Which) -> Option<&mut Seat> {
        match which {
            Which::Current => self.policy.seat.as_mut(),
            Which::Next => self.policy.next.as_mut(),
        }
    }

    /// Attaches a space as the next policy; one that was to be it is superseded.
    pub fn policy_attach(&mut self, space: Space, notification: Handle) -> Result<Attachment, Error> {
        if !self.spaces.get(space).is_some_and(|s| s.may_decide) {
            return Err(Error::NotPermitted);
        }
        self.policy_gone(space);
        self.leave(Which::Next);
        let (segment, words) = self.event_ring()?;
        let ring_capacity = ebb_ring::capacity(words.len());
        let mapped = self.map_segment_at(space, segment, RING_ADDRESS);
        let ring = match mapped.and_then(|()| Producer::new(words).ok_or(Error::Invalid)) {
            Ok(ring) => ring,
            Err(error) => {
                self.policy.spare_rings.push(segment);
                return Err(error);
            }
        };
        self.policy.generation += 1;
        let (generation, since) = (self.policy.generation, self.m.now());
        self.policy.next_look = since;
        self.policy.next = Some(Seat {
            space,
            notification,
            generation,
            ring,
            ring_segment: segment,
            ring_capacity,
            overflow: false,
            since,
            snapshot_pages: 0,
            conduct: Conduct::new(since),
        });
        Ok(Attachment {
            ring: RING_ADDRESS,
            ring_pages: RING_PAGES,
            nr_frames: self.frames.nr_frames(),
            generation,
        })
    }

    /// A space ends, or begins anew: if it was a policy, it is none now.
    pub fn policy_gone(&mut self, space: Space) {
        for which in [Which::Current, Which::Next] {
            if self.seat(which).is_some_and(|seat| seat.space == space) {
                self.leave(which);
            }
        }
    }

    /// Takes an attachment away.
    fn leave(&mut self, which: Which) {
        let seat = match which {
            Which::Current => self.policy.seat.take(),
            Which::Next => self.policy.next.take(),
        };
        let Some(seat) = seat else { return };
        if which == Which::Current {
            self.policy.gone_since = self.m.now();
            self.policy.deadline = 0;
            self.frames.meter.set(Counter::policy_attached, 0);
        }
        self.retire(seat);
    }

    /// Takes the event ring away from a policy that is no longer one, for another.
    fn retire(&mut self, seat: Seat) {
        self.m.handle_close(seat.notification);
        if let Some(task) = self.spaces.get(seat.space).map(|s| s.task)
            && let Err(error) = self.m.unmap(task, RING_ADDRESS, RING_PAGES)
        {
            // It can still write there, into entries that the next one reads as hints at most; but not share the ring with it.
            self.m.log(format_args!("taking an event ring back: {error:?}"));
            return;
        }
        self.policy.spare_rings.push(seat.ring_segment);
    }

    /// A ring that nobody else has.
    fn event_ring(&mut self) -> Result<(u32, &'static [AtomicU64]), Error> {
        let segment = match self.policy.spare_rings.pop() {
            Some(segment) => segment,
            None => self.segment_new(RING_PAGES, Wiring::System)?,
        };
        match self.segment_own(segment) {
            Ok(words) => {
                words.iter().for_each(|w| w.store(0, Ordering::Relaxed));
                Ok((segment, words))
            }
            Err(error) => {
                self.segment_drop(segment);
                Err(error)
            }
        }
    }

    /// The next policy knows all pages, and decides from now on; the one before is superseded. One that decides already is no error.
    pub fn policy_ready(&mut self, space: Space, generation: u32) -> Result<(), Error> {
        if self.check_attached(space, generation)? == Which::Current {
            return Ok(());
        }
        let Some(next) = self.policy.next.take() else { return Err(Error::Superseded) };
        let (since, pages) = (next.since, next.snapshot_pages);
        let begun = match self.policy.seat.is_some() {
            true => self.m.now(),
            false => self.policy.gone_since,
        };
        self.leave(Which::Current);
        self.policy.seat = Some(next);
        self.policy.gone_since = 0;
        self.frames.meter.set(Counter::policy_generation, generation as u64);
        self.frames.meter.set(Counter::policy_attached, 1);
        if self.frames.gate.pages_needed() {
            self.policy_shortage();
        }
        let now = self.m.now();
        // The first one has nobody to take over from.
        let held = if begun == 0 { 0 } else { now.saturating_sub(begun) };
        self.policy.held = (held, pages, now.saturating_sub(since));
        Ok(())
    }

    /// Which of the two a caller is. `Superseded`: none any more.
    pub(crate) fn check_attached(&mut self, space: Space, generation: u32) -> Result<Which, Error> {
        for which in [Which::Current, Which::Next] {
            if let Some(seat) = self.seat_mut(which)
                && (seat.space, seat.generation) == (space, generation)
            {
                seat.conduct.called();
                return Ok(which);
            }
        }
        Err(Error::Superseded)
    }

    /// A piece of a snapshot.
    pub fn snapshot(&mut self, space: Space, generation: u32, first: u32) -> Result<Vec<PageRecord>, Error> {
        let which = self.check_attached(space, generation)?;
        let mut records = Vec::with_capacity(SNAPSHOT_PIECE);
        for frame in first..self.frames.nr_frames() {
            let page = self.frames.page(frame);
            if page.place == Place::Object && page.flags.intersects(Flags::QUEUED) && page.wired == 0 {
                records.push(PageRecord {
                    frame,
                    generation: page.generation,
                    queue: page.flags.contains(Flags::ACTIVE) as u8,
                    tag: self.tag_of(frame),
                });
                if records.len() == SNAPSHOT_PIECE {
                    break;
                }
            }
        }
        if let Some(seat) = self.seat_mut(which) {
            // A snapshot that begins anew counts anew.
            let before = if first == 0 { 0 } else { seat.snapshot_pages };
            seat.snapshot_pages = before + records.len() as u64;
        }
        Ok(records)
    }

    /// What a policy knows a page again by, when it comes back.
    fn tag_of(&self, frame: u32) -> u32 {
        let (object, index) = self.page_of(frame).unwrap_or_default();
        ebb_policy::tag_of((object as u64) << 32 | index as u64)
    }

    /// Tells the policy, and the next, what became of a page.
    pub fn tell_policy(&mut self, kind: EventKind, frame: u32, argument: u64) {
        if self.policy.seat.is_none() && self.policy.next.is_none() {
            return;
        }
        let generation = self.frames.page(frame).generation;
        let tag = if kind == EventKind::PageIn { self.tag_of(frame) } else { 0 };
        let entry = [kind as u64, frame as u64 | (generation as u64) << 32, argument, tag as u64];
        self.tell(Which::Current, &entry);
        if self.policy.next.is_some() {
            self.tell(Which::Next, &entry);
        }
    }

    fn tell(&mut self, which: Which, entry: &[u64; 4]) {
        match self.seat_mut(which).map(|seat| seat.tell(entry)) {
            None | Some(Some(false)) => {}
            Some(Some(true)) => self.wake_policy(which),
            Some(None) => self.eject(which, Cause::BrokenRing),
        }
    }

    /// Events were lost: the policy will take a snapshot. It is told as soon as there is room, and nothing else before, whether or not anything happens meanwhile.
    pub fn tell_overflow(&mut self) {
        for which in [Which::Current, Which::Next] {
            if self.seat_mut(which).is_some_and(Seat::tell_overflow) {
                self.wake_policy(which);
            }
        }
    }

    /// Tells the policy that pages are needed.
    pub(crate) fn tell_shortage(&mut self) {
        if let Some(seat) = &mut self.policy.seat {
            // If there is no room it has events to read, and finds the need in the counters.
            let _ = seat.ring.push(&[EventKind::Shortage as u64, 0, 0, 0]);
        }
        self.wake_policy(Which::Current);
    }

    pub(crate) fn wake_policy(&mut self, which: Which) {
        if let Some(notification) = self.seat(which).map(|seat| seat.notification) {
            self.m.signal(notification, POLICY_BIT);
        }
    }

    /// A policy is not believed any more.
    pub(crate) fn eject(&mut self, which: Which, cause: Cause) {
        let (now, cycles_per_ms) = (self.m.now(), self.cycles_per_ms);
        let Some(seat) = self.seat(which) else { return };
        let (space, ejection) = (seat.space, seat.conduct.ejection(cause, now, cycles_per_ms));
        self.m.log(format_args!("the policy {ejection}"));
        self.frames.meter.add(Counter::v_ejected, 1);
        self.leave(which);
        self.happened(Happening::PolicyEjected { space, ejection });
    }
}
