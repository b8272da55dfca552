// SPDX-License-Identifier: BSD-2-Clause
//! `swap-pager`: anonymous pages to swap disks and back (level 3). What it is given and does is said in `ebb-swap-server`.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

use ebb_rt::StartInfo;
use ebb_swap::Direct;

ebb_rt::entry!(main);

fn main(info: &'static StartInfo) -> ! {
    ebb_swap_server::run(info, Direct)
}
