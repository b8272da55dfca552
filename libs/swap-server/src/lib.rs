// SPDX-License-Identifier: BSD-2-Clause
//! The process of a swap pager, whatever is in front of its devices.
//!
//! The pager itself is the state machine in `ebb-swap`; here are its rings with `vm` and `block`, its memory, and the calls of people who ask how it is.
//! It never calls `vm`; `block` it calls only to learn what disks there are, at start and when a device is added.
//!
//! What it is given: its rings with `vm` at [`ebb_proto::pager::RINGS`]; the segment at the value `block_ring`, attached at `block` before this
//! starts; handles `endpoint`, `notification` (the one that `block` was given), `block`, `block_notify`; the value `vm_doorbell`, a handle; and for each device `d` of an
//! earlier instance the values `device<d>` (its segment), `device<d>_disk`, and `device<d>_heap` (its heap pages, mapped zeroed or as they were).
//!
//! A pager that looks into pages is given besides: the handle `phys`, with the right to copy frames; pages of its own at the value `dma`, `dma_pages` of them, in the frames `dma_frame<n>`; `front_pages`,
//! what there is already of the memory in front of its devices, at [`ebb_proto::pager::FRONT`]; and `front_most`, how much there may be of it.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod ports;
mod server;
mod window;

pub use server::Server;

use ebb_rt::{StartInfo, log, start};
use ebb_swap::Front;

/// Serves with this in front of the devices.
pub fn run(info: &StartInfo, front: impl Front<'static>) -> ! {
    match Server::new(info, front) {
        Ok(mut server) => {
            let error = server.run();
            log!("cannot receive: {error}");
        }
        Err(error) => log!("cannot start: {error}"),
    }
    start::abort()
}
