// SPDX-License-Identifier: BSD-2-Clause
//! System calls: from the number to the function.

use crate::calls::{device, memory, objects};
use crate::kernel::Kernel;
use crate::object::Ref;
use crate::thread::Thread;
use crate::{destroy, ipc, sched};
use ebb_abi::Error;
use ebb_abi::syscall::Number;

/// A system call of the current thread. Returns the thread to run.
#[inline(always)]
pub fn enter(k: &'static Kernel, current: Ref<Thread>, number: u64) -> Ref<Thread> {
    const CALL: u64 = Number::Call as u64;
    const REPLY_RECEIVE: u64 = Number::ReplyReceive as u64;
    const NULL: u64 = Number::Null as u64;
    k.stats.entries.add(1);
    match number {
        CALL => ipc::call(k, current),
        REPLY_RECEIVE => ipc::reply_receive(k, current),
        NULL => {
            current.regs.rax.set(0);
            current
        }
        _ => dispatch(k, current, number),
    }
}

// The names are those of the numbers.
#[allow(non_upper_case_globals)]
#[inline(never)]
fn dispatch(k: &'static Kernel, current: Ref<Thread>, number: u64) -> Ref<Thread> {
    macro_rules! numbers {
        ($($name:ident => $result:expr,)+ ; $($special:ident => $thread:expr,)+) => {{
            $(const $name: u64 = Number::$name as u64;)+
            $(const $special: u64 = Number::$special as u64;)+
            match number {
                $($special => return $thread,)+
                $($name => $result,)+
                _ => Err(Error::NoSyscall),
            }
        }};
    }
    let result: Result<(), Error> = numbers! {
        Timer => objects::timer(k, current),
        Pending => objects::pending(current),
        Yield => {
            objects::yield_now(k, current);
            Ok(())
        },
        ObjectCreate => objects::create(k, current),
        TaskCreate => objects::task_create(k, current),
        TaskDonate => objects::task_donate(k, current),
        TaskControl => objects::task_control(k, current),
        ThreadCreate => objects::thread_create(k, current),
        ThreadControl => objects::thread_control(k, current),
        Destroy => destroy::destroy(k, current),
        HandleCopy => objects::handle_copy(current),
        HandleClose => objects::handle_close(k, current),
        Map => memory::map(k, current),
        Unmap => memory::unmap(k, current),
        Protect => memory::protect(k, current),
        Extract => memory::extract(current),
        FrameOp => memory::frame_op(k, current),
        ZeroTail => memory::zero_tail(k, current),
        TaskRead => memory::task_read(current),
        Audit => memory::audit(k, current),
        CopyBytes => memory::copy_bytes(k, current),
        PortIn => device::port_in(current),
        PortOut => device::port_out(current),
        IrqBind => device::irq_bind(k, current),
        IrqAck => device::irq_ack(k, current),
        PowerOff => device::power_off(current),
        Log => device::log(current),
        KernelStats => {
            device::kernel_stats(k, current);
            Ok(())
        },
        ;
        Signal => objects::signal(k, current),
        Receive => ipc::receive(k, current),
        Reply => ipc::reply(k, current),
        MapReplyReceive => memory::map_reply_receive(k, current),
    };
    current.regs.rax.set(result.map_or_else(|e| e as u64, |()| 0));
    sched::next(k, current)
}
