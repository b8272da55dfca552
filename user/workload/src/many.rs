// SPDX-License-Identifier: BSD-2-Clause
//! Many processes: copies of this one, each of which touches memory of its own by Zipf's law and checks it, and tells in the end what it saw.

use crate::{Job, because};
use alloc::format;
use alloc::vec::Vec;
use ebb_rig::{Failure, Machine, grow_to};
use ebb_rt::StartInfo;
use ebb_rt::io::{Channel, Read, pipe, write_all};
use ebb_rt::process::{self, Child, Forked};
use ebb_rt::sys::time::tsc;
use ebb_workload::random::mix;
use ebb_workload::{Pattern, Progress, Sequence, Stats, Workload};

/// Processes.
const PROCESSES: u64 = 8;
/// Share of touches that write: a quarter.
const WRITES: u32 = 1 << 14;

/// Runs them, and adds up what they saw.
pub fn run(info: &StartInfo, job: Job) -> Result<Stats, Failure> {
    let start = tsc();
    let mut children: Vec<(Child, Channel)> = Vec::new();
    for number in 0..PROCESSES {
        let (from, to) = pipe().map_err(|e| because("pipe", e))?;
        match process::fork().map_err(|e| because("fork", e))? {
            Forked::Parent(child) => children.push((child, from)),
            Forked::Child => {
                drop(from);
                process::exit(in_child(info, number, job, to));
            }
        }
    }
    let mut stats = Stats::default();
    let mut progress = Vec::new();
    // All are waited for, also if one of them failed.
    let mut failed = None;
    for (number, (child, mut from)) in children.into_iter().enumerate() {
        let mut bytes = Vec::new();
        let read = from.read_to_end(&mut bytes).map_err(|e| because("pipe", e));
        let status = child.wait().map_err(|e| because("wait", e));
        match (read, status, Stats::from_bytes(&bytes)) {
            (Ok(_), Ok(0), Some(seen)) => {
                stats.add(&seen);
                progress.push(seen.progress);
            }
            (Ok(_), Ok(status), _) => {
                failed = Some(Failure::Trouble(format!("process {number} ended with status {status}")));
            }
            (Err(error), ..) | (_, Err(error), _) => failed = Some(error),
        }
    }
    let parts: Vec<&Progress> = progress.iter().collect();
    stats.progress = Progress::merged(start, &parts);
    failed.map_or(Ok(stats), Err)
}

/// What a child does; its status.
fn in_child(info: &StartInfo, number: u64, job: Job, mut to: Channel) -> u8 {
    let done = work(info, mix(job.seed ^ number), job.pages / PROCESSES, job.rounds)
        .and_then(|stats| write_all(&mut to, &stats.to_bytes()).map_err(|e| because("pipe", e)));
    ebb_rig::finish("workload", done)
}

fn work(info: &StartInfo, seed: u64, pages: u64, rounds: u64) -> Result<Stats, Failure> {
    let mut workload = Workload::new(Machine, seed, WRITES, true);
    grow_to(&mut workload, info, pages)?;
    let mut touch_all = || {
        workload.fill(pages)?;
        let mut sequence = Sequence::new(Pattern::Zipf, pages, seed);
        for _ in 0..rounds * pages {
            workload.touch(sequence.next_page())?;
        }
        workload.verify_all(pages)
    };
    touch_all().map_err(|w| ebb_rig::report::wrong(&workload, w))?;
    Ok(workload.stats().clone())
}
