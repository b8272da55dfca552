// SPDX-License-Identifier: BSD-2-Clause
//! Threads of a program. There is one processor, and threads of a program take turns on it: they are for work that waits, not for work that is to be faster.
//!
//! A thread is a number, 1 to 15 (the first thread is 0), with a stack and a notification of its own. A program ends when its first thread does, or any calls
//! [`crate::process::exit`]; a panic or a bad access in one ends it too. In a copy of the process ([`crate::process::fork`]) the thread that made it keeps its number and is what
//! the first one was.

use crate::client::call;
use crate::start::Given;
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use ebb_abi::layout::{STACK_SHIFT, stack_top};
use ebb_abi::{Handle, PAGE_SIZE};
use ebb_proto::Error;
use ebb_proto::proc::{Pid, Share};
use ebb_proto::vm::{self, MAX_THREADS, Protection, Source};
use ebb_sys::ipc::{self, Received};

/// Bytes of stack of a thread for which nothing else is said: as much as the first one has.
const STACK: usize = 256 << 10;
/// Bytes of stack at most: the page below it is never mapped.
const MAX_STACK: usize = (1 << STACK_SHIFT) - PAGE_SIZE;
/// Bit of a thread's notification: it may go on ([`unpark`]).
const PARK_BIT: u64 = 1 << 62;

/// A mutual exclusion whose waiters let other threads run.
pub type Mutex<T> = spin::mutex::SpinMutex<T, Yielding>;

/// How [`Mutex`] waits: whoever has the lock is of the same program, and so of the same priority.
#[derive(Clone, Copy, Debug)]
pub struct Yielding;

impl spin::relax::RelaxStrategy for Yielding {
    fn relax() {
        yield_now();
    }
}

/// Nobody has the number.
const FREE: u8 = 0;
/// Somebody is making a thread with it, or taking it back.
const CLAIMED: u8 = 1;
/// It runs.
const RUNNING: u8 = 2;
/// It runs, and nobody will wait for it.
const DETACHED: u8 = 3;
/// It has done its work.
const DONE: u8 = 4;
/// The same, and nobody will wait for it: its number can be used when it has ended.
const LEFT: u8 = 5;

/// Nobody knows whether there is a thread: it is not waited for, and does nothing if it is there. Its number stays taken.
const LOST: u8 = 6;

/// What is known of a thread.
struct Slot {
    state: AtomicU8,
    stack_pages: AtomicU64,
    notification: AtomicU32,
    unparked: AtomicBool,
    /// The server of processes, as a process knows it that shares this one's memory; 0: it is none.
    proc: AtomicU32,
}

static SLOTS: [Slot; MAX_THREADS] = [const {
    Slot {
        state: AtomicU8::new(FREE),
        stack_pages: AtomicU64::new(0),
        notification: AtomicU32::new(0),
        unparked: AtomicBool::new(false),
        proc: AtomicU32::new(0),
    }
}; MAX_THREADS];

/// Whether there ever was another thread.
static SEVERAL: AtomicBool = AtomicBool::new(false);

/// The calling thread's number; 0: the first.
pub fn current() -> u32 {
    ebb_sys::buffer::thread() as u32
}

/// The thread that there is from the start, with whose end the program ends; not 0 in the copy of another one.
static FIRST: AtomicU32 = AtomicU32::new(0);

/// In a copy of the process: there are no other threads.
pub(crate) fn alone() {
    let first = current();
    FIRST.store(first, Ordering::Relaxed);
    slot(first).proc.store(0, Ordering::Relaxed);
    for (number, slot) in SLOTS.iter().enumerate().filter(|(number, _)| *number as u32 != first) {
        slot.notification.store(0, Ordering::Relaxed);
        slot.unparked.store(false, Ordering::Relaxed);
        slot.proc.store(0, Ordering::Relaxed);
        let pages = slot.stack_pages.swap(0, Ordering::Relaxed);
        let address = stack_top(number as u64) - pages * PAGE_SIZE as u64;
        let unmap = vm::Unmap { space: 0, address, pages };
        let freed = pages == 0 || vm().and_then(|vm| call(vm, &unmap)).is_ok();
        // A stack that stays takes its number with it.
        slot.state.store(if freed { FREE } else { CLAIMED }, Ordering::Relaxed);
    }
    SEVERAL.store(false, Ordering::Relaxed);
}

/// Whether the program has, or had, more than one thread.
pub(crate) fn several() -> bool {
    SEVERAL.load(Ordering::Relaxed)
}

/// Lets other threads and programs of the same priority run.
pub fn yield_now() {
    #[cfg(target_os = "none")]
    ebb_sys::yield_now();
    #[cfg(not(target_os = "none"))]
    core::hint::spin_loop();
}

/// Waits so long.
pub fn sleep(time: core::time::Duration) -> Result<(), Error> {
    crate::clock::sleep_us(u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
}

/// Starts a thread. `Busy`: there are 15 others that have not been waited for; `NoMemory`.
pub fn spawn<T, F>(work: F) -> Result<JoinHandle<T>, Error>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    spawn_with_stack(STACK, work)
}

/// As [`spawn`], with so many bytes of stack, rounded up to pages. `Invalid`: none, or 64 MiB or more.
pub fn spawn_with_stack<T, F>(stack: usize, work: F) -> Result<JoinHandle<T>, Error>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    if stack == 0 || stack > MAX_STACK {
        return Err(Error::Invalid);
    }
    let result = Arc::new(Mutex::new(None));
    let to = result.clone();
    let work: Work = Box::new(move || *to.lock() = Some(work()));
    let number = claim()?;
    SEVERAL.store(true, Ordering::Relaxed);
    let vm = vm()?;
    match start(number, stack.div_ceil(PAGE_SIZE) as u64, work, |new| call(vm, &new)) {
        Ok(()) => Ok(JoinHandle { number, result, joined: false }),
        Err(error) => {
            slot(number).state.store(FREE, Ordering::Release);
            Err(error)
        }
    }
}

type Work = Box<dyn FnOnce() + Send>;

fn slot(number: u32) -> &'static Slot {
    &SLOTS[number as usize % MAX_THREADS]
}

fn vm() -> Result<Handle, Error> {
    crate::start::info().ok_or(Error::NotFound)?.handle("vm")
}

/// Takes a number that nobody has, or that of a thread that nobody waits for and that has ended.
fn claim() -> Result<u32, Error> {
    let take = |number: u32, from: u8| {
        slot(number).state.compare_exchange(from, CLAIMED, Ordering::Acquire, Ordering::Relaxed).is_ok()
    };
    if let Some(number) = (1..MAX_THREADS as u32).find(|n| take(*n, FREE)) {
        return Ok(number);
    }
    let number = (1..MAX_THREADS as u32).find(|n| take(*n, LEFT)).ok_or(Error::Busy)?;
    let ended = vm().and_then(|vm| call(vm, &vm::ThreadJoin { number })).and_then(|()| take_back(number));
    match ended {
        Ok(()) => Ok(number),
        Err(error) => {
            slot(number).state.store(LEFT, Ordering::Release);
            Err(error)
        }
    }
}

/// Takes back what an ended thread had.
fn take_back(number: u32) -> Result<(), Error> {
    let slot = slot(number);
    for handle in [&slot.notification, &slot.proc] {
        // A notification is gone with its thread; what can fail is only that.
        let _ = ebb_sys::object::handle_close(Handle(handle.swap(0, Ordering::Relaxed)));
    }
    slot.unparked.store(false, Ordering::Relaxed);
    let pages = slot.stack_pages.swap(0, Ordering::Relaxed);
    let address = stack_top(number as u64) - pages * PAGE_SIZE as u64;
    call(vm()?, &vm::Unmap { space: 0, address, pages })
}

/// Starts a thread that `make` makes; it returns the handle of its notification.
fn start(
    number: u32,
    pages: u64,
    work: Work,
    make: impl FnOnce(vm::ThreadNew) -> Result<u32, Error>,
) -> Result<(), Error> {
    let (vm, top, slot) = (vm()?, stack_top(number as u64), slot(number));
    let address = top - pages * PAGE_SIZE as u64;
    let protection = (Protection::READ | Protection::WRITE).bits();
    call(vm, &vm::Map { space: 0, address, pages, protection, source: Source::Anonymous })?;
    slot.stack_pages.store(pages, Ordering::Relaxed);
    // Before it runs: it may be done before this thread goes on.
    slot.state.store(RUNNING, Ordering::Release);
    let argument = Box::into_raw(Box::new(work));
    // As after a call: the return address, which is 0, is where a backtrace ends.
    let stack = top - 8;
    let new = vm::ThreadNew { number, entry: begin as *const () as u64, stack, argument: argument as u64 };
    match make(new) {
        Ok(notification) => {
            slot.notification.store(notification, Ordering::Release);
            Ok(())
        }
        Err(Error::Dead) => {
            slot.state.store(LOST, Ordering::Release);
            Err(Error::Dead)
        }
        Err(error) => {
            // SAFETY: the pointer was made above, and there is no thread that could have taken it over.
            drop(unsafe { Box::from_raw(argument) });
            slot.stack_pages.store(0, Ordering::Relaxed);
            call(vm, &vm::Unmap { space: 0, address, pages })?;
            Err(error)
        }
    }
}

/// Where a thread begins.
extern "C" fn begin(argument: u64) -> ! {
    // SAFETY: `start` gives each thread a box of its own that nobody else knows.
    let work = unsafe { Box::from_raw(argument as *mut Work) };
    let slot = slot(current());
    // Until who started it has noted its notification, which takes a moment: that is not to be lost.
    while slot.notification.load(Ordering::Acquire) == 0 {
        if slot.state.load(Ordering::Acquire) == LOST {
            // Nothing comes: nobody can call, and nobody knows its notification. It waits to be ended.
            let _ = ipc::receive(Handle::NONE);
        }
        yield_now();
    }
    work();
    if FIRST.load(Ordering::Relaxed) == current() {
        crate::process::exit(0);
    }
    let state = &slot.state;
    if state.compare_exchange(RUNNING, DONE, Ordering::Release, Ordering::Relaxed).is_err() {
        state.store(LEFT, Ordering::Release);
    }
    if let Ok(vm) = vm() {
        // There is an answer only if the thread could not end; then the program does.
        let _ = call(vm, &vm::ThreadExit { number: current() });
    }
    crate::start::abort()
}

/// Starts a thread that is a process of its own. Its number as a process, and as a thread. `Dead`: it is not known whether there is one.
pub(crate) fn share(work: Work) -> Result<(Pid, u32), Error> {
    let (proc, number) = (server_of_processes()?, claim()?);
    SEVERAL.store(true, Ordering::Relaxed);
    let mut pid = 0;
    let started = start(number, (STACK / PAGE_SIZE) as u64, work, |new| {
        let vm::ThreadNew { number, entry, stack, argument } = new;
        let (made, notification, server) = call(proc, &Share { number, entry, stack, argument })?;
        pid = made;
        slot(number).proc.store(server, Ordering::Relaxed);
        Ok(notification)
    });
    match started {
        Ok(()) => Ok((pid, number)),
        Err(error) => {
            if error != Error::Dead {
                slot(number).state.store(FREE, Ordering::Release);
            }
            Err(error)
        }
    }
}

/// A thread that was a process has ended: its number is free.
pub(crate) fn shared_ended(number: u32) -> Result<(), Error> {
    let taken = take_back(number);
    slot(number).state.store(FREE, Ordering::Release);
    taken
}

/// The server of processes, which knows the calling process by the handle.
pub(crate) fn server_of_processes() -> Result<Handle, Error> {
    match slot(current()).proc.load(Ordering::Relaxed) {
        0 => crate::start::info().ok_or(Error::NotFound)?.handle("proc"),
        own => Ok(Handle(own)),
    }
}

/// A thread that somebody may wait for. Without that it goes on by itself, and its number is used again when it has ended.
#[derive(Debug)]
pub struct JoinHandle<T> {
    number: u32,
    result: Arc<Mutex<Option<T>>>,
    joined: bool,
}

impl<T> JoinHandle<T> {
    /// Its number, for [`unpark`]; another thread gets it after the end of this one.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Whether it has done its work.
    pub fn is_finished(&self) -> bool {
        slot(self.number).state.load(Ordering::Acquire) == DONE
    }

    /// Waits for its end. What it returned.
    pub fn join(mut self) -> Result<T, Error> {
        call(vm()?, &vm::ThreadJoin { number: self.number })?;
        self.joined = true;
        let taken = take_back(self.number);
        slot(self.number).state.store(FREE, Ordering::Release);
        taken?;
        self.result.lock().take().ok_or(Error::Dead)
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        if self.joined {
            return;
        }
        let state = &slot(self.number).state;
        if state.compare_exchange(RUNNING, DETACHED, Ordering::Release, Ordering::Relaxed).is_err() {
            state.store(LEFT, Ordering::Release);
        }
    }
}

/// The calling thread's notification: its timer, and bits that others set.
pub(crate) fn notification() -> Result<Handle, Error> {
    notification_of(current())
}

fn notification_of(number: u32) -> Result<Handle, Error> {
    if number == FIRST.load(Ordering::Relaxed) {
        return crate::start::info().ok_or(Error::NotFound)?.handle("notification");
    }
    match slot(number).notification.load(Ordering::Acquire) {
        0 => Err(Error::NotFound),
        handle => Ok(Handle(handle)),
    }
}

/// Waits until somebody lets this thread go on ([`unpark`]); at once, if that has happened since the last time. Bits of
/// the thread's notification are taken: a first thread that waits for others of them does not use this.
/// others of them does not use this.
pub fn park() -> Result<(), Error> {
    let slot = slot(current());
    while !slot.unparked.swap(false, Ordering::Acquire) {
        if let Received::Message { reply, .. } =
            ipc::receive(Handle::NONE).map_err(crate::client::from_sys)?
        {
            // Nobody can call: there is no endpoint.
            drop(crate::server::Call::new(reply));
        }
    }
    Ok(())
}

/// Lets a thread go on that waits in [`park`], or will. `NotFound`: there is no such thread, or it has ended.
pub fn unpark(number: u32) -> Result<(), Error> {
    let notification = notification_of(number)?;
    slot(number).unparked.store(true, Ordering::Release);
    match ipc::signal(notification, PARK_BIT).map_err(crate::client::from_sys) {
        // It has ended; nobody has waited for it yet.
        Err(Error::Dead) => Err(Error::NotFound),
        done => done,
    }
}
