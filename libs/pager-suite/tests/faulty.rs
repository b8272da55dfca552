// SPDX-License-Identifier: BSD-2-Clause
//! The suite can fail: a scripted pager with faults to choose from is found out, each time.
//!
//! It is a right pager, and between it and the host stands somebody who changes one thing.

use core::fmt::Arguments;
use core::sync::atomic::AtomicU64;
use ebb_pager_suite::{CASES, Host, Instance, Maker, contents, random};
use ebb_proto::block;
use ebb_proto::pager::{Completion, Op, Outcome, Submission};
use ebb_swap::{DiskInfo, SwapPager, World};
use std::cell::Cell;
use std::collections::VecDeque;

/// What is wrong with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    None,
    /// Every 20th page read "is not there".
    LosesPages,
    /// Pages that are not there are read.
    InventsPages,
    /// Every 20th page read is another.
    GivesOtherBytes,
    /// Every 20th page read is not filled in.
    LeavesTheFrame,
    /// Every 20th put is answered and not done.
    AnswersWithoutWriting,
    /// Every 20th answer comes twice.
    AnswersTwice,
    /// Every 20th answer never comes.
    NeverAnswers,
    /// Answers name another frame.
    NamesOtherFrames,
    /// Answers have another's cookie.
    MixesCookies,
    /// Free is answered and not done.
    DoesNotFree,
    /// Free takes one page too many.
    FreesTooMuch,
    /// Copy is answered and not done.
    DoesNotHandOver,
    /// Copy replaces what the destination has.
    ReplacesWhenHandingOver,
    /// The audit does not count what is being written.
    MiscountsSlots,
    /// An instance begins with nothing.
    ForgetsAtAdoption,
    /// An instance forgets one of its devices.
    ForgetsADevice,
    /// `SwapOffNext` says too early that there is nothing left.
    ForgetsAtSwapOff,
    /// A full device says that it has taken the page.
    HidesThatItIsFull,
    /// A failed write is answered with `Ok`.
    HidesFailedWrites,
    /// A failed read is answered with `Ok`.
    HidesFailedReads,
    /// Nonsense is taken for good.
    BelievesNonsense,
    /// Retire is never done.
    NeverRetires,
    /// Seal is answered and not done.
    GoesOnAfterTheSeal,
    /// Takes a read-only disk.
    TakesAnyDisk,
}

const FAULTS: &[Fault] = &[
    Fault::LosesPages,
    Fault::InventsPages,
    Fault::GivesOtherBytes,
    Fault::LeavesTheFrame,
    Fault::AnswersWithoutWriting,
    Fault::AnswersTwice,
    Fault::NeverAnswers,
    Fault::NamesOtherFrames,
    Fault::MixesCookies,
    Fault::DoesNotFree,
    Fault::FreesTooMuch,
    Fault::DoesNotHandOver,
    Fault::ReplacesWhenHandingOver,
    Fault::MiscountsSlots,
    Fault::ForgetsAtAdoption,
    Fault::ForgetsADevice,
    Fault::ForgetsAtSwapOff,
    Fault::HidesThatItIsFull,
    Fault::HidesFailedWrites,
    Fault::HidesFailedReads,
    Fault::BelievesNonsense,
    Fault::NeverRetires,
    Fault::GoesOnAfterTheSeal,
    Fault::TakesAnyDisk,
];

/// The pager, and how many pages it has been asked for.
struct Faulty {
    pager: SwapPager<'static>,
    fault: Fault,
    asked: u64,
    /// Entries that somebody put in before those of the ring.
    slipped: VecDeque<[u64; 4]>,
    /// Cookies of entries that were slipped in: nobody waits for an answer.
    silent: Vec<u32>,
    last: Option<u32>,
}

struct Between<'a> {
    host: &'a mut Host,
    f: &'a mut Meddler,
}

struct Meddler {
    fault: Fault,
    asked: u64,
    slipped: VecDeque<[u64; 4]>,
    silent: Vec<u32>,
    last: Option<u32>,
}

thread_local! {
    /// Writes that have failed: an answer with `Error` can be a read's or a write's.
    static EXTRA: Cell<u32> = const { Cell::new(0) };
}

impl World<'static> for Between<'_> {
    fn next(&mut self) -> Option<[u64; 4]> {
        if let Some(entry) = self.f.slipped.pop_front() {
            return Some(entry);
        }
        let mut entry = World::next(self.host)?;
        let Some(s) = Submission::unpack(&entry) else { return Some(entry) };
        let silent = |op: Op, words: [u64; 3]| {
            let cookie = EXTRA.get() | 0x8000_0000;
            EXTRA.set(EXTRA.get() + 1);
            (cookie, Submission { op, run: 0, place: 0, slot: 0, cookie, words }.pack())
        };
        match (self.f.fault, s.op) {
            (Fault::GoesOnAfterTheSeal, Op::Seal) => entry = Submission { op: Op::Resume, ..s }.pack(),
            (Fault::DoesNotFree, Op::Free) => entry = Submission { words: [4_000_000, 0, 1], ..s }.pack(),
            (Fault::FreesTooMuch, Op::Free) => {
                let (cookie, more) =
                    silent(Op::Free, [s.words[0], s.words[1].saturating_add(s.words[2]).min(1 << 31), 1]);
                self.f.silent.push(cookie);
                self.f.slipped.push_back(more);
            }
            (Fault::DoesNotHandOver, Op::Copy) => {
                entry = Submission { words: [4_000_000 | 4_000_001 << 32, 0, 1], ..s }.pack()
            }
            (Fault::ReplacesWhenHandingOver, Op::Copy) => {
                let there = [s.words[0] >> 32, s.words[1] >> 32, s.words[2].min(64)];
                let (cookie, before) = silent(Op::Free, there);
                self.f.silent.push(cookie);
                self.f.slipped.push_back(entry);
                entry = before;
            }
            (Fault::BelievesNonsense, Op::PutBytes | Op::Copy) => {
                entry = Submission { op: Op::Free, words: [4_000_000, 0, 1], ..s }.pack();
            }
            _ => {}
        }
        Some(entry)
    }
    fn room(&mut self) -> usize {
        self.host.room()
    }
    fn complete(&mut self, mut c: Completion) {
        if let Some(at) = self.f.silent.iter().position(|s| *s == c.cookie) {
            self.f.silent.swap_remove(at);
            return;
        }
        let page = matches!(c.op, Op::Get | Op::Put);
        self.f.asked += page as u64;
        let chosen = page && self.f.asked.is_multiple_of(20);
        let read = c.op == Op::Get && c.outcome == Outcome::Ok;
        match self.f.fault {
            Fault::LosesPages if chosen && read => c.outcome = Outcome::Fail,
            Fault::InventsPages if c.op == Op::Get && c.outcome == Outcome::Fail => c.outcome = Outcome::Ok,
            Fault::GivesOtherBytes if chosen && read => {
                self.host.write_frame(c.frame as u32, &contents::page(0xbad));
            }
            Fault::LeavesTheFrame if chosen && read => {
                self.host.write_frame(c.frame as u32, &[0xa5; 4096]);
            }
            Fault::AnswersTwice if chosen => self.host.complete(c),
            Fault::NeverAnswers if chosen => return,
            Fault::NamesOtherFrames if chosen => c.frame += 1,
            Fault::MixesCookies if chosen => {
                if let Some(last) = self.f.last {
                    c.cookie = last;
                }
            }
            Fault::MiscountsSlots if c.op == Op::Audit && c.results[0] > 0 => c.results[0] -= 1,
            Fault::ForgetsAtSwapOff if c.op == Op::SwapOffNext && self.f.asked.is_multiple_of(3) => {
                c.outcome = Outcome::Fail;
            }
            Fault::HidesThatItIsFull if c.op == Op::Put && c.outcome == Outcome::Fail => {
                c.outcome = Outcome::Ok
            }
            Fault::HidesFailedWrites if c.op == Op::Put && c.outcome == Outcome::Error => {
                c.outcome = Outcome::Ok
            }
            Fault::HidesFailedReads if c.op == Op::Get && c.outcome == Outcome::Error => {
                c.outcome = Outcome::Ok
            }
            Fault::BelievesNonsense if matches!(c.op, Op::Free) && c.outcome == Outcome::Bad => {
                c.outcome = Outcome::Ok
            }
            Fault::GoesOnAfterTheSeal if c.op == Op::Resume => c.op = Op::Seal,
            Fault::NeverRetires if c.op == Op::Retire => (c.outcome, c.results) = (Outcome::Again, [1, 0]),
            Fault::TakesAnyDisk if c.op == Op::Prepare && c.outcome == Outcome::Bad => {
                c.outcome = Outcome::Ok
            }
            _ => {}
        }
        self.f.last = Some(c.cookie);
        self.host.complete(c);
    }
    fn disk_room(&mut self) -> usize {
        self.host.disk_room()
    }
    fn submit(&mut self, mut entry: block::Submission) {
        if self.f.fault == Fault::AnswersWithoutWriting && entry.transfer == block::Transfer::Write {
            self.f.asked += 1;
            if self.f.asked.is_multiple_of(20) {
                // Something is written, and it is not the page.
                entry.frame = 0;
            }
        }
        self.host.submit(entry);
    }
    fn finished(&mut self) -> Option<block::Completion> {
        self.host.finished()
    }
    fn disk(&mut self, number: u8) -> Option<DiskInfo> {
        self.host.disk(number)
    }
    fn segment(&mut self, address: u64, pages: u64) -> Option<&'static [AtomicU64]> {
        self.host.segment(address, pages)
    }
    fn claim(&mut self, address: u64, pages: u64) -> bool {
        self.host.claim(address, pages)
    }
    fn log(&mut self, line: Arguments<'_>) {
        World::log(self.host, line);
    }
}

impl Instance for Faulty {
    fn pump(&mut self, host: &mut Host) {
        let mut f = Meddler {
            fault: self.fault,
            asked: self.asked,
            slipped: core::mem::take(&mut self.slipped),
            silent: core::mem::take(&mut self.silent),
            last: self.last,
        };
        self.pager.pump(&mut Between { host, f: &mut f });
        (self.asked, self.slipped, self.silent, self.last) = (f.asked, f.slipped, f.silent, f.last);
    }
}

struct With(Fault);

impl Maker for With {
    fn make(&self, host: &mut Host) -> Box<dyn Instance> {
        let mut pager = SwapPager::new();
        let skipped = match self.0 {
            Fault::ForgetsAtAdoption => host.on.len(),
            Fault::ForgetsADevice => host.on.len() / 2,
            _ => 0,
        };
        for disk in host.on.clone().into_iter().skip(skipped) {
            pager.adopt(host, disk, Host::segment_of(disk), 0);
        }
        let (fault, asked) = (self.0, 0);
        Box::new(Faulty { pager, fault, asked, slipped: VecDeque::new(), silent: Vec::new(), last: None })
    }
}

/// Names of the cases that complain.
fn complaints(fault: Fault) -> Vec<&'static str> {
    CASES.iter().filter(|(_, case)| case(&With(fault)).is_err()).map(|(name, _)| *name).collect()
}

#[test]
fn without_a_fault_it_passes() {
    assert_eq!(complaints(Fault::None), [""; 0]);
    for seed in 0..10 {
        assert_eq!(random::play(&With(Fault::None), seed, 40), Ok(()));
    }
}

/// Each fault is found, and every case is good for something.
#[test]
fn each_fault_is_found_and_each_case_finds_one() {
    let mut idle: Vec<_> = CASES.iter().map(|c| c.0).collect();
    for fault in FAULTS {
        let found = complaints(*fault);
        assert!(!found.is_empty(), "{fault:?} is not found");
        idle.retain(|name| !found.contains(name));
    }
    assert_eq!(idle, [""; 0]);
}

/// What has to do with pages is found by the random steps too.
#[test]
fn random_steps_find_faults() {
    for fault in [
        Fault::LosesPages,
        Fault::GivesOtherBytes,
        Fault::AnswersWithoutWriting,
        Fault::AnswersTwice,
        Fault::NeverAnswers,
        Fault::DoesNotFree,
        Fault::FreesTooMuch,
        Fault::DoesNotHandOver,
        Fault::ReplacesWhenHandingOver,
        Fault::ForgetsAtAdoption,
        Fault::ForgetsADevice,
    ] {
        let found = (0..20).any(|seed| random::play(&With(fault), seed, 60).is_err());
        assert!(found, "{fault:?} is not found");
    }
}
