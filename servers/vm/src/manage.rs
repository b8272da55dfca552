// SPDX-License-Identifier: BSD-2-Clause
//! Who may do what with which space: a program with its own, a manager with those that it made, `init` with all.
//!
//! A manager may die; its spaces go on, and the next that `init` makes a manager has them, and what happened to them meanwhile.

use crate::machine::Machine;
use crate::vm::Vm;
use alloc::vec::Vec;
use ebb_abi::thread::TaskOp;
use ebb_abi::{Handle, Rights};
use ebb_proto::Error;
use ebb_proto::vm::{Happening, INIT, MAX_KIT, Space};
use ebb_rt::client::from_sys;

/// What a manager of spaces has here.
#[derive(Clone, Copy, Debug)]
pub struct Manages {
    /// Where exceptions of its spaces go; `Handle::NONE`: to `init`.
    exceptions: Handle,
    /// Its notification, once it is started.
    notification: Handle,
    /// What it gives each program that it makes; from the first `Handle::NONE` on there is nothing.
    kit: [Handle; MAX_KIT],
}

impl<M: Machine> Vm<M> {
    /// The space that an operation is for: the caller's own, or one that it manages.
    pub(crate) fn target(&self, caller: Space, named: Space) -> Result<Space, Error> {
        if named == 0 || named == caller { Ok(caller) } else { self.managed(caller, named) }
    }

    /// A space that the caller manages. `init` may name any, so that it learns itself that there is none.
    pub(crate) fn managed(&self, caller: Space, named: Space) -> Result<Space, Error> {
        self.only_managers(caller)?;
        match self.spaces.get(named) {
            None if caller != INIT => Err(Error::NotFound),
            Some(space) if caller != INIT && space.manager != caller => Err(Error::NotPermitted),
            _ => Ok(named),
        }
    }

    pub(crate) fn only_init(&self, caller: Space) -> Result<(), Error> {
        if caller == INIT { Ok(()) } else { Err(Error::NotPermitted) }
    }

    pub(crate) fn only_managers(&self, caller: Space) -> Result<(), Error> {
        let manages = self.spaces.get(caller).is_some_and(|s| s.manages.is_some());
        if manages { Ok(()) } else { self.only_init(caller) }
    }

    /// Makes a space a manager; it gets the spaces of those that are gone.
    pub fn manage(&mut self, id: Space, exceptions: Handle) -> Result<(), Error> {
        let space = self.spaces.get_mut(id).ok_or(Error::NotFound)?;
        if id == INIT || space.manages.is_some() || space.thread != Handle::NONE {
            return Err(Error::Exists);
        }
        space.manages =
            Some(Manages { exceptions, notification: Handle::NONE, kit: [Handle::NONE; MAX_KIT] });
        let gone = |spaces: &crate::space::Spaces, manager: Space| spaces.get(manager).is_none();
        let orphans: Vec<Space> =
            self.spaces.iter().filter(|s| gone(&self.spaces, s.manager)).map(|s| s.id).collect();
        for (manager, _) in &mut self.happenings {
            if gone(&self.spaces, *manager) {
                *manager = id;
            }
        }
        for orphan in orphans {
            if let Some(space) = self.spaces.get_mut(orphan) {
                space.manager = id;
            }
            if let Err(error) = self.supervise(orphan) {
                self.m.log(format_args!("directing exceptions of {orphan}: {error}"));
            }
        }
        Ok(())
    }

    /// Directs the exceptions of a space to whom its manager wants.
    pub(crate) fn supervise(&mut self, id: Space) -> Result<(), Error> {
        let space = self.spaces.get(id).ok_or(Error::NotFound)?;
        let manages = self.spaces.get(space.manager).and_then(|s| s.manages);
        let endpoint = manages.map(|m| m.exceptions).filter(|e| *e != Handle::NONE);
        let endpoint = endpoint.unwrap_or(self.supervisor).0 as u64;
        self.m.task_control(space.task, TaskOp::SupervisorEndpoint, endpoint, id as u64).map_err(from_sys)?;
        Ok(())
    }

    /// A space was started with this notification: a manager is told of events by it. Returns whether the handle is kept.
    pub(crate) fn keep_notification(&mut self, id: Space, notification: Handle) -> bool {
        let manages = self.spaces.get_mut(id).and_then(|s| s.manages.as_mut());
        let Some(manages) = manages.filter(|_| notification != Handle::NONE) else { return false };
        manages.notification = notification;
        // What happened before it could be told.
        if self.happenings.iter().any(|(manager, _)| *manager == id) {
            self.m.signal(notification, ebb_proto::vm::HAPPENING_BIT);
        }
        true
    }

    /// How a manager is told of events; `None`: not now.
    pub(crate) fn notification_of(&self, manager: Space) -> Option<Handle> {
        if manager == INIT {
            return Some(self.init_notification);
        }
        let manages = self.spaces.get(manager).and_then(|s| s.manages)?;
        (manages.notification != Handle::NONE).then_some(manages.notification)
    }

    /// What happened to the spaces of a manager since it last asked.
    pub(crate) fn take_happenings(&mut self, manager: Space) -> Vec<Happening> {
        let (theirs, others) =
            core::mem::take(&mut self.happenings).into_iter().partition::<Vec<_>, _>(|(m, _)| *m == manager);
        self.happenings = others.into();
        theirs.into_iter().map(|(_, happening)| happening).collect()
    }

    /// `KitAdd`: one more handle for each program that a manager makes.
    pub(crate) fn kit_add(&mut self, manager: Space, handle: Handle) -> Result<(), Error> {
        if handle == Handle::NONE {
            return Err(Error::Invalid);
        }
        let manages = self.spaces.get_mut(manager).and_then(|s| s.manages.as_mut());
        let kit = &mut manages.ok_or(Error::NotPermitted)?.kit;
        *kit.iter_mut().find(|place| **place == Handle::NONE).ok_or(Error::NoMemory)? = handle;
        Ok(())
    }

    /// `Equip`: gives a space the manager's kit, and a notification.
    pub(crate) fn equip(&mut self, manager: Space, id: Space) -> Result<Vec<u32>, Error> {
        let kit = self.spaces.get(manager).and_then(|s| s.manages).ok_or(Error::NotPermitted)?.kit;
        let mut numbers = Vec::with_capacity(MAX_KIT + 1);
        for handle in kit.into_iter().take_while(|h| *h != Handle::NONE) {
            numbers.push(self.give(id, handle, Rights::SEND, id)?);
        }
        numbers.push(self.notification_give(id)?);
        Ok(numbers)
    }

    /// A manager is gone.
    pub(crate) fn manager_gone(&mut self, manages: Manages) {
        for handle in [manages.exceptions, manages.notification].into_iter().chain(manages.kit) {
            if handle != Handle::NONE {
                self.m.handle_close(handle);
            }
        }
    }
}
