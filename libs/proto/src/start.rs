// SPDX-License-Identifier: BSD-2-Clause
//! What a program is told at its start: a length, the heap's address and length (`u64` each) and postcard bytes at [`ebb_abi::layout::START_INFO`].

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What a standard stream is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Stream {
    /// The terminal.
    #[default]
    Console,
    /// Nothing comes out, everything may go in.
    Null,
    /// A file that the program has open in `vm`, under this number.
    File(u32),
    /// The end of a pipe to read from.
    PipeRead(u32),
    /// The end of a pipe to write to.
    PipeWrite(u32),
}

/// The start information.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct StartInfo {
    /// Name of the program (for a server: of its image).
    pub name: String,
    /// Arguments, without the name.
    pub args: Vec<String>,
    /// Handles by name: "vm", "init", "console", "endpoint" (its own to receive from), "notification" (its own), …
    pub handles: Vec<(String, u32)>,
    /// Numbers by name: places of shared segments, sizes.
    pub values: Vec<(String, u64)>,
    /// First address of the heap.
    pub heap: u64,
    /// Bytes of the heap.
    pub heap_len: u64,
    /// Cycles of the time-stamp counter per second.
    pub tsc_hz: u64,
    /// The kernel's command line.
    pub cmdline: String,
    /// Environment: names and values.
    pub env: Vec<(String, String)>,
    /// Working directory: an absolute path.
    pub cwd: String,
    /// Standard input, output and error output; what is missing is the console.
    pub streams: Vec<Stream>,
    /// Microseconds from 1970 to the time-stamp counter's zero; 0 if nobody knows.
    pub epoch_us: u64,
    /// The file that the program is to become ([`crate::proc::Launch`]); empty: it is what it is.
    pub exec: String,
}
