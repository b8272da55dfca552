// SPDX-License-Identifier: BSD-2-Clause
//! `vm` by hand: the one program for which `init` maps frames itself. Nothing here is ever given back: `vm` lives as long as the machine.

use crate::boot::{Frames, Module};
use crate::spawn::image;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use ebb_abi::boot::{BootInfo, handles};
use ebb_abi::layout::{HEAP, MESSAGE_BUFFER, SEGMENTS, STACK_TOP, START_INFO};
use ebb_abi::map::{MapFlags, MapOp};
use ebb_abi::thread::{TaskOp, ThreadOp};
use ebb_abi::{Frame, Handle, Kind, PAGE_SIZE, Rights};
use ebb_proto::Error;
use ebb_proto::levels;
use ebb_proto::start::StartInfo;
use ebb_proto::vm::Protection;
use ebb_rt::client::from_sys;
use ebb_sys::memory::{self, Partial};
use ebb_sys::object::{self, Donation, Start};

const PAGE: u64 = PAGE_SIZE as u64;
/// `init`'s own heap: 512 KiB for the modules' parsing and what it remembers, the rest for long arguments ([`crate::arguments`]).
const OWN_HEAP: u64 = 768 << 10;
/// `vm`'s heap, beside its table of frames.
const VM_HEAP: u64 = 768 << 10;
/// Bytes of `vm`'s heap for each frame (its record, and slack).
const VM_PER_FRAME: u64 = 24;
/// Pages of `vm`'s start information.
const VM_START_PAGES: u64 = 2;
/// `vm`'s stack.
const VM_STACK: u64 = 64 << 10;

/// What the rest of `init` needs.
pub struct Booted {
    /// `vm`'s endpoint as `init` calls it: with its badge.
    pub vm: Handle,
    /// `vm`'s endpoint without a badge, to give to others.
    pub vm_endpoint: Handle,
    /// `init`'s endpoint.
    pub endpoint: Handle,
    /// `init`'s notification.
    pub notification: Handle,
}

/// Gives `init` its heap.
pub fn own_heap(frames: &mut Frames) -> Result<(), Error> {
    let mut at = HEAP;
    while at < HEAP + OWN_HEAP {
        map_new(frames, handles::TASK, at, MapFlags::WRITE)?;
        at += PAGE;
    }
    if ebb_rt::heap::claim(HEAP, OWN_HEAP) { Ok(()) } else { Err(Error::NoMemory) }
}

fn take(frames: &mut Frames) -> Result<Frame, Error> {
    frames.take().ok_or(Error::NoMemory)
}

fn enter(frames: &mut Frames, task: Handle, op: MapOp) -> Result<(), Error> {
    loop {
        match memory::map(handles::PHYS_MEM, task, &[op]) {
            Ok(()) => return Ok(()),
            Err(Partial { error: ebb_abi::Error::NoTables, .. }) => {
                let given = [take(frames)?, take(frames)?, take(frames)?, take(frames)?];
                object::donate(handles::PHYS_MEM, task, Donation::Tables, &given).map_err(from_sys)?;
            }
            Err(partial) => return Err(from_sys(partial.error)),
        }
    }
}

fn map_new(frames: &mut Frames, task: Handle, address: u64, flags: MapFlags) -> Result<Frame, Error> {
    let frame = take(frames)?;
    enter(frames, task, MapOp { address, frame, flags: flags | MapFlags::ZERO })?;
    Ok(frame)
}

/// Starts `vm`.
pub fn start_vm(
    info: &BootInfo,
    frames: &mut Frames,
    module: &Module,
    cmdline: &str,
    epoch_us: u64,
) -> Result<Booted, Error> {
    let pm = handles::PHYS_MEM;
    let new = |kind, frame| object::create(pm, kind, frame).map_err(from_sys);
    let endpoint = new(Kind::Endpoint, take(frames)?)?;
    let notification = new(Kind::Notification, take(frames)?)?;
    let vm_endpoint = new(Kind::Endpoint, take(frames)?)?;
    let vm_notification = new(Kind::Notification, take(frames)?)?;
    let (a, b, c) = (take(frames)?, take(frames)?, take(frames)?);
    let task = object::task_create(pm, a, b, c).map_err(from_sys)?;

    load(info, frames, module, task)?;
    for n in 0..VM_STACK / PAGE {
        map_new(frames, task, STACK_TOP - (n + 1) * PAGE, MapFlags::WRITE)?;
    }
    let heap = (VM_HEAP + info.nr_frames as u64 * VM_PER_FRAME).next_multiple_of(PAGE);
    for n in 0..heap / PAGE {
        map_new(frames, task, HEAP + n * PAGE, MapFlags::WRITE)?;
    }
    // Page tables that `vm` needs before it can give itself any: for its counters, segments and tables.
    let mut spare = Vec::new();
    for _ in 0..16 {
        spare.push(take(frames)?);
    }
    object::donate(pm, task, Donation::Tables, &spare).map_err(from_sys)?;

    let (thread_frame, buffer) = (take(frames)?, take(frames)?);
    for n in 0..VM_START_PAGES {
        let (address, frame) = (START_INFO + n * PAGE, take(frames)?);
        enter(frames, task, MapOp { address, frame, flags: MapFlags::ZERO })?;
        // Written through `init`'s own mapping, which stays: two pages of a range that `init` uses for nothing else.
        let own = MapOp { address: SEGMENTS + n * PAGE, frame, flags: MapFlags::WRITE };
        enter(frames, handles::TASK, own)?;
    }
    let entry = image(module)?.entry;
    let start = Start { buffer: MESSAGE_BUFFER, entry, stack: STACK_TOP, argument: 0 };
    let thread = loop {
        match object::thread_create(pm, task, thread_frame, buffer, start) {
            Err(ebb_abi::Error::NoTables) => {
                let given = [take(frames)?, take(frames)?, take(frames)?, take(frames)?];
                object::donate(pm, task, Donation::Tables, &given).map_err(from_sys)?;
            }
            other => break other.map_err(from_sys)?,
        }
    };

    let give = |handle, rights, badge| object::handle_copy(task, handle, rights, badge).map_err(from_sys);
    let all_memory = Rights::FULL_MEMORY | Rights::HARVEST | Rights::GRANT;
    let given = vec![
        named("phys", give(pm, all_memory, 0)?),
        named("task", give(task, Rights::MANAGE, 0)?),
        named("init_task", give(handles::TASK, Rights::MANAGE, 0)?),
        named("endpoint", give(vm_endpoint, Rights::SEND | Rights::RECEIVE | Rights::GRANT, 0)?),
        named("notification", give(vm_notification, Rights::SEND | Rights::RECEIVE | Rights::GRANT, 0)?),
        named("supervisor", give(endpoint, Rights::SEND | Rights::GRANT, 0)?),
        named("init_notification", give(notification, Rights::SEND, 0)?),
    ];
    let start_info = StartInfo {
        name: String::from("vm"),
        handles: given,
        values: values(info, frames),
        heap: HEAP,
        heap_len: heap,
        tsc_hz: info.tsc_hz,
        cmdline: String::from(cmdline),
        epoch_us,
        ..StartInfo::default()
    };
    let bytes = ebb_rt::start::encode(&start_info)?;
    crate::spawn::write_pages(&bytes, SEGMENTS, VM_START_PAGES)?;

    for vital in [task, handles::TASK] {
        object::task_control(vital, TaskOp::Vital, 0, 0).map_err(from_sys)?;
    }
    object::thread_control(thread, ThreadOp::Priority, priority("vm")).map_err(from_sys)?;
    object::thread_control(handles::THREAD, ThreadOp::Priority, priority("init")).map_err(from_sys)?;
    object::thread_control(thread, ThreadOp::Bind, vm_notification.0 as u64).map_err(from_sys)?;
    object::thread_control(handles::THREAD, ThreadOp::Bind, notification.0 as u64).map_err(from_sys)?;
    object::thread_control(thread, ThreadOp::Start, 0).map_err(from_sys)?;
    let vm = badged(vm_endpoint)?;
    Ok(Booted { vm, vm_endpoint, endpoint, notification })
}

/// A copy of an endpoint with `init`'s badge.
pub fn badged(endpoint: Handle) -> Result<Handle, Error> {
    object::handle_copy(Handle::NONE, endpoint, Rights::SEND, ebb_proto::vm::INIT).map_err(from_sys)
}

fn priority(role: &str) -> u64 {
    levels::server(role).map_or(5, |s| s.priority as u64)
}

fn named(name: &str, handle: Handle) -> (String, u32) {
    (String::from(name), handle.0)
}

/// What `vm` has to know: frames and modules.
fn values(info: &BootInfo, frames: &Frames) -> Vec<(String, u64)> {
    let mut values = vec![
        (String::from("nr_frames"), info.nr_frames as u64),
        (String::from("total_frames"), info.total_frames as u64),
    ];
    for (n, r) in frames.rest().enumerate() {
        values.push((format!("free{n}"), r.first as u64 | (r.count as u64) << 32));
    }
    for (n, m) in info.modules.iter().take(info.nr_modules as usize).enumerate() {
        values.push((format!("module{n}"), m.frame as u64 | (m.nr_frames as u64) << 32));
        values.push((format!("length{n}"), m.len));
    }
    values
}

/// Maps the image: what is read-only where it lies in the module, what is writable as a copy.
fn load(info: &BootInfo, frames: &mut Frames, module: &Module, task: Handle) -> Result<(), Error> {
    let first = info.modules.get(module.index as usize).ok_or(Error::NotFound)?.frame;
    for segment in image(module)?.segments {
        let mut flags = MapFlags::empty();
        flags.set(MapFlags::EXECUTE, segment.protection.contains(Protection::EXECUTE));
        for n in 0..segment.pages() {
            let address = segment.address + n * PAGE;
            let there = Frame(first + (segment.offset / PAGE + n) as u32);
            if !segment.protection.contains(Protection::WRITE) {
                enter(frames, task, MapOp { address, frame: there, flags })?;
                continue;
            }
            let frame = map_new(frames, task, address, flags | MapFlags::WRITE)?;
            let bytes = segment.file_bytes.saturating_sub(n * PAGE).min(PAGE);
            if bytes > 0 {
                memory::copy(handles::PHYS_MEM, there, frame).map_err(from_sys)?;
                memory::zero_tail(handles::PHYS_MEM, frame, bytes).map_err(from_sys)?;
            }
        }
    }
    Ok(())
}
