// SPDX-License-Identifier: BSD-2-Clause
//! `trace`: runs a program and writes down which pages it references, as a trace that `replay` and the simulator read.
//!
//! `vm` leaves only the last few pages mapped that the program faulted on, so that a reference to any other page is a fault, which it notes for us. What is
//! missing is the references within that window; how many pages it has stands beside the trace.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use ebb_args::Failure;
use ebb_report::Value;
use ebb_rt::fs::{self, Error, File, OpenOptions};
use ebb_rt::io::write_all;
use ebb_rt::process::{Command, Traced};
use ebb_rt::proto::vm::{MAX_EVENTS, Reference, TRACE_WINDOW};
use ebb_rt::{StartInfo, clock, eprintln, println};
use ebb_workload::noted::Noted;

ebb_rt::program!(main);

const HELP: &str = "\
usage: trace [-o FILE] [-w PAGES] COMMAND [ARGUMENT...]
Runs COMMAND and writes to FILE which pages it references: 4-byte little-endian page numbers, 0, 1, 2, ... in order of first reference.
NAME.dirty, for FILE NAME.u32, has a bit a reference, lowest bit of a byte first: it wrote. NAME.json says what it is.
  -o FILE   default: trace.u32; the name must end so
  -w PAGES  pages that stay mapped: references to them are not seen (default and least: 8, what one instruction may touch)
Status: that of COMMAND; 125 if it cannot be traced.";

/// Status where the tracing itself goes wrong.
const TROUBLE: u8 = 125;
/// How long the program runs between two looks, as long as it does not reference many pages.
const PAUSE_US: u64 = 500;
/// Bytes that are written in one go.
const PIECE: usize = 32 << 10;

fn main(info: &'static StartInfo) -> u8 {
    match run(&info.args) {
        Ok(status) => status,
        Err(Failure::Help(text)) => {
            println!("{text}");
            0
        }
        Err(failure) => {
            eprintln!("trace: {failure}");
            TROUBLE
        }
    }
}

struct Job {
    file: String,
    window: u32,
    command: Vec<String>,
}

fn parse(args: &[String]) -> Result<Job, Failure> {
    let mut job = Job { file: String::from("trace.u32"), window: *TRACE_WINDOW.start(), command: Vec::new() };
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        let mut value = || rest.next().ok_or_else(|| Failure::Usage(format!("{arg}: a value is missing")));
        match arg.as_str() {
            "--help" => return Err(Failure::Help(HELP)),
            "-o" => job.file = value()?.clone(),
            "-w" => {
                let text = value()?;
                let window = text.parse().ok().filter(|w| TRACE_WINDOW.contains(w));
                job.window = window.ok_or_else(|| {
                    Failure::Usage(format!("-w {text}: {} to {}", TRACE_WINDOW.start(), TRACE_WINDOW.end()))
                })?;
            }
            "--" => {
                job.command.extend(rest.by_ref().cloned());
            }
            option if option.starts_with('-') => {
                return Err(Failure::Usage(format!("{option}: unknown (try --help)")));
            }
            _ => {
                job.command.push(arg.clone());
                job.command.extend(rest.by_ref().cloned());
            }
        }
    }
    if job.command.is_empty() {
        return Err(Failure::Usage("which command? (try --help)".into()));
    }
    Ok(job)
}

fn trouble(what: &str) -> impl Fn(Error) -> Failure {
    move |error| Failure::Trouble(format!("{what}: {}", error.posix().1))
}

fn create(path: &str) -> Result<File, Failure> {
    OpenOptions::new().write(true).create(true).truncate(true).open(path).map_err(trouble(path))
}

fn run(args: &[String]) -> Result<u8, Failure> {
    let job = parse(args)?;
    let name = job.file.strip_suffix(".u32").filter(|n| !n.is_empty() && !n.ends_with('/'));
    let name = name.ok_or_else(|| Failure::Usage(format!("-o {}: NAME.u32", job.file)))?;
    let (dirty, about) = (format!("{name}.dirty"), format!("{name}.json"));
    let mut files = [create(&job.file)?, create(&dirty)?, create(&about)?];
    let [program, args @ ..] = job.command.as_slice() else { return Ok(TROUBLE) };
    let in_bin = format!("/bin/{program}");
    let program = if !program.contains('/') && fs::metadata(&in_bin).is_ok() { &in_bin } else { program };
    let traced = match Command::new(program).args(args).spawn_traced(job.window) {
        Ok(traced) => traced,
        Err(error) => {
            for file in [&job.file, &dirty, &about] {
                // There is nothing in it, and what is wrong is said below.
                let _ = fs::remove_file(file);
            }
            return Err(trouble(program)(error));
        }
    };
    let noted = match record(&traced, &mut files[0], &job.file) {
        Ok(noted) => noted,
        Err(failure) => {
            // Nobody takes what it does any more: it would wait for ever. It may have ended meanwhile.
            let _ = traced.child.kill();
            return Err(failure);
        }
    };
    let status = traced.child.wait().map_err(trouble("wait"))?;
    let (references, writes) = noted.references();
    write_all(&mut files[1], noted.dirty()).map_err(trouble(&dirty))?;
    let words = job.command.iter().map(|w| Value::from(w.as_str())).collect();
    let told = Value::object([
        ("name", name.rsplit('/').next().unwrap_or(name).into()),
        ("source", "machine".into()),
        ("program", Value::List(words)),
        ("page_size", 4096u64.into()),
        ("filter", "fifo".into()),
        ("filter_k", job.window.into()),
        ("refs", references.into()),
        ("unique_pages", noted.pages().into()),
        ("dirty_refs", writes.into()),
        ("status", status.into()),
    ]);
    write_all(&mut files[2], format!("{told}\n").as_bytes()).map_err(trouble(&about))?;
    eprintln!(
        "trace: {references} references to {} pages, {writes} of them write; window {}; {}",
        noted.pages(),
        job.window,
        job.file
    );
    Ok(status)
}

/// Takes all that is noted until the program has ended.
fn record(traced: &Traced, file: &mut File, name: &str) -> Result<Noted, Failure> {
    let mut noted = Noted::default();
    let mut piece = Vec::with_capacity(PIECE);
    loop {
        let (words, goes_on) = traced.take().map_err(trouble("vm"))?;
        for (reference, page) in words.iter().filter_map(|word| Reference::read(*word)) {
            let number = match reference {
                Reference::Written => {
                    noted.written(page);
                    continue;
                }
                Reference::Read => noted.reference(page, false),
                Reference::Write => noted.reference(page, true),
            };
            let number =
                number.ok_or_else(|| Failure::Trouble("more references than a trace can have".into()))?;
            piece.extend_from_slice(&number.to_le_bytes());
        }
        if piece.len() + MAX_EVENTS * 4 > PIECE || !goes_on {
            write_all(file, &piece).map_err(trouble(name))?;
            piece.clear();
        }
        if !goes_on {
            return Ok(noted);
        }
        if words.len() < MAX_EVENTS {
            clock::sleep_us(PAUSE_US).map_err(trouble("sleep"))?;
        }
    }
}
