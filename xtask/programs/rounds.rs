// SPDX-License-Identifier: BSD-2-Clause
//! Writes a byte of each of 300 pages, one after the other, three times.

const PAGE: usize = 4096;
const PAGES: usize = 300;

fn main() {
    // Large enough to come from the system as it is: nobody has touched it before.
    let mut memory = vec![0u8; (PAGES + 1) * PAGE];
    let first = memory.as_ptr().align_offset(PAGE);
    for round in 1..=3 {
        for page in 0..PAGES {
            std::hint::black_box(&mut memory)[first + page * PAGE] = round;
        }
    }
}
