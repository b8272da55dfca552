// SPDX-License-Identifier: BSD-2-Clause
//! The serial port of the log: output only, by polling.

use core::sync::atomic::{AtomicU16, Ordering};
use x86_64::instructions::port::Port;

/// First serial port.
pub const COM1: u16 = 0x3f8;
/// Second serial port.
pub const COM2: u16 = 0x2f8;

static BASE: AtomicU16 = AtomicU16::new(COM1);

/// Chooses the port and sets it to 115200 8N1, interrupts off.
pub fn set_up(base: u16) {
    BASE.store(base, Ordering::Relaxed);
    for (offset, value) in [(1, 0x00u8), (3, 0x80), (0, 0x01), (1, 0x00), (3, 0x03), (2, 0xc7), (4, 0x0b)] {
        // SAFETY: registers of a 16550 (or of nothing); they reach no memory.
        unsafe { Port::new(base + offset).write(value) };
    }
}

/// Sends a byte, when the port is ready for it; where there is no port it is lost.
pub fn send(byte: u8) {
    /// Guessed: some milliseconds, longer than a byte takes at 115200.
    const PATIENCE: u32 = 100_000;
    let base = BASE.load(Ordering::Relaxed);
    for _ in 0..PATIENCE {
        // SAFETY: the line status register; reading it clears error bits that nobody uses.
        if unsafe { Port::<u8>::new(base + 5).read() } & 0x20 != 0 {
            break;
        }
    }
    // SAFETY: the transmit register of the log's port.
    unsafe { Port::new(base).write(byte) };
}
