// SPDX-License-Identifier: BSD-2-Clause
//! The time-stamp counter.

/// The time-stamp counter now, in cycles.
#[inline(always)]
pub fn tsc() -> u64 {
    // SAFETY: the instruction reads a counter and touches no memory; the kernel allows it in user mode.
    unsafe { core::arch::x86_64::_rdtsc() }
}
