// SPDX-License-Identifier: BSD-2-Clause
//! The machine as the tools see it: [`ebb_tools::system`] over the runtime.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod file;
mod machine;

use alloc::vec::Vec;
use ebb_rt::StartInfo;
use ebb_tools::Tool;

/// Runs a tool with a program's arguments; returns its status.
pub fn run(tool: &Tool, info: &StartInfo) -> u8 {
    let args: Vec<&str> = info.args.iter().map(|a| a.as_str()).collect();
    ebb_tools::run(tool, &machine::Machine, &args)
}
