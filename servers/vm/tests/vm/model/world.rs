// SPDX-License-Identifier: BSD-2-Clause
//! The server in its surroundings. Messages are served as the server's own loop serves them.

use super::kernel::Kernel;
use super::pager::{Disk, Key, ScriptedPager, Store};
use super::program::Program;
use super::reply::Answer;
use ebb_abi::boot::Range;
use ebb_abi::map::{MapFlags, MapOp};
use ebb_abi::meter::Counter;
use ebb_abi::{Frame, Handle};
use ebb_proto::Error;
use ebb_proto::codec::Decode;
use ebb_proto::pager::Outcome;
use ebb_proto::vm::{self as proto, AuditReport, Happening, INIT, Protection, Request, Source, Space};
use ebb_vm::fault::own_address;
use ebb_vm::frames::Frames;
use ebb_vm::machine::Machine;
use ebb_vm::meter::Meter;
use ebb_vm::page::{Flags, Place};
use ebb_vm::segment::Module;
use ebb_vm::vm::{Parts, Vm};
use std::collections::BTreeMap;

/// Frames that are no user memory; the last four of them are a boot module's.
const RESERVED: u32 = 8;
/// Cycles in a millisecond.
pub const MS: u64 = 1000;
/// Bytes in a page.
pub const PAGE: u64 = 4096;

/// The machine.
pub struct World {
    pub vm: Vm<Kernel>,
    pub programs: BTreeMap<Space, Program>,
    pub pager: Option<ScriptedPager>,
    pub store: Store,
    pub policy: Option<Box<super::policy::Live>>,
    pub pager_space: Space,
    pub vnode: Option<super::vnode::ScriptedVnode>,
    pub vnode_space: Space,
    pub volume: super::vnode::Volume,
    pub happenings: Vec<Happening>,
    /// Pages of programs that others have too, at the same address: those with the same number.
    pub groups: BTreeMap<(Space, u64), u32>,
    /// When the server wants to be called.
    pub due: u64,
}

impl World {
    /// A machine with so many frames, no pager and no policy.
    pub fn new(nr_frames: u32) -> World {
        let mut m = Kernel::new(nr_frames, RESERVED);
        let free = [Range { first: RESERVED + 1, count: nr_frames - RESERVED - 1 }];
        let own_task = m.own_task();
        let meter_frame = RESERVED;
        let flags = MapFlags::WRITE | MapFlags::ZERO;
        m.map(own_task, &[MapOp { address: own_address(0), frame: Frame(meter_frame), flags }])
            .expect("mapping the counters");
        let meter = Meter::new(m.own_words(own_address(0), 1).expect("the counters"));
        meter.set(Counter::v_page_count, nr_frames as u64);
        let mut frames = Frames::new(nr_frames, nr_frames, &free, meter);
        frames.adopt(meter_frame, Place::Own, 0, 0);
        let init_task = m.first_task();
        for page in 0..4 {
            m.frames[(RESERVED - 4 + page) as usize].set_stamp(0x3000 + page as u64);
        }
        let parts = Parts {
            modules: vec![Module { frame: RESERVED - 4, nr_frames: 4, len: 3 * PAGE + 100 }],
            cycles_per_ms: MS,
            endpoint: Handle(1),
            supervisor: Handle(2),
            init_notification: Handle(3),
            init_task,
            notification: Handle(4),
            own_task,
            meter_frame,
            waiters: 16,
        };
        let vm = Vm::new(m, frames, parts).expect("the server before its first message");
        let mut world = World {
            vm,
            programs: BTreeMap::new(),
            pager: None,
            store: Store::default(),
            policy: None,
            pager_space: 0,
            vnode: None,
            vnode_space: 0,
            volume: Default::default(),
            happenings: Vec::new(),
            groups: BTreeMap::new(),
            due: 0,
        };
        world.settle();
        world
    }

    /// One with a pager that has a swap device of so many slots.
    pub fn with_swap(nr_frames: u32, slots: u64) -> World {
        let mut world = World::new(nr_frames);
        world.add_disk(0, slots);
        world.attach_pager();
        assert_eq!(world.swap_on(0), Ok(slots));
        world
    }

    /// A disk that can be used for swap.
    pub fn add_disk(&mut self, number: u8, slots: u64) {
        self.store.disks.insert(number, Disk { slots, closing: false, on: false });
    }

    /// What the server does after each message.
    pub fn settle(&mut self) {
        self.due = self.vm.settle();
        self.vm.ring_pager();
        let init = |(manager, happening): (Space, Happening)| match manager {
            INIT => Ok(happening),
            _ => Err((manager, happening)),
        };
        for happened in core::mem::take(&mut self.vm.happenings).into_iter().map(init) {
            match happened {
                Ok(happening) => self.happenings.push(happening),
                Err(others) => self.vm.happenings.push_back(others),
            }
        }
    }

    /// Lets time pass; the server is called when it wished to be.
    pub fn pass(&mut self, ms: u64) {
        let end = self.vm.m.clock + ms * MS;
        while self.due != 0 && self.due <= end {
            self.vm.m.clock = self.vm.m.clock.max(self.due);
            let before = self.due;
            self.settle();
            assert!(self.due == 0 || self.due > before, "the server asks for the past");
        }
        self.vm.m.clock = end;
    }

    /// A call, and its answer if it was answered at once.
    pub fn call(&mut self, caller: Space, request: Request) -> (u64, Option<Answer>) {
        self.call_with(caller, request, Handle::NONE)
    }

    /// A call with a handle.
    pub fn call_with(&mut self, caller: Space, request: Request, handle: Handle) -> (u64, Option<Answer>) {
        let (id, reply) = self.vm.m.answers.ask();
        self.vm.serve(caller, request, handle, reply);
        self.settle();
        (id, self.vm.m.answers.take(id))
    }

    /// A call of `init` that is answered at once.
    pub fn init<T: Decode>(&mut self, request: Request) -> Result<T, Error> {
        let (_, answer) = self.call(INIT, request);
        decode(answer.expect("an answer at once"))
    }

    /// A call of a program that is answered at once.
    pub fn ask<T: Decode>(&mut self, caller: Space, request: Request) -> Result<T, Error> {
        let (_, answer) = self.call(caller, request);
        decode(answer.expect("an answer at once"))
    }

    /// Makes a space.
    pub fn space(&mut self, name: &str, protected: bool) -> Space {
        self.init(Request::SpaceNew(proto::SpaceNew { name: name.into(), protected })).expect("a space")
    }

    /// Starts a program.
    pub fn program(&mut self) -> Space {
        let space = self.space("program", false);
        self.programs.insert(space, Program::default());
        space
    }

    /// Ends a program.
    pub fn end(&mut self, space: Space) {
        self.programs.remove(&space);
        self.init::<()>(Request::SpaceFree(proto::SpaceFree { space })).expect("ending a program");
    }

    /// Anonymous memory, readable and writable; its address.
    pub fn mmap(&mut self, space: Space, pages: u64) -> u64 {
        self.try_mmap(space, 0, pages).expect("mmap")
    }

    /// Anonymous memory at an address.
    pub fn try_mmap(&mut self, space: Space, address: u64, pages: u64) -> Result<u64, Error> {
        let protection = (Protection::READ | Protection::WRITE).bits();
        self.map(space, address, pages, protection, Source::Anonymous)
    }

    /// `Map`, asked by `init`.
    pub fn map(
        &mut self,
        space: Space,
        address: u64,
        pages: u64,
        protection: u8,
        source: Source,
    ) -> Result<u64, Error> {
        self.init(Request::Map(proto::Map { space, address, pages, protection, source }))
    }

    /// Counter.
    pub fn count(&self, counter: Counter) -> u64 {
        self.vm.frames.meter.get(counter)
    }

    /// The entry of a page: object, index.
    pub fn key(&self, space: Space, address: u64) -> Key {
        let region = self.vm.spaces.get(space).and_then(|s| s.map.find(address)).expect("a region");
        match region.backing.advanced(region.page_at(address)) {
            ebb_vm::map::Backing::Object { object, offset } => (object, offset),
            other => panic!("{other:?}"),
        }
    }

    /// The frame of a page, if it is resident.
    pub fn frame(&self, space: Space, address: u64) -> Option<u32> {
        let (object, index) = self.key(space, address);
        self.vm.objects.get(object).and_then(|o| o.entry(index).frame())
    }

    /// State of a resident page.
    pub fn flags(&self, space: Space, address: u64) -> Flags {
        self.vm.frames.page(self.frame(space, address).expect("resident")).flags
    }

    /// Makes a new instance of the pager and attaches it.
    pub fn attach_pager(&mut self) {
        let space = self.space("swap-pager", true);
        let (_, reply) = self.call_with(
            INIT,
            Request::PagerAttach(proto::PagerAttach { space, kind: proto::PagerKind::Swap }),
            Handle(50 + space),
        );
        let attached: proto::PagerAttachment = decode(reply.expect("at once")).expect("attaching a pager");
        for device in &attached.devices {
            let disk = self.store.disks.get_mut(&device.disk).expect("a known disk");
            disk.closing = false;
            disk.on = true;
            let task = self.vm.spaces.get(space).expect("the pager").task;
            assert!(self.vm.m.pte(task, device.segment.0).is_some(), "the device's segment is mapped");
            assert!(self.vm.m.pte(task, device.heap.0).is_some(), "the device's heap is mapped");
        }
        self.pager = Some(ScriptedPager::new(self.ring_words_of_pager()));
        self.pager_space = space;
        self.start(space);
    }

    /// Starts the thread of a server.
    pub fn start(&mut self, space: Space) {
        let start = proto::Start { space, entry: 0x20_0000, stack: 0x7fff_0000, argument: 0, priority: 5 };
        self.init::<()>(Request::Start(start)).expect("starting a server");
    }

    /// The words of the pager's rings.
    pub fn ring_words_of_pager(&self) -> &'static [std::sync::atomic::AtomicU64] {
        self.vm.segments[self.vm.pager.ch.segment() as usize]
            .as_ref()
            .and_then(|s| s.own_words())
            .expect("rings")
    }

    /// The pager dies; of the writes under way those chosen have reached the disk.
    pub fn kill_pager(&mut self, landed: impl FnMut(&super::pager::Transfer) -> bool) {
        let pager = self.pager.take().expect("a pager");
        pager.die(&mut self.vm.m, &mut self.store, landed);
        let space = core::mem::take(&mut self.pager_space);
        self.init::<()>(Request::SpaceFree(proto::SpaceFree { space })).expect("ending the pager");
    }

    /// The pager looks into its ring.
    pub fn accept(&mut self) {
        if let Some(pager) = &mut self.pager {
            pager.accept(&self.vm.m, &mut self.store);
        }
    }

    /// The server looks into its ring.
    pub fn completions(&mut self) {
        self.vm.take_completions(proto::PagerKind::Swap);
        self.settle();
    }

    /// The pager ends the n-th transfer.
    pub fn finish(&mut self, nth: usize, outcome: Outcome) {
        if let Some(pager) = &mut self.pager {
            pager.finish(nth, outcome, &mut self.vm.m, &mut self.store);
        }
        self.completions();
    }

    /// Transfers under way at the pager.
    pub fn transfers(&mut self) -> usize {
        self.accept();
        self.pager.as_ref().map_or(0, |p| p.transfers.len())
    }

    /// The pager does all that it was asked for, until nothing is left to do.
    pub fn pump(&mut self) {
        for _ in 0..100_000 {
            self.look_into_rings();
            if self.transfers() + self.vnode_pending() == 0 {
                self.look_into_rings();
                if self.transfers() + self.vnode_pending() == 0 {
                    return;
                }
            }
            if self.transfers() > 0 {
                self.finish(0, Outcome::Ok);
            }
            if self.vnode_pending() > 0 {
                self.vnode_finish(0, Outcome::Ok);
            }
        }
        panic!("the pager and the server do not come to rest");
    }

    fn look_into_rings(&mut self) {
        self.accept();
        self.completions();
        self.vnode_accept();
        self.vnode_completions();
        self.run_programs();
    }

    /// `swapon`, with a pager that answers.
    pub fn swap_on(&mut self, disk: u8) -> Result<u64, Error> {
        let (id, answer) = self.call(INIT, Request::SwapOn(proto::SwapOn { disk }));
        self.wait(id, answer)
    }

    /// `swapoff`, with a pager that answers.
    pub fn swap_off(&mut self, disk: u8) -> Result<u64, Error> {
        let (id, answer) = self.call(INIT, Request::SwapOff(proto::SwapOff { disk }));
        self.wait(id, answer)
    }

    /// Waits for an answer, the pager doing its work.
    pub fn wait<T: Decode>(&mut self, id: u64, answer: Option<Answer>) -> Result<T, Error> {
        let mut answer = answer;
        for _ in 0..2000 {
            if let Some(answer) = answer {
                return decode(answer);
            }
            self.pump();
            self.run_policy();
            self.pass(5);
            answer = self.vm.m.answers.take(id);
        }
        panic!("no answer; the log: {:#?}", self.vm.m.log);
    }

    /// The audit, with a pager that answers.
    pub fn audit(&mut self) -> AuditReport {
        let (id, answer) = self.call(INIT, Request::Audit(proto::Audit {}));
        self.wait(id, answer).expect("an audit's report")
    }

    /// The audit finds nothing, and what it does not look at is in order too.
    pub fn check(&mut self) {
        let report = self.audit();
        assert!(report.problems.is_empty(), "{:#?}", report.problems);
        let waiting = self.vm.waiting.counts();
        assert_eq!(self.vm.frames.gate.waiting() as usize, self.vm.waiting.for_memory(), "{waiting:?}");
        for frame in 0..self.vm.frames.nr_frames() {
            let page = self.vm.frames.page(frame);
            if page.place != Place::Object {
                continue;
            }
            assert_ne!(
                page.wired > 0 || page.flags.contains(Flags::READING),
                page.flags.intersects(Flags::QUEUED),
                "frame {frame} (PGO-001): {page:?}"
            );
        }
        for space in self.vm.spaces.iter().filter(|s| s.id != INIT) {
            let there = self.vm.m.tasks.get(&space.task.0).map_or(0, |t| t.kernel_frames());
            assert_eq!(space.kernel_frames, there as u64, "kernel frames of {}", space.id);
        }
        for (space, program) in &self.programs {
            let task = self.vm.spaces.get(*space).expect("a living program").task;
            program.check(task, &self.vm);
        }
    }
}

/// What an answer says.
pub fn decode<T: Decode>(answer: Answer) -> Result<T, Error> {
    match answer {
        Answer::Bytes(bytes) => Ok(ebb_proto::codec::decode(&bytes).expect("a decodable answer")),
        Answer::Error(error) => Err(error),
        other => panic!("{other:?} is no answer to a call"),
    }
}
