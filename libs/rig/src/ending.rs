// SPDX-License-Identifier: BSD-2-Clause
//! How a program ends.

use ebb_args::Failure;
use ebb_rt::println;

/// Says what went wrong, in one line, and gives the exit status.
pub fn finish(name: &str, result: Result<(), Failure>) -> u8 {
    let Err(failure) = result else { return 0 };
    match &failure {
        Failure::Help(text) => println!("{text}"),
        Failure::Status(_) => {}
        Failure::Usage(_) | Failure::Trouble(_) => println!("{name}: {failure}"),
    }
    failure.status()
}
