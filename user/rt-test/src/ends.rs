// SPDX-License-Identifier: BSD-2-Clause
//! Programs that end in one way or another.

use crate::{Failure, equal, threads, trouble};
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::hint::black_box;
use ebb_rt::fs::File;
use ebb_rt::io::{Read, pipe};
use ebb_rt::memory::{Protection, Region};
use ebb_rt::process::Command;
use ebb_rt::proto::proc::{ILLEGAL, KILLED, SEGMENTATION_FAULT};
use ebb_rt::thread;
use ebb_rt::time::Duration;

fn hour() -> u8 {
    // That it could not sleep shows in the status.
    thread::sleep(Duration::from_secs(3600)).is_err() as u8
}

fn deep(level: u64) -> u64 {
    let room = black_box([level; 512]);
    if level == u64::MAX { 0 } else { deep(level + 1) + room[level as usize % 512] }
}

/// `rt-test --end HOW`.
pub fn end(how: &str) -> u8 {
    let started = match how {
        "lines" => return threads::print_lines(),
        "first" => thread::spawn(hour).map(drop),
        "busy" => return busy(),
        "exit" => thread::spawn(|| ebb_rt::process::exit(17)).map(drop),
        "panic" => thread::spawn(|| panic!("a thread has had enough")).map(drop::<thread::JoinHandle<()>>),
        "overflow" => thread::spawn(|| black_box(deep(0))).map(drop),
        "protected" => thread::spawn(|| {
            let mut region = Region::new(4096)?;
            region.protect(0, 1, Protection::READ)?;
            black_box(&mut *region)[0] = 1;
            Ok::<(), ebb_rt::fs::Error>(())
        })
        .map(drop),
        "memory" => {
            let bytes: Vec<u8> = vec![1; 1 << 45];
            return black_box(bytes)[0];
        }
        _ => return 2,
    };
    match (started, how) {
        (Err(_), _) => 3,
        (Ok(()), "first") => 21,
        (Ok(()), _) => hour(),
    }
}

/// Threads in every state that there is: they fault, read, wait for bytes, for time, for each other.
fn busy() -> u8 {
    let touch = || loop {
        let Ok(mut region) = Region::new(2 << 20) else { return };
        region.chunks_mut(4096).for_each(|page| page[0] = 1);
        if region.lock(0, 16).is_err() {
            thread::yield_now();
        }
    };
    let read = || {
        while let Ok(file) = File::open("/bin/rt-test") {
            let mut bytes = vec![0; 64 << 10];
            for piece in 0..16 {
                if file.read_at(&mut bytes, piece << 16).is_err() {
                    return;
                }
            }
        }
    };
    let listen = || {
        if let Ok((mut from, _to)) = pipe() {
            // Nobody writes: it waits until the end.
            let _ = from.read(&mut [0; 10]);
        }
    };
    let wait = || thread::spawn(hour).is_ok_and(|t| t.join().is_ok());
    let start = [
        thread::spawn(touch).map(drop),
        thread::spawn(touch).map(drop),
        thread::spawn(read).map(drop),
        thread::spawn(read).map(drop),
        thread::spawn(listen).map(drop),
        thread::spawn(wait).map(drop),
        thread::spawn(|| thread::park().is_ok()).map(drop),
    ];
    if start.iter().any(Result::is_err) { 3 } else { hour() }
}

/// Whenever it ends, nothing of it stays: the audit says so, and there is always room for the next.
pub fn killed() -> Result<(), Failure> {
    for round in 0..25 {
        let child =
            Command::new("/bin/rt-test").arg("--end").arg("busy").spawn().map_err(trouble("spawn"))?;
        thread::sleep(Duration::from_millis(round * 9 % 70)).map_err(trouble("sleep"))?;
        child.kill().map_err(trouble("kill"))?;
        equal("a killed one", child.wait().map_err(trouble("wait"))?, KILLED)?;
    }
    Ok(())
}

/// Runs it: its status, and what it wrote to standard error.
fn run(how: &str) -> Result<(u8, String), Failure> {
    let (mut from, to) = pipe().map_err(trouble("pipe"))?;
    let child =
        Command::new("/bin/rt-test").arg("--end").arg(how).stderr(&to).spawn().map_err(trouble("spawn"))?;
    drop(to);
    let mut told = Vec::new();
    from.read_to_end(&mut told).map_err(trouble("reading"))?;
    let status = child.wait().map_err(trouble("wait"))?;
    Ok((status, String::from_utf8_lossy(&told).into_owned()))
}

pub fn in_threads() -> Result<(), Failure> {
    equal("exit", run("exit")?, (17, String::new()))?;
    equal("overflow", run("overflow")?.0, SEGMENTATION_FAULT)?;
    equal("protected", run("protected")?.0, SEGMENTATION_FAULT)?;
    let (status, told) = run("panic")?;
    equal("panic", status, ILLEGAL)?;
    if told.starts_with("rt-test: ") && told.contains("a thread has had enough") {
        Ok(())
    } else {
        Err(format!("the panic said {told:?}"))
    }
}

pub fn without_memory() -> Result<(), Failure> {
    let (status, told) = run("memory")?;
    equal("status", status, ILLEGAL)?;
    match told.contains("memory allocation of 35184372088832 bytes failed") {
        true => Ok(()),
        false => Err(format!("it said {told:?}")),
    }
}

pub fn first() -> Result<(), Failure> {
    equal("first", run("first")?, (21, String::new()))
}
