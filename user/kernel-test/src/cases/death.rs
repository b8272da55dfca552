// SPDX-License-Identifier: BSD-2-Clause
//! What ends while somebody waits for it.

use super::ipc::caller;
use crate::assistant::{Rig, must};
use crate::{check, check_eq, memory};
use ebb_abi::boot::handles::PHYS_MEM;
use ebb_abi::thread::ThreadOp;
use ebb_abi::{Error, Handle, Rights};
use ebb_sys::ipc::{self, Message, Received};
use ebb_sys::object::{handle_close, thread_control, thread_registers};

const ENDPOINT: Handle = Handle(1);

/// Receives so many messages and answers none, then waits on its second endpoint.
extern "C" fn keeper(count: u64) -> ! {
    for _ in 0..count {
        must(ipc::receive(ENDPOINT));
    }
    memory::set(10, 1);
    loop {
        let noted = ipc::receive(Handle(2)).map_or_else(|e| e as u64, |_| 0);
        memory::set(11, noted);
        if noted != 0 {
            // A last wait that never ends.
            let _ = ipc::call(Handle(3), &Message::default());
        }
    }
}

fn clear() {
    (0..20).for_each(|i| memory::set(i, 0));
}

pub fn receiver(rig: &mut Rig) {
    clear();
    let (e, silent) = (rig.endpoint(), rig.endpoint());
    let given = [(e, Rights::SEND, 0), (silent, Rights::SEND, 0)];
    let callers: [_; 3] = core::array::from_fn(|i| rig.start(caller, i as u64, 5, &given));
    let k = rig.start(keeper, 2, 5, &[(e, Rights::RECEIVE, 0), (silent, Rights::RECEIVE, 0)]);
    check_eq!(memory::get(10), 1);
    check_eq!((memory::get(0), memory::get(1), memory::get(2)), (0, 0, 0));
    rig.end(k);
    // Two were received; the third is still in the queue of the endpoint, which lives.
    check_eq!(memory::get(0), Error::Dead as u64);
    check_eq!(memory::get(1), Error::Dead as u64);
    check_eq!(memory::get(2), 0);
    callers.into_iter().for_each(|c| rig.end(c));
    rig.destroy(silent);
    rig.destroy(e);
}

pub fn of_caller(rig: &mut Rig) {
    clear();
    let (e, silent) = (rig.endpoint(), rig.endpoint());
    let given = [(e, Rights::SEND, 0), (silent, Rights::SEND, 0)];
    // Received, then dead.
    let a = rig.start(caller, 0, 5, &given);
    let Ok(Received::Message { reply, .. }) = ipc::receive(e) else { panic!("no message") };
    rig.end(a);
    check_eq!(ipc::reply(reply, &Message::default()), Ok(()));
    check_eq!(ipc::reply(reply, &Message::default()), Err(Error::BadHandle));
    // Queued, then dead.
    let a = rig.start(caller, 0, 5, &given);
    rig.end(a);
    check!(matches!(ipc::poll(e), Ok(None)));
    // Dead, and its frame is another thread that waits for an answer of its own: the old handle is not for it.
    let a = rig.start(caller, 0, 5, &given);
    let Ok(Received::Message { reply, .. }) = ipc::receive(e) else { panic!("no message") };
    rig.end(a);
    let b = rig.start(caller, 1, 5, &given);
    let Ok(Received::Message { reply: other, .. }) = ipc::receive(e) else { panic!("no message") };
    check_eq!(ipc::reply(reply, &Message::default()), Ok(()));
    check_eq!(memory::get(1), 0);
    check_eq!(ipc::reply(other, &Message::default()), Ok(()));
    check_eq!(memory::get(1), 1000);
    rig.end(b);
    rig.destroy(silent);
    rig.destroy(e);
}

/// Receives once, then calls its second endpoint instead of answering.
extern "C" fn passer(_: u64) -> ! {
    must(ipc::receive(ENDPOINT));
    loop {
        // The answer never comes.
        let _ = ipc::call(Handle(2), &Message::default());
    }
}

/// A server that calls another in the middle of a call, and dies there: the queue that it had waited in before is not
/// touched.
pub fn in_the_middle(rig: &mut Rig) {
    clear();
    let (e, inner, silent) = (rig.endpoint(), rig.endpoint(), rig.endpoint());
    let s = rig.start(passer, 0, 5, &[(e, Rights::RECEIVE, 0), (inner, Rights::SEND, 0)]);
    // Of lower priority: it runs while this thread waits already, so that both calls take the short way.
    let c = rig.start(caller, 0, 2, &[(e, Rights::SEND, 0), (silent, Rights::SEND, 0)]);
    let Ok(Received::Message { reply, .. }) = ipc::receive(inner) else { panic!("no message") };
    // Now another waits where the first one waited.
    let other = rig.start(super::ipc::echo, 0, 5, &[(e, Rights::RECEIVE, 0)]);
    rig.end(s);
    check_eq!(must(ipc::call(e, &Message::default())).words[0], 1);
    check_eq!(ipc::reply(reply, &Message::default()), Ok(()));
    rig.end(c);
    rig.end(other);
    [silent, inner, e].into_iter().for_each(|h| rig.destroy(h));
}

pub fn endpoint(rig: &mut Rig) {
    clear();
    let (e, wait, silent) = (rig.endpoint(), rig.endpoint(), rig.endpoint());
    let a = rig.start(caller, 0, 5, &[(e, Rights::SEND, 0), (silent, Rights::SEND, 0)]);
    let given = [(e, Rights::RECEIVE, 0), (wait, Rights::RECEIVE, 0), (silent, Rights::SEND, 0)];
    let k = rig.start(keeper, 0, 5, &given);
    check_eq!((memory::get(0), memory::get(11)), (0, 0));
    rig.destroy(e);
    check_eq!(memory::get(0), Error::Dead as u64);
    rig.destroy(wait);
    check_eq!(memory::get(11), Error::Dead as u64);
    rig.end(a);
    rig.end(k);
    rig.destroy(silent);
}

pub fn reply(rig: &mut Rig) {
    clear();
    let (e, silent) = (rig.endpoint(), rig.endpoint());
    let a = rig.start(caller, 0, 5, &[(e, Rights::SEND, 0), (silent, Rights::SEND, 0)]);
    let Ok(Received::Message { reply, .. }) = ipc::receive(e) else { panic!("no message") };
    check_eq!(handle_close(reply), Ok(()));
    check_eq!(memory::get(0), Error::Dead as u64);
    rig.end(a);
    rig.destroy(silent);
    rig.destroy(e);
}

pub fn stopped(rig: &mut Rig) {
    clear();
    let (e, silent) = (rig.endpoint(), rig.endpoint());
    let a = rig.prepare(caller, 0, &[(e, Rights::SEND, 0), (silent, Rights::SEND, 0)]);
    must(thread_control(a.thread, ThreadOp::Priority, 5));
    check_eq!(thread_control(a.thread, ThreadOp::Priority, 8), Err(Error::BadArgument));
    let r = must(thread_registers(a.thread));
    check_eq!((r.rip, r.rdi), (caller as *const () as u64, 0));
    check_eq!(thread_control(a.thread, ThreadOp::Start, 0), Ok(()));
    check_eq!(thread_control(a.thread, ThreadOp::Start, 0), Err(Error::BadArgument));
    // Stopped while its message is queued: the message is gone, its call fails when it goes on.
    check_eq!(thread_control(a.thread, ThreadOp::Stop, 0), Ok(()));
    check!(matches!(ipc::poll(e), Ok(None)));
    check_eq!(memory::get(0), 0);
    check_eq!(thread_control(a.thread, ThreadOp::Start, 0), Ok(()));
    check_eq!(memory::get(0), Error::Dead as u64);
    check_eq!(ebb_sys::object::thread_control(PHYS_MEM, ThreadOp::Start, 0), Err(Error::BadHandle));
    rig.end(a);
    // Stopped while it waits for an answer: the answer comes too late.
    memory::set(1, 0);
    let a = rig.start(caller, 1, 5, &[(e, Rights::SEND, 0), (silent, Rights::SEND, 0)]);
    let Ok(Received::Message { reply, .. }) = ipc::receive(e) else { panic!("no message") };
    check_eq!(thread_control(a.thread, ThreadOp::Stop, 0), Ok(()));
    check_eq!(ipc::reply(reply, &Message::default()), Ok(()));
    check_eq!(memory::get(1), 0);
    check_eq!(thread_control(a.thread, ThreadOp::Start, 0), Ok(()));
    check_eq!(memory::get(1), Error::Dead as u64);
    rig.end(a);
    rig.destroy(silent);
    rig.destroy(e);
}
