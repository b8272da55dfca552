// SPDX-License-Identifier: BSD-2-Clause
//! How a machine ended, and the exit status that we pass on.
//!
//! The guest writes a value `v` to QEMU's `isa-debug-exit`, which makes QEMU's status `v << 1 | 1`, of which eight bits
//! survive. A clean shutdown with the shell's status `s` (0 to 63) writes `64 | s`; the rest is failure.

use std::fmt;

/// Our status when the host's side failed: nothing was built or booted.
pub const HOST_FAILURE: u8 = 1;
/// Our status after Ctrl-C, as shells have it.
pub const INTERRUPTED: u8 = 130;
/// Our status when the time was up, as `timeout` has it.
pub const TIMED_OUT: u8 = 124;

/// How a machine ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Shut down in order, with the status of the shell.
    Clean(u8),
    /// A kernel assertion failed.
    KernelPanic,
    /// A server failed and took the machine along.
    ServerFailure,
    /// The loader could not load.
    LoaderFailure,
    /// The loader ran as a probe.
    Probed,
    /// QEMU ended with this status, which the machine did not choose; `None`: killed by a signal.
    Qemu(Option<i32>),
    /// The time was up.
    TimedOut,
    /// Ctrl-C, or a signal to end.
    Interrupted,
    /// Ctrl-A x.
    Quit,
}

impl End {
    /// Reads QEMU's exit status.
    pub fn of_qemu(status: Option<i32>) -> Self {
        match status {
            Some(17) => Self::KernelPanic,
            Some(19) => Self::ServerFailure,
            Some(33) => Self::Probed,
            Some(67) => Self::LoaderFailure,
            Some(s @ 129..=255) if s % 2 == 1 => Self::Clean(((s - 129) / 2) as u8),
            other => Self::Qemu(other),
        }
    }

    /// Our own exit status. A shell's status stays below 64, so nothing else can be taken for one.
    pub fn status(self) -> u8 {
        match self {
            Self::Clean(status) => status,
            Self::Quit | Self::Probed => 0,
            Self::KernelPanic => 70,
            Self::ServerFailure => 71,
            Self::LoaderFailure => 72,
            Self::Qemu(_) => 73,
            Self::TimedOut => TIMED_OUT,
            Self::Interrupted => INTERRUPTED,
        }
    }

    /// Whether the machine itself failed, so that its log is worth a look.
    pub fn is_failure(self) -> bool {
        !matches!(self, Self::Clean(_) | Self::Quit | Self::Probed | Self::Interrupted)
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clean(status) => write!(f, "the machine shut down, status {status}"),
            Self::KernelPanic => f.write_str("the kernel panicked"),
            Self::ServerFailure => f.write_str("a server failed and the machine with it"),
            Self::LoaderFailure => f.write_str("the loader could not start the kernel"),
            Self::Probed => f.write_str("the loader ran"),
            Self::Qemu(Some(0)) => f.write_str("the machine was reset or powered off without a status"),
            Self::Qemu(Some(status)) => {
                write!(f, "QEMU ended with status {status}, which the machine did not choose")
            }
            Self::Qemu(None) => f.write_str("QEMU was killed by a signal"),
            Self::TimedOut => f.write_str("the time was up; QEMU was killed"),
            Self::Interrupted => f.write_str("interrupted; QEMU was killed"),
            Self::Quit => f.write_str("ended by Ctrl-A x"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// QEMU's status when the guest writes `value`.
    fn written(value: u8) -> End {
        End::of_qemu(Some((i32::from(value) << 1 | 1) & 0xff))
    }

    #[test]
    fn every_shell_status_comes_through() {
        for s in 0..64 {
            assert_eq!(written(64 | s), End::Clean(s));
            assert_eq!(End::Clean(s).status(), s);
        }
    }

    #[test]
    fn failures_are_never_zero_nor_a_shell_status() {
        assert_eq!(written(8), End::KernelPanic);
        assert_eq!(written(9), End::ServerFailure);
        assert_eq!(written(0x21), End::LoaderFailure);
        assert_eq!(written(0x10), End::Probed);
        for status in [None, Some(0), Some(1), Some(2), Some(3), Some(130), Some(254)] {
            assert_eq!(End::of_qemu(status), End::Qemu(status));
        }
        for end in
            [End::KernelPanic, End::ServerFailure, End::LoaderFailure, End::Qemu(Some(0)), End::TimedOut]
        {
            assert!(end.status() >= 64 && end.is_failure(), "{end}");
        }
    }
}
