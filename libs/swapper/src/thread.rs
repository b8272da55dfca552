// SPDX-License-Identifier: BSD-2-Clause
//! What the swapper knows of a thread, and whether it may go out (`swappable`, PRS-103…108).

/// A process, by its number.
pub type Process = u32;

/// A thread: its process, and its number in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ThreadId(pub Process, pub u32);

/// What a thread does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is being made (`LSIDL`).
    Idle,
    /// It could run (`LSRUN`).
    Runnable,
    /// It runs (`LSONPROC`).
    Running,
    /// It waits for something that comes by itself (`LSSLEEP`).
    Sleeping,
    /// It waits for somebody who may need memory to answer: blocked on a lock, or in a call.
    Blocked,
    /// It was stopped (`LSSTOP`).
    Stopped,
    /// Its process holds it back (`LSSUSPENDED`).
    Suspended,
    /// It has ended (`LSZOMB`).
    Zombie,
}

/// Where its kernel state is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In memory, wired.
    In,
    /// On its way out: it does not run any more, its state may be wired or not.
    GoingOut,
    /// In pageable memory.
    Out,
    /// On its way in: it does not run yet.
    ComingIn,
}

/// A thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thread {
    /// What it does.
    pub state: State,
    /// Where it is.
    pub place: Place,
    /// A server's, or the kernel's.
    pub system: bool,
    /// It is ending.
    pub exiting: bool,
    /// Its class is not time sharing.
    pub realtime: bool,
    /// Its process is active or stopped, not being made or ended.
    pub process_alive: bool,
    /// Somebody works on it.
    pub busy: bool,
    /// Niceness and 20.
    pub nice: u8,
    /// Seconds since it went out or came in.
    pub swap_time: u32,
    /// Seconds that it has slept, or had when it became runnable.
    pub sleep_time: u32,
    /// How many hold it in memory.
    pub holds: u32,
    /// Times that it went out (`ru_nswap`).
    pub swaps: u64,
    /// Pages of its kernel state (`USPACE`).
    pub pages: u64,
}

impl Thread {
    /// One of a program, that does this.
    #[must_use]
    pub const fn new(state: State, pages: u64) -> Thread {
        Thread {
            state,
            place: Place::In,
            system: false,
            exiting: false,
            realtime: false,
            process_alive: true,
            busy: false,
            nice: 20,
            swap_time: 0,
            sleep_time: 0,
            holds: 0,
            swaps: 0,
            pages,
        }
    }

    /// Whether it may go out.
    #[must_use]
    pub fn is_swappable(&self) -> bool {
        self.place == Place::In
            && !self.system
            && !self.exiting
            && !self.realtime
            && !self.busy
            && self.process_alive
            && self.holds == 0
            && !matches!(self.state, State::Running | State::Blocked | State::Idle | State::Zombie)
    }

    /// Whether it waits, and will go on waiting by itself. Suspended ones too (W17).
    #[must_use]
    pub const fn is_asleep(&self) -> bool {
        matches!(self.state, State::Sleeping | State::Stopped | State::Suspended)
    }

    /// Whether it should come in.
    #[must_use]
    pub fn is_candidate(&self) -> bool {
        self.place == Place::Out && self.state == State::Runnable
    }

    /// How much it should (PRS-095).
    #[must_use]
    pub const fn priority(&self) -> i64 {
        self.swap_time as i64 + self.sleep_time as i64 - (self.nice as i64 - 20) * 8
    }
}
