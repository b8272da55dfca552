// SPDX-License-Identifier: BSD-2-Clause
//! Interrupts as notifications.

use crate::arch::x86_64::apic;
use crate::arch::x86_64::ioapic::IoApics;
use crate::handle::notification_named;
use crate::kernel::Kernel;
use crate::notification::signal;
use core::cell::Cell;
use ebb_abi::Error;
use ebb_abi::syscall::MSI;

/// Vector of input 0 of the I/O APICs.
const FIRST: u8 = 0x30;
/// Inputs that can be bound.
const INPUTS: usize = 24;
/// Bindings in all: inputs, and message-signalled interrupts after them.
const BINDINGS: usize = 192;
/// Physical address that devices write message-signalled interrupts to; the processor's number goes in bits 12..20.
const MSI_ADDRESS: u64 = 0xfee0_0000;

/// Which notification gets which bits.
pub struct Irqs {
    bindings: [Cell<Binding>; BINDINGS],
    /// The I/O APICs.
    pub io: IoApics,
}

#[derive(Clone, Copy)]
struct Binding {
    /// Frame and generation of the notification, 0: none.
    name: u64,
    bits: u64,
}

/// A binding, for user space.
pub struct Bound {
    /// Address of a message-signalled interrupt, else 0.
    pub address: u64,
    /// Its data, else 0.
    pub data: u64,
    /// Token for `IrqAck`.
    pub token: u64,
}

impl Irqs {
    /// Nothing is bound.
    pub const fn new() -> Irqs {
        Irqs { bindings: [const { Cell::new(Binding { name: 0, bits: 0 }) }; BINDINGS], io: IoApics::new() }
    }
}

/// Binds a source to bits of a notification.
pub fn bind(k: &Kernel, source: u64, name: u64, bits: u64) -> Result<Bound, Error> {
    let binding = Binding { name, bits };
    if source == MSI {
        let free = |cell: &Cell<Binding>| notification_named(cell.get().name).is_none();
        let index = (INPUTS..BINDINGS).find(|i| free(&k.irqs.bindings[*i])).ok_or(Error::Full)?;
        k.irqs.bindings[index].set(binding);
        return Ok(Bound {
            address: MSI_ADDRESS | (apic::id() as u64 & 0xff) << 12,
            data: FIRST as u64 + index as u64,
            token: index as u64,
        });
    }
    let gsi = source as u32;
    if source >= INPUTS as u64 || !k.irqs.io.has(gsi) {
        return Err(Error::BadArgument);
    }
    k.irqs.bindings[gsi as usize].set(binding);
    k.irqs.io.route(gsi, FIRST + gsi as u8);
    Ok(Bound { address: 0, data: 0, token: source })
}

/// Lets a level-triggered input fire again; the others were never held back.
pub fn acknowledge(k: &Kernel, token: u64) -> Result<(), Error> {
    let cell = usize::try_from(token).ok().and_then(|i| k.irqs.bindings.get(i)).ok_or(Error::BadArgument)?;
    if cell.get().name == 0 {
        return Err(Error::BadArgument);
    }
    if token < INPUTS as u64 && k.irqs.io.is_level(token as u32) {
        k.irqs.io.unmask(token as u32);
    }
    Ok(())
}

/// An interrupt came in.
pub fn fired(k: &'static Kernel, vector: u8) {
    let index = vector.wrapping_sub(FIRST) as usize;
    let binding = k.irqs.bindings.get(index).map(Cell::get);
    let target = binding.and_then(|b| Some((notification_named(b.name)?, b.bits)));
    // An edge would be lost while the input is masked; a level would come again at once while it is not. An input that nobody
    // wants any more is masked for good.
    if index < INPUTS && (target.is_none() || k.irqs.io.is_level(index as u32)) {
        k.irqs.io.mask(index as u32);
    }
    apic::end_of_interrupt();
    if let Some((n, bits)) = target {
        signal(k, n, bits);
    }
}
