// SPDX-License-Identifier: BSD-2-Clause
//! The driver: one device, one queue.

use crate::Registers;
use crate::queue::{Buffer, DmaPage, MAX_SIZE, Queue};
use alloc::string::String;
use alloc::vec::Vec;
use ebb_disk::{Device, Info, Request};
use ebb_proto::block::{MAX_RUN, Transfer};

/// Pages that a device needs.
pub const DMA_PAGES: usize = 3;
/// Requests in flight at most: so many headers fit behind the rings.
const MAX_REQUESTS: usize = 64;
/// Where the headers begin in the driver's page: 32 bytes each, 16 of header, one of status.
const HEADERS: u64 = 1024;
/// Where the serial is read to.
const SERIAL: u64 = 3072;
const SERIAL_BYTES: usize = 20;

mod register {
    pub const FEATURE_SELECT: u64 = 0;
    pub const FEATURE: u64 = 4;
    pub const DRIVER_FEATURE_SELECT: u64 = 8;
    pub const DRIVER_FEATURE: u64 = 12;
    pub const MSIX_CONFIG: u64 = 16;
    pub const STATUS: u64 = 20;
    pub const GENERATION: u64 = 21;
    pub const QUEUE_SELECT: u64 = 22;
    pub const QUEUE_SIZE: u64 = 24;
    pub const QUEUE_MSIX: u64 = 26;
    pub const QUEUE_ENABLE: u64 = 28;
    pub const QUEUE_NOTIFY: u64 = 30;
    pub const QUEUE_ADDRESSES: u64 = 32;
    /// In the device's own configuration.
    pub const CAPACITY: u64 = 0;
    /// As above: most data buffers in a request.
    pub const SEG_MAX: u64 = 12;
}

const ACKNOWLEDGE: u8 = 1;
const DRIVER: u8 = 2;
const DRIVER_OK: u8 = 4;
const FEATURES_OK: u8 = 8;
const FAILED: u8 = 128;

const F_SEG_MAX: u64 = 1 << 2;
const F_READ_ONLY: u64 = 1 << 5;
const F_FLUSH: u64 = 1 << 9;
const F_VERSION_1: u64 = 1 << 32;

/// A vector that stands for none.
const NO_VECTOR: u16 = 0xffff;

/// Why a device cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// It does not come out of reset.
    NoReset,
    /// It has no virtio 1.x interface.
    Legacy,
    /// It does not accept the driver's choice of features.
    Features,
    /// It has no queue, or one too small for a request.
    NoQueue,
    /// It does not answer.
    Silent,
}

/// Where a device is reached.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a, R> {
    /// Common configuration.
    pub common: R,
    /// Notification.
    pub notify: R,
    /// Bytes between the notification registers of two queues.
    pub notify_multiplier: u32,
    /// The block device's configuration.
    pub device: R,
    /// Memory for the queue.
    pub pages: [DmaPage<'a>; DMA_PAGES],
    /// The vector that the queue shall signal with.
    pub vector: Option<u16>,
}

#[derive(Clone, Copy)]
struct Flying {
    tag: u32,
    slot: u8,
}

/// A device.
pub struct Blk<'a, R> {
    info: Info,
    notify: R,
    notify_at: u64,
    queue: Queue<'a>,
    headers: DmaPage<'a>,
    slots: Vec<u8>,
    /// By the chain's head.
    flying: Vec<Option<Flying>>,
    /// A device without a cache has nothing to flush: such requests are finished at once.
    flushes: bool,
    done: Vec<u32>,
    offered: bool,
    interrupts: bool,
}

impl<'a, R: Registers> Blk<'a, R> {
    /// Brings a device up. `wait` is called while the device is waited for; it returns `false` when that has lasted too long.
    pub fn new(parts: Parts<'a, R>, wait: &mut dyn FnMut() -> bool) -> Result<Blk<'a, R>, Failure> {
        let c = &parts.common;
        c.write8(register::STATUS, 0);
        while c.read8(register::STATUS) != 0 {
            if !wait() {
                return Err(Failure::NoReset);
            }
        }
        c.write8(register::STATUS, ACKNOWLEDGE);
        c.write8(register::STATUS, ACKNOWLEDGE | DRIVER);
        let blk = Self::negotiate(parts);
        match blk {
            Ok(mut blk) => {
                blk.info.name = blk.serial(wait)?;
                Ok(blk)
            }
            Err((failure, common)) => {
                common.write8(register::STATUS, FAILED);
                Err(failure)
            }
        }
    }

    /// Whether the device signals with its interrupt; if not, it has to be asked.
    pub fn has_interrupts(&self) -> bool {
        self.interrupts
    }

    fn negotiate(parts: Parts<'a, R>) -> Result<Blk<'a, R>, (Failure, R)> {
        let c = parts.common;
        let offered = features(&c);
        if offered & F_VERSION_1 == 0 {
            return Err((Failure::Legacy, c));
        }
        let chosen = offered & (F_VERSION_1 | F_FLUSH | F_READ_ONLY | F_SEG_MAX);
        for half in 0..2 {
            c.write32(register::DRIVER_FEATURE_SELECT, half);
            c.write32(register::DRIVER_FEATURE, (chosen >> (32 * half)) as u32);
        }
        c.write8(register::STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK);
        if c.read8(register::STATUS) & FEATURES_OK == 0 {
            return Err((Failure::Features, c));
        }
        c.write16(register::QUEUE_SELECT, 0);
        let most = c.read16(register::QUEUE_SIZE).min(MAX_SIZE);
        if most < 4 {
            return Err((Failure::NoQueue, c));
        }
        let size = 1 << most.ilog2();
        c.write16(register::QUEUE_SIZE, size);
        c.write16(register::MSIX_CONFIG, NO_VECTOR);
        c.write16(register::QUEUE_MSIX, parts.vector.unwrap_or(NO_VECTOR));
        let interrupts = parts.vector.is_some() && c.read16(register::QUEUE_MSIX) != NO_VECTOR;
        let queue = Queue::new(size, parts.pages);
        for (place, address) in (0..).zip(queue.addresses()) {
            c.write32(register::QUEUE_ADDRESSES + 8 * place, address as u32);
            c.write32(register::QUEUE_ADDRESSES + 8 * place + 4, (address >> 32) as u32);
        }
        let notify_at = c.read16(register::QUEUE_NOTIFY) as u64 * parts.notify_multiplier as u64;
        c.write16(register::QUEUE_ENABLE, 1);
        c.write8(register::STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);

        let d = &parts.device;
        let sectors = loop {
            let generation = c.read8(register::GENERATION);
            let low = d.read32(register::CAPACITY) as u64;
            let sectors = low | (d.read32(register::CAPACITY + 4) as u64) << 32;
            if c.read8(register::GENERATION) == generation {
                break sectors;
            }
        };
        let segments = if chosen & F_SEG_MAX != 0 { d.read32(register::SEG_MAX) as usize } else { MAX_RUN };
        let info = Info {
            name: String::new(),
            sectors,
            read_only: chosen & F_READ_ONLY != 0,
            driver: "virtio-blk",
            max_pages: segments.clamp(1, MAX_RUN).min(size as usize - 2),
        };
        Ok(Blk {
            info,
            notify: parts.notify,
            notify_at,
            queue,
            headers: parts.pages[1],
            slots: (0..MAX_REQUESTS as u8).rev().collect(),
            flying: (0..size).map(|_| None).collect(),
            flushes: chosen & F_FLUSH != 0,
            done: Vec::with_capacity(MAX_REQUESTS),
            offered: false,
            interrupts,
        })
    }

    /// Asks the device for its serial, and waits for the answer.
    fn serial(&mut self, wait: &mut dyn FnMut() -> bool) -> Result<String, Failure> {
        const GET_ID: u32 = 8;
        let answer =
            Buffer { address: self.headers.address(SERIAL), bytes: SERIAL_BYTES as u32, written: true };
        self.offer(0, GET_ID, 0, [answer].into_iter());
        self.kick();
        let known = loop {
            if let Some((_, known)) = self.finished() {
                break known;
            }
            if !wait() {
                return Err(Failure::Silent);
            }
        };
        let mut serial = String::new();
        if known {
            for at in 0..SERIAL_BYTES {
                let byte = (self.headers.load(SERIAL as usize / 8 + at / 8) >> (at % 8 * 8)) as u8;
                match byte {
                    0 => break,
                    b' '..=b'~' => serial.push(byte as char),
                    _ => serial.push('?'),
                }
            }
        }
        Ok(serial)
    }

    /// Offers a request: header, data, status.
    fn offer(
        &mut self,
        tag: u32,
        kind: u32,
        sector: u64,
        data: impl DoubleEndedIterator<Item = Buffer> + Clone,
    ) -> bool {
        let Some(slot) = self.slots.last().copied() else { return false };
        let at = HEADERS + 32 * slot as u64;
        let word = at as usize / 8;
        let header = Buffer { address: self.headers.address(at), bytes: 16, written: false };
        let status = Buffer { address: self.headers.address(at + 16), bytes: 1, written: true };
        self.headers.store(word, kind as u64);
        self.headers.store(word + 1, sector);
        self.headers.store(word + 2, 0xff);
        let chain = [header].into_iter().chain(data).chain([status]);
        let Some(head) = self.queue.offer(chain) else { return false };
        self.slots.pop();
        self.flying[head as usize] = Some(Flying { tag, slot });
        self.offered = true;
        true
    }
}

impl<R: Registers> Device for Blk<'_, R> {
    fn info(&self) -> &Info {
        &self.info
    }

    fn start(&mut self, r: &Request<'_>) -> bool {
        const IN: u32 = 0;
        const OUT: u32 = 1;
        const FLUSH: u32 = 4;
        let kind = match r.transfer {
            Transfer::Read => IN,
            Transfer::Write => OUT,
            Transfer::Flush if !self.flushes => {
                self.done.push(r.tag);
                return true;
            }
            Transfer::Flush => FLUSH,
        };
        let bytes = r.sectors * 512;
        let written = r.transfer == Transfer::Read;
        let data = r.frames.iter().enumerate().map(|(n, frame)| {
            let rest = bytes.saturating_sub(n as u32 * 4096).min(4096);
            Buffer { address: (*frame as u64) << 12, bytes: rest, written }
        });
        self.offer(r.tag, kind, r.sector, data)
    }

    fn kick(&mut self) {
        if core::mem::replace(&mut self.offered, false) && self.queue.wants_kick() {
            self.notify.write16(self.notify_at, 0);
        }
    }

    fn finished(&mut self) -> Option<(u32, bool)> {
        if let Some(tag) = self.done.pop() {
            return Some((tag, true));
        }
        loop {
            let head = self.queue.take()?;
            let Some(flying) = self.flying.get_mut(head as usize).and_then(Option::take) else { continue };
            let status = self.headers.load((HEADERS as usize + 32 * flying.slot as usize) / 8 + 2) as u8;
            self.slots.push(flying.slot);
            return Some((flying.tag, status == 0));
        }
    }
}

fn features(c: &impl Registers) -> u64 {
    (0..2).fold(0, |all, half| {
        c.write32(register::FEATURE_SELECT, half);
        all | (c.read32(register::FEATURE) as u64) << (32 * half)
    })
}
