// SPDX-License-Identifier: BSD-2-Clause
//! The server's state, and what happens between two messages.
//!
//! `vm` is single-threaded. A message is served at once if it can be; what must wait (for a page's I/O, for memory, for the pager) becomes a record in
//! [`crate::waiting`] and is *tried again from the start* when what it waits for has happened. That is all the asynchrony there is: no stack and no heap allocation
//! belongs to a fault that waits, and whatever changed meanwhile is seen, because nothing was remembered.
//!
//! | state | who decides | who is told |
//! |---|---|---|
//! | frame → place, object, index | [`crate::frames`], here | the kernel by mappings |
//! | object page → frame, swap copy | [`crate::object`] | the pager by requests, the policy by events |
//! | queue and order of pages | the policy | `vm` mirrors the queue |
//! | slot of a page | the pager | `vm` knows only that there is one |

use crate::collapse::Collapses;
use crate::file::Descriptions;
use crate::frames::Frames;
use crate::limit::Limits;
use crate::machine::Machine;
use crate::object::Objects;
use crate::page::NONE;
use crate::pager::{Pager, RING_SEGMENT_PAGES};
use crate::policy::Policy;
use crate::segment::{Module, Segment};
use crate::space::Spaces;
use crate::swap::{KeptHeap, SwapChange};
use crate::thread::Threads;
use crate::trace::Trace;
use crate::vnode::Vnode;
use crate::waiting::Waiting;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use ebb_abi::Handle;
use ebb_policy::Tunables;
use ebb_policy::gate::{Wake, Wiring};
use ebb_proto::Error;
use ebb_proto::vm::{Happening, INIT, MAX_DECISIONS, Space};

/// How long a policy may take to answer a shortage: guessed; a scan takes less than a thousandth of it.
const POLICY_DEADLINE_MS: u64 = 2000;
/// How often the syncer looks, at first (`kern.filedelay`).
const SYNC_PERIOD_MS: u64 = 30_000;
/// Happenings kept for `init`; older ones are dropped when nobody fetches them.
const MAX_HAPPENINGS: usize = 64;

/// The server.
pub struct Vm<M: Machine> {
    /// The kernel and the clients.
    pub m: M,
    /// The frames.
    pub frames: Frames,
    /// The objects.
    pub objects: Objects,
    /// The spaces.
    pub spaces: Spaces,
    /// Threads beside the spaces' first ones.
    pub threads: Threads<M::Reply>,
    /// What waits.
    pub waiting: Waiting<M::Reply>,
    /// The swap pager.
    pub pager: Pager<M::Reply>,
    /// The vnode pager.
    pub vnode: Vnode,
    /// Open files.
    pub descriptions: Descriptions,
    /// `vm.sync_period`: milliseconds between two looks of the syncer.
    pub sync_period_ms: u64,
    /// When the syncer looks next.
    pub sync_due: u64,
    /// The policy.
    pub policy: Policy,
    /// Who enforces limits, and groups.
    pub limits: Limits,
    /// When a program was last ended because memory was exhausted, until all of it is back; 0: it is.
    pub oom_since: u64,
    /// Segments by number.
    pub segments: Vec<Option<Segment>>,
    /// Boot modules.
    pub modules: Vec<Module>,
    /// The tunables.
    pub tunables: Tunables,
    /// `vm.policy_deadline`: milliseconds in which a policy must answer a shortage.
    pub policy_deadline_ms: u64,
    /// Cycles per millisecond.
    pub cycles_per_ms: u64,
    /// What `init` and managers have to know, and who of them.
    pub happenings: VecDeque<(Space, Happening)>,
    /// `vm`'s own endpoint.
    pub endpoint: Handle,
    /// `init`'s endpoint for exceptions.
    pub supervisor: Handle,
    /// `init`'s notification.
    pub init_notification: Handle,
    /// `vm`'s own notification.
    pub notification: Handle,
    /// `vm`'s own task.
    pub own_task: Handle,
    /// The frame of the counters.
    pub meter_frame: u32,
    /// Places in `vm`'s own range that are free again.
    pub own_slots: Vec<u32>,
    /// Next place in `vm`'s own range never used.
    pub own_next: u32,
    /// An addition or removal of a swap device under way.
    pub swap_change: Option<SwapChange<M::Reply>>,
    /// Heap segments of removed devices, which the pager keeps until its end.
    pub pager_heaps: Vec<KeptHeap>,
    /// Programs whose references are noted.
    pub traces: Vec<Trace>,
    /// Objects that may become part of their only shadow.
    pub collapses: Collapses,
    /// When the clumsy reclaim may look again.
    pub clumsy_due: u64,
    /// Where the clumsy reclaim looks next.
    pub hand: u32,
    /// Laps of the clumsy reclaim without a page freed or a write started.
    pub idle_laps: u32,
    /// Room for vectors of the reclaim path, so that it allocates nothing.
    pub scratch: Vec<u64>,
    /// The frame that a fault found and that is entered only after [`Vm::settle`]: until then nothing shows that it is in use ([`NONE`]: there is none).
    pub entering: u32,
}

/// What the server is started with.
pub struct Parts {
    /// Boot modules.
    pub modules: Vec<Module>,
    /// Cycles per millisecond.
    pub cycles_per_ms: u64,
    /// `vm`'s own endpoint.
    pub endpoint: Handle,
    /// `init`'s endpoint for exceptions.
    pub supervisor: Handle,
    /// `init`'s notification.
    pub init_notification: Handle,
    /// `init`'s task.
    pub init_task: Handle,
    /// `vm`'s own notification.
    pub notification: Handle,
    /// `vm`'s own task.
    pub own_task: Handle,
    /// The frame of the counters, which is mapped at the first place of `vm`'s own range.
    pub meter_frame: u32,
    /// Waiting faults and wirings for which room is made.
    pub waiters: usize,
}

impl<M: Machine> Vm<M> {
    /// The server before its first message: with `init` as its only space, and the rings for a pager.
    pub fn new(m: M, frames: Frames, parts: Parts) -> Result<Self, Error> {
        let mut vm = Vm {
            m,
            frames,
            objects: Objects::default(),
            spaces: Spaces::default(),
            threads: Threads::default(),
            waiting: Waiting::with_capacity(parts.waiters),
            pager: Pager::new(0),
            vnode: Vnode::new(),
            descriptions: Descriptions::default(),
            sync_period_ms: SYNC_PERIOD_MS,
            sync_due: 0,
            policy: Policy::none(),
            limits: Limits::default(),
            oom_since: 0,
            segments: Vec::new(),
            modules: parts.modules,
            tunables: Tunables::default(),
            policy_deadline_ms: POLICY_DEADLINE_MS,
            cycles_per_ms: parts.cycles_per_ms,
            happenings: VecDeque::new(),
            endpoint: parts.endpoint,
            supervisor: parts.supervisor,
            init_notification: parts.init_notification,
            notification: parts.notification,
            own_task: parts.own_task,
            meter_frame: parts.meter_frame,
            own_slots: Vec::new(),
            own_next: 1,
            swap_change: None,
            pager_heaps: Vec::new(),
            traces: Vec::new(),
            collapses: Collapses::default(),
            clumsy_due: 0,
            hand: 0,
            idle_laps: 0,
            scratch: Vec::with_capacity(MAX_DECISIONS),
            entering: NONE,
        };
        vm.adopt_init(parts.init_task)?;
        let ring = vm.segment_new(RING_SEGMENT_PAGES, Wiring::System)?;
        vm.segment_own(ring)?;
        vm.pager = Pager::new(ring);
        Ok(vm)
    }

    /// After each message: tries again what can go on, tells the policy, keeps deadlines. Returns when (in cycles of the time-stamp counter) it wants to be called
    /// again at the latest; 0: whenever something happens.
    pub fn settle(&mut self) -> u64 {
        let due = loop {
            let wake = core::mem::take(&mut self.frames.wake);
            if wake.daemon {
                self.policy_shortage();
            }
            let woken = self.wake_for_memory(wake.clients);
            if woken || self.retry() {
                continue;
            }
            let due = match (self.keep_deadlines(), self.collapse_some()) {
                (0, due) | (due, 0) => due,
                (a, b) => a.min(b),
            };
            // What was reclaimed meanwhile is for those who wait.
            if self.frames.wake == Wake::default() {
                break due;
            }
        };
        self.tell_overflow();
        self.entering = NONE;
        // The page is entered when this returns: at once after that they go on.
        if self.waiting.entered_ready() { self.m.now() + 1 } else { due }
    }

    /// Tells `init`.
    pub fn happened(&mut self, happening: Happening) {
        self.tell_manager(INIT, happening);
    }

    /// Tells the manager of a space, which may be gone already.
    pub fn happened_to(&mut self, space: Space, happening: Happening) {
        let manager = self.spaces.get(space).map_or(INIT, |s| s.manager);
        self.tell_manager(manager, happening);
    }

    /// Tells a manager of spaces, or `init`.
    pub fn tell_manager(&mut self, manager: Space, happening: Happening) {
        if self.happenings.len() >= MAX_HAPPENINGS {
            self.happenings.pop_front();
        }
        self.happenings.push_back((manager, happening));
        if let Some(notification) = self.notification_of(manager) {
            self.m.signal(notification, ebb_proto::vm::HAPPENING_BIT);
        }
    }

    /// The region of a frame's page, as far as the page has one: object and index.
    pub fn page_of(&self, frame: u32) -> Option<(u32, u32)> {
        let page = self.frames.page(frame);
        (page.place == crate::page::Place::Object && page.object != NONE).then_some((page.object, page.index))
    }
}
