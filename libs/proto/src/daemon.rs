// SPDX-License-Identifier: BSD-2-Clause
//! `vm-daemon`: limits on what programs have resident. The limits themselves are kept by `vm` ([`crate::vm`]): they outlive this server.

use crate::vm::{Limited, LimitedGroup, Space};
use alloc::string::String;
use alloc::vec::Vec;

protocol! {
    number 10;
    /// Limits what a group of programs together has resident, in pages; [`crate::vm::NO_LIMIT`]: not at all, and the group goes. Enforced before this is answered, as far as it can be. The limits of one
    /// program are those of its process ([`crate::proc::SetLimit`]). Errors as of [`crate::vm::SetGroupLimit`].
    1 SetGroupLimit { group: u32, pages: u64 } -> ();
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
