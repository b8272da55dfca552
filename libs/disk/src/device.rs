// SPDX-License-Identifier: BSD-2-Clause
//! A disk, as the service sees it: the driver's side.

use alloc::string::String;
use ebb_proto::block::Transfer;

/// What is known of a disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Info {
    /// Its serial; empty if it has none.
    pub name: String,
    /// Size in sectors.
    pub sectors: u64,
    /// Whether it refuses writes.
    pub read_only: bool,
    /// What drives it.
    pub driver: &'static str,
    /// Most pages in one request to the device, at least 1.
    pub max_pages: usize,
}

/// A request to a device: consecutive sectors, whole pages of them but for the last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request<'r> {
    /// Comes back when it is finished.
    pub tag: u32,
    /// What to do.
    pub transfer: Transfer,
    /// First sector.
    pub sector: u64,
    /// Sectors; 0 for a flush.
    pub sectors: u32,
    /// The page frames, as many as the sectors need.
    pub frames: &'r [u32],
}

/// A disk.
pub trait Device {
    /// What is known of it.
    fn info(&self) -> &Info;
    /// Starts a request; `false`: no room now. The request lies within the disk and within `max_pages`.
    fn start(&mut self, request: &Request<'_>) -> bool;
    /// Tells the device of what was started since the last time.
    fn kick(&mut self);
    /// Takes a finished request: its tag, and whether it was done. In any order.
    fn finished(&mut self) -> Option<(u32, bool)>;
    /// Whether requests are finished as soon as they are started: nothing will tell of them.
    fn has_finished(&self) -> bool {
        false
    }
    /// Nanoseconds until the next request is finished, if nothing tells of that and it is known.
    fn due_ns(&self) -> Option<u64> {
        None
    }
}
