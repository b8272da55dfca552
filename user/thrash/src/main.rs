// SPDX-License-Identifier: BSD-2-Clause
//! `thrash`: touches more memory than there is, and checks what it reads.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

use alloc::format;
use ebb_args::{Args, Problem, Ratio, Spec};
use ebb_report::Value;
use ebb_rig::{Failure, Machine, finish, grow_to, report};
use ebb_rt::StartInfo;
use ebb_rt::abi::PAGE_SIZE;
use ebb_rt::abi::meter::Counter;
use ebb_rt::shared::meter;
use ebb_rt::sys::time::tsc;
use ebb_workload::{Pattern, Sequence, Workload};

ebb_rt::program!(main);

const HELP: &str = "\
usage: thrash --mem SIZE [--pattern seq|random|zipf|loop|scan] [--write-ratio R] [--rounds N] [--seed S] [--verify] [--json]
Writes each page of anonymous memory once, then touches as many pages a round as there are, in the order of the pattern.
  --mem SIZE       64M, 1G, or 2x for twice the machine's memory
  --pattern P      seq: ascending; random; zipf: few pages often; loop: windows, several times each; scan: a hot set and a pass (default: random)
  --write-ratio R  share of touches that write, 0 to 1 or 0% to 100% (default: 0.5)
  --rounds N       default: 1
  --seed S         the same seed gives the same touches (default: 1)
  --verify         check each page at each touch, and all at the end, which is not measured; status 1 at the first wrong byte";

const SPEC: Spec = Spec {
    values: &["--mem", "--pattern", "--write-ratio", "--rounds", "--seed"],
    flags: &["--verify", "--json", "--help"],
    operands: 0,
};

/// 256 GiB: more than any machine here can have.
const MAX_PAGES: u64 = 1 << 26;

fn main(info: &'static StartInfo) -> u8 {
    finish("thrash", run(info))
}

fn run(info: &StartInfo) -> Result<(), Failure> {
    let args = Args::parse(&info.args, &SPEC)?;
    if args.flag("--help") {
        return Err(Failure::Help(HELP));
    }
    let size = args
        .read("--mem", ebb_args::size)?
        .ok_or_else(|| Failure::Usage("--mem is needed: thrash --mem 2x (try thrash --help)".into()))?;
    let pattern = args.read("--pattern", pattern)?.unwrap_or(Pattern::Random);
    let write = args.read("--write-ratio", ebb_args::ratio)?.unwrap_or(Ratio(1 << 15));
    let rounds = args.read("--rounds", ebb_args::number)?.unwrap_or(1);
    let seed = args.read("--seed", ebb_args::number)?.unwrap_or(1);
    let verify = args.flag("--verify");
    let pages = match size.pages(PAGE_SIZE as u64, meter(Counter::v_page_count)) {
        Some(pages) if pages <= MAX_PAGES => pages,
        _ => return Err(Failure::Usage("--mem: more than 256G makes no sense here".into())),
    };

    let mut workload = Workload::new(Machine, seed, write.0, verify);
    grow_to(&mut workload, info, pages)?;
    let start = tsc();
    touch_all(&mut workload, pattern, pages, rounds, seed).map_err(|w| report::wrong(&workload, w))?;
    // The pass that checks all is of another pattern: it is no part of the figures.
    let cycles = tsc() - start;
    let mut stats = workload.stats().clone();
    if verify {
        workload.verify_all(pages).map_err(|w| report::wrong(&workload, w))?;
        stats.checked = workload.stats().checked;
    }
    let head = alloc::vec![
        ("program", Value::from("thrash")),
        ("workload", format!("thrash-{}", pattern.name()).into()),
        ("bytes", (pages * PAGE_SIZE as u64).into()),
        ("pattern", pattern.name().into()),
        ("pages", pages.into()),
        ("rounds", rounds.into()),
        ("seed", seed.into()),
        ("verified", verify.into()),
    ];
    report::print(info, args.flag("--json"), head, &stats, cycles);
    Ok(())
}

fn touch_all(
    workload: &mut Workload<'static, Machine>,
    pattern: Pattern,
    pages: u64,
    rounds: u64,
    seed: u64,
) -> Result<(), ebb_workload::Wrong> {
    workload.fill(pages)?;
    let mut sequence = Sequence::new(pattern, pages, seed);
    for _ in 0..rounds {
        for _ in 0..pages {
            workload.touch(sequence.next_page())?;
        }
    }
    Ok(())
}

fn pattern(name: &str) -> Result<Pattern, Problem> {
    Pattern::by_name(name)
        .ok_or_else(|| Problem(format!("{name:?} is no pattern: seq, random, zipf, loop, scan")))
}
