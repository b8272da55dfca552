// SPDX-License-Identifier: BSD-2-Clause
//! `zswap-pager`: anonymous pages to compressed memory, and what has no place there to swap disks (level 3). It plays the role `swap-pager`; what it is given and does is said
//! in `ebb-swap-server`, the pool in `ebb-zswap`.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

use ebb_rt::start::Given;
use ebb_rt::{StartInfo, log, start};
use ebb_zswap::Pool;

ebb_rt::entry!(main);

fn main(info: &'static StartInfo) -> ! {
    match Pool::new(info.value("front_most").unwrap_or(0)) {
        Some(pool) => ebb_swap_server::run(info, pool),
        None => log!("no memory for the index of the pool"),
    }
    start::abort()
}
