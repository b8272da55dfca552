// SPDX-License-Identifier: BSD-2-Clause
//! Page-out (`swap_pager_putpages`).

use crate::front::Front;
use crate::pager::SwapPager;
use crate::record::Key;
use crate::request::{Page, Request};
use crate::run::Run;
use crate::world::World;
use core::ops::Range;
use ebb_proto::block::{Status, Transfer};
use ebb_proto::pager::{MAX_RUN, Op, Outcome};

impl<'a, F: Front<'a>> SwapPager<'a, F> {
    /// Writes the pages of a run, in as few requests as there are contiguous slots (SWP-125, SWP-126). `false`: no room now; it goes on later.
    pub(crate) fn put(&mut self, world: &mut impl World<'a>, run: &mut Run) -> bool {
        while run.done < run.len {
            let rest = &run.pages[run.done..run.len];
            // At worst every other page of it is kept in front, and each of the rest is a request of its own.
            if !self.has_room(world, rest.len()) || self.requests.room() < rest.len().div_ceil(2) {
                return false;
            }
            let Some((place, first, count)) = self.slots_for(run.object, rest) else {
                // SWP-127, SWP-128: not one slot (SWP-W10). The page keeps its old copy and stays dirty.
                if self.devices.fullness.failed() {
                    world.log(format_args!("out of swap space"));
                }
                self.complete(world, Op::Put, &rest[0], Outcome::Fail);
                run.done += 1;
                continue;
            };
            let mut pages = [Page::default(); MAX_RUN];
            pages[..count].copy_from_slice(&rest[..count]);
            run.done += count;
            self.size_check(world);
            self.write_or_keep(world, run.object, place, first, &pages[..count]);
        }
        true
    }

    /// Pages for which there are slots: what is not kept in front is written, each unbroken piece in one request.
    fn write_or_keep(
        &mut self,
        world: &mut impl World<'a>,
        object: u32,
        place: usize,
        first: u32,
        pages: &[Page],
    ) {
        let mut piece = 0..0;
        for (at, page) in pages.iter().enumerate() {
            let slot = first + at as u32;
            let spot = self.devices.spot(place, slot);
            if !self.devices.front.keep(world, spot, page.frame) {
                piece.end = at + 1;
                continue;
            }
            self.write(world, object, place, first, pages, piece);
            piece = at + 1..at + 1;
            self.devices.commit(place, slot, Key { object, index: page.index });
            self.complete(world, Op::Put, page, Outcome::Ok);
            self.size_check(world);
        }
        self.write(world, object, place, first, pages, piece);
    }

    fn write(
        &mut self,
        world: &mut impl World<'a>,
        object: u32,
        place: usize,
        first: u32,
        all: &[Page],
        piece: Range<usize>,
    ) {
        let len = piece.len();
        if len == 0 {
            return;
        }
        let mut pages = [Page::default(); MAX_RUN];
        pages[..len].copy_from_slice(&all[piece.clone()]);
        let request = Request {
            transfer: Transfer::Write,
            place,
            disk: self.devices.get(place).map_or(0, |d| d.disk),
            first: first + piece.start as u32,
            object,
            pages,
            len,
            wanted: 0,
            single: None,
            own: false,
        };
        self.start(world, request);
    }

    /// Slots for the first pages of these: all, or half as many, down to one.
    fn slots_for(&mut self, object: u32, pages: &[Page]) -> Option<(usize, u32, usize)> {
        let mut count = pages.len();
        loop {
            let keys = pages[..count].iter().map(|p| Key { object, index: p.index });
            if let Some((place, first)) = self.devices.alloc(keys) {
                return Some((place, first, count));
            }
            count /= 2;
            if count == 0 {
                return None;
            }
        }
    }

    /// A write is over (`swp_pager_async_iodone`).
    pub(crate) fn written(&mut self, world: &mut impl World<'a>, mut request: Request, status: Status) {
        if status == Status::Ok {
            self.counters.writes += 1;
            self.counters.pages_out += request.entries() as u64;
        }
        match request.single {
            None if status == Status::Io && request.len > 1 => {
                // Which slot is at fault? Each page is tried alone.
                request.single = Some(0);
                self.start(world, request);
            }
            None => {
                for at in 0..request.len {
                    self.settle_page(world, &request, at, status);
                }
            }
            Some(at) => {
                self.settle_page(world, &request, at, status);
                if at + 1 < request.len {
                    request.single = Some(at + 1);
                    self.start(world, request);
                }
            }
        }
    }

    fn settle_page(&mut self, world: &mut impl World<'a>, request: &Request, at: usize, status: Status) {
        let (page, slot) = (&request.pages[at], request.first + at as u32);
        let outcome = match status {
            Status::Ok if !page.freed => {
                self.devices.commit(request.place, slot, request.key(at));
                Outcome::Ok
            }
            // The copy was freed before it was complete: there is none, and the page is as dirty as before.
            Status::Ok => {
                self.devices.abandon(request.place, slot);
                Outcome::Fail
            }
            Status::Io => {
                // SWP-W13.
                if let Some(device) = self.devices.get_mut(request.place) {
                    device.retire(slot);
                }
                Outcome::Error
            }
            Status::Invalid | Status::ReadOnly => {
                self.devices.abandon(request.place, slot);
                Outcome::Error
            }
        };
        self.complete(world, Op::Put, page, outcome);
        self.size_check(world);
    }
}
