// SPDX-License-Identifier: BSD-2-Clause
//! Fixed workloads for contiguous-block allocators, timed on the host:
//!
//! ```text
//! bench first-fit|next-fit|best-fit seq LOG2N COUNT | steady LOG2N PCT | cluster LOG2N PCT | frag LOG2N PARITY | mem LOG2N | range LOG2N
//! ```
//!
//! One line a phase: `allocator,workload,log2n,arg,phase,ops,mean_ns,trimmed_mean_ns,p50,p99,p999,max,fails,digest`.
//! The digest hashes every allocation's result in order, so equal digests mean equal placement throughout. The
//! mean without the slowest thousandth leaves out what preemption did. `range` frees, fills and partly fills
//! the whole list in single calls.

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use ebb_blist::{Blist, Placement};

/// A time stamp that waits for what came before it and holds up what comes after.
#[cfg(target_arch = "x86_64")]
fn tick() -> u64 {
    use core::arch::x86_64::{_mm_lfence, _rdtsc};
    // SAFETY: both instructions exist on every x86_64 and touch no memory.
    unsafe {
        _mm_lfence();
        let t = _rdtsc();
        _mm_lfence();
        t
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn tick() -> u64 {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

/// How ticks become nanoseconds, and what taking two of them costs.
#[derive(Clone, Copy)]
struct Clock {
    ns_per_tick: f64,
    overhead: u64,
}

impl Clock {
    fn calibrate() -> Clock {
        let (start, first) = (Instant::now(), tick());
        while start.elapsed() < Duration::from_millis(50) {}
        let ns = start.elapsed().as_nanos() as f64;
        let ns_per_tick = ns / (tick() - first) as f64;
        let mut pairs: Vec<u64> = (0..10_001)
            .map(|_| {
                let start = tick();
                tick() - start
            })
            .collect();
        pairs.sort_unstable();
        Clock { ns_per_tick, overhead: pairs[5000] }
    }
}

const SUB: u32 = 16;

/// Histogram with sixteen buckets an octave.
struct Hist {
    samples: u64,
    sum: u64,
    max: u64,
    buckets: Vec<u64>,
}

impl Hist {
    fn new() -> Hist {
        Hist { samples: 0, sum: 0, max: 0, buckets: vec![0; 64 * SUB as usize] }
    }

    fn bucket(v: u64) -> usize {
        if v < u64::from(SUB) {
            return v as usize;
        }
        let octave = v.ilog2();
        ((octave - 3) * SUB) as usize + (v >> (octave - 4)) as usize % SUB as usize
    }

    fn value(bucket: usize) -> f64 {
        let (octave, part) = (bucket / 16, bucket % 16);
        if octave == 0 { part as f64 } else { ((16 + part) as u64) as f64 * 2f64.powi(octave as i32 - 1) }
    }

    fn record(&mut self, clock: Clock, ticks: u64) {
        let v = ticks.saturating_sub(clock.overhead);
        self.samples += 1;
        self.sum += v;
        self.max = self.max.max(v);
        self.buckets[Hist::bucket(v)] += 1;
    }

    fn percentile(&self, p: f64) -> f64 {
        let want = (p * self.samples as f64) as u64;
        let mut seen = 0;
        for (i, n) in self.buckets.iter().enumerate() {
            seen += n;
            if seen > want {
                return Hist::value(i);
            }
        }
        self.max as f64
    }

    fn mean(&self) -> f64 {
        self.sum as f64 / self.samples.max(1) as f64
    }

    /// The mean of the samples up to the 99.9th percentile, from a thousand samples on.
    fn trimmed(&self) -> f64 {
        if self.samples < 1000 {
            return self.mean();
        }
        let want = (0.999 * self.samples as f64) as u64;
        let (mut seen, mut sum) = (0, 0.0);
        for (i, &n) in self.buckets.iter().enumerate() {
            seen += n;
            sum += n as f64 * Hist::value(i);
            if seen > want {
                break;
            }
        }
        sum / seen as f64
    }
}

struct Bench {
    clock: Clock,
    name: &'static str,
    placement: Placement,
    workload: String,
    log2n: u32,
    arg: String,
    rng: u64,
    digest: u64,
    list: Blist,
    /// Allocations that stand: first block << 8 | blocks.
    live: Vec<u64>,
    used: u64,
    alloc: Hist,
    free: Hist,
    fail: Hist,
}

impl Bench {
    fn blocks(&self) -> u64 {
        1 << self.log2n
    }

    fn all_free(&self) -> Blist {
        let n = self.blocks();
        let mut list = Blist::new(n).expect("memory for the list");
        list.set_placement(self.placement);
        list.free(0, n).expect("all blocks are allocated at first");
        list
    }

    fn next(&mut self) -> u64 {
        self.rng ^= self.rng >> 12;
        self.rng ^= self.rng << 25;
        self.rng ^= self.rng >> 27;
        self.rng.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn size(&mut self) -> u32 {
        1 << ((self.next() >> 33) % 5)
    }

    fn hash(&mut self, result: Option<u64>) {
        self.digest = (self.digest ^ result.unwrap_or(u64::MAX)).wrapping_mul(0x100_0000_01b3);
    }

    fn give_back(&mut self, block: u64, count: u32) {
        self.list.free(block, u64::from(count)).expect("only what was allocated is freed");
    }

    fn head(&self, phase: &str) -> String {
        format!("{},{},{},{},{phase}", self.name, self.workload, self.log2n, self.arg)
    }

    fn print(&self, phase: &str, h: &Hist, fails: u64) {
        let ns = |ticks: f64| ticks * self.clock.ns_per_tick;
        println!(
            "{},{},{:.1},{:.1},{:.1},{:.1},{:.1},{:.0},{fails},{:016x}",
            self.head(phase),
            h.samples,
            ns(h.mean()),
            ns(h.trimmed()),
            ns(h.percentile(0.5)),
            ns(h.percentile(0.99)),
            ns(h.percentile(0.999)),
            ns(h.max as f64),
            self.digest
        );
    }

    fn print_mean(&self, phase: &str, ops: u64, total: f64, fails: u64) {
        let mean = total / ops.max(1) as f64;
        println!("{},{ops},{mean:.1},,,,,,{fails},{:016x}", self.head(phase), self.digest);
    }

    fn seq(&mut self, count: u32) {
        self.list = self.all_free();
        // Written once before it is timed, so that no page is touched for the first time then.
        let mut got = vec![u64::MAX; (self.blocks() / u64::from(count) + 1) as usize];
        let mut n = 0;
        let start = Instant::now();
        while let Some(block) = self.list.alloc(count) {
            got[n] = block;
            n += 1;
        }
        let ns = start.elapsed().as_nanos() as f64;
        for &block in &got[..n] {
            self.hash(Some(block));
        }
        self.print_mean("alloc", n as u64, ns, 1);
        let start = Instant::now();
        for &block in &got[..n] {
            self.give_back(block, count);
        }
        self.print_mean("free", n as u64, start.elapsed().as_nanos() as f64, 0);
    }

    fn free_random(&mut self, timed: bool) {
        let i = (self.next() % self.live.len() as u64) as usize;
        let live = self.live.swap_remove(i);
        let (block, count) = (live >> 8, live as u32 & 0xff);
        self.used -= u64::from(count);
        let start = if timed { tick() } else { 0 };
        self.give_back(block, count);
        if timed {
            self.free.record(self.clock, tick() - start);
        }
    }

    fn step(&mut self, limit: u64, timed: bool) {
        let size = self.size();
        if self.used + u64::from(size) > limit {
            return self.free_random(timed);
        }
        let start = if timed { tick() } else { 0 };
        let got = self.list.alloc(size);
        if timed {
            let ticks = tick() - start;
            let hist = if got.is_some() { &mut self.alloc } else { &mut self.fail };
            hist.record(self.clock, ticks);
        }
        self.hash(got);
        match got {
            Some(block) => {
                self.live.push(block << 8 | u64::from(size));
                self.used += u64::from(size);
            }
            None => self.free_random(timed),
        }
    }

    /// Fills to `percent` and mixes; returns how many blocks may be used.
    fn warm(&mut self, percent: u64) -> u64 {
        let n = self.blocks();
        let limit = n / 100 * percent + n % 100 * percent / 100;
        self.list = self.all_free();
        self.live = Vec::with_capacity(n as usize + 1);
        let mut failures = 0;
        while failures < 1000 {
            let size = self.size();
            if self.used + u64::from(size) > limit {
                break;
            }
            let got = self.list.alloc(size);
            self.hash(got);
            match got {
                Some(block) => {
                    failures = 0;
                    self.live.push(block << 8 | u64::from(size));
                    self.used += u64::from(size);
                }
                None => failures += 1,
            }
        }
        for _ in 0..(2 * self.live.len()).min(1 << 25) {
            self.step(limit, false);
        }
        limit
    }

    fn steady(&mut self, percent: u64) {
        let limit = self.warm(percent);
        for _ in 0..2_000_000 {
            self.step(limit, true);
        }
        self.print("alloc", &self.alloc, self.fail.samples);
        self.print("free", &self.free, 0);
        if self.fail.samples > 0 {
            self.print("allocfail", &self.fail, self.fail.samples);
        }
    }

    fn cluster(&mut self, percent: u64) {
        let limit = self.warm(percent);
        let mut blocks = 0;
        for _ in 0..1_000_000 {
            if self.used + 16 > limit {
                self.free_random(false);
                continue;
            }
            let start = tick();
            let got = self.list.alloc_range(1, 16);
            let ticks = tick() - start;
            self.alloc.record(self.clock, ticks);
            self.hash(got.map(|(block, _)| block));
            match got {
                Some((block, count)) => {
                    self.live.push(block << 8 | u64::from(count));
                    self.used += u64::from(count);
                    blocks += u64::from(count);
                }
                None => self.free_random(false),
            }
        }
        self.print("alloc1to16", &self.alloc, 0);
        self.print_mean("mean_blocks_x100", self.alloc.samples, 100.0 * blocks as f64, 0);
    }

    /// A list with every other block free, those of `parity`.
    fn checkerboard(&mut self, parity: u64) {
        self.list = self.all_free();
        let n = self.blocks();
        for _ in 0..n {
            self.list.alloc(1).expect("one block for each call");
        }
        for block in (parity..n).step_by(2) {
            self.give_back(block, 1);
        }
    }

    /// One timed allocation, given back if it succeeded; returns whether it failed.
    fn probe(&mut self, hist: &mut Hist, count: u32) -> bool {
        let start = tick();
        let got = self.list.alloc(count);
        hist.record(self.clock, tick() - start);
        self.hash(got);
        if let Some(block) = got {
            self.give_back(block, count);
        }
        got.is_none()
    }

    fn first_probes(&mut self, order: impl Iterator<Item = u32>, prefix: &str, shown: &[u32]) {
        for count in order {
            let mut hist = Hist::new();
            let failed = self.probe(&mut hist, count);
            if shown.contains(&count) {
                self.print(&format!("{prefix}_first_{count}"), &hist, u64::from(failed));
            }
        }
    }

    fn frag(&mut self, parity: u64) {
        let n = self.blocks();
        let (rounds, thrashes) = match self.log2n {
            ..=16 => (200, 20_000),
            17..=20 => (20, 2000),
            21..=24 => (1, 200),
            _ => (1, 20),
        };
        self.arg = if parity == 1 { "odd-free" } else { "even-free" }.to_string();
        self.checkerboard(parity);
        self.first_probes((2..=16).rev(), "desc", &[16, 15, 8, 2]);
        self.checkerboard(parity);
        self.first_probes(2..=16, "asc", &[2, 3, 16]);
        let (mut hist, mut fails) = (Hist::new(), 0);
        for _ in 0..rounds {
            for count in 2..=16 {
                fails += u64::from(self.probe(&mut hist, count));
            }
        }
        self.print("repeat_fail", &hist, fails);

        let (mut hist, mut fails) = (Hist::new(), 0);
        self.rng = 1;
        for _ in 0..thrashes {
            let mut e = (self.next() % (n / 2 - 1)) * 2 + if parity == 1 { 2 } else { 1 };
            if e + 1 >= n {
                e -= 2;
            }
            self.give_back(e, 1);
            fails += u64::from(self.probe(&mut hist, 16));
            let got = self.list.alloc(3);
            self.hash(got);
            let block = got.expect("e and its neighbours are the only run of three");
            self.give_back(block, 1);
            self.give_back(block + 2, 1);
        }
        self.print("thrash_alloc16", &hist, fails);

        self.checkerboard(parity);
        for block in (n - 16..n).filter(|block| block & 1 != parity) {
            self.give_back(block, 1);
        }
        let mut hist = Hist::new();
        let failed = self.probe(&mut hist, 16);
        self.print("find_last_16_first", &hist, u64::from(failed));
        let (mut hist, mut fails) = (Hist::new(), 0);
        for _ in 0..rounds {
            fails += u64::from(self.probe(&mut hist, 16));
        }
        self.print("find_last_16_repeat", &hist, fails);
        let (mut hist, mut fails) = (Hist::new(), 0);
        for _ in 0..(n / 4).min(1_000_000) {
            let start = tick();
            let got = self.list.alloc(1);
            hist.record(self.clock, tick() - start);
            self.hash(got);
            fails += u64::from(got.is_none());
        }
        self.print("single", &hist, fails);
    }

    fn range(&mut self) {
        let n = self.blocks();
        self.list = Blist::new(n).expect("memory for the list");
        // The second round meets pages and lines that the first has touched.
        for round in 1..=2 {
            let mut timed = |phase: &str, op: &mut dyn FnMut(&mut Blist) -> u64| {
                let mut hist = Hist::new();
                let start = tick();
                black_box(op(&mut self.list));
                hist.record(self.clock, tick() - start);
                self.print(&format!("{phase}_{round}"), &hist, 0);
            };
            timed("free_all", &mut |l| l.free(0, n).map_or(0, |()| 1));
            timed("fill_all_but_ends", &mut |l| l.fill(1, n - 2).unwrap_or(0));
            timed("free_all_but_ends", &mut |l| l.free(1, n - 2).map_or(0, |()| 1));
            timed("fill_all", &mut |l| l.fill(0, n).unwrap_or(0));
            assert_eq!(self.list.free_count(), 0);
        }
    }
}

fn run() -> Option<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (name, placement) = match args.first()?.as_str() {
        "first-fit" => ("ebb-first-fit", Placement::FirstFit),
        "next-fit" => ("ebb-next-fit", Placement::NextFit),
        "best-fit" => ("ebb-best-fit", Placement::BestFit),
        _ => return None,
    };
    let log2n = args.get(2)?.parse().ok().filter(|n| (6..=34).contains(n))?;
    let arg = args.get(3).map(|a| a.parse::<u32>());
    let mut bench = Bench {
        clock: Clock::calibrate(),
        name,
        placement,
        workload: args.get(1)?.clone(),
        log2n,
        arg: args.get(3).map_or("-", String::as_str).to_string(),
        rng: 1,
        digest: 0xcbf2_9ce4_8422_2325,
        list: Blist::new(1).ok()?,
        live: Vec::new(),
        used: 0,
        alloc: Hist::new(),
        free: Hist::new(),
        fail: Hist::new(),
    };
    match (bench.workload.as_str(), arg) {
        ("seq", Some(Ok(count))) => bench.seq(count),
        ("steady", Some(Ok(percent))) if percent <= 100 => bench.steady(u64::from(percent)),
        ("cluster", Some(Ok(percent))) if percent <= 100 => bench.cluster(u64::from(percent)),
        ("frag", Some(Ok(parity @ 0..=1))) => bench.frag(u64::from(parity)),
        ("range", None) => bench.range(),
        ("mem", None) => {
            let list = bench.all_free();
            let bytes = list.memory_bytes();
            println!("{},{bytes},{:.4},,,,,,0,", bench.head("bytes"), bytes as f64 / bench.blocks() as f64);
        }
        _ => return None,
    }
    Some(())
}

fn main() -> ExitCode {
    if run().is_some() {
        return ExitCode::SUCCESS;
    }
    eprintln!(
        "usage: bench first-fit|next-fit|best-fit seq LOG2N COUNT | steady LOG2N PCT | cluster LOG2N PCT | frag LOG2N 0|1 | mem LOG2N | range LOG2N"
    );
    ExitCode::from(2)
}
