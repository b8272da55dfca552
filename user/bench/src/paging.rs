// SPDX-License-Identifier: BSD-2-Clause
//! First touches, and paging through the swap pager.
//!
//! A paging figure is everything the machine did (program, kernel, `vm`, policy, pager, driver) less the time without a ready thread, over the pages
//! that were moved. Pages are moved in batches: each page of a batch counts as a round that cost its share.

use crate::Row;
use crate::samples::Samples;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;
use ebb_args::Failure;
use ebb_rig::map;
use ebb_rt::StartInfo;
use ebb_rt::abi::PAGE_SIZE;
use ebb_rt::abi::meter::Counter;
use ebb_rt::client::call;
use ebb_rt::proto::vm::Unmap;
use ebb_rt::shared::meter;
use ebb_rt::start::Given;
use ebb_rt::sys::kernel_stats;
use ebb_rt::sys::time::tsc;
use ebb_workload::Random;

/// Words of a page.
pub const WORDS: usize = PAGE_SIZE / 8;
/// Pages of the first-touch row: 4 MiB.
const TOUCHED: u64 = 1024;
/// Least pages of a batch in the sequential rows: what looking costs is lost among them.
const SEQUENTIAL: u64 = 32;
/// The same in the random rows.
const RANDOM: u64 = 16;
/// Rounds of the random rows: pages, or faults.
const ROUNDS: usize = 16 * 1024;
/// Pages written out before the figures count: reclaim has found its stride.
const WARM: u64 = 256;

fn unmap(info: &StartInfo, memory: &'static [AtomicU64]) -> Result<(), Failure> {
    let vm = info.handle("vm").map_err(|e| Failure::of("vm", e))?;
    let pages = (memory.len() / WORDS) as u64;
    call(vm, &Unmap { space: 0, address: memory.as_ptr() as u64, pages }).map_err(|e| Failure::of("unmap", e))
}

pub fn first_touch(info: &StartInfo) -> Result<Vec<Row>, Failure> {
    let memory = map(info, TOUCHED)?;
    let mut pages = memory.chunks(WORDS);
    let samples = Samples::measure(TOUCHED as usize, || {
        if let Some(page) = pages.next() {
            page[0].store(1, Relaxed);
        }
    });
    unmap(info, memory)?;
    Ok(vec![Row { name: "first_touch", samples }])
}

/// Costs per unit of a counter.
pub struct Gauge {
    counter: Counter,
    batch: u64,
    samples: Samples,
    busy: u64,
    count: u64,
}

/// Time-stamp counter less idle time.
fn busy() -> u64 {
    tsc().saturating_sub(kernel_stats().idle_cycles)
}

impl Gauge {
    /// A batch is at least so many of that counter.
    pub fn new(counter: Counter, batch: u64) -> Gauge {
        Gauge { counter, batch, samples: Samples::default(), busy: busy(), count: meter(counter) }
    }

    /// Ends a batch if enough has happened.
    #[inline(always)]
    pub fn look(&mut self) {
        let count = meter(self.counter);
        if count - self.count >= self.batch {
            let busy = busy();
            self.samples.add_many((busy - self.busy) / (count - self.count), count - self.count);
            (self.busy, self.count) = (busy, count);
        }
    }

    /// What was measured.
    pub fn row(self, name: &'static str) -> Result<Row, Failure> {
        if self.samples.len() == 0 {
            return Err(Failure::Trouble(format!("{name}: nothing was moved")));
        }
        Ok(Row { name, samples: self.samples })
    }
}

/// Pages of a region that is larger than memory and fits into swap.
pub fn region_pages() -> Result<u64, Failure> {
    let memory = meter(Counter::v_page_count);
    let swap = meter(Counter::swap_total).saturating_sub(meter(Counter::swap_used));
    let pages = (2 * memory).min(swap / 10 * 9);
    if pages < memory + memory / 4 {
        return Err(Failure::Trouble(format!(
            "{swap} free pages of swap are too few for a machine of {memory} pages (run it with --swap)"
        )));
    }
    Ok(pages)
}

/// One access to a page.
#[inline(always)]
pub fn touch(memory: &[AtomicU64], page: u64, write: bool) {
    if let Some(cell) = memory.get(page as usize * WORDS) {
        let word = core::hint::black_box(cell.load(Relaxed));
        if write {
            cell.store(word.wrapping_add(1), Relaxed);
        }
    }
}

pub fn paging(info: &StartInfo) -> Result<Vec<Row>, Failure> {
    let pages = region_pages()?;
    let memory = map(info, pages)?;
    let mut rows = Vec::new();

    // Sequential dirtying: the first touch of each page is part of it.
    let before = meter(Counter::v_swappgsout);
    let mut page = 0;
    while page < pages && meter(Counter::v_swappgsout) - before < WARM {
        touch(memory, page, true);
        page += 1;
    }
    let mut gauge = Gauge::new(Counter::v_swappgsout, SEQUENTIAL);
    while page < pages {
        touch(memory, page, true);
        gauge.look();
        page += 1;
    }
    rows.push(gauge.row("page_out_seq")?);

    // Everything is written out and clean after a pass that only reads; the next one is measured.
    (0..pages).for_each(|page| touch(memory, page, false));
    let mut gauge = Gauge::new(Counter::v_swappgsin, SEQUENTIAL);
    for page in 0..pages {
        touch(memory, page, false);
        gauge.look();
    }
    rows.push(gauge.row("page_in_seq")?);

    let mut random = Random::new(1);
    let mut by_page = Gauge::new(Counter::v_swappgsin, RANDOM);
    let mut by_fault = Gauge::new(Counter::v_io_faults, RANDOM);
    while by_fault.samples.len() < ROUNDS {
        touch(memory, random.below(pages), false);
        by_page.look();
        by_fault.look();
    }
    rows.push(by_page.row("page_in_random")?);
    rows.push(by_fault.row("fault_in_random")?);

    let mut gauge = Gauge::new(Counter::v_io_faults, RANDOM);
    while gauge.samples.len() < ROUNDS {
        touch(memory, random.below(pages), true);
        gauge.look();
    }
    rows.push(gauge.row("fault_rmw_random")?);
    unmap(info, memory)?;
    Ok(rows)
}

/// Random reading and writing of a region, for those who measure something else meanwhile.
pub struct Load {
    memory: &'static [AtomicU64],
    pages: u64,
    random: Random,
}

impl Load {
    /// A region of so many pages, each written once.
    pub fn new(info: &StartInfo, pages: u64) -> Result<Load, Failure> {
        let memory = map(info, pages)?;
        (0..pages).for_each(|page| touch(memory, page, true));
        Ok(Load { memory, pages, random: Random::new(2) })
    }

    /// One access.
    pub fn step(&mut self) {
        let page = self.random.below(self.pages);
        touch(self.memory, page, true);
    }

    /// Gives the region back.
    pub fn end(self, info: &StartInfo) -> Result<(), Failure> {
        unmap(info, self.memory)
    }
}
