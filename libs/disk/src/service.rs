// SPDX-License-Identifier: BSD-2-Clause
//! The service.

use crate::client::Client;
use crate::device::{Device, Request};
use crate::gather::Gathered;
use crate::table::{MAX_OF_CLIENT, Owner, Pending, Table};
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Arguments;
use core::sync::atomic::AtomicU64;
use ebb_proto::Error;
use ebb_proto::block::{Completion, Disk, MAX_READ, MAX_RUN, SECTORS_PER_PAGE, Status, Transfer};

/// Clients at most.
pub const MAX_CLIENTS: usize = 8;

/// Where lines for the log go.
pub type Log<'l> = &'l mut dyn FnMut(Arguments<'_>);

struct Unit<D> {
    device: D,
    name: String,
    /// Requests completed: reads, writes, errors.
    requests: [u64; 3],
    /// Sectors read and written.
    moved: [u64; 2],
    full: bool,
}

/// The service over disks of one kind.
pub struct Service<'a, D> {
    disks: Vec<Unit<D>>,
    clients: [Option<Client<'a>>; MAX_CLIENTS],
    table: Table,
    calls: VecDeque<(u32, bool)>,
}

impl<'a, D: Device> Service<'a, D> {
    /// A service for these disks; a disk's number is its place, its name its serial or `disk<n>`.
    pub fn new(devices: Vec<D>) -> Service<'a, D> {
        let unit = |(number, device): (usize, D)| {
            let name = match device.info().name.as_str() {
                "" => format!("disk{number}"),
                serial => serial.into(),
            };
            Unit { device, name, requests: [0; 3], moved: [0; 2], full: false }
        };
        Service {
            disks: devices.into_iter().enumerate().map(unit).collect(),
            clients: Default::default(),
            table: Table::new(),
            calls: VecDeque::with_capacity(crate::MAX_REQUESTS),
        }
    }

    /// All disks.
    pub fn disks(&self) -> Vec<Disk> {
        self.disks
            .iter()
            .map(|u| Disk {
                name: u.name.clone(),
                sectors: u.device.info().sectors,
                read_only: u.device.info().read_only,
                driver: u.device.info().driver.into(),
                requests: u.requests,
                moved: u.moved,
            })
            .collect()
    }

    /// Does all that can be done now. Returns the clients (one bit each) that must be signalled.
    pub fn pump(&mut self, log: Log<'_>) -> u32 {
        loop {
            for disk in 0..self.disks.len() {
                while let Some((tag, ok)) = self.disks[disk].device.finished() {
                    self.part_finished(disk, tag, ok, log);
                }
            }
            self.send();
            for number in 0..MAX_CLIENTS {
                self.serve(number, log);
            }
            for unit in &mut self.disks {
                unit.device.kick();
            }
            if !self.disks.iter().any(|unit| unit.device.has_finished()) {
                break;
            }
        }
        let mut bits = 0;
        for (number, client) in self.clients.iter_mut().enumerate() {
            if client.as_mut().is_some_and(Client::must_ring) {
                bits |= 1 << number;
            }
        }
        bits
    }

    /// Asks all clients for a doorbell; `false`: someone has submitted already, pump again.
    pub fn sleep(&self) -> bool {
        // Where there is no room for more, the next completion is what has to be waited for.
        self.table.is_full() || self.clients.iter().flatten().all(|c| c.owed() >= MAX_OF_CLIENT || c.sleep())
    }

    /// Whether devices have something to do: where they cannot interrupt they have to be asked.
    pub fn is_busy(&self) -> bool {
        self.table.in_flight() > 0
    }

    /// Nanoseconds until a device has to be asked again, because nothing will tell of what it has finished then.
    pub fn due_ns(&self) -> Option<u64> {
        self.disks.iter().filter_map(|unit| unit.device.due_ns()).min()
    }

    /// Whether completions are held back because a client does not empty its ring.
    pub fn is_held_up(&self) -> bool {
        self.clients.iter().flatten().any(Client::is_held_up)
    }

    /// Attaches a client. The segment is cleared first, so this comes before the client starts. `Invalid`: no such number, or too small a segment;
    /// `Busy`: it is attached.
    pub fn attach(&mut self, client: u8, cells: &'a [AtomicU64]) -> Result<(), Error> {
        let place = self.clients.get_mut(client as usize).ok_or(Error::Invalid)?;
        if place.is_some() {
            return Err(Error::Busy);
        }
        *place = Some(Client::new(cells, MAX_OF_CLIENT).ok_or(Error::Invalid)?);
        Ok(())
    }

    /// Begins to detach a client: nothing more is taken from it, what no device has begun is dropped. It is over when [`Service::drained`] says so. `NotFound`.
    pub fn detach(&mut self, client: u8) -> Result<(), Error> {
        let place = self.clients.get_mut(client as usize).and_then(Option::as_mut);
        let found = place.ok_or(Error::NotFound)?;
        found.detaching = true;
        let mut dropped = [0u8; crate::MAX_REQUESTS];
        let mut count = 0;
        for (at, request) in self.table.of(Owner::Client(client)) {
            if request.sent == 0 {
                dropped[count] = at as u8;
                count += 1;
            } else {
                request.len = request.sent;
            }
        }
        for at in &dropped[..count] {
            self.table.take(*at as usize);
            found.under_way -= 1;
        }
        Ok(())
    }

    /// Whether a client is detached: never attached, or drained just now. The devices have finished all that they had begun for it.
    pub fn drained(&mut self, client: u8) -> bool {
        match self.clients.get_mut(client as usize) {
            Some(place) => {
                if place.as_ref().is_some_and(|c| c.detaching && c.under_way == 0) {
                    *place = None;
                }
                place.is_none()
            }
            None => true,
        }
    }

    /// Starts a read of at most [`MAX_READ`] sectors into a frame, for a call. `NotFound`: no such disk; `Invalid`: no sectors, too many, or beyond its end;
    /// `Busy`: too much is under way.
    pub fn read(&mut self, disk: u8, sector: u64, count: u32, frame: u32, ticket: u32) -> Result<(), Error> {
        let unit = self.disks.get(disk as usize).ok_or(Error::NotFound)?;
        let end = sector.checked_add(count as u64).ok_or(Error::Invalid)?;
        if count == 0 || count > MAX_READ || end > unit.device.info().sectors {
            return Err(Error::Invalid);
        }
        if self.table.is_full() {
            return Err(Error::Busy);
        }
        let mut frames = [0; MAX_RUN];
        frames[0] = frame;
        self.table.add(Pending {
            owner: Owner::Call,
            cookie: ticket,
            transfer: Transfer::Read,
            disk: disk as usize,
            sector,
            sectors: count,
            frames,
            len: 1,
            sent: 0,
            parts: 0,
            status: Status::Ok,
        });
        Ok(())
    }

    /// Takes a finished read of a call: its ticket, and whether it was done.
    pub fn finished_read(&mut self) -> Option<(u32, bool)> {
        self.calls.pop_front()
    }

    /// Takes a client's requests while there is room for them.
    fn serve(&mut self, number: usize, log: Log<'_>) {
        loop {
            let Some(client) = self.clients[number].as_mut() else { return };
            let was_broken = client.broken;
            client.push_held();
            let gathered =
                if client.owed() < MAX_OF_CLIENT && !self.table.is_full() { client.next() } else { None };
            if client.broken && !was_broken {
                log(format_args!("client {number} broke its rings: they are not used any more"));
            }
            let Some(gathered) = gathered else { return };
            match self.check(&gathered) {
                Ok(transfer) => {
                    self.accept(number, &gathered, transfer);
                    self.send();
                }
                Err(status) => {
                    if let Some(client) = self.clients[number].as_mut() {
                        client.complete(Completion { status, cookie: gathered.cookie });
                    }
                }
            }
        }
    }

    fn check(&self, g: &Gathered) -> Result<Transfer, Status> {
        let transfer = g.transfer.ok_or(Status::Invalid)?;
        let info = self.disks.get(g.disk as usize).ok_or(Status::Invalid)?.device.info();
        let end = g.sector.checked_add(g.len as u64 * SECTORS_PER_PAGE);
        match transfer {
            Transfer::Flush => Ok(transfer),
            _ if end.is_none_or(|end| end > info.sectors) => Err(Status::Invalid),
            Transfer::Write if info.read_only => Err(Status::ReadOnly),
            _ => Ok(transfer),
        }
    }

    fn accept(&mut self, number: usize, g: &Gathered, transfer: Transfer) {
        let (sector, sectors) = match transfer {
            Transfer::Flush => (0, 0),
            _ => (g.sector, g.len as u32 * SECTORS_PER_PAGE as u32),
        };
        self.table.add(Pending {
            owner: Owner::Client(number as u8),
            cookie: g.cookie,
            transfer,
            disk: g.disk as usize,
            sector,
            sectors,
            frames: g.frames,
            len: g.len,
            sent: 0,
            parts: 0,
            status: Status::Ok,
        });
        if let Some(client) = self.clients[number].as_mut() {
            client.under_way += 1;
        }
    }

    /// Hands what waits to the devices, oldest first; a device that is full holds up only its own.
    fn send(&mut self) {
        for unit in &mut self.disks {
            unit.full = false;
        }
        let mut next = 0;
        while let Some(at) = self.table.unsent.get(next).map(|at| *at as usize) {
            let Some(request) = self.table.get_mut(at) else { break };
            let unit = &mut self.disks[request.disk];
            while request.sent < request.len && !unit.full {
                let pages = (request.len - request.sent).min(unit.device.info().max_pages.max(1));
                let skip = request.sent as u32 * SECTORS_PER_PAGE as u32;
                let part = Request {
                    tag: at as u32,
                    transfer: request.transfer,
                    sector: request.sector + skip as u64,
                    sectors: (request.sectors - skip).min(pages as u32 * SECTORS_PER_PAGE as u32),
                    frames: if request.transfer == Transfer::Flush {
                        &[]
                    } else {
                        &request.frames[request.sent..request.sent + pages]
                    },
                };
                if unit.device.start(&part) {
                    request.sent += pages;
                    request.parts += 1;
                } else {
                    unit.full = true;
                }
            }
            if request.sent == request.len {
                self.table.unsent.remove(next);
            } else {
                next += 1;
            }
        }
    }

    fn part_finished(&mut self, disk: usize, tag: u32, ok: bool, log: Log<'_>) {
        let unit = &mut self.disks[disk];
        let Some(request) = self.table.get_mut(tag as usize).filter(|r| r.disk == disk && r.parts > 0) else {
            unit.requests[2] += 1;
            return log(format_args!("{}: finished a request that it was not given", unit.name));
        };
        request.parts -= 1;
        if !ok {
            request.status = Status::Io;
            // What was not sent yet is not sent any more.
            request.len = request.sent;
        }
        if !request.is_over() {
            return;
        }
        if request.status != Status::Ok {
            unit.requests[2] += 1;
            log(format_args!(
                "{}: {:?} of {} sectors at {} failed",
                unit.name, request.transfer, request.sectors, request.sector
            ));
        } else {
            let kind = match request.transfer {
                Transfer::Read => Some(0),
                Transfer::Write => Some(1),
                Transfer::Flush => None,
            };
            if let Some(kind) = kind {
                unit.requests[kind] += 1;
                unit.moved[kind] += request.sectors as u64;
            }
        }
        let Some(request) = self.table.take(tag as usize) else { return };
        match request.owner {
            Owner::Call => self.calls.push_back((request.cookie, request.status == Status::Ok)),
            Owner::Client(number) => {
                if let Some(client) = self.clients[number as usize].as_mut() {
                    client.under_way -= 1;
                    client.complete(Completion { status: request.status, cookie: request.cookie });
                }
            }
        }
    }
}
