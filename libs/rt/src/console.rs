// SPDX-License-Identifier: BSD-2-Clause
//! A program's output: `print!` and `println!` collect what goes to standard output, the console a line at a time, files and pipes in larger pieces. `eprint!` and `eprintln!`
//! go to standard error at once.

use crate::io::{Channel, Write as _, stderr, write_all};
use crate::thread::{self, Mutex};
use alloc::vec::Vec;
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, Ordering};
use ebb_proto::Error;
use ebb_proto::start::Stream;

/// Bytes that are held back at most.
const HELD: usize = 4096;
/// Bytes of a line for the console that are held back at most: nobody's output comes into the middle of a line that is no longer.
const LINE: usize = 64 << 10;
/// Status of a program that writes to a pipe that nobody reads (128 + `SIGPIPE`).
const BROKEN_PIPE: u8 = 141;

static PENDING: Mutex<Vec<u8>> = Mutex::new(Vec::new());
/// Held while bytes are on their way, so that those of several threads come in order.
static SENDING: Mutex<()> = Mutex::new(());
static FAILED: AtomicBool = AtomicBool::new(false);

/// Streams that stand in for the standard ones, for as long as a shell carries out a command of its own whose output goes elsewhere.
static INSTEAD: Mutex<[Option<Stream>; 3]> = Mutex::new([None; 3]);

/// The standard stream with this number, as it is now.
pub fn standard(number: usize) -> Stream {
    let instead = INSTEAD.lock().get(number).copied().flatten();
    instead.unwrap_or_else(|| {
        crate::start::info().and_then(|i| i.streams.get(number).copied()).unwrap_or_default()
    })
}

/// Puts streams in the place of the standard ones; `None`: that which was given at the start. What was printed so far goes where it belonged. Whether
/// something could not be written is forgotten: [`failed`] speaks of the new ones.
pub fn redirect(streams: [Option<Stream>; 3]) {
    flush();
    *INSTEAD.lock() = streams;
    FAILED.store(false, Ordering::Relaxed);
}

fn stream() -> Stream {
    standard(1)
}

struct Output;

impl Write for Output {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let console = stream() == Stream::Console;
        let full = {
            let mut pending = PENDING.lock();
            pending.extend_from_slice(text.as_bytes());
            pending.len() >= if console { LINE } else { HELD } || (console && text.ends_with('\n'))
        };
        if full {
            flush();
        }
        Ok(())
    }
}

/// Writes text; it reaches the console at the end of a line.
pub fn write(text: fmt::Arguments<'_>) {
    // `Output` never fails. Where there are other threads all of it is put together before, so that their lines do not mix.
    let _ = match thread::several() && text.as_str().is_none() {
        true => Output.write_str(&alloc::fmt::format(text)),
        false => Output.write_fmt(text),
    };
}

/// Sends what was written so far. A program whose output nobody reads any more ends; any other failure is told once, and is a status of 1 in the end ([`failed`]).
pub fn flush() {
    let sent = {
        let _sending = SENDING.lock();
        let bytes = core::mem::take(&mut *PENDING.lock());
        if bytes.is_empty() || FAILED.load(Ordering::Relaxed) {
            return;
        }
        let mut to = core::mem::ManuallyDrop::new(Channel::of(stream()));
        write_all(&mut *to, &bytes)
    };
    match sent {
        Ok(()) => {}
        Err(Error::BrokenPipe) => crate::start::exit(BROKEN_PIPE),
        Err(error) => {
            FAILED.store(true, Ordering::Relaxed);
            write_error(format_args!("{}: write error: {}\n", crate::env::name(), error.posix().1));
        }
    }
}

/// What a program says that cannot go on: what was printed before, if nobody is just about it, and this.
#[cfg(target_os = "none")]
pub(crate) fn last_words(text: fmt::Arguments<'_>) {
    let free = SENDING.try_lock().is_some() && PENDING.try_lock().is_some();
    if !free {
        FAILED.store(true, Ordering::Relaxed);
    }
    write_error(text);
}

/// Whether something that was printed could not be written.
pub fn failed() -> bool {
    FAILED.load(Ordering::Relaxed)
}

struct Errors;

impl Write for Errors {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut to = stderr();
        let written = write_all(&mut *to, text.as_bytes()).and_then(|()| to.flush());
        written.map_err(|_| fmt::Error)
    }
}

/// Writes text to standard error; where that cannot be written it goes to the log.
pub fn write_error(text: fmt::Arguments<'_>) {
    flush_quietly();
    if Errors.write_fmt(text).is_err() {
        crate::log::write(text);
    }
}

/// What was printed before comes before.
fn flush_quietly() {
    if !FAILED.load(Ordering::Relaxed) {
        flush();
    }
}

/// Writes to standard output.
#[macro_export]
macro_rules! print {
    ($($arg:tt)*) => { $crate::console::write(format_args!($($arg)*)) };
}

/// Writes a line to standard output.
#[macro_export]
macro_rules! println {
    () => { $crate::console::write(format_args!("\n")) };
    ($($arg:tt)*) => { $crate::console::write(format_args!("{}\n", format_args!($($arg)*))) };
}

/// Writes to standard error.
#[macro_export]
macro_rules! eprint {
    ($($arg:tt)*) => { $crate::console::write_error(format_args!($($arg)*)) };
}

/// Writes a line to standard error.
#[macro_export]
macro_rules! eprintln {
    ($($arg:tt)*) => { $crate::console::write_error(format_args!("{}\n", format_args!($($arg)*))) };
}
