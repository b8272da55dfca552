// SPDX-License-Identifier: BSD-2-Clause
//! The server: calls and doorbells.

use crate::disk::Disk;
use crate::dma::Dma;
use crate::machine;
use crate::reads::{BOUNCE_PAGES, Reads};
use alloc::vec::Vec;
use ebb_disk::{MAX_CLIENTS, Service};
use ebb_proto::Error;
use ebb_proto::block::{Attach, Detach, Disks, Request};
use ebb_rt::server::{self, Call};
use ebb_rt::start::Given;
use ebb_rt::{StartInfo, clock, log, shared};
use ebb_sys::abi::Error::Dead;
use ebb_sys::abi::Handle;
use ebb_sys::ipc::{self, Message, Received};
use ebb_sys::{object, time};

/// Badge of `init`'s handle: only it may attach and detach.
const INIT: u64 = ebb_proto::vm::INIT as u64;
/// Bit of a client's notification: completions.
const COMPLETION_BIT: u64 = 1 << 1;
/// Bit of the own notification: time to poll.
const POLL_BIT: u64 = 1 << 2;
/// How often disks without interrupts, and clients that do not empty their rings, are looked at.
const POLL_US: u64 = 500;

/// The server.
pub struct Server {
    endpoint: Handle,
    notification: Handle,
    service: Service<'static, Disk>,
    reads: Reads,
    /// Each client's notification.
    doorbells: [Handle; MAX_CLIENTS],
    detaching: Vec<(u8, Call)>,
    polled: bool,
}

impl Server {
    /// Finds the disks.
    pub fn new(info: &'static StartInfo) -> Result<Server, Error> {
        let mut dma = Dma::new(info)?;
        let mut bounces = Vec::new();
        for _ in 0..BOUNCE_PAGES {
            bounces.push(dma.page()?);
        }
        let disks = machine::disks(info, dma)?;
        Ok(Server {
            endpoint: info.handle("endpoint")?,
            notification: info.handle("notification")?,
            polled: disks.iter().any(|d| !d.tells()),
            service: Service::new(disks),
            reads: Reads::new(bounces),
            doorbells: [Handle::NONE; MAX_CLIENTS],
            detaching: Vec::with_capacity(MAX_CLIENTS),
        })
    }

    /// Serves until receiving fails, and returns why.
    pub fn run(&mut self) -> Error {
        loop {
            self.work();
            let polls = self.polled && self.service.is_busy() || self.service.is_held_up();
            let poll = polls.then(|| clock::cycles_of(POLL_US));
            let due = self.service.due_ns().map(clock::cycles_of_ns);
            if let Some(cycles) = poll.into_iter().chain(due).min() {
                let deadline = time::tsc() + cycles;
                if let Err(error) = ipc::timer(self.notification, POLL_BIT, deadline) {
                    log!("no timer: {error:?}");
                }
            }
            match server::receive(self.endpoint) {
                // Whatever the bits say: there is work, and looking for it is cheap.
                Ok(Received::Bits(_)) => {}
                Ok(Received::Message { badge, reply, message }) => {
                    self.serve(badge, Call::new(reply), &message);
                }
                Err(error) => return error,
            }
        }
    }

    /// Does everything that can be done now; then every client has been asked for a doorbell.
    fn work(&mut self) {
        loop {
            let waiting = self.service.pump(&mut |line| log!("{line}"));
            for (number, doorbell) in self.doorbells.iter().enumerate() {
                // A client that died is detached soon.
                if waiting & 1 << number != 0
                    && let Err(error) = ipc::signal(*doorbell, COMPLETION_BIT)
                    && error != Dead
                {
                    log!("client {number} cannot be signalled: {error:?}");
                }
            }
            let started = self.reads.pump(&mut self.service);
            self.finish_detaching();
            if !started && self.service.sleep() {
                return;
            }
        }
    }

    fn serve(&mut self, badge: u64, call: Call, message: &Message) {
        let given = server::handles(message).next();
        let more = server::handles(message).skip(1).collect::<Vec<_>>();
        let request = Request::decode(message.tag.label(), &server::bytes(message));
        let mut kept = false;
        match request {
            Ok(Request::Disks(_)) => call.answer::<Disks>(Ok(self.service.disks())),
            Ok(Request::Attach(_) | Request::Detach(_)) if badge != INIT => call.fail(Error::NotPermitted),
            Ok(Request::Attach(attach)) => {
                let result = self.attach(&attach, given);
                kept = result.is_ok();
                call.answer::<Attach>(result);
            }
            Ok(Request::Detach(Detach { client })) => match self.service.detach(client) {
                Ok(()) => self.detaching.push((client, call)),
                Err(error) => call.fail(error),
            },
            Ok(Request::ReadSectors(read)) => self.reads.add(&mut self.service, call, read),
            Err(_) => call.fail(Error::Malformed),
        }
        for handle in more.into_iter().chain(given.filter(|_| !kept)) {
            close(handle);
        }
    }

    fn attach(&mut self, attach: &Attach, notification: Option<Handle>) -> Result<(), Error> {
        let notification = notification.ok_or(Error::Invalid)?;
        let cells = shared::segment(attach.address, attach.pages).ok_or(Error::Fault)?;
        self.service.attach(attach.client, cells)?;
        self.doorbells[attach.client as usize] = notification;
        Ok(())
    }

    fn finish_detaching(&mut self) {
        let service = &mut self.service;
        for at in (0..self.detaching.len()).rev() {
            if service.drained(self.detaching[at].0) {
                let (client, call) = self.detaching.swap_remove(at);
                close(core::mem::replace(&mut self.doorbells[client as usize], Handle::NONE));
                call.answer::<Detach>(Ok(()));
            }
        }
    }
}

fn close(handle: Handle) {
    if handle != Handle::NONE
        && let Err(error) = object::handle_close(handle)
    {
        log!("handle {handle:?} cannot be closed: {error:?}");
    }
}
