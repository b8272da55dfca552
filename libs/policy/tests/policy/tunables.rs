// SPDX-License-Identifier: BSD-2-Clause
//! Section 2: tunables and their ranges. What each does is tested where it does it.

use ebb_policy::tunables::TUNABLES;
use ebb_policy::{TunableError, Tunables};

#[test]
fn pgo_024_defaults() {
    let t = Tunables::default();
    for (name, value) in [
        ("vm.panic_on_oom", 0),
        ("vm.max_launder", 32),
        ("vm.pageout_update_period", 600),
        ("vm.lowmem_period", 10),
        ("vm.swap_enabled", 1),
        ("vm.swap_idle_enabled", 0),
        ("vm.defer_swapspace_pageouts", 0),
        ("vm.disable_swapspace_pageouts", 0),
        ("vm.pageout_oom_seq", 12),
    ] {
        assert_eq!(t.get(name), Some(value), "{name}");
    }
    assert_eq!(t.get("vm.no_such"), None);
}

#[test]
fn pgo_027_pgo_048_update_period_preset() {
    assert_eq!(Tunables::new(0).update_period_s, 600);
    assert_eq!(Tunables::new(30).update_period_s, 30);
    let mut t = Tunables::new(0);
    assert_eq!(t.set("vm.pageout_update_period", 0), Ok(()));
    assert_eq!(t.update_period_s, 0, "later 0 is 0: ageing off");
}

#[test]
fn pgo_029_pgo_031_read_only_without_swapping() {
    let mut t = Tunables::without_swapping(0);
    for name in ["vm.swap_enabled", "vm.swap_idle_enabled"] {
        assert_eq!(t.get(name), Some(0));
        assert_eq!(t.set(name, 1), Err(TunableError::ReadOnly));
        assert_eq!(t.get(name), Some(0));
    }
    let mut t = Tunables::default();
    assert_eq!(t.set("vm.swap_enabled", 0), Ok(()));
    assert_eq!(t.get("vm.swap_enabled"), Some(0));
}

#[test]
fn w09_bad_values_are_refused() {
    for range in TUNABLES {
        let mut t = Tunables::default();
        for (value, good) in [
            (range.min, true),
            (range.max, true),
            (range.min - 1, false),
            (range.max + 1, false),
            (i64::MIN, false),
            (i64::MAX, false),
        ] {
            let before = t.clone();
            let result = t.set(range.name, value);
            if good {
                assert_eq!(result, Ok(()), "{} = {value}", range.name);
                assert_eq!(t.get(range.name), Some(value));
            } else {
                assert_eq!(result, Err(TunableError::OutOfRange { min: range.min, max: range.max }));
                assert_eq!(t, before);
            }
        }
    }
    let mut t = Tunables::default();
    for never in [0, -1, -12] {
        assert!(t.set("vm.pageout_oom_seq", never).is_err());
    }
    assert_eq!(t.set("vm.nonsense", 1), Err(TunableError::Unknown));
}
