// SPDX-License-Identifier: BSD-2-Clause
//! `console`: the terminal that a person sits at. Any program may call it.

use alloc::vec::Vec;

/// Most bytes that one [`Write`] takes and one [`Read`] brings.
pub const MAX_IO: usize = 3900;

/// Bit of a notification: input arrived ([`Notify`]).
pub const INPUT_BIT: u64 = 2;

protocol! {
    number 1;
    /// Writes bytes as they are; `\n` is sent as `\r\n`. Answered when all of them are in the device's hands. `more`: the caller's next write goes on
    /// where this ends, and is waited for so that nobody else's comes between (for a second at most).
    1 Write { bytes: Vec<u8>, more: bool } -> ();
    /// Waits for input and brings what there is, at most [`MAX_IO`] bytes. One reader at a time: `Busy` while another one waits.
    2 Read {} -> Vec<u8>;
    /// Columns and rows, as far as they are known (80 by 24 otherwise).
    3 Size {} -> (u16, u16);
    /// Reads of the calling program that wait are given up (answered with no bytes); used before a reader ends.
    4 Cancel {} -> ();
    /// From now on input that no [`Read`] waits for signals the notification that the message carries, with [`INPUT_BIT`]. One at a time: the last one
    /// asked for. `Invalid`: the message carries none.
    5 Notify {} -> ();
    /// Brings what input there is, at once; no bytes if there is none. At most [`MAX_IO`].
    6 Poll {} -> Vec<u8>;
}
