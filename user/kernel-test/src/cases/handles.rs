// SPDX-License-Identifier: BSD-2-Clause
//! Handles and system call numbers.

use crate::assistant::{Rig, must};
use crate::{check, check_eq, raw};
use ebb_abi::boot::handles::{PHYS_MEM, TASK, THREAD};
use ebb_abi::syscall::Number;
use ebb_abi::{Error, Handle, Rights};
use ebb_sys::ipc;
use ebb_sys::object::{self, Donation, handle_close, handle_copy};

pub fn numbers(_: &mut Rig) {
    check!(raw::keeps_registers(Number::Null as u64));
    check!(raw::keeps_registers(Number::Yield as u64));
    for number in [10, 15, 25, 31, 41, 47, 55, 1000, u64::MAX, 1 << 32] {
        let mut r = [0; 11];
        r[0] = number;
        // SAFETY: no such call.
        check_eq!(unsafe { raw::syscall(r) }.0, Error::NoSyscall as u64);
    }
    let stats = ebb_sys::kernel_stats();
    ebb_sys::null();
    check_eq!(ebb_sys::kernel_stats().entries, stats.entries + 2);
    check!(stats.boot_tsc > 0 && stats.boot_tsc < ebb_sys::time::tsc());
}

pub fn copies(rig: &mut Rig) {
    let n = rig.notification();
    let weak = must(handle_copy(Handle::NONE, n, Rights::RECEIVE | Rights::GRANT, 0));
    check_eq!(ipc::signal(weak, 1), Err(Error::NoRight));
    check_eq!(ipc::timer(n, 1, 0), Ok(()));
    check_eq!(handle_copy(Handle::NONE, weak, Rights::SEND, 0), Err(Error::NoRight));
    let bare = must(handle_copy(Handle::NONE, weak, Rights::RECEIVE, 0));
    check_eq!(handle_copy(Handle::NONE, bare, Rights::RECEIVE, 0), Err(Error::NoRight));
    check_eq!(object::destroy_step(weak, |_| ()), Err(Error::NoRight));
    for h in [weak, bare] {
        check_eq!(handle_close(h), Ok(()));
        check_eq!(handle_close(h), Err(Error::BadHandle));
    }
    for bad in [0, 6 + 200, 255, 256, 4095, 4096, u32::MAX] {
        check_eq!(ipc::signal(Handle(bad), 1), Err(Error::BadHandle));
        check_eq!(handle_close(Handle(bad)), Err(Error::BadHandle));
    }
    // Objects of other kinds.
    for other in [TASK, PHYS_MEM, THREAD] {
        check_eq!(ipc::signal(other, 1), Err(Error::BadHandle));
        check_eq!(ipc::receive(other).err(), Some(Error::BadHandle));
    }
    rig.destroy(n);
}

pub fn stale(rig: &mut Rig) {
    let n = rig.notification();
    let copy = must(handle_copy(Handle::NONE, n, Rights::SEND | Rights::GRANT, 0));
    rig.destroy(n);
    check_eq!(ipc::signal(copy, 1), Err(Error::Dead));
    // The same frame as another object of the same kind, and of another kind.
    let again = rig.notification();
    check_eq!(ipc::signal(copy, 1), Err(Error::Dead));
    rig.destroy(again);
    let e = rig.endpoint();
    check_eq!(ipc::signal(copy, 1), Err(Error::Dead));
    check_eq!(handle_copy(Handle::NONE, copy, Rights::SEND, 0).map(handle_close), Ok(Ok(())));
    check_eq!(handle_close(copy), Ok(()));
    rig.destroy(e);
}

pub fn growth(rig: &mut Rig) {
    let task = rig.task(0);
    for index in 1..256 {
        let slot = handle_copy(task, PHYS_MEM, Rights::HARVEST, 0);
        if slot != Ok(Handle(index)) {
            check_eq!(slot, Ok(Handle(index)));
        }
    }
    check_eq!(handle_copy(task, PHYS_MEM, Rights::HARVEST, 0), Err(Error::NoSlot));
    let frame = rig.frames.take();
    check_eq!(object::donate(PHYS_MEM, task, Donation::Handles, &[frame]), Ok(1));
    for index in 256..512 {
        let slot = handle_copy(task, PHYS_MEM, Rights::HARVEST, 0);
        if slot != Ok(Handle(index)) {
            check_eq!(slot, Ok(Handle(index)));
        }
    }
    check_eq!(handle_copy(task, PHYS_MEM, Rights::HARVEST, 0), Err(Error::NoSlot));
    // Sixteen frames are the most.
    for _ in 2..16 {
        let frame = rig.frames.take();
        must(object::donate(PHYS_MEM, task, Donation::Handles, &[frame]));
    }
    let frame = rig.frames.take();
    check_eq!(object::donate(PHYS_MEM, task, Donation::Handles, &[frame]), Err(Error::Full));
    rig.frames.give(frame);
    rig.destroy(task);
}
