// SPDX-License-Identifier: BSD-2-Clause
//! `vnode-pager`: files on the disk whose serial is `root` (level 2).
//!
//! The pager itself is the state machine in `ebb-vnode`; here are its rings with `vm` and `block`, its memory, and the calls of [`ebb_proto::fs`].
//! It never calls `vm`; `block` it calls only to find its disk, at start.
//!
//! What it is given: its rings with `vm` at [`ebb_proto::pager::RINGS`], the bounce pages behind them with the values `bounce_frame0`, …; the segment at the value `block_ring`,
//! attached at `block` before this starts; a segment at the value `dma` of `dma_pages` pages with `dma_frame0`, …; handles `endpoint`, `notification` (the one that `block` was
//! given), `block`, `block_notify`; the value `vm_doorbell`, a handle; and the value `cold`: 1 for the first instance after the machine has started.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

mod ports;
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
