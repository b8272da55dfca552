// SPDX-License-Identifier: BSD-2-Clause
//! Notifications and timers.

use super::ipc::caller;
use crate::assistant::{Rig, must};
use crate::{check, check_eq};
use ebb_abi::boot::handles::THREAD;
use ebb_abi::thread::ThreadOp;
use ebb_abi::{Error, Handle, Rights};
use ebb_sys::ipc::{self, Message, Received};
use ebb_sys::object::thread_control;
use ebb_sys::time::tsc;

/// Bits of the bound notification that are there already, 0 if there are none.
fn poll_bits(e: Handle) -> u64 {
    match ipc::poll(e) {
        Ok(Some(Received::Bits(bits))) => bits,
        Ok(None) => 0,
        other => panic!("no bits: {other:?}"),
    }
}

/// Waits for bits.
pub fn wait_bits() -> u64 {
    match ipc::receive(Handle::NONE) {
        Ok(Received::Bits(bits)) => bits,
        other => panic!("no bits: {other:?}"),
    }
}

/// A notification, bound to the test's own thread.
pub fn bound(rig: &mut Rig) -> Handle {
    let n = rig.notification();
    must(thread_control(THREAD, ThreadOp::Bind, n.0 as u64));
    n
}

pub fn bits(rig: &mut Rig) {
    let n = bound(rig);
    check_eq!(poll_bits(Handle::NONE), 0);
    check_eq!(ipc::signal(n, 1), Ok(()));
    check_eq!(ipc::signal(n, 4), Ok(()));
    check_eq!(ipc::signal(n, 1 << 63), Ok(()));
    check_eq!(wait_bits(), 5 | 1 << 63);
    check_eq!(poll_bits(Handle::NONE), 0);
    // Nothing to say is nothing said.
    check_eq!(ipc::signal(n, 0), Ok(()));
    check_eq!(poll_bits(Handle::NONE), 0);
    // One thread a notification.
    let a = rig.prepare(caller, 0, &[]);
    check_eq!(thread_control(a.thread, ThreadOp::Bind, n.0 as u64), Err(Error::BadArgument));
    // Bits set before the binding are kept; a thread has one binding, the last.
    let other = rig.notification();
    check_eq!(ipc::signal(other, 2), Ok(()));
    check_eq!(thread_control(THREAD, ThreadOp::Bind, other.0 as u64), Ok(()));
    check_eq!(ipc::signal(n, 1), Ok(()));
    check_eq!(wait_bits(), 2);
    check_eq!(thread_control(a.thread, ThreadOp::Bind, n.0 as u64), Ok(()));
    rig.end(a);
    rig.destroy(n);
    rig.destroy(other);
    check_eq!(ipc::receive(Handle::NONE).err(), Some(Error::BadArgument));
}

pub fn before_messages(rig: &mut Rig) {
    let (e, silent) = (rig.endpoint(), rig.endpoint());
    let n = bound(rig);
    let a = rig.start(caller, 0, 5, &[(e, Rights::SEND, 0), (silent, Rights::SEND, 0)]);
    check_eq!(ipc::signal(n, 8), Ok(()));
    check_eq!(poll_bits(e), 8);
    let Ok(Received::Message { reply, .. }) = ipc::receive(e) else { panic!("no message") };
    // Answering and receiving in one, with bits there.
    check_eq!(ipc::signal(n, 16), Ok(()));
    check!(matches!(ipc::reply_receive(reply, &Message::default(), e), Ok(Received::Bits(16))));
    rig.end(a);
    rig.destroy(n);
    rig.destroy(silent);
    rig.destroy(e);
}

pub fn timers(rig: &mut Rig) {
    let ms = rig.info.tsc_hz / 1000;
    let n = bound(rig);
    // The past rings at once.
    check_eq!(ipc::timer(n, 1, 1), Ok(()));
    check_eq!(poll_bits(Handle::NONE), 1);
    // A host under load may stop the machine at any moment: only "not before" can be relied on.
    let start = tsc();
    check_eq!(ipc::timer(n, 2, start + 5 * ms), Ok(()));
    let early = poll_bits(Handle::NONE);
    check!(early == 0 || tsc() - start >= 5 * ms);
    check_eq!(if early == 0 { wait_bits() } else { early }, 2);
    check!(tsc() - start >= 5 * ms);
    // Armed again before it rang: once, at the second time. Disarmed: never.
    let start = tsc();
    must(ipc::timer(n, 4, start + 100_000 * ms));
    must(ipc::timer(n, 8, start + 4 * ms));
    check_eq!(wait_bits(), 8);
    check!(tsc() - start >= 4 * ms);
    must(ipc::timer(n, 4, tsc() + 100_000 * ms));
    must(ipc::timer(n, 4, 0));
    must(ipc::timer(n, 16, tsc() + 6 * ms));
    check_eq!(wait_bits(), 16);
    // Several notifications, armed out of order: they ring in order. The thread is bound to each in turn.
    let others: [Handle; 4] = core::array::from_fn(|_| rig.notification());
    let start = tsc();
    for (i, at) in [3, 1, 4, 2].into_iter().enumerate() {
        must(ipc::timer(others[i], 1, start + at * 3 * ms));
    }
    for (i, at) in [(1, 1), (3, 2), (0, 3), (2, 4)] {
        must(thread_control(THREAD, ThreadOp::Bind, others[i].0 as u64));
        check_eq!(wait_bits(), 1);
        check!(tsc() - start >= at * 3 * ms);
    }
    // A notification goes with its timer armed.
    must(ipc::timer(n, 1, tsc() + ms));
    rig.destroy(n);
    must(ipc::timer(others[0], 1, tsc() + 3 * ms));
    must(thread_control(THREAD, ThreadOp::Bind, others[0].0 as u64));
    check_eq!(wait_bits(), 1);
    others.into_iter().for_each(|n| rig.destroy(n));
}
