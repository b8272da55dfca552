// SPDX-License-Identifier: BSD-2-Clause
//! The state, the loop, the calls.

use crate::arguments::Arguments;
use crate::launch::Order;
use crate::peers::Peers;
use crate::swapping::Swapping;
use alloc::string::String;
use alloc::vec::Vec;
use core::sync::atomic::AtomicU64;
use ebb_abi::message::LABEL_EXCEPTION;
use ebb_abi::{Handle, Rights};
use ebb_proc::limits::Limits;
use ebb_proc::{Table, Waits};
use ebb_proto::Error;
use ebb_proto::proc::{self, Request};
use ebb_proto::vm::{self, HAPPENING_BIT, Space};
use ebb_rt::StartInfo;
use ebb_rt::client::from_sys;
use ebb_rt::server::{self, Call};
use ebb_sys::ipc::{Message, Received};
use ebb_sys::object::{handle_close, handle_copy};

/// A boot module that can be run.
#[derive(Clone)]
pub struct Module {
    /// Its name.
    pub name: String,
    /// Its number.
    pub index: u32,
    /// Its bytes.
    pub bytes: &'static [u8],
}

/// The server.
pub struct Proc {
    /// What it was told.
    pub info: &'static StartInfo,
    /// Whom it calls.
    pub peers: Peers,
    /// `init`'s notification.
    pub init: Handle,
    /// The own endpoint.
    pub endpoint: Handle,
    /// The own space.
    pub own: Space,
    /// What programs may call, by name.
    pub servers: Vec<(String, Handle)>,
    /// What can be run without a file.
    pub modules: Vec<Module>,
    /// All processes.
    pub table: Table<&'static [AtomicU64]>,
    /// Who waits for a child.
    pub waits: Waits<Call>,
    /// Arguments announced for programs that are about to be launched.
    pub arguments: Arguments,
    /// Spaces that cannot have a page, and why: their exception is on its way.
    pub lost: Vec<(Space, Error)>,
    /// Limits of the first process.
    pub initial: Limits,
    /// Who is swapped out whole, and when.
    pub swapping: Swapping,
}

/// The start.
pub fn main(info: &'static StartInfo) -> ! {
    let Err(error) = Proc::adopt(info).and_then(|mut proc| proc.serve());
    ebb_rt::log!("cannot go on: {error}");
    ebb_rt::start::abort()
}

impl Proc {
    fn serve(&mut self) -> Result<core::convert::Infallible, Error> {
        loop {
            // Whoever is to be tested runs.
            if self.peers.is_to_fail() && self.table.population() > 1 {
                self.peers.arm();
            }
            self.swap_due()?;
            let received = match server::receive(self.endpoint) {
                // No room for the right to answer; the message waits.
                Err(Error::NoMemory) => {
                    self.peers.vm(&vm::HandleRoom {})?;
                    continue;
                }
                received => received?,
            };
            match received {
                Received::Bits(bits) => {
                    if bits & HAPPENING_BIT != 0 {
                        self.take_happenings()?;
                    }
                }
                Received::Message { badge, reply, message } => {
                    let (from, reply) = (badge as Space, Call::new(reply));
                    if message.tag.label() == LABEL_EXCEPTION {
                        self.exception(from, &message, reply);
                    } else {
                        self.request(from, &message, reply);
                    }
                }
            }
        }
    }

    /// Sees to it that a handle can be received. An answer that brings one for which there is no room would never come.
    pub fn reserve_handle(&self) -> Result<(), Error> {
        let Some((_, any)) = self.servers.first() else { return Err(Error::NotFound) };
        loop {
            match handle_copy(Handle::NONE, *any, Rights::SEND, self.own) {
                Ok(copy) => return handle_close(copy).map_err(from_sys),
                Err(ebb_abi::Error::NoSlot) => self.peers.vm(&vm::HandleRoom {})?,
                Err(error) => return Err(from_sys(error)),
            }
        }
    }

    fn request(&mut self, from: Space, message: &Message, reply: Call) {
        let bytes = server::bytes(message);
        // No operation takes a handle; one that came all the same is not kept.
        let handles: Vec<Handle> = server::handles(message).collect();
        handles.into_iter().for_each(|handle| self.close(handle));
        let Ok(request) = Request::decode(message.tag.label(), &bytes) else {
            return reply.fail(Error::Malformed);
        };
        match request {
            Request::Launch(op) => match self.launch(from, op) {
                Ok((pid, Handle::NONE)) => reply.answer::<proc::Launch>(Ok(pid)),
                Ok((pid, link)) => {
                    reply.answer_with::<proc::Launch>(Ok(pid), &[link]);
                    self.close(link);
                }
                Err(error) => reply.answer::<proc::Launch>(Err(error)),
            },
            // A window of nothing is no window: what it would mean is not traced at all.
            Request::LaunchTraced(op) if op.window == 0 => reply.fail(Error::Invalid),
            Request::LaunchTraced(op) => {
                // The number of a process that was just made is its space's.
                let made = self.launch(from, op).map(|(pid, _)| (pid, pid));
                reply.answer::<proc::LaunchTraced>(made);
            }
            Request::MoreArguments(op) => {
                reply.answer::<proc::MoreArguments>(self.arguments.add(from, &op.args, bytes));
            }
            Request::Run(op) => {
                let result = self.run(from, Order::plain(&op.name, op.args)).map(|(pid, _)| pid);
                reply.answer::<proc::Run>(result);
            }
            Request::RunLinked(op) => {
                match self.run(from, Order { linked: true, ..Order::plain(&op.name, op.args) }) {
                    Ok((pid, link)) => {
                        reply.answer_with::<proc::RunLinked>(Ok(pid), &[link]);
                        self.close(link);
                    }
                    Err(error) => reply.answer::<proc::RunLinked>(Err(error)),
                }
            }
            Request::Wait(op) => self.wait(from, op.pid, reply),
            Request::Poll(op) => self.poll(from, op.pid, reply),
            Request::WaitAny(_) => self.wait_any(from, reply),
            Request::Watch(_) => reply.answer::<proc::Watch>(self.watch(from)),
            Request::Exit(op) => match self.table.with_badge(from) {
                Some(slot) => {
                    drop(reply);
                    self.end(slot, op.status, String::new());
                }
                None => reply.fail(Error::NotFound),
            },
            request => self.request_about(from, request, reply),
        }
    }

    /// Operations on one process, or several.
    fn request_about(&mut self, from: Space, request: Request, reply: Call) {
        match request {
            Request::Kill(op) => reply.answer::<proc::Kill>(self.kill(op.target, op.signal)),
            Request::Ignore(op) => {
                let own = self.named(from, 0);
                let result = own.and_then(|slot| self.table.set_ignored(slot, op.signal, op.ignored));
                reply.answer::<proc::Ignore>(result);
            }
            Request::Processes(op) => reply.answer::<proc::Processes>(Ok(self.list(op.from))),
            Request::Limits(op) => {
                let result = self.named(from, op.pid).map(|slot| self.table.limits(slot));
                reply.answer::<proc::Limits>(result);
            }
            Request::SetLimit(op) => reply.answer::<proc::SetLimit>(self.set_limit(from, &op)),
            Request::Hold(op) => self.hold(from, op.pid, reply),
            Request::Release(op) => reply.answer::<proc::Release>(self.release(from, op.pid)),
            Request::SwapOut(op) => reply.answer::<proc::SwapOut>(self.swap_out(from, op.pid)),
            Request::Nice(op) => reply.answer::<proc::Nice>(self.set_nice(from, op.pid, op.nice)),
            Request::SetGroup(op) => {
                let both = self.named(from, 0).and_then(|who| Ok((who, self.named(from, op.pid)?)));
                let result = both.and_then(|(who, slot)| self.table.set_group(who, slot, op.group));
                reply.answer::<proc::SetGroup>(result);
            }
            Request::Own(_) => {
                let own = self.named(from, 0);
                let ids = own.map(|s| (self.table.pid(s), self.table.parent(s), self.table.group(s)));
                reply.answer::<proc::Own>(ids);
            }
            Request::Fork(op) => reply.answer::<proc::Fork>(self.fork(from, op.entry, op.stack)),
            Request::Share(op) => reply.answer::<proc::Share>(self.share_space(from, &op)),
            Request::Exec(op) => reply.answer::<proc::Exec>(self.exec(from, op)),
            // The others were served before.
            _ => reply.fail(Error::Malformed),
        }
    }
}
