// SPDX-License-Identifier: BSD-2-Clause
//! Files: what a mapped page, a private copy, and a read of 4 KiB cost, from memory and from the disk.
//!
//! Everything is done to one file, larger than memory (`xtask bench` makes it). What comes from the disk is counted as in [`crate::paging`]: everything that the
//! machine did, less the time without a ready thread.

use crate::Row;
use crate::paging::{Gauge, WORDS};
use crate::samples::Samples;
use alloc::vec;
use alloc::vec::Vec;
use core::hint::black_box;
use core::sync::atomic::Ordering::Relaxed;
use ebb_args::Failure;
use ebb_rt::StartInfo;
use ebb_rt::abi::PAGE_SIZE;
use ebb_rt::abi::meter::Counter;
use ebb_rt::fs::{Error, File, Map, Sharing, remove_file};
use ebb_workload::Random;

/// The file.
const FILE: &str = "/data/bench";
/// Pages that are in memory for the rows that measure that: 4 MiB.
const CACHED: u64 = 1024;
/// Bytes of a page.
const PAGE: u64 = PAGE_SIZE as u64;
/// Rounds of the rows with the disk.
const ROUNDS: u64 = 4096;

fn trouble(error: Error) -> Failure {
    Failure::Trouble(alloc::format!("{FILE}: {} (see xtask bench)", error.posix().1))
}

pub fn files(_: &StartInfo) -> Result<Vec<Row>, Failure> {
    let file = File::open(FILE).map_err(trouble)?;
    let pages = file.size().map_err(trouble)? / PAGE;
    if pages < CACHED + 3 * ROUNDS {
        return Err(Failure::Trouble(alloc::format!("{FILE}: {pages} pages are too few")));
    }
    let mut rows = vec![ahead(&file)?, random(&file, pages)?, behind()?];
    rows.extend(cached(&file)?);
    Ok(rows)
}

/// Sequential reading: a page that comes in ahead of its reader.
fn ahead(file: &File) -> Result<Row, Failure> {
    let mut buffer = vec![0; 4 * PAGE_SIZE];
    let mut gauge = Gauge::new(Counter::v_vnodepgsin, 64);
    for n in 0..ROUNDS / 4 {
        file.read_at(&mut buffer, (CACHED + n * 4) * PAGE).map_err(trouble)?;
        gauge.look();
    }
    gauge.row("file_read_ahead")
}

/// Reading pages here and there that nobody has read before.
fn random(file: &File, pages: u64) -> Result<Row, Failure> {
    let first = CACHED + ROUNDS + 64;
    let mut order: Vec<u64> = (first..pages).collect();
    let mut dice = Random::new(5);
    for n in (1..order.len()).rev() {
        order.swap(n, dice.below(n as u64 + 1) as usize);
    }
    let mut buffer = vec![0; PAGE_SIZE];
    let mut gauge = Gauge::new(Counter::v_vnodepgsin, 16);
    for page in order.iter().take(ROUNDS as usize) {
        file.read_at(&mut buffer, page * PAGE).map_err(trouble)?;
        gauge.look();
    }
    gauge.row("file_read_disk")
}

/// Writing a new file in order, until the disk has it: a page that goes out.
fn behind() -> Result<Row, Failure> {
    const NEW: &str = "/data/bench.new";
    let trouble = |error: Error| Failure::Trouble(alloc::format!("{NEW}: {}", error.posix().1));
    let file = File::create(NEW).map_err(trouble)?;
    let buffer = vec![0x5a; 16 * PAGE_SIZE];
    let mut gauge = Gauge::new(Counter::v_vnodepgsout, ROUNDS);
    for n in 0..ROUNDS / 16 {
        if file.write_at(&buffer, n * buffer.len() as u64).map_err(trouble)? != buffer.len() {
            return Err(trouble(Error::Io));
        }
        gauge.look();
    }
    file.sync().map_err(trouble)?;
    gauge.look();
    drop(file);
    remove_file(NEW).map_err(trouble)?;
    gauge.row("file_write")
}

/// What needs no disk.
fn cached(file: &File) -> Result<Vec<Row>, Failure> {
    let mut buffer = vec![0; PAGE_SIZE];
    let read = |page: u64, buffer: &mut [u8]| file.read_at(buffer, page * PAGE).map(|_| ()).map_err(trouble);
    for page in 0..CACHED {
        read(page, &mut buffer)?;
    }
    let mut page = 0;
    let mut failed = Ok(());
    let reads = Samples::measure(CACHED as usize, || {
        failed = failed.and(read(page, &mut buffer).map_err(|_| ()));
        page += 1;
    });
    failed.map_err(|()| trouble(Error::Io))?;
    let map = Map::new(file, 0, CACHED, Sharing::Read).map_err(trouble)?;
    let mut pages = map.words().chunks(WORDS);
    let faults = Samples::measure(CACHED as usize, || {
        if let Some(page) = pages.next() {
            black_box(page[0].load(Relaxed));
        }
    });
    drop(map);
    let map = Map::new(file, 0, CACHED, Sharing::Private).map_err(trouble)?;
    let mut pages = map.words().chunks(WORDS);
    let copies = Samples::measure(CACHED as usize, || {
        if let Some(page) = pages.next() {
            page[0].store(1, Relaxed);
        }
    });
    Ok(vec![
        Row { name: "file_read_cached", samples: reads },
        Row { name: "file_read_fault", samples: faults },
        Row { name: "private_write_fault", samples: copies },
    ])
}
