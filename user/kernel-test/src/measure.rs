// SPDX-License-Identifier: BSD-2-Clause
//! What the paths cost, in cycles of the time-stamp counter less those of reading it: under `-icount shift=0` that is
//! instructions, user mode's included.

use crate::assistant::{Rig, must};
use crate::memory::SCRATCH;
use crate::report::say;
use ebb_abi::boot::handles::PHYS_MEM;
use ebb_abi::map::{MapFlags, MapOp};
use ebb_abi::thread::{TaskOp, ThreadOp};
use ebb_abi::{Frame, Handle, Rights, Tag};
use ebb_sys::ipc::{self, Message, Received};
use ebb_sys::memory::unmap;
use ebb_sys::object::{task_control, thread_control};
use ebb_sys::time::tsc;

const ROUNDS: usize = 1000;

/// Minimum and median of the rounds.
fn measure(name: &str, mut round: impl FnMut() -> u64) {
    let mut costs = [0u64; ROUNDS];
    for cost in &mut costs {
        *cost = round();
    }
    costs.sort_unstable();
    let own = pair();
    say(format_args!("measure {name}: min {} median {}\n", costs[0] - own, costs[ROUNDS / 2] - own));
}

/// What two readings of the counter cost.
fn pair() -> u64 {
    (0..100).map(|_| (tsc(), tsc())).map(|(a, b)| b - a).min().unwrap_or(0)
}

fn timed(f: impl FnOnce()) -> u64 {
    let begin = tsc();
    f();
    tsc() - begin
}

extern "C" fn server(_: u64) -> ! {
    let mut received = ipc::receive(Handle(1));
    loop {
        let Ok(Received::Message { reply, message, .. }) = received else { crate::raw::undefined() };
        received = ipc::reply_receive(reply, &message, Handle(1));
    }
}

/// Signals back each time it is signalled.
extern "C" fn ponger(_: u64) -> ! {
    loop {
        if ipc::receive(Handle::NONE).is_ok() {
            must(ipc::signal(Handle(1), 1));
        }
    }
}

/// Notes in the shared page when it is woken.
extern "C" fn listener(_: u64) -> ! {
    loop {
        if ipc::receive(Handle::NONE).is_ok() {
            crate::memory::set(0, tsc());
        }
    }
}

/// Touches a page that is not there, as often as it is told, and tells how long it took.
extern "C" fn faulter(_: u64) -> ! {
    let mut words = [0; 6];
    loop {
        must(ipc::call(Handle(1), &Message { tag: Tag::new(1, 0, 0), words }));
        words[0] = timed(|| {
            crate::memory::peek(SCRATCH);
        });
    }
}

/// Everything.
pub fn all(rig: &mut Rig) {
    measure("null system call", || timed(ebb_sys::null));

    let e = rig.endpoint();
    let a = rig.start(server, 0, 4, &[(e, Rights::RECEIVE, 0)]);
    for words in [0, 4, 6] {
        let name =
            ["call+reply, 0 words", "", "", "", "call+reply, 4 words", "", "call+reply, 6 words"][words];
        let mut m = Message::default();
        m.words[..words].fill(1);
        measure(name, || {
            timed(|| {
                must(ipc::call(e, &m));
            })
        });
    }
    let bytes = Message { tag: Tag::new(1, 512, 0), words: [0; 6] };
    measure("call+reply, 512 bytes", || {
        timed(|| {
            must(ipc::call(e, &bytes));
        })
    });
    rig.end(a);
    rig.destroy(e);

    let n = rig.notification();
    let a = rig.prepare(listener, 0, &[]);
    must(thread_control(a.thread, ThreadOp::Bind, n.0 as u64));
    must(thread_control(a.thread, ThreadOp::Priority, 4));
    must(thread_control(a.thread, ThreadOp::Start, 0));
    measure("signal that wakes, one switch", || {
        let begin = tsc();
        must(ipc::signal(n, 1));
        crate::memory::get(0) - begin
    });
    rig.end(a);
    rig.destroy(n);

    let n = super::cases::bound(rig);
    let other = rig.notification();
    let a = rig.prepare(ponger, 0, &[(n, Rights::SEND, 0)]);
    must(thread_control(a.thread, ThreadOp::Bind, other.0 as u64));
    must(thread_control(a.thread, ThreadOp::Priority, 4));
    must(thread_control(a.thread, ThreadOp::Start, 0));
    measure("notification there and back", || {
        timed(|| {
            must(ipc::signal(other, 1));
            must(ipc::receive(Handle::NONE));
        })
    });
    rig.end(a);
    rig.destroy(other);
    rig.destroy(n);

    let e = rig.endpoint();
    let frame: Frame = rig.frames.take();
    let a = rig.start(faulter, 0, 3, &[(e, Rights::SEND, 1)]);
    must(task_control(a.task, TaskOp::FaultEndpoint, e.0 as u64, 2));
    let op = MapOp { address: SCRATCH, frame, flags: MapFlags::WRITE };
    let mut received = ipc::receive(e);
    let mut last = Handle::NONE;
    // The first round makes the page tables.
    for warm in [true, false] {
        let mut round = || {
            let Ok(Received::Message { reply, .. }) = received else { crate::raw::undefined() };
            must(unmap(a.task, SCRATCH, 1));
            // Its call is answered, it faults, the fault is served, it calls again.
            let fault = ipc::reply_receive(reply, &Message::default(), e);
            let Ok(Received::Message { reply, badge: 2, .. }) = fault else { crate::raw::undefined() };
            received = ipc::map_reply_receive(reply, PHYS_MEM, a.task, op, e);
            let Ok(Received::Message { badge: 1, ref message, reply }) = received else {
                crate::raw::undefined()
            };
            last = reply;
            message.words[0]
        };
        if warm {
            round();
        } else {
            measure("fault, map, resume", round);
        }
    }
    rig.end(a);
    must(ebb_sys::object::handle_close(last));
    rig.destroy(e);
    rig.frames.give(frame);
}
