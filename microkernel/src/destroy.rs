// SPDX-License-Identifier: BSD-2-Clause
//! The end of objects: out of every queue, list and binding, then the frames go back.

use crate::endpoint::Endpoint;
use crate::frame::{record, release};
use crate::handle::{self, Entry};
use crate::kernel::Kernel;
use crate::notification::{self, Notification};
use crate::object::Ref;
use crate::task::Task;
use crate::thread::Thread;
use crate::{ipc, pmap, timer};
use core::cell::Cell;
use ebb_abi::frame::Use;
use ebb_abi::{Error, Kind, Rights};

/// Leaf page tables that one step of a task's end takes apart: 2,048 mappings, some tens of microseconds. Guessed.
const TABLES_PER_STEP: usize = 4;
/// Frames that stay out of a step's share so that the last step fits: handle tables, top page table, the task.
const LAST: usize = crate::task::MAX_TABLES + 2;

/// Frames that go back to the caller, in its vector.
struct Returned<'a> {
    vector: &'a [Cell<u64>],
    count: usize,
}

impl Returned<'_> {
    fn room(&self) -> usize {
        self.vector.len() - self.count
    }

    /// Releases a frame; there is room (the caller checked).
    fn give(&mut self, frame: u32) {
        release(frame);
        self.vector[self.count].set(frame as u64);
        self.count += 1;
    }
}

/// `Destroy`.
pub fn destroy(k: &'static Kernel, current: Ref<Thread>) -> Result<(), Error> {
    let regs = &current.regs;
    let e = handle::entry(current.task(), regs.rdi.get())?;
    let buffer = current.buffer();
    let mut returned = Returned { vector: &buffer.vector, count: 0 };
    let more = if e.is(Kind::Endpoint) {
        let endpoint = managed::<Endpoint>(e)?;
        ipc::endpoint_dies(k, endpoint);
        returned.give(endpoint.frame());
        false
    } else if e.is(Kind::Notification) {
        let n = managed::<Notification>(e)?;
        timer::disarm(k, n);
        ipc::notification_dies(k, n);
        returned.give(n.frame());
        false
    } else if e.is(Kind::Thread) {
        let t = managed::<Thread>(e)?;
        if t == current {
            return Err(Error::BadArgument);
        }
        end_thread(k, t, &mut returned);
        false
    } else {
        let task = managed::<Task>(e)?;
        if task == current.task() {
            return Err(Error::BadArgument);
        }
        !end_task(k, task, &mut returned)
    };
    regs.rdi.set(returned.count as u64);
    regs.rsi.set(more as u64);
    Ok(())
}

fn managed<T: handle::Named>(e: &Entry) -> Result<Ref<T>, Error> {
    let object = e.object()?;
    if e.has(Rights::MANAGE) { Ok(object) } else { Err(Error::NoRight) }
}

#[inline(never)]
fn end_thread(k: &'static Kernel, t: Ref<Thread>, returned: &mut Returned) {
    ipc::detach(k, t);
    notification::unbind(t);
    t.task().thread_remove(t);
    let buffer = t.buffer().frame();
    pmap::remove_all(k, buffer);
    returned.give(buffer);
    returned.give(t.frame());
}

/// One step. True: it was the last.
#[inline(never)]
fn end_task(k: &'static Kernel, task: Ref<Task>, returned: &mut Returned) -> bool {
    task.dying.set(true);
    while let Some(t) = task.threads.get() {
        if returned.room() < 2 {
            return false;
        }
        end_thread(k, t, returned);
    }
    // Without threads nobody receives any more, and into a task that is dying nothing is copied: once is enough.
    if !task.emptied.replace(true) {
        for (slot, e) in handle::entries(task) {
            if e.is(Kind::Reply) {
                ipc::abandon(k, e);
            }
            handle::free_slot(task, slot, e);
        }
    }
    for _ in 0..TABLES_PER_STEP {
        if !pmap::tear_down(k, task) {
            // Inner tables that lead to no leaf.
            pmap::collect(k, task);
            break;
        }
    }
    while returned.room() > LAST {
        match task.pool_pop() {
            Some(frame) => returned.give(frame),
            None => break,
        }
    }
    if task.pool_count() > 0 || record(task.root_frame()).mapcount.get() > 0 || returned.room() < LAST {
        return false;
    }
    for table in task.tables.iter().filter_map(Cell::get) {
        returned.give(table.frame());
    }
    debug_assert!(record(task.root_frame()).is(Use::Table));
    returned.give(task.root_frame());
    returned.give(task.frame());
    true
}
