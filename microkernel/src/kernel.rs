// SPDX-License-Identifier: BSD-2-Clause
//! All state of the kernel that is not in donated frames.

use crate::arch::x86_64::cpu::Cpu;
use crate::arch::x86_64::mmio;
use crate::irq::Irqs;
use crate::lock::BigLock;
use crate::sched::Sched;
use crate::timer::Timers;
use core::cell::Cell;
use ebb_abi::boot::Range;

/// The state. Every function of the kernel gets it from its caller; the entry stubs' functions take the lock.
pub struct Kernel {
    /// This processor; GS points to it.
    pub cpu: Cpu,
    /// Ready threads.
    pub sched: Sched,
    /// Timers.
    pub timers: Timers,
    /// Interrupts bound to notifications.
    pub irqs: Irqs,
    /// Counters.
    pub stats: Stats,
    /// What the boot found out.
    pub machine: Machine,
}

/// The one instance.
pub static KERNEL: BigLock<Kernel> = BigLock::new(Kernel {
    cpu: Cpu::new(),
    sched: Sched::new(),
    timers: Timers::new(),
    irqs: Irqs::new(),
    stats: Stats::new(),
    machine: Machine::new(),
});

/// A counter.
pub struct Counter(Cell<u64>);

impl Counter {
    const fn new() -> Counter {
        Counter(Cell::new(0))
    }
    /// Adds.
    #[inline(always)]
    pub fn add(&self, n: u64) {
        self.0.set(self.0.get().wrapping_add(n));
    }
    /// The value.
    pub fn get(&self) -> u64 {
        self.0.get()
    }
}

/// The counters of `KernelStats`.
pub struct Stats {
    /// Cycles in the idle loop.
    pub idle: Counter,
    /// Context switches.
    pub switches: Counter,
    /// Traps and system calls.
    pub entries: Counter,
    /// Page faults.
    pub faults: Counter,
    /// Interrupts.
    pub interrupts: Counter,
}

impl Stats {
    const fn new() -> Stats {
        Stats {
            idle: Counter::new(),
            switches: Counter::new(),
            entries: Counter::new(),
            faults: Counter::new(),
            interrupts: Counter::new(),
        }
    }
}

/// What the boot found out. Written once, before the first thread runs.
pub struct Machine {
    /// Frames that have a record.
    pub nr_frames: Cell<u32>,
    /// Time-stamp counter cycles per second.
    pub tsc_hz: Cell<u64>,
    /// The time-stamp counter at the first instruction.
    pub boot_tsc: Cell<u64>,
    /// Frame of the page table whose upper half every task has.
    pub kernel_root: Cell<u32>,
    /// Memory that `mem=` left out, to be copied from and to ([`ebb_abi::boot::BootInfo::spare`]).
    pub spare: Cell<Range>,
    /// Frames of the device registers that nobody else may map: local APIC, I/O APICs.
    pub devices: [Cell<u32>; mmio::PAGES],
}

impl Machine {
    const fn new() -> Machine {
        Machine {
            nr_frames: Cell::new(0),
            tsc_hz: Cell::new(1),
            boot_tsc: Cell::new(0),
            kernel_root: Cell::new(0),
            spare: Cell::new(Range { first: 0, count: 0 }),
            devices: [const { Cell::new(u32::MAX) }; mmio::PAGES],
        }
    }

    /// A frame number from user space, if it is of the memory that `mem=` left out.
    pub fn spare(&self, claim: u64) -> Option<u32> {
        let Range { first, count } = self.spare.get();
        (claim >= first as u64 && claim - (first as u64) < count as u64).then_some(claim as u32)
    }

    /// Whether the frame is of a device that is the kernel's own.
    pub fn is_own_device(&self, frame: u32) -> bool {
        self.devices.iter().any(|d| d.get() == frame)
    }
}
