// SPDX-License-Identifier: BSD-2-Clause
//! Waiting for several things at once.
//!
//! Every wait is a loop: look whether what is waited for is there; if not, [`Shell::pause`] until any bit arrives. Bits only say "look again", so one that
//! is taken by the wrong loop loses nothing.

use crate::shell::{INTERRUPTED, Shell};
use alloc::format;
use alloc::vec::Vec;
use ebb_args::Failure;
use ebb_rt::abi::Handle;
use ebb_rt::client::{call, from_sys};
use ebb_rt::clock::TIMER_BIT;
use ebb_rt::proto::console::{self, Poll};
use ebb_rt::sys::ipc;
use ebb_rt::sys::time::tsc;

/// Control-C, Control-Z.
const INTERRUPT: u8 = 0x03;
const SUSPEND: u8 = 0x1a;

impl Shell {
    /// Waits for any bit: a key, the end of a program, or (if given) a moment of the time-stamp counter.
    pub fn pause(&mut self, deadline: Option<u64>) -> Result<(), Failure> {
        ebb_rt::console::flush();
        if let Some(deadline) = deadline {
            let armed = ipc::timer(self.notification, TIMER_BIT, deadline);
            armed.map_err(|e| Failure::of("timer", from_sys(e)))?;
        }
        match ipc::receive(Handle::NONE) {
            Ok(_) => Ok(()),
            Err(error) => Err(Failure::of("wait", from_sys(error))),
        }
    }

    /// Takes what was typed. Control-C throws away what came before it.
    pub fn look_for_keys(&mut self) -> Result<(), Failure> {
        if !self.person {
            return Ok(());
        }
        let bytes = call(self.console, &Poll {}).map_err(|e| Failure::of("console", e))?;
        for byte in bytes {
            if byte == INTERRUPT {
                self.typed.clear();
                self.interrupted = true;
            } else if byte == SUSPEND {
                self.suspended = true;
            } else if self.typed.len() < console::MAX_IO {
                self.typed.push_back(byte);
            }
        }
        Ok(())
    }

    /// Fails with status 130 if Control-C was typed.
    pub fn check_interrupt(&mut self) -> Result<(), Failure> {
        self.look_for_keys()?;
        self.broken |= core::mem::take(&mut self.interrupted);
        if self.broken { Err(Failure::Status(INTERRUPTED)) } else { Ok(()) }
    }

    /// Waits so many milliseconds; Control-C ends it.
    pub fn sleep_ms(&mut self, ms: u64) -> Result<(), Failure> {
        let deadline = self.deadline_ms(ms);
        while tsc() < deadline {
            self.check_interrupt()?;
            self.pause(Some(deadline))?;
        }
        Ok(())
    }

    /// As [`Shell::sleep_ms`], but any key ends it, and is consumed: `true` then.
    pub fn sleep_or_key(&mut self, ms: u64) -> Result<bool, Failure> {
        let deadline = self.deadline_ms(ms);
        loop {
            self.check_interrupt()?;
            if !self.typed.is_empty() {
                self.typed.clear();
                return Ok(true);
            }
            if tsc() >= deadline {
                return Ok(false);
            }
            self.pause(Some(deadline))?;
        }
    }

    /// The moment so many milliseconds from now.
    pub fn deadline_ms(&self, ms: u64) -> u64 {
        tsc().saturating_add((ms as u128 * self.hz as u128 / 1000) as u64)
    }

    /// Sends bytes to the console as they are.
    pub fn send(&self, bytes: Vec<u8>) -> Result<(), Failure> {
        if bytes.is_empty() {
            return Ok(());
        }
        ebb_rt::console::flush();
        let mut pieces = bytes.chunks(console::MAX_IO).peekable();
        while let Some(piece) = pieces.next() {
            call(self.console, &console::Write { bytes: piece.to_vec(), more: pieces.peek().is_some() })
                .map_err(|e| Failure::Trouble(format!("console: {e}")))?;
        }
        Ok(())
    }
}
