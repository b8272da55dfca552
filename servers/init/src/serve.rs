// SPDX-License-Identifier: BSD-2-Clause
//! The start, the loop, and the calls.

use crate::boot::{self, Frames, Module};
use crate::bootstrap;
use crate::dashboard::Dashboard;
use crate::keeper::{self, Keeper};
use crate::pagers::FILES_DISK;
use crate::replacing::Replacement;
use crate::retire::Retiring;
use crate::service::Service;
use crate::shutdown::Shutdown;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use ebb_abi::Handle;
use ebb_abi::boot::{Range, handles};
use ebb_abi::message::LABEL_EXCEPTION;
use ebb_crash::Crashed;
use ebb_proto::levels::SERVERS;
use ebb_proto::vm::{self, HAPPENING_BIT, Happening, Space};
use ebb_proto::{Error, init as proto};
use ebb_rt::StartInfo;
use ebb_rt::client::{call, call_with, from_sys};
use ebb_rt::clock;
use ebb_rt::server::{self, Call};
use ebb_sys::ipc::{self, Message, Received};
use ebb_sys::object::handle_close;
use ebb_sys::time::tsc;

/// Bit of the own notification that the timer sets.
const TIMER_BIT: u64 = 1 << 63;
/// Microseconds between looks at a replacement under way.
const TEND_US: u64 = 500;
/// How often a policy that was started is looked at, until it is ready.
const READY_LOOK_US: u64 = 100_000;
/// Exit value for QEMU when a server's failure ends the machine.
const FAILED: u8 = 9;
/// Most bytes of the script in one answer.
const SCRIPT_PIECE: usize = 3000;

/// The server.
pub struct Init {
    /// `vm`, as `init` calls it.
    pub vm: Handle,
    /// `vm`'s endpoint, to give to others.
    pub vm_endpoint: Handle,
    /// The own endpoint.
    pub endpoint: Handle,
    /// The own notification.
    pub notification: Handle,
    /// Boot modules.
    pub modules: Vec<Module>,
    /// The kernel's command line.
    pub cmdline: String,
    /// Cycles of the time-stamp counter per second.
    pub tsc_hz: u64,
    /// Microseconds from 1970 to the counter's zero; 0: unknown.
    pub epoch_us: u64,
    /// Every frame number is below it.
    pub nr_frames: u32,
    /// The servers but `vm` and `init`.
    pub services: Vec<Service>,
    /// What outlives `proc`.
    pub keeper: Option<Keeper>,
    /// Memory that `mem=` left out, where disks may lie.
    pub spare: Range,
    /// Deaths of servers that nobody had asked for.
    pub unexpected: u32,
    /// A replacement under way.
    pub replacement: Option<Replacement>,
    /// A pager that is to be replaced by another kind of it.
    pub retiring: Option<Retiring>,
    /// Pages that `vm` keeps for starting servers.
    pub aside: u32,
    /// Rings made between `block` and its clients.
    pub ring_number: u64,
    /// When it started.
    pub started_us: u64,
    /// The machine's end, under way.
    pub shutdown: Option<Shutdown>,
    /// What a dashboard on the host is told.
    pub dashboard: Option<Dashboard>,
}

/// The start.
pub fn main(boot: u64) -> ! {
    let Err(error) = bring_up(boot).and_then(|mut init| init.serve());
    ebb_rt::log!("init: cannot go on: {error}");
    fail()
}

/// Ends the machine at once.
pub fn fail() -> ! {
    // There is nothing left to try if this fails too.
    let _ = ebb_sys::device::power_off(handles::IO_PORT, FAILED);
    ebb_rt::start::abort()
}

fn bring_up(boot: u64) -> Result<Init, Error> {
    let info = ebb_rt::boot::info(boot).ok_or(Error::Malformed)?;
    let mut frames = Frames::new(info);
    bootstrap::own_heap(&mut frames)?;
    let cmdline = boot::cmdline(info);
    let modules = boot::modules(info);
    ebb_rt::start::set_info(StartInfo {
        name: String::from("init"),
        tsc_hz: info.tsc_hz,
        cmdline: cmdline.clone(),
        ..StartInfo::default()
    });
    let vm = modules.iter().find(|m| m.name == "vm").ok_or_else(|| {
        ebb_rt::log!("the boot image has no module \"vm\": make it again with cargo xtask");
        Error::NotFound
    })?;
    let epoch_us = crate::wall::epoch_us();
    let booted = bootstrap::start_vm(info, &mut frames, vm, &cmdline, epoch_us)?;
    let mut init = Init {
        vm: booted.vm,
        vm_endpoint: booted.vm_endpoint,
        endpoint: booted.endpoint,
        notification: booted.notification,
        modules,
        cmdline,
        tsc_hz: info.tsc_hz,
        epoch_us,
        nr_frames: info.nr_frames,
        spare: info.spare,
        services: Vec::new(),
        keeper: None,
        unexpected: 0,
        replacement: None,
        retiring: None,
        aside: 0,
        ring_number: 0,
        started_us: clock::now_us(),
        shutdown: None,
        dashboard: None,
    };
    init.dashboard = Dashboard::asked_for(&init.cmdline);
    for server in SERVERS.iter().filter(|s| s.role != "init") {
        let known = |name: &str| init.modules.iter().any(|m| m.name == name);
        if !known(server.program) && !server.images.iter().any(|image| known(image)) {
            ebb_rt::log!("the boot image has no module {:?}: make it again with cargo xtask", server.program);
            return Err(Error::NotFound);
        }
    }
    init.start_services()?;
    Ok(init)
}

impl Init {
    fn serve(&mut self) -> Result<core::convert::Infallible, Error> {
        loop {
            let ending = self.tend_shutdown();
            let retiring = self.tend_retiring();
            let replacing = self.tend_replacement().then_some(TEND_US);
            let starting = self.tend_policy().then_some(READY_LOOK_US);
            let showing = self.tend_dashboard();
            if let Some(us) = [retiring, replacing, ending, starting, showing].into_iter().flatten().min() {
                let deadline = tsc() + clock::cycles_of(us);
                ipc::timer(self.notification, TIMER_BIT, deadline).map_err(from_sys)?;
            }
            let received = match server::receive(self.endpoint) {
                // No room for the right to answer; the message waits.
                Err(Error::NoMemory) => {
                    self.reserve_handles(1)?;
                    continue;
                }
                received => received?,
            };
            match received {
                Received::Bits(bits) => {
                    if bits & HAPPENING_BIT != 0 {
                        self.take_happenings()?;
                    }
                    if bits & keeper::END_BIT != 0 {
                        self.first_program_ended();
                    }
                }
                Received::Message { badge, reply, message } => {
                    let reply = Call::new(reply);
                    if message.tag.label() == LABEL_EXCEPTION {
                        self.exception(badge as Space, &message, reply);
                    } else {
                        self.call(&message, reply);
                    }
                }
            }
        }
    }

    /// A server went astray: it ends.
    fn exception(&mut self, space: Space, message: &Message, reply: Call) {
        let Some(at) = self.service_in(space) else {
            // It was ended already; its last message was still on the way.
            return drop(reply);
        };
        let name = self.services.get(at).map(|s| s.image.clone()).unwrap_or_default();
        let image = self.image_of(space).unwrap_or(&[]);
        let how = Crashed { vm: self.vm, space, name: &name, image }.report(&message.words);
        self.failed(at, &how);
        drop(reply);
        if !self.service_died(at) {
            fail();
        }
    }

    fn call(&mut self, message: &Message, reply: Call) {
        let bytes = server::bytes(message);
        let handles: Vec<Handle> = server::handles(message).filter(|h| *h != Handle::NONE).collect();
        for handle in handles {
            // Nobody asked for it. It is one's own, so that closing cannot fail.
            let _ = handle_close(handle);
        }
        let Ok(request) = proto::Request::decode(message.tag.label(), &bytes) else {
            return reply.fail(Error::Malformed);
        };
        match request {
            proto::Request::Services(_) => reply.answer::<proto::Services>(Ok(self.service_list())),
            proto::Request::Replace(op) => self.replace_service(&op.role, Some(op.image), reply),
            proto::Request::Restart(op) => self.replace_service(&op.role, None, reply),
            proto::Request::Stop(op) => reply.answer::<proto::Stop>(self.stop_service(&op.role)),
            proto::Request::Kill(op) => reply.answer::<proto::Kill>(self.kill_service(&op.role)),
            proto::Request::Shutdown(op) => self.shut_down(op.status, Some(reply)),
            proto::Request::Script(op) => reply.answer::<proto::Script>(self.script(op.from)),
            proto::Request::Images(_) => reply.answer::<proto::Images>(Ok(self.images())),
        }
    }

    /// A piece of the text given with `--exec`.
    fn script(&self, from: u64) -> Result<String, Error> {
        let module = self.modules.iter().find(|m| m.name == "exec").ok_or(Error::NotFound)?;
        let text = core::str::from_utf8(module.bytes).map_err(|_| Error::Malformed)?;
        let rest = text.get(from as usize..).ok_or(Error::Invalid)?;
        let mut end = rest.len().min(SCRIPT_PIECE);
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        Ok(String::from(&rest[..end]))
    }

    /// What happened in `vm`.
    fn take_happenings(&mut self) -> Result<(), Error> {
        for happening in call(self.vm, &vm::TakeEvents {})? {
            match happening {
                Happening::PolicyEjected { space, ejection } => self.policy_ejected(space, &ejection),
                Happening::Synced { errors } => self.synced(errors),
                // Servers have neither pages that could be lost nor files, and are no victims; what happens to programs is told to `proc`.
                Happening::OutOfMemory { .. } | Happening::NoPage { .. } | Happening::PageLost { .. } => {}
                // Nor are they swapped out.
                Happening::SwapOutWanted { .. }
                | Happening::Kicked { .. }
                | Happening::SwappedIn { .. }
                | Happening::StateLost { .. } => {}
            }
        }
        Ok(())
    }

    /// Destroys an endpoint or a notification. None is no error.
    pub fn free_object(&self, handle: Handle) {
        if handle == Handle::NONE {
            return;
        }
        if let Err(error) = call_with(self.vm, &vm::ObjectFree {}, &[handle]) {
            ebb_rt::log!("freeing an object: {error}");
        }
        // The object is gone, the slot remains.
        let _ = handle_close(handle);
    }

    /// The bytes of the image that runs in a server's space.
    fn image_of(&self, space: Space) -> Option<&'static [u8]> {
        let find = |name: &str| self.modules.iter().find(|m| m.name == name).map(|m| m.bytes);
        let service = self.service_in(space).and_then(|n| self.services.get(n))?;
        find(service.program()).or_else(|| find(service.server.program))
    }

    /// Boot modules that can be run: no servers, not the script, and not the disk.
    pub fn programs(&self) -> impl Iterator<Item = &Module> {
        let server = |name: &str| SERVERS.iter().any(|s| s.program == name || s.role == name);
        self.modules.iter().filter(move |m| !["exec", FILES_DISK].contains(&m.name) && !server(m.name))
    }

    /// Programs, and images of roles.
    fn images(&self) -> Vec<String> {
        let mut images: Vec<String> = self.programs().map(|m| String::from(m.name)).collect();
        for server in SERVERS {
            images.extend(server.images.iter().map(|image| format!("{}/{image}", server.role)));
        }
        images
    }
}
