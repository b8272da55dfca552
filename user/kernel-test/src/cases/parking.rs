// SPDX-License-Identifier: BSD-2-Clause
//! Threads that wait are taken out of the kernel and put back.

use super::ipc::{caller, echo};
use super::notifications::{bound, wait_bits};
use crate::assistant::{Assistant, Rig, must};
use crate::{check, check_eq, memory};
use ebb_abi::boot::handles::PHYS_MEM;
use ebb_abi::frame::Piece;
use ebb_abi::layout::{IMAGE, MESSAGE_BUFFER, STACK_TOP, USER_END};
use ebb_abi::thread::{Registers, State, ThreadOp};
use ebb_abi::{Error, Frame, Handle, Rights};
use ebb_sys::ipc::{self, Received};
use ebb_sys::memory::{copy_bytes, extract};
use ebb_sys::object::{
    self, Start, thread_control, thread_look, thread_park, thread_registers, thread_set_registers,
};

/// Adds what it gets to the shared word of its number, and counts in the next one: both sums are its own, on its stack. In its message buffer the sum is too.
pub extern "C" fn adder(number: u64) -> ! {
    let (mut sum, mut count) = (0u64, 0u64);
    loop {
        let kept = &ebb_sys::buffer::vector()[7];
        kept.set(sum);
        if let Ok(Received::Bits(bits)) = ipc::receive(Handle::NONE)
            && kept.get() == sum
        {
            sum += bits;
            count += 1;
            memory::set(number as usize, sum);
            memory::set(number as usize + 1, count);
        } else {
            memory::set(number as usize + 1, u64::MAX);
        }
    }
}

/// An adder of priority 5, which waits.
pub fn waiting(rig: &mut Rig) -> (Assistant, Handle) {
    memory::set(0, 0);
    memory::set(1, 0);
    let n = rig.notification();
    let a = rig.prepare(adder, 0, &[]);
    must(thread_control(a.thread, ThreadOp::Bind, n.0 as u64));
    must(thread_control(a.thread, ThreadOp::Priority, 5));
    must(thread_control(a.thread, ThreadOp::Start, 0));
    check_eq!(thread_look(a.thread).map(|(state, _)| state), Ok(State::Waiting));
    (a, n)
}

/// Makes the thread anew, from other frames; what was in its buffer is copied there.
fn bring_back(rig: &mut Rig, a: &mut Assistant, n: Handle, registers: &Registers, old: Frame) {
    let [frame, buffer, kept] = rig.frames.take_many();
    // Whatever the old one is used for from here on.
    let whole = |from, to| Piece { from, from_offset: 0, to, to_offset: 0, bytes: 4096 };
    check_eq!(copy_bytes(PHYS_MEM, &[whole(old, kept)]), Ok(()));
    let start = Start { buffer: MESSAGE_BUFFER, entry: IMAGE, stack: STACK_TOP - 8, argument: 0 };
    a.thread = must(object::thread_create(PHYS_MEM, a.task, frame, buffer, start));
    check_eq!(copy_bytes(PHYS_MEM, &[whole(buffer, kept)]), Err(Error::BadFrame));
    check_eq!(copy_bytes(PHYS_MEM, &[whole(kept, frame)]), Err(Error::BadFrame));
    check_eq!(copy_bytes(PHYS_MEM, &[whole(kept, buffer)]), Ok(()));
    rig.frames.give(kept);
    must(thread_set_registers(a.thread, registers));
    must(thread_control(a.thread, ThreadOp::Priority, 5));
    must(thread_control(a.thread, ThreadOp::Bind, n.0 as u64));
    must(thread_control(a.thread, ThreadOp::Start, 0));
}

pub fn round_trip(rig: &mut Rig) {
    let (mut a, n) = waiting(rig);
    let own = bound(rig);
    let mut sum = 0;
    for round in 1..=20 {
        must(ipc::signal(n, round));
        sum += round;
        check_eq!(memory::get(0), sum);
        check_eq!(thread_park(a.thread, own, 1 << 7), Ok(()));
        check_eq!(thread_look(a.thread).map(|(state, _)| state), Ok(State::Stopped));
        let registers = must(thread_registers(a.thread));
        let (buffer, _) = must(extract(a.task, MESSAGE_BUFFER));
        rig.destroy(a.thread);
        check_eq!(ipc::pending(n), Ok(0));
        // While it is away bits come, or none.
        if round % 2 == 0 {
            must(ipc::signal(n, 1 << 20));
            must(ipc::signal(n, 1 << 21));
            check_eq!(wait_bits(), 1 << 7);
            check_eq!((ipc::pending(n), ipc::pending(n)), (Ok(3 << 20), Ok(3 << 20)));
            sum += 3 << 20;
        }
        bring_back(rig, &mut a, n, &registers, buffer);
        check_eq!(memory::get(0), sum);
        check_eq!(thread_look(a.thread).map(|(state, _)| state), Ok(State::Waiting));
    }
    check_eq!(memory::get(1), 30);
    rig.end(a);
    rig.destroy(n);
    rig.destroy(own);
}

pub fn refused(rig: &mut Rig) {
    let own = bound(rig);
    let e = rig.endpoint();
    // Never started.
    let a = rig.prepare(adder, 0, &[]);
    check_eq!(thread_look(a.thread), Ok((State::Stopped, 0)));
    check_eq!(thread_park(a.thread, own, 1), Err(Error::WouldBlock));
    // Ready: nobody lets it run.
    must(thread_control(a.thread, ThreadOp::Start, 0));
    check_eq!(thread_look(a.thread), Ok((State::Ready, 0)));
    check_eq!(thread_park(a.thread, own, 1), Err(Error::WouldBlock));
    rig.end(a);
    // It calls; it receives from an endpoint, with and without a notification.
    let a = rig.start(caller, 0, 5, &[(e, Rights::SEND, 0), (e, Rights::SEND, 0)]);
    check_eq!(thread_look(a.thread).map(|(state, _)| state), Ok(State::Calling));
    check_eq!(thread_park(a.thread, own, 1), Err(Error::WouldBlock));
    rig.end(a);
    let n = rig.notification();
    for bind in [false, true] {
        let a = rig.prepare(echo, 0, &[(e, Rights::RECEIVE, 0)]);
        if bind {
            must(thread_control(a.thread, ThreadOp::Bind, n.0 as u64));
        }
        must(thread_control(a.thread, ThreadOp::Priority, 5));
        must(thread_control(a.thread, ThreadOp::Start, 0));
        check_eq!(thread_look(a.thread).map(|(state, _)| state), Ok(State::Receiving));
        check_eq!(thread_park(a.thread, own, 1), Err(Error::WouldBlock));
        rig.end(a);
    }
    // Nobody to kick, and no right to.
    let (a, m) = waiting(rig);
    check_eq!(thread_park(a.thread, e, 1), Err(Error::BadHandle));
    check_eq!(thread_park(a.thread, Handle::NONE, 1), Err(Error::BadHandle));
    check_eq!(ipc::pending(e), Err(Error::BadHandle));
    let send = must(object::handle_copy(Handle::NONE, own, Rights::SEND, 0));
    check_eq!(ipc::pending(send), Err(Error::NoRight));
    must(object::handle_close(send));
    let weak = must(object::handle_copy(Handle::NONE, own, Rights::RECEIVE, 0));
    check_eq!(thread_park(a.thread, weak, 1), Err(Error::NoRight));
    must(object::handle_close(weak));
    // Nothing of it has changed.
    must(ipc::signal(m, 5));
    check_eq!(memory::get(0), 5);
    rig.end(a);
    for handle in [m, n, e, own] {
        rig.destroy(handle);
    }
}

pub fn kicks(rig: &mut Rig) {
    let own = bound(rig);
    let (a, n) = waiting(rig);
    let none = |rig: &mut Rig| {
        must(ipc::timer(own, 1 << 40, 1));
        check_eq!(wait_bits(), 1 << 40);
        let _ = rig;
    };
    // One, for the first bits.
    check_eq!(thread_park(a.thread, own, 6), Ok(()));
    must(ipc::signal(n, 0));
    none(rig);
    must(ipc::signal(n, 1));
    check_eq!(wait_bits(), 6);
    must(ipc::signal(n, 2));
    none(rig);
    // Bound again and started: it has the bits, and they kick nobody any more.
    must(thread_control(a.thread, ThreadOp::Bind, n.0 as u64));
    must(thread_control(a.thread, ThreadOp::Start, 0));
    check_eq!(memory::get(0), 3);
    must(ipc::signal(n, 4));
    check_eq!(memory::get(0), 7);
    none(rig);
    // Parked and bound again before anything came: no kick is left behind.
    check_eq!(thread_park(a.thread, own, 6), Ok(()));
    must(thread_control(a.thread, ThreadOp::Bind, n.0 as u64));
    must(ipc::signal(n, 8));
    none(rig);
    must(thread_control(a.thread, ThreadOp::Start, 0));
    check_eq!(memory::get(0), 15);
    // A timer of the parked one kicks too.
    check_eq!(thread_park(a.thread, own, 6), Ok(()));
    must(ipc::timer(n, 16, ebb_sys::time::tsc() + rig.info.tsc_hz / 1000));
    check_eq!(wait_bits(), 6);
    must(thread_control(a.thread, ThreadOp::Bind, n.0 as u64));
    must(thread_control(a.thread, ThreadOp::Start, 0));
    check_eq!(memory::get(0), 31);
    // Whom nobody can tell any more: the bits stay.
    let other = rig.notification();
    check_eq!(thread_park(a.thread, other, 1), Ok(()));
    rig.destroy(other);
    must(ipc::signal(n, 32));
    must(thread_control(a.thread, ThreadOp::Bind, n.0 as u64));
    must(thread_control(a.thread, ThreadOp::Start, 0));
    check_eq!(memory::get(0), 63);
    // To itself, where nobody receives.
    check_eq!(thread_park(a.thread, n, 1 << 30), Ok(()));
    must(ipc::signal(n, 64));
    must(thread_control(a.thread, ThreadOp::Bind, n.0 as u64));
    must(thread_control(a.thread, ThreadOp::Start, 0));
    check_eq!(memory::get(0), 127 + (1 << 30));
    rig.end(a);
    rig.destroy(n);
    rig.destroy(own);
}

pub fn registers(rig: &mut Rig) {
    let a = rig.prepare(adder, 0, &[]);
    let before = must(thread_registers(a.thread));
    let flags = |rflags| Registers { rflags, ..before };
    // What would give it the machine's ports, virtual mode, single steps or a processor without interrupts.
    for (wanted, got) in [(0, 0x202), (u64::MAX, 0x24_0ed7), (1 << 8 | 3 << 12 | 1 << 14 | 1 << 17, 0x202)] {
        check_eq!(thread_set_registers(a.thread, &flags(wanted)), Ok(()));
        check_eq!(thread_registers(a.thread).map(|r| r.rflags), Ok(got));
    }
    check_eq!(thread_set_registers(a.thread, &before), Ok(()));
    for wrong in [
        Registers { rip: 0, ..before },
        Registers { rip: USER_END, ..before },
        Registers { rip: u64::MAX, ..before },
        Registers { rsp: 1 << 47, ..before },
    ] {
        check_eq!(thread_set_registers(a.thread, &wrong), Err(Error::BadAddress));
    }
    check_eq!(thread_registers(a.thread), Ok(before));
    let n = rig.notification();
    must(thread_control(a.thread, ThreadOp::Bind, n.0 as u64));
    must(thread_control(a.thread, ThreadOp::Priority, 5));
    must(thread_control(a.thread, ThreadOp::Start, 0));
    check_eq!(thread_set_registers(a.thread, &before), Err(Error::BadArgument));
    // It was given the processor once; each bit is once more.
    let (_, runs) = must(thread_look(a.thread));
    for n_ in 1..=5 {
        must(ipc::signal(n, 1));
        check_eq!(thread_look(a.thread), Ok((State::Waiting, runs + n_)));
    }
    check!(runs == 1);
    rig.end(a);
    rig.destroy(n);
}
