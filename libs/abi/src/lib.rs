// SPDX-License-Identifier: BSD-2-Clause
//! What the kernel and user space agree on: system call numbers, message layout, handle rights, errors, the
//! user address space and the boot information. It holds no logic beyond packing and unpacking.
//!
//! Neighbours: `microkernel` serves this interface, `libs/rt` wraps it. Nothing else issues system calls.
#![no_std]
#![forbid(unsafe_code)]

pub mod boot;
pub mod error;
pub mod fault;
pub mod frame;
pub mod handle;
pub mod layout;
pub mod map;
pub mod message;
pub mod meter;
pub mod syscall;
pub mod thread;

pub use error::Error;
pub use frame::{Frame, PAGE_SHIFT, PAGE_SIZE};
pub use handle::{Handle, Kind, Rights};
pub use message::Tag;
