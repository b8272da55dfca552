// SPDX-License-Identifier: BSD-2-Clause
//! `block`: disks. Control by calls; sectors by a ring pair per client (one for the swap pager, later one for the vnode pager).
//!
//! # Rings
//! A client's segment holds two rings: submissions in the first half of its pages, completions in the second. Entries of a submission:
//! word 0 the operation ([`Transfer`]) in bits 0..8, [`MORE`], and the cookie in bits 32..64 ([`Submission::pack`]); word 1 disk number in bits 56..64 and first sector below; word 2 the frame number; word 3 zero. Each entry moves one
//! page (8 sectors, `SECTORS_PER_PAGE`). Entries with [`MORE`] set continue with the next entry: same operation, next sectors, at most [`MAX_RUN`] in one request, one device request,
//! one completion. A completion: word 0 status in bits 0..8 and the cookie of the request's first entry in bits 32..64; the rest zero.
//! A malformed entry (unknown disk, beyond its end, a run that is none) completes with `Invalid`; it never reaches the device.

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Bytes in a sector.
pub const SECTOR: u64 = 512;
/// Sectors in a page.
pub const SECTORS_PER_PAGE: u64 = 8;
/// Most pages in one request.
pub const MAX_RUN: usize = 32;
/// Pages of a client's segment.
pub const SEGMENT_PAGES: u64 = 8;
/// Sectors that one [`ReadSectors`] may ask for.
pub const MAX_READ: u32 = 7;

/// Submission flag: the request goes on with the next entry.
pub const MORE: u64 = 1 << 8;

/// What a submission asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Transfer {
    /// From the disk into the frame.
    Read = 1,
    /// From the frame to the disk.
    Write = 2,
    /// Everything written is durable when it completes. Frame and sector are ignored.
    Flush = 3,
}

impl Transfer {
    /// The transfer with this number.
    pub fn from_raw(raw: u64) -> Option<Transfer> {
        match raw {
            1 => Some(Transfer::Read),
            2 => Some(Transfer::Write),
            3 => Some(Transfer::Flush),
            _ => None,
        }
    }
}

/// One entry of the submission ring, unpacked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Submission {
    /// What to do.
    pub transfer: Transfer,
    /// Whether the request goes on with the next entry.
    pub more: bool,
    /// Comes back with the completion.
    pub cookie: u32,
    /// Disk number.
    pub disk: u8,
    /// First sector.
    pub sector: u64,
    /// The page frame.
    pub frame: u32,
}

impl Submission {
    /// The entry of a ring.
    pub fn pack(&self) -> [u64; 4] {
        let more = if self.more { MORE } else { 0 };
        [
            self.transfer as u64 | more | (self.cookie as u64) << 32,
            (self.disk as u64) << 56 | (self.sector & ((1 << 56) - 1)),
            self.frame as u64,
            0,
        ]
    }

    /// What an entry says; `None` if its operation is none.
    pub fn unpack(entry: &[u64; 4]) -> Option<Submission> {
        Some(Submission {
            transfer: Transfer::from_raw(entry[0] & 0xff)?,
            more: entry[0] & MORE != 0,
            cookie: (entry[0] >> 32) as u32,
            disk: (entry[1] >> 56) as u8,
            sector: entry[1] & ((1 << 56) - 1),
            frame: entry[2] as u32,
        })
    }
}

/// How a request ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Status {
    /// Done.
    Ok = 0,
    /// The device reported an error.
    Io = 1,
    /// The request was malformed or beyond the disk's end.
    Invalid = 2,
    /// The disk cannot be written.
    ReadOnly = 3,
}

/// One entry of the completion ring, unpacked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Completion {
    /// How it ended.
    pub status: Status,
    /// Cookie of the request's first entry.
    pub cookie: u32,
}

impl Completion {
    /// The entry of a ring.
    pub fn pack(&self) -> [u64; 4] {
        [self.status as u64 | (self.cookie as u64) << 32, 0, 0, 0]
    }

    /// What an entry says; a status that nobody knows is an I/O error.
    pub fn unpack(entry: &[u64; 4]) -> Completion {
        let status = match entry[0] & 0xff {
            0 => Status::Ok,
            2 => Status::Invalid,
            3 => Status::ReadOnly,
            _ => Status::Io,
        };
        Completion { status, cookie: (entry[0] >> 32) as u32 }
    }
}

/// A disk.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Disk {
    /// Its serial, which is its name: `swap0`, `input0`, `ebb-boot`; `disk<n>` if it has none.
    pub name: String,
    /// Size in sectors.
    pub sectors: u64,
    /// Whether it refuses writes.
    pub read_only: bool,
    /// What drives it: `virtio-blk`.
    pub driver: String,
    /// Requests completed: reads, writes, errors.
    pub requests: [u64; 3],
    /// Sectors read and written.
    pub moved: [u64; 2],
}

protocol! {
    number 2;
    /// All disks; a disk's number is its place.
    1 Disks {} -> Vec<Disk>;
    /// Attaches a client's rings: its segment is mapped in `block` at `address`. The message carries the client's notification, signalled at
    /// completions. `Busy`: the client is attached. Only `init` may call it.
    2 Attach { client: u8, address: u64, pages: u64 } -> ();
    /// Detaches a client: nothing more is taken from its ring; answered when the device has finished all that was. `NotFound`: not attached.
    /// Only `init` may call it.
    3 Detach { client: u8 } -> ();
    /// Reads at most [`MAX_READ`] sectors into the message. For programs that read an input disk. `NotFound`: no such disk;
    /// `Invalid`: beyond its end; `Io`.
    4 ReadSectors { disk: u8, sector: u64, count: u32 } -> Vec<u8>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_survive_packing() {
        for transfer in [Transfer::Read, Transfer::Write, Transfer::Flush] {
            for more in [false, true] {
                let s = Submission {
                    transfer,
                    more,
                    cookie: 0xdead_beef,
                    disk: 255,
                    sector: (1 << 56) - 1,
                    frame: u32::MAX,
                };
                assert_eq!(Submission::unpack(&s.pack()), Some(s));
            }
        }
        assert_eq!(Submission::unpack(&[9, 0, 0, 0]), None);
        for status in [Status::Ok, Status::Io, Status::Invalid, Status::ReadOnly] {
            let c = Completion { status, cookie: 77 };
            assert_eq!(Completion::unpack(&c.pack()), c);
        }
        assert_eq!(Completion::unpack(&[0xff, 0, 0, 0]).status, Status::Io);
    }
}
