// SPDX-License-Identifier: BSD-2-Clause
//! How many random runs there are.

use proptest::prelude::*;

/// Seeded, so that a run can be repeated; `VM_CASES`, `VM_SEED` and `VM_SHRINK` ask for others.
pub fn config(cases: u32, shrink: u32) -> ProptestConfig {
    let number =
        |name: &str, default: u64| std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default);
    ProptestConfig {
        cases: number("VM_CASES", cases as u64) as u32,
        failure_persistence: None,
        rng_seed: prop::test_runner::RngSeed::Fixed(number("VM_SEED", 1)),
        max_shrink_iters: number("VM_SHRINK", shrink as u64) as u32,
        ..ProptestConfig::default()
    }
}
