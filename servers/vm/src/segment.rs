// SPDX-License-Identifier: BSD-2-Clause
//! Segments: wired memory that several programs share and that outlives them. And the boot modules, whose frames are shared read-only.

use crate::machine::Machine;
use crate::page::Place;
use crate::vm::Vm;
use alloc::vec::Vec;
use core::sync::atomic::AtomicU64;
use ebb_abi::Frame;
use ebb_abi::map::{MapFlags, MapOp};
use ebb_policy::gate::{Class, Wiring};
use ebb_proto::Error;
use ebb_proto::vm::Space;
use ebb_rt::client::from_sys;

/// A segment.
pub struct Segment {
    /// Its frames, by page.
    pub frames: Vec<u32>,
    /// Regions that map it, in pages; attached rings and devices are not counted here but by their users.
    pub mapped: u64,
    /// Where `vm` has it mapped itself, for rings: the place of its first page.
    own: Option<u32>,
    /// Whose it is.
    pub wiring: Wiring,
    /// Who made it, if it is to go with its last mapping; 0: it is freed when somebody says so.
    pub maker: Space,
    words: Option<&'static [AtomicU64]>,
}

impl Segment {
    /// The frame of a page.
    pub fn frame(&self, page: u32) -> Option<u32> {
        self.frames.get(page as usize).copied()
    }

    /// Its words, if `vm` has it mapped itself.
    pub fn own_words(&self) -> Option<&'static [AtomicU64]> {
        self.words
    }
}

/// A boot module.
#[derive(Clone, Copy, Debug)]
pub struct Module {
    /// First frame.
    pub frame: u32,
    /// Frames.
    pub nr_frames: u32,
    /// Bytes.
    pub len: u64,
}

impl<M: Machine> Vm<M> {
    /// Makes a segment of zeroed pages. `NoMemory`: there are not so many, or programs would have more wired than they may.
    pub fn segment_new(&mut self, pages: u64, wiring: Wiring) -> Result<u32, Error> {
        if pages == 0 || pages > self.frames.nr_frames() as u64 {
            return Err(Error::Invalid);
        }
        if !self.frames.wire(pages as u32, wiring) {
            return Err(Error::NoMemory);
        }
        let id = self.segments.iter().position(Option::is_none).unwrap_or(self.segments.len());
        let mut segment = Segment {
            frames: Vec::with_capacity(pages as usize),
            mapped: 0,
            own: None,
            wiring,
            maker: 0,
            words: None,
        };
        for n in 0..pages as u32 {
            let frame = self.frames.allocate(Class::System, Place::Segment, id as u32, n);
            let zeroed = frame.filter(|f| self.m.zero_tail(Frame(*f), 0).is_ok());
            let Some(frame) = zeroed else {
                frame.into_iter().for_each(|f| self.frames.free(f));
                self.free_segment(segment, pages);
                return Err(Error::NoMemory);
            };
            segment.frames.push(frame);
        }
        if id == self.segments.len() {
            self.segments.push(Some(segment));
        } else {
            self.segments[id] = Some(segment);
        }
        Ok(id as u32)
    }

    /// Maps a segment into `vm` itself.
    pub fn segment_own(&mut self, id: u32) -> Result<&'static [AtomicU64], Error> {
        let segment = self.segments.get(id as usize).and_then(|s| s.as_ref()).ok_or(Error::NotFound)?;
        if let Some(words) = segment.words {
            return Ok(words);
        }
        let frames = segment.frames.clone();
        // Consecutive places, never used before: they must be one range of addresses.
        let first = self.own_next;
        let spare = core::mem::take(&mut self.own_slots);
        let failed = frames.iter().find_map(|frame| self.map_own(*frame).err());
        self.own_slots.extend(spare);
        if let Some(error) = failed {
            // The caller may free the segment now: nothing of it may stay mapped.
            let (task, places) = (self.own_task, self.own_next - first);
            self.m.unmap(task, crate::fault::own_address(first), places as u64).map_err(from_sys)?;
            self.own_slots.retain(|slot| *slot < first);
            self.own_slots.extend(first..self.own_next);
            return Err(error);
        }
        let words = self.m.own_words(crate::fault::own_address(first), frames.len() as u64);
        let words = words.ok_or(Error::Invalid)?;
        if let Some(Some(segment)) = self.segments.get_mut(id as usize) {
            segment.own = Some(first);
            segment.words = Some(words);
        }
        Ok(words)
    }

    /// Frees a segment that nobody maps.
    pub fn segment_free(&mut self, id: u32) -> Result<(), Error> {
        let segment = self.segments.get(id as usize).and_then(|s| s.as_ref()).ok_or(Error::NotFound)?;
        if segment.mapped > 0 || segment.own.is_some() {
            return Err(Error::Busy);
        }
        self.segment_drop(id);
        Ok(())
    }

    /// Frees a segment that is known to be mapped nowhere any more.
    pub fn segment_drop(&mut self, id: u32) {
        if let Some(segment) = self.segments.get_mut(id as usize).and_then(Option::take) {
            let pages = segment.frames.len() as u64;
            self.free_segment(segment, pages);
        }
    }

    /// Frees the frames of a segment for which so many pages are counted as wired.
    fn free_segment(&mut self, segment: Segment, wired: u64) {
        self.frames.unwire(wired as u32, segment.wiring);
        for frame in segment.frames {
            self.frames.free(frame);
        }
    }

    /// Maps a whole segment somewhere in a space, wired and writable.
    pub fn map_segment_at(&mut self, space: Space, id: u32, address: u64) -> Result<(), Error> {
        let segment: &Segment =
            self.segments.get(id as usize).and_then(|s| s.as_ref()).ok_or(Error::NotFound)?;
        let frames = segment.frames.clone();
        for (chunk, frames) in frames.chunks(ebb_sys::memory::MAX_MAPS).enumerate() {
            let base = address + (chunk * ebb_sys::memory::MAX_MAPS * 4096) as u64;
            let ops: Vec<MapOp> = frames
                .iter()
                .enumerate()
                .map(|(n, f)| MapOp {
                    address: base + n as u64 * 4096,
                    frame: Frame(*f),
                    flags: MapFlags::WRITE,
                })
                .collect();
            self.enter(space, &ops)?;
        }
        Ok(())
    }
}
