// SPDX-License-Identifier: BSD-2-Clause
//! Writes that are not to go through at once: to a page that a child has too, and to pages that are tracked; and what changing protection costs.

use crate::Row;
use crate::samples::Samples;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;
use ebb_args::Failure;
use ebb_rt::StartInfo;
use ebb_rt::abi::PAGE_SIZE;
use ebb_rt::memory::{Protection, Region};
use ebb_rt::process::{self, Forked};
use ebb_rt::proto::Error;
use ebb_rt::thread::sleep;

/// Pages of each row: 4 MiB.
const PAGES: u64 = 1024;
/// Rounds of the row that takes all of them at once.
const SWEEPS: usize = 4;

fn trouble(error: Error) -> Failure {
    Failure::of("memory", error)
}

/// Pages that are there, and written.
fn resident(pages: u64) -> Result<Region, Failure> {
    let mut region = Region::new(pages as usize * PAGE_SIZE).map_err(trouble)?;
    (0..pages).for_each(|n| write(&mut region, n));
    Ok(region)
}

#[inline(always)]
fn write(region: &mut Region, page: u64) {
    if let Some(byte) = region.get_mut(page as usize * PAGE_SIZE) {
        // What would be optimized away were no write.
        *core::hint::black_box(byte) = page as u8;
    }
}

pub fn barrier(_: &StartInfo) -> Result<Vec<Row>, Failure> {
    let copies = copies()?;
    let (one, many) = tracked()?;
    Ok(vec![
        Row { name: "copy_on_write", samples: copies },
        Row { name: "write_barrier", samples: one },
        Row { name: "write_barrier_batch", samples: many },
        Row { name: "protect_and_back", samples: protection()? },
    ])
}

/// The first write after a `fork` to a page that the child has too.
fn copies() -> Result<Samples, Failure> {
    let mut region = resident(PAGES)?;
    let child = match process::fork().map_err(trouble)? {
        Forked::Parent(child) => child,
        // Until it is ended.
        Forked::Child => loop {
            if sleep(Duration::from_secs(60)).is_err() {
                process::exit(1);
            }
        },
    };
    let mut page = 0;
    let samples = Samples::measure(PAGES as usize, || {
        write(&mut region, page);
        page += 1;
    });
    child.kill().and_then(|()| child.wait()).map_err(trouble)?;
    Ok(samples)
}

/// A page that was written is protected, written again, and the write is noted: one page at a time, and all at once (then each has its share).
fn tracked() -> Result<(Samples, Samples), Failure> {
    let mut region = resident(PAGES)?;
    region.track(0, PAGES).map_err(trouble)?;
    (0..PAGES).for_each(|n| write(&mut region, n));
    let mut failed = None;
    let mut taken = |region: &Region, first: u64, pages: u64| match region.take_written(first, pages) {
        Ok(written) if written.iter().count() as u64 == pages => {}
        Ok(_) => failed = failed.or(Some(Error::Malformed)),
        Err(error) => failed = failed.or(Some(error)),
    };
    let mut page = 0;
    let one = Samples::measure(PAGES as usize, || {
        taken(&region, page, 1);
        write(&mut region, page);
        page += 1;
    });
    let sweeps = Samples::measure(SWEEPS, || {
        taken(&region, 0, PAGES);
        (0..PAGES).for_each(|n| write(&mut region, n));
    });
    let mut many = Samples::default();
    sweeps.each(|total| many.add_many(total / PAGES, PAGES));
    match failed {
        Some(error) => Err(trouble(error)),
        None => Ok((one, many)),
    }
}

/// A page that is a region of its own is made read-only and writable again.
fn protection() -> Result<Samples, Failure> {
    let mut region = resident(1)?;
    let mut failed = Ok(());
    let samples = Samples::measure(PAGES as usize, || {
        let there = region.protect(0, 1, Protection::READ);
        let back = region.protect(0, 1, Protection::READ | Protection::WRITE);
        failed = failed.and(there).and(back);
    });
    failed.map_err(trouble)?;
    Ok(samples)
}
