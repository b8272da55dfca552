// SPDX-License-Identifier: BSD-2-Clause
//! What is done at once: freeing copies, adding and removing devices, the audit.

use crate::device::{self, Device, Refused};
use crate::front::Front;
use crate::pager::SwapPager;
use crate::record::{Key, MAX_INDEX};
use crate::table;
use crate::world::{DiskInfo, World};
use ebb_proto::block::Transfer;
use ebb_proto::pager::{ALL, Op, Outcome};

type Answer = (Outcome, [u64; 2]);

const BAD: Answer = (Outcome::Bad, [0; 2]);
const AGAIN: Answer = (Outcome::Again, [0; 2]);

impl<'a, F: Front<'a>> SwapPager<'a, F> {
    pub(crate) fn control(&mut self, world: &mut impl World<'a>, op: Op, words: [u64; 3]) -> Answer {
        match op {
            Op::Free => self.free(world, words),
            Op::Copy => self.copy(world, words),
            Op::Audit => self.audit(world, words[0]),
            Op::Retire => self.retire(),
            Op::Resume => {
                self.devices.front.retire(false);
                (Outcome::Ok, [self.devices.front.copies(), 0])
            }
            Op::AddMemory => (self.add_memory(world, words[0], words[1]), [0; 2]),
            Op::Prepare
            | Op::SwapOn
            | Op::SwapOffBegin
            | Op::SwapOffNext
            | Op::SwapOffEnd
            | Op::SwapOffAbort => match u8::try_from(words[0]) {
                Ok(disk) => match op {
                    Op::Prepare => self.prepare(world, disk),
                    Op::SwapOn => self.swap_on(world, disk, words[1], words[2]),
                    Op::SwapOffEnd => self.swap_off_end(world, disk),
                    _ => self.swap_off(world, op, disk),
                },
                Err(_) => BAD,
            },
            // Runs are dealt with elsewhere; the others are for pagers of files.
            _ => BAD,
        }
    }

    fn free(&mut self, world: &mut impl World<'a>, [object, first, pages]: [u64; 3]) -> Answer {
        let Some(object) = Self::object(object) else { return BAD };
        let end = first.saturating_add(pages).min(MAX_INDEX);
        for request in self.requests.iter_mut().filter(|r| r.object == object) {
            for page in request.pages[..request.len].iter_mut() {
                page.freed |= (first..end).contains(&(page.index as u64));
            }
        }
        let freed = self.devices.free_range(object, first, end);
        if freed > 0 {
            self.size_check(world);
        }
        (Outcome::Ok, [freed, 0])
    }

    /// `swap_pager_copy`.
    fn copy(&mut self, world: &mut impl World<'a>, [objects, indexes, pages]: [u64; 3]) -> Answer {
        let low = |word: u64| word & u32::MAX as u64;
        let (Some(object), Some(to)) = (Self::object(low(objects)), Self::object(objects >> 32)) else {
            return BAD;
        };
        let (first, there) = (low(indexes), indexes >> 32);
        let end = first.saturating_add(pages);
        if object == to || end > MAX_INDEX || there.saturating_add(pages) > MAX_INDEX {
            return BAD;
        }
        let to = Key { object: to, index: there as u32 };
        let (moved, freed) = self.devices.copy_range(object, first, end, to);
        if freed > 0 {
            self.size_check(world);
        }
        (Outcome::Ok, [moved, freed])
    }

    fn prepare(&mut self, world: &mut impl World<'a>, disk: u8) -> Answer {
        if self.devices.place_of(disk).is_some() {
            return AGAIN;
        }
        match usable(world, disk) {
            Some((_, slots)) => (Outcome::Ok, [table::pages(slots), device::heap_pages(slots)]),
            None => BAD,
        }
    }

    fn swap_on(&mut self, world: &mut impl World<'a>, disk: u8, segment: u64, heap: u64) -> Answer {
        // It was adopted already: the instance before ended before it could answer.
        if let Some(device) = self.devices.place_of(disk).and_then(|p| self.devices.get(p)) {
            return (Outcome::Ok, [device.table().slots() as u64, 0]);
        }
        let Some((info, slots)) = usable(world, disk) else { return BAD };
        match self.attach(world, disk, &info, slots, segment, heap) {
            Ok(slots) => (Outcome::Ok, [slots, 0]),
            Err(Refused::NoMemory) => AGAIN,
            Err(_) => (Outcome::Error, [0; 2]),
        }
    }

    fn attach(
        &mut self,
        world: &mut impl World<'a>,
        disk: u8,
        info: &DiskInfo,
        slots: u32,
        segment: u64,
        heap: u64,
    ) -> Result<u64, Refused> {
        let cells = world.segment(segment, table::pages(slots)).ok_or(Refused::Damaged)?;
        if heap != 0 && !world.claim(heap, device::heap_pages(slots)) {
            world.log(format_args!("{}: the heap pages at {heap:#x} cannot be used", info.name));
            return Err(Refused::NoMemory);
        }
        let (device, old) = match Device::open(disk, &info.name, slots, cells) {
            Ok(device) => (device, true),
            Err(Refused::Blank) => (Device::format(disk, &info.name, slots, cells)?, false),
            Err(refused) => {
                world.log(format_args!("{}: its slot table cannot be used: {refused:?}", info.name));
                return Err(refused);
            }
        };
        let place = self.devices.add(device).ok_or(Refused::NoMemory)?;
        if old {
            let found = self.devices.adopt(place, &mut |line| world.log(line));
            self.counters.adopted.0 += found.slots;
            self.counters.adopted.1 += found.dropped;
            self.counters.errors += found.problems;
            world.log(format_args!(
                "{}: adopted {} slots, dropped {}, set aside {}",
                info.name, found.slots, found.dropped, found.problems
            ));
        } else {
            world.log(format_args!("{}: {slots} slots", info.name));
        }
        self.size_check(world);
        Ok(slots as u64)
    }

    /// Takes a segment of memory for what is in front of the devices. `Bad`: it cannot be used.
    pub fn add_memory(&mut self, world: &mut impl World<'a>, address: u64, pages: u64) -> Outcome {
        match self.devices.front.add_memory(world, address, pages) {
            true => Outcome::Ok,
            false => Outcome::Bad,
        }
    }

    /// Puts in order what is in front of the devices, after all of them were adopted.
    pub fn adopt_front(&mut self, world: &mut impl World<'a>) {
        self.devices.adopt_front(&mut |line| world.log(line));
    }

    /// Takes over a device of the instance before, at start. A segment whose making was interrupted is left for `vm`'s next `SwapOn`.
    pub fn adopt(&mut self, world: &mut impl World<'a>, disk: u8, segment: u64, heap: u64) {
        let Some((info, slots)) = usable(world, disk) else {
            return world.log(format_args!("disk {disk} was a swap device and cannot be one any more"));
        };
        let made = world
            .segment(segment, table::pages(slots))
            .is_some_and(|cells| table::Table::open(cells).err() != Some(table::NoTable::Blank));
        if made && let Err(refused) = self.attach(world, disk, &info, slots, segment, heap) {
            world.log(format_args!("{}: not adopted: {refused:?}", info.name));
        }
    }

    fn swap_off(&mut self, world: &mut impl World<'a>, op: Op, disk: u8) -> Answer {
        let Some(device) = self.devices.place_of(disk).and_then(|p| self.devices.get_mut(p)) else {
            return BAD;
        };
        match op {
            Op::SwapOffNext => match device.name_one() {
                Some(key) => (Outcome::Ok, [key.object as u64, key.index as u64]),
                None => (Outcome::Fail, [0; 2]),
            },
            _ => {
                device.set_closing(op == Op::SwapOffBegin);
                let used = device.used();
                self.size_check(world);
                (Outcome::Ok, [used, 0])
            }
        }
    }

    fn swap_off_end(&mut self, world: &mut impl World<'a>, disk: u8) -> Answer {
        let Some(place) = self.devices.place_of(disk) else { return BAD };
        // SWP-206: what is under way on the device is waited for.
        let busy = self.requests.iter().any(|r| r.place == place)
            || self.devices.get(place).is_some_and(|d| d.used() > 0 || !d.closing());
        if busy {
            return AGAIN;
        }
        if let Some(device) = self.devices.take(place) {
            world.log(format_args!("{}: no longer in use", device.name));
        }
        self.size_check(world);
        (Outcome::Ok, [0; 2])
    }

    fn audit(&mut self, world: &mut impl World<'a>, object: u64) -> Answer {
        if object != ALL {
            return match Self::object(object) {
                Some(object) => (Outcome::Ok, [self.devices.count_of(object), 0]),
                None => BAD,
            };
        }
        let (mut used, mut wrong, mut pending) = (0, 0, 0);
        for device in self.devices.iter() {
            used += device.used() - device.held();
            pending += device.used() - device.held() - device.committed();
            wrong += device.audit(&mut |line| world.log(line));
        }
        // Every unfinished slot is one that a write in flight will settle.
        let in_flight: u64 = self
            .requests
            .iter()
            .filter(|r| r.transfer == Transfer::Write && !r.own)
            .map(|r| (r.len - r.single.unwrap_or(0)) as u64)
            .sum();
        if pending != in_flight {
            world.log(format_args!(
                "audit: {pending} slots are being written, {in_flight} pages are in flight"
            ));
            wrong += 1;
        }
        let devices = &self.devices;
        let held: u64 = devices.iter().map(Device::held).sum();
        wrong += devices.front.audit(&|at| devices.holds_copy(at), &mut |line| world.log(line));
        let given_up = self.out.given_up(&self.requests, devices);
        if held != given_up {
            world.log(format_args!(
                "audit: {held} slots wait for writes, {given_up} such writes are under way"
            ));
            wrong += 1;
        }
        (Outcome::Ok, [used, wrong])
    }
}

/// A disk that can be swapped on, and its slots.
fn usable<'a>(world: &mut impl World<'a>, disk: u8) -> Option<(DiskInfo, u32)> {
    let info = world.disk(disk)?;
    let slots = device::slots(info.sectors);
    (slots > 0 && !info.read_only).then_some((info, slots))
}
