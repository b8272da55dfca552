// SPDX-License-Identifier: BSD-2-Clause
//! A scripted vnode pager, and the disk behind it. What is on the disk ([`Volume`]) outlives an instance ([`ScriptedVnode`]).
//!
//! As with the swap pager nothing happens by itself: a test decides when, in which order and how each page and each operation ends. What only tells the pager something
//! (`Hold`, `Size`, `Release`) is carried out when it is accepted. It insists on the contract: nothing is asked about a file that it was not told of, no page changes
//! while it is written, nothing is written beyond the end, frames are not used twice.
//!
//! It is as careless as it may be: what lies behind the end of a file in its last page is whatever was there.

use super::kernel::Kernel;
use ebb_abi::frame::Use;
use ebb_proto::fs::OpenFlags;
use ebb_proto::pager::{ALL, Completion, HOLE, MAX_RUN, Notice, Op, Outcome, RESERVED, Submission, WRITTEN};
use ebb_proto::vm::Space;
use ebb_ring::{Consumer, Producer};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::AtomicU64;

/// Bytes in a page.
const PAGE: u64 = 4096;
/// What is behind the end of a file that nobody has cleared.
pub const GARBAGE: u8 = 0xee;

/// Bytes of a page.
pub type Bytes = Box<[u8; 4096]>;

/// A block of a file.
#[derive(Clone, Debug)]
pub enum Block {
    /// Set aside, never written.
    Reserved,
    /// Written.
    Written(Bytes),
}

/// A file on the disk.
#[derive(Clone, Default, Debug)]
pub struct DiskFile {
    pub size: u64,
    pub blocks: BTreeMap<u32, Block>,
    pub unlinked: bool,
}

impl DiskFile {
    /// One with these contents, and garbage behind them.
    pub fn new(contents: &[u8]) -> DiskFile {
        let mut file = DiskFile { size: contents.len() as u64, ..DiskFile::default() };
        for (index, piece) in contents.chunks(PAGE as usize).enumerate() {
            let mut bytes = Box::new([GARBAGE; 4096]);
            bytes[..piece.len()].copy_from_slice(piece);
            file.blocks.insert(index as u32, Block::Written(bytes));
        }
        file
    }

    /// What the disk has.
    pub fn contents(&self) -> Vec<u8> {
        let mut all = vec![0; self.size.next_multiple_of(PAGE) as usize];
        for (index, block) in &self.blocks {
            let start = *index as usize * PAGE as usize;
            if let (Block::Written(bytes), Some(place)) = (block, all.get_mut(start..start + 4096)) {
                place.copy_from_slice(&bytes[..]);
            }
        }
        all.truncate(self.size as usize);
        all
    }
}

/// The disk.
#[derive(Clone, Default)]
pub struct Volume {
    pub files: BTreeMap<u32, DiskFile>,
    /// Blocks that are free.
    pub free: u64,
    next_inode: u32,
}

impl Volume {
    /// An empty disk of so many blocks.
    pub fn new(free: u64) -> Volume {
        Volume { files: BTreeMap::new(), free, next_inode: 11 }
    }

    /// Makes a file; its inode.
    pub fn create(&mut self, contents: &[u8]) -> u32 {
        self.next_inode += 1;
        let file = DiskFile::new(contents);
        self.free = self.free.saturating_sub(file.blocks.len() as u64);
        self.files.insert(self.next_inode, file);
        self.next_inode
    }

    fn file(&mut self, inode: u32) -> &mut DiskFile {
        self.files.get_mut(&inode).unwrap_or_else(|| panic!("inode {inode} does not exist"))
    }

    /// Puts a block in its place.
    fn write(&mut self, inode: u32, index: u32, bytes: Bytes, size: u64) -> Outcome {
        let new = !self.file(inode).blocks.contains_key(&index);
        if new && self.free == 0 {
            return Outcome::Fail;
        }
        self.free -= new as u64;
        let file = self.file(inode);
        file.blocks.insert(index, Block::Written(bytes));
        file.size = file.size.max(size.min((index as u64 + 1) * PAGE));
        Outcome::Ok
    }

    fn reserve(&mut self, inode: u32, first: u32, end: u32) -> Outcome {
        let file = self.file(inode);
        let missing: Vec<u32> = (first..end).filter(|i| !file.blocks.contains_key(i)).collect();
        if missing.len() as u64 > self.free {
            return Outcome::Fail;
        }
        self.free -= missing.len() as u64;
        let file = self.file(inode);
        missing.into_iter().for_each(|i| drop(file.blocks.insert(i, Block::Reserved)));
        Outcome::Ok
    }

    fn resize(&mut self, inode: u32, size: u64) {
        let file = self.file(inode);
        let gone = file.blocks.split_off(&(size.div_ceil(PAGE) as u32));
        file.size = size;
        self.free += gone.len() as u64;
    }

    fn remove(&mut self, inode: u32) {
        if let Some(file) = self.files.remove(&inode) {
            self.free += file.blocks.len() as u64;
        }
    }
}

/// A page on its way.
#[derive(Clone, Debug)]
pub struct PageOp {
    pub submission: Submission,
    pub inode: u32,
    pub index: u32,
    pub frame: u32,
    /// What is written, as it was when it was asked for.
    bytes: Option<Bytes>,
}

impl PageOp {
    pub fn op(&self) -> Op {
        self.submission.op
    }
}

/// What an instance knows of a file.
#[derive(Clone, Copy, Default, Debug)]
pub struct Known {
    pub grants: u64,
    pub size: u64,
}

/// An instance.
pub struct ScriptedVnode {
    submissions: Consumer<'static>,
    completions: Producer<'static>,
    bounce: Vec<u32>,
    pub pages: VecDeque<PageOp>,
    pub ops: VecDeque<Submission>,
    pub held: BTreeMap<u32, Known>,
    next_grant: u32,
    /// Entries of the last run that are to come.
    run_left: u8,
    /// Runs in the order of submission: operation, inode, indexes.
    pub runs: Vec<(Op, u32, Vec<u32>)>,
    /// The disk as it was when each `Fsync` was accepted, and for what.
    pub fsyncs: Vec<(u64, Volume)>,
    /// Operations in the order in which they were accepted.
    pub seen: Vec<Submission>,
}

impl ScriptedVnode {
    /// A new instance on rings in these words, with these frames as bounce pages. Its grants begin at a number of its own.
    pub fn new(words: &'static [AtomicU64], bounce: Vec<u32>, first_grant: u32) -> ScriptedVnode {
        let (first, second) = words.split_at(words.len() / 2);
        ScriptedVnode {
            submissions: Consumer::new(first).expect("submission ring"),
            completions: Producer::new(second).expect("completion ring"),
            bounce,
            pages: VecDeque::new(),
            ops: VecDeque::new(),
            held: BTreeMap::new(),
            next_grant: first_grant,
            run_left: 0,
            runs: Vec::new(),
            fsyncs: Vec::new(),
            seen: Vec::new(),
        }
    }

    /// Grants a file to a program.
    pub fn grant(&mut self, volume: &Volume, inode: u32, rights: OpenFlags, space: Space) -> u32 {
        self.next_grant += 1;
        let on_disk = volume.files[&inode].size;
        let known = self.held.entry(inode).or_insert(Known { grants: 0, size: on_disk });
        known.grants += 1;
        let notice =
            Notice::Granted { grant: self.next_grant, rights: rights.bits(), inode, space, size: known.size };
        self.send_raw(&notice.pack());
        self.next_grant
    }

    /// The file loses its last name.
    pub fn unlink(&mut self, volume: &mut Volume, inode: u32) {
        volume.file(inode).unlinked = true;
        match self.held.contains_key(&inode) {
            true => self.send_raw(&Notice::Unlinked { inode }.pack()),
            false => volume.remove(inode),
        }
    }

    /// Takes everything out of the submission ring.
    pub fn accept(&mut self, kernel: &Kernel, volume: &mut Volume) {
        while let Some(entry) = self.submissions.pop().expect("vm keeps its ring whole") {
            let s = Submission::unpack(&entry).expect("vm submits known operations");
            if !matches!(s.op, Op::Get | Op::Put | Op::PutBytes) {
                self.seen.push(s);
            }
            let inode = s.words[0] as u32;
            let all = s.words[0] == ALL || s.op == Op::Fsync;
            assert!(all || s.op == Op::Hold || self.held.contains_key(&inode), "{s:?} of a file not held");
            match s.op {
                Op::Get | Op::Put | Op::PutBytes => self.accept_page(s, kernel),
                Op::Hold => {
                    assert!(self.held.insert(inode, Known { grants: 0, size: s.words[1] }).is_none());
                    let unlinked = volume.file(inode).unlinked;
                    self.answer(&s, Outcome::Ok, [0; 2]);
                    if unlinked {
                        self.send_raw(&Notice::Unlinked { inode }.pack());
                    }
                }
                Op::Size => {
                    let known = self.held.get_mut(&inode).expect("held");
                    assert!(s.words[1] > known.size, "{s:?}: the pager knows {}", known.size);
                    known.size = s.words[1];
                    self.answer(&s, Outcome::Ok, [0; 2]);
                }
                Op::Release => self.release(&s, volume),
                Op::Fsync => {
                    self.fsyncs.push((s.words[0], volume.clone()));
                    self.ops.push_back(s);
                }
                Op::Reserve | Op::Resize | Op::Audit => self.ops.push_back(s),
                _ => panic!("{s:?} is nothing for a pager of files"),
            }
        }
    }

    fn release(&mut self, s: &Submission, volume: &mut Volume) {
        let inode = s.words[0] as u32;
        assert!(self.pages.iter().all(|p| p.inode != inode), "released with I/O under way");
        // What was asked before comes before.
        while let Some(nth) = self.ops.iter().position(|o| o.words[0] == inode as u64) {
            self.finish_op(nth, Outcome::Ok, volume);
        }
        let known = self.held.get_mut(&inode).expect("held");
        known.grants = known.grants.checked_sub(s.words[1]).expect("more grants seen than given");
        if known.grants == 0 {
            let size = known.size;
            self.held.remove(&inode);
            volume.file(inode).size = size;
            if volume.file(inode).unlinked {
                volume.remove(inode);
            }
        }
        self.answer(s, Outcome::Ok, [0; 2]);
    }

    fn accept_page(&mut self, s: Submission, kernel: &Kernel) {
        let [inode, index, frame] = s.words;
        let (inode, index, frame) = (inode as u32, index as u32, frame as u32);
        assert!((1..=MAX_RUN as u8).contains(&s.run) && s.place < s.run);
        assert_eq!(kernel.frames[frame as usize].used, Use::User, "a transfer into {frame}");
        assert!(self.pages.iter().all(|t| t.frame != frame), "frame {frame} is under way twice");
        let same = |t: &PageOp| (t.inode, t.index) == (inode, index);
        assert!(!self.pages.iter().any(same), "page {index} of {inode} is under way twice");
        if self.run_left == 0 {
            self.runs.push((s.op, inode, Vec::new()));
            self.run_left = s.run;
        }
        self.run_left -= 1;
        self.runs.last_mut().expect("a run").2.push(index);
        let bytes = match s.op {
            Op::Get => None,
            _ => Some(kernel.frames[self.source(&s) as usize].bytes.clone()),
        };
        self.pages.push_back(PageOp { submission: s, inode, index, frame, bytes });
    }

    /// The frame that the bytes of a write are in.
    fn source(&self, s: &Submission) -> u32 {
        if s.op == Op::PutBytes { self.bounce[s.slot as usize] } else { s.words[2] as u32 }
    }

    /// Ends the n-th page on its way.
    pub fn finish_page(&mut self, nth: usize, outcome: Outcome, kernel: &mut Kernel, volume: &mut Volume) {
        let Some(t) = self.pages.remove(nth) else { return };
        let (outcome, result) = match outcome {
            Outcome::Ok => self.transfer(&t, kernel, volume),
            other => (other, 0),
        };
        let s = &t.submission;
        let results = [result, 0];
        self.send(&Completion { outcome, op: s.op, cookie: s.cookie, frame: s.words[2], results });
    }

    fn transfer(&self, t: &PageOp, kernel: &mut Kernel, volume: &mut Volume) -> (Outcome, u64) {
        let size = self.held.get(&t.inode).map_or(0, |k| k.size);
        let Some(bytes) = &t.bytes else {
            let state = &mut kernel.frames[t.frame as usize];
            return match volume.file(t.inode).blocks.get(&t.index) {
                Some(Block::Written(bytes)) => {
                    state.bytes.copy_from_slice(&bytes[..]);
                    (Outcome::Ok, 0)
                }
                Some(Block::Reserved) => (Outcome::Ok, HOLE | RESERVED),
                None => (Outcome::Ok, HOLE),
            };
        };
        let source = self.source(&t.submission);
        let now = &kernel.frames[source as usize].bytes;
        assert!(
            now[..] == bytes[..],
            "page {} of {} changed while it was written (PGO-149)",
            t.index,
            t.inode
        );
        let start = t.index as u64 * PAGE;
        assert!(start < size, "page {} of {} lies beyond the end at {size}", t.index, t.inode);
        let mut bytes = bytes.clone();
        if t.op() == Op::Put {
            let direct = matches!(volume.file(t.inode).blocks.get(&t.index), Some(Block::Written(_)));
            if !direct || start + PAGE > size {
                return (Outcome::Again, 0);
            }
        } else if start + PAGE > size {
            bytes[(size - start) as usize..].fill(0);
        }
        (volume.write(t.inode, t.index, bytes, size), 0)
    }

    /// Ends the n-th operation.
    pub fn finish_op(&mut self, nth: usize, outcome: Outcome, volume: &mut Volume) {
        let Some(s) = self.ops.remove(nth) else { return };
        let [inode, a, b] = s.words;
        let mut results = [0; 2];
        let outcome = match (s.op, outcome) {
            (Op::Reserve, Outcome::Ok) => {
                let (first, end) = (a as u32, (a + b) as u32);
                let outcome = volume.reserve(inode as u32, first, end);
                // Holes in a file are filled with zeroes.
                if outcome == Outcome::Ok && end as u64 * PAGE <= volume.file(inode as u32).size {
                    let blocks = &mut volume.file(inode as u32).blocks;
                    for (_, block) in blocks.range_mut(first..end) {
                        if matches!(block, Block::Reserved) {
                            *block = Block::Written(Box::new([0; 4096]));
                        }
                    }
                    results[0] = WRITTEN;
                }
                outcome
            }
            (Op::Resize, Outcome::Ok) => {
                let busy = self.pages.iter().any(|p| p.inode == inode as u32 && p.index as u64 * PAGE >= a);
                assert!(!busy, "cut while pages beyond the end are under way");
                volume.resize(inode as u32, a);
                if let Some(known) = self.held.get_mut(&(inode as u32)) {
                    known.size = a;
                }
                Outcome::Ok
            }
            (Op::Audit, Outcome::Ok) => {
                results[0] = self.held.len() as u64;
                Outcome::Ok
            }
            (_, other) => other,
        };
        self.answer(&s, outcome, results);
    }

    /// The instance dies. Of the writes under way those chosen have reached the disk, though nobody was told.
    pub fn die(mut self, kernel: &mut Kernel, volume: &mut Volume, mut landed: impl FnMut(&PageOp) -> bool) {
        while let Some(t) = self.pages.pop_front() {
            if t.op() != Op::Get && landed(&t) {
                self.transfer(&t, kernel, volume);
            }
        }
        for (inode, known) in &self.held {
            volume.file(*inode).size = known.size;
        }
        // Files without a name that nobody will ever ask for again are found by the next instance, if `vm` does not hold them.
    }

    fn answer(&mut self, s: &Submission, outcome: Outcome, results: [u64; 2]) {
        self.send(&Completion { outcome, op: s.op, cookie: s.cookie, frame: 0, results });
    }

    /// Sends a completion, true or not.
    pub fn send(&mut self, c: &Completion) {
        self.send_raw(&c.pack());
    }

    /// Sends anything at all.
    pub fn send_raw(&mut self, entry: &[u64; 4]) {
        assert_eq!(self.completions.push(entry), Ok(true), "vm lets its completion ring run full");
    }
}
