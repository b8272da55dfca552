// SPDX-License-Identifier: BSD-2-Clause
//! Tests of pipes and of launching programs, in the machine. `launch-test` runs all; with arguments it is one of the programs that the tests launch ([`child`]).
//!
//! The servers' state machines have tests of their own on the host. What is tested here is the way through three servers: that a stream is what its parent gave, and that
//! an end in whatever way leaves nothing.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

mod child;
mod crowd;
mod files;
mod forking;
mod launching;
mod limiting;
mod parent;
mod pipes;
mod sharing;
mod signals;
mod survival;
mod swapping;

use ebb_rt::process::{self, Child};
use ebb_rt::proto::Error;
use ebb_rt::{StartInfo, println};
use parent::{Parent, because};

ebb_rt::program!(main);

/// A test: what went wrong, if anything did.
type Test = fn(&Parent) -> Result<(), Failure>;

/// Why a test failed: what was done or expected, and what came of it.
type Failure = alloc::string::String;

const TESTS: &[(&str, Test)] = &[
    ("bytes go through two pipes", pipes::relay),
    ("the end of a writer is the end of its bytes", pipes::killed_writer),
    ("nobody who reads ends the writer", pipes::broken),
    ("a pipe that is not the program's", pipes::foreign),
    ("as many pipes as there can be", pipes::many),
    ("full pipes", pipes::full),
    ("long arguments, environment, folder", launching::long),
    ("too long arguments", launching::too_long),
    ("what cannot be launched", launching::refused),
    ("a file that does not exist", launching::no_file),
    ("a program from a file", files::program),
    ("a script", files::script),
    ("files that are no programs", files::broken),
    ("a file as a stream", files::stream),
    ("a refused launch leaves nothing", launching::undone),
    ("launched often", launching::often),
    ("more at once than tables have room for", launching::many),
    ("the clock", launching::clock),
    ("signals end, stop and continue", signals::default_actions),
    ("signals that are ignored, and inherited so", signals::ignored),
    ("signals for a group", signals::groups),
    ("waiting for any child", signals::any),
    ("a stopped program loses no answer", signals::stopped_in_a_call),
    ("limits and niceness", signals::limits),
    ("memory beyond a limit is refused", limiting::memory),
    ("what becomes writable, and stacks", limiting::protection),
    ("programs that do not fit a limit", limiting::programs),
    ("children of a program that has ended", signals::orphans),
    ("a copy has what there was, and nothing of what comes", forking::memory),
    ("a copy shares pipes", forking::pipes),
    ("a copy of a program with threads", forking::threads),
    ("processes that share a space", sharing::together),
    ("a shared space goes with the last", sharing::last),
    ("signals for one that shares a space", sharing::signals),
    ("what one that shares a space starts", sharing::children),
    ("an exception ends all that share a space", sharing::exceptions),
    ("many copies, one after the other and at once", forking::many),
    ("becoming another program", forking::exec),
    ("a program swapped out whole comes back as it was", swapping::there_and_back),
    ("what happens to one that is out", swapping::while_out),
    ("a held program is not swapped out", swapping::held),
    ("idle programs go out by themselves", swapping::idle),
    ("the server dies while programs are out", swapping::server_dies),
    ("the server dies while programs start and end", survival::spawning),
    ("the server dies while programs wait and are stopped", survival::waiting),
];

/// Where the server of processes fails on purpose.
const FAILING: &[(&str, Test)] =
    &[("the server dies in the middle of what it does", survival::in_the_middle)];

fn swapped(info: &'static StartInfo, children: usize, rounds: usize) -> u8 {
    let parent = Parent::new(info).map_err(|error| alloc::format!("{error}"));
    match parent.and_then(|p| swapping::out_and_in(&p, children, rounds as u32)) {
        Ok(()) => 0,
        Err(why) => {
            println!("out-and-in: {why}");
            1
        }
    }
}

/// Ends what a test that failed has left.
fn end_children() -> Result<(), Failure> {
    let own = because("own number", process::id())?;
    for child in because("list", process::list())?.iter().filter(|p| p.parent == own) {
        let child = Child::numbered(child.pid);
        // It may have ended and only be waited for.
        match child.kill() {
            Ok(()) | Err(Error::NotFound) => because("wait", child.wait())?,
            Err(error) => return Err(alloc::format!("kill: {error}")),
        };
    }
    Ok(())
}

fn main(info: &'static StartInfo) -> u8 {
    if let Some((mode, args)) = info.args.split_first() {
        let number = |n: usize| args.get(n).and_then(|n| n.parse().ok()).unwrap_or(0);
        if mode == "out-and-in" {
            return swapped(info, number(0), number(1));
        }
        return child::run(info, mode, args);
    }
    let tests = if info.cmdline.contains(survival::FAILS) { FAILING } else { TESTS };
    let parent = match Parent::new(info) {
        Ok(parent) => parent,
        Err(error) => {
            println!("launch-test: {error}");
            return 2;
        }
    };
    let mut failed = 0;
    for (name, test) in tests {
        match test(&parent) {
            Ok(()) => println!("{name}: ok"),
            Err(why) => {
                println!("{name}: FAILED: {why}");
                failed += 1;
                // The next test finds no children but its own.
                if let Err(why) = end_children() {
                    println!("its children: {why}");
                }
            }
        }
    }
    println!("launch-test: {} passed, {failed} failed", tests.len() - failed);
    u8::from(failed > 0)
}
