// SPDX-License-Identifier: BSD-2-Clause
//! What a manager of programs needs beyond what every spawner does: objects that go with a space, segments that go with their last mapping, and all threads of a space at once. So there is nothing that
//! only the manager knows of, and when it dies nothing is left over.

use crate::machine::Machine;
use crate::vm::Vm;
use alloc::vec::Vec;
use ebb_abi::thread::{MAX_PRIORITY, ThreadOp};
use ebb_abi::{Handle, Kind, Rights};
use ebb_policy::gate::Wiring;
use ebb_proto::Error;
use ebb_proto::vm::{self as proto, Request, Space};
use ebb_rt::client::from_sys;

impl<M: Machine> Vm<M> {
    /// Operations of managers on what they manage.
    pub(crate) fn dispatch_managers(&mut self, caller: Space, request: Request, reply: M::Reply) {
        match request {
            Request::HandleRoom(_) => {
                let result = self.only_managers(caller).and_then(|()| self.handle_room(caller));
                self.m.answer::<proto::HandleRoom>(reply, result, &[]);
            }
            Request::NotificationGive(op) => {
                let result = self.managed(caller, op.space).and_then(|id| self.notification_give(id));
                self.m.answer::<proto::NotificationGive>(reply, result, &[]);
            }
            Request::Equip(op) => {
                let result = self.managed(caller, op.space).and_then(|id| self.equip(caller, id));
                self.m.answer::<proto::Equip>(reply, result, &[]);
            }
            Request::EndpointGive(op) => {
                match self.managed(caller, op.space).and_then(|id| self.endpoint_give(id)) {
                    Ok((there, endpoint)) => {
                        self.m.answer::<proto::EndpointGive>(reply, Ok(there), &[endpoint]);
                    }
                    Err(error) => self.m.answer::<proto::EndpointGive>(reply, Err(error), &[]),
                }
            }
            Request::SegmentTemporary(op) => {
                let result =
                    self.only_managers(caller).and_then(|()| self.segment_new(op.pages, Wiring::Program));
                if let Ok(id) = result
                    && let Some(Some(segment)) = self.segments.get_mut(id as usize)
                {
                    segment.maker = caller;
                }
                self.m.answer::<proto::SegmentTemporary>(reply, result, &[]);
            }
            Request::Signal(op) => {
                let result = self.managed(caller, op.space).and_then(|id| {
                    let notification = self.spaces.get(id).map_or(Handle::NONE, |s| s.notification);
                    if notification == Handle::NONE {
                        return Err(Error::NotFound);
                    }
                    self.m.signal(notification, op.bits);
                    Ok(())
                });
                self.m.answer::<proto::Signal>(reply, result, &[]);
            }
            Request::Halt(op) => {
                let result = self.managed(caller, op.space).and_then(|id| self.halt(id, op.halted));
                self.m.answer::<proto::Halt>(reply, result, &[]);
            }
            Request::NumberNew(_) => {
                let result = self.only_managers(caller).and_then(|()| self.number_new());
                self.m.answer::<proto::NumberNew>(reply, result, &[]);
            }
            Request::ShareNew(op) => {
                let result = self.managed(caller, op.space).and_then(|_| self.share_new(&op));
                self.m.answer::<proto::ShareNew>(reply, result, &[]);
            }
            Request::ShareEnd(op) => {
                let result = self.managed(caller, op.space).and_then(|id| self.share_end(id, op.number));
                self.m.answer::<proto::ShareEnd>(reply, result, &[]);
            }
            Request::ShareHalt(op) => {
                let result =
                    self.managed(caller, op.space).and_then(|id| self.share_halt(id, op.number, op.halted));
                self.m.answer::<proto::ShareHalt>(reply, result, &[]);
            }
            Request::SetPriority(op) => {
                let result = self.managed(caller, op.space).and_then(|id| self.set_priority(id, op.priority));
                self.m.answer::<proto::SetPriority>(reply, result, &[]);
            }
            Request::SwapOut(op) => {
                let result = self.managed(caller, op.space).and_then(|id| self.swap_out(id));
                self.m.answer::<proto::SwapOut>(reply, result, &[]);
            }
            Request::SwapIn(op) => {
                let result = self.managed(caller, op.space).and_then(|id| self.swap_in(id));
                self.m.answer::<proto::SwapIn>(reply, result, &[]);
            }
            Request::Activities(op) => {
                let result = self.only_managers(caller).map(|()| self.activities(caller, op.from));
                self.m.answer::<proto::Activities>(reply, result, &[]);
            }
            // The others were served before.
            _ => drop(reply),
        }
    }

    pub(crate) fn notification_give(&mut self, id: Space) -> Result<u32, Error> {
        let space = self.spaces.get(id).ok_or(Error::NotFound)?;
        if space.notification != Handle::NONE || space.thread != Handle::NONE {
            return Err(Error::Exists);
        }
        let notification = self.object_new(Kind::Notification)?;
        let rights = Rights::SEND | Rights::RECEIVE | Rights::GRANT;
        let there = self.give(id, notification, rights, 0).inspect_err(|_| self.discard(notification))?;
        if let Some(space) = self.spaces.get_mut(id) {
            space.notification = notification;
        }
        Ok(there)
    }

    fn endpoint_give(&mut self, id: Space) -> Result<(u32, Handle), Error> {
        if self.spaces.get(id).ok_or(Error::NotFound)?.link != Handle::NONE {
            return Err(Error::Exists);
        }
        let endpoint = self.object_new(Kind::Endpoint)?;
        let there = self.give(id, endpoint, Rights::RECEIVE, 0).inspect_err(|_| self.discard(endpoint))?;
        if let Some(space) = self.spaces.get_mut(id) {
            space.link = endpoint;
        }
        Ok((there, endpoint))
    }

    /// Destroys an object that this server made, and forgets it.
    pub(crate) fn discard(&mut self, object: Handle) {
        if object == Handle::NONE {
            return;
        }
        if let Err(error) = self.object_free(object) {
            self.m.log(format_args!("destroying an object: {error}"));
        }
        self.m.handle_close(object);
    }

    /// Temporary segments of a manager that is gone, as far as nobody maps them.
    pub(crate) fn drop_temporary(&mut self, maker: Space) {
        for id in 0..self.segments.len() {
            let unused = |s: &crate::segment::Segment| s.maker == maker && s.mapped == 0;
            if self.segments.get(id).is_some_and(|s| s.as_ref().is_some_and(unused)) {
                self.segment_drop(id as u32);
            }
        }
    }

    /// Holds the threads of a space, or lets them go on.
    fn halt(&mut self, id: Space, halted: bool) -> Result<(), Error> {
        let space = self.spaces.get_mut(id).ok_or(Error::NotFound)?;
        space.halted = halted;
        let threads: Vec<Handle> = space.living().map(|(_, thread, _)| thread).collect();
        threads.into_iter().try_for_each(|thread| {
            self.m.thread_control(thread, ThreadOp::Hold, halted as u64).map_err(from_sys)
        })
    }

    fn set_priority(&mut self, id: Space, priority: u8) -> Result<(), Error> {
        if priority as u64 > MAX_PRIORITY {
            return Err(Error::Invalid);
        }
        let space = self.spaces.get_mut(id).ok_or(Error::NotFound)?;
        space.priority = priority;
        let threads: Vec<Handle> = space.living().map(|(_, thread, _)| thread).collect();
        threads.into_iter().try_for_each(|thread| {
            self.m.thread_control(thread, ThreadOp::Priority, priority as u64).map_err(from_sys)
        })
    }
}
