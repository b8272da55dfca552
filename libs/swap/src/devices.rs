// SPDX-License-Identifier: BSD-2-Clause
//! All swap devices: allocation in rotation, and copies of pages wherever they are.

use crate::device::Device;
use crate::front::{Direct, Front, Spot, WrittenOut};
use crate::fullness::Fullness;
use crate::record::{Key, Record};
use core::fmt::Arguments;
use ebb_proto::pager::MAX_DEVICES;

/// What adopting a device's table found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Adopted {
    /// Copies of pages.
    pub slots: u64,
    /// Writes that were never finished, and copies that a newer one had replaced: dropped.
    pub dropped: u64,
    /// Damaged records, and copies of one page that contradict each other: set aside.
    pub problems: u64,
}

/// The devices (`swtailq`), in the order in which they were added as far as places were free.
#[derive(Default)]
pub struct Devices<'a, F = Direct> {
    list: [Option<Device<'a>>; MAX_DEVICES],
    /// Places from here on are empty: they need not be looked at.
    end: usize,
    /// Where the next allocation begins (`swdevhd`).
    next: usize,
    /// The fullness flags.
    pub fullness: Fullness,
    /// What is in front of them.
    pub front: F,
}

impl<'a, F: Front<'a>> Devices<'a, F> {
    /// None yet, behind this.
    pub fn behind(front: F) -> Self {
        Devices { list: Default::default(), end: 0, next: 0, fullness: Fullness::default(), front }
    }

    /// Device by place, and what is in front of it.
    fn both(&mut self, place: usize) -> Option<(&mut Device<'a>, &mut F)> {
        Some((self.list.get_mut(place)?.as_mut()?, &mut self.front))
    }

    /// A slot, by its device's place.
    pub fn spot(&self, place: usize, slot: u32) -> Spot {
        Spot { disk: self.get(place).map_or(0, |d| d.disk), slot }
    }

    /// A pending slot is not needed after all.
    pub fn abandon(&mut self, place: usize, slot: u32) {
        if let Some((device, front)) = self.both(place) {
            device.abandon(slot, front);
        }
    }

    /// Writing a slot's copy out has ended.
    pub fn written_out(&mut self, place: usize, slot: u32, ok: bool) {
        let at = self.spot(place, slot);
        if let Some((device, front)) = self.both(place)
            && front.written_out(at, ok) == WrittenOut::GivenUp
        {
            device.let_go(slot, front);
        }
    }

    /// Whether a slot holds a copy: what is in front of one that does not is worth nothing.
    pub fn holds_copy(&self, at: Spot) -> bool {
        let device = self.iter().find(|d| d.disk == at.disk);
        device.is_some_and(|d| matches!(d.table().get(at.slot), Some(Record::Committed(..))))
    }

    /// Puts what is in front in order, after all devices were adopted.
    pub fn adopt_front(&mut self, log: &mut dyn FnMut(Arguments<'_>)) {
        let Devices { list, front, .. } = self;
        let holds = |at: Spot| {
            let device = list.iter().flatten().find(|d| d.disk == at.disk);
            device.is_some_and(|d| matches!(d.table().get(at.slot), Some(Record::Committed(..))))
        };
        front.adopt(&holds, log);
    }

    /// Device by place.
    pub fn get(&self, place: usize) -> Option<&Device<'a>> {
        self.list.get(place)?.as_ref()
    }

    /// Device by place.
    pub fn get_mut(&mut self, place: usize) -> Option<&mut Device<'a>> {
        self.list.get_mut(place)?.as_mut()
    }

    /// All devices.
    pub fn iter(&self) -> impl Iterator<Item = &Device<'a>> {
        self.list[..self.end].iter().flatten()
    }

    /// Place of the device on a disk.
    pub fn place_of(&self, disk: u8) -> Option<usize> {
        self.list.iter().position(|d| d.as_ref().is_some_and(|d| d.disk == disk))
    }

    /// Adds a device; `None`: there is no place left.
    pub fn add(&mut self, device: Device<'a>) -> Option<usize> {
        let place = self.list.iter().position(Option::is_none)?;
        self.list[place] = Some(device);
        self.end = self.end.max(place + 1);
        Some(place)
    }

    /// Takes a device out. An allocation that would have begun there begins at the first one (SWP-201); without any device swap is full (SWP-200).
    pub fn take(&mut self, place: usize) -> Option<Device<'a>> {
        let device = self.list.get_mut(place)?.take();
        self.end = self.list.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        if self.next == place {
            self.next = 0;
        }
        if self.list.iter().all(Option::is_none) {
            self.fullness = Fullness::default();
        }
        device
    }

    /// Slots that can be allocated: exactly what the allocators have (SWP-W05), on devices that are not being emptied.
    pub fn available(&self) -> u64 {
        self.iter().map(Device::available).sum()
    }

    /// `swp_sizecheck`. Whether a message is due.
    #[must_use]
    pub fn check(&mut self) -> bool {
        let available = self.available();
        self.fullness.check(available)
    }

    /// Place, slot and version of a page's copy.
    pub fn find(&self, key: Key) -> Option<(usize, u32, u8)> {
        self.list[..self.end]
            .iter()
            .enumerate()
            .find_map(|(place, d)| d.as_ref()?.find(key).map(|(slot, version)| (place, slot, version)))
    }

    /// Takes contiguous slots on one device, trying each once from the one after the last that succeeded (SWP-073 to SWP-075).
    pub fn alloc(&mut self, keys: impl ExactSizeIterator<Item = Key> + Clone) -> Option<(usize, u32)> {
        for place in (self.next..self.end).chain(0..self.next.min(self.end)) {
            let Some(device) = self.get_mut(place) else { continue };
            if let Some(first) = device.alloc(keys.clone()) {
                self.next = if place + 1 < self.end { place + 1 } else { 0 };
                return Some((place, first));
            }
        }
        self.next = 0;
        None
    }

    /// The copy in a pending slot is whole: it becomes the page's copy, and the one before is freed after that (SWP-W12).
    pub fn commit(&mut self, place: usize, slot: u32, key: Key) {
        let old = self.find(key);
        let version = old.map_or(0, |(_, _, version)| version.wrapping_add(1) & 3);
        let here = old.filter(|(p, ..)| *p == place).map(|(_, old, _)| old);
        if let Some((device, front)) = self.both(place) {
            device.commit(slot, key, version, here, front);
        }
        if let Some((elsewhere, old, _)) = old
            && elsewhere != place
            && let Some((device, front)) = self.both(elsewhere)
        {
            device.release(key, old, front);
        }
    }

    /// The copy of a page is no longer needed. Whether there was one.
    pub fn free(&mut self, key: Key) -> bool {
        let Some((place, slot, _)) = self.find(key) else { return false };
        if let Some((device, front)) = self.both(place) {
            device.release(key, slot, front);
        }
        true
    }

    /// Frees the copies of an object's pages `first..end` (SWP-087, SWP-164, SWP-165); returns how many. The cost is proportional to the
    /// smaller of the range and all slots.
    pub fn free_range(&mut self, object: u32, first: u64, end: u64) -> u64 {
        let slots: u64 = self.iter().map(|d| d.table().slots() as u64).sum();
        if end.saturating_sub(first) <= slots {
            return (first..end).filter(|i| self.free(Key { object, index: *i as u32 })).count() as u64;
        }
        let mut freed = 0;
        let Devices { list, front, .. } = self;
        for device in list.iter_mut().flatten() {
            for slot in 0..device.table().slots() {
                if let Some(Record::Committed(key, _)) = device.table().get(slot)
                    && key.object == object
                    && (first..end).contains(&(key.index as u64))
                {
                    device.release(key, slot, front);
                    freed += 1;
                }
            }
        }
        freed
    }

    /// The copies of an object's pages `first..end` become those of pages of another object, from `to.index` on. Where that has a copy it is kept and the source's is freed
    /// (SWP-092, SWP-093). Returns how many were moved, and freed. The cost is proportional to the smaller of the range and all slots (SWP-W25).
    pub fn copy_range(&mut self, object: u32, first: u64, end: u64, to: Key) -> (u64, u64) {
        let (mut moved, mut freed) = (0, 0);
        let mut one = |devices: &mut Self, index: u64| {
            let from = Key { object, index: index as u32 };
            let there = index - first + to.index as u64;
            match devices.copy(from, Key { object: to.object, index: there as u32 }) {
                Some(true) => moved += 1,
                Some(false) => freed += 1,
                None => {}
            }
        };
        let slots: u64 = self.iter().map(|d| d.table().slots() as u64).sum();
        if end.saturating_sub(first) <= slots {
            (first..end).for_each(|index| one(self, index));
            return (moved, freed);
        }
        for place in 0..self.end {
            for slot in 0..self.get(place).map_or(0, |d| d.table().slots()) {
                if let Some(Record::Committed(key, _)) = self.get(place).and_then(|d| d.table().get(slot))
                    && key.object == object
                    && (first..end).contains(&(key.index as u64))
                {
                    one(self, key.index as u64);
                }
            }
        }
        (moved, freed)
    }

    /// One copy changes hands: `Some(true)`: it was moved, `Some(false)`: it was freed, because the other page has one.
    fn copy(&mut self, from: Key, to: Key) -> Option<bool> {
        let (place, slot, version) = self.find(from)?;
        let kept = self.find(to).is_some();
        let (device, front) = self.both(place)?;
        if kept {
            device.release(from, slot, front);
        } else {
            device.hand_over(from, slot, version, to);
        }
        Some(!kept)
    }

    /// Copies of an object's pages.
    pub fn count_of(&self, object: u32) -> u64 {
        let mut count = 0;
        for device in self.iter() {
            count += (0..device.table().slots())
                .filter(
                    |s| matches!(device.table().get(*s), Some(Record::Committed(k, _)) if k.object == object),
                )
                .count() as u64;
        }
        count
    }

    /// Makes everything from the table of a device that [`Device::open`] found and that was added just now.
    pub fn adopt(&mut self, place: usize, log: &mut dyn FnMut(Arguments<'_>)) -> Adopted {
        let mut found = Adopted::default();
        if let Some(device) = self.get_mut(place)
            && device.take_sealed()
        {
            return Adopted { slots: device.committed(), ..found };
        }
        let slots = self.get(place).map_or(0, |d| d.table().slots());
        // Free slots are handed to the allocator in runs.
        let mut run = (0, 0);
        for slot in 0..slots {
            let Some(record) = self.get(place).map(|d| d.table().get(slot)) else { break };
            let other = match record {
                Some(Record::Committed(key, _)) => self.find(key),
                _ => None,
            };
            let Some((device, front)) = self.both(place) else { break };
            if record == Some(Record::Free) {
                run = if run.1 == 0 { (slot, 1) } else { (run.0, run.1 + 1) };
                continue;
            }
            device.add_free(run.0, run.1);
            run = (0, 0);
            match record {
                Some(Record::Free) => {}
                None => {
                    log(format_args!(
                        "{}: slot {slot} is set aside: its record is damaged ({:#018x})",
                        device.name,
                        device.table().word(slot)
                    ));
                    found.problems += 1;
                    device.set_aside(slot);
                }
                Some(Record::Bad) => device.count_bad(),
                Some(Record::Pending(_)) => {
                    found.dropped += 1;
                    device.give_back(slot, front);
                }
                Some(Record::Committed(key, version)) => match other {
                    None => device.enter(key, slot),
                    // The instance before ended between writing the newer record and freeing the older one.
                    Some((theirs, older, v)) if (v + 1) & 3 == version => {
                        found.dropped += 1;
                        if let Some((device, front)) = self.both(theirs) {
                            device.release(key, older, front);
                        }
                        if let Some(device) = self.get_mut(place) {
                            device.enter(key, slot);
                        }
                    }
                    Some((.., v)) if (version + 1) & 3 == v => {
                        found.dropped += 1;
                        device.give_back(slot, front);
                    }
                    Some((theirs, rival, _)) => {
                        log(format_args!(
                            "{}: slots {rival} and {slot} are set aside: both claim page {} of object {}",
                            device.name, key.index, key.object
                        ));
                        found.problems += 1;
                        device.set_aside(slot);
                        if let Some(device) = self.get_mut(theirs) {
                            device.reject(key, rival);
                        }
                    }
                },
            }
        }
        if let Some(device) = self.get_mut(place) {
            device.add_free(run.0, run.1);
            found.slots = device.committed();
        }
        found
    }
}
