// SPDX-License-Identifier: BSD-2-Clause
//! `bench`: measures the machine from inside, in units of the time-stamp counter. Under `xtask bench` (QEMU's `-icount shift=0`) one unit is one
//! instruction, and the figures repeat exactly where no disk is waited for.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

mod barrier;
mod calls;
mod files;
mod paging;
mod partner;
mod policy;
mod processes;
mod samples;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use ebb_args::{Args, Failure, Spec};
use ebb_report::{Column, Listing, Value};
use ebb_rig::finish;
use ebb_rt::{StartInfo, println};
use samples::Samples;

ebb_rt::program!(main);

const HELP: &str = "\
usage: bench [--json] [--replacements N] [NAME...]
Measures, in units of the time-stamp counter (instructions under xtask bench). Names: null_syscall ipc notification first_touch barrier files paging processes policy_scan policy_replace.
files wants a file /data/bench that is larger than memory, paging swap of twice the memory. Some print several rows.
  --json            one object a line
  --replacements N  rounds of policy_replace (default: 1000)";

const SPEC: Spec = Spec {
    values: &["--replacements", "--load"],
    flags: &["--json", "--help", "--echo", "--end", "--sleep"],
    operands: 16,
};

/// A measurement: its name on the command line, and what makes its rows.
type Measurement = (&'static str, fn(&StartInfo, &Args) -> Result<Vec<Row>, Failure>);

/// A row of the result.
pub struct Row {
    name: &'static str,
    samples: Samples,
}

const MEASUREMENTS: &[Measurement] = &[
    ("null_syscall", |_, _| Ok(calls::null_syscall())),
    ("ipc", |info, _| calls::ipc(info)),
    ("notification", |info, _| calls::notification(info)),
    ("first_touch", |info, _| paging::first_touch(info)),
    ("barrier", |info, _| barrier::barrier(info)),
    ("files", |info, _| files::files(info)),
    ("paging", |info, _| paging::paging(info)),
    ("processes", |info, _| processes::processes(info)),
    ("policy_scan", |info, _| policy::scan(info)),
    ("policy_replace", policy::replace),
];

const COLUMNS: &[Column] = &[
    Column { key: "name", heading: "NAME" },
    Column { key: "unit", heading: "UNIT" },
    Column { key: "rounds", heading: "ROUNDS" },
    Column { key: "min", heading: "MIN" },
    Column { key: "median", heading: "MEDIAN" },
    Column { key: "mean", heading: "MEAN" },
];

fn main(info: &'static StartInfo) -> u8 {
    finish("bench", run(info))
}

fn run(info: &StartInfo) -> Result<(), Failure> {
    let args = Args::parse(&info.args, &SPEC)?;
    if args.flag("--help") {
        return Err(Failure::Help(HELP));
    }
    // The ways in which it runs itself.
    if args.flag("--end") {
        return Ok(());
    }
    if args.flag("--sleep") {
        let hour = ebb_rt::time::Duration::from_secs(3600);
        return ebb_rt::thread::sleep(hour).map_err(|error| Failure::of("sleep", error));
    }
    if args.flag("--echo") {
        return partner::echo(info);
    }
    if let Some(pages) = args.read("--load", ebb_args::number)? {
        return policy::load(info, pages);
    }
    let names = args.operands();
    if let Some(name) = names.iter().find(|n| !MEASUREMENTS.iter().any(|(m, _)| m == n)) {
        return Err(Failure::Usage(format!("{name}: no such measurement (try bench --help)")));
    }
    let mut list = Listing::new(COLUMNS);
    let mut failed = false;
    for (name, measure) in
        MEASUREMENTS.iter().filter(|(m, _)| names.is_empty() || names.iter().any(|n| n == m))
    {
        match measure(info, &args) {
            Ok(rows) => {
                for row in rows {
                    print(&mut list, row, args.flag("--json"));
                }
            }
            Err(failure) => {
                failed = true;
                println!("bench: {name}: {failure}");
            }
        }
    }
    if !args.flag("--json") {
        ebb_rt::print!("{list}");
    }
    if failed { Err(Failure::Status(1)) } else { Ok(()) }
}

fn print(list: &mut Listing, mut row: Row, json: bool) {
    let summary = row.samples.summary();
    let values = [
        Value::from(row.name),
        "instructions".into(),
        summary.rounds.into(),
        summary.min.into(),
        summary.median.into(),
        summary.mean.into(),
    ];
    if json {
        let members = COLUMNS.iter().zip(values).map(|(c, v)| (String::from(c.key), v)).collect();
        println!("{}", Value::Object(members));
    } else {
        list.row(values);
    }
}
