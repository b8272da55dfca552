// SPDX-License-Identifier: BSD-2-Clause
//! `vm-daemon`: limits on what programs have resident. The limits themselves are kept by `vm` ([`crate::vm`]): they outlive this server.

use crate::vm::{Limited, LimitedGroup, Space};
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Whom a limit is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Whom {
    /// A program.
    Space(Space),
    /// A group of programs.
    Group(u32),
}

protocol! {
    number 10;
    /// Limits what a program, or a group together, has resident, in pages; [`crate::vm::NO_LIMIT`]: not at all. Enforced before this is answered, as far as it can be. Errors as of
    /// [`crate::vm::SetLimit`] and [`crate::vm::SetGroupLimit`].
    1 SetLimit { whom: Whom, pages: u64 } -> ();
    /// Programs from a number on, at most 32.
    2 Limits { from: Space } -> Vec<Limited>;
    /// Groups from a number on, at most 32.
    3 Groups { from: u32 } -> Vec<LimitedGroup>;
    /// Puts a program into a group; 0: into none. `NotFound`.
    4 Join { space: Space, group: u32 } -> ();
    /// Spares a program when memory is exhausted, or no longer. `NotFound`; `NotPermitted`: a server.
    5 Spare { space: Space, spare: bool } -> ();
    /// Asks for whole-process swap-out (bits of `ebb_policy::swapout_request`); served with the next run, at most one a second.
    7 RequestSwapOut { bits: u8 } -> ();
    /// Its counters by name.
    8 Status {} -> Vec<(String, u64)>;
}
