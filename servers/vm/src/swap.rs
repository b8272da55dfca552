// SPDX-License-Identifier: BSD-2-Clause
//! `swapon` and `swapoff`: one change at a time, each a short conversation with the pager through the ring.
//!
//! On: the pager says how much memory the device needs ([`Op::Prepare`]), `vm` sets it aside, wired, so that the pager can never run out of metadata
//! (W21), maps it, and says go. Off: no new slot there, then page after page is named by the pager and made resident and dirty, its copy given up; if memory
//! and the other devices have no room for all that, or a page cannot be read, the device goes back into service (W27 to W30).

use crate::charge::Charge;
use crate::fault::Found;
use crate::machine::Machine;
use crate::map::{Backing, Region};
use crate::page::Flags;
use crate::pager::Device;
use crate::vm::Vm;
use crate::waiting::{Reason, Work};
use ebb_abi::meter::Counter;
use ebb_policy::gate::Wiring;
use ebb_proto::Error;
use ebb_proto::pager::{Completion, MAX_DEVICES, Op, Outcome};
use ebb_proto::vm::{self as proto, Advice, Inheritance, Protection};

/// A change under way.
pub enum SwapChange<R> {
    /// Adding a device.
    On {
        /// Whom to answer.
        reply: R,
        /// The disk.
        disk: u8,
    },
    /// Removing a device.
    Off {
        /// Whom to answer.
        reply: R,
        /// The disk.
        disk: u8,
        /// Pages made resident so far.
        moved: u64,
        /// Copies that are still there, at most: programs may have given some up.
        left: u64,
        /// The page being moved: object and index.
        page: Option<(u32, u32)>,
        /// Why it is being given up.
        failed: Option<Error>,
    },
}

/// The heap of a removed device: it has become part of the heap of the pager, and is used again for the next device in its place.
#[derive(Clone, Copy, Debug)]
pub struct KeptHeap {
    /// The pager's space.
    pub space: proto::Space,
    /// The device's place.
    pub place: u8,
    /// The segment, mapped there.
    pub segment: u32,
}

impl<M: Machine> Vm<M> {
    /// `swapon`.
    pub fn swap_on(&mut self, disk: u8, reply: M::Reply) {
        let in_use = self.pager.devices.iter().any(|d| d.disk == disk);
        let error = if in_use || self.swap_change.is_some() || !self.pager.ch.attached() {
            Some(Error::Busy)
        } else if self.pager.devices.len() >= MAX_DEVICES {
            Some(Error::NoSpace)
        } else {
            None
        };
        match error {
            Some(error) => self.m.answer::<proto::SwapOn>(reply, Err(error), &[]),
            None => {
                self.swap_change = Some(SwapChange::On { reply, disk });
                self.submit_control(Op::Prepare, [disk as u64, 0, 0]);
            }
        }
    }

    /// `swapoff`.
    pub fn swap_off(&mut self, disk: u8, reply: M::Reply) {
        let error = if self.swap_change.is_some() || !self.pager.ch.attached() {
            Some(Error::Busy)
        } else if !self.pager.devices.iter().any(|d| d.disk == disk && d.active) {
            Some(Error::NotFound)
        } else {
            None
        };
        match error {
            Some(error) => self.m.answer::<proto::SwapOff>(reply, Err(error), &[]),
            None => {
                self.swap_change =
                    Some(SwapChange::Off { reply, disk, moved: 0, left: 0, page: None, failed: None });
                self.submit_control(Op::SwapOffBegin, [disk as u64, 0, 0]);
            }
        }
    }

    /// The pager is gone in the middle of a change: a device that was being added is not, one that was being removed stays.
    pub fn give_up_swap_change(&mut self) {
        self.forget_swap_off();
        match self.swap_change.take() {
            Some(SwapChange::On { reply, disk }) => {
                self.remove_device(disk);
                self.m.answer::<proto::SwapOn>(reply, Err(Error::Dead), &[]);
            }
            Some(SwapChange::Off { reply, disk, .. }) => {
                if let Some(device) = self.pager.devices.iter_mut().find(|d| d.disk == disk) {
                    device.active = true;
                }
                self.publish_swap();
                self.m.answer::<proto::SwapOff>(reply, Err(Error::Dead), &[]);
            }
            None => {}
        }
    }

    /// The pager has answered a step.
    pub fn swap_change_done(&mut self, c: &Completion) {
        match (self.swap_change.take(), c.op) {
            (Some(SwapChange::On { reply, disk }), Op::Prepare) => self.prepared(reply, disk, c),
            (Some(SwapChange::On { reply, disk }), Op::SwapOn) => self.swapped_on(reply, disk, c),
            (Some(change @ SwapChange::Off { .. }), _) => self.swap_off_step(change, c),
            (change, _) => {
                self.swap_change = change;
                self.m.log(format_args!("the pager answered what nobody asked: {c:?}"));
            }
        }
    }

    fn prepared(&mut self, reply: M::Reply, disk: u8, c: &Completion) {
        let error = match c.outcome {
            Outcome::Ok => None,
            Outcome::Bad => Some(Error::Invalid),
            Outcome::Again => Some(Error::Busy),
            Outcome::Fail => Some(Error::NotFound),
            _ => Some(Error::Io),
        };
        let [pages, heap] = c.results;
        let made = match error {
            Some(error) => Err(error),
            None => self.add_device(disk, pages, heap),
        };
        match made {
            Ok((durable, heap)) => {
                self.swap_change = Some(SwapChange::On { reply, disk });
                self.submit_control(Op::SwapOn, [disk as u64, durable, heap]);
            }
            Err(error) => self.m.answer::<proto::SwapOn>(reply, Err(error), &[]),
        }
    }

    fn add_device(&mut self, disk: u8, pages: u64, heap: u64) -> Result<(u64, u64), Error> {
        let segment = self.segment_new(pages, Wiring::System)?;
        let (place, heap_segment) = match self.place_and_heap(heap.max(1)) {
            Ok(found) => found,
            Err(error) => {
                self.segment_drop(segment);
                return Err(error);
            }
        };
        self.pager.devices.push(Device { disk, place, segment, heap_segment, slots: 0, active: false });
        let space = self.pager.ch.space();
        match self.map_device(space, self.pager.devices.len() - 1) {
            Ok(places) => Ok(places),
            Err(error) => {
                self.remove_device(disk);
                Err(error)
            }
        }
    }

    /// A place for a device, and so much heap for it: what an earlier device left there if it is enough, otherwise a place that none has used.
    fn place_and_heap(&mut self, pages: u64) -> Result<(u8, u32), Error> {
        let large_enough = |id: u32| {
            self.segments
                .get(id as usize)
                .and_then(|s| s.as_ref())
                .is_some_and(|s| s.frames.len() as u64 >= pages)
        };
        let space = self.pager.ch.space();
        if let Some(at) = self.pager_heaps.iter().position(|k| k.space == space && large_enough(k.segment)) {
            let kept = self.pager_heaps.swap_remove(at);
            return Ok((kept.place, kept.segment));
        }
        let place = (0..MAX_DEVICES as u8)
            .find(|p| {
                self.pager.devices.iter().all(|d| d.place != *p)
                    && self.pager_heaps.iter().all(|k| k.place != *p)
            })
            .ok_or(Error::NoSpace)?;
        Ok((place, self.segment_new(pages, Wiring::System)?))
    }

    /// Takes a device's memory back. The pager does not use it any more.
    fn remove_device(&mut self, disk: u8) {
        let Some(at) = self.pager.devices.iter().position(|d| d.disk == disk) else { return };
        let device = self.pager.devices.remove(at);
        if let Some(task) = self.spaces.get(self.pager.ch.space()).map(|s| s.task) {
            let durable = ebb_proto::pager::DEVICES + device.place as u64 * ebb_proto::pager::DEVICE_STRIDE;
            let pages = self.segments.get(device.segment as usize).and_then(|s| s.as_ref());
            let pages = pages.map_or(0, |s| s.frames.len() as u64);
            if let Err(error) = self.m.unmap(task, durable, pages) {
                self.m.log(format_args!("unmapping a swap device: {error:?}"));
                return;
            }
        }
        self.segment_drop(device.segment);
        // Its heap has become part of the pager's: it goes when the pager goes.
        let space = self.pager.ch.space();
        self.pager_heaps.push(KeptHeap { space, place: device.place, segment: device.heap_segment });
        self.publish_swap();
    }

    fn swapped_on(&mut self, reply: M::Reply, disk: u8, c: &Completion) {
        if c.outcome != Outcome::Ok {
            self.remove_device(disk);
            let error = if c.outcome == Outcome::Bad { Error::Invalid } else { Error::Io };
            return self.m.answer::<proto::SwapOn>(reply, Err(error), &[]);
        }
        if let Some(device) = self.pager.devices.iter_mut().find(|d| d.disk == disk) {
            device.slots = c.results[0];
            device.active = true;
        }
        self.publish_swap();
        self.m.answer::<proto::SwapOn>(reply, Ok(c.results[0]), &[]);
    }

    /// Writes the swap space's size to the counters.
    pub fn publish_swap(&mut self) {
        let total = self.pager.devices.iter().filter(|d| d.active).map(|d| d.slots).sum();
        self.frames.meter.set(Counter::swap_total, total);
    }

    fn swap_off_step(&mut self, change: SwapChange<M::Reply>, c: &Completion) {
        let SwapChange::Off { reply, disk, moved, left, failed, .. } = change else { return };
        let off = |reply, page, failed| SwapChange::Off { reply, disk, moved, left, page, failed };
        match c.op {
            Op::SwapOffBegin => {
                if let Some(device) = self.pager.devices.iter_mut().find(|d| d.disk == disk) {
                    device.active = false;
                }
                self.publish_swap();
                let left = c.results[0];
                self.swap_change =
                    Some(SwapChange::Off { reply, disk, moved, left, page: None, failed: None });
                let error = if c.outcome != Outcome::Ok {
                    Some(Error::NotFound)
                } else if self.room_beside() < left {
                    Some(Error::NoMemory)
                } else {
                    None
                };
                if let Some(SwapChange::Off { failed, .. }) = &mut self.swap_change {
                    *failed = error;
                }
                let failed = error;
                self.submit_control(
                    if failed.is_some() { Op::SwapOffAbort } else { Op::SwapOffNext },
                    [disk as u64, 0, 0],
                );
            }
            Op::SwapOffNext => match c.outcome {
                Outcome::Ok => {
                    let page = (c.results[0] as u32, c.results[1] as u32);
                    self.swap_change = Some(off(reply, Some(page), failed));
                    self.swap_off_on();
                }
                _ => {
                    self.swap_change = Some(off(reply, None, failed));
                    self.submit_control(Op::SwapOffEnd, [disk as u64, 0, 0]);
                }
            },
            Op::SwapOffEnd => match c.outcome {
                Outcome::Ok => {
                    self.remove_device(disk);
                    self.m.answer::<proto::SwapOff>(reply, Ok(moved), &[]);
                }
                // A write was still under way there when `Next` found nothing.
                _ => {
                    self.swap_change = Some(off(reply, None, failed));
                    self.submit_control(Op::SwapOffNext, [disk as u64, 0, 0]);
                }
            },
            _ => {
                if let Some(device) = self.pager.devices.iter_mut().find(|d| d.disk == disk) {
                    device.active = true;
                }
                self.publish_swap();
                self.m.answer::<proto::SwapOff>(reply, Err(failed.unwrap_or(Error::NoMemory)), &[]);
            }
        }
    }

    /// Pages of memory and slots on the devices in service that are free.
    fn room_beside(&self) -> u64 {
        let free = self.frames.gate.free_count().saturating_sub(self.frames.gate.thresholds().free_target);
        self.free_slots() + free as u64
    }

    /// Slots on the devices in service that are neither in use nor about to be. A device that is being removed does not count, and neither do the
    /// copies on it.
    pub fn free_slots(&self) -> u64 {
        let there = match self.swap_change {
            Some(SwapChange::Off { left, .. }) => left,
            _ => 0,
        };
        let elsewhere = self.frames.meter.get(Counter::swap_used).saturating_sub(there);
        self.frames.meter.get(Counter::swap_total).saturating_sub(elsewhere + self.pager.ch.writing as u64)
    }

    /// Goes on with moving the page that the pager named.
    pub fn swap_off_on(&mut self) {
        let Some(SwapChange::Off { disk, page, .. }) = self.swap_change else { return };
        let Some((object, index)) = page else {
            return self.submit_control(Op::SwapOffNext, [disk as u64, 0, 0]);
        };
        let entry = self.objects.get(object).map(|o| o.entry(index)).unwrap_or_default();
        if entry.swapped() {
            let region = Region {
                start: 0,
                pages: 1,
                protection: Protection::READ,
                most: Protection::READ,
                backing: Backing::Object { object, offset: index },
                charge: Charge::Address,
                advice: Advice::Random,
                wired: false,
                inheritance: Inheritance::Copy,
                needs_copy: false,
                shared: false,
                tracked: false,
                read_ahead: (0, 0),
            };
            match self.find_page(0, &region, object, index, true, true) {
                Found::Frame { frame, .. } => {
                    // Memory is the only copy now.
                    if let Some(page) = self.frames.page_mut(frame) {
                        page.flags |= Flags::DIRTY;
                    }
                    self.set_entry(object, index, |e| e.with_swapped(false));
                    self.copies_given_up(1);
                    self.free_copies(object, index, 1);
                    if let Some(SwapChange::Off { moved, left, .. }) = &mut self.swap_change {
                        *moved += 1;
                        *left = left.saturating_sub(1);
                    }
                }
                Found::Wait(Reason::Memory) if self.room_beside() == 0 => {
                    return self.swap_off_give_up(disk, Error::NoMemory);
                }
                Found::Wait(reason) => return self.wait_for(reason, Work::SwapOff),
                Found::Lost | Found::Beyond => return self.swap_off_give_up(disk, Error::Io),
            }
        } else if let Some(frame) =
            entry.frame().filter(|f| self.frames.page(*f).flags.intersects(Flags::BUSY))
        {
            // Given up meanwhile, and being written anew, perhaps elsewhere: a request to free it now would hit the new copy. When that has ended the pager is asked again.
            self.swap_off_page(None);
            return self.wait_for(Reason::Page(frame), Work::SwapOff);
        } else {
            // Given up meanwhile, or left behind by a write that an instance of the pager did not live to tell of.
            self.free_copies(object, index, 1);
        }
        self.swap_off_page(None);
        self.submit_control(Op::SwapOffNext, [disk as u64, 0, 0]);
    }

    fn swap_off_page(&mut self, next: Option<(u32, u32)>) {
        if let Some(SwapChange::Off { page, .. }) = &mut self.swap_change {
            *page = next;
        }
    }

    fn swap_off_give_up(&mut self, disk: u8, error: Error) {
        if let Some(SwapChange::Off { failed, page, .. }) = &mut self.swap_change {
            *failed = Some(error);
            *page = None;
        }
        self.submit_control(Op::SwapOffAbort, [disk as u64, 0, 0]);
    }
}
