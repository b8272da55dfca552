// SPDX-License-Identifier: BSD-2-Clause
//! Memory that devices reach: pages of a segment whose frames are known.

use alloc::format;
use ebb_proto::Error;
use ebb_rt::client::from_sys;
use ebb_rt::start::Given;
use ebb_rt::{StartInfo, shared};
use ebb_sys::abi::PAGE_SIZE;
use ebb_sys::memory;
use ebb_virtio_blk::queue::DmaPage;

/// Hands out the pages.
pub struct Dma {
    info: &'static StartInfo,
    address: u64,
    pages: u64,
    next: u64,
}

impl Dma {
    /// The segment that was given. `NotFound`: there is none.
    pub fn new(info: &'static StartInfo) -> Result<Dma, Error> {
        Ok(Dma { info, address: info.value("dma")?, pages: info.value("dma_pages")?, next: 0 })
    }

    /// The next page. `NoMemory`: there is none left.
    pub fn page(&mut self) -> Result<DmaPage<'static>, Error> {
        if self.next >= self.pages {
            return Err(Error::NoMemory);
        }
        let address = self.address + self.next * PAGE_SIZE as u64;
        let frame = match self.info.value(&format!("dma_frame{}", self.next)) {
            Ok(frame) => u32::try_from(frame).map_err(|_| Error::Invalid)?,
            Err(_) => memory::extract(self.info.handle("task")?, address).map_err(from_sys)?.0.0,
        };
        let words = shared::segment(address, 1).ok_or(Error::Fault)?;
        self.next += 1;
        Ok(DmaPage { words, frame })
    }
}
