// SPDX-License-Identifier: BSD-2-Clause
//! A machine in software around the server: a kernel, programs, a pager, a policy, a clock.

pub mod files;
pub mod kernel;
mod own;
pub mod pager;
pub mod policy;
pub mod program;
pub mod reply;
pub mod vnode;
pub mod world;

pub use world::World;
