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
use ebb_rt::thread;
use ebb_rt::time::Duration;

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
    let (out, back) = swapping(info).map_err(|error| Failure::of("swapping", error))?;
    match error {
        Some(error) => Err(Failure::of("process", error)),
        None => Ok(vec![
            Row { name: "fork_exit_wait", samples: fork },
            Row { name: "spawn_exit_wait", samples: spawn },
            Row { name: "process_swap_out", samples: out },
            Row { name: "process_swap_in", samples: back },
        ]),
    }
}

/// A small program that sleeps: swapped out whole, and brought in, its state in memory still. It is held while it comes in, which is when that answers.
fn swapping(info: &StartInfo) -> Result<(Samples, Samples), Error> {
    let child = Command::new(&info.name).arg("--sleep").spawn()?;
    // It has to come to its sleep, and its first pages with it.
    thread::sleep(Duration::from_millis(100))?;
    let mut error = None;
    let mut note = |result: Result<(), Error>| error = error.or(result.err());
    let (mut out, mut back) = (Samples::default(), Samples::default());
    for _ in 0..ROUNDS {
        out.append(Samples::measure(1, || note(process::swap_out(child.id()))));
        back.append(Samples::measure(1, || note(process::hold(child.id()))));
        note(process::release(child.id()));
    }
    child.kill()?;
    child.wait()?;
    error.map_or(Ok((out, back)), Err)
}
