// SPDX-License-Identifier: BSD-2-Clause
//! The surroundings on the host: `vm`'s rings as queues, frames in a table, and a disk with a write cache.
//!
//! What was written and not flushed is lost in a crash of the machine, any part of it; the death of the pager loses nothing of it.

use crate::world::{PAGE, World};
use core::fmt::Arguments;
use ebb_proto::block::{Completion, SECTORS_PER_PAGE, Status, Submission, Transfer};
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::string::{String, ToString};
use std::vec::Vec;

pub const BUFFERS: usize = 32;
pub const FIRST_BUFFER: u32 = 10_000;
pub const FIRST_BOUNCE: u32 = 20_000;

pub type Bytes = [u8; PAGE];

/// Everything that is not the pager.
pub struct Machine {
    /// What is on the disk for good.
    pub durable: Vec<u8>,
    /// What was written since the last flush, in order.
    pub unflushed: Vec<(u64, Box<Bytes>)>,
    pub frames: HashMap<u32, Box<Bytes>>,
    pub to_pager: VecDeque<[u64; 4]>,
    pub to_vm: VecDeque<[u64; 4]>,
    /// Room in the ring to `vm`.
    pub room: usize,
    queue: VecDeque<Vec<Submission>>,
    run: Vec<Submission>,
    done: VecDeque<Completion>,
    /// Requests that the disk still carries out; then it is as if the machine stood still.
    pub left: Option<usize>,
    pub carried_out: usize,
    /// Requests that fail: numbers of the disk's pages.
    pub broken: Vec<u64>,
    /// The next so many writes fail.
    pub failing_writes: usize,
    /// Completions in another order than submissions.
    pub shuffle: Option<u64>,
    pub log: Vec<String>,
    pub reads: Vec<(u64, usize)>,
}

extern crate std;
use std::boxed::Box;

impl Machine {
    pub fn new(durable: Vec<u8>) -> Machine {
        Machine {
            durable,
            unflushed: Vec::new(),
            frames: HashMap::new(),
            to_pager: VecDeque::new(),
            to_vm: VecDeque::new(),
            room: 512,
            queue: VecDeque::new(),
            run: Vec::new(),
            done: VecDeque::new(),
            left: None,
            carried_out: 0,
            broken: Vec::new(),
            failing_writes: 0,
            shuffle: None,
            log: Vec::new(),
            reads: Vec::new(),
        }
    }

    pub fn pages(&self) -> u64 {
        (self.durable.len() / PAGE) as u64
    }

    /// What the disk says now.
    pub fn content(&self) -> Vec<u8> {
        self.crashed(|_| true)
    }

    /// What remains if of the unflushed writes only these get to the disk.
    pub fn crashed(&self, mut survives: impl FnMut(usize) -> bool) -> Vec<u8> {
        let mut disk = self.durable.clone();
        for (nth, (page, bytes)) in self.unflushed.iter().enumerate() {
            if survives(nth) {
                disk[*page as usize * PAGE..][..PAGE].copy_from_slice(&bytes[..]);
            }
        }
        disk
    }

    pub fn frame(&mut self, frame: u32) -> &mut Bytes {
        self.frames.entry(frame).or_insert_with(|| Box::new([0; PAGE]))
    }

    fn page(&self, page: u64) -> Bytes {
        let late = self.unflushed.iter().rev().find(|(p, _)| *p == page);
        match late {
            Some((_, bytes)) => **bytes,
            None => self.durable[page as usize * PAGE..][..PAGE].try_into().unwrap(),
        }
    }

    /// Carries out one request. `false`: there is none, or it never will be.
    pub fn step(&mut self) -> bool {
        if self.left == Some(0) || self.queue.is_empty() {
            return false;
        }
        let at = match &mut self.shuffle {
            Some(seed) => {
                *seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (*seed >> 33) as usize % self.queue.len()
            }
            None => 0,
        };
        let run = self.queue.remove(at).unwrap();
        if let Some(left) = &mut self.left {
            *left -= 1;
        }
        self.carried_out += 1;
        let first = run[0];
        let page = first.sector / SECTORS_PER_PAGE;
        assert_eq!(first.sector % SECTORS_PER_PAGE, 0, "whole pages only");
        let range = page..page + run.len() as u64;
        let mut status = Status::Ok;
        if first.transfer != Transfer::Flush {
            assert!(range.end <= self.pages(), "beyond the disk's end");
            if self.broken.iter().any(|p| range.contains(p)) {
                status = Status::Io;
            }
        }
        if first.transfer == Transfer::Write && self.failing_writes > 0 {
            self.failing_writes -= 1;
            status = Status::Io;
        }
        if first.transfer == Transfer::Read {
            self.reads.push((page, run.len()));
        }
        for (nth, entry) in run.iter().enumerate().filter(|_| status == Status::Ok) {
            let page = page + nth as u64;
            match entry.transfer {
                Transfer::Read => *self.frame(entry.frame) = self.page(page),
                Transfer::Write => {
                    let bytes = *self.frame(entry.frame);
                    self.unflushed.push((page, Box::new(bytes)));
                }
                Transfer::Flush => {
                    for (page, bytes) in core::mem::take(&mut self.unflushed) {
                        self.durable[page as usize * PAGE..][..PAGE].copy_from_slice(&bytes[..]);
                    }
                }
            }
        }
        self.done.push_back(Completion { status, cookie: first.cookie });
        true
    }

    pub fn is_quiet(&self) -> bool {
        self.queue.is_empty() && self.done.is_empty()
    }
}

/// The pager's view of it.
#[derive(Clone)]
pub struct Shared(pub Rc<RefCell<Machine>>);

impl World for Shared {
    fn next(&mut self) -> Option<[u64; 4]> {
        self.0.borrow_mut().to_pager.pop_front()
    }

    fn room(&mut self) -> usize {
        let m = self.0.borrow();
        m.room.saturating_sub(m.to_vm.len())
    }

    fn push(&mut self, entry: &[u64; 4]) {
        assert!(self.room() > 0, "no room in the ring to vm");
        self.0.borrow_mut().to_vm.push_back(*entry);
    }

    fn disk_room(&mut self) -> usize {
        let m = self.0.borrow();
        126usize.saturating_sub(m.queue.iter().map(Vec::len).sum())
    }

    fn submit(&mut self, entry: Submission) {
        assert!(self.disk_room() > 0, "no room in the ring to the disks");
        let mut m = self.0.borrow_mut();
        m.run.push(entry);
        if !entry.more {
            let run = core::mem::take(&mut m.run);
            assert!(run.len() <= ebb_proto::block::MAX_RUN);
            m.queue.push_back(run);
        }
    }

    fn finished(&mut self) -> Option<Completion> {
        self.0.borrow_mut().done.pop_front()
    }

    fn wait(&mut self) -> bool {
        self.0.borrow_mut().step()
    }

    fn buffers(&self) -> usize {
        BUFFERS
    }

    fn buffer_frame(&self, buffer: usize) -> u32 {
        assert!(buffer < BUFFERS);
        FIRST_BUFFER + buffer as u32
    }

    fn load(&self, buffer: usize, bytes: &mut [u8]) {
        let mut m = self.0.borrow_mut();
        bytes.copy_from_slice(&m.frame(FIRST_BUFFER + buffer as u32)[..bytes.len()]);
    }

    fn store(&mut self, buffer: usize, bytes: &[u8]) {
        let mut m = self.0.borrow_mut();
        m.frame(FIRST_BUFFER + buffer as u32)[..bytes.len()].copy_from_slice(bytes);
    }

    fn bounce_frame(&self, slot: usize) -> Option<u32> {
        (slot < 32).then_some(FIRST_BOUNCE + slot as u32)
    }

    fn bounce(&self, slot: usize, bytes: &mut [u8]) {
        let mut m = self.0.borrow_mut();
        bytes.copy_from_slice(&m.frame(FIRST_BOUNCE + slot as u32)[..bytes.len()]);
    }

    fn log(&mut self, line: Arguments<'_>) {
        self.0.borrow_mut().log.push(line.to_string());
    }
}
