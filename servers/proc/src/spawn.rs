// SPDX-License-Identifier: BSD-2-Clause
//! A program through `vm`: space, image, stack, heap, handles, streams, start information, thread. Either all of it is made, or nothing remains.

use crate::launch::{Order, describe};
use crate::server::{Module, Proc};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use ebb_abi::layout::{HEAP, MMAP, SEGMENTS, STACK_TOP, START_INFO, START_INFO_PAGES, USER_MIN};
use ebb_abi::{Handle, PAGE_SIZE};
use ebb_image::Image;
use ebb_proc::{Header, New, Slot, limits};
use ebb_proto::Error;
use ebb_proto::pipe::{self, End};
use ebb_proto::proc::{Group, Pid};
use ebb_proto::start::{StartInfo, Stream};
use ebb_proto::vm::{self, Protection, Source, Space};
use ebb_rt::shared::write_segment;

const PAGE: u64 = PAGE_SIZE as u64;
/// Heap of a program at first; it grows by itself.
const PROGRAM_HEAP: u64 = 1 << 20;
/// Bytes of start information at most.
const MAX_START_INFO: usize = START_INFO_PAGES as usize * PAGE_SIZE;
/// Where start information is mapped to write it.
const SCRATCH: u64 = SEGMENTS + 0x1000_0000;
/// What programs read and write.
const DATA: Protection = Protection::READ.union(Protection::WRITE);

/// A program being made.
pub struct Spawn<'a> {
    /// Its space.
    pub space: Space,
    module: &'a Module,
    /// What it will be told.
    pub info: StartInfo,
}

impl Proc {
    /// Makes what a record is of, for the process in `from`. Returns its number, and the caller's end of the endpoint between the two.
    pub fn spawn(
        &mut self,
        slot: Slot,
        module: &Module,
        order: &Order,
        exec: String,
        from: Space,
    ) -> Result<(Pid, Handle), Error> {
        if order.linked {
            self.reserve_handle()?;
        }
        let space = self.peers.vm(&vm::SpaceNew { name: self.table.name(slot), protected: false })?;
        self.table.made(slot, space);
        let filled = self.fill(slot, space, module, order, exec, from);
        let link = filled.inspect_err(|_| self.free_space(space))?;
        if from == 0 {
            self.table.set_header(Header::First, space as u64);
        }
        self.table.started(slot);
        Ok((space, link))
    }

    /// Makes a process another program, in another space. Only when that one runs the process has it; until then it goes on as it is if anything fails, also this server.
    pub fn replace(&mut self, slot: Slot, module: &Module, order: &Order, exec: String) -> Result<(), Error> {
        let old = self.table.space(slot);
        let name = String::from(order.name());
        let space = self.peers.vm(&vm::SpaceNew { name: name.clone(), protected: false })?;
        self.fill(slot, space, module, order, exec, old).inspect_err(|_| self.free_space(space))?;
        self.table.replaced(slot, space, &name, module.index as u16);
        if self.table.sharing(old).is_empty() {
            self.free_unknown(old);
        } else {
            self.leave(old, 0);
        }
        Ok(())
    }

    /// Makes a process that is a copy of another.
    pub fn fork(&mut self, from: Space, entry: u64, stack: u64) -> Result<Pid, Error> {
        let parent = self.table.with_badge(from).ok_or(Error::NotFound)?;
        let from = self.table.space(parent);
        let name = self.table.name(parent);
        let (group, image) = (Group::Inherited, self.table.image(parent));
        let new = New { name: &name, parent: Some(parent), group, image, initial: self.initial, thread: 0 };
        let slot = self.table.begin(&new)?;
        let made = self.copy(slot, &name, from, entry, stack);
        if made.is_err() {
            self.table.abandon(slot);
        }
        made
    }

    fn copy(&mut self, slot: Slot, name: &str, from: Space, entry: u64, stack: u64) -> Result<Pid, Error> {
        let space = self.peers.vm(&vm::Fork { space: from, name: String::from(name) })?;
        self.table.made(slot, space);
        let priority = self.priority(name, self.table.nice(slot));
        // The numbers are those that the copied start information says. Limits came with the copy.
        let equipped = self
            .equip(space)
            .and_then(|_| self.peers.pipe(&pipe::Inherit { from, to: space }))
            .and_then(|()| self.peers.vm(&vm::Start { space, entry, stack, argument: 0, priority }));
        if let Err(error) = equipped {
            self.free_space(space);
            return Err(error);
        }
        self.table.started(slot);
        Ok(space)
    }

    /// Makes a program in a new space and starts it.
    fn fill(
        &self,
        slot: Slot,
        space: Space,
        module: &Module,
        order: &Order,
        exec: String,
        from: Space,
    ) -> Result<Handle, Error> {
        self.limit_space(slot, space)?;
        let image =
            ebb_image::parse(module.bytes, module.bytes.len() as u64, &(USER_MIN..MMAP))?.in_own_pages()?;
        let name = String::from(order.name());
        let info = StartInfo {
            name: name.clone(),
            heap: HEAP,
            heap_len: PROGRAM_HEAP,
            tsc_hz: self.info.tsc_hz,
            cmdline: self.info.cmdline.clone(),
            values: vec![(String::from("space"), space as u64)],
            epoch_us: self.info.epoch_us,
            ..StartInfo::default()
        };
        let mut spawn = Spawn { space, module, info };
        describe(&mut spawn, order, exec);
        let link = self.furnish(slot, &mut spawn, &image, order, from)?;
        if order.window > 0 {
            let traced = self.peers.vm(&vm::TraceStart { space, window: order.window, reader: from });
            traced.inspect_err(|_| self.close(link))?;
        }
        let priority = self.priority(&name, self.table.nice(slot));
        let start = vm::Start { space, entry: image.entry, stack: STACK_TOP, argument: 0, priority };
        match self.peers.vm(&start) {
            Ok(()) => Ok(link),
            Err(error) => {
                self.close(link);
                Err(error)
            }
        }
    }

    fn furnish(
        &self,
        slot: Slot,
        spawn: &mut Spawn<'_>,
        image: &Image,
        order: &Order,
        from: Space,
    ) -> Result<Handle, Error> {
        let space = spawn.space;
        for s in &image.segments {
            let source = Source::Module {
                index: spawn.module.index,
                offset: s.offset,
                bytes: s.file_bytes,
                wired: false,
            };
            let protection = s.protection.bits();
            self.peers.vm(&vm::Map { space, address: s.address, pages: s.pages(), protection, source })?;
        }
        let stack = limits::stack(&self.table.limits(slot));
        for (address, bytes) in [(STACK_TOP - stack, stack), (HEAP, PROGRAM_HEAP)] {
            let (pages, protection) = (bytes / PAGE, DATA.bits());
            self.peers.vm(&vm::Map { space, address, pages, protection, source: Source::Anonymous })?;
        }
        self.give_servers(space, &mut spawn.info)?;
        let mut link = Handle::NONE;
        if order.linked {
            let (there, own) = self.peers.vm_with(&vm::EndpointGive { space }, &[])?;
            spawn.info.handles.push((String::from("link"), there));
            link = own;
        }
        let told = order.streams.iter().try_for_each(|stream| {
            spawn.info.streams.push(self.share(*stream, from, space)?);
            Ok(())
        });
        if let Err(error) = told.and_then(|()| self.tell(spawn)) {
            self.close(link);
            return Err(error);
        }
        Ok(link)
    }

    /// What every program gets: servers to call, and a notification. In one order, so that the numbers are the same in each.
    fn give_servers(&self, space: Space, info: &mut StartInfo) -> Result<(), Error> {
        let names = self.servers.iter().map(|(role, _)| role.clone()).chain([String::from("notification")]);
        info.handles.extend(names.zip(self.equip(space)?));
        Ok(())
    }

    /// Numbers of what every program gets.
    fn equip(&self, space: Space) -> Result<Vec<u32>, Error> {
        let numbers = self.peers.vm(&vm::Equip { space })?;
        if numbers.len() == self.servers.len() + 1 { Ok(numbers) } else { Err(Error::Malformed) }
    }

    /// Gives `to` what `from` has, and says what it is there.
    fn share(&self, stream: Stream, from: Space, to: Space) -> Result<Stream, Error> {
        let pipe_end = |pipe: u32, end: End| self.peers.pipe(&pipe::Share { pipe, end, from, to });
        match stream {
            Stream::Console | Stream::Null => {}
            Stream::File(file) => {
                return Ok(Stream::File(self.peers.vm(&vm::FileShare { from, file, to })?));
            }
            Stream::PipeRead(pipe) => pipe_end(pipe, End::Read)?,
            Stream::PipeWrite(pipe) => pipe_end(pipe, End::Write)?,
        }
        Ok(stream)
    }

    /// Writes the start information where the program reads it. The loader may have to rewrite it for what it loads.
    fn tell(&self, spawn: &Spawn<'_>) -> Result<(), Error> {
        let bytes = ebb_rt::start::encode(&spawn.info)?;
        let (mut protection, mut room) = (Protection::READ, bytes.len());
        if !spawn.info.exec.is_empty() {
            protection |= Protection::WRITE;
            room = (room + ebb_rt::exec::slack(&spawn.info.exec)).min(MAX_START_INFO);
        }
        let (space, protection, pages) = (spawn.space, protection.bits(), (room as u64).div_ceil(PAGE));
        let id = self.peers.vm(&vm::SegmentTemporary { pages })?;
        let source = Source::Segment { id, first: 0 };
        let scratch = vm::Map { space: 0, address: SCRATCH, pages, protection: DATA.bits(), source };
        if let Err(error) = self.peers.vm(&scratch) {
            self.peers.vm(&vm::SegmentFree { id })?;
            return Err(error);
        }
        let written = write_segment(&bytes, SCRATCH, pages);
        let mapped = self.peers.vm(&vm::Map { space, address: START_INFO, pages, protection, source });
        // From here on the program's mapping keeps it.
        let unmapped = self.peers.vm(&vm::Unmap { space: 0, address: SCRATCH, pages });
        written.and(mapped).and(unmapped)
    }

    /// Frees a space that is in no record. Ends of pipes go before it: if this server dies in between, the next one still finds it, and does the same.
    pub fn free_unknown(&self, space: Space) {
        // What is in it must not get new ones.
        match self.peers.vm(&vm::Halt { space, halted: true }) {
            Ok(()) | Err(Error::NotFound) => {}
            Err(error) => ebb_rt::log!("halting space {space}: {error}"),
        }
        self.close_pipes(space);
        self.free_space(space);
    }

    /// Frees a space, and the ends of pipes that it has. One that is gone already is no error.
    pub fn free_space(&self, space: Space) {
        match self.peers.vm(&vm::SpaceFree { space }) {
            Ok(()) | Err(Error::NotFound) => {}
            Err(error) => ebb_rt::log!("freeing space {space}: {error}"),
        }
        self.close_pipes(space);
    }

    fn close_pipes(&self, space: Space) {
        if let Err(error) = self.peers.pipe(&pipe::Gone { space }) {
            ebb_rt::log!("closing the pipes of {space}: {error}");
        }
    }
}
