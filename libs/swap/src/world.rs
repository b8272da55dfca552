// SPDX-License-Identifier: BSD-2-Clause
//! What the pager needs of its surroundings: rings in the machine, a scripted peer in the tests.

use alloc::string::String;
use core::fmt::Arguments;
use core::sync::atomic::AtomicU64;
use ebb_proto::{block, pager};

/// A disk, as far as swap is concerned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DiskInfo {
    /// Its name.
    pub name: String,
    /// Its size in sectors.
    pub sectors: u64,
    /// Whether it refuses writes.
    pub read_only: bool,
}

/// The bytes of a page.
pub type PageBytes = [u8; 4096];

/// The surroundings. None of these waits, except [`World::disk`], which asks a server of a lower level and is only used for `Prepare`, `SwapOn` and adoption.
pub trait World<'a> {
    /// Takes the next entry that `vm` submitted.
    fn next(&mut self) -> Option<[u64; 4]>;
    /// Completions that there is room for.
    fn room(&mut self) -> usize;
    /// Answers `vm`. Only called with room.
    fn complete(&mut self, completion: pager::Completion);
    /// Entries that can be submitted to the disks.
    fn disk_room(&mut self) -> usize;
    /// Submits an entry to the disks. Only called with room, and all entries of a run one after the other.
    fn submit(&mut self, entry: block::Submission);
    /// Takes the next completion of the disks.
    fn finished(&mut self) -> Option<block::Completion>;
    /// The disk with this number.
    fn disk(&mut self, number: u8) -> Option<DiskInfo>;
    /// A device's segment.
    fn segment(&mut self, address: u64, pages: u64) -> Option<&'a [AtomicU64]>;
    /// Gives pages that `vm` mapped to the heap. Pages that were given before are not given again.
    fn claim(&mut self, address: u64, pages: u64) -> bool;
    /// Reads the frame of a page. `false`: that cannot be done here, which is so for a pager that never looks into pages.
    fn read_frame(&mut self, _frame: u32, _bytes: &mut PageBytes) -> bool {
        false
    }
    /// Writes the frame of a page; `false` as above.
    fn write_frame(&mut self, _frame: u32, _bytes: &PageBytes) -> bool {
        false
    }
    /// Frames of the pager's own, for what it writes out itself: their numbers, and always the same.
    fn own_frames(&self) -> &[u32] {
        &[]
    }
    /// Writes a line to the log.
    fn log(&mut self, line: Arguments<'_>);
}
