// SPDX-License-Identifier: BSD-2-Clause
//! The end of a process: by itself, by a signal, by an exception, for want of memory.

use crate::server::Proc;
use alloc::format;
use alloc::string::String;
use ebb_abi::Handle;
use ebb_crash::Crashed;
use ebb_proc::{Header, Kind, Slot};
use ebb_proto::Error;
use ebb_proto::proc::{BUS_ERROR, Ended, ILLEGAL, KILLED, SEGMENTATION_FAULT, Status};
use ebb_proto::vm::{self, Happening, Space};
use ebb_rt::server::Call;
use ebb_sys::ipc::{self, Message};

/// Bit of `init`'s notification: the first shell has ended.
pub const END_BIT: u64 = 1 << 8;

impl Proc {
    /// A process has ended: everything of it is taken back, and whoever waits is told.
    pub fn end(&mut self, slot: Slot, status: Status, reason: String) {
        let (pid, badge) = (self.table.pid(slot), self.table.badge(slot));
        if !reason.is_empty() {
            ebb_rt::log!("{} ({pid}): {reason}", self.table.name(slot));
        }
        if self.table.header(Header::First) == pid as u64 {
            // Before anything else: the next instance would start another shell.
            self.table.set_header(Header::End, END_BIT | status as u64);
        }
        self.table.end(slot, &Ended { status, reason });
        self.waits.forget(pid);
        self.swapping.gone(pid);
        self.arguments.forget(badge);
        self.clear(slot);
    }

    /// Takes back what one that has ended still has.
    pub fn clear(&mut self, slot: Slot) {
        let pid = self.table.pid(slot);
        self.leave(self.table.space(slot), self.table.thread(slot));
        self.table.cleared(slot);
        if self.table.kind(slot) == Kind::Ended {
            self.tell_parent(slot);
        }
        if self.table.header(Header::First) == pid as u64 {
            self.tell_init();
        }
    }

    /// Says that the first shell has ended: with it the machine does.
    pub fn tell_init(&self) {
        if self.table.header(Header::End) != 0
            && let Err(error) = ipc::signal(self.init, END_BIT)
        {
            ebb_rt::log!("init: {error:?}");
        }
    }

    /// What `vm` says happened to processes.
    pub fn take_happenings(&mut self) -> Result<(), Error> {
        for happening in self.peers.vm(&vm::TakeEvents {})? {
            match happening {
                Happening::OutOfMemory { reason, space, held, state, .. } => {
                    let what = if reason == 2 { "room for the records of swap" } else { "memory" };
                    let reason = format!(
                        "out of {what}: it held {} resident and {} swapped pages; {} pages were free (minimum {}), {} slots of swap",
                        held.0, held.1, state.0, state.1, state.2
                    );
                    self.end_all(space, KILLED, &reason);
                }
                Happening::NoPage { space, why, .. } => self.lost.push((space, why)),
                Happening::PageLost { space, address } => {
                    let name =
                        self.table.sharing(space).first().map(|s| self.table.name(*s)).unwrap_or_default();
                    ebb_rt::log!("{name} ({space}): the page at {address:#x} could not be read");
                    self.lost.push((space, Error::Io));
                }
                Happening::Kicked { space } => self.kicked(space),
                Happening::SwappedIn { space } => self.swapped_in(space),
                Happening::StateLost { space } => {
                    if let Some(slot) = self.table.with_badge(space) {
                        self.swapping.lost(self.table.pid(slot));
                    }
                    self.end_all(
                        space,
                        BUS_ERROR,
                        "what it was doing when it was swapped out cannot be read",
                    );
                }
                Happening::SwapOutWanted { bits } => self.swap_out_some(bits)?,
                // These are `init`'s.
                Happening::PolicyEjected { .. } | Happening::Synced { .. } => {}
            }
        }
        Ok(())
    }

    /// A program went astray: it ends.
    pub fn exception(&mut self, space: Space, message: &Message, reply: Call) {
        // What `vm` says of it came before.
        if let Err(error) = self.take_happenings() {
            ebb_rt::log!("vm: {error}");
        }
        let lost = self.lost.iter().position(|(s, _)| *s == space).map(|at| self.lost.swap_remove(at).1);
        let Some(slot) = self.table.sharing(space).first().copied() else {
            // It was ended already; its last message was still on the way.
            return drop(reply);
        };
        let name = self.table.name(slot);
        let image = self.modules.iter().find(|m| m.index == self.table.image(slot) as u32);
        let crashed =
            Crashed { vm: self.peers.vm_handle(), space, name: &name, image: image.map_or(&[], |m| m.bytes) };
        let first = crashed.report(&message.words);
        drop(reply);
        let [vector, _, _, address, ..] = message.words;
        let (status, reason) = match (lost, vector) {
            (Some(why), _) => {
                let why = match why {
                    Error::Invalid => "beyond the end of the file",
                    Error::NoSpace => "no space left on device",
                    _ => "the page could not be read",
                };
                (BUS_ERROR, format!("bus error at {address:#x}: {why}"))
            }
            (None, 14) => (SEGMENTATION_FAULT, format!("segmentation fault at {address:#x}")),
            _ => (ILLEGAL, first),
        };
        self.end_all(space, status, &reason);
    }

    /// Ends all processes in a space.
    fn end_all(&mut self, space: Space, status: Status, reason: &str) {
        for slot in self.table.sharing(space) {
            self.end(slot, status, String::from(reason));
        }
    }

    /// Forgets a handle of one's own. None is no error.
    pub fn close(&self, handle: Handle) {
        if handle != Handle::NONE
            && let Err(error) = ebb_sys::object::handle_close(handle)
        {
            ebb_rt::log!("closing a handle: {error:?}");
        }
    }
}
