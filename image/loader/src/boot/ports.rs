// SPDX-License-Identifier: BSD-2-Clause
//! The few I/O ports that the loader touches: the interrupt controllers of the first PC, the serial ports for what
//! must be said without firmware, and QEMU's exit device.

use core::arch::asm;
use core::fmt::{self, Write};

/// Base ports of the first two serial ports.
const COM: [u16; 2] = [0x3f8, 0x2f8];
/// Port of QEMU's `isa-debug-exit`; writing `v` ends QEMU with status `v << 1 | 1`.
const DEBUG_EXIT: u16 = 0xf4;
/// Written to the exit port when the loader fails (QEMU's status 67).
pub const EXIT_FAILURE: u8 = 0x21;
/// Written to the exit port by an entry that only wants to know whether the loader runs (QEMU's status 33).
pub const EXIT_PROBED: u8 = 0x10;
/// Ends the firmware's and the loader's share of both serial ports: what follows is the machine's own. To a
/// terminal it is an operating system command that it does not know, so nothing is seen of it.
const MARK: &[u8] = b"\x1b]ebb;machine\x07";
/// Attempts to write a byte before the port is taken for absent; a guess, a thousand times what a real one needs.
const PATIENCE: u32 = 1_000_000;

/// Masks both interrupt controllers of the first PC.
pub fn mask_pics() {
    write(0x21, 0xff);
    write(0xa1, 0xff);
}

/// Writes the mark to both serial ports.
pub fn mark() {
    COM.iter().for_each(|&port| send(port, MARK));
}

/// Writes a message to the first serial port without the firmware.
pub fn say(message: fmt::Arguments<'_>) {
    struct Com1;
    impl Write for Com1 {
        fn write_str(&mut self, s: &str) -> fmt::Result {
            send(COM[0], s.as_bytes());
            Ok(())
        }
    }
    // `Com1` never fails, so only a broken `Display` could, and then there is nothing left to say it with.
    let _ = Com1.write_fmt(message);
}

/// Ends QEMU; where there is no such device, stops.
pub fn exit(value: u8) -> ! {
    write(DEBUG_EXIT, value);
    loop {
        // SAFETY: stopping the processor with interrupts off touches no memory.
        unsafe { asm!("cli", "hlt", options(nomem, nostack)) };
    }
}

fn send(port: u16, bytes: &[u8]) {
    for &byte in bytes {
        if !(0..PATIENCE).any(|_| read(port + 5) & 0x20 != 0) {
            return;
        }
        write(port, byte);
    }
}

fn write(port: u16, value: u8) {
    // SAFETY: the callers name only the ports above, none of which makes a device touch memory.
    unsafe { asm!("out dx, al", in("dx") port, in("al") value, options(nomem, nostack, preserves_flags)) };
}

fn read(port: u16) -> u8 {
    let value;
    // SAFETY: as in `write`; reading a line status register has no effect on memory.
    unsafe { asm!("in al, dx", in("dx") port, out("al") value, options(nomem, nostack, preserves_flags)) };
    value
}
