// SPDX-License-Identifier: BSD-2-Clause
//! Whether swap is full or nearly so (`swap_pager_full`, `swap_pager_almost_full`), with hysteresis (SWP-059 to SWP-062).

/// Below so many slots swap is almost full (`nswap_lowat`, SWP-008).
pub const LOW_WATER: u64 = 128;
/// Above so many it no longer is (`nswap_hiwat`, SWP-009).
pub const HIGH_WATER: u64 = 512;

/// The two flags. Without a device both are set (SWP-010, SWP-011).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fullness {
    /// Not a single slot could be had (SWP-W09), or there is no device.
    pub full: bool,
    /// Few slots are left.
    pub almost: bool,
}

impl Default for Fullness {
    fn default() -> Self {
        Fullness { full: true, almost: true }
    }
}

impl Fullness {
    /// `swp_sizecheck`, after every allocation and every slot freed. Whether a message is due that swap is nearly used up.
    #[must_use]
    pub fn check(&mut self, available: u64) -> bool {
        if available < LOW_WATER {
            // Something is to be had again, so it is not full, only almost.
            self.full &= available == 0;
            return !core::mem::replace(&mut self.almost, true);
        }
        self.full = false;
        self.almost &= available <= HIGH_WATER;
        false
    }

    /// No slot could be had. Whether a message is due.
    #[must_use]
    pub fn failed(&mut self) -> bool {
        self.almost = true;
        !core::mem::replace(&mut self.full, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(steps: &[u64]) -> usize {
        let mut f = Fullness::default();
        assert!(!f.check(1000));
        steps.iter().filter(|a| f.check(**a)).count()
    }

    /// SWP-059: one message when it drops below 128, no second one at 100.
    #[test]
    fn swp_059_low() {
        assert_eq!(messages(&[200, 128]), 0);
        assert_eq!(messages(&[200, 127, 100]), 1);
    }

    /// SWP-060: full ends as soon as something is available (SWP-W09: not only from 128 on).
    #[test]
    fn swp_060_recovers() {
        let mut f = Fullness::default();
        assert!(f.full);
        let _ = f.check(128);
        assert_eq!(f, Fullness { full: false, almost: true });
        assert!(f.failed());
        assert!(!f.failed());
        let _ = f.check(1);
        assert_eq!(f, Fullness { full: false, almost: true });
    }

    /// SWP-061: between 128 and 512 almost-full keeps its value.
    #[test]
    fn swp_061_hysteresis() {
        assert_eq!(messages(&[127, 300, 127]), 1);
        assert_eq!(messages(&[127, 512, 127]), 1);
        assert_eq!(messages(&[127, 513, 127]), 2);
    }

    /// SWP-010, SWP-011: without a device both are set.
    #[test]
    fn swp_010_swp_011_initial() {
        assert_eq!(Fullness::default(), Fullness { full: true, almost: true });
    }
}
