// SPDX-License-Identifier: BSD-2-Clause
//! The local APIC: its timer, one shot at a time, and the end of interrupts.

use super::cpu::{self, Features, tsc};
use super::{mmio, pit};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use x86_64::registers::model_specific::Msr;

/// Vector of the timer.
pub const TIMER: u8 = 0x20;
/// Vector of interrupts that were withdrawn.
pub const SPURIOUS: u8 = 0xff;

const APIC_BASE: u32 = 0x1b;
const TSC_DEADLINE: u32 = 0x6e0;

const ID: u32 = 0x20;
const TASK_PRIORITY: u32 = 0x80;
const EOI: u32 = 0xb0;
const SPURIOUS_VECTOR: u32 = 0xf0;
const LVT_TIMER: u32 = 0x320;
const LVT_LINT0: u32 = 0x350;
const LVT_LINT1: u32 = 0x360;
const LVT_ERROR: u32 = 0x370;
const INITIAL_COUNT: u32 = 0x380;
const CURRENT_COUNT: u32 = 0x390;
const DIVIDE: u32 = 0x3e0;
const MASKED: u32 = 1 << 16;
const DEADLINE_MODE: u32 = 2 << 17;

static X2: AtomicBool = AtomicBool::new(false);
static DEADLINES: AtomicBool = AtomicBool::new(false);
/// Whether instructions are counted, and so time can be told to the cycle (`align=`).
static COUNTED: AtomicBool = AtomicBool::new(false);
/// When the timer rings.
static RINGS: AtomicU64 = AtomicU64::new(0);
/// Cycles within which an idle processor has heard the timer, whatever it did before.
const HEARD: u64 = 512;
/// Timer counts per time-stamp cycle, as a fraction of 2^32.
static RATIO: AtomicU64 = AtomicU64::new(0);

fn read(register: u32) -> u32 {
    if X2.load(Ordering::Relaxed) {
        // SAFETY: x2APIC mode is on, the register exists.
        unsafe { Msr::new(0x800 + (register >> 4)).read() as u32 }
    } else {
        mmio::read32(mmio::LOCAL_APIC, register)
    }
}

fn write(register: u32, value: u32) {
    if X2.load(Ordering::Relaxed) {
        // SAFETY: as for `read`.
        unsafe { Msr::new(0x800 + (register >> 4)).write(value as u64) };
    } else {
        mmio::write32(mmio::LOCAL_APIC, register, value);
    }
}

/// Physical address of the registers.
pub fn base() -> u64 {
    // SAFETY: the register exists wherever there is a local APIC, that is in every 64-bit processor.
    unsafe { Msr::new(APIC_BASE).read() & 0x000f_ffff_ffff_f000 }
}

/// This processor's number, as interrupts are addressed to it.
pub fn id() -> u32 {
    let id = read(ID);
    if X2.load(Ordering::Relaxed) { id } else { id >> 24 }
}

/// Turns the APIC on, calibrates, and returns the time-stamp counter's cycles per second.
pub fn set_up(features: &Features) -> u64 {
    pit::silence_8259();
    // SAFETY: enables the APIC (bit 11), in x2APIC mode where there is one (bit 10).
    unsafe {
        let mut msr = Msr::new(APIC_BASE);
        let mut value = msr.read() | 1 << 11;
        if features.x2apic {
            value |= 1 << 10;
        }
        msr.write(value);
    }
    X2.store(features.x2apic, Ordering::Relaxed);
    write(TASK_PRIORITY, 0);
    for lvt in [LVT_LINT0, LVT_LINT1, LVT_ERROR] {
        write(lvt, MASKED);
    }
    write(SPURIOUS_VECTOR, 0x100 | SPURIOUS as u32);
    write(DIVIDE, 0xb); // by 1
    write(LVT_TIMER, MASKED | TIMER as u32);
    // The median of five: a hypervisor that takes the processor away during a measurement spoils it in either direction.
    let mut measured = [(0, 0); 5];
    for one in &mut measured {
        *one = pit::measure(|| write(INITIAL_COUNT, u32::MAX), || read(CURRENT_COUNT));
    }
    measured.sort_unstable();
    let (tsc_hz, left) = measured[measured.len() / 2];
    write(INITIAL_COUNT, 0);
    // Counts in the 4 ms of the measurement, per cycle in them.
    let counts = (u32::MAX - left) as u64;
    let cycles = (tsc_hz / 250).max(1);
    RATIO.store((counts << 32) / cycles, Ordering::Relaxed);
    if features.tsc_deadline {
        write(LVT_TIMER, DEADLINE_MODE | TIMER as u32);
        // SAFETY: orders the write to the register before later ones to the deadline (SDM vol. 3, 11.5.4.1).
        unsafe { core::arch::asm!("mfence", options(nostack, preserves_flags)) };
        DEADLINES.store(true, Ordering::Relaxed);
    } else {
        write(LVT_TIMER, TIMER as u32);
    }
    tsc_hz
}

/// Arms the timer for a moment of the time-stamp counter; it may ring early, never more than a moment late.
#[inline(never)]
pub fn arm(deadline: u64) {
    if DEADLINES.load(Ordering::Relaxed) {
        // SAFETY: the timer is in deadline mode; the processor orders this write itself.
        unsafe { Msr::new(TSC_DEADLINE).write(deadline.max(1)) };
        return;
    }
    let now = tsc();
    let cycles = deadline.saturating_sub(now);
    let counts = (cycles as u128 * RATIO.load(Ordering::Relaxed) as u128) >> 32;
    let counts = counts.clamp(1, u32::MAX as u128) as u32;
    write(INITIAL_COUNT, counts);
    RINGS.store(now.saturating_add(counts as u64), Ordering::Relaxed);
}

/// From now on an idle processor goes on from the timer's interrupt at a moment that depends on the timer alone.
pub fn count() {
    COUNTED.store(true, Ordering::Relaxed);
}

/// The timer's interrupt reached an idle processor. QEMU counts the last instructions before `hlt` to the time before it or to that after it, as its threads happen to
/// meet; a little later it is the same time in either case.
pub fn heard() {
    let rings = RINGS.load(Ordering::Relaxed);
    if COUNTED.load(Ordering::Relaxed) && tsc() >= rings {
        cpu::wait_until(rings + HEARD);
    }
}

/// Tells the APIC that its interrupt has been taken care of.
pub fn end_of_interrupt() {
    write(EOI, 0);
}
