// SPDX-License-Identifier: BSD-2-Clause
//! Page faults and exceptions of user mode become messages in the name of the thread that suffered them.

use crate::kernel::Kernel;
use crate::object::Ref;
use crate::pmap;
use crate::sched;
use crate::thread::{Origin, State, Thread};
use crate::{epitaph, ipc, log};
use ebb_abi::fault::Access;
use ebb_abi::message::{LABEL_EXCEPTION, LABEL_FAULT};

const PAGE_FAULT: u64 = 14;
/// Error code bit: a reserved bit was set in a page-table entry.
const RESERVED_BIT: u64 = 1 << 3;

/// A page fault of the current thread.
#[inline(always)]
pub fn page_fault(k: &'static Kernel, current: Ref<Thread>, address: u64, code: u64) -> Ref<Thread> {
    k.stats.faults.add(1);
    let access = Access::from_bits_truncate(code);
    if code & RESERVED_BIT != 0 {
        epitaph::violated("no page table entry has reserved bits", address);
    }
    if access.contains(Access::PRESENT) && pmap::permits(current.task(), address, access) {
        pmap::flush(k, current.task(), address);
        return current;
    }
    let regs = &current.regs;
    // What an exception would say, should the fault become one.
    regs.error.set(code);
    let words = [address, access.bits(), regs.rip.get(), current.frame() as u64, 0, 0];
    let target = current.task().fault.get();
    let woken = match target.endpoint() {
        Some(endpoint) => {
            current.speak(Origin::Fault, LABEL_FAULT, words);
            ipc::send_for(current, endpoint, target.badge)
        }
        None => raise(current, address),
    };
    match woken {
        Some(receiver) => sched::run(k, receiver),
        None => sched::next(k, current),
    }
}

/// An exception of the current thread other than a page fault.
pub fn exception(k: &'static Kernel, current: Ref<Thread>) -> Ref<Thread> {
    match raise(current, 0) {
        Some(receiver) => sched::run(k, receiver),
        None => sched::next(k, current),
    }
}

/// Sends the exception that is in a thread's save area; the thread is in no queue. Returns the receiver that was woken.
fn raise(t: Ref<Thread>, address: u64) -> Option<Ref<Thread>> {
    let regs = &t.regs;
    let (vector, error) = (regs.vector.get(), regs.error.get());
    t.speak(
        Origin::Exception,
        LABEL_EXCEPTION,
        [vector, error, regs.rip.get(), address, t.frame() as u64, regs.rsp.get()],
    );
    let target = t.task().supervisor.get();
    match target.endpoint() {
        Some(endpoint) => ipc::send_for(t, endpoint, target.badge),
        None => {
            stop(t, "nobody to tell");
            None
        }
    }
}

/// The message that the kernel sent in a thread's name was answered, or will never be (label 1). Returns a thread that is
/// ready now, in no queue.
pub fn answered(t: Ref<Thread>, origin: Origin, label: u32) -> Option<Ref<Thread>> {
    // Some processors report a jump out of the canonical addresses at its target, and `iretq` cannot go there.
    if label == 0 && t.regs.rip.get() >> 47 == 0 {
        return Some(t);
    }
    match origin {
        Origin::Fault => raise(t, t.words[0].get()),
        _ => {
            stop(t, "not resumed");
            None
        }
    }
}

fn stop(t: Ref<Thread>, why: &str) {
    t.state.set(State::Stopped);
    let [vector, error, rip, address, frame, rsp] = t.words.each_ref().map(|w| w.get());
    let name = if vector == PAGE_FAULT { "page fault" } else { epitaph::vector_name(vector) };
    log!(
        "thread {frame:#x} stopped, {why}: {name} (vector {vector}, error {error:#x}) rip {rip:#x} rsp {rsp:#x} address \
         {address:#x} rax {:#x} rbx {:#x} rcx {:#x} rdx {:#x} rsi {:#x} rdi {:#x} rbp {:#x}",
        t.regs.rax.get(),
        t.regs.rbx.get(),
        t.regs.rcx.get(),
        t.regs.rdx.get(),
        t.regs.rsi.get(),
        t.regs.rdi.get(),
        t.regs.rbp.get(),
    );
    if t.task().vital.get() {
        log!("the machine cannot do without it");
        epitaph::end(epitaph::VITAL_FAILED);
    }
}
