// SPDX-License-Identifier: BSD-2-Clause
//! `policy`: what a policy server answers when somebody asks about it. Its work is between it and `vm` ([`crate::vm`]).

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// An option of a policy.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Knob {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: u32,
    /// Least and greatest value.
    pub range: (u32, u32),
    /// What it is, and in which unit.
    pub text: String,
}

protocol! {
    number 5;
    /// Its counters by name.
    1 Stats {} -> Vec<(String, u64)>;
    /// Checks its own order; the text says what is wrong, empty if nothing is.
    2 Check {} -> String;
    /// Its options.
    3 Knobs {} -> Vec<Knob>;
    /// Sets an option; it holds from the next choice on, until the policy ends. `NotFound`: it has none of this name; `Invalid`: the value is out of its range.
    4 SetKnob { name: String, value: u32 } -> ();
}
