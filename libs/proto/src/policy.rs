// SPDX-License-Identifier: BSD-2-Clause
//! `policy`: what a policy server answers when somebody asks about it. Its work is between it and `vm` ([`crate::vm`]).

use alloc::string::String;
use alloc::vec::Vec;

protocol! {
    number 5;
    /// Its counters by name.
    1 Stats {} -> Vec<(String, u64)>;
    /// Checks its own order; the text says what is wrong, empty if nothing is.
    2 Check {} -> String;
}
