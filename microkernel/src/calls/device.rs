// SPDX-License-Identifier: BSD-2-Clause
//! System calls for drivers, for the log, and for the end.

use super::vector;
use crate::arch::x86_64::port;
use crate::handle::{lookup, privilege};
use crate::kernel::Kernel;
use crate::notification::Notification;
use crate::object::Ref;
use crate::thread::Thread;
use crate::{epitaph, irq, log};
use ebb_abi::message::MAX_BYTES;
use ebb_abi::{Error, Kind, Rights};

fn port_number(current: Ref<Thread>) -> Result<u16, Error> {
    privilege(current.task(), current.regs.rdi.get(), Kind::IoPort, Rights::empty())?;
    u16::try_from(current.regs.rsi.get()).map_err(|_| Error::BadArgument)
}

/// `PortIn`.
pub fn port_in(current: Ref<Thread>) -> Result<(), Error> {
    let number = port_number(current)?;
    let value = port::read(number, current.regs.rdx.get()).ok_or(Error::BadArgument)?;
    current.regs.rdi.set(value as u64);
    Ok(())
}

/// `PortOut`.
pub fn port_out(current: Ref<Thread>) -> Result<(), Error> {
    let number = port_number(current)?;
    let regs = &current.regs;
    port::write(number, regs.rdx.get(), regs.r10.get() as u32).ok_or(Error::BadArgument)
}

/// `IrqBind`.
pub fn irq_bind(k: &Kernel, current: Ref<Thread>) -> Result<(), Error> {
    let regs = &current.regs;
    privilege(current.task(), regs.rdi.get(), Kind::Irq, Rights::empty())?;
    let (_, e) = lookup::<Notification>(current.task(), regs.rdx.get(), Rights::SEND)?;
    let bit = u32::try_from(regs.r10.get()).ok().and_then(|b| 1u64.checked_shl(b));
    let bound = irq::bind(k, regs.rsi.get(), e.name.get(), bit.ok_or(Error::BadArgument)?)?;
    regs.rdi.set(bound.address);
    regs.rsi.set(bound.data);
    regs.rdx.set(bound.token);
    Ok(())
}

/// `IrqAck`.
pub fn irq_ack(k: &Kernel, current: Ref<Thread>) -> Result<(), Error> {
    privilege(current.task(), current.regs.rdi.get(), Kind::Irq, Rights::empty())?;
    irq::acknowledge(k, current.regs.rsi.get())
}

/// `PowerOff`.
pub fn power_off(current: Ref<Thread>) -> Result<(), Error> {
    privilege(current.task(), current.regs.rdi.get(), Kind::IoPort, Rights::MANAGE)?;
    let value = u8::try_from(current.regs.rsi.get()).map_err(|_| Error::BadArgument)?;
    epitaph::end(value)
}

/// `Log`.
pub fn log(current: Ref<Thread>) -> Result<(), Error> {
    let len = current.regs.rdi.get();
    if len > MAX_BYTES as u64 {
        return Err(Error::BadArgument);
    }
    let mut left = len;
    for cell in vector(current, len.div_ceil(8))? {
        for byte in cell.get().to_le_bytes().into_iter().take(left as usize) {
            log::byte_out(byte);
        }
        left = left.saturating_sub(8);
    }
    Ok(())
}

/// `KernelStats`.
pub fn kernel_stats(k: &Kernel, current: Ref<Thread>) {
    let regs = &current.regs;
    regs.rdi.set(k.stats.idle.get());
    regs.rsi.set(k.stats.switches.get());
    regs.rdx.set(k.stats.entries.get());
    regs.r10.set(k.stats.faults.get());
    regs.r8.set(k.stats.interrupts.get());
    regs.r9.set(k.machine.boot_tsc.get());
}
