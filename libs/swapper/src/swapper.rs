// SPDX-License-Identifier: BSD-2-Clause
//! The state: threads, events, the clock, holds.

use crate::machine::{Event, Lost, Machine};
use crate::queue::Queue;
use crate::thread::{Place, Process, State, Thread, ThreadId};
use alloc::collections::BTreeMap;

/// Why something was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// No such thread.
    NotFound,
    /// It is not held.
    NotHeld,
    /// There are no pages to bring it in.
    NoMemory,
    /// Its state could not be brought in; it was ended.
    Lost,
    /// Out of its range.
    Range,
}

/// What can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tunables {
    /// Seconds of sleep after which a process goes out in any case (`maxslp`).
    max_sleep_s: u32,
    /// Seconds that a process stays in, or out of reach of the policy, after it came in (W14).
    min_residence_s: u32,
    /// Seconds that a runnable thread waits at most before it comes in before all others (W16).
    max_wait_s: u32,
}

impl Default for Tunables {
    fn default() -> Tunables {
        // The first is the seed's; the others are guessed: longer than a second, and as long as nobody likes to wait.
        Tunables { max_sleep_s: 20, min_residence_s: 2, max_wait_s: 30 }
    }
}

impl Tunables {
    /// Sets what can be set; each is at most a day, and the first and last at least a second (W19).
    ///
    /// # Errors
    /// `Range`.
    pub fn new(max_sleep_s: u32, min_residence_s: u32, max_wait_s: u32) -> Result<Tunables, Refused> {
        let good = |least: u32, s: u32| (least..=86_400).contains(&s);
        if good(1, max_sleep_s) && good(0, min_residence_s) && good(1, max_wait_s) {
            Ok(Tunables { max_sleep_s, min_residence_s, max_wait_s })
        } else {
            Err(Refused::Range)
        }
    }

    /// `maxslp`.
    #[must_use]
    pub const fn max_sleep_s(&self) -> u32 {
        self.max_sleep_s
    }
    /// Guaranteed residence.
    #[must_use]
    pub const fn min_residence_s(&self) -> u32 {
        self.min_residence_s
    }
    /// Longest wait.
    #[must_use]
    pub const fn max_wait_s(&self) -> u32 {
        self.max_wait_s
    }
}

/// The swapper.
#[derive(Clone, Debug, Default)]
pub struct Swapper {
    pub(crate) threads: BTreeMap<ThreadId, Thread>,
    pub(crate) queue: Queue,
    pub(crate) now: u64,
    /// Swapping is off (`enableswap`), until it is switched on.
    pub enabled: bool,
    /// What can be set.
    pub tunables: Tunables,
    /// Times that a thread came in, and went out (`uvmexp.swapins`, `uvmexp.swapouts`).
    pub(crate) counts: (u64, u64),
    pub(crate) lost: u64,
}

impl Swapper {
    /// One that knows nobody, switched on.
    #[must_use]
    pub fn new(tunables: Tunables) -> Swapper {
        Swapper { enabled: true, tunables, ..Swapper::default() }
    }

    /// A thread.
    #[must_use]
    pub fn thread(&self, id: ThreadId) -> Option<&Thread> {
        self.threads.get(&id)
    }

    /// All threads.
    pub fn threads(&self) -> impl Iterator<Item = (ThreadId, &Thread)> {
        self.threads.iter().map(|(id, t)| (*id, t))
    }

    /// Threads of a process.
    pub(crate) fn of(&self, process: Process) -> impl Iterator<Item = (ThreadId, &Thread)> {
        let all = ThreadId(process, 0)..=ThreadId(process, u32::MAX);
        self.threads.range(all).map(|(id, t)| (*id, t))
    }

    /// Times that threads came in and went out.
    #[must_use]
    pub const fn counts(&self) -> (u64, u64) {
        self.counts
    }

    /// Threads that could not be brought in.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    /// Whether all threads of a process are out.
    #[must_use]
    pub fn is_out(&self, process: Process) -> bool {
        let mut threads = self.of(process).peekable();
        threads.peek().is_some() && threads.all(|(_, t)| t.place == Place::Out)
    }

    /// A second has passed.
    pub fn second(&mut self) {
        self.now += 1;
        for t in self.threads.values_mut() {
            t.swap_time = t.swap_time.saturating_add(1);
            if t.is_asleep() {
                t.sleep_time = t.sleep_time.saturating_add(1);
            }
        }
    }

    /// Takes in what happened.
    pub fn event(&mut self, event: Event) {
        match event {
            Event::New(id, thread) => {
                self.threads.insert(id, Thread { place: Place::In, ..thread });
            }
            Event::State(id, state) => {
                let Some(t) = self.threads.get_mut(&id) else { return };
                let slept = t.is_asleep();
                t.state = state;
                // A sleep begins at 0; what was slept counts until then.
                if t.is_asleep() && !slept {
                    t.sleep_time = 0;
                }
            }
            Event::Nice(id, nice) => {
                if let Some(t) = self.threads.get_mut(&id) {
                    t.nice = nice.min(40);
                }
            }
            Event::Busy(id, busy) => {
                if let Some(t) = self.threads.get_mut(&id) {
                    t.busy = busy;
                }
            }
            Event::Gone(id) => {
                self.threads.remove(&id);
            }
        }
        let (Event::New(id, _)
        | Event::State(id, _)
        | Event::Nice(id, _)
        | Event::Busy(id, _)
        | Event::Gone(id)) = event;
        self.requeue(id);
    }

    /// Puts a thread where it belongs in the order of candidates, or out of it.
    pub(crate) fn requeue(&mut self, id: ThreadId) {
        match self.threads.get(&id).filter(|t| t.is_candidate()) {
            Some(t) => self.queue.insert(id, t.priority(), self.now),
            None => {
                self.queue.remove(id);
            }
        }
    }

    /// A thread is where an earlier swapper left it.
    pub fn adopt(&mut self, id: ThreadId, place: Place) {
        if let Some(t) = self.threads.get_mut(&id) {
            t.place = place;
        }
        self.requeue(id);
    }

    /// Takes in everything that happened.
    pub(crate) fn drain(&mut self, m: &mut impl Machine) -> bool {
        let mut any = false;
        while let Some(event) = m.next_event() {
            self.event(event);
            any = true;
        }
        any
    }

    /// Holds a thread in memory (`uvm_lwp_hold`). `own`: it is the caller. When this returns it is in memory, and stays so until it is released as often.
    ///
    /// # Errors
    /// `NotFound`; `NoMemory`, `Lost`: it is out and cannot come in, and is not held.
    pub fn hold(&mut self, m: &mut impl Machine, id: ThreadId, own: bool) -> Result<(), Refused> {
        let t = self.threads.get_mut(&id).ok_or(Refused::NotFound)?;
        t.holds += 1;
        if own || t.holds > 1 || t.place == Place::In {
            return Ok(());
        }
        if let Err(refused) = self.bring_in(m, id) {
            if let Some(t) = self.threads.get_mut(&id) {
                t.holds -= 1;
            }
            return Err(refused);
        }
        Ok(())
    }

    /// Releases a thread (`uvm_lwp_rele`).
    ///
    /// # Errors
    /// `NotFound`; `NotHeld`: nobody holds it (W22).
    pub fn release(&mut self, id: ThreadId) -> Result<(), Refused> {
        let t = self.threads.get_mut(&id).ok_or(Refused::NotFound)?;
        t.holds = t.holds.checked_sub(1).ok_or(Refused::NotHeld)?;
        Ok(())
    }

    /// Puts in order what was under way when the swapper died (W25): who was going out is brought back in, who was coming in is out. Returns how many there were.
    pub fn recover(&mut self, m: &mut impl Machine) -> usize {
        let half = |t: &Thread| matches!(t.place, Place::GoingOut | Place::ComingIn);
        let ids: alloc::vec::Vec<ThreadId> =
            self.threads.iter().filter(|(_, t)| half(t)).map(|(id, _)| *id).collect();
        for id in &ids {
            let Some(t) = self.threads.get_mut(id) else { continue };
            let was = t.place;
            t.place = Place::Out;
            self.requeue(*id);
            // Its pages may still be there, or not: bringing in finds out. Without memory it is simply out.
            if was == Place::GoingOut && self.bring_in(m, *id) == Err(Refused::NoMemory) {
                m.export(*id);
            }
        }
        ids.len()
    }

    /// Brings a thread in that is out (`uvm_swapin`).
    pub(crate) fn bring_in(&mut self, m: &mut impl Machine, id: ThreadId) -> Result<(), Refused> {
        let t = self.threads.get_mut(&id).ok_or(Refused::NotFound)?;
        if t.place != Place::Out {
            // Somebody was faster (W09).
            return Ok(());
        }
        let pages = t.pages;
        // What is set aside is certain; what was free a moment ago is not (W08).
        if !m.reserve(id, pages) {
            return Err(Refused::NoMemory);
        }
        let was_out = self.is_out(id.0);
        if let Some(t) = self.threads.get_mut(&id) {
            t.place = Place::ComingIn;
        }
        if m.import(id) == Err(Lost) {
            m.unreserve(pages);
            self.threads.remove(&id);
            self.queue.remove(id);
            self.lost += 1;
            m.end(id);
            return Err(Refused::Lost);
        }
        if was_out {
            m.all_out(id.0, false);
        }
        m.imported(id);
        let Some(t) = self.threads.get_mut(&id) else { return Err(Refused::NotFound) };
        if t.state == State::Runnable {
            m.enqueue(id);
        }
        t.place = Place::In;
        t.swap_time = 0;
        self.counts.0 += 1;
        self.queue.remove(id);
        Ok(())
    }
}
