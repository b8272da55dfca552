// SPDX-License-Identifier: BSD-2-Clause
//! The kernel's log: lines on a serial port, polled. For the boot, for what ends threads, and for the end.

use crate::arch::x86_64::serial;
use core::fmt;

/// Where formatted text goes.
pub struct Log;

impl fmt::Write for Log {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        write(text.as_bytes());
        Ok(())
    }
}

/// Writes bytes; a line feed becomes carriage return and line feed.
pub fn write(bytes: &[u8]) {
    for byte in bytes {
        byte_out(*byte);
    }
}

/// Writes a byte, as [`write()`] does.
pub fn byte_out(byte: u8) {
    if byte == b'\n' {
        serial::send(b'\r');
    }
    serial::send(byte);
}

/// Writes a line.
pub fn line(text: fmt::Arguments) {
    // The log takes everything: no error to tell of.
    let _ = fmt::write(&mut Log, format_args!("kernel: {text}\n"));
}

/// Writes a line.
#[macro_export]
macro_rules! log {
    ($($arg:tt)*) => { $crate::log::line(format_args!($($arg)*)) };
}
