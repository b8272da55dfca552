// SPDX-License-Identifier: BSD-2-Clause
//! What a program is told at its start: a length (`u64`) and postcard bytes at [`ebb_abi::layout::START_INFO`].

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

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
}
