// SPDX-License-Identifier: BSD-2-Clause
//! Tests of what the runtime gives to programs, in the machine: threads, a heap that grows, memory, files. `rt-test` runs all, `rt-test WORD` those whose name has it in it;
//! `rt-test --end HOW` is a program that ends in some way ([`ends`]).
#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

mod ends;
mod files;
mod heap;
mod memory;
mod threads;

use alloc::format;
use alloc::string::String;
use ebb_rt::fs::Error;
use ebb_rt::{StartInfo, println};

ebb_rt::program!(main);

/// A test: what went wrong, if anything did.
type Test = fn() -> Result<(), Failure>;

/// Why a test failed: what was done or expected, and what came of it.
type Failure = String;

const TESTS: &[(&str, Test)] = &[
    ("threads return what they computed", threads::results),
    ("threads by the hundreds, one after the other", threads::generations),
    ("threads take turns at a lock", threads::lock),
    ("threads wait and wake each other", threads::parking),
    ("threads sleep side by side", threads::sleeping),
    ("threads that nobody waits for", threads::detached),
    ("threads: no more than there can be", threads::limit),
    ("threads talk to servers at once", threads::messages),
    ("threads print whole lines", threads::printing),
    ("threads share pages under pressure", threads::pages),
    ("threads have deep stacks", threads::stacks),
    ("the heap grows", heap::grows),
    ("the heap is used again", heap::again),
    ("the heap refuses what cannot be", heap::refuses),
    ("memory is locked, given up, looked at", memory::region),
    ("memory: mistakes", memory::mistakes),
    ("ends: what goes wrong in a thread ends the program", ends::in_threads),
    ("ends: memory that cannot be had", ends::without_memory),
    ("ends: the first thread's is the program's", ends::first),
    ("ends: killed with threads in every state", ends::killed),
    ("files are read by several threads at once", files::reading),
    ("files are appended to by several threads at once", files::appending),
    ("files in memory", files::mapped),
    ("files line by line", files::lines),
];

fn main(info: &'static StartInfo) -> u8 {
    let word = match info.args.as_slice() {
        [option, how] if option == "--end" => return ends::end(how),
        [word] => word.as_str(),
        _ => "",
    };
    let (mut passed, mut failed) = (0, 0);
    for (name, test) in TESTS.iter().filter(|(name, _)| name.contains(word)) {
        match test() {
            Ok(()) => {
                println!("{name}: ok");
                passed += 1;
            }
            Err(why) => {
                println!("{name}: FAILED: {why}");
                failed += 1;
            }
        }
    }
    println!("rt-test: {passed} passed, {failed} failed");
    u8::from(failed > 0)
}

/// An error with what was tried.
fn trouble(what: &str) -> impl Fn(Error) -> Failure + '_ {
    move |error| format!("{what}: {}", error.posix().1)
}

/// Both are equal, or that is what is wrong.
fn equal<T: PartialEq + core::fmt::Debug>(what: &str, is: T, should: T) -> Result<(), Failure> {
    if is == should { Ok(()) } else { Err(format!("{what}: {is:?}, not {should:?}")) }
}
