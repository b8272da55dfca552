// SPDX-License-Identifier: BSD-2-Clause
//! The 8254 timer, once: to learn how fast the time-stamp counter and the local APIC's timer run. And the 8259
//! interrupt controllers, once: to silence them.

use super::cpu::tsc;
use x86_64::instructions::port::Port;

const HZ: u64 = 1_193_182;
/// 4 ms: the error of a read is about 1 µs, so 0.03 %.
const TICKS: u64 = HZ / 250;

/// Calls `start`, waits, calls `stop` with the number of time-stamp cycles since; returns cycles a second and what `stop` returned.
pub fn measure<T>(start: impl FnOnce(), stop: impl FnOnce() -> T) -> (u64, T) {
    let mut gate = Port::<u8>::new(0x61);
    // SAFETY: channel 2 drives the speaker only; the speaker is off (bit 1) and the gate on (bit 0). Mode 0: the output, bit 5
    // of the same port, rises when the count has run out.
    unsafe {
        let old = gate.read();
        gate.write(old & !3 | 1);
        Port::<u8>::new(0x43).write(0xb0);
        Port::<u8>::new(0x42).write(TICKS as u8);
        Port::<u8>::new(0x42).write((TICKS >> 8) as u8);
        start();
        let begin = tsc();
        while gate.read() & 0x20 == 0 {}
        let cycles = tsc() - begin;
        let value = stop();
        gate.write(old);
        (cycles * HZ / TICKS, value)
    }
}

/// Masks every input of both 8259s.
pub fn silence_8259() {
    for port in [0x21u16, 0xa1] {
        // SAFETY: the mask registers.
        unsafe { Port::<u8>::new(port).write(0xff) };
    }
}
