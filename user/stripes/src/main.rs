// SPDX-License-Identifier: BSD-2-Clause
//! Several programs map one file shared, and each writes the pages of its own stripe in random order, with `msync` in between. What the file holds in the end is known
//! (`ebb_workload::stripes`), to this program (`--check`) and to whoever reads the file elsewhere.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use ebb_args::{Args, Failure, Spec};
use ebb_rt::abi::PAGE_SIZE;
use ebb_rt::fs::{Error, File, Map, OpenOptions, Sharing};
use ebb_rt::process::Command;
use ebb_rt::{StartInfo, eprintln, println};
use ebb_workload::stripes::{WORDS, Writer, last, word};

ebb_rt::program!(main);

const USAGE: &str = "usage: stripes FILE [--writers N] [--rounds N] [--seed N] [--check]
  N programs (8) map FILE shared and write it, each its own stripe, each page as often as there are rounds (1);
  --check: look whether it holds what they wrote last";
const SPEC: Spec =
    Spec { values: &["--writers", "--rounds", "--seed", "--writer"], flags: &["--check"], operands: 1 };
/// Writes between two `msync`s.
const SYNC_EVERY: u64 = 256;

struct Job {
    file: String,
    writers: u64,
    rounds: u64,
    seed: u64,
}

fn main(info: &'static StartInfo) -> u8 {
    match run(&info.args) {
        Ok(()) => 0,
        Err(Failure::Status(status)) => status,
        Err(failure @ Failure::Help(_)) => {
            println!("{USAGE}");
            failure.status()
        }
        Err(failure) => {
            eprintln!("stripes: {failure}");
            failure.status()
        }
    }
}

fn trouble(what: &str, error: Error) -> Failure {
    Failure::Trouble(format!("{what}: {}", error.posix().1))
}

fn run(args: &[String]) -> Result<(), Failure> {
    let args = Args::parse(args, &SPEC)?;
    let [file] = args.operands() else { return Err(Failure::Usage("which file? (see --help)".into())) };
    let number = |name, default| Ok::<u64, Failure>(args.read(name, ebb_args::number)?.unwrap_or(default));
    let job = Job {
        file: file.clone(),
        writers: number("--writers", 8)?,
        rounds: number("--rounds", 1)?,
        seed: number("--seed", 1)?,
    };
    if job.writers == 0 {
        return Err(Failure::Usage("--writers: at least one".into()));
    }
    match args.read("--writer", ebb_args::number)? {
        Some(writer) => write(&job, writer),
        None if args.flag("--check") => check(&job),
        None => start(&job),
    }
}

/// Starts the writers and waits for them.
fn start(job: &Job) -> Result<(), Failure> {
    let mut children = Vec::new();
    for writer in 0..job.writers {
        let command = Command::new("/bin/stripes")
            .arg(&job.file)
            .args(&["--writers".into(), job.writers.to_string(), "--rounds".into(), job.rounds.to_string()])
            .args(&["--seed".into(), job.seed.to_string(), "--writer".into(), writer.to_string()]);
        children.push(command.spawn().map_err(|e| trouble("/bin/stripes", e))?);
    }
    let mut failed = None;
    for child in children {
        match child.wait().map_err(|e| trouble("wait", e))? {
            0 => {}
            status => failed = Some(status),
        }
    }
    failed.map_or(Ok(()), |status| Err(Failure::Status(status)))
}

fn map(job: &Job, sharing: Sharing) -> Result<Map, Failure> {
    let options = OpenOptions::new().read(true).write(sharing == Sharing::Shared);
    let file: File = options.open(&job.file).map_err(|e| trouble(&job.file, e))?;
    let pages = file.size().map_err(|e| trouble(&job.file, e))? / PAGE_SIZE as u64;
    if pages == 0 {
        return Err(Failure::Trouble(format!("{}: not a page in it", job.file)));
    }
    Map::new(&file, 0, pages, sharing).map_err(|e| trouble(&job.file, e))
}

fn write(job: &Job, writer: u64) -> Result<(), Failure> {
    let map = map(job, Sharing::Shared)?;
    let words = map.words();
    for (n, (page, number)) in Writer::new(job.seed, writer, job.writers, map.pages(), job.rounds).enumerate()
    {
        let Some(cells) = words.chunks_exact(WORDS).nth(page as usize) else { continue };
        for (at, cell) in cells.iter().enumerate() {
            cell.store(word(number, at), Ordering::Relaxed);
        }
        if n as u64 % SYNC_EVERY == SYNC_EVERY - 1 {
            map.sync(page, 1, true).map_err(|e| trouble("msync", e))?;
        }
    }
    map.sync(0, map.pages(), true).map_err(|e| trouble("msync", e))
}

fn check(job: &Job) -> Result<(), Failure> {
    let map = map(job, Sharing::Read)?;
    let mut wrong = 0;
    let numbers = last(job.seed, job.writers, map.pages(), job.rounds);
    for (page, (cells, number)) in map.words().chunks_exact(WORDS).zip(numbers).enumerate() {
        let Some(number) = number else { continue };
        if cells.iter().enumerate().any(|(at, cell)| cell.load(Ordering::Relaxed) != word(number, at)) {
            eprintln!("stripes: page {page} is not what was written last");
            wrong += 1;
        }
    }
    if wrong > 0 { Err(Failure::Trouble(format!("{wrong} pages are wrong"))) } else { Ok(()) }
}
