// SPDX-License-Identifier: BSD-2-Clause
//! A program through `vm`: space, image, stack, heap, handles, start information, thread.

use crate::boot::Module;
use crate::serve::Init;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use ebb_abi::layout::{HEAP, MMAP, SEGMENTS, STACK_TOP, START_INFO, START_INFO_PAGES, USER_MIN};
use ebb_abi::{Handle, PAGE_SIZE, Rights};
use ebb_image::Image;
use ebb_proto::Error;
use ebb_proto::start::StartInfo;
use ebb_proto::vm::{self, Protection, Source, Space};
use ebb_rt::client::{call, call_with, from_sys};
use ebb_sys::object::handle_close;

const PAGE: u64 = PAGE_SIZE as u64;
/// Stack of a program.
const PROGRAM_STACK: u64 = 256 << 10;
/// Heap of a program: pageable, so only what it touches costs anything.
const PROGRAM_HEAP: u64 = 64 << 20;
/// Bytes of start information at most.
const MAX_START_INFO: usize = START_INFO_PAGES as usize * PAGE_SIZE;
/// Handles that making a program brings.
const HANDLES: usize = 4;
/// Where `init` maps start information to write it.
const SCRATCH: u64 = SEGMENTS + 0x10_0000;

/// A program being made.
pub struct Spawn<'a> {
    /// Its space.
    pub space: Space,
    module: &'a Module,
    /// What it will be told.
    pub info: StartInfo,
    wired: bool,
    segment: u32,
    entry: u64,
}

impl Spawn<'_> {
    /// Whether it is the loader, which may have to rewrite the start information for what it loads.
    fn is_loader(&self) -> bool {
        !self.info.exec.is_empty()
    }
}

/// A program that runs.
pub struct Spawned {
    /// Its space.
    pub space: Space,
    /// The segment of its start information.
    pub segment: u32,
}

impl Init {
    /// Makes a space with a program's image, stack and heap. `server`: bytes of a server's wired heap and stack; `None`: a program.
    pub fn spawn<'a>(
        &self,
        module: &'a Module,
        name: &str,
        args: Vec<String>,
        server: Option<(u64, u64)>,
    ) -> Result<Spawn<'a>, Error> {
        self.reserve_handles(HANDLES)?;
        let image = image(module)?;
        let wired = server.is_some();
        let space = call(self.vm, &vm::SpaceNew { name: String::from(name), protected: wired })?;
        let mut spawn = Spawn {
            space,
            module,
            info: StartInfo {
                name: String::from(name),
                args,
                heap: HEAP,
                heap_len: server.map_or(PROGRAM_HEAP, |(heap, _)| heap),
                tsc_hz: self.tsc_hz,
                cmdline: self.cmdline.clone(),
                values: vec![(String::from("space"), space as u64)],
                epoch_us: self.epoch_us,
                ..StartInfo::default()
            },
            wired,
            segment: 0,
            entry: image.entry,
        };
        match self.populate(&mut spawn, &image, server.map(|(_, stack)| stack)) {
            Ok(()) => Ok(spawn),
            Err(error) => {
                self.abandon(spawn);
                Err(error)
            }
        }
    }

    fn populate(&self, spawn: &mut Spawn<'_>, image: &Image, wired_stack: Option<u64>) -> Result<(), Error> {
        let space = spawn.space;
        for s in &image.segments {
            let source = Source::Module {
                index: spawn.module.index,
                offset: s.offset,
                bytes: s.file_bytes,
                wired: spawn.wired,
            };
            let protection = s.protection.bits();
            call(self.vm, &vm::Map { space, address: s.address, pages: s.pages(), protection, source })?;
        }
        let data = (Protection::READ | Protection::WRITE).bits();
        let (stack, source) = match wired_stack {
            Some(stack) => (stack, Source::Wired),
            None => (PROGRAM_STACK, Source::Anonymous),
        };
        let pages = stack / PAGE;
        call(self.vm, &vm::Map { space, address: STACK_TOP - stack, pages, protection: data, source })?;
        let pages = spawn.info.heap_len / PAGE;
        if pages > 0 {
            call(self.vm, &vm::Map { space, address: HEAP, pages, protection: data, source })?;
        }
        Ok(())
    }

    /// Gives a handle, under a name.
    pub fn give(
        &self,
        spawn: &mut Spawn<'_>,
        name: &str,
        handle: Handle,
        rights: Rights,
        badge: u32,
    ) -> Result<(), Error> {
        let give = vm::HandleGive { space: spawn.space, rights: rights.bits(), badge };
        let (there, _) = call_with(self.vm, &give, &[handle])?;
        spawn.info.handles.push((String::from(name), there));
        Ok(())
    }

    /// Tells a number, under a name.
    pub fn tell(&self, spawn: &mut Spawn<'_>, name: &str, value: u64) {
        spawn.info.values.push((String::from(name), value));
    }

    /// Starts it.
    pub fn launch(&self, spawn: Spawn<'_>, notification: Handle, priority: u8) -> Result<Spawned, Error> {
        let mut spawn = spawn;
        match self.launch_inner(&mut spawn, notification, priority) {
            Ok(()) => Ok(Spawned { space: spawn.space, segment: spawn.segment }),
            Err(error) => {
                self.abandon(spawn);
                Err(error)
            }
        }
    }

    fn launch_inner(&self, spawn: &mut Spawn<'_>, notification: Handle, priority: u8) -> Result<(), Error> {
        let bytes = ebb_rt::start::encode(&spawn.info)?;
        let mut protection = Protection::READ;
        let mut room = bytes.len();
        if spawn.is_loader() {
            protection |= Protection::WRITE;
            room = (room + ebb_rt::exec::slack(&spawn.info.exec)).min(MAX_START_INFO);
        }
        let (protection, pages) = (protection.bits(), (room as u64).div_ceil(PAGE));
        spawn.segment = call(self.vm, &vm::SegmentNew { pages })?;
        let source = Source::Segment { id: spawn.segment, first: 0 };
        let data = (Protection::READ | Protection::WRITE).bits();
        call(self.vm, &vm::Map { space: 0, address: SCRATCH, pages, protection: data, source })?;
        let written = write_pages(&bytes, SCRATCH, pages);
        call(self.vm, &vm::Unmap { space: 0, address: SCRATCH, pages })?;
        written?;
        call(self.vm, &vm::Map { space: spawn.space, address: START_INFO, pages, protection, source })?;
        let start =
            vm::Start { space: spawn.space, entry: spawn.entry, stack: STACK_TOP, argument: 0, priority };
        call_with(self.vm, &start, &[notification]).map(|_| ())
    }

    /// Gives up a program that was not started.
    pub fn abandon(&self, spawn: Spawn<'_>) {
        self.forget(&Spawned { space: spawn.space, segment: spawn.segment });
    }

    /// Sees to it that so many handles can be received: `vm` makes `init`'s table larger when it gives a handle that has no room there. An answer that brings more
    /// handles than there is room for would never come.
    pub fn reserve_handles(&self, count: usize) -> Result<(), Error> {
        let give = vm::HandleGive { space: vm::INIT, rights: Rights::SEND.bits(), badge: 0 };
        let mut own = Vec::with_capacity(count);
        let made = (0..count).try_for_each(|_| {
            let (there, _) = call_with(self.vm, &give, &[self.vm_endpoint])?;
            own.push(Handle(there));
            Ok(())
        });
        for handle in own {
            handle_close(handle).map_err(from_sys)?;
        }
        made
    }

    /// Takes everything of a program back. One that `vm` has ended already is no error.
    pub fn forget(&self, spawned: &Spawned) {
        match call(self.vm, &vm::SpaceFree { space: spawned.space }) {
            Ok(()) | Err(Error::NotFound) => {}
            Err(error) => ebb_rt::log!("freeing space {}: {error}", spawned.space),
        }
        if spawned.segment != 0
            && let Err(error) = call(self.vm, &vm::SegmentFree { id: spawned.segment })
        {
            ebb_rt::log!("freeing segment {}: {error}", spawned.segment);
        }
    }
}

/// The checked image of a module, whose segments can be mapped where they lie.
pub fn image(module: &Module) -> Result<Image, Error> {
    ebb_image::parse(module.bytes, module.bytes.len() as u64, &(USER_MIN..MMAP))?.in_own_pages()
}

/// Writes bytes into pages of a segment mapped at `address`.
pub fn write_pages(bytes: &[u8], address: u64, pages: u64) -> Result<(), Error> {
    let cells = ebb_rt::shared::segment(address, pages).ok_or(Error::Invalid)?;
    if bytes.len() > cells.len() * 8 {
        return Err(Error::TooLong);
    }
    for (cell, chunk) in cells.iter().zip(bytes.chunks(8)) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        cell.store(u64::from_le_bytes(word), Ordering::Relaxed);
    }
    Ok(())
}
