// SPDX-License-Identifier: BSD-2-Clause
//! A scripted `vm`, images made with the host's tools, and the host's checker.

use super::machine::{Bytes, FIRST_BOUNCE, Machine, Shared};
use crate::channel::Geometry;
use crate::pager::{Setup, VnodePager};
use crate::world::PAGE;
use ebb_proto::Error;
use ebb_proto::fs::{OpenFlags, Opened};
use ebb_proto::pager::{Completion, Notice, Op, Outcome, Submission};
use std::cell::RefCell;
use std::path::PathBuf;
use std::process::Command;
use std::rc::Rc;
use std::string::{String, ToString};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::vec::Vec;

/// Options that images for Ebb are made with.
const OPTIONS: &[&str] = &[
    "-q",
    "-F",
    "-t",
    "ext4",
    "-b",
    "4096",
    "-I",
    "256",
    "-J",
    "size=4",
    "-O",
    "^orphan_file,^metadata_csum_seed,^resize_inode,^dir_index",
    "-E",
    "lazy_itable_init=0,lazy_journal_init=0",
];

/// The clock: a microsecond later each time.
static CLOCK: AtomicU64 = AtomicU64::new(1_700_000_000_000_000);

fn now_us() -> u64 {
    CLOCK.fetch_add(1, Ordering::Relaxed)
}

/// A file of the host that goes with its owner.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new() -> Scratch {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Scratch(std::env::temp_dir().join(std::format!("ebb-vnode-{}-{number}", std::process::id())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // It may never have been made.
        let _ = std::fs::remove_file(&self.0);
    }
}

fn tool(program: &str, args: &[&str], file: &Scratch, tail: &[&str]) -> (i32, String) {
    let output = Command::new(program)
        .args(args)
        .arg(&file.0)
        .args(tail)
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .output()
        .unwrap_or_else(|e| panic!("{program} (package e2fsprogs): {e}"));
    let text = String::from_utf8_lossy(&output.stdout).to_string() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap_or(-1), text)
}

/// An empty file system of 12 MiB.
pub fn image() -> Vec<u8> {
    static IMAGE: OnceLock<Vec<u8>> = OnceLock::new();
    IMAGE.get_or_init(|| make("12M", &[])).clone()
}

/// A file system of this size, made with more options.
pub fn make(size: &str, more: &[&str]) -> Vec<u8> {
    let file = Scratch::new();
    let args: Vec<&str> = OPTIONS.iter().chain(more).copied().collect();
    let (status, text) = tool("mke2fs", &args, &file, &[size]);
    assert_eq!(status, 0, "mke2fs: {text}");
    std::fs::read(&file.0).unwrap()
}

/// After the journal was replayed the host's checker finds nothing wrong.
pub fn assert_clean(disk: &[u8]) {
    let file = Scratch::new();
    std::fs::write(&file.0, replayed(disk)).unwrap();
    let (status, text) = tool("e2fsck", &["-f", "-n"], &file, &[]);
    assert_eq!(status, 0, "e2fsck -n: {text}");
}

/// The disk after the host has done what a mount would do: replayed the journal, and let go of files without a name. The checker's automatic repair would
/// do both, and mend bitmaps and counts beside it without a word.
pub fn replayed(disk: &[u8]) -> Vec<u8> {
    let file = Scratch::new();
    std::fs::write(&file.0, disk).unwrap();
    let (status, text) = tool("e2fsck", &["-p", "-E", "journal_only"], &file, &[]);
    assert!(status <= 1, "e2fsck -p: {status}: {text}");
    let disk = std::fs::read(&file.0).unwrap();
    // `s_state` has no mark of an error, and `s_last_orphan` is some inode.
    let superblock = &disk[1024..2048];
    if superblock[58] & 2 != 0 || superblock[232..236] == [0; 4] {
        return disk;
    }
    // Marked as left in order, or everything would be looked at. It tells when it finds nothing to look for.
    let (_, said) = tool("debugfs", &["-w", "-R", "set_super_value state 1"], &file, &[]);
    let (status, text) = tool("e2fsck", &["-p"], &file, &[]);
    assert!(status <= 1 && text.contains(": clean,"), "e2fsck -p: {status}: {said}{text}");
    std::fs::read(&file.0).unwrap()
}

/// Pager and `vm`.
pub struct Rig {
    pub m: Rc<RefCell<Machine>>,
    pub pager: VnodePager<Shared>,
    cookie: u32,
    pub grants: Vec<Notice>,
    pub answers: Vec<Completion>,
}

impl Rig {
    /// On an empty file system, after a cold start.
    pub fn new() -> Rig {
        Rig::on(image(), true)
    }

    pub fn on(disk: Vec<u8>, cold: bool) -> Rig {
        let machine = Machine::new(disk);
        let geometry = Geometry { disk: 1, pages: machine.pages(), read_only: false };
        let mut rig = Rig::with(machine, cold, geometry);
        assert!(rig.pager.mounts().is_ok(), "{:?}", rig.m.borrow().log);
        rig
    }

    pub fn with(machine: Machine, cold: bool, geometry: Geometry) -> Rig {
        let m = Rc::new(RefCell::new(machine));
        let setup = Setup { geometry, name: String::from("root"), now_us, cold };
        let pager = VnodePager::new(Shared(m.clone()), setup);
        Rig { m, pager, cookie: 0, grants: Vec::new(), answers: Vec::new() }
    }

    /// The pager dies; what it wrote is there. `vm` tells the next which files it has.
    pub fn restart(self, held: &[(u32, u64)]) -> Rig {
        let disk = self.m.borrow().content();
        drop(self.pager);
        let mut rig = Rig::on(disk, false);
        for (inode, size) in held {
            assert_eq!(rig.control(Op::Hold, [*inode as u64, *size, 0]).outcome, Outcome::Ok);
        }
        rig
    }

    pub fn submit(&mut self, op: Op, slot: u8, words: [u64; 3]) -> u32 {
        self.cookie += 1;
        let entry = Submission { op, run: 1, place: 0, slot, cookie: self.cookie, words };
        self.m.borrow_mut().to_pager.push_back(entry.pack());
        self.cookie
    }

    /// Lets the pager work until nothing is left to do.
    pub fn run(&mut self) {
        loop {
            self.pager.pump();
            self.collect();
            let stepped = self.m.borrow_mut().step();
            let quiet = self.m.borrow().is_quiet() && self.m.borrow().to_pager.is_empty();
            if !stepped && (quiet || self.m.borrow().left == Some(0)) {
                self.pager.pump();
                self.collect();
                return;
            }
        }
    }

    fn collect(&mut self) {
        while let Some(entry) = { self.m.borrow_mut().to_vm.pop_front() } {
            match Notice::unpack(&entry) {
                Some(notice) => self.grants.push(notice),
                None => self.answers.push(Completion::unpack(&entry).expect("a completion")),
            }
        }
    }

    pub fn answer(&mut self, cookie: u32) -> Option<Completion> {
        let at = self.answers.iter().position(|c| c.cookie == cookie)?;
        Some(self.answers.remove(at))
    }

    /// How an entry ended; `Pend`: it did not, because the machine stands still.
    fn outcome(&mut self, cookie: u32) -> Outcome {
        match self.answer(cookie) {
            Some(answer) => answer.outcome,
            None => {
                assert!(self.is_stopped(), "no answer");
                Outcome::Pend
            }
        }
    }

    pub fn is_stopped(&self) -> bool {
        self.m.borrow().left == Some(0)
    }

    /// An operation that may find the machine standing still.
    pub fn attempt(&mut self, op: Op, words: [u64; 3]) -> Outcome {
        let cookie = self.submit(op, 0, words);
        self.run();
        self.outcome(cookie)
    }

    pub fn control(&mut self, op: Op, words: [u64; 3]) -> Completion {
        let cookie = self.submit(op, 0, words);
        self.run();
        self.answer(cookie).expect("an answer")
    }

    pub fn open(&mut self, path: &str, flags: OpenFlags) -> Result<Opened, Error> {
        let opened = self.pager.open(7, path, flags.bits(), 0o644)?;
        self.collect();
        let granted = self.grants.pop();
        match granted {
            Some(Notice::Granted { grant, inode, space: 7, .. }) => {
                assert_eq!((grant, inode), (opened.grant, opened.stat.inode));
            }
            other => panic!("no grant before the answer: {other:?}"),
        }
        Ok(opened)
    }

    pub fn create(&mut self, path: &str) -> u32 {
        self.open(path, OpenFlags::READ | OpenFlags::WRITE | OpenFlags::CREATE).unwrap().stat.inode
    }

    /// Writes pages as `vm` does: their frames first, their bytes if the pager wants those.
    pub fn put(&mut self, inode: u32, first: u32, pages: &[Bytes]) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for (nth, chunk) in pages.chunks(16).enumerate() {
            let mut cookies = Vec::new();
            for (at, bytes) in chunk.iter().enumerate() {
                let index = first + nth as u32 * 16 + at as u32;
                let frame = 100 + at as u32;
                *self.m.borrow_mut().frame(frame) = *bytes;
                cookies.push(self.submit(Op::Put, 0, [inode as u64, index as u64, frame as u64]));
            }
            self.run();
            let mut results: Vec<Outcome> = cookies.iter().map(|c| self.outcome(*c)).collect();
            let mut again = Vec::new();
            for (at, outcome) in results.iter().enumerate() {
                if *outcome == Outcome::Again {
                    let index = first + nth as u32 * 16 + at as u32;
                    *self.m.borrow_mut().frame(FIRST_BOUNCE + at as u32) = chunk[at];
                    let words = [inode as u64, index as u64, 100 + at as u64];
                    again.push((at, self.submit(Op::PutBytes, at as u8, words)));
                }
            }
            self.run();
            for (at, cookie) in again {
                results[at] = self.outcome(cookie);
            }
            outcomes.extend(results);
        }
        outcomes
    }

    /// Makes a file longer and writes it, whole.
    pub fn write(&mut self, inode: u32, bytes: &[u8]) {
        assert_eq!(self.control(Op::Size, [inode as u64, bytes.len() as u64, 0]).outcome, Outcome::Ok);
        let outcomes = self.put(inode, 0, &pages_of(bytes));
        assert!(outcomes.iter().all(|o| *o == Outcome::Ok), "{outcomes:?} {:?}", self.m.borrow().log);
    }

    /// Reads pages; `None` where it says that there is nothing.
    pub fn get(&mut self, inode: u32, first: u32, count: u32) -> Vec<Option<Bytes>> {
        let mut all = Vec::new();
        for at in (first..first + count).step_by(16) {
            let cookies: Vec<u32> = (at..(at + 16).min(first + count))
                .map(|index| {
                    let frame = 300 + index - at;
                    *self.m.borrow_mut().frame(frame) = [0xee; PAGE];
                    self.submit(Op::Get, 0, [inode as u64, index as u64, frame as u64])
                })
                .collect();
            self.run();
            for (nth, cookie) in cookies.into_iter().enumerate() {
                let answer = self.answer(cookie).expect("an answer");
                assert_eq!(answer.outcome, Outcome::Ok, "{:?}", self.m.borrow().log);
                assert_eq!(answer.frame, 300 + nth as u64);
                let bytes = *self.m.borrow_mut().frame(300 + nth as u32);
                all.push((answer.results[0] & 1 == 0).then_some(bytes));
            }
        }
        all
    }

    /// Reads a whole file.
    pub fn read(&mut self, inode: u32, size: usize) -> Vec<u8> {
        let pages = self.get(inode, 0, size.div_ceil(PAGE) as u32);
        let mut bytes: Vec<u8> = pages.iter().flat_map(|p| p.unwrap_or([0; PAGE])).collect();
        bytes.truncate(size);
        bytes
    }

    /// The file by path, as somebody who opens it would see it.
    pub fn read_path(&mut self, path: &str) -> Result<Vec<u8>, Error> {
        let opened = self.open(path, OpenFlags::READ)?;
        Ok(self.read(opened.stat.inode, opened.stat.size as usize))
    }

    pub fn fsync(&mut self, object: u64) -> Outcome {
        self.control(Op::Fsync, [object, 0, 0]).outcome
    }

    pub fn release(&mut self, inode: u32, grants: u64) -> Outcome {
        self.control(Op::Release, [inode as u64, grants, 0]).outcome
    }

    pub fn names(&mut self, path: &str) -> Vec<String> {
        let (mut names, mut from) = (Vec::new(), None);
        loop {
            let listing = self.pager.list(path, from).unwrap();
            names.extend(listing.entries.into_iter().map(|e| e.name));
            from = listing.next;
            if from.is_none() {
                names.sort();
                return names;
            }
        }
    }

    pub fn assert_sound(&mut self) {
        assert_eq!(self.pager.check(), Vec::<String>::new());
        assert_clean(&self.m.borrow().content());
    }
}

/// Bytes as pages, the rest of the last zero.
pub fn pages_of(bytes: &[u8]) -> Vec<Bytes> {
    bytes
        .chunks(PAGE)
        .map(|chunk| {
            let mut page = [0; PAGE];
            page[..chunk.len()].copy_from_slice(chunk);
            page
        })
        .collect()
}

/// Bytes that differ with their place and a seed.
pub fn pattern(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 24) as u8
        })
        .collect()
}
