// SPDX-License-Identifier: BSD-2-Clause
#![doc = include_str!("../README.md")]
#![doc = include_str!("rows.md")]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod control;
pub mod device;
pub mod devices;
pub mod front;
pub mod fullness;
#[cfg(any(test, feature = "fuse"))]
pub mod fuse;
mod get;
pub mod map;
mod out;
pub mod pager;
mod put;
pub mod record;
pub mod request;
mod run;
pub mod table;
#[cfg(test)]
mod tests;
pub mod world;

pub use front::{Direct, Front, Spot};
pub use pager::SwapPager;
pub use world::{DiskInfo, PageBytes, World};
