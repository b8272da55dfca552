// SPDX-License-Identifier: BSD-2-Clause
//! A program's output: `print!` and `println!` collect lines and send them to the console.

use crate::start::Given;
use alloc::vec::Vec;
use core::fmt::{self, Write};
use ebb_proto::console::{MAX_IO, Write as WriteOp};
use spin::Mutex;

static PENDING: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Output;

impl Write for Output {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let full = {
            let mut pending = PENDING.lock();
            pending.extend_from_slice(text.as_bytes());
            pending.len() >= 1024 || text.ends_with('\n')
        };
        if full {
            flush();
        }
        Ok(())
    }
}

/// Writes text; it reaches the console at the end of a line.
pub fn write(text: fmt::Arguments<'_>) {
    // `Output` never fails.
    let _ = Output.write_fmt(text);
}

/// Sends what was written so far.
pub fn flush() {
    let bytes = core::mem::take(&mut *PENDING.lock());
    let Some(console) = crate::start::info().and_then(|i| i.handle("console").ok()) else { return };
    for piece in bytes.chunks(MAX_IO) {
        if let Err(error) = crate::client::call(console, &WriteOp { bytes: piece.to_vec() }) {
            crate::log!("console: {error}");
            return;
        }
    }
}

/// Writes to the console.
#[macro_export]
macro_rules! print {
    ($($arg:tt)*) => { $crate::console::write(format_args!($($arg)*)) };
}

/// Writes a line to the console.
#[macro_export]
macro_rules! println {
    () => { $crate::console::write(format_args!("\n")) };
    ($($arg:tt)*) => { $crate::console::write(format_args!("{}\n", format_args!($($arg)*))) };
}
