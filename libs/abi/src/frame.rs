// SPDX-License-Identifier: BSD-2-Clause
//! Page frames and the vectored operations on them, whoever maps them.

/// Bytes in a page.
pub const PAGE_SIZE: usize = 4096;
/// log2 of [`PAGE_SIZE`].
pub const PAGE_SHIFT: u32 = 12;

/// A page frame number: physical address divided by [`PAGE_SIZE`]. A claim until the kernel has checked it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
#[repr(transparent)]
pub struct Frame(pub u32);

impl Frame {
    /// Physical address of the first byte.
    pub const fn address(self) -> u64 {
        (self.0 as u64) << PAGE_SHIFT
    }
}

/// What [`FrameOp`](crate::syscall::Number::FrameOp) does to each frame of its vector. The element is the frame number
/// on entry and the result on return; an element that fails becomes [`FAILED`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum FrameOp {
    /// Test and clear the referenced bits: result is the number of mappings that had been used, plus 1 if a
    /// mapping removed since had been. Source: `pmap_ts_referenced`. Needs `Rights::HARVEST` only.
    Harvest = 0,
    /// Result is [`MODIFIED`] if any mapping, present or removed since the last clear, wrote to the frame.
    TestModified = 1,
    /// As [`FrameOp::TestModified`], and clears what it found. Source: `pmap_clear_modify`.
    ClearModified = 2,
    /// Removes every mapping. Result: [`MODIFIED`] and [`REFERENCED`] as last seen by the hardware or kept from
    /// mappings removed earlier; both are cleared. Source: `pmap_remove_all`.
    RemoveAll = 3,
    /// Takes the write permission from every mapping; result [`MODIFIED`] as above, kept. Source: `pmap_remove_write`.
    RemoveWrite = 4,
    /// Changes nothing. Result: [`MODIFIED`], [`REFERENCED`], the kind of use in bits 8..16 ([`Use`]) and the number
    /// of mappings from bit 16 on.
    Query = 5,
    /// Fills an unmapped or user frame with zeroes.
    Zero = 6,
    /// Element pairs: copies the first frame of a pair into the second. Source: `pmap_copy_page`.
    Copy = 7,
}

impl FrameOp {
    /// The operation with this number.
    pub fn from_raw(raw: u64) -> Option<FrameOp> {
        use FrameOp::*;
        [Harvest, TestModified, ClearModified, RemoveAll, RemoveWrite, Query, Zero, Copy]
            .get(raw as usize)
            .copied()
    }
}

/// Result bit: a mapping wrote to the frame.
pub const MODIFIED: u64 = 1;
/// Result bit: a mapping used the frame.
pub const REFERENCED: u64 = 2;
/// Result of an element that was refused: no such frame, or not one of user memory.
pub const FAILED: u64 = u64::MAX;

/// Bytes to copy from one frame to another ([`CopyBytes`](crate::syscall::Number::CopyBytes)).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Piece {
    /// From this frame.
    pub from: Frame,
    /// From this byte of it.
    pub from_offset: u16,
    /// To this frame; if it is the same one the pieces may overlap.
    pub to: Frame,
    /// To this byte of it.
    pub to_offset: u16,
    /// How many.
    pub bytes: u16,
}

impl Piece {
    /// Two elements of a vector: frame in bits 0..32, offset in bits 32..48, in the first the number of bytes in bits 48..64.
    pub const fn pack(&self) -> [u64; 2] {
        [
            self.from.0 as u64 | (self.from_offset as u64) << 32 | (self.bytes as u64) << 48,
            self.to.0 as u64 | (self.to_offset as u64) << 32,
        ]
    }

    /// What two elements say.
    pub const fn unpack(e: [u64; 2]) -> Piece {
        Piece {
            from: Frame(e[0] as u32),
            from_offset: (e[0] >> 32) as u16,
            to: Frame(e[1] as u32),
            to_offset: (e[1] >> 32) as u16,
            bytes: (e[0] >> 48) as u16,
        }
    }

    /// Whether it ends inside both frames.
    pub const fn is_inside(&self) -> bool {
        let longest = PAGE_SIZE as u32;
        self.from_offset as u32 + self.bytes as u32 <= longest
            && self.to_offset as u32 + self.bytes as u32 <= longest
    }
}

/// What a frame is used for, as the kernel sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Use {
    /// Not memory, or memory that was in use before the kernel ran (firmware, the kernel's own image and tables).
    Reserved = 0,
    /// At the disposal of the holder of `PhysMem`: may be mapped, or donated.
    User = 1,
    /// Donated: holds a page table of a task (or its reverse map).
    Table = 2,
    /// Donated: waits in a task's pool of frames for page tables.
    Pool = 3,
    /// Donated: part of a handle table.
    Handles = 4,
    /// Donated: a task.
    Task = 5,
    /// Donated: a thread.
    Thread = 6,
    /// Donated: an endpoint.
    Endpoint = 7,
    /// Donated: a notification.
    Notification = 8,
    /// Donated: the message buffer of a thread. It is mapped in the thread's task and in no other.
    MessageBuffer = 9,
}
