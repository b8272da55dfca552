// SPDX-License-Identifier: BSD-2-Clause
//! `vm_page`: one record for each frame of memory. A frame is in exactly one [`Place`].

use alloc::vec;
use alloc::vec::Vec;
use bitflags::bitflags;

/// Where a frame is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Place {
    /// Not `vm`'s: no memory, the kernel's, or in use since before `vm` ran.
    Foreign,
    /// On the free list.
    Free,
    /// A page of an object: `object` and `index` name it.
    Object,
    /// A page of a segment: `object` is the segment's number, `index` the page.
    Segment,
    /// Donated to the kernel: `object` is the space it was for (0: an endpoint or notification made for `init`).
    Kernel,
    /// A table of an object's pages ([`crate::object::Leaf`]); `object` is the object.
    Leaf,
    /// `vm`'s own: heap, rings, the counters.
    Own,
}

bitflags! {
    /// State of a page of an object.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct Flags: u8 {
        /// Being read: nobody may use it.
        const READING = 1 << 0;
        /// Being written: it may be read, not written.
        const WRITING = 1 << 1;
        /// Modified since its last copy was made, as far as no mapping's dirty bit says it.
        const DIRTY = 1 << 2;
        /// The policy holds it active.
        const ACTIVE = 1 << 3;
        /// The policy holds it inactive.
        const INACTIVE = 1 << 4;
        /// A fault or a wiring waits for it.
        const WANTED = 1 << 5;
        /// While it is being read: it was asked for, not brought in as a neighbour.
        const DEMANDED = 1 << 6;
        /// While it is not being read, a page of a file: a program has read it before.
        const SEEN = 1 << 6;
        /// Nobody wants it any more; it is freed when its I/O ends, and with it the copy that the I/O made.
        const DOOMED = 1 << 7;
    }
}

impl Flags {
    /// I/O is under way.
    pub const BUSY: Flags = Flags::READING.union(Flags::WRITING);
    /// On a queue of the policy.
    pub const QUEUED: Flags = Flags::ACTIVE.union(Flags::INACTIVE);
}

/// No frame: the end of a list.
pub const NONE: u32 = u32::MAX;

/// The record of a frame.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// Whose it is, as [`Place`] says.
    pub object: u32,
    /// Which page of it.
    pub index: u32,
    /// Changes each time the frame is freed: a policy's or pager's word on an earlier life is recognised.
    pub generation: u32,
    /// Next on the free list.
    pub next: u32,
    /// Where the frame is.
    pub place: Place,
    /// State, for `Place::Object`.
    pub flags: Flags,
    /// How many wirings hold it.
    pub wired: u16,
}

/// A table with a record for each frame below `nr_frames`.
pub fn table(nr_frames: u32) -> Vec<Page> {
    vec![
        Page {
            object: NONE,
            index: 0,
            generation: 1,
            next: NONE,
            place: Place::Foreign,
            flags: Flags::empty(),
            wired: 0
        };
        nr_frames as usize
    ]
}
