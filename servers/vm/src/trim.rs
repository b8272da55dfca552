// SPDX-License-Identifier: BSD-2-Clause
//! Trimming a space to fewer mapped pages (`vm_pageout_map_deactivate_pages`), a piece at a time.
//!
//! As the seed ages pages, with these differences: only this space's mapping of a page goes, whoever else has it keeps it (W21); a page that nobody has mapped then is
//! deactivated, and what is dirty is written in the policy's own time. The activity count is the policy's, and not known here: a page that is not used has no second chance
//! beyond the lap in which it was used. What is left over the limit after a lap is unmapped though it is used, and shadows protect nothing (W22). A lap goes on where the last one
//! stopped, so that no part of a program suffers alone (W21), but for a big cut, which begins at the biggest object (PGO-193).

use crate::machine::Machine;
use crate::map::{Backing, Region};
use crate::object::Object;
use crate::page::{Flags, Place};
use crate::vm::Vm;
use ebb_abi::frame::{FAILED, FrameOp};
use ebb_abi::meter::Counter;
use ebb_abi::thread::TaskOp;
use ebb_abi::{Handle, PAGE_SIZE};
use ebb_policy::rss::{self, Move};
use ebb_proto::Error;
use ebb_proto::vm::{EventKind, Space, Trim, Trimmed};
use ebb_rt::client::from_sys;

const PAGE: u64 = PAGE_SIZE as u64;
/// Pages looked at in one piece: some tens of microseconds.
const PIECE: usize = 128;
/// Regions passed in one piece that have no page to look at.
const REGIONS: usize = 256;
/// Frames that come back in one call of `pmap_collect`.
const COLLECTED: u64 = 64;

/// Where a lap is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hand {
    /// Next address to look at.
    at: u64,
    /// Where the lap began.
    from: u64,
    /// It has passed the end of the space once.
    around: bool,
}

impl Hand {
    /// First address beyond what is still to be looked at in this half of the lap.
    fn end(&self) -> u64 {
        if self.around { self.from } else { u64::MAX }
    }
}

/// A page to look at.
#[derive(Clone, Copy, Default)]
struct Candidate {
    address: u64,
    frame: u32,
}

/// A piece's pages.
struct Piece {
    pages: [Candidate; PIECE],
    len: usize,
    /// Entries passed, resident or not.
    passed: usize,
    lap: bool,
}

impl<M: Machine> Vm<M> {
    /// One piece of trimming.
    pub fn trim(&mut self, op: &Trim) -> Result<Trimmed, Error> {
        let space = self.spaces.get(op.space).ok_or(Error::NotFound)?;
        if space.protected {
            return Err(Error::NotPermitted);
        }
        let task = space.task;
        let resident = self.mapped(op.space)?;
        if rss::trimmed(resident, op.target) && op.target > 0 {
            self.limit_rest(op.space, resident);
            return Ok(Trimmed { resident, looked: 0, lap: false });
        }
        if op.anew {
            let from = self.lap_begin(op.space, resident, op.target);
            self.set_hand(op.space, Hand { at: from, from, around: false });
        }
        let mut piece = Piece { pages: [Candidate::default(); PIECE], len: 0, passed: 0, lap: false };
        self.gather(op.space, &mut piece);
        self.frames.meter.add(Counter::v_pdpages, piece.len as u64);
        let resident = self.unmap_unused(task, resident, op, &mut piece)?;
        if piece.lap && op.target == 0 {
            self.unmap_whole(op.space, task)?;
        }
        let resident = if piece.lap && op.target == 0 { self.mapped(op.space)? } else { resident };
        self.limit_rest(op.space, resident);
        Ok(Trimmed { resident, looked: piece.len as u32, lap: piece.lap })
    }

    fn set_hand(&mut self, id: Space, hand: Hand) {
        if let Some(space) = self.spaces.get_mut(id) {
            space.limit.hand = hand;
        }
    }

    /// Where a lap begins: at the biggest object if much is to go, else where the last one stopped.
    fn lap_begin(&self, id: Space, resident: u64, target: u64) -> u64 {
        let Some(space) = self.spaces.get(id) else { return 0 };
        if (resident - target.min(resident)) * 4 < resident {
            return space.limit.hand.at;
        }
        let size = |r: &Region| match r.backing {
            Backing::Object { object, .. } => self.objects.get(object).map_or(0, |o| o.resident as u64),
            _ => 0,
        };
        let at = rss::biggest(space.map.iter().map(|r| (size(r), 0, true)));
        at.and_then(|n| space.map.iter().nth(n)).map_or(0, |r| r.start)
    }

    /// Fills a piece with pages that are resident and may go; moves the hand past them.
    fn gather(&mut self, id: Space, piece: &mut Piece) {
        let Some(space) = self.spaces.get(id) else { return };
        let mut hand = space.limit.hand;
        let mut regions = 0;
        while piece.len < PIECE && piece.passed < 4 * PIECE && regions < REGIONS {
            let end = hand.end();
            let next = space.map.touching_from(hand.at).find(|r| r.end() > hand.at);
            let Some(region) = next.filter(|r| hand.at.max(r.start) < end) else {
                if hand.around {
                    piece.lap = true;
                    break;
                }
                hand = Hand { at: 0, around: true, ..hand };
                continue;
            };
            regions += 1;
            hand.at = hand.at.max(region.start);
            let end = region.end().min(hand.end());
            self.gather_region(region, end, &mut hand.at, piece);
        }
        self.set_hand(id, hand);
    }

    /// Pages of one region from `at` on, below `end`.
    fn gather_region(&self, region: &Region, end: u64, at: &mut u64, piece: &mut Piece) {
        let Backing::Object { object, offset } = region.backing else {
            *at = end;
            return;
        };
        let last = offset + ((end - region.start) / PAGE) as u32;
        let mut index = offset + region.page_at(*at);
        while piece.len < PIECE && piece.passed < 4 * PIECE {
            let Some((found, frame)) = self.next_shown(object, index, last) else {
                *at = end;
                return;
            };
            piece.passed += 1;
            index = found + 1;
            let address = region.start + (found - offset) as u64 * PAGE;
            *at = address + PAGE;
            let Some(frame) = frame else { continue };
            let page = self.frames.page(frame);
            // Busy ones are not counted as looked at (PGO-186); wired ones stay.
            if page.place == Place::Object && page.wired == 0 && !page.flags.intersects(Flags::BUSY) {
                piece.pages[piece.len] = Candidate { address, frame };
                piece.len += 1;
            }
        }
    }

    /// The first page from `from` on, below `end`, of which an object or what lies behind it knows something; the frame that shows there.
    fn next_shown(&self, object: u32, from: u32, end: u32) -> Option<(u32, Option<u32>)> {
        let known = self.behind(object).filter_map(|(o, first)| {
            o.next_used(first.checked_add(from)?, first.checked_add(end)?).map(|index| index - first)
        });
        let index = known.min()?;
        // The first that knows the page has it, be it in memory or not.
        let mut entries = self.behind(object).map(|(o, first)| o.entry(first + index));
        let entry = entries.find(|e| e.frame().is_some() || e.swapped() || e.lost());
        Some((index, entry.and_then(|e| e.frame())))
    }

    /// An object, and those behind it one after the other, each with its page that shows through as the first.
    fn behind(&self, object: u32) -> impl Iterator<Item = (&Object, u32)> {
        let mut next = Some((object, 0));
        core::iter::from_fn(move || {
            let (id, first) = next?;
            let o = self.objects.get(id)?;
            next = o.behind().map(|(below, offset)| (below, first + offset));
            Some((o, first))
        })
    }

    /// One operation on the frames of some pages of a piece, each element its result.
    fn on_pages(&mut self, op: FrameOp, pages: &[Candidate]) -> [u64; PIECE] {
        let mut state = [FAILED; PIECE];
        state.iter_mut().zip(pages).for_each(|(s, c)| *s = c.frame as u64);
        if let Err(error) = self.m.frame_op(op, &mut state[..pages.len().min(PIECE)]) {
            self.m.log(format_args!("{op:?}: {error:?}"));
            state = [FAILED; PIECE];
        }
        state
    }

    /// Ages the pages of a piece and unmaps those that are not used, no more than needed. Returns how many are mapped then.
    fn unmap_unused(
        &mut self,
        task: Handle,
        mut resident: u64,
        op: &Trim,
        piece: &mut Piece,
    ) -> Result<u64, Error> {
        // Pages that nobody has mapped are no part of it.
        let all = piece.pages;
        let mapped = self.on_pages(FrameOp::Query, &all[..piece.len]);
        let seen = all[..piece.len].iter().zip(mapped).filter(|(_, bits)| *bits != FAILED && bits >> 16 != 0);
        piece.len = 0;
        for (page, _) in seen {
            piece.pages[piece.len] = *page;
            piece.len += 1;
        }
        let mut next = 0;
        while next < piece.len && !rss::trimmed(resident, op.target) {
            // At most as many as are too many: each takes one mapping of this space with it, or none. And no page's use is forgotten that is not looked at.
            let most = (resident - op.target).min((piece.len - next) as u64) as usize;
            let pages = &piece.pages[next..next + most];
            next += most;
            let harvest = self.on_pages(FrameOp::Harvest, pages);
            let mut victims = [Candidate::default(); PIECE];
            let mut count = 0;
            for (page, bits) in pages.iter().zip(harvest) {
                let used = if bits == FAILED { 1 } else { bits.min(255) as u8 };
                if self.age(page.frame, if op.hard { 0 } else { used }) {
                    victims[count] = *page;
                    count += 1;
                }
            }
            self.unmap_pages(task, &victims[..count])?;
            let (now, _, _) = self.m.task_control(task, TaskOp::Info, 0, 0).map_err(from_sys)?;
            resident = now;
        }
        if let Some(rest) = piece.pages[..piece.len].get(next) {
            // Not looked at after all: the next lap begins with it.
            let address = rest.address;
            if let Some(space) = self.spaces.get_mut(op.space) {
                space.limit.hand.at = address;
            }
            piece.lap = false;
            piece.len = next;
        }
        self.deactivate_unmapped(piece);
        Ok(resident)
    }

    /// Ages a page; whether its mapping goes.
    fn age(&mut self, frame: u32, references: u8) -> bool {
        let active = self.frames.page(frame).flags.contains(Flags::ACTIVE);
        // The count that the policy keeps is at its end, as far as this is concerned.
        let aged = rss::age(active, 1, rss::references(references, false), false);
        if !aged.unmap && (aged.to == Move::Activate || active) {
            // Its references were taken from the policy: it hears of them so.
            self.frames.set_queue(frame, Flags::ACTIVE);
            self.tell_policy(EventKind::Activate, frame, 0);
        }
        aged.unmap
    }

    /// Removes this space's mappings of some pages, neighbours together.
    fn unmap_pages(&mut self, task: Handle, pages: &[Candidate]) -> Result<(), Error> {
        let mut at = 0;
        while let Some(first) = pages.get(at) {
            let run = pages[at..]
                .iter()
                .enumerate()
                .take_while(|(n, p)| p.address == first.address + *n as u64 * PAGE)
                .count();
            self.m.unmap(task, first.address, run as u64).map_err(from_sys)?;
            at += run;
        }
        Ok(())
    }

    /// Deactivates those pages of a piece that nobody has mapped any more.
    fn deactivate_unmapped(&mut self, piece: &Piece) {
        let mapped = self.on_pages(FrameOp::Query, &piece.pages[..piece.len]);
        for (page, bits) in piece.pages[..piece.len].iter().zip(mapped) {
            if bits != FAILED && bits >> 16 == 0 && self.frames.page(page.frame).flags.contains(Flags::ACTIVE)
            {
                self.frames.set_queue(page.frame, Flags::INACTIVE);
                self.tell_policy(EventKind::Deactivate, page.frame, 0);
            }
        }
    }

    /// Removes all mappings of a space that is to have none, if nothing in it is wired, and its page tables (PGO-196).
    fn unmap_whole(&mut self, id: Space, task: Handle) -> Result<(), Error> {
        let Some(space) = self.spaces.get(id) else { return Ok(()) };
        if !rss::unmap_all(0, space.map.iter().any(|r| r.wired)) {
            return Ok(());
        }
        for region in space.map.iter() {
            let wired = match region.backing {
                Backing::Object { object, .. } => self.objects.get(object).is_some_and(|o| o.wired > 0),
                Backing::Segment { .. } => true,
                Backing::Module { .. } => false,
            };
            if !wired {
                self.m.unmap(task, region.start, region.pages).map_err(from_sys)?;
            }
        }
        self.collect_tables(id, task)
    }

    /// Takes back page tables that are empty, and what waits to become one.
    pub(crate) fn collect_tables(&mut self, id: Space, task: Handle) -> Result<(), Error> {
        loop {
            let mut count = 0;
            let frames = &mut self.frames;
            self.m
                .collect(task, COLLECTED, &mut |frame| {
                    frames.free(frame.0);
                    count += 1;
                })
                .map_err(from_sys)?;
            if let Some(space) = self.spaces.get_mut(id) {
                space.kernel_frames = space.kernel_frames.saturating_sub(count);
            }
            if count < COLLECTED {
                return Ok(());
            }
        }
    }
}
