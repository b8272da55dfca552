// SPDX-License-Identifier: BSD-2-Clause
//! The terminal and the signals: raw mode that is undone on every way out, Ctrl-C as a flag, and the keys that are
//! for us and not for the guest.

use std::io::{Read, Write};
use std::mem::MaybeUninit;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// Ctrl-A, the prefix of our own keys.
const PREFIX: u8 = 1;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
static QUIT: AtomicBool = AtomicBool::new(false);
static COOKED: OnceLock<libc::termios> = OnceLock::new();
/// Whether the screen is a second one.
static WHOLE: AtomicBool = AtomicBool::new(false);

/// Turns SIGINT, SIGTERM and SIGHUP into [`interrupted`], for the rest of the process.
pub fn catch_signals() {
    extern "C" fn caught(_: libc::c_int) {
        INTERRUPTED.store(true, Ordering::Relaxed);
    }
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: the handler only stores to an atomic, which is allowed in a signal handler.
        unsafe { libc::signal(signal, caught as extern "C" fn(libc::c_int) as libc::sighandler_t) };
    }
}

/// Whether one of those signals has come.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// Whether Ctrl-A x was typed.
pub fn quit() -> bool {
    QUIT.load(Ordering::Relaxed)
}

/// Raw mode, as long as this lives. Nothing happens if standard input is no terminal.
pub struct Raw;

impl Raw {
    /// Enters raw mode. A panic leaves it as well, although it unwinds nothing.
    pub fn enter() -> Self {
        let mut now = MaybeUninit::<libc::termios>::uninit();
        // SAFETY: tcgetattr fills the structure when it succeeds, and only then is it read.
        let now = unsafe { (libc::tcgetattr(0, now.as_mut_ptr()) == 0).then(|| now.assume_init()) };
        if let Some(now) = now {
            let cooked = *COOKED.get_or_init(|| now);
            let report = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                restore();
                report(info);
            }));
            let mut raw = cooked;
            // SAFETY: both calls get a structure that tcgetattr filled.
            unsafe {
                libc::cfmakeraw(&raw mut raw);
                libc::tcsetattr(0, libc::TCSANOW, &raw const raw);
            }
        }
        Self
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        restore();
    }
}

/// A second screen, as long as this lives; then the first one is there again as it was.
pub struct Whole;

impl Whole {
    /// Changes to it.
    pub fn enter() -> Self {
        WHOLE.store(true, Ordering::Relaxed);
        // Where nothing can be written nothing is seen either.
        let _ = std::io::stdout().write_all(b"\x1b[?1049h\x1b[2J").and_then(|()| std::io::stdout().flush());
        Self
    }
}

impl Drop for Whole {
    fn drop(&mut self) {
        leave_whole();
    }
}

fn leave_whole() {
    if WHOLE.swap(false, Ordering::Relaxed) {
        // Attributes off, cursor on, first screen. As in `enter`.
        let leave = b"\x1b[m\x1b[?25h\x1b[?1049l";
        let _ = std::io::stdout().write_all(leave).and_then(|()| std::io::stdout().flush());
    }
}

fn restore() {
    leave_whole();
    if let Some(cooked) = COOKED.get() {
        // SAFETY: the structure is one that tcgetattr filled.
        unsafe { libc::tcsetattr(0, libc::TCSADRAIN, cooked) };
    }
}

/// Passes standard input on to `send` until its end, our own keys excepted.
pub fn pass_keys(mut send: impl FnMut(&[u8]) -> std::io::Result<()>) {
    let mut keys = Keys::default();
    let mut buffer = [0; 256];
    let mut stdin = std::io::stdin().lock();
    while let Ok(n @ 1..) = stdin.read(&mut buffer) {
        let passed = keys.filter(&buffer[..n]);
        if keys.quit {
            QUIT.store(true, Ordering::Relaxed);
            return;
        }
        if send(&passed).is_err() {
            return; // the machine has ended, which others notice
        }
    }
}

/// What of the keys is for the guest. Ctrl-A x ends the machine, Ctrl-A Ctrl-A is one Ctrl-A, and before anything else
/// Ctrl-A is just a key.
#[derive(Default)]
struct Keys {
    prefixed: bool,
    quit: bool,
}

impl Keys {
    fn filter(&mut self, typed: &[u8]) -> Vec<u8> {
        let mut passed = Vec::with_capacity(typed.len() + 1);
        for &key in typed {
            match (std::mem::take(&mut self.prefixed), key) {
                (false, PREFIX) => self.prefixed = true,
                (true, b'x') => self.quit = true,
                (true, PREFIX) => passed.push(PREFIX),
                (true, key) => passed.extend([PREFIX, key]),
                (false, key) => passed.push(key),
            }
        }
        passed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ctrl_a_is_ours_and_ctrl_c_is_the_guests() {
        let mut keys = Keys::default();
        assert_eq!(keys.filter(b"a\x03b"), b"a\x03b");
        assert_eq!(keys.filter(b"\x01\x01\x01y"), b"\x01\x01y");
        assert_eq!(keys.filter(b"q\x01"), b"q");
        assert!(!keys.quit);
        assert_eq!(keys.filter(b"x"), b"");
        assert!(keys.quit);
    }
}
