// SPDX-License-Identifier: BSD-2-Clause
//! The parts of the kernel that need no machine: they are plain functions over plain data, and tested on the host.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod cmdline;
pub mod name;
pub mod place;
pub mod ranges;
