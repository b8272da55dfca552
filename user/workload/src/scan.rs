// SPDX-License-Identifier: BSD-2-Clause
//! The file of the scan: made before, mapped, and removed afterwards.

use crate::{Job, because, wrong};
use alloc::vec::Vec;
use ebb_rig::{Failure, Machine, map};
use ebb_rt::StartInfo;
use ebb_rt::abi::PAGE_SIZE;
use ebb_rt::fs::{self, File, Map, Sharing};
use ebb_rt::io::write_all;
use ebb_rt::sys::time::tsc;
use ebb_workload::programs::scan;
use ebb_workload::{Memory, Progress, Stats, WORDS};

const FILE: &str = "/tmp/workload-scan";
/// Pages written at a time.
const PIECE: u64 = 16;

/// Half of the pages are the file's, three eighths the hot set's.
pub fn run(info: &StartInfo, job: Job) -> Result<Stats, Failure> {
    let start = tsc();
    let (in_file, hot) = (job.pages / 2, job.pages * 3 / 8);
    let result = write(job.seed, in_file)
        .map_err(|e| because(FILE, e))
        .and_then(|()| read(info, job, in_file, hot, start));
    let removed = fs::remove_file(FILE).map_err(|e| because(FILE, e));
    let stats = result?;
    removed?;
    Ok(stats)
}

fn write(seed: u64, pages: u64) -> Result<(), fs::Error> {
    let mut file = File::create(FILE)?;
    let mut bytes = Vec::with_capacity(PIECE as usize * PAGE_SIZE);
    for first in (0..pages).step_by(PIECE as usize) {
        bytes.clear();
        let words = first as usize * WORDS..(first + PIECE).min(pages) as usize * WORDS;
        words.for_each(|at| bytes.extend_from_slice(&scan::word(seed, at).to_le_bytes()));
        write_all(&mut file, &bytes)?;
    }
    file.sync()
}

fn read(info: &StartInfo, job: Job, in_file: u64, hot: u64, start: u64) -> Result<Stats, Failure> {
    let file = File::open(FILE).map_err(|e| because(FILE, e))?;
    let mapped = Map::new(&file, 0, in_file, Sharing::Read).map_err(|e| because(FILE, e))?;
    let mut hot = Memory::new(map(info, hot)?, Machine);
    let mut file = Memory::new(mapped.words(), Machine);
    scan::run(&mut hot, &mut file, job.seed, job.rounds).map_err(|w| wrong("scan-hot", &w))?;
    let mut stats = hot.stats().clone();
    stats.add(file.stats());
    let parts = [&hot.stats().progress, &file.stats().progress];
    stats.progress = Progress::merged(start, &parts);
    Ok(stats)
}
