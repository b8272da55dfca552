// SPDX-License-Identifier: BSD-2-Clause
//! Requests for whole-process swap-out (`vm_req_vmdaemon`, PGO-019, PGO-197, PGO-198). Used by `vm-daemon`.

/// Request bit: memory is short (`VM_SWAP_NORMAL`).
pub const NORMAL: u8 = 1;
/// Request bit: swap out what is idle (`VM_SWAP_IDLE`).
pub const IDLE: u8 = 2;

/// Least time between two signals, in microseconds; a signal needs strictly more.
pub const SPACING_US: u64 = 1_000_000;

/// What the caller does after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Wake the server now.
    Now,
    /// Arm a timer for this time; when it fires, call [`SwapoutRequests::expired`]. Bits never stay behind for want
    /// of a later request (W18).
    At(u64),
}

/// The pending word and the rate limit on its signal.
#[derive(Clone, Copy, Debug, Default)]
pub struct SwapoutRequests {
    pending: u8,
    last_us: u64,
}

impl SwapoutRequests {
    /// Nothing pending; the last signal counts as given at time 0.
    #[must_use]
    pub const fn new() -> Self {
        Self { pending: 0, last_us: 0 }
    }

    /// Adds bits to the pending word at time `now_us`.
    #[must_use]
    pub fn request(&mut self, bits: u8, now_us: u64) -> Signal {
        self.pending |= bits & (NORMAL | IDLE);
        let due = self.last_us.saturating_add(SPACING_US + 1);
        // A clock that went back is not waited for.
        if now_us >= due || now_us < self.last_us {
            self.last_us = now_us;
            return Signal::Now;
        }
        Signal::At(due)
    }

    /// The armed timer fired at `now_us`: `Some` signal if bits are still pending.
    #[must_use]
    pub fn expired(&mut self, now_us: u64) -> Option<Signal> {
        (self.pending != 0).then(|| self.request(0, now_us))
    }

    /// The server reads and clears the pending word (PGO-200).
    #[must_use]
    pub fn take(&mut self) -> u8 {
        core::mem::take(&mut self.pending)
    }
}
