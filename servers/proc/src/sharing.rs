// SPDX-License-Identifier: BSD-2-Clause
//! Processes that share a space. Each but the one that began in it is a thread there; the space goes with the last of them.

use crate::server::Proc;
use ebb_proc::{New, Slot};
use ebb_proto::Error;
use ebb_proto::proc::{self, Group, Pid};
use ebb_proto::vm::{self, MAX_THREADS, Space};

/// What programs know this server as.
const OWN_NAME: &str = "proc";

impl Proc {
    /// Makes a process that shares the caller's space. Its number, and the handles of its notification and of this server there.
    pub fn share_space(&mut self, from: Space, op: &proc::Share) -> Result<(Pid, u32, u32), Error> {
        let parent = self.table.with_badge(from).ok_or(Error::NotFound)?;
        let (space, name) = (self.table.space(parent), self.table.name(parent));
        let number = match u8::try_from(op.number) {
            Ok(number) if number > 0 && (number as usize) < MAX_THREADS => number,
            _ => return Err(Error::Invalid),
        };
        if self.table.sharing(space).iter().any(|s| self.table.thread(*s) == number) {
            return Err(Error::Exists);
        }
        let (group, image) = (Group::Inherited, self.table.image(parent));
        let (parent, initial) = (Some(parent), self.initial);
        let slot = self.table.begin(&New { name: &name, parent, group, image, initial, thread: number })?;
        let made = self.begin_sharing(slot, space, op);
        if made.is_err() {
            self.table.abandon(slot);
        }
        made
    }

    fn begin_sharing(
        &mut self,
        slot: Slot,
        space: Space,
        op: &proc::Share,
    ) -> Result<(Pid, u32, u32), Error> {
        let own = self.servers.iter().find(|(name, _)| name == OWN_NAME).ok_or(Error::NotFound)?.1;
        // Written down before there is a thread: whoever comes after this server can tell whose it is.
        let pid = self.peers.vm(&vm::NumberNew {})?;
        self.table.made_in(slot, pid, space);
        let proc::Share { number, entry, stack, argument } = *op;
        let notification = self.peers.vm(&vm::ShareNew { space, number, entry, stack, argument })?;
        let give = vm::HandleGive { space, rights: ebb_abi::Rights::SEND.bits(), badge: pid };
        match self.peers.vm_with(&give, &[own]) {
            Ok((server, _)) => {
                self.table.started(slot);
                Ok((pid, notification, server))
            }
            Err(error) => {
                self.leave(space, number as u8);
                Err(error)
            }
        }
    }

    /// A process has nothing in a space any more. Nobody else has: it goes. What is gone already is no error.
    pub fn leave(&self, space: Space, thread: u8) {
        if self.table.sharing(space).is_empty() {
            return self.free_space(space);
        }
        match self.peers.vm(&vm::ShareEnd { space, number: thread as u32 }) {
            Ok(()) | Err(Error::NotFound) => {}
            Err(error) => ebb_rt::log!("leaving space {space}: {error}"),
        }
    }
}
