// SPDX-License-Identifier: BSD-2-Clause
//! The rate limit on low-memory drains by the scanner (PGO-080).

/// When the last drain was.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lowmem {
    /// Whole seconds since boot; 0 before the first.
    last_s: u64,
}

impl Lowmem {
    /// Whether a scan at `pass` and time `now_us` drains; if so the time is recorded. The spacing is in whole seconds
    /// of uptime, as in the seed.
    pub fn due(&mut self, pass: u32, now_us: u64, period_s: u32) -> bool {
        let now_s = now_us / 1_000_000;
        let due = pass > 0 && now_s.saturating_sub(self.last_s) >= u64::from(period_s);
        if due {
            self.last_s = now_s;
        }
        due
    }
}
