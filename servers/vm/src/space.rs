// SPDX-License-Identifier: BSD-2-Clause
//! Address spaces, and the programs in them: tasks, threads, handles. Everything that a space costs is counted in it.

use crate::file::FileTable;
use crate::limit::Limit;
use crate::machine::Machine;
use crate::manage::Manages;
use crate::map::{Map, Range, Region};
use crate::page::{NONE, Place};
use crate::parking::Parked;
use crate::thread::Thread;
use crate::vm::Vm;
use crate::written::Written;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use ebb_abi::layout::METER;
use ebb_abi::map::{MapFlags, MapOp};
use ebb_abi::thread::TaskOp;
use ebb_abi::{Frame, Handle, Kind, Rights};
use ebb_policy::gate::Class;
use ebb_proto::Error;
use ebb_proto::vm as proto;
use ebb_proto::vm::SpaceInfo;
use ebb_rt::client::from_sys;
use ebb_sys::object::Donation;

/// Slots for spaces; the number of a space is its slot plus a multiple of this.
const SLOTS: u32 = 1024;
/// Frames donated at a time for page tables: a leaf with its reverse map, and an inner table or two.
const TABLES_AT_ONCE: usize = 4;

/// A space.
pub struct Space {
    /// Its number.
    pub id: proto::Space,
    /// The program's name.
    pub name: String,
    /// A server: no victim.
    pub protected: bool,
    /// May attach as the policy.
    pub may_decide: bool,
    /// Who made it, and may do with it what `init` may do with any.
    pub manager: proto::Space,
    /// What it has as a manager of spaces.
    pub manages: Option<Manages>,
    /// Its task.
    pub task: Handle,
    /// Its first thread, once started.
    pub thread: Handle,
    /// Priority of its threads.
    pub priority: u8,
    /// Whether its threads are held.
    pub halted: bool,
    /// The notification of its first thread, if it was made here.
    pub notification: Handle,
    /// An endpoint that it receives from, if it was made here.
    pub link: Handle,
    /// Its other threads.
    pub threads: Vec<Thread>,
    /// Its first thread has the message buffer of this number.
    pub first: u32,
    /// It is swapped out whole.
    pub parked: Option<Parked>,
    /// Times that it was.
    pub swaps: u32,
    /// Its regions.
    pub map: Map,
    /// Which pages of tracked regions it has written to.
    pub written: Written,
    /// Its open files.
    pub files: FileTable,
    /// Frames that the kernel has for it.
    pub kernel_frames: u64,
    /// Faults, and those that needed I/O.
    pub faults: (u64, u64),
    /// What it may have mapped.
    pub limit: Limit,
}

/// The spaces by number.
#[derive(Default)]
pub struct Spaces {
    /// Each for itself: a table of all of them would need twice its room where it grows.
    slots: Vec<Option<Box<Space>>>,
    next: u32,
    generation: u32,
}

impl Spaces {
    /// The space with this number.
    #[inline]
    pub fn get(&self, id: proto::Space) -> Option<&Space> {
        self.slots.get((id % SLOTS) as usize)?.as_deref().filter(|s| s.id == id)
    }

    /// The space with this number, to change it.
    #[inline]
    pub fn get_mut(&mut self, id: proto::Space) -> Option<&mut Space> {
        self.slots.get_mut((id % SLOTS) as usize)?.as_deref_mut().filter(|s| s.id == id)
    }

    /// All spaces, by slot, to change them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Space> {
        self.slots.iter_mut().flatten().map(|s| &mut **s)
    }

    /// All spaces, by slot.
    pub fn iter(&self) -> impl Iterator<Item = &Space> {
        self.slots.iter().flatten().map(|s| &**s)
    }

    /// A number that no space has: slots are used in turn, so that a number comes back late, and never twice.
    fn vacant(&mut self) -> Option<proto::Space> {
        for _ in 0..SLOTS {
            self.next += 1;
            if self.next >= SLOTS {
                self.next = 1;
                self.generation += 1;
            }
            while self.slots.len() <= self.next as usize {
                self.slots.push(None);
            }
            if self.slots[self.next as usize].is_none() {
                return Some(self.generation * SLOTS + self.next);
            }
        }
        None
    }

    fn insert(&mut self, space: Space) {
        let slot = (space.id % SLOTS) as usize;
        self.slots[slot] = Some(Box::new(space));
    }

    fn remove(&mut self, id: proto::Space) -> Option<Space> {
        self.get(id)?;
        self.slots[(id % SLOTS) as usize].take().map(|s| *s)
    }
}

impl<M: Machine> Vm<M> {
    /// Takes in `init`, which runs already, as space 1.
    pub fn adopt_init(&mut self, task: Handle) -> Result<(), Error> {
        let id = self.spaces.vacant().ok_or(Error::NoMemory)?;
        self.spaces.insert(Space {
            id,
            name: String::from("init"),
            protected: true,
            may_decide: false,
            manager: proto::INIT,
            manages: None,
            task,
            thread: Handle::NONE,
            priority: 0,
            halted: false,
            notification: Handle::NONE,
            link: Handle::NONE,
            threads: Vec::new(),
            first: 0,
            parked: None,
            swaps: 0,
            map: Map::default(),
            written: Written::default(),
            files: FileTable::default(),
            kernel_frames: 0,
            faults: (0, 0),
            limit: Limit::default(),
        });
        // Its exceptions have nobody to go to but the kernel.
        self.m
            .task_control(task, TaskOp::FaultEndpoint, self.endpoint.0 as u64, id as u64)
            .map_err(from_sys)?;
        self.map_meter(id)
    }

    /// Directs faults and exceptions of a task.
    fn watch(&mut self, id: proto::Space, task: Handle) -> Result<(), Error> {
        self.m
            .task_control(task, TaskOp::FaultEndpoint, self.endpoint.0 as u64, id as u64)
            .map_err(from_sys)?;
        self.supervise(id)
    }

    pub(crate) fn map_meter(&mut self, id: proto::Space) -> Result<(), Error> {
        let op = MapOp { address: METER, frame: Frame(self.meter_frame), flags: MapFlags::empty() };
        self.enter(id, &[op])
    }

    /// A frame for the kernel's use on behalf of a space.
    pub(crate) fn kernel_frame(&mut self, space: proto::Space) -> Result<u32, Error> {
        let class = self.system_class(space);
        self.frames.allocate(class, Place::Kernel, space, 0).ok_or(Error::NoMemory)
    }

    /// How far a space may go for what it cannot wait for: what is set aside for starting servers is left by programs.
    pub(crate) fn system_class(&self, space: proto::Space) -> Class {
        match self.spaces.get(space) {
            Some(space) if !space.protected => Class::Program,
            _ => Class::System,
        }
    }

    /// A number that no space has or will have.
    pub(crate) fn number_new(&mut self) -> Result<proto::Space, Error> {
        self.spaces.vacant().ok_or(Error::NoMemory)
    }

    /// Makes a space for its manager.
    pub fn space_new(
        &mut self,
        name: String,
        protected: bool,
        manager: proto::Space,
    ) -> Result<proto::Space, Error> {
        let id = self.spaces.vacant().ok_or(Error::NoMemory)?;
        let class = if protected { Class::System } else { Class::Program };
        let mut frames = [0; 3];
        for n in 0..3 {
            match self.frames.allocate(class, Place::Kernel, id, 0) {
                Some(frame) => frames[n] = frame,
                None => {
                    frames[..n].iter().for_each(|f| self.frames.free(*f));
                    return Err(Error::NoMemory);
                }
            }
        }
        let task = match self.with_room(|m| m.task_create(frames.map(Frame))) {
            Ok(task) => task,
            Err(error) => {
                frames.iter().for_each(|f| self.frames.free(*f));
                return Err(error);
            }
        };
        self.spaces.insert(Space {
            id,
            name,
            protected,
            may_decide: false,
            manager,
            manages: None,
            task,
            thread: Handle::NONE,
            priority: 0,
            halted: false,
            notification: Handle::NONE,
            link: Handle::NONE,
            threads: Vec::new(),
            first: 0,
            parked: None,
            swaps: 0,
            map: Map::default(),
            written: Written::default(),
            files: FileTable::default(),
            kernel_frames: 3,
            faults: (0, 0),
            limit: Limit::default(),
        });
        match self.watch(id, task).and_then(|()| self.map_meter(id)) {
            Ok(()) => Ok(id),
            Err(error) => {
                self.space_free(id)?;
                Err(error)
            }
        }
    }

    /// Ends a program: everything that it has comes back. Pages with I/O under way come back when that ends.
    pub fn space_free(&mut self, id: proto::Space) -> Result<(), Error> {
        if id == proto::INIT {
            return Err(Error::NotPermitted);
        }
        let space = self.spaces.remove(id).ok_or(Error::NotFound)?;
        let free_before = self.frames.gate.free_count();
        let wirings = self.forget_waiting(id);
        self.policy_gone(id);
        self.limits_forget(id);
        for kind in [proto::PagerKind::Swap, proto::PagerKind::Vnode] {
            if self.channel(kind).space() == id {
                self.pager_detach(kind);
            }
        }
        // The task goes first: with it its mappings, whose dirty bits no longer matter.
        let frames = &mut self.frames;
        loop {
            match self.m.destroy_step(space.task, &mut |frame| frames.free(frame.0)) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    self.m.log(format_args!("destroying task of {} ({}): {error:?}", space.name, id));
                    break;
                }
            }
        }
        self.m.handle_close(space.task);
        if let Some(manages) = space.manages {
            self.manager_gone(manages);
        }
        self.discard(space.notification);
        self.discard(space.link);
        if space.thread != Handle::NONE {
            self.m.handle_close(space.thread);
        }
        self.threads_gone(id, space.threads);
        let regions: Vec<Region> = space.map.iter().copied().collect();
        for (n, region) in regions.iter().enumerate() {
            let later = regions.get(n + 1..).unwrap_or_default();
            let within = |w: &&(Range, u64)| w.0.start <= region.start && region.end() <= w.0.end;
            match wirings.iter().find(within) {
                // Only what was reached is wired by it: the rest may be others'.
                Some((_, next)) if self.is_shared(region) => {
                    self.unwire_region(region, *next);
                    self.drop_region(id, &Region { wired: false, ..*region }, later);
                }
                _ => self.drop_region(id, region, later),
            }
        }
        for description in space.files.iter() {
            self.drop_description(description);
        }
        self.forget_grants(id);
        if space.manages.is_some() {
            self.drop_temporary(id);
        }
        if space.protected {
            // Before anybody who waits for memory is woken: the next instance must find what this one had.
            self.frames.keep_for_restart(self.frames.gate.free_count().saturating_sub(free_before));
        }
        while let Some(at) = self.pager_heaps.iter().position(|k| k.space == id) {
            let kept = self.pager_heaps.swap_remove(at);
            self.segment_drop(kept.segment);
        }
        Ok(())
    }

    /// Enters mappings in a space, donating frames for page tables where it runs out of them.
    pub fn enter(&mut self, id: proto::Space, ops: &[MapOp]) -> Result<(), Error> {
        let task = self.spaces.get(id).ok_or(Error::NotFound)?.task;
        let mut rest = ops;
        loop {
            match self.m.map(task, rest) {
                Ok(()) => return Ok(()),
                Err(partial) if partial.error == ebb_abi::Error::NoTables => {
                    rest = rest.get(partial.done..).unwrap_or(&[]);
                    self.donate_tables(id)?;
                }
                Err(partial) => return Err(from_sys(partial.error)),
            }
        }
    }

    /// Gives a task frames for page tables.
    pub fn donate_tables(&mut self, id: proto::Space) -> Result<(), Error> {
        let task = self.spaces.get(id).ok_or(Error::NotFound)?.task;
        self.donate(id, task, Donation::Tables, TABLES_AT_ONCE)
    }

    fn donate(&mut self, id: proto::Space, task: Handle, what: Donation, count: usize) -> Result<(), Error> {
        let mut frames = [Frame(NONE); TABLES_AT_ONCE];
        let mut got = 0;
        while got < count.min(TABLES_AT_ONCE) {
            match self.kernel_frame(id) {
                Ok(frame) => frames[got] = Frame(frame),
                Err(_) => break,
            }
            got += 1;
        }
        let taken = self.m.donate(task, what, &frames[..got]).unwrap_or(0);
        for frame in &frames[taken.min(got)..got] {
            self.frames.free(frame.0);
        }
        if let Some(space) = self.spaces.get_mut(id) {
            space.kernel_frames += taken as u64;
        }
        if taken == 0 { Err(Error::NoMemory) } else { Ok(()) }
    }

    /// Makes a space's handle table larger.
    pub(crate) fn handle_room(&mut self, id: proto::Space) -> Result<(), Error> {
        let task = self.spaces.get(id).ok_or(Error::NotFound)?.task;
        self.donate(id, task, Donation::Handles, 1)
    }

    /// Makes `vm`'s own handle table larger.
    pub fn more_handles(&mut self) -> Result<(), Error> {
        let frame = self.kernel_frame(0)?;
        match self.m.donate(self.own_task, Donation::Handles, &[Frame(frame)]) {
            Ok(1) => Ok(()),
            _ => {
                self.frames.free(frame);
                Err(Error::NoMemory)
            }
        }
    }

    /// Makes something that `vm` gets a handle of; its table grows if it is full.
    fn with_room(
        &mut self,
        mut make: impl FnMut(&mut M) -> core::result::Result<Handle, ebb_abi::Error>,
    ) -> Result<Handle, Error> {
        loop {
            match make(&mut self.m) {
                Err(ebb_abi::Error::NoSlot) => self.more_handles()?,
                made => return made.map_err(from_sys),
            }
        }
    }

    /// Copies a handle of `vm`'s into a space; its table grows if it is full.
    pub fn give(
        &mut self,
        id: proto::Space,
        handle: Handle,
        rights: Rights,
        badge: u32,
    ) -> Result<u32, Error> {
        let task = self.spaces.get(id).ok_or(Error::NotFound)?.task;
        loop {
            match self.m.handle_copy(task, handle, rights, badge) {
                Ok(there) => return Ok(there.0),
                Err(ebb_abi::Error::NoSlot) => self.donate(id, task, Donation::Handles, 1)?,
                Err(error) => return Err(from_sys(error)),
            }
        }
    }

    /// Makes an endpoint or a notification.
    pub fn object_new(&mut self, kind: Kind) -> Result<Handle, Error> {
        let frame = self.kernel_frame(0)?;
        self.with_room(|m| m.object_create(kind, Frame(frame))).inspect_err(|_| self.frames.free(frame))
    }

    /// Destroys an endpoint or a notification.
    pub fn object_free(&mut self, handle: Handle) -> Result<(), Error> {
        let frames = &mut self.frames;
        while self.m.destroy_step(handle, &mut |frame| frames.free(frame.0)).map_err(from_sys)? {}
        Ok(())
    }

    /// Spaces from a number on, by number, at most 16.
    pub fn space_list(&self, from: proto::Space) -> Vec<SpaceInfo> {
        let mut ids: Vec<_> = self.spaces.iter().map(|s| s.id).filter(|id| *id >= from).collect();
        ids.sort_unstable();
        ids.truncate(16);
        ids.into_iter().filter_map(|id| self.space_info(id)).collect()
    }

    fn space_info(&self, id: proto::Space) -> Option<SpaceInfo> {
        let space = self.spaces.get(id)?;
        let (mut virtual_pages, mut resident, mut swapped, mut wired) = (0, 0, 0, 0);
        for region in space.map.iter() {
            virtual_pages += region.pages;
            let held = self.held_by(region);
            resident += held.resident;
            swapped += held.swapped;
            wired += held.wired;
        }
        Some(SpaceInfo {
            space: id,
            name: space.name.clone(),
            virtual_pages,
            resident,
            swapped,
            wired,
            kernel_frames: space.kernel_frames,
            faults: space.faults,
            protected: space.protected,
            swaps: space.swaps,
            waiting: String::from(self.waits_for(id)),
        })
    }
}
