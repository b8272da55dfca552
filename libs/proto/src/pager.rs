// SPDX-License-Identifier: BSD-2-Clause
//! `pager`: what `swap-pager` and `vnode-pager` serve, and any newcomer. `vm` is the only client; it never waits for a pager, so everything that it asks for goes
//! through a ring pair. People ask for [`Status`] by call (of the vnode pager: [`crate::fs::Summarise`]).
//!
//! # Rings
//! The pager's segment is mapped at [`RINGS`]: submissions in the first half of its [`RING_PAGES`] pages, completions in the second.
//!
//! | operation | word 0 bits 8..16, 16..24 | word 1 | word 2 | word 3 |
//! |---|---|---|---|---|
//! | [`Op::Get`] | run length, place of the wanted page | object | page index | frame |
//! | [`Op::Put`] | run length, place in the run | object | page index | frame |
//! | [`Op::Free`] | | object | first index | pages |
//! | [`Op::Prepare`] | | disk number | | |
//! | [`Op::SwapOn`] | | disk number | address of the device's segment | address of its heap pages |
//! | [`Op::SwapOffBegin`], [`Op::SwapOffEnd`], [`Op::SwapOffAbort`] | | disk number | | |
//! | [`Op::SwapOffNext`] | | disk number | | |
//! | [`Op::Audit`] | | object or `ALL` | | |
//! | [`Op::PutBytes`] | run length, place in the run, slot (bits 24..32) | object | page index | frame |
//! | [`Op::Reserve`] | | object | first index | pages |
//! | [`Op::Resize`] | | object | bytes | |
//! | [`Op::Size`] | | object | bytes | |
//! | [`Op::Fsync`] | | object or `ALL` | | |
//! | [`Op::Hold`] | | object | bytes | grants |
//! | [`Op::Release`] | | object | grants | |
//! | [`Op::Copy`] | | source, destination (bits 32..64) | first index there, first index here (bits 32..64) | pages |
//! | [`Op::Retire`], [`Op::Resume`], [`Op::Seal`] | | | | |
//! | [`Op::AddMemory`] | | address | pages | |
//!
//! Word 0 has the operation in bits 0..8 and a cookie in bits 32..64. A run of Get or Put is so many consecutive entries of ascending page index of
//! one object; each page gets its own completion: word 0 status in bits 0..8, operation in 8..16, cookie in 32..64; word 1 the frame; words 2
//! and 3 results. The cookie belongs to `vm`.
//!
//! # Contract
//! - Get: the wanted page is read, or fails; the others of the run are read if they lie next to it in the right order on the device, otherwise they
//!   complete with `Fail` and `vm` takes the frame back (SWP-104..SWP-107). `Fail` for the wanted page: the pager has no such page.
//! - Put: statuses `Ok`, `Fail` (no space), `Error`. Until `Ok` the previous copy of the page stays valid (SWP-W12). The frame must not change
//!   until the completion; `vm` keeps it busy and write-protected.
//! - Copy: slots change hands, nothing is read or written; so it can be submitted again. `vm` has no Get or Put of these pages of the source under way.
//! - Completions come in any order between runs. Each submission completes exactly once, also across the death of the pager: `vm` submits again what
//!   was in flight when the next instance attaches.
//! - Durable state is in the devices' segments: the next instance finds them where they were and adopts them.
//! - A pager may keep copies in memory in front of the devices, in segments that `vm` gives it ([`Op::AddMemory`]) and that outlive it as the devices' do; each of them has its slot on a device
//!   all the same. It says in result 2 of Put when more would be of use ([`WANTS_MEMORY`]); `vm` gives when it has some, or not at all.
//! - Retire: the next instance may be a pager that knows of no such memory, so everything goes to the devices. From `Ok` until [`Op::Resume`] nothing lies anywhere else.
//!
//! # The pager of files
//! Objects are inode numbers. It serves Get, Put, Audit and the operations from [`Op::PutBytes`] on. `vm` is the authority for the size of a file that it holds.
//!
//! - Its segment has [`BOUNCE_PAGES`] more pages behind the rings: the bytes of pages that it must look at. [`Op::PutBytes`] writes a page whose bytes `vm` has copied
//!   to the bounce page `slot`, up to the end of the file; zeroes follow. `vm` uses it for pages that were never written to the disk and for the last page of a file; and for a page whose Put was
//!   answered with `Again`, which means just that. A plain Put is written from the frame, without a copy.
//! - Get: bit 0 of result 2 ([`HOLE`]): nothing was read, the page is zero; bit 1 ([`RESERVED`]): there is a block for it. The pager does not
//!   care what lies behind the end of the file in its last page: `vm` zeroes it.
//! - Put, PutBytes: `Ok` when a crash of the pager (not of the machine) can no longer undo it. `Fail`: no space.
//! - Reserve: from `Ok` on there is a block for each of the pages; `Fail`: no space, and none of them may be counted on. Bit 2 of result 2 ([`WRITTEN`]): those that had none
//!   were filled with zeroes, so that all of them are as if they had been put. That is done for holes inside a file, which would otherwise fall into single blocks.
//! - Resize: cuts the file, or makes it longer with a hole, on the disk. `vm` has dropped the pages beyond and waits for their I/O first.
//! - Size: `vm` says that the file is longer now; pages of it follow sooner or later. For those who ask the pager for the size.
//! - Fsync: everything that was put before is durable, names too.
//! - Hold: `vm` has this file, with this size, and has taken so many grants of earlier instances: said first to a new instance, which then counts grants from 0.
//! - Release: `vm` has nothing of this file any more, and has seen so many grants for it from this instance. If the pager has given more, it is held still.
//!
//! The pager also sends entries that answer nothing, in the completion ring, before it answers the call that caused them: [`Notice`].

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Where the pager finds its rings.
pub const RINGS: u64 = ebb_abi::layout::SEGMENTS;
/// Pages of the pager's ring segment: 64 KiB, 1008 entries of capacity 512 each way.
pub const RING_PAGES: u64 = 16;
/// Where the devices' segments begin; the first page at each device's address is its header.
pub const DEVICES: u64 = ebb_abi::layout::SEGMENTS + 0x1_0000_0000;
/// Distance between the segments of two devices.
pub const DEVICE_STRIDE: u64 = 0x10_0000_0000;
/// Devices that a pager handles at most.
pub const MAX_DEVICES: usize = 16;
/// Pages behind the rings of a pager of files: the bytes of pages that are put with [`Op::PutBytes`]. Also the longest run of it.
pub const BOUNCE_PAGES: u64 = 32;
/// Get, result 2: nothing was read, the page is zero.
pub const HOLE: u64 = 1;
/// Get, result 2, with [`HOLE`]: there is a block for the page.
pub const RESERVED: u64 = 2;
/// Reserve, result 2: all of the pages are on the disk.
pub const WRITTEN: u64 = 4;
/// Put, result 2: the pager would like more memory in front of its devices.
pub const WANTS_MEMORY: u64 = 1;
/// Where a pager finds its memory in front of the devices: one segment of [`CHUNK_PAGES`] after the other.
pub const FRONT: u64 = DEVICES + MAX_DEVICES as u64 * DEVICE_STRIDE;
/// Pages of each segment of that memory.
pub const CHUNK_PAGES: u64 = 64;
/// Most pages in one run (`MAX_PAGEOUT_CLUSTER`).
pub const MAX_RUN: usize = 16;
/// [`Op::Audit`] of everything.
pub const ALL: u64 = u64::MAX;

/// What `vm` asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Op {
    /// Bring a page (and its neighbours in the run) in.
    Get = 1,
    /// Write pages out.
    Put = 2,
    /// The copies of these pages are no longer needed. No index without a copy is an error. Word 2 of the completion: slots freed.
    Free = 3,
    /// How much memory does this disk need as a swap device? Completion: word 2 pages of durable segment, word 3 pages of heap. `Bad`: no such
    /// disk, too small, read-only; `Again`: it is one already.
    Prepare = 4,
    /// Use the disk; its segment and heap pages are mapped (zeroed if the device is new). Word 2 of the completion: slots that can be allocated.
    SwapOn = 5,
    /// No new slot on this device. Word 2: slots in use on it.
    SwapOffBegin = 6,
    /// Name some page whose copy is on this device: word 2 object, word 3 index; `Fail`: there is none left.
    SwapOffNext = 7,
    /// The device is empty: forget it; its segment may be taken away. `Again`: it is not empty.
    SwapOffEnd = 8,
    /// Take the device back into service.
    SwapOffAbort = 9,
    /// Check everything. Word 2: slots in use (of the object, if one is named), word 3: inconsistencies found (each is in the log).
    Audit = 10,
    /// Write a page whose bytes are in a bounce page.
    PutBytes = 11,
    /// See to it that there is a block for each of these pages.
    Reserve = 12,
    /// The file is so many bytes long, on the disk too.
    Resize = 13,
    /// The file has become so many bytes long.
    Size = 14,
    /// Everything put before is durable when it completes.
    Fsync = 15,
    /// `vm` has this file.
    Hold = 16,
    /// `vm` has nothing of this file any more.
    Release = 17,
    /// The copies of these pages of an object become those of another (`swap_pager_copy`). Where that one has a copy already it is kept, and the source's is freed. Word 2 of the
    /// completion: slots moved, word 3: slots freed.
    Copy = 18,
    /// Brings everything to the devices, and keeps nothing elsewhere from now on. Answered at once: `Ok` it is so; `Again`: it is under way, word 2 pages left, ask again;
    /// `Error`: word 3 pages could not be written. Paging goes on meanwhile.
    Retire = 19,
    /// The pager is not replaced after all: back to normal.
    Resume = 20,
    /// Memory in front of the devices: a segment, mapped at the address; zeroed if it is new. `Bad`: it cannot be used.
    AddMemory = 21,
    /// The instance is about to be ended: what is under way is finished, nothing more is taken, and the devices' tables are left so that the next one need not make anything anew.
    /// It may be ended without, as any accident would; that only takes the next one longer.
    Seal = 22,
}

impl Op {
    /// The operation with this number.
    pub fn from_raw(raw: u64) -> Option<Op> {
        use Op::*;
        #[rustfmt::skip]
        let all = [
            Get, Put, Free, Prepare, SwapOn, SwapOffBegin, SwapOffNext, SwapOffEnd, SwapOffAbort, Audit,
            PutBytes, Reserve, Resize, Size, Fsync, Hold, Release, Copy, Retire, Resume, AddMemory, Seal,
        ];
        all.get((raw as usize).wrapping_sub(1)).copied()
    }
}

/// What a pager of files says without being asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notice {
    /// A program may open a file: word 0 number of the grant in bits 32..64 and [`OpenFlags`](crate::fs::OpenFlags) in bits 16..24; word 1 the inode in bits 0..32, the
    /// program's space above; word 2 the file's size.
    Granted {
        /// Number of the grant.
        grant: u32,
        /// The rights: `READ`, `WRITE`, `EXECUTE` of [`OpenFlags`](crate::fs::OpenFlags).
        rights: u8,
        /// The file.
        inode: u32,
        /// Whom it is for.
        space: u32,
        /// Bytes.
        size: u64,
    },
    /// A file that `vm` holds has no name any more: its pages need not be written, and nothing is lost if they are dropped when nobody uses it.
    Unlinked {
        /// The file.
        inode: u32,
    },
}

/// First byte of a [`Notice::Granted`].
const GRANTED: u64 = 0x80;
/// First byte of a [`Notice::Unlinked`].
const UNLINKED: u64 = 0x81;

impl Notice {
    /// The entry of a ring.
    pub fn pack(&self) -> [u64; 4] {
        match *self {
            Notice::Granted { grant, rights, inode, space, size } => [
                (rights as u64) << 16 | GRANTED << 8 | (grant as u64) << 32,
                inode as u64 | (space as u64) << 32,
                size,
                0,
            ],
            Notice::Unlinked { inode } => [UNLINKED << 8, inode as u64, 0, 0],
        }
    }

    /// What an entry says; `None`: it is a completion, or nonsense.
    pub fn unpack(e: &[u64; 4]) -> Option<Notice> {
        match (e[0] >> 8) & 0xff {
            GRANTED => Some(Notice::Granted {
                grant: (e[0] >> 32) as u32,
                rights: (e[0] >> 16) as u8,
                inode: e[1] as u32,
                space: (e[1] >> 32) as u32,
                size: e[2],
            }),
            UNLINKED => Some(Notice::Unlinked { inode: e[1] as u32 }),
            _ => None,
        }
    }
}

/// How an operation ended (`VM_PAGER_*`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Outcome {
    /// Done.
    Ok = 0,
    /// Out of range.
    Bad = 1,
    /// In range but not there; for a write: no space.
    Fail = 2,
    /// Started, not finished. Never sent in a completion.
    Pend = 3,
    /// The device failed.
    Error = 4,
    /// Temporary shortage: try again.
    Again = 5,
}

impl Outcome {
    /// The outcome with this number; one that nobody knows counts as `Error`.
    pub fn from_raw(raw: u64) -> Outcome {
        use Outcome::*;
        [Ok, Bad, Fail, Pend, Error, Again].get(raw as usize).copied().unwrap_or(Error)
    }
}

/// One entry of the submission ring, unpacked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Submission {
    /// What to do.
    pub op: Op,
    /// Get, Put: pages in the run.
    pub run: u8,
    /// Get: place of the wanted page in the run; Put: place of this page.
    pub place: u8,
    /// PutBytes: the bounce page.
    pub slot: u8,
    /// Comes back with the completion.
    pub cookie: u32,
    /// Words 1 to 3.
    pub words: [u64; 3],
}

impl Submission {
    /// The entry of a ring.
    pub fn pack(&self) -> [u64; 4] {
        let [a, b, c] = self.words;
        [
            self.op as u64
                | (self.run as u64) << 8
                | (self.place as u64) << 16
                | (self.slot as u64) << 24
                | (self.cookie as u64) << 32,
            a,
            b,
            c,
        ]
    }

    /// What an entry says; `None` if its operation is none.
    pub fn unpack(e: &[u64; 4]) -> Option<Submission> {
        Some(Submission {
            op: Op::from_raw(e[0] & 0xff)?,
            run: (e[0] >> 8) as u8,
            place: (e[0] >> 16) as u8,
            slot: (e[0] >> 24) as u8,
            cookie: (e[0] >> 32) as u32,
            words: [e[1], e[2], e[3]],
        })
    }
}

/// One entry of the completion ring, unpacked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Completion {
    /// How it ended.
    pub outcome: Outcome,
    /// What was asked.
    pub op: Op,
    /// The submission's cookie.
    pub cookie: u32,
    /// Get, Put: the frame.
    pub frame: u64,
    /// Words 2 and 3.
    pub results: [u64; 2],
}

impl Completion {
    /// The entry of a ring.
    pub fn pack(&self) -> [u64; 4] {
        [
            self.outcome as u64 | (self.op as u64) << 8 | (self.cookie as u64) << 32,
            self.frame,
            self.results[0],
            self.results[1],
        ]
    }

    /// What an entry says; `None` if its operation is none.
    pub fn unpack(e: &[u64; 4]) -> Option<Completion> {
        Some(Completion {
            outcome: Outcome::from_raw(e[0] & 0xff),
            op: Op::from_raw((e[0] >> 8) & 0xff)?,
            cookie: (e[0] >> 32) as u32,
            frame: e[1],
            results: [e[2], e[3]],
        })
    }
}

/// A swap device, as `swapinfo` shows it (`struct xswdev`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Device {
    /// The disk's name.
    pub name: String,
    /// Slots that can be allocated when it is empty.
    pub slots: u64,
    /// Slots in use.
    pub used: u64,
    /// Slots set aside because writing to them failed.
    pub bad: u64,
    /// Whether it is being emptied for removal.
    pub closing: bool,
}

/// Memory in front of the devices.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct PoolStatus {
    /// Bytes of the memory, and bytes of it that hold copies now.
    pub bytes: (u64, u64),
    /// Bytes of the memory that can hold copies; the rest is the index.
    pub room: u64,
    /// Copies that are there now.
    pub pages: u64,
    /// Bytes of those that are compressed.
    pub compressed: u64,
    /// Of the copies: pages filled with one word, which take no room.
    pub same_filled: u64,
    /// Pages kept since this instance started.
    pub stored: u64,
    /// Pages brought in from there.
    pub loaded: u64,
    /// Pages that did not become small enough, and went to a device.
    pub poor: u64,
    /// Pages that there was no room for, and went to a device.
    pub full: u64,
    /// Copies written out to make room, or for a replacement.
    pub written_out: u64,
}

/// What the pager says of itself.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Summary {
    /// Its devices, in the order of their numbers.
    pub devices: Vec<Device>,
    /// Device reads and writes (requests), pages read and written since this instance started.
    pub reads: u64,
    /// Write requests.
    pub writes: u64,
    /// Pages read.
    pub pages_in: u64,
    /// Pages written.
    pub pages_out: u64,
    /// Failed reads and writes.
    pub errors: u64,
    /// Slots adopted from a previous instance, and unfinished writes of it that were dropped.
    pub adopted: (u64, u64),
    /// `swap_pager_full`, `swap_pager_almost_full`.
    pub full: (bool, bool),
    /// Memory in front of the devices, if it uses any.
    pub pool: Option<PoolStatus>,
}

protocol! {
    number 3;
    /// What the pager says of itself.
    1 Status {} -> Summary;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_survive_packing() {
        for raw in 1..=22 {
            let op = Op::from_raw(raw).unwrap();
            assert_eq!(op as u64, raw);
            let s =
                Submission { op, run: 16, place: 15, slot: 31, cookie: 0xffff_fff0, words: [1, u64::MAX, 3] };
            assert_eq!(Submission::unpack(&s.pack()), Some(s));
            for o in 0..6 {
                let c =
                    Completion { outcome: Outcome::from_raw(o), op, cookie: 9, frame: 4, results: [5, 6] };
                assert_eq!(c.outcome as u64, o);
                assert_eq!(Completion::unpack(&c.pack()), Some(c));
            }
        }
        assert_eq!(Op::from_raw(0), None);
        assert_eq!(Op::from_raw(23), None);
        assert_eq!(Outcome::from_raw(200), Outcome::Error);
    }

    #[test]
    fn notices_are_no_completions() {
        let granted = Notice::Granted { grant: 7, rights: 3, inode: u32::MAX, space: 12, size: 1 << 40 };
        for notice in [granted, Notice::Unlinked { inode: 12 }] {
            assert_eq!(Notice::unpack(&notice.pack()), Some(notice));
            assert_eq!(Completion::unpack(&notice.pack()), None);
        }
        let c = Completion { outcome: Outcome::Ok, op: Op::Release, cookie: 1, frame: 2, results: [3, 4] };
        assert_eq!(Notice::unpack(&c.pack()), None);
    }
}
