// SPDX-License-Identifier: BSD-2-Clause
//! For tests: the moment at which the pager is killed. After so many effects on the outside world (words of durable memory, requests to the
//! disk, completions) all later ones are lost, which is what a kill at that moment does.

use core::cell::Cell;

extern crate std;

std::thread_local! {
    static LEFT: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Burns after so many effects; `None`: never.
pub fn set(effects: Option<u64>) {
    LEFT.set(effects);
}

/// Whether it has burnt.
pub fn burnt() -> bool {
    LEFT.get() == Some(0)
}

/// Takes one effect; `false` if it is lost.
pub fn effect() -> bool {
    match LEFT.get() {
        None => true,
        Some(0) => false,
        Some(n) => {
            LEFT.set(Some(n - 1));
            true
        }
    }
}
