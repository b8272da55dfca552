// SPDX-License-Identifier: BSD-2-Clause
//! A terminal's two ends. For the program that a person talks to: a line editor ([`Editor`]); bytes from the keyboard go in, bytes for the screen come
//! out, nobody waits; and the line discipline for programs that it starts ([`Discipline`]). For the driver of the device: the queues between ([`Input`], [`Writers`]).
//!
//! The editor needs no answer from the terminal (no question for its size or the cursor's place), so it works over a serial
//! line, a pipe or a test. Escape sequences are those that VT100 and its descendants agree on. `\n` stands for
//! carriage return and line feed: `console` sends it so.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod cooked;
mod editor;
mod history;
mod input;
mod key;
mod line;
mod output;
#[cfg(test)]
mod screen;
mod writers;

pub use cooked::{Cooked, Discipline};
pub use editor::{Editor, Event};
pub use history::History;
pub use input::Input;
pub use key::{Decoder, Key};
pub use output::Output;
pub use writers::{KEPT_US, Writers};
