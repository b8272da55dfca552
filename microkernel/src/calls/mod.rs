// SPDX-License-Identifier: BSD-2-Clause
//! The system calls that are not IPC: arguments out of registers, checks, results into registers.

pub mod device;
pub mod memory;
pub mod objects;

use crate::object::Ref;
use crate::thread::Thread;
use core::cell::Cell;
use ebb_abi::Error;

/// The first elements of the current thread's vector.
fn vector(current: Ref<Thread>, count: u64) -> Result<&'static [Cell<u64>], Error> {
    let all = &current.buffer().get().vector;
    usize::try_from(count).ok().and_then(|n| all.get(..n)).ok_or(Error::BadArgument)
}
