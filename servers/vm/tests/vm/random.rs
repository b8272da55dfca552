// SPDX-License-Identifier: BSD-2-Clause
//! Random interleavings of all that can happen, on a machine with a few hundred frames. Whatever happens: a page reads as what was last written to it, or
//! zero; the audit finds nothing when things have come to rest; nobody waits for ever; and in the end everything has come back.

use crate::config::config;
use crate::model::policy::Seat;
use crate::model::reply::Answer;
use crate::model::world::{PAGE, World, decode};
use crate::parking;
use ebb_abi::meter::Counter;
use ebb_abi::thread::State;
use ebb_proto::Error;
use ebb_proto::pager::{Op as PagerOp, Outcome};
use ebb_proto::vm::{self as proto, Advice, Happening, INIT, Inheritance, Protection, Request, Space};
use ebb_vm::map::Backing;
use ebb_vm::page::Place;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const FRAMES: u32 = 350;
/// Pages set aside for starting a server.
const SERVER: u32 = 32;
const SLOTS: u64 = 900;
/// Most pages of one mapping, and mappings of one program.
const MAX_PAGES: u64 = 60;
const MAX_MAPPINGS: usize = 3;
const MAX_PROGRAMS: usize = 5;
/// Programs with those that were forked.
const MAX_FORKED: usize = 6;

/// One step: what, and three numbers that it takes what it needs from.
type Step = (Kind, u16, u16, u16);

#[derive(Clone, Copy, Debug)]
enum Kind {
    Touch,
    Sweep,
    Map,
    Unmap,
    Protect,
    Advise,
    Wire,
    Unwire,
    Start,
    Fork,
    Inherit,
    Track,
    End,
    Accept,
    Complete,
    Finish,
    FinishAll,
    Work,
    Nonsense,
    KillPager,
    AttachPager,
    AttachPolicy,
    KillPolicy,
    RunPolicy,
    Hostile,
    Pass,
    SwapOff,
    SwapOn,
    GoOut,
    ComeIn,
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        30 => Just(Kind::Touch),
        34 => Just(Kind::Sweep),
        6 => Just(Kind::Map),
        3 => Just(Kind::Unmap),
        2 => Just(Kind::Protect),
        6 => Just(Kind::Advise),
        2 => Just(Kind::Wire),
        2 => Just(Kind::Unwire),
        3 => Just(Kind::Start),
        5 => Just(Kind::Fork),
        3 => Just(Kind::Inherit),
        6 => Just(Kind::Track),
        3 => Just(Kind::End),
        6 => Just(Kind::Accept),
        6 => Just(Kind::Complete),
        14 => Just(Kind::Finish),
        8 => Just(Kind::FinishAll),
        16 => Just(Kind::Work),
        2 => Just(Kind::Nonsense),
        2 => Just(Kind::KillPager),
        5 => Just(Kind::AttachPager),
        2 => Just(Kind::AttachPolicy),
        1 => Just(Kind::KillPolicy),
        10 => Just(Kind::RunPolicy),
        6 => Just(Kind::Hostile),
        8 => Just(Kind::Pass),
        1 => Just(Kind::SwapOff),
        1 => Just(Kind::SwapOn),
        5 => Just(Kind::GoOut),
        5 => Just(Kind::ComeIn),
    ]
}

/// What a test knows besides the machine.
struct Run {
    w: World,
    maps: BTreeMap<Space, Vec<(u64, u64)>>,
    read_only: BTreeSet<(Space, u64)>,
    inherited: BTreeMap<(Space, u64), Inheritance>,
    tracked: BTreeSet<(Space, u64)>,
    hostile: Option<Seat>,
    calls: Vec<(u64, Call)>,
    stamp: u64,
}

/// A call that is answered later.
#[derive(Clone, Copy, Debug)]
enum Call {
    Wire { space: Space, address: u64, pages: u64 },
    Swap,
}

impl Run {
    fn new() -> Run {
        let mut w = World::with_swap(FRAMES, SLOTS);
        w.add_disk(1, SLOTS / 2);
        w.init::<()>(Request::SetAside(proto::SetAside { pages: SERVER })).expect("setting aside");
        Run {
            w,
            maps: BTreeMap::new(),
            read_only: BTreeSet::new(),
            inherited: BTreeMap::new(),
            tracked: BTreeSet::new(),
            hostile: None,
            calls: Vec::new(),
            stamp: 1,
        }
    }

    fn pick_program(&self, n: u16) -> Option<Space> {
        let there: Vec<Space> = self.w.programs.keys().copied().collect();
        (!there.is_empty()).then(|| there[n as usize % there.len()])
    }

    /// A piece of a mapping of a program: space, first address, pages.
    fn pick_range(&self, a: u16, b: u16, c: u16) -> Option<(Space, u64, u64)> {
        let space = self.pick_program(a)?;
        let maps = self.maps.get(&space)?;
        let (start, pages) = *maps.get((a as usize / 7) % maps.len().max(1))?;
        let first = b as u64 % pages;
        let count = 1 + c as u64 % (pages - first);
        Some((space, start + first * PAGE, count))
    }

    fn step(&mut self, (kind, a, b, c): Step) {
        match kind {
            Kind::Touch => self.touch(a, b, c),
            Kind::Sweep => {
                if let Some((space, start, _)) = self.pick_range(a, b % 8, 0) {
                    let ends = self.maps[&space].iter().map(|m| (m.0, m.0 + m.1 * PAGE));
                    let end = ends.filter(|m| (m.0..m.1).contains(&start)).map(|m| m.1).max();
                    for n in 0..end.map_or(0, |e| (e - start) / PAGE) {
                        self.touch_page(space, start + n * PAGE, a % 3 != 0);
                    }
                }
            }
            Kind::Map => self.map(a, b),
            Kind::Unmap => self.unmap(a, b, c),
            Kind::Protect => self.protect(a, b, c),
            Kind::Advise => self.advise(a, b, c),
            Kind::Wire => self.wire(a, b, c),
            Kind::Unwire => {
                if let Some((space, address, pages)) = self.pick_range(a, b, c) {
                    let unwired: Result<(), Error> =
                        self.w.init(Request::Unwire(proto::Unwire { space, address, pages }));
                    // `Busy`: it is just wiring memory there that others have too.
                    assert!(matches!(unwired, Ok(()) | Err(Error::Fault | Error::Busy)));
                }
            }
            Kind::Start => {
                if self.w.programs.len() < MAX_PROGRAMS {
                    let made: Result<Space, Error> = self
                        .w
                        .init(Request::SpaceNew(proto::SpaceNew { name: "p".into(), protected: false }));
                    if let Ok(space) = made {
                        self.w.programs.insert(space, Default::default());
                        self.maps.insert(space, Vec::new());
                        self.map(a, b);
                    }
                }
            }
            Kind::Fork => self.fork(a),
            Kind::Inherit => self.inherit(a, b, c),
            Kind::Track => self.track(a, b, c),
            Kind::End => {
                if let Some(space) = self.pick_program(a) {
                    self.end(space);
                }
            }
            Kind::Accept => self.w.accept(),
            Kind::Complete => self.w.completions(),
            Kind::Finish => self.finish(a, b),
            Kind::FinishAll => {
                for _ in 0..self.w.transfers() {
                    self.finish(a, b);
                }
            }
            Kind::Work => {
                for round in 0..3 {
                    self.w.run_policy();
                    self.w.pass(12);
                    for _ in 0..self.w.transfers() {
                        self.finish(a.rotate_left(round), 63);
                    }
                    self.w.run_programs();
                }
            }
            Kind::Nonsense => self.nonsense(a, b, c),
            Kind::KillPager => {
                if self.w.pager.is_some() {
                    let mut n = a;
                    self.w.kill_pager(|_| {
                        n = n.rotate_left(3).wrapping_add(0x35);
                        n % 2 == 0
                    });
                }
            }
            Kind::AttachPager => self.attach_pager(),
            Kind::AttachPolicy => self.attach_policy(a),
            Kind::KillPolicy => {
                self.w.kill_policy();
                self.end_hostile();
            }
            Kind::RunPolicy => self.w.run_policy(),
            Kind::Hostile => self.be_hostile(a, b, c),
            Kind::Pass => self.w.pass(a as u64 % 50),
            Kind::SwapOff => {
                let disk = (a % 2) as u8;
                let (id, answer) = self.w.call(INIT, Request::SwapOff(proto::SwapOff { disk }));
                self.called(id, answer, Call::Swap);
            }
            Kind::SwapOn => {
                let disk = (a % 2) as u8;
                let (id, answer) = self.w.call(INIT, Request::SwapOn(proto::SwapOn { disk }));
                self.called(id, answer, Call::Swap);
            }
            Kind::GoOut => self.go_out(a, b),
            Kind::ComeIn => {
                if let Some(space) = self.pick_program(a) {
                    self.come_in(space);
                }
            }
        }
        self.w.run_programs();
        self.look();
    }

    fn is_out(&self, space: Space) -> bool {
        self.w.vm.spaces.get(space).is_some_and(|s| s.parked.is_some())
    }

    /// A program whose threads wait, or do something else, is swapped out whole.
    fn go_out(&mut self, a: u16, b: u16) {
        // Who waits for a page stays.
        let Some(space) = self.pick_program(a).filter(|s| !self.w.stopped(*s)) else { return };
        if self.is_out(space) {
            return;
        }
        if parking::threads(&self.w, space).is_empty()
            && !parking::give_threads(&mut self.w, space, 1 + b as u32 % 3)
        {
            return;
        }
        let state = [State::Waiting, State::Waiting, State::Ready, State::Calling][b as usize / 3 % 4];
        let last = *parking::threads(&self.w, space).last().expect("a thread");
        self.w.vm.m.thread(last).expect("a thread").state = state;
        match parking::out(&mut self.w, space) {
            Ok(gained) => assert!(state != State::Calling && gained >= 2),
            Err(Error::Busy) => assert_eq!(state, State::Calling),
            Err(error) => assert_eq!(error, Error::NoMemory),
        }
        if !self.is_out(space) {
            parking::set_state(&mut self.w, space, State::Waiting);
        }
    }

    fn come_in(&mut self, space: Space) {
        let began = parking::come(&mut self.w, space);
        assert!(matches!(began, Ok(()) | Err(Error::NoMemory)), "{began:?}");
    }

    /// Programs that came in are as they were; those that cannot end.
    fn look_at_comers(&mut self) {
        let (came, others) =
            core::mem::take(&mut self.w.happenings).into_iter().partition::<Vec<_>, _>(|h| {
                matches!(h, Happening::SwappedIn { .. } | Happening::StateLost { .. })
            });
        self.w.happenings = others;
        for happening in came {
            match happening {
                Happening::SwappedIn { space } if self.w.programs.contains_key(&space) => {
                    parking::are_back(&mut self.w, space);
                }
                Happening::StateLost { space } if self.w.programs.contains_key(&space) => self.end(space),
                _ => {}
            }
        }
    }

    /// Answers that came, programs that ended.
    fn look(&mut self) {
        for (id, call) in core::mem::take(&mut self.calls) {
            match self.w.vm.m.answers.take(id) {
                None => self.calls.push((id, call)),
                Some(answer) => self.answered(call, answer),
            }
        }
        for space in self.w.programs.keys().copied().collect::<Vec<_>>() {
            if self.w.refused(space) {
                let lost = |h: &Happening| matches!(h, Happening::PageLost { space: s, .. } if *s == space);
                assert!(self.w.happenings.iter().any(lost), "space {space} was refused a page");
                self.end(space);
            }
        }
        self.look_at_comers();
        let living = &self.w.programs;
        self.maps.retain(|space, _| living.contains_key(space));
        self.read_only.retain(|(space, _)| living.contains_key(space));
        self.inherited.retain(|(space, _), _| living.contains_key(space));
        self.tracked.retain(|(space, _)| living.contains_key(space));
        self.w.groups.retain(|(space, _), _| living.contains_key(space));
    }

    fn called(&mut self, id: u64, answer: Option<Answer>, call: Call) {
        match answer {
            Some(answer) => self.answered(call, answer),
            None => self.calls.push((id, call)),
        }
    }

    fn answered(&mut self, call: Call, answer: Answer) {
        match call {
            Call::Swap => {
                if let Err(error) = decode::<u64>(answer) {
                    let known = [
                        Error::Busy,
                        Error::NotFound,
                        Error::NoMemory,
                        Error::NoSpace,
                        Error::Io,
                        Error::Dead,
                    ];
                    assert!(known.contains(&error), "{error:?}");
                }
            }
            Call::Wire { space, address, pages } => {
                if answer == Answer::Dead {
                    assert!(self.w.vm.spaces.get(space).is_none(), "a wiring was dropped");
                    return;
                }
                if decode::<()>(answer) == Ok(()) {
                    // What was unmapped before the rest was there is not wired.
                    let wired = self.pages_wired(space, address, pages);
                    for n in (0..pages).filter(|n| wired[*n as usize]) {
                        let frame = self.w.frame(space, address + n * PAGE).expect("wired and not resident");
                        assert!(self.w.vm.frames.page(frame).wired > 0, "wired and not wired");
                    }
                }
            }
        }
    }

    fn touch(&mut self, a: u16, b: u16, c: u16) {
        if let Some((space, address, _)) = self.pick_range(a, b, 0) {
            self.touch_page(space, address, c.is_multiple_of(2));
        }
    }

    fn touch_page(&mut self, space: Space, address: u64, write: bool) {
        if self.w.stopped(space) || self.w.refused(space) || !self.w.programs.contains_key(&space) {
            return;
        }
        if self.is_out(space) {
            return;
        }
        self.stamp += 1;
        let write = write && !self.read_only.contains(&(space, address));
        self.w.touch(space, address, write.then_some(self.stamp));
    }

    fn fork(&mut self, a: u16) {
        let Some(parent) = self.pick_program(a).filter(|_| self.w.programs.len() < MAX_FORKED) else {
            return;
        };
        let before = self.w.vm.frames.gate.free_count();
        let spaces = self.w.vm.spaces.iter().count();
        let child = match self.w.fork(parent) {
            Ok(child) => child,
            Err(error) => {
                assert!(matches!(error, Error::NoMemory | Error::Busy), "{error:?}");
                assert_eq!(self.w.vm.spaces.iter().count(), spaces, "half a child is left");
                assert!(self.w.vm.frames.gate.free_count() + 1 >= before, "a failed fork keeps memory");
                return;
            }
        };
        let (mut maps, mut left) = (self.maps[&parent].clone(), Vec::new());
        for (start, pages) in maps.drain(..) {
            let mut run: Option<(u64, u64)> = None;
            for page in (0..pages).map(|n| start + n * PAGE) {
                let how = self.inherited.get(&(parent, page)).copied();
                let group = self.w.groups.get(&(parent, page)).copied();
                if how == Some(Inheritance::None) {
                    self.w.programs.get_mut(&child).expect("the child").memory.remove(&page);
                    left.extend(run.take());
                    continue;
                }
                run = Some(run.map_or((page, 1), |(first, pages)| (first, pages + 1)));
                if how == Some(Inheritance::Share) || group.is_some() {
                    let group = group.unwrap_or(child);
                    self.w.groups.insert((parent, page), group);
                    self.w.groups.insert((child, page), group);
                }
                if let Some(how) = how {
                    self.inherited.insert((child, page), how);
                }
                if self.read_only.contains(&(parent, page)) {
                    self.read_only.insert((child, page));
                }
            }
            left.extend(run);
        }
        self.maps.insert(child, left);
    }

    /// Whether a page belongs to a region, as far as that lies in a range, of memory that others have too.
    fn is_shared(&self, (space, page): (Space, u64), (start, end): (u64, u64)) -> bool {
        let map = &self.w.vm.spaces.get(space).expect("a space").map;
        let region = map.find(page).expect("a region");
        let (object, index) = self.w.key(space, page);
        let piece = (region.start.max(start)..region.end().min(end)).step_by(PAGE as usize);
        let pages: Vec<u32> = piece.map(|at| index + (at / PAGE) as u32 - (page / PAGE) as u32).collect();
        let others = self.w.vm.spaces.iter().filter(|s| s.id != space).flat_map(|s| s.map.iter());
        let mut theirs = others.filter_map(|r| match r.backing {
            Backing::Object { object: o, offset } if o == object => Some(offset..offset + r.pages as u32),
            _ => None,
        });
        let shared = region.shared && theirs.any(|t| pages.iter().any(|p| t.contains(p)));
        let group = self.w.groups.get(&(space, page));
        let same = |(at, g): (&(Space, u64), &u32)| at.0 != space && at.1 == page && Some(g) == group;
        if !shared {
            assert!(group.is_none() || !self.w.groups.iter().any(same), "others have page {page:#x} too");
        } else {
            assert!(group.is_some(), "nobody shared page {page:#x}");
        }
        shared
    }

    fn inherit(&mut self, a: u16, b: u16, c: u16) {
        let Some((space, address, pages)) = self.pick_range(a, b, c) else { return };
        let inheritance = [Inheritance::None, Inheritance::Share, Inheritance::Copy][b as usize % 3];
        let all = || (0..pages).map(|n| (space, address + n * PAGE));
        let shared = all().any(|at| self.is_shared(at, (0, u64::MAX)));
        let done: Result<(), Error> =
            self.w.init(Request::Inherit(proto::Inherit { space, address, pages, inheritance }));
        if inheritance == Inheritance::Copy && shared {
            return assert_eq!(done, Err(Error::NotPermitted));
        }
        assert_eq!(done, Ok(()));
        if inheritance == Inheritance::Copy {
            self.w.groups.retain(|at, _| !all().any(|a| a == *at));
        }
        self.inherited.extend(all().map(|at| (at, inheritance)));
    }

    /// Whatever else happens: every page that was written is noted.
    fn track(&mut self, a: u16, b: u16, c: u16) {
        let Some((space, address, pages)) = self.pick_range(a, b, c) else { return };
        let all: Vec<u64> = (0..pages).map(|n| address + n * PAGE).collect();
        match c % 5 {
            0 | 1 => {
                let done = self.w.init::<()>(Request::Track(proto::Track { space, address, pages }));
                if done.is_ok() {
                    self.tracked.extend(all.iter().map(|at| (space, *at)));
                } else {
                    assert_eq!(done, Err(Error::NotPermitted), "shared memory alone is refused");
                    let region =
                        |at: &u64| self.w.vm.spaces.get(space).and_then(|s| s.map.find(*at)).copied();
                    return assert!(all.iter().any(|at| region(at).expect("a region").shared));
                }
            }
            2 => {
                let untrack = proto::Untrack { space, address, pages };
                self.w.init::<()>(Request::Untrack(untrack)).expect("of what is mapped");
                return self.tracked.retain(|(s, at)| *s != space || !all.contains(at));
            }
            _ => {
                let take = proto::TakeWritten { space, address, pages };
                let taken: Result<Vec<u8>, Error> = self.w.init(Request::TakeWritten(take));
                if !all.iter().all(|at| self.tracked.contains(&(space, *at))) {
                    return assert_eq!(taken, Err(Error::Fault));
                }
                let taken = taken.expect("all is tracked");
                let written = &self.w.programs.get(&space).expect("a program").written;
                for (n, at) in all.iter().enumerate().filter(|(_, at)| written.contains(at)) {
                    assert!(taken[n / 8] & 1 << (n % 8) != 0, "the write to {at:#x} was not noted");
                }
            }
        }
        self.w.programs.get_mut(&space).expect("a program").written.retain(|at| !all.contains(at));
    }

    fn map(&mut self, a: u16, b: u16) {
        let Some(space) = self.pick_program(a) else { return };
        let Some(maps) = self.maps.get_mut(&space).filter(|m| m.len() < MAX_MAPPINGS) else { return };
        let pages = 1 + b as u64 % MAX_PAGES;
        let address = self.w.try_mmap(space, 0, pages).expect("mmap");
        maps.push((address, pages));
    }

    fn unmap(&mut self, a: u16, b: u16, c: u16) {
        let Some((space, address, pages)) = self.pick_range(a, b, c) else { return };
        if self.w.stopped(space) {
            return;
        }
        match self.w.init::<()>(Request::Unmap(proto::Unmap { space, address, pages })) {
            Err(Error::Busy) => return,
            done => done.expect("munmap"),
        }
        let end = address + pages * PAGE;
        let mut left = Vec::new();
        for (start, count) in self.maps.remove(&space).unwrap_or_default() {
            let stop = start + count * PAGE;
            for (from, to) in [(start, stop.min(address)), (start.max(end), stop)] {
                if from < to {
                    left.push((from, (to - from) / PAGE));
                }
            }
        }
        left.dedup();
        self.maps.insert(space, left);
        if let Some(program) = self.w.programs.get_mut(&space) {
            program.memory.retain(|at, _| !(address..end).contains(at));
        }
        self.read_only.retain(|(s, at)| *s != space || !(address..end).contains(at));
        self.inherited.retain(|(s, at), _| *s != space || !(address..end).contains(at));
        self.tracked.retain(|(s, at)| *s != space || !(address..end).contains(at));
        self.w.groups.retain(|(s, at), _| *s != space || !(address..end).contains(at));
    }

    fn protect(&mut self, a: u16, b: u16, c: u16) {
        let Some((space, address, pages)) = self.pick_range(a, b, c) else { return };
        if self.w.stopped(space) {
            return;
        }
        let write = b.is_multiple_of(2);
        let protection = if write { Protection::READ | Protection::WRITE } else { Protection::READ }.bits();
        self.w
            .init::<()>(Request::Protect(proto::Protect { space, address, pages, protection }))
            .expect("mprotect");
        for n in 0..pages {
            let at = (space, address + n * PAGE);
            if write {
                self.read_only.remove(&at);
            } else {
                self.read_only.insert(at);
            }
        }
    }

    fn advise(&mut self, a: u16, b: u16, c: u16) {
        let Some((space, address, pages)) = self.pick_range(a, b, c) else { return };
        let all = [
            Advice::Normal,
            Advice::Sequential,
            Advice::Random,
            Advice::WillNeed,
            Advice::WillNeed,
            Advice::DontNeed,
            Advice::Free,
        ];
        let advice = all[b as usize % all.len()];
        let wired: Vec<bool> = self.pages_wired(space, address, pages);
        let range = (address, address + pages * PAGE);
        let shared: Vec<bool> =
            (0..pages).map(|n| self.is_shared((space, address + n * PAGE), range)).collect();
        self.w.init::<()>(Request::Advise(proto::Advise { space, address, pages, advice })).expect("madvise");
        if advice == Advice::Free
            && let Some(program) = self.w.programs.get_mut(&space)
        {
            for n in (0..pages).filter(|n| !wired[*n as usize]) {
                if !shared[n as usize] {
                    program.memory.remove(&(address + n * PAGE));
                }
            }
        }
    }

    /// Which pages lie in a region that the program has wired.
    fn pages_wired(&self, space: Space, address: u64, pages: u64) -> Vec<bool> {
        let map = &self.w.vm.spaces.get(space).expect("a space").map;
        (0..pages).map(|n| map.find(address + n * PAGE).is_some_and(|r| r.wired)).collect()
    }

    fn wire(&mut self, a: u16, b: u16, c: u16) {
        let Some((space, address, pages)) = self.pick_range(a, b, c % 8) else { return };
        let (id, answer) = self.w.call(INIT, Request::Wire(proto::Wire { space, address, pages }));
        self.called(id, answer, Call::Wire { space, address, pages });
    }

    fn end(&mut self, space: Space) {
        self.maps.remove(&space);
        self.w.end(space);
    }

    fn finish(&mut self, a: u16, b: u16) {
        let Some(count) = Some(self.w.transfers()).filter(|n| *n > 0) else { return };
        let nth = a as usize % count;
        let op = self.w.pager.as_ref().map(|p| p.transfers[nth].op());
        let outcome = match (op, b % 64) {
            (Some(PagerOp::Put), 0..=2) => Outcome::Error,
            (Some(PagerOp::Put), 3..=5) => Outcome::Fail,
            (Some(PagerOp::Put), 6) => Outcome::Bad,
            (Some(PagerOp::Put), 7) => Outcome::Again,
            (Some(PagerOp::Get), 0) => Outcome::Error,
            _ => Outcome::Ok,
        };
        self.w.finish(nth, outcome);
    }

    fn nonsense(&mut self, a: u16, b: u16, c: u16) {
        let frame = b as u64 % (FRAMES as u64 + 20);
        if let Some(pager) = &mut self.w.pager {
            // Never a generation that is right: a pager that claims to have done what it did not cannot be told from one that did.
            let cookie = (c as u64 | 0x8000_0000) << 32;
            let op = [1, 2, 0, 77, 200][a as usize % 5];
            pager.send_raw(&[(c as u64 % 9) | op << 8 | cookie, frame, a as u64, b as u64]);
        }
        self.w.completions();
    }

    fn attach_pager(&mut self) {
        if self.w.pager.is_none() {
            // What it needs may not be there; then it is tried again later, as `init` does.
            let needed = SERVER + self.w.vm.frames.gate.thresholds().interrupt_free_min;
            if self.w.vm.frames.gate.free_count() >= needed {
                self.w.attach_pager();
            }
        }
    }

    fn attach_policy(&mut self, a: u16) {
        if self.w.vm.frames.gate.free_count() < SERVER {
            return;
        }
        self.w.kill_policy();
        self.end_hostile();
        match a % 3 {
            0 => self.w.attach_policy("freebsd"),
            1 => {
                let all = ebb_policy::NAMES;
                self.w.attach_policy(all[usize::from(a / 3) % all.len()]);
            }
            _ => self.hostile = Some(self.w.scripted_policy()),
        }
    }

    fn end_hostile(&mut self) {
        if let Some(seat) = self.hostile.take() {
            self.w.init::<()>(Request::SpaceFree(proto::SpaceFree { space: seat.space })).expect("ending it");
        }
    }

    /// A policy that decides at random: sometimes of pages that there are, sometimes not.
    fn be_hostile(&mut self, a: u16, b: u16, c: u16) {
        let Some(seat) = self.hostile.take() else { return };
        let mut batch = Vec::new();
        let mut n = (a as u64) << 32 | (b as u64) << 16 | c as u64;
        for _ in 0..1 + a % 40 {
            n = n.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let frame = (n >> 33) as u32 % (FRAMES + 10);
            let generation = match n >> 29 & 7 {
                0 => n >> 40,
                _ => self.w.vm.frames.page(frame).generation as u64,
            };
            batch.push(frame as u64 | (n >> 27 & 3) << 30 | generation << 32);
        }
        // A ring that it never reads runs full; now and then it reads it.
        let mut seat = seat;
        if a.is_multiple_of(4) {
            self.w.events(&mut seat);
        }
        match self.w.decide_raw(&seat, (c % 5) as u32, &mut batch) {
            Ok(()) => self.hostile = Some(seat),
            Err(error) => {
                assert_eq!(error, Error::Superseded);
                self.hostile = Some(seat);
                self.end_hostile();
            }
        }
    }

    /// Lets everything come to rest, with a pager that works and whatever policy there is.
    fn rest(&mut self) {
        self.attach_pager();
        for _ in 0..1500 {
            self.w.pump();
            self.w.run_policy();
            self.w.pass(100);
            self.attach_pager();
            self.look();
            let waiting = self.w.programs.values().any(|p| p.stopped.is_some());
            let coming = self.w.vm.spaces.iter().any(|s| s.parked.is_some_and(|p| p.coming));
            let quiet = !waiting && !coming && !self.w.vm.collapsing();
            if quiet && self.calls.is_empty() && self.w.pager.is_some() {
                self.w.pump();
                return;
            }
        }
        let free = self.w.vm.frames.gate.free_count();
        panic!(
            "somebody waits for ever: {:?}, calls {:?}, {free} free, {:?}, swap {} of {}; log {:#?}",
            self.w.vm.waiting.counts(),
            self.calls,
            self.w.vm.frames.gate,
            self.w.count(Counter::swap_used),
            self.w.count(Counter::swap_total),
            self.w.vm.m.log
        );
    }

    /// Every page of every program is what it was.
    fn read_all(&mut self) {
        for (space, maps) in self.maps.clone() {
            for (start, pages) in maps {
                for n in 0..pages {
                    if self.w.programs.contains_key(&space) && !self.w.refused(space) {
                        self.touch_page(space, start + n * PAGE, false);
                        if self.w.stopped(space) {
                            self.rest();
                        }
                    }
                }
            }
        }
    }

    fn finish_run(&mut self) {
        self.rest();
        self.w.check();
        while let Some(space) = self.w.programs.keys().copied().find(|s| self.is_out(*s)) {
            self.come_in(space);
            self.rest();
        }
        self.read_all();
        self.rest();
        self.w.check();
        for space in self.w.programs.keys().copied().collect::<Vec<_>>() {
            self.end(space);
        }
        self.w.kill_policy();
        self.end_hostile();
        self.rest();
        self.w.check();
        assert_eq!(self.w.store.copies.len(), 0, "copies are left behind: {:?}", self.w.store.copies);
        assert_eq!(self.w.vm.objects.iter().count(), 0, "objects are left behind");
        for frame in 0..FRAMES {
            let place = self.w.vm.frames.page(frame).place;
            assert!(!matches!(place, Place::Object | Place::Leaf), "frame {frame}: {place:?}");
        }
        // Somebody may be ended only when swap is full or has been taken away.
        let wrongly = |h: &Happening| matches!(h, Happening::OutOfMemory { state, .. } if state.2 > 0);
        let killed = self.w.happenings.iter().any(wrongly);
        assert!(!killed, "a program was ended although there was room; log {:#?}", self.w.vm.m.log);
    }
}

proptest! {
    #![proptest_config(config(60, 3000))]
    #[test]
    fn whatever_happens_no_byte_is_wrong_and_nobody_waits_for_ever(
        steps in prop::collection::vec((kind(), any::<u16>(), any::<u16>(), any::<u16>()), 50..900)
    ) {
        let mut run = Run::new();
        let start = [(Kind::Start, 0, 59, 0), (Kind::Start, 1, 59, 0), (Kind::Start, 2, 59, 0), (Kind::Map, 1, 59, 0)];
        for step in start.into_iter().chain(steps) {
            run.step(step);
        }
        run.finish_run();
    }
}
