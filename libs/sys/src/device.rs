// SPDX-License-Identifier: BSD-2-Clause
//! Ports, interrupts, and the end of the machine.

use crate::Result;
use crate::raw::syscall4;
use ebb_abi::Handle;
use ebb_abi::syscall::Number;

/// Reads a port; `width` is 1, 2 or 4 bytes.
pub fn port_in(io: Handle, port: u16, width: u8) -> Result<u32> {
    syscall4(Number::PortIn, io.0 as u64, port as u64, width as u64, 0).map(|r| r.0 as u32)
}

/// Writes a port; `width` is 1, 2 or 4 bytes.
pub fn port_out(io: Handle, port: u16, width: u8, value: u32) -> Result<()> {
    syscall4(Number::PortOut, io.0 as u64, port as u64, width as u64, value as u64).map(|_| ())
}

/// A bound interrupt.
#[derive(Clone, Copy, Debug)]
pub struct Interrupt {
    /// For a message-signalled interrupt: the address to write to.
    pub msi_address: u64,
    /// For a message-signalled interrupt: the data to write.
    pub msi_data: u64,
    token: u64,
}

/// Binds an interrupt source ([`ebb_abi::syscall::MSI`] or an I/O APIC input) to one bit of a notification.
pub fn irq_bind(irq: Handle, source: u64, notification: Handle, bit: u32) -> Result<Interrupt> {
    let (msi_address, msi_data, token) =
        syscall4(Number::IrqBind, irq.0 as u64, source, notification.0 as u64, bit as u64)?;
    Ok(Interrupt { msi_address, msi_data, token })
}

/// Lets an I/O APIC interrupt fire again.
pub fn irq_ack(irq: Handle, interrupt: &Interrupt) -> Result<()> {
    syscall4(Number::IrqAck, irq.0 as u64, interrupt.token, 0, 0).map(|_| ())
}

/// Ends the machine with an exit value for QEMU.
pub fn power_off(io: Handle, value: u8) -> Result<()> {
    syscall4(Number::PowerOff, io.0 as u64, value as u64, 0, 0).map(|_| ())
}
