// SPDX-License-Identifier: BSD-2-Clause
//! Writing into a program's memory for a debugger (`uvm_chgkprot` and the write after it): through the protection of what is private, and never into what others see.
//!
//! The page is first made the program's own, as a write of its own would; where that has to wait all of it is tried again. Nothing is written before every page is there.

use crate::fault::Found;
use crate::machine::Machine;
use crate::map::{Backing, Region};
use crate::object::Leaf;
use crate::page::Place;
use crate::vm::Vm;
use crate::waiting::{Reason, Work};
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use ebb_abi::frame::Piece;
use ebb_abi::layout::USER_END;
use ebb_abi::{Frame, PAGE_SIZE};
use ebb_policy::gate::Class;
use ebb_proto::Error;
use ebb_proto::vm::{self as proto, Protection, Space};
use ebb_rt::client::from_sys;

const PAGE: u64 = PAGE_SIZE as u64;
/// Bytes of one write: so few that they lie in two pages at most.
const MAX_BYTES: usize = 2048;

/// What the pages of a write came to.
enum Pages {
    /// They are there: the first, and the second if there is one.
    There([u32; 2]),
    /// Not yet.
    Wait(Reason),
}

impl<M: Machine> Vm<M> {
    /// `WriteMemory`.
    pub fn write_memory(&mut self, space: Space, address: u64, bytes: Vec<u8>, reply: M::Reply) {
        let result = match self.pages_to_patch(space, address, bytes.len()) {
            Ok(Pages::There(frames)) => self.patch(frames, address, &bytes),
            Ok(Pages::Wait(reason)) => {
                return self.wait_for(reason, Work::Patch { space, address, bytes, reply });
            }
            Err(error) => Err(error),
        };
        self.patch_answer(reply, result);
    }

    pub(crate) fn patch_answer(&mut self, reply: M::Reply, result: Result<(), Error>) {
        self.m.answer::<proto::WriteMemory>(reply, result, &[]);
    }

    fn pages_to_patch(&mut self, space: Space, address: u64, bytes: usize) -> Result<Pages, Error> {
        if bytes > MAX_BYTES {
            return Err(Error::TooLong);
        }
        let end = address.checked_add(bytes as u64).filter(|end| *end <= USER_END).ok_or(Error::Fault)?;
        let mut regions: Vec<(u64, Region)> = Vec::with_capacity(2);
        let mut at = address - address % PAGE;
        while at < end {
            let region = self.spaces.get(space).ok_or(Error::NotFound)?.map.find(at).copied();
            let region = region.ok_or(Error::Fault)?;
            let private = self.is_anonymous(region.backing);
            let writable = region.protection.contains(Protection::WRITE);
            if !(private || writable && self.is_shared(&region)) {
                return Err(Error::NotPermitted);
            }
            regions.push((at, region));
            at += PAGE;
        }
        let mut frames = [0; 2];
        for ((at, _), slot) in regions.iter().zip(&mut frames) {
            // Anew: a page before it may have given the region an object of its own.
            let region = self.spaces.get(space).and_then(|s| s.map.find(*at)).copied().ok_or(Error::Fault)?;
            let Backing::Object { object, offset } = region.backing.advanced(region.page_at(*at)) else {
                return Err(Error::NotPermitted);
            };
            match self.find_any(space, &region, *at, object, offset, true) {
                Found::Frame { frame, .. } if frame == self.entering => {
                    return Ok(Pages::Wait(Reason::Entered));
                }
                Found::Frame { frame, zero, .. } => {
                    if zero {
                        self.zero_now(frame);
                    }
                    let object = self.frames.page(frame).object;
                    self.modified_here(object, frame);
                    *slot = frame;
                }
                Found::Wait(reason) => return Ok(Pages::Wait(reason)),
                Found::Lost => return Err(Error::Io),
                Found::Beyond => return Err(Error::Fault),
            }
        }
        Ok(Pages::There(frames))
    }

    /// Writes by way of a page of this server's own.
    fn patch(&mut self, frames: [u32; 2], address: u64, bytes: &[u8]) -> Result<(), Error> {
        if bytes.is_empty() {
            return Ok(());
        }
        let own = self.frames.allocate(Class::System, Place::Own, 0, 0).ok_or(Error::NoMemory)?;
        let (slot, cells) = self.map_own(own).inspect_err(|_| self.frames.free(own))?;
        for (cell, word) in cells.iter().zip(bytes.chunks(8)) {
            let mut le = [0; 8];
            le.iter_mut().zip(word).for_each(|(to, from)| *to = *from);
            cell.store(u64::from_le_bytes(le), Ordering::Relaxed);
        }
        let first = (PAGE - address % PAGE).min(bytes.len() as u64);
        let rest = bytes.len() as u64 - first;
        let piece = |nth: usize, from: u64, to: u64, bytes: u64| Piece {
            from: Frame(own),
            from_offset: from as u16,
            to: Frame(frames[nth]),
            to_offset: to as u16,
            bytes: bytes as u16,
        };
        let pieces = [piece(0, 0, address % PAGE, first), piece(1, first, 0, rest)];
        let count = if rest > 0 { 2 } else { 1 };
        let copied = self.m.copy_bytes(&pieces[..count]).map_err(from_sys);
        self.free_leaf(Leaf { frame: own, slot, cells });
        copied
    }
}
