// SPDX-License-Identifier: BSD-2-Clause
//! `workload`: what programs do with more memory than there is: sorts, joins, multiplies, looks up, scans files, runs as many processes. Each checks its own result.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

mod many;
mod scan;

use alloc::format;
use alloc::string::String;
use ebb_args::{Args, Size, Spec};
use ebb_report::Value;
use ebb_rig::{Failure, Machine, finish, map, report};
use ebb_rt::StartInfo;
use ebb_rt::abi::PAGE_SIZE;
use ebb_rt::abi::meter::Counter;
use ebb_rt::shared::meter;
use ebb_rt::sys::time::tsc;
use ebb_workload::programs::{self, Wrong};
use ebb_workload::{Memory, Stats};

ebb_rt::program!(main);

const HELP: &str = "\
usage: workload NAME [--mem SIZE] [--seed S] [--rounds N] [--json]
Works on memory as programs of well-known kinds do, and checks the result; status 1 if it is wrong.
  sort       sorts records: runs first, which are merged then
  hash-join  builds a hash table of one relation, and looks up the tuples of another
  matrix     multiplies matrices block by block
  btree      looks keys up in a B-tree of pages, some often, and changes values
  scan-hot   reads a file on the root disk again and again beside a hot set in anonymous memory
  many       eight processes at the same time, each with memory of its own
  --mem SIZE   64M, 1G, or 2x for twice the machine's memory (default: 2x)
  --seed S     the same seed does the same (default: 1)
  --rounds N   how often (default: 1)";

const SPEC: Spec =
    Spec { values: &["--mem", "--seed", "--rounds"], flags: &["--json", "--help"], operands: 1 };

/// Pages that the smallest of them needs.
const MIN_PAGES: u64 = 64;
/// 256 GiB: more than any machine here can have.
const MAX_PAGES: u64 = 1 << 26;

/// What to do.
#[derive(Clone, Copy)]
pub struct Job {
    /// Pages to work on.
    pub pages: u64,
    /// The seed.
    pub seed: u64,
    /// How often.
    pub rounds: u64,
}

fn main(info: &'static StartInfo) -> u8 {
    finish("workload", run(info))
}

fn run(info: &StartInfo) -> Result<(), Failure> {
    let args = Args::parse(&info.args, &SPEC)?;
    if args.flag("--help") {
        return Err(Failure::Help(HELP));
    }
    let [name] = args.operands() else {
        return Err(Failure::Usage("which one? workload sort (try workload --help)".into()));
    };
    let size = args.read("--mem", ebb_args::size)?;
    let size = match size {
        Some(size) => size,
        None => ebb_args::size("2x").map_err(|_| Failure::Usage("--mem is needed".into()))?,
    };
    let job = Job {
        pages: pages(&size)?,
        seed: args.read("--seed", ebb_args::number)?.unwrap_or(1),
        rounds: args.read("--rounds", ebb_args::number)?.unwrap_or(1),
    };
    let start = tsc();
    let stats = match (name.as_str(), programs::by_name::<Machine>(name)) {
        (_, Some(program)) => {
            let mut memory = Memory::new(map(info, job.pages)?, Machine);
            program(&mut memory, job.seed, job.rounds).map_err(|w| wrong(name, &w))?;
            memory.stats().clone()
        }
        ("scan-hot", None) => scan::run(info, job)?,
        ("many", None) => many::run(info, job)?,
        _ => {
            let names = programs::NAMES.join(", ");
            return Err(Failure::Usage(format!("{name:?} is none of them: {names}, scan-hot, many")));
        }
    };
    print(info, args.flag("--json"), name, job, &stats, tsc() - start);
    Ok(())
}

fn pages(size: &Size) -> Result<u64, Failure> {
    match size.pages(PAGE_SIZE as u64, meter(Counter::v_page_count)) {
        Some(pages) if (MIN_PAGES..=MAX_PAGES).contains(&pages) => Ok(pages),
        _ => Err(Failure::Usage("--mem: from 256K to 256G".into())),
    }
}

fn print(info: &StartInfo, json: bool, name: &str, job: Job, stats: &Stats, cycles: u64) {
    let head = alloc::vec![
        ("program", Value::from("workload")),
        ("workload", name.into()),
        ("bytes", (job.pages * PAGE_SIZE as u64).into()),
        ("rounds", job.rounds.into()),
        ("seed", job.seed.into()),
        ("verified", true.into()),
    ];
    report::print(info, json, head, stats, cycles);
}

/// The line that says what is wrong.
pub fn wrong(name: &str, wrong: &Wrong) -> Failure {
    let Wrong { what, expected, found } = wrong;
    Failure::Trouble(format!("{name}: wrong {what}: expected {expected:#x}, found {found:#x}"))
}

/// The same for what could not be done.
pub fn because(what: &str, error: ebb_rt::fs::Error) -> Failure {
    Failure::Trouble(String::from(what) + ": " + error.posix().1)
}
