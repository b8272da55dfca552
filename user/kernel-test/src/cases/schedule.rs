// SPDX-License-Identifier: BSD-2-Clause
//! Who runs.

use super::notifications::{bound, wait_bits};
use crate::assistant::{Rig, must};
use crate::{check, check_eq, memory};
use ebb_abi::thread::ThreadOp;
use ebb_abi::{Handle, Rights};
use ebb_sys::ipc::{self, Message, Received};
use ebb_sys::object::thread_control;
use ebb_sys::time::tsc;

/// Adds the bits that it gets to the shared word of its number.
extern "C" fn listener(number: u64) -> ! {
    loop {
        if let Ok(Received::Bits(bits)) = ipc::receive(Handle::NONE) {
            memory::set(number as usize, memory::get(number as usize) + bits);
        }
    }
}

/// Counts in the shared word of its number.
extern "C" fn spinner(number: u64) -> ! {
    loop {
        memory::add(number as usize);
    }
}

/// Counts, and lets the others run.
extern "C" fn yielder(number: u64) -> ! {
    loop {
        memory::add(number as usize);
        ebb_sys::yield_now();
    }
}

pub fn preemption(rig: &mut Rig) {
    for (priority, at_once) in [(5, true), (1, false)] {
        memory::set(0, 0);
        let n = rig.notification();
        let a = rig.prepare(listener, 0, &[]);
        must(thread_control(a.thread, ThreadOp::Bind, n.0 as u64));
        must(thread_control(a.thread, ThreadOp::Priority, priority));
        must(thread_control(a.thread, ThreadOp::Start, 0));
        must(ipc::signal(n, 1));
        check_eq!(memory::get(0), at_once as u64);
        must(ipc::signal(n, 1 << 20));
        check_eq!(memory::get(0), if at_once { 1 | 1 << 20 } else { 0 });
        // A timer of ours: while we wait, lower priorities run.
        let own = bound(rig);
        must(ipc::timer(own, 1, tsc() + rig.info.tsc_hz / 500));
        check_eq!(wait_bits(), 1);
        check_eq!(memory::get(0), 1 | 1 << 20);
        // Raised while it is ready.
        must(thread_control(a.thread, ThreadOp::Priority, 1));
        must(ipc::signal(n, 1 << 30));
        check!(memory::get(0) < 1 << 30);
        must(thread_control(a.thread, ThreadOp::Priority, 6));
        check!(memory::get(0) >= 1 << 30);
        rig.destroy(own);
        rig.end(a);
        rig.destroy(n);
    }
}

pub fn quantum(rig: &mut Rig) {
    (0..4).for_each(|i| memory::set(i, 0));
    let spinners: [_; 3] = core::array::from_fn(|i| rig.start(spinner, i as u64, 2, &[]));
    let low = rig.start(spinner, 3, 1, &[]);
    let n = bound(rig);
    // A host under load may stop the machine for longer than a quantum: so a tenth of a second, again and again.
    let all_ran = (0..50).any(|_| {
        must(ipc::timer(n, 1, tsc() + rig.info.tsc_hz / 10));
        check_eq!(wait_bits(), 1);
        (0..3).all(|i| memory::get(i) > 0)
    });
    check!(all_ran);
    check_eq!(memory::get(3), 0);
    spinners.into_iter().for_each(|s| rig.end(s));
    rig.end(low);
    rig.destroy(n);
}

pub fn yields(rig: &mut Rig) {
    (0..2).for_each(|i| memory::set(i, 0));
    let yielders: [_; 2] = core::array::from_fn(|i| rig.start(yielder, i as u64, 2, &[]));
    let n = bound(rig);
    let both_ran = (0..50).any(|_| {
        must(ipc::timer(n, 1, tsc() + rig.info.tsc_hz / 200));
        check_eq!(wait_bits(), 1);
        memory::get(0).min(memory::get(1)) > 10
    });
    check!(both_ran);
    // In turn; one more only where a quantum ended between counting and yielding.
    check!(memory::get(0).abs_diff(memory::get(1)) <= 50);
    yielders.into_iter().for_each(|s| rig.end(s));
    rig.destroy(n);
    // Alone it is nothing.
    ebb_sys::yield_now();
}

/// Answers with the shared word 0, and counts its calls in word 1.
extern "C" fn reader(_: u64) -> ! {
    let mut received = ipc::receive(Handle(1));
    loop {
        let Ok(Received::Message { reply, mut message, .. }) = received else { crate::raw::undefined() };
        memory::add(1);
        message.words[0] = memory::get(0);
        received = ipc::reply_receive(reply, &message, Handle(1));
    }
}

pub fn calls(rig: &mut Rig) {
    // A server of lower priority than a busy thread: the busy thread goes first, as long as it lives.
    (0..3).for_each(|i| memory::set(i, 0));
    let e = rig.endpoint();
    let server = rig.start(reader, 0, 1, &[(e, Rights::RECEIVE, 0)]);
    must(ipc::call(e, &Message::default()));
    check_eq!(memory::get(1), 1);
    let busy = rig.start(spinner, 0, 2, &[]);
    let n = bound(rig);
    must(ipc::timer(n, 1, tsc() + rig.info.tsc_hz / 500));
    check_eq!(wait_bits(), 1);
    check!(memory::get(0) > 0);
    must(thread_control(busy.thread, ThreadOp::Stop, 0));
    let answer = must(ipc::call(e, &Message::default()));
    check_eq!(answer.words[0], memory::get(0));
    rig.end(busy);
    rig.end(server);
    rig.destroy(n);
    rig.destroy(e);
}
