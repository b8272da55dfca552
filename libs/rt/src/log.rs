// SPDX-License-Identifier: BSD-2-Clause
//! Lines in the kernel's log: for what a person debugging the system wants to see, never for a program's output.

use core::fmt::{self, Write};

/// A line put together on the stack, so that logging allocates nothing. What does not fit is cut off.
struct Line {
    bytes: [u8; 480],
    len: usize,
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.bytes.len() - 1 - self.len;
        let mut take = text.len().min(room);
        while !text.is_char_boundary(take) {
            take -= 1;
        }
        self.bytes[self.len..self.len + take].copy_from_slice(&text.as_bytes()[..take]);
        self.len += take;
        Ok(())
    }
}

/// Writes one line, with the program's name before it.
pub fn write(text: fmt::Arguments<'_>) {
    let mut line = Line { bytes: [0; 480], len: 0 };
    let name = crate::start::info().map_or("?", |i| i.name.as_str());
    // A line never fails: what does not fit is cut off.
    let _ = write!(line, "{name}: {text}");
    line.bytes[line.len] = b'\n';
    line.len += 1;
    if let Ok(text) = core::str::from_utf8(&line.bytes[..line.len]) {
        ebb_sys::log(text);
    }
}

/// Writes one line to the kernel's log, with the program's name before it. The message buffer's bytes are lost.
#[macro_export]
macro_rules! log {
    ($($arg:tt)*) => { $crate::log::write(format_args!($($arg)*)) };
}
