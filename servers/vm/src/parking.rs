// SPDX-License-Identifier: BSD-2-Clause
//! Programs swapped out whole (`uvm_swapout`, `uvm_swapin`): what the kernel has of their threads goes into their own pageable memory, and comes back from there.
//!
//! The first page of a region that only this server knows has the registers of all threads, the others are their message buffers, which become pages of it as they are. With the threads go all mappings
//! but those of locked memory, and the page tables that are empty then (PRS-129); what the program alone has in memory is deactivated (PRS-W13). The notifications stay, with bits and timers: the first bits
//! that come for a thread *kick* this server, which tells the program's manager. Who goes out and when is the manager's business ([`ebb_proto::proc`]).
//!
//! Going out needs two frames, takes no time and is whole or not at all: threads are stopped one by one, and as soon as one does something else than to wait or to run all go on. Coming in has to wait for pages like
//! a fault, and is tried again from its last point: the region is locked ([`crate::wire`]), then the threads are made, then it goes.

use crate::charge::Charge;
use crate::machine::Machine;
use crate::map::{Backing, Range};
use crate::page::{Flags, Place};
use crate::space::Space as Program;
use crate::thread::Made;
use crate::vm::Vm;
use crate::waiting::{Reason, Wirer, Work};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};
use ebb_abi::frame::Piece;
use ebb_abi::layout::{MESSAGE_BUFFER, METER, PARKED};
use ebb_abi::map::MapFlags;
use ebb_abi::meter::Counter;
use ebb_abi::thread::{Registers, State, ThreadOp};
use ebb_abi::{Frame, Handle, PAGE_SIZE};
use ebb_policy::gate::Class;
use ebb_proto::Error;
use ebb_proto::vm::{
    self as proto, Activity, Advice, Doing, EventKind, Happening, Protection, Source, Space,
};
use ebb_rt::client::from_sys;
use ebb_sys::object::Start;

const PAGE: u64 = PAGE_SIZE as u64;
/// Bits of this server's notification that are kicks, from this one on; a space's is that of its number.
const KICK_SHIFT: u32 = 8;
const KICKS: u32 = 32;
/// All of them.
pub const KICK_BITS: u64 = ((1 << KICKS) - 1) << KICK_SHIFT;
/// Words of a thread in the first page: its number and its registers.
const WORDS: usize = 1 + Registers::COUNT;
/// Activities in one answer.
const AT_ONCE: usize = 64;

/// A program that is out.
#[derive(Clone, Copy, Debug)]
pub struct Parked {
    /// How many threads are.
    threads: u32,
    /// Some could run when it went out, or there are bits for one.
    runnable: bool,
    /// Somebody wants it in.
    pub coming: bool,
}

/// A thread that was stopped.
struct Stopped {
    number: u32,
    handle: Handle,
    notification: Handle,
    /// It waited; otherwise it could run.
    waited: bool,
    registers: Registers,
}

/// The bit of a space.
fn kick_bit(id: Space) -> u64 {
    1 << (KICK_SHIFT + id % KICKS)
}

/// The region of a program that is out.
fn range_of(threads: u32) -> Range {
    Range { start: PARKED, end: PARKED + (1 + threads as u64) * PAGE }
}

impl<M: Machine> Vm<M> {
    /// Swaps a program out whole. Returns how many frames the kernel has fewer for it.
    pub fn swap_out(&mut self, id: Space) -> Result<u64, Error> {
        let space = self.spaces.get(id).ok_or(Error::NotFound)?;
        if space.protected {
            return Err(Error::NotPermitted);
        }
        if space.parked.is_some() {
            return Err(Error::Exists);
        }
        // Without a notification that was made here nobody could wake it; and one of several processes in a space may be held, stopped, or end by itself.
        if space.thread == Handle::NONE || space.notification == Handle::NONE || space.is_shared() {
            return Err(Error::Busy);
        }
        let before = space.kernel_frames;
        let stopped = self.stop_threads(id)?;
        let object = match self.make_room(id, &stopped) {
            Ok(object) => object,
            Err(error) => {
                self.let_go_on(&stopped);
                return Err(error);
            }
        };
        for (n, thread) in stopped.iter().enumerate() {
            self.take_thread(id, thread, object, n as u32 + 1);
        }
        if let Some(space) = self.spaces.get_mut(id) {
            space.thread = Handle::NONE;
            space.threads.iter_mut().for_each(|t| t.handle = Handle::NONE);
            let runnable = stopped.iter().any(|t| !t.waited);
            space.swaps = space.swaps.saturating_add(1);
            space.parked = Some(Parked { threads: stopped.len() as u32, runnable, coming: false });
        }
        self.unmap_all(id)?;
        let gained = before.saturating_sub(self.spaces.get(id).map_or(0, |s| s.kernel_frames));
        self.frames.meter.add(Counter::swapouts, 1);
        self.frames.meter.add(Counter::swapout_frames, gained);
        Ok(gained)
    }

    /// Stops all threads of a space, or none.
    fn stop_threads(&mut self, id: Space) -> Result<Vec<Stopped>, Error> {
        let threads = self.spaces.get(id).map(|s| s.living().collect::<Vec<_>>()).unwrap_or_default();
        let mut stopped = Vec::with_capacity(threads.len());
        for (number, handle, notification) in threads {
            match self.stop_thread(id, handle) {
                Ok((waited, registers)) => {
                    stopped.push(Stopped { number, handle, notification, waited, registers });
                }
                Err(error) => {
                    self.let_go_on(&stopped);
                    return Err(error);
                }
            }
        }
        Ok(stopped)
    }

    /// Stops a thread that waits for bits alone, or could run. Whether it waited, and its registers.
    fn stop_thread(&mut self, id: Space, thread: Handle) -> Result<(bool, Registers), Error> {
        let (state, _) = self.m.thread_look(thread).map_err(from_sys)?;
        match state {
            State::Waiting => self.m.thread_park(thread, self.notification, kick_bit(id)),
            State::Ready => self.m.thread_control(thread, ThreadOp::Stop, 0),
            State::Stopped | State::Receiving | State::Calling | State::Faulting => return Err(Error::Busy),
        }
        .map_err(from_sys)?;
        let registers = self.m.thread_registers(thread).map_err(from_sys)?;
        Ok((state == State::Waiting, registers))
    }

    /// Stopped threads are not to go out after all.
    fn let_go_on(&mut self, stopped: &[Stopped]) {
        for t in stopped {
            let bound = match t.waited {
                true => self.m.thread_control(t.handle, ThreadOp::Bind, t.notification.0 as u64),
                false => Ok(()),
            };
            if let Err(error) = bound.and_then(|()| self.m.thread_control(t.handle, ThreadOp::Start, 0)) {
                self.m.log(format_args!("letting a thread go on: {error:?}"));
            }
        }
    }

    /// Makes the region, and writes the registers into it. Returns its object.
    fn make_room(&mut self, id: Space, stopped: &[Stopped]) -> Result<u32, Error> {
        let pages = 1 + stopped.len() as u64;
        let protection = (Protection::READ | Protection::WRITE).bits();
        let op = proto::Map { space: id, address: PARKED, pages, protection, source: Source::Anonymous };
        // Who has mapped something there never goes out.
        self.map_as(id, &op, Charge::Nothing)
            .map_err(|error| if error == Error::Exists { Error::Busy } else { error })?;
        let made = self.write_registers(id, stopped);
        if made.is_err() {
            self.unmap(id, range_of(stopped.len() as u32))?;
        }
        made
    }

    fn write_registers(&mut self, id: Space, stopped: &[Stopped]) -> Result<u32, Error> {
        let region = self.spaces.get_mut(id).and_then(|s| s.map.find_mut(PARKED)).ok_or(Error::NotFound)?;
        // It is read from its beginning to its end.
        region.advice = Advice::Sequential;
        let Backing::Object { object, .. } = region.backing else { return Err(Error::Invalid) };
        self.add_leaf(object, 0)?;
        let frame = self.frames.allocate(Class::System, Place::Own, 0, 0).ok_or(Error::NoMemory)?;
        let (slot, cells) = self.map_own(frame).inspect_err(|_| self.frames.free(frame))?;
        for (t, words) in stopped.iter().zip(cells.chunks_exact(WORDS)) {
            let values = core::iter::once(t.number as u64).chain(t.registers.words());
            words.iter().zip(values).for_each(|(cell, value)| cell.store(value, Ordering::Relaxed));
        }
        if !self.unmap_own(slot) {
            return Err(Error::Invalid);
        }
        self.frames.turn(frame, object, 0);
        self.enter_page(object, 0, frame);
        Ok(object)
    }

    /// A frame that was turned into a page of an object is there, modified, and not needed soon.
    fn enter_page(&mut self, object: u32, index: u32, frame: u32) {
        if let Some(page) = self.frames.page_mut(frame) {
            page.flags |= Flags::DIRTY;
        }
        self.set_entry(object, index, |e| e.with_frame(Some(frame)));
        self.frames.set_queue(frame, Flags::INACTIVE);
        self.tell_policy(EventKind::PageIn, frame, 0);
    }

    /// A stopped thread goes: its own frame is free, its message buffer becomes a page of the region.
    fn take_thread(&mut self, id: Space, thread: &Stopped, object: u32, index: u32) {
        let mut frames = [None; 2];
        let mut slots = frames.iter_mut();
        let result = self.m.destroy_step(thread.handle, &mut |frame| {
            if let Some(slot) = slots.next() {
                *slot = Some(frame.0);
            }
        });
        if let Err(error) = result {
            self.m.log(format_args!("destroying thread {} of {id}: {error:?}", thread.number));
        }
        self.m.handle_close(thread.handle);
        let [own, buffer] = frames;
        if let Some(space) = self.spaces.get_mut(id) {
            space.kernel_frames -= own.is_some() as u64 + buffer.is_some() as u64;
        }
        if let Some(buffer) = buffer {
            self.frames.turn(buffer, object, index);
            self.enter_page(object, index, buffer);
        }
        if let Some(own) = own {
            self.frames.free(own);
        }
    }

    /// Unmaps all of a program but what it has locked, deactivates what it alone has, and takes back its page tables.
    fn unmap_all(&mut self, id: Space) -> Result<(), Error> {
        let Some(space) = self.spaces.get(id) else { return Ok(()) };
        let (task, regions) =
            (space.task, space.map.iter().filter(|r| !r.wired).copied().collect::<Vec<_>>());
        for region in &regions {
            self.m.unmap(task, region.start, region.pages).map_err(from_sys)?;
            if let Backing::Object { object, offset } = region.backing
                && self.objects.get(object).is_some_and(|o| o.file().is_none() && o.is_exclusive())
            {
                self.deactivate(object, offset, region.pages as u32);
            }
        }
        self.m.unmap(task, METER, 1).map_err(from_sys)?;
        self.collect_tables(id, task)
    }

    /// Bits have come for threads that are out, of some of the spaces with these bits.
    pub fn kicked(&mut self, bits: u64) {
        let is_out = |s: &&Program| s.parked.is_some_and(|p| !p.runnable && !p.coming);
        let named = |s: &&Program| bits & kick_bit(s.id) != 0;
        let ids: Vec<Space> = self.spaces.iter().filter(is_out).filter(named).map(|s| s.id).collect();
        for id in ids {
            let Some(space) = self.spaces.get_mut(id) else { continue };
            let m = &mut self.m;
            let others = space.threads.iter().map(|t| t.notification);
            let mut all = core::iter::once(space.notification).chain(others).filter(|n| *n != Handle::NONE);
            if !all.any(|n| m.pending(n) != Ok(0)) {
                continue;
            }
            if let Some(parked) = &mut space.parked {
                parked.runnable = true;
            }
            self.happened_to(id, Happening::Kicked { space: id });
        }
    }

    /// Brings a program in, as soon as that can be.
    pub fn swap_in(&mut self, id: Space) -> Result<(), Error> {
        let space = self.spaces.get_mut(id).ok_or(Error::NotFound)?;
        let Some(parked) = space.parked.as_mut().filter(|p| !p.coming) else { return Ok(()) };
        parked.coming = true;
        let range = range_of(parked.threads);
        self.wire(id, range, Wirer::Incoming(id));
        // It was refused.
        let refused = self.spaces.get(id).and_then(|s| s.parked).is_some_and(|p| !p.coming);
        if refused { Err(Error::NoMemory) } else { Ok(()) }
    }

    /// The region of a program that comes in is in memory, or cannot be.
    pub(crate) fn state_wired(&mut self, id: Space, result: Result<(), Error>) {
        match result {
            Ok(()) => self.unpark(id),
            Err(Error::NoMemory) => {
                if let Some(parked) = self.spaces.get_mut(id).and_then(|s| s.parked.as_mut()) {
                    parked.coming = false;
                }
            }
            Err(_) => self.state_lost(id),
        }
    }

    /// What a program needs to come in cannot be read: its manager has to end it.
    pub(crate) fn state_lost(&mut self, id: Space) {
        self.happened_to(id, Happening::StateLost { space: id });
    }

    /// Makes the threads of a program anew whose region is locked in memory.
    pub(crate) fn unpark(&mut self, id: Space) {
        match self.make_threads(id) {
            Ok(()) => {}
            Err(Error::NoMemory) => self.wait_for(Reason::Memory, Work::Unpark { space: id }),
            Err(error) => {
                self.m.log(format_args!("bringing in space {id}: {error}"));
                self.state_lost(id);
            }
        }
    }

    fn make_threads(&mut self, id: Space) -> Result<(), Error> {
        let space = self.spaces.get(id).ok_or(Error::NotFound)?;
        let (threads, first) = (space.parked.ok_or(Error::NotFound)?.threads, space.first);
        let region = space.map.find(PARKED).copied().ok_or(Error::NotFound)?;
        let Backing::Object { object, .. } = region.backing else { return Err(Error::Invalid) };
        let page = |vm: &Self, n: u32| vm.objects.get(object).and_then(|o| o.entry(n).frame());
        let states = self.read_registers(page(self, 0).ok_or(Error::Io)?, threads as usize)?;
        let mut made = Vec::with_capacity(states.len());
        let mut result = self.map_meter(id);
        for (n, (number, registers)) in states.iter().enumerate() {
            if result.is_err() {
                break;
            }
            let from = page(self, n as u32 + 1).ok_or(Error::Io);
            result = from
                .and_then(|from| {
                    self.make_stopped(id, if *number == 0 { first } else { *number }, registers, from)
                })
                .map(|m| made.push(m));
        }
        if let Err(error) = result {
            states.iter().zip(&made).for_each(|((number, _), m)| self.destroy_thread(id, *number, m.handle));
            return Err(error);
        }
        self.unmap(id, range_of(threads))?;
        let Some(space) = self.spaces.get_mut(id) else { return Err(Error::NotFound) };
        space.parked = None;
        let (priority, mut run) = (space.priority, Vec::with_capacity(made.len()));
        for ((number, _), m) in states.iter().zip(&made) {
            let notification = match space.threads.iter_mut().find(|t| t.number == *number) {
                Some(other) if *number > 0 => {
                    (other.handle, other.frame) = (m.handle, m.frame);
                    other.notification
                }
                _ => {
                    space.thread = m.handle;
                    space.notification
                }
            };
            run.push((m.handle, notification));
        }
        self.frames.meter.add(Counter::swapins, 1);
        self.happened_to(id, Happening::SwappedIn { space: id });
        run.into_iter().try_for_each(|(thread, n)| self.run_thread(id, thread, priority, n))
    }

    /// The numbers and registers of so many threads, from the first page of their region.
    fn read_registers(&mut self, frame: u32, threads: usize) -> Result<Vec<(u32, Registers)>, Error> {
        let (slot, cells) = self.map_own_with(frame, MapFlags::empty())?;
        let read = |words: &[AtomicU64]| {
            let mut values = words.iter().map(|cell| cell.load(Ordering::Relaxed));
            let number = values.next().unwrap_or(0) as u32;
            (number, Registers::from_words(core::array::from_fn(|_| values.next().unwrap_or(0))))
        };
        let states = cells.chunks_exact(WORDS).take(threads).map(read).collect();
        if self.unmap_own(slot) { Ok(states) } else { Err(Error::Invalid) }
    }

    /// A thread as it was: stopped, its message buffer, which has this number, a copy of this frame.
    fn make_stopped(
        &mut self,
        id: Space,
        number: u32,
        registers: &Registers,
        from: u32,
    ) -> Result<Made, Error> {
        let buffer = MESSAGE_BUFFER + number as u64 * PAGE;
        let start = Start { buffer, entry: registers.rip, stack: registers.rsp, argument: 0 };
        let made = self.make_thread(id, start)?;
        let whole = Piece {
            from: Frame(from),
            from_offset: 0,
            to: Frame(made.buffer),
            to_offset: 0,
            bytes: PAGE_SIZE as u16,
        };
        let filled = self.m.copy_bytes(&[whole]);
        match filled.and_then(|()| self.m.thread_set_registers(made.handle, registers)) {
            Ok(()) => Ok(made),
            Err(error) => {
                self.destroy_thread(id, number, made.handle);
                Err(from_sys(error))
            }
        }
    }

    /// What the programs of a manager do, from a space on.
    pub fn activities(&mut self, manager: Space, from: Space) -> Vec<Activity> {
        let theirs = |s: &&Program| !s.protected && s.manager == manager && s.id >= from;
        let mut ids: Vec<Space> = self.spaces.iter().filter(theirs).map(|s| s.id).collect();
        ids.sort_unstable();
        ids.truncate(AT_ONCE);
        ids.into_iter().filter_map(|id| self.activity(id)).collect()
    }

    fn activity(&mut self, id: Space) -> Option<Activity> {
        let space = self.spaces.get(id)?;
        if let Some(parked) = space.parked {
            return Some(Activity {
                space: id,
                doing: if parked.runnable { Doing::Runnable } else { Doing::Sleeping },
                place: if parked.coming { proto::Place::ComingIn } else { proto::Place::Out },
                runs: 0,
                pages: 2 * parked.threads,
            });
        }
        let threads: Vec<_> = space.living().collect();
        let pages = 2 * threads.len() as u32;
        let mut doing = if threads.is_empty() { Doing::Blocked } else { Doing::Sleeping };
        let mut runs = 0u32;
        for (_, thread, _) in threads {
            // One that cannot be looked at is no sleeper.
            let (state, times) = self.m.thread_look(thread).unwrap_or((State::Stopped, 0));
            runs = runs.wrapping_add(times);
            doing = match (doing, state) {
                (Doing::Blocked, _) => Doing::Blocked,
                (doing, State::Waiting) => doing,
                (_, State::Ready) => Doing::Runnable,
                _ => Doing::Blocked,
            };
        }
        Some(Activity { space: id, doing, place: proto::Place::In, runs, pages })
    }

    /// Tells all managers that programs should go out.
    pub(crate) fn tell_managers(&mut self, bits: u8) {
        let managers: Vec<Space> = self.spaces.iter().filter(|s| s.manages.is_some()).map(|s| s.id).collect();
        for manager in managers {
            // One who has not asked since the last time hears of it once.
            let told =
                |(m, h): &(Space, Happening)| *m == manager && matches!(h, Happening::SwapOutWanted { .. });
            if !self.happenings.iter().any(told) {
                self.tell_manager(manager, Happening::SwapOutWanted { bits });
            }
        }
    }

    /// What is wrong with programs that are out: for the audit.
    pub(crate) fn parked_wrong(&self) -> Vec<Space> {
        let wrong = |s: &&Program| {
            s.parked.is_some_and(|parked| {
                let region = s.map.find(PARKED).map(|r| (r.start, r.end()));
                let range = range_of(parked.threads);
                s.living().next().is_some() || region != Some((range.start, range.end))
            })
        };
        self.spaces.iter().filter(wrong).map(|s| s.id).collect()
    }
}
