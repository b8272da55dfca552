// SPDX-License-Identifier: BSD-2-Clause
//! `block`: the disks (level 1).
//!
//! At start it looks for virtio block devices on the PCI bus, and takes a boot module that is a disk's image as one more disk; then it serves [`ebb_proto::block`]. What it does between rings and
//! disks is in `ebb-disk`, the driver in `ebb-virtio-blk`; here are the machine's ports, registers, memory and interrupts.
//!
//! What it is given: handles `endpoint`, `notification`, `io`, `irq`, `phys` (with the right to map device registers) and `task` (its own);
//! a segment at the value `dma` of `dma_pages` pages, [`reads::BOUNCE_PAGES`] of them for reads by call and three for each disk, whose frames are the values
//! `dma_frame0`, … or are found through `task`.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

mod disk;
mod dma;
mod machine;
mod reads;
mod server;

use ebb_rt::{StartInfo, log, start};
use server::Server;

ebb_rt::entry!(main);

fn main(info: &'static StartInfo) -> ! {
    match Server::new(info) {
        Ok(mut server) => {
            let error = server.run();
            log!("cannot receive: {error}");
        }
        Err(error) => log!("cannot start: {error}"),
    }
    start::abort()
}
