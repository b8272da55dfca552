// SPDX-License-Identifier: BSD-2-Clause
//! Processes: copies, and programs from the boot image.

use crate::Row;
use crate::samples::Samples;
use alloc::vec;
use alloc::vec::Vec;
use ebb_args::Failure;
use ebb_rt::StartInfo;
use ebb_rt::process::{self, Command, Forked};
use ebb_rt::proto::Error;

/// Rounds of each.
const ROUNDS: usize = 200;

/// A copy of this program that ends at once, and a program that is started and ends at once; both are waited for.
pub fn processes(info: &StartInfo) -> Result<Vec<Row>, Failure> {
    let mut error = None;
    let mut note = |result: Result<(), Error>| error = error.or(result.err());
    let copy = || match process::fork()? {
        Forked::Parent(child) => child.wait().map(drop),
        Forked::Child => process::exit(0),
    };
    let fork = Samples::measure(ROUNDS, || note(copy()));
    let start = || Command::new(&info.name).arg("--end").status().map(drop);
    let spawn = Samples::measure(ROUNDS, || note(start()));
    match error {
        Some(error) => Err(Failure::of("process", error)),
        None => Ok(vec![
            Row { name: "fork_exit_wait", samples: fork },
            Row { name: "spawn_exit_wait", samples: spawn },
        ]),
    }
}
