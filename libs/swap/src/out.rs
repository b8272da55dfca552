// SPDX-License-Identifier: BSD-2-Clause
//! Copies that are written out from in front of the devices, each to its own slot, from frames of the pager's own.
//!
//! The frames are used in pieces of one run each. A request that nobody waits for is made only when there is room for others besides.

use crate::devices::Devices;
use crate::front::{Front, Spot};
use crate::pager::SwapPager;
use crate::record::Record;
use crate::request::{Page, Request, Requests};
use crate::world::World;
use ebb_proto::block::{Status, Transfer};
use ebb_proto::pager::{MAX_RUN, Outcome};

/// Runs that can be on their way at once, at most.
const MAX_OUT: usize = 4;
/// Requests and entries of the disks' ring that are left to those who wait.
const LEFT: usize = 2 * MAX_RUN;

/// What is on its way.
#[derive(Default)]
pub(crate) struct Out {
    /// A bit for each piece of the frames that is in use.
    busy: u32,
}

impl Out {
    /// Slots whose copies were given up on their way out, as the requests have it.
    pub(crate) fn given_up<'a, F: Front<'a>>(&self, requests: &Requests, devices: &Devices<'a, F>) -> u64 {
        let gone = |r: &Request| {
            let Some(device) = devices.get(r.place) else { return 0 };
            let pending = |slot: &u32| matches!(device.table().get(*slot), Some(Record::Pending(_)));
            (r.first + r.single.unwrap_or(0) as u32..r.first + r.len as u32).filter(pending).count() as u64
        };
        requests.iter().filter(|r| r.own).map(gone).sum()
    }
}

impl<'a, F: Front<'a>> SwapPager<'a, F> {
    /// Everything to the devices. Answered at once, with what is left; whoever wants to know more asks again.
    pub(crate) fn retire(&mut self) -> (Outcome, [u64; 2]) {
        let front = &mut self.devices.front;
        front.retire(true);
        match (front.copies(), front.refused()) {
            (0, _) => (Outcome::Ok, [0; 2]),
            (left, 0) => (Outcome::Again, [left, 0]),
            (left, refused) => (Outcome::Error, [left, refused]),
        }
    }

    /// Writes out what should be, as far as there is room.
    pub(crate) fn write_out(&mut self, world: &mut impl World<'a>) {
        let pieces = (world.own_frames().len() / MAX_RUN).min(MAX_OUT);
        while let Some(piece) = (0..pieces).find(|p| self.out.busy & 1 << p == 0)
            && self.requests.room() > LEFT / 2
            && world.disk_room() >= LEFT + MAX_RUN
            && let Some(at) = self.devices.front.next_out()
        {
            if !self.write_run_out(world, piece, at) {
                break;
            }
        }
    }

    /// A copy, and those in the slots behind it. Whether anything came of it.
    fn write_run_out(&mut self, world: &mut impl World<'a>, piece: usize, at: Spot) -> bool {
        let frame_of =
            |world: &mut dyn World<'a>, n: usize| world.own_frames().get(piece * MAX_RUN + n).copied();
        let Some(place) = self.devices.place_of(at.disk) else { return false };
        let front = &mut self.devices.front;
        let (mut pages, mut len) = ([Page::default(); MAX_RUN], 0);
        while len < MAX_RUN
            && let Some(slot) = at.slot.checked_add(len as u32)
            && let Some(frame) = frame_of(world, len)
            && front.begin_out(world, Spot { slot, ..at }, frame)
        {
            pages[len].frame = frame;
            len += 1;
        }
        if len == 0 {
            return false;
        }
        self.out.busy |= 1 << piece;
        // The piece is found again by the first page's cookie.
        pages[0].cookie = piece as u32;
        let request = Request {
            transfer: Transfer::Write,
            place,
            disk: at.disk,
            first: at.slot,
            object: 0,
            pages,
            len,
            wanted: 0,
            single: None,
            own: true,
        };
        self.start(world, request);
        true
    }

    /// A run was written out, or not. One that failed is tried page by page; a copy that its slot does not take stays in front.
    pub(crate) fn was_written_out(
        &mut self,
        world: &mut impl World<'a>,
        mut request: Request,
        status: Status,
    ) {
        if status == Status::Ok {
            self.counters.writes += 1;
            self.counters.pages_out += request.entries() as u64;
        }
        let range = match request.single {
            None if status == Status::Io && request.len > 1 => {
                request.single = Some(0);
                return self.start(world, request);
            }
            None => 0..request.len,
            Some(at) => at..at + 1,
        };
        let next = range.end;
        for at in range {
            self.devices.written_out(request.place, request.first + at as u32, status == Status::Ok);
        }
        self.size_check(world);
        if next < request.len {
            request.single = Some(next);
            return self.start(world, request);
        }
        self.out.busy &= !(1 << request.pages[0].cookie);
    }
}
