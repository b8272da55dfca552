// SPDX-License-Identifier: BSD-2-Clause
//! A program larger than the machine's memory: it adds up the table that is a part of it.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

use ebb_rt::{StartInfo, eprintln, println};

ebb_rt::program!(main);

/// Pages of the program's own file.
static TABLE: &[u8] = include_bytes!("table");

/// `large MIB`: the sum of so many MiB of the table, as words of 8 bytes.
fn main(info: &'static StartInfo) -> u8 {
    let Some(mib) = info.args.first().and_then(|a| a.parse::<usize>().ok()) else {
        eprintln!("usage: {} MIB", info.name);
        return 2;
    };
    let words = TABLE.chunks_exact(8).take(mib << 17);
    let sum = words.fold(0u64, |sum, word| {
        sum.rotate_left(1) ^ word.try_into().map_or(0, u64::from_le_bytes)
    });
    println!("sum {mib} {sum:016x}");
    0
}
