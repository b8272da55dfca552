// SPDX-License-Identifier: BSD-2-Clause
//! A disk in memory: frames in a row, as a boot module lies in them. What is written to it is gone when the machine is.

use crate::device::{Device, Info, Request};
use alloc::collections::VecDeque;
use alloc::string::String;
use ebb_abi::frame::Piece;
use ebb_abi::{Frame, PAGE_SIZE};
use ebb_proto::block::{MAX_RUN, SECTOR, Transfer};

/// Requests that are done and not taken yet, at most.
const MAX_DONE: usize = 16;
/// Pieces of one request at most: each page may lie across two frames of the disk.
const MAX_PIECES: usize = 2 * MAX_RUN;

/// Copies bytes from frame to frame: whoever may do that.
pub trait Copier {
    /// Copies the pieces in order; `false`: it could not.
    fn copy(&mut self, pieces: &[Piece]) -> bool;
}

/// The disk.
pub struct RamDisk<C> {
    info: Info,
    first: u32,
    copier: C,
    done: VecDeque<(u32, bool)>,
}

impl<C: Copier> RamDisk<C> {
    /// So many sectors, in the frames from `first` on, as a disk with this name.
    pub fn new(name: &str, first: u32, sectors: u64, copier: C) -> RamDisk<C> {
        let info = Info {
            name: String::from(name),
            sectors,
            read_only: false,
            driver: "memory",
            max_pages: MAX_RUN,
        };
        RamDisk { info, first, copier, done: VecDeque::with_capacity(MAX_DONE) }
    }

    /// The same disk, but nothing can be written to it.
    pub fn read_only(mut self) -> RamDisk<C> {
        self.info.read_only = true;
        self
    }

    /// Does a request at once; whether it could be done.
    pub(crate) fn transfer(&mut self, request: &Request<'_>) -> bool {
        if request.transfer == Transfer::Flush {
            return true;
        }
        let mut pieces = [Piece::unpack([0; 2]); MAX_PIECES];
        let mut used = 0;
        let (mut at, mut left) = (request.sector * SECTOR, request.sectors as u64 * SECTOR);
        for frame in request.frames {
            let mut offset = 0;
            while offset < PAGE_SIZE as u64 && left > 0 {
                let inside = at % PAGE_SIZE as u64;
                let bytes = (PAGE_SIZE as u64 - inside.max(offset)).min(left);
                let Some(piece) = pieces.get_mut(used) else { return false };
                let here = (Frame(self.first + (at / PAGE_SIZE as u64) as u32), inside as u16);
                let there = (Frame(*frame), offset as u16);
                let (from, to) =
                    if request.transfer == Transfer::Read { (here, there) } else { (there, here) };
                *piece = Piece {
                    from: from.0,
                    from_offset: from.1,
                    to: to.0,
                    to_offset: to.1,
                    bytes: bytes as u16,
                };
                used += 1;
                at += bytes;
                offset += bytes;
                left -= bytes;
            }
        }
        left == 0 && self.copier.copy(&pieces[..used])
    }
}

impl<C: Copier> Device for RamDisk<C> {
    fn info(&self) -> &Info {
        &self.info
    }

    fn start(&mut self, request: &Request<'_>) -> bool {
        if self.done.len() == MAX_DONE {
            return false;
        }
        let ok = self.transfer(request);
        self.done.push_back((request.tag, ok));
        true
    }

    fn kick(&mut self) {}

    fn finished(&mut self) -> Option<(u32, bool)> {
        self.done.pop_front()
    }

    fn has_finished(&self) -> bool {
        !self.done.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    /// Memory of so many frames.
    struct Memory(Vec<u8>);

    impl Copier for Memory {
        fn copy(&mut self, pieces: &[Piece]) -> bool {
            pieces.iter().all(|p| {
                let from = p.from.0 as usize * PAGE_SIZE + p.from_offset as usize;
                let to = p.to.0 as usize * PAGE_SIZE + p.to_offset as usize;
                let inside = p.is_inside() && (from.max(to) + p.bytes as usize) <= self.0.len();
                if inside {
                    self.0.copy_within(from..from + p.bytes as usize, to);
                }
                inside
            })
        }
    }

    const DISK: usize = 8;
    const FIRST: usize = 4;

    fn disk() -> RamDisk<Memory> {
        let bytes = (0..(FIRST + DISK + 40) * PAGE_SIZE).map(|n| (n / 7 % 251) as u8).collect();
        RamDisk::new("root", FIRST as u32, DISK as u64 * 8, Memory(bytes))
    }

    proptest! {
        #[test]
        fn sectors_go_where_they_belong(
            steps in prop::collection::vec((any::<bool>(), 0..(DISK as u64 * 8), 1..200u32, 0..32u32), 1..30)
        ) {
            let mut disk = disk();
            prop_assert_eq!(disk.info().sectors, DISK as u64 * 8);
            let mut model = disk.copier.0.clone();
            for (tag, (read, sector, sectors, frame)) in (0u32..).zip(steps) {
                let sectors = sectors.min((DISK as u64 * 8 - sector) as u32);
                let frames: Vec<u32> = (0..sectors.div_ceil(8)).map(|n| (FIRST + DISK) as u32 + (frame + 3 * n) % 40).collect();
                let transfer = if read { Transfer::Read } else { Transfer::Write };
                let request = Request { tag, transfer, sector, sectors, frames: &frames };
                prop_assert!(disk.start(&request));
                prop_assert!(disk.has_finished());
                prop_assert_eq!(disk.finished(), Some((tag, true)));
                prop_assert!(!disk.has_finished() && disk.finished().is_none());
                for n in 0..sectors as usize {
                    let there = frames[n / 8] as usize * PAGE_SIZE + n % 8 * 512;
                    let here = FIRST * PAGE_SIZE + (sector as usize + n) * 512;
                    let (from, to) = if read { (here, there) } else { (there, here) };
                    model.copy_within(from..from + 512, to);
                }
            }
            prop_assert_eq!(&disk.copier.0, &model);
        }
    }

    #[test]
    fn what_cannot_be_copied_is_an_error_and_a_full_disk_asks_for_patience() {
        let mut disk = disk();
        let mut request =
            Request { tag: 7, transfer: Transfer::Read, sector: 0, sectors: 8, frames: &[1 << 30] };
        assert!(disk.start(&request));
        assert_eq!(disk.finished(), Some((7, false)));
        // More sectors than frames.
        request.frames = &[];
        assert!(disk.start(&request));
        assert_eq!(disk.finished(), Some((7, false)));
        let flush = Request { tag: 8, transfer: Transfer::Flush, sector: 0, sectors: 0, frames: &[] };
        assert_eq!(vec![true; MAX_DONE], (0..MAX_DONE).map(|_| disk.start(&flush)).collect::<Vec<_>>());
        assert!(!disk.start(&flush));
        assert_eq!(disk.finished(), Some((8, true)));
        assert!(disk.start(&flush));
    }
}
