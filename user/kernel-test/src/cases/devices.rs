// SPDX-License-Identifier: BSD-2-Clause
//! Ports and interrupts.

use super::notifications::{bound, wait_bits};
use crate::assistant::{Rig, must};
use crate::{check, check_eq};
use ebb_abi::boot::handles::{IO_PORT, IRQ, PHYS_MEM};
use ebb_abi::syscall::MSI;
use ebb_abi::{Error, Handle, Rights};
use ebb_sys::device::{irq_ack, irq_bind, port_in, port_out, power_off};
use ebb_sys::ipc::{self, Received};
use ebb_sys::object::{handle_close, handle_copy};

/// The interrupt of the 8254 timer, channel 0, as the I/O APIC sees it on every PC: ISA interrupt 0 is input 2.
const TIMER: u64 = 2;

pub fn ports_and_interrupts(rig: &mut Rig) {
    // The CMOS clock's index register and a location that keeps what is written.
    must(port_out(IO_PORT, 0x70, 1, 0x50));
    must(port_out(IO_PORT, 0x71, 1, 0xa5));
    must(port_out(IO_PORT, 0x70, 1, 0x50));
    check_eq!(port_in(IO_PORT, 0x71, 1), Ok(0xa5));
    check_eq!(port_in(IO_PORT, 0x71, 3), Err(Error::BadArgument));
    check_eq!(port_out(IO_PORT, 0x71, 8, 0), Err(Error::BadArgument));
    check_eq!(port_in(PHYS_MEM, 0x71, 1), Err(Error::BadHandle));
    let weak = must(handle_copy(Handle::NONE, IO_PORT, Rights::empty(), 0));
    check_eq!(power_off(weak, 64), Err(Error::NoRight));
    must(handle_close(weak));

    let n = bound(rig);
    check_eq!(irq_bind(IRQ, 24, n, 0).err(), Some(Error::BadArgument));
    check_eq!(irq_bind(IRQ, u64::MAX, n, 0).err(), Some(Error::BadArgument));
    check_eq!(irq_bind(IRQ, TIMER, n, 64).err(), Some(Error::BadArgument));
    check_eq!(irq_bind(PHYS_MEM, TIMER, n, 0).err(), Some(Error::BadHandle));
    let irq = must(irq_bind(IRQ, TIMER, n, 7));
    for _ in 0..3 {
        // One shot after 1193 ticks, about a millisecond.
        must(port_out(IO_PORT, 0x43, 1, 0x30));
        must(port_out(IO_PORT, 0x40, 1, 0xa9));
        must(port_out(IO_PORT, 0x40, 1, 0x04));
        check_eq!(wait_bits(), 1 << 7);
        check_eq!(irq_ack(IRQ, &irq), Ok(()));
    }
    // Bound again, to another bit; then its notification goes, and with it the binding.
    let irq = must(irq_bind(IRQ, TIMER, n, 9));
    must(port_out(IO_PORT, 0x43, 1, 0x30));
    must(port_out(IO_PORT, 0x40, 1, 0xa9));
    must(port_out(IO_PORT, 0x40, 1, 0x04));
    check_eq!(wait_bits(), 1 << 9);
    check_eq!(irq_ack(IRQ, &irq), Ok(()));
    // Message-signalled: an address and data to write, different for each.
    let first = must(irq_bind(IRQ, MSI, n, 1));
    let second = must(irq_bind(IRQ, MSI, n, 2));
    check_eq!(first.msi_address >> 20, 0xfee);
    check!(first.msi_data != second.msi_data && first.msi_data >= 32);
    check_eq!(irq_ack(IRQ, &first), Ok(()));
    check!(matches!(ipc::poll(Handle::NONE), Ok(None::<Received>)));
    rig.destroy(n);
    // The bindings are free again: as many as there are can be bound.
    let n = rig.notification();
    let mut count = 0;
    while irq_bind(IRQ, MSI, n, 0).is_ok() {
        count += 1;
    }
    check!(count > 100);
    check_eq!(irq_bind(IRQ, MSI, n, 0).err(), Some(Error::Full));
    rig.destroy(n);
}
