// SPDX-License-Identifier: BSD-2-Clause
//! `swap-pager`: anonymous pages to swap disks and back (level 3).
//!
//! The pager itself is the state machine in `ebb-swap`; here are its rings with `vm` and `block`, its memory, and the calls of people who ask how it is.
//! It never calls `vm`; `block` it calls only to learn what disks there are, at start and when a device is added.
//!
//! What it is given: its rings with `vm` at [`ebb_proto::pager::RINGS`]; the segment at the value `block_ring`, attached at `block` before this
//! starts; handles `endpoint`, `notification` (the one that `block` was given), `block`, `block_notify`; the value `vm_doorbell`, a handle; and for each device `d` of an
//! earlier instance the values `device<d>` (its segment), `device<d>_disk`, and `device<d>_heap` (its heap pages, mapped zeroed or as they were).
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
