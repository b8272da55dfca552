// SPDX-License-Identifier: BSD-2-Clause
//! How a pager gets at the bytes of a frame: the kernel copies it to a page of the pager's own, or back.

use alloc::format;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};
use ebb_proto::Error;
use ebb_rt::start::Given;
use ebb_rt::{StartInfo, log, shared};
use ebb_swap::PageBytes;
use ebb_sys::abi::{Frame, Handle};
use ebb_sys::memory;

/// The page, and the right to copy.
pub struct Window {
    phys: Handle,
    cells: &'static [AtomicU64],
    frame: Frame,
    /// The other pages of the pager's own.
    pub own: Vec<u32>,
    complained: bool,
}

impl Window {
    /// With what was given. `NotFound`, `Invalid`: something is missing.
    pub fn new(info: &StartInfo) -> Result<Window, Error> {
        let mut own = Vec::new();
        for n in 0..info.value("dma_pages")? {
            own.push(u32::try_from(info.value(&format!("dma_frame{n}"))?).map_err(|_| Error::Invalid)?);
        }
        let frame = Frame(own.pop().ok_or(Error::Invalid)?);
        let address = info.value("dma")? + 4096 * own.len() as u64;
        let cells = shared::segment(address, 1).ok_or(Error::Fault)?;
        Ok(Window { phys: info.handle("phys")?, cells, frame, own, complained: false })
    }

    /// Reads a frame.
    pub fn read(&mut self, frame: u32, bytes: &mut PageBytes) -> bool {
        if !self.copy(Frame(frame), self.frame) {
            return false;
        }
        for (chunk, cell) in bytes.chunks_exact_mut(8).zip(self.cells) {
            chunk.copy_from_slice(&cell.load(Ordering::Relaxed).to_le_bytes());
        }
        true
    }

    /// Writes a frame.
    pub fn write(&mut self, frame: u32, bytes: &PageBytes) -> bool {
        for (chunk, cell) in bytes.chunks_exact(8).zip(self.cells) {
            cell.store(chunk.try_into().map_or(0, u64::from_le_bytes), Ordering::Relaxed);
        }
        self.copy(self.frame, Frame(frame))
    }

    fn copy(&mut self, from: Frame, to: Frame) -> bool {
        match memory::copy(self.phys, from, to) {
            Ok(_) => true,
            Err(error) => {
                if !core::mem::replace(&mut self.complained, true) {
                    log!("frame {} cannot be copied to {}: {error:?}", from.0, to.0);
                }
                false
            }
        }
    }
}
