// SPDX-License-Identifier: BSD-2-Clause
//! Signals, limits, niceness: what one process does to another.

use crate::server::Proc;
use alloc::string::String;
use alloc::vec::Vec;
use ebb_abi::PAGE_SIZE;
use ebb_proc::signals::{Action, default_action};
use ebb_proc::{Kind, Slot};
use ebb_proto::Error;
use ebb_proto::proc::{Limit, Pid, Resource, SIGNALLED, SetLimit, Target, UNLIMITED, signal};
use ebb_proto::vm::{self, Space};

impl Proc {
    /// Sends a signal.
    pub fn kill(&mut self, target: Target, number: u8) -> Result<(), Error> {
        if number != 0 && default_action(number).is_none() {
            return Err(Error::Invalid);
        }
        match target {
            Target::Process(pid) => match self.table.find(pid) {
                // One that has ended and is not forgotten can be signalled, to no effect.
                Some(slot) if self.table.kind(slot) == Kind::Ended => Ok(()),
                Some(slot) => self.deliver(slot, number),
                None if self.is_server(pid) => Err(Error::NotPermitted),
                None => Err(Error::NotFound),
            },
            Target::Group(group) => {
                let pids: Vec<Pid> =
                    self.table.members(group).into_iter().map(|s| self.table.pid(s)).collect();
                if pids.is_empty() {
                    return Err(Error::NotFound);
                }
                let mut result = Ok(());
                for pid in pids {
                    // The end of one may be that of another.
                    if let Some(slot) = self.table.alive(pid) {
                        result = result.and(self.deliver(slot, number));
                    }
                }
                result
            }
        }
    }

    fn deliver(&mut self, slot: Slot, number: u8) -> Result<(), Error> {
        if number == 0 {
            return Ok(());
        }
        match self.table.action(slot, number)? {
            Action::Ignore => {}
            Action::End => {
                let reason = if number == signal::KILL { String::from("killed") } else { String::new() };
                self.end(slot, SIGNALLED + number, reason);
            }
            Action::Stop => {
                self.halt(slot, true)?;
                self.table.stopped(slot, number);
                self.tell_parent(slot);
            }
            Action::Continue => {
                self.halt(slot, false)?;
                self.table.continued(slot);
                self.swapping.soon();
                self.tell_parent(slot);
            }
        }
        Ok(())
    }

    fn halt(&self, slot: Slot, halted: bool) -> Result<(), Error> {
        let (space, number) = (self.table.space(slot), self.table.thread(slot) as u32);
        if number == 0 && self.table.sharing(space).len() == 1 {
            return self.peers.vm(&vm::Halt { space, halted });
        }
        self.peers.vm(&vm::ShareHalt { space, number, halted })
    }

    fn is_server(&self, space: Space) -> bool {
        let spaces = self.peers.vm(&vm::Spaces { from: space });
        spaces.is_ok_and(|s| s.first().is_some_and(|s| s.space == space && s.protected))
    }

    /// A process by its number, 0: that in a space.
    pub fn named(&self, from: Space, pid: Pid) -> Result<Slot, Error> {
        let slot = if pid == 0 { self.table.with_badge(from) } else { self.table.alive(pid) };
        slot.ok_or(Error::NotFound)
    }

    /// Sets a limit.
    pub fn set_limit(&mut self, from: Space, op: &SetLimit) -> Result<(), Error> {
        let slot = self.named(from, op.pid)?;
        let Limit { soft, hard } = op.limit;
        self.table.set_limit(slot, op.resource, Limit { soft, hard })?;
        if matches!(op.resource, Resource::Stack | Resource::Processes) {
            return Ok(());
        }
        // Memory is that of all who share the space, and so is its limit. They have the same, so that none is refused.
        for other in self.table.sharing(self.table.space(slot)) {
            self.table.set_limit(other, op.resource, Limit { soft, hard })?;
        }
        self.limit_space(slot, self.table.space(slot))
    }

    /// Has `vm` see to the limits of a process in its space.
    pub fn limit_space(&self, slot: Slot, space: Space) -> Result<(), Error> {
        let limits = self.table.limits(slot);
        let pages = |resource: Resource| match limits[resource as usize].soft {
            UNLIMITED => vm::NO_LIMIT,
            bytes => bytes / PAGE_SIZE as u64,
        };
        let bounds = vm::Bounds {
            resident: pages(Resource::Rss),
            mapped: pages(Resource::AddressSpace),
            data: pages(Resource::Data),
            swap: pages(Resource::Swap),
        };
        self.peers.vm(&vm::SetLimits { space, bounds })
    }

    /// Sets how nice a process is.
    pub fn set_nice(&mut self, from: Space, pid: Pid, nice: i8) -> Result<i8, Error> {
        let slot = self.named(from, pid)?;
        if self.table.thread(slot) != 0 {
            return Err(Error::Unsupported);
        }
        let priority = self.priority(&self.table.name(slot), nice);
        self.peers.vm(&vm::SetPriority { space: self.table.space(slot), priority })?;
        Ok(self.table.set_nice(slot, nice))
    }
}
