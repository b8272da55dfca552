// SPDX-License-Identifier: BSD-2-Clause
//! What a block server does between its clients' rings and its disks, whatever drives them.
//!
//! [`Service`] takes requests from the clients' rings ([`client`]), checks every entry, hands them to the disks ([`Device`]) and
//! brings the completions back. It waits for nothing: [`Service::pump`] does all that can be done now and is called again when a
//! doorbell or an interrupt says so.
//!
//! - Nothing is allocated after a client is attached: what is under way is bounded by a table ([`MAX_REQUESTS`], and
//!   [`MAX_OF_CLIENT`] of one client), what does not fit waits in the client's ring.
//! - A request that the disk has no room for waits in the table; requests to other disks pass it.
//! - A completion that the client's ring has no room for is held until it has.
//! - Clients are not believed: a malformed request completes with `Invalid` and never reaches a device, a ring with impossible
//!   indexes is not used any more. What *is* believed is the frame number: who can attach at all (`init` decides) may name any frame.
//!
//! Disks that lie in memory ([`ram`]) may take as long as others would: a [`model`] says when.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod client;
pub mod described;
pub mod device;
pub mod gather;
pub mod model;
pub mod modeled;
pub mod ram;
pub mod service;
mod table;
#[cfg(test)]
mod tests;

pub use device::{Device, Info, Request};
pub use service::{MAX_CLIENTS, Service};
pub use table::{MAX_OF_CLIENT, MAX_REQUESTS};
