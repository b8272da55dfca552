// SPDX-License-Identifier: BSD-2-Clause
//! What valgrind runs so that a policy's instructions can be counted: see [`ebb_sim::cost`]. `cargo xtask sim` starts it; it is of no use alone.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match ebb_sim::cost::replay(&arguments, &mut std::io::stdin(), &mut std::io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
