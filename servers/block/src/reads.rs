// SPDX-License-Identifier: BSD-2-Clause
//! Reads by call: through bounce pages, a few at a time; the others wait their turn.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use ebb_disk::{Device, Service};
use ebb_proto::Error;
use ebb_proto::block::{ReadSectors, SECTOR};
use ebb_rt::server::Call;
use ebb_virtio_blk::queue::DmaPage;

/// Bounce pages: reads by call that are under way at a time.
pub const BOUNCE_PAGES: usize = 4;
/// Reads by call that may wait.
const MAX_WAITING: usize = 64;

struct Bounce {
    page: DmaPage<'static>,
    reading: Option<(Call, u32)>,
}

/// The reads.
pub struct Reads {
    bounces: Vec<Bounce>,
    waiting: VecDeque<(Call, ReadSectors)>,
}

impl Reads {
    /// Reads through these pages.
    pub fn new(pages: Vec<DmaPage<'static>>) -> Reads {
        let bounces = pages.into_iter().map(|page| Bounce { page, reading: None }).collect();
        Reads { bounces, waiting: VecDeque::with_capacity(MAX_WAITING) }
    }

    /// Takes a call on; it is answered when the disk has answered.
    pub fn add<D: Device>(&mut self, service: &mut Service<'_, D>, call: Call, read: ReadSectors) {
        if self.waiting.len() >= MAX_WAITING {
            return call.fail(Error::Busy);
        }
        self.waiting.push_back((call, read));
        self.start(service);
    }

    /// Answers what is finished, and starts what waits. Whether anything was started.
    pub fn pump<D: Device>(&mut self, service: &mut Service<'_, D>) -> bool {
        while let Some((ticket, ok)) = service.finished_read() {
            let bounce = self.bounces.get_mut(ticket as usize);
            if let Some((bounce, (call, count))) = bounce.and_then(|b| b.reading.take().map(|r| (&b.page, r)))
            {
                let bytes = (count as u64 * SECTOR) as usize;
                call.answer::<ReadSectors>(if ok { Ok(contents(bounce, bytes)) } else { Err(Error::Io) });
            }
        }
        self.start(service)
    }

    fn start<D: Device>(&mut self, service: &mut Service<'_, D>) -> bool {
        let mut started = false;
        for (ticket, bounce) in (0u32..).zip(&mut self.bounces) {
            while bounce.reading.is_none()
                && let Some((call, r)) = self.waiting.pop_front()
            {
                match service.read(r.disk, r.sector, r.count, bounce.page.frame, ticket) {
                    Ok(()) => {
                        bounce.reading = Some((call, r.count));
                        started = true;
                    }
                    Err(error) => call.fail(error),
                }
            }
        }
        started
    }
}

fn contents(page: &DmaPage<'_>, bytes: usize) -> Vec<u8> {
    (0..bytes.div_ceil(8)).flat_map(|word| page.load(word).to_le_bytes()).take(bytes).collect()
}
