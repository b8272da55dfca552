// SPDX-License-Identifier: BSD-2-Clause
//! Programs that run or have ended: wait for, watch, kill. (`proc` takes this over when there is one.)

use crate::launch::Order;
use crate::serve::Init;
use crate::spawn::Spawned;
use alloc::string::String;
use alloc::vec::Vec;
use ebb_abi::Handle;
use ebb_proto::vm::{self, Space};
use ebb_proto::{Error, init as proto};
use ebb_rt::client::{call, call_with};
use ebb_rt::server::Call;
use ebb_sys::ipc;
use ebb_sys::object::handle_close;

/// Ended programs that are remembered: of one parent, and of all.
const MAX_ENDED_OF_ONE: usize = 256;
const MAX_ENDED: usize = 512;

/// A program.
pub struct Program {
    /// What `vm` has of it.
    pub spawned: Spawned,
    /// Its name.
    pub name: String,
    /// Who ran it.
    pub parent: Space,
    /// The boot module that was started: of a program from a file, the loader.
    pub image: &'static [u8],
    /// Its notification, and its endpoint with its parent if there is one (all rights).
    pub objects: [Handle; 2],
}

/// A program that has ended and was not waited for.
struct Ended {
    space: Space,
    parent: Space,
    ended: proto::Ended,
}

/// All programs.
#[derive(Default)]
pub struct Programs {
    /// Those that run.
    pub running: Vec<Program>,
    ended: Vec<Ended>,
    waiting: Vec<(Space, Space, Call)>,
    watching: Vec<(Space, Handle)>,
}

impl Programs {
    /// Keeps how a program ended until its parent asks. Parents that never do lose the oldest: memory is bounded.
    fn keep(&mut self, ended: Ended) {
        let own = self.ended.iter().filter(|e| e.parent == ended.parent).count();
        let oldest = match own >= MAX_ENDED_OF_ONE {
            true => self.ended.iter().position(|e| e.parent == ended.parent),
            false => (self.ended.len() >= MAX_ENDED).then_some(0),
        };
        if let Some(oldest) = oldest {
            self.ended.remove(oldest);
        }
        self.ended.push(ended);
    }
}

impl Init {
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

    /// A program has ended, in whatever way: everything of it is taken back, and whoever waits is told.
    pub fn program_ended(&mut self, space: Space, status: proto::Status, reason: String) {
        let Some(at) = self.programs.running.iter().position(|p| p.spawned.space == space) else { return };
        let program = self.programs.running.swap_remove(at);
        self.forget(&program.spawned);
        program.objects.into_iter().for_each(|object| self.free_object(object));
        self.close_pipes(space);
        self.forget_parent(space);
        if !reason.is_empty() {
            ebb_rt::log!("{} ({space}): {reason}", program.name);
        }
        if space == self.shell {
            // The shell's end is the machine's.
            return self.shut_down(status, None);
        }
        let ended = proto::Ended { status, reason };
        let waiting = self.programs.waiting.iter().position(|(s, p, _)| (*s, *p) == (space, program.parent));
        if let Some(at) = waiting {
            let (_, _, call) = self.programs.waiting.swap_remove(at);
            call.answer::<proto::Wait>(Ok(ended.status));
            return;
        }
        self.programs.keep(Ended { space, parent: program.parent, ended });
        if let Some((_, handle)) = self.programs.watching.iter().find(|(s, _)| *s == program.parent) {
            // A watcher that died meanwhile is forgotten with its own end.
            let _ = ipc::signal(*handle, proto::CHILD_BIT);
        }
    }

    /// What a parent left: statuses nobody will ask for, waits nobody will read. Its running children go on.
    fn forget_parent(&mut self, parent: Space) {
        self.arguments.forget(parent);
        self.programs.ended.retain(|e| e.parent != parent);
        self.programs.waiting.retain(|(_, p, _)| *p != parent);
        self.programs.watching.retain(|(s, handle)| {
            if *s == parent {
                // As above.
                let _ = handle_close(*handle);
            }
            *s != parent
        });
    }

    /// Waits for a program.
    pub fn wait(&mut self, parent: Space, space: Space, reply: Call) {
        if let Some(at) = self.programs.ended.iter().position(|e| (e.space, e.parent) == (space, parent)) {
            let ended = self.programs.ended.remove(at);
            return reply.answer::<proto::Wait>(Ok(ended.ended.status));
        }
        if self.programs.running.iter().any(|p| p.spawned.space == space && p.parent == parent) {
            self.programs.waiting.push((space, parent, reply));
        } else {
            reply.answer::<proto::Wait>(Err(Error::NotFound));
        }
    }

    /// Whether a program has ended.
    pub fn poll(&mut self, parent: Space, space: Space) -> Result<Option<proto::Ended>, Error> {
        if let Some(at) = self.programs.ended.iter().position(|e| (e.space, e.parent) == (space, parent)) {
            return Ok(Some(self.programs.ended.remove(at).ended));
        }
        match self.programs.running.iter().any(|p| p.spawned.space == space && p.parent == parent) {
            true => Ok(None),
            false => Err(Error::NotFound),
        }
    }

    /// Signals a notification from now on when a child of `parent` ends.
    pub fn watch(&mut self, parent: Space, notification: Handle) -> Result<(), Error> {
        if notification == Handle::NONE {
            return Err(Error::Invalid);
        }
        self.programs.watching.retain(|(s, handle)| {
            if *s == parent {
                // Only forgotten here; the object is the program's own.
                let _ = handle_close(*handle);
            }
            *s != parent
        });
        self.programs.watching.push((parent, notification));
        Ok(())
    }

    /// Kills a program.
    pub fn kill_program(&mut self, space: Space) -> Result<(), Error> {
        if self.programs.running.iter().any(|p| p.spawned.space == space) {
            self.program_ended(space, proto::KILLED, String::from("killed"));
            return Ok(());
        }
        let is_server = space == vm::INIT || self.service_in(space).is_some();
        Err(if is_server { Error::NotPermitted } else { Error::NotFound })
    }

    /// All programs.
    pub fn program_list(&self) -> Vec<proto::Program> {
        let list = self.programs.running.iter();
        list.map(|p| proto::Program { space: p.spawned.space, name: p.name.clone(), parent: p.parent })
            .collect()
    }

    /// The name of a program or service, and the module it came from.
    pub fn name_of(&self, space: Space) -> String {
        if let Some(p) = self.programs.running.iter().find(|p| p.spawned.space == space) {
            return p.name.clone();
        }
        self.service_in(space).and_then(|n| self.services.get(n)).map_or(String::new(), |s| s.image.clone())
    }

    /// The bytes of the image that runs in a space.
    pub fn image_of(&self, space: Space) -> Option<&'static [u8]> {
        if let Some(p) = self.programs.running.iter().find(|p| p.spawned.space == space) {
            return Some(p.image);
        }
        let find = |name: &str| self.modules.iter().find(|m| m.name == name).map(|m| m.bytes);
        let service = self.service_in(space).and_then(|n| self.services.get(n))?;
        find(&service.image).or_else(|| find(service.server.program))
    }

    /// Runs the shell, with whose end the machine ends.
    pub fn start_shell(&mut self) -> Result<(), Error> {
        let (space, _) = self.run(vm::INIT, Order::plain("shell", Vec::new()))?;
        self.shell = space;
        Ok(())
    }

    /// What happened in `vm`.
    pub fn take_happenings(&mut self) -> Result<(), Error> {
        for happening in call(self.vm, &vm::TakeEvents {})? {
            match happening {
                vm::Happening::OutOfMemory { reason, space, held, state, .. } => {
                    let reason = alloc::format!(
                        "out of {}: it held {} resident and {} swapped pages; {} pages were free (minimum {}), {} slots of swap",
                        if reason == 2 { "room for the records of swap" } else { "memory" },
                        held.0,
                        held.1,
                        state.0,
                        state.1,
                        state.2
                    );
                    self.program_ended(space, proto::KILLED, reason);
                }
                vm::Happening::PolicyEjected { space } => self.policy_ejected(space),
                vm::Happening::NoPage { space, why, .. } => self.lost.push((space, why)),
                vm::Happening::PageLost { space, address } => {
                    ebb_rt::log!(
                        "{} ({space}): the page at {address:#x} could not be read",
                        self.name_of(space)
                    );
                    self.lost.push((space, Error::Io));
                }
                vm::Happening::Synced { errors } => self.synced(errors),
            }
        }
        Ok(())
    }
}
