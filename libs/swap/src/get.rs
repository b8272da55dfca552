// SPDX-License-Identifier: BSD-2-Clause
//! Page-in (`swap_pager_getpages`).

use crate::front::{Front, Spot};
use crate::pager::SwapPager;
use crate::record::Key;
use crate::request::Request;
use crate::run::Run;
use crate::world::World;
use ebb_proto::block::{Status, Transfer};
use ebb_proto::pager::{Op, Outcome};

impl<'a, F: Front<'a>> SwapPager<'a, F> {
    /// Reads the wanted page and those of its neighbours that lie next to it, in one request (SWP-106, SWP-109). `false`: no room now.
    pub(crate) fn get(&mut self, world: &mut impl World<'a>, run: &Run) -> bool {
        let pages = run.gathered();
        let found = |at: usize| {
            let key = Key { object: run.object, index: pages[at].index };
            self.devices.find(key).map(|(place, slot, _)| (place, slot))
        };
        let Some((place, slot)) = found(run.wanted) else {
            // SWP-108: nothing is read.
            for page in pages {
                self.complete(world, Op::Get, page, Outcome::Fail);
            }
            return true;
        };
        if self.devices.front.has(self.devices.spot(place, slot)) {
            self.bring(world, run);
            return true;
        }
        let on_device = |slot: u32| !self.devices.front.has(self.devices.spot(place, slot));
        let (mut first, mut end) = (run.wanted, run.wanted + 1);
        while first > 0
            && let Some(before) = slot.checked_sub((run.wanted + 1 - first) as u32)
            && found(first - 1) == Some((place, before))
            && on_device(before)
        {
            first -= 1;
        }
        while end < run.len
            && let Some(after) = slot.checked_add((end - run.wanted) as u32)
            && found(end) == Some((place, after))
            && on_device(after)
        {
            end += 1;
        }
        if !self.has_room(world, end - first) {
            return false;
        }
        // SWP-107: `vm` takes the others' frames back.
        for page in pages[..first].iter().chain(&pages[end..]) {
            self.complete(world, Op::Get, page, Outcome::Fail);
        }
        let mut request = Request {
            transfer: Transfer::Read,
            place,
            disk: self.devices.get(place).map_or(0, |d| d.disk),
            first: slot - (run.wanted - first) as u32,
            object: run.object,
            pages: run.pages,
            len: end - first,
            wanted: run.wanted - first,
            single: None,
            own: false,
        };
        request.pages.copy_within(first..end, 0);
        self.start(world, request);
        true
    }

    /// The wanted page is in front of the devices: it is brought in at once, with those of its neighbours that are there too, wherever they lie. Nobody waits for the disks.
    fn bring(&mut self, world: &mut impl World<'a>, run: &Run) {
        for page in run.gathered() {
            let found = self.devices.find(Key { object: run.object, index: page.index });
            let at = found.map(|(place, slot, _)| self.devices.spot(place, slot));
            let outcome = match at.filter(|at| self.devices.front.has(*at)) {
                None => Outcome::Fail,
                Some(at) => self.bring_one(world, at, page.frame),
            };
            self.complete(world, Op::Get, page, outcome);
        }
    }

    fn bring_one(&mut self, world: &mut impl World<'a>, at: Spot, frame: u32) -> Outcome {
        match self.devices.front.bring(world, at, frame) {
            Ok(()) => Outcome::Ok,
            Err(_) => {
                self.counters.errors += 1;
                world.log(format_args!("what is kept for slot {} of disk {} is damaged", at.slot, at.disk));
                Outcome::Error
            }
        }
    }

    /// A read is over (`swp_pager_async_iodone`). Slots stay assigned whatever the result (SWP-118).
    pub(crate) fn was_read(&mut self, world: &mut impl World<'a>, mut request: Request, status: Status) {
        let wanted = request.wanted;
        if status == Status::Ok {
            self.counters.reads += 1;
            self.counters.pages_in += request.entries() as u64;
            let range = request.single.map_or(0..request.len, |at| at..at + 1);
            for page in &request.pages[range] {
                // A copy that was freed meanwhile is none: nobody may take what was read for it.
                let outcome = if page.freed { Outcome::Fail } else { Outcome::Ok };
                self.complete(world, Op::Get, page, outcome);
            }
            return;
        }
        if request.single.is_none() && request.len > 1 {
            // Perhaps it was a neighbour's slot: the wanted page is tried alone.
            for (at, page) in request.pages().iter().enumerate() {
                if at != wanted {
                    self.complete(world, Op::Get, page, Outcome::Fail);
                }
            }
            request.single = Some(wanted);
            return self.start(world, request);
        }
        // SWP-W14: the page is lost, its reader is told, and the slot is not used again once it is freed.
        let page = request.pages[wanted];
        if status == Status::Io
            && !page.freed
            && let Some(device) = self.devices.get_mut(request.place)
        {
            device.suspect(request.first + wanted as u32);
        }
        let outcome = if page.freed { Outcome::Fail } else { Outcome::Error };
        self.complete(world, Op::Get, &page, outcome);
    }
}
