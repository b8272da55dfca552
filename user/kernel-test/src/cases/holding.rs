// SPDX-License-Identifier: BSD-2-Clause
//! Threads that are held do not run, whatever happens to them, and go on as if nothing had been.

use super::ipc::{caller, echo, message, next_message};
use super::parking::{adder, waiting};
use crate::assistant::{Rig, must};
use crate::{check_eq, memory};
use ebb_abi::boot::handles::THREAD;
use ebb_abi::thread::{State, ThreadOp};
use ebb_abi::{Error, Handle, Rights};
use ebb_sys::ipc;
use ebb_sys::object::{thread_control, thread_look};

fn hold(thread: Handle, held: bool) {
    must(thread_control(thread, ThreadOp::Hold, held as u64));
}

pub fn bits(rig: &mut Rig) {
    let (a, n) = waiting(rig);
    for round in 0..3 {
        let before = memory::get(0);
        hold(a.thread, true);
        // Twice is as good as once.
        hold(a.thread, true);
        must(ipc::signal(n, 1));
        must(ipc::signal(n, 2));
        must(ipc::signal(n, 4));
        check_eq!(memory::get(0), before);
        check_eq!(thread_look(a.thread).map(|(state, _)| state), Ok(State::Ready));
        // Its priority can be changed meanwhile.
        must(thread_control(a.thread, ThreadOp::Priority, 5 + round % 2));
        check_eq!(memory::get(0), before);
        hold(a.thread, false);
        check_eq!(memory::get(0), before + 7);
        hold(a.thread, false);
    }
    rig.end(a);
    rig.destroy(n);
}

pub fn calls(rig: &mut Rig) {
    let (e, silent) = (rig.endpoint(), rig.endpoint());
    // A held caller has its answer when it goes on.
    memory::set(0, 0);
    let a = rig.start(caller, 0, 5, &[(e, Rights::SEND, 0), (silent, Rights::SEND, 0)]);
    hold(a.thread, true);
    let (reply, m, _) = next_message(e);
    must(ipc::reply(reply, &m));
    check_eq!(memory::get(0), 0);
    hold(a.thread, false);
    check_eq!(memory::get(0), 1000);
    rig.end(a);
    // A call of a held server waits until it goes on, also by the short way.
    memory::set(0, 0);
    let server = rig.start(echo, 0, 5, &[(e, Rights::RECEIVE, 0)]);
    hold(server.thread, true);
    let a = rig.start(caller, 0, 5, &[(e, Rights::SEND, 0), (silent, Rights::SEND, 0)]);
    check_eq!(memory::get(0), 0);
    check_eq!(thread_look(a.thread).map(|(state, _)| state), Ok(State::Calling));
    hold(server.thread, false);
    check_eq!(memory::get(0), 1001);
    // And an answer to a held caller does not make it run.
    hold(server.thread, true);
    memory::set(1, 0);
    let b = rig.start(caller, 1, 5, &[(e, Rights::SEND, 0), (silent, Rights::SEND, 0)]);
    hold(b.thread, true);
    hold(server.thread, false);
    check_eq!(memory::get(1), 0);
    // The server serves others meanwhile.
    let answer = must(ipc::call(e, &message(1, [5, 0, 0, 0, 0, 0])));
    check_eq!(answer.words[0], 6);
    hold(b.thread, false);
    check_eq!(memory::get(1), 1002);
    for one in [a, b, server] {
        rig.end(one);
    }
    rig.destroy(e);
    rig.destroy(silent);
}

pub fn edges(rig: &mut Rig) {
    check_eq!(thread_control(THREAD, ThreadOp::Hold, 1), Err(Error::BadArgument));
    let (a, n) = waiting(rig);
    check_eq!(thread_control(a.thread, ThreadOp::Hold, 2), Err(Error::BadArgument));
    // One that is held and woken ends like any other, and one that is stopped stays stopped.
    hold(a.thread, true);
    must(ipc::signal(n, 1));
    must(thread_control(a.thread, ThreadOp::Stop, 0));
    hold(a.thread, false);
    check_eq!(thread_look(a.thread).map(|(state, _)| state), Ok(State::Stopped));
    check_eq!(memory::get(0), 0);
    hold(a.thread, true);
    must(thread_control(a.thread, ThreadOp::Start, 0));
    check_eq!(memory::get(0), 0);
    rig.end(a);
    // One that never ran.
    memory::set(0, 0);
    let a = rig.prepare(adder, 0, &[]);
    must(thread_control(a.thread, ThreadOp::Bind, n.0 as u64));
    hold(a.thread, true);
    must(thread_control(a.thread, ThreadOp::Priority, 5));
    must(thread_control(a.thread, ThreadOp::Start, 0));
    must(ipc::signal(n, 3));
    check_eq!(memory::get(0), 0);
    hold(a.thread, false);
    check_eq!(memory::get(0), 3);
    rig.end(a);
    rig.destroy(n);
}
