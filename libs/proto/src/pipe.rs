// SPDX-License-Identifier: BSD-2-Clause
//! `pipe`: bytes from programs to programs. The caller's badge is its space; a space may have an end several times, each is closed by itself.

use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::vm::Space;

/// Bytes that a pipe holds.
pub const CAPACITY: usize = 16 << 10;
/// Bytes in one message at most.
pub const MAX_IO: usize = 3900;

/// An end of a pipe.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum End {
    /// The end that is read from.
    Read,
    /// The end that is written to.
    Write,
}

protocol! {
    number 8;
    /// Makes a pipe; the caller has both ends. `TooManyFiles`; `NoMemory`.
    1 New {} -> u32;
    /// Waits for bytes and brings what there is, at least one byte, at most `most` and [`MAX_IO`]. Empty: nobody can write any more. `BadFile`: the caller has not this end.
    2 Read { pipe: u32, most: u32 } -> Vec<u8>;
    /// Waits for room and puts bytes in; returns how many were taken, at least one of a message that has some. `BrokenPipe`: nobody can read any more. `BadFile`.
    3 Write { pipe: u32, bytes: Vec<u8> } -> u32;
    /// Gives up an end. `BadFile`.
    4 Close { pipe: u32, end: End } -> ();
    /// Gives an end that `from` has to `to` as well. For `init`, and `proc` in its name. `BadFile`.
    5 Share { pipe: u32, end: End, from: Space, to: Space } -> ();
    /// A space is gone: all its ends are closed, its calls forgotten. As above.
    6 Gone { space: Space } -> ();
    /// Gives `to` all ends that `from` has, each as often. `NoMemory`: too many spaces have ends; then it has none of them. As [`Share`].
    8 Inherit { from: Space, to: Space } -> ();
    /// Whether somebody waits to read, so that a write is taken at once. `BadFile`: the caller cannot write.
    7 Wanted { pipe: u32 } -> bool;
}
