// SPDX-License-Identifier: BSD-2-Clause
//! Parents, groups, and what a parent is told.

use crate::record::{FAMILY, Kind, note, pair};
use crate::table::{Slot, Table};
use crate::words::Words;
use alloc::vec::Vec;
use ebb_proto::Error;
use ebb_proto::proc::{Change, Group, Pid};

impl<W: Words> Table<W> {
    /// A child. `NotFound`: that is none, or none of this parent.
    pub fn child(&self, parent: Slot, pid: Pid) -> Result<Slot, Error> {
        let parent = self.pid(parent);
        self.find(pid).filter(|s| self.parent(*s) == parent).ok_or(Error::NotFound)
    }

    /// All children, also ended ones.
    pub fn children(&self, parent: Slot) -> impl Iterator<Item = Slot> + '_ {
        let parent = self.pid(parent);
        self.all().filter(move |s| self.parent(*s) == parent)
    }

    /// All of a group that have not ended.
    pub fn members(&self, group: Pid) -> Vec<Slot> {
        let member = |s: &Slot| group != 0 && self.head(*s).lives() && self.group(*s) == group;
        self.all().filter(member).collect()
    }

    /// What has happened to a process that its parent does not know. It is known from now on, but for an end: that is known when the process is forgotten.
    pub fn news(&mut self, slot: Slot) -> Option<Change> {
        let head = self.head(slot);
        // Its space is still being freed: not before that.
        if head.kind == Kind::Ended {
            return self.ended(slot).filter(|_| self.space(slot) == 0).map(Change::Ended);
        }
        let change = match head.notes {
            n if n & note::STOPPED != 0 => Change::Stopped(head.signal),
            n if n & note::CONTINUED != 0 => Change::Continued,
            _ => return None,
        };
        self.change(slot, |head| head.notes &= !(note::STOPPED | note::CONTINUED));
        Some(change)
    }

    /// Whether a process is told of its children.
    pub fn watches(&self, slot: Slot) -> bool {
        self.head(slot).lives() && self.head(slot).notes & note::WATCHES != 0
    }

    /// It wants to be.
    pub fn watch(&mut self, slot: Slot) {
        self.change(slot, |head| head.notes |= note::WATCHES);
    }

    /// A group that a process can put others into: its own, or one that a process is in which it started.
    pub(crate) fn known_group(&self, parent: Option<Slot>, group: Pid) -> Result<Pid, Error> {
        let parent = parent.ok_or(Error::NotFound)?;
        let known = self.group(parent) == group || self.children(parent).any(|s| self.group(s) == group);
        if group != 0 && known { Ok(group) } else { Err(Error::NotFound) }
    }

    /// Puts a process into a group. `who` asks: it may do that with itself and its children. `NotFound`.
    pub fn set_group(&mut self, who: Slot, slot: Slot, group: Group) -> Result<(), Error> {
        let own = slot == who || self.parent(slot) == self.pid(who);
        if !own || self.kind(slot) == Kind::Ended {
            return Err(Error::NotFound);
        }
        let group = match group {
            Group::Inherited => self.group(who),
            Group::Own => self.pid(slot),
            Group::Of(group) => self.known_group(Some(who), group)?,
        };
        self.put(slot, FAMILY, pair(self.parent(slot), group));
        Ok(())
    }
}
