// SPDX-License-Identifier: BSD-2-Clause
//! `nice`: see `ebb_tools::nice`.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

use ebb_rt::StartInfo;

ebb_rt::program!(main);

fn main(info: &'static StartInfo) -> u8 {
    ebb_user_tools::run(&ebb_tools::nice::TOOL, info)
}
