// SPDX-License-Identifier: BSD-2-Clause
//! The servers: started in the order of the manifest, watched, started again when they die.
//!
//! A role keeps its endpoint for as long as the machine runs: clients keep their handles, and calls that arrive while nobody plays the role wait for the
//! next who does. The notification is each instance's own: during a replacement there are two.

use crate::boot::Module;
use crate::fate::{Fate, POLICY};
use crate::keeper::KEEPER;
use crate::pagers::{FILES, FILES_DISK, SWAP, WithBlock};
use crate::serve::Init;
use crate::spawn::{Spawn, Spawned};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use ebb_abi::boot::handles;
use ebb_abi::layout::SEGMENTS;
use ebb_abi::{Handle, PAGE_SIZE, Rights};
use ebb_proto::levels::{SERVERS, Server};
use ebb_proto::vm::{self, Protection, Source, Space};
use ebb_proto::{Error, init as proto};
use ebb_rt::client::{call, call_with};
use ebb_rt::clock;

/// Pages that `block` gets for its devices' queues.
const DMA_PAGES: u64 = 64;
/// Where `block` finds them.
const DMA: u64 = SEGMENTS;
/// Deaths in a row, each within [`QUICK_US`] of its start, after which a service is not started again.
const HOPELESS: u32 = 8;
const QUICK_US: u64 = 1_000_000;
/// Pages that starting a server takes beyond what it has in the end: its start information, its rings.
const START_SLACK: u32 = 32;
/// Bytes of heap that the seed's policy has for each frame.
const POLICY_PER_FRAME: u64 = 20;
/// The same for any other: 16 for what is there, and up to 20 for what is remembered of pages that are gone.
const REMEMBERING_PER_FRAME: u64 = 40;

/// How a service is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It runs.
    Running,
    /// Somebody stopped it.
    Stopped,
    /// It died too often.
    Failed,
}

/// A program that plays a role.
pub struct Running {
    /// What `vm` has of it.
    pub spawned: Spawned,
    /// Its notification (all rights).
    pub notification: Handle,
}

/// A service.
pub struct Service {
    /// What it is.
    pub server: &'static Server,
    /// Its endpoint (all rights), to give to others.
    pub endpoint: Handle,
    /// Its endpoint, as `init` calls it.
    pub own: Handle,
    /// The image that plays it.
    pub image: String,
    /// The program, if it runs.
    pub running: Option<Running>,
    /// How it is.
    pub state: State,
    starts: u32,
    deaths: u32,
    quick: u32,
    /// When the program was started.
    pub since_us: u64,
    /// What became of those before.
    pub fate: Fate,
    /// What a pager shares with `block`.
    pub with_block: Option<WithBlock>,
}

impl Service {
    /// The program of its image: what stands before a colon.
    pub fn program(&self) -> &str {
        self.image.split(':').next().unwrap_or(&self.image)
    }

    /// Whether it ever ran. Who calls a service that never did would wait for ever.
    pub fn was_started(&self) -> bool {
        self.starts > 0
    }
}

impl Init {
    /// Starts all servers but `vm` and `init` themselves.
    pub fn start_services(&mut self) -> Result<(), Error> {
        for server in SERVERS.iter().filter(|s| s.role != "vm" && s.role != "init") {
            let ((), endpoint) = call_with(self.vm, &vm::EndpointNew {}, &[])?;
            let default = server.images.first().copied().unwrap_or(server.role);
            let chosen = match server.role {
                POLICY => crate::boot::option(&self.cmdline, "policy"),
                SWAP => crate::boot::option(&self.cmdline, "swap_pager"),
                _ => None,
            };
            let image = chosen.unwrap_or(default);
            self.services.push(Service {
                server,
                endpoint,
                own: crate::bootstrap::badged(endpoint)?,
                image: String::from(image),
                running: None,
                state: State::Stopped,
                starts: 0,
                deaths: 0,
                quick: 0,
                since_us: 0,
                fate: Fate::default(),
                with_block: None,
            });
            let at = self.services.len() - 1;
            if server.role == FILES && !self.has_files()? {
                continue;
            }
            let image = String::from(image);
            if let Err(error) = self.start_service(at, &image) {
                ebb_rt::log!("{}: cannot start {image}: {error}", server.role);
                return Err(error);
            }
        }
        self.set_aside()
    }

    /// Lets `vm` keep what a second policy needs, so that one can start beside the other while memory is short. A pager's successor needs nothing of it: it has what the
    /// one before it had, which `vm` keeps for it.
    fn set_aside(&mut self) -> Result<(), Error> {
        let spaces = call(self.vm, &vm::Spaces { from: 0 })?;
        let largest = self
            .services
            .iter()
            .filter(|s| s.server.role == POLICY)
            .filter_map(|s| s.running.as_ref())
            .filter_map(|r| spaces.iter().find(|s| s.space == r.spawned.space))
            .map(|s| s.resident + s.kernel_frames)
            .max()
            .unwrap_or(0);
        self.aside = largest as u32 + START_SLACK;
        call(self.vm, &vm::SetAside { pages: self.aside })
    }

    /// The service with this role.
    pub fn service(&self, role: &str) -> Option<usize> {
        self.services.iter().position(|s| s.server.role == role)
    }

    /// The program that plays an image of a role, and its arguments: what follows a colon in the image's name is one.
    pub fn module_for(&self, server: &Server, image: &str) -> Result<(Module, Vec<String>), Error> {
        let find = |name: &str| self.modules.iter().find(|m| m.name == name).copied();
        let (program, argument) = image.split_once(':').map_or((image, None), |(p, a)| (p, Some(a)));
        match find(program) {
            Some(module) => Ok((module, argument.into_iter().map(String::from).collect())),
            None if server.images.contains(&image) => {
                let module = find(server.program).ok_or(Error::NotFound)?;
                Ok((module, vec![String::from(image)]))
            }
            None => Err(Error::NotFound),
        }
    }

    /// Starts an image that plays a role.
    pub fn start_service(&mut self, at: usize, image: &str) -> Result<(), Error> {
        let service = self.services.get(at).ok_or(Error::NotFound)?;
        let server = service.server;
        let (module, args) = self.module_for(server, image)?;
        let mut heap = server.heap;
        if server.role == POLICY {
            let per_frame = if image == "freebsd" { POLICY_PER_FRAME } else { REMEMBERING_PER_FRAME };
            heap += self.nr_frames as u64 * per_frame;
        }
        if server.role == SWAP {
            heap += crate::pagers::more_for(image, self.nr_frames).0;
        }
        let heap = heap.next_multiple_of(PAGE_SIZE as u64);
        let ((), notification) = call_with(self.vm, &vm::NotificationNew {}, &[])?;
        let launched = self.spawn(&module, image, args, Some((heap, server.stack))).and_then(|mut spawn| {
            match self.equip(at, &mut spawn, notification) {
                Ok(()) => self.launch(spawn, notification, server.priority),
                Err(error) => {
                    self.abandon(spawn);
                    Err(error)
                }
            }
        });
        let spawned = launched.inspect_err(|_| self.free_object(notification))?;
        if let Some(service) = self.services.get_mut(at) {
            service.running = Some(Running { spawned, notification });
            service.fate.started(server.role, service.image != image);
            service.image = String::from(image);
            service.state = State::Running;
            service.starts += 1;
            service.since_us = clock::now_us();
        }
        Ok(())
    }

    /// What a server gets: its own endpoint and notification, those that it may call, and what its role needs.
    fn equip(&mut self, at: usize, spawn: &mut Spawn<'_>, notification: Handle) -> Result<(), Error> {
        let service = self.services.get(at).ok_or(Error::NotFound)?;
        let (server, endpoint) = (service.server, service.endpoint);
        let both = Rights::SEND | Rights::RECEIVE | Rights::GRANT;
        self.give(spawn, "endpoint", endpoint, Rights::RECEIVE, 0)?;
        self.give(spawn, "notification", notification, both, 0)?;
        for role in server.calls {
            let callee = if *role == "vm" {
                self.vm_endpoint
            } else {
                self.service(role).and_then(|n| self.services.get(n)).ok_or(Error::NotFound)?.endpoint
            };
            // `proc` shares ends of pipes in the name of `init`.
            let badge = if (server.role, *role) == (KEEPER, "pipe") { vm::INIT } else { spawn.space };
            self.give(spawn, role, callee, Rights::SEND, badge)?;
        }
        match server.role {
            "console" => self.equip_driver(spawn),
            "block" => self.equip_block(spawn),
            KEEPER => self.equip_keeper(spawn, endpoint),
            SWAP => self.equip_swap_pager(at, spawn, notification),
            FILES => self.equip_vnode_pager(at, spawn, notification),
            POLICY => {
                self.give(spawn, "phys", handles::PHYS_MEM, Rights::HARVEST, 0)?;
                self.tell(spawn, "nr_frames", self.nr_frames as u64);
                call(self.vm, &vm::PolicyAllow { space: spawn.space })
            }
            "vm-daemon" => call(self.vm, &vm::DaemonAllow { space: spawn.space }),
            _ => Ok(()),
        }
    }

    fn equip_driver(&self, spawn: &mut Spawn<'_>) -> Result<(), Error> {
        self.give(spawn, "io", handles::IO_PORT, Rights::empty(), 0)?;
        self.give(spawn, "irq", handles::IRQ, Rights::empty(), 0)
    }

    fn equip_block(&self, spawn: &mut Spawn<'_>) -> Result<(), Error> {
        self.equip_driver(spawn)?;
        let mut rights = Rights::DEVICE;
        if let Some(disk) = self.modules.iter().find(|m| m.name == FILES_DISK) {
            let pages = (disk.bytes.len() as u64).div_ceil(PAGE_SIZE as u64);
            self.tell(spawn, "ram_frame", disk.first_frame as u64);
            self.tell(spawn, "ram_pages", pages);
            // Its requests are copies from frame to frame.
            rights |= Rights::FULL_MEMORY;
        }
        if crate::boot::option(&self.cmdline, "ramdisk").is_some() {
            self.tell(spawn, "spare_frame", self.spare.first as u64);
            self.tell(spawn, "spare_pages", self.spare.count as u64);
            rights |= Rights::FULL_MEMORY;
        }
        self.give(spawn, "phys", handles::PHYS_MEM, rights, 0)?;
        let space = spawn.space;
        // For device registers, which it maps itself: several regions, each with a leaf and its reverse map.
        for _ in 0..8 {
            call(self.vm, &vm::DonateTables { space })?;
        }
        let id = call(self.vm, &vm::SegmentNew { pages: DMA_PAGES })?;
        let protection = (Protection::READ | Protection::WRITE).bits();
        let source = Source::Segment { id, first: 0 };
        call(self.vm, &vm::Map { space, address: DMA, pages: DMA_PAGES, protection, source })?;
        self.tell(spawn, "dma", DMA);
        self.tell(spawn, "dma_pages", DMA_PAGES);
        for (n, frame) in call(self.vm, &vm::SegmentFrames { id, first: 0 })?.into_iter().enumerate() {
            self.tell(spawn, &format!("dma_frame{n}"), frame as u64);
        }
        Ok(())
    }

    /// Ends what plays a role. What it leaves behind is put in order: `vm` keeps its requests, `block` finishes what was in flight.
    pub fn end_service(&mut self, at: usize) {
        let Some(service) = self.services.get_mut(at) else { return };
        let (role, running, with_block) =
            (service.server.role, service.running.take(), service.with_block.take());
        self.give_up_retiring(at);
        if let Some(running) = running {
            self.end_running(&running);
        }
        self.retire_pager(role, with_block);
    }

    /// Ends a program that plays a role, or did.
    pub fn end_running(&self, running: &Running) {
        self.forget(&running.spawned);
        self.free_object(running.notification);
    }

    /// A service died without being asked to. Returns whether the machine can go on.
    pub fn service_died(&mut self, at: usize) -> bool {
        let now = clock::now_us();
        let Some(service) = self.services.get_mut(at) else { return true };
        service.deaths += 1;
        self.unexpected += 1;
        service.quick = if now - service.since_us < QUICK_US { service.quick + 1 } else { 0 };
        let (role, hopeless) = (service.server.role, service.quick >= HOPELESS);
        if !service.server.restart {
            ebb_rt::log!("{role} died, and the machine cannot do without it");
            return false;
        }
        self.end_service(at);
        if self.replacement.as_ref().is_some_and(|r| r.service == at) {
            // Whether the one before goes on is decided there.
            return true;
        }
        if hopeless {
            ebb_rt::log!("{role} died {HOPELESS} times in a row: it is not started again");
            if let Some(service) = self.services.get_mut(at) {
                service.state = State::Failed;
            }
            return true;
        }
        let image = self.successor(at);
        self.start_again(at, &image);
        true
    }

    /// Starts a service that does not run; says so if it cannot.
    pub fn start_again(&mut self, at: usize, image: &str) {
        if let Err(error) = self.start_service(at, image) {
            let Some(service) = self.services.get_mut(at) else { return };
            ebb_rt::log!("{}: cannot start {image}: {error}", service.server.role);
            service.state = State::Failed;
        }
    }

    /// The role whose program has this space.
    pub fn service_in(&self, space: Space) -> Option<usize> {
        self.services.iter().position(|s| s.running.as_ref().is_some_and(|r| r.spawned.space == space))
    }

    /// Ends a service as an accident would.
    pub fn kill_service(&mut self, role: &str) -> Result<(), Error> {
        let at = self.restartable(role)?;
        let image = self.services.get(at).map(|s| s.image.clone()).unwrap_or_default();
        self.end_service(at);
        self.start_service(at, &image)
    }

    /// Ends a service until it is restarted.
    pub fn stop_service(&mut self, role: &str) -> Result<(), Error> {
        let at = self.replaceable(role)?;
        self.end_service(at);
        if let Some(service) = self.services.get_mut(at) {
            service.state = State::Stopped;
        }
        Ok(())
    }

    /// The service with this role, if it may end and nobody replaces it. `Unsupported`: the machine cannot do without it.
    pub fn restartable(&self, role: &str) -> Result<usize, Error> {
        if role == "vm" || role == "init" {
            return Err(Error::Unsupported);
        }
        let at = self.service(role).ok_or(Error::NotFound)?;
        if self.replacement.as_ref().is_some_and(|r| r.service == at) {
            return Err(Error::Busy);
        }
        match self.services.get(at) {
            Some(service) if service.server.restart => Ok(at),
            _ => Err(Error::Unsupported),
        }
    }

    /// All services, `vm` and `init` too.
    pub fn service_list(&self) -> Vec<proto::Service> {
        let now = clock::now_us();
        SERVERS
            .iter()
            .map(|server| match self.service(server.role).and_then(|n| self.services.get(n)) {
                Some(s) => proto::Service {
                    role: server.role.to_string(),
                    image: s.image.clone(),
                    space: s.running.as_ref().map_or(0, |r| r.spawned.space),
                    state: String::from(match s.state {
                        State::Running => "running",
                        State::Stopped => "stopped",
                        State::Failed => "failed",
                    }),
                    level: server.level,
                    starts: (s.starts, s.deaths),
                    failure: s.fate.last.clone(),
                    up_us: if s.running.is_some() { now - s.since_us } else { 0 },
                },
                None => proto::Service {
                    role: server.role.to_string(),
                    image: server.role.to_string(),
                    space: if server.role == "init" { vm::INIT } else { 0 },
                    state: String::from("running"),
                    level: server.level,
                    starts: (1, 0),
                    failure: String::new(),
                    up_us: now - self.started_us,
                },
            })
            .collect()
    }
}
