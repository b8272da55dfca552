// SPDX-License-Identifier: BSD-2-Clause
//! Attaching, the snapshot, the loop, and what people ask.

use crate::events;
use crate::machine::Live;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use ebb_abi::meter::Counter;
use ebb_abi::{Handle, Rights};
use ebb_policy::{Event, Machine, Page, Policy, Sleep, Stats};
use ebb_proto::Error;
use ebb_proto::policy::{self as proto, Request};
use ebb_proto::vm::{Attachment, PolicyAttach, PolicyCount, PolicyReady, Snapshot};
use ebb_ring::Consumer;
use ebb_rt::StartInfo;
use ebb_rt::client::{call, call_with, from_sys};
use ebb_rt::clock;
use ebb_rt::server::{self, Call};
use ebb_rt::shared::{meter, segment};
use ebb_rt::start::Given;
use ebb_sys::ipc::{self, Received};
use ebb_sys::time::tsc;

/// Bit of the own notification that the timer sets.
const TIMER_BIT: u64 = 1 << 63;
/// Records in a full piece of a snapshot.
const SNAPSHOT_PIECE: usize = 256;

struct Server {
    policy: Box<dyn Policy>,
    live: Live,
    endpoint: Handle,
    notification: Handle,
    told: Stats,
    runs: u64,
    run_cycles: u64,
    snapshots: u64,
}

/// Runs the policy that `make` makes for so many frames, until `vm` has another one. `name` is for the log.
pub fn run(info: &'static StartInfo, name: &str, make: impl FnOnce(u32) -> Option<Box<dyn Policy>>) -> ! {
    match Server::attach(info, make) {
        Ok(mut server) => {
            let Err(error) = server.serve();
            ebb_rt::log!("{name}: ends: {error}");
        }
        Err(error) => ebb_rt::log!("{name}: cannot start: {error}"),
    }
    ebb_rt::start::exit(1)
}

impl Server {
    fn attach(
        info: &'static StartInfo,
        make: impl FnOnce(u32) -> Option<Box<dyn Policy>>,
    ) -> Result<Server, Error> {
        let (vm, notification) = (info.handle("vm")?, info.handle("notification")?);
        let nr_frames = info.value("nr_frames")? as u32;
        // Everything that takes memory or time comes before the attachment, which ends the one before.
        let policy = make(nr_frames).ok_or(Error::NotFound)?;
        let signal =
            ebb_sys::object::handle_copy(Handle::NONE, notification, Rights::SEND | Rights::GRANT, 0)
                .map_err(from_sys)?;
        let (a, _): (Attachment, _) = call_with(vm, &PolicyAttach {}, &[signal])?;
        ebb_sys::object::handle_close(signal).map_err(from_sys)?;
        let cells = segment(a.ring, a.ring_pages).ok_or(Error::Invalid)?;
        let ring = Consumer::new(cells).ok_or(Error::Invalid)?;
        let live = Live::new(vm, info.handle("phys")?, a.generation, ring);
        let mut server = Server {
            policy,
            live,
            endpoint: info.handle("endpoint")?,
            notification,
            told: Stats::default(),
            runs: 0,
            run_cycles: 0,
            snapshots: 0,
        };
        server.snapshot()?;
        while server.live.lost {
            server.snapshot()?;
        }
        call(vm, &PolicyReady { generation: a.generation })?;
        Ok(server)
    }

    /// Learns what pages there are. Events that came meanwhile are in the ring, and are taken between pieces, so that it never has to hold more than what happens during one. One
    /// that is older than the piece before it names a page by a generation that is past, or says what is known.
    fn snapshot(&mut self) -> Result<(), Error> {
        self.snapshots += 1;
        self.live.lost = false;
        let mut first = 0;
        loop {
            let piece = call(self.live.vm, &Snapshot { generation: self.live.generation, first })?;
            for r in &piece {
                let page = Page { frame: r.frame, generation: r.generation };
                self.policy.event(Event::PageIn { page, queue: events::queue(r.queue as u64), tag: r.tag });
                first = r.frame + 1;
            }
            while let Some(event) = self.live.next_event() {
                self.policy.event(event);
            }
            if piece.len() < SNAPSHOT_PIECE {
                return Ok(());
            }
        }
    }

    fn serve(&mut self) -> Result<core::convert::Infallible, Error> {
        loop {
            let sleep = self.iterate()?;
            let until = clock::now_us() + sleep.max_us;
            self.rest(sleep, until)?;
        }
    }

    /// One iteration of the policy, with what belongs to it.
    fn iterate(&mut self) -> Result<Sleep, Error> {
        if self.live.lost {
            self.snapshot()?;
        }
        self.live.refresh_tunables()?;
        let start = tsc();
        let sleep = self.policy.run(&mut self.live);
        self.run_cycles += tsc() - start;
        self.runs += 1;
        if self.live.superseded {
            return Err(Error::Superseded);
        }
        let stats = self.policy.stats();
        let delta = |now: u64, before: u64| now.wrapping_sub(before).min(u32::MAX as u64) as u32;
        let count = PolicyCount {
            generation: self.live.generation,
            pages: delta(stats.v_pdpages, self.told.v_pdpages),
            wakeups: delta(stats.v_pdwakeups, self.told.v_pdwakeups),
            freed: delta(stats.v_dfree, self.told.v_dfree),
            reactivated: delta(stats.reactivated, self.told.reactivated),
        };
        if count.pages != 0 || count.wakeups != 0 {
            call(self.live.vm, &count)?;
        }
        self.told = stats;
        Ok(sleep)
    }

    /// Sleeps, takes events, and answers questions, until there is reason for another iteration.
    fn rest(&mut self, sleep: Sleep, until: u64) -> Result<(), Error> {
        let mut laundered = 0;
        loop {
            let mut shortage = false;
            while let Some(event) = self.live.next_event() {
                shortage |= event == Event::Shortage;
                laundered += matches!(event, Event::Laundered { .. }) as u32;
                self.policy.event(event);
            }
            let now = clock::now_us();
            let cleaned = sleep.laundered > 0 && laundered >= sleep.laundered;
            if shortage || cleaned || self.live.lost || now >= until {
                return Ok(());
            }
            let deadline = tsc() + clock::cycles_of(until - now);
            ipc::timer(self.notification, TIMER_BIT, deadline).map_err(from_sys)?;
            match server::receive(self.endpoint)? {
                Received::Bits(_) => {}
                Received::Message { reply, message, .. } => {
                    let call = Call::new(reply);
                    let bytes = server::bytes(&message);
                    match Request::decode(message.tag.label(), &bytes) {
                        Ok(Request::Stats(_)) => call.answer::<proto::Stats>(Ok(self.stats())),
                        Ok(Request::Check(_)) => {
                            let text = match self.policy.check() {
                                Ok(()) => String::new(),
                                Err(wrong) => format!("{wrong:?}"),
                            };
                            call.answer::<proto::Check>(Ok(text));
                        }
                        Err(_) => call.fail(Error::Malformed),
                    }
                }
            }
        }
    }

    fn stats(&self) -> Vec<(String, u64)> {
        let s = self.policy.stats();
        let policy = self.run_cycles.saturating_sub(self.live.harvest_cycles + self.live.decide_cycles);
        [
            ("v_pdwakeups", s.v_pdwakeups),
            ("v_pdpages", s.v_pdpages),
            ("v_dfree", s.v_dfree),
            ("scans", s.scans),
            ("pass", s.pass as u64),
            ("active", s.active_count as u64),
            ("inactive", s.inactive_count as u64),
            ("unreclaimable", s.unreclaimable_count as u64),
            ("launders", s.launders),
            ("launder_pages", s.launder_pages),
            ("laundered_ok", s.laundered_ok),
            ("laundered_failed", s.laundered_failed),
            ("reactivated", s.reactivated),
            ("deactivated", s.deactivated),
            ("stuck", s.stuck),
            ("oom_requests", s.oom_requests),
            ("harvests", s.harvests),
            ("batches", s.batches),
            ("stale", s.stale),
            ("refused", s.refused),
            ("events_refused", s.events_refused),
            ("snapshots", self.snapshots),
            ("runs", self.runs),
            ("run_cycles", self.run_cycles),
            ("harvest_cycles", self.live.harvest_cycles),
            ("harvested", self.live.harvested),
            ("decide_cycles", self.live.decide_cycles),
            ("scan_cycles", policy),
            ("scan_pages", s.v_pdpages),
            ("free", meter(Counter::v_free_count)),
        ]
        .into_iter()
        .map(|(name, value)| (String::from(name), value))
        .collect()
    }
}
