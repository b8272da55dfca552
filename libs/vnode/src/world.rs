// SPDX-License-Identifier: BSD-2-Clause
//! What the pager needs of its surroundings: rings and memory in the machine, a scripted peer in the tests.

use core::fmt::Arguments;
use ebb_proto::block;

/// Bytes of a page, of a block of the file system, and of what an entry of the disks' ring moves.
pub const PAGE: usize = 4096;

/// The surroundings.
pub trait World: 'static {
    /// Takes the next entry that `vm` submitted.
    fn next(&mut self) -> Option<[u64; 4]>;
    /// Entries that there is room for in the ring to `vm`.
    fn room(&mut self) -> usize;
    /// Sends `vm` a completion or a notice. Only called with room.
    fn push(&mut self, entry: &[u64; 4]);
    /// Entries that can be submitted to the disks.
    fn disk_room(&mut self) -> usize;
    /// Submits an entry to the disks. Only called with room, and all entries of a run one after the other.
    fn submit(&mut self, entry: block::Submission);
    /// Takes the next completion of the disks.
    fn finished(&mut self) -> Option<block::Completion>;
    /// Waits for the disks, for nobody else. `false`: nothing will ever come from them.
    fn wait(&mut self) -> bool;
    /// Number of own pages that the disks can reach.
    fn buffers(&self) -> usize;
    /// Frame of an own page.
    fn buffer_frame(&self, buffer: usize) -> u32;
    /// Copies bytes from the beginning of an own page, at most [`PAGE`].
    fn load(&self, buffer: usize, bytes: &mut [u8]);
    /// Copies bytes to the beginning of an own page, at most [`PAGE`].
    fn store(&mut self, buffer: usize, bytes: &[u8]);
    /// Frame of a bounce page that is shared with `vm`; `None`: there is no such page.
    fn bounce_frame(&self, slot: usize) -> Option<u32>;
    /// Copies bytes from the beginning of a bounce page.
    fn bounce(&self, slot: usize, bytes: &mut [u8]);
    /// Writes a line to the log.
    fn log(&mut self, line: Arguments<'_>);
}
