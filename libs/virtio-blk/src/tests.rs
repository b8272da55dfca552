// SPDX-License-Identifier: BSD-2-Clause
//! The driver against a modelled device, and the scan against a modelled configuration space.

extern crate std;

use crate::blk::{Blk, Failure, Parts};
use crate::pci::{self, Address, Config, Window};
use crate::queue::DmaPage;
use crate::{Registers, blk};
use core::sync::atomic::{AtomicU64, Ordering};
use ebb_disk::{Device, Request};
use ebb_proto::block::Transfer;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::vec;
use std::vec::Vec;

/// A block device as the specification describes it.
struct Model {
    features: u64,
    accepted: u64,
    select: [u32; 2],
    status: u8,
    queue_size: u16,
    enabled: bool,
    queue: [u64; 3],
    sectors: u64,
    seg_max: u32,
    vector: u16,
    has_vectors: bool,
    stuck: bool,
    /// Memory by frame.
    memory: HashMap<u64, &'static [AtomicU64]>,
    disk: Vec<u8>,
    /// Heads that were offered and not used.
    waiting: Vec<u16>,
    seen: u16,
    used: u16,
    kicks: usize,
    fail: bool,
    /// Requests seen: type, sector, bytes.
    log: Vec<(u32, u64, usize)>,
    serve_at_kick: bool,
}

impl Model {
    fn read(&self, address: u64, bytes: usize) -> Vec<u8> {
        (address..address + bytes as u64)
            .map(|a| {
                let word = self.memory[&(a >> 12)][(a & 0xfff) as usize / 8].load(Ordering::Acquire);
                (word >> (a % 8 * 8)) as u8
            })
            .collect()
    }

    fn number(&self, address: u64, bytes: usize) -> u64 {
        self.read(address, bytes).iter().rev().fold(0, |n, b| n << 8 | *b as u64)
    }

    fn write(&self, address: u64, bytes: &[u8]) {
        for (a, b) in (address..).zip(bytes) {
            let cell = &self.memory[&(a >> 12)][(a & 0xfff) as usize / 8];
            let shift = a % 8 * 8;
            let word = cell.load(Ordering::Acquire);
            cell.store(word & !(0xff << shift) | (*b as u64) << shift, Ordering::Release);
        }
    }

    fn look(&mut self) {
        let index = self.number(self.queue[1] + 2, 2) as u16;
        while self.seen != index {
            let at = self.queue[1] + 4 + 2 * (self.seen % self.queue_size) as u64;
            self.waiting.push(self.number(at, 2) as u16);
            self.seen = self.seen.wrapping_add(1);
        }
    }

    fn serve(&mut self, nth: usize) {
        let head = self.waiting.remove(nth);
        let mut chain = Vec::new();
        let mut at = head;
        loop {
            let d = self.queue[0] + 16 * at as u64;
            let flags = self.number(d + 12, 2);
            chain.push((self.number(d, 8), self.number(d + 8, 4) as usize, flags & 2 != 0));
            if flags & 1 == 0 {
                break;
            }
            at = self.number(d + 14, 2) as u16;
        }
        let (header, status) = (chain[0], *chain.last().unwrap());
        assert_eq!((header.1, header.2, status.1, status.2), (16, false, 1, true));
        let (kind, sector) = (self.number(header.0, 4) as u32, self.number(header.0 + 8, 8));
        let data = &chain[1..chain.len() - 1];
        let total: usize = data.iter().map(|d| d.1).sum();
        self.log.push((kind, sector, total));
        let mut place = sector as usize * 512;
        for (address, bytes, written) in data {
            match kind {
                0 => self.write(*address, &self.disk[place..place + bytes]),
                1 => {
                    let bytes = self.read(*address, *bytes);
                    self.disk[place..place + bytes.len()].copy_from_slice(&bytes);
                }
                8 => self.write(*address, b"swap0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
                _ => panic!("{kind}"),
            }
            assert_eq!(*written, kind != 1);
            place += bytes;
        }
        self.write(status.0, &[self.fail as u8]);
        self.report(head as u32);
    }

    fn report(&mut self, head: u32) {
        let at = self.queue[2] + 4 + 8 * (self.used % self.queue_size) as u64;
        self.write(at, &head.to_le_bytes());
        self.used = self.used.wrapping_add(1);
        self.write(self.queue[2] + 2, &self.used.to_le_bytes());
    }
}

#[derive(Clone)]
enum View {
    Common(Rc<RefCell<Model>>),
    Notify(Rc<RefCell<Model>>),
    Device(Rc<RefCell<Model>>),
}

impl Registers for View {
    fn read8(&self, offset: u64) -> u8 {
        match self {
            View::Common(m) => match offset {
                20 if m.borrow().stuck => 1,
                20 => m.borrow().status,
                21 => 0,
                _ => panic!(),
            },
            _ => panic!(),
        }
    }
    fn read16(&self, offset: u64) -> u16 {
        let View::Common(m) = self else { panic!() };
        match offset {
            24 => m.borrow().queue_size,
            26 => m.borrow().vector,
            30 => 3,
            _ => panic!(),
        }
    }
    fn read32(&self, offset: u64) -> u32 {
        match self {
            View::Common(m) => {
                assert_eq!(offset, 4);
                (m.borrow().features >> (32 * m.borrow().select[0])) as u32
            }
            View::Device(m) => match offset {
                0 => m.borrow().sectors as u32,
                4 => (m.borrow().sectors >> 32) as u32,
                12 => m.borrow().seg_max,
                _ => panic!(),
            },
            _ => panic!(),
        }
    }
    fn write8(&self, offset: u64, value: u8) {
        let View::Common(m) = self else { panic!() };
        assert_eq!(offset, 20);
        let mut m = m.borrow_mut();
        m.status = value;
        if value == 0 {
            // A reset forgets the queue.
            (m.seen, m.used, m.enabled) = (0, 0, false);
        }
        if value & 8 != 0 && m.accepted & !m.features != 0 {
            m.status &= !8;
        }
    }
    fn write16(&self, offset: u64, value: u16) {
        match self {
            View::Common(m) => match offset {
                16 | 22 => {}
                24 => m.borrow_mut().queue_size = value,
                26 => {
                    let mut m = m.borrow_mut();
                    m.vector = if m.has_vectors { value } else { 0xffff };
                }
                28 => m.borrow_mut().enabled = value == 1,
                _ => panic!(),
            },
            View::Notify(m) => {
                assert_eq!((offset, value), (3 * 4, 0));
                let mut m = m.borrow_mut();
                assert!(m.enabled && m.status & 4 != 0);
                m.kicks += 1;
                m.look();
                while m.serve_at_kick && !m.waiting.is_empty() {
                    m.serve(0);
                }
            }
            View::Device(_) => panic!(),
        }
    }
    fn write32(&self, offset: u64, value: u32) {
        let View::Common(m) = self else { panic!() };
        let mut m = m.borrow_mut();
        match offset {
            0 => m.select[0] = value,
            8 => m.select[1] = value,
            12 => {
                let shift = 32 * m.select[1];
                m.accepted = m.accepted & !(0xffff_ffff << shift) | (value as u64) << shift;
            }
            32..56 => {
                let (part, shift) = ((offset as usize - 32) / 8, offset % 8 * 8);
                m.queue[part] = m.queue[part] & !(0xffff_ffff << shift) | (value as u64) << shift;
            }
            _ => panic!(),
        }
    }
}

const FLUSH: u64 = 1 << 9;
const SEG_MAX: u64 = 1 << 2;
const VERSION_1: u64 = 1 << 32;

fn model(features: u64) -> Rc<RefCell<Model>> {
    let mut memory = HashMap::new();
    for frame in 100..140 {
        memory.insert(frame, &*(0..512).map(|_| AtomicU64::new(u64::MAX)).collect::<Vec<_>>().leak());
    }
    Rc::new(RefCell::new(Model {
        features,
        accepted: 0,
        select: [0; 2],
        status: 0x0f,
        queue_size: 256,
        enabled: false,
        queue: [0; 3],
        sectors: 800,
        seg_max: 254,
        vector: 0,
        has_vectors: true,
        stuck: false,
        memory,
        disk: (0..800 * 512).map(|n: u32| (n / 512) as u8).collect(),
        waiting: Vec::new(),
        seen: 0,
        used: 0,
        kicks: 0,
        fail: false,
        log: Vec::new(),
        serve_at_kick: true,
    }))
}

fn bring_up(m: &Rc<RefCell<Model>>) -> Result<Blk<'static, View>, Failure> {
    let page = |n: u64| DmaPage { words: m.borrow().memory[&n], frame: n as u32 };
    let parts = Parts {
        common: View::Common(m.clone()),
        notify: View::Notify(m.clone()),
        notify_multiplier: 4,
        device: View::Device(m.clone()),
        pages: [page(100), page(101), page(102)],
        vector: Some(0),
    };
    let mut patience = 10;
    Blk::new(parts, &mut || {
        patience -= 1;
        patience > 0
    })
}

fn request(tag: u32, transfer: Transfer, sector: u64, sectors: u32, frames: &[u32]) -> Request<'_> {
    Request { tag, transfer, sector, sectors, frames }
}

#[test]
fn a_device_comes_up_with_its_serial() {
    let m = model(VERSION_1 | FLUSH | SEG_MAX | 1 << 5 | 1 << 28 | 1 << 34);
    let b = bring_up(&m).unwrap();
    let info = b.info();
    assert_eq!((info.name.as_str(), info.sectors, info.read_only, info.max_pages), ("swap0", 800, true, 32));
    assert_eq!(
        m.borrow().accepted,
        VERSION_1 | FLUSH | SEG_MAX | 1 << 5,
        "nothing that the driver does not know"
    );
    assert_eq!(m.borrow().status, 15);
    assert!(b.has_interrupts());
    m.borrow_mut().has_vectors = false;
    assert!(bring_up(&m).is_ok_and(|b| !b.has_interrupts()));
}

#[test]
fn limits_of_the_device_are_kept() {
    let m = model(VERSION_1 | SEG_MAX);
    m.borrow_mut().seg_max = 6;
    assert_eq!(bring_up(&m).unwrap().info().max_pages, 6);
    let m = model(VERSION_1);
    m.borrow_mut().queue_size = 21;
    assert_eq!(bring_up(&m).unwrap().info().max_pages, 14);
    let m = model(VERSION_1);
    m.borrow_mut().has_vectors = false;
    assert!(!bring_up(&m).unwrap().has_interrupts());
}

#[test]
fn a_device_that_cannot_be_used_is_an_error() {
    assert_eq!(bring_up(&model(FLUSH)).err(), Some(Failure::Legacy));
    let m = model(VERSION_1);
    m.borrow_mut().stuck = true;
    assert_eq!(bring_up(&m).err(), Some(Failure::NoReset));
    let m = model(VERSION_1);
    m.borrow_mut().queue_size = 0;
    assert_eq!(bring_up(&m).err(), Some(Failure::NoQueue));
    assert_eq!(m.borrow().status, 128);
    let m = model(VERSION_1);
    m.borrow_mut().serve_at_kick = false;
    assert_eq!(bring_up(&m).err(), Some(Failure::Silent));
}

#[test]
fn pages_go_straight_from_and_to_their_frames() {
    let m = model(VERSION_1);
    let mut b = bring_up(&m).unwrap();
    assert!(b.start(&request(7, Transfer::Read, 16, 20, &[130, 120, 125])));
    b.kick();
    assert_eq!(b.finished(), Some((7, true)));
    assert_eq!(b.finished(), None);
    let (frame, tail) = (m.borrow().read(120 << 12, 4096), m.borrow().read(125 << 12, 4096));
    assert_eq!((frame[0], frame[4095]), (24, 31));
    assert_eq!((tail[2047], tail[2048]), (35, 0xff), "the last frame only in part");
    m.borrow().write(130 << 12, &[9; 4096]);
    assert!(b.start(&request(8, Transfer::Write, 792, 8, &[130])));
    b.kick();
    assert_eq!(b.finished(), Some((8, true)));
    assert!(m.borrow().disk[792 * 512..].iter().all(|b| *b == 9));
    m.borrow_mut().fail = true;
    assert!(b.start(&request(9, Transfer::Read, 0, 8, &[130])));
    b.kick();
    assert_eq!(b.finished(), Some((9, false)));
}

#[test]
fn any_order_and_one_kick_for_many() {
    let m = model(VERSION_1 | FLUSH);
    let mut b = bring_up(&m).unwrap();
    m.borrow_mut().serve_at_kick = false;
    let before = m.borrow().kicks;
    for tag in 0..5 {
        assert!(b.start(&request(tag, Transfer::Read, 8 * tag as u64, 8, &[110 + tag])));
    }
    b.kick();
    b.kick();
    assert_eq!(m.borrow().kicks, before + 1);
    for nth in [4, 0, 1] {
        m.borrow_mut().serve(nth);
    }
    let done: Vec<_> = std::iter::from_fn(|| b.finished()).collect();
    assert_eq!(done, [(4, true), (0, true), (2, true)]);
}

#[test]
fn a_full_queue_says_so_and_empties_again() {
    let m = model(VERSION_1);
    m.borrow_mut().queue_size = 16;
    let mut b = bring_up(&m).unwrap();
    m.borrow_mut().serve_at_kick = false;
    for round in 0..200u32 {
        let frames = [110, 111, 112];
        let started =
            (0..).take_while(|n| b.start(&request(*n, Transfer::Write, 24 * *n as u64, 24, &frames))).count();
        assert_eq!(started, 3, "five descriptors each, round {round}");
        b.kick();
        for _ in 0..started {
            let nth = round as usize % m.borrow().waiting.len();
            m.borrow_mut().serve(nth);
        }
        assert_eq!(std::iter::from_fn(|| b.finished()).count(), 3);
    }
}

#[test]
fn headers_are_a_bound_too() {
    let m = model(VERSION_1);
    let mut b = bring_up(&m).unwrap();
    m.borrow_mut().serve_at_kick = false;
    let started = (0..).take_while(|n| b.start(&request(*n, Transfer::Read, 0, 8, &[110]))).count();
    assert_eq!(started, 64);
}

#[test]
fn without_a_cache_a_flush_is_done_at_once() {
    let m = model(VERSION_1);
    let mut b = bring_up(&m).unwrap();
    let before = m.borrow().log.len();
    assert!(b.start(&request(3, Transfer::Flush, 0, 0, &[])));
    b.kick();
    assert_eq!((b.finished(), m.borrow().log.len()), (Some((3, true)), before));
}

#[test]
fn chains_that_were_never_offered_are_ignored() {
    let m = model(VERSION_1);
    let mut b = bring_up(&m).unwrap();
    for head in [0, 5, 255, 256, u32::MAX] {
        m.borrow_mut().report(head);
    }
    assert_eq!(b.finished(), None);
    assert!(b.start(&request(3, Transfer::Read, 0, 8, &[110])));
    b.kick();
    assert_eq!(b.finished(), Some((3, true)));
}

#[derive(Default)]
struct Space(BTreeMap<(u8, u8, u8), HashMap<u8, u32>>);

impl Space {
    fn function(&mut self, bus: u8, device: u8, function: u8, words: &[(u8, u32)]) {
        self.0.insert((bus, device, function), words.iter().copied().collect());
    }
}

impl Config for Space {
    fn read(&mut self, at: Address, offset: u8) -> u32 {
        match self.0.get(&(at.bus, at.device, at.function)) {
            Some(words) => words.get(&offset).copied().unwrap_or(0),
            None => u32::MAX,
        }
    }
    fn write(&mut self, at: Address, offset: u8, value: u32) {
        self.0.get_mut(&(at.bus, at.device, at.function)).unwrap().insert(offset, value);
    }
}

#[test]
fn devices_are_found_in_bus_order_behind_bridges_too() {
    let mut s = Space::default();
    let (modern, old) = (0x1042_1af4, 0x1001_1af4);
    s.function(0, 0, 0, &[(0, 0x29c0_8086)]);
    s.function(0, 3, 0, &[(0, modern), (0x0c, 0x80 << 16)]);
    s.function(0, 3, 5, &[(0, old)]);
    s.function(0, 4, 0, &[(0, 0x1000_1af4)]);
    s.function(0, 4, 2, &[(0, modern)]);
    s.function(0, 5, 0, &[(0, 0x000c_1b36), (0x0c, 1 << 16), (0x18, 2 << 8)]);
    s.function(2, 0, 0, &[(0, modern)]);
    s.function(2, 1, 0, &[(0, 0x000c_1b36), (0x0c, 1 << 16), (0x18, 2 << 8)]);
    s.function(0, 31, 0, &[(0, modern)]);
    let found: Vec<_> = pci::virtio_blocks(&mut s).iter().map(|a| (a.bus, a.device, a.function)).collect();
    assert_eq!(found, [(0, 3, 0), (0, 3, 5), (2, 0, 0), (0, 31, 0)]);
}

#[test]
fn windows_come_from_the_capabilities() {
    let mut s = Space::default();
    let at = Address { bus: 0, device: 3, function: 0 };
    let mut words = vec![
        (0, 0x1042_1af4),
        (4, 0x0010_0001),
        (0x14, 0xfebd_4000),
        (0x20, 0x8000_000c),
        (0x24, 0x38),
        (0x34, 0x98),
    ];
    words.extend([(0x98, 0x8001_8411), (0x9c, 1), (0x84, 0x0514_7009)]);
    words.extend([(0x70, 0x0214_6009), (0x74, 4), (0x78, 0x3000), (0x7c, 0x1000), (0x80, 4)]);
    words.extend([(0x60, 0x0410_5009), (0x64, 4), (0x68, 0x2000), (0x6c, 0x1000)]);
    words.extend([(0x50, 0x0310_4009), (0x54, 4), (0x58, 0x1000), (0x5c, 0x1000)]);
    words.extend([(0x40, 0x0110_0009), (0x44, 4), (0x48, 0), (0x4c, 0x1000)]);
    s.function(0, 3, 0, &words);
    let w = pci::windows(&mut s, at).unwrap();
    assert_eq!(w.common, Window { address: 0x38_8000_0000, bytes: 0x1000 });
    assert_eq!(
        (w.notify.address, w.notify_multiplier, w.device.address),
        (0x38_8000_3000, 4, 0x38_8000_2000)
    );
    assert_eq!(w.msix, Some((Window { address: 0xfebd_4000, bytes: 32 }, 0x98)));
    assert_eq!(s.read(at, 4) & 0x406, 0x406, "bus master, memory, no line interrupt");
    pci::enable_msix(&mut s, at, 0x98);
    assert_eq!(s.read(at, 0x98), 0x8001_8411);
    // Without a common window, or with a list that goes in a circle, it is not usable, and that is all.
    s.write(at, 0x40, 0x0110_4009 | 0x0700_0000);
    assert_eq!(pci::windows(&mut s, at), None);
    assert_eq!(blk::DMA_PAGES, 3);
}
