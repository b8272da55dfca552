// SPDX-License-Identifier: BSD-2-Clause
//! A machine: which threads are wired, on the run queue and saved. It panics where the swapper breaks its part of the contract.

use ebb_swapper::{Event, Lost, Machine, Process, State, Swapper, Thread, ThreadId, Tunables};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Pages of a thread's state.
pub const PAGES: u64 = 4;

/// The machine.
#[derive(Clone, Debug, Default)]
pub struct Model {
    pub events: VecDeque<Event>,
    pub free: u64,
    pub reserved: u64,
    /// Threads whose state is wired.
    pub wired: BTreeSet<ThreadId>,
    /// Pages that each wired state has.
    pub queue: Vec<ThreadId>,
    pub saved: BTreeMap<ThreadId, u32>,
    pub collected: Vec<Process>,
    pub out: BTreeSet<Process>,
    pub ended: Vec<ThreadId>,
    /// Threads whose state cannot be read.
    pub broken: BTreeSet<ThreadId>,
    /// Times that memory was asked for.
    pub wanted: u32,
    /// What was done, in order.
    pub log: Vec<String>,
    /// Comes up when free pages are looked at, or page tables collected, the next time.
    pub meanwhile: Vec<Event>,
    /// Processes that do something else by now.
    pub awake: BTreeSet<Process>,
    /// Reservations fail though pages are free: others were faster.
    pub taken: bool,
}

impl Model {
    fn note(&mut self, what: &str, id: ThreadId) {
        self.log.push(format!("{what} {}.{}", id.0, id.1));
    }
}

impl Machine for Model {
    fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }
    fn free_pages(&mut self) -> u64 {
        self.events.extend(self.meanwhile.drain(..));
        self.free
    }
    fn stop(&mut self, process: Process) -> bool {
        !self.awake.contains(&process)
    }
    fn reserve(&mut self, _: ThreadId, pages: u64) -> bool {
        let good = !self.taken && self.free >= pages;
        if good {
            self.free -= pages;
            self.reserved += pages;
        }
        good
    }
    fn unreserve(&mut self, pages: u64) {
        self.reserved -= pages;
        self.free += pages;
    }
    fn want_memory(&mut self) {
        self.wanted += 1;
    }
    fn import(&mut self, id: ThreadId) -> Result<(), Lost> {
        self.note("import", id);
        if self.broken.contains(&id) {
            return Err(Lost);
        }
        assert!(self.reserved >= PAGES, "imported into pages that nobody set aside");
        self.reserved -= PAGES;
        assert!(self.wired.insert(id), "{id:?} came in twice");
        Ok(())
    }
    fn imported(&mut self, id: ThreadId) {
        self.note("imported", id);
        assert!(self.wired.contains(&id) && !self.queue.contains(&id));
    }
    fn enqueue(&mut self, id: ThreadId) {
        self.note("enqueue", id);
        assert!(self.wired.contains(&id), "{id:?} runs without its state");
        assert!(!self.queue.contains(&id), "{id:?} is queued twice");
        self.queue.push(id);
    }
    fn dequeue(&mut self, id: ThreadId) {
        self.note("dequeue", id);
        self.queue.retain(|q| *q != id);
    }
    fn save(&mut self, id: ThreadId) {
        self.note("save", id);
        assert!(self.wired.contains(&id), "saved after it was given away");
        *self.saved.entry(id).or_default() += 1;
    }
    fn export(&mut self, id: ThreadId) {
        self.note("export", id);
        assert!(!self.queue.contains(&id), "{id:?} goes out while it is queued");
        if self.wired.remove(&id) {
            self.free += PAGES;
        }
    }
    fn collect(&mut self, process: Process) {
        self.events.extend(self.meanwhile.drain(..));
        self.collected.push(process);
    }
    fn all_out(&mut self, process: Process, out: bool) {
        assert!(if out { self.out.insert(process) } else { self.out.remove(&process) });
    }
    fn end(&mut self, id: ThreadId) {
        self.ended.push(id);
    }
}

/// Swapper and machine.
pub struct World {
    pub s: Swapper,
    pub m: Model,
}

/// The first thread of a process.
pub const fn first(process: Process) -> ThreadId {
    ThreadId(process, 0)
}

impl World {
    /// With much memory and the seed's tunables, but no guaranteed residence.
    pub fn new() -> World {
        let tunables = Tunables::new(20, 0, 86_400).unwrap();
        World { s: Swapper::new(tunables), m: Model { free: 1000, ..Model::default() } }
    }

    /// A thread as it is to be found by the swapper.
    pub fn add(&mut self, id: ThreadId, thread: Thread) {
        self.m.wired.insert(id);
        if thread.state == State::Runnable {
            self.m.queue.push(id);
        }
        self.s.event(Event::New(id, thread));
    }

    /// A process with one thread that does this, and has slept and been in for so many seconds.
    pub fn process(&mut self, process: Process, state: State, slept: u32, resident: u32) {
        let thread = Thread { sleep_time: slept, swap_time: resident, ..Thread::new(state, PAGES) };
        self.add(first(process), thread);
    }

    /// It does something else now; the machine's run queue follows.
    pub fn state(&mut self, id: ThreadId, state: State) {
        self.change(id, state);
        self.s.event(Event::State(id, state));
    }

    /// The same, not told to the swapper yet.
    pub fn change(&mut self, id: ThreadId, state: State) {
        self.m.queue.retain(|q| *q != id);
        if state == State::Runnable && self.m.wired.contains(&id) {
            self.m.queue.push(id);
        }
    }

    /// A process with one thread that is out and sleeps.
    pub fn out(&mut self, process: Process) {
        self.process(process, State::Sleeping, 30, 30);
        assert!(self.s.put_out(&mut self.m, process));
    }

    /// One pass of swapping out; who is out then, of processes with one thread.
    pub fn swap_out(&mut self) -> Vec<Process> {
        self.s.swap_out(&mut self.m);
        let all: BTreeSet<Process> = self.s.threads().map(|(id, _)| id.0).collect();
        all.into_iter().filter(|p| self.s.is_out(*p)).collect()
    }

    /// What is always true.
    pub fn check(&self) {
        use ebb_swapper::Place;
        for (id, t) in self.s.threads() {
            match t.place {
                Place::In => assert!(self.m.wired.contains(&id), "{id:?} is in without its state (PRS-131)"),
                Place::Out => assert!(!self.m.wired.contains(&id), "{id:?} is out and wired"),
                Place::GoingOut | Place::ComingIn => panic!("{id:?} is on its way at rest"),
            }
            if self.m.queue.contains(&id) {
                assert_eq!(t.place, Place::In, "{id:?} (PRS-132)");
            }
            if t.place == Place::In && t.state == State::Runnable {
                assert!(self.m.queue.contains(&id), "{id:?} can run and nobody lets it");
            }
            assert_eq!(self.s.is_out(id.0), self.m.out.contains(&id.0));
        }
        assert_eq!(self.m.reserved, 0, "pages stay set aside");
    }
}
