// SPDX-License-Identifier: BSD-2-Clause
//! Whole-process swapping: [`ebb_swapper`] over what `vm` does and says.
//!
//! Nothing is looked at until somebody wants processes to go out: the policy when memory is short, or once a second with `vm.swap_idle_enabled` (by way of `vm-daemon`, which says how often). From then on, for
//! [`WATCHED_S`] seconds after the last such wish and as long as anybody is out, all processes are looked at once a second: who was not given the processor has slept. To `vm` a process is swapped out
//! whole in one operation, so it is one thread to the swapper. Coming in takes its time there; for the swapper it is in as soon as it was begun.

use crate::peers::Peers;
use crate::server::Proc;
use alloc::vec::Vec;
use core::sync::atomic::AtomicU64;
use ebb_abi::Handle;
use ebb_abi::meter::Counter;
use ebb_proc::{Kind, Table};
use ebb_proto::Error;
use ebb_proto::proc::{self, Pid};
use ebb_proto::vm::{self, Activity, Doing, Place, Space};
use ebb_rt::client::{from_sys, in_pieces};
use ebb_rt::clock;
use ebb_rt::server::Call;
use ebb_rt::shared::meter;
use ebb_swapper::{
    Event, Lost, Machine, Process, Refused, Sample, Sampler, Sleep, State, Swapper, ThreadId, Tunables,
};
use ebb_sys::ipc;

/// Bit of the own notification that the timer sets.
const TIMER_BIT: u64 = 1 << 63;
/// Seconds for which processes are looked at after the last wish.
const WATCHED_S: u64 = 60;
/// When there was no room for who should come in, it is tried again after so long.
const AGAIN_US: u64 = 100_000;
const SECOND_US: u64 = 1_000_000;
/// The bit of a wish that says that memory is short (`ebb_policy::swapout_request`).
const NORMAL: u8 = 1;
/// Tunables: seconds of sleep after which a process goes out when memory is short, and beyond which it does because it is idle; seconds that it stays in after it came in.
const THRESHOLDS: [&str; 3] = ["vm.swap_idle_threshold1", "vm.swap_idle_threshold2", "vm.swap_residence"];

/// The state.
pub struct Swapping {
    swapper: Swapper,
    sampler: Sampler,
    notification: Handle,
    /// Processes are looked at until then.
    until_us: u64,
    /// When the next second is over; `None`: nobody counts.
    second_us: Option<u64>,
    /// When to look, apart from that.
    look_us: Option<u64>,
    /// For when the timer is set; 0: for nothing.
    armed_us: u64,
    /// Number of the last change of tunables that is known, and those.
    tunables: u64,
    thresholds: [u32; THRESHOLDS.len()],
    /// Who waits for a process to come in.
    holders: Vec<(Pid, Call)>,
}

/// What the swapper works on.
struct Live<'a> {
    peers: &'a Peers,
    table: &'a Table<&'static [AtomicU64]>,
}

impl Live<'_> {
    fn space(&self, process: Process) -> Result<Space, Error> {
        self.table.alive(process).map(|slot| self.table.space(slot)).ok_or(Error::NotFound)
    }
}

impl Machine for Live<'_> {
    fn next_event(&mut self) -> Option<Event> {
        // What `vm` says is taken in before: nothing happens to the table while the swapper works.
        None
    }
    fn free_pages(&mut self) -> u64 {
        meter(Counter::v_free_count)
    }
    /// Has `vm` begin: what it needs it takes before those who only have a fault, and waits for it if it must.
    fn reserve(&mut self, thread: ThreadId, _: u64) -> bool {
        let begun = self.space(thread.0).and_then(|space| self.peers.vm(&vm::SwapIn { space }));
        if let Err(error) = begun {
            ebb_rt::log!("{}: cannot come in: {error}", thread.0);
        }
        begun.is_ok()
    }
    fn unreserve(&mut self, _: u64) {}
    fn want_memory(&mut self) {
        // `vm` has told the policy when free pages went below what it wants.
    }
    fn import(&mut self, _: ThreadId) -> Result<(), Lost> {
        // Under way; what cannot be read is told later.
        Ok(())
    }
    fn imported(&mut self, _: ThreadId) {}
    fn enqueue(&mut self, _: ThreadId) {}
    /// All of it in one: if the threads can be stopped the process goes.
    fn stop(&mut self, process: Process) -> bool {
        match self.space(process).and_then(|space| self.peers.vm(&vm::SwapOut { space })) {
            Ok(_) => true,
            // It woke since it was looked at, or has ended.
            Err(Error::Busy | Error::NotFound) => false,
            Err(error) => {
                ebb_rt::log!("{process}: cannot go out: {error}");
                false
            }
        }
    }
    fn dequeue(&mut self, _: ThreadId) {}
    fn save(&mut self, _: ThreadId) {}
    fn export(&mut self, _: ThreadId) {}
    fn collect(&mut self, _: Process) {}
    fn all_out(&mut self, _: Process, _: bool) {}
    fn end(&mut self, _: ThreadId) {}
}

impl Swapping {
    /// One that knows nobody.
    pub fn new(notification: Handle) -> Swapping {
        Swapping {
            swapper: Swapper::new(Tunables::default()),
            sampler: Sampler::default(),
            notification,
            until_us: 0,
            second_us: None,
            look_us: None,
            armed_us: 0,
            tunables: u64::MAX,
            thresholds: [0; THRESHOLDS.len()],
            holders: Vec::new(),
        }
    }

    /// A process is gone.
    pub fn gone(&mut self, pid: Pid) {
        self.sampler.gone(&mut self.swapper, pid);
        self.answer_holders(pid, Err(Error::NotFound));
    }

    /// What a process was doing is lost.
    pub fn lost(&mut self, pid: Pid) {
        self.answer_holders(pid, Err(Error::Io));
    }

    /// What can be done may have changed, if anybody is out.
    pub fn soon(&mut self) {
        if self.second_us.is_some() {
            self.look_us = Some(0);
        }
    }

    fn answer_holders(&mut self, pid: Pid, result: Result<(), Error>) {
        while let Some(at) = self.holders.iter().position(|(p, _)| *p == pid) {
            self.holders.swap_remove(at).1.answer::<proc::Hold>(result);
        }
    }

    fn anybody_out(&self) -> bool {
        self.swapper.threads().any(|(_, t)| t.place == ebb_swapper::Place::Out)
    }

    /// Counts seconds, or does so no longer.
    fn count(&mut self, now: u64) {
        let counts = now < self.until_us || self.anybody_out();
        self.second_us = if counts { self.second_us.or(Some(now + SECOND_US)) } else { None };
    }

    fn arm(&mut self) -> Result<(), Error> {
        let due = match (self.second_us, self.look_us) {
            (Some(a), Some(b)) => a.min(b),
            (a, b) => a.or(b).unwrap_or(0),
        };
        if due != self.armed_us {
            self.armed_us = due;
            let deadline = if due == 0 { 0 } else { clock::cycles_of(due).max(1) };
            ipc::timer(self.notification, TIMER_BIT, deadline).map_err(from_sys)?;
        }
        Ok(())
    }
}

impl Proc {
    /// Does what is due, and sets the timer for what comes next.
    pub fn swap_due(&mut self) -> Result<(), Error> {
        if self.swapping.second_us.is_some() || self.swapping.look_us.is_some() {
            let now = clock::now_us();
            let mut look = self.swapping.look_us.is_some_and(|due| now >= due);
            while let Some(due) = self.swapping.second_us.filter(|due| now >= *due) {
                self.swapping.swapper.second();
                self.swapping.second_us = Some(due + SECOND_US);
                look = true;
            }
            if look {
                self.swap_look()?;
            }
        }
        self.swapping.arm()
    }

    /// Looks at all processes, and brings in who should be.
    pub fn swap_look(&mut self) -> Result<(), Error> {
        self.swapping.look_us = None;
        let samples = self.samples()?;
        self.swapping.sampler.look(&mut self.swapping.swapper, &samples);
        self.swap_in_some();
        self.swapping.count(clock::now_us());
        Ok(())
    }

    fn swap_in_some(&mut self) {
        let mut live = Live { peers: &self.peers, table: &self.table };
        if self.swapping.swapper.run(&mut live) == Sleep::Memory {
            self.swapping.look_us = Some(clock::now_us() + AGAIN_US);
        }
    }

    fn samples(&self) -> Result<Vec<Sample>, Error> {
        let all = in_pieces(|from| self.peers.vm(&vm::Activities { from }), |a| a.space)?;
        Ok(all.iter().filter_map(|a| self.sample(a)).collect())
    }

    /// What is seen of a process; `None`: the space is none's.
    fn sample(&self, a: &Activity) -> Option<Sample> {
        let slot = self.table.with_badge(a.space)?;
        Some(Sample {
            process: self.table.pid(slot),
            doing: match a.doing {
                Doing::Sleeping => ebb_swapper::Doing::Sleeping,
                Doing::Runnable => ebb_swapper::Doing::Runnable,
                Doing::Blocked => ebb_swapper::Doing::Blocked,
            },
            stopped: self.table.kind(slot) == Kind::Stopped,
            out: a.place == Place::Out,
            runs: a.runs,
            pages: a.pages.into(),
            nice: self.table.nice(slot),
            holds: self.table.holds(slot).into(),
        })
    }

    /// Processes should be swapped out.
    pub fn swap_out_some(&mut self, bits: u8) -> Result<(), Error> {
        self.refresh_tunables()?;
        let [short, idle, residence] = self.swapping.thresholds;
        let sleep = if bits & NORMAL != 0 { short } else { idle.saturating_add(1) };
        let usual = Tunables::default();
        self.swapping.swapper.tunables = Tunables::new(sleep, residence, usual.max_wait_s()).unwrap_or(usual);
        self.swapping.until_us = clock::now_us() + WATCHED_S * SECOND_US;
        self.swap_look()?;
        let mut live = Live { peers: &self.peers, table: &self.table };
        self.swapping.swapper.swap_out(&mut live);
        Ok(())
    }

    fn refresh_tunables(&mut self) -> Result<(), Error> {
        let changed = meter(Counter::tunables_generation);
        if changed == self.swapping.tunables {
            return Ok(());
        }
        let all = self.peers.vm(&vm::Tunables {})?;
        for (name, value) in THRESHOLDS.iter().zip(&mut self.swapping.thresholds) {
            let there = all.iter().find(|t| t.name == *name).and_then(|t| u32::try_from(t.value).ok());
            *value = there.ok_or(Error::NotFound)?;
        }
        self.swapping.tunables = changed;
        Ok(())
    }

    /// There is something for a process that is out.
    pub fn kicked(&mut self, space: Space) {
        // A stopped one stays, and is looked at when it goes on.
        if let Some(slot) = self.table.with_badge(space)
            && self.table.kind(slot) != Kind::Stopped
        {
            let id = ThreadId(self.table.pid(slot), 0);
            self.swapping.swapper.event(Event::State(id, State::Runnable));
            self.swap_in_some();
        }
    }

    /// A process is in again.
    pub fn swapped_in(&mut self, space: Space) {
        if let Some(slot) = self.table.with_badge(space) {
            let pid = self.table.pid(slot);
            self.swapping.answer_holders(pid, Ok(()));
        }
    }

    /// Holds a process in memory.
    pub fn hold(&mut self, from: Space, pid: Pid, reply: Call) {
        match self.try_hold(from, pid) {
            Ok(None) => reply.answer::<proc::Hold>(Ok(())),
            Ok(Some(pid)) => self.swapping.holders.push((pid, reply)),
            Err(error) => reply.answer::<proc::Hold>(Err(error)),
        }
    }

    /// Returns whose coming in is to be waited for, if it is not in.
    fn try_hold(&mut self, from: Space, pid: Pid) -> Result<Option<Pid>, Error> {
        let slot = self.named(from, pid)?;
        let (pid, space) = (self.table.pid(slot), self.table.space(slot));
        if self.table.thread(slot) != 0 {
            // As long as it shares a space that one stays.
            self.table.hold(slot)?;
            return Ok(None);
        }
        let activity = self.activity(space)?;
        self.table.hold(slot)?;
        let mut live = Live { peers: &self.peers, table: &self.table };
        match self.swapping.swapper.hold(&mut live, ThreadId(pid, 0), space == from) {
            Ok(()) if activity.place == Place::In => Ok(None),
            Ok(()) => Ok(Some(pid)),
            Err(refused) => {
                self.table.release(slot)?;
                Err(match refused {
                    Refused::NoMemory => Error::NoMemory,
                    _ => Error::NotFound,
                })
            }
        }
    }

    /// What a process does, which the swapper knows then.
    fn activity(&mut self, space: Space) -> Result<Activity, Error> {
        let activities = self.peers.vm(&vm::Activities { from: space })?;
        let activity = activities.into_iter().next().filter(|a| a.space == space).ok_or(Error::NotFound)?;
        if let Some(sample) = self.sample(&activity) {
            self.swapping.sampler.look_at(&mut self.swapping.swapper, &sample);
        }
        Ok(activity)
    }

    /// Holds it no longer.
    pub fn release(&mut self, from: Space, pid: Pid) -> Result<(), Error> {
        let slot = self.named(from, pid)?;
        self.table.release(slot)?;
        // Whom the swapper does not know nobody holds there.
        let _ = self.swapping.swapper.release(ThreadId(self.table.pid(slot), 0));
        Ok(())
    }

    /// Swaps a process out because somebody says so.
    pub fn swap_out(&mut self, from: Space, pid: Pid) -> Result<(), Error> {
        let slot = self.named(from, pid)?;
        let (pid, space) = (self.table.pid(slot), self.table.space(slot));
        if self.table.thread(slot) != 0 {
            return Err(Error::Busy);
        }
        if self.activity(space)?.place != Place::In {
            return Ok(());
        }
        let mut live = Live { peers: &self.peers, table: &self.table };
        let gone = self.swapping.swapper.put_out_now(&mut live, pid);
        self.swapping.count(clock::now_us());
        if gone { Ok(()) } else { Err(Error::Busy) }
    }
}
