// SPDX-License-Identifier: BSD-2-Clause
//! Files: faults on pages in the cache, `read` with and without the disk.
//!
//! Rows with the disk in them count everything the machine did, less the time without a ready thread, as in [`crate::paging`].

use crate::Row;
use crate::paging::{Gauge, SEQUENTIAL, WARM, busy, touch};
use crate::samples::{Samples, pair_cost};
use alloc::format;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use ebb_args::Failure;
use ebb_rt::abi::PAGE_SIZE;
use ebb_rt::abi::meter::Counter;
use ebb_rt::fs::{Error, File, Map, OpenOptions, Sharing, remove_file};
use ebb_rt::proto::vm::Advice;
use ebb_rt::shared::meter;
use ebb_rt::sys::time::tsc;
use ebb_workload::Random;

/// The file that is made, and has no name any more while it is used.
const FILE: &str = "/tmp/bench";
/// Pages of the rows without the disk: 4 MiB.
const CACHED: u64 = 1024;
/// Pages of one transfer where the file is written or read in order.
const PIECE: u64 = 16;
/// Rounds of the row that reads at random.
const ROUNDS: usize = 4000;

fn trouble(error: Error) -> Failure {
    Failure::Trouble(format!("{FILE}: {}", error.posix().1))
}

/// A new file.
fn scratch() -> Result<File, Failure> {
    let options = OpenOptions::new().read(true).write(true).create(true);
    let file = options.open(FILE).map_err(trouble)?;
    remove_file(FILE).map_err(trouble)?;
    Ok(file)
}

/// Reads or writes pages from `first` on.
fn transfer(
    pages: u64,
    first: u64,
    mut move_at: impl FnMut(u64) -> Result<usize, Error>,
) -> Result<(), Failure> {
    let bytes = pages * PAGE_SIZE as u64;
    let mut done = 0;
    while done < bytes {
        match move_at(first * PAGE_SIZE as u64 + done).map_err(trouble)? {
            0 => return Err(Failure::Trouble(format!("{FILE}: nothing was moved at page {first}"))),
            n => done += n as u64,
        }
    }
    Ok(())
}

/// Faults and `read` on pages that are in the cache.
pub fn cached(_: &ebb_rt::StartInfo) -> Result<Vec<Row>, Failure> {
    let file = scratch()?;
    let mut page = [0x5a; PAGE_SIZE];
    for n in 0..CACHED {
        transfer(1, n, |at| file.write_at(&page, at))?;
    }
    // Clean pages: nobody writes them out while they are used.
    file.sync().map_err(trouble)?;
    let mut rows = Vec::new();
    for (name, sharing) in [("file_fault", Sharing::Read), ("file_private_write", Sharing::Private)] {
        let map = Map::new(&file, 0, CACHED, sharing).map_err(trouble)?;
        map.advise(0, CACHED, Advice::Random).map_err(trouble)?;
        let mut samples = Samples::default();
        let pair = pair_cost();
        for page in 0..CACHED {
            let faults = meter(Counter::v_vm_faults);
            let start = tsc();
            touch(map.words(), page, sharing == Sharing::Private);
            let round = (tsc() - start).saturating_sub(pair);
            // A page may have come with its neighbour.
            if meter(Counter::v_vm_faults) != faults {
                samples.add(round);
            }
        }
        rows.push(row(name, samples)?);
    }
    let mut n = 0;
    let mut failed = None;
    let samples = Samples::measure(ROUNDS, || {
        match file.read_at(&mut page, n % CACHED * PAGE_SIZE as u64) {
            Ok(PAGE_SIZE) => {}
            Ok(_) => failed = Some(Error::Io),
            Err(error) => failed = Some(error),
        }
        n += 1;
    });
    match failed {
        Some(error) => Err(trouble(error)),
        None => {
            rows.push(row("file_read", samples)?);
            Ok(rows)
        }
    }
}

fn row(name: &'static str, samples: Samples) -> Result<Row, Failure> {
    if samples.len() == 0 {
        return Err(Failure::Trouble(format!("{name}: nothing happened")));
    }
    Ok(Row { name, samples })
}

/// A file of twice the memory, written and read in order, and read at random.
pub fn disk(_: &ebb_rt::StartInfo) -> Result<Vec<Row>, Failure> {
    let pages = (2 * meter(Counter::v_page_count)).next_multiple_of(PIECE);
    let file = scratch()?;
    let mut piece = vec![0x5a; PIECE as usize * PAGE_SIZE];
    let mut rows = Vec::new();

    let before = meter(Counter::v_vnodepgsout);
    let mut gauge: Option<Gauge> = None;
    for n in (0..pages).step_by(PIECE as usize) {
        transfer(PIECE, n, |at| file.write_at(&piece, at))?;
        match &mut gauge {
            Some(gauge) => gauge.look(),
            None if meter(Counter::v_vnodepgsout) - before >= WARM => {
                gauge = Some(Gauge::new(Counter::v_vnodepgsout, SEQUENTIAL));
            }
            None => {}
        }
    }
    rows.push(
        gauge
            .ok_or_else(|| Failure::Trouble("file_write_seq: nothing was written".to_string()))?
            .row("file_write_seq")?,
    );
    file.sync().map_err(trouble)?;

    // What of it is in memory is the end, so that every page comes from the disk.
    let mut gauge = Gauge::new(Counter::v_vnodepgsin, SEQUENTIAL);
    for n in (0..pages).step_by(PIECE as usize) {
        transfer(PIECE, n, |at| file.read_at(&mut piece, at))?;
        gauge.look();
    }
    rows.push(gauge.row("file_read_seq")?);

    let mut random = Random::new(3);
    let mut samples = Samples::default();
    let looking = (0..100)
        .map(|_| -> u64 {
            let start = busy();
            busy() - start
        })
        .min()
        .unwrap_or(0);
    while samples.len() < ROUNDS {
        let at = random.below(pages) * PAGE_SIZE as u64;
        let (read, start) = (meter(Counter::v_vnodepgsin), busy());
        let count = file.read_at(&mut piece[..PAGE_SIZE], at).map_err(trouble)?;
        let cost = busy() - start;
        if count != PAGE_SIZE {
            return Err(Failure::Trouble(format!("{FILE}: {count} bytes at {at}")));
        }
        if meter(Counter::v_vnodepgsin) != read {
            samples.add(cost.saturating_sub(looking));
        }
    }
    rows.push(row("file_read_disk", samples)?);
    Ok(rows)
}
