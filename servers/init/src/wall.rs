// SPDX-License-Identifier: BSD-2-Clause
//! The wall clock: read once, at the start; from then on the time-stamp counter is the clock.

use ebb_abi::boot::handles;
use ebb_rt::clock;
use ebb_sys::device::{port_in, port_out};

/// Microseconds from 1970 to the time-stamp counter's zero; 0 if the machine does not know the time.
pub fn epoch_us() -> u64 {
    let read = ebb_rtc::read(|register| {
        port_out(handles::IO_PORT, ebb_rtc::SELECT, 1, register as u32)?;
        port_in(handles::IO_PORT, ebb_rtc::DATA, 1).map(|byte| byte as u8)
    });
    match read {
        Ok(Some(seconds)) => (seconds * 1_000_000).saturating_sub(clock::now_us()),
        Ok(None) => {
            ebb_rt::log!("the real-time clock has no date");
            0
        }
        Err(error) => {
            ebb_rt::log!("the real-time clock: {error:?}");
            0
        }
    }
}
