// SPDX-License-Identifier: BSD-2-Clause
//! `vmstat`: the counters of `vm`.

use super::show_json;
use crate::shell::Shell;
use alloc::string::String;
use alloc::vec::Vec;
use ebb_args::{Args, Failure, Spec};
use ebb_report::Value;
use ebb_rt::abi::meter::{ALL, Counter, NAMES};
use ebb_rt::println;
use ebb_rt::shared::meter;
use ebb_rt::sys::time::tsc;
use ebb_rt::sys::{KernelStats, kernel_stats};

/// The counters at a moment.
pub struct Sample {
    /// Time-stamp counter.
    pub tsc: u64,
    kernel: KernelStats,
    counters: Vec<u64>,
}

impl Sample {
    /// Now.
    pub fn take() -> Sample {
        Sample { tsc: tsc(), kernel: kernel_stats(), counters: ALL.iter().map(|c| meter(*c)).collect() }
    }

    /// When the machine began.
    pub fn boot() -> Sample {
        let boot = kernel_stats().boot_tsc;
        Sample { tsc: boot, kernel: KernelStats::default(), counters: alloc::vec![0; ALL.len()] }
    }

    /// A counter.
    pub fn get(&self, counter: Counter) -> u64 {
        self.counters.get(counter as usize).copied().unwrap_or(0)
    }

    /// All, by name.
    fn json(&self) -> Value {
        let vm = NAMES.iter().zip(&self.counters).map(|(n, v)| (String::from(*n), (*v).into()));
        let kernel = [
            ("kernel_switches", self.kernel.switches),
            ("kernel_entries", self.kernel.entries),
            ("kernel_faults", self.kernel.faults),
            ("kernel_interrupts", self.kernel.interrupts),
            ("kernel_idle_cycles", self.kernel.idle_cycles),
            ("tsc", self.tsc),
        ];
        Value::Object(vm.chain(kernel.map(|(n, v)| (n.into(), v.into()))).collect())
    }
}

/// What happened between two samples, a second.
pub struct Rates<'a> {
    pub old: &'a Sample,
    pub new: &'a Sample,
    pub hz: u64,
}

impl Rates<'_> {
    fn per_second(&self, old: u64, new: u64) -> u64 {
        let cycles = self.new.tsc.saturating_sub(self.old.tsc).max(1);
        (new.saturating_sub(old) as u128 * self.hz as u128 / cycles as u128) as u64
    }

    /// A counter's rate.
    pub fn of(&self, counter: Counter) -> u64 {
        self.per_second(self.old.get(counter), self.new.get(counter))
    }

    /// Per cent of the time without a ready thread.
    pub fn idle(&self) -> u64 {
        let cycles = self.new.tsc.saturating_sub(self.old.tsc).max(1);
        let idle = self.new.kernel.idle_cycles.saturating_sub(self.old.kernel.idle_cycles);
        (idle as u128 * 100 / cycles as u128) as u64
    }
}

const SPEC: Spec = Spec { values: &["-n", "-w", "-c"], flags: &["-s", "--json"], operands: 0 };

pub fn vmstat(shell: &mut Shell, args: &[String]) -> Result<(), Failure> {
    let args = Args::parse(args, &SPEC)?;
    let json = args.flag("--json");
    let every = match (args.read("-n", ebb_args::milliseconds)?, args.read("-w", ebb_args::milliseconds)?) {
        (Some(_), Some(_)) => return Err(Failure::Usage("-n and -w are the same: give one".into())),
        (n, w) => n.or(w),
    };
    if every == Some(0) {
        return Err(Failure::Usage("-n: an interval of nothing".into()));
    }
    let count = args.read("-c", ebb_args::number)?;
    let count = match (every, count) {
        (None, None) => 1,
        (None, Some(_)) => return Err(Failure::Usage("-c needs an interval: vmstat -n SEC -c COUNT".into())),
        (Some(_), Some(count)) => count,
        (Some(_), None) if shell.person => u64::MAX,
        (Some(_), None) => return Err(Failure::Usage("-n without -c would never end in a script".into())),
    };
    let mut old = Sample::boot();
    for line in 0..count {
        if line > 0 {
            shell.sleep_ms(every.unwrap_or(0))?;
        }
        let new = Sample::take();
        if json {
            show_json(&new.json());
        } else if args.flag("-s") {
            for (name, value) in NAMES.iter().zip(&new.counters) {
                println!("{value:>12} {name}");
            }
        } else {
            if line % 20 == 0 {
                heading();
            }
            row(&Rates { old: &old, new: &new, hz: shell.hz });
        }
        old = new;
    }
    Ok(())
}

/// FreeBSD's columns: pages, then events a second. `majf` is added: faults that needed I/O.
fn heading() {
    println!("  memory (pages)               page                                       system          cpu");
    println!("    avm    fre    act  inact    flt  majf    re    pi    po     fr     sr     in     cs  id");
}

fn row(r: &Rates<'_>) {
    use Counter::*;
    println!(
        "{:>7} {:>6} {:>6} {:>6} {:>6} {:>5} {:>5} {:>5} {:>5} {:>6} {:>6} {:>6} {:>6} {:>3}",
        r.new.get(v_anon_bytes) / 4096,
        r.new.get(v_free_count),
        r.new.get(v_active_count),
        r.new.get(v_inactive_count),
        r.of(v_vm_faults),
        r.of(v_io_faults),
        r.of(v_reactivated),
        r.of(v_swappgsin),
        r.of(v_swappgsout),
        r.of(v_tfree),
        r.of(v_pdpages),
        r.per_second(r.old.kernel.interrupts, r.new.kernel.interrupts),
        r.per_second(r.old.kernel.switches, r.new.kernel.switches),
        r.idle(),
    );
}
