// SPDX-License-Identifier: BSD-2-Clause
//! From the start information to the loop.

use crate::kernel::Kernel;
use alloc::format;
use alloc::vec::Vec;
use ebb_abi::boot::Range;
use ebb_abi::fault::Access;
use ebb_abi::map::MapOp;
use ebb_abi::message::{LABEL_FAULT, MAX_VECTOR};
use ebb_abi::{Handle, Tag};
use ebb_policy::WriteLimit;
use ebb_proto::vm::{DECIDE, MAX_DECISIONS, Request, Space};
use ebb_proto::{Error, LABEL_OK, codec};
use ebb_rt::StartInfo;
use ebb_rt::server::{self, Call};
use ebb_rt::start::Given;
use ebb_sys::buffer::vector;
use ebb_sys::ipc::{self, Message, Received};
use ebb_vm::frames::Frames;
use ebb_vm::meter::Meter;
use ebb_vm::page::Place;
use ebb_vm::pager::COMPLETION_BITS;
use ebb_vm::parking::KICK_BITS;
use ebb_vm::segment::Module;
use ebb_vm::vm::{Parts, Vm};

/// Bit of `vm`'s notification that its own timer sets.
const TIMER_BIT: u64 = 1 << 62;
/// Waiting faults and wirings for which room is made at the start.
const WAITERS: usize = 256;

/// The server.
pub fn main(info: &'static StartInfo) -> ! {
    match start(info) {
        Ok(mut vm) => {
            let Err(error) = serve(&mut vm);
            ebb_rt::log!("cannot receive: {error}");
        }
        Err(error) => ebb_rt::log!("cannot start: {error}"),
    }
    ebb_rt::start::abort()
}

/// Numbered values of the start information: `name0`, `name1`, … as far as they go.
fn numbered<'a>(info: &'a StartInfo, name: &'a str) -> impl Iterator<Item = u64> + 'a {
    (0..).map_while(move |n| info.value(&format!("{name}{n}")).ok())
}

fn start(info: &'static StartInfo) -> Result<Vm<Kernel>, Error> {
    let mut free: Vec<Range> = numbered(info, "free")
        .map(|packed| Range { first: packed as u32, count: (packed >> 32) as u32 })
        .collect();
    let modules = numbered(info, "module")
        .zip(numbered(info, "length"))
        .map(|(packed, len)| Module { frame: packed as u32, nr_frames: (packed >> 32) as u32, len })
        .collect();
    // The counters' page comes first: everything else counts.
    let first = free.iter_mut().find(|r| r.count > 0).ok_or(Error::NoMemory)?;
    let meter_frame = first.first;
    first.first += 1;
    first.count -= 1;
    let m = Kernel::new(info.handle("phys")?);
    let nr_frames = info.value("nr_frames")? as u32;
    let total = info.value("total_frames")? as u32;
    let own_task = info.handle("task")?;
    let meter_op = MapOp {
        address: ebb_vm::fault::own_address(0),
        frame: ebb_abi::Frame(meter_frame),
        flags: ebb_abi::map::MapFlags::WRITE | ebb_abi::map::MapFlags::ZERO,
    };
    // `init` has given this task frames for its first page tables.
    ebb_sys::memory::map(m.phys, own_task, &[meter_op]).map_err(|_| Error::NoMemory)?;
    let cells = ebb_rt::shared::segment(meter_op.address, 1).ok_or(Error::Invalid)?;
    let meter = Meter::new(cells);
    meter.set(ebb_abi::meter::Counter::v_page_count, total as u64);
    let mut frames = Frames::new(nr_frames, total, &free, meter);
    frames.adopt(meter_frame, Place::Own, 0, 0);

    let parts = Parts {
        modules,
        cycles_per_ms: (info.tsc_hz / 1000).max(1),
        endpoint: info.handle("endpoint")?,
        supervisor: info.handle("supervisor")?,
        init_notification: info.handle("init_notification")?,
        init_task: info.handle("init_task")?,
        notification: info.handle("notification")?,
        own_task,
        meter_frame,
        waiters: WAITERS,
    };
    let vm = Vm::new(m, frames, parts)?;
    ebb_rt::log!(
        "{} of {} pages free, thresholds {:?}",
        vm.frames.gate.free_count(),
        total,
        vm.frames.gate.thresholds()
    );
    Ok(vm)
}

/// A resolved fault whose answer goes out with the next receive.
struct Resolved {
    space: Space,
    reply: Call,
    op: MapOp,
}

fn serve(vm: &mut Vm<Kernel>) -> Result<core::convert::Infallible, Error> {
    let mut resolved: Option<Resolved> = None;
    let mut armed = 0;
    loop {
        let due = vm.settle();
        vm.ring_pager();
        if due != armed {
            armed = due;
            ipc::timer(vm.notification, TIMER_BIT, due).map_err(ebb_rt::client::from_sys)?;
        }
        let received = match resolved.take() {
            None => receive(vm)?,
            Some(r) => answer_and_receive(vm, r)?,
        };
        match received {
            Received::Bits(bits) => {
                if bits & TIMER_BIT != 0 {
                    armed = 0;
                }
                if bits & KICK_BITS != 0 {
                    vm.kicked(bits);
                }
                for (bit, kind) in COMPLETION_BITS {
                    if bits & bit != 0 {
                        vm.take_completions(kind);
                    }
                }
            }
            Received::Message { badge, reply, message } => {
                resolved = serve_message(vm, badge as Space, Call::new(reply), &message);
            }
        }
    }
}

/// Receives; when the own handle table is full of callers that wait, it grows.
fn receive(vm: &mut Vm<Kernel>) -> Result<Received, Error> {
    let mut received = match vm.m.take_pending() {
        // An error of the answer's own is that nobody waits for it any more; then nothing was received, and it is tried again.
        Some((reply, message)) => {
            ipc::reply_receive(reply, &message, vm.endpoint).or_else(|_| ipc::receive(vm.endpoint))
        }
        None => ipc::receive(vm.endpoint),
    };
    loop {
        match received {
            Err(ebb_abi::Error::NoSlot) => vm.more_handles()?,
            other => return other.map_err(ebb_rt::client::from_sys),
        }
        received = ipc::receive(vm.endpoint);
    }
}

/// The usual end of a fault: mapping, answer and next receive in one trap.
fn answer_and_receive(vm: &mut Vm<Kernel>, r: Resolved) -> Result<Received, Error> {
    let Some(task) = vm.spaces.get(r.space).map(|s| s.task) else {
        // It ended meanwhile, and its threads with it.
        return receive(vm);
    };
    vm.m.flush();
    let reply = r.reply.into_handle();
    match ipc::map_reply_receive(reply, vm.m.phys, task, r.op, vm.endpoint) {
        Ok(received) => Ok(received),
        // Nothing was answered: most likely a page table is missing.
        Err(error) => answer_otherwise(vm, Resolved { reply: Call::new(reply), ..r }, error),
    }
}

/// A mapping could not be entered.
#[cold]
fn answer_otherwise(vm: &mut Vm<Kernel>, r: Resolved, error: ebb_abi::Error) -> Result<Received, Error> {
    if error == ebb_abi::Error::NoTables && vm.donate_tables(r.space).is_ok() {
        return answer_and_receive(vm, r);
    }
    vm.finish_fault(r.space, r.reply, r.op);
    vm.ring_pager();
    receive(vm)
}

/// A message. That faults cost little is why calls are served elsewhere.
#[inline(always)]
fn serve_message(vm: &mut Vm<Kernel>, from: Space, reply: Call, message: &Message) -> Option<Resolved> {
    match message.tag.label() {
        LABEL_FAULT => {
            let [address, access, ..] = message.words;
            let access = Access::from_bits_truncate(access);
            let (reply, op) = vm.fault(from, address, access, reply, false)?;
            return Some(Resolved { space: from, reply, op });
        }
        DECIDE => decide(vm, from, reply, message),
        _ => serve_call(vm, from, reply, message),
    }
    None
}

#[inline(never)]
fn serve_call(vm: &mut Vm<Kernel>, from: Space, reply: Call, message: &Message) {
    let handle = server::handles(message).next().unwrap_or(Handle::NONE);
    let label = message.tag.label();
    // What came in the words needs no memory of its own.
    let request = match message.tag.bytes() {
        0 => Request::decode(label, &codec::bytes_of(&message.words)),
        _ => Request::decode(label, &server::bytes(message)),
    };
    match request {
        Ok(request) => vm.serve(from, request, handle, reply),
        Err(_) => reply.fail(Error::Malformed),
    }
}

/// A batch of decisions: a vector in, a vector of verdicts out.
#[inline(never)]
fn decide(vm: &mut Vm<Kernel>, from: Space, reply: Call, message: &Message) {
    let [count, generation, operations, pages, ..] = message.words;
    let count = count as usize;
    if count > MAX_DECISIONS.min(MAX_VECTOR) || message.tag.bytes() < count * 8 {
        return reply.fail(Error::Malformed);
    }
    let mut batch = [0u64; MAX_DECISIONS];
    for (slot, cell) in batch.iter_mut().zip(vector().iter().take(count)) {
        *slot = cell.get();
    }
    let bounded = |word: u64| word.min(u32::MAX as u64) as u32;
    let limit = WriteLimit { operations: bounded(operations), pages: bounded(pages) };
    match vm.decide(from, generation as u32, limit, &mut batch[..count]) {
        Ok(()) => {
            for (cell, slot) in vector().iter().zip(&batch[..count]) {
                cell.set(*slot);
            }
            let mut answer = Message { tag: Tag::new(LABEL_OK, count * 8, 0), ..Default::default() };
            answer.words[0] = count as u64;
            reply.send(&answer);
        }
        Err(error) => reply.fail(error),
    }
}
