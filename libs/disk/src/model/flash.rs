// SPDX-License-Identifier: BSD-2-Clause
//! Flash: commands one after the other through the controller, reads on many units at once, data one after the other over the link.
//!
//! Writes are acknowledged from the drive's buffer. Left out: what a drive does when that is full and when it collects garbage, which begins
//! after more gigabytes than a swap disk in memory has; and reads that wait for a unit that is being written.

use super::{QUEUE, Work};
use alloc::vec;
use alloc::vec::Vec;
use ebb_proto::block::Transfer;

/// Bytes that lie together on a unit: a page of flash.
const STRIPE: u64 = 16 << 10;

/// The figures of a drive, in nanoseconds.
#[derive(Debug)]
pub struct Figures {
    /// What a read keeps the controller busy.
    read_command: u64,
    /// The same for a write.
    write_command: u64,
    /// What a read keeps a unit busy.
    read_unit: u64,
    /// From the data in the buffer to the acknowledgement of a write.
    write_buffer: u64,
    /// Units that read at once.
    units: usize,
    /// Bytes in a microsecond over the link: reads.
    read_rate: u64,
    /// The same for writes.
    write_rate: u64,
}

/// Samsung 850 EVO, 1 TB, by its data sheet: 540 and 520 MB/s, 10,000 and 40,000 requests of 4 KiB a second one at a time, 98,000 and 90,000 with 32.
/// The commands are the last two inverted, the times of unit and buffer what is left of the two before; the number of units was guessed.
pub const SSD: Figures = Figures {
    read_command: 10_200,
    write_command: 11_100,
    read_unit: 82_200,
    write_buffer: 6_000,
    units: 64,
    read_rate: 540,
    write_rate: 520,
};

/// Samsung 970 EVO Plus, 1 TB, by its data sheet: 3500 and 3300 MB/s, 19,000 and 60,000 requests a second one at a time, 600,000 and 550,000 with 32.
pub const NVME: Figures = Figures {
    read_command: 1_670,
    write_command: 1_820,
    read_unit: 49_800,
    write_buffer: 13_600,
    units: 128,
    read_rate: 3500,
    write_rate: 3300,
};

/// The drive.
#[derive(Debug)]
pub struct Flash {
    figures: &'static Figures,
    /// When the controller takes the next command.
    controller: u64,
    /// When the link is free.
    link: u64,
    /// When each unit is free.
    units: Vec<u64>,
    /// When each request under way finishes; the latest first.
    under_way: Vec<(u64, u32)>,
}

impl Flash {
    /// A drive with these figures.
    pub fn new(figures: &'static Figures) -> Flash {
        Flash {
            figures,
            controller: 0,
            link: 0,
            units: vec![0; figures.units],
            under_way: Vec::with_capacity(QUEUE),
        }
    }

    /// See [`super::Model::submit`].
    pub fn submit(&mut self, now: u64, work: Work) -> bool {
        if self.under_way.len() >= QUEUE {
            return false;
        }
        let done = match work.transfer {
            Transfer::Read => self.read(now, &work),
            Transfer::Write => self.write(now, &work),
            // What is acknowledged survives: the drive has capacitors, or its buffer counts as if it had.
            Transfer::Flush => self.under_way.first().map_or(now, |(last, _)| now.max(*last)),
        };
        let at = self.under_way.partition_point(|(other, _)| *other > done);
        // Of those that finish at the same time the first that came goes first.
        self.under_way.insert(at, (done, work.id));
        true
    }

    fn read(&mut self, now: u64, work: &Work) -> u64 {
        let figures = self.figures;
        self.controller = self.controller.max(now) + figures.read_command;
        let mut ready = self.controller;
        for stripe in work.byte / STRIPE..(work.byte + work.bytes).div_ceil(STRIPE) {
            let unit = &mut self.units[(stripe % figures.units as u64) as usize];
            *unit = self.controller.max(*unit) + figures.read_unit;
            ready = ready.max(*unit);
        }
        // Over the link data goes in the order in which units have it, not in that of the commands: it is a bound on the whole, and delays nobody by order.
        let transfer = work.bytes * 1000 / figures.read_rate;
        self.link = self.link.max(self.controller) + transfer;
        self.link.max(ready + transfer)
    }

    fn write(&mut self, now: u64, work: &Work) -> u64 {
        let figures = self.figures;
        self.controller = self.controller.max(now) + figures.write_command;
        self.link = self.link.max(self.controller) + work.bytes * 1000 / figures.write_rate;
        self.link + figures.write_buffer
    }

    /// See [`super::Model::finished`].
    pub fn finished(&mut self, now: u64) -> Option<u32> {
        self.under_way.pop_if(|(done, _)| *done <= now).map(|(_, id)| id)
    }

    /// See [`super::Model::due`].
    pub fn due(&self) -> Option<u64> {
        self.under_way.last().map(|(done, _)| *done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An even spread that does not repeat itself soon.
    fn scatter(n: u64) -> u64 {
        let x = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (x ^ (x >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 20
    }

    /// Requests a second, so many at a time, of so many bytes at scattered or ascending places.
    fn rate(figures: &'static Figures, transfer: Transfer, depth: u32, bytes: u64, scattered: bool) -> u64 {
        let mut disk = Flash::new(figures);
        let (mut now, mut id) = (0, 0);
        let place = |id: u32| if scattered { scatter(id as u64) % 100_000 } else { id as u64 };
        let mut submit = |disk: &mut Flash, now| {
            assert!(disk.submit(now, Work { id, transfer, byte: place(id) * bytes, bytes }));
            id += 1;
        };
        (0..depth).for_each(|_| submit(&mut disk, now));
        let count = 10_000;
        for _ in 0..count {
            now = disk.due().unwrap();
            assert!(disk.finished(now).is_some());
            submit(&mut disk, now);
        }
        count * 1_000_000_000 / now
    }

    #[test]
    fn it_does_what_the_data_sheets_say() {
        use Transfer::{Read, Write};
        for (figures, one, many, sequential) in [
            (&SSD, [10_000, 40_000], [98_000, 90_000], [540, 520]),
            (&NVME, [19_000, 60_000], [600_000, 550_000], [3500, 3300]),
        ] {
            for (n, transfer) in [Read, Write].into_iter().enumerate() {
                let near = |got: u64, want: u64| {
                    assert!(got.abs_diff(want) * 8 <= want, "{transfer:?}: {got} for {want}")
                };
                near(rate(figures, transfer, 1, 4096, true), one[n]);
                near(rate(figures, transfer, 32, 4096, true), many[n]);
                near(rate(figures, transfer, 8, 128 << 10, false) * (128 << 10) / 1_000_000, sequential[n]);
            }
        }
    }

    #[test]
    fn reads_of_one_unit_wait_for_each_other_and_others_do_not() {
        let mut disk = Flash::new(&NVME);
        let read = |id, stripe| Work { id, transfer: Transfer::Read, byte: stripe * STRIPE, bytes: 4096 };
        assert!(
            disk.submit(0, read(1, 0))
                && disk.submit(0, read(2, NVME.units as u64))
                && disk.submit(0, read(3, 1))
        );
        let order: Vec<u32> = core::iter::from_fn(|| disk.finished(u64::MAX)).collect();
        assert_eq!(order, [1, 3, 2]);
        assert!(disk.units[0] >= 2 * NVME.read_unit && disk.units[1] < 2 * NVME.read_unit);
    }

    #[test]
    fn a_flush_waits_for_what_came_before() {
        let mut disk = Flash::new(&SSD);
        assert!(disk.submit(0, Work { id: 1, transfer: Transfer::Write, byte: 0, bytes: 4096 }));
        let written = disk.due().unwrap();
        assert!(disk.submit(5, Work { id: 2, transfer: Transfer::Flush, byte: 0, bytes: 0 }));
        assert_eq!(disk.finished(written - 1), None);
        assert_eq!((disk.finished(written), disk.finished(written)), (Some(1), Some(2)));
        assert!(disk.submit(written + 7, Work { id: 3, transfer: Transfer::Flush, byte: 0, bytes: 0 }));
        assert_eq!(disk.finished(written + 7), Some(3), "there is nothing to wait for");
    }
}
