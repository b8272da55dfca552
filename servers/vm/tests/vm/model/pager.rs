// SPDX-License-Identifier: BSD-2-Clause
//! A scripted swap pager at the other end of the rings. What is durable ([`Store`]) outlives an instance ([`ScriptedPager`]).
//!
//! It does nothing by itself: a test lets it accept submissions and decides when, in which order and how each page's transfer ends.
//! Frees and control operations are carried out when they are accepted, as the real one does; a free also hits writes under way.

use super::kernel::Kernel;
use ebb_abi::frame::Use;
use ebb_proto::pager::{ALL, Completion, MAX_RUN, Op, Outcome, Submission, WANTS_MEMORY};
use ebb_ring::{Consumer, Producer};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::AtomicU64;

/// A page of an object.
pub type Key = (u32, u32);

/// A device.
#[derive(Clone, Debug)]
pub struct Disk {
    pub slots: u64,
    pub closing: bool,
    /// In use as a swap device.
    pub on: bool,
}

/// What outlives the pager.
#[derive(Clone, Default)]
pub struct Store {
    pub disks: BTreeMap<u8, Disk>,
    /// Copies: on which disk, and what.
    pub copies: BTreeMap<Key, (u8, u64)>,
    /// All the bytes of these, and of others that there were.
    pub pages: BTreeMap<Key, Box<[u8; 4096]>>,
    /// Whether the pager says that it would like more memory.
    pub wants_memory: bool,
    /// Where it got some.
    pub chunks: Vec<u64>,
    /// What it says when it is asked to retire; none: that there is nothing to do.
    pub retiring: Option<(Outcome, [u64; 2])>,
}

/// A page on its way.
#[derive(Clone, Copy, Debug)]
pub struct Transfer {
    pub submission: Submission,
    pub key: Key,
    pub frame: u32,
    /// Put: the disk of its new slot, and the contents at its start.
    slot: Option<(u8, u64)>,
    freed: bool,
}

impl Transfer {
    pub fn op(&self) -> Op {
        self.submission.op
    }
}

/// An instance.
pub struct ScriptedPager {
    submissions: Consumer<'static>,
    completions: Producer<'static>,
    pub transfers: VecDeque<Transfer>,
    /// Runs of writes in the order of submission: object and indexes.
    pub runs: Vec<(u32, Vec<u32>)>,
    /// A `Seal` that is answered when nothing is under way any more.
    sealing: Option<Submission>,
    wants_memory: bool,
}

impl ScriptedPager {
    /// A new instance on rings in these words.
    pub fn new(words: &'static [AtomicU64]) -> ScriptedPager {
        let (first, second) = words.split_at(words.len() / 2);
        ScriptedPager {
            submissions: Consumer::new(first).expect("submission ring"),
            completions: Producer::new(second).expect("completion ring"),
            transfers: VecDeque::new(),
            runs: Vec::new(),
            sealing: None,
            wants_memory: false,
        }
    }

    /// Takes everything out of the submission ring.
    pub fn accept(&mut self, kernel: &Kernel, store: &mut Store) {
        self.wants_memory = store.wants_memory;
        while let Some(entry) = self.submissions.pop().expect("vm keeps its ring whole") {
            let s = Submission::unpack(&entry).expect("vm submits known operations");
            assert!(self.sealing.is_none(), "after the seal: {s:?}");
            match s.op {
                Op::Get | Op::Put => self.accept_transfer(s, kernel, store),
                Op::Free => self.free(s, store),
                Op::Copy => self.copy(s, store),
                _ => self.control(s, store),
            }
        }
    }

    fn accept_transfer(&mut self, s: Submission, kernel: &Kernel, store: &mut Store) {
        let [object, index, frame] = s.words;
        let (key, frame) = ((object as u32, index as u32), frame as u32);
        assert!((1..=MAX_RUN as u8).contains(&s.run) && s.place < s.run);
        assert_eq!(kernel.frames[frame as usize].used, Use::User, "a transfer into {frame}");
        assert!(self.transfers.iter().all(|t| t.frame != frame), "frame {frame} is under way twice");
        let mut slot = None;
        if s.op == Op::Put {
            if s.place == 0 {
                self.runs.push((key.0, Vec::new()));
            }
            self.runs.last_mut().expect("a run begins at place 0").1.push(key.1);
            let disk =
                store.disks.iter().find(|(n, d)| d.on && !d.closing && self.used(store, **n) < d.slots);
            let Some((disk, _)) = disk else {
                return self.end(&s, Outcome::Fail);
            };
            slot = Some((*disk, kernel.frames[frame as usize].stamp()));
        }
        self.transfers.push_back(Transfer { submission: s, key, frame, slot, freed: false });
    }

    /// Slots in use on a disk, with those of writes under way.
    fn used(&self, store: &Store, disk: u8) -> u64 {
        let copies = store.copies.values().filter(|(d, _)| *d == disk).count();
        let pending = self.transfers.iter().filter(|t| t.slot.is_some_and(|(d, _)| d == disk)).count();
        (copies + pending) as u64
    }

    fn free(&mut self, s: Submission, store: &mut Store) {
        let [object, first, pages] = s.words;
        let within = |key: &Key| key.0 as u64 == object && (first..first + pages).contains(&(key.1 as u64));
        self.transfers.iter_mut().filter(|t| within(&t.key)).for_each(|t| t.freed = true);
        let before = store.copies.len();
        store.copies.retain(|key, _| !within(key));
        let freed = (before - store.copies.len()) as u64;
        self.answer(&s, Outcome::Ok, [freed, 0]);
    }

    fn copy(&mut self, s: Submission, store: &mut Store) {
        let low = |word: u64| word as u32;
        let (object, to) = (low(s.words[0]), (s.words[0] >> 32) as u32);
        let (first, there) = (low(s.words[1]), (s.words[1] >> 32) as u32);
        let mut counts = [0, 0];
        for n in 0..s.words[2] as u32 {
            let (from, to) = ((object, first + n), (to, there + n));
            assert!(
                self.transfers.iter().all(|t| t.key != from),
                "page {from:?} is moved while it is under way"
            );
            let (Some(copy), bytes) = (store.copies.remove(&from), store.pages.remove(&from)) else {
                continue;
            };
            let kept = store.copies.contains_key(&to);
            counts[kept as usize] += 1;
            if !kept {
                store.copies.insert(to, copy);
                store.pages.extend(bytes.map(|b| (to, b)));
            }
        }
        self.answer(&s, Outcome::Ok, counts);
    }

    fn control(&mut self, s: Submission, store: &mut Store) {
        let number = s.words[0] as u8;
        let pending = self.transfers.iter().filter(|t| t.slot.is_some()).count() as u64;
        let used = self.used(store, number);
        let disk = store.disks.get_mut(&number);
        let (outcome, results) = match (s.op, disk) {
            (Op::Audit, _) => {
                assert_eq!(s.words[0], ALL);
                (Outcome::Ok, [store.copies.len() as u64 + pending, 0])
            }
            (Op::AddMemory, _) => {
                store.chunks.push(s.words[0]);
                (Outcome::Ok, [0, 0])
            }
            (Op::Retire, _) => store.retiring.unwrap_or((Outcome::Ok, [0, 0])),
            (Op::Resume, _) => (Outcome::Ok, [0, 0]),
            (Op::Seal, _) => {
                self.sealing = Some(s);
                return self.seal();
            }
            (_, None) => (Outcome::Bad, [0, 0]),
            (Op::Prepare, Some(d)) if d.on => (Outcome::Again, [0, 0]),
            (Op::Prepare, Some(_)) => (Outcome::Ok, [2, 3]),
            (Op::SwapOn, Some(d)) => {
                d.on = true;
                d.closing = false;
                (Outcome::Ok, [d.slots, 0])
            }
            (Op::SwapOffBegin, Some(d)) => {
                d.closing = true;
                (Outcome::Ok, [used, 0])
            }
            (Op::SwapOffNext, Some(_)) => match store.copies.iter().find(|(_, (d, _))| *d == number) {
                Some((key, _)) => (Outcome::Ok, [key.0 as u64, key.1 as u64]),
                None => (Outcome::Fail, [0, 0]),
            },
            (Op::SwapOffEnd, Some(_)) if used > 0 => (Outcome::Again, [0, 0]),
            (Op::SwapOffEnd, Some(d)) => {
                d.on = false;
                (Outcome::Ok, [0, 0])
            }
            (_, Some(d)) => {
                d.closing = false;
                (Outcome::Ok, [used, 0])
            }
        };
        self.answer(&s, outcome, results);
    }

    /// Ends the n-th transfer under way. `outcome` other than `Ok` fails it; a read that finds nothing fails by itself.
    pub fn finish(&mut self, nth: usize, outcome: Outcome, kernel: &mut Kernel, store: &mut Store) {
        let Some(t) = self.transfers.remove(nth) else { return };
        let outcome = transfer(&t, outcome, kernel, store);
        self.end(&t.submission, outcome);
        self.seal();
    }

    fn seal(&mut self) {
        if self.transfers.is_empty()
            && let Some(s) = self.sealing
        {
            self.answer(&s, Outcome::Ok, [0; 2]);
        }
    }

    /// The instance dies. Of the writes under way those chosen have reached the disk, though nobody was told.
    pub fn die(mut self, kernel: &mut Kernel, store: &mut Store, mut landed: impl FnMut(&Transfer) -> bool) {
        while let Some(t) = self.transfers.pop_front() {
            if t.op() == Op::Put && landed(&t) {
                transfer(&t, Outcome::Ok, kernel, store);
            }
        }
    }

    fn answer(&mut self, s: &Submission, outcome: Outcome, results: [u64; 2]) {
        self.send(&Completion { outcome, op: s.op, cookie: s.cookie, frame: 0, results });
    }

    fn end(&mut self, s: &Submission, outcome: Outcome) {
        let results = [if self.wants_memory && s.op == Op::Put { WANTS_MEMORY } else { 0 }, 0];
        self.send(&Completion { outcome, op: s.op, cookie: s.cookie, frame: s.words[2], results });
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

/// Carries a transfer out.
fn transfer(t: &Transfer, outcome: Outcome, kernel: &mut Kernel, store: &mut Store) -> Outcome {
    let state = &mut kernel.frames[t.frame as usize];
    if outcome != Outcome::Ok {
        return outcome;
    }
    match t.slot {
        Some((disk, stamp)) => {
            assert_eq!(state.stamp(), stamp, "page {:?} changed while it was being written (PGO-149)", t.key);
            if !t.freed {
                store.copies.insert(t.key, (disk, stamp));
                store.pages.insert(t.key, state.bytes.clone());
            }
            Outcome::Ok
        }
        None => match store.copies.get(&t.key) {
            Some((_, stamp)) => {
                state.bytes = store.pages[&t.key].clone();
                state.set_stamp(*stamp);
                Outcome::Ok
            }
            None => Outcome::Fail,
        },
    }
}
