// SPDX-License-Identifier: BSD-2-Clause
//! Attaching, the loop, and what people ask.

use crate::trimmer::Live;
use alloc::string::String;
use alloc::vec::Vec;
use ebb_abi::{Handle, Rights};
use ebb_policy::enforce::{self, Group, Program, Run};
use ebb_policy::swapout_request::{Signal, SwapoutRequests};
use ebb_proto::Error;
use ebb_proto::daemon::{self as proto, Request};
use ebb_proto::vm::{
    self, DaemonAttach, Groups, JoinGroup, Limited, LimitedGroup, Limits, NO_LIMIT, OVER_BIT, Over,
    SWAP_OUT_SHIFT, SetGroupLimit, WantSwapOut,
};
use ebb_rt::StartInfo;
use ebb_rt::client::{call, call_with, from_sys, in_pieces};
use ebb_rt::clock;
use ebb_rt::server::{self, Call};
use ebb_rt::start::Given;
use ebb_sys::ipc::{self, Message, Received};
use ebb_sys::object;
use ebb_sys::time::tsc;

/// Bit of the own notification that the timer sets.
const TIMER_BIT: u64 = 1 << 63;

struct Server {
    live: Live,
    endpoint: Handle,
    notification: Handle,
    /// Programs that are swapped out whole, when all were last looked at.
    out: u64,
    requests: SwapoutRequests,
    /// When the word of requests is to be served.
    request_due: Option<u64>,
    /// When everybody is looked at again.
    look_due: Option<u64>,
    runs: u64,
    total: Run,
    swap_outs: u64,
}

/// The server.
pub fn main(info: &'static StartInfo) -> ! {
    let Err(error) = Server::attach(info).and_then(|mut s| s.serve());
    ebb_rt::log!("cannot go on: {error}");
    ebb_rt::start::exit(1)
}

impl Server {
    fn attach(info: &'static StartInfo) -> Result<Server, Error> {
        let (vm, notification) = (info.handle("vm")?, info.handle("notification")?);
        let signal = object::handle_copy(Handle::NONE, notification, Rights::SEND | Rights::GRANT, 0)
            .map_err(from_sys)?;
        call_with(vm, &DaemonAttach {}, &[signal])?;
        object::handle_close(signal).map_err(from_sys)?;
        Ok(Server {
            live: Live { vm, looked: 0, pieces: 0 },
            endpoint: info.handle("endpoint")?,
            notification,
            out: 0,
            requests: SwapoutRequests::new(),
            request_due: None,
            look_due: None,
            runs: 0,
            total: Run::default(),
            swap_outs: 0,
        })
    }

    fn serve(&mut self) -> Result<core::convert::Infallible, Error> {
        // Limits may have been crossed while there was no daemon.
        self.look_at_all()?;
        loop {
            match self.receive()? {
                Received::Bits(bits) => self.signalled(bits)?,
                Received::Message { reply, message, .. } => {
                    self.request(Call::new(reply), &message)?;
                }
            }
            let now = clock::now_us();
            if self.request_due.is_some_and(|due| now >= due) {
                self.request_due = None;
                if self.requests.expired(now).is_some() {
                    self.swap_out()?;
                }
            }
            if self.look_due.is_some_and(|due| now >= due) {
                self.look_at_all()?;
            }
        }
    }

    fn receive(&self) -> Result<Received, Error> {
        let due = match (self.request_due, self.look_due) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        // 0: no timer.
        let deadline = due.map_or(0, |due| tsc() + clock::cycles_of(due.saturating_sub(clock::now_us())));
        ipc::timer(self.notification, TIMER_BIT, deadline).map_err(from_sys)?;
        server::receive(self.endpoint)
    }

    fn signalled(&mut self, bits: u64) -> Result<(), Error> {
        let wanted = (bits >> SWAP_OUT_SHIFT) as u8 & 3;
        if wanted != 0 {
            self.swap_out_wanted(wanted)?;
        }
        if bits & OVER_BIT == 0 {
            return Ok(());
        }
        let (spaces, groups) = call(self.live.vm, &Over {})?;
        if groups {
            return self.look_at_all();
        }
        let programs = spaces.iter().map(|s| self.program(s)).collect();
        self.run(programs, &[]);
        // Limits may be new.
        let due = clock::now_us() + 1_000_000;
        self.look_due.get_or_insert(due);
        Ok(())
    }

    fn swap_out_wanted(&mut self, bits: u8) -> Result<(), Error> {
        match self.requests.request(bits, clock::now_us()) {
            Signal::Now => self.swap_out()?,
            Signal::At(due) => self.request_due = Some(due),
        }
        Ok(())
    }

    /// Serves the word of requests. Who is swapped out is decided by the managers, which know what their programs do.
    fn swap_out(&mut self) -> Result<(), Error> {
        let bits = self.requests.take();
        if bits != 0 {
            self.swap_outs += 1;
            call(self.live.vm, &WantSwapOut { bits })?;
        }
        Ok(())
    }

    fn program(&self, l: &Limited) -> Program {
        Program { id: l.space, resident: l.resident, limit: l.limit, group: l.group, in_memory: !l.out }
    }

    fn all_programs(&self) -> Result<Vec<Program>, Error> {
        // Without their names, for which there is no room.
        let piece = |from| {
            let some = call(self.live.vm, &Limits { from })?;
            Ok(some.iter().map(|l| self.program(l)).collect())
        };
        in_pieces(piece, |p: &Program| p.id)
    }

    fn all_groups(&self) -> Result<Vec<LimitedGroup>, Error> {
        in_pieces(|from| call(self.live.vm, &Groups { from }), |g| g.group)
    }

    /// One run over everybody; decides when the next is.
    fn look_at_all(&mut self) -> Result<(), Error> {
        let groups: Vec<Group> =
            self.all_groups()?.iter().map(|g| Group { id: g.group, limit: g.limit }).collect();
        let programs = self.all_programs()?;
        self.out = programs.iter().filter(|p| !p.in_memory).count() as u64;
        self.look_due = enforce::sleep_us(&programs, &groups).map(|us| clock::now_us() + us);
        let concerned = enforce::concerned(programs);
        self.run(concerned, &groups);
        if !groups.is_empty() {
            // `vm` watches them again from now on.
            self.all_groups()?;
        }
        Ok(())
    }

    fn run(&mut self, mut programs: Vec<Program>, groups: &[Group]) {
        if programs.is_empty() {
            return;
        }
        let run = enforce::run(&mut self.live, &mut programs, groups);
        self.runs += 1;
        self.total.passes += run.passes;
        self.total.trims += run.trims;
        self.total.unmapped += run.unmapped;
        self.total.over = run.over;
    }

    fn request(&mut self, reply: Call, message: &Message) -> Result<(), Error> {
        // No operation takes a handle; one that came all the same is not kept.
        let handles: Vec<Handle> = server::handles(message).collect();
        let request = Request::decode(message.tag.label(), &server::bytes(message));
        for handle in handles.into_iter().filter(|h| *h != Handle::NONE) {
            object::handle_close(handle).map_err(from_sys)?;
        }
        let vm = self.live.vm;
        match request {
            Ok(Request::SetGroupLimit(op)) => {
                reply.answer::<proto::SetGroupLimit>(self.set_group_limit(op));
            }
            Ok(Request::Limits(op)) => reply.answer::<proto::Limits>(call(vm, &Limits { from: op.from })),
            Ok(Request::Groups(op)) => reply.answer::<proto::Groups>(call(vm, &Groups { from: op.from })),
            Ok(Request::Join(op)) => {
                let joined = call(vm, &JoinGroup { space: op.space, group: op.group });
                reply.answer::<proto::Join>(joined.and_then(|()| self.look_at_all()));
            }
            Ok(Request::Spare(op)) => {
                reply.answer::<proto::Spare>(call(vm, &vm::Spare { space: op.space, spare: op.spare }));
            }
            Ok(Request::RequestSwapOut(op)) => {
                reply.answer::<proto::RequestSwapOut>(self.swap_out_wanted(op.bits));
            }
            Ok(Request::Status(_)) => reply.answer::<proto::Status>(Ok(self.status())),
            Err(_) => reply.fail(Error::Malformed),
        }
        Ok(())
    }

    fn set_group_limit(&mut self, op: proto::SetGroupLimit) -> Result<(), Error> {
        call(self.live.vm, &SetGroupLimit { group: op.group, pages: op.pages })?;
        if op.pages == NO_LIMIT {
            return Ok(());
        }
        self.look_at_all()
    }

    fn status(&self) -> Vec<(String, u64)> {
        [
            ("runs", self.runs),
            ("passes", u64::from(self.total.passes)),
            ("trims", u64::from(self.total.trims)),
            ("pieces", self.live.pieces),
            ("looked", self.live.looked),
            ("unmapped", self.total.unmapped),
            ("over", u64::from(self.total.over)),
            ("swapped_out", self.out),
            ("swap_out_requests", self.swap_outs),
        ]
        .into_iter()
        .map(|(name, value)| (String::from(name), value))
        .collect()
    }
}
