// SPDX-License-Identifier: BSD-2-Clause
//! Time: the time-stamp counter in microseconds, and waiting.

use ebb_proto::Error;
use ebb_sys::ipc::{self, Received};
use ebb_sys::time::tsc;

/// Bit of a program's own notification that [`sleep_us`] uses.
pub const TIMER_BIT: u64 = 1 << 63;

fn hz() -> u64 {
    crate::start::info().map_or(1_000_000_000, |i| i.tsc_hz.max(1))
}

/// Cycles in microseconds.
pub fn us_of(cycles: u64) -> u64 {
    (cycles as u128 * 1_000_000 / hz() as u128) as u64
}

/// Microseconds in cycles.
pub fn cycles_of(us: u64) -> u64 {
    u64::try_from(us as u128 * hz() as u128 / 1_000_000).unwrap_or(u64::MAX)
}

/// Cycles in nanoseconds.
pub fn ns_of(cycles: u64) -> u64 {
    (cycles as u128 * 1_000_000_000 / hz() as u128) as u64
}

/// Nanoseconds in cycles, rounded up: when so many cycles have passed, so many nanoseconds have.
pub fn cycles_of_ns(ns: u64) -> u64 {
    u64::try_from((ns as u128 * hz() as u128).div_ceil(1_000_000_000)).unwrap_or(u64::MAX)
}

/// Microseconds since the counter was zero.
pub fn now_us() -> u64 {
    us_of(tsc())
}

/// Waits so long. Uses the timer of the thread's notification, and takes its bits: for threads that wait for nothing else meanwhile.
pub fn sleep_us(us: u64) -> Result<(), Error> {
    let notification = crate::thread::notification()?;
    let deadline = tsc().saturating_add(cycles_of(us));
    ipc::timer(notification, TIMER_BIT, deadline).map_err(crate::client::from_sys)?;
    loop {
        match ipc::receive(ebb_abi::Handle::NONE).map_err(crate::client::from_sys)? {
            Received::Bits(bits) if bits & TIMER_BIT != 0 => return Ok(()),
            _ if tsc() >= deadline => return Ok(()),
            _ => {}
        }
    }
}
