// SPDX-License-Identifier: BSD-2-Clause
//! System calls on tasks, threads, endpoints, notifications and handles.

use super::vector;
use crate::endpoint::Endpoint;
use crate::frame::{claim, donatable, record};
use crate::handle::{self, lookup, privilege};
use crate::kernel::Kernel;
use crate::notification::{self, Notification};
use crate::object::{self, Ref};
use crate::sched::make_ready;
use crate::task::{Target, Task};
use crate::thread::{Origin, State, Thread};
use crate::{ipc, pmap, sched, timer};
use ebb_abi::frame::Use;
use ebb_abi::layout::{USER_END, USER_MIN};
use ebb_abi::syscall::Number;
use ebb_abi::thread::{self, MAX_PRIORITY, TaskOp, ThreadOp};
use ebb_abi::{Error, Kind, Rights};

/// What the maker of an object may do with it.
const ALL: Rights = Rights::SEND.union(Rights::RECEIVE).union(Rights::GRANT).union(Rights::MANAGE);

fn memory_right(current: Ref<Thread>) -> Result<(), Error> {
    privilege(current.task(), current.regs.rdi.get(), Kind::PhysMem, Rights::FULL_MEMORY)
}

/// `Signal`.
pub fn signal(k: &'static Kernel, current: Ref<Thread>) -> Ref<Thread> {
    let regs = &current.regs;
    match lookup::<Notification>(current.task(), regs.rdi.get(), Rights::SEND) {
        Ok((n, _)) => {
            regs.rax.set(0);
            match notification::wake(n, regs.rsi.get()) {
                Some(woken) => sched::woke(k, current, woken),
                None => current,
            }
        }
        Err(error) => ipc::fail(k, current, error),
    }
}

/// `Timer`.
pub fn timer(k: &'static Kernel, current: Ref<Thread>) -> Result<(), Error> {
    let regs = &current.regs;
    let (n, _) = lookup::<Notification>(current.task(), regs.rdi.get(), Rights::RECEIVE)?;
    timer::arm(k, n, regs.rdx.get(), regs.rsi.get());
    Ok(())
}

/// `Pending`.
pub fn pending(current: Ref<Thread>) -> Result<(), Error> {
    let regs = &current.regs;
    let (n, _) = lookup::<Notification>(current.task(), regs.rdi.get(), Rights::RECEIVE)?;
    regs.rdi.set(n.bits.get());
    Ok(())
}

/// `Yield`.
pub fn yield_now(k: &'static Kernel, current: Ref<Thread>) {
    if k.sched.rivals(current.priority.get()) == 1 {
        sched::rotate(k, current);
    }
}

/// Puts a new handle into the current thread's task, and its index into `rdi`.
fn give(current: Ref<Thread>, kind: Kind, frame: u32) -> Result<(), Error> {
    let (slot, e) = handle::take_slot(current.task()).ok_or(Error::NoSlot)?;
    e.fill(kind, ALL, handle::name_of(frame), 0);
    current.regs.rdi.set(slot as u64);
    Ok(())
}

/// `ObjectCreate`.
#[inline(never)]
pub fn create(k: &Kernel, current: Ref<Thread>) -> Result<(), Error> {
    memory_right(current)?;
    let regs = &current.regs;
    let is = |kind: Kind| regs.rsi.get() == kind as u64;
    let kind = match () {
        () if is(Kind::Endpoint) => Kind::Endpoint,
        () if is(Kind::Notification) => Kind::Notification,
        () => return Err(Error::BadArgument),
    };
    let frame = donatable(k, regs.rdx.get())?;
    if !handle::has_free(current.task(), 1) {
        return Err(Error::NoSlot);
    }
    if kind == Kind::Endpoint {
        claim(frame, Use::Endpoint);
        // SAFETY: just claimed for it.
        unsafe { Ref::create(frame, Endpoint::default()) };
    } else {
        claim(frame, Use::Notification);
        // SAFETY: just claimed for it.
        unsafe { Ref::create(frame, Notification::default()) };
    }
    give(current, kind, frame)
}

/// `TaskCreate`.
#[inline(never)]
pub fn task_create(k: &Kernel, current: Ref<Thread>) -> Result<(), Error> {
    memory_right(current)?;
    let regs = &current.regs;
    let frame = donatable(k, regs.rsi.get())?;
    let root = donatable(k, regs.rdx.get())?;
    let handles = donatable(k, regs.r10.get())?;
    if frame == root || frame == handles || root == handles {
        return Err(Error::BadFrame);
    }
    if !handle::has_free(current.task(), 1) {
        return Err(Error::NoSlot);
    }
    new_task(k, frame, root, handles)?;
    give(current, Kind::Task, frame)
}

/// Makes a task of three different donatable frames.
pub fn new_task(k: &Kernel, frame: u32, root: u32, handles: u32) -> Result<Ref<Task>, Error> {
    claim(frame, Use::Task);
    claim(root, Use::Table);
    claim(handles, Use::Handles);
    // SAFETY: just claimed; the upper half is the kernel's, the lower half is empty.
    let task = unsafe {
        object::copy(k.machine.kernel_root.get(), root);
        Ref::create(frame, Task::new(root))
    };
    handle::add_table(task, handles)?;
    Ok(task)
}

/// `TaskDonate`.
#[inline(never)]
pub fn task_donate(k: &Kernel, current: Ref<Thread>) -> Result<(), Error> {
    let mut done = 0;
    let result = donate(k, current, &mut done);
    current.regs.rdi.set(done);
    result
}

fn donate(k: &Kernel, current: Ref<Thread>, done: &mut u64) -> Result<(), Error> {
    memory_right(current)?;
    let regs = &current.regs;
    let task = managed_task(current, regs.rsi.get())?;
    let for_handles = match regs.rdx.get() {
        0 => false,
        1 => true,
        _ => return Err(Error::BadArgument),
    };
    for cell in vector(current, regs.r10.get())? {
        let frame = donatable(k, cell.get())?;
        if for_handles {
            if task.nr_tables.get() as usize == task.tables.len() {
                return Err(Error::Full);
            }
            claim(frame, Use::Handles);
            handle::add_table(task, frame)?;
        } else {
            claim(frame, Use::Pool);
            task.pool_push(frame);
        }
        *done += 1;
    }
    Ok(())
}

/// A task that the current thread may manage and that is not being destroyed.
#[inline(never)]
pub fn managed_task(current: Ref<Thread>, handle: u64) -> Result<Ref<Task>, Error> {
    let (task, _) = lookup::<Task>(current.task(), handle, Rights::MANAGE)?;
    if task.dying.get() { Err(Error::Dead) } else { Ok(task) }
}

/// `TaskControl`.
#[inline(never)]
pub fn task_control(k: &Kernel, current: Ref<Thread>) -> Result<(), Error> {
    let regs = &current.regs;
    let task = managed_task(current, regs.rdi.get())?;
    let op = TaskOp::from_raw(regs.rsi.get()).ok_or(Error::BadArgument)?;
    match op {
        TaskOp::FaultEndpoint => task.fault.set(target(current)?),
        TaskOp::SupervisorEndpoint => task.supervisor.set(target(current)?),
        TaskOp::Vital => task.vital.set(true),
        TaskOp::Info => {
            regs.rdi.set(task.resident.get() as u64);
            regs.rsi.set(task.nr_page_tables.get() as u64);
            regs.rdx.set(task.pool_count() as u64);
        }
        TaskOp::Collect => {
            let out = vector(current, regs.rdx.get())?;
            pmap::collect(k, task);
            let mut count = 0;
            for cell in out {
                let Some(frame) = task.pool_pop() else { break };
                crate::frame::release(frame);
                cell.set(frame as u64);
                count += 1;
            }
            regs.rdi.set(count);
        }
    }
    Ok(())
}

/// The endpoint in `rdx` with the badge in `r10`, or nowhere for `Handle::NONE`. A badge that the handle has stays.
fn target(current: Ref<Thread>) -> Result<Target, Error> {
    let regs = &current.regs;
    if regs.rdx.get() == 0 {
        return Ok(Target::default());
    }
    let (_, e) = lookup::<Endpoint>(current.task(), regs.rdx.get(), Rights::SEND)?;
    let badge = u32::try_from(regs.r10.get()).map_err(|_| Error::BadArgument)?;
    let own = e.badge.get();
    Ok(Target { name: e.name.get(), badge: if own != 0 { own } else { badge } })
}

/// `ThreadCreate`.
#[inline(never)]
pub fn thread_create(k: &Kernel, current: Ref<Thread>) -> Result<(), Error> {
    memory_right(current)?;
    let regs = &current.regs;
    let task = managed_task(current, regs.rsi.get())?;
    let frame = donatable(k, regs.rdx.get())?;
    let buffer = donatable(k, regs.r10.get())?;
    if frame == buffer {
        return Err(Error::BadFrame);
    }
    let start = [regs.r9.get(), regs.r12.get(), regs.r13.get()];
    if !(USER_MIN..USER_END).contains(&start[0]) || start[1] >> 47 != 0 {
        return Err(Error::BadAddress);
    }
    if !handle::has_free(current.task(), 1) {
        return Err(Error::NoSlot);
    }
    if pmap::resident_frame(task, regs.r8.get()).is_some() {
        return Err(Error::Exists);
    }
    new_thread(k, task, frame, buffer, regs.r8.get(), start)?;
    give(current, Kind::Thread, frame)
}

/// Makes a stopped thread of two different donatable frames. Fails, with nothing changed, if the buffer cannot be entered.
pub fn new_thread(
    k: &Kernel,
    task: Ref<Task>,
    frame: u32,
    buffer: u32,
    buffer_address: u64,
    start: [u64; 3],
) -> Result<Ref<Thread>, Error> {
    record(buffer).take(crate::frame::REFERENCED | crate::frame::MODIFIED);
    pmap::enter_buffer(k, task, buffer_address, buffer)?;
    record(buffer).set_use(Use::MessageBuffer);
    claim(frame, Use::Thread);
    // SAFETY: both frames are what they are made here; the buffer is shared with user mode, by way of cells. It is zeroed so
    // that nothing of its former use shows.
    let thread = unsafe {
        object::zero(buffer, 0);
        Ref::create(frame, Thread::new(task, handle::name_of(frame), Ref::in_frame(buffer), start))
    };
    task.thread_add(thread);
    Ok(thread)
}

/// `ThreadControl`.
#[inline(never)]
pub fn thread_control(k: &'static Kernel, current: Ref<Thread>) -> Result<(), Error> {
    let regs = &current.regs;
    let (t, _) = lookup::<Thread>(current.task(), regs.rdi.get(), Rights::MANAGE)?;
    let op = ThreadOp::from_raw(regs.rsi.get()).ok_or(Error::BadArgument)?;
    match op {
        ThreadOp::Start => {
            if t.state.get() != State::Stopped {
                return Err(Error::BadArgument);
            }
            make_ready(k, t);
        }
        ThreadOp::Stop => ipc::detach(k, t),
        ThreadOp::Priority => {
            let priority = regs.rdx.get();
            if priority > MAX_PRIORITY {
                return Err(Error::BadArgument);
            }
            if t.priority.get() >= sched::HELD {
                t.priority.set(priority as u8 + sched::HELD);
            } else if t.state.get() == State::Ready {
                sched::unready(k, t);
                t.priority.set(priority as u8);
                make_ready(k, t);
            } else {
                t.priority.set(priority as u8);
            }
        }
        ThreadOp::Hold => {
            if t == current || regs.rdx.get() > 1 {
                return Err(Error::BadArgument);
            }
            sched::hold(k, t, regs.rdx.get() == 1);
        }
        ThreadOp::Bind => {
            let (n, _) = lookup::<Notification>(current.task(), regs.rdx.get(), Rights::RECEIVE)?;
            if n.thread.get().is_some_and(|other| other != t) {
                return Err(Error::BadArgument);
            }
            notification::bind(k, n, t);
        }
        ThreadOp::Read => {
            let all = t.regs.of_program();
            for (cell, register) in vector(current, all.len() as u64)?.iter().zip(all) {
                cell.set(register.get());
            }
        }
        ThreadOp::Write => write_registers(current, t)?,
        ThreadOp::Look => {
            regs.rdi.set(state_of(t) as u64);
            regs.rsi.set(t.runs.get() as u64);
        }
        ThreadOp::Park => {
            let (_, kick) = lookup::<Notification>(current.task(), regs.rdx.get(), Rights::SEND)?;
            park(t, kick.name.get(), regs.r10.get())?;
        }
    }
    Ok(())
}

/// Bits of the flags that a program may set: arithmetic, direction, alignment check and identification.
const OWN_FLAGS: u64 = 0x24_0cd5;
/// Bits that are always set: interrupts, and one that the processor reads as 1.
const FIXED_FLAGS: u64 = 0x202;

/// `Write`: all or nothing.
fn write_registers(current: Ref<Thread>, t: Ref<Thread>) -> Result<(), Error> {
    if t.state.get() != State::Stopped {
        return Err(Error::BadArgument);
    }
    let all = t.regs.of_program();
    let new = vector(current, all.len() as u64)?;
    let [rip, rflags, rsp] = [new[15].get(), new[16].get(), new[17].get()];
    if !(USER_MIN..USER_END).contains(&rip) || rsp >> 47 != 0 {
        return Err(Error::BadAddress);
    }
    for (register, value) in all.iter().zip(new) {
        register.set(value.get());
    }
    t.regs.rflags.set(rflags & OWN_FLAGS | FIXED_FLAGS);
    // It does not come out of a system call: every register is its own.
    t.regs.vector.set(0);
    Ok(())
}

fn state_of(t: Ref<Thread>) -> thread::State {
    use thread::State as Told;
    match (t.state.get(), t.origin.get()) {
        (State::Stopped, _) => Told::Stopped,
        (State::Ready | State::Held | State::Running, _) => Told::Ready,
        (State::Receiving, _) if t.endpoint.get().is_none() => Told::Waiting,
        (State::Receiving, _) => Told::Receiving,
        (State::Sending | State::Replying, Origin::User) => Told::Calling,
        (State::Sending | State::Replying, _) => Told::Faulting,
    }
}

/// `Park`. What it waits for may come at any time: that it has not come, the end of the waiting and whom to tell are one step.
fn park(t: Ref<Thread>, kick: u64, bits: u64) -> Result<(), Error> {
    let n = t.bound.get().filter(|_| state_of(t) == thread::State::Waiting).ok_or(Error::WouldBlock)?;
    // Bits that are there would have ended the waiting.
    assert!(n.bits.get() == 0, "a thread waits for bits that are there");
    notification::unbind(t);
    n.kick.set(kick);
    n.kick_bits.set(bits);
    t.state.set(State::Stopped);
    // The system call, whatever it was, had come to its waiting. It is a receive from here on.
    t.regs.rax.set(Number::Receive as u64);
    t.regs.r14.set(0);
    t.regs.r15.set(0);
    t.regs.rip.set(t.regs.rip.get() - SYSCALL_BYTES);
    Ok(())
}

/// Bytes of the instruction `syscall`.
const SYSCALL_BYTES: u64 = 2;

/// `HandleCopy`.
#[inline(never)]
pub fn handle_copy(current: Ref<Thread>) -> Result<(), Error> {
    let regs = &current.regs;
    let task = match regs.rdi.get() {
        0 => current.task(),
        handle => managed_task(current, handle)?,
    };
    let e = handle::entry(current.task(), regs.rsi.get())?;
    if e.is(Kind::Empty) || e.is(Kind::Reply) {
        return Err(Error::BadHandle);
    }
    if !e.has(Rights::GRANT) {
        return Err(Error::NoRight);
    }
    let rights = u8::try_from(regs.rdx.get()).ok().and_then(Rights::from_bits);
    let rights = rights.ok_or(Error::BadArgument)?;
    if !e.has(rights) {
        return Err(Error::NoRight);
    }
    let badge = u32::try_from(regs.r10.get()).map_err(|_| Error::BadArgument)?;
    let own = e.badge.get();
    let (slot, new) = handle::take_slot(task).ok_or(Error::NoSlot)?;
    new.fill_copy(e, rights, if own != 0 { own } else { badge });
    regs.rdi.set(slot as u64);
    Ok(())
}

/// `HandleClose`.
pub fn handle_close(k: &'static Kernel, current: Ref<Thread>) -> Result<(), Error> {
    let slot = current.regs.rdi.get();
    let e = handle::entry(current.task(), slot)?;
    if e.is(Kind::Empty) {
        return Err(Error::BadHandle);
    }
    if e.is(Kind::Reply) {
        ipc::abandon(k, e);
    }
    handle::free_slot(current.task(), slot as u16, e);
    Ok(())
}
